"""MONITOR: what is shown, of whom, to whom, and until when."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from twisted.internet.address import UNIXAddress

from twisted_resp.server.client import Client
from twisted_resp.server.monitoring import line
from twisted_resp.server.server import MONITORED

if TYPE_CHECKING:
    from tests.commands.conftest import Connection, Engine

_LINE = re.compile(rb'\+\d+\.\d{6} \[(\d+ [^\]]+)\] (".*")')


def shown(connection: Connection) -> list[tuple[str, str]]:
    """What a monitor was shown since the last look: (database and address, words)."""
    lines = connection.received().split(b"\r\n")
    assert lines.pop() == b""
    found = [_LINE.fullmatch(each) for each in lines]
    assert None not in found, lines
    return [(each[1].decode(), each[2].decode()) for each in found if each]


def words(connection: Connection) -> list[str]:
    return [each for _, each in shown(connection)]


@pytest.fixture
def monitor(connect: Callable[[], Connection]) -> Connection:
    """A connection, from port 50000, that has said MONITOR."""
    connection = connect()
    assert connection.send("MONITOR") == b"+OK\r\n"
    return connection


@pytest.fixture
def other(monitor: Connection, connect: Callable[[], Connection]) -> Connection:
    """Another one, from port 50001."""
    return connect()


class TestLines:
    def test_one(self, engine: Engine, monitor: Connection, other: Connection) -> None:
        engine.clock.advance(0.123456)
        other.send("KEYS *")
        assert monitor.received() == b'+1700000000.123456 [0 127.0.0.1:50001] "KEYS" "*"\r\n'

    def test_every_byte_is_visible(self, monitor: Connection, other: Connection) -> None:
        other.send(b'ECHO \x00"\\\xff')
        assert words(monitor) == [r'"ECHO" "\x00\"\\\xff"']

    def test_database_where_a_command_has_led(self, monitor: Connection, other: Connection) -> None:
        other.send("SELECT 3", "PING", "RESET")
        assert [where for where, _ in shown(monitor)] == [
            "3 127.0.0.1:50001", "3 127.0.0.1:50001", "0 127.0.0.1:50001",
        ]  # fmt: skip

    def test_unix_socket(self, engine: Engine) -> None:
        client = Client(engine.server, b"/run/redis.sock:0", b"/run/redis.sock:0")
        assert line(client, [b"PING"]) == b'1700000000.000000 [0 unix:/run/redis.sock] "PING"'
        assert UNIXAddress("/run/redis.sock").name == b"/run/redis.sock"

    def test_in_process(self, engine: Engine, monitor: Connection) -> None:
        engine.call("PING")
        assert shown(monitor) == [("0 in-process:0", '"PING"')]

    def test_resp3(self, engine: Engine, connect: Callable[[], Connection]) -> None:
        connection = connect()
        connection.send("HELLO 3", "MONITOR")
        engine.call("PING")
        assert connection.received().startswith(b"+1700000000.")


class TestWhatIsShown:
    def test_failures_too(self, monitor: Connection, other: Connection) -> None:
        other.send("SET key value", "LPUSH key 1")
        assert words(monitor) == ['"SET" "key" "value"', '"LPUSH" "key" "1"']

    def test_not_what_never_ran(self, monitor: Connection, other: Connection) -> None:
        other.send("NOSUCH", "GET", "OBJECT nothing")
        assert words(monitor) == []

    def test_not_what_administers(self, monitor: Connection, other: Connection) -> None:
        other.send("CONFIG GET port", "CLIENT LIST", "MONITOR")
        assert words(monitor) == []

    def test_no_secrets(self, monitor: Connection, other: Connection) -> None:
        other.send("AUTH secret", "AUTH me secret", "HELLO 2 AUTH me secret SETNAME name")
        assert words(monitor) == [
            '"AUTH" "(redacted)"',
            '"AUTH" "(redacted)" "(redacted)"',
            '"HELLO" "2" "AUTH" "(redacted)" "(redacted)" "SETNAME" "name"',
        ]

    def test_transactions_in_order(self, monitor: Connection, other: Connection) -> None:
        other.send("MULTI", "SET a 1", "SELECT 1")
        assert words(monitor) == ['"MULTI"']
        other.send("EXEC")
        assert shown(monitor) == [
            ("0 127.0.0.1:50001", '"SET" "a" "1"'),
            ("1 127.0.0.1:50001", '"SELECT" "1"'),
            ("1 127.0.0.1:50001", '"EXEC"'),
        ]

    @pytest.mark.parametrize("exec_", ["EXEC", "EXEC now"])
    def test_a_transaction_that_fails_is_over(
        self, monitor: Connection, other: Connection, exec_: str
    ) -> None:
        other.send("MULTI", "NOSUCH", exec_)
        assert [each.split()[0] for each in words(monitor)] == ['"MULTI"', '"EXEC"']

    def test_a_blocked_command_once(self, engine: Engine, monitor: Connection, other: Connection) -> None:
        other.send("BLPOP list 0")
        assert words(monitor) == ['"BLPOP" "list" "0"']
        engine.call("RPUSH", "list", "a")
        assert other.received()
        assert words(monitor) == ['"RPUSH" "list" "a"']

    def test_scripts(self, engine: Engine, monitor: Connection) -> None:
        pytest.importorskip("lupa")
        engine.call("EVAL", "redis.call('select', 2) return redis.call('SET', KEYS[1], 'v')", "1", "key")
        (first, _), *inside = shown(monitor)
        assert first == "0 in-process:0"
        assert inside == [("2 lua", '"select" "2"'), ("2 lua", '"SET" "key" "v"')]


class TestComingAndGoing:
    def test_its_own_commands_follow_their_replies(self, monitor: Connection) -> None:
        assert monitor.send("ECHO hi").startswith(b"$2\r\nhi\r\n+1700000000.000000 [0 127.0.0.1:50000] ")

    def test_flag(self, engine: Engine, monitor: Connection) -> None:
        assert b" flags=O " in engine.call("CLIENT", "LIST", "ID", monitor.client.id)

    def test_said_twice(self, engine: Engine, monitor: Connection) -> None:
        assert monitor.send("MONITOR") == b""
        engine.call("PING")
        assert words(monitor) == ['"PING"']

    def test_several(self, engine: Engine, monitor: Connection, other: Connection) -> None:
        other.send("MONITOR")
        other.received()
        engine.call("PING")
        assert words(monitor) == words(other) == ['"PING"']
        monitor.lose()
        engine.call("TIME")
        assert words(other) == ['"TIME"']
        assert engine.server.attention & MONITORED
        other.lose()
        assert not engine.server.attention & MONITORED
        assert len(engine.server.monitors) == 0

    def test_reset(self, engine: Engine, monitor: Connection) -> None:
        assert monitor.send("RESET") == b"+RESET\r\n"
        engine.call("PING")
        assert monitor.received() == b""
        assert not engine.server.attention & MONITORED
        assert b" flags=N " in engine.call("CLIENT", "LIST", "ID", monitor.client.id)

    def test_killed(self, engine: Engine, monitor: Connection) -> None:
        engine.call("CLIENT", "KILL", "ID", monitor.client.id)
        assert not engine.server.attention & MONITORED

    def test_not_in_a_transaction(self, engine: Engine) -> None:
        engine.call("MULTI")
        engine.call("MONITOR")
        (error,) = engine.call("EXEC")
        assert error.message == b"ERR MONITOR isn't allowed for DENY BLOCKING client"

    def test_a_slow_one_is_dropped(self, engine: Engine, monitor: Connection) -> None:
        engine.call("CONFIG", "SET", "client-output-buffer-limit", "replica 100000 0 0")
        # As a transport does whose peer does not read.
        producer: Any = monitor.transport.producer
        producer.pauseProducing()
        for _ in range(5):
            engine.call("SET", "key", "v" * 50_000)
        assert not engine.server.attention & MONITORED
        assert engine.server.statistics.output_buffer_limit_disconnections == 1
