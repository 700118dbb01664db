"""SORT and SORT_RO."""

from __future__ import annotations

import locale
from collections.abc import Iterable
from typing import Any

import pytest

from twisted_resp.commands.table import all_commands
from twisted_resp.keyspace.events import GENERIC
from twisted_resp.values.hash import Hash
from twisted_resp.values.list import List
from twisted_resp.values.set import Set
from twisted_resp.values.sorted_set import SortedSet

Engine = Any  # the fixture of conftest.py

SYNTAX = b"ERR syntax error"
NO_DOUBLE = b"ERR One or more scores can't be converted into double"


def put(engine: Engine, key: str, value: Any) -> None:
    engine.database().store(key.encode(), value, b"test", GENERIC)


def put_list(engine: Engine, key: str, elements: str) -> None:
    put(engine, key, List.of(engine.server.keyspace.limits, elements.encode().split()))


def words(reply: Iterable[bytes]) -> str:
    return b" ".join(reply).decode()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", "1 2 3 10"),
        ("DESC", "10 3 2 1"),
        ("DESC ASC", "1 2 3 10"),
        ("ALPHA", "1 10 2 3"),
        ("alpha desc", "3 2 10 1"),
        ("LIMIT 1 2", "2 3"),
        ("LIMIT 2 -1", "3 10"),
        ("LIMIT -5 1", "1"),
        ("LIMIT 1 0", ""),
        ("LIMIT 4 1", ""),
        ("LIMIT 1 9223372036854775807", "2 3 10"),
        ("LIMIT 0 1 LIMIT 3 1", "10"),
        ("BY nosort", "3 1 10 2"),
        ("BY nosort DESC", "2 10 1 3"),
        ("BY nosort LIMIT 1 2", "1 10"),
        ("BY nosort DESC LIMIT 1 2", "10 1"),
        # One pattern without a star settles it.
        ("BY nosort BY w_*", "3 1 10 2"),
    ],
)
def test_order(engine: Engine, options: str, expected: str) -> None:
    put_list(engine, "l", "3 1 10 2")
    for command in ("SORT", "SORT_RO"):
        assert words(engine.call(command, "l", *options.split())) == expected


def test_equal_weights_sort_by_element(engine: Engine) -> None:
    put_list(engine, "l", "b a c")
    engine.call("SET", "w_c", "-1")
    assert words(engine.call("SORT", "l", "BY", "w_*")) == "c a b"
    assert words(engine.call("SORT", "l", "BY", "w_*", "DESC")) == "b a c"


def test_weights_as_text(engine: Engine) -> None:
    put_list(engine, "l", "1 2 3 4")
    for element, weight in (("1", "b"), ("2", "B"), ("4", "a")):
        engine.call("SET", f"w_{element}", weight)
    assert words(engine.call("SORT", "l", "BY", "w_*", "ALPHA")) == "3 2 4 1"
    assert words(engine.call("SORT", "l", "BY", "w_*", "ALPHA", "DESC")) == "1 4 2 3"


def test_patterns(engine: Engine) -> None:
    put_list(engine, "l", "1 2")
    put(engine, "o_1", Hash.load(engine.server.keyspace.limits, {b"f": b"9", b"g->h": b"x"}, b"listpack"))
    put(engine, "o_2", List.of(engine.server.keyspace.limits, [b"a"]))
    engine.call("SET", "w_1", "one")
    engine.call("SET", "w_1->", "arrow")
    engine.call("SET", "*w_1*", "stars")

    def got(pattern: str) -> list[bytes | None]:
        found: list[bytes | None] = engine.call("SORT", "l", "BY", "nosort", "GET", pattern)
        return found

    assert got("#") == [b"1", b"2"]
    assert got("w_*") == [b"one", None]
    assert got("w_*->") == [b"arrow", None]
    assert got("o_*->f") == [b"9", None]
    assert got("o_*->g->h") == [b"x", None]
    assert got("o_*->missing") == [None, None]
    # Neither a list nor a hash is a string.
    assert got("o_*") == [None, None]
    assert got("w_1") == [None, None]
    assert got("#*") == [None, None]
    found = engine.call("SORT", "l", "GET", "#", "GET", "w_*", "GET", "#", "LIMIT", "0", "1")
    assert found == [b"1", b"one", b"1"]


def test_expired_fields_are_not_found(engine: Engine) -> None:
    put_list(engine, "l", "1")
    value = Hash.load(engine.server.keyspace.limits, {b"f": b"9"}, b"listpack", {b"f": engine.now + 10})
    put(engine, "o_1", value)
    assert engine.call("SORT", "l", "GET", "o_*->f") == [b"9"]
    engine.clock.advance(1)
    assert engine.call("SORT", "l", "GET", "o_*->f") == [None]


def test_strings_that_were_changed_in_place(engine: Engine) -> None:
    put_list(engine, "l", "1 2")
    put(engine, "w_1", bytearray(b"5"))
    assert words(engine.call("SORT", "l", "BY", "w_*", "DESC")) == "1 2"
    assert engine.call("SORT", "l", "GET", "w_*") == [b"5", None]


def test_sets_and_sorted_sets(engine: Engine) -> None:
    limits = engine.server.keyspace.limits
    put(engine, "s", Set.of(limits, [b"3", b"1", b"2"]))
    put(engine, "z", SortedSet.of(limits, [(b"10", 3.0), (b"9", 1.0), (b"x", 2.0)]))
    assert words(engine.call("SORT", "s", "DESC")) == "3 2 1"
    assert words(engine.call("SORT", "z", "ALPHA")) == "10 9 x"
    assert words(engine.call("SORT", "z", "BY", "nosort")) == "9 x 10"
    assert words(engine.call("SORT", "z", "BY", "nosort", "DESC", "LIMIT", "0", "2")) == "10 x"
    assert engine.call("OBJECT", "ENCODING", "z") == b"skiplist"


def test_a_stored_set_has_an_order(engine: Engine) -> None:
    put(engine, "s", Set.of(engine.server.keyspace.limits, [b"c", b"a", b"10", b"9"]))
    assert engine.call("SORT", "s", "BY", "nosort", "STORE", "l") == 4
    assert list(engine.database().peek(b"l")) == [b"10", b"9", b"a", b"c"]


def test_store(engine: Engine) -> None:
    put_list(engine, "l", "3 1 2")
    engine.call("SET", "w_1", "one")
    engine.call("SET", "to", "before")
    engine.call("EXPIRE", "to", 100)
    events, effects = engine.events(), engine.effects()
    dirty = engine.server.keyspace.dirty
    request = ["SORT", "l", "GET", "w_*", "GET", "#", "STORE", "to"]
    assert engine.call(*request) == 6
    assert list(engine.database().peek(b"to")) == [b"one", b"1", b"", b"2", b"", b"3"]
    assert engine.call("TTL", "to") == -1
    assert engine.server.keyspace.dirty == dirty + 6
    assert (b"sortstore", b"to") in events
    assert effects == [[word.encode() for word in request]]
    # The last of several destinations counts.
    assert engine.call("SORT", "l", "STORE", "x", "STORE", "l") == 3
    assert list(engine.database().peek(b"l")) == [b"1", b"2", b"3"]
    assert engine.call("EXISTS", "x") == 0


def test_storing_nothing_deletes(engine: Engine) -> None:
    engine.call("SET", "to", "v")
    events = engine.events()
    assert engine.call("SORT", "missing", "STORE", "to") == 0
    assert engine.call("EXISTS", "to") == 0
    assert (b"del", b"to") in events
    dirty = engine.server.keyspace.dirty
    assert engine.call("SORT", "missing", "STORE", "to") == 0
    assert engine.server.keyspace.dirty == dirty


def test_a_stored_list_is_encoded_by_its_size(engine: Engine) -> None:
    engine.server.keyspace.limits.list_max_listpack_size = 4
    put_list(engine, "l", "1 2 3 4 5")
    engine.call("SORT", "l", "LIMIT", "0", "4", "STORE", "short")
    engine.call("SORT", "l", "STORE", "long")
    assert engine.call("OBJECT", "ENCODING", "short") == b"listpack"
    assert engine.call("OBJECT", "ENCODING", "long") == b"quicklist"


@pytest.mark.parametrize("weight", ["x", "1x", "nan", "1e999", "1e-999", "4.9e-324", " ", "1 ", "0x"])
def test_weights_that_are_no_numbers(engine: Engine, weight: str) -> None:
    put(engine, "l", List.of(engine.server.keyspace.limits, [b"1", b"2"]))
    engine.call("SET", "w_1", weight)
    engine.call("SET", "to", "v")
    assert engine.error("SORT", "l", "BY", "w_*", "STORE", "to") == NO_DOUBLE
    assert engine.call("GET", "to") == b"v"


@pytest.mark.parametrize("weight", ["", "\t-1", "inf", "-infinity", "0x1p3", ".5", "-0", "1\0x"])
def test_weights_that_are(engine: Engine, weight: str) -> None:
    put_list(engine, "l", "1")
    engine.call("SET", "w_1", weight)
    assert engine.call("SORT", "l", "BY", "w_*") == [b"1"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("k x", SYNTAX),
        ("k LIMIT 1", SYNTAX),
        ("k LIMIT 1 x", b"ERR value is not an integer or out of range"),
        ("k BY", SYNTAX),
        ("k GET", SYNTAX),
        ("k STORE", SYNTAX),
        # Options are read before the key is looked at, from left to right.
        ("k x LIMIT x 1", SYNTAX),
        ("k LIMIT x 1 x", b"ERR value is not an integer or out of range"),
        ("k", b"WRONGTYPE Operation against a key holding the wrong kind of value"),
    ],
)
def test_errors(engine: Engine, arguments: str, error: bytes) -> None:
    engine.call("SET", "k", "v")
    assert engine.error("SORT", *arguments.split()) == error
    assert engine.error("SORT_RO", *arguments.split()) == error


def test_sort_ro_stores_nothing(engine: Engine) -> None:
    assert engine.error("SORT_RO", "l", "STORE", "to") == SYNTAX


def test_keys_of_a_call() -> None:
    find = all_commands()[b"sort"].get_keys
    assert find is not None
    assert [place for place, _ in find(b"SORT abc BY store STORE x GET store store def".split())] == [1, 9]


def test_alpha_takes_a_zero_byte_for_the_end(engine: Engine) -> None:
    elements = [b"b\0z", b"a", b"b\0y", b"b"]
    engine.call("RPUSH", "l", *elements)
    assert engine.call("SORT", "l", "ALPHA") == [b"a", b"b\0z", b"b\0y", b"b"]
    assert engine.call("SORT", "l", "ALPHA", "DESC") == [b"b\0z", b"b\0y", b"b", b"a"]
    # What is stored is compared byte by byte.
    engine.call("SORT", "l", "ALPHA", "STORE", "sorted")
    assert engine.call("LRANGE", "sorted", 0, -1) == sorted(elements)


def test_alpha_asks_the_locale_that_was_set(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locale, "setlocale", lambda category, name: name)
    monkeypatch.setattr(locale, "strxfrm", lambda text: text.lower())
    engine.call("RPUSH", "l", "b", "A", "C", "\xff")
    for name, weight in (("b", "xx"), ("A", "Y"), ("C", "z"), ("\xff", b"\xff")):
        engine.call("SET", f"w_{name}", weight)
    assert words(engine.call("SORT", "l", "ALPHA")) == "A C b \xff"
    assert engine.call("CONFIG", "SET", "locale-collate", "some_SUCH") == b"OK"
    assert words(engine.call("SORT", "l", "ALPHA")) == "A b C \xff"
    assert words(engine.call("SORT", "l", "ALPHA", "BY", "w_*")) == "b A C \xff"
    # What is stored is the same on every replica.
    engine.call("SORT", "l", "ALPHA", "STORE", "sorted")
    assert words(engine.call("LRANGE", "sorted", 0, -1)) == "A C b \xff"


def test_a_locale_that_is_not_there(engine: Engine) -> None:
    assert engine.error("CONFIG", "SET", "locale-collate", "no_SUCH") == (
        b"ERR CONFIG SET failed (possibly related to argument 'locale-collate') - Invalid locale name"
    )
    assert engine.call("CONFIG", "GET", "locale-collate") == {b"locale-collate": b""}
