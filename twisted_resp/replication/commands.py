"""The commands of replication, of the server group: what replicas say to their master, and what users ask about both.

https://redis.io/docs/latest/commands/psync/ and its neighbours
"""

from __future__ import annotations

from twisted.logger import Logger

from twisted_resp import errors
from twisted_resp.commands.numbers import integer, timeout_in_milliseconds
from twisted_resp.commands.table import (
    ADMIN,
    ALLOW_BUSY,
    BLOCKING,
    FAST,
    LOADING,
    NO_ASYNC_LOADING,
    NO_MULTI,
    NOSCRIPT,
    SENTINEL,
    STALE,
    command,
)
from twisted_resp.errors import CommandError
from twisted_resp.replication.feed import Feed
from twisted_resp.replication.link import follow, stop_following
from twisted_resp.resp import NO_REPLY, OK, Reply, Status
from twisted_resp.server.client import Client
from twisted_resp.server.replication import Replica
from twisted_resp.text.command_line import split_arguments
from twisted_resp.text.integers import parse_integer

__all__: list[str] = []

GROUP = "server"

_SYNC = NO_ASYNC_LOADING | ADMIN | NO_MULTI | NOSCRIPT
_LONGEST_HOST = 255
_log = Logger()


def _feed(client: Client) -> Feed:
    feed = client.server.replication
    assert isinstance(feed, Feed)
    return feed


# ------------------------------------------------------------------------------------- what a replica says


@command("SYNC", _SYNC, since="1.0.0", complexity="")
def sync(client: Client) -> Reply:
    """An internal command used in replication."""
    if not _is_attached(client):
        _check_ready(client)
        _feed(client).start_afresh(client, with_offset=False)
    return NO_REPLY


@command(
    "PSYNC replicationid offset", _SYNC, since="2.8.0", complexity="", arity=-3, types={"offset": "integer"}
)
def psync(client: Client, replicationid: bytes, offset: bytes, *options: bytes) -> Reply:
    """An internal command used in replication."""
    if _is_attached(client):
        return NO_REPLY
    feed = _feed(client)
    if options and options[0].lower() == b"failover":
        _log.info("Failover request received for replid {id}.", id=replicationid.decode("latin-1"))
        if feed.master is None:
            raise CommandError(b"ERR PSYNC FAILOVER can't be sent to a master.")
        if replicationid.lower() != feed.id:
            raise CommandError(b"ERR PSYNC FAILOVER replid must match my replid.")
        stop_following(feed)
        _log.info("MASTER MODE enabled (failover request from '{client}')", client=client)
    _check_ready(client)
    wanted = parse_integer(offset)
    if wanted is None:
        _log.warn("Replica {client} asks for synchronization but with a wrong offset", client=client)
        raise CommandError(errors.NOT_AN_INTEGER)
    _log.info("Replica {replica} asks for synchronization", replica=feed.known(client))
    if not feed.go_on(client, replicationid, wanted):
        if not replicationid.startswith(b"?"):
            feed.refused_partial_syncs += 1
        feed.start_afresh(client, with_offset=True)
    return NO_REPLY


def _is_attached(client: Client) -> bool:
    return client.replica is not None and client.replica.attached


def _check_ready(client: Client) -> None:
    if _feed(client).failover.active:
        raise CommandError(b"NOMASTERLINK Can't SYNC while failing over")
    master = client.server.replication.master
    if master is not None and not master.connected:
        raise CommandError(b"NOMASTERLINK Can't SYNC while not connected with my master")
    if client.output_size():
        raise CommandError(b"ERR SYNC and PSYNC are invalid with pending output")


@command(
    "REPLCONF",
    ADMIN | NOSCRIPT | LOADING | STALE | ALLOW_BUSY,
    since="3.0.0",
    complexity="O(1)",
    arity=-1,
    system=True,
)
def replconf(client: Client, *options: bytes) -> Reply:
    """An internal command for configuring the replication stream."""
    if len(options) % 2:
        raise CommandError(errors.SYNTAX)
    feed = _feed(client)
    if client.replica is None:
        client.replica = Replica(client)
    replica = client.replica
    for name, value in zip(options[::2], options[1::2]):
        option = name.lower()
        if option == b"ack":
            _acknowledge(feed, replica, options)
            return NO_REPLY
        if option == b"getack":
            if client.is_master and feed.link is not None:
                feed.link.acknowledge()
            return NO_REPLY
        if option == b"listening-port":
            replica.port = integer(value)
        elif option == b"ip-address":
            if len(value) > _LONGEST_HOST:
                raise CommandError(
                    b"ERR REPLCONF ip-address provided by replica instance is too long: %d bytes" % len(value)
                )
            replica.host = value
        elif option == b"capa":
            replica.psync2 = replica.psync2 or value.lower() == b"psync2"
            replica.eof = replica.eof or value.lower() == b"eof"
        elif option == b"version":
            replica.version = value
        elif option == b"rdb-only":
            if value not in (b"0", b"1"):
                raise CommandError(b"ERR value is out of range, value must between 0 and 1")
            replica.rdb_only = value == b"1"
        elif option == b"rdb-filter-only":
            _filter(replica, value)
        else:
            raise CommandError(b"ERR Unrecognized REPLCONF option: %b" % name)
    return OK


def _acknowledge(feed: Feed, replica: Replica, options: tuple[bytes, ...]) -> None:
    """REPLCONF ACK offset [FACK offset], which is never answered."""
    offset = parse_integer(options[1])
    if not replica.attached or offset is None:
        return
    fsynced = parse_integer(options[3]) if len(options) > 3 and options[2].lower() == b"fack" else None
    feed.acknowledged(replica, offset, fsynced)


def _filter(replica: Replica, value: bytes) -> None:
    wanted = split_arguments(value)
    if wanted is None:
        raise CommandError(b"ERR Missing rdb-filter-only values")
    for word in wanted:
        if word.lower() != b"functions":
            raise CommandError(b"ERR Unsupported rdb-filter-only option: %b" % word)
    replica.without_data = True


# ------------------------------------------------------------------------------------------- what users say


@command(
    "ROLE",
    NOSCRIPT | LOADING | STALE | FAST | SENTINEL,
    since="2.8.12",
    complexity="O(1)",
    acl=["admin", "dangerous"],
)
def role(client: Client) -> Reply:
    """Returns the replication role."""
    feed = _feed(client)
    master = feed.master
    if master is not None:
        offset = feed.offset if master.connected else -1
        return [b"slave", master.host, master.port, master.state, offset]
    replicas: list[Reply] = [
        [replica.host, b"%d" % replica.port, b"%d" % replica.offset]
        for replica in feed.replicas.values()
        if replica.online
    ]
    return [b"master", feed.offset, replicas]


def _replica_of(client: Client, host: bytes, port: bytes) -> Reply:
    feed = _feed(client)
    if feed.failover.active:
        raise CommandError(b"ERR REPLICAOF not allowed while failing over.")
    if (host.lower(), port.lower()) == (b"no", b"one"):
        if feed.master is not None:
            stop_following(feed)
            _log.info("MASTER MODE enabled (user request from '{client}')", client=client)
        return OK
    if _is_attached(client):
        raise CommandError(b"ERR Command is not valid when client is a replica.")
    number = parse_integer(port)
    if number is None or not 0 <= number <= 65535:
        raise CommandError(b"ERR Invalid master port")
    master = feed.master
    if master is not None and (master.host.lower(), master.port) == (host.lower(), number):
        return Status(b"OK Already connected to specified master")
    follow(feed, host, number)
    _log.info(
        "REPLICAOF {host}:{port} enabled (user request from '{client}')",
        host=host.decode("utf-8", "backslashreplace"),
        port=number,
        client=client,
    )
    return OK


@command(
    "REPLICAOF <args: host-port: host port | no-one: NO ONE>",
    NO_ASYNC_LOADING | ADMIN | NOSCRIPT | STALE,
    since="5.0.0",
    complexity="O(1)",
)
def replicaof(client: Client, host: bytes, port: bytes) -> Reply:
    """Configures a server as replica of another, or promotes it to a master."""
    return _replica_of(client, host, port)


@command(
    "SLAVEOF <args: host-port: host port | no-one: NO ONE>",
    NO_ASYNC_LOADING | ADMIN | NOSCRIPT | STALE,
    since="1.0.0",
    complexity="O(1)",
    deprecated="5.0.0",
    replaced_by="`REPLICAOF`",
)
def slaveof(client: Client, host: bytes, port: bytes) -> Reply:
    """Sets a Redis server as a replica of another, or promotes it to being a master."""
    return _replica_of(client, host, port)


@command(
    "FAILOVER [target: TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]",
    ADMIN | NOSCRIPT | STALE,
    since="6.2.0",
    complexity="O(1)",
)
def failover(client: Client, *options: bytes) -> Reply:
    """Starts a coordinated failover from a server to one of its replicas."""
    feed = _feed(client)
    if len(options) == 1 and options[0].lower() == b"abort":
        if not feed.failover.active:
            raise CommandError(b"ERR No failover in progress.")
        feed.failover.abort("Failover manually aborted")
        return OK
    target, timeout, force = _failover_options(options)
    if feed.failover.active:
        raise CommandError(b"ERR FAILOVER already in progress.")
    if feed.master is not None:
        raise CommandError(b"ERR FAILOVER is not valid when server is a replica.")
    if not feed.replicas:
        raise CommandError(b"ERR FAILOVER requires connected replicas.")
    if force and not (timeout and target):
        raise CommandError(b"ERR FAILOVER with force option requires both a timeout and target HOST and IP.")
    if target is not None:
        replica = feed.failover.replica_at(*target)
        if replica is None:
            raise CommandError(b"ERR FAILOVER target HOST and PORT is not a replica.")
        if not replica.online:
            raise CommandError(b"ERR FAILOVER target replica is not online.")
    feed.failover.begin(target, timeout, force)
    return OK


def _failover_options(options: tuple[bytes, ...]) -> tuple[tuple[bytes, int] | None, int, bool]:
    """Who it is to be, the timeout (ms), and whether to force it."""
    target: tuple[bytes, int] | None = None
    timeout, force = 0, False
    place = 0
    while place < len(options):
        word, left = options[place].lower(), len(options) - place - 1
        if word == b"timeout" and left and not timeout:
            timeout = integer(options[place + 1])
            if timeout <= 0:
                raise CommandError(b"ERR FAILOVER timeout must be greater than 0")
            place += 1
        elif word == b"to" and left >= 2 and target is None:
            target = options[place + 1], integer(options[place + 2])
            place += 2
        elif word == b"force" and not force:
            force = True
        else:
            raise CommandError(errors.SYNTAX)
        place += 1
    return target, timeout, force


@command(
    "WAIT numreplicas timeout",
    BLOCKING,
    types={"timeout": "integer"},
    group="generic",
    since="3.0.0",
    complexity="O(1)",
    acl=["connection"],
    tips=["request_policy:all_shards", "response_policy:agg_min"],
)
def wait(client: Client, numreplicas: bytes, timeout: bytes) -> Reply:
    """Blocks until the asynchronous replication of all preceding write commands sent by the connection is
    completed.
    """
    feed = _feed(client)
    if feed.master is not None:
        raise CommandError(
            b"ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica "
            b"is configured to be writable (which is not the default) writes to replicas are just local and are "
            b"not propagated."
        )
    wanted = integer(numreplicas)
    seconds = timeout_in_milliseconds(timeout, client.server.now_ms)
    offset, acknowledgements = client.write_offset, feed.acknowledgements

    def count() -> Reply:
        return acknowledgements.copies(offset)

    return acknowledgements.wait(client, seconds, count, lambda there: there >= wanted)


@command(
    "WAITAOF numlocal numreplicas timeout",
    BLOCKING,
    types={"timeout": "integer"},
    group="generic",
    since="7.2.0",
    complexity="O(1)",
    acl=["connection"],
    tips=["request_policy:all_shards", "response_policy:agg_min"],
)
def waitaof(client: Client, numlocal: bytes, numreplicas: bytes, timeout: bytes) -> Reply:
    """Blocks until all of the preceding write commands sent by the connection are written to the append-only
    file of the master and/or replicas.
    """
    local = integer(numlocal)
    if not 0 <= local <= 1:
        raise CommandError(b"ERR value is out of range, value must between 0 and 1")
    wanted = integer(numreplicas)
    if wanted < 0:
        raise CommandError(errors.MUST_BE_POSITIVE)
    seconds = timeout_in_milliseconds(timeout, client.server.now_ms)
    feed = _feed(client)
    if feed.master is not None:
        raise CommandError(
            b"ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just "
            b"local and are not propagated."
        )
    offset, acknowledgements = client.write_offset, feed.acknowledgements

    def count() -> Reply:
        # Also while it waits: CONFIG SET appendonly no ends it.
        if local and feed.fsynced < 0:
            raise CommandError(b"ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")
        return [int(feed.fsynced >= offset), acknowledgements.durable_copies(offset)]

    return acknowledgements.wait(
        client, seconds, count, lambda there: there[0] >= local and there[1] >= wanted
    )
