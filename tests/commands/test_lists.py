"""The list commands that do not wait: replies, errors and their order, events, effects."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_resp.keyspace.keyspace import Keyspace
from twisted_resp.resp import NULL_ARRAY

Engine = Any  # the fixture of conftest.py

WRONG_TYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_AN_INTEGER = b"ERR value is not an integer or out of range"
NOT_POSITIVE = b"ERR value is out of range, must be positive"
SYNTAX = b"ERR syntax error"


def elements(engine: Engine, key: str) -> list[str]:
    return [element.decode() for element in engine.call("LRANGE", key, 0, -1)]


def raw(engine: Engine, *words: bytes) -> Any:
    """The reply as the handler gave it."""
    client = engine.factory.client().client
    return client.execute(client, list(words))


def test_push_and_pop_at_both_ends(engine: Engine) -> None:
    assert engine.call("RPUSH", "l", "a", "b") == 2
    assert engine.call("LPUSH", "l", "c", "d") == 4
    assert elements(engine, "l") == ["d", "c", "a", "b"]
    assert engine.call("LPOP", "l") == b"d"
    assert engine.call("RPOP", "l") == b"b"
    assert engine.call("LLEN", "l") == 2
    assert engine.call("LPOP", "l", 9) == [b"c", b"a"]
    assert engine.call("EXISTS", "l") == 0
    assert engine.call("LLEN", "l") == 0


def test_push_only_onto_a_list_that_is_there(engine: Engine) -> None:
    assert engine.call("LPUSHX", "l", "a") == engine.call("RPUSHX", "l", "a") == 0
    assert engine.call("EXISTS", "l") == 0
    engine.call("RPUSH", "l", "a")
    assert engine.call("LPUSHX", "l", "b", "c") == 3
    assert engine.call("RPUSHX", "l", "d") == 4
    assert elements(engine, "l") == ["c", "b", "a", "d"]


def test_pop_with_a_count(engine: Engine) -> None:
    engine.call("RPUSH", "l", "a", "b", "c", "d")
    assert engine.call("LPOP", "l", 0) == []
    assert engine.call("RPOP", "l", 2) == [b"d", b"c"]
    assert engine.error("LPOP", "l", -1) == engine.error("LPOP", "none", "x") == NOT_POSITIVE
    assert engine.error("LPOP", "l", 1, 2) == b"ERR wrong number of arguments for 'lpop' command"
    assert engine.error("RPOP", "l", 1, 2) == b"ERR wrong number of arguments for 'rpop' command"
    assert raw(engine, b"LPOP", b"none") is None
    assert raw(engine, b"LPOP", b"none", b"1") is NULL_ARRAY
    assert raw(engine, b"RPOP", b"none", b"0") is NULL_ARRAY


def test_ranges_and_indexes(engine: Engine) -> None:
    engine.call("RPUSH", "l", *"abcde")
    assert engine.call("LRANGE", "l", 1, -2) == [b"b", b"c", b"d"]
    assert engine.call("LRANGE", "l", 3, 1) == engine.call("LRANGE", "none", 0, -1) == []
    assert engine.call("LINDEX", "l", -1) == b"e"
    assert engine.call("LINDEX", "l", 5) is None
    # LRANGE reads its numbers first, LINDEX looks at the key first.
    engine.call("SET", "s", "x")
    assert engine.error("LRANGE", "s", "x", 0) == engine.error("LRANGE", "none", 0, "x") == NOT_AN_INTEGER
    assert engine.error("LINDEX", "s", "x") == WRONG_TYPE
    assert engine.error("LINDEX", "l", "x") == NOT_AN_INTEGER
    assert engine.call("LINDEX", "none", "x") is None


def test_set(engine: Engine) -> None:
    engine.call("RPUSH", "l", "a", "b")
    assert engine.call("LSET", "l", -1, "c") == b"OK"
    assert elements(engine, "l") == ["a", "c"]
    assert engine.error("LSET", "none", "x", "y") == b"ERR no such key"
    assert engine.error("LSET", "l", "x", "y") == NOT_AN_INTEGER
    assert engine.error("LSET", "l", 2, "y") == b"ERR index out of range"


def test_insert(engine: Engine) -> None:
    engine.call("RPUSH", "l", "a", "b", "a")
    assert engine.call("LINSERT", "l", "before", "a", "x") == 4
    assert engine.call("LINSERT", "l", "AFTER", "b", "y") == 5
    assert engine.call("LINSERT", "l", "AFTER", "none", "y") == -1
    assert engine.call("LINSERT", "none", "AFTER", "a", "y") == 0
    assert elements(engine, "l") == ["x", "a", "b", "y", "a"]
    engine.call("SET", "s", "x")
    assert engine.error("LINSERT", "s", "BESIDE", "a", "y") == SYNTAX
    assert engine.error("LINSERT", "s", "AFTER", "a", "y") == WRONG_TYPE


def test_remove_and_trim(engine: Engine) -> None:
    engine.call("RPUSH", "l", *"abacada")
    assert engine.call("LREM", "l", -2, "a") == 2
    assert elements(engine, "l") == list("abacd")
    assert engine.call("LREM", "l", 1, "a") == 1
    assert engine.call("LREM", "l", 0, "z") == 0
    assert engine.call("LREM", "none", 0, "z") == 0
    assert engine.error("LREM", "none", "x", "z") == NOT_AN_INTEGER
    assert engine.error("LREM", "l", -(2**63), "z") == (
        b"ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
    )
    assert engine.call("LTRIM", "l", 1, 2) == b"OK"
    assert elements(engine, "l") == ["a", "c"]
    assert engine.call("LTRIM", "l", 5, 6) == engine.call("LTRIM", "none", 0, 1) == b"OK"
    assert engine.call("EXISTS", "l") == 0
    assert engine.error("LTRIM", "none", 0, "x") == NOT_AN_INTEGER


def test_positions(engine: Engine) -> None:
    engine.call("RPUSH", "l", *"abcabca")
    assert engine.call("LPOS", "l", "b") == 1
    assert engine.call("LPOS", "l", "b", "rank", 2) == 4
    assert engine.call("LPOS", "l", "b", "RANK", -1) == 4
    assert engine.call("LPOS", "l", "a", "COUNT", 0) == [0, 3, 6]
    assert engine.call("LPOS", "l", "a", "COUNT", 0, "RANK", -2) == [3, 0]
    assert engine.call("LPOS", "l", "a", "COUNT", 5, "MAXLEN", 4) == [0, 3]
    assert engine.call("LPOS", "l", "z") is engine.call("LPOS", "none", "a") is None
    assert engine.call("LPOS", "l", "z", "COUNT", 1) == engine.call("LPOS", "none", "a", "COUNT", 1) == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["RANK", 0],
         b"ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use "
         b"negative to start from the end of the list"),
        (["RANK", "x"], NOT_AN_INTEGER),
        (["RANK", -(2**63)],
         b"ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"),
        (["COUNT", -1], b"ERR COUNT can't be negative"),
        (["MAXLEN", "x"], b"ERR MAXLEN can't be negative"),
        (["RANK"], SYNTAX),
        (["RANK", 1, "BEST", 1], SYNTAX),
        (["MAXLEN", -1, "RANK"], b"ERR MAXLEN can't be negative"),
    ],
)  # fmt: skip
def test_positions_wrongly_asked(engine: Engine, options: list[object], error: bytes) -> None:
    engine.call("SET", "s", "x")
    assert engine.error("LPOS", "s", "a", *options) == error


def test_pop_from_the_first_of_several(engine: Engine) -> None:
    engine.call("RPUSH", "b", "1", "2", "3")
    engine.call("RPUSH", "c", "4")
    assert engine.call("LMPOP", 3, "a", "b", "c", "left") == [b"b", [b"1"]]
    assert engine.call("LMPOP", 3, "a", "b", "c", "RIGHT", "count", 9) == [b"b", [b"3", b"2"]]
    assert engine.call("LMPOP", 3, "a", "b", "c", "LEFT") == [b"c", [b"4"]]
    assert raw(engine, b"LMPOP", b"1", b"a", b"LEFT") is NULL_ARRAY


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["0", "a", "LEFT"], b"ERR numkeys should be greater than 0"),
        (["x", "a", "LEFT"], b"ERR numkeys should be greater than 0"),
        (["2", "a", "LEFT"], SYNTAX),
        (["9223372036854775807", "a", "LEFT"], SYNTAX),
        (["1", "a", "b"], SYNTAX),
        (["1", "a", "LEFT", "COUNT"], SYNTAX),
        (["1", "a", "LEFT", "COUNT", "0"], b"ERR count should be greater than 0"),
        (["1", "a", "LEFT", "COUNT", "x", "y"], b"ERR count should be greater than 0"),
        (["1", "a", "LEFT", "COUNT", "1", "COUNT", "2"], SYNTAX),
        (["1", "a", "LEFT", "bar"], SYNTAX),
    ],
)
def test_pop_from_several_wrongly_asked(engine: Engine, arguments: list[str], error: bytes) -> None:
    assert engine.error("LMPOP", *arguments) == error
    # The timeout is read last.
    assert engine.error("BLMPOP", "x", *arguments) == error


def test_move(engine: Engine) -> None:
    engine.call("RPUSH", "a", "1", "2", "3")
    assert engine.call("LMOVE", "a", "b", "LEFT", "right") == b"1"
    assert engine.call("RPOPLPUSH", "a", "b") == b"3"
    assert elements(engine, "b") == ["3", "1"]
    assert engine.call("LMOVE", "b", "b", "LEFT", "RIGHT") == b"3"
    assert elements(engine, "b") == ["1", "3"]
    assert engine.call("LMOVE", "a", "b", "RIGHT", "RIGHT") == b"2"
    assert engine.call("EXISTS", "a") == 0
    assert engine.call("LMOVE", "a", "b", "RIGHT", "RIGHT") is None
    assert engine.error("LMOVE", "a", "b", "RIGHT", "UP") == SYNTAX


def test_move_looks_at_the_destination_only_if_there_is_something_to_move(engine: Engine) -> None:
    engine.call("SET", "s", "x")
    assert engine.call("RPOPLPUSH", "a", "s") is None
    engine.call("RPUSH", "a", "1")
    assert engine.error("RPOPLPUSH", "a", "s") == engine.error("RPOPLPUSH", "s", "a") == WRONG_TYPE
    assert elements(engine, "a") == ["1"]


@pytest.mark.parametrize(
    "call",
    ["LPUSH s x", "RPUSH s x", "LPUSHX s x", "RPUSHX s x", "LPOP s", "RPOP s 0", "LLEN s", "LRANGE s 0 1",
     "LSET s x y", "LREM s 0 x", "LTRIM s 0 1", "LPOS s x", "LMPOP 1 s LEFT", "BLPOP s 0", "BRPOP n s 0",
     "BLMOVE s n LEFT LEFT 0", "BRPOPLPUSH s n 0", "BLMPOP 0 1 s LEFT"],
)  # fmt: skip
def test_wrong_type(engine: Engine, call: str) -> None:
    engine.call("SET", "s", "x")
    assert engine.error(*call.split()) == WRONG_TYPE


def test_events(engine: Engine) -> None:
    engine.call("RPUSH", "a", "0")
    seen = engine.events()

    def told(*call: object) -> list[tuple[bytes, bytes]]:
        seen.clear()
        engine.call(*call)
        return [event for event in seen if event[0] not in (b"new", b"keymiss")]

    assert told("LPUSH", "a", "1", "2") == [(b"lpush", b"a")]
    assert told("RPUSHX", "a", "1") == [(b"rpush", b"a")]
    assert told("LPUSHX", "n", "1") == []
    assert told("LSET", "a", 0, "x") == [(b"lset", b"a")]
    assert told("LINSERT", "a", "BEFORE", "x", "y") == [(b"linsert", b"a")]
    assert told("LINSERT", "a", "BEFORE", "n", "y") == []
    assert told("LREM", "a", 0, "y") == [(b"lrem", b"a")]
    assert told("LREM", "a", 0, "y") == []
    assert told("LTRIM", "a", 0, -1) == [(b"ltrim", b"a")]
    assert told("LPOP", "a") == [(b"lpop", b"a")]
    assert told("RPOP", "a", 0) == []
    assert told("RPOP", "a", 9) == [(b"rpop", b"a"), (b"del", b"a")]
    engine.call("RPUSH", "a", "0")
    assert told("LMOVE", "a", "a", "LEFT", "RIGHT") == [(b"rpush", b"a"), (b"lpop", b"a")]
    assert told("RPOPLPUSH", "a", "b") == [(b"lpush", b"b"), (b"rpop", b"a"), (b"del", b"a")]
    assert told("BLMPOP", 0, 2, "a", "b", "LEFT") == [(b"lpop", b"b"), (b"del", b"b")]


def test_changes_count_elements(engine: Engine) -> None:
    keyspace: Keyspace = engine.server.keyspace

    def changes(*call: object) -> int:
        before = keyspace.dirty
        engine.call(*call)
        return keyspace.dirty - before

    assert changes("RPUSH", "a", *range(10)) == 10
    assert changes("LPUSH", "a", 1) == 1
    assert changes("LPOP", "a", 2) == 2
    assert changes("LTRIM", "a", 1, -2) == 2
    assert changes("LTRIM", "a", 0, -1) == 0
    assert changes("RPUSH", "a", "x", "x") == 2
    assert changes("LREM", "a", 0, "x") == 2
    assert changes("LMOVE", "a", "b", "LEFT", "LEFT") == 1
    assert changes("LMPOP", 1, "a", "LEFT", "COUNT", 2) == 2
    assert changes("BLPOP", "a", 0) == changes("BLMOVE", "a", "b", "LEFT", "LEFT", 0) == 1
    assert changes("LSET", "b", 0, "x") == changes("LINSERT", "b", "AFTER", "x", "y") == 1


@pytest.mark.parametrize(
    ("call", "effect"),
    [
        ("LPOP a 9", "LPOP a 9"),
        ("LMPOP 2 n a RIGHT COUNT 9", "RPOP a 3"),
        ("BLPOP n a 0", "LPOP a"),
        ("BRPOP n a 0", "RPOP a"),
        ("BLMPOP 0 2 n a LEFT COUNT 2", "LPOP a 2"),
        ("BLMOVE a b left RIGHT 0", "LMOVE a b left RIGHT"),
        ("BRPOPLPUSH a b 0", "RPOPLPUSH a b"),
        ("RPOPLPUSH a b", "RPOPLPUSH a b"),
    ],
)
def test_effects(engine: Engine, call: str, effect: str) -> None:
    engine.call("RPUSH", "a", "1", "2", "3")
    effects = engine.effects()
    engine.call(*call.split())
    assert effects == [effect.encode().split()]


def test_nothing_is_told_where_nothing_was_done(engine: Engine) -> None:
    engine.call("RPUSH", "a", "1")
    effects = engine.effects()
    for call in ("LPOP n", "LMPOP 1 n LEFT", "LINSERT a BEFORE x y", "LREM a 0 x", "LMOVE n a LEFT LEFT"):
        engine.call(*call.split())
    assert effects == []
