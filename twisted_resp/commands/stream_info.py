"""The stream group, looking into streams: XINFO."""

from __future__ import annotations

from typing import Final

from twisted_resp import errors
from twisted_resp.commands.helping import help_reply
from twisted_resp.commands.stream_groups import no_group_for_key
from twisted_resp.commands.stream_options import entries_reply, integer
from twisted_resp.commands.table import LOADING, READONLY, STALE, command, container
from twisted_resp.errors import CommandError
from twisted_resp.resp import Reply
from twisted_resp.server.client import Client
from twisted_resp.values.stream import Stream
from twisted_resp.values.stream_groups import UNKNOWN, Consumer, Group
from twisted_resp.values.stream_id import format_id
from twisted_resp.values.stream_radix import radix_nodes

__all__ = ["GROUP"]

GROUP = "stream"

# How many entries of everything XINFO STREAM FULL shows.
_FULL_COUNT: Final = 10

_HELP: Final = b"""
CONSUMERS <key> <groupname>
    Show consumers of <groupname>.
GROUPS <key>
    Show the stream consumer groups.
STREAM <key> [FULL [COUNT <count>]
    Show information about the stream.
"""

container("XINFO", "A container for stream introspection commands.", since="5.0.0", group=GROUP)


def _stream(client: Client, key: bytes) -> Stream:
    stream = client.db.read_as(key, Stream)
    if stream is None:
        raise CommandError(errors.NO_SUCH_KEY)
    return stream


@command(
    "XINFO CONSUMERS key group",
    READONLY,
    since="5.0.0",
    complexity="O(1)",
    tips=["nondeterministic_output"],
    history=[("7.2.0", "Added the `inactive` field, and changed the meaning of `idle`.")],
)
def xinfo_consumers(client: Client, key: bytes, name: bytes) -> Reply:
    """Returns a list of the consumers in a consumer group."""
    group = _stream(client, key).groups.get(name)
    if group is None:
        raise no_group_for_key(key, name)
    now = client.server.keyspace.now
    return [
        {
            b"name": consumer.name,
            b"pending": len(consumer.pending),
            b"idle": max(now - consumer.seen_time, 0),
            b"inactive": -1 if consumer.active_time == -1 else now - consumer.active_time,
        }
        for consumer in group.sorted_consumers()
    ]


@command(
    "XINFO GROUPS key",
    READONLY,
    since="5.0.0",
    complexity="O(1)",
    history=[("7.0.0", "Added the `entries-read` and `lag` fields")],
)
def xinfo_groups(client: Client, key: bytes) -> Reply:
    """Returns a list of the consumer groups of a stream."""
    stream = _stream(client, key)
    return [
        {
            b"name": group.name,
            b"consumers": len(group.consumers),
            b"pending": len(group.pending),
            b"last-delivered-id": format_id(group.last_id),
            b"entries-read": _entries_read(group),
            b"lag": stream.lag(group),
        }
        for group in stream.sorted_groups()
    ]


def _entries_read(group: Group) -> int | None:
    return None if group.entries_read == UNKNOWN else group.entries_read


@command(
    "XINFO STREAM key [full-block: FULL [COUNT count]]",
    READONLY,
    since="5.0.0",
    complexity="O(1)",
    history=[
        ("6.0.0", "Added the `FULL` modifier."),
        (
            "7.0.0",
            "Added the `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, `entries-read` "
            "and `lag` fields",
        ),
        ("7.2.0", "Added the `active-time` field, and changed the meaning of `seen-time`."),
    ],
)
def xinfo_stream(client: Client, key: bytes, *options: bytes) -> Reply:
    """Returns information about a stream."""
    stream = _stream(client, key)
    count = _full_count(client, options) if options else 0
    reply: dict[bytes, Reply] = {
        b"length": len(stream),
        b"radix-tree-keys": len(stream.nodes),
        b"radix-tree-nodes": radix_nodes([node.start for node in stream.nodes]),
        b"last-generated-id": format_id(stream.last_id),
        b"max-deleted-entry-id": format_id(stream.max_deleted_id),
        b"entries-added": stream.entries_added,
        b"recorded-first-entry-id": format_id(stream.first_id),
    }
    if options:
        reply[b"entries"] = entries_reply(stream.range(count=count))
        reply[b"groups"] = [_full_group(stream, group, count) for group in stream.sorted_groups()]
        return reply
    first, last = entries_reply(stream.range(count=1)), entries_reply(stream.reverse_range(count=1))
    reply[b"groups"] = len(stream.groups)
    reply[b"first-entry"] = first[0] if first else None
    reply[b"last-entry"] = last[0] if last else None
    return reply


def _full_count(client: Client, options: tuple[bytes, ...]) -> int:
    if options[0].upper() != b"FULL" or (
        len(options) != 1 and (len(options) != 3 or options[1].upper() != b"COUNT")
    ):
        raise errors.subcommand_syntax(b"XINFO", client.current[1])
    count = integer(options[2]) if len(options) == 3 else _FULL_COUNT
    return count if count >= 0 else _FULL_COUNT


def _full_group(stream: Stream, group: Group, count: int) -> Reply:
    pending = [
        [format_id(entry_id), nack.consumer.name, nack.delivery_time, nack.delivery_count]
        for entry_id, nack in group.pending.first(count)
    ]
    return {
        b"name": group.name,
        b"last-delivered-id": format_id(group.last_id),
        b"entries-read": _entries_read(group),
        b"lag": stream.lag(group),
        b"pel-count": len(group.pending),
        b"pending": pending,
        b"consumers": [_full_consumer(consumer, count) for consumer in group.sorted_consumers()],
    }


def _full_consumer(consumer: Consumer, count: int) -> Reply:
    return {
        b"name": consumer.name,
        b"seen-time": consumer.seen_time,
        b"active-time": consumer.active_time,
        b"pel-count": len(consumer.pending),
        b"pending": [
            [format_id(entry_id), nack.delivery_time, nack.delivery_count]
            for entry_id, nack in consumer.pending.first(count)
        ],
    }


@command("XINFO HELP", LOADING | STALE, since="5.0.0", complexity="O(1)")
def xinfo_help(client: Client) -> Reply:
    """Returns helpful text about the different subcommands."""
    return help_reply(b"XINFO", _HELP)
