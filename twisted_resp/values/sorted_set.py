"""The sorted set: a dict from member to score, and the order of the pairs.

The float and the member are the same objects in both. A set is a listpack for ``OBJECT ENCODING`` while it is
small, and never again once it has grown; in either case it is kept the same way. But a listpack of Redis has
no negative zero: adding zero to a score makes it a positive one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from twisted_resp.values.dense import DenseIndex
from twisted_resp.values.score_order import Pair, Place, ScoreOrder

if TYPE_CHECKING:
    from random import Random

    from twisted_resp.values.limits import Limits

__all__ = [
    "ADDED",
    "FIRST",
    "GT",
    "INCR",
    "LAST",
    "LT",
    "NX",
    "SKIPPED",
    "UNCHANGED",
    "UPDATED",
    "XX",
    "LexBound",
    "LexRange",
    "Range",
    "ScoreRange",
    "SortedSet",
]

#: Flags of ZADD, to be added up.
NX, XX, GT, LT, INCR = 1, 2, 4, 8, 16

#: What `SortedSet.put` did. UNCHANGED: the member had that score; SKIPPED: the flags forbade it.
SKIPPED, UNCHANGED, UPDATED, ADDED = 0, 1, 2, 3


class ScoreRange(NamedTuple):
    """Scores from `low` to `high`, each included unless exclusive: ``(1 5`` is ``ScoreRange(1, 5, True)``."""

    low: float = -inf
    high: float = inf
    low_exclusive: bool = False
    high_exclusive: bool = False

    def is_empty(self) -> bool:
        return self.low > self.high or (self.low == self.high and (self.low_exclusive or self.high_exclusive))


class LexBound(NamedTuple):
    """One end of a range by member: ``[a`` or ``(a``; `infinity` is -1 for ``-`` and 1 for ``+``, else 0."""

    member: bytes
    exclusive: bool = False
    infinity: int = 0


FIRST = LexBound(b"", False, -1)
LAST = LexBound(b"", False, 1)


class LexRange(NamedTuple):
    """Members from `low` to `high`."""

    low: LexBound = FIRST
    high: LexBound = LAST

    def is_empty(self) -> bool:
        low, high = self
        if low.infinity > high.infinity:
            return True
        if low.infinity or high.infinity:
            return low.infinity == high.infinity
        return low.member > high.member or (low.member == high.member and (low.exclusive or high.exclusive))

    def reaches(self, member: bytes) -> bool:
        """Return whether the member is not before the range."""
        low = self.low
        if low.infinity:
            return low.infinity < 0
        return member > low.member if low.exclusive else member >= low.member

    def is_below_end(self, member: bytes) -> bool:
        """Return whether the member is not behind the range."""
        high = self.high
        if high.infinity:
            return high.infinity > 0
        return member < high.member if high.exclusive else member <= high.member


_NOTHING: tuple[Place, Place] = ((0, 0), (0, 0))


class Range:
    """A part of a sorted set, to be read before the set changes: whichever of members and scores is asked for."""

    __slots__ = ("_order", "_reverse", "_span")

    def __init__(self, order: ScoreOrder, span: tuple[Place, Place], reverse: bool) -> None:
        self._order = order
        self._span = span
        self._reverse = reverse

    def members(self) -> list[bytes]:
        """Return the members."""
        members = self._order.members_between(*self._span)
        if self._reverse:
            members.reverse()
        return members

    def scores(self) -> list[float]:
        """Return the scores."""
        scores = self._order.scores_between(*self._span)
        if self._reverse:
            scores.reverse()
        return scores

    def pairs(self) -> list[Pair]:
        """Return pairs of member and score."""
        return list(zip(self.members(), self.scores()))


class SortedSet:
    """What https://redis.io/docs/latest/develop/data-types/sorted-sets/ describes.

    Pairs are (member, score).
    """

    __slots__ = ("_dense", "_limits", "_order", "_scores", "encoding")

    type_name: ClassVar[bytes] = b"zset"

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._scores: dict[bytes, float] = {}
        self._order = ScoreOrder()
        self._dense: DenseIndex | None = None  # made when the set is first scanned
        self.encoding = b"listpack"

    @classmethod
    def of(cls, limits: Limits, pairs: Iterable[Pair]) -> SortedSet:
        """Build a set of many pairs at once, encoded as small as they allow. No score may be NaN."""
        made = cls(limits)
        made._scores = dict(pairs)
        made.expect(len(made._scores), max(map(len, made._scores), default=0))
        if made.encoding == b"listpack":
            made._scores = {member: score + 0.0 for member, score in made._scores.items()}
        made._order = ScoreOrder.of(made._scores.items())
        return made

    def expect(self, count: int, length: int = 0) -> None:
        """Take the encoding fit for `count` members, the longest of `length` bytes."""
        limits = self._limits
        if count > limits.zset_max_listpack_entries or length > limits.zset_max_listpack_value:
            self.encoding = b"skiplist"

    def copy(self) -> SortedSet:
        """Return an independent copy."""
        twin = SortedSet(self._limits)
        twin._scores = self._scores.copy()
        twin._order = self._order.copy()
        twin.encoding = self.encoding
        return twin

    def __len__(self) -> int:
        return len(self._scores)

    def __contains__(self, member: object) -> bool:
        return member in self._scores

    def __iter__(self) -> Iterator[Pair]:
        """Walk the pairs in order. The set must not change on the way."""
        return iter(self._order)

    @property
    def scores(self) -> dict[bytes, float]:
        """The scores by member, in no order. Not to be changed."""
        return self._scores

    def score(self, member: bytes) -> float | None:
        """Return the member's score, None if it is not there."""
        return self._scores.get(member)

    # -- changes --

    def put(self, member: bytes, score: float, flags: int = 0) -> tuple[int, float]:
        """Add a member or change its score as ZADD with these flags does.

        Returns what was done, and the score the member then has (with SKIPPED and XX on no member, `score`).
        Raises ValueError if the score is or becomes NaN.
        """
        scores = self._scores
        current = scores.get(member)
        if current is None:
            if score != score:
                raise ValueError("the score is not a number")
            if flags & XX:
                return SKIPPED, score
            if self.encoding == b"listpack":
                self.expect(len(scores) + 1, len(member))
            stored = score + 0.0 if self.encoding == b"listpack" else score
            scores[member] = stored
            self._order.add(member, stored)
            if self._dense is not None:
                self._dense.add(member)
            return ADDED, score
        if score != score:
            raise ValueError("the score is not a number")
        if flags:
            if flags & NX:
                return SKIPPED, current
            if flags & INCR:
                score += current
                if score != score:
                    raise ValueError("the score is not a number")
            if (flags & LT and score >= current) or (flags & GT and score <= current):
                return SKIPPED, current
        if score == current:
            return UNCHANGED, score
        stored = score + 0.0 if self.encoding == b"listpack" else score
        order = self._order
        # The order may go on with the member object that the dict has.
        place = order.place(member, current)
        member = order.at(place)[0]
        order.remove_at(place)
        order.add(member, stored)
        scores[member] = stored
        return UPDATED, score

    def remove(self, member: bytes) -> bool:
        """Remove a member; return whether it was there."""
        score = self._scores.pop(member, None)
        if score is None:
            return False
        self._order.remove(member, score)
        if self._dense is not None:
            self._dense.discard(member)
        return True

    def clear(self) -> None:
        """Remove all members."""
        self._scores.clear()
        self._order = ScoreOrder()
        self._dense = None

    def pop_min(self) -> Pair:
        """Remove the pair with the lowest score and return it. Raises IndexError if there is none."""
        pair = self._order.pop_first()
        del self._scores[pair[0]]
        if self._dense is not None:
            self._dense.discard(pair[0])
        return pair

    def pop_max(self) -> Pair:
        """Remove the pair with the highest score and return it. Raises IndexError if there is none."""
        pair = self._order.pop_last()
        del self._scores[pair[0]]
        if self._dense is not None:
            self._dense.discard(pair[0])
        return pair

    def _remove_span(self, span: tuple[Place, Place]) -> list[Pair]:
        removed = self._order.remove_between(*span)
        for member, _ in removed:
            del self._scores[member]
            if self._dense is not None:
                self._dense.discard(member)
        return removed

    def remove_range_by_rank(self, start: int, stop: int) -> list[Pair]:
        """Remove the pairs with ranks from `start` to `stop`, both included, negative ones from the end.

        Like the other two, returns what was removed.
        """
        return self._remove_span(self._rank_span(start, stop))

    def remove_range_by_score(self, scores: ScoreRange) -> list[Pair]:
        """Remove the pairs with scores in the range."""
        return self._remove_span(self._score_span(scores))

    def remove_range_by_lex(self, members: LexRange) -> list[Pair]:
        """Remove the pairs with members in the range, where all scores are the same."""
        return self._remove_span(self._lex_span(members))

    # -- ranks and ranges --

    def rank(self, member: bytes, *, reverse: bool = False) -> int | None:
        """Return how many members are before this one (after it, with `reverse`); None if it is not there."""
        score = self._scores.get(member)
        if score is None:
            return None
        rank = self._order.rank(self._order.place(member, score))
        return len(self._scores) - 1 - rank if reverse else rank

    def range_by_rank(self, start: int, stop: int, *, reverse: bool = False) -> Range:
        """Return the pairs with ranks from `start` to `stop`, both included, negative ones from the end.

        With `reverse` both ranks and result go from the highest score down.
        """
        span = self._rank_span(-1 - stop, -1 - start) if reverse else self._rank_span(start, stop)
        return Range(self._order, span, reverse)

    def range_by_score(
        self, scores: ScoreRange, *, reverse: bool = False, offset: int = 0, count: int = -1
    ) -> Range:
        """Return the pairs with scores in the range, from the highest down with `reverse`.

        `offset` pairs are left out, and no more than `count` returned unless that is negative.
        """
        return self._limited(self._score_span(scores), reverse, offset, count)

    def range_by_lex(
        self, members: LexRange, *, reverse: bool = False, offset: int = 0, count: int = -1
    ) -> Range:
        """Return the pairs with members in the range, where all scores are the same; options as above."""
        if offset > 0 and self._is_mixed_listpack():
            return self._limited(self._mixed_lex_span(members, reverse, offset), reverse, 0, count)
        return self._limited(self._lex_span(members, reverse), reverse, offset, count)

    def count_by_score(self, scores: ScoreRange) -> int:
        """Return how many pairs have scores in the range."""
        return self._count(self._score_span(scores))

    def count_by_lex(self, members: LexRange) -> int:
        """Return how many pairs have members in the range, where all scores are the same."""
        return self._count(self._lex_span(members))

    def _count(self, span: tuple[Place, Place]) -> int:
        start, stop = span
        return max(self._order.rank(stop) - self._order.rank(start), 0)

    def _limited(self, span: tuple[Place, Place], reverse: bool, offset: int, count: int) -> Range:
        order = self._order
        start, stop = span
        if offset < 0 or start >= stop:
            return Range(order, _NOTHING, reverse)
        if offset or count >= 0:
            low, high = order.rank(start), order.rank(stop)
            if reverse:
                high -= offset
                low = max(low, high - count) if count >= 0 else low
            else:
                low += offset
                high = min(high, low + count) if count >= 0 else high
            if low >= high:
                return Range(order, _NOTHING, reverse)
            start, stop = order.at_rank(low), order.at_rank(high)
        return Range(order, (start, stop), reverse)

    def _rank_span(self, start: int, stop: int) -> tuple[Place, Place]:
        size = len(self._scores)
        if start < 0:
            start = max(start + size, 0)
        stop = stop + size + 1 if stop < 0 else min(stop + 1, size)
        if start >= stop:
            return _NOTHING
        return self._order.at_rank(start), self._order.at_rank(stop)

    def _score_span(self, scores: ScoreRange) -> tuple[Place, Place]:
        if scores.is_empty():
            return _NOTHING
        order = self._order
        return (
            order.after_score(scores.low) if scores.low_exclusive else order.before_score(scores.low),
            order.before_score(scores.high) if scores.high_exclusive else order.after_score(scores.high),
        )

    def _lex_span(self, members: LexRange, reverse: bool = False) -> tuple[Place, Place]:
        if members.is_empty():
            return _NOTHING
        if self._is_mixed_listpack():
            return self._mixed_lex_span(members, reverse)
        order = self._order
        low, high = members
        start, stop = order.start, order.stop
        if not low.infinity:
            start = order.after_member(low.member) if low.exclusive else order.before_member(low.member)
        if not high.infinity:
            stop = order.before_member(high.member) if high.exclusive else order.after_member(high.member)
        return start, stop

    # Where scores differ, a range by member means nothing. What Redis finds in a listpack is told by how it
    # walks through it, and so can be found here too.

    def _is_mixed_listpack(self) -> bool:
        order = self._order
        return self.encoding == b"listpack" and bool(self._scores) and order.first()[1] != order.last()[1]

    def _mixed_lex_span(self, members: LexRange, reverse: bool, offset: int = 0) -> tuple[Place, Place]:
        walk = [member for member, _ in self._order]
        if members.is_empty() or not members.reaches(walk[-1]) or not members.is_below_end(walk[0]):
            return _NOTHING
        size = len(walk)
        is_in, goes_on = members.reaches, members.is_below_end
        if reverse:
            walk.reverse()
            is_in, goes_on = goes_on, is_in
        start = next((place for place in range(size) if is_in(walk[place])), size)
        if start == size or not goes_on(walk[start]):
            return _NOTHING
        start = min(start + offset, size)
        stop = next((place for place in range(start, size) if not goes_on(walk[place])), size)
        if reverse:
            start, stop = size - stop, size - start
        return self._order.at_rank(start), self._order.at_rank(stop)

    # -- random members --

    def random_pair(self, rng: Random) -> Pair:
        """Return a pair at random. Raises IndexError if there is none."""
        return self._order.at(self._order.at_rank(int(rng.random() * len(self._scores))))

    def random_pairs(self, rng: Random, count: int, *, repeat: bool = False) -> list[Pair]:
        """Return `count` pairs at random; without `repeat` all different, and so no more than there are."""
        order = self._order
        size = len(self._scores)
        if not size or count <= 0:
            return []
        if repeat:
            ranks = rng.choices(range(size), k=count)
        elif count >= size:
            return list(order)
        else:
            ranks = rng.sample(range(size), count)
        return [order.at(order.at_rank(rank)) for rank in ranks]

    def scan(self, cursor: int, count: int) -> tuple[int, list[Pair]]:
        """Return the next cursor and some pairs, as ZSCAN does; 0 is the cursor at the start and at the end.

        Small sets come at once. What is there from the start of a scan to its end is returned at least once.
        """
        if self.encoding == b"listpack":
            return 0, list(self._order)
        if self._dense is None:
            self._dense = DenseIndex(self._scores)
        cursor, members = self._dense.scan(cursor, count)
        scores = self._scores
        return cursor, [(member, scores[member]) for member in members]
