"""The stream group, pending entries that change hands: XCLAIM and XAUTOCLAIM."""

from __future__ import annotations

from typing import Final

from twisted_resp import errors
from twisted_resp.commands.stream_groups import (
    changed,
    find_group,
    group_of,
    take_consumer,
    tell_claim,
    tell_position,
)
from twisted_resp.commands.stream_options import entry_reply, parse_start, strict_id
from twisted_resp.commands.table import FAST, WRITE, command
from twisted_resp.errors import CommandError
from twisted_resp.resp import Reply
from twisted_resp.server.client import Client
from twisted_resp.text.integers import INT64_MAX, parse_integer
from twisted_resp.values.stream import Claims, Stream
from twisted_resp.values.stream_groups import Group
from twisted_resp.values.stream_id import MIN_ID, StreamId, format_id, parse_strict_id

__all__ = ["GROUP"]

GROUP = "stream"

#: XAUTOCLAIM's COUNT: what Redis has memory for, at most.
_COUNT_MAX: Final = INT64_MAX // 16
_COUNT_DEFAULT: Final = 100

_DELETED_ADDED: Final = (
    "Added an element to the reply array, containing deleted entries the command cleared from the PEL"
)


def _integer(data: bytes, what: bytes) -> int:
    value = parse_integer(data)
    if value is None:
        raise CommandError(b"ERR Invalid " + what)
    return value


class _ClaimOptions:
    """What stands after XCLAIM's ids."""

    def __init__(self, words: tuple[bytes, ...], now: int) -> None:
        self.force = False
        self.just_id = False
        self.delivery_time: int | None = None
        self.delivery_count: int | None = None
        self.last_id = MIN_ID
        place = 0
        while place < len(words):
            word = words[place].upper()
            more = place + 1 < len(words)
            if word == b"FORCE":
                self.force = True
            elif word == b"JUSTID":
                self.just_id = True
            elif word in (b"IDLE", b"TIME", b"RETRYCOUNT") and more:
                place += 1
                value = _integer(words[place], word + b" option argument for XCLAIM")
                if word == b"RETRYCOUNT":
                    self.delivery_count = value if value >= 0 else None
                else:
                    self.delivery_time = value if word == b"TIME" else now - value
            elif word == b"LASTID" and more:
                place += 1
                self.last_id = strict_id(words[place])
            else:
                raise CommandError(b"ERR Unrecognized XCLAIM option '%b'" % errors.shown(words[place]))
            place += 1
        if self.delivery_time is not None and not 0 <= self.delivery_time <= now:
            # Clocks differ: a time to come is no error.
            self.delivery_time = None


@command(
    "XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] "
    "[RETRYCOUNT count] [FORCE] [JUSTID] [LASTID lastid]",
    WRITE | FAST,
    since="5.0.0",
    complexity="O(log N) with N being the number of messages in the PEL of the consumer group.",
    types={"min-idle-time": "string"},
    tips=["nondeterministic_output"],
)
def xclaim(client: Client, key: bytes, name: bytes, consumer_name: bytes, *words: bytes) -> Reply:
    """Changes, or acquires, ownership of a message in a consumer group, as if the message was delivered a
    consumer group member.
    """
    stream, group = find_group(client, key, name)
    min_idle = _integer(words[0], b"min-idle-time argument for XCLAIM")
    ids: list[StreamId] = []
    for word in words[1:]:
        entry_id = parse_strict_id(word)
        if entry_id is None:
            break
        ids.append(entry_id)
    server = client.server
    now = server.keyspace.now
    options = _ClaimOptions(words[1 + len(ids) :], now)
    client.db.edit(key, Stream)
    server.effects.suppress()
    moved = options.last_id > group.last_id
    if moved:
        group.last_id = options.last_id
    consumer = take_consumer(client, key, group, consumer_name)
    claims = stream.claim(
        group,
        consumer,
        ids,
        now,
        min_idle=max(min_idle, 0),
        delivery_time=options.delivery_time,
        delivery_count=options.delivery_count,
        force=options.force,
        just_id=options.just_id,
    )
    if moved and not claims.claimed and not claims.dropped:
        changed(client, key)
        tell_position(server, key, group)
    _tell(client, key, group, claims)
    return _claimed(stream, claims, options.just_id)


def _tell(client: Client, key: bytes, group: Group, claims: Claims) -> None:
    changed(client, key, dirty=len(claims.claimed) + len(claims.dropped))
    if client.server.effects.active:
        # An entry that is dropped is claimed for its last consumer: elsewhere it is not there either.
        for entry_id, nack in claims.dropped + claims.claimed:
            tell_claim(client.server, key, group, entry_id, nack, group.last_id)


def _claimed(stream: Stream, claims: Claims, just_id: bool) -> list[Reply]:
    if just_id:
        return [format_id(entry_id) for entry_id, _ in claims.claimed]
    return [entry_reply((entry_id, stream.get(entry_id) or ())) for entry_id, _ in claims.claimed]


@command(
    "XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]",
    WRITE | FAST,
    since="6.2.0",
    complexity="O(1) if COUNT is small.",
    keys=["RW delete"],
    types={"min-idle-time": "string", "start": "string"},
    tips=["nondeterministic_output"],
    history=[("7.0.0", _DELETED_ADDED)],
)
def xautoclaim(
    client: Client, key: bytes, name: bytes, consumer_name: bytes, idle: bytes, start: bytes, *options: bytes
) -> Reply:
    """Changes, or acquires, ownership of messages in a consumer group, as if the messages were delivered to
    as consumer group member.
    """
    value = client.db.read(key)  # a miss is one even if the rest makes no sense
    min_idle = _integer(idle, b"min-idle-time argument for XAUTOCLAIM")
    first = parse_start(start)
    count = _COUNT_DEFAULT
    just_id = False
    place = 0
    while place < len(options):
        word = options[place].upper()
        if word == b"COUNT" and place + 1 < len(options):
            place += 1
            count = parse_integer(options[place]) or 0
            if not 1 <= count <= _COUNT_MAX:
                raise CommandError(b"ERR COUNT must be > 0")
        elif word == b"JUSTID":
            just_id = True
        else:
            raise CommandError(errors.SYNTAX)
        place += 1
    stream, group = group_of(value, key, name)
    client.db.edit(key, Stream)
    server = client.server
    server.effects.suppress()
    consumer = take_consumer(client, key, group, consumer_name)
    claims = stream.autoclaim(
        group, consumer, first, server.keyspace.now, min_idle=max(min_idle, 0), count=count, just_id=just_id
    )
    _tell(client, key, group, claims)
    dropped = [format_id(entry_id) for entry_id, _ in claims.dropped]
    return [format_id(claims.cursor), _claimed(stream, claims, just_id), dropped]
