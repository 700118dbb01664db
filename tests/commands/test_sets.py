"""The set commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

Engine = Any  # the fixture of conftest.py
Connect = Callable[[], Any]

WRONG_TYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"


def test_sadd(engine: Engine) -> None:
    events, effects = engine.events(), engine.effects()
    assert engine.call("SADD", "s", "a", "b", "a") == 2
    assert engine.call("SADD", "s", "a") == 0
    assert engine.call("SADD", "s", "b", "c") == 1
    assert events == [(b"new", b"s"), (b"sadd", b"s"), (b"sadd", b"s")]
    assert effects == [[b"SADD", b"s", b"a", b"b", b"a"], [b"SADD", b"s", b"b", b"c"]]
    assert engine.server.keyspace.dirty == 3
    assert engine.call("SCARD", "s") == 3
    assert engine.call("SCARD", "none") == 0


def test_srem(engine: Engine) -> None:
    engine.call("SADD", "s", "a", "b", "c")
    events = engine.events()
    assert engine.call("SREM", "none", "a") == 0
    assert engine.call("SREM", "s", "x") == 0
    assert engine.call("SREM", "s", "a", "x", "a") == 1
    assert events == [(b"srem", b"s")]
    assert engine.call("SREM", "s", "b", "c", "d") == 2
    assert events[1:] == [(b"srem", b"s"), (b"del", b"s")]
    assert engine.call("EXISTS", "s") == 0


def test_membership(engine: Engine) -> None:
    engine.call("SADD", "s", "a", "b")
    assert engine.call("SISMEMBER", "s", "a") == 1
    assert engine.call("SISMEMBER", "s", "x") == 0
    assert engine.call("SISMEMBER", "none", "a") == 0
    assert engine.call("SMISMEMBER", "s", "a", "x", "b") == [1, 0, 1]
    assert engine.call("SMISMEMBER", "none", "a", "b") == [0, 0]


def test_smove(engine: Engine) -> None:
    engine.call("SADD", "s", "a", "b")
    events, effects = engine.events(), engine.effects()
    assert engine.call("SMOVE", "s", "t", "x") == 0
    assert engine.call("SMOVE", "s", "s", "a") == 1
    assert engine.call("SMOVE", "s", "s", "x") == 0
    assert (events, effects) == ([], [])
    assert engine.call("SMOVE", "s", "t", "a") == 1
    assert events == [(b"srem", b"s"), (b"new", b"t"), (b"sadd", b"t")]
    assert engine.call("SADD", "t", "b") == 1
    del events[:]
    assert engine.call("SMOVE", "s", "t", "b") == 1
    assert events == [(b"srem", b"s"), (b"del", b"s")]
    assert sorted(engine.call("SMEMBERS", "t")) == [b"a", b"b"]
    assert effects[0] == [b"SMOVE", b"s", b"t", b"a"]


def test_smove_looks_at_the_types_if_there_is_a_source(engine: Engine) -> None:
    engine.call("SET", "string", "x")
    engine.call("SADD", "s", "a")
    assert engine.call("SMOVE", "none", "string", "a") == 0
    assert engine.error("SMOVE", "string", "s", "a") == WRONG_TYPE
    assert engine.error("SMOVE", "s", "string", "no member") == WRONG_TYPE


def test_spop(engine: Engine) -> None:
    assert engine.call("SPOP", "none") is None
    engine.call("SADD", "s", "a", "b")
    events, effects = engine.events(), engine.effects()
    first, second = engine.call("SPOP", "s"), engine.call("SPOP", "s")
    assert {first, second} == {b"a", b"b"}
    assert effects == [[b"SREM", b"s", first], [b"SREM", b"s", second]]
    assert events == [(b"spop", b"s"), (b"spop", b"s"), (b"del", b"s")]


@pytest.mark.parametrize("size", [20, 2000])
@pytest.mark.parametrize("part", [0.1, 0.9])
def test_spop_of_several(engine: Engine, size: int, part: float) -> None:
    members = {b"m%d" % number for number in range(size)}
    engine.call("SADD", "s", *members)
    dirty = engine.server.keyspace.dirty
    events, effects = engine.events(), engine.effects()
    count = int(size * part)
    popped = engine.call("SPOP", "s", count)
    assert len(popped) == count == len(set(popped))
    assert engine.server.keyspace.dirty == dirty + count
    assert events == [(b"spop", b"s")]
    told = [command for command in effects if command not in ([b"MULTI"], [b"EXEC"])]
    assert {command[0] for command in told} == {b"SREM"}
    assert [member for command in told for member in command[2:]] == popped
    assert max(map(len, told)) <= 1026
    assert (len(told) > 1) == (effects[0] == [b"MULTI"])
    assert set(engine.call("SMEMBERS", "s")) == members - set(popped)


@pytest.mark.parametrize(("lazily", "told"), [("no", b"DEL"), ("yes", b"UNLINK")])
def test_spop_of_all(engine: Engine, lazily: str, told: bytes) -> None:
    engine.call("CONFIG", "SET", "lazyfree-lazy-server-del", lazily)
    engine.call("SADD", "s", "a", "b")
    events, effects = engine.events(), engine.effects()
    assert sorted(engine.call("SPOP", "s", 3)) == [b"a", b"b"]
    assert events == [(b"spop", b"s"), (b"del", b"s")]
    assert effects == [[told, b"s"]]
    assert engine.call("SPOP", "s", 3) == []
    assert engine.call("SPOP", "s", 0) == []


def test_errors_of_spop(engine: Engine) -> None:
    engine.call("SET", "string", "x")
    for count in ("-1", "x"):
        assert engine.error("SPOP", "string", count) == b"ERR value is out of range, must be positive"
    assert engine.error("SPOP", "string", "x", "y") == b"ERR syntax error"
    assert engine.error("SPOP", "string", "0") == WRONG_TYPE


def test_srandmember(engine: Engine) -> None:
    engine.call("SADD", "s", "a", "b", "c")
    events, effects = engine.events(), engine.effects()
    assert {engine.call("SRANDMEMBER", "s") for _ in range(50)} == {b"a", b"b", b"c"}
    assert sorted(engine.call("SRANDMEMBER", "s", 5)) == [b"a", b"b", b"c"]
    assert len(set(engine.call("SRANDMEMBER", "s", 2))) == 2
    drawn = engine.call("SRANDMEMBER", "s", -60)
    assert len(drawn) == 60
    assert set(drawn) == {b"a", b"b", b"c"}
    assert engine.call("SRANDMEMBER", "s", 0) == []
    assert engine.call("SRANDMEMBER", "none") is None
    assert engine.call("SRANDMEMBER", "none", 1) == []
    assert (events, effects) == ([(b"keymiss", b"none")] * 2, [])


def test_errors_of_srandmember(engine: Engine) -> None:
    engine.call("SET", "string", "x")
    assert engine.error("SRANDMEMBER", "string", "x") == b"ERR value is not an integer or out of range"
    assert engine.error("SRANDMEMBER", "string", -(2**63)) == (
        b"ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
    )
    assert engine.error("SRANDMEMBER", "string", "1", "1") == b"ERR syntax error"
    assert engine.error("SRANDMEMBER", "string", "1") == WRONG_TYPE


@pytest.mark.parametrize("size", [26, 500])
def test_draws_are_fair(engine: Engine, size: int) -> None:
    members = [b"m%d" % number for number in range(size)]
    engine.call("SADD", "s", *members)
    drawn = Counter(engine.call("SRANDMEMBER", "s") for _ in range(40 * size))
    assert len(drawn) == size
    # Far beyond any chance of a fair draw.
    assert max(drawn.values()) < 100


# ----------------------------------------------------------------------- set algebra


def test_algebra(engine: Engine) -> None:
    engine.call("SADD", "x", "a", "b", "c", "d")
    engine.call("SADD", "y", "c")
    engine.call("SADD", "z", "a", "c", "e")
    assert engine.call("SINTER", "x", "y", "z") == [b"c"]
    assert engine.call("SINTER", "x", "none") == []
    assert sorted(engine.call("SUNION", "x", "none", "z")) == [b"a", b"b", b"c", b"d", b"e"]
    assert sorted(engine.call("SDIFF", "x", "none", "y", "z")) == [b"b", b"d"]
    assert engine.call("SDIFF", "none", "x") == []
    assert engine.call("SINTERCARD", 2, "x", "z") == 2
    assert engine.call("SINTERCARD", 2, "x", "z", "limit", 1) == 1
    assert engine.call("SINTERCARD", 2, "x", "z", "LIMIT", 1, "LIMIT", 0) == 2
    assert engine.call("SINTERCARD", 2, "x", "none") == 0


@pytest.mark.parametrize(
    "command",
    ["SINTER", "SUNION", "SDIFF", "SINTERSTORE to", "SUNIONSTORE to", "SDIFFSTORE to", "SINTERCARD 2"],
)
def test_every_key_must_be_a_set(engine: Engine, command: str) -> None:
    engine.call("SET", "string", "x")
    for keys in ("none string", "string none"):
        assert engine.error(*command.split(), *keys.split()) == WRONG_TYPE


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("0 a", b"ERR numkeys should be greater than 0"),
        ("x a", b"ERR numkeys should be greater than 0"),
        ("2 a", b"ERR Number of keys can't be greater than number of args"),
        ("1 a LIMIT", b"ERR syntax error"),
        ("1 a MOST 1", b"ERR syntax error"),
        ("1 a LIMIT -1", b"ERR LIMIT can't be negative"),
        ("1 a LIMIT x", b"ERR LIMIT can't be negative"),
        ("1 a b", b"ERR syntax error"),
    ],
)
def test_errors_of_sintercard(engine: Engine, arguments: str, error: bytes) -> None:
    assert engine.error("SINTERCARD", *arguments.split()) == error


@pytest.mark.parametrize(
    ("command", "expected"),
    [("SINTERSTORE", [b"b"]), ("SUNIONSTORE", [b"a", b"b", b"c"]), ("SDIFFSTORE", [b"a"])],
)
def test_storing(engine: Engine, command: str, expected: list[bytes]) -> None:
    engine.call("SADD", "x", "a", "b")
    engine.call("SADD", "y", "b", "c")
    engine.call("SET", "to", "something else", "EX", 100)
    events, effects = engine.events(), engine.effects()
    assert engine.call(command, "to", "x", "y") == len(expected)
    assert sorted(engine.call("SMEMBERS", "to")) == expected
    assert engine.call("TTL", "to") == -1
    assert events == [(command.lower().encode(), b"to")]
    assert effects == [[command.encode(), b"to", b"x", b"y"]]
    # What is read may be what is written.
    assert engine.call(command, "x", "x", "y") == len(expected)


@pytest.mark.parametrize("command", ["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"])
def test_storing_nothing_deletes(engine: Engine, command: str) -> None:
    engine.call("SADD", "to", "a")
    events, effects = engine.events(), engine.effects()
    assert engine.call(command, "to", "none", "none") == 0
    assert [event for event in events if event[0] != b"keymiss"] == [(b"del", b"to")]
    assert engine.call(command, "to", "none", "none") == 0
    assert effects == [[command.encode(), b"to", b"none", b"none"]]


# ------------------------------------------------------------------ scans and replies


def scanned(engine: Engine, *options: object) -> list[bytes]:
    cursor, found = b"0", []
    while True:
        cursor, members = engine.call("SSCAN", "s", cursor, *options)
        found += members
        if cursor == b"0":
            return found


@pytest.mark.parametrize("size", [10, 100, 1000])
def test_sscan(engine: Engine, size: int) -> None:
    members = [b"%d" % number for number in range(size)]
    engine.call("SADD", "s", "other", *members)
    assert sorted(scanned(engine)) == sorted([b"other", *members])
    assert sorted(scanned(engine, "MATCH", "*1*", "COUNT", 7)) == sorted(
        member for member in members if b"1" in member
    )


def test_errors_of_sscan(engine: Engine) -> None:
    engine.call("SET", "string", "x")
    engine.call("SADD", "s", "a")
    assert engine.error("SSCAN", "string", "x") == b"ERR invalid cursor"
    assert engine.error("SSCAN", "string", "0", "COUNT", "0") == WRONG_TYPE
    assert engine.error("SSCAN", "s", "0", "COUNT", "0") == b"ERR syntax error"
    assert engine.error("SSCAN", "s", "0", "NOVALUES") == b"ERR NOVALUES option can only be used in HSCAN"
    assert engine.call("SSCAN", "none", "0", "COUNT", "0") == [b"0", []]


def test_replies_of_resp3(connect: Connect) -> None:
    connection = connect()
    connection.send("HELLO 3", "SADD s a")
    assert connection.send("SMEMBERS s", "SINTER s", "SUNION s", "SDIFF s") == b"~1\r\n$1\r\na\r\n" * 4
    assert connection.send("SMEMBERS none", "SINTER none", "SPOP none 1", "SPOP s 0") == b"~0\r\n" * 4
    assert connection.send("SRANDMEMBER s 1") == b"*1\r\n$1\r\na\r\n"
    assert connection.send("SMISMEMBER s a b", "SISMEMBER s a") == b"*2\r\n:1\r\n:0\r\n:1\r\n"
    assert connection.send("SPOP s 1", "SPOP s") == b"~1\r\n$1\r\na\r\n_\r\n"
