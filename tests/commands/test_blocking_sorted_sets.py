"""Waiting for a member of a sorted set, over the wire; what holds for all waits is in test_blocking_lists.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Engine = Any  # the fixtures of conftest.py
Connect = Callable[[], Any]

CALLS = [
    ("BZPOPMIN k 0", b"*3\r\n$1\r\nk\r\n$1\r\na\r\n$1\r\n1\r\n"),
    ("BZPOPMAX n k 0", b"*3\r\n$1\r\nk\r\n$1\r\nc\r\n$1\r\n3\r\n"),
    ("BZMPOP 0 1 k MIN", b"*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
    (
        "BZMPOP 0 2 n k MAX COUNT 2",
        b"*2\r\n$1\r\nk\r\n*2\r\n*2\r\n$1\r\nc\r\n$1\r\n3\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n",
    ),
]


@pytest.mark.parametrize(("call", "reply"), CALLS)
def test_the_reply_is_the_same_at_once_and_later(
    engine: Engine, connect: Connect, call: str, reply: bytes
) -> None:
    waiter = connect()
    assert waiter.send(call) == b""
    engine.call("ZADD", "k", 1, "a", 2, "b", 3, "c")
    assert waiter.received() == reply
    engine.call("DEL", "k")
    engine.call("ZADD", "k", 1, "a", 2, "b", 3, "c")
    assert waiter.send(call) == reply


@pytest.mark.parametrize("call", [call.replace(" 0", " 0.5", 1) for call, _ in CALLS])
def test_time_runs_out(engine: Engine, connect: Connect, call: str) -> None:
    waiter = connect()
    assert waiter.send(call) == b""
    engine.clock.advance(0.49)
    assert waiter.received() == b""
    engine.clock.advance(0.01)
    assert waiter.received() == b"*-1\r\n"


@pytest.mark.parametrize("call", [call for call, _ in CALLS])
def test_in_a_transaction_nobody_waits(connect: Connect, call: str) -> None:
    client = connect()
    assert client.send("MULTI", call, "EXEC") == b"+OK\r\n+QUEUED\r\n*1\r\n*-1\r\n"


@pytest.mark.parametrize("write", ["ZINCRBY k 2 a", "ZUNIONSTORE k 1 t", "RENAME t k", "GEOADD k 1 1 a"])
def test_any_write_serves(engine: Engine, connect: Connect, write: str) -> None:
    engine.call("ZADD", "t", 2, "a")
    waiter = connect()
    waiter.send("BZPOPMIN k 0")
    engine.call(*write.split())
    assert waiter.received().startswith(b"*3\r\n$1\r\nk\r\n$1\r\na\r\n")


def test_first_come_first_served(engine: Engine, connect: Connect) -> None:
    first, second, third = connect(), connect(), connect()
    first.send("BZPOPMAX k 0")
    second.send("BZPOPMIN j k 0")
    third.send("BZPOPMIN k 0")
    engine.call("ZADD", "k", 1, "a", 2, "b")
    assert b"$1\r\nb\r\n" in first.received()
    assert b"$1\r\na\r\n" in second.received()
    assert third.received() == b""
    assert engine.call("EXISTS", "k") == 0


def test_another_type_does_not_wake(engine: Engine, connect: Connect) -> None:
    waiter = connect()
    waiter.send("BZPOPMIN k 0")
    engine.call("SADD", "k", "a")
    assert waiter.received() == b""
    assert connect().send("BZPOPMIN k 0").startswith(b"-WRONGTYPE")


def test_what_replicas_are_told(engine: Engine, connect: Connect) -> None:
    told = engine.effects()
    now, later, several = connect(), connect(), connect()
    engine.call("ZADD", "k", 1, "a")
    now.send("BZPOPMIN k 0")
    later.send("BZPOPMAX k 0")
    engine.call("ZADD", "k", 1, "b")
    several.send("BZMPOP 0 1 k MIN COUNT 5")
    engine.call("ZADD", "k", 1, "c", 2, "d")
    assert told == [
        [b"ZADD", b"k", b"1", b"a"],
        [b"ZPOPMIN", b"k"],
        [b"ZADD", b"k", b"1", b"b"],
        [b"ZPOPMAX", b"k"],
        [b"ZADD", b"k", b"1", b"c", b"2", b"d"],
        [b"ZPOPMIN", b"k", b"2"],
    ]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("BZPOPMIN k x", b"ERR timeout is not a float or out of range"),
        ("BZPOPMAX k -1", b"ERR timeout is negative"),
        ("BZMPOP x 0 k MIN", b"ERR numkeys should be greater than 0"),
        ("BZMPOP x 1 k MED", b"ERR syntax error"),
        ("BZMPOP x 1 k MIN", b"ERR timeout is not a float or out of range"),
    ],
)
def test_errors_in_their_order(engine: Engine, call: str, error: bytes) -> None:
    assert engine.error(*call.split()) == error
