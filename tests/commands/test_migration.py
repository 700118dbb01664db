"""MIGRATE: what is sent to the other server, and what its answers, or their absence, lead to."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from twisted_resp import RespFactory
from twisted_resp.errors import CommandError
from twisted_resp.rdb.payload import dump
from twisted_resp.server.encoding import encode_command


class Source:
    """A server whose reactor connects to nowhere, so that a test answers for the other one."""

    def __init__(self) -> None:
        self.reactor: Any = MemoryReactorClock()
        self.reactor.advance(1_700_000_000)
        self.factory = RespFactory(clock=self.reactor)
        self.transport = StringTransport()
        self.peer: Any = None

    def call(self, *args: object) -> Any:
        results: list[Any] = []
        self.factory.call(*args).addBoth(results.append)
        assert results, f"{args[0]!r} waits"
        return results[0]

    def migrate(self, *args: object) -> Deferred[Any]:
        """Begin to move a key."""
        return self.factory.call("MIGRATE", "there", 6379, *args)

    def connect(self) -> None:
        """The connection that was asked for last is there."""
        host, port, factory, _, _ = self.reactor.tcpClients[-1]
        assert (host, port) == ("there", 6379)
        self.transport = StringTransport()
        self.peer = factory.buildProtocol(None)
        self.peer.makeConnection(self.transport)

    def sent(self) -> bytes:
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    def lose(self) -> None:
        self.peer.connectionLost(Failure(ConnectionRefusedError()))


@pytest.fixture
def source() -> Source:
    """A server that has a, b and c."""
    source = Source()
    source.call("MSET", "a", 1, "b", 2, "c", 3)
    return source


def restore(key: bytes, value: bytes, ttl: bytes = b"0", *more: bytes) -> bytes:
    return encode_command([b"RESTORE", key, ttl, dump(value), *more])


def error_of(waiting: Deferred[Any]) -> bytes:
    errors: list[Any] = []
    waiting.addErrback(errors.append)
    assert errors[0].check(CommandError)
    message: bytes = errors[0].value.message
    return message


def test_a_key_moves(source: Source) -> None:
    told: list[Any] = []
    source.factory.server.effects.add_listener(told.extend)
    source.call("PEXPIRE", "a", 5000)
    told.clear()
    waiting = source.migrate("a", 9, 1000)
    source.connect()
    assert source.sent() == encode_command([b"SELECT", b"9"]) + restore(b"a", b"1", b"5000")
    assert not waiting.called
    source.peer.dataReceived(b"+OK\r\n+OK\r\n")
    assert waiting.result == b"OK"
    assert source.call("EXISTS", "a") == 0
    assert told == [(0, [b"DEL", b"a"])]


def test_copies_stay(source: Source) -> None:
    waiting = source.migrate("", 0, 1000, "COPY", "REPLACE", "AUTH2", "me", "secret", "KEYS", "a", "no", "b")
    source.connect()
    assert source.sent() == (
        encode_command([b"AUTH", b"me", b"secret"])
        + encode_command([b"SELECT", b"0"])
        + restore(b"a", b"1", b"0", b"REPLACE")
        + restore(b"b", b"2", b"0", b"REPLACE")
    )
    source.peer.dataReceived(b"+OK\r\n" * 4)
    assert waiting.result == b"OK"
    assert source.call("EXISTS", "a", "b") == 2


def test_everybody_else_waits(source: Source) -> None:
    waiting = source.migrate("a", 0, 1000)
    source.connect()
    other = source.factory.client().call("INCR", "a")
    assert not other.called
    source.peer.dataReceived(b"+OK\r\n+OK\r\n")
    assert waiting.result == b"OK"
    assert other.result == 1


def test_the_connection_is_used_again(source: Source) -> None:
    source.migrate("a", 9, 1000)
    source.connect()
    source.peer.dataReceived(b"+OK\r\n+OK\r\n")
    assert b"migrate_cached_sockets:1" in source.call("INFO", "stats")
    source.sent()
    waiting = source.migrate("b", 9, 1000)
    assert source.sent() == restore(b"b", b"2")
    source.peer.dataReceived(b"+OK\r\n")
    assert waiting.result == b"OK"
    source.reactor.advance(11)
    assert b"migrate_cached_sockets:0" in source.call("INFO", "stats")
    assert source.transport.disconnecting


def test_only_keys_that_were_taken_are_deleted(source: Source) -> None:
    waiting = source.migrate("", 0, 1000, "KEYS", "a", "b", "c")
    source.connect()
    source.peer.dataReceived(b"+OK\r\n+OK\r\n-BUSYKEY Target key name already exists.\r\n+OK\r\n")
    assert error_of(waiting) == (
        b"ERR Target instance replied with error: BUSYKEY Target key name already exists."
    )
    assert source.call("KEYS", "*") == [b"b"]


def test_a_lost_connection(source: Source) -> None:
    waiting = source.migrate("", 0, 1000, "KEYS", "a", "b", "c")
    source.connect()
    source.peer.dataReceived(b"+OK\r\n+OK\r\n")
    source.lose()
    assert error_of(waiting) == b"IOERR error or timeout reading to target instance"
    assert sorted(source.call("KEYS", "*")) == [b"b", b"c"]


def test_a_connection_that_was_lost_unused(source: Source) -> None:
    source.migrate("a", 0, 1000)
    source.connect()
    source.peer.dataReceived(b"+OK\r\n+OK\r\n")
    waiting = source.migrate("b", 0, 1000)
    source.lose()  # before a first answer: another attempt
    source.connect()
    source.peer.dataReceived(b"+OK\r\n+OK\r\n")
    assert waiting.result == b"OK"


def test_answers_that_do_not_come(source: Source) -> None:
    waiting = source.migrate("a", 0, 1000)
    source.connect()
    source.reactor.advance(1.1)
    assert error_of(waiting) == b"IOERR error or timeout reading to target instance"
    assert source.call("EXISTS", "a") == 1


def test_nobody_there(source: Source) -> None:
    waiting = source.migrate("a", 0, 1000)
    source.reactor.tcpClients[-1][2].clientConnectionFailed(None, Failure(ConnectionRefusedError()))
    assert error_of(waiting) == b"IOERR error or timeout connecting to the client"
    assert source.call("EXISTS", "a") == 1


def test_what_can_be_said_at_once(source: Source) -> None:
    assert source.call("MIGRATE", "there", 1, "nokey", 0, 1000) == b"NOKEY"
    for options, error in (
        (
            ("x", 0, 1000, "KEYS", "a"),
            b"ERR When using MIGRATE KEYS option, the key argument must be set to the empty",
        ),
        (("a", 0, 1000, "WHAT"), b"ERR syntax error"),
        (("a", 0, 1000, "AUTH"), b"ERR syntax error"),
        (("a", 0, "soon"), b"ERR value is not an integer or out of range"),
    ):
        assert error_of(source.migrate(*options)).startswith(error)
