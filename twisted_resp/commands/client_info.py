"""A client as CLIENT LIST shows it, in one line: https://redis.io/docs/latest/commands/client-list/"""

from __future__ import annotations

from typing import Final

from twisted_resp.server.client import Client
from twisted_resp.server.client_memory import memory_of

__all__ = ["client_flags", "client_line", "client_type", "type_named"]

_TYPES: Final = {
    b"NORMAL": b"normal",
    b"MASTER": b"master",
    b"SLAVE": b"replica",
    b"REPLICA": b"replica",
    b"PUBSUB": b"pubsub",
}

# Redis counts what waits to be sent in blocks of this size.
_BLOCK: Final = 16384


# The versions of Redis in which fields came.
_SINCE: Final = {
    **dict.fromkeys((b"ssub", b"multi-mem", b"rbs", b"rbp", b"resp"), "7.0.0"),
    **dict.fromkeys((b"lib-name", b"lib-ver"), "7.2.0"),
    b"watch": "7.4.0",
    **dict.fromkeys((b"tot-net-in", b"tot-net-out", b"tot-cmds"), "8.0.0"),
}


def type_named(name: bytes) -> bytes | None:
    """The client type of an option's value, or None."""
    return _TYPES.get(name.upper())


def client_type(client: Client) -> bytes:
    """``normal``, ``pubsub``, ``replica`` or ``master``. A client that monitors is a normal one."""
    if client.is_master:
        return b"master"
    if client.replica is not None and client.replica.attached:
        return b"replica"
    return b"pubsub" if client.subscriptions else b"normal"


def client_flags(client: Client) -> bytes:
    """The letters of the field ``flags``."""
    flags = b""
    if client.monitoring:
        flags += b"O"
    if client.replica is not None and client.replica.attached:
        flags += b"S"
    if client.is_master:
        flags += b"M"
    if client.subscriptions:
        flags += b"P"
    if client.transaction is not None:
        flags += b"x"
    if client.parked is not None or client in client.server.postponed.values():
        flags += b"b"
    if client.tracking is not None:
        flags += b"t"
        if client.tracking.broken:
            flags += b"R"
        if client.tracking.broadcast:
            flags += b"B"
    if client.dirty_watch:
        flags += b"d"
    if client.closing:
        flags += b"c"
    if client.address and client.address == client.local_address:
        flags += b"U"  # both ends of a unix socket are its path
    if client.no_evict:
        flags += b"e"
    if client.no_touch:
        flags += b"T"
    return flags or b"N"


def client_line(client: Client, asking: Client) -> bytes:
    """Everything that is known of a client, without a line end.

    :param asking: the client that runs the command. Of all clients only this one, and those that are blocked,
        have arguments in memory; and only this one has a request in its buffer that has been read.

    ``qbuf-free``, ``rbs``, ``rbp`` and ``obl`` are always 0: here no buffer is bigger than what is in it, and
    none is set aside for replies.
    """
    now = client.server.now_ms // 1000
    transaction = client.transaction
    waiting = client.output_size()
    request = arguments = 0
    if client is asking or client.parked is not None:
        request, arguments = _sizes(client.current)
    request_memory = (request if client is asking else 0) + arguments
    arguments += client.request_sizes()[0]
    unread = client.query_size() + (request if client is asking else 0)
    queued = transaction.size if transaction is not None else 0
    memory = memory_of(client) + request_memory
    events = b"" if client.fd < 0 else b"rw" if waiting else b"r"
    fields = (
        (b"id", client.id),
        (b"addr", client.address),
        (b"laddr", client.local_address),
        (b"fd", client.fd),
        (b"name", client.name),
        (b"age", now - client.created // 1000),
        (b"idle", now - client.last_interaction // 1000),
        (b"flags", client_flags(client)),
        (b"db", client.db.index),
        (b"sub", len(client.channels)),
        (b"psub", len(client.patterns)),
        (b"ssub", len(client.shard_channels)),
        (b"multi", len(transaction.queue) if transaction is not None else -1),
        (b"watch", len(client.watched)),
        (b"qbuf", unread),
        (b"qbuf-free", 0),
        (b"argv-mem", arguments),
        (b"multi-mem", queued),
        (b"rbs", 0),
        (b"rbp", 0),
        (b"obl", 0),
        (b"oll", -(-waiting // _BLOCK)),
        (b"omem", waiting),
        (b"tot-mem", memory),
        (b"events", events),
        (b"cmd", client.last_command),
        (b"user", b"(superuser)" if client.is_master else client.user.name),
        (b"redir", client.tracking.redirect if client.tracking is not None else -1),
        (b"resp", client.protocol),
        (b"lib-name", client.lib_name),
        (b"lib-ver", client.lib_version),
        (b"tot-net-in", client.total_input),
        (b"tot-net-out", client.total_output),
        (b"tot-cmds", client.total_commands),
    )
    flavour = client.server.flavour
    return b" ".join(
        [
            b"%b=%b" % (name, value if isinstance(value, bytes) else b"%d" % value)
            for name, value in fields
            if name not in _SINCE or flavour.has(_SINCE[name])
        ]
    )


def _sizes(args: list[bytes]) -> tuple[int, int]:
    """How long a request was on the wire, and its arguments together."""
    arguments = sum(map(len, args))
    frame = sum([len(b"%d" % len(arg)) + 5 for arg in args]) + len(b"%d" % len(args)) + 3
    return frame + arguments, arguments
