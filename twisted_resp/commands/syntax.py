"""A command's syntax line, read once: ``LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]``.

The line is what redis.io and redis-cli print. From it follow the arity, the tree of arguments that COMMAND DOCS
tells, and where the keys stand (https://redis.io/docs/latest/develop/reference/key-specs/).

How a line is read:

- WORDS IN CAPITALS and signs (``*``, ``=``, ``$``...) are tokens, typed as they stand; other words are arguments.
  A capital word directly after the command's name is its subcommand: ``CLIENT KILL ...``.
- ``[a]`` may be left out, ``<a | b>`` is a choice, ``[a | b]`` a choice that may be left out, and
  ``a b [a b ...]`` may be repeated.
- A token belongs to the argument that follows it; where several words follow, to the block of them.
- ``label:`` names the argument after it, or the whole group where it stands first in a group, where the usual
  name is not the one wanted: ``[mode: WRITE | ALL]``, ``[by-pattern: BY pattern]``.

A word's type follows from its name (`_TYPES`), a choice's name from its first alternative (`_CHOICES`); what a line
can't say is given to `Syntax.parse` beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Union

from twisted_resp.commands.arguments import Argument, words_of
from twisted_resp.commands.keyspecs import KeySpec, legacy_range, place_keys

__all__ = ["Syntax", "SyntaxLineError"]


class SyntaxLineError(ValueError):
    """A syntax line that can't be read."""


@dataclass(frozen=True)
class Syntax:
    """A syntax line that has been read.

    ``name`` is upper case as in the line, ``subcommand`` empty for a command of one word. ``arity`` counts the name
    and the subcommand; it is negative where more arguments may follow.
    """

    line: str
    name: str
    subcommand: str
    arity: int
    arguments: tuple[Argument, ...]
    key_specs: tuple[KeySpec, ...]

    @classmethod
    def parse(
        cls,
        line: str,
        *,
        arity: int | None = None,
        keys: Sequence[str | KeySpec] | None = None,
        types: Mapping[str, str] | None = None,
        since: Mapping[str, str] | None = None,
        deprecated: Mapping[str, str] | None = None,
    ) -> Syntax:
        """Read a syntax line.

        Args:
            line: the line, command name first.
            arity: what Redis says, where it is not what follows from the line.
            keys: one entry for each key specification, in order: its flags ("RW access update"), or a `KeySpec` in
                place of the one that follows from the line.
            types: types of arguments by name, where a name's usual type is not meant.
            since: version in which arguments (by name) or options came, where later than the command.
            deprecated: version in which arguments were deprecated.

        Raises:
            SyntaxLineError: the line has no such form, or a hook names something that isn't in it.
        """
        reader = _Reader(line, dict(types or {}), dict(since or {}), dict(deprecated or {}))
        name = reader.name()
        subcommand = reader.subcommand()
        arguments = reader.arguments()
        start = 2 if subcommand else 1
        arguments, specs = place_keys(arguments, start)
        if keys is not None:
            if len(keys) < len(specs):
                raise SyntaxLineError(f"{line}: {len(specs)} key specifications, flags for {len(keys)}")
            specs = tuple(
                replace(specs[place], flags=tuple(given.split())) if isinstance(given, str) else given
                for place, given in enumerate(keys)
            )
        if arity is None:
            low, high = words_of(arguments)
            arity = start + low if low == high else -(start + low)
        return cls(_LABEL.sub("", line), name, subcommand, arity, arguments, specs)

    @property
    def legacy_range(self) -> tuple[int, int, int]:
        """First key, last key and step as COMMAND tells them; zeros where there is no such range."""
        return legacy_range(self.key_specs)[:3]

    @property
    def movable_keys(self) -> bool:
        """Whether the legacy range misses keys (the flag ``movablekeys``)."""
        return legacy_range(self.key_specs)[3]

    def walk(self) -> Iterator[Argument]:
        """Yield every argument of the tree, parents first."""
        waiting = list(reversed(self.arguments))
        while waiting:
            argument = waiting.pop()
            yield argument
            waiting.extend(reversed(argument.children))


# Reading the line

_LABEL = re.compile(r"(?<=[\s\[<])[^\s\[\]<>|]+:\s+")
_PIECES = re.compile(r'\[|\]|<|>|\||""|[^\s\[\]<>|]+')
_SIGNS = {"=": "equal", "~": "approximately", "*": "auto-id", "$": "new-id", '""': "empty-string"}
_TOKENS = {"CH": "change", "ALPHA": "sorting"}

_CHOICES = {
    "NX": "condition",
    "GT": "comparison",
    "EX": "expiration",
    "ASC": "order",
    "M": "unit",
    "BYTE": "unit",
    "LEFT": "where",
    "BEFORE": "where",
    "MIN": "where",
    "ASYNC": "flush-type",
    "FROMMEMBER": "from",
    "BYRADIUS": "by",
    "BYSCORE": "sortby",
    "MAXLEN": "strategy",
    "=": "operator",
    "STORE": "store",
    "*": "id-selector",
    "id": "id-selector",
    "ON": "status",
    "YES": "mode",
}

# What names say of the type; all others are strings.
_TYPES = {
    word: kind
    for kind, words in {
        "key": "key key1 key2 newkey source sourcekey src destination destkey dst",
        "integer": """
            bit bits client-id cluster-bus-port config-epoch count current-epoch cursor db decrement destination-db
            end end-slot entries-added entries-read frequency increment index index1 index2 len limit maxage
            milliseconds min-match-len ms num-matches numfields numkeys numlocal numreplicas offset port protover
            quorum rank seconds slot slot-last slot-start start start-slot stop ttl version weight
            """,
        "double": "height latitude longitude max min radius score timeout width",
        "pattern": "pattern",
        "unix-time": "unix-time-seconds unix-time-milliseconds",
    }.items()
    for word in words.split()
}


def _is_token(word: str) -> bool:
    return word in _SIGNS or (word == word.upper() and word[0].isalpha())


class _Word(NamedTuple):
    text: str


class _Group(NamedTuple):
    """What stands in brackets: alternatives, each a sequence of items."""

    alternatives: list[list[_Item]]
    optional: bool
    label: str
    repeats: bool


class _Label(NamedTuple):
    text: str


_Item = Union[_Word, _Group, _Label]


class _Reader:
    """Reads one line, first into nested brackets, then from the inside out into arguments."""

    def __init__(
        self, line: str, types: dict[str, str], since: dict[str, str], deprecated: dict[str, str]
    ) -> None:
        self.line = line
        self.pieces = _PIECES.findall(line)
        self.at = 0
        self.types = types
        self.since = since
        self.deprecated = deprecated
        self.used: set[str] = set()

    def error(self, what: str) -> SyntaxLineError:
        return SyntaxLineError(f"{self.line}: {what}")

    def peek(self) -> str:
        return self.pieces[self.at] if self.at < len(self.pieces) else ""

    def next(self) -> str:
        piece = self.peek()
        self.at += 1
        return piece

    def name(self) -> str:
        name = self.next()
        if not name or not _is_token(name):
            raise self.error("a line begins with a command's name in capitals")
        return name

    def subcommand(self) -> str:
        following = self.peek()
        return self.next() if following and following[0].isalpha() and _is_token(following) else ""

    def arguments(self) -> tuple[Argument, ...]:
        items = self.items()
        if self.at < len(self.pieces):
            raise self.error(f"{self.peek()!r} closes nothing")
        arguments = tuple(self.sequence(items, outermost=True))
        unused = (self.types.keys() | self.since.keys() | self.deprecated.keys()) - self.used
        if unused:
            raise self.error(f"no argument is named {', '.join(sorted(unused))}")
        return arguments

    # From pieces to nested brackets

    def items(self) -> list[_Item]:
        items: list[_Item] = []
        while self.peek() not in ("", "]", ">", "|", "..."):
            piece = self.next()
            if piece in "[<":
                items.append(self.group(piece))
            elif piece.endswith(":"):
                items.append(_Label(piece[:-1]))
            else:
                items.append(_Word(piece))
        return items

    def group(self, opened: str) -> _Group:
        closing = "]" if opened == "[" else ">"
        alternatives = [self.items()]
        while self.peek() == "|":
            self.next()
            alternatives.append(self.items())
        repeats = self.peek() == "..."
        if repeats:
            self.next()
        if self.next() != closing:
            raise self.error(f"a {opened!r} without its {closing!r}")
        if not all(alternatives):
            raise self.error("empty brackets")
        label = ""
        first = alternatives[0][0]
        if isinstance(first, _Label) and (len(alternatives) > 1 or closing == "]"):
            label = first.text
            alternatives[0] = alternatives[0][1:]
        return _Group(alternatives, closing == "]", label, repeats)

    # From nested brackets to arguments

    def sequence(self, items: Sequence[_Item], outermost: bool = False) -> list[Argument]:
        """Read items that stand one after another. Only the outermost are not bounded by brackets."""
        arguments: list[Argument] = []
        place = 0
        while place < len(items):
            label = ""
            item = items[place]
            if isinstance(item, _Label):
                label = item.text
                place += 1
                if place == len(items):
                    raise self.error(f"{label}: names nothing")
                item = items[place]
            if isinstance(item, _Word) and _is_token(item.text):
                argument, place = self.tokened(items, place, label, outermost)
                arguments.append(argument)
                if not label:
                    place = self.repetition(items, place, arguments)
                continue
            place += 1
            if isinstance(item, _Group) and item.repeats and not label:
                # "[a ...]" that repeats nothing in front of it: any number of it, none too.
                arguments.append(replace(self.of_group(item, label), multiple=True))
                continue
            arguments.append(self.of_item(item, label))
            place = self.repetition(items, place, arguments)
        return arguments

    def tokened(
        self, items: Sequence[_Item], place: int, label: str, outermost: bool
    ) -> tuple[Argument, int]:
        """Read a token and what belongs to it; return that and the place behind it."""
        word = items[place]
        assert isinstance(word, _Word)
        token = word.text
        behind = place + 1
        if behind < len(items) and self.takes_token(items[behind]):
            following = items[behind]
            inner_label = label
            if isinstance(following, _Label):
                inner_label = following.text
                behind += 1
                following = items[behind]
            end = self.block_end(items, place + 1, outermost)
            if end > place + 1:
                children = self.sequence(items[place + 1 : end])
                return self.block(children, label or _name_of(token), token=token), end
            single = replace(self.of_item(following, inner_label or ""), token=token)
            if single.type == "oneof" and not inner_label:
                single = self.named(replace(single, name=_name_of(token)))
            found = [single]
            end = self.repetition(items, behind + 1, found, token)
            return found[0], end
        return self.named(Argument(label or _name_of(token), "pure-token", token, _name_of(token))), behind

    @staticmethod
    def takes_token(item: _Item) -> bool:
        if isinstance(item, _Word):
            return not _is_token(item.text)
        return isinstance(item, _Label) or (not item.optional and len(item.alternatives) > 1)

    def block_end(self, items: Sequence[_Item], start: int, outermost: bool) -> int:
        """Return the end of the words that together belong to a token in front, or ``start`` where it is one."""
        place = start
        words = 0
        while place < len(items):
            item = items[place]
            if isinstance(item, _Word):
                if _is_token(item.text):
                    break
                words += 1
            elif isinstance(item, _Group):
                if not item.optional:
                    return start
                if not item.repeats and outermost:
                    break
                if item.repeats and isinstance(item.alternatives[0][0], _Word):
                    first = item.alternatives[0][0].text
                    if _is_token(first):
                        break
            place += 1
        return place if words > 1 else start

    def repetition(
        self, items: Sequence[_Item], place: int, arguments: list[Argument], token: str = ""
    ) -> int:
        """Where ``[... ...]`` stands at ``place``, fold what it repeats into one argument; return the place behind."""
        if place >= len(items):
            return place
        group = items[place]
        if not isinstance(group, _Group) or not group.repeats:
            return place
        repeated = self.sequence(group.alternatives[0])
        count = len(repeated)
        if token and repeated == arguments[-1:]:
            arguments[-1] = replace(arguments[-1], multiple=True, multiple_token=True)
        elif token and count == 1 and replace(arguments[-1], token=repeated[0].token) == repeated[0]:
            arguments[-1] = replace(arguments[-1], multiple=True)
        elif repeated == arguments[-count:]:
            again = arguments[-1]
            if count > 1:
                again = self.block(repeated, group.label or "data")
            del arguments[-count:]
            arguments.append(replace(again, multiple=True, multiple_token=again.token is not None))
        else:
            raise self.error(f"[... ...] repeats something else than what stands before it: {repeated}")
        return place + 1

    def of_item(self, item: _Item, label: str) -> Argument:
        if isinstance(item, _Word):
            display = item.text.lower()
            return self.named(Argument(label or display, _TYPES.get(display, "string"), None, display))
        if isinstance(item, _Group):
            return self.of_group(item, label)
        raise self.error(f"two names: {label}: {item.text}:")

    def of_group(self, group: _Group, label: str) -> Argument:
        label = group.label or label
        if len(group.alternatives) > 1:
            children = tuple(self.one(alternative, "") for alternative in group.alternatives)
            first = children[0]
            name = label or _CHOICES.get(first.token or first.name, "")
            return self.named(Argument(name, "oneof", children=children, optional=group.optional))
        return replace(self.one(group.alternatives[0], label), optional=group.optional)

    def one(self, items: list[_Item], label: str) -> Argument:
        """Read a sequence as a single argument: itself, or a block."""
        if not label and isinstance(items[0], _Label) and len(self.sequence(items[1:])) > 1:
            label, items = items[0].text, items[1:]
        arguments = self.sequence(items)
        if len(arguments) == 1:
            return self.named(replace(arguments[0], name=label)) if label else arguments[0]
        return self.block(arguments, label or "-".join(argument.name for argument in arguments))

    def block(self, children: Iterable[Argument], name: str, token: str | None = None) -> Argument:
        return self.named(Argument(name, "block", token, children=tuple(children)))

    def named(self, argument: Argument) -> Argument:
        """Give an argument what the caller said about its name."""
        name = argument.name
        self.used.add(name)
        kind = argument.type if argument.children else self.types.get(name, argument.type)
        return replace(
            argument,
            type=kind,
            since=self.since.get(name, argument.since),
            deprecated_since=self.deprecated.get(name, argument.deprecated_since),
        )


def _name_of(token: str) -> str:
    return _SIGNS.get(token) or _TOKENS.get(token) or token.lower()
