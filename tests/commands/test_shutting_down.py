"""SHUTDOWN that waits for replicas, and clients that are disconnected for their silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from twisted_resp.server.replication import Replica

if TYPE_CHECKING:
    from tests.commands.conftest import Connection, Engine


class TestWaitingForReplicas:
    @pytest.fixture
    def ended(self, engine: Engine) -> list[str]:
        ended: list[str] = []
        engine.server.on_shutdown = lambda: ended.append("ended")
        return ended

    @pytest.fixture
    def replica(self, engine: Engine, ended: list[str], connect: Callable[[], Connection]) -> Replica:
        """A replica that has not acknowledged everything."""
        replica = Replica(connect().client)
        replica.offset = engine.server.replication.offset - 1
        engine.server.replication.replicas[replica.client] = replica
        return replica

    def test_until_they_have_all(
        self, engine: Engine, replica: Replica, ended: list[str], connect: Callable[[], Connection]
    ) -> None:
        connections = [connect(), connect()]
        for connection in connections:
            assert connection.send("SHUTDOWN") == b""
        info = engine.call("INFO")
        assert b"blocked_clients:2" in info
        assert b"shutdown_in_milliseconds:10000" in info
        engine.clock.advance(0.1)
        assert ended == []
        writer = connect()
        assert writer.send("SET k v") == b""  # nobody would ever hear of it
        replica.offset = engine.server.replication.offset
        engine.clock.advance(0.1)
        assert ended == ["ended"]
        assert [connection.closed for connection in connections] == [True, True]

    def test_no_longer_than_the_timeout(
        self, engine: Engine, replica: Replica, ended: list[str], connect: Callable[[], Connection]
    ) -> None:
        engine.call("CONFIG", "SET", "shutdown-timeout", "1")
        connect().send("SHUTDOWN")
        engine.clock.pump([0.1] * 9)
        assert ended == []
        engine.clock.pump([0.1] * 2)
        assert ended == ["ended"]

    @pytest.mark.parametrize("option", ["NOW", "timeout 0"])
    def test_or_not_at_all(
        self,
        engine: Engine,
        replica: Replica,
        ended: list[str],
        connect: Callable[[], Connection],
        option: str,
    ) -> None:
        if option != "NOW":
            engine.call("CONFIG", "SET", "shutdown-timeout", "0")
        connect().send("SHUTDOWN" + " NOW" * (option == "NOW"))
        assert ended == ["ended"]

    def test_abort(
        self, engine: Engine, replica: Replica, ended: list[str], connect: Callable[[], Connection]
    ) -> None:
        connection, writer = connect(), connect()
        connection.send("SHUTDOWN", "PING")
        writer.send("SET k v")
        assert engine.call("SHUTDOWN", "ABORT") == b"OK"
        assert connection.received() == b"-ERR Errors trying to SHUTDOWN. Check logs.\r\n+PONG\r\n"
        assert writer.received() == b"+OK\r\n"
        engine.clock.advance(20)
        assert ended == []
        assert engine.error("SHUTDOWN", "ABORT") == b"ERR No shutdown in progress."


class TestTimeout:
    def test_idle_clients_go(self, engine: Engine, connect: Callable[[], Connection]) -> None:
        idle, busy, subscriber, blocked = connect(), connect(), connect(), connect()
        engine.call("CONFIG", "SET", "timeout", "3")
        subscriber.send("SUBSCRIBE c")
        blocked.send("BLPOP k 0")
        for _ in range(5):
            busy.send("PING")
            engine.clock.advance(1)
        assert [one.closed for one in (idle, busy, subscriber, blocked)] == [True, False, False, False]

    def test_unless_it_is_switched_off(self, engine: Engine, connect: Callable[[], Connection]) -> None:
        idle = connect()
        engine.call("CONFIG", "SET", "timeout", "3")
        engine.call("CONFIG", "SET", "timeout", "0")
        engine.clock.pump([1] * 10)
        assert not idle.closed


class TestProtectedMode:
    @pytest.mark.parametrize(
        ("peer", "commands", "refused"),
        [
            ("192.0.2.1", [], True),
            ("127.0.0.1", [], False),
            ("192.0.2.1", ["CONFIG SET protected-mode no"], False),
            ("192.0.2.1", ["CONFIG SET requirepass x"], False),
        ],
    )
    def test_strangers_without_a_password(
        self,
        engine: Engine,
        connect: Callable[..., Connection],
        connection_class: type[Connection],
        peer: str,
        commands: list[str],
        refused: bool,
    ) -> None:
        engine.server.saving.may_fork = True  # a process of the server's own
        for command in commands:
            engine.call(*command.split())
        connection = connection_class(engine, peer=peer)
        assert connection.closed == refused
        assert connection.received().startswith(b"-DENIED Redis is running in protected mode") == refused
