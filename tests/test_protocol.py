"""A connection over a test transport: batches, modes, parking, limits."""

from __future__ import annotations

import gc
import platform
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from tests.wire import request
from twisted_resp import RespFactory, RespProtocol
from twisted_resp.errors import CommandError
from twisted_resp.testing import ServerThread


class Transport(StringTransport):
    """A transport that can be full, and tells how it was closed."""

    aborted = False
    no_delay = keep_alive = False

    def abortConnection(self) -> None:
        self.aborted = True
        self.disconnected = True

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802
        self.no_delay = enabled

    def setTcpKeepAlive(self, enabled: bool) -> None:  # noqa: N802
        self.keep_alive = enabled


class Connection:
    """One client of a server under test."""

    def __init__(self, factory: RespFactory) -> None:
        new_transport: Any = Transport  # Twisted left it untyped
        self.transport = new_transport()
        self.protocol: Any = factory.buildProtocol(None)
        assert isinstance(self.protocol, RespProtocol)
        self.protocol.makeConnection(self.transport)

    def send(self, data: bytes) -> bytes:
        """Deliver bytes; answer what came back at once."""
        self.protocol.dataReceived(data)
        return self.received()

    def received(self) -> bytes:
        """What came since the last look."""
        data: bytes = self.transport.value()
        self.transport.clear()
        return data


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.advance(1_700_000_000)
    return clock


@pytest.fixture
def factory(clock: Clock) -> RespFactory:
    return RespFactory(clock=clock)


@pytest.fixture
def connection(factory: RespFactory) -> Connection:
    return Connection(factory)


class TestRequests:
    def test_a_pipeline_is_answered_in_order_and_at_once(self, connection: Connection) -> None:
        writes: list[bytes] = []
        connection.transport.write = writes.append
        connection.protocol.dataReceived(
            request(b"SET", b"a", b"1") + request(b"GET", b"a") + request(b"GET", b"b") + request(b"PING")
        )
        assert writes == [b"+OK\r\n$1\r\n1\r\n$-1\r\n+PONG\r\n"]

    def test_inline_requests(self, connection: Connection) -> None:
        assert connection.send(b"SET a 'x y'\r\nGET a\nPING\r\n") == b"+OK\r\n$3\r\nx y\r\n+PONG\r\n"

    def test_both_kinds_in_one_stream(self, connection: Connection) -> None:
        stream = b"PING\r\n" + request(b"ECHO", b"1") + b"ECHO 2\r\n\r\nECHO 3\r\n" + request(b"ECHO", b"4")
        expected = b"+PONG\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n"
        assert connection.send(stream) == expected

    @given(st.lists(st.integers(0, 90), max_size=8).map(sorted))
    def test_both_kinds_cut_anywhere(self, cuts: list[int]) -> None:
        connection = Connection(RespFactory(clock=Clock()))
        stream = (
            b"PING\r\n" + request(b"ECHO", b"1\r\n2") + b"ECHO 2\r\n\r\nECHO 3\r\n" + request(b"ECHO", b"4")
        )
        edges = [0, *cuts, len(stream)]
        replies = b"".join(connection.send(stream[start:end]) for start, end in zip(edges, edges[1:]))
        assert replies == b"+PONG\r\n$4\r\n1\r\n2\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n"

    @pytest.mark.parametrize(
        ("data", "error"),
        [
            (b'SET a "b\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n"),
            (b"x" * 70000, b"-ERR Protocol error: too big inline request\r\n"),
            (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", b"-ERR Protocol error: expected '$', got 'f'\r\n"),
            (b"PING\r\n*1\r\n$x\r\n", b"+PONG\r\n-ERR Protocol error: invalid bulk length\r\n"),
            (b"PING\r\n*" + b"1" * 70000, b"+PONG\r\n-ERR Protocol error: too big mbulk count string\r\n"),
        ],
    )
    def test_what_can_not_be_decoded_is_told_and_ends_the_connection(
        self, connection: Connection, data: bytes, error: bytes
    ) -> None:
        assert connection.send(data) == error
        assert connection.transport.disconnecting
        assert connection.send(request(b"PING")) == b""

    @given(st.binary(max_size=300))
    def test_random_bytes_harm_nobody(self, data: bytes) -> None:
        factory = RespFactory(clock=Clock())
        Connection(factory).send(data + b"\r\n")
        assert Connection(factory).send(request(b"PING")) == b"+PONG\r\n"

    def test_an_unknown_command_leaves_the_connection_open(self, connection: Connection) -> None:
        assert connection.send(request(b"NOPE", b"a") + request(b"PING")) == (
            b"-ERR unknown command 'NOPE', with args beginning with: 'a' \r\n+PONG\r\n"
        )

    def test_a_handler_that_fails_is_an_error_and_a_log_entry(
        self, connection: Connection, factory: RespFactory, logged_failures: list[Failure]
    ) -> None:
        def broken(client: object) -> None:
            raise ZeroDivisionError

        factory.server.commands[b"PING"].handler = broken
        answer = connection.send(request(b"PING") + request(b"ECHO", b"still here"))
        assert answer.startswith(b"-ERR internal error")
        assert answer.endswith(b"$10\r\nstill here\r\n")
        assert [failure.type for failure in logged_failures] == [ZeroDivisionError]
        logged_failures.clear()

    @pytest.mark.parametrize("reply", [object(), [b"a", object()], {b"k": [{1}]}])
    def test_a_reply_that_can_not_be_encoded_is_an_error_too(
        self, connection: Connection, factory: RespFactory, reply: object, logged_failures: list[Failure]
    ) -> None:
        factory.server.commands[b"PING"].handler = lambda client: reply
        answer = connection.send(request(b"ECHO", b"1") + request(b"PING") + request(b"ECHO", b"2"))
        assert answer == (
            b"$1\r\n1\r\n-ERR internal error in 'ping'; the server's log has the details\r\n$1\r\n2\r\n"
        )
        assert [failure.type for failure in logged_failures] == [TypeError]
        logged_failures.clear()

    def test_a_long_stream_of_lines_is_taken_in_linear_time(self, factory: RespFactory) -> None:
        """Twisted's LineReceiver copies what is left for each line: it must never have much of it."""
        waiting, other = Connection(factory), Connection(factory)
        waiting.send(b"BLPOP l 0\r\n")
        lines = b"PING\r\n" + request(b"PING")
        for _ in range(50):
            waiting.send(lines * 1000)
        most = 0
        take = waiting.protocol.lineReceived

        def line_received(line: bytes) -> None:
            nonlocal most
            most = max(most, len(waiting.protocol._buffer))
            take(line)

        waiting.protocol.lineReceived = line_received
        other.send(b"RPUSH l x\r\n")
        assert waiting.received() == b"*2\r\n$1\r\nl\r\n$1\r\nx\r\n" + b"+PONG\r\n" * 100_000
        assert most <= 4096

    def test_quit_answers_and_ends_the_connection(self, connection: Connection) -> None:
        assert connection.send(request(b"QUIT") + request(b"SET", b"a", b"b")) == b"+OK\r\n"
        assert connection.transport.disconnecting
        assert connection.protocol.client is not None
        assert connection.protocol.client.db.read(b"a") is None

    def test_a_stranger_is_decoded_step_by_step(self, clock: Clock) -> None:
        connection = Connection(RespFactory(clock=clock, password=b"sesame"))
        many = request(b"MGET", *[b"k"] * 12)
        assert connection.send(request(b"GET", b"a")) == b"-NOAUTH Authentication required.\r\n"
        assert connection.send(request(b"AUTH", b"sesame") + many) == b"+OK\r\n*12\r\n" + b"$-1\r\n" * 12
        stranger = Connection(connection.protocol.factory)
        assert stranger.send(many) == b"-ERR Protocol error: unauthenticated multibulk length\r\n"

    def test_a_password_may_be_text(self, clock: Clock) -> None:
        connection = Connection(RespFactory(clock=clock, password="sésame"))
        assert connection.send(request(b"AUTH", "sésame".encode())) == b"+OK\r\n"

    def test_resp3(self, connection: Connection) -> None:
        assert connection.send(request(b"GET", b"a")) == b"$-1\r\n"
        assert connection.send(request(b"HELLO", b"3")).startswith(b"%7\r\n$6\r\nserver\r\n")
        assert connection.send(request(b"GET", b"a")) == b"_\r\n"


class TestParking:
    def test_replies_keep_their_order(self, factory: RespFactory) -> None:
        waiting, other = Connection(factory), Connection(factory)
        assert (
            waiting.send(request(b"PING") + request(b"BLPOP", b"l", b"0") + request(b"PING")) == b"+PONG\r\n"
        )
        assert waiting.send(request(b"ECHO", b"later")) == b""
        assert other.send(request(b"RPUSH", b"l", b"x")) == b":1\r\n"
        assert waiting.received() == b"*2\r\n$1\r\nl\r\n$1\r\nx\r\n+PONG\r\n$5\r\nlater\r\n"

    def test_inline_requests_wait_as_well(self, factory: RespFactory) -> None:
        waiting, other = Connection(factory), Connection(factory)
        assert waiting.send(b"PING\r\nBLPOP l 0\r\nPING\r\n") == b"+PONG\r\n"
        assert waiting.send(b"ECHO la") == b""
        assert waiting.send(b"ter\r\n" + request(b"ECHO", b"last")) == b""
        other.send(b"RPUSH l x\r\n")
        assert waiting.received() == b"*2\r\n$1\r\nl\r\n$1\r\nx\r\n+PONG\r\n$5\r\nlater\r\n$4\r\nlast\r\n"

    def test_a_partial_request_behind_it_is_kept(self, factory: RespFactory) -> None:
        waiting, other = Connection(factory), Connection(factory)
        later = request(b"ECHO", b"later")
        waiting.send(request(b"BLPOP", b"l", b"0") + later[:9])
        other.send(request(b"RPUSH", b"l", b"x"))
        assert waiting.received() == b"*2\r\n$1\r\nl\r\n$1\r\nx\r\n"
        assert waiting.send(later[9:]) == b"$5\r\nlater\r\n"

    def test_time_is_the_clocks(self, factory: RespFactory, clock: Clock) -> None:
        waiting = Connection(factory)
        waiting.send(request(b"BLPOP", b"l", b"1.5") + request(b"PING"))
        clock.advance(1.4)
        assert waiting.received() == b""
        clock.advance(0.2)
        assert waiting.received() == b"*-1\r\n+PONG\r\n"

    def test_whoever_vanishes_takes_nothing(self, factory: RespFactory) -> None:
        gone, next_in_line, other = Connection(factory), Connection(factory), Connection(factory)
        gone.send(request(b"BLPOP", b"l", b"0"))
        next_in_line.send(request(b"BLPOP", b"l", b"0"))
        gone.protocol.connectionLost()
        assert len(factory.server.waiting) == 1
        other.send(request(b"RPUSH", b"l", b"x"))
        assert next_in_line.received() == b"*2\r\n$1\r\nl\r\n$1\r\nx\r\n"
        assert gone.received() == b""

    def test_a_handler_whose_deferred_fails(
        self, factory: RespFactory, logged_failures: list[Failure]
    ) -> None:
        connection = Connection(factory)
        waits: list[Deferred[object]] = []

        def wait(client: object) -> Deferred[object]:
            waits.append(Deferred())
            return waits[-1]

        factory.server.commands[b"PING"].handler = wait
        assert connection.send(request(b"PING") * 2 + request(b"ECHO", b"x")) == b""
        factory.server.run_timer(lambda: waits[0].errback(CommandError(b"ERR no luck")))
        assert connection.received() == b"-ERR no luck\r\n"
        factory.server.run_timer(lambda: waits[1].errback(ZeroDivisionError()))
        assert connection.received() == (
            b"-ERR internal error in 'ping'; the server's log has the details\r\n$1\r\nx\r\n"
        )
        assert [failure.type for failure in logged_failures] == [ZeroDivisionError]
        logged_failures.clear()

    def test_one_that_can_not_go_on_does_not_harm_whose_batch_it_is(
        self, factory: RespFactory, logged_failures: list[Failure]
    ) -> None:
        broken, fine, other = Connection(factory), Connection(factory), Connection(factory)
        for connection in (broken, fine):
            connection.send(request(b"BLPOP", b"l", b"0") + request(b"PING"))
        broken.protocol._run = lambda: 1 // 0
        assert other.send(request(b"RPUSH", b"l", b"x", b"y")) == b":2\r\n"
        assert fine.received() == b"*2\r\n$1\r\nl\r\n$1\r\ny\r\n+PONG\r\n"
        assert [failure.type for failure in logged_failures] == [ZeroDivisionError]
        logged_failures.clear()

    def test_a_command_that_a_pause_holds_back_may_end_the_connection(
        self, factory: RespFactory, clock: Clock
    ) -> None:
        connection, other = Connection(factory), Connection(factory)
        other.send(request(b"CLIENT", b"PAUSE", b"1000"))
        happened: list[object] = []
        connection.transport.write = happened.append
        connection.transport.loseConnection = lambda: happened.append("lost")
        connection.send(request(b"QUIT") + request(b"PING"))
        clock.advance(1)
        assert happened == [b"+OK\r\n", "lost"]

    def test_who_is_disconnected_after_a_pause_runs_nothing_more(
        self, factory: RespFactory, clock: Clock
    ) -> None:
        killer, victim, other = Connection(factory), Connection(factory), Connection(factory)
        other.send(request(b"CLIENT", b"PAUSE", b"1000"))
        killer.send(request(b"CLIENT", b"KILL", b"ID", b"%d" % victim.protocol.client.id))
        victim.send(request(b"SET", b"k", b"v"))
        clock.advance(1)
        assert killer.received() == b":1\r\n"
        assert victim.received() == b""
        assert factory.server.keyspace.databases[0].values == {}

    def test_two_that_wake_each_other(self, factory: RespFactory) -> None:
        ping, pong, other = Connection(factory), Connection(factory), Connection(factory)
        ping.send((request(b"BLPOP", b"a", b"0") + request(b"RPUSH", b"b", b"x")) * 3)
        pong.send((request(b"BLPOP", b"b", b"0") + request(b"RPUSH", b"a", b"x")) * 3)
        other.send(request(b"RPUSH", b"a", b"x"))
        assert ping.received() == b"*2\r\n$1\r\na\r\n$1\r\nx\r\n:1\r\n" * 3
        assert pong.received() == b"*2\r\n$1\r\nb\r\n$1\r\nx\r\n:1\r\n" * 3

    def test_reading_pauses_when_too_much_is_held_back(self, factory: RespFactory) -> None:
        waiting, other = Connection(factory), Connection(factory)
        waiting.send(request(b"BLPOP", b"l", b"0"))
        block = request(b"ECHO", b"y" * 60000)
        for _ in range(20):
            waiting.send(block)
        assert waiting.transport.producerState == "paused"
        other.send(request(b"RPUSH", b"l", b"x"))
        assert waiting.received().endswith(b"y\r\n")
        assert waiting.transport.producerState == "producing"


class TestPush:
    def test_a_message_to_oneself_comes_after_the_reply(self, factory: RespFactory) -> None:
        connection = Connection(factory)
        connection.send(request(b"HELLO", b"3") + request(b"SUBSCRIBE", b"c"))
        assert connection.send(request(b"PUBLISH", b"c", b"m") + request(b"PING")) == (
            b":1\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n+PONG\r\n"
        )

    def test_a_message_that_a_callback_causes_comes_after_the_reply_too(self, factory: RespFactory) -> None:
        connection = Connection(factory)
        connection.send(request(b"HELLO", b"3") + request(b"SUBSCRIBE", b"c"))
        job = factory.call("BLPOP", "l", 0)
        job.addCallback(lambda _: factory.call("PUBLISH", "c", "m"))
        assert connection.send(request(b"RPUSH", b"l", b"x") + request(b"PING")) == (
            b":1\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n+PONG\r\n"
        )

    def test_a_message_is_written_at_once(self, factory: RespFactory) -> None:
        subscriber, publisher = Connection(factory), Connection(factory)
        subscriber.send(request(b"SUBSCRIBE", b"c"))
        assert publisher.send(request(b"PUBLISH", b"c", b"m")) == b":1\r\n"
        assert subscriber.received() == b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n"


class TestLimits:
    def stop_reading(self, connection: Connection) -> None:
        producer: Any = connection.transport.producer
        producer.pauseProducing()

    def test_a_subscriber_that_never_reads_is_dropped_at_the_hard_limit(self, factory: RespFactory) -> None:
        factory.server.output_limits["pubsub"] = (100_000, 0, 0)
        slow, publisher = Connection(factory), Connection(factory)
        slow.send(request(b"SUBSCRIBE", b"c"))
        self.stop_reading(slow)
        message = request(b"PUBLISH", b"c", b"m" * 9000)
        for _ in range(11):
            assert publisher.send(message) == b":1\r\n"
        assert not slow.transport.aborted
        assert publisher.send(message) == b":1\r\n"
        assert slow.transport.aborted
        assert publisher.send(message) == b":0\r\n"

    def test_and_after_a_while_over_the_soft_limit(self, factory: RespFactory, clock: Clock) -> None:
        factory.server.output_limits["pubsub"] = (0, 10_000, 60)
        slow, publisher = Connection(factory), Connection(factory)
        slow.send(request(b"SUBSCRIBE", b"c"))
        self.stop_reading(slow)
        publisher.send(request(b"PUBLISH", b"c", b"m" * 20000))
        clock.advance(59)
        assert not slow.transport.aborted
        clock.advance(2)
        assert slow.transport.aborted

    def test_the_time_over_the_soft_limit_counts_from_the_last_time_that_it_was_passed(
        self, factory: RespFactory, clock: Clock
    ) -> None:
        factory.server.output_limits["pubsub"] = (0, 10_000, 60)
        slow, publisher = Connection(factory), Connection(factory)
        slow.send(request(b"SUBSCRIBE", b"c"))
        producer: Any = slow.transport.producer
        message = request(b"PUBLISH", b"c", b"m" * 20000)
        self.stop_reading(slow)
        publisher.send(message)
        clock.advance(50)
        producer.resumeProducing()
        self.stop_reading(slow)
        publisher.send(message)
        clock.advance(50)
        assert not slow.transport.aborted
        clock.advance(11)
        assert slow.transport.aborted
        assert clock.getDelayedCalls() == []

    def test_a_client_that_reads_again_in_time_stays(self, factory: RespFactory, clock: Clock) -> None:
        factory.server.output_limits["pubsub"] = (0, 10_000, 60)
        slow, publisher = Connection(factory), Connection(factory)
        slow.send(request(b"SUBSCRIBE", b"c"))
        slow.received()
        self.stop_reading(slow)
        publisher.send(request(b"PUBLISH", b"c", b"m" * 20000))
        assert slow.received() == b""
        producer: Any = slow.transport.producer
        producer.resumeProducing()
        assert len(slow.received()) > 20000
        clock.advance(100)
        assert not slow.transport.aborted

    def test_nothing_more_is_run_for_a_client_that_owes_too_much(self, clock: Clock) -> None:
        factory = RespFactory(clock=clock, high_water_mark=100_000)
        slow = Connection(factory)
        slow.send(request(b"SET", b"k", b"v" * 20000))
        slow.received()
        self.stop_reading(slow)
        slow.send(request(b"GET", b"k") * 50 + request(b"INCR", b"n"))
        assert factory.server.keyspace.databases[0].read(b"n") is None
        assert slow.received() == b""
        producer: Any = slow.transport.producer
        producer.resumeProducing()
        assert factory.server.keyspace.databases[0].read(b"n") == b"1"
        assert slow.received() == (b"$20000\r\n" + b"v" * 20000 + b"\r\n") * 50 + b":1\r\n"

    def test_but_what_it_sends_is_still_read(self, clock: Clock) -> None:
        """Most clients read no reply of a pipeline before they have sent all of it."""
        factory = RespFactory(clock=clock, high_water_mark=100_000)
        slow = Connection(factory)
        slow.send(request(b"SET", b"k", b"v" * 60000))
        slow.received()
        self.stop_reading(slow)
        for _ in range(60):
            slow.send(request(b"GET", b"k") + request(b"ECHO", b"e" * 60000))
        assert slow.transport.producerState == "producing"
        expected = (b"$60000\r\n" + b"v" * 60000 + b"\r\n" + b"$60000\r\n" + b"e" * 60000 + b"\r\n") * 60
        producer: Any = slow.transport.producer
        producer.resumeProducing()
        assert slow.received() == expected

    def test_and_run_bit_by_bit(self, clock: Clock) -> None:
        """Whatever is held back, the replies that wait are never much more than the mark."""
        factory = RespFactory(clock=clock, high_water_mark=100_000)
        slow = Connection(factory)
        slow.send(request(b"SET", b"k", b"v" * 1000))
        self.stop_reading(slow)
        for _ in range(50):
            slow.send(request(b"GET", b"k") * 120)
        producer: Any = slow.transport.producer
        write = slow.transport.write

        def full(data: bytes) -> None:
            write(data)
            producer.pauseProducing()

        slow.transport.write = full
        received = b""
        while len(received) < 6000 * 1009:
            assert slow.protocol.client.output_size() < 300_000
            producer.resumeProducing()
            received += slow.received()
        assert received.count(b"v" * 1000) == 6000

    def test_up_to_the_query_buffer_limit(self, clock: Clock) -> None:
        factory = RespFactory(clock=clock, high_water_mark=100_000)
        factory.server.query_buffer_limit = 2_000_000
        slow = Connection(factory)
        slow.send(request(b"SET", b"k", b"v" * 60000))
        self.stop_reading(slow)
        slow.send(request(b"GET", b"k") * 3)
        for _ in range(33):
            slow.send(request(b"ECHO", b"e" * 60000))
        assert not slow.transport.aborted
        slow.send(request(b"ECHO", b"e" * 60000))
        assert slow.transport.aborted
        assert factory.server.statistics.query_buffer_limit_disconnections == 1

    def test_a_request_larger_than_the_query_buffer_limit(self, factory: RespFactory) -> None:
        factory.server.query_buffer_limit = 1_000_000
        greedy = Connection(factory)
        greedy.send(b"*1\r\n$5000000\r\n")
        for _ in range(40):
            greedy.send(b"x" * 30000)
        assert greedy.transport.aborted
        assert factory.server.clients == {}

    def test_too_many_clients(self, factory: RespFactory) -> None:
        factory.server.max_clients = 1
        first, second = Connection(factory), Connection(factory)
        assert second.received() == b"-ERR max number of clients reached\r\n"
        assert second.transport.disconnecting
        second.protocol.dataReceived(request(b"PING"))
        assert second.received() == b""
        assert first.send(request(b"PING")) == b"+PONG\r\n"
        first.protocol.connectionLost()
        assert Connection(factory).send(request(b"PING")) == b"+PONG\r\n"


class TestFactory:
    def test_stopping_closes_clients_and_leaves_no_timer(self, factory: RespFactory, clock: Clock) -> None:
        connection, parked = Connection(factory), Connection(factory)
        connection.send(request(b"SET", b"k", b"v", b"EX", b"10"))
        parked.send(request(b"BLPOP", b"l", b"5"))
        factory.stopFactory()
        assert connection.transport.disconnecting
        assert parked.transport.disconnecting
        assert factory.server.clients == {}
        assert clock.getDelayedCalls() == []

    def test_stopping_twice_and_after_quit(self, factory: RespFactory) -> None:
        connection = Connection(factory)
        connection.send(request(b"QUIT"))
        factory.stopFactory()
        factory.stopFactory()
        assert connection.transport.disconnecting

    def test_calls_that_wait_are_answered_when_the_factory_stops(
        self, factory: RespFactory, clock: Clock
    ) -> None:
        answers: list[object] = []
        factory.call("BLPOP", "l", 5).addBoth(answers.append)
        factory.call("CLIENT", "PAUSE", 5000)
        factory.call("SET", "k", "v").addBoth(answers.append)
        factory.stopFactory()
        assert sorted(map(repr, answers)) == ["None", "b'OK'"]
        assert clock.getDelayedCalls() == []

    def test_keys_expire_again_after_a_second_start(self, factory: RespFactory, clock: Clock) -> None:
        factory.startFactory()
        factory.call("SET", "k", "v", "PX", 100)
        factory.stopFactory()
        assert clock.getDelayedCalls() == []
        factory.startFactory()
        clock.advance(0.1)
        assert factory.server.keyspace.databases[0].values == {}

    @pytest.mark.skipif(platform.python_implementation() == "PyPy", reason="PyPy counts no references")
    def test_a_connection_that_is_gone_leaves_nothing_to_the_garbage_collector(
        self, factory: RespFactory
    ) -> None:
        connection = Connection(factory)
        connection.send(request(b"SUBSCRIBE", b"c") + request(b"PING") + b"*1\r\n$100\r\n...")
        references = [weakref.ref(connection.protocol), weakref.ref(connection.protocol.client)]
        connection.protocol.connectionLost()
        connection.protocol.transport = connection.transport.producer = None
        gc.disable()
        try:
            del connection
            assert [reference() for reference in references] == [None, None]
        finally:
            gc.enable()

    def test_tcp_connections_are_tuned(self, connection: Connection) -> None:
        assert connection.transport.no_delay
        assert connection.transport.keep_alive

    def test_the_data_outlive_the_port(self, factory: RespFactory) -> None:
        Connection(factory).send(request(b"SET", b"k", b"v"))
        factory.stopFactory()
        assert Connection(factory).send(request(b"GET", b"k")) == b"$1\r\nv\r\n"

    def test_ten_thousand_idle_connections(self, factory: RespFactory) -> None:
        connections = [Connection(factory) for _ in range(10_000)]
        assert connections[-1].send(request(b"PING")) == b"+PONG\r\n"
        for connection in connections:
            connection.protocol.connectionLost()
        assert factory.server.clients == {}


class TestBigValuesOverASocket:
    def test_back_and_forth(self) -> None:
        """64 MiB over a real socket that takes it in pieces: direct send, then the pull producer."""
        value = bytes(range(256)) * (64 * 1024 * 4)
        redis = pytest.importorskip("redis")
        with ServerThread(port=0) as server:
            client = redis.Redis(port=server.port)
            assert client.set("big", value)
            assert client.get("big") == value
            assert client.mget(["big", "none", "big"]) == [value, None, value]
            client.close()

    def test_a_client_that_hangs_up_in_the_middle_of_its_reply(self) -> None:
        import socket

        with ServerThread(port=0) as server:
            server.call("SET", "big", b"x" * 20_000_000)
            with socket.create_connection((server.host, server.port)) as client:
                client.sendall(request(b"GET", b"big") * 3)
                assert client.recv(100).startswith(b"$20000000\r\n")
            with socket.create_connection((server.host, server.port)) as client:
                client.sendall(request(b"PING"))
                assert client.recv(100) == b"+PONG\r\n"
