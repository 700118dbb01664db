"""An ordered list of (score, member) pairs, for sorted sets.

The pairs are cut into chunks, and a chunk is two parallel lists, scores and members: half the memory of a
list of tuples, and bisecting floats is faster than bisecting tuples. (The floats are those that the caller
has anyway; an array of doubles would make a new one at each look.) Ties are in the order of members. Three
more lists hold the greatest score and the last member of each chunk, to find the chunk of a pair, and the
number of pairs before each chunk, to find ranks. The last is made when a rank is asked for; changes after
that are noted as differences, and a few differences later it is made anew.

A place in the list is a tuple (chunk, offset in the chunk). Every search returns a place that may be just
behind the last pair of the list, but not behind the last pair of any chunk before.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import TypeVar

__all__ = ["Pair", "Place", "ScoreOrder", "in_order"]

T = TypeVar("T")
Pair = tuple[bytes, float]
Place = tuple[int, int]

_LOAD = 512
_MAX_DIFFERENCES = 48


class ScoreOrder:
    """Pairs of scores and members, ordered by score and then by member. The caller keeps members unique."""

    __slots__ = ("_before", "_differences", "_last_members", "_last_scores", "_members", "_scores", "_size")

    def __init__(self) -> None:
        self._scores: list[list[float]] = []
        self._members: list[list[bytes]] = []
        self._last_scores: list[float] = []
        self._last_members: list[bytes] = []
        self._before: list[int] | None = None
        self._differences: list[int] = []  # chunk numbers, inverted (~) for a removal
        self._size = 0

    @classmethod
    def of(cls, pairs: Iterable[Pair]) -> ScoreOrder:
        """Build the order of many pairs at once."""
        order = cls()
        ordered = in_order(pairs)
        for start in range(0, len(ordered), _LOAD):
            chunk = ordered[start : start + _LOAD]
            order._scores.append([score for _, score in chunk])
            order._members.append([member for member, _ in chunk])
            order._last_scores.append(chunk[-1][1])
            order._last_members.append(chunk[-1][0])
        order._size = len(ordered)
        return order

    def copy(self) -> ScoreOrder:
        twin = ScoreOrder()
        twin._scores = [chunk[:] for chunk in self._scores]
        twin._members = [chunk[:] for chunk in self._members]
        twin._last_scores = self._last_scores[:]
        twin._last_members = self._last_members[:]
        twin._size = self._size
        return twin

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Pair]:
        for members, scores in zip(self._members, self._scores):
            yield from zip(members, scores)

    # -- changes --

    def add(self, member: bytes, score: float) -> None:
        """Put a pair in that is not there."""
        self._size += 1
        last_scores = self._last_scores
        if not last_scores:
            self._scores.append([score])
            self._members.append([member])
            last_scores.append(score)
            self._last_members.append(member)
            return
        end = len(last_scores)
        chunk = bisect_left(last_scores, score)
        if chunk < end and last_scores[chunk] == score and self._last_members[chunk] < member:
            tied = end if last_scores[-1] == score else bisect_right(last_scores, score, chunk)
            chunk = bisect_left(self._last_members, member, chunk, tied)
            if chunk == tied < end and self._scores[chunk][0] > score:
                chunk -= 1  # behind the ties rather than before what follows
        if chunk == end:
            chunk -= 1
        scores = self._scores[chunk]
        members = self._members[chunk]
        if scores[0] == score == scores[-1]:
            position = bisect_left(members, member)
        else:
            position = bisect_left(scores, score)
            if position < len(scores) and scores[position] == score:
                position = bisect_left(members, member, position, bisect_right(scores, score, position))
        scores.insert(position, score)
        members.insert(position, member)
        if position == len(scores) - 1:
            last_scores[chunk] = score
            self._last_members[chunk] = member
        if self._before is not None:
            self._note(chunk)
        if len(scores) > 2 * _LOAD:
            self._split(chunk)

    def remove(self, member: bytes, score: float) -> None:
        """Take a pair out that is there."""
        self.remove_at(self.place(member, score))

    def remove_at(self, place: Place) -> None:
        """Take out the pair in the place."""
        chunk, position = place
        scores = self._scores[chunk]
        members = self._members[chunk]
        del scores[position]
        del members[position]
        self._size -= 1
        if not scores:
            self._drop_chunks(chunk, chunk + 1)
            return
        if position == len(scores):
            self._last_scores[chunk] = scores[-1]
            self._last_members[chunk] = members[-1]
        if self._before is not None:
            self._note(~chunk)
        if len(scores) < _LOAD // 4 and len(self._scores) > 1:
            self._merge(chunk)

    def remove_between(self, start: Place, stop: Place) -> list[Pair]:
        """Take out the pairs from `start` up to `stop`, and return them."""
        removed = self.between(start, stop)
        if not removed:
            return removed
        first, offset = start
        last, end = stop
        self._before = None
        if first == last:
            del self._scores[first][offset:end]
            del self._members[first][offset:end]
        else:
            del self._scores[first][offset:]
            del self._members[first][offset:]
            if end:
                del self._scores[last][:end]
                del self._members[last][:end]
        self._size -= len(removed)
        # What is left of the first and the last chunk may be nothing.
        whole = (first + 1 if offset else first, last)
        if first == last:
            whole = (first, first + 1) if not self._scores[first] else (first, first)
        elif last < len(self._scores) and not self._scores[last]:
            whole = (whole[0], last + 1)
        self._drop_chunks(*whole)
        for chunk in (first, first - 1):
            if 0 <= chunk < len(self._scores):
                self._last_scores[chunk] = self._scores[chunk][-1]
                self._last_members[chunk] = self._members[chunk][-1]
        if first < len(self._scores) and len(self._scores[first]) < _LOAD // 4 and len(self._scores) > 1:
            self._merge(first)
        return removed

    def _drop_chunks(self, start: int, stop: int) -> None:
        if start < stop:
            del self._scores[start:stop]
            del self._members[start:stop]
            del self._last_scores[start:stop]
            del self._last_members[start:stop]
            self._before = None

    def _split(self, chunk: int) -> None:
        scores, members = self._scores[chunk], self._members[chunk]
        self._scores.insert(chunk + 1, scores[_LOAD:])
        self._members.insert(chunk + 1, members[_LOAD:])
        del scores[_LOAD:], members[_LOAD:]
        self._last_scores.insert(chunk, scores[-1])
        self._last_members.insert(chunk, members[-1])
        self._before = None

    def _merge(self, chunk: int) -> None:
        """Join a small chunk with its neighbour."""
        left = chunk - 1 if chunk else 0
        self._scores[left] += self._scores[left + 1]
        self._members[left] += self._members[left + 1]
        self._last_scores[left] = self._last_scores[left + 1]
        self._last_members[left] = self._last_members[left + 1]
        self._drop_chunks(left + 1, left + 2)
        if len(self._scores[left]) > 2 * _LOAD:
            self._split(left)

    # -- places --

    @property
    def start(self) -> Place:
        return (0, 0)

    @property
    def stop(self) -> Place:
        return (len(self._scores), 0)

    def place(self, member: bytes, score: float) -> Place:
        """Return where the pair is, or would be."""
        last_scores = self._last_scores
        chunk = bisect_left(last_scores, score)
        if chunk == len(last_scores):
            return (chunk, 0)
        if last_scores[chunk] == score and self._last_members[chunk] < member:
            chunk = bisect_left(self._last_members, member, chunk, bisect_right(last_scores, score, chunk))
            if chunk == len(last_scores):
                return (chunk, 0)
        scores = self._scores[chunk]
        if scores[0] == score == scores[-1]:
            return (chunk, bisect_left(self._members[chunk], member))
        position = bisect_left(scores, score)
        if scores[position] == score:
            position = bisect_left(
                self._members[chunk], member, position, bisect_right(scores, score, position)
            )
        return (chunk, position)

    def before_score(self, score: float) -> Place:
        """Return the place of the first pair with at least this score."""
        chunk = bisect_left(self._last_scores, score)
        return (chunk, bisect_left(self._scores[chunk], score)) if chunk < len(self._scores) else (chunk, 0)

    def after_score(self, score: float) -> Place:
        """Return the place of the first pair with a greater score."""
        chunk = bisect_right(self._last_scores, score)
        return (chunk, bisect_right(self._scores[chunk], score)) if chunk < len(self._scores) else (chunk, 0)

    def before_member(self, member: bytes) -> Place:
        """Return the place of the first pair with at least this member, where all scores are the same."""
        chunk = bisect_left(self._last_members, member)
        return (chunk, bisect_left(self._members[chunk], member)) if chunk < len(self._scores) else (chunk, 0)

    def after_member(self, member: bytes) -> Place:
        """Return the place of the first pair with a greater member, where all scores are the same."""
        chunk = bisect_right(self._last_members, member)
        return (
            (chunk, bisect_right(self._members[chunk], member)) if chunk < len(self._scores) else (chunk, 0)
        )

    # -- ranks --

    def _note(self, difference: int) -> None:
        differences = self._differences
        differences.append(difference)
        if len(differences) > _MAX_DIFFERENCES:
            self._before = None

    def _counts(self) -> list[int]:
        before = self._before
        if before is None:
            before = self._before = list(accumulate(map(len, self._scores), initial=0))
            self._differences.clear()
        return before

    def rank(self, place: Place) -> int:
        """Return how many pairs are before the place."""
        chunk, position = place
        if not chunk:
            return position
        if chunk == len(self._scores):
            return self._size
        rank = self._counts()[chunk] + position
        for changed in self._differences:
            if changed >= 0:
                rank += changed < chunk
            else:
                rank -= ~changed < chunk
        return rank

    def at_rank(self, rank: int) -> Place:
        """Return the place with `rank` pairs before it, 0 <= `rank`."""
        if rank >= self._size:
            return self.stop
        if rank < len(self._scores[0]):
            return (0, rank)
        from_end = self._size - rank
        if from_end <= len(self._scores[-1]):
            return (len(self._scores) - 1, len(self._scores[-1]) - from_end)
        chunk = bisect_right(self._counts(), rank) - 1
        chunk = min(chunk, len(self._scores) - 1)
        position = rank - self.rank((chunk, 0))
        # The counts may be off by the few differences noted since.
        while position < 0:
            chunk -= 1
            position += len(self._scores[chunk])
        while position >= len(self._scores[chunk]):
            position -= len(self._scores[chunk])
            chunk += 1
        return (chunk, position)

    # -- reading --

    def first(self) -> Pair:
        """Return the first pair. Raises IndexError if there is none."""
        return (self._members[0][0], self._scores[0][0])

    def last(self) -> Pair:
        """Return the last pair. Raises IndexError if there is none."""
        return (self._members[-1][-1], self._scores[-1][-1])

    def pop_first(self) -> Pair:
        """Take the first pair out. Raises IndexError if there is none."""
        scores, members = self._scores[0], self._members[0]
        pair = (members[0], scores[0])
        if len(scores) <= _LOAD // 4 or self._before is not None:
            self.remove_at((0, 0))
        else:  # the same where no counts are kept and nothing is to be joined
            del scores[0]
            del members[0]
            self._size -= 1
        return pair

    def pop_last(self) -> Pair:
        """Take the last pair out. Raises IndexError if there is none."""
        pair = (self._members[-1][-1], self._scores[-1][-1])
        self.remove_at((len(self._scores) - 1, len(self._scores[-1]) - 1))
        return pair

    def at(self, place: Place) -> Pair:
        """Return the pair in the place."""
        chunk, position = place
        return (self._members[chunk][position], self._scores[chunk][position])

    def between(self, start: Place, stop: Place) -> list[Pair]:
        """Return the pairs from `start` up to `stop`, that one not included."""
        return list(zip(self.members_between(start, stop), self.scores_between(start, stop)))

    def members_between(self, start: Place, stop: Place) -> list[bytes]:
        """Return the members of the same."""
        return _cut(self._members, start, stop)

    def scores_between(self, start: Place, stop: Place) -> list[float]:
        """Return the scores of the same."""
        return _cut(self._scores, start, stop)


def _cut(chunks: list[list[T]], start: Place, stop: Place) -> list[T]:
    if start >= stop:
        return []
    chunk, position = start
    last, end = stop
    if chunk == last:
        return chunks[chunk][position:end]
    found = chunks[chunk][position:]
    for middle in chunks[chunk + 1 : last]:
        found += middle
    if end:
        found += chunks[last][:end]
    return found


def in_order(pairs: Iterable[Pair]) -> list[Pair]:
    """Sort pairs as they stand in a sorted set."""
    ordered = sorted(pairs)
    ordered.sort(key=_score_of)
    return ordered


def _score_of(pair: Pair) -> float:
    return pair[1]
