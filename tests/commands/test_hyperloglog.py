"""HyperLogLogs: errors, the kept count, debugging."""

from __future__ import annotations

from typing import Any

import pytest

Engine = Any  # the fixture of conftest.py

NOT_ONE = b"WRONGTYPE Key is not a valid HyperLogLog string value."
CORRUPTED = b"INVALIDOBJ Corrupted HLL object detected"


def test_add_count_merge(engine: Engine) -> None:
    assert engine.call("PFADD", "a") == 1
    assert engine.call("PFADD", "a") == 0
    assert engine.call("PFADD", "a", "x", "y", "x") == 1
    assert engine.call("PFADD", "b", "y", "z") == 1
    assert engine.call("PFCOUNT", "a") == 2
    assert engine.call("PFCOUNT", "missing") == 0
    assert engine.call("PFCOUNT", "a", "missing", "b") == 3
    assert engine.call("PFMERGE", "to", "a", "b") == b"OK"
    assert engine.call("PFCOUNT", "to") == 3
    assert engine.call("PFMERGE", "new") == b"OK"
    assert engine.call("PFCOUNT", "new") == 0


def test_the_count_is_kept(engine: Engine) -> None:
    engine.call("PFADD", "k", "x", "y")
    assert engine.call("GETRANGE", "k", 15, 15) == b"\x80"
    engine.call("PFCOUNT", "k")
    assert engine.call("GETRANGE", "k", 8, 15) == b"\2" + bytes(7)
    engine.call("PFADD", "k", "x")
    assert engine.call("GETRANGE", "k", 15, 15) == b"\0"
    engine.call("PFADD", "k", "z")
    assert engine.call("GETRANGE", "k", 15, 15) == b"\x80"


def test_a_failed_merge_changes_nothing(engine: Engine) -> None:
    engine.call("SET", "a", b"HYLL\x01" + bytes(11))  # a sparse one without registers
    before = engine.call("OBJECT", "ENCODING", "a"), engine.call("GET", "a")
    assert engine.error("PFMERGE", "a") == CORRUPTED
    assert (engine.call("OBJECT", "ENCODING", "a"), engine.call("GET", "a")) == before
    engine.call("PFADD", "b", "x")
    before = engine.call("GET", "b")
    assert engine.error("PFMERGE", "b", "b", "a") == CORRUPTED
    assert engine.call("GET", "b") == before


@pytest.mark.parametrize(
    "value", [b"", b"12", b"HYL", b"XYLL" + bytes(20), b"HYLL\2" + bytes(20), b"HYLL\0" + bytes(20)]
)
def test_what_is_none(engine: Engine, value: bytes) -> None:
    engine.call("SET", "k", value)
    engine.call("PFADD", "good", "x")
    for call in (
        ("PFADD", "k", "x"),
        ("PFADD", "k"),
        ("PFCOUNT", "k"),
        ("PFCOUNT", "good", "k"),
        ("PFMERGE", "k"),
        ("PFMERGE", "good", "k"),
        ("PFMERGE", "new", "good", "k"),
        ("PFDEBUG", "ENCODING", "k"),
    ):
        assert engine.error(*call) == NOT_ONE, call
    assert engine.call("GET", "k") == value
    assert engine.call("EXISTS", "new") == 0


def test_wrong_type(engine: Engine) -> None:
    engine.call("RPUSH", "l", "x")
    engine.call("PFADD", "good", "x")
    for call in (("PFADD", "l"), ("PFCOUNT", "l"), ("PFCOUNT", "good", "l"), ("PFMERGE", "good", "l")):
        assert engine.error(*call) == b"WRONGTYPE Operation against a key holding the wrong kind of value"


def test_a_corrupted_one(engine: Engine) -> None:
    engine.call("PFADD", "k", "a", "b", "c")
    engine.call("APPEND", "k", "hello")
    for call in (
        ("PFCOUNT", "k"),
        ("PFCOUNT", "k", "k"),
        ("PFMERGE", "new", "k"),
        ("PFDEBUG", "TODENSE", "k"),
    ):
        assert engine.error(*call) == CORRUPTED, call
    assert engine.call("EXISTS", "new") == 0


def test_debugging(engine: Engine) -> None:
    assert engine.error("PFDEBUG", "GETREG", "k") == b"ERR The specified key does not exist"
    engine.call("PFADD", "k", "x")
    assert engine.error("PFDEBUG", "zz", "k") == b"ERR Unknown PFDEBUG subcommand 'zz'"
    assert engine.call("PFDEBUG", "encoding", "k") == b"sparse"
    runs = engine.call("PFDEBUG", "DECODE", "k").split()
    assert [run[:2].lower() for run in runs] == [b"z:", b"v:", b"z:"]
    assert engine.call("PFDEBUG", "TODENSE", "k") == 1
    assert engine.call("PFDEBUG", "TODENSE", "k") == 0
    assert engine.call("PFDEBUG", "ENCODING", "k") == b"dense"
    assert engine.error("PFDEBUG", "DECODE", "k") == b"ERR HLL encoding is not sparse"
    registers = engine.call("PFDEBUG", "GETREG", "k")
    assert len(registers) == 16384
    assert sum(map(bool, registers)) == 1


def test_the_limit_of_sparse_ones(engine: Engine) -> None:
    engine.server.keyspace.limits.hll_sparse_max_bytes = 30
    engine.call("PFADD", "k", *range(2))
    assert engine.call("PFDEBUG", "ENCODING", "k") == b"sparse"
    engine.call("PFADD", "k", *range(10))
    assert engine.call("PFDEBUG", "ENCODING", "k") == b"dense"
    assert engine.call("STRLEN", "k") == 12304
    assert engine.call("PFCOUNT", "k") == 10


def test_self_test(engine: Engine) -> None:
    assert engine.call("PFSELFTEST") == b"OK"
