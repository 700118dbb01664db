"""DUMP and RESTORE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from twisted_resp.text.crc import crc64

if TYPE_CHECKING:
    from tests.commands.conftest import Engine

BAD = b"\x01\x01\x05\x0a\x00"  # a list whose only element is missing


@pytest.fixture
def payload(engine: Engine) -> bytes:
    engine.call("RPUSH", "list", "a", "b")
    dumped: bytes = engine.call("DUMP", "list")
    engine.call("DEL", "list")
    return dumped


def test_there_and_back(engine: Engine, payload: bytes) -> None:
    events = engine.events()
    assert engine.call("RESTORE", "list", 0, payload) == b"OK"
    assert engine.call("LRANGE", "list", 0, -1) == [b"a", b"b"]
    assert engine.call("TTL", "list") == -1
    assert (b"restore", b"list") in events


def test_no_key(engine: Engine) -> None:
    assert engine.call("DUMP", "none") is None


def test_expiry(engine: Engine, payload: bytes) -> None:
    engine.call("RESTORE", "list", 5000, payload)
    assert engine.call("PTTL", "list") == 5000
    engine.call("RESTORE", "list", engine.now + 700, payload, "REPLACE", "ABSTTL")
    assert engine.call("PTTL", "list") == 700
    engine.call("RESTORE", "list", 0, payload, "REPLACE")
    assert engine.call("PTTL", "list") == -1


def test_expired_already(engine: Engine, payload: bytes) -> None:
    assert engine.call("RESTORE", "list", 1, payload, "ABSTTL") == b"OK"
    assert engine.call("EXISTS", "list") == 0
    engine.call("SET", "list", "here")
    told = engine.effects()
    assert engine.call("RESTORE", "list", 1, payload, "ABSTTL", "REPLACE") == b"OK"
    assert engine.call("EXISTS", "list") == 0
    assert told == [[b"DEL", b"list"]]


def test_what_others_are_told(engine: Engine, payload: bytes) -> None:
    told = engine.effects()
    engine.call("RESTORE", "list", 5000, payload)
    engine.call("RESTORE", "list", 0, payload, "REPLACE")
    assert told == [
        [b"RESTORE", b"list", b"%d" % (engine.now + 5000), payload, b"ABSTTL"],
        [b"RESTORE", b"list", b"0", payload, b"REPLACE"],
    ]


def test_a_key_that_is_there(engine: Engine, payload: bytes) -> None:
    engine.call("SET", "list", "here")
    assert engine.error("RESTORE", "list", 0, payload) == b"BUSYKEY Target key name already exists."
    assert engine.call("RESTORE", "list", 0, payload, "REPLACE") == b"OK"
    assert engine.call("TYPE", "list") == b"list"


def test_use(engine: Engine, payload: bytes) -> None:
    engine.call("RESTORE", "list", 0, payload, "IDLETIME", 1000)
    assert engine.call("OBJECT", "IDLETIME", "list") == 1000
    engine.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    engine.call("RESTORE", "list", 0, payload, "FREQ", 100, "REPLACE")
    assert engine.call("OBJECT", "FREQ", "list") == 100


def test_fields_that_expire(engine: Engine) -> None:
    engine.call("HSET", "hash", "f", "v", "g", "w")
    engine.call("HPEXPIRE", "hash", 5000, "FIELDS", 1, "f")
    dumped = engine.call("DUMP", "hash")
    engine.call("RESTORE", "copy", 0, dumped)
    assert engine.call("HPTTL", "copy", "FIELDS", 2, "f", "g") == [5000, -1]
    engine.clock.advance(6)
    assert engine.call("HGETALL", "copy") == {b"g": b"w"}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["0", "x"], b"ERR DUMP payload version or checksum are wrong"),
        (["x", "x"], b"ERR value is not an integer or out of range"),
        (["-1", "x"], b"ERR Invalid TTL value, must be >= 0"),
        (["0", "x", "NOW"], b"ERR syntax error"),
        (["0", "x", "IDLETIME"], b"ERR syntax error"),
        (["0", "x", "IDLETIME", "1", "FREQ", "1"], b"ERR syntax error"),
        (["0", "x", "FREQ", "256"], b"ERR Invalid FREQ value, must be >= 0 and <= 255"),
        (["0", "x", "FREQ", "x"], b"ERR value is not an integer or out of range"),
        (["0", "x", "IDLETIME", "-1"], b"ERR Invalid IDLETIME value, must be >= 0"),
    ],
)
def test_errors(engine: Engine, options: list[str], error: bytes) -> None:
    assert engine.error("RESTORE", "key", *options) == error


def test_bad_data(engine: Engine) -> None:
    payload = BAD + crc64(BAD).to_bytes(8, "little")
    assert engine.error("RESTORE", "key", 0, payload) == b"ERR Bad data format"
    assert engine.call("EXISTS", "key") == 0


def test_the_order_of_errors(engine: Engine, payload: bytes) -> None:
    engine.call("SET", "key", "here")
    assert engine.error("RESTORE", "key", "x", "y", "z") == b"ERR syntax error"
    assert engine.error("RESTORE", "key", "x", "y").startswith(b"BUSYKEY")
    assert engine.error("RESTORE", "key", "x", "y", "REPLACE").startswith(b"ERR value is not")
    assert engine.error("RESTORE", "key", "-1", payload, "REPLACE").startswith(b"ERR Invalid TTL")


def test_a_float_can_be_dumped(engine: Engine) -> None:
    engine.call("INCRBYFLOAT", "a", "1.5")
    payload = engine.call("DUMP", "a")
    engine.call("RESTORE", "b", 0, payload)
    assert engine.call("GET", "b") == b"1.5"
