"""The small commands of the server group: databases, SHUTDOWN, TIME, WAIT and the like."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from tests.commands.conftest import Connection, Engine


class TestDatabases:
    def test_dbsize(self, engine: Engine) -> None:
        assert engine.call("DBSIZE") == 0
        engine.call("MSET", "a", "1", "b", "2")
        assert engine.call("DBSIZE") == 2
        engine.call("SELECT", "1")
        assert engine.call("DBSIZE") == 0

    @pytest.mark.parametrize("mode", ["", "sync", "ASYNC"])
    def test_flush(self, engine: Engine, mode: str) -> None:
        for index in (0, 1):
            engine.call("SELECT", index)
            engine.call("MSET", "a", "1", "b", "2")
        assert engine.call("FLUSHDB", *mode.split()) == b"OK"
        assert [len(engine.database(index)) for index in (0, 1)] == [2, 0]
        assert engine.call("FLUSHALL", *mode.split()) == b"OK"
        assert [len(engine.database(index)) for index in (0, 1)] == [0, 0]

    def test_flushes_count_as_changes(self, engine: Engine) -> None:
        keyspace = engine.server.keyspace
        engine.call("MSET", "a", "1", "b", "2")
        before = keyspace.dirty
        engine.call("FLUSHDB")
        assert keyspace.dirty == before + 2
        engine.call("FLUSHALL")
        assert keyspace.dirty == before + 3

    @pytest.mark.parametrize("command", ["FLUSHDB", "FLUSHALL"])
    def test_flush_errors(self, engine: Engine, command: str) -> None:
        assert engine.error(command, "now") == b"ERR syntax error"
        assert engine.error(command, "sync", "async") == b"ERR syntax error"

    def test_swapdb(self, engine: Engine) -> None:
        engine.call("SET", "a", "1")
        assert engine.call("SWAPDB", "0", "1") == b"OK"
        assert engine.call("DBSIZE") == 0
        engine.call("SWAPDB", "1", "0")
        assert engine.call("GET", "a") == b"1"

    def test_swapdb_wakes_who_waits(self, engine: Engine, connect: Callable[[], Connection]) -> None:
        waiter = connect()
        waiter.send("BLPOP list 0")
        engine.call("SELECT", "1")
        engine.call("RPUSH", "list", "a")
        engine.call("SWAPDB", "0", "1")
        assert waiter.received() == b"*2\r\n$4\r\nlist\r\n$1\r\na\r\n"

    @pytest.mark.parametrize(
        ("first", "second", "error"),
        [
            ("a", "b", b"ERR invalid first DB index"),
            ("0", "b", b"ERR invalid second DB index"),
            ("99999999999999999999", "0", b"ERR invalid first DB index"),
            ("0", "16", b"ERR DB index is out of range"),
            ("-1", "0", b"ERR DB index is out of range"),
        ],
    )
    def test_swapdb_errors(self, engine: Engine, first: str, second: str, error: bytes) -> None:
        assert engine.error("SWAPDB", first, second) == error


class TestTime:
    def test_it_is_the_clock_s(self, engine: Engine) -> None:
        engine.clock.advance(0.5)
        assert engine.call("TIME") == [b"%d" % engine.START, b"500000"]

    def test_it_stands_still_in_a_transaction(self, engine: Engine) -> None:
        engine.call("MULTI")
        engine.call("TIME")
        engine.clock.advance(0.25)
        engine.call("TIME")
        assert engine.call("EXEC") == [[b"%d" % engine.START, b"250000"]] * 2

    def test_lastsave(self, engine: Engine) -> None:
        engine.clock.advance(100)
        assert engine.call("LASTSAVE") == engine.START


class TestShutdown:
    @pytest.fixture
    def stopped(self, engine: Engine, tmp_path: Path) -> list[str]:
        stopped: list[str] = []
        engine.server.directory = bytes(tmp_path)
        engine.server.on_shutdown = lambda: stopped.append("stopped")
        return stopped

    @pytest.mark.parametrize("options", ["", "NOSAVE", "nosave now force", "NOW", "SAVE FORCE"])
    def test_it_stops_the_server(
        self, stopped: list[str], connect: Callable[[], Connection], options: str
    ) -> None:
        connection = connect()
        assert connection.send("PING", f"SHUTDOWN {options}", "PING") == b"+PONG\r\n"
        assert connection.closed
        assert stopped == ["stopped"]

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ("NOSAVE SAVE", b"ERR syntax error"),
            ("later", b"ERR syntax error"),
            ("ABORT NOW", b"ERR syntax error"),
            ("ABORT", b"ERR No shutdown in progress."),
        ],
    )
    def test_errors(self, engine: Engine, stopped: list[str], options: str, error: bytes) -> None:
        assert engine.error("SHUTDOWN", *options.split()) == error
        assert stopped == []

    @pytest.mark.parametrize(
        ("points", "options", "saved"),
        [("", "", False), ("", "SAVE", True), ("60 1", "", True), ("60 1", "NOSAVE", False)],
    )
    def test_saving(
        self,
        engine: Engine,
        stopped: list[str],
        connect: Callable[[], Connection],
        points: str,
        options: str,
        saved: bool,
    ) -> None:
        engine.call("CONFIG", "SET", "save", points)
        connect().send(f"SHUTDOWN {options}")
        assert stopped == ["stopped"]
        assert os.listdir(engine.server.directory) == [b"dump.rdb"] * saved

    def test_it_stays_up_rather_than_lose_the_data(
        self, engine: Engine, stopped: list[str], tmp_path: Path, connect: Callable[[], Connection]
    ) -> None:
        engine.server.directory = bytes(tmp_path / "nowhere")
        assert engine.error("SHUTDOWN", "SAVE") == b"ERR Errors trying to SHUTDOWN. Check logs."
        assert stopped == []
        connect().send("SHUTDOWN SAVE FORCE")
        assert stopped == ["stopped"]

    def test_not_in_a_transaction(self, engine: Engine, stopped: list[str]) -> None:
        engine.call("MULTI")
        assert engine.error("SHUTDOWN") == b"ERR Command not allowed inside a transaction"
        assert stopped == []

    def test_a_server_in_an_application_is_not_its_clients_to_stop(self, engine: Engine) -> None:
        assert engine.error("SHUTDOWN") == b"ERR Errors trying to SHUTDOWN. Check logs."


class TestReplication:
    def test_role(self, engine: Engine) -> None:
        assert engine.call("ROLE") == [b"master", 0, []]

    @pytest.mark.parametrize("command", ["REPLICAOF", "SLAVEOF"])
    def test_being_a_master(self, engine: Engine, command: str) -> None:
        assert engine.call(command, "no", "ONE") == b"OK"
        assert engine.error(command, "host", "port") == b"ERR Invalid master port"

    @staticmethod
    def wait(engine: Engine, *words: object) -> tuple[Deferred[Any], list[Any]]:
        replies: list[Any] = []
        waiting = engine.factory.client().call(*words)
        waiting.addBoth(replies.append)
        return waiting, replies

    def test_wait(self, engine: Engine) -> None:
        assert engine.call("WAIT", "0", "0") == 0
        assert engine.call("WAIT", "-1", "0") == 0
        _, replies = self.wait(engine, "WAIT", "1", "100")
        assert engine.server.blocked_clients == 1
        engine.clock.advance(0.09)
        assert replies == []
        engine.clock.advance(0.02)
        assert replies == [0]
        assert engine.server.blocked_clients == 0

    def test_wait_is_not_woken_by_keys(self, engine: Engine) -> None:
        waiting, replies = self.wait(engine, "WAIT", "1", "0")
        engine.call("SET", "a", "b")
        engine.call("FLUSHALL")
        engine.clock.advance(1000)
        assert replies == []
        waiting.cancel()

    def test_wait_in_a_transaction(self, engine: Engine) -> None:
        engine.call("MULTI")
        engine.call("WAIT", "3", "0")
        assert engine.call("EXEC") == [0]

    @pytest.mark.parametrize(
        ("words", "error"),
        [
            ("WAIT x 0", b"ERR value is not an integer or out of range"),
            ("WAIT 1 x", b"ERR timeout is not an integer or out of range"),
            ("WAIT 1 -1", b"ERR timeout is negative"),
            ("WAITAOF 2 0 0", b"ERR value is out of range, value must between 0 and 1"),
            ("WAITAOF 0 -1 0", b"ERR value is out of range, must be positive"),
            ("WAITAOF 0 0 -1", b"ERR timeout is negative"),
            (
                "WAITAOF 1 0 0",
                b"ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
            ),
        ],
    )
    def test_errors(self, engine: Engine, words: str, error: bytes) -> None:
        assert engine.error(*words.split()) == error

    def test_waitaof(self, engine: Engine) -> None:
        assert engine.call("WAITAOF", "0", "0", "0") == [0, 0]
        _, replies = self.wait(engine, "WAITAOF", "0", "1", "100")
        engine.clock.advance(1)
        assert replies == [[0, 0]]


def test_lolwut(engine: Engine) -> None:
    assert engine.call("LOLWUT").startswith(b"Redis ver. 7.")
    assert engine.call("LOLWUT", "VERSION", "9").startswith(b"Redis ver. 7.")
    assert engine.error("LOLWUT", "VERSION", "x") == b"ERR value is not an integer or out of range"
