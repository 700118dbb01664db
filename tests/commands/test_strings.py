"""Strings: what is newer than the redis-server that the random calls are compared with, events and effects."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_resp.values.strings import encoding_of

Engine = Any  # the fixture of conftest.py

WRONG_TYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"
SYNTAX = b"ERR syntax error"
# XXH3 of "Hello world", as redis.io shows it.
DIGEST = b"b6acb9d84a38ff74"
OTHER_DIGEST = b"b6acb9d84a38ff75"


# ------------------------------------------------------------- comparisons


@pytest.mark.parametrize(
    ("condition", "operand", "holds"),
    [
        ("IFEQ", b"Hello world", True),
        ("ifeq", b"Hello World", False),
        ("IFNE", b"Hello world", False),
        ("IfNe", b"x", True),
        ("IFDEQ", DIGEST, True),
        ("IFDEQ", DIGEST.upper(), True),
        ("IFDEQ", OTHER_DIGEST, False),
        ("IFDNE", DIGEST, False),
        ("IFDNE", OTHER_DIGEST, True),
    ],
)
def test_comparisons(engine: Engine, condition: str, operand: bytes, holds: bool) -> None:
    engine.call("SET", "k", "Hello world")
    assert engine.call("SET", "k", "new", condition, operand) == (b"OK" if holds else None)
    assert engine.call("GET", "k") == (b"new" if holds else b"Hello world")
    engine.call("SET", "k", "Hello world")
    assert engine.call("SET", "k", "new", "GET", condition, operand) == b"Hello world"
    assert engine.call("GET", "k") == (b"new" if holds else b"Hello world")
    engine.call("SET", "k", "Hello world")
    assert engine.call("DELEX", "k", condition, operand) == int(holds)
    assert engine.call("EXISTS", "k") == int(not holds)


@pytest.mark.parametrize(
    ("condition", "stores"), [("IFEQ", False), ("IFNE", True), ("IFDEQ", False), ("IFDNE", True)]
)
def test_comparisons_with_nothing(engine: Engine, condition: str, stores: bool) -> None:
    assert engine.call("SET", "k", "v", condition, DIGEST) == (b"OK" if stores else None)
    assert engine.call("EXISTS", "k") == int(stores)
    assert engine.call("DELEX", "missing", condition, DIGEST) == 0


def test_comparisons_with_numbers_and_buffers(engine: Engine) -> None:
    engine.call("SET", "k", 123)
    assert engine.call("SET", "k", "ab", "IFEQ", "123") == b"OK"
    engine.call("APPEND", "k", "c")
    assert engine.call("SET", "k", "x", "IFEQ", "abc", "EX", 10) == b"OK"
    assert engine.call("TTL", "k") == 10


@pytest.mark.parametrize("condition", ["IFEQ", "IFNE", "IFDEQ", "IFDNE"])
def test_comparison_errors(engine: Engine, condition: str) -> None:
    engine.call("SET", "k", "v")
    assert engine.error("SET", "k", "v", condition) == SYNTAX
    assert engine.error("SET", "k", "v", condition, DIGEST, "NX") == SYNTAX
    assert engine.error("SET", "k", "v", "XX", condition, DIGEST) == SYNTAX
    assert engine.error("SET", "k", "v", condition, DIGEST, "IFEQ", "v") == SYNTAX
    # What follows EX is a number, however it looks.
    assert engine.error("SET", "k", "v", "EX", condition) == b"ERR value is not an integer or out of range"
    engine.call("RPUSH", "l", "v")
    assert engine.error("SET", "l", "v", condition, DIGEST) == WRONG_TYPE
    message = b"ERR Key should be of string type if conditions are specified"
    assert engine.error("DELEX", "l", condition, DIGEST) == message
    assert engine.error("DELEX", "k", condition) == b"ERR wrong number of arguments for 'delex' command"


@pytest.mark.parametrize("digest", [b"", b"6c38adf31777", DIGEST + b"0"])
def test_digests_have_sixteen_digits(engine: Engine, digest: bytes) -> None:
    engine.call("SET", "k", "v")
    message = b"ERR must be exactly 16 hexadecimal characters"
    assert engine.error("SET", "k", "w", "IFDEQ", digest) == message
    assert engine.error("DELEX", "k", "IFDNE", digest) == message


def test_delex(engine: Engine) -> None:
    engine.call("SET", "k", "v")
    engine.call("RPUSH", "l", "v")
    assert engine.error("DELEX", "k", "IF", "v") == b"ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"
    assert (
        engine.error("DELEX", "k", "IFEQ", "v", "w") == b"ERR wrong number of arguments for 'delex' command"
    )
    effects = engine.effects()
    assert engine.call("DELEX", "k", "IFEQ", "w") == 0
    assert engine.call("DELEX", "k", "IFEQ", "v") == 1
    assert engine.call("DELEX", "l") == 1
    assert engine.call("DELEX", "l") == 0
    assert effects == [[b"DEL", b"k"], [b"DEL", b"l"]]


def test_digest(engine: Engine) -> None:
    assert engine.call("DIGEST", "k") is None
    engine.call("SET", "k", "Hello ")
    engine.call("APPEND", "k", "world")
    assert engine.call("DIGEST", "k") == DIGEST
    engine.call("RPUSH", "l", "v")
    assert engine.error("DIGEST", "l") == WRONG_TYPE


# ------------------------------------------------------------------ MSETEX


def test_msetex(engine: Engine) -> None:
    assert engine.call("MSETEX", 2, "a", 1, "b", 2) == 1
    assert engine.call("TTL", "a") == -1
    assert engine.call("MSETEX", 2, "b", 3, "c", 4, "NX") == 0
    assert engine.call("MSETEX", 2, "b", 3, "c", 4, "XX") == 0
    assert engine.call("MSETEX", 2, "a", 5, "b", 6, "EX", 10, "xx") == 1
    assert engine.call("MGET", "a", "b", "c") == [b"5", b"6", None]
    assert [engine.call("TTL", key) for key in "ab"] == [10, 10]
    assert engine.call("MSETEX", 2, "b", 7, "c", 8, "KEEPTTL") == 1
    assert [engine.call("TTL", key) for key in "bc"] == [10, -1]
    assert engine.call("MSETEX", 1, "b", 9) == 1
    assert engine.call("TTL", "b") == -1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("0", "a", "1"), b"ERR invalid numkeys value"),
        (("-1", "a", "1"), b"ERR invalid numkeys value"),
        (("x", "a", "1"), b"ERR invalid numkeys value"),
        (("2147483648", "a", "1"), b"ERR invalid numkeys value"),
        (("2", "a", "1", "b"), b"ERR wrong number of key-value pairs"),
        (("1", "a", "1", "zz"), SYNTAX),
        (("1", "a", "1", "NX", "XX"), SYNTAX),
        (("1", "a", "1", "GET"), SYNTAX),
        (("1", "a", "1", "EX", "1", "KEEPTTL"), SYNTAX),
        (("1", "a", "1", "EX", "0"), b"ERR invalid expire time in 'msetex' command"),
    ],
)
def test_msetex_errors(engine: Engine, arguments: tuple[str, ...], message: bytes) -> None:
    assert engine.error("MSETEX", *arguments) == message
    assert engine.call("DBSIZE") == 0


# --------------------------------------------------- later than the reference


@pytest.mark.parametrize(("start", "end"), [(0, -100), (1, -6), (-1, -100), (-100, -99), (-100, -101)])
def test_a_range_in_front_of_the_string_is_empty(engine: Engine, start: int, end: int) -> None:
    engine.call("SET", "k", "12345")
    assert engine.call("GETRANGE", "k", start, end) == b""
    assert engine.call("SUBSTR", "k", start, end) == b""


# -------------------------------------------------------- events and effects


@pytest.mark.parametrize(
    ("call", "effects"),
    [
        ("SET k v", ["SET k v"]),
        ("SET k v EX 10", ["SET k v PXAT 1700000010000"]),
        ("set k v nx px 10000", ["SET k v PXAT 1700000010000"]),
        ("SET k v EXAT 1700000010", ["SET k v PXAT 1700000010000"]),
        ("SET k v PXAT 1700000010000", ["SET k v PXAT 1700000010000"]),
        ("SET old v GET KEEPTTL", ["SET old v KEEPTTL"]),
        ("SET old v GET EX 10", ["SET old v PXAT 1700000010000"]),
        ("SET old v NX", []),
        ("SET old v NX GET", []),
        ("SET old v IFEQ x", []),
        ("SETEX k 10 v", ["SET k v PXAT 1700000010000"]),
        ("PSETEX k 10000 v", ["SET k v PXAT 1700000010000"]),
        ("SETNX old v", []),
        ("GETSET old v", ["SET old v"]),
        ("GETDEL old", ["DEL old"]),
        ("GETDEL k", []),
        ("GETEX old", []),
        ("GETEX old EX 10", ["PEXPIREAT old 1700000010000"]),
        ("GETEX old PXAT 1", ["DEL old"]),
        ("GETEX old PERSIST", []),
        ("GETEX fleeting PERSIST", ["PERSIST fleeting"]),
        ("MSETNX k 1 old 2", []),
        ("MSETEX 1 k v PX 10000", ["MSETEX 1 k v PXAT 1700000010000"]),
        ("INCR k", ["INCR k"]),
        ("INCRBYFLOAT old 0.5", ["SET old 1.5 KEEPTTL"]),
        ("SETRANGE k 0 ", []),
        ("SETBIT old 200 0", ["SETBIT old 200 0"]),
        ("SETBIT old 0 0", []),
        ("BITFIELD old SET u8 0 49", []),
        ("BITFIELD k GET u8 0", []),
        ("BITOP NOT k missing", []),
        ("BITOP NOT old missing", ["BITOP NOT old missing"]),
        ("PFADD k", ["PFADD k"]),
        ("PFADD hll", []),
        ("PFCOUNT hll", ["PFCOUNT hll"]),
    ],
)
def test_effects(engine: Engine, call: str, effects: list[str]) -> None:
    engine.call("SET", "old", 1)
    engine.call("SET", "fleeting", 1, "EX", 100)
    engine.call("PFADD", "hll", 1)
    seen = engine.effects()
    engine.call(*call.split(" "))
    assert seen == [effect.encode().split(b" ") for effect in effects]


@pytest.mark.parametrize(
    ("call", "events"),
    [
        ("SET old v", ["set old"]),
        ("SET k v", ["new k", "set k"]),
        ("SET old v EX 10", ["set old", "expire old"]),
        ("SETEX old 10 v", ["set old", "expire old"]),
        ("GETSET old v", ["set old"]),
        ("GETDEL old", ["del old"]),
        ("GETEX old EX 10", ["expire old"]),
        ("GETEX old EXAT 1", ["del old"]),
        ("GETEX old", []),
        ("MSET old 1 old 2", ["set old", "set old"]),
        ("MSETEX 1 old 1 EX 5", ["set old", "expire old"]),
        ("INCR old", ["incrby old"]),
        ("DECRBY old 3", ["incrby old"]),
        ("INCRBYFLOAT old 3", ["incrbyfloat old"]),
        ("APPEND old x", ["append old"]),
        ("APPEND old ", ["append old"]),
        ("SETRANGE old 1 x", ["setrange old"]),
        ("SETRANGE old 1 ", []),
        ("SETBIT old 1 1", ["setbit old"]),
        ("SETBIT old 1 0", []),
        ("BITFIELD old INCRBY u8 0 1 INCRBY u8 0 1", ["setbit old"]),
        ("BITOP NOT old old", ["set old"]),
        ("BITOP NOT old missing", ["del old"]),
        ("PFADD hll 2", ["pfadd hll"]),
        ("PFADD hll 1", []),
        ("PFCOUNT hll", []),
        ("PFMERGE hll", ["pfadd hll"]),
        ("DELEX old", ["del old"]),
    ],
)
def test_events(engine: Engine, call: str, events: list[str]) -> None:
    engine.call("SET", "old", 1)
    engine.call("PFADD", "hll", 1)
    seen = engine.events()
    engine.call(*call.split(" "))
    # A look at a key that is not there is an event too.
    assert [b" ".join(event) for event in seen if event[0] != b"keymiss"] == [
        event.encode() for event in events
    ]


@pytest.mark.parametrize(
    ("calls", "dirty"),
    [
        (["SET k v EX 10"], 1),
        (["MSET a 1 b 2"], 2),
        (["MSETEX 2 a 1 b 2 EX 10"], 2),
        (["SETBIT k 0 1", "SETBIT k 0 1", "SETBIT k 9 0"], 2),
        (["BITFIELD k SET u8 0 1 SET u8 0 2 GET u8 0"], 2),
        (["BITFIELD k OVERFLOW FAIL SET u2 0 7"], 0),
        (["PFADD k a b", "PFADD k a b"], 3),
        (["PFADD k a", "PFCOUNT k", "PFCOUNT k"], 3),
        (["GETEX k EX 10"], 0),
    ],
)
def test_dirty(engine: Engine, calls: list[str], dirty: int) -> None:
    for call in calls:
        engine.call(*call.split())
    assert engine.server.keyspace.dirty == dirty


# ------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("calls", "encoding"),
    [
        (["SET k 12"], b"int"),
        (["SET k 007"], b"embstr"),
        (["SET k 12", "INCR k"], b"int"),
        (["SET k 12", "APPEND k 3"], b"raw"),
        (["SET k 12", "APPEND k 3", "INCR k"], b"int"),
        (["APPEND k 3"], b"int"),
        (["INCRBYFLOAT k 3"], b"embstr"),
        (["SET k 12", "SETRANGE k 0 "], b"int"),
        (["SETRANGE k 0 1"], b"raw"),
        (["SET k 12", "SETBIT k 0 0"], b"raw"),
        (["SET k 12", "BITOP AND k k"], b"raw"),
        (["SET k 12", "BITFIELD k GET u8 0"], b"int"),
        (["PFADD k"], b"raw"),
    ],
)
def test_encodings(engine: Engine, calls: list[str], encoding: bytes) -> None:
    for call in calls:
        engine.call(*call.split(" "))
    assert encoding_of(engine.database().peek(b"k")) == encoding


def test_replies_do_not_change_later(engine: Engine) -> None:
    engine.call("SETRANGE", "k", 0, "abc")
    replies = [engine.call("GET", "k"), engine.call("MGET", "k"), engine.call("GETRANGE", "k", 0, -1)]
    engine.call("SETRANGE", "k", 0, "xyz")
    assert replies == [b"abc", [b"abc"], b"abc"]


def test_a_string_may_not_grow_beyond_the_limit(engine: Engine) -> None:
    engine.server.max_bulk = 10
    message = b"ERR string exceeds maximum allowed size (proto-max-bulk-len)"
    engine.call("SET", "k", "12345")
    assert engine.error("APPEND", "k", "123456") == message
    assert engine.error("SETRANGE", "k", 9, "12") == message
    assert engine.error("SETRANGE", "missing", 2**63 - 1, "1") == message
    offset = b"ERR bit offset is not an integer or out of range"
    assert engine.error("SETBIT", "k", 80, 1) == offset
    assert engine.error("BITFIELD", "k", "SET", "u8", "#10", 1) == offset
    assert encoding_of(engine.database().peek(b"k")) == b"int"
    assert engine.call("APPEND", "k", "12345") == 10
    assert engine.call("SETRANGE", "k", 8, "12") == 10
    message = b"ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
    assert engine.error("LCS", "k", "k") == message


def test_expiry_is_kept_or_dropped(engine: Engine) -> None:
    def ttl_after(*args: object) -> int:
        engine.call("SET", "k", 1, "EX", 100)
        engine.call(*args)
        left: int = engine.call("TTL", "k")
        return left

    for kept in (
        "INCR k",
        "APPEND k 1",
        "SETRANGE k 0 1",
        "SETBIT k 0 1",
        "INCRBYFLOAT k 1",
        "SET k 1 KEEPTTL",
    ):
        assert ttl_after(*kept.split()) == 100, kept
    for dropped in ("SET k 1", "GETSET k 1", "MSET k 1", "BITOP NOT k k", "GETEX k PERSIST"):
        assert ttl_after(*dropped.split()) == -1, dropped
