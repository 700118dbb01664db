"""Delays, lost connections and half replies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.task import Clock

from twisted_resp.testing.factory import ControlledFactory
from twisted_resp.testing.faults import Faults


@pytest.fixture
def faults(factory: ControlledFactory) -> Faults:
    return factory.faults


class TestDelay:
    def test_replies_keep_their_order_and_others_are_not_held_up(
        self, faults: Faults, factory: ControlledFactory, connect: Callable[[], Any], reactor: Clock
    ) -> None:
        one, other = connect(), connect()
        with faults.delay(2, "GET") as fault:
            assert one.send("SET k v", "GET k", "SET k w") == b"+OK\r\n"
            assert other.send("SET k other") == b"+OK\r\n"
            reactor.advance(1.9)
            assert one.received() == b""
            reactor.advance(0.1)
            assert one.received() == b"$5\r\nother\r\n+OK\r\n"
        assert fault.hits == 1
        assert factory.clock.getDelayedCalls() == []

    def test_after_it_ran(self, faults: Faults, connect: Callable[[], Any], reactor: Clock) -> None:
        one, other = connect(), connect()
        with faults.delay(2, "INCR", when="after"):
            assert one.send("INCR n") == b""
            assert other.send("GET n") == b"$1\r\n1\r\n"
            reactor.advance(2)
            assert one.received() == b":1\r\n"

    def test_the_end_lets_go(
        self, faults: Faults, factory: ControlledFactory, wire: Any, reactor: Clock
    ) -> None:
        with faults.delay(60):
            assert wire.send("PING", "PING") == b""
        assert wire.received() == 2 * b"+PONG\r\n"
        assert factory.clock.getDelayedCalls() == []

    def test_a_lost_client_leaves_nothing(
        self, faults: Faults, factory: ControlledFactory, wire: Any, reactor: Clock
    ) -> None:
        with faults.delay(60):
            wire.send("SET k v")
            wire.lose()
            assert factory.clock.getDelayedCalls() == []
        assert faults.server.keyspace.databases[0].values.get(b"k") is None

    def test_the_end_of_the_server_leaves_nothing(
        self, factory: ControlledFactory, wire: Any, reactor: Clock
    ) -> None:
        factory.faults.delay(60)
        wire.send("PING")
        factory.stopFactory()
        assert factory.clock.getDelayedCalls() == []

    def test_a_blocking_command(self, faults: Faults, connect: Callable[[], Any], reactor: Clock) -> None:
        one, other = connect(), connect()
        with faults.delay(1, "BLPOP"), faults.delay(1, "BLPOP", when="after"):
            assert one.send("BLPOP l 0", "PING") == b""
            other.send("RPUSH l a")
            reactor.advance(1)
            assert one.received() == b""
            reactor.advance(1)
            assert one.received() == b"*2\r\n$1\r\nl\r\n$1\r\na\r\n+PONG\r\n"
            one.send("BLPOP l 0")
            reactor.advance(1)
            other.send("RPUSH l b")
            assert one.received() == b""
            reactor.advance(1)
            assert one.received() == b"*2\r\n$1\r\nl\r\n$1\r\nb\r\n"

    def test_inside_a_transaction(self, faults: Faults, wire: Any, reactor: Clock) -> None:
        with faults.delay(1, "SET") as fault:
            assert wire.send("MULTI", "SET k v", "EXEC") == b"+OK\r\n"
            reactor.advance(1)
            assert wire.received() == b"+QUEUED\r\n*1\r\n+OK\r\n"
        assert fault.hits == 1

    def test_with_an_error(self, faults: Faults, wire: Any, reactor: Clock) -> None:
        with faults.error("GET", reply="ERR no"), faults.delay(1):
            assert wire.send("GET k") == b""
            reactor.advance(1)
            assert wire.received() == b"-ERR no\r\n"

    def test_each_reply_and_each_message_arrives_once(
        self, faults: Faults, wire: Any, reactor: Clock
    ) -> None:
        wire.send("HELLO 3", "SUBSCRIBE c")
        with faults.delay(1, "PUBLISH"):
            wire.send("PUBLISH c hi")
            reactor.advance(1)
            assert wire.received() == b":1\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n"

    @pytest.mark.parametrize("wrong", [(-1, "before"), (1, "sometime")])
    def test_what_makes_no_sense(self, faults: Faults, wrong: tuple[float, str]) -> None:
        with pytest.raises(ValueError):
            faults.delay(wrong[0], when=wrong[1])


class TestHang:
    def test_it_answers_when_it_ends(self, faults: Faults, connect: Callable[[], Any]) -> None:
        one, other = connect(), connect()
        fault = faults.hang()
        assert one.send("SET k 1", "GET k") == other.send("APPEND k 2") == b""
        late = connect()
        assert late.send("PING") == b""
        assert fault.hits == 3
        fault.remove()
        assert one.received() == b"+OK\r\n$2\r\n12\r\n"
        assert other.received() == b":2\r\n"
        assert late.received() == b"+PONG\r\n"

    def test_some_commands(self, faults: Faults, wire: Any) -> None:
        with faults.hang("GET"):
            assert wire.send("PING", "GET k", "PING") == b"+PONG\r\n"
        assert wire.received() == b"$-1\r\n+PONG\r\n"

    def test_a_client_that_is_killed_meanwhile(
        self, factory: ControlledFactory, connect: Callable[[], Any]
    ) -> None:
        one, other = connect(), connect()
        with factory.faults.hang():
            one.send("SET a 1")
            other.send("SET b 1")
            factory.call("CLIENT", "KILL", "ID", one.client.id)
        assert other.received() == b"+OK\r\n"
        assert factory.call("KEYS", "*").result == [b"b"]


class TestSlowAccept:
    def test_new_connections_wait(self, faults: Faults, connect: Callable[[], Any], reactor: Clock) -> None:
        old = connect()
        with faults.slow_accept(3) as fault:
            new = connect()
            reactor.advance(1)
            assert new.send("PING", "PING") == b""
            assert old.send("PING") == b"+PONG\r\n"
            reactor.advance(1.5)
            assert new.received() == b""
            reactor.advance(0.5)
            assert new.received() == 2 * b"+PONG\r\n"
            assert new.send("PING") == b"+PONG\r\n"
            assert fault.hits == 1


class TestDrop:
    def test_before(self, faults: Faults, connect: Callable[[], Any]) -> None:
        one = connect()
        with faults.drop("INCR", times=1) as fault:
            assert one.send("PING", "INCR n", "PING") == b"+PONG\r\n"
            assert one.closed
            assert not one.reset
            assert connect().send("INCR n") == b":1\r\n"
        assert fault.hits == 1

    def test_after(self, faults: Faults, connect: Callable[[], Any]) -> None:
        one = connect()
        with faults.drop("INCR", when="after", times=1):
            assert one.send("PING", "INCR n", "PING") == b"+PONG\r\n"
            assert one.closed
            assert connect().send("INCR n") == b":2\r\n"

    def test_when_replied(self, faults: Faults, wire: Any) -> None:
        with faults.drop("INCR", when="replied"):
            assert wire.send("INCR n", "PING") == b":1\r\n"
            assert wire.closed

    def test_reset(self, faults: Faults, wire: Any, factory: ControlledFactory) -> None:
        with faults.drop("INCR", reset=True):
            assert wire.send("PING", "INCR n") == b""
            assert wire.reset
        assert not factory.server.clients

    @pytest.mark.parametrize(
        ("when", "replies"), [("after", b""), ("replied", b"*2\r\n$1\r\nl\r\n$1\r\na\r\n")]
    )
    def test_a_blocking_command(
        self, faults: Faults, connect: Callable[[], Any], when: str, replies: bytes
    ) -> None:
        one, other = connect(), connect()
        with faults.drop("BLPOP", when=when):
            one.send("BLPOP l 0", "PING")
            other.send("RPUSH l a")
            assert one.received() == replies
            assert one.closed
        assert other.send("LLEN l") == b":0\r\n"

    def test_exec(self, faults: Faults, connect: Callable[[], Any]) -> None:
        one = connect()
        with faults.drop("EXEC", when="after"):
            assert one.send("MULTI", "SET k v", "EXEC") == b"+OK\r\n+QUEUED\r\n"
        assert one.closed
        assert connect().send("GET k") == b"$1\r\nv\r\n"

    def test_an_inline_command(self, faults: Faults, wire: Any) -> None:
        with faults.drop("PING", skip=1):
            assert wire.send_raw(b"PING\r\nPING\r\nPING\r\n") == b"+PONG\r\n"
            assert wire.closed

    def test_after_a_delay(self, faults: Faults, wire: Any, reactor: Clock) -> None:
        with faults.drop("PING"), faults.delay(1):
            assert wire.send("PING") == b""
            assert not wire.closed
            reactor.advance(1)
            assert wire.received() == b""
            assert wire.closed

    def test_what_makes_no_sense(self, faults: Faults) -> None:
        with pytest.raises(ValueError):
            faults.drop(when="never")


class TestCut:
    @pytest.mark.parametrize(
        ("at", "arrives"),
        [(None, b"$5\r\nh"), (0, b""), (4, b"$5\r\n"), (-2, b"$5\r\nhello"), (100, b"$5\r\nhello\r\n")],
    )
    def test_where(self, faults: Faults, wire: Any, at: int | None, arrives: bytes) -> None:
        with faults.cut("GET", at=at):
            assert wire.send("SET k hello", "GET k", "PING") == b"+OK\r\n" + arrives
            assert wire.closed

    def test_resp3(self, faults: Faults, wire: Any) -> None:
        wire.send("HELLO 3", "HSET h f v")
        with faults.cut("HGETALL", at=8):
            assert wire.send("HGETALL h") == b"%1\r\n$1\r\n"

    def test_no_reply_is_not_cut(self, faults: Faults, wire: Any) -> None:
        wire.send("CLIENT REPLY OFF")
        with faults.cut("GET"):
            assert wire.send("GET k") == b""
            assert wire.closed


class TestDribble:
    def test_byte_by_byte(
        self, faults: Faults, factory: ControlledFactory, wire: Any, reactor: Clock
    ) -> None:
        with faults.dribble("GET", pause=0.5) as fault:
            seen = [wire.send("SET k v", "GET k", "PING")]
            for _ in range(7):
                reactor.advance(0.5)
                seen.append(wire.received())
        assert seen == [b"+OK\r\n$", b"1", b"\r", b"\n", b"v", b"\r", b"\n+PONG\r\n", b""]
        assert fault.hits == 1
        assert factory.clock.getDelayedCalls() == []

    def test_at_the_reactors_pace(self, faults: Faults, wire: Any, reactor: Clock) -> None:
        with faults.dribble("PING", size=3):
            assert wire.send("PING", "ECHO x") == b"+PO"
            reactor.advance(0)
            assert wire.received() == b"NG\r\n$1\r\nx\r\n"

    def test_the_end_sends_the_rest(
        self, faults: Faults, factory: ControlledFactory, wire: Any, reactor: Clock
    ) -> None:
        with faults.dribble("PING", pause=1):
            assert wire.send("PING", "ECHO x") == b"+"
        assert wire.received() == b"PONG\r\n$1\r\nx\r\n"
        assert factory.clock.getDelayedCalls() == []

    def test_messages_follow(self, faults: Faults, connect: Callable[[], Any], reactor: Clock) -> None:
        one, other = connect(), connect()
        one.send("HELLO 3", "SUBSCRIBE c")
        message = b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\n%b\r\n"
        with faults.dribble("PUBLISH", pause=1, client=one.client.id):
            assert one.send("PUBLISH c a") == b":"
            other.send("PUBLISH c b")
            reactor.pump([1] * 3)
            assert one.received() == b"1\r\n" + message % b"a" + message % b"b"
        other.send("PUBLISH c d")
        assert one.received() == message % b"d"

    def test_a_lost_client_leaves_nothing(
        self, faults: Faults, factory: ControlledFactory, wire: Any, reactor: Clock
    ) -> None:
        with faults.dribble("PING", pause=1):
            wire.send("PING")
            wire.lose()
            assert factory.clock.getDelayedCalls() == []
