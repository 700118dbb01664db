"""Servers that follow each other, without a network: a test moves their clock and carries their bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import ILogObserver, LogLevel, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import provider

from tests import wire
from twisted_resp import RespFactory
from twisted_resp.errors import CommandError

START = 1_700_000_000


class Peer(wire.Wire):
    """A connection to a node over which a test says what it likes."""

    def __init__(self, node: Node, port: int = 50000) -> None:
        super().__init__(node.factory, port)

    def commands(self) -> list[str]:
        """The commands that have come, each a line of words."""
        lines = self.received().split(b"\r\n")[:-1]
        found = []
        while lines:
            count = int(lines.pop(0)[1:])
            found.append(" ".join(lines[1 : 2 * count : 2][each].decode() for each in range(count)))
            del lines[: 2 * count]
        return found

    def follow(self, *before: str) -> None:
        """Become a replica with all data, as one that says SYNC."""
        self.send(*before, "SYNC")


class Node:
    """A server; its reactor knows no network, but what it tries to connect to."""

    def __init__(self) -> None:
        self.reactor = MemoryReactorClock()
        self.reactor.advance(START)
        self.factory = RespFactory(clock=cast(Any, self.reactor), random_seed=1)
        self.server = self.factory.server
        self._follower = self.factory.client()
        self._links: list[tuple[Any, Any, Any, Any]] = []

    def call(self, *args: object) -> Any:
        """Run a command and return its reply as plain Python; raises CommandError."""
        results: list[Any] = []
        errors: list[Any] = []
        self._follower.call(*args).addCallbacks(results.append, errors.append)
        if errors:
            errors[0].raiseException()
        assert results, f"{args[0]!r} blocks"
        return results[0]

    def error(self, *args: object) -> bytes:
        """Run a command that must fail and return the error."""
        with pytest.raises(CommandError) as raised:
            self.call(*args)
        return raised.value.message

    def info(self, section: str = "replication") -> dict[str, str]:
        """A section of INFO."""
        lines = self.call("INFO", section).decode().splitlines()[1:]
        return dict(line.split(":", 1) for line in lines if ":" in line)

    @property
    def attempts(self) -> list[tuple[str, int]]:
        """Where it has tried to connect to so far."""
        return [(client[0], client[1]) for client in self.reactor.tcpClients]

    def refuse(self) -> None:
        """Its last attempt to connect fails."""
        client = self.reactor.tcpClients[-1]
        connector = self.reactor.connectors[-1]
        client[2].clientConnectionFailed(connector, Failure(ConnectionRefusedError()))


class Wire:
    """A connection from a replica to its master, whatever that is.

    :param replica: has tried to connect.
    """

    def __init__(self, replica: Node, port: int = 40000) -> None:
        self.replica = replica
        self._connector = replica.reactor.connectors[-1]
        factory: Any = replica.reactor.tcpClients[-1][2]
        self.protocol = factory.buildProtocol(None)
        self.transport = StringTransport(
            IPv4Address("TCP", "127.0.0.1", port), IPv4Address("TCP", "127.0.0.1", 6379)
        )
        self._connector.disconnect = self.transport.loseConnection
        self.protocol.makeConnection(self.transport)

    def said(self) -> bytes:
        """What the replica has said since this was last asked for."""
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    def hear(self, data: bytes) -> None:
        """Say something to the replica."""
        self.protocol.dataReceived(data)

    def lose(self) -> None:
        """The connection breaks."""
        self.protocol.connectionLost(Failure(ConnectionDone()))


class Tie(Wire):
    """A connection from a replica to a master that is a node as well."""

    def __init__(self, replica: Node, master: Node, port: int = 40000) -> None:
        super().__init__(replica, port)
        self.peer = Peer(master, port)
        self.carry()

    def carry(self) -> None:
        """Carry to and fro until both have nothing more to say."""
        while True:
            there, back = self.said(), self.peer.received()
            if there:
                self.peer.protocol.dataReceived(there)
            if back:
                self.hear(back)
            if not there and not back:
                return

    def lose(self) -> None:
        """The connection breaks, at both ends."""
        super().lose()
        self.peer.lose()


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def other() -> Node:
    return Node()


@pytest.fixture
def third() -> Node:
    return Node()


@pytest.fixture
def connect(node: Node) -> Callable[[], Peer]:
    """Opens connections to the node."""
    return lambda: Peer(node)


@pytest.fixture(scope="session")
def wire_class() -> type[Wire]:
    return Wire


@pytest.fixture(scope="session")
def tie_class() -> type[Tie]:
    return Tie


@pytest.fixture
def logged_errors() -> Iterator[list[str]]:
    """The errors that are logged during the test."""
    seen: list[str] = []

    @provider(ILogObserver)
    def observe(event: dict[str, Any]) -> None:
        if event["log_level"] is LogLevel.error:
            seen.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield seen
    globalLogPublisher.removeObserver(observe)
