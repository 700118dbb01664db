"""The set value: one dict of members, whatever the encoding.

An encoding decides about order and about which limit comes next: an intset iterates by number, a listpack by
age. Redis' hash tables iterate in an order of no meaning; here it is by age as well. The slots that draws
and scans of a large set need are made when they are first asked for (see `dense`); from then on the dict of
members is the one in the index.
"""

from __future__ import annotations

from itertools import chain, filterfalse, islice, repeat
from typing import TYPE_CHECKING, Any, ClassVar

from twisted_resp.values.dense import DenseIndex
from twisted_resp.values.listpack import canonical_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from random import Random

    from twisted_resp.values.limits import Limits

__all__ = ["Set", "difference", "intersection", "union"]

_INTSET = b"intset"
_LISTPACK = b"listpack"
_HASHTABLE = b"hashtable"

# Drawing from fewer members than this walks to the drawn one, rather than keep an index.
_SMALL = 128

# Redis: with so many times more members popped than left, the rest becomes a new set.
_POP_MOVES = 5

_LARGEST_INTSET = 1 << 30
_LONGEST_INTEGER = 20


class Set:
    """A set of bytes, as `Redis sets <https://redis.io/docs/latest/develop/data-types/sets/>`_."""

    __slots__ = ("_index", "_limits", "_members", "encoding")

    type_name: ClassVar[bytes] = b"set"

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # With an index these are the positions in it, else the values mean nothing.
        self._members: dict[bytes, Any] = {}
        self._index: DenseIndex | None = None
        #: As OBJECT ENCODING says.
        self.encoding = _INTSET

    @classmethod
    def of(cls, limits: Limits, members: Iterable[bytes]) -> Set:
        """A set of `members`, with the encoding that SUNIONSTORE would give it."""
        new = cls(limits)
        new._absorb(members)
        return new

    @classmethod
    def load(cls, limits: Limits, members: Iterable[bytes], encoding: bytes) -> Set:
        """A set as it comes back from an RDB file to which it went with `encoding`."""
        new = cls(limits)
        members = dict.fromkeys(members)
        if encoding == _HASHTABLE:
            if len(members) > new._most_integers():
                new.encoding = _HASHTABLE
            new._absorb(members)
        else:
            most = new._most_integers() if encoding == _INTSET else limits.set_max_listpack_entries
            new.encoding = encoding if len(members) <= most else _HASHTABLE
            new._members = members
        return new

    @classmethod
    def intersection_of(cls, limits: Limits, sets: Sequence[Set]) -> Set:
        """The members of all `sets`, encoded as SINTERSTORE does it."""
        new = cls(limits)
        if min(sets, key=len).encoding != _INTSET:
            new.encoding = _LISTPACK
        members = intersection(sets)
        new._absorb(members)
        if len(members) <= new._most_integers() and all(
            canonical_integer(member) is not None for member in members
        ):
            new.encoding = _INTSET
        return new

    @classmethod
    def union_of(cls, limits: Limits, sets: Sequence[Set | None]) -> Set:
        """The members of any of `sets`, encoded as SUNIONSTORE does it."""
        return cls.of(limits, union(sets))

    @classmethod
    def difference_of(cls, limits: Limits, sets: Sequence[Set | None]) -> Set:
        """The members of the first of `sets` only, encoded as SDIFFSTORE does it."""
        first = sets[0]
        others = [other for other in sets[1:] if other is not None]
        if not first or first in others:
            return cls(limits)
        if len(first) * (len(others) + 1) // 2 <= len(first) + sum(map(len, others)):
            return cls.of(limits, difference(sets))
        # Redis copies the first set here and removes from it. What remains keeps the encoding of the copy.
        new = cls.of(limits, first)
        for other in others:
            new.remove(other)
        return new

    def copy(self) -> Set:
        new = Set(self._limits)
        new._members = self._members.copy()
        new.encoding = self.encoding
        return new

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, member: object) -> bool:
        return member in self._members

    def __iter__(self) -> Iterator[bytes]:
        if self.encoding == _INTSET:
            return iter(sorted(self._members, key=int))
        return iter(self._members)

    def members(self) -> list[bytes]:
        """All members, an intset's in the order of the numbers."""
        return list(self)

    def contains_many(self, members: Iterable[bytes]) -> list[bool]:
        """For each of `members`, whether it is one."""
        return list(map(self._members.__contains__, members))

    # Additions and encodings.

    def add(self, members: Sequence[bytes]) -> int:
        """Add `members` (SADD) and return how many of them are new."""
        known = self._members
        if self.encoding != _HASHTABLE:
            limits = self._limits
            if (
                len(members) == 1
                and members[0] in known
                and limits.set_max_listpack_entries
                and limits.set_max_intset_entries
            ):
                return 0  # without a look at the encoding: nothing can change it here
            self._prepare(members)
        elif self._index is None:
            before = len(known)
            for member in members:
                known[member] = None
            return len(known) - before
        added = 0
        for member in members:
            if member not in known:
                added += 1
                self._add_new(member)
        return added

    def add_each(self, members: list[bytes]) -> list[int]:
        """Add each of `members`, as so many calls of :meth:`add`; returns what each of them would."""
        if self.encoding != _HASHTABLE:
            return [self.add((member,)) for member in members]
        if self._index is not None:
            return list(map(int, map(self._index.add, members)))
        known = self._members
        added = []
        for member in members:
            if member in known:
                added.append(0)
            else:
                known[member] = None
                added.append(1)
        return added

    def _most_integers(self) -> int:
        return min(self._limits.set_max_intset_entries, _LARGEST_INTSET)

    def _prepare(self, members: Sequence[bytes]) -> None:
        """Choose the encoding by how many members SADD gives; it does not look whether they are distinct."""
        limits = self._limits
        size = len(members)
        if self._members:
            most = (
                limits.set_max_intset_entries if self.encoding == _INTSET else limits.set_max_listpack_entries
            )
            if size > most:
                self.encoding = _HASHTABLE
        elif size and size <= limits.set_max_intset_entries and canonical_integer(members[0]) is not None:
            self.encoding = _INTSET
        else:
            self.encoding = _LISTPACK if size <= limits.set_max_listpack_entries else _HASHTABLE

    def _add_new(self, member: bytes) -> None:
        """Add one which is not there, and convert first or afterwards as Redis does."""
        encoding = self.encoding
        known = self._members
        if encoding == _LISTPACK:
            limits = self._limits
            if len(known) >= limits.set_max_listpack_entries or len(member) > limits.set_max_listpack_value:
                self.encoding = _HASHTABLE
        elif encoding == _INTSET:
            if canonical_integer(member) is None:
                self._leave_intset(member)
            elif len(known) >= self._most_integers():
                self.encoding = _HASHTABLE
        if self._index is None:
            known[member] = None
        else:
            self._index.add(member)

    def _leave_intset(self, member: bytes) -> None:
        """Convert an intset for `member`, which is no integer."""
        limits = self._limits
        longest = limits.set_max_listpack_value
        known = self._members
        if (
            len(known) < limits.set_max_listpack_entries
            and len(member) <= longest
            and (longest >= _LONGEST_INTEGER or all(len(number) <= longest for number in known))
        ):
            self.encoding = _LISTPACK
        else:
            self.encoding = _HASHTABLE
        # In place: `add` goes on with the same dict.
        numbers = sorted(known, key=int)
        known.clear()
        known.update(dict.fromkeys(numbers))
        self._index = None

    def _absorb(self, members: Iterable[bytes]) -> None:
        """Add `members` one after the other, with no guess from their number."""
        members = iter(members)
        known = self._members
        while self.encoding != _HASHTABLE:
            member = next(members, None)
            if member is None:
                return
            if member not in known:
                self._add_new(member)
        if self._index is None:
            known.update(dict.fromkeys(members))
        else:
            for member in members:
                self._index.add(member)

    # Removals.

    def remove(self, members: Iterable[bytes]) -> int:
        """Remove `members` (SREM) and return how many of them were there."""
        if self._index is not None:
            return sum(map(self._index.discard, members))
        known = self._members
        removed = 0
        for member in members:
            if member in known:
                del known[member]
                removed += 1
        return removed

    def _indexed(self) -> DenseIndex | None:
        """The index, made now if that is worth while."""
        if self._index is None and (self.encoding == _HASHTABLE or len(self._members) > _SMALL):
            self._index = DenseIndex(self._members)
            self._members = self._index.positions
        return self._index

    def pop(self, rng: Random) -> bytes:
        """Take a random member out, each as likely; there must be one."""
        index = self._index
        if index is None:
            index = self._indexed()
        if index is not None:
            return index.pop_random(rng)
        members = self._members
        member = next(islice(members, int(rng.random() * len(members)), None))
        del members[member]
        return member

    def pop_each(self, rng: Random, count: int) -> list[bytes]:
        """Take members out, as so many calls of :meth:`pop`; there must be as many."""
        if self._index is None:
            return [self.pop(rng) for _ in range(count)]
        return list(map(self._index.pop_random, repeat(rng, count)))

    def pop_many(self, rng: Random, count: int) -> list[bytes]:
        """Take `count` random distinct members out, or all if there are no more."""
        left = len(self._members) - count
        if left <= 0:
            popped = list(self)
            self._members = {}
            self._index = None
            return popped
        if left * _POP_MOVES > count:
            return [self.pop(rng) for _ in range(count)]
        kept = dict.fromkeys(self.sample(rng, left))
        popped = [member for member in self if member not in kept]
        # The rest is a new set for Redis: a hash table may become a listpack again.
        if self.encoding == _HASHTABLE:
            self.encoding = _LISTPACK
        self._members = {}
        self._index = None
        self._absorb(kept)
        return popped

    # Draws and scans.

    def _slots(self) -> list[bytes]:
        index = self._indexed()
        return list(self._members) if index is None else index.slots

    def random(self, rng: Random) -> bytes:
        """A random member, each as likely; there must be one."""
        index = self._index
        if index is None:
            index = self._indexed()
        if index is not None:
            return index.random(rng)
        return next(islice(self._members, int(rng.random() * len(self._members)), None))

    def random_many(self, rng: Random, count: int) -> list[bytes]:
        """`count` independent draws: members may repeat."""
        slots = self._slots()
        size = len(slots)
        draw = rng.random
        return [slots[int(draw() * size)] for _ in range(count)]

    def sample(self, rng: Random, count: int) -> list[bytes]:
        """`count` distinct random members, or all if there are no more."""
        if count >= len(self._members):
            return list(self)
        return rng.sample(self._slots(), count)

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """The next cursor and some members (SSCAN). Anything but a hash table comes in one go."""
        if self.encoding != _HASHTABLE:
            return 0, list(self)
        index = self._indexed()
        assert index is not None
        return index.scan(cursor, count)


def intersection(sets: Sequence[Set], limit: int = 0) -> list[bytes]:
    """The members of all `sets`, in the order of the smallest one; at most `limit` of them if not 0."""
    first, *others = sorted(sets, key=len)
    members: Iterator[bytes] = iter(first)
    for other in others:
        if other is not first:
            members = filter(other._members.__contains__, members)
    return list(islice(members, limit or None))


def union(sets: Sequence[Set | None]) -> list[bytes]:
    """The members of any of `sets`; None is an empty set. Of intsets only: in the order of the numbers."""
    given = [one for one in sets if one is not None]
    members = dict.fromkeys(chain.from_iterable(given))
    if len(given) > 1 and all(one.encoding == _INTSET for one in given):
        return sorted(members, key=int)
    return list(members)


def difference(sets: Sequence[Set | None]) -> list[bytes]:
    """The members of the first of `sets` which are in none of the others; None is an empty set."""
    first = sets[0]
    if first is None:
        return []
    members: Iterator[bytes] = iter(first)
    for other in sets[1:]:
        if other is not None:
            members = filterfalse(other._members.__contains__, members)
    return list(members)
