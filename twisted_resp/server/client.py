"""What is remembered of one connection, with no transport in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Protocol

from twisted.internet.defer import Deferred

from twisted_resp.keyspace.database import Database
from twisted_resp.resp import NULL_ARRAY, Reply, encode
from twisted_resp.text.integers import INT64_MAX

if TYPE_CHECKING:
    from twisted_resp.acl.users import User
    from twisted_resp.server.replication import Replica
    from twisted_resp.server.server import Server
    from twisted_resp.server.tracking import Tracking
    from twisted_resp.server.waiting import Parked

__all__ = ["REPLY_OFF", "REPLY_ON", "REPLY_SKIP", "Client", "Conversation", "Execute", "Transaction"]

#: Client.reply_mode, as CLIENT REPLY sets it.
REPLY_ON = 0
REPLY_OFF = 1
REPLY_SKIP = 2  # drop the next reply, then go back to on


Execute = Callable[["Client", "list[bytes]"], Reply]


def _no_write(data: bytes) -> None:
    """Where pushes of a client without a connection go."""


def _no_close(when_flushed: bool) -> None:
    """What closes a client without a connection."""


def _no_limit() -> int:
    """How long the replies of a client without a connection may be."""
    return INT64_MAX


def _nothing_to_watch() -> None:
    """What a client without a connection does about limits of replies."""


def _no_hold(held: bool) -> None:
    """What keeps a client without a connection from sending."""


def _no_request() -> tuple[int, int]:
    """The request that a client without a connection has begun to send."""
    return 0, 0


def _no_conversation() -> Conversation | None:
    """How a client without a connection is spoken with in the middle of a command."""
    return None


class Conversation(Protocol):
    """Speaking with a client in the middle of a command, while nothing else happens in this process.

    :ivar descriptor: that of the socket.
    """

    descriptor: int

    def send(self, data: bytes) -> None:
        """Send ``data``, unless the client is gone."""

    def receive(self) -> bytes | None:
        """What arrives next: nothing if that is the end, None if it is quiet for some time."""

    def give_away(self) -> None:
        """The connection belongs to a child from now on."""


class Transaction:
    """The commands queued since MULTI.

    :ivar failed: a command could not be queued: EXEC will refuse.
    :ivar flags: the flags of all queued commands, or-ed.
    :ivar missing: the flags that at least one of them does not have.
    """

    __slots__ = ("failed", "flags", "missing", "queue")

    def __init__(self) -> None:
        self.queue: list[tuple[Any, list[bytes]]] = []
        self.failed = False
        self.flags = 0
        self.missing = 0

    @property
    def size(self) -> int:
        """The bytes of all queued arguments."""
        return sum(len(arg) for _, args in self.queue for arg in args)


class Client:
    """One client of a server: a connection, or a caller in this process.

    The protocol sets ``write`` (send encoded bytes), ``deliver`` (the same for pushed messages) and
    ``close``. The way a request takes is one attribute, :attr:`execute`: :meth:`choose_state` swaps it when
    the client logs in, queues or subscribes.

    A message that is pushed to a client while a command of its own runs (it publishes to a channel that it
    listens to) follows that command's reply. The protocol hands such a message to :meth:`keep`.

    :param address: the peer as ``ip:port`` (or a path and ``:0``), as CLIENT LIST shows it.
    :param local_address: our end of the connection.
    """

    __slots__ = (
        "__weakref__", "address", "asking", "authenticated", "can_block", "channels", "close", "closing", "converse",
        "created", "current", "db", "deliver", "dirty_watch", "execute", "fd", "hold", "id", "in_exec", "is_master",
        "kept",
        "last_command", "last_interaction", "lib_name", "lib_version", "local_address", "longest_reply", "monitoring",
        "name", "no_evict", "no_touch", "output_size", "owes_replies", "parked", "patterns", "protocol", "query_size",
        "replica", "reply_mode", "request_sizes", "restricted", "script_debugging", "server", "shard_channels",
        "total_commands", "total_input", "total_output", "tracking", "transaction", "unguarded", "user",
        "watch_limits", "watched", "write", "write_offset",
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
        #: Who the client is; after a change :meth:`choose_state` is to be called.
        self.user: User = server.access.default
        self.authenticated: bool = not server.access.password_required
        self.created: int = server.keyspace.now
        self.last_interaction: int = self.created
        #: The command that runs now, as received; and the full name of the last one.
        self.current: list[bytes] = []
        self.last_command = b"NULL"
        self.transaction: Transaction | None = None
        self.watched: dict[tuple[Database, bytes], bool] = {}
        self.dirty_watch = False
        #: Dicts for their order: name -> None.
        self.channels: dict[bytes, None] = {}
        self.patterns: dict[bytes, None] = {}
        self.shard_channels: dict[bytes, None] = {}
        #: Whether this is a RESP2 client with subscriptions, which may do little else.
        self.restricted = False
        #: Messages for this client that follow the reply of the command that runs now.
        self.kept: list[bytes] = []
        self.parked: Parked | None = None
        #: False inside EXEC and scripts: a blocking command answers at once.
        self.can_block = True
        self.in_exec = False
        self.reply_mode = REPLY_ON
        self.no_evict = False
        self.no_touch = False
        self.monitoring = False
        #: What CLIENT TRACKING has asked for.
        self.tracking: Tracking | None = None
        self.asking = False
        #: What is known of a client that replicates; and whether it is the one that applies our master's stream.
        self.replica: Replica | None = None
        self.is_master = False
        #: The offset of the replication stream after its last write (WAIT).
        self.write_offset = 0
        self.closing = False
        #: Whether EVAL begins a session of the debugger: bits of :mod:`twisted_resp.scripting.debugging`.
        self.script_debugging = 0
        self.total_commands = 0
        self.total_input = 0
        self.total_output = 0
        #: Asked for by CLIENT LIST: bytes of requests and of replies that wait here.
        self.query_size: Callable[[], int] = int
        self.output_size: Callable[[], int] = int
        #: Of a request that is not all there: bytes of the arguments so far, and bytes of a large value that are
        #: still to come.
        self.request_sizes: Callable[[], tuple[int, int]] = _no_request
        self.write: Callable[[bytes], None] = _no_write
        self.deliver: Callable[[bytes], None] = lambda data: self.write(data)
        self.close: Callable[[bool], None] = _no_close
        #: Whether replies to earlier commands have not been sent yet.
        self.owes_replies: Callable[[], bool] = bool
        #: How to speak with the client in the middle of a command, if there is a way.
        self.converse: Callable[[], Conversation | None] = _no_conversation
        #: Stop (True) reading from the connection for a while, or go on (False).
        self.hold: Callable[[bool], None] = _no_hold
        #: From how many bytes on a reply is not sent, but ends the connection.
        self.longest_reply: Callable[[], int] = _no_limit
        #: Called when that may have changed.
        self.watch_limits: Callable[[], None] = _nothing_to_watch
        self.execute: Execute = server.states.normal
        #: Where a request of a user who may not do everything goes after the check.
        self.unguarded: Execute = self.execute
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
        self.restricted = self.protocol == 2 and bool(self.channels or self.patterns or self.shard_channels)
        if self.kept:
            self.execute = states.delivering
        elif not self.authenticated:
            self.execute = states.unauthenticated
        else:
            if self.restricted:
                self.execute = states.subscribed
            elif self.transaction is not None:
                self.execute = states.queueing
            else:
                self.execute = states.normal
            if self.user.restricted:
                self.unguarded, self.execute = self.execute, states.guarded
        if self.tracking is not None and not self.kept:
            self.tracking.execute, self.execute = self.execute, states.tracking

    def push(self, message: Reply) -> None:
        """Send something that is not a reply: at once, or after the reply of the command that runs now."""
        self.deliver(encode(message, self.protocol))

    def push_at_once(self, message: Reply) -> None:
        """Send something that is not a reply, before the reply of the command that runs now."""
        self.write(encode(message, self.protocol))

    def keep(self, data: bytes) -> None:
        """Keep an encoded message back until the reply of the command that runs now is sent."""
        self.kept.append(data)
        if len(self.kept) == 1:
            self.choose_state()  # before the next command ...
            self.server.resume(self.deliver_kept)  # ... or after the batch

    def deliver_kept(self) -> None:
        """Send what was kept back."""
        if self.kept:
            kept, self.kept = self.kept, []
            self.choose_state()
            self.write(b"".join(kept))

    @property
    def runs_apart(self) -> bool:
        """Whether a command of this client runs outside of its batch just now."""
        return self.deliver == self.keep

    def run_apart(self, action: Callable[[], Reply]) -> Reply:
        """Run a command of this client outside of its batch: what is pushed meanwhile follows the reply."""
        deliver, self.deliver = self.deliver, self.keep
        table = self.server.tracking
        current, table.current = table.current, self if self.tracking is not None else None
        try:
            return action()
        finally:
            self.deliver = deliver
            table.current = current

    def wait_for(
        self,
        keys: list[bytes],
        timeout: float,
        retry: Callable[[], Reply],
        on_timeout: Reply = NULL_ARRAY,
        kind: type | None = None,
    ) -> Reply | Deferred[Reply]:
        """Park this client on keys: what a blocking command returns when there is nothing for it yet.

        :param timeout: seconds; 0 waits for ever.
        :param retry: called after each change of one of the keys; answers a reply, or ``NOT_READY``. It may
            raise CommandError.
        :param on_timeout: the reply when time is up, and at once where blocking is not allowed.
        :param kind: the type of value that can end the wait; None lets any change of a key call ``retry``.
        """
        if not self.can_block:
            return on_timeout
        return self.server.waiting.park(self, keys, timeout, retry, on_timeout, kind)

    # -- changes of state that several commands share

    def log_in(self, user: User) -> None:
        """The client has shown who it is."""
        self.user = user
        self.authenticated = True
        self.choose_state()

    def discard_transaction(self) -> None:
        """Leave MULTI, and forget what is watched."""
        self.transaction = None
        self.server.watching.unwatch(self)
        self.choose_state()

    def reset(self) -> None:
        """Go back to the state of a new connection (RESET), but for what the library says of itself."""
        server = self.server
        if self.monitoring:
            server.monitors.remove(self)
        self.db = server.keyspace.databases[0]
        self.protocol = 2
        self.user = server.access.default
        self.authenticated = not server.access.password_required
        server.channels.forget(self)
        server.tracking.disable(self)
        self.name = b""
        self.asking = False
        self.no_touch = False
        self.no_evict = False
        if self.reply_mode == REPLY_OFF:
            self.reply_mode = REPLY_ON
        self.discard_transaction()

    # -- the end

    def kill(self) -> None:
        """End the connection from outside: nobody hears of this client again."""
        # What was sent to a client that reads arrives; one that does not read is not waited for.
        self.close(not self.output_size())
        self.disconnected()

    def disconnected(self) -> None:
        """The connection is gone: forget what was registered for it."""
        self.closing = True
        self.server.forget(self)
        # The connection knows its client. If that knew the connection too, both would wait for the garbage collector.
        self.write = self.deliver = _no_write
        self.close = _no_close
        self.hold = _no_hold
        self.longest_reply = _no_limit
        self.watch_limits = _nothing_to_watch
        self.query_size = self.output_size = int
        self.owes_replies = bool
        self.converse = _no_conversation
        self.request_sizes = _no_request
