"""Values to RDB type and payload. Whole files are in ``file_writer``.

What is written for version 10 is what Redis 7.0 writes itself, so that it and everything after it loads the
encodings as they were; but for sets in a listpack, which 7.0 does not have. Fields that expire need version 12:
a hash with such is written so whatever the version.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted_resp.rdb import format as rdb
from twisted_resp.rdb.encodings import Element, pack_intset, pack_listpack
from twisted_resp.rdb.format import COMPATIBLE, NEWEST
from twisted_resp.rdb.stream_writer import stream_payload
from twisted_resp.rdb.strings import (
    compressed_plain_string,
    compressed_string,
    length_of,
    plain_string,
    string,
)
from twisted_resp.text.floats import format_double_17g
from twisted_resp.text.integers import INT64_MAX
from twisted_resp.values.hash import Hash
from twisted_resp.values.list import List
from twisted_resp.values.set import Set
from twisted_resp.values.sorted_set import SortedSet
from twisted_resp.values.stream import Stream

__all__ = ["needed_version", "write_value"]

_Writer = Callable[["bytes | bytearray"], bytes]

_DOUBLE: Final = struct.Struct("<d")
# Doubles below this are integers without a fraction lost.
_WHOLE: Final = 1 << 52


def needed_version(value: Any) -> int:
    """The oldest version in which a value can be written."""
    return NEWEST if type(value) is Hash and value.has_expiries else COMPATIBLE


def write_value(value: Any, version: int = COMPATIBLE, compress: bool = False) -> tuple[int, bytes]:
    """The RDB type and the payload of a value.

    :param value: bytes or bytearray, or an object of ``twisted_resp.values``.
    :param version: the RDB version that the reader knows, at least :data:`~twisted_resp.rdb.format.COMPATIBLE`.
    :param compress: whether to compress strings in it.
    """
    kind = type(value)
    text, blob = (compressed_string, compressed_plain_string) if compress else (string, plain_string)
    if kind is bytes or kind is bytearray:
        return rdb.STRING, text(value)
    if kind is Hash:
        return _write_hash(value, version, text, blob)
    if kind is List:
        return rdb.LIST_QUICKLIST_2, _list_payload(value, blob)
    if kind is Set:
        return _write_set(value, version, text, blob)
    if kind is SortedSet:
        return _write_sorted_set(value, text, blob)
    if kind is Stream:
        return (rdb.STREAM_3 if version > COMPATIBLE else rdb.STREAM_2), stream_payload(value, version, blob)
    if isinstance(value, bytes):  # INCRBYFLOAT's results are of a class of their own
        return rdb.STRING, text(value)
    raise TypeError(f"there is no RDB type for a {kind.__name__}")


def _list_payload(value: List, blob: _Writer) -> bytes:
    nodes = value.nodes()
    parts = [length_of(len(nodes))]
    for plain, elements in nodes:
        if plain:
            parts.append(length_of(rdb.PLAIN))
            parts.append(blob(elements[0]))
        else:
            parts.append(length_of(rdb.PACKED))
            parts.append(blob(pack_listpack(elements)))
    return b"".join(parts)


def _write_set(value: Set, version: int, text: _Writer, blob: _Writer) -> tuple[int, bytes]:
    members = value.members()
    if value.encoding == b"intset":
        return rdb.SET_INTSET, blob(pack_intset(list(map(int, members))))
    if value.encoding == b"listpack" and version > COMPATIBLE:
        return rdb.SET_LISTPACK, blob(pack_listpack(members))
    return rdb.SET, length_of(len(members)) + b"".join(map(text, members))


def _write_sorted_set(value: SortedSet, text: _Writer, blob: _Writer) -> tuple[int, bytes]:
    if value.encoding == b"listpack":
        elements: list[Element] = []
        for member, score in value:
            elements.append(member)
            elements.append(_packed_score(score))
        return rdb.ZSET_LISTPACK, blob(pack_listpack(elements))
    pack = _DOUBLE.pack
    parts = [length_of(len(value))]
    # From the greatest score down: Redis then inserts each at the head of its list.
    pairs = list(value)
    pairs.reverse()
    for member, score in pairs:
        parts.append(text(member))
        parts.append(pack(score))
    return rdb.ZSET_2, b"".join(parts)


def _packed_score(score: float) -> Element:
    if -_WHOLE < score < _WHOLE:
        whole = int(score)
        # But not a zero below zero.
        if whole == score and (whole or str(score) == "0.0"):
            return whole
    return format_double_17g(score)


def _write_hash(value: Hash, version: int, text: _Writer, blob: _Writer) -> tuple[int, bytes]:
    pairs = value.items()
    if value.has_expiries or (value.encoding == b"listpackex" and version >= NEWEST):
        return _write_expiring_hash(value, pairs, text, blob)
    if value.encoding != b"hashtable":
        return rdb.HASH_LISTPACK, blob(pack_listpack([word for pair in pairs for word in pair]))
    return rdb.HASH, length_of(len(pairs)) + b"".join([text(word) for pair in pairs for word in pair])


def _write_expiring_hash(
    value: Hash, pairs: Sequence[tuple[bytes, bytes]], text: _Writer, blob: _Writer
) -> tuple[int, bytes]:
    times = {field: value.expiry(field) or 0 for field, _ in pairs}
    earliest = min(filter(None, times.values()), default=None)
    if value.encoding != b"hashtable":
        # A hash that had expiring fields once says so by a time that never comes.
        start = _NEVER if earliest is None else earliest
        elements: list[Element] = []
        for field, content in pairs:
            elements += (field, content, times[field])
        packed = blob(pack_listpack(elements))
        return rdb.HASH_LISTPACK_EX, start.to_bytes(8, "little") + packed
    assert earliest is not None
    parts = [earliest.to_bytes(8, "little"), length_of(len(pairs))]
    for field, content in pairs:
        at_ms = times[field]
        parts.append(length_of(at_ms - earliest + 1 if at_ms else 0))
        parts.append(text(field))
        parts.append(text(content))
    return rdb.HASH_METADATA, b"".join(parts)


_NEVER: Final = (1 << 48) - 1
assert _NEVER < INT64_MAX
