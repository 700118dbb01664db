"""Both ways out, over transports that take little, nothing, or are gone."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection
from twisted.internet.testing import StringTransport

from twisted_resp.output import DirectOutput, PlainOutput, Turn, output_for

PIECE = 128 * 1024


class Socket:
    """The sending half of a non-blocking socket with little room."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken = bytearray()
        self.error: OSError | None = None

    def send(self, data: bytes) -> int:
        if self.error is not None:
            raise self.error
        if not self.room:
            raise BlockingIOError(errno.EAGAIN, "full")
        taken = min(self.room, len(data))
        self.taken += data[:taken]
        self.room -= taken
        return taken


class Transport:
    """What `DirectOutput` uses of a TCP transport; `turn` is one turn of its reactor."""

    def __init__(self, room: int = 0) -> None:
        self.socket = Socket(room)
        self.reactor: Any = None
        self.producer: Any = None
        self.buffer = b""
        self.disconnecting = False
        self.disconnected = False
        self.aborted = False

    def getHandle(self) -> Socket:
        return self.socket

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert self.producer is None
        assert not streaming
        self.producer = producer
        producer.resumeProducing()

    def unregisterProducer(self) -> None:
        self.producer = None

    def write(self, data: bytes) -> None:
        self.buffer += data

    def loseConnection(self) -> None:
        self.disconnecting = True

    def abortConnection(self) -> None:
        self.aborted = True

    def turn(self, room: int) -> None:
        """The socket takes so many bytes more; the transport sends and asks its producer, as Twisted's does."""
        self.socket.room = room
        while self.buffer and self.socket.room:
            self.buffer = self.buffer[self.socket.send(self.buffer) :]
            if not self.buffer and self.producer is not None:
                self.producer.resumeProducing()
        if not self.buffer and self.producer is None and self.disconnecting:
            self.disconnected = True


class TestDirect:
    def test_what_the_socket_takes_never_sees_the_transport(self) -> None:
        transport = Transport(room=100)
        output = DirectOutput(transport)
        output.write(b"one ")
        output.write(b"two")
        assert transport.socket.taken == b"one two"
        assert (output.size, transport.buffer, transport.producer) == (0, b"", None)

    def test_the_rest_of_a_part_goes_through_the_transport(self) -> None:
        transport = Transport(room=4)
        output = DirectOutput(transport)
        output.write(b"0123456789")
        assert transport.socket.taken == b"0123"
        assert transport.buffer == b"456789"
        output.write(b"more")  # keeps its place, though there may be room by now
        assert output.size == 4
        transport.turn(100)
        assert transport.socket.taken == b"0123456789more"
        assert transport.producer is None
        output.write(b"!")
        assert transport.socket.taken.endswith(b"more!")

    @pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOBUFS])
    def test_a_full_socket_is_no_error(self, number: int) -> None:
        transport = Transport()
        transport.socket.error = OSError(number, "full")
        output = DirectOutput(transport)
        output.write(b"later")
        assert not transport.aborted
        transport.socket.error = None
        transport.turn(100)
        assert transport.socket.taken == b"later"

    def test_drained_is_called_when_all_is_sent_and_not_before(self) -> None:
        transport = Transport()
        output = DirectOutput(transport)
        calls: list[int] = []
        output.drained = lambda: calls.append(len(transport.socket.taken))
        output.write(b"x" * 10)
        output.write(b"y" * (3 * PIECE))
        while output.size:
            assert calls == []
            transport.turn(PIECE)
        transport.turn(PIECE)
        assert calls == [10 + 3 * PIECE]

    def test_at_most_a_piece_waits_in_the_transport(self) -> None:
        transport = Transport()
        output = DirectOutput(transport)
        output.write(b"x" * (5 * PIECE + 1))
        assert len(transport.buffer) == PIECE
        assert output.size == 4 * PIECE + 1

    @given(
        st.lists(st.integers(0, 3 * PIECE), max_size=6),
        st.lists(st.integers(1, 2 * PIECE), min_size=1, max_size=20),
        st.booleans(),
    )
    def test_nothing_is_lost_or_changes_places(
        self, sizes: list[int], rooms: list[int], pieces: bool
    ) -> None:
        transport = Transport(room=rooms[0])
        output = DirectOutput(transport)
        all_data = [bytes([number]) * size for number, size in enumerate(sizes)]
        if pieces:
            output.write_pieces(all_data)
        for data in () if pieces else all_data:
            output.write(data)
        while output.size or transport.buffer:
            for room in [*rooms, PIECE]:  # else a socket that takes a byte at a time would take long
                transport.turn(room)
        assert transport.socket.taken == b"".join(all_data)
        assert output.size == 0

    def test_closing_waits_for_what_is_pending(self) -> None:
        transport = Transport()
        output = DirectOutput(transport)
        output.write(b"x" * (2 * PIECE))
        output.close()
        output.close()
        transport.turn(PIECE)
        assert not transport.disconnecting
        transport.turn(2 * PIECE)
        transport.turn(0)
        assert transport.disconnected
        assert len(transport.socket.taken) == 2 * PIECE

    def test_closing_with_nothing_pending_is_done_at_once(self) -> None:
        transport = Transport(room=10)
        output = DirectOutput(transport)
        output.write(b"bye")
        output.close()
        assert transport.disconnecting

    def test_aborting_drops_what_is_pending(self) -> None:
        transport = Transport()
        output = DirectOutput(transport)
        output.drained = pytest.fail
        output.write(b"x" * (2 * PIECE))
        output.abort()
        assert transport.aborted
        assert output.size == 0
        transport.turn(PIECE)

    def test_a_lost_connection_is_aborted(self) -> None:
        transport = Transport(room=100)
        output = DirectOutput(transport)
        transport.socket.error = BrokenPipeError(errno.EPIPE, "gone")
        output.write(b"x")
        assert transport.aborted
        assert (output.size, transport.producer) == (0, None)

    def test_the_transport_says_that_the_connection_is_lost(self) -> None:
        transport = Transport()
        output = DirectOutput(transport)
        output.write(b"x" * (2 * PIECE))
        transport.producer.stopProducing()
        assert output.size == 0


@pytest.fixture
def plain_transport() -> Any:
    new_transport: Any = StringTransport  # Twisted left it untyped
    return new_transport()


class TestPlain:
    def test_writes_until_it_is_to_pause(self, plain_transport: Any) -> None:
        output = PlainOutput(plain_transport)
        assert plain_transport.producer is output
        assert plain_transport.streaming
        output.write(b"one ")
        output.pauseProducing()
        output.write(b"two ")
        output.write(b"three")
        assert plain_transport.value() == b"one "
        assert output.size == 9
        output.resumeProducing()
        assert plain_transport.value() == b"one two three"
        assert output.size == 0

    def test_a_large_value_goes_piece_by_piece(self, plain_transport: Any) -> None:
        """The transport says that it has enough after each of them."""
        output = PlainOutput(plain_transport)
        pieces: list[int] = []

        def write(data: bytes) -> None:
            pieces.append(len(data))
            output.pauseProducing()

        plain_transport.write = write
        output.write(b"x" * (2 * PIECE + 5))
        assert pieces == [PIECE]
        output.resumeProducing()
        output.resumeProducing()
        assert pieces == [PIECE, PIECE, 5]

    def test_drained_is_called_when_something_had_waited(self, plain_transport: Any) -> None:
        output = PlainOutput(plain_transport)
        calls: list[None] = []
        output.drained = lambda: calls.append(None)
        output.pauseProducing()
        output.resumeProducing()
        assert calls == []
        output.pauseProducing()
        output.write(b"x")
        output.resumeProducing()
        assert calls == [None]

    def test_closing_waits_for_what_is_pending_and_twice_does_no_harm(self, plain_transport: Any) -> None:
        output = PlainOutput(plain_transport)
        output.pauseProducing()
        output.write(b"bye")
        output.close()
        output.close()
        assert not plain_transport.disconnecting
        output.resumeProducing()
        assert plain_transport.value() == b"bye"
        assert plain_transport.disconnecting
        assert plain_transport.producer is None
        output.close()

    def test_a_lost_connection_drops_what_waits(self, plain_transport: Any) -> None:
        output = PlainOutput(plain_transport)
        output.drained = pytest.fail
        output.pauseProducing()
        output.write(b"x")
        output.stopProducing()
        assert output.size == 0
        output.resumeProducing()
        assert plain_transport.value() == b""


class TestChoice:
    @pytest.fixture
    def connected(self) -> Iterator[socket.socket]:
        one, other = socket.socketpair()
        with one, other:
            yield one

    def test_sockets_are_sent_to_directly_until_they_speak_tls(self, connected: socket.socket) -> None:
        new_transport: Any = Connection
        transport = new_transport(connected, None, reactor=Clock())
        assert isinstance(output_for(transport), DirectOutput)
        transport.TLS = True
        transport.registerProducer = lambda producer, streaming: None
        assert isinstance(output_for(transport), PlainOutput)

    def test_everything_else_buffers_on_its_own(self, plain_transport: Any) -> None:
        assert isinstance(output_for(plain_transport), PlainOutput)


class TestTurn:
    """Replies to many clients leave together, at the end of the reactor's turn."""

    def outputs(self, count: int) -> tuple[Clock, Turn, list[DirectOutput], list[Socket]]:
        clock, turn = Clock(), Turn()
        transports = [Transport(room=1_000_000) for _ in range(count)]
        for transport in transports:
            transport.reactor = clock
        outputs = [DirectOutput(transport, turn) for transport in transports]
        return clock, turn, outputs, [transport.socket for transport in transports]

    def test_many_wait_for_the_end_of_the_turn(self) -> None:
        clock, turn, (one, other), (first, second) = self.outputs(2)
        one.write(b"a")
        one.write(b"b")
        other.write(b"c")
        assert [bytes(first.taken), bytes(second.taken)] == [b"", b""]
        clock.advance(0)
        assert [bytes(first.taken), bytes(second.taken)] == [b"ab", b"c"]
        assert turn.grouping
        assert clock.getDelayedCalls() == []

    def test_one_alone_sends_at_once_from_then_on(self) -> None:
        clock, turn, (one,), (first,) = self.outputs(1)
        one.write(b"a")
        clock.advance(0)
        assert not turn.grouping
        one.write(b"b")
        assert first.taken == b"ab"
        for _ in range(63):
            one.write(b"c")
        assert turn.grouping  # time to see whether others would go along

    def test_large_data_do_not_wait(self) -> None:
        clock, _, (one,), (first,) = self.outputs(1)
        one.write(b"a")
        one.write(b"b" * 20_000)
        assert first.taken == b"a" + b"b" * 20_000
        clock.advance(0)
        assert len(first.taken) == 20_001

    def test_closing_sends_what_waits_and_losing_drops_it(self) -> None:
        clock, _, (one, other), (first, second) = self.outputs(2)
        one.write(b"a")
        other.write(b"b")
        one.close()
        other.lost()
        assert first.taken == b"a"
        clock.advance(0)
        assert [bytes(first.taken), bytes(second.taken)] == [b"a", b""]

    def test_what_the_peer_does_not_take_is_told(self) -> None:
        clock, _, (one, other), (first, _second) = self.outputs(2)
        told: list[str] = []
        one.kept = lambda: told.append("one")
        other.kept = lambda: told.append("other")
        first.room = 2
        for _ in range(20):
            one.write(b"x" * 10_000)
        other.write(b"x")
        clock.advance(0)
        assert told == ["one"]
        assert one.size == 200_000 - 2 - PIECE

    def test_it_can_be_sent_before_the_turn_ends(self) -> None:
        clock, turn, (one,), (first,) = self.outputs(1)
        one.write(b"a")
        turn.send()
        assert first.taken == b"a"
        clock.advance(0)
        assert first.taken == b"a"
