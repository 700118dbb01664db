"""Values as the shortest row of commands that makes them, for the base of an append-only file that is no RDB file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from twisted_resp.text.floats import format_double
from twisted_resp.values.hash import Hash
from twisted_resp.values.list import List
from twisted_resp.values.set import Set
from twisted_resp.values.sorted_set import SortedSet
from twisted_resp.values.stream import Stream
from twisted_resp.values.stream_id import StreamId

__all__ = ["commands_for"]

# How many elements one command brings.
_MOST: Final = 64
_FIRST_ID: Final = b"0-1"


def commands_for(key: bytes, value: Any) -> Iterator[Sequence[bytes]]:
    """The commands that make a value; its expiry is left to the caller."""
    if isinstance(value, (bytes, bytearray)):
        yield b"SET", key, bytes(value)
    elif isinstance(value, List):
        yield from _in_pieces(b"RPUSH", key, list(value))
    elif isinstance(value, Set):
        yield from _in_pieces(b"SADD", key, list(value))
    elif isinstance(value, SortedSet):
        pairs: list[bytes] = []
        for member, score in value:
            pairs += (format_double(score), member)
        yield from _in_pieces(b"ZADD", key, pairs, 2)
    elif isinstance(value, Hash):
        yield from _in_pieces(b"HMSET", key, [word for pair in value.items() for word in pair], 2)
        if value.has_expiries:
            for field, at in value.expiries().items():
                yield b"HPEXPIREAT", key, b"%d" % at, b"FIELDS", b"1", field
    elif isinstance(value, Stream):
        yield from _stream(key, value)
    else:
        raise TypeError(f"no command makes a {type(value).__name__}")


def _in_pieces(name: bytes, key: bytes, words: list[bytes], each: int = 1) -> Iterator[list[bytes]]:
    step = _MOST * each
    for start in range(0, len(words), step):
        yield [name, key, *words[start : start + step]]


def _printed(entry_id: StreamId) -> bytes:
    return b"%d-%d" % entry_id


def _stream(key: bytes, stream: Stream) -> Iterator[Sequence[bytes]]:
    for entry_id, fields in stream:
        yield [b"XADD", key, _printed(entry_id), *fields]
    if not len(stream):
        # There is no command for an empty one: add an entry and let it go at once.
        last = _printed(stream.last_id) if any(stream.last_id) else _FIRST_ID
        yield b"XADD", key, b"MAXLEN", b"0", last, b"x", b"y"
    yield (
        b"XSETID", key, _printed(stream.last_id), b"ENTRIESADDED", b"%d" % stream.entries_added,
        b"MAXDELETEDID", _printed(stream.max_deleted_id),
    )  # fmt: skip
    for group in stream.sorted_groups():
        yield (
            b"XGROUP", b"CREATE", key, group.name, _printed(group.last_id),
            b"ENTRIESREAD", b"%d" % group.entries_read,
        )  # fmt: skip
        for consumer in group.sorted_consumers():
            yield b"XGROUP", b"CREATECONSUMER", key, group.name, consumer.name
            for entry_id, nack in consumer.pending.walk():
                yield (
                    b"XCLAIM", key, group.name, consumer.name, b"0", _printed(entry_id),
                    b"TIME", b"%d" % nack.delivery_time, b"RETRYCOUNT", b"%d" % nack.delivery_count,
                    b"JUSTID", b"FORCE",
                )  # fmt: skip
