"""The stream: entries in the order of their ids, and the consumer groups that read them.

Entries are kept in nodes, as Redis keeps them in listpacks, because trimming with ``~`` works by whole nodes;
see `stream_node.py`. References to nodes and their first ids are two parallel lists, which `bisect` searches.
The first node, and no other, may have no entries left: trimming by id leaves it there, if the last id that it had
was not to be trimmed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import (
    TYPE_CHECKING,
    ClassVar,
    NamedTuple,
)

from twisted_resp.values.stream_groups import UNKNOWN, Consumer, Group, Pending
from twisted_resp.values.stream_id import MAX_ID, MIN_ID, StreamId, id_after
from twisted_resp.values.stream_node import Entry, Fields, Node

if TYPE_CHECKING:
    from twisted_resp.values.limits import Limits

__all__ = [
    "ACKED",
    "DELETED",
    "DELREF",
    "KEEPREF",
    "MAX_ENTRY_BYTES",
    "NOT_FOUND",
    "STILL_REFERENCED",
    "Claims",
    "Entry",
    "Fields",
    "Node",
    "Stream",
]

#: What deletion does with the references in consumer groups: leave them, remove them, or spare what is
#: referenced.
KEEPREF = 0
DELREF = 1
ACKED = 2

#: What became of an id in XDELEX and XACKDEL.
NOT_FOUND = -1
DELETED = 1
STILL_REFERENCED = 2

#: The bytes of fields and values that one entry may have, 1 GB.
MAX_ENTRY_BYTES = 1 << 30


class Claims(NamedTuple):
    """What XCLAIM or XAUTOCLAIM did.

    `claimed`: the entries that changed hands; `dropped`: pending entries forgotten because they are no longer
    in the stream, with their last state; `cursor`: where XAUTOCLAIM goes on, 0-0 at the end.
    """

    claimed: list[Pending]
    dropped: list[Pending]
    cursor: StreamId = MIN_ID


class Stream:
    """What https://redis.io/docs/latest/develop/data-types/streams/ describes. It may be empty.

    `last_id` is the greatest id ever, `max_deleted_id` the greatest that XDEL removed, `entries_added` the
    number of entries ever added, `groups` the consumer groups by name. Loaders may set all of them.
    """

    __slots__ = (
        "_length",
        "_limits",
        "_nodes",
        "_starts",
        "entries_added",
        "groups",
        "last_id",
        "max_deleted_id",
    )

    type_name: ClassVar[bytes] = b"stream"
    encoding: ClassVar[bytes] = b"stream"

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._nodes: list[Node] = []
        self._starts: list[StreamId] = []  # the `start` of each node, for bisect
        self._length = 0
        self.last_id: StreamId = MIN_ID
        self.max_deleted_id: StreamId = MIN_ID
        self.entries_added = 0
        self.groups: dict[bytes, Group] = {}

    def __len__(self) -> int:
        return self._length

    # -- ids --

    @property
    def first_id(self) -> StreamId:
        """The id of the first entry, 0-0 if there is none."""
        if not self._length:
            return MIN_ID
        return (self._nodes[0].ids or self._nodes[1].ids)[0]

    @property
    def last_entry_id(self) -> StreamId:
        """The id of the last entry that is still there, 0-0 if there is none."""
        return self._nodes[-1].ids[-1] if self._length else MIN_ID

    def next_id(self, now: int) -> StreamId | None:
        """Return the id that ``XADD *`` takes at `now` (unix ms), or None if ids are exhausted."""
        if now > self.last_id[0]:
            return (now, 0)
        return id_after(self.last_id)

    def next_id_in(self, milliseconds: int) -> StreamId | None:
        """Return the id that ``XADD milliseconds-*`` takes, None if no such id exceeds `last_id`."""
        last_milliseconds, last_sequence = self.last_id
        if milliseconds > last_milliseconds:
            return (milliseconds, 0)
        if milliseconds < last_milliseconds or last_sequence == 2**64 - 1:
            return None
        return (milliseconds, last_sequence + 1)

    # -- adding --

    def append(self, entry_id: StreamId, fields: Fields) -> None:
        """Add an entry at the end. The id must be greater than `last_id`: the caller has to see to that.

        Raises ValueError if fields and values have more than `MAX_ENTRY_BYTES`.
        """
        size = sum(map(len, fields))
        nodes = self._nodes
        if nodes:
            node = nodes[-1]
            limits = self._limits
            if (
                len(node.ids) + node.dead >= limits.stream_node_max_entries
                or node.bound + size >= limits.stream_node_max_bytes
            ) and self._is_full(node, size):
                node = self._open_node(entry_id, fields)
        else:
            if size > MAX_ENTRY_BYTES:
                raise ValueError("entry too large")
            node = self._open_node(entry_id, fields)
        node.ids.append(entry_id)
        node.entries.append(fields)
        node.bound += size + 2 * len(fields) + 26 if size < 64 > len(fields) else size + 10 * len(fields) + 42
        node.edge = None
        self._length += 1
        self.entries_added += 1
        self.last_id = entry_id

    def _is_full(self, node: Node, size: int) -> bool:
        if size > MAX_ENTRY_BYTES:
            raise ValueError("entry too large")
        max_entries = self._limits.stream_node_max_entries
        if 0 < max_entries <= len(node.ids) + node.dead:
            return True
        max_bytes = self._limits.stream_node_max_bytes
        if not 0 < max_bytes <= MAX_ENTRY_BYTES:
            max_bytes = MAX_ENTRY_BYTES
        return node.bound + size >= max_bytes and node.measure() + size >= max_bytes

    def _open_node(self, entry_id: StreamId, fields: Fields) -> Node:
        node = Node(entry_id, fields[::2])
        self._nodes.append(node)
        self._starts.append(entry_id)
        return node

    def load_node(
        self, start: StreamId, names: Fields, entries: Sequence[Entry], dead: int = 0, dead_bytes: int = 0
    ) -> None:
        """Add a whole node as it was saved; `dead` entries of `dead_bytes` in all were deleted from it.

        Counts towards the length only: a loader sets `last_id` and the counters itself.
        """
        if not entries:
            return
        node = Node(start, names)
        node.ids = [entry_id for entry_id, _ in entries]
        node.entries = [fields for _, fields in entries]
        node.dead = dead
        node.exact += dead_bytes
        node.measure()
        self._nodes.append(node)
        self._starts.append(start)
        self._length += len(entries)

    @property
    def nodes(self) -> Sequence[Node]:
        """The nodes in order, for savers and XINFO. Not to be changed."""
        return self._nodes

    # -- reading --

    def get(self, entry_id: StreamId) -> Fields | None:
        """Return the fields of the entry, None if it is not there."""
        place = self._find(entry_id)
        return None if place is None else self._nodes[place[0]].entries[place[1]]

    def __contains__(self, entry_id: StreamId) -> bool:
        return self._find(entry_id) is not None

    def _find(self, entry_id: StreamId) -> tuple[int, int] | None:
        index = bisect_right(self._starts, entry_id) - 1
        if index < 0:
            return None
        ids = self._nodes[index].ids
        position = bisect_left(ids, entry_id)
        return (index, position) if position < len(ids) and ids[position] == entry_id else None

    def __iter__(self) -> Iterator[Entry]:
        for node in self._nodes:
            yield from zip(node.ids, node.entries)

    def range(self, start: StreamId = MIN_ID, end: StreamId = MAX_ID, count: int = 0) -> list[Entry]:
        """Return the entries from `start` to `end`, both included; the first `count`, or all if 0."""
        found: list[Entry] = []
        nodes = self._nodes
        if not self._length or start > end or start > nodes[-1].ids[-1]:
            return found
        index = max(bisect_right(self._starts, start) - 1, 0)
        if not nodes[index].ids:
            index += 1
        first = bisect_left(nodes[index].ids, start)
        while index < len(nodes):
            node = nodes[index]
            ids = node.ids
            last = len(ids) if ids[-1] <= end else bisect_right(ids, end)
            if count:
                last = min(last, first + count - len(found))
            found.extend(zip(ids[first:last], node.entries[first:last]))
            if last < len(ids) or (count and len(found) == count):
                break
            index += 1
            first = 0
        return found

    def reverse_range(self, start: StreamId = MIN_ID, end: StreamId = MAX_ID, count: int = 0) -> list[Entry]:
        """Return the entries from `end` down to `start`, both included; `count` of them, or all if 0."""
        found: list[Entry] = []
        nodes = self._nodes
        if not nodes or start > end:
            return found
        index = bisect_right(self._starts, end) - 1
        while index >= 0:
            node = nodes[index]
            ids = node.ids
            if not ids:
                break
            first = 0 if ids[0] >= start else bisect_left(ids, start)
            last = len(ids) if ids[-1] <= end else bisect_right(ids, end)
            if count:
                first = max(first, last - (count - len(found)))
            found.extend(zip(reversed(ids[first:last]), reversed(node.entries[first:last])))
            if first > 0 or node.start <= start or (count and len(found) == count):
                break
            index -= 1
        return found

    # -- deleting --

    def delete(self, entry_id: StreamId) -> bool:
        """Delete one entry (XDEL), leaving references to it; return whether it was there."""
        place = self._find(entry_id)
        if place is None:
            return False
        index, position = place
        node = self._nodes[index]
        if len(node.ids) == 1:
            del self._nodes[index]
            del self._starts[index]
        else:
            node.forget(position)
        self._length -= 1
        if entry_id > self.max_deleted_id:
            self.max_deleted_id = entry_id
        return True

    def delete_with_policy(self, entry_id: StreamId, policy: int) -> int:
        """Delete one entry as XDELEX does; return NOT_FOUND, DELETED or STILL_REFERENCED (only with ACKED).

        DELREF removes references to the id even where the entry is gone.
        """
        if policy == ACKED and entry_id in self and self.is_referenced(entry_id):
            return STILL_REFERENCED
        if policy == DELREF:
            self.drop_references(entry_id)
        return DELETED if self.delete(entry_id) else NOT_FOUND

    def acknowledge_and_delete(self, group: Group, entry_id: StreamId, policy: int) -> int:
        """Acknowledge in `group`, then delete (XACKDEL); NOT_FOUND if it was not pending there."""
        if group.drop(entry_id) is None:
            return NOT_FOUND
        if policy == ACKED and self.is_referenced(entry_id):
            return STILL_REFERENCED
        if policy == DELREF:
            self.drop_references(entry_id)
        self.delete(entry_id)
        return DELETED

    def is_referenced(self, entry_id: StreamId) -> bool:
        """Tell whether a group has yet to read the entry or has it pending."""
        return any(entry_id > group.last_id or entry_id in group.pending for group in self.groups.values())

    def drop_references(self, entry_id: StreamId) -> None:
        """Forget the entry in every group that has it pending."""
        for group in self.groups.values():
            group.drop(entry_id)

    def trim_to_length(
        self, length: int, *, approximate: bool = False, limit: int = 0, policy: int = KEEPREF
    ) -> int:
        """Remove entries from the front until `length` are left (XTRIM MAXLEN); return how many.

        `approximate` removes whole nodes only, at most `limit` entries unless that is 0. With ACKED, entries
        still referenced are passed over.
        """
        if self._length <= length:
            return 0
        return self._trim(length, None, approximate, limit, policy)

    def trim_before(
        self, entry_id: StreamId, *, approximate: bool = False, limit: int = 0, policy: int = KEEPREF
    ) -> int:
        """Remove the entries with smaller ids (XTRIM MINID); options and result as in `trim_to_length`."""
        if not self._nodes or self._starts[0] >= entry_id:
            return 0
        return self._trim(0, entry_id, approximate, limit, policy)

    def _trim(self, length: int, before: StreamId | None, approximate: bool, limit: int, policy: int) -> int:
        if policy != KEEPREF and self.groups:
            return self._trim_with_policy(length, before, approximate, limit, policy)
        nodes = self._nodes
        whole = removed = 0
        for node in nodes:
            live = len(node.ids)
            excess = self._length - removed - length
            if (before is None and excess <= 0) or (limit and removed + live > limit):
                break
            if (live <= excess) if before is None else (node.last_id < before):
                removed += live
                whole += 1
                continue
            if not approximate:
                doomed = excess if before is None else bisect_left(node.ids, before)
                node.forget_first(doomed)
                removed += doomed
            break
        if whole:
            del nodes[:whole]
            del self._starts[:whole]
        self._length -= removed
        return removed

    def _trim_with_policy(
        self, length: int, before: StreamId | None, approximate: bool, limit: int, policy: int
    ) -> int:
        removed = 0
        emptied = False
        for node in self._nodes:
            live = len(node.ids)
            excess = self._length - removed - length
            if before is None:
                if excess <= 0:
                    break
                complete = live <= excess
                candidates = node.ids[:]
            else:
                excess = live
                complete = node.last_id < before
                candidates = node.ids[: bisect_left(node.ids, before)]
            if (approximate and not complete) or (limit and removed + live > limit):
                break
            for entry_id in candidates:
                if policy == DELREF:
                    self.drop_references(entry_id)
                elif self.is_referenced(entry_id):
                    continue
                node.forget(bisect_left(node.ids, entry_id))
                removed += 1
                excess -= 1
                if not excess:
                    break
            emptied = emptied or not node.ids
            if before is not None and not complete:
                break
        if emptied:
            self._nodes = [node for node in self._nodes if node.ids]
            self._starts = [node.start for node in self._nodes]
        self._length -= removed
        return removed

    # -- consumer groups --

    def create_group(self, name: bytes, last_id: StreamId, entries_read: int = UNKNOWN) -> Group | None:
        """Create a group that starts after `last_id`; None if there is one of that name (XGROUP CREATE)."""
        if name in self.groups:
            return None
        group = self.groups[name] = Group(name, last_id, entries_read)
        return group

    def sorted_groups(self) -> list[Group]:
        """Return the groups in the order in which Redis lists them: by name."""
        return [self.groups[name] for name in sorted(self.groups)]

    def deliver(
        self, group: Group, consumer: Consumer, now: int, count: int = 0, *, no_ack: bool = False
    ) -> list[Entry]:
        """Give what the group has not read to `consumer`, at most `count` unless 0 (XREADGROUP ``>``).

        Moves the group's position, and makes the entries pending unless `no_ack`. `now` is unix time in ms.
        """
        start = id_after(group.last_id)
        if start is None:
            return []
        entries = self.range(start, MAX_ID, count)
        if not entries:
            return entries
        first = self.first_id
        for entry_id, _ in entries:
            # A group that was behind the first entry counts anew: what was trimmed meanwhile is read, in a way.
            counts = group.entries_read != UNKNOWN and group.last_id >= first
            if counts and not self._has_tombstone_after(group.last_id):
                group.entries_read += 1
            elif self.entries_added:
                group.entries_read = self.entries_read_at(entry_id)
            group.last_id = entry_id
        if not no_ack:
            for entry_id, _ in entries:
                group.assign(entry_id, consumer, now, 1)
            consumer.active_time = now
        return entries

    def redeliver(
        self, consumer: Consumer, start: StreamId, now: int, count: int = 0
    ) -> list[tuple[StreamId, Fields | None]]:
        """Return what `consumer` has pending from `start` on, counting a delivery (XREADGROUP with an id).

        The fields are None where the entry is gone from the stream.
        """
        found: list[tuple[StreamId, Fields | None]] = []
        for entry_id, nack in consumer.pending.walk(start):
            fields = self.get(entry_id)
            if fields is not None:
                nack.delivery_time = now
                nack.delivery_count += 1
            found.append((entry_id, fields))
            if len(found) == count:
                break
        return found

    def claim(
        self,
        group: Group,
        consumer: Consumer,
        entry_ids: Iterable[StreamId],
        now: int,
        *,
        min_idle: int = 0,
        delivery_time: int | None = None,
        delivery_count: int | None = None,
        force: bool = False,
        just_id: bool = False,
    ) -> Claims:
        """Make `consumer` the owner of pending entries that were idle for `min_idle` ms (XCLAIM).

        `delivery_time` (unix ms) and `delivery_count` are what to set, else now and one more (the same with
        `just_id`). `force` makes entries pending that were not.
        """
        claims = Claims([], [])
        for entry_id in entry_ids:
            nack = group.pending.get(entry_id)
            if entry_id not in self:
                if nack is not None:
                    group.drop(entry_id)
                    claims.dropped.append((entry_id, nack))
                continue
            if nack is None:
                if not force:
                    continue
                deliveries = 1
            elif min_idle and now - nack.delivery_time < min_idle:
                continue
            else:
                deliveries = nack.delivery_count
            if delivery_count is not None:
                deliveries = delivery_count
            elif not just_id:
                deliveries += 1
            nack = group.assign(
                entry_id, consumer, now if delivery_time is None else delivery_time, deliveries
            )
            claims.claimed.append((entry_id, nack))
            consumer.active_time = now
        return claims

    def autoclaim(
        self,
        group: Group,
        consumer: Consumer,
        start: StreamId,
        now: int,
        *,
        min_idle: int = 0,
        count: int = 100,
        just_id: bool = False,
    ) -> Claims:
        """Make `consumer` own up to `count` entries pending from `start` on and idle for `min_idle` ms.

        Looks at ten times `count` entries at most (XAUTOCLAIM).
        """
        claimed: list[Pending] = []
        dropped: list[Pending] = []
        attempts = 10 * count
        for entry_id, nack in group.pending.walk(start):
            if not attempts or not count:
                return Claims(claimed, dropped, entry_id)
            attempts -= 1
            if entry_id not in self:
                group.drop(entry_id)
                dropped.append((entry_id, nack))
                count -= 1
                continue
            if min_idle and now - nack.delivery_time < min_idle:
                continue
            group.assign(entry_id, consumer, now, nack.delivery_count if just_id else nack.delivery_count + 1)
            claimed.append((entry_id, nack))
            consumer.active_time = now
            count -= 1
        return Claims(claimed, dropped)

    def lag(self, group: Group) -> int | None:
        """Return how many entries the group has yet to read, None where that can't be told."""
        if not self.entries_added or not self._length:
            return 0
        first = self.first_id
        if group.last_id < first and self.max_deleted_id < first:
            return self._length
        if group.entries_read != UNKNOWN and not self._has_tombstone_after(group.last_id):
            return self.entries_added - group.entries_read
        entries_read = self.entries_read_at(group.last_id)
        return None if entries_read == UNKNOWN else self.entries_added - entries_read

    def entries_read_at(self, entry_id: StreamId) -> int:
        """Return how many entries ever added have ids up to this one, `UNKNOWN` if that can't be told."""
        if not self.entries_added:
            return 0
        if not self._length and entry_id <= self.last_id:
            return self.entries_added
        if entry_id != MIN_ID and entry_id < self.max_deleted_id:
            return UNKNOWN
        if entry_id >= self.last_id:
            return self.entries_added if entry_id == self.last_id else UNKNOWN
        first = self.first_id
        if self.max_deleted_id == MIN_ID or self.max_deleted_id < first:
            if entry_id < first:
                return self.entries_added - self._length
            if entry_id == first:
                return self.entries_added - self._length + 1
        return UNKNOWN

    def _has_tombstone_after(self, entry_id: StreamId) -> bool:
        return self._length > 0 and self.max_deleted_id != MIN_ID and entry_id <= self.max_deleted_id

    def copy(self) -> Stream:
        """Return an independent copy, groups included."""
        twin = Stream(self._limits)
        twin._nodes = [node.copy() for node in self._nodes]
        twin._starts = self._starts[:]
        twin._length = self._length
        twin.last_id = self.last_id
        twin.max_deleted_id = self.max_deleted_id
        twin.entries_added = self.entries_added
        twin.groups = {name: group.copy() for name, group in self.groups.items()}
        return twin
