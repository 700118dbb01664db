"""Consumer groups: what a stream remembers of its readers.

A delivered entry is one `Nack`, which two `PendingList`s share: the group's, and that of the consumer who has
it. The methods here keep the two in step; what needs the entries themselves is in `stream.py`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice

from twisted_resp.values.stream_id import MAX_ID, MIN_ID, StreamId

__all__ = ["UNKNOWN", "Consumer", "Group", "Nack", "Pending", "PendingList"]

#: `entries_read` of a group whose position in the stream can't be told.
UNKNOWN = -1

_CHUNK = 128


class Nack:
    """An entry not yet acknowledged: who has it, since when (unix ms), and how often it was delivered."""

    __slots__ = ("consumer", "delivery_count", "delivery_time")

    def __init__(self, consumer: Consumer, delivery_time: int, delivery_count: int) -> None:
        self.consumer = consumer
        self.delivery_time = delivery_time
        self.delivery_count = delivery_count


Pending = tuple[StreamId, Nack]


class PendingList:
    """Nacks by id, in the order of ids.

    Ids arrive almost always in order and leave in any, so the order is a sorted list of ids that may be
    stale: an id leaves the dict only, and the list forgets it when somebody walks over it or when half of the
    list is stale. Adding at the end and removing cost O(1), walking from an id O(log n) and what it meets,
    each stale id once.
    """

    __slots__ = ("_nacks", "_order")

    def __init__(self) -> None:
        self._nacks: dict[StreamId, Nack] = {}
        self._order: list[StreamId] = []

    def __len__(self) -> int:
        return len(self._nacks)

    def __contains__(self, entry_id: object) -> bool:
        return entry_id in self._nacks

    def get(self, entry_id: StreamId) -> Nack | None:
        return self._nacks.get(entry_id)

    def add(self, entry_id: StreamId, nack: Nack) -> None:
        """Put `nack` there, in the place of one already there."""
        nacks = self._nacks
        order = self._order
        if not order or entry_id > order[-1]:
            if len(order) > 2 * len(nacks) + _CHUNK:
                order[:] = [known for known in order if known in nacks]
            order.append(entry_id)
        elif entry_id not in nacks:
            position = bisect_left(order, entry_id)
            if order[position] != entry_id:
                order.insert(position, entry_id)
        nacks[entry_id] = nack

    def remove(self, entry_id: StreamId) -> Nack | None:
        """Take the nack out and return it, None if there was none."""
        nack = self._nacks.pop(entry_id, None)
        if not self._nacks:
            self._order.clear()
        return nack

    def walk(self, start: StreamId = MIN_ID, end: StreamId = MAX_ID) -> Iterator[Pending]:
        """Walk the nacks from `start` to `end`, both included. Nacks may be removed on the way."""
        nacks = self._nacks
        order = self._order
        position = bisect_left(order, start)
        while position < len(order):
            chunk = order[position : position + _CHUNK]
            live = [entry_id for entry_id in chunk if entry_id in nacks]
            if len(live) < len(chunk):
                order[position : position + _CHUNK] = live
            for entry_id in live:
                if entry_id > end:
                    return
                nack = nacks.get(entry_id)
                if nack is not None:
                    yield entry_id, nack
            # Looked up anew: whoever is served may have changed the list.
            position = bisect_right(order, chunk[-1])

    def first(self, count: int) -> list[Pending]:
        """Return the first `count` nacks, or all if 0."""
        return list(islice(self.walk(), count or None))

    def first_id(self) -> StreamId | None:
        """Return the smallest id, None if the list is empty."""
        return next(self.walk(), (None,))[0]

    def last_id(self) -> StreamId | None:
        """Return the greatest id, None if the list is empty."""
        order = self._order
        while order and order[-1] not in self._nacks:
            order.pop()
        return order[-1] if order else None


class Consumer:
    """A member of a group: what it has pending, when it was seen and when it last got an entry.

    Times are unix ms, -1 for never.
    """

    __slots__ = ("active_time", "name", "pending", "seen_time")

    def __init__(self, name: bytes, seen_time: int, active_time: int = -1) -> None:
        self.name = name
        self.seen_time = seen_time
        self.active_time = active_time
        self.pending = PendingList()


class Group:
    """A consumer group.

    `last_id` is the last delivered id; `entries_read` the logical count of entries read up to there, or
    `UNKNOWN`.
    """

    __slots__ = ("consumers", "entries_read", "last_id", "name", "pending")

    def __init__(self, name: bytes, last_id: StreamId, entries_read: int = UNKNOWN) -> None:
        self.name = name
        self.last_id = last_id
        self.entries_read = entries_read
        self.pending = PendingList()
        self.consumers: dict[bytes, Consumer] = {}

    def sorted_consumers(self) -> list[Consumer]:
        """Return the consumers in the order in which Redis lists them: by name."""
        return [self.consumers[name] for name in sorted(self.consumers)]

    def create_consumer(self, name: bytes, now: int) -> Consumer | None:
        """Create a consumer, None if there is one of that name. `now` is unix time in ms."""
        if name in self.consumers:
            return None
        consumer = self.consumers[name] = Consumer(name, now)
        return consumer

    def delete_consumer(self, name: bytes) -> int | None:
        """Delete a consumer and forget what it had; return how many entries, None without such a consumer."""
        consumer = self.consumers.pop(name, None)
        if consumer is None:
            return None
        for entry_id, _ in consumer.pending.walk():
            self.pending.remove(entry_id)
        return len(consumer.pending)

    def assign(self, entry_id: StreamId, consumer: Consumer, delivery_time: int, delivery_count: int) -> Nack:
        """Make the entry pending for `consumer`, whoever had it before."""
        nack = self.pending.get(entry_id)
        if nack is None:
            nack = Nack(consumer, delivery_time, delivery_count)
            self.pending.add(entry_id, nack)
        else:
            if nack.consumer is consumer:
                nack.delivery_time = delivery_time
                nack.delivery_count = delivery_count
                return nack
            nack.consumer.pending.remove(entry_id)
            nack.consumer = consumer
            nack.delivery_time = delivery_time
            nack.delivery_count = delivery_count
        consumer.pending.add(entry_id, nack)
        return nack

    def drop(self, entry_id: StreamId) -> Nack | None:
        """Forget a pending entry, and return its nack or None."""
        nack = self.pending.remove(entry_id)
        if nack is not None:
            nack.consumer.pending.remove(entry_id)
        return nack

    def acknowledge(self, entry_ids: Iterable[StreamId]) -> int:
        """Drop the ids (XACK); return how many were pending."""
        acknowledged = 0
        for entry_id in entry_ids:
            if self.drop(entry_id) is not None:
                acknowledged += 1
        return acknowledged

    def pending_range(
        self,
        start: StreamId,
        end: StreamId,
        count: int,
        consumer: Consumer | None = None,
        min_idle: int = 0,
        now: int = 0,
    ) -> list[Pending]:
        """Return at most `count` pending entries with ids from `start` to `end` (XPENDING in its long form).

        `consumer` narrows to what that consumer has, `min_idle` (ms before `now`) to what nobody touched for
        so long.
        """
        found: list[Pending] = []
        if count <= 0:
            return found
        pending = self.pending if consumer is None else consumer.pending
        for entry_id, nack in pending.walk(start, end):
            if min_idle and now - nack.delivery_time < min_idle:
                continue
            found.append((entry_id, nack))
            if len(found) == count:
                break
        return found

    def copy(self) -> Group:
        """Return an independent copy."""
        twin = Group(self.name, self.last_id, self.entries_read)
        for consumer in self.consumers.values():
            twin.consumers[consumer.name] = Consumer(consumer.name, consumer.seen_time, consumer.active_time)
        for entry_id, nack in self.pending.walk():
            owner = twin.consumers[nack.consumer.name]
            twin.assign(entry_id, owner, nack.delivery_time, nack.delivery_count)
        return twin
