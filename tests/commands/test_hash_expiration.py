"""Fields of hashes that expire: the commands for it, and how everything else heeds it."""

from __future__ import annotations

from typing import Any

import pytest

Engine = Any  # the fixture of conftest.py

FAR = 128_000  # milliseconds; the clock counts exactly in powers of two
WRONG_TYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"
NO_FIELDS = b"ERR Mandatory argument FIELDS is missing or not at the right position"
MISCOUNTED = b"ERR The `numfields` parameter must match the number of arguments"
NOT_POSITIVE = b"ERR Number of fields must be a positive integer"
NOT_AN_INTEGER = b"ERR value is not an integer or out of range"


def told(effects: list[list[bytes]]) -> list[bytes]:
    """What effects amount to, each in a line."""
    return [b" ".join(command) for command in effects]


def lazily(engine: Engine) -> None:
    """Let fields expire only when they are asked for."""
    engine.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")


def with_expired_fields(engine: Engine, expired: int = 2) -> None:
    """Make a hash h with the fields a, b, c: the first ``expired`` of them have expired and are still there."""
    lazily(engine)
    engine.call("HSET", "h", "a", 1, "b", 2, "c", 3)
    engine.call("HPEXPIRE", "h", 250, "FIELDS", expired, *"abc"[:expired])
    engine.clock.advance(0.5)
    assert engine.call("HLEN", "h") == 3


# ---------------------------------------------------------------------- setting times


@pytest.mark.parametrize(
    ("command", "amount"),
    [
        ("HEXPIRE", FAR // 1000),
        ("HPEXPIRE", FAR),
        ("HEXPIREAT", 1_700_000_000 + FAR // 1000),
        ("HPEXPIREAT", 1_700_000_000_000 + FAR),
    ],
)
def test_hexpire(engine: Engine, command: str, amount: int) -> None:
    assert engine.call(command, "none", amount, "FIELDS", 2, "a", "b") == [-2, -2]
    engine.call("HSET", "h", "a", 1, "b", 2)
    events, effects = engine.events(), engine.effects()
    assert engine.call(command, "h", amount, "FIELDS", 2, "a", "x") == [1, -2]
    at = engine.now + FAR
    assert engine.call("HPTTL", "h", "FIELDS", 3, "a", "b", "x") == [FAR, -1, -2]
    assert engine.call("HTTL", "h", "FIELDS", 3, "a", "b", "x") == [FAR // 1000, -1, -2]
    assert engine.call("HPEXPIRETIME", "h", "FIELDS", 3, "a", "b", "x") == [at, -1, -2]
    assert engine.call("HEXPIRETIME", "h", "FIELDS", 3, "a", "b", "x") == [at // 1000, -1, -2]
    assert events == [(b"hexpire", b"h")]
    assert told(effects) == [b"HPEXPIREAT h %d FIELDS 1 a" % at]
    assert engine.call("OBJECT", "ENCODING", "h") == b"listpackex"
    engine.clock.advance(FAR / 1000)
    assert engine.call("HGETALL", "h") == {b"b": b"2"}
    assert events[1:] == [(b"hexpired", b"h")]
    assert told(effects[1:]) == [b"HDEL h a"]


@pytest.mark.parametrize(
    "command", ["HEXPIRE h 0", "HPEXPIRE h 0", "HEXPIREAT h 1", "HPEXPIREAT h 1700000000000"]
)
def test_a_time_that_is_over_deletes(engine: Engine, command: str) -> None:
    engine.call("HSET", "h", "a", 1, "b", 2, "c", 3)
    events, effects = engine.events(), engine.effects()
    assert engine.call(*command.split(), "FIELDS", 3, "a", "x", "b") == [2, -2, 2]
    assert told(effects) == [b"MULTI", b"HDEL h a", b"HDEL h b", b"EXEC"]
    assert engine.call(*command.split(), "FIELDS", 1, "c") == [2]
    assert events == [(b"hdel", b"h"), (b"hdel", b"h"), (b"del", b"h")]
    assert engine.server.keyspace.expired_fields == 3


@pytest.mark.parametrize(
    ("condition", "sooner", "later", "never"),
    [("", 1, 1, 1), ("NX", 0, 0, 1), ("xx", 1, 1, 0), ("GT", 1, 0, 0), ("lt", 0, 1, 1)],
)
def test_conditions(engine: Engine, condition: str, sooner: int, later: int, never: int) -> None:
    """``sooner`` is a field that expires before the new time, ``never`` one that does not expire."""
    engine.call("HSET", "h", "sooner", 1, "later", 2, "never", 3)
    engine.call("HPEXPIRE", "h", FAR // 2, "FIELDS", 1, "sooner")
    engine.call("HPEXPIRE", "h", FAR * 2, "FIELDS", 1, "later")
    effects = engine.effects()
    words = [*condition.split(), "FIELDS", 3, "sooner", "later", "never"]
    assert engine.call("HPEXPIRE", "h", FAR, *words) == [sooner, later, never]
    changed = [
        name for name, is_changed in (("sooner", sooner), ("later", later), ("never", never)) if is_changed
    ]
    words = [*condition.split(), "FIELDS", len(changed), *changed]
    expected = " ".join(map(str, ["HPEXPIREAT", "h", engine.now + FAR, *words])).encode()
    assert told(effects) == ([expected] if changed else [])
    # The same time again is neither greater nor less.
    again = engine.call("HPEXPIRE", "h", FAR, "GT", "FIELDS", 1, "sooner")
    assert again == [0 if sooner else 1]


def test_order_of_errors(engine: Engine) -> None:
    engine.call("SET", "string", "x")
    invalid = b"ERR invalid expire time in 'hexpire' command"
    for arguments, error in (
        ("string x y z 0", WRONG_TYPE),
        ("none x y z 0", NOT_AN_INTEGER),
        ("none -1 y z 0", b"ERR invalid expire time, must be >= 0"),
        ("none 70368744178 y z 0", invalid),
        ("none 9223372036854775807 y z 0", invalid),
        ("none 1 NX z 0", NO_FIELDS),
        ("none 1 NX FIELDS 0", b"ERR Parameter `numFields` should be greater than 0"),
        ("none 1 NX FIELDS 0 a", b"ERR Parameter `numFields` should be greater than 0"),
        ("none 1 FIELDS x a", b"ERR Parameter `numFields` should be greater than 0"),
        ("none 1 NX XX FIELDS 1 a", NO_FIELDS),
        ("none 1 FIELDS 2 a", MISCOUNTED),
        ("none 1 FIELDS 1 a b", MISCOUNTED),
    ):
        assert engine.error("HEXPIRE", *arguments.split()) == error, arguments
    engine.call("HSET", "h", "a", 1)
    assert engine.call("HPEXPIREAT", "h", 2**46 - 1, "FIELDS", 1, "a") == [1]
    assert engine.error("HPEXPIREAT", "h", 2**46, "FIELDS", 1, "a") == (
        b"ERR invalid expire time in 'hpexpireat' command"
    )


@pytest.mark.parametrize(
    "command", ["HTTL", "HPTTL", "HEXPIRETIME", "HPEXPIRETIME", "HPERSIST", "HGETDEL", "HGETEX"]
)
def test_errors_in_fields(engine: Engine, command: str) -> None:
    engine.call("SET", "string", "x")
    assert engine.error(command, "string", "x", "0", "a") == WRONG_TYPE
    assert engine.error(command, "none", "x", "0", "a") == NO_FIELDS
    assert engine.error(command, "none", "FIELDS", "0", "a") == NOT_POSITIVE
    assert engine.error(command, "none", "FIELDS", "x", "a") == NOT_POSITIVE
    assert engine.error(command, "none", "fields", "2", "a") == MISCOUNTED
    missing = None if command in ("HGETDEL", "HGETEX") else -2
    assert engine.call(command, "none", "fields", "2", "a", "a") == [missing, missing]


@pytest.mark.parametrize(("milliseconds", "seconds"), [(1, 1), (1000, 1), (1001, 2)])
def test_seconds_are_rounded_up(engine: Engine, milliseconds: int, seconds: int) -> None:
    engine.call("HSET", "h", "a", 1)
    engine.call("HPEXPIRE", "h", milliseconds, "FIELDS", 1, "a")
    assert engine.call("HTTL", "h", "FIELDS", 1, "a") == [seconds]
    assert engine.call("HEXPIRETIME", "h", "FIELDS", 1, "a") == [engine.START + seconds]


def test_hpersist(engine: Engine) -> None:
    engine.call("HSET", "h", "a", 1, "b", 2)
    engine.call("HPEXPIRE", "h", FAR, "FIELDS", 1, "a")
    events, effects = engine.events(), engine.effects()
    assert engine.call("HPERSIST", "h", "FIELDS", 3, "a", "b", "x") == [1, -1, -2]
    assert engine.call("HPERSIST", "h", "FIELDS", 1, "a") == [-1]
    assert events == [(b"hpersist", b"h")]
    assert told(effects) == [b"HPERSIST h FIELDS 3 a b x"]
    engine.clock.advance(FAR / 500)
    assert engine.call("HGET", "h", "a") == b"1"


# -------------------------------------------------------------------- active expiry


def test_fields_go_at_their_times(engine: Engine) -> None:
    engine.call("HSET", "h", "a", 1, "b", 2, "c", 3)
    for field, milliseconds in (("b", 500), ("a", 250), ("c", 1000)):
        engine.call("HPEXPIRE", "h", milliseconds, "FIELDS", 1, field)
    events, effects = engine.events(), engine.effects()
    assert engine.server.keyspace.expired_fields == 0
    for passed in (1, 2):
        engine.clock.advance(0.25)
        assert events == [(b"hexpired", b"h")] * passed
        assert engine.call("HLEN", "h") == 3 - passed
    engine.clock.advance(0.5)
    assert events[2:] == [(b"hexpired", b"h"), (b"del", b"h")]
    assert told(effects) == [b"HDEL h a", b"HDEL h b", b"HDEL h c"]
    assert engine.server.keyspace.expired_fields == 3
    assert engine.clock.calls == []


def test_fields_go_together_with_one_event(engine: Engine) -> None:
    engine.call("HSET", "h", "a", 1, "b", 2, "c", 3)
    engine.call("HPEXPIRE", "h", 250, "FIELDS", 2, "a", "b")
    events, effects = engine.events(), engine.effects()
    engine.clock.advance(0.25)
    assert events == [(b"hexpired", b"h")]
    assert sorted(told(effects)) == [b"HDEL h a", b"HDEL h b"]


def test_many_fields_go_in_turns(engine: Engine) -> None:
    fields = [b"f%d" % number for number in range(1700)]
    engine.call("HSET", "h", *[word for field in fields for word in (field, b"v")])
    engine.call("HPEXPIRE", "h", 250, "FIELDS", len(fields), *fields)
    events = engine.events()
    engine.clock.advance(0.25)
    assert events == [(b"hexpired", b"h")] * 4 + [(b"del", b"h")]
    assert engine.clock.calls == []


def test_a_time_that_was_changed_is_the_one_that_counts(engine: Engine) -> None:
    engine.call("HSET", "h", "later", 1, "never", 2, "set", 3, "sooner", 4, "gone", 5)
    engine.call("HPEXPIRE", "h", 250, "FIELDS", 4, "later", "never", "set", "gone")
    engine.call("HPEXPIRE", "h", 500, "FIELDS", 1, "sooner")
    engine.call("HPEXPIRE", "h", 1000, "FIELDS", 1, "later")
    engine.call("HPERSIST", "h", "FIELDS", 1, "never")
    engine.call("HSET", "h", "set", 0)
    engine.call("HDEL", "h", "gone")
    engine.call("HPEXPIRE", "h", 125, "FIELDS", 1, "sooner")
    events = engine.events()
    engine.clock.advance(0.125)
    assert engine.call("HKEYS", "h") == [b"later", b"never", b"set"]
    engine.clock.advance(0.125)
    assert events == [(b"hexpired", b"h")]
    engine.clock.advance(0.75)
    assert engine.call("HKEYS", "h") == [b"never", b"set"]


def test_refreshing_times_leaves_nothing_behind(engine: Engine) -> None:
    engine.call("HSET", "h", "a", 1)
    engine.call("SET", "s", "v")
    for _ in range(1000):
        engine.call("HPEXPIRE", "h", FAR, "FIELDS", 1, "a")
        engine.call("PEXPIRE", "s", FAR)
        engine.clock.advance(0.015625)
    assert len(engine.database().reminders) < 100
    engine.clock.advance(FAR / 1000)
    assert engine.call("DBSIZE") == 0


@pytest.mark.parametrize("command", ["RENAME h other", "COPY h other", "MOVE h 1", "SWAPDB 0 1"])
def test_times_follow_the_hash(engine: Engine, command: str) -> None:
    engine.call("HSET", "h", "a", 1, "b", 2)
    engine.call("HPEXPIRE", "h", 250, "FIELDS", 1, "a")
    engine.call(*command.split())
    engine.clock.advance(0.25)
    sizes = [
        len(value) for database in engine.server.keyspace.databases for value in database.values.values()
    ]
    assert set(sizes) == {1}
    assert len(sizes) == (2 if command.startswith("COPY") else 1)


def test_something_else_in_the_place_of_a_hash(engine: Engine) -> None:
    for name in ("string", "gone", "hash"):
        engine.call("HSET", name, "a", 1)
        engine.call("HPEXPIRE", name, 250, "FIELDS", 1, "a")
    engine.call("SET", "string", "x")
    engine.call("DEL", "gone", "hash")
    engine.call("HSET", "hash", "a", 1)
    events = engine.events()
    engine.clock.advance(0.25)
    assert events == []
    assert engine.call("HGET", "hash", "a") == b"1"


def test_the_key_may_expire_first(engine: Engine) -> None:
    engine.call("HSET", "h", "a", 1)
    engine.call("HPEXPIRE", "h", 500, "FIELDS", 1, "a")
    engine.call("PEXPIRE", "h", 250)
    events = engine.events()
    engine.clock.advance(1)
    assert events == [(b"expired", b"h")]


def test_hashes_with_times_are_counted(engine: Engine) -> None:
    def counted() -> int:
        line: bytes = engine.call("INFO", "keyspace")
        return int(line.split(b"subexpiry=")[1].split()[0])

    for name in "xyz":
        engine.call("HSET", name, "a", 1, "b", 2)
        engine.call("HPEXPIRE", name, 250, "FIELDS", 1, "a")
    assert counted() == 3
    engine.call("HDEL", "x", "a")
    assert counted() == 2
    engine.call("DEL", "y")
    assert counted() == 1
    engine.clock.advance(0.25)
    assert counted() == 0


# ---------------------------------------------------------------------- lazy expiry


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("HGET h a", None),
        ("HEXISTS h a", 0),
        ("HSTRLEN h a", 0),
        ("HMGET h a c", [None, b"3"]),
        ("HGETALL h", {b"c": b"3"}),
        ("HKEYS h", [b"c"]),
        ("HVALS h", [b"3"]),
        ("HSCAN h 0", [b"0", [b"c", b"3"]]),
        ("HSCAN h 0 NOVALUES", [b"0", [b"c"]]),
        ("HRANDFIELD h", b"c"),
        ("HRANDFIELD h 3", [b"c"]),
        ("HSETNX h a 9", 1),
        ("HINCRBY h a 9", 9),
        ("HINCRBYFLOAT h a 9", b"9"),
        ("HPTTL h FIELDS 2 a c", [-2, -1]),
        ("HPERSIST h FIELDS 2 a c", [-2, -1]),
        ("HPEXPIRE h 1 FIELDS 2 a c", [-2, 1]),
        ("HGETDEL h FIELDS 2 a c", [None, b"3"]),
        ("HGETEX h FIELDS 2 a c", [None, b"3"]),
        ("HSETEX h FXX FIELDS 2 a 1 c 2", 0),
        ("HSETEX h FNX FIELDS 1 a 1", 1),
    ],
)
def test_what_has_expired_is_not_there(engine: Engine, command: str, reply: Any, active: bool) -> None:
    with_expired_fields(engine)
    if active:
        engine.call("DEBUG", "SET-ACTIVE-EXPIRE", "1")
        engine.clock.advance(0)
    assert engine.call(*command.split()) == reply


def test_only_hlen_and_hdel_do_not_look(engine: Engine) -> None:
    with_expired_fields(engine)
    assert engine.call("HDEL", "h", "a") == 1
    assert engine.call("HLEN", "h") == 2
    assert engine.server.keyspace.expired_fields == 0


@pytest.mark.parametrize(
    ("command", "gone"),
    [
        ("HGET h a", "a"),
        ("HEXISTS h a", "a"),
        ("HSTRLEN h a", "a"),
        ("HMGET h a b c", "ab"),
        ("HRANDFIELD h", "ab"),
        ("HRANDFIELD h 1 WITHVALUES", "ab"),
        ("HGETEX h FIELDS 2 a c", "a"),
        ("HGETALL h", ""),
        ("HSCAN h 0", ""),
        ("HTTL h FIELDS 1 a", ""),
        ("HPERSIST h FIELDS 1 a", ""),
    ],
)
def test_what_is_asked_for_goes(engine: Engine, command: str, gone: str) -> None:
    with_expired_fields(engine)
    events, effects = engine.events(), engine.effects()
    engine.call(*command.split())
    assert engine.call("HLEN", "h") == 3 - len(gone)
    assert events == ([(b"hexpired", b"h")] if gone else [])
    deletions = [b"HDEL h %b" % field.encode() for field in gone]
    assert told(effects) == ([b"MULTI", *deletions, b"EXEC"] if len(gone) > 1 else deletions)
    assert engine.server.keyspace.expired_fields == len(gone)


@pytest.mark.parametrize(
    "command", ["HMGET h a b c", "HRANDFIELD h", "HRANDFIELD h 2", "HGETEX h FIELDS 3 a b c"]
)
def test_the_key_goes_with_its_last_field(engine: Engine, command: str) -> None:
    with_expired_fields(engine, 3)
    events = engine.events()
    assert engine.call("EXISTS", "h") == 1
    engine.call(*command.split())
    assert events == [(b"hexpired", b"h"), (b"del", b"h")]
    assert engine.call("EXISTS", "h") == 0


@pytest.mark.parametrize(
    "command", ["HSETNX h a 5", "HINCRBY h a 5", "HINCRBYFLOAT h a 5", "HSETEX h KEEPTTL FIELDS 1 a 5"]
)
def test_a_new_hash_in_the_place_of_one_that_has_expired(engine: Engine, command: str) -> None:
    lazily(engine)
    engine.call("HSET", "h", "a", 1)
    engine.call("HPEXPIRE", "h", 250, "FIELDS", 1, "a")
    engine.clock.advance(0.5)
    events = engine.events()
    engine.call(*command.split())
    assert events[:3] == [(b"hexpired", b"h"), (b"del", b"h"), (b"new", b"h")]
    assert engine.call("HGETALL", "h") == {b"a": b"5"}
    assert engine.call("HTTL", "h", "FIELDS", 1, "a") == [-1]


def test_watchers_hear_of_expired_fields(engine: Engine, connect: Any) -> None:
    engine.call("HSET", "h", "a", 1, "b", 2)
    engine.call("HPEXPIRE", "h", 250, "FIELDS", 1, "a")
    connection = connect()
    connection.send("WATCH h", "MULTI", "PING")
    engine.clock.advance(0.25)
    assert connection.send("EXEC").endswith(b"*-1\r\n")


def test_a_pause_keeps_fields_but_hides_them(engine: Engine) -> None:
    engine.call("HSET", "h", "a", 1, "b", 2)
    engine.call("HPEXPIRE", "h", 250, "FIELDS", 1, "a")
    engine.call("CLIENT", "PAUSE", 1000, "WRITE")
    engine.clock.advance(0.5)
    assert engine.call("HGETALL", "h") == {b"b": b"2"}
    assert engine.call("HMGET", "h", "a", "b") == [None, b"2"]
    assert engine.call("HLEN", "h") == 2
    engine.clock.pump([0.25] * 4)
    assert engine.call("HLEN", "h") == 1


# ------------------------------------------------------------ what values and times do


def test_setting_a_value_takes_the_time_away_counting_does_not(engine: Engine) -> None:
    engine.call("HSET", "h", "a", 1, "b", 2, "c", 3)
    engine.call("HPEXPIRE", "h", FAR, "FIELDS", 3, "a", "b", "c")
    engine.call("HSET", "h", "a", 5)
    engine.call("HINCRBY", "h", "b", 5)
    effects = engine.effects()
    engine.call("HINCRBYFLOAT", "h", "c", "0.5")
    assert engine.call("HPTTL", "h", "FIELDS", 3, "a", "b", "c") == [-1, FAR, FAR]
    # Others hear of it in a way that leaves them with the same.
    at = b"%d" % (engine.now + FAR)
    assert told(effects) == [b"MULTI", b"HSET h c 3.5", b"HPEXPIREAT h %b FIELDS 1 c" % at, b"EXEC"]


# ------------------------------------------------------------- HGETDEL, HGETEX, HSETEX


def test_hgetdel(engine: Engine) -> None:
    engine.call("HSET", "h", "a", 1, "b", 2)
    events, effects = engine.events(), engine.effects()
    assert engine.call("HGETDEL", "h", "FIELDS", 1, "x") == [None]
    assert engine.call("HGETDEL", "h", "FIELDS", 3, "a", "x", "a") == [b"1", None, None]
    assert engine.call("HGETDEL", "h", "FIELDS", 1, "b") == [b"2"]
    assert events == [(b"hdel", b"h"), (b"hdel", b"h"), (b"del", b"h")]
    assert told(effects) == [b"HDEL h a", b"HDEL h b"]


@pytest.mark.parametrize(
    ("unit", "amount"),
    [
        ("EX", FAR // 1000),
        ("px", FAR),
        ("EXAT", 1_700_000_000 + FAR // 1000),
        ("PXAT", 1_700_000_000_000 + FAR),
    ],
)
def test_units_of_hgetex_and_hsetex(engine: Engine, unit: str, amount: int) -> None:
    engine.call("HSET", "h", "a", 1, "b", 2)
    events, effects = engine.events(), engine.effects()
    at = engine.now + FAR
    assert engine.call("HGETEX", "h", unit, amount, "FIELDS", 3, "a", "x", "b") == [b"1", None, b"2"]
    assert engine.call("HSETEX", "h", unit, amount, "FIELDS", 2, "b", 3, "c", 4) == 1
    assert engine.call("HPTTL", "h", "FIELDS", 3, "a", "b", "c") == [FAR, FAR, FAR]
    assert events == [(b"hexpire", b"h"), (b"hset", b"h"), (b"hexpire", b"h")]
    assert told(effects) == [b"HPEXPIREAT h %d FIELDS 2 a b" % at, b"HSETEX h PXAT %d FIELDS 2 b 3 c 4" % at]
    engine.clock.advance(FAR / 1000)
    assert engine.call("EXISTS", "h") == 0


def test_hgetex_without_a_time(engine: Engine) -> None:
    engine.call("HSET", "h", "a", 1, "b", 2)
    engine.call("HPEXPIRE", "h", FAR, "FIELDS", 1, "a")
    events, effects = engine.events(), engine.effects()
    assert engine.call("HGETEX", "h", "FIELDS", 2, "a", "x") == [b"1", None]
    assert (events, effects) == ([], [])
    assert engine.call("HGETEX", "h", "PERSIST", "FIELDS", 3, "a", "b", "x") == [b"1", b"2", None]
    assert engine.call("HGETEX", "h", "persist", "FIELDS", 1, "a") == [b"1"]
    assert events == [(b"hpersist", b"h")]
    assert told(effects) == [b"HPERSIST h FIELDS 1 a"]


def test_times_that_are_over(engine: Engine) -> None:
    engine.call("HSET", "h", "a", 1, "b", 2)
    events, effects = engine.events(), engine.effects()
    assert engine.call("HGETEX", "h", "PX", 0, "FIELDS", 2, "a", "a") == [b"1", None]
    assert engine.call("HSETEX", "h", "PXAT", 1, "FIELDS", 2, "b", 3, "c", 4) == 1
    assert events == [(b"hdel", b"h"), (b"hset", b"h"), (b"hdel", b"h"), (b"del", b"h")]
    assert told(effects) == [b"HDEL h a", b"MULTI", b"HDEL h b", b"HDEL h c", b"EXEC"]


def test_conditions_of_hsetex(engine: Engine) -> None:
    effects = engine.effects()
    assert engine.call("HSETEX", "h", "FXX", "FIELDS", 1, "a", 1) == 0
    assert engine.call("EXISTS", "h") == 0
    assert engine.call("HSETEX", "h", "FNX", "FIELDS", 2, "a", 1, "b", 2) == 1
    assert engine.call("HSETEX", "h", "FNX", "FIELDS", 2, "c", 1, "b", 2) == 0
    assert engine.call("HSETEX", "h", "FXX", "FIELDS", 2, "c", 1, "b", 2) == 0
    assert engine.call("HSETEX", "h", "EX", 10, "fxx", "FIELDS", 1, "a", 5) == 1
    assert engine.call("HSETEX", "h", "KEEPTTL", "FIELDS", 1, "a", 6) == 1
    assert engine.call("HTTL", "h", "FIELDS", 1, "a") == [10]
    assert engine.call("HSETEX", "h", "FIELDS", 1, "a", 7) == 1
    assert engine.call("HTTL", "h", "FIELDS", 1, "a") == [-1]
    assert engine.call("HGETALL", "h") == {b"a": b"7", b"b": b"2"}
    assert told(effects) == [
        b"HSETEX h FNX FIELDS 2 a 1 b 2",
        b"HSETEX h FXX PXAT %d FIELDS 1 a 5" % (engine.now + 10_000),
        b"HSETEX h KEEPTTL FIELDS 1 a 6",
        b"HSETEX h FIELDS 1 a 7",
    ]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("FIELDS 2 a b", b"ERR wrong number of arguments for 'hsetex' command"),
        ("FIELDS 1 a b c", b"ERR wrong number of arguments for 'hsetex' command"),
        ("EX 10 KEEPTTL FIELDS", b"ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"),
        ("EX 1 FIELDS 1 a", b"ERR wrong number of arguments for 'hsetex' command"),
        ("FIELDS 0 a b", b"ERR invalid number of fields"),
        ("FIELDS x a b", b"ERR invalid number of fields"),
        ("FIELDS 2147483648 a b", b"ERR invalid number of fields"),
        ("NX FIELDS 1 a b", b"ERR unknown argument: NX"),
        ("FXX FNX FIELDS 1 a b", b"ERR Only one of FXX or FNX arguments can be specified"),
        ("FXX FXX FIELDS 1 a b", b"ERR Only one of FXX or FNX arguments can be specified"),
        ("FXX FNX", b"ERR wrong number of arguments for 'hsetex' command"),
        ("FXX KEEPTTL EX 1", b"ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"),
        ("EX 1 FXX PX", b"ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"),
        ("PX FIELDS 1 a b", NOT_AN_INTEGER),
        ("PX -1 FIELDS 1 a b", b"ERR invalid expire time, must be >= 0"),
        ("EXAT 70368744178 1 a b", b"ERR invalid expire time in 'hsetex' command"),
        ("FIELDS 1 a b", WRONG_TYPE),
    ],
)
def test_errors_of_hsetex(engine: Engine, arguments: str, error: bytes) -> None:
    engine.call("SET", "string", "x")
    assert engine.error("HSETEX", "string", *arguments.split()) == error


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("PXAT 1 1", NO_FIELDS),
        ("PERSIST 1 FIELDS 1 a", NO_FIELDS),
        ("EX 1 FIELDS", NO_FIELDS),
        ("EX x FIELDS 1 a", NOT_AN_INTEGER),
        ("PX -1 FIELDS 1 a", b"ERR invalid expire time, must be >= 0"),
        ("PXAT 70368744177664 FIELDS 1 a", b"ERR invalid expire time in 'hgetex' command"),
        ("FIELDS 1 a b", MISCOUNTED),
    ],
)
def test_errors_of_hgetex(engine: Engine, arguments: str, error: bytes) -> None:
    assert engine.error("HGETEX", "none", *arguments.split()) == error
