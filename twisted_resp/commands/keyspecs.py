"""Where a command's keys stand: key specifications, read from the tree of its arguments.

https://redis.io/docs/latest/develop/reference/key-specs/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from twisted_resp.commands.arguments import Argument, words_of

__all__ = ["Index", "KeyNum", "KeySpec", "Keyword", "Range", "legacy_range", "place_keys"]


class Index(NamedTuple):
    """Keys begin at argument ``position`` (the command's name is 0)."""

    position: int


class Keyword(NamedTuple):
    """Keys begin after ``keyword``, looked for from ``start_from`` (negative: backwards from the end)."""

    keyword: str
    start_from: int


class Range(NamedTuple):
    """Every ``step``-th argument is a key up to ``last`` (relative to the first; negative: to the end).

    With ``last`` -1, ``limit`` 2 means only the first half of what is left, 3 the first third, and so on.
    """

    last: int = 0
    step: int = 1
    limit: int = 0


class KeyNum(NamedTuple):
    """An argument, ``counter`` after the beginning, says how many keys follow, ``first`` after the beginning."""

    counter: int = 0
    first: int = 1
    step: int = 1


@dataclass(frozen=True)
class KeySpec:
    """Where some of a command's keys stand, and what the command does to them (``flags``: "RW", "access"...).

    ``begin`` or ``find`` are None where neither can be told from the arguments alone.
    """

    begin: Index | Keyword | None
    find: Range | KeyNum | None
    flags: tuple[str, ...] = ()
    notes: str = ""


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


def place_keys(arguments: Sequence[Argument], start: int) -> tuple[tuple[Argument, ...], tuple[KeySpec, ...]]:
    """Derive the key specifications; return the arguments with their key_spec_index, and the specifications."""
    finder = _KeyFinder()
    return tuple(finder.visit(arguments, start, start, None, (0, 0))), tuple(finder.specs)


class _KeyFinder:
    def __init__(self) -> None:
        self.specs: list[KeySpec] = []

    def add(self, spec: KeySpec) -> int:
        self.specs.append(spec)
        return len(self.specs) - 1

    def visit(
        self,
        arguments: Sequence[Argument],
        fixed: int | None,
        least: int,
        keyword: Keyword | None,
        behind: tuple[int, int | None],
    ) -> list[Argument]:
        """Find keys in a sequence.

        ``fixed`` is the place of its first word, None where that varies; ``least`` the least such place; ``keyword``
        the token in front of it, if any; ``behind`` how many words follow the sequence.
        """
        result: list[Argument] = []
        for place, argument in enumerate(arguments):
            low, high = words_of(arguments[place + 1 :])
            after = (low + behind[0], None if high is None or behind[1] is None else high + behind[1])
            begin: Index | Keyword | None = keyword if fixed is None else Index(fixed)
            previous = arguments[place - 1] if place else None
            if argument.token is not None and argument.type != "pure-token":
                found = self.behind_token(argument, fixed, least, after)
            elif argument.children:
                inner = fixed if not argument.optional or begin else None
                found = self.of_children(argument, inner, least, keyword, after)
            elif argument.name == "shardchannel":
                self.add(KeySpec(begin, Range(-1 if argument.multiple else 0), ("not_key",)))
                found = argument
            elif argument.type != "key":
                found = argument
            elif previous is not None and previous.name == "numkeys":
                counted = Index(fixed - 1) if fixed is not None else keyword
                found = replace(argument, key_spec_index=self.add(KeySpec(counted, KeyNum())))
            elif (
                argument.name[-1] == "2"
                and result
                and result[-1].type == "key"
                and result[-1].name == argument.name[:-1] + "1"
            ):
                self.specs[-1] = replace(self.specs[-1], find=Range(1))
                found = replace(argument, key_spec_index=len(self.specs) - 1)
            else:
                find = _range_of(argument, arguments[place + 1 :], after)
                found = replace(argument, key_spec_index=self.add(KeySpec(begin, find)))
            result.append(found)
            low, high = argument.words()
            least += low
            fixed = fixed + low if fixed is not None and low == high else None
            keyword = None
        return result

    def of_children(
        self,
        argument: Argument,
        fixed: int | None,
        least: int,
        keyword: Keyword | None,
        after: tuple[int, int | None],
    ) -> Argument:
        if argument.type == "oneof":
            children = [self.visit([child], fixed, least, keyword, after)[0] for child in argument.children]
            return replace(argument, children=tuple(children))
        if argument.multiple and argument.children[0].type == "key":
            width, _ = argument.words_once()
            begin = keyword if fixed is None else Index(fixed)
            spec = self.add(KeySpec(begin, Range(-1, width)))
            first = replace(argument.children[0], key_spec_index=spec)
            return replace(argument, children=(first, *argument.children[1:]))
        return replace(argument, children=tuple(self.visit(argument.children, fixed, least, keyword, after)))

    def behind_token(
        self, argument: Argument, fixed: int | None, least: int, after: tuple[int, int | None]
    ) -> Argument:
        assert argument.token is not None
        keyword = Keyword(argument.token, least)
        if argument.type == "key":
            find = Range(-1 if argument.multiple else 0)
            return replace(argument, key_spec_index=self.add(KeySpec(keyword, find)))
        if not argument.children:
            return argument
        inner = None if fixed is None or argument.optional else fixed + 1
        return self.of_children(argument, inner, least + 1, keyword, after)


def _range_of(argument: Argument, following: Sequence[Argument], after: tuple[int, int | None]) -> Range:
    if not argument.multiple:
        return Range()
    low, high = after
    if low == high:
        return Range(-1 - low)
    # "key [key ...] id [id ...]": as many of the one as of the other.
    return Range(-1, 1, 1 + len(following))
