"""The server group, but for CONFIG, COMMAND, DEBUG and INFO: https://redis.io/docs/latest/commands/?group=server"""

from __future__ import annotations

from twisted_resp import errors
from twisted_resp.commands.table import (
    FAST,
    LOADING,
    NOSCRIPT,
    READONLY,
    SENTINEL,
    STALE,
    WRITE,
    command,
)
from twisted_resp.errors import CommandError
from twisted_resp.resp import OK, Reply, Verbatim
from twisted_resp.server.client import Client
from twisted_resp.server.server import REDIS_VERSION
from twisted_resp.text.integers import parse_integer

GROUP = "server"

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
    "FLUSHDB [ASYNC | SYNC]",
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
    _check_flush_mode(mode)
    client.db.flush()
    return OK


@command(
    "FLUSHALL [ASYNC | SYNC]",
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
    _check_flush_mode(mode)
    keyspace = client.server.keyspace
    keyspace.flush()
    # Counts as a change even where there was nothing, so that replicas are told.
    keyspace.dirty += 1
    return OK


def _check_flush_mode(mode: tuple[bytes, ...]) -> None:
    # Both come to the same: Python frees values as fast as their references go.
    if mode and (len(mode) > 1 or mode[0].lower() not in (b"async", b"sync")):
        raise CommandError(errors.SYNTAX)


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


@command("TIME", LOADING | STALE | FAST, since="2.6.0", complexity="O(1)", tips=["nondeterministic_output"])
def time(client: Client) -> Reply:
    """Returns the server time."""
    server = client.server
    if client.can_block and not client.in_exec:
        now = int(server.clock.seconds() * 1_000_000)
    else:  # inside a transaction or a script time stands still
        now = server.now_ms * 1000
    seconds, microseconds = divmod(now, 1_000_000)
    return [b"%d" % seconds, b"%d" % microseconds]


@command(
    "LOLWUT [VERSION version]",
    READONLY | FAST,
    since="5.0.0",
    complexity="",
)
def lolwut(client: Client, *options: bytes) -> Reply:
    """Displays computer art and the Redis version"""
    return Verbatim(b"txt", b"Redis ver. %b\n" % REDIS_VERSION)


@command(
    "ROLE",
    NOSCRIPT | LOADING | STALE | FAST | SENTINEL,
    since="2.8.12",
    complexity="O(1)",
    acl=["admin", "dangerous"],
)
def role(client: Client) -> Reply:
    """Returns the replication role."""
    return [b"master", 0, []]
