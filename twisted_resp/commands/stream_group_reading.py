"""The stream group, reading as a member of a group: XREADGROUP."""

from __future__ import annotations

from heapq import nsmallest
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from twisted_resp import errors
from twisted_resp.commands.stream_groups import changed, take_consumer, tell_claim, tell_position
from twisted_resp.commands.stream_options import strict_id
from twisted_resp.commands.stream_reading import Reading, parse_reading, streams_reply
from twisted_resp.commands.table import BLOCKING, WRITE, command
from twisted_resp.errors import CommandError
from twisted_resp.resp import NULL_ARRAY, Reply
from twisted_resp.server.client import Client
from twisted_resp.server.waiting import NOT_READY
from twisted_resp.values.stream import Entry, Stream
from twisted_resp.values.stream_groups import Group, Pending
from twisted_resp.values.stream_id import StreamId, format_id, id_after

__all__ = ["GROUP"]

GROUP = "stream"

# Longer than anybody waits (s), and more than timers can take.
_NEVER: Final = 10.0**9

_NO_GROUP: Final = b"NOGROUP No such key '%b' or consumer group '%b' in XREADGROUP with GROUP option"
_MEANINGLESS: Final = (
    b"ERR The %b ID is meaningless in the context of XREADGROUP: you want to read the history of this "
    b"consumer by specifying a proper ID, or use the > ID to get new messages. The %b ID would just return "
    b"an empty result set."
)


@command(
    "XREADGROUP group-block: GROUP group consumer [COUNT count] [BLOCK milliseconds] [CLAIM min-idle-time] "
    "[NOACK] STREAMS key [key ...] id [id ...]",
    BLOCKING | WRITE,
    since="5.0.0",
    complexity="For each stream mentioned: O(M) with M being the number of elements returned. If M is "
    "constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1). On "
    "the other side when XREADGROUP blocks, XADD will pay the O(N) time in order to serve the N clients "
    "blocked on the stream getting new data.",
    keys=["RO access"],
    types={"min-idle-time": "integer"},
    argument_since={"min-idle-time": "8.4.0"},
)
def xreadgroup(client: Client, *words: bytes) -> Reply:
    """Returns new or historical messages from a stream for a consumer in a group.
    Blocks until a message is available otherwise.
    """
    reading = parse_reading(client, words, True)
    reply = _read(client, reading)
    if reply is not None:
        return reply
    if reading.block is None:
        return NULL_ARRAY
    waiter = _Waiter(client, reading)
    waiting = client.wait_for(reading.keys, reading.block / 1000, waiter.retry)
    if reading.claim is not None and isinstance(waiting, Deferred):
        waiter.set_alarm()
        waiting.addBoth(waiter.stop_alarm)
    return waiting


class _Waiter:
    """A client that waits in XREADGROUP. With CLAIM, it may be time alone that brings it something."""

    def __init__(self, client: Client, reading: Reading) -> None:
        self._client = client
        self._reading = reading
        self._alarm: IDelayedCall | None = None

    def retry(self) -> Reply:
        reply = _read(self._client, self._reading)
        if reply is not None:
            return reply
        if self._reading.claim is not None:
            self.set_alarm()
        return NOT_READY

    def set_alarm(self) -> None:
        """Look again when the next pending entry can be claimed."""
        self.stop_alarm()
        client, reading = self._client, self._reading
        assert reading.claim is not None
        earliest: tuple[int, bytes] | None = None
        for key in reading.keys:
            stream = client.db.peek(key)
            if type(stream) is Stream and reading.group in stream.groups:
                for entry_id, nack in stream.groups[reading.group].pending.walk():
                    if entry_id in stream and (earliest is None or nack.delivery_time < earliest[0]):
                        earliest = nack.delivery_time, key
        if earliest is not None:
            delay = max(earliest[0] + reading.claim - client.server.keyspace.now, 1) / 1000
            if delay < _NEVER:
                self._alarm = client.server.clock.callLater(delay, self._ring, earliest[1])

    def _ring(self, key: bytes) -> None:
        server, database = self._client.server, self._client.db
        server.run_timer(lambda: server.waiting.signal(database, key))

    def stop_alarm(self, reply: Reply = None) -> Reply:
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        self._alarm = None
        return reply


def _read(client: Client, reading: Reading) -> Reply:
    """Serve a reader; None where there is nothing.

    :raises CommandError: a key or group is not there, or an id is none.
    """
    name = reading.group
    assert name is not None
    starts: list[StreamId | None] = []
    for key, text in zip(reading.keys, reading.ids):
        stream = client.db.read_as(key, Stream)
        if stream is None or name not in stream.groups:
            raise CommandError(_NO_GROUP % (errors.shown(key), errors.shown(name)))
        starts.append(_starting_point(text))
    # What comes of it is told as claims and positions.
    client.server.effects.suppress()
    found: list[tuple[bytes, Reply]] = []
    for key, start in zip(reading.keys, starts):
        member = _Member(client, reading, key)
        entries = member.news() if start is None else member.history(start)
        if entries or start is not None:
            found.append((key, entries))
    return streams_reply(client, found) if found else None


def _starting_point(text: bytes) -> StreamId | None:
    """The first id of the history that is asked for; None for what nobody has read."""
    if text == b">":
        return None
    if text in (b"$", b"+"):
        raise CommandError(_MEANINGLESS % (text, text))
    # The greatest id means ">": nothing comes after it.
    return id_after(strict_id(text))


class _Member:
    """The consumer that reads, and the stream that it reads one after the other."""

    def __init__(self, client: Client, reading: Reading, key: bytes) -> None:
        stream = client.db.edit(key, Stream)
        name = reading.group
        assert stream is not None
        assert name is not None
        self.client = client
        self.reading = reading
        self.key = key
        self.stream = stream
        self.group = stream.groups[name]
        if reading.no_ack and reading.consumer not in self.group.consumers:
            client.server.effects.replace(b"XGROUP", b"CREATECONSUMER", key, name, reading.consumer)
        self.consumer = take_consumer(client, key, self.group, reading.consumer)
        self.now: int = client.server.keyspace.now

    def history(self, start: StreamId) -> list[Reply]:
        """What the consumer has pending, from ``start`` on."""
        entries = self.stream.redeliver(self.consumer, start, self.now, self.reading.most)
        return [
            [format_id(entry_id), NULL_ARRAY if fields is None else fields] for entry_id, fields in entries
        ]

    def news(self) -> list[Reply]:
        """What the group has not read, after what CLAIM finds."""
        most = self.reading.most
        if self.reading.claim is None:
            entries: list[Reply] = [[b"%d-%d" % entry_id, fields] for entry_id, fields in self._deliver(most)]
        else:
            entries = self._claim(self.reading.claim)
            if not most or len(entries) < most:
                new = self._deliver(most and most - len(entries))
                entries += [[b"%d-%d" % entry_id, fields, 0, 0] for entry_id, fields in new]
        if entries:
            changed(self.client, self.key)
        return entries

    def _deliver(self, count: int) -> list[Entry]:
        group, server = self.group, self.client.server
        no_ack = self.reading.no_ack
        entries = self.stream.deliver(group, self.consumer, self.now, count, no_ack=no_ack)
        if entries and server.effects.active:
            for entry_id, _ in entries:
                nack = None if no_ack else group.pending.get(entry_id)
                if nack is not None:
                    tell_claim(server, self.key, group, entry_id, nack, entry_id)
            tell_position(server, self.key, group)
        return entries

    def _claim(self, min_idle: int) -> list[Reply]:
        """Claim what is pending for long enough; tells of each how long and how often it was delivered."""
        group, consumer, now = self.group, self.consumer, self.now
        entries: list[Reply] = []
        for entry_id, nack in _claimable(self.stream, group, now - min_idle, self.reading.most):
            idle, deliveries = now - nack.delivery_time, nack.delivery_count
            entries.append([format_id(entry_id), self.stream.get(entry_id), idle, deliveries])
            group.assign(entry_id, consumer, now, deliveries + 1)
            consumer.active_time = now
            tell_claim(self.client.server, self.key, group, entry_id, nack, group.last_id)
        return entries


def _claimable(stream: Stream, group: Group, latest: int, count: int) -> list[Pending]:
    """What was delivered ``latest`` or earlier, the earliest first; at most ``count`` entries, 0 for all."""
    pending = [
        (nack.delivery_time, entry_id, nack)
        for entry_id, nack in group.pending.walk()
        if nack.delivery_time <= latest and entry_id in stream
    ]
    ordered = nsmallest(count, pending) if count else sorted(pending)
    return [(entry_id, nack) for _, entry_id, nack in ordered]
