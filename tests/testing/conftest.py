"""A controlled factory under a task.Clock, and connections to it without a network."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, cast

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from twisted_resp.testing.factory import ControlledFactory

START = 1_700_000_000


class Wire:
    """A connection to a factory, but for the network.

    :ivar refused: whether it was closed before it could say anything.
    """

    def __init__(self, factory: ControlledFactory, port: int) -> None:
        address = IPv4Address("TCP", "127.0.0.1", port)
        self.transport = StringTransport(IPv4Address("TCP", "127.0.0.1", 6379), address)
        # Not loseConnection's flag: a reset is told apart.
        self.reset = False
        self.transport.abortConnection = self._abort  # type: ignore[method-assign]
        self._protocol = cast(Any, factory.buildProtocol(address))
        self._protocol.makeConnection(self.transport)
        self.client: Any = getattr(self._protocol, "client", None)

    def send(self, *requests: str) -> bytes:
        """Send requests, each a line of words, in one go; return what has come back by then."""
        data = b""
        for request in requests:
            words = request.encode().split()
            data += b"*%d\r\n" % len(words)
            data += b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
        return self.send_raw(data)

    def send_raw(self, data: bytes) -> bytes:
        """Send bytes as they are; return what has come back by then."""
        self._protocol.dataReceived(data)
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
        self._protocol.connectionLost()

    def _abort(self) -> None:
        self.reset = True
        self.transport.disconnecting = True
        self.lose()


@pytest.fixture
def reactor() -> Clock:
    """The time, which stands still until a test advances it."""
    clock = Clock()
    clock.advance(START)
    return clock


@pytest.fixture
def factory(reactor: Clock) -> ControlledFactory:
    return ControlledFactory(reactor)


@pytest.fixture
def connect(factory: ControlledFactory) -> Callable[[], Wire]:
    """Opens connections, from ports 50000, 50001, ..."""
    ports = count(50000)
    return lambda: Wire(factory, next(ports))


@pytest.fixture
def wire(connect: Callable[[], Wire]) -> Wire:
    """A connection."""
    return connect()


@pytest.fixture(scope="session")
def wire_class() -> type[Wire]:
    """For tests with factories of their own."""
    return Wire
