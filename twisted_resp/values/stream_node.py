"""One node of a stream: the entries that Redis would keep in one listpack.

Approximate trimming removes whole nodes only. What is trimmed therefore depends on where nodes end, so they
end here where Redis ends them: for that each node accounts the bytes that its listpack would have. Measuring
to the byte costs more than appending, so a node adds up a cheap upper bound, and measures what it has not
measured yet only when the bound says that the node might be full.
"""

from __future__ import annotations

from twisted_resp.values.listpack import entry_bytes
from twisted_resp.values.stream_id import StreamId

__all__ = ["Entry", "Fields", "Node"]

#: Fields and values of an entry in turn, as XADD got them.
Fields = tuple[bytes, ...]
Entry = tuple[StreamId, Fields]

# No more than this is taken by the two counters of entries, which change all the time.
_COUNTERS = 20


class Node:
    """Consecutive entries that are one listpack in Redis.

    `start` is the id of the first entry ever put there and `names` its field names; `ids` and `entries` are
    what is there now, `dead` the number of entries deleted, `edge` the last id if the last entry was deleted.
    `exact` is what the first `measured` entries and all dead ones take; `bound` is no less than the size of the
    whole listpack.
    """

    __slots__ = ("bound", "dead", "edge", "entries", "exact", "ids", "measured", "names", "start")

    def __init__(self, start: StreamId, names: Fields) -> None:
        self.start = start
        self.names = names
        self.ids: list[StreamId] = []
        self.entries: list[Fields] = []
        self.dead = 0
        self.edge: StreamId | None = None
        self.measured = 0
        self.exact = 0
        # Names take no more than ten bytes each besides their own; the listpack and their number, 19.
        self.bound = sum(map(len, names)) + 10 * len(names) + 19 + _COUNTERS

    @property
    def last_id(self) -> StreamId:
        """The id of the last entry, deleted or not."""
        return self.edge or self.ids[-1]

    def measure(self) -> int:
        """Return the size of the listpack in bytes."""
        ids = self.ids
        for position in range(self.measured, len(ids)):
            self.exact += self._entry_size(ids[position], self.entries[position])
        self.measured = len(ids)
        # The listpack's header and end, the number of fields, their names and a terminator.
        header = 9 + _integer_size(len(self.names)) + sum(map(entry_bytes, self.names))
        self.bound = header + self.exact + _COUNTERS
        return header + self.exact + _integer_size(len(ids)) + _integer_size(self.dead)

    def forget(self, position: int) -> None:
        """Delete the entry there: its bytes stay counted."""
        if position < self.measured:
            self.measured -= 1
        else:
            self.exact += self._entry_size(self.ids[position], self.entries[position])
        if position == len(self.ids) - 1 and self.edge is None:
            self.edge = self.ids[-1]
        del self.ids[position]
        del self.entries[position]
        self.dead += 1

    def forget_first(self, count: int) -> None:
        """Delete entries at the front: their bytes stay counted."""
        if count:
            for position in range(self.measured, count):
                self.exact += self._entry_size(self.ids[position], self.entries[position])
            if count == len(self.ids):
                self.edge = self.last_id
            del self.ids[:count]
            del self.entries[:count]
            self.measured = max(self.measured - count, 0)
            self.dead += count

    def copy(self) -> Node:
        twin = Node(self.start, self.names)
        twin.ids = self.ids[:]
        twin.entries = self.entries[:]
        twin.dead, twin.edge = self.dead, self.edge
        twin.measured, twin.exact, twin.bound = self.measured, self.exact, self.bound
        return twin

    def _entry_size(self, entry_id: StreamId, fields: Fields) -> int:
        size = 2 + _integer_size(entry_id[0] - self.start[0]) + _integer_size(entry_id[1] - self.start[1])
        pairs = len(fields) // 2
        if fields[::2] == self.names:
            return size + sum(map(entry_bytes, fields[1::2])) + _integer_size(pairs + 3)
        return size + _integer_size(pairs) + sum(map(entry_bytes, fields)) + _integer_size(2 * pairs + 4)


def _integer_size(value: int) -> int:
    """Return the bytes of an integer in a listpack, the length at its end included."""
    if 0 <= value <= 127:
        return 2
    # Differences of unsigned 64-bit numbers wrap around.
    if value >= 2**63:
        value -= 2**64
    elif value < -(2**63):
        value += 2**64
    magnitude = value if value >= 0 else ~value
    if magnitude < 4096:
        return 3
    if magnitude < 2**15:
        return 4
    if magnitude < 2**23:
        return 5
    return 6 if magnitude < 2**31 else 10
