"""What is remembered of one connection, with no transport in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from twisted.internet.defer import Deferred

from twisted_resp.keyspace.database import Database
from twisted_resp.resp import NULL_ARRAY, Reply, encode

if TYPE_CHECKING:
    from twisted_resp.server.server import Server
    from twisted_resp.server.waiting import Parked

__all__ = ["REPLY_OFF", "REPLY_ON", "REPLY_SKIP", "REPLY_SKIP_NEXT", "Client", "Transaction"]

#: Client.reply_mode, as CLIENT REPLY sets it.
REPLY_ON = 0
REPLY_OFF = 1
REPLY_SKIP = 2  # drop the reply of the command that runs now, then go back to on
REPLY_SKIP_NEXT = 3  # CLIENT REPLY SKIP itself has just run: skip the one after it


def _no_write(data: bytes) -> None:
    """Where pushes of a client without a connection go."""


def _no_close(when_flushed: bool) -> None:
    """What closes a client without a connection."""


class Transaction:
    """The commands queued since MULTI.

    :ivar failed: a command could not be queued: EXEC will refuse.
    """

    __slots__ = ("failed", "queue", "size")

    def __init__(self) -> None:
        self.queue: list[tuple[Any, list[bytes]]] = []
        self.failed = False
        self.size = 0


class Client:
    """One client of a server: a connection, or a caller in this process.

    The protocol sets ``write`` (send encoded bytes) and ``close``. The way a request takes is one attribute,
    :attr:`execute`: :meth:`choose_state` swaps it when the client logs in, queues or subscribes.

    :param address: the peer as ``ip:port`` (or a path and ``:0``), as CLIENT LIST shows it.
    :param local_address: our end of the connection.
    """

    __slots__ = (
        "__weakref__", "address", "asking", "authenticated", "can_block", "channels", "close", "closing", "created",
        "current", "db", "dirty_watch", "execute", "fd", "id", "in_exec", "last_command", "last_interaction",
        "lib_name", "lib_version", "local_address", "monitoring", "name", "no_evict", "no_touch", "output_size",
        "parked", "patterns", "protocol", "query_size", "reply_mode", "server", "shard_channels", "total_commands",
        "total_input", "total_output", "tracking", "transaction", "user", "watched", "write",
    )  # fmt: skip

    def __init__(
        self, server: Server, address: bytes = b"", local_address: bytes = b"", fd: int = -1
    ) -> None:
        self.server = server
        self.id: int = server.next_client_id()
        self.address = address
        self.local_address = local_address
        self.fd = fd
        self.name = b""
        self.lib_name = b""
        self.lib_version = b""
        self.db: Database = server.keyspace.databases[0]
        #: The RESP version that replies are encoded in.
        self.protocol = 2
        self.user: bytes = b"default"
        self.authenticated: bool = not server.password_required
        self.created: int = server.keyspace.now
        self.last_interaction: int = self.created
        #: The command that runs now, as received; and the full name of the last one.
        self.current: list[bytes] = []
        self.last_command = b"NULL"
        self.transaction: Optional[Transaction] = None
        self.watched: dict[tuple[Database, bytes], bool] = {}
        self.dirty_watch = False
        #: Dicts for their order: name -> None.
        self.channels: dict[bytes, None] = {}
        self.patterns: dict[bytes, None] = {}
        self.shard_channels: dict[bytes, None] = {}
        self.parked: Optional[Parked] = None
        #: False inside EXEC and scripts: a blocking command answers at once.
        self.can_block = True
        self.in_exec = False
        self.reply_mode = REPLY_ON
        self.no_evict = False
        self.no_touch = False
        self.monitoring = False
        self.tracking: Any = None
        self.asking = False
        self.closing = False
        self.total_commands = 0
        self.total_input = 0
        self.total_output = 0
        #: Asked for by CLIENT LIST: bytes of requests and of replies that wait here.
        self.query_size: Callable[[], int] = int
        self.output_size: Callable[[], int] = int
        self.write: Callable[[bytes], None] = _no_write
        self.close: Callable[[bool], None] = _no_close
        self.execute: Callable[[Client, list[bytes]], Reply] = server.states.normal
        self.choose_state()

    def __repr__(self) -> str:
        return f"<Client {self.id} {self.address!r} {self.name!r}>"

    @property
    def subscriptions(self) -> int:
        """Channels, patterns and shard channels together."""
        return len(self.channels) + len(self.patterns) + len(self.shard_channels)

    def choose_state(self) -> None:
        """Pick the way in for the next request, after anything that it depends on has changed."""
        states = self.server.states
        if not self.authenticated:
            self.execute = states.unauthenticated
        elif self.transaction is not None:
            self.execute = states.queueing
        elif self.protocol == 2 and self.subscriptions:
            self.execute = states.subscribed
        else:
            self.execute = states.normal

    def push(self, message: Reply) -> None:
        """Send something that is not a reply: it reaches the transport at once, in order with the replies."""
        self.write(encode(message, self.protocol))

    def wait_for(
        self,
        keys: list[bytes],
        timeout: float,
        retry: Callable[[], Reply],
        on_timeout: Reply = NULL_ARRAY,
    ) -> Union[Reply, Deferred[Reply]]:
        """Park this client on keys: what a blocking command returns when there is nothing for it yet.

        :param timeout: seconds; 0 waits for ever.
        :param retry: called after each change of one of the keys; answers a reply, or ``NOT_READY``. It may raise
            CommandError.
        :param on_timeout: the reply when time is up, and at once where blocking is not allowed.
        """
        if not self.can_block:
            return on_timeout
        return self.server.waiting.park(self, keys, timeout, retry, on_timeout)

    def disconnected(self) -> None:
        """The connection is gone: forget what was registered for it."""
        self.closing = True
        self.server.forget(self)
