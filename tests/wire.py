"""Requests as bytes, and connections to a server within the test: all of the wire but the network."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from twisted_resp.server.client import Client

__all__ = ["Wire", "request", "requests"]


def request(*words: bytes) -> bytes:
    """A request as clients send it."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def requests(*lines: str | bytes) -> bytes:
    """Many requests, each a line of words."""
    return b"".join(request(*(line if isinstance(line, bytes) else line.encode()).split()) for line in lines)


class Wire:
    """A connection to a factory.

    :param port: the client's, and ``peer`` its address.
    :ivar protocol: the server's side of it.
    :ivar client: what the server remembers of it (None if it was refused).
    :ivar reset: whether the server has ended it by a reset.
    """

    def __init__(self, factory: Any, port: int = 50000, peer: str = "127.0.0.1") -> None:
        address = IPv4Address("TCP", peer, port)
        self.transport = StringTransport(IPv4Address("TCP", "127.0.0.1", 6379), address)
        # Not loseConnection's flag: a reset is told apart.
        self.reset = False
        self.transport.abortConnection = self._abort  # type: ignore[method-assign]
        self.protocol = cast(Any, factory.buildProtocol(address))
        self.protocol.makeConnection(self.transport)
        client: Any = getattr(self.protocol, "client", None)
        self.client: Client = client

    def send(self, *lines: str | bytes) -> bytes:
        """Send requests, each a line of words, in one go; return what has come back by then."""
        return self.send_raw(requests(*lines))

    def send_raw(self, data: bytes) -> bytes:
        """Send bytes as they are, a part of a request perhaps; return what has come back by then."""
        self.protocol.dataReceived(data)
        return self.received()

    def received(self) -> bytes:
        """What has come since this was last asked for."""
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    @property
    def closed(self) -> bool:
        """Whether the server has ended the connection."""
        return bool(self.transport.disconnecting)

    def lose(self) -> None:
        """The connection breaks."""
        self.protocol.connectionLost(Failure(ConnectionDone()))

    def _abort(self) -> None:
        self.reset = True
        self.transport.disconnecting = True
        self.lose()
