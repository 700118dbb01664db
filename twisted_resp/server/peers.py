"""Connections of ours to other servers, which MIGRATE sends keys to.

A connection is kept for a while after it was used, for the next key often goes the same way. What is asked over it has
answers of one line each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IAddress, IConnector, IDelayedCall
from twisted.internet.protocol import ClientFactory, connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from twisted_resp.server.encoding import encode_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted_resp.server.server import Server

__all__ = ["LostError", "Peer", "Peers", "TooLateError"]

_MOST: Final = 64
# Seconds after which a connection that is not used is closed.
_KEPT: Final = 10


class LostError(Exception):
    """The connection ended before all answers were there.

    :ivar lines: those that were.
    """

    def __init__(self, lines: list[bytes]) -> None:
        super().__init__()
        self.lines = lines


class TooLateError(LostError):
    """The answers did not come in time."""


class Peer(LineReceiver):
    """One connection.

    :ivar database: the database that is selected at the other end, as far as we know.
    """

    delimiter = b"\r\n"
    MAX_LENGTH = 64 * 1024

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._lines: list[bytes] = []
        self._wanted = 0
        self._timeout = 0.0
        self._answers: Deferred[list[bytes]] | None = None
        self._call: IDelayedCall | None = None
        self.database: int | None = None
        self.lost = False

    def ask(self, commands: Sequence[Sequence[bytes]], timeout: float) -> Deferred[list[bytes]]:
        """Send commands; answers the lines that come back.

        :param timeout: seconds for the first answer, and again for each that follows.
        :raises LostError: (in the Deferred) where some did not come.
        """
        self._lines, self._wanted, self._timeout = [], len(commands), timeout
        answers = self._answers = Deferred()
        transport: Any = self.transport
        transport.writeSequence([encode_command(command) for command in commands])
        self._call = self._clock.callLater(timeout, self._too_late)
        return answers

    def lineReceived(self, line: bytes) -> None:
        """An answer."""
        if self._answers is None:
            return
        self._lines.append(line)
        if self._call is not None:
            self._call.reset(self._timeout)
        if len(self._lines) == self._wanted:
            self._stop_waiting().callback(self._lines)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """There will be no more answers."""
        self.lost = True
        if self._answers is not None:
            self._stop_waiting().errback(LostError(self._lines))

    def _too_late(self) -> None:
        self._call = None
        self._stop_waiting().errback(TooLateError(self._lines))

    def _stop_waiting(self) -> Deferred[list[bytes]]:
        answers, self._answers = self._answers, None
        assert answers is not None
        if self._call is not None:
            self._call.cancel()
            self._call = None
        return answers

    def close(self) -> None:
        """End the connection."""
        transport: Any = self.transport
        transport.loseConnection()


class _Factory(ClientFactory):
    noisy = False

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self.made: Deferred[Peer] = Deferred()

    def buildProtocol(self, addr: IAddress | None) -> Peer:
        peer = Peer(self._clock)
        made = self.made
        # Not before it is connected.
        peer.connectionMade = lambda: made.callback(peer)  # type: ignore[method-assign]
        return peer

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        self.made.errback(reason)


class Peers:
    """The connections of one server that are kept for the next use."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._kept: dict[tuple[bytes, int], tuple[Peer, IDelayedCall]] = {}

    def __len__(self) -> int:
        """How many connections are kept (INFO's migrate_cached_sockets)."""
        return len(self._kept)

    def take(self, host: bytes, port: int) -> Peer | None:
        """A connection that was kept, for one use; None where there is none."""
        kept = self._kept.pop((host, port), None)
        if kept is None:
            return None
        kept[1].cancel()
        return None if kept[0].lost else kept[0]

    def connect(self, host: bytes, port: int, timeout: float) -> Deferred[Peer]:
        """Make a connection.

        :param timeout: in seconds.
        :raises ConnectError: (in the Deferred) and kin, where that fails.
        """
        clock: Any = self._server.clock
        # A clock that tests move has no network, nor has this server then.
        connect = getattr(clock, "connectTCP", None)
        if connect is None:
            return fail(ConnectError())
        factory = _Factory(clock)
        connect(host.decode("latin-1"), port, factory, timeout=timeout)
        return factory.made

    def keep(self, host: bytes, port: int, peer: Peer) -> None:
        """Keep a connection for the next use."""
        if peer.lost:
            return
        if len(self._kept) >= _MOST:
            self._drop(next(iter(self._kept)))
        where = (host, port)
        if where in self._kept:
            self._drop(where)
        self._kept[where] = peer, self._server.clock.callLater(_KEPT, self._drop, where)

    def close(self) -> None:
        """End all connections."""
        for where in list(self._kept):
            self._drop(where)

    def _drop(self, where: tuple[bytes, int]) -> None:
        peer, call = self._kept.pop(where)
        if call.active():
            call.cancel()
        peer.close()
