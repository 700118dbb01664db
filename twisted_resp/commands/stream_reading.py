"""The stream group, reading on from where one was, and waiting for more: XREAD."""

from __future__ import annotations

from functools import partial
from typing import Final, NamedTuple

from twisted_resp import errors
from twisted_resp.commands.stream_options import count_argument, entries_reply, strict_id
from twisted_resp.commands.table import BLOCKING, READONLY, command
from twisted_resp.errors import CommandError
from twisted_resp.resp import NULL_ARRAY, Map, Reply
from twisted_resp.server.client import Client
from twisted_resp.server.waiting import NOT_READY
from twisted_resp.text.integers import INT64_MAX, parse_integer
from twisted_resp.values.stream import Stream
from twisted_resp.values.stream_id import MIN_ID, StreamId, format_id, id_after, id_before

__all__ = ["GROUP", "Reading", "parse_reading", "streams_reply"]

GROUP = "stream"

_ONLY_IN_GROUPS: Final = b"ERR The %b option is only supported by XREADGROUP. You called XREAD instead."
_UNBALANCED: Final = b"ERR Unbalanced '%b' list of streams: for each stream key an %b must be specified."
_GREATER_IN_XREAD: Final = (
    b"ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option."
)


class Reading(NamedTuple):
    """What XREAD or XREADGROUP asks for.

    :ivar ids: as sent, one for each key.
    :ivar most: the most entries of each stream, 0 for all.
    :ivar block: how long to wait (ms, 0 for ever), None for not at all.
    :ivar claim: CLAIM's min-idle-time (ms), or None.
    """

    keys: list[bytes]
    ids: list[bytes]
    most: int
    block: int | None
    group: bytes | None
    consumer: bytes
    no_ack: bool
    claim: int | None


def parse_reading(client: Client, words: tuple[bytes, ...], in_group: bool) -> Reading:
    """Read the arguments of XREAD, or XREADGROUP (``in_group``).

    :raises CommandError: as Redis says it, in its order.
    """
    count = 0
    block: int | None = None
    group: bytes | None = None
    consumer = b""
    no_ack = False
    claim: int | None = None
    streams: tuple[bytes, ...] | None = None
    place = 0
    while place < len(words):
        word = words[place].upper()
        following = len(words) - place - 1
        if word == b"BLOCK" and following:
            place += 1
            block = _timeout(client, words[place])
        elif word == b"COUNT" and following:
            place += 1
            count = count_argument(words[place])
        elif word == b"CLAIM" and following:
            if not in_group:
                raise CommandError(_ONLY_IN_GROUPS % word)
            place += 1
            claim = _min_idle(words[place])
        elif word == b"STREAMS" and following:
            streams = words[place + 1 :]
            if len(streams) & 1:
                name = b"xreadgroup" if in_group else b"xread"
                raise CommandError(_UNBALANCED % (name, b"ID or '>'" if in_group else b"ID, '+', or '$'"))
            break
        elif word == b"GROUP" and following >= 2:
            if not in_group:
                raise CommandError(_ONLY_IN_GROUPS % word)
            group, consumer = words[place + 1 : place + 3]
            place += 2
        elif word == b"NOACK":
            if not in_group:
                raise CommandError(_ONLY_IN_GROUPS % word)
            no_ack = True
        else:
            raise CommandError(errors.SYNTAX)
        place += 1
    if streams is None:
        raise CommandError(errors.SYNTAX)
    if in_group and group is None:
        raise CommandError(b"ERR Missing GROUP option for XREADGROUP")
    half = len(streams) // 2
    return Reading(list(streams[:half]), list(streams[half:]), count, block, group, consumer, no_ack, claim)


def _timeout(client: Client, data: bytes) -> int:
    timeout = parse_integer(data)
    if timeout is None:
        raise CommandError(errors.INVALID_INTEGER_TIMEOUT)
    if timeout < 0:
        raise CommandError(errors.NEGATIVE_TIMEOUT)
    if timeout > INT64_MAX - client.server.keyspace.now:
        raise CommandError(errors.TIMEOUT_OUT_OF_RANGE)
    return timeout


def _min_idle(data: bytes) -> int:
    idle = parse_integer(data)
    if idle is None:
        raise CommandError(b"ERR min-idle-time is not an integer")
    if idle < 0:
        raise CommandError(b"ERR min-idle-time must be a positive integer")
    return idle


def streams_reply(client: Client, found: list[tuple[bytes, Reply]]) -> Reply:
    """Entries by stream, as the client's protocol has it: a map, or in RESP2 an array of pairs."""
    if client.protocol == 2:
        return [[key, entries] for key, entries in found]
    return Map(found)


@command(
    "XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]",
    BLOCKING | READONLY,
    since="5.0.0",
    complexity="",
)
def xread(client: Client, *words: bytes) -> Reply:
    """Returns messages from multiple streams with IDs greater than the ones requested.
    Blocks until a message is available otherwise.
    """
    reading = parse_reading(client, words, False)
    after = [_starting_point(client, key, text) for key, text in zip(reading.keys, reading.ids)]
    reply = _read(client, reading, after)
    if reply is not None:
        return reply
    if reading.block is None:
        return NULL_ARRAY
    # Whoever waits for what comes after $ waits for what comes after now; + stays what is last then.
    for place, text in enumerate(reading.ids):
        if text == b"$":
            reading.ids[place] = format_id(after[place])
    return client.wait_for(reading.keys, reading.block / 1000, partial(_retry, client, reading), kind=Stream)


def _starting_point(client: Client, key: bytes, text: bytes) -> StreamId:
    """The id after which to read.

    :raises CommandError: the key is no stream, or the id none.
    """
    stream = client.db.read_as(key, Stream)
    if text == b"$":
        return MIN_ID if stream is None else stream.last_id
    if text == b"+":
        if stream is None:
            return MIN_ID
        before = id_before(stream.last_id)
        if before is None:
            raise CommandError(b"ERR the stream last element ID is 0-0")
        return before
    if text == b">":
        raise CommandError(_GREATER_IN_XREAD)
    return strict_id(text)


def _read(client: Client, reading: Reading, after: list[StreamId]) -> Reply:
    """What the streams have, None if that is nothing."""
    found: list[tuple[bytes, Reply]] = []
    for key, entry_id in zip(reading.keys, after):
        stream = client.db.read_as(key, Stream)
        if stream is not None and len(stream) and stream.last_entry_id > entry_id:
            start = id_after(entry_id)
            assert start is not None
            found.append((key, entries_reply(stream.range(start, count=reading.most))))
    return streams_reply(client, found) if found else None


def _retry(client: Client, reading: Reading) -> Reply:
    after = [_starting_point(client, key, text) for key, text in zip(reading.keys, reading.ids)]
    reply = _read(client, reading, after)
    return NOT_READY if reply is None else reply
