"""What clients take in memory, and the eviction of those that take too much (maxmemory-clients)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.commands.conftest import Connection, Engine

Connect = Callable[[], "Connection"]

LIMIT = 200_000


@pytest.fixture
def control(engine: Engine, connect: Connect) -> Connection:
    """A connection that is spared, on a server with a limit."""
    control = connect()
    control.send("CLIENT NO-EVICT ON", f"CONFIG SET maxmemory-clients {LIMIT}")
    return control


def evicted(engine: Engine) -> int:
    return engine.server.statistics.evicted_clients


def gone(connection: Connection) -> bool:
    return connection.client.closing


def test_by_an_incomplete_request(engine: Engine, control: Connection, connect: Connect) -> None:
    victim, other = connect(), connect()
    other.send("PING")
    victim.feed(b"*3\r\n$4\r\nMGET\r\n$100000\r\n" + b"x" * 100_000)
    assert not gone(victim)
    assert b"evicted_clients:0" in control.send("INFO stats")
    victim.feed(b"\r\n$100000\r\nx")  # announced is as good as taken
    assert gone(victim)
    assert not gone(other)
    assert b"evicted_clients:1" in control.send("INFO stats")


def test_a_request_that_is_whole_again_takes_nothing(
    engine: Engine, control: Connection, connect: Connect
) -> None:
    connection = connect()
    connection.feed(b"*2\r\n$4\r\nECHO\r\n$150000\r\n" + b"x" * 149_000)
    assert engine.server.client_memory.total() > 149_000
    connection.feed(b"x" * 1000 + b"\r\n")
    assert engine.server.client_memory.total() < 50_000


@pytest.mark.parametrize("command", ["WATCH", "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"])
def test_by_many_small_things(engine: Engine, control: Connection, connect: Connect, command: str) -> None:
    victim = connect()
    for start in range(0, 3000, 100):
        victim.send(" ".join([command, *(f"k{number}" for number in range(start, start + 100))]))
    assert gone(victim)


def test_by_a_transaction(engine: Engine, control: Connection, connect: Connect) -> None:
    victim = connect()
    victim.send("MULTI")
    for _ in range(3):
        victim.send(b"SET k " + b"x" * 100_000)
    assert gone(victim)


def test_the_largest_go_first(engine: Engine, control: Connection, connect: Connect) -> None:
    control.send("CONFIG SET maxmemory-clients 0")
    small, large = [connect() for _ in range(3)], [connect() for _ in range(3)]
    for connections, size in ((small, 20_000), (large, 60_000)):
        for connection in connections:
            connection.feed(b"*2\r\n$4\r\nECHO\r\n$%d\r\n" % size + b"x" * size)
    control.send(f"CONFIG SET maxmemory-clients {LIMIT}")
    assert [gone(connection) for connection in small] == [False] * 3
    assert [gone(connection) for connection in large].count(True) == 2


def test_a_part_of_maxmemory(engine: Engine, control: Connection) -> None:
    control.send("CONFIG SET maxmemory 10mb maxmemory-clients 5%")
    assert engine.server.client_memory.limit == 10 * 1024 * 1024 // 20
    control.send("CONFIG SET maxmemory 20mb")
    assert engine.server.client_memory.limit == 1024 * 1024
    control.send("CONFIG SET maxmemory 0")
    assert engine.server.client_memory.limit == 0
    assert engine.server.attention == 0


def test_one_that_is_spared_no_longer(engine: Engine, control: Connection, connect: Connect) -> None:
    victim = connect()
    victim.send("CLIENT NO-EVICT ON")
    victim.feed(b"*2\r\n$4\r\nECHO\r\n$300000\r\n" + b"x" * 250_000)
    assert not gone(victim)
    victim.feed(b"x" * 50_000 + b"\r\n")
    victim.send("MULTI", b"SET k " + b"x" * 250_000)
    assert not gone(victim)
    control.send("PING")
    victim.client.no_evict = False
    victim.send("PING")
    assert gone(victim)


def test_keys_are_evicted_for_what_clients_take(engine: Engine, connect: Connect) -> None:
    for number in range(10):
        engine.call("SETRANGE", number, 20_000, "x")
    used = engine.server.memory.used()
    engine.call("CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory", used + 20_000)
    connection = connect()
    connection.feed(b"*2\r\n$4\r\nECHO\r\n$100000\r\n" + b"x" * 60_000)
    engine.call("PING")
    assert 0 < engine.server.keyspace.evicted < 10
    assert evicted(engine) == 0


def test_a_reply_that_is_over_the_output_limit_is_not_sent(engine: Engine, connect: Connect) -> None:
    engine.call("CONFIG", "SET", "client-output-buffer-limit", "normal 50000 0 0")
    connection = connect()
    for _ in range(60):
        engine.call("RPUSH", "list", "x" * 1000)
    assert connection.send("LRANGE list 0 9").startswith(b"*10\r\n")
    assert connection.send("LRANGE list 0 -1") == b""
    assert gone(connection)
    assert engine.server.statistics.output_buffer_limit_disconnections == 1


def limited(engine: Engine) -> None:
    """Let no client owe more than 50,000 bytes."""
    engine.call("CONFIG", "SET", "client-output-buffer-limit", "normal 50000 0 0")


@pytest.mark.parametrize("length", [1000, 10_000])
def test_replies_that_are_over_the_output_limit_together_are_not_sent(
    engine: Engine, connect: Connect, length: int
) -> None:
    connection, neighbour = connect(), connect()
    limited(engine)  # holds for who is there as for who comes
    engine.call("SET", "k", "x" * length)
    few = 40_000 // length
    assert len(connection.send(*["GET k"] * few)) > 40_000
    assert len(connection.send("PING", *["GET k"] * few)) > 40_000
    assert connection.send("SET n 1", *["GET k", "INCR n"] * (60_000 // length), "PING") == b""
    assert gone(connection)
    assert engine.server.statistics.output_buffer_limit_disconnections == 1
    assert connect().send(*["GET k"] * (60_000 // length)) == b""
    assert neighbour.send("PING") == b"+PONG\r\n"


def test_replies_to_requests_that_do_not_come_together_are_sent(engine: Engine, connect: Connect) -> None:
    limited(engine)
    engine.call("SET", "k", "x" * 3000)
    connection = connect()
    # Redis reads so much at a time, and sends what it has to answer to that.
    request = b"*3\r\n$6\r\nGETSET\r\n$1\r\nk\r\n$3000\r\n" + b"x" * 3000 + b"\r\n"
    connection.feed(request * 40)
    assert connection.received().count(b"$3000") == 40
    assert connection.send("BLPOP l 0") == b""
    connection.feed(request * 40)
    engine.call("RPUSH", "l", "x")
    assert connection.received().count(b"$3000") == 40
    assert not gone(connection)


@pytest.mark.parametrize(
    ("fill", "draw"),
    [
        ("SADD k a", "SRANDMEMBER k -999999999999"),
        ("HSET k a b", "HRANDFIELD k -999999999999"),
        ("HSET k a b", "HRANDFIELD k -999999999999 WITHVALUES"),
        ("ZADD k 1 a", "ZRANDMEMBER k -999999999999"),
        ("ZADD k 1 a", "ZRANDMEMBER k -999999999999 WITHSCORES"),
    ],
)
def test_no_more_is_drawn_than_may_be_sent(engine: Engine, connect: Connect, fill: str, draw: str) -> None:
    limited(engine)
    engine.call(*fill.split())
    connection = connect()
    assert connection.send(draw.replace("999999999999", "1000")) != b""
    assert connection.send(draw) == b""
    assert gone(connection)


def test_the_way_back_from_a_low_output_limit(engine: Engine, connect: Connect) -> None:
    connection = connect()
    engine.call("CONFIG", "SET", "client-output-buffer-limit", "normal 10 0 0")
    assert b"client_output_buffer_limit_disconnections:0" in connection.send("INFO stats")
    engine.call("SET", "k", "x" * 16_384)
    assert connection.send("GET k") == b""
    assert gone(connection)
    engine.call("SET", "k", "x" * 16_000)
    assert len(connect().send("GET k")) > 16_000
