"""A command's syntax line, read once: ``LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]``.

The line is what redis.io and redis-cli print. From it follow the arity, the tree of arguments that COMMAND
DOCS tells, and where the keys stand. How it is read:

- WORDS IN CAPITALS and signs (``*``, ``=``, ``$``...) are tokens, typed as they stand; other words are
  arguments. A capital word directly after the command's name is its subcommand: ``CLIENT GETNAME``.
- ``[a]`` may be left out, ``<a | b>`` is a choice, ``[a | b]`` a choice that may be left out;
  ``a b [a b ...]`` may be repeated, and so may ``[a | b ...]``.
- A token belongs to the word or choice that follows it; where several words follow, to the block of them.
- ``label:`` names the argument after it, or the whole group where it stands first in brackets, if the usual
  name is not the one wanted: ``[mode: WRITE | ALL]``, ``[by-pattern: BY pattern]``. Labels are not shown.

A word's type follows from its name (`_TYPES`), a choice's name from its first alternative (`_CHOICES`);
what a line can't say is given to `Syntax.parse` beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Union

from twisted_resp.commands.arguments import Argument, words_of
from twisted_resp.commands.keyspecs import KeySpec, legacy_range, place_keys

__all__ = ["Syntax", "SyntaxLineError", "names_of"]


class SyntaxLineError(ValueError):
    """A syntax line that can't be read."""


@dataclass(frozen=True)
class Syntax:
    """A syntax line that has been read.

    ``line`` is without labels; ``name`` is upper case as in the line, ``subcommand`` empty for a command of
    one word. ``arity`` counts the name and the subcommand; it is negative where more arguments may follow.
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
            keys: one entry for each key specification, in order: its flags ("RO access", "RW access # a
                note"), or a `KeySpec` in place of the one that follows from the line. Fewer entries leave
                out the last specifications.
            types: types of arguments by name, where a name's usual type is not meant.
            since: version in which arguments (by name) or options came, where later than the command.
            deprecated: version in which arguments were deprecated.

        Raises:
            SyntaxLineError: the line has no such form, or a hook names something that isn't in it.
        """
        name, subcommand = names_of(line)
        start = 2 if subcommand else 1
        reader = _Reader(line, start)
        hooks = {"type": types or {}, "since": since or {}, "deprecated_since": deprecated or {}}
        unused = {word for hook in hooks.values() for word in hook}
        arguments, specs = place_keys(
            [_amended(argument, hooks, unused) for argument in reader.arguments()],
            start,
            None if keys is None else len(keys),
        )
        if unused:
            raise reader.error(f"no argument is named {', '.join(sorted(unused))}")
        if keys is not None:
            if len(specs) < len(keys):
                raise reader.error(f"{len(specs)} key specifications, {len(keys)} in keys=")
            specs = tuple(spec.amended(given) for spec, given in zip(specs, keys))
        if arity is None:
            low, high = words_of(arguments)
            arity = start + low if low == high else -(start + low)
        words = [name, subcommand] if subcommand else [name]
        shown = " ".join(words + [str(argument) for argument in arguments])
        return cls(shown, name, subcommand, arity, arguments, specs)

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


def names_of(line: str) -> tuple[str, str]:
    """Return the command's name and its subcommand, empty where there is none, as they stand in a line.

    Raises:
        SyntaxLineError: the line does not begin with a name.
    """
    name, following = [*line.split(None, 2), "", ""][:2]
    if not name or not _is_token(name):
        raise SyntaxLineError(f"{line}: a line begins with a command's name in capitals")
    return name, following if following and following[0].isalpha() and _is_token(following) else ""


# Reading the line

_PIECES = re.compile(r'\[|\]|<|>|\||""|[^\s\[\]<>|]+')
# Tokens whose argument is not called as they are.
_NAMES = {
    "=": "equal",
    "~": "approximately",
    "*": "auto-id",
    "$": "new-id",
    '""': "empty-string",
    "CH": "change",
    "ALPHA": "sorting",
}

# What redis.io calls a choice, by the first of its alternatives.
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
    "BYSCORE": "sortby",
    "MAXLEN": "strategy",
    "=": "operator",
    "STORE": "store",
    "*": "id-selector",
    "id": "id-selector",
    "ON": "enabled",
    "YES": "mode",
}

# What names say of the type; all others are strings.
_TYPES = {
    word: kind
    for kind, words in {
        "key": "key key1 key2 newkey source sourcekey src destination destkey dst",
        "integer": """
            bit bits client-id cluster-bus-port config-epoch count current-epoch cursor db decrement
            destination-db end end-slot entries-added entries-read frequency increment index index1 index2
            len limit maxage milliseconds min-match-len ms num-matches numfields numkeys numlocal
            numreplicas offset port protover quorum rank seconds slot slot-last slot-start start start-slot
            stop ttl version weight
            """,
        "double": "height latitude longitude max min radius score timeout width",
        "pattern": "pattern",
        "unix-time": "unix-time-seconds unix-time-milliseconds",
    }.items()
    for word in words.split()
}


_SIGNS = frozenset(name for name in _NAMES if not name.isalpha())


def _is_token(word: str) -> bool:
    return word in _SIGNS or (word[0].isalpha() and word == word.upper())


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
    """Reads a line, from the piece at ``start``: into nested brackets, then from the inside out into arguments."""

    def __init__(self, line: str, start: int) -> None:
        self.line = line
        self.pieces = _PIECES.findall(line)
        self.at = start

    def error(self, what: str) -> SyntaxLineError:
        return SyntaxLineError(f"{self.line}: {what}")

    def peek(self) -> str:
        return self.pieces[self.at] if self.at < len(self.pieces) else ""

    def next(self) -> str:
        piece = self.peek()
        self.at += 1
        return piece

    def arguments(self) -> tuple[Argument, ...]:
        items = self.items()
        if self.at < len(self.pieces):
            raise self.error(f"{self.peek()!r} closes nothing")
        return tuple(self.sequence(items, outermost=True))

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
        label = ""
        if alternatives[0] and isinstance(alternatives[0][0], _Label):
            label = alternatives[0][0].text
            alternatives[0] = alternatives[0][1:]
        if not all(alternatives):
            raise self.error("empty brackets")
        return _Group(alternatives, closing == "]", label, repeats)

    # From nested brackets to arguments

    def sequence(self, items: Sequence[_Item], outermost: bool = False) -> list[Argument]:
        """Read items that stand one after another. Only the outermost are not bounded by brackets."""
        arguments: list[Argument] = []
        place = 0
        while place < len(items):
            item = items[place]
            label = ""
            if isinstance(item, _Label):
                label = item.text
                place += 1
                item = items[place] if place < len(items) else _Label("")
            if isinstance(item, _Label):
                raise self.error(f"{label}: names nothing")
            if isinstance(item, _Group) and item.repeats and self.repeat(item, arguments):
                place += 1
                continue
            if isinstance(item, _Word) and _is_token(item.text):
                end = self.end_of_tokened(items, place + 1, outermost)
                arguments.append(self.of_tokened(item.text, items[place + 1 : end], label))
                place = end
            else:
                arguments.append(self.of_item(item, label))
                place += 1
        return arguments

    def end_of_tokened(self, items: Sequence[_Item], start: int, outermost: bool) -> int:
        """Return the end of the items that belong to the token in front of ``start``."""
        words = 0
        for place in range(start, len(items)):
            item = items[place]
            if isinstance(item, _Label) or (isinstance(item, _Word) and _is_token(item.text)):
                break
            if isinstance(item, _Word):
                words += 1
            elif not item.optional:
                # A choice belongs to a token directly in front of it, not to a block.
                return start + 1 if words or place == start else start
            elif item.repeats:
                if self.begins_with_token(item):
                    break
            elif outermost or words < 2:
                break
        else:
            place = len(items)
        return place if words > 1 else start + min(words, 1)

    @staticmethod
    def begins_with_token(group: _Group) -> bool:
        first = group.alternatives[0][0]
        return isinstance(first, _Word) and _is_token(first.text)

    def of_tokened(self, token: str, items: Sequence[_Item], label: str) -> Argument:
        """Read a token and the items that belong to it."""
        usual = _NAMES.get(token, token.lower())
        if not items:
            return Argument(label or usual, "pure-token", token, label or usual)
        if len(items) > 1:
            return _block(self.sequence(items), label or usual, token)
        name = label or ("" if isinstance(items[0], _Word) else usual)
        return replace(self.of_item(items[0], name), token=token)

    def repeat(self, group: _Group, arguments: list[Argument]) -> bool:
        """Fold what a group repeats into one argument; return False if it is a repeated choice."""
        if len(group.alternatives) > 1:
            return False
        repeated = [str(argument) for argument in self.sequence(group.alternatives[0])]
        count = len(repeated)
        before = arguments[-count:]
        if [str(argument) for argument in before] == repeated:
            again = before[0] if count == 1 else _block(before, group.label or "data")
            arguments[-count:] = [replace(again, multiple=True, multiple_token=again.token is not None)]
        elif arguments and [str(replace(arguments[-1], token=None))] == repeated:
            arguments[-1] = replace(arguments[-1], multiple=True)
        else:
            raise self.error(f"[{' '.join(repeated)} ...] repeats something else than what stands before it")
        return True

    def of_item(self, item: _Item, label: str) -> Argument:
        if isinstance(item, _Group):
            return self.of_group(item, label)
        display = item.text.lower()
        return Argument(label or display, _TYPES.get(display, "string"), None, display)

    def of_group(self, group: _Group, label: str) -> Argument:
        label = group.label or label
        if len(group.alternatives) == 1:
            argument = self.one(group.alternatives[0], label)
        else:
            children = tuple(self.one(alternative) for alternative in group.alternatives)
            name = label or _CHOICES.get(children[0].token or children[0].name, "")
            if not name:
                raise self.error(f"this choice needs a label: {' | '.join(map(str, children))}")
            argument = Argument(name, "oneof", children=children)
        return replace(argument, optional=group.optional, multiple=argument.multiple or group.repeats)

    def one(self, items: list[_Item], label: str = "") -> Argument:
        """Read a sequence as a single argument: itself, or a block."""
        if not label and isinstance(items[0], _Label):
            label, items = items[0].text, items[1:]
        arguments = self.sequence(items)
        if len(arguments) > 1:
            return _block(arguments, label or _block_name(arguments))
        return self.sequence([_Label(label), *items])[0] if label else arguments[0]


def _block(children: Iterable[Argument], name: str, token: str | None = None) -> Argument:
    return Argument(name, "block", token, children=tuple(children))


def _block_name(arguments: Sequence[Argument]) -> str:
    first = arguments[0]
    if first.token is not None and arguments[1].optional:
        return f"{first.token.lower()}-block"
    return "-".join(argument.name for argument in arguments)


def _amended(argument: Argument, hooks: Mapping[str, Mapping[str, str]], unused: set[str]) -> Argument:
    """Give an argument, and those in it, what the hooks say about their names."""
    unused.discard(argument.name)
    said = {field: hook[argument.name] for field, hook in hooks.items() if argument.name in hook}
    children = tuple(_amended(child, hooks, unused) for child in argument.children)
    return replace(argument, children=children, **said)  # type: ignore[arg-type]
