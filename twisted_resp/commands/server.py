"""The server group, but for CONFIG, COMMAND, DEBUG and INFO: https://redis.io/docs/latest/commands/?group=server"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from twisted_resp import errors
from twisted_resp.commands.table import (
    ADMIN,
    ALLOW_BUSY,
    FAST,
    LOADING,
    NO_MULTI,
    NOSCRIPT,
    READONLY,
    SENTINEL,
    STALE,
    WRITE,
    command,
)
from twisted_resp.errors import CommandError
from twisted_resp.resp import NO_REPLY, OK, Reply, Verbatim
from twisted_resp.server.client import Client
from twisted_resp.server.server import BUSY
from twisted_resp.text.integers import parse_integer

GROUP = "server"

_log = Logger()

_ALL_SHARDS = ("request_policy:all_shards", "response_policy:all_succeeded")
_FLUSH_HISTORY = (
    ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
    ("6.2.0", "Added the `SYNC` flushing mode modifier."),
)
_FLUSH_ARGUMENTS = {"async": "4.0.0", "sync": "6.2.0"}


# ------------------------------------------------------------------------------------------------- databases


@command(
    "DBSIZE",
    READONLY | FAST,
    since="1.0.0",
    complexity="O(1)",
    acl=["keyspace"],
    tips=["request_policy:all_shards", "response_policy:agg_sum"],
)
def dbsize(client: Client) -> Reply:
    """Returns the number of keys in the database."""
    return len(client.db)


@command(
    "FLUSHDB [flush-type: ASYNC | SYNC]",
    WRITE,
    since="1.0.0",
    complexity="O(N) where N is the number of keys in the selected database",
    argument_since=_FLUSH_ARGUMENTS,
    acl=["keyspace", "dangerous"],
    tips=_ALL_SHARDS,
    history=_FLUSH_HISTORY,
)
def flushdb(client: Client, *mode: bytes) -> Reply:
    """Remove all keys from the current database."""
    return _flush(client, client.db.flush, mode)


@command(
    "FLUSHALL [flush-type: ASYNC | SYNC]",
    WRITE,
    since="1.0.0",
    complexity="O(N) where N is the total number of keys in all databases",
    argument_since=_FLUSH_ARGUMENTS,
    acl=["keyspace", "dangerous"],
    tips=_ALL_SHARDS,
    history=_FLUSH_HISTORY,
)
def flushall(client: Client, *mode: bytes) -> Reply:
    """Removes all keys from all databases."""
    keyspace, saving = client.server.keyspace, client.server.saving

    def flush(lazily: bool) -> int:
        # What is being written is not worth it any more.
        saving.stop_child()
        return keyspace.flush(lazily)

    reply = _flush(client, flush, mode)
    # Counts as a change even where there was nothing.
    keyspace.dirty += 1
    saving.flushed()
    return reply


def _flush(client: Client, flush: Callable[[bool], int], mode: tuple[bytes, ...]) -> Reply | Deferred[Reply]:
    if mode and (len(mode) > 1 or mode[0].lower() not in (b"async", b"sync")):
        raise CommandError(errors.SYNTAX)
    server = client.server
    lazy_free = server.keyspace.lazy_free
    lazily = mode[0].lower() == b"async" if mode else lazy_free.on_flush
    # Replicas are told even where there was nothing.
    server.effects.force()
    if lazily or not client.can_block:
        flush(lazily)
        return OK
    # The client waits for it, the others need not.
    flush(True)
    more = lazy_free.work()
    while more and not lazy_free.runs:
        # Who waits may be the one who would move the clock on.
        more = lazy_free.work()
    return server.waiting.park_until_freed(client) if more else OK


@command(
    "SWAPDB index1 index2",
    WRITE | FAST,
    since="4.0.0",
    complexity="O(N) where N is the count of clients watching or blocking on keys from both databases.",
    acl=["keyspace", "dangerous"],
)
def swapdb(client: Client, index1: bytes, index2: bytes) -> Reply:
    """Swaps two Redis databases."""
    first, second = parse_integer(index1), parse_integer(index2)
    if first is None:
        raise CommandError(b"ERR invalid first DB index")
    if second is None:
        raise CommandError(b"ERR invalid second DB index")
    keyspace = client.server.keyspace
    count = len(keyspace.databases)
    if not (0 <= first < count and 0 <= second < count):
        raise CommandError(errors.DB_INDEX_OUT_OF_RANGE)
    keyspace.swap(first, second)
    return OK


# ------------------------------------------------------------------------------------------ the server itself


@command("MONITOR", ADMIN | NOSCRIPT | LOADING | STALE, since="1.0.0", complexity="")
def monitor(client: Client) -> Reply:
    """Listens for all requests received by the server in real-time."""
    if not client.can_block:
        raise CommandError(b"ERR MONITOR isn't allowed for DENY BLOCKING client")
    if client.monitoring or (client.replica is not None and client.replica.attached):
        # It gets a stream already, in which an answer has no place.
        return NO_REPLY
    client.server.monitors.add(client)
    return OK


@command("TIME", LOADING | STALE | FAST, since="2.6.0", complexity="O(1)", tips=["nondeterministic_output"])
def time(client: Client) -> Reply:
    """Returns the server time."""
    server = client.server
    # Inside a transaction or a script time stands still.
    still = client.in_exec or not client.can_block
    now = server.now_ms / 1000 if still else server.clock.seconds()
    seconds, microseconds = divmod(round(now * 1_000_000), 1_000_000)
    return [b"%d" % seconds, b"%d" % microseconds]


_SHUTDOWN_WORDS = frozenset((b"nosave", b"save", b"now", b"force", b"abort"))


@command(
    "SHUTDOWN [save-selector: NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
    ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | SENTINEL | ALLOW_BUSY,
    since="1.0.0",
    complexity="O(N) when saving, where N is the total number of keys in all databases when saving data, "
    "otherwise O(1)",
    argument_since={"now": "7.0.0", "force": "7.0.0", "abort": "7.0.0"},
    history=[("7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers.")],
)
def shutdown(client: Client, *options: bytes) -> Reply:
    """Synchronously saves the database(s) to disk and shuts down the Redis server."""
    words = {option.lower() for option in options}
    if (
        not words <= _SHUTDOWN_WORDS
        or (b"abort" in words and len(words) > 1)
        or {b"save", b"nosave"} <= words
    ):
        raise CommandError(errors.SYNTAX)
    server = client.server
    if b"abort" in words:
        if not server.shutdown.abort():
            raise CommandError(b"ERR No shutdown in progress.")
        return OK
    if b"now" not in words and not client.can_block:
        raise CommandError(b"ERR SHUTDOWN without NOW or ABORT isn't allowed for DENY BLOCKING client")
    if server.on_shutdown is None:
        _log.warn("{client} sent SHUTDOWN, but this server is part of an application.", client=client)
        raise CommandError(errors.CANNOT_SHUT_DOWN)
    if b"nosave" not in words and server.attention & BUSY and server.scripting.running is not None:
        raise server.scripting.running.busy()
    if not server.shutdown.start(words) and server.shutdown.until is None:
        raise CommandError(errors.CANNOT_SHUT_DOWN)
    if server.shutdown.until is not None:
        return server.shutdown.wait(client)
    if server.scripting.running is None:
        client.close(True)
    # Else the script has to end first: who sees that the connection is closed shall not find the port open.
    return NO_REPLY


@command(
    "LOLWUT [VERSION version]",
    READONLY | FAST,
    since="5.0.0",
    complexity="",
)
def lolwut(client: Client, *options: bytes) -> Reply:
    """Displays computer art and the Redis version"""
    if len(options) >= 2 and options[0].lower() == b"version" and parse_integer(options[1]) is None:
        raise CommandError(errors.NOT_AN_INTEGER)
    flavour = client.server.flavour
    return Verbatim(b"txt", b"%b ver. %b\n" % (flavour.product.capitalize(), flavour.version))
