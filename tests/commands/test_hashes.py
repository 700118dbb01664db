"""The hash commands, but for the expiry of fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Engine = Any  # the fixture of conftest.py
Connect = Callable[[], Any]

WRONG_TYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"


def test_hset(engine: Engine) -> None:
    events, effects = engine.events(), engine.effects()
    assert engine.call("HSET", "h", "a", 1, "b", 2, "a", 3) == 2
    assert engine.call("HSET", "h", "a", 4) == 0
    assert engine.call("HMSET", "h", "c", 5) == b"OK"
    assert engine.call("HGETALL", "h") == {b"a": b"4", b"b": b"2", b"c": b"5"}
    assert events == [(b"new", b"h"), (b"hset", b"h"), (b"hset", b"h"), (b"hset", b"h")]
    assert effects[0] == [b"HSET", b"h", b"a", b"1", b"b", b"2", b"a", b"3"]
    assert engine.server.keyspace.dirty == 5


@pytest.mark.parametrize("command", ["HSET", "HMSET"])
def test_pairs_must_be_complete(engine: Engine, command: str) -> None:
    expected = b"ERR wrong number of arguments for '%b' command" % command.lower().encode()
    engine.call("SET", "string", "x")
    assert engine.error(command, "string", "a", 1, "b") == expected
    assert engine.error(command, "string", "a", 1) == WRONG_TYPE


def test_hsetnx(engine: Engine) -> None:
    events = engine.events()
    assert engine.call("HSETNX", "h", "a", 1) == 1
    assert engine.call("HSETNX", "h", "a", 2) == 0
    assert engine.call("HSETNX", "h", "b", 3) == 1
    assert engine.call("HVALS", "h") == [b"1", b"3"]
    assert events == [(b"new", b"h"), (b"hset", b"h"), (b"hset", b"h")]


def test_reading(engine: Engine) -> None:
    engine.call("HSET", "h", "a", "one", "b", "")
    assert engine.call("HGET", "h", "a") == b"one"
    assert engine.call("HGET", "h", "x") is None
    assert engine.call("HMGET", "h", "b", "x", "a", "a") == [b"", None, b"one", b"one"]
    assert engine.call("HKEYS", "h") == [b"a", b"b"]
    assert engine.call("HVALS", "h") == [b"one", b""]
    assert engine.call("HLEN", "h") == 2
    assert engine.call("HSTRLEN", "h", "a") == 3
    assert [engine.call("HEXISTS", "h", field) for field in "bx"] == [1, 0]


def test_reading_what_is_not_there(engine: Engine) -> None:
    assert engine.call("HGET", "h", "a") is None
    assert engine.call("HMGET", "h", "a", "b") == [None, None]
    assert engine.call("HGETALL", "h") == {}
    assert engine.call("HKEYS", "h") == []
    assert engine.call("HVALS", "h") == []
    assert [engine.call(command, "h", "a") for command in ("HSTRLEN", "HEXISTS", "HDEL")] == [0, 0, 0]
    assert engine.call("HLEN", "h") == 0
    assert engine.call("HRANDFIELD", "h") is None
    assert engine.call("HRANDFIELD", "h", 2) == []
    assert engine.call("HSCAN", "h", 0, "NONSENSE") == [b"0", []]


@pytest.mark.parametrize(
    "command",
    [
        "HSETNX k f v", "HGET k f", "HMGET k f", "HGETALL k", "HKEYS k", "HVALS k", "HLEN k", "HSTRLEN k f", "HDEL k f",
        "HEXISTS k f", "HINCRBY k f 1", "HINCRBYFLOAT k f 1", "HRANDFIELD k", "HRANDFIELD k 0", "HSCAN k 0",
    ],
)  # fmt: skip
def test_the_type_matters(engine: Engine, command: str) -> None:
    engine.call("SADD", "k", "f")
    assert engine.error(*command.split()) == WRONG_TYPE


def test_hdel(engine: Engine) -> None:
    engine.call("HSET", "h", "a", 1, "b", 2)
    events = engine.events()
    assert engine.call("HDEL", "h", "x") == 0
    assert engine.call("HDEL", "h", "a", "a", "x") == 1
    assert engine.call("HDEL", "h", "b", "c") == 1
    assert events == [(b"hdel", b"h"), (b"hdel", b"h"), (b"del", b"h")]
    assert engine.call("EXISTS", "h") == 0


# --------------------------------------------------------------------------- numbers


def test_hincrby(engine: Engine) -> None:
    events, effects = engine.events(), engine.effects()
    assert engine.call("HINCRBY", "h", "a", 5) == 5
    assert engine.call("HINCRBY", "h", "a", -7) == -2
    assert engine.call("HGET", "h", "a") == b"-2"
    assert events == [(b"new", b"h"), (b"hincrby", b"h"), (b"hincrby", b"h")]
    assert effects[1] == [b"HINCRBY", b"h", b"a", b"-7"]


def test_errors_of_hincrby(engine: Engine) -> None:
    engine.call("SET", "string", "x")
    engine.call("HSET", "h", "text", "x", "most", 2**63 - 1, "empty", "", "space", " 1")
    assert engine.error("HINCRBY", "string", "a", "x") == b"ERR value is not an integer or out of range"
    assert engine.error("HINCRBY", "string", "a", 1) == WRONG_TYPE
    for field in ("text", "empty", "space"):
        assert engine.error("HINCRBY", "h", field, 1) == b"ERR hash value is not an integer"
    assert engine.error("HINCRBY", "h", "most", 1) == b"ERR increment or decrement would overflow"


def test_hincrbyfloat(engine: Engine) -> None:
    events, effects = engine.events(), engine.effects()
    assert engine.call("HINCRBYFLOAT", "h", "a", "1.5") == b"1.5"
    assert engine.call("HINCRBYFLOAT", "h", "a", "1e1") == b"11.5"
    assert events == [(b"new", b"h"), (b"hincrbyfloat", b"h"), (b"hincrbyfloat", b"h")]
    assert effects == [[b"HSET", b"h", b"a", b"1.5"], [b"HSET", b"h", b"a", b"11.5"]]


def test_errors_of_hincrbyfloat(engine: Engine) -> None:
    engine.call("SET", "string", "x")
    engine.call("HSET", "h", "text", "x", "inf", "inf", "nan", "nan")
    for increment in ("x", "nan", "", " 1"):
        assert engine.error("HINCRBYFLOAT", "string", "a", increment) == b"ERR value is not a valid float"
    assert engine.error("HINCRBYFLOAT", "string", "a", "-inf") == b"ERR value is NaN or Infinity"
    assert engine.error("HINCRBYFLOAT", "string", "a", 1) == WRONG_TYPE
    for field in ("text", "nan"):
        assert engine.error("HINCRBYFLOAT", "h", field, 1) == b"ERR hash value is not a float"
    assert engine.error("HINCRBYFLOAT", "h", "inf", 1) == b"ERR increment would produce NaN or Infinity"
    # A mistake leaves no empty hash behind.
    assert engine.error("HINCRBYFLOAT", "new", "a", "x")
    assert engine.call("EXISTS", "new") == 0


# -------------------------------------------------------------------- draws and scans


@pytest.mark.parametrize("size", [3, 600])
def test_hrandfield(engine: Engine, size: int) -> None:
    fields = {b"f%d" % number: b"%d" % number for number in range(size)}
    engine.call("HSET", "h", *[word for pair in fields.items() for word in pair])
    assert engine.call("HRANDFIELD", "h") in fields
    assert len(set(engine.call("HRANDFIELD", "h", size - 1))) == size - 1
    assert set(engine.call("HRANDFIELD", "h", size + 1)) == set(fields)
    assert len(engine.call("HRANDFIELD", "h", -2 * size)) == 2 * size
    assert engine.call("HRANDFIELD", "h", 0) == []
    # In process it is RESP3.
    for count in (2, -5):
        pairs = engine.call("HRANDFIELD", "h", count, "withvalues")
        assert len(pairs) == abs(count)
        assert all(fields[field] == value for field, value in pairs)


def test_errors_of_hrandfield(engine: Engine) -> None:
    engine.call("SET", "string", "x")
    assert engine.error("HRANDFIELD", "string", "x", "y") == b"ERR value is not an integer or out of range"
    assert engine.error("HRANDFIELD", "string", -(2**63), "y") == (
        b"ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
    )
    assert engine.error("HRANDFIELD", "string", "1", "VALUES") == b"ERR syntax error"
    assert engine.error("HRANDFIELD", "string", "1", "WITHVALUES", "WITHVALUES") == b"ERR syntax error"
    assert engine.error("HRANDFIELD", "string", 2**62, "WITHVALUES") == b"ERR value is out of range"


@pytest.mark.parametrize("size", [10, 1000])
def test_hscan(engine: Engine, size: int) -> None:
    fields = {b"f%d" % number: b"%d" % number for number in range(size)}
    engine.call("HSET", "h", *[word for pair in fields.items() for word in pair])
    found: dict[bytes, bytes] = {}
    alone: set[bytes] = set()
    for options in ((), ("NOVALUES",)):
        cursor = b"0"
        while True:
            cursor, words = engine.call("HSCAN", "h", cursor, "COUNT", 20, *options)
            if options:
                alone.update(words)
            else:
                found.update(zip(words[::2], words[1::2]))
            if cursor == b"0":
                break
    assert found == fields
    assert alone == set(fields)
    matching = engine.call("HSCAN", "h", 0, "MATCH", "f1*", "COUNT", 10 * size)[1]
    assert dict(zip(matching[::2], matching[1::2])) == {
        field: value for field, value in fields.items() if field.startswith(b"f1")
    }


# ------------------------------------------------------------------------------- RESP3


def test_replies_of_resp3(connect: Connect) -> None:
    connection = connect()
    connection.send("HELLO 3", "HSET h a 1")
    assert connection.send("HGETALL h", "HGETALL none") == b"%1\r\n$1\r\na\r\n$1\r\n1\r\n%0\r\n"
    assert connection.send("HKEYS h", "HVALS h") == b"*1\r\n$1\r\na\r\n*1\r\n$1\r\n1\r\n"
    assert connection.send("HRANDFIELD h 1 WITHVALUES") == b"*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"
    assert connection.send("HINCRBYFLOAT h a 1.5") == b"$3\r\n2.5\r\n"
    assert connection.send("HSCAN h 0") == b"*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$3\r\n2.5\r\n"
    connection.send("HELLO 2")
    assert connection.send("HGETALL h", "HGETALL none") == b"*2\r\n$1\r\na\r\n$3\r\n2.5\r\n*0\r\n"
    assert connection.send("HRANDFIELD h 1 WITHVALUES") == b"*2\r\n$1\r\na\r\n$3\r\n2.5\r\n"
