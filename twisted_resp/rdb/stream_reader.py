"""RDB payload to a stream: its nodes, its counters, its groups."""

from __future__ import annotations

from typing import Final

from twisted_resp.rdb import format as rdb
from twisted_resp.rdb.cursor import Cursor
from twisted_resp.rdb.encodings import Element, as_bytes, unpack_listpack
from twisted_resp.rdb.format import RdbError
from twisted_resp.values.limits import Limits
from twisted_resp.values.listpack import entry_bytes
from twisted_resp.values.stream import Entry, Stream
from twisted_resp.values.stream_groups import UNKNOWN, Group
from twisted_resp.values.stream_id import MIN_ID, StreamId

__all__ = ["read_stream"]

_64_BITS: Final = (1 << 64) - 1
_LONGEST_COUNTER: Final = 1 << 63


def read_stream(cursor: Cursor, kind: int, limits: Limits) -> Stream:
    """Read a stream.

    :param kind: one of the four RDB types of streams.
    :raises RdbError: the data make no sense.
    """
    stream = Stream(limits)
    previous: StreamId | None = None
    for _ in range(cursor.count(2)):
        previous = _read_node(cursor, stream, previous)
    length = cursor.length()
    if length != len(stream):
        raise RdbError("a stream has another number of entries than it says")
    stream.last_id = (cursor.length(), cursor.length())
    if previous is not None and stream.last_id < previous:
        raise RdbError("a stream has entries beyond its last id")
    if kind == rdb.STREAM:
        stream.entries_added = length
    else:
        cursor.length()  # The first id, which the entries tell as well.
        cursor.length()
        stream.max_deleted_id = (cursor.length(), cursor.length())
        stream.entries_added = cursor.length()
    for _ in range(cursor.count(4)):
        _read_group(cursor, kind, stream)
    if kind == rdb.STREAM_4:
        _skip_producers(cursor)
    return stream


def _skip_producers(cursor: Cursor) -> None:
    """Pass over what Redis 8.6 knows of producers, so as to add no entry twice (``XADD ... IDMP``)."""
    cursor.length()  # for how long it remembers, and how many
    cursor.length()
    for _ in range(cursor.count(2)):
        cursor.string()
        for _ in range(cursor.count(3)):
            cursor.string()
            cursor.length()
            cursor.length()
    cursor.length()  # how many it had, and how many of them twice
    cursor.length()


def _read_node(cursor: Cursor, stream: Stream, previous: StreamId | None) -> StreamId | None:
    """Read one node; returns the id of the last entry in it, or before it."""
    key = cursor.string()
    if len(key) != 16:
        raise RdbError("the key of a stream's node is no id")
    start = (int.from_bytes(key[:8], "big"), int.from_bytes(key[8:], "big"))
    if previous is not None and start <= previous:
        raise RdbError("the ids of a stream are not in ascending order")
    packed = cursor.string()
    try:
        return _add_node(stream, start, unpack_listpack(packed), previous)
    except (IndexError, TypeError):
        raise RdbError("Stream listpack integrity check failed: a node is malformed") from None
    except RdbError as error:
        raise RdbError(f"Stream listpack integrity check failed: {error}") from None


def _number(element: Element) -> int:
    if type(element) is not int:
        raise RdbError("a number in a stream's node is none")
    return element


def _add_node(
    stream: Stream, start: StreamId, elements: list[Element], previous: StreamId | None
) -> StreamId | None:
    count, dead, names_count = _number(elements[0]), _number(elements[1]), _number(elements[2])
    position = 3 + names_count
    if names_count < 0 or elements[position] != 0:
        raise RdbError("a node of a stream is malformed")
    names = tuple(as_bytes(elements[3:position]))
    position += 1
    entries: list[Entry] = []
    dead_found = dead_bytes = 0
    size = len(elements)
    first_ms, first_sequence = start
    while position < size:
        begin = position
        flags = _number(elements[position])
        entry_id = (
            first_ms + _number(elements[position + 1]) & _64_BITS,
            first_sequence + _number(elements[position + 2]) & _64_BITS,
        )
        position += 3
        if flags & rdb.ENTRY_SAME_FIELDS:
            fields = [b""] * (2 * names_count)
            fields[::2] = names
            stop = position + names_count
            values = as_bytes(elements[position:stop])
            if len(values) != names_count:
                raise RdbError("a node of a stream is malformed")
            fields[1::2] = values
        else:
            pairs = _number(elements[position])
            if pairs < 0:
                raise RdbError("a node of a stream is malformed")
            position += 1
            stop = position + 2 * pairs
            fields = as_bytes(elements[position:stop])
        if elements[stop] != stop - begin:
            raise RdbError("an entry of a stream has another length than it says")
        position = stop + 1
        if flags & rdb.ENTRY_DELETED:
            # It may be beyond those that follow, and the last id: XSETID goes back as far as there is no entry.
            dead_found += 1
            dead_bytes += sum(map(entry_bytes, as_bytes(elements[begin:position])))
        else:
            if entry_id < start or (previous is not None and entry_id <= previous):
                raise RdbError("the ids of a stream are not in ascending order")
            previous = entry_id
            entries.append((entry_id, tuple(fields)))
    if len(entries) != count or dead_found != dead:
        raise RdbError("a node of a stream has another number of entries than it says")
    stream.load_node(start, names, entries, dead, dead_bytes)
    return previous


def _read_group(cursor: Cursor, kind: int, stream: Stream) -> None:
    name = cursor.string()
    last_id = (cursor.length(), cursor.length())
    if kind == rdb.STREAM:
        entries_read = stream.entries_read_at(last_id)
    else:
        entries_read = cursor.length()
        if entries_read >= _LONGEST_COUNTER:
            entries_read = UNKNOWN
    group = stream.create_group(name, last_id, entries_read)
    if group is None:
        raise RdbError("a stream has a group twice")
    pending: dict[StreamId, tuple[int, int]] = {}
    previous = MIN_ID
    for _ in range(cursor.count(25)):
        entry_id = cursor.pair()
        if entry_id in pending:
            raise RdbError("a group has an entry pending twice")
        if entry_id < previous:
            raise RdbError("the pending entries of a group are not in ascending order")
        previous = entry_id
        pending[entry_id] = (cursor.milliseconds(), cursor.length())
    for _ in range(cursor.count(10)):
        _read_consumer(cursor, kind, group, pending)
    if pending:
        raise RdbError("a group has an entry pending that no consumer has")


def _read_consumer(cursor: Cursor, kind: int, group: Group, pending: dict[StreamId, tuple[int, int]]) -> None:
    """Read a consumer and give it its entries, which are taken out of ``pending``."""
    name = cursor.string()
    seen_time = cursor.milliseconds()
    active_time = cursor.milliseconds() if kind >= rdb.STREAM_3 else seen_time
    consumer = group.create_consumer(name, seen_time)
    if consumer is None:
        raise RdbError("Duplicate stream consumer detected")
    consumer.active_time = active_time
    for _ in range(cursor.count(16)):
        entry_id = cursor.pair()
        delivery = pending.pop(entry_id, None)
        if delivery is None:
            raise RdbError("a consumer has an entry pending that its group has not")
        group.assign(entry_id, consumer, *delivery)
