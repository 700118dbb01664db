"""The hash value: one dict of fields, whatever the encoding, and their expiry times beside it.

What only some hashes need is made when it is first asked for: the slots for draws and scans (see `dense`),
the expiry times of fields, and a heap of those. The heap is cleaned lazily: an entry counts only while the
field still has that expiry time.

Time is absolute, in unix milliseconds. A hash does not know what time it is: expired fields stay until
`expire_due` takes them out.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, ClassVar

from twisted_resp.values.dense import DenseIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from random import Random

    from twisted_resp.values.limits import Limits

__all__ = ["Hash"]

_LISTPACK = b"listpack"
_LISTPACKEX = b"listpackex"
_HASHTABLE = b"hashtable"

# The heap is made anew when it has so many more entries than twice the fields which expire.
_STALE = 64


class Hash:
    """Fields with values, as `Redis hashes <https://redis.io/docs/latest/develop/data-types/hashes/>`_.

    Fields come in the order of their insertion; while the encoding is listpackex, those that expire come
    first, the earliest before the others.
    """

    __slots__ = ("_expiries", "_fields", "_heap", "_index", "_limits", "encoding")

    type_name: ClassVar[bytes] = b"hash"

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._fields: dict[bytes, bytes] = {}
        self._index: DenseIndex | None = None
        # Both None until a field gets an expiry time. Newest last.
        self._expiries: dict[bytes, int] | None = None
        self._heap: list[tuple[int, bytes]] | None = None
        #: As OBJECT ENCODING says.
        self.encoding = _LISTPACK

    @classmethod
    def load(
        cls,
        limits: Limits,
        items: Mapping[bytes, bytes],
        encoding: bytes,
        expiries: Mapping[bytes, int] | None = None,
    ) -> Hash:
        """A hash as it comes back from an RDB file to which it went with `encoding`.

        A hash table of today's listpack size comes back as a listpack. `expiries` (absolute ms) may be
        missing for any field.
        """
        new = cls(limits)
        new._fields = dict(items)
        if len(items) > limits.hash_max_listpack_entries:
            new.encoding = _HASHTABLE
        elif encoding == _HASHTABLE:
            longest = limits.hash_max_listpack_value
            if any(len(field) > longest or len(value) > longest for field, value in items.items()):
                new.encoding = _HASHTABLE
        else:
            new.encoding = encoding
        if expiries:
            for field, at_ms in expiries.items():
                new.set_expiry(field, at_ms)
        return new

    def copy(self) -> Hash:
        new = Hash(self._limits)
        new._fields = self._fields.copy()
        new.encoding = self.encoding
        if self._expiries:
            new._expiries = self._expiries.copy()
            new._remake_heap()
        return new

    def __len__(self) -> int:
        """Number of fields; those which have expired but were not taken out count."""
        return len(self._fields)

    def __contains__(self, field: object) -> bool:
        return field in self._fields

    # Reading.

    def get(self, field: bytes) -> bytes | None:
        """The value of `field`, None if there is no such field."""
        return self._fields.get(field)

    def get_many(self, fields: Iterable[bytes]) -> list[bytes | None]:
        """The value of each of `fields`, None for those which are not there."""
        return list(map(self._fields.get, fields))

    def _ordered(self) -> dict[bytes, bytes]:
        """The fields in the order in which they come; not to be changed."""
        fields = self._fields
        expiries = self._expiries
        if not expiries or self.encoding != _LISTPACKEX:
            return fields
        # Of equal times the newest is first: that is where Redis inserts it.
        first = list(expiries)
        first.reverse()
        first.sort(key=expiries.__getitem__)
        ordered = {field: fields[field] for field in first}
        ordered.update(fields)
        return ordered

    def fields(self) -> list[bytes]:
        """All fields."""
        return list(self._ordered())

    def values(self) -> list[bytes]:
        """All values, in the order of `fields`."""
        return list(self._ordered().values())

    @property
    def mapping(self) -> dict[bytes, bytes]:
        """The values by field, in no order. Not to be changed."""
        return self._fields

    def items(self) -> list[tuple[bytes, bytes]]:
        """All fields with their values."""
        return list(self._ordered().items())

    # Changing.

    def set(self, field: bytes, value: bytes, keep_expiry: bool = False) -> bool:
        """Set one field, as HSETNX, HINCRBY and HINCRBYFLOAT do; True if it is new.

        An expiry time which the field had is dropped unless `keep_expiry`.
        """
        fields = self._fields
        new = field not in fields
        fields[field] = value
        if self.encoding != _HASHTABLE:
            limits = self._limits
            longest = limits.hash_max_listpack_value
            if len(field) > longest or len(value) > longest or len(fields) > limits.hash_max_listpack_entries:
                self.encoding = _HASHTABLE
        if new:
            if self._index is not None:
                self._index.add(field)
        elif self._expiries and not keep_expiry:
            self.persist(field)
        return new

    def set_many(self, pairs: Sequence[bytes]) -> int:
        """Set fields and values given in turn (HSET); returns how many fields are new."""
        if len(pairs) == 2:
            return int(self.set(pairs[0], pairs[1]))
        fields = self._fields
        before = len(fields)
        if self.encoding != _HASHTABLE:
            limits = self._limits
            longest = limits.hash_max_listpack_value
            if len(pairs) // 2 > limits.hash_max_listpack_entries:
                self.encoding = _HASHTABLE
            else:
                for argument in pairs:
                    if len(argument) > longest:
                        self.encoding = _HASHTABLE
                        break
        if self._index is None and not self._expiries:
            fields.update(zip(pairs[::2], pairs[1::2]))
            if len(fields) > self._limits.hash_max_listpack_entries:
                self.encoding = _HASHTABLE
        else:
            for field, value in zip(pairs[::2], pairs[1::2]):
                self.set(field, value)
        return len(fields) - before

    def set_each(self, names: Sequence[bytes], values: Sequence[bytes]) -> list[int]:
        """Set each of the fields, as so many calls of :meth:`set`; returns for each whether it is new, 1 or 0."""
        if self.encoding != _HASHTABLE or self._expiries or self._index is not None:
            return list(map(int, map(self.set, names, values)))
        fields = self._fields
        added = []
        for name, value in zip(names, values):
            added.append(0 if name in fields else 1)
            fields[name] = value
        return added

    def remove(self, fields: Iterable[bytes]) -> int:
        """Remove `fields` (HDEL); returns how many were there."""
        known = self._fields
        index = self._index
        expiries = self._expiries
        removed = 0
        for field in fields:
            if field in known:
                del known[field]
                removed += 1
                if index is not None:
                    index.discard(field)
                if expiries:
                    expiries.pop(field, None)
        return removed

    # Expiry of fields.

    def prepare_expiry(self) -> None:
        """Make a listpack one that has room for expiry times (listpackex).

        HEXPIRE does this to each hash that it is called for, even if it finds none of its fields.
        """
        if self.encoding == _LISTPACK:
            self.encoding = _LISTPACKEX

    @property
    def has_expiries(self) -> bool:
        """True if any field has an expiry time."""
        return bool(self._expiries)

    def expiry(self, field: bytes) -> int | None:
        """When `field` expires, in absolute ms; None if it does not, or is not there."""
        return self._expiries.get(field) if self._expiries else None

    def expiries(self) -> dict[bytes, int]:
        """The expiry times in absolute ms, of the fields which have one."""
        return dict(self._expiries or ())

    def set_expiry(self, field: bytes, at_ms: int) -> None:
        """Let `field` expire at `at_ms`; KeyError if it is not there."""
        if field not in self._fields:
            raise KeyError(field)
        self.prepare_expiry()
        if self._expiries is None:
            self._expiries = {}
        expiries = self._expiries
        expiries.pop(field, None)
        expiries[field] = at_ms
        if self._heap is None or len(self._heap) > 2 * len(expiries) + _STALE:
            self._remake_heap()
        else:
            heappush(self._heap, (at_ms, field))

    def persist(self, field: bytes) -> bool:
        """Let `field` expire no more; False if it did not, or is not there."""
        if not self._expiries or self._expiries.pop(field, None) is None:
            return False
        if self.encoding == _LISTPACKEX:
            # It goes to the end, with those that do not expire.
            self._fields[field] = self._fields.pop(field)
        return True

    def _remake_heap(self) -> None:
        self._heap = [(at_ms, field) for field, at_ms in (self._expiries or {}).items()]
        heapify(self._heap)

    @property
    def next_expiry(self) -> int | None:
        """When the first of the fields expires, in absolute ms; None if none does."""
        heap = self._heap
        expiries = self._expiries
        if not heap or not expiries:
            return None
        while expiries.get(heap[0][1]) != heap[0][0]:
            heappop(heap)
        return heap[0][0]

    def is_expired(self, field: bytes, now_ms: int) -> bool:
        """True if the time of `field` is over, so that it must not be seen any more.

        This is so from the millisecond after its expiry time; `expire_due` may take it out in that one.
        """
        expiries = self._expiries
        return expiries is not None and expiries.get(field, now_ms) < now_ms

    def live_items(self, now_ms: int) -> list[tuple[bytes, bytes]]:
        """Fields with their values, without those that have expired at `now_ms`."""
        expiries = self._expiries
        if not expiries:
            return self.items()
        when = expiries.get
        return [pair for pair in self._ordered().items() if when(pair[0], now_ms) >= now_ms]

    def expire_due(self, now_ms: int, most: int = 0) -> list[bytes]:
        """Remove the fields whose expiry time has come, and return them, the earliest first.

        They are `most` at most, if that is not 0.
        """
        due: list[bytes] = []
        while (at_ms := self.next_expiry) is not None and at_ms <= now_ms:
            assert self._heap is not None
            due.append(heappop(self._heap)[1])
            self.remove(due[-1:])
            if len(due) == most:
                break
        return due

    # Draws and scans.

    def _slots(self) -> list[bytes]:
        if self._index is None:
            if self.encoding != _HASHTABLE:
                return list(self._fields)
            self._index = DenseIndex(self._fields)
        return self._index.slots

    def random(self, rng: Random) -> bytes:
        """A random field, each as likely; there must be one."""
        slots = self._slots()
        return slots[int(rng.random() * len(slots))]

    def random_many(self, rng: Random, count: int) -> list[bytes]:
        """`count` independent draws: fields may repeat."""
        slots = self._slots()
        size = len(slots)
        draw = rng.random
        return [slots[int(draw() * size)] for _ in range(count)]

    def sample(self, rng: Random, count: int) -> list[bytes]:
        """`count` distinct random fields, or all if there are no more."""
        if count >= len(self._fields):
            return self.fields()
        return rng.sample(self._slots(), count)

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """The next cursor and some fields (HSCAN). Anything but a hash table comes in one go."""
        if self.encoding != _HASHTABLE:
            return 0, self.fields()
        self._slots()
        assert self._index is not None
        return self._index.scan(cursor, count)
