"""Where a command's keys stand: key specifications, read from the tree of its arguments.

https://redis.io/docs/latest/develop/reference/key-specs/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from twisted_resp.commands.arguments import Argument, words_of

__all__ = ["KEY_FLAGS", "Index", "KeyNum", "KeySpec", "Keyword", "Range", "legacy_range", "place_keys"]


class Index(NamedTuple):
    """Keys begin at argument ``position`` (the command's name is 0)."""

    position: int


class Keyword(NamedTuple):
    """Keys begin after ``keyword``, looked for from ``start_from`` (negative: backwards from the end)."""

    keyword: str
    start_from: int


class Range(NamedTuple):
    """Every ``step``-th argument is a key up to ``last`` (relative to the first; negative: to the end).

    With ``last`` -1, ``limit`` 2 means only the first half of what is left, 3 the first third.
    """

    last: int = 0
    step: int = 1
    limit: int = 0


class KeyNum(NamedTuple):
    """An argument, ``counter`` after the beginning, says how many keys follow at ``first`` after it."""

    counter: int = 0
    first: int = 1
    step: int = 1


#: What may be said of keys, in the order in which COMMAND says it.
KEY_FLAGS: Final = (
    "RO",
    "RW",
    "OW",
    "RM",
    "access",
    "update",
    "insert",
    "delete",
    "not_key",
    "incomplete",
    "variable_flags",
)


@dataclass(frozen=True)
class KeySpec:
    """Where some of a command's keys stand, and what the command does to them (``flags``: "RW", "access"...).

    ``begin`` or ``find`` are None where neither can be told from the arguments alone.
    """

    begin: Index | Keyword | None
    find: Range | KeyNum | None
    flags: tuple[str, ...] = ()
    notes: str = ""

    def amended(self, given: str | KeySpec) -> KeySpec:
        """Return this with the flags of ``"RW access # a note"``, or the other one.

        Raises:
            ValueError: there is no such flag.
        """
        if isinstance(given, KeySpec):
            return given
        words, _, notes = given.partition("#")
        unknown = set(words.split()).difference(KEY_FLAGS)
        if unknown:
            raise ValueError(f"no key flags: {', '.join(sorted(unknown))}")
        flags = tuple(flag for flag in KEY_FLAGS if flag in words.split())
        return replace(self, flags=flags, notes=notes.strip())


def legacy_range(specs: Sequence[KeySpec]) -> tuple[int, int, int, bool]:
    """Return first key, last key, step, and whether some keys lie outside of that range."""
    if len(specs) == 1:
        begin, find, incomplete = specs[0].begin, specs[0].find, "incomplete" in specs[0].flags
        if isinstance(begin, Index) and isinstance(find, Range):
            return (
                begin.position,
                find.last if find.last < 0 else begin.position + find.last,
                find.step,
                incomplete,
            )
    first = last = 0
    movable = False
    for spec in specs:
        begin, find = spec.begin, spec.find
        if (
            isinstance(begin, Index)
            and isinstance(find, Range)
            and find.step == 1
            and last in (0, begin.position - 1)
        ):
            movable = movable or "incomplete" in spec.flags
            first = first or begin.position
            last = find.last if find.last < 0 else begin.position + find.last
        else:
            movable = True
    return (first, last, 1, movable) if first else (0, 0, 0, movable)


def place_keys(
    arguments: Sequence[Argument], start: int, most: int | None = None
) -> tuple[tuple[Argument, ...], tuple[KeySpec, ...]]:
    """Derive the key specifications of arguments of which the first stands at ``start``.

    Return the arguments with their key_spec_index, and the specifications, not more than ``most``.
    """
    finder = _KeyFinder(most)
    return tuple(finder.visit(arguments, _Place(Index(start), start))), tuple(finder.specs[:most])


class _Place(NamedTuple):
    """What is known of where an argument stands."""

    #: Where it begins, None if that varies.
    begin: Index | Keyword | None
    #: The least number of words in front of it.
    least: int
    #: How many words follow it, at least and at most.
    behind: tuple[int, int | None] = (0, 0)
    #: Whether arguments that may be left out stand in front of it and could look like a keyword.
    doubtful: bool = False


class _KeyFinder:
    """Walks the arguments and collects key specifications."""

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.specs: list[KeySpec] = []
        self.by_pattern: int | None = None

    def marked(self, argument: Argument, spec: KeySpec) -> Argument:
        """Add a specification, and its index to the argument."""
        self.specs.append(spec)
        return self.indexed(argument, len(self.specs) - 1)

    def indexed(self, argument: Argument, index: int) -> Argument:
        if self.most is not None and index >= self.most:
            return argument
        return replace(argument, key_spec_index=index)

    def visit(self, arguments: Sequence[Argument], first: _Place) -> list[Argument]:
        """Find the keys in a sequence of arguments that begins at ``first``."""
        found: list[Argument] = []
        begin, least, behind, doubtful = first
        for number, argument in enumerate(arguments):
            following = arguments[number + 1 :]
            low, high = words_of(following)
            most = None if high is None or behind[1] is None else high + behind[1]
            place = _Place(begin, least, (low + behind[0], most), doubtful)
            if argument.type == "key" and argument.token is None:
                before = found[-1] if found else None
                found.append(self.key(argument, place, before, following))
            else:
                found.append(self.other(argument, place))
            low, high = argument.words()
            least += low
            begin = Index(begin.position + low) if isinstance(begin, Index) and low == high else None
            doubtful = doubtful or (argument.optional and _holds_text(argument))
        return found

    def key(
        self, argument: Argument, place: _Place, before: Argument | None, following: Sequence[Argument]
    ) -> Argument:
        """Mark a key without a token."""
        begin = place.begin
        if before is not None and before.name == "numkeys" and isinstance(begin, Index):
            return self.marked(argument, KeySpec(Index(begin.position - 1), KeyNum()))
        if before is not None and (before.name, argument.name) == ("key1", "key2"):
            self.specs[-1] = replace(self.specs[-1], find=Range(1))
            return replace(argument, key_spec_index=before.key_spec_index)
        low, high = place.behind
        if not argument.multiple:
            find = Range()
        elif low == high:
            find = Range(-1 - low)
        else:
            # "key [key ...] id [id ...]": as many of the one as of the other.
            find = Range(-1, 1, 1 + len(following))
        return self.marked(argument, KeySpec(begin, find))

    def other(self, argument: Argument, place: _Place) -> Argument:
        """Find the keys in an argument that is not just a key."""
        begin = place.begin
        if argument.name == "shardchannel":
            # Not a key, but the slot of a cluster is told from it as from one.
            self.marked(argument, KeySpec(begin, Range(-1 if argument.multiple else 0), ("not_key",)))
            return argument
        if argument.type == "pattern" and argument.token in ("BY", "GET"):
            # Names keys by what the sorted key holds.
            if self.by_pattern is not None:
                return self.indexed(argument, self.by_pattern)
            self.by_pattern = len(self.specs)
            return self.marked(argument, KeySpec(None, None))
        if argument.token is not None and argument.type != "pure-token":
            to_the_end = place.behind == (0, 0)
            if not place.doubtful:
                begin = Keyword(argument.token, place.least)
            else:
                begin = Keyword(argument.token, -2) if to_the_end and argument.multiple else None
            if argument.type == "key":
                find = Range(-1 if argument.multiple else 0)
                return self.marked(argument, KeySpec(begin, None if begin is None else find))
        inner = place._replace(begin=begin)
        if argument.type == "oneof":
            children = [self.visit([child], inner)[0] for child in argument.children]
            return replace(argument, children=tuple(children))
        if argument.type == "block" and argument.multiple and argument.children[0].type == "key":
            width, _ = argument.words_once()
            first = self.marked(argument.children[0], KeySpec(begin, Range(-1, width)))
            return replace(argument, children=(first, *argument.children[1:]))
        return replace(argument, children=tuple(self.visit(argument.children, inner)))


def _holds_text(argument: Argument) -> bool:
    if argument.children:
        return any(map(_holds_text, argument.children))
    return argument.type in ("string", "pattern", "key")
