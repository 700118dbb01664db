"""EXPIRE, TTL, PERSIST and their kin."""

from __future__ import annotations

from typing import Any

import pytest

Engine = Any  # the fixture of conftest.py

FAR = 100_000


@pytest.mark.parametrize(
    ("command", "amount"),
    [
        ("EXPIRE", FAR // 1000),
        ("PEXPIRE", FAR),
        ("EXPIREAT", 1_700_000_000 + FAR // 1000),
        ("PEXPIREAT", 1_700_000_000_000 + FAR),
    ],
)
def test_expire(engine: Engine, command: str, amount: int) -> None:
    engine.call("SET", "k", "v")
    assert engine.call(command, "missing", amount) == 0
    events, effects = engine.events(), engine.effects()
    assert engine.call(command, "k", amount) == 1
    assert engine.call("PTTL", "k") == FAR
    assert engine.call("TTL", "k") == FAR // 1000
    assert engine.call("PEXPIRETIME", "k") == engine.now + FAR
    assert engine.call("EXPIRETIME", "k") == (engine.now + FAR) // 1000
    assert events == [(b"expire", b"k")]
    assert effects == [[b"PEXPIREAT", b"k", b"%d" % (engine.now + FAR)]]
    engine.clock.advance(FAR // 1000 - 1)
    assert engine.call("EXISTS", "k") == 1
    engine.clock.advance(2)
    assert engine.call("EXISTS", "k") == 0


@pytest.mark.parametrize(
    ("command", "amount"),
    [("EXPIRE", -1), ("EXPIRE", 0), ("PEXPIRE", -(2**62)), ("EXPIREAT", 1_700_000_000), ("PEXPIREAT", 0)],
)
def test_a_time_in_the_past_deletes(engine: Engine, command: str, amount: int) -> None:
    engine.call("SET", "k", "v")
    events, effects = engine.events(), engine.effects()
    assert engine.call(command, "k", amount) == 1
    assert engine.call("EXISTS", "k") == 0
    assert events[:1] == [(b"del", b"k")]
    assert effects == [[b"DEL", b"k"]]


#: What each set of conditions does to a key with an expiry before, one after the new time, and one without.
CONDITIONS = [
    ("", 1, 1, 1),
    ("NX", 0, 0, 1),
    ("XX", 1, 1, 0),
    ("GT", 1, 0, 0),
    ("LT", 0, 1, 1),
    ("XX GT", 1, 0, 0),
    ("LT xx", 0, 1, 0),
    ("XX XX", 1, 1, 0),
]


@pytest.mark.parametrize(("conditions", "sooner", "later", "never"), CONDITIONS)
def test_conditions(engine: Engine, conditions: str, sooner: int, later: int, never: int) -> None:
    for ttl, expected in ((50, sooner), (200, later), (None, never)):
        engine.call("SET", "k", "v")
        if ttl:
            engine.call("EXPIRE", "k", ttl)
        effects = engine.effects()
        assert engine.call("EXPIRE", "k", 100, *conditions.split()) == expected
        assert engine.call("TTL", "k") == (100 if expected else ttl or -1)
        at = b"%d" % (engine.now + FAR)
        assert effects == ([[b"PEXPIREAT", b"k", at, *conditions.encode().split()]] if expected else [])


def test_equal_times_are_neither_greater_nor_less(engine: Engine) -> None:
    engine.call("SET", "k", "v")
    engine.call("EXPIRE", "k", 100)
    assert engine.call("EXPIRE", "k", 100, "GT") == 0
    assert engine.call("EXPIRE", "k", 100, "LT") == 0


def test_errors_in_their_order(engine: Engine) -> None:
    assert engine.error("EXPIRE", "k", "x", "AB") == b"ERR Unsupported option AB"
    assert engine.error("EXPIRE", "k", "x", "NX", "LT") == (
        b"ERR NX and XX, GT or LT options at the same time are not compatible"
    )
    assert (
        engine.error("EXPIRE", "k", "x", "GT", "LT")
        == b"ERR GT and LT options at the same time are not compatible"
    )
    assert engine.error("EXPIRE", "k", "x", "NX") == b"ERR value is not an integer or out of range"
    for command in ("EXPIRE", "EXPIREAT"):
        for seconds in (9223372036854776, -9223372036854776):
            expected = b"ERR invalid expire time in '%b' command" % command.lower().encode()
            assert engine.error(command, "missing", seconds) == expected
    assert (
        engine.error("PEXPIRE", "missing", 9223372036854770000)
        == b"ERR invalid expire time in 'pexpire' command"
    )
    assert engine.error("EXPIRE", "k") == b"ERR wrong number of arguments for 'expire' command"


def test_the_farthest_time(engine: Engine) -> None:
    engine.call("SET", "k", "v")
    assert engine.call("PEXPIREAT", "k", 2**63 - 1) == 1
    assert engine.call("PEXPIRETIME", "k") == 2**63 - 1
    assert engine.call("PERSIST", "k") == 1


@pytest.mark.parametrize(("milliseconds", "seconds"), [(1, 0), (499, 0), (500, 1), (1499, 1), (1500, 2)])
def test_seconds_are_rounded(engine: Engine, milliseconds: int, seconds: int) -> None:
    engine.call("SET", "k", "v")
    engine.call("PEXPIRE", "k", milliseconds)
    assert engine.call("TTL", "k") == seconds
    assert engine.call("EXPIRETIME", "k") == engine.START + seconds


@pytest.mark.parametrize("command", ["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"])
def test_no_key_and_no_expiry(engine: Engine, command: str) -> None:
    assert engine.call(command, "k") == -2
    engine.call("SET", "k", "v")
    assert engine.call(command, "k") == -1


def test_asking_for_the_ttl_does_not_touch(engine: Engine) -> None:
    engine.call("SET", "k", "v")
    engine.clock.advance(10)
    for command in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"):
        engine.call(command, "k")
    assert engine.call("OBJECT", "IDLETIME", "k") == 10


def test_persist(engine: Engine) -> None:
    assert engine.call("PERSIST", "k") == 0
    engine.call("SET", "k", "v")
    assert engine.call("PERSIST", "k") == 0
    engine.call("EXPIRE", "k", 10)
    events, effects = engine.events(), engine.effects()
    assert engine.call("PERSIST", "k") == 1
    assert engine.call("TTL", "k") == -1
    assert events == [(b"persist", b"k")]
    assert effects == [[b"PERSIST", b"k"]]
    engine.clock.advance(20)
    assert engine.call("GET", "k") == b"v"
