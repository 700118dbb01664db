"""A stream to its RDB payload."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from twisted_resp.rdb import format as rdb
from twisted_resp.rdb.encodings import Element, pack_listpack
from twisted_resp.rdb.strings import length_of, plain_string
from twisted_resp.values.stream import Node, Stream
from twisted_resp.values.stream_groups import Group
from twisted_resp.values.stream_id import StreamId

__all__ = ["stream_payload"]

_ID: Final = struct.Struct(">QQ")
_64_BITS: Final = (1 << 64) - 1


def stream_payload(stream: Stream, version: int, blob: Callable[[bytes], bytes] = plain_string) -> bytes:
    """The payload of a stream; after version 10 with the times at which consumers were active.

    :param blob: what writes the nodes.
    """
    nodes = [node for node in stream.nodes if node.ids]
    parts = [length_of(len(nodes))]
    for node in nodes:
        parts.append(plain_string(_ID.pack(*node.start)))
        parts.append(blob(_packed_node(node)))
    parts.append(length_of(len(stream)))
    for entry_id in (stream.last_id, stream.first_id, stream.max_deleted_id):
        parts += map(length_of, entry_id)
    parts.append(length_of(stream.entries_added))
    groups = stream.sorted_groups()
    parts.append(length_of(len(groups)))
    for group in groups:
        _add_group(parts, group, version)
    return b"".join(parts)


def _difference(number: int, start: int) -> int:
    """What is to be added to ``start``, as a number of 64 bits with sign."""
    difference = number - start & _64_BITS
    return difference if difference < 1 << 63 else difference - (1 << 64)


def _packed_node(node: Node) -> bytes:
    # Deleted entries are not kept, so there are none among what is written.
    names = node.names
    elements: list[Element] = [len(node.ids), 0, len(names), *names, 0]
    first_ms, first_sequence = node.start
    same_length = len(names) + 3
    for (milliseconds, sequence), fields in zip(node.ids, node.entries):
        same = fields[::2] == names
        elements += (
            rdb.ENTRY_SAME_FIELDS if same else 0,
            _difference(milliseconds, first_ms),
            _difference(sequence, first_sequence),
        )
        if same:
            elements += fields[1::2]
            elements.append(same_length)
        else:
            elements.append(len(fields) // 2)
            elements += fields
            elements.append(len(fields) + 4)
    return pack_listpack(elements)


def _packed_time(milliseconds: int) -> bytes:
    return milliseconds.to_bytes(8, "little", signed=True)


def _packed_id(entry_id: StreamId) -> bytes:
    return _ID.pack(*entry_id)


def _add_group(parts: list[bytes], group: Group, version: int) -> None:
    parts.append(plain_string(group.name))
    parts += map(length_of, group.last_id)
    parts.append(length_of(group.entries_read & _64_BITS))
    parts.append(length_of(len(group.pending)))
    for entry_id, nack in group.pending.walk():
        parts.append(_packed_id(entry_id))
        parts.append(_packed_time(nack.delivery_time))
        parts.append(length_of(nack.delivery_count & _64_BITS))
    consumers = group.sorted_consumers()
    parts.append(length_of(len(consumers)))
    for consumer in consumers:
        parts.append(plain_string(consumer.name))
        parts.append(_packed_time(consumer.seen_time))
        if version > rdb.COMPATIBLE:
            parts.append(_packed_time(consumer.active_time))
        parts.append(length_of(len(consumer.pending)))
        parts += [_packed_id(entry_id) for entry_id, _ in consumer.pending.walk()]
