"""Reading from many connections in one go, over real sockets and a reactor that only takes notes."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from twisted_resp.output import Turn
from twisted_resp.polling import Poller
from twisted_resp.server.statistics import Turns

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="there is no epoll here")


class Reactor(Clock):
    """Knows who reads and who writes."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[Any] = []
        self.writers: list[Any] = []

    def addReader(self, reader: Any) -> None:  # noqa: N802
        if reader not in self.readers:
            self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:  # noqa: N802
        if reader in self.readers:
            self.readers.remove(reader)

    def addWriter(self, writer: Any) -> None:  # noqa: N802
        self.writers.append(writer)

    def removeWriter(self, writer: Any) -> None:  # noqa: N802
        pass


class Peer(Protocol):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.lost = False
        self.on_data: Any = None
        self.expected_size = 0

    def dataReceived(self, data: bytes) -> None:
        self.received.append(data)
        if self.on_data is not None:
            self.on_data()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = True


class House:
    """A poller, and connections that it reads."""

    def __init__(self) -> None:
        self.reactor: Any = Reactor()
        self.turn = Turn()
        self.turns = Turns()
        self.poller = Poller(self.turn, self.turns)
        self.ends: list[socket.socket] = []
        self.peers: list[Peer] = []
        self.transports: list[Any] = []

    def connect(self) -> tuple[socket.socket, Peer, Any]:
        near, far = socket.socketpair()
        peer = Peer()
        transport = Connection(near, peer, self.reactor)
        transport.connected = 1
        transport.startReading()
        peer.transport = transport
        self.poller.adopt(transport)
        self.ends += [near, far]
        return far, peer, transport


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    for end in house.ends:
        end.close()


def test_all_that_is_there_is_read_at_once(house: House) -> None:
    (one, first, _), (other, second, _), (_, third, _) = house.connect(), house.connect(), house.connect()
    assert house.reactor.readers == [house.poller]
    one.send(b"1")
    other.send(b"2")
    house.poller.doRead()
    assert (first.received, second.received, third.received) == ([b"1"], [b"2"], [])
    house.poller.doRead()
    assert first.received == [b"1"]


def test_a_large_argument_is_read_on(house: House) -> None:
    far, peer, _ = house.connect()
    far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 300_000)
    sizes: list[int] = []
    peer.on_data = lambda: sizes.append(len(peer.received[-1]))
    far.setblocking(False)
    assert far.send(b"x" * 150_000) == 150_000
    peer.expected_size = 70_000
    house.poller.doRead()
    assert sizes == [65536, 70_000]
    peer.expected_size = 0
    far.send(b"x" * 100_000)
    house.poller.doRead()
    assert sizes == [65536, 70_000, 65536]
    peer.expected_size = 10**6
    house.poller.doRead()  # not a full piece any more: there is nothing to go on with
    assert sum(sizes) == 250_000
    assert len(sizes) == 4


def test_turns_are_counted(house: House) -> None:
    far, peer, _ = house.connect()
    seen: list[tuple[int, float]] = []
    peer.on_data = lambda: seen.append((house.turns.count, house.turns.seconds))
    for _ in range(2):
        far.send(b"1")
        house.poller.doRead()
    (none, no_time), (one, some_time) = seen
    assert (none, one, house.turns.count) == (0, 1, 2)
    assert no_time == 0 < some_time < house.turns.seconds
    house.turns.reset()
    assert (house.turns.count, house.turns.seconds) == (0, 0)


def test_the_reactor_sees_that_something_is_there(house: House) -> None:
    far, _, _ = house.connect()
    assert select.select([house.poller], [], [], 0)[0] == []
    far.send(b"1")
    assert select.select([house.poller], [], [], 0)[0] == [house.poller]


def test_what_they_say_leaves_when_all_are_read(house: House) -> None:
    class Noting(Turn):
        def send(self) -> None:
            turns.append(self.open)

    turns: list[bool] = []
    turn = Noting()
    house.poller = Poller(turn, house.turns)
    far, peer, _ = house.connect()
    peer.on_data = lambda: turns.append(turn.open)
    far.send(b"1")
    house.poller.doRead()
    assert turns == [True, False]


def test_a_paused_connection_is_not_read(house: House) -> None:
    far, peer, transport = house.connect()
    transport.pauseProducing()
    assert house.reactor.readers == []
    far.send(b"1")
    house.connect()
    house.poller.doRead()
    assert peer.received == []
    transport.resumeProducing()
    house.poller.doRead()
    assert peer.received == [b"1"]


def test_one_that_is_paused_by_another_meanwhile(house: House) -> None:
    (one, first, here), (other, second, there) = house.connect(), house.connect()
    first.on_data = there.pauseProducing
    second.on_data = here.pauseProducing
    one.send(b"1")
    other.send(b"2")
    house.poller.doRead()
    assert len(first.received) + len(second.received) == 1


def test_the_end_of_a_stream_is_for_the_reactor(house: House) -> None:
    far, peer, transport = house.connect()
    far.send(b"last")
    far.close()
    house.poller.doRead()
    house.poller.doRead()
    assert peer.received == [b"last"]
    assert house.reactor.readers == [transport]
    assert transport.doRead() is CONNECTION_DONE
    transport.connectionLost(connectionDone)
    assert peer.lost
    assert house.reactor.readers == []


def test_a_closed_connection_is_forgotten(house: House) -> None:
    _, peer, transport = house.connect()
    transport.connectionLost(connectionDone)
    assert peer.lost
    assert house.reactor.readers == []
    house.poller.release(transport)
    assert not {"startReading", "stopReading"} & set(vars(transport))


def test_a_protocol_that_fails_loses_its_connection_only(house: House, logged_failures: list[Any]) -> None:
    (one, first, _), (other, second, _) = house.connect(), house.connect()
    first.on_data = lambda: 1 // 0
    one.send(b"1")
    other.send(b"2")
    house.poller.doRead()
    assert first.lost
    assert second.received == [b"2"]
    assert not second.lost
    assert len(logged_failures) == 1
    logged_failures.clear()


def test_all_connections_end_with_the_reactor(house: House) -> None:
    peers = [house.connect()[1] for _ in range(3)]
    house.poller.connectionLost(connectionDone)
    assert [peer.lost for peer in peers] == [True] * 3
    assert house.reactor.readers == []


def test_other_transports_stay_where_they_are(house: House) -> None:
    house.poller.adopt(StringTransport())
    assert house.reactor.readers == []
    _, _, transport = house.connect()
    other_reactor: Any = Reactor()
    near, far = socket.socketpair()
    house.ends += [near, far]
    foreign = Connection(near, Peer(), other_reactor)
    foreign.startReading()
    house.poller.adopt(foreign)
    assert other_reactor.readers == [foreign]
    house.poller.release(foreign)
    house.poller.release(transport)
    assert other_reactor.readers == [foreign]
