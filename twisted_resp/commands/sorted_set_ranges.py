"""The sorted set group, ranges by rank, score or member: ZRANGE and its many elder sisters, counts, removals.

https://redis.io/docs/latest/commands/zrange/ describes the ways to give a range.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Union

from twisted_resp import errors
from twisted_resp.commands.numbers import integer
from twisted_resp.commands.table import DENYOOM, FAST, READONLY, WRITE, command
from twisted_resp.errors import CommandError
from twisted_resp.keyspace.events import ZSET
from twisted_resp.resp import Reply
from twisted_resp.server.client import Client
from twisted_resp.text.floats import parse_double
from twisted_resp.values.sorted_set import FIRST, LAST, LexBound, LexRange, Range, ScoreRange, SortedSet

__all__ = ["GROUP"]

GROUP = "sorted-set"

_BY_RANK: Final = 0
_BY_SCORE: Final = 1
_BY_LEX: Final = 2

_RANGE: Final = (
    "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned."
)
_RANGE_IN_VALUES: Final = (
    "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being "
    "returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider "
    "it O(log(N))."
)
_REMOVAL: Final = (
    "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed "
    "by the operation."
)
_COUNT: Final = "O(log(N)) with N being the number of elements in the sorted set."
_AS_STRINGS: Final = {"min": "string", "max": "string"}

_NOT_A_SCORE_RANGE: Final = b"ERR min or max is not a float"
_NOT_A_LEX_RANGE: Final = b"ERR min or max not valid string range item"
_LIMIT_BY_RANK: Final = (
    b"ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
)
_SCORES_BY_LEX: Final = b"ERR syntax error, WITHSCORES not supported in combination with BYLEX"

#: From a rank to another, scores or members.
_Bounds = Union[tuple[int, int], ScoreRange, LexRange]


# ------------------------------------------------------------------------------------------------ bounds

_DECIMAL: Final = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]([+-]?)[0-9]+)?")


def _score(argument: bytes) -> float:
    """Read a bound as C does: blanks before it are skipped, nothing at all is zero, too large is infinite.

    :raises CommandError: it is no number.
    """
    text = argument.partition(b"\0")[0]
    stripped = text.lstrip(b" \t\n\v\f\r")
    value = parse_double(stripped)
    if value is not None:
        return value
    if not text:
        return 0.0
    match = _DECIMAL.fullmatch(stripped)
    if match is None:
        raise CommandError(_NOT_A_SCORE_RANGE)
    return float(stripped)


def _score_range(low: bytes, high: bytes) -> ScoreRange:
    low_exclusive, high_exclusive = low[:1] == b"(", high[:1] == b"("
    return ScoreRange(
        _score(low[1:] if low_exclusive else low),
        _score(high[1:] if high_exclusive else high),
        low_exclusive,
        high_exclusive,
    )


def _lex_bound(argument: bytes) -> LexBound:
    mark = argument[:1]
    if mark == b"[":
        return LexBound(argument[1:])
    if mark == b"(":
        return LexBound(argument[1:], True)
    if argument[1:2] in (b"", b"\0"):
        if mark == b"-":
            return FIRST
        if mark == b"+":
            return LAST
    raise CommandError(_NOT_A_LEX_RANGE)


def _bounds(by: int, low: bytes, high: bytes) -> _Bounds:
    if by == _BY_RANK:
        return integer(low), integer(high)
    if by == _BY_SCORE:
        return _score_range(low, high)
    return LexRange(_lex_bound(low), _lex_bound(high))


# ---------------------------------------------------------------------------------------------- the range


class _Asked:
    """A range that was asked for: how, in what order, and whether with the scores."""

    __slots__ = ("bounds", "count", "offset", "reverse", "with_scores")

    def __init__(
        self,
        low: bytes,
        high: bytes,
        options: Sequence[bytes],
        by: int | None = None,
        reverse: bool | None = None,
        storing: bool = False,
    ) -> None:
        """Read the arguments of ZRANGE, or of a sister that has ``by`` and ``reverse`` in its name.

        :raises CommandError: what is wrong with them.
        """
        self.offset, self.count = 0, -1
        self.with_scores = False
        way, backwards = by, reverse
        place = 0
        while place < len(options):
            word = options[place].upper()
            place += 1
            if word == b"WITHSCORES" and not storing:
                self.with_scores = True
            elif word == b"LIMIT" and len(options) - place >= 2:
                self.offset, self.count = integer(options[place]), integer(options[place + 1])
                place += 2
            elif word == b"REV" and backwards is None:
                backwards = True
            elif word == b"BYLEX" and way is None:
                way = _BY_LEX
            elif word == b"BYSCORE" and way is None:
                way = _BY_SCORE
            else:
                raise CommandError(errors.SYNTAX)
        way = way or _BY_RANK
        self.reverse = bool(backwards)
        if self.count != -1 and way == _BY_RANK:
            raise CommandError(_LIMIT_BY_RANK)
        if self.with_scores and way == _BY_LEX:
            raise CommandError(_SCORES_BY_LEX)
        if self.reverse and way != _BY_RANK:
            low, high = high, low
        self.bounds = _bounds(way, low, high)

    def of(self, value: SortedSet) -> Range:
        """The range of a set."""
        bounds = self.bounds
        if isinstance(bounds, ScoreRange):
            return value.range_by_score(bounds, reverse=self.reverse, offset=self.offset, count=self.count)
        if isinstance(bounds, LexRange):
            return value.range_by_lex(bounds, reverse=self.reverse, offset=self.offset, count=self.count)
        start, stop = bounds
        return value.range_by_rank(start, stop, reverse=self.reverse)

    def reply(self, client: Client, key: bytes) -> Reply:
        """The range of the set at a key, as the client sees it."""
        value = client.db.read_as(key, SortedSet)
        if value is None:
            return []
        found = self.of(value)
        members = found.members()
        if not self.with_scores:
            return members
        if client.protocol == 3:
            return list(map(list, zip(members, found.scores())))
        flat: list[Reply] = [None] * (2 * len(members))
        flat[::2] = members
        flat[1::2] = found.scores()
        return flat


@command(
    "ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]",
    READONLY,
    since="1.2.0",
    complexity=_RANGE,
    types={"start": "string", "stop": "string"},
    argument_since={"sortby": "6.2.0", "rev": "6.2.0", "limit": "6.2.0"},
    history=[("6.2.0", "Added the `REV`, `BYSCORE`, `BYLEX` and `LIMIT` options.")],
)
def zrange(client: Client, key: bytes, start: bytes, stop: bytes, *options: bytes) -> Reply:
    """Returns members in a sorted set within a range of indexes."""
    return _Asked(start, stop, options).reply(client, key)


@command(
    "ZREVRANGE key start stop [WITHSCORES]",
    READONLY,
    since="1.2.0",
    complexity=_RANGE,
    deprecated="6.2.0",
    replaced_by="`ZRANGE` with the `REV` argument",
    arity=-4,
)
def zrevrange(client: Client, key: bytes, start: bytes, stop: bytes, *options: bytes) -> Reply:
    """Returns members in a sorted set within a range of indexes in reverse order."""
    return _Asked(start, stop, options, _BY_RANK, True).reply(client, key)


@command(
    "ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]",
    READONLY,
    since="1.0.5",
    complexity=_RANGE_IN_VALUES,
    argument_since={"withscores": "2.0.0"},
    history=[("2.0.0", "Added the `WITHSCORES` modifier.")],
    deprecated="6.2.0",
    replaced_by="`ZRANGE` with the `BYSCORE` argument",
)
def zrangebyscore(client: Client, key: bytes, low: bytes, high: bytes, *options: bytes) -> Reply:
    """Returns members in a sorted set within a range of scores."""
    return _Asked(low, high, options, _BY_SCORE, False).reply(client, key)


@command(
    "ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]",
    READONLY,
    since="2.2.0",
    complexity=_RANGE_IN_VALUES,
    history=[("2.1.6", "`min` and `max` can be exclusive.")],
    deprecated="6.2.0",
    replaced_by="`ZRANGE` with the `REV` and `BYSCORE` arguments",
)
def zrevrangebyscore(client: Client, key: bytes, high: bytes, low: bytes, *options: bytes) -> Reply:
    """Returns members in a sorted set within a range of scores in reverse order."""
    return _Asked(high, low, options, _BY_SCORE, True).reply(client, key)


@command(
    "ZRANGEBYLEX key min max [LIMIT offset count]",
    READONLY,
    since="2.8.9",
    complexity=_RANGE_IN_VALUES,
    types=_AS_STRINGS,
    deprecated="6.2.0",
    replaced_by="`ZRANGE` with the `BYLEX` argument",
)
def zrangebylex(client: Client, key: bytes, low: bytes, high: bytes, *options: bytes) -> Reply:
    """Returns members in a sorted set within a lexicographical range."""
    return _Asked(low, high, options, _BY_LEX, False).reply(client, key)


@command(
    "ZREVRANGEBYLEX key max min [LIMIT offset count]",
    READONLY,
    since="2.8.9",
    complexity=_RANGE_IN_VALUES,
    types=_AS_STRINGS,
    deprecated="6.2.0",
    replaced_by="`ZRANGE` with the `REV` and `BYLEX` arguments",
)
def zrevrangebylex(client: Client, key: bytes, high: bytes, low: bytes, *options: bytes) -> Reply:
    """Returns members in a sorted set within a lexicographical range in reverse order."""
    return _Asked(high, low, options, _BY_LEX, True).reply(client, key)


@command(
    "ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]",
    WRITE | DENYOOM,
    since="6.2.0",
    complexity="O(log(N)+M) with N being the number of elements in the sorted set and M the number of "
    "elements stored into the destination key.",
    keys=["OW update", "RO access"],
    types=_AS_STRINGS,
)
def zrangestore(client: Client, dst: bytes, src: bytes, low: bytes, high: bytes, *options: bytes) -> Reply:
    """Stores a range of members from sorted set in a key."""
    asked = _Asked(low, high, options, storing=True)
    db = client.db
    value = db.read_as(src, SortedSet)
    pairs = [] if value is None else asked.of(value).pairs()
    if pairs:
        db.store(dst, SortedSet.of(db.keyspace.limits, pairs), b"zrangestore", ZSET)
    else:
        db.remove(dst)
    return len(pairs)


# ------------------------------------------------------------------------------------- counts and removals


@command("ZCOUNT key min max", READONLY | FAST, since="2.0.0", complexity=_COUNT)
def zcount(client: Client, key: bytes, low: bytes, high: bytes) -> Reply:
    """Returns the count of members in a sorted set that have scores within a range."""
    scores = _score_range(low, high)
    value = client.db.read_as(key, SortedSet)
    return 0 if value is None else value.count_by_score(scores)


@command("ZLEXCOUNT key min max", READONLY | FAST, since="2.8.9", complexity=_COUNT, types=_AS_STRINGS)
def zlexcount(client: Client, key: bytes, low: bytes, high: bytes) -> Reply:
    """Returns the number of members in a sorted set within a lexicographical range."""
    members = LexRange(_lex_bound(low), _lex_bound(high))
    value = client.db.read_as(key, SortedSet)
    return 0 if value is None else value.count_by_lex(members)


@command("ZREMRANGEBYRANK key start stop", WRITE, since="2.0.0", complexity=_REMOVAL, keys=["RW delete"])
def zremrangebyrank(client: Client, key: bytes, start: bytes, stop: bytes) -> Reply:
    """Removes members in a sorted set within a range of indexes.
    Deletes the sorted set if all members were removed.
    """
    return _remove(client, key, _bounds(_BY_RANK, start, stop), b"zremrangebyrank")


@command("ZREMRANGEBYSCORE key min max", WRITE, since="1.2.0", complexity=_REMOVAL, keys=["RW delete"])
def zremrangebyscore(client: Client, key: bytes, low: bytes, high: bytes) -> Reply:
    """Removes members in a sorted set within a range of scores.
    Deletes the sorted set if all members were removed.
    """
    return _remove(client, key, _bounds(_BY_SCORE, low, high), b"zremrangebyscore")


@command(
    "ZREMRANGEBYLEX key min max",
    WRITE,
    since="2.8.9",
    complexity=_REMOVAL,
    keys=["RW delete"],
    types=_AS_STRINGS,
)
def zremrangebylex(client: Client, key: bytes, low: bytes, high: bytes) -> Reply:
    """Removes members in a sorted set within a lexicographical range.
    Deletes the sorted set if all members were removed.
    """
    return _remove(client, key, _bounds(_BY_LEX, low, high), b"zremrangebylex")


def _remove(client: Client, key: bytes, bounds: _Bounds, event: bytes) -> int:
    value = client.db.edit(key, SortedSet)
    if value is None:
        return 0
    if isinstance(bounds, ScoreRange):
        removed = value.remove_range_by_score(bounds)
    elif isinstance(bounds, LexRange):
        removed = value.remove_range_by_lex(bounds)
    else:
        removed = value.remove_range_by_rank(*bounds)
    if removed:
        client.db.edited(key, event, ZSET, len(removed))
    return len(removed)
