"""How replies and pushes leave a connection.

Two ways, chosen once a connection. Over plain TCP and unix sockets :class:`DirectOutput` sends at once, which spares
the two ``epoll_ctl`` calls and the turn of the reactor that ``transport.write`` costs; what the socket does not take is
kept here, and the transport pulls it piece by piece. Over anything else (TLS, test transports) :class:`PlainOutput`
writes to the transport, and keeps what comes while the transport is full. Either way at most a piece waits in the
transport itself, so :attr:`Output.size` is what a slow reader owes us; limits and back-pressure go by it.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import Any, Callable

from twisted.internet.interfaces import IPullProducer, IPushProducer
from twisted.internet.tcp import Connection
from zope.interface import implementer

__all__ = ["DirectOutput", "Output", "PlainOutput", "output_for"]

# The piece a transport is given at a time.
_PIECE = 128 * 1024
# What a socket says that takes nothing now.
_FULL = frozenset((errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS))


def _nobody() -> None:
    """Who hears that everything is sent, where nobody asked."""


class Output:
    """The end of a connection that we write to.

    :ivar size: bytes that wait here for the peer to read.
    :ivar drained: called when ``size`` has come down to 0.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._pending: deque[bytes | memoryview] = deque()
        self._closing = False
        self.size = 0
        self.drained: Callable[[], None] = _nobody

    def write(self, data: bytes) -> None:
        """Send ``data``, now or as soon as the peer takes it."""
        raise NotImplementedError

    def write_pieces(self, pieces: list[bytes]) -> None:
        """Send large data as they are, without joining (which would copy) them."""
        small: list[bytes] = []
        for piece in pieces:
            if len(piece) < _PIECE:
                small.append(piece)
                continue
            if small:
                self.write(b"".join(small))
                small = []
            self.write(piece)
        if small:
            self.write(b"".join(small))

    def close(self) -> None:
        """Disconnect once everything is sent."""
        raise NotImplementedError

    def abort(self) -> None:
        """Disconnect now."""
        self.lost()
        self._transport.abortConnection()

    def lost(self) -> None:
        """The connection is gone: drop what waits, and call nobody any more."""
        self._pending.clear()
        self.size = 0
        self.drained = _nobody

    def _keep(self, data: bytes | memoryview) -> None:
        self._pending.append(data)
        self.size += len(data)

    def _take(self) -> bytes:
        """The next piece of what waits."""
        taken: list[bytes | memoryview] = []
        room = _PIECE
        while self._pending and room:
            data = self._pending.popleft()
            if len(data) > room:
                view = memoryview(data)
                self._pending.appendleft(view[room:])
                data = view[:room]
            taken.append(data)
            room -= len(data)
        self.size -= _PIECE - room
        return b"".join(taken)


@implementer(IPullProducer)
class DirectOutput(Output):
    """Sends on the socket itself while nothing waits; registered as a pull producer while something does."""

    def __init__(self, transport: Any) -> None:
        super().__init__(transport)
        self._send: Callable[[bytes], int] = transport.getHandle().send
        self._pulled = False  # whether the transport has something of ours to send

    def write(self, data: bytes) -> None:
        """See :meth:`Output.write`."""
        if self._pulled:
            self._keep(data)
            return
        try:
            sent = self._send(data)
        except OSError as error:
            if error.errno not in _FULL:
                # The connection is lost. The reactor would find out when it next reads; this is sooner.
                self.abort()
                return
            sent = 0
        if sent != len(data):
            self._keep(memoryview(data)[sent:])
            self._pulled = True
            self._transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        """The transport has sent what it had: give it the next piece."""
        if self._pending:
            self._transport.write(self._take())
            return
        self._pulled = False
        self._transport.unregisterProducer()
        if self._closing:
            self._transport.loseConnection()
        else:
            self.drained()

    def stopProducing(self) -> None:
        """The connection is lost."""
        self.lost()

    def close(self) -> None:
        """See :meth:`Output.close`."""
        self._closing = True
        if not self._pulled:
            self._transport.loseConnection()


@implementer(IPushProducer)
class PlainOutput(Output):
    """Writes to a transport that buffers on its own, until it asks to pause."""

    def __init__(self, transport: Any) -> None:
        super().__init__(transport)
        self._paused = False
        transport.registerProducer(self, True)

    def write(self, data: bytes) -> None:
        """See :meth:`Output.write`."""
        if self._paused or len(data) > _PIECE:
            self._keep(data)
            if not self._paused:
                self.resumeProducing()
        else:
            self._transport.write(data)

    def pauseProducing(self) -> None:
        """The transport has enough."""
        self._paused = True

    def resumeProducing(self) -> None:
        """The transport has room again."""
        self._paused = False
        waited = bool(self._pending)
        while self._pending and not self._paused:
            self._transport.write(self._take())
        if not self._pending:
            if self._closing:
                self._finish()
            elif waited:
                self.drained()

    def stopProducing(self) -> None:
        """The connection is lost."""
        self.lost()

    def close(self) -> None:
        """See :meth:`Output.close`."""
        if self._closing:
            return
        self._closing = True
        if not self._pending:
            self._finish()

    def _finish(self) -> None:
        # A transport waits for its producer before it disconnects.
        self._transport.unregisterProducer()
        self._transport.loseConnection()


def output_for(transport: Any) -> Output:
    """The right output for a transport."""
    # Not `hasattr(transport, "writeSomeData")`: wrappers such as TLS pass attributes through.
    if isinstance(transport, Connection) and not transport.TLS:
        return DirectOutput(transport)
    return PlainOutput(transport)
