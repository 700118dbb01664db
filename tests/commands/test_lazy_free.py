"""UNLINK, FLUSHALL and the like on large data, and the settings ``lazyfree-lazy-*``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.commands.conftest import Connection, Engine

counted = pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="this interpreter counts no references")


def fill(engine: Engine, key: str = "set", members: int = 1000) -> None:
    engine.call("SADD", key, *range(members))


def figures(engine: Engine) -> tuple[int, int]:
    """What INFO says: pending, freed."""
    lines = dict(line.split(b":", 1) for line in engine.call("INFO", "memory").splitlines() if b":" in line)
    return int(lines[b"lazyfree_pending_objects"]), int(lines[b"lazyfreed_objects"])


class TestDeletions:
    def test_unlink(self, engine: Engine) -> None:
        fill(engine)
        assert engine.call("UNLINK", "set", "nothing") == 1
        assert engine.call("EXISTS", "set") == 0
        assert figures(engine) == (1, 0)
        engine.clock.advance(0)
        assert figures(engine) == (0, 1)
        engine.call("CONFIG", "RESETSTAT")
        assert figures(engine) == (0, 0)

    @pytest.mark.parametrize(
        ("parameter", "command"),
        [
            ("user-del", "DEL set"),
            ("server-del", "SET set value"),
            ("server-del", "RENAME string set"),
            ("server-del", "SINTERSTORE set nothing"),
            ("expire", "PEXPIREAT set 1"),
        ],
    )
    def test_settings(self, engine: Engine, parameter: str, command: str) -> None:
        for lazily in (0, 1):
            engine.call("CONFIG", "SET", f"lazyfree-lazy-{parameter}", "yes" if lazily else "no")
            engine.call("DEL", "set")
            engine.call("SET", "string", "value")
            fill(engine)
            engine.call(*command.split())
            assert figures(engine) == (lazily, 0)

    def test_expiry(self, engine: Engine) -> None:
        engine.call("CONFIG", "SET", "lazyfree-lazy-expire", "yes")
        fill(engine)
        engine.call("PEXPIRE", "set", "100")
        engine.clock.advance(1)
        assert engine.call("DBSIZE") == 0
        engine.clock.advance(0)
        assert figures(engine) == (0, 1)

    def test_a_moved_value_is_not_freed(self, engine: Engine) -> None:
        engine.call("CONFIG", "SET", "lazyfree-lazy-server-del", "yes")
        engine.call("CONFIG", "SET", "lazyfree-lazy-user-del", "yes")
        fill(engine)
        engine.call("RENAME", "set", "other")
        engine.call("MOVE", "other", "1")
        assert figures(engine) == (0, 0)
        assert len(list(engine.database(1).peek(b"other"))) == 1000


class TestFlushes:
    @pytest.mark.parametrize("command", ["FLUSHALL", "FLUSHDB"])
    def test_async(self, engine: Engine, command: str) -> None:
        engine.call("MSET", "a", "1", "b", "2")
        assert engine.call(command, "ASYNC") == b"OK"
        assert figures(engine) == (2, 0)
        engine.clock.advance(0)
        assert figures(engine) == (0, 2)

    def test_by_default(self, engine: Engine) -> None:
        engine.call("CONFIG", "SET", "lazyfree-lazy-user-flush", "yes")
        engine.call("MSET", "a", "1", "b", "2")
        engine.call("FLUSHALL")
        assert figures(engine) == (2, 0)
        engine.call("SET", "c", "3")
        engine.call("FLUSHALL", "SYNC")
        assert figures(engine) == (0, 3)

    def test_a_small_flush_is_done_at_once(self, engine: Engine) -> None:
        engine.call("MSET", "a", "1", "b", "2")
        assert engine.call("FLUSHALL") == b"OK"
        assert figures(engine) == (0, 2)
        assert not engine.clock.getDelayedCalls()

    def test_nobody_waits_for_a_clock_that_does_not_run(self, engine: Engine) -> None:
        engine.call("MSET", *range(100_000))
        assert engine.call("FLUSHALL") == b"OK"
        assert figures(engine) == (0, 50_000)

    def test_in_a_transaction_all_goes_at_once(self, engine: Engine) -> None:
        engine.call("MSET", "a", "1", "b", "2")
        engine.call("MULTI")
        engine.call("FLUSHALL")
        assert engine.call("EXEC") == [b"OK"]
        assert figures(engine) == (0, 0)

    @pytest.mark.parametrize("command", ["FLUSHALL", "FLUSHDB"])
    def test_told_even_where_there_was_nothing(self, engine: Engine, command: str) -> None:
        told = engine.effects()
        engine.call(command)
        assert told == [[command.encode()]]


@counted
class TestWaiting:
    """FLUSHALL SYNC of much data: the client waits, the others do not."""

    @pytest.fixture
    def flushing(self, engine: Engine, connect: Callable[[], Connection]) -> Connection:
        engine.server.keyspace.lazy_free.runs = True
        engine.call("MSET", *range(40_000))
        connection = connect()
        assert connection.send("FLUSHALL", "PING") == b""
        return connection

    def test_wait(self, engine: Engine, flushing: Connection) -> None:
        assert engine.call("DBSIZE") == 0
        assert b"blocked_clients:1" in engine.call("INFO", "clients")
        assert figures(engine) == (20_000, 0)
        engine.clock.advance(0)
        assert flushing.received() == b"+OK\r\n+PONG\r\n"
        assert figures(engine) == (0, 20_000)
        assert b"blocked_clients:0" in engine.call("INFO", "clients")
        assert not engine.clock.getDelayedCalls()

    def test_several(self, engine: Engine, connect: Callable[[], Connection]) -> None:
        engine.server.keyspace.lazy_free.runs = True
        told = engine.effects()
        engine.call("MSET", *range(40_000))
        connection = connect()
        connection.send("FLUSHALL", "FLUSHALL", "SET a 1", "FLUSHDB", "DBSIZE")
        engine.clock.advance(0)
        assert connection.received() == b"+OK\r\n" * 4 + b":0\r\n"
        assert [command[0] for command in told[1:]] == [b"FLUSHALL", b"FLUSHALL", b"SET", b"FLUSHDB"]

    def test_lost(self, engine: Engine, flushing: Connection) -> None:
        flushing.lose()
        assert b"blocked_clients:0" in engine.call("INFO", "clients")
        engine.clock.advance(0)
        assert figures(engine) == (0, 20_000)

    def test_unblocked(self, engine: Engine, flushing: Connection) -> None:
        assert engine.call("CLIENT", "UNBLOCK", flushing.client.id) == 1
        assert flushing.received() == b"+OK\r\n+PONG\r\n"

    def test_the_server_ends(self, engine: Engine, flushing: Connection) -> None:
        engine.server.close()
        assert engine.server.keyspace.lazy_free.pending == 0
        assert not engine.clock.getDelayedCalls()
