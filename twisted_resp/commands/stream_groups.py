"""The stream group, consumer groups: https://redis.io/docs/latest/commands/?group=stream

What a group remembers is no change of the stream: as in Redis, WATCH and tracking are not told of it. Reading
is in `stream_group_reading.py`, claiming in `stream_claims.py`.
"""

from __future__ import annotations

from typing import Final

from twisted_resp import errors
from twisted_resp.commands.helping import help_reply
from twisted_resp.commands.stream_options import (
    any_id,
    count_argument,
    integer,
    parse_end,
    parse_ids,
    parse_start,
    strict_id,
    strict_ids,
)
from twisted_resp.commands.table import DENYOOM, FAST, LOADING, READONLY, STALE, WRITE, command, container
from twisted_resp.errors import CommandError
from twisted_resp.keyspace.database import Value
from twisted_resp.keyspace.events import STREAM
from twisted_resp.resp import NULL_ARRAY, OK, Reply
from twisted_resp.server.client import Client
from twisted_resp.server.server import Server
from twisted_resp.values.stream import NOT_FOUND, Stream
from twisted_resp.values.stream_groups import UNKNOWN, Consumer, Group, Nack
from twisted_resp.values.stream_id import MIN_ID, StreamId, format_id

__all__ = [
    "GROUP",
    "changed",
    "find_group",
    "no_group",
    "no_group_for_key",
    "take_consumer",
    "tell_claim",
    "tell_position",
]

GROUP = "stream"

_KEY_REQUIRED: Final = (
    b"ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the "
    b"MKSTREAM option to create an empty stream automatically."
)
_HELP: Final = b"""
CREATE <key> <groupname> <id|$> [option]
    Create a new consumer group. Options are:
    * MKSTREAM
      Create the empty stream if it does not exist.
    * ENTRIESREAD entries_read
      Set the group's entries_read counter (internal use).
CREATECONSUMER <key> <groupname> <consumer>
    Create a new consumer in the specified group.
DELCONSUMER <key> <groupname> <consumer>
    Remove the specified consumer.
DESTROY <key> <groupname>
    Remove the specified group.
SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]
    Set the current group ID and entries_read counter.
"""


# -- for all commands on groups


def no_group(key: bytes, name: bytes) -> CommandError:
    """What most commands say where the key or the group is not there."""
    return CommandError(
        b"NOGROUP No such key '%b' or consumer group '%b'" % (errors.shown(key), errors.shown(name))
    )


def no_group_for_key(key: bytes, name: bytes) -> CommandError:
    """What XGROUP and XINFO say where the group is not there, though the key is."""
    return CommandError(
        b"NOGROUP No such consumer group '%b' for key name '%b'" % (errors.shown(name), errors.shown(key))
    )


def find_group(client: Client, key: bytes, name: bytes) -> tuple[Stream, Group]:
    """Look up a group for reading.

    :raises CommandError: WRONGTYPE or NOGROUP.
    """
    return group_of(client.db.read(key), key, name)


def group_of(value: Value | None, key: bytes, name: bytes) -> tuple[Stream, Group]:
    """A group of what was looked up already.

    :raises CommandError: WRONGTYPE or NOGROUP.
    """
    if value is not None and type(value) is not Stream:
        raise CommandError(errors.WRONG_TYPE)
    group = None if value is None else value.groups.get(name)
    if value is None or group is None:
        raise no_group(key, name)
    return value, group


def changed(client: Client, key: bytes, event: bytes | None = None, dirty: int = 1) -> None:
    """A group was changed, after ``db.edit()``: this counts, but whoever watches the key is not told."""
    client.server.keyspace.dirty += dirty
    if event is not None:
        client.db.notify(key, event, STREAM)


def take_consumer(client: Client, key: bytes, group: Group, name: bytes) -> Consumer:
    """Find a consumer, or create it, and note that it was seen."""
    now = client.server.keyspace.now
    consumer = group.consumers.get(name)
    if consumer is None:
        consumer = group.consumers[name] = Consumer(name, now)
        changed(client, key, b"xgroup-createconsumer")
    consumer.seen_time = now
    return consumer


# -- effects


def tell_claim(
    server: Server, key: bytes, group: Group, entry_id: StreamId, nack: Nack, last: StreamId
) -> None:
    """Tell persistence and replicas of a pending entry, in a way that may be told twice.

    :param last: the group's last delivered id at that time.
    """
    server.effects.replace(
        b"XCLAIM", key, group.name, nack.consumer.name, b"0", format_id(entry_id),
        b"TIME", b"%d" % nack.delivery_time, b"RETRYCOUNT", b"%d" % nack.delivery_count,
        b"FORCE", b"JUSTID", b"LASTID", format_id(last),
    )  # fmt: skip


def tell_position(server: Server, key: bytes, group: Group) -> None:
    """Tell persistence and replicas how far a group has read."""
    server.effects.replace(
        b"XGROUP",
        b"SETID",
        key,
        group.name,
        format_id(group.last_id),
        b"ENTRIESREAD",
        b"%d" % group.entries_read,
    )


# -- XGROUP

container("XGROUP", "A container for consumer groups commands.", since="5.0.0", group=GROUP)


@command(
    "XGROUP CREATE key group <id | $> [MKSTREAM] [entriesread: ENTRIESREAD entries-read]",
    WRITE | DENYOOM,
    since="5.0.0",
    complexity="O(1)",
    keys=["RW insert"],
    history=[("7.0.0", "Added the `entries_read` named argument.")],
)
def xgroup_create(client: Client, key: bytes, name: bytes, start: bytes, *options: bytes) -> Reply:
    """Creates a consumer group."""
    make_stream, entries_read = _group_options(client, options, True)
    db = client.db
    stream = db.edit(key, Stream)
    if stream is None and not make_stream:
        raise CommandError(_KEY_REQUIRED)
    if len(options) > 3:
        raise errors.subcommand_syntax(b"XGROUP", client.current[1])
    last_id = strict_id(start) if start != b"$" else MIN_ID if stream is None else stream.last_id
    entries_read = _no_more_than_there_were(client, stream, entries_read)
    if stream is None:
        db.create(key, Stream).create_group(name, last_id, entries_read)
        db.grown(key, b"xgroup-create", STREAM)
    elif stream.create_group(name, last_id, entries_read) is None:
        raise CommandError(b"BUSYGROUP Consumer Group name already exists")
    else:
        changed(client, key, b"xgroup-create")
    return OK


def _group_options(client: Client, options: tuple[bytes, ...], creating: bool) -> tuple[bool, int]:
    """Read ``[MKSTREAM] [ENTRIESREAD n]``; only CREATE has the first."""
    make_stream = False
    entries_read = UNKNOWN
    place = 0
    while place < len(options):
        word = options[place].upper()
        if word == b"MKSTREAM" and creating:
            make_stream = True
            place += 1
        elif word == b"ENTRIESREAD" and place + 1 < len(options):
            entries_read = integer(options[place + 1])
            if entries_read < 0 and entries_read != UNKNOWN:
                raise CommandError(b"ERR value for ENTRIESREAD must be positive or -1")
            place += 2
        else:
            raise errors.subcommand_syntax(b"XGROUP", client.current[1])
    return make_stream, entries_read


def _no_more_than_there_were(client: Client, stream: Stream | None, entries_read: int) -> int:
    """Redis believes any count; since 8.2.2 it does not."""
    flavour = client.server.flavour
    if flavour.name and flavour.has("8.2.2"):
        return min(entries_read, 0 if stream is None else stream.entries_added)
    return entries_read


def _edit_stream(client: Client, key: bytes) -> Stream:
    stream = client.db.edit(key, Stream)
    if stream is None:
        raise CommandError(_KEY_REQUIRED)
    return stream


def _edit_group(client: Client, key: bytes, name: bytes) -> tuple[Stream, Group]:
    stream = _edit_stream(client, key)
    group = stream.groups.get(name)
    if group is None:
        raise no_group_for_key(key, name)
    return stream, group


@command(
    "XGROUP SETID key group <id | $> [entriesread: ENTRIESREAD entries-read]",
    WRITE,
    since="5.0.0",
    complexity="O(1)",
    history=[("7.0.0", "Added the optional `entries_read` argument.")],
)
def xgroup_setid(client: Client, key: bytes, name: bytes, last_id: bytes, *options: bytes) -> Reply:
    """Sets the last-delivered ID of a consumer group."""
    _, entries_read = _group_options(client, options, False)
    stream, group = _edit_group(client, key, name)
    if len(options) not in (0, 2):
        raise errors.subcommand_syntax(b"XGROUP", client.current[1])
    group.last_id = stream.last_id if last_id == b"$" else any_id(last_id)
    group.entries_read = _no_more_than_there_were(client, stream, entries_read)
    changed(client, key, b"xgroup-setid")
    return OK


@command(
    "XGROUP DESTROY key group",
    WRITE,
    since="5.0.0",
    complexity="O(N) where N is the number of entries in the group's pending entries list (PEL).",
    keys=["RW delete"],
)
def xgroup_destroy(client: Client, key: bytes, name: bytes) -> Reply:
    """Destroys a consumer group."""
    stream = _edit_stream(client, key)
    if stream.groups.pop(name, None) is None:
        return 0
    changed(client, key, b"xgroup-destroy")
    # Whoever waits for entries of the group waits in vain, and is told so.
    client.server.waiting.signal(client.db, key)
    return 1


@command(
    "XGROUP CREATECONSUMER key group consumer",
    WRITE | DENYOOM,
    since="6.2.0",
    complexity="O(1)",
    keys=["RW insert"],
)
def xgroup_createconsumer(client: Client, key: bytes, name: bytes, consumer: bytes) -> Reply:
    """Creates a consumer in a consumer group."""
    _, group = _edit_group(client, key, name)
    if consumer in group.consumers:
        return 0
    take_consumer(client, key, group, consumer)
    return 1


@command("XGROUP DELCONSUMER key group consumer", WRITE, since="5.0.0", complexity="O(1)", keys=["RW delete"])
def xgroup_delconsumer(client: Client, key: bytes, name: bytes, consumer: bytes) -> Reply:
    """Deletes a consumer from a consumer group."""
    _, group = _edit_group(client, key, name)
    forgotten = group.delete_consumer(consumer)
    if forgotten is None:
        return 0
    changed(client, key, b"xgroup-delconsumer")
    return forgotten


@command("XGROUP HELP", LOADING | STALE, since="5.0.0", complexity="O(1)")
def xgroup_help(client: Client) -> Reply:
    """Returns helpful text about the different subcommands."""
    return help_reply(b"XGROUP", _HELP)


# -- what is pending


@command(
    "XACK key group id [id ...]",
    WRITE | FAST,
    since="5.0.0",
    complexity="O(1) for each message ID processed.",
)
def xack(client: Client, key: bytes, name: bytes, *ids: bytes) -> Reply:
    """Returns the number of messages that were successfully acknowledged by the consumer group member
    of a stream.
    """
    stream = client.db.read_as(key, Stream)
    group = None if stream is None else stream.groups.get(name)
    if group is None:
        return 0
    entry_ids = strict_ids(ids)
    client.db.edit(key, Stream)
    acknowledged = group.acknowledge(entry_ids)
    changed(client, key, dirty=acknowledged)
    return acknowledged


@command(
    "XACKDEL key group [condition: KEEPREF | DELREF | ACKED] IDS numids id [id ...]",
    WRITE | FAST,
    since="8.2.0",
    complexity="O(1) for each entry ID processed.",
    keys=["RW delete"],
)
def xackdel(client: Client, key: bytes, name: bytes, *words: bytes) -> Reply:
    """Acknowledges and deletes one or multiple messages for a stream consumer group."""
    policy, texts = parse_ids(words)
    db = client.db
    stream = db.edit(key, Stream)
    group = None if stream is None else stream.groups.get(name)
    if stream is None or group is None:
        return [NOT_FOUND] * len(texts)
    before = len(stream)
    outcomes = [stream.acknowledge_and_delete(group, entry_id, policy) for entry_id in strict_ids(texts)]
    acknowledged = len(outcomes) - outcomes.count(NOT_FOUND)
    if len(stream) < before:
        db.grown(key, b"xdel", STREAM, acknowledged)
    else:
        changed(client, key, dirty=acknowledged)
    return outcomes


@command(
    "XPENDING key group [filters: [IDLE min-idle-time] start end count [consumer]]",
    READONLY,
    since="5.0.0",
    complexity="O(N) with N being the number of elements returned, so asking for a small fixed number of "
    "entries per call is O(1). O(M), where M is the total number of entries scanned when used with the IDLE "
    "filter. When the command returns just the summary and the list of consumers is small, it runs in O(1) "
    "time; otherwise, an additional O(N) time for iterating every consumer.",
    types={"min-idle-time": "integer", "start": "string", "end": "string"},
    argument_since={"min-idle-time": "6.2.0"},
    tips=["nondeterministic_output"],
    history=[("6.2.0", "Added the `IDLE` option and exclusive range intervals.")],
)
def xpending(client: Client, key: bytes, name: bytes, *filters: bytes) -> Reply:
    """Returns the information and entries from a stream consumer group's pending entries list."""
    if not filters:
        return _pending_summary(find_group(client, key, name)[1])
    if not 3 <= len(filters) <= 6:
        raise CommandError(errors.SYNTAX)
    min_idle = 0
    if filters[0].upper() == b"IDLE":
        min_idle = integer(filters[1])
        if len(filters) < 5:
            raise CommandError(errors.SYNTAX)
        filters = filters[2:]
    count = count_argument(filters[2])
    start = parse_start(filters[0])
    end = parse_end(filters[1])
    _, group = find_group(client, key, name)
    consumer: Consumer | None = None
    if len(filters) > 3:
        consumer = group.consumers.get(filters[3])
        if consumer is None:
            return []
    now = client.server.keyspace.now
    return [
        [format_id(entry_id), nack.consumer.name, max(now - nack.delivery_time, 0), nack.delivery_count]
        for entry_id, nack in group.pending_range(start, end, count, consumer, min_idle, now)
    ]


def _pending_summary(group: Group) -> Reply:
    first, last = group.pending.first_id(), group.pending.last_id()
    if first is None or last is None:
        return [0, None, None, NULL_ARRAY]
    shares = [
        [consumer.name, b"%d" % len(consumer.pending)]
        for consumer in group.sorted_consumers()
        if len(consumer.pending)
    ]
    return [len(group.pending), format_id(first), format_id(last), shares]
