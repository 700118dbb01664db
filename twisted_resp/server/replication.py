"""What a server knows of replication: its place in a history of changes, who follows, and whom it follows.

A history has an id and counts the bytes of its stream; a replica asks to continue from an offset. Here are the
facts, which INFO, WAIT and the dispatcher look at; the stream itself is fed, and a master followed, by
:mod:`twisted_resp.replication`.
https://redis.io/docs/latest/operate/oss_and_stack/management/replication/
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted_resp.server.client import Client
    from twisted_resp.server.server import Server

__all__ = [
    "LOADING", "NO_ID", "ONLINE", "SENDING", "WAITING", "WRITING", "Master", "Replica", "Replication", "new_id",
]  # fmt: skip

#: What stands where there is no second history.
NO_ID = b"0" * 40
#: How far a replica is: it gets the stream, waits until its snapshot is begun, or done; gets it; has it, and loads it.
ONLINE, WAITING, WRITING, SENDING, LOADING = range(5)
_STATES = (b"online", b"wait_bgsave", b"wait_bgsave", b"send_bulk", b"online")


def new_id() -> bytes:
    """An id for a history that nobody else has."""
    return secrets.token_hex(20).encode()


class Replica:
    """A client that follows, or prepares to: REPLCONF says things before SYNC or PSYNC.

    :ivar attached: whether it gets the stream.
    :ivar acknowledges: whether it tells how far it is (those that said SYNC don't).
    :ivar offset, fsynced: how far it is, and how far it has that on disk.
    :ivar unapplied: bytes of the stream that have come and wait for the end of a pause.
    :ivar heard_of: when it last said so (Unix time, ms).
    :ivar snapshot_size: bytes of the snapshot that it may still be reading, which no output limit concerns.
    :ivar eof: whether it can do with a snapshot whose length is not known in the beginning.
    :ivar stage: how far it is: :data:`ONLINE` or one of those that come before that.
    :ivar begins: the offset of its snapshot, from which on it needs the stream.
    :ivar waits_since: when it asked for that, ``progressed`` when it last read some of it (Unix time, ms).
    :ivar drained: is told when it has read what it was sent.
    """

    __slots__ = (
        "acknowledges", "attached", "begins", "client", "drained", "eof", "fsynced", "heard_of", "host", "offset",
        "port", "progressed", "psync2", "rdb_only", "snapshot_size", "stage", "version", "waits_since", "without_data",
    )  # fmt: skip

    def __init__(self, client: Client) -> None:
        self.client = client
        self.attached = False
        self.acknowledges = True
        self.psync2 = False
        self.rdb_only = False
        self.without_data = False
        self.host = client.address.rpartition(b":")[0].strip(b"[]")
        self.port = 0
        self.version = b""
        self.offset = 0
        self.fsynced = 0
        self.heard_of: int = client.server.now_ms
        self.snapshot_size = 0
        self.eof = False
        self.stage = ONLINE
        self.begins = 0
        self.waits_since = self.progressed = self.heard_of
        self.drained: Callable[[], None] | None = None

    def __str__(self) -> str:
        """Its name in the log."""
        host = self.host.decode("utf-8", "backslashreplace")
        return f"{host}:{self.port or '<unknown-replica-port>'}"

    @property
    def state(self) -> bytes:
        """What INFO calls it."""
        if self.stage == ONLINE and not self.online:
            return b"send_bulk"
        return _STATES[self.stage]

    @property
    def online(self) -> bool:
        """Whether it has its snapshot: it has said so, or nothing waits to be sent."""
        if self.stage not in (ONLINE, LOADING):
            return False
        if self.snapshot_size and not self.client.output_size():
            self.snapshot_size = 0
        return not self.snapshot_size

    def lag(self, now: int) -> int:
        """Seconds since it was heard of."""
        return (now - self.heard_of) // 1000


class Master:
    """The server that this one is to follow.

    :ivar state: ``connect``, ``connecting``, ``handshake``, ``sync`` or ``connected``, as ROLE has it.
    :ivar sync_size, sync_read: bytes of the snapshot that is on its way, and how many have come.
    :ivar client: what applies its stream; None while the link is down.
    :ivar heard_of: when something last came from it, and ``down_since`` when the link was lost (Unix time, ms).
    """

    def __init__(self, host: bytes, port: int) -> None:
        self.host = host
        self.port = port
        self.state = b"connect"
        self.client: Client | None = None
        self.sync_size = 0
        self.sync_read = 0
        self.unapplied = 0
        self.heard_of = 0
        self.down_since = 0

    @property
    def connected(self) -> bool:
        """Whether the link is up."""
        return self.state == b"connected"


class Replication:
    """The part of one server in replication.

    :ivar id: the history's id; ``second_id`` that of the history before it, which it continues after
        ``second_offset``.
    :ivar offset: bytes of the stream so far. Nothing is counted while there is nobody to count for.
    :ivar replicas: the clients that follow.
    :ivar master: whom this server follows; None for a master.
    :ivar fsynced: the offset up to which changes are on this server's own disk; -1 where nothing is written.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.id = new_id()
        self.second_id = NO_ID
        self.second_offset = -1
        self.offset = 0
        self.fsynced = -1
        self.replicas: dict[Client, Replica] = {}
        self.master: Master | None = None
        self.full_syncs = 0
        self.partial_syncs = 0
        self.refused_partial_syncs = 0

    @property
    def failover_state(self) -> bytes:
        """Whether this master changes places with a replica, as INFO has it."""
        return b"no-failover"

    # -- the backlog, where there is one

    @property
    def backlog_active(self) -> bool:
        """Whether the stream is kept for replicas that come back."""
        return False

    @property
    def backlog_start(self) -> int:
        """The offset of the first byte in the backlog."""
        return 0

    @property
    def backlog_length(self) -> int:
        """How many bytes are in the backlog."""
        return 0

    # -- what a snapshot is to know

    @property
    def stream_database(self) -> int | None:
        """The database that the stream has selected last; None where nobody could go on from a snapshot."""
        return None

    def resume(self, expired: Sequence[tuple[int, bytes]]) -> None:
        """The server starts, and its snapshot is loaded: go on in the history that it tells of.

        :param expired: the keys, with their databases, that have expired since and were left out.
        """

    # -- questions

    def good_replicas(self) -> int:
        """How many replicas were heard of lately (``min-replicas-max-lag``)."""
        now, longest = self.server.now_ms, self.server.configuration[b"min-replicas-max-lag"]
        return sum(replica.online and replica.lag(now) <= longest for replica in self.replicas.values())

    def refuses_to_write(self) -> bool:
        """Whether too few replicas follow (``min-replicas-to-write``); a replica does not ask that."""
        return (
            self.master is None and self.good_replicas() < self.server.configuration[b"min-replicas-to-write"]
        )

    def tell(self, command: Sequence[bytes]) -> None:
        """Send the replicas a command that was not run here (DEBUG REPLICATE): they differ from us then."""

    # -- what the append-only file tells

    def ask_for_acknowledgements(self) -> None:
        """Ask every replica how far it is."""

    def count_unit(self) -> None:
        """A unit of changes is to be written: WAITAOF counts it, though nobody follows."""
        if not self.backlog_active and self.master is None:
            self.offset += 1

    def synced(self, offset: int, anew: bool = False) -> None:
        """The changes up to this offset are on our own disk.

        :param anew: what was said before is not true any more. With an offset of -1 nothing is written.
        """
        self.fsynced = offset if anew else max(self.fsynced, offset)

    # -- what the server tells

    def forget(self, client: Client) -> None:
        """A client is gone that was a replica, or about to be one."""
        self.replicas.pop(client, None)

    def close(self) -> None:
        """The server ends: leave no timer and no connection behind."""
