"""The stream of a master, applied by a replica.

It goes through a :class:`Client` of its own, which the dispatcher lets do everything. What was applied counts as our
own place in the master's history, and is passed on to replicas of ours. A pause (CLIENT PAUSE) holds it back like what
clients send: it is read, but waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from twisted_resp.commands.dispatch import concerned_by_pause, find
from twisted_resp.errors import CommandError
from twisted_resp.resp import RequestDecoder
from twisted_resp.server.client import Client
from twisted_resp.server.encoding import encode_command
from twisted_resp.server.replication import Master
from twisted_resp.server.server import PAUSED

if TYPE_CHECKING:
    from twisted_resp.replication.feed import Feed

__all__ = ["MasterStream", "text_of"]

_log = Logger()


class MasterStream:
    """What one connection to a master brings after the snapshot.

    :param feed: our own stream, which goes on with it.
    :param descriptor: that of the connection, for CLIENT LIST.
    :param database: the one that is selected.
    :param drop: ends the connection.
    :param spoil: ends it because what comes makes no sense.
    """

    def __init__(
        self,
        feed: Feed,
        master: Master,
        descriptor: int,
        database: int,
        drop: Callable[[], None],
        spoil: Callable[[], None],
    ) -> None:
        self._feed = feed
        self._master = master
        self._server = server = feed.server
        self._spoil = spoil
        self._decoder = RequestDecoder()
        self._requests: deque[list[bytes]] = deque()  # not applied yet
        self._held: list[bytes] = []  # of a transaction that is not all there
        self._gate: Deferred[None] | None = None  # fires at the end of the pause that holds it back
        client = Client(server, b"%b:%d" % (master.host, master.port), fd=descriptor)
        self._client: Client | None = client
        client.is_master = True
        client.can_block = False
        client.db = server.keyspace.databases[database]
        client.log_in(server.access.superuser)
        client.close = lambda when_flushed: drop()
        server.clients[client.id] = client
        master.client = client
        master.state = b"connected"
        master.down_since = 0
        master.unapplied = 0

    def end(self) -> None:
        """Apply no more; of what was applied we keep where we are."""
        client, self._client = self._client, None
        self._requests.clear()
        self._master.unapplied = 0
        if client is not None:
            self._feed.master_database = client.db.index
            self._master.client = None
            client.discard_transaction()
            client.disconnected()

    def receive(self, data: bytes) -> None:
        """Take in what the master sends."""
        if self._client is None:
            return
        self._client.total_input += len(data)
        self._client.last_interaction = self._server.keyspace.now
        self._requests += self._decoder.feed(data)
        if self._gate is None:
            self._apply()
        else:
            self._note_unapplied()
        if self._decoder.error is not None or self._decoder.inline:
            _log.error("The master's stream can't be understood.")
            self._spoil()

    def _apply(self) -> None:
        server, keyspace, requests = self._server, self._server.keyspace, self._requests
        keyspace.sees_expired = True
        try:
            while requests and self._client is not None:
                client, args = self._client, requests[0]
                if server.attention & PAUSED and self._is_held_back(client, args):
                    break
                requests.popleft()
                reply = client.execute(client, args)
                if isinstance(reply, CommandError):
                    # We differ from the master now, or did before.
                    _log.error(
                        "== CRITICAL == This replica is sending an error to its master: '-{error}' after "
                        "processing the command '{command}'",
                        command=text_of(client.last_command),
                        error=text_of(reply.message),
                    )
                if self._client is None:
                    return  # REPLICAOF NO ONE does not come this way, but SHUTDOWN could
                self._held.append(encode_command(args))
                # Who goes on from within a transaction must get all of it.
                if client.transaction is None:
                    self._feed.pass_on(b"".join(self._held))
                    self._held.clear()
        finally:
            keyspace.sees_expired = False
        self._note_unapplied()
        server.end_batch()

    def _is_held_back(self, client: Client, args: list[bytes]) -> bool:
        entry = find(self._server, args)
        if isinstance(entry, CommandError) or not concerned_by_pause(client, entry, args):
            return False
        gate: Deferred[None] = Deferred()
        self._gate = gate
        self._server.postponed[gate] = client
        gate.addCallback(self._go_on)
        return True

    def _go_on(self, _: None) -> None:
        self._gate = None
        if self._client is not None:
            self._server.keyspace.tick()
            self._apply()

    def _note_unapplied(self) -> None:
        self._master.unapplied = (
            sum(len(encode_command(args)) for args in self._requests) if self._requests else 0
        )


def text_of(data: bytes) -> str:
    """What a master or we have said, for the log."""
    return data.decode("utf-8", "backslashreplace")
