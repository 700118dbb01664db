"""Bitmaps: the operations and the checks that are newer than the redis-server that random calls are compared with."""

from __future__ import annotations

from typing import Any

import pytest

Engine = Any  # the fixture of conftest.py


@pytest.mark.parametrize(
    ("operation", "result"),
    [
        ("DIFF", 0b10000000),
        ("DIFF1", 0b00010010),
        ("ANDOR", 0b01100000),
        ("ONE", 0b10010000),
        ("diff", 0b10000000),
    ],
)
def test_operations_of_redis_8_2(engine: Engine, operation: str, result: int) -> None:
    for name, byte in (("x", 0b11100000), ("y", 0b01000010), ("z", 0b00110010)):
        engine.call("SET", name, bytes([byte]))
    engine.call("SET", "longer", b"\0\1")
    assert engine.call("BITOP", operation, "to", "x", "y", "z") == 1
    assert engine.call("GET", "to") == bytes([result])
    assert engine.call("BITOP", operation, "to", "x", "longer") == 2
    assert engine.call("BITOP", operation, "to", "missing", "missing") == 0
    assert engine.call("EXISTS", "to") == 0


@pytest.mark.parametrize("operation", ["DIFF", "diff1", "ANDOR"])
def test_some_operations_compare_two(engine: Engine, operation: str) -> None:
    message = b"ERR BITOP %b must be called with at least two source keys." % operation.upper().encode()
    assert engine.error("BITOP", operation, "to", "x") == message
    engine.call("SET", "x", "x")
    assert engine.call("BITOP", "ONE", "to", "x") == 1


@pytest.mark.parametrize("exists", [True, False])
def test_arguments_are_read_before_the_key(engine: Engine, exists: bool) -> None:
    # 7.0 answers 0 where there is no key.
    if exists:
        engine.call("SET", "k", "v")
    not_an_integer = b"ERR value is not an integer or out of range"
    assert engine.error("BITCOUNT", "k", 0) == b"ERR syntax error"
    assert engine.error("BITCOUNT", "k", 0, 1, "hello") == b"ERR syntax error"
    assert engine.error("BITCOUNT", "k", 0, 1, "BIT", "BIT") == b"ERR syntax error"
    assert engine.error("BITCOUNT", "k", "a", "b", "hello") == not_an_integer
    assert engine.error("BITPOS", "k", 2) == b"ERR The bit argument must be 1 or 0."
    assert engine.error("BITPOS", "k", "a", "b") == not_an_integer
    assert engine.error("BITPOS", "k", 0, "a", "b", "hello") == not_an_integer
    assert engine.error("BITPOS", "k", 0, 0, "b", "hello") == b"ERR syntax error"
    assert engine.error("BITPOS", "k", 0, 0, 1, "BIT", "BIT") == b"ERR syntax error"


def test_arguments_are_read_before_the_type(engine: Engine) -> None:
    engine.call("RPUSH", "l", "v")
    assert engine.error("BITCOUNT", "l", 0, 1, "hello") == b"ERR syntax error"
    assert engine.error("BITCOUNT", "l", -1, -2).startswith(b"WRONGTYPE")
    assert engine.error("BITPOS", "l", 0, 0, 1, "hello") == b"ERR syntax error"
    assert engine.error("SETBIT", "l", 0, 2) == b"ERR bit is not an integer or out of range"
    assert engine.error("BITFIELD", "l", "GET", "u99", 0).startswith(b"ERR Invalid bitfield type.")


def test_unchanged_bits_are_no_change(engine: Engine) -> None:
    engine.call("SETBIT", "k", 7, 1)
    changed: list[bytes] = []
    engine.server.keyspace.on_modified.append(lambda database, key: changed.append(key))
    engine.call("SETBIT", "k", 7, 1)
    engine.call("BITFIELD", "k", "SET", "u8", 0, 1)
    assert changed == []
    engine.call("SETBIT", "k", 8, 0)
    assert changed == [b"k"]
