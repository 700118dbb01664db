"""DEL, EXISTS, TYPE, RENAME, COPY, MOVE, OBJECT and their kin."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_resp.keyspace.events import GENERIC
from twisted_resp.values.hash import Hash
from twisted_resp.values.list import List
from twisted_resp.values.set import Set
from twisted_resp.values.sorted_set import SortedSet
from twisted_resp.values.stream import Stream

Engine = Any  # the fixture of conftest.py

NO_INTEGER = b"ERR value is not an integer or out of range"
NO_DATABASE = b"ERR DB index is out of range"


def put_one_of_each_type(engine: Engine) -> None:
    limits = engine.server.keyspace.limits
    engine.call("SET", "string", "v")
    for value in (
        List.of(limits, [b"a", b"b"]),
        Set.of(limits, [b"1", b"2"]),
        SortedSet.of(limits, [(b"a", 1.0)]),
        Hash.load(limits, {b"f": b"v"}, b"listpack"),
        Stream(limits),
    ):
        engine.database().store(value.type_name, value, b"test", GENERIC)


TYPES = ["string", "list", "set", "zset", "hash", "stream"]


# ---------------------------------------------------------- delete and look


@pytest.mark.parametrize("command", ["DEL", "UNLINK"])
def test_delete(engine: Engine, command: str) -> None:
    put_one_of_each_type(engine)
    events, effects = engine.events(), engine.effects()
    assert engine.call(command, "string", "missing", "list", "string") == 2
    assert engine.call("EXISTS", "string", "list") == 0
    assert events[:3] == [(b"del", b"string"), (b"del", b"list"), (b"keymiss", b"string")]
    assert effects == [[command.encode(), b"string", b"missing", b"list", b"string"]]
    assert engine.call(command, "string") == 0
    assert len(effects) == 1


@pytest.mark.parametrize("command", ["DEL", "UNLINK"])
def test_deleting_an_expired_key_counts_as_nothing(engine: Engine, command: str) -> None:
    engine.server.keyspace.expiry_timer.enabled = False
    engine.call("SET", "k", "v")
    engine.call("PEXPIRE", "k", 1)
    engine.clock.advance(1)
    effects = engine.effects()
    assert engine.call(command, "k") == 0
    assert effects == [[b"DEL", b"k"]]


def test_exists_counts_every_mention(engine: Engine) -> None:
    engine.call("SET", "a", "")
    assert engine.call("EXISTS", "a", "b", "a") == 2


@pytest.mark.parametrize("name", TYPES)
def test_type(engine: Engine, name: str) -> None:
    put_one_of_each_type(engine)
    assert engine.call("TYPE", name) == name.encode()


def test_type_of_nothing(engine: Engine) -> None:
    assert engine.call("TYPE", "k") == b"none"


def test_touch(engine: Engine) -> None:
    engine.call("SET", "a", "1")
    engine.call("SET", "b", "1")
    engine.clock.advance(10)
    for command in ("EXISTS", "TYPE"):
        engine.call(command, "a")
    assert engine.call("OBJECT", "IDLETIME", "a") == 10
    assert engine.call("TOUCH", "a", "c", "a") == 2
    assert engine.call("OBJECT", "IDLETIME", "a") == 0
    assert engine.call("OBJECT", "IDLETIME", "b") == 10


def test_hits_and_misses(engine: Engine) -> None:
    keyspace = engine.server.keyspace
    engine.call("SET", "a", "1")
    for count, command in enumerate((["EXISTS"], ["TYPE"], ["TOUCH"], ["OBJECT", "ENCODING"], ["TTL"]), 1):
        engine.call(*command, "a")
        engine.call(*command, "b")
        assert (keyspace.hits, keyspace.misses) == (count, count)


# -------------------------------------------------------------------- rename


@pytest.mark.parametrize("command", ["RENAME", "RENAMENX"])
@pytest.mark.parametrize("name", TYPES)
def test_rename(engine: Engine, command: str, name: str) -> None:
    put_one_of_each_type(engine)
    before = engine.database().peek(name.encode())
    engine.call("EXPIRE", name, 100)
    events, effects = engine.events(), engine.effects()
    assert engine.call(command, name, "new") == (b"OK" if command == "RENAME" else 1)
    assert engine.database().peek(b"new") is before
    assert engine.call("TTL", "new") == 100
    named = [event for event in events if event[0] != b"new"]
    assert named == [(b"rename_from", name.encode()), (b"rename_to", b"new")]
    assert effects == [[command.encode(), name.encode(), b"new"]]
    assert engine.call("EXISTS", name) == 0
    engine.clock.advance(101)
    assert engine.call("EXISTS", "new") == 0


def test_rename_overwrites(engine: Engine) -> None:
    put_one_of_each_type(engine)
    engine.call("EXPIRE", "list", 100)
    assert engine.call("RENAME", "string", "list") == b"OK"
    assert engine.call("GET", "list") == b"v"
    assert engine.call("TTL", "list") == -1


def test_renamenx_does_not(engine: Engine) -> None:
    put_one_of_each_type(engine)
    dirty = engine.server.keyspace.dirty
    assert engine.call("RENAMENX", "string", "list") == 0
    assert engine.call("TYPE", "list") == b"list"
    assert engine.server.keyspace.dirty == dirty


def test_rename_to_itself(engine: Engine) -> None:
    assert engine.error("RENAME", "k", "k") == b"ERR no such key"
    assert engine.error("RENAMENX", "k", "k") == b"ERR no such key"
    engine.call("SET", "k", "v")
    effects = engine.effects()
    assert engine.call("RENAME", "k", "k") == b"OK"
    assert engine.call("RENAMENX", "k", "k") == 0
    assert effects == []
    assert engine.call("GET", "k") == b"v"


def test_rename_of_an_expired_key(engine: Engine) -> None:
    engine.server.keyspace.expiry_timer.enabled = False
    engine.call("SET", "k", "v")
    engine.call("PEXPIRE", "k", 1)
    engine.clock.advance(1)
    assert engine.error("RENAME", "k", "new") == b"ERR no such key"


# ------------------------------------------------------------- copy and move


@pytest.mark.parametrize("name", TYPES)
def test_copy(engine: Engine, name: str) -> None:
    put_one_of_each_type(engine)
    engine.call("EXPIRE", name, 100)
    events, effects = engine.events(), engine.effects()
    assert engine.call("COPY", name, "new") == 1
    assert engine.call("TYPE", "new") == name.encode()
    assert engine.call("TTL", "new") == engine.call("TTL", name) == 100
    assert engine.call("OBJECT", "ENCODING", "new") == engine.call("OBJECT", "ENCODING", name)
    digest, copied, missing = engine.call("DEBUG", "DIGEST-VALUE", name, "new", "missing")
    assert digest == copied != missing == b"0" * 40
    assert [event for event in events if event[0] != b"new"] == [(b"copy_to", b"new")]
    assert effects == [[b"COPY", name.encode(), b"new"]]
    assert engine.call("COPY", name, "new") == 0


def test_a_copy_is_independent(engine: Engine) -> None:
    database = engine.database()
    put_one_of_each_type(engine)
    database.store(b"raw", bytearray(b"abc"), b"test", GENERIC)
    engine.call("COPY", "list", "list2")
    engine.call("COPY", "raw", "raw2")
    database.peek(b"list").push_right([b"c"])
    database.peek(b"raw").extend(b"d")
    assert list(database.peek(b"list2")) == [b"a", b"b"]
    assert engine.call("GET", "raw2") == b"abc"
    assert engine.call("OBJECT", "ENCODING", "raw2") == b"raw"


def test_copy_to_another_database(engine: Engine) -> None:
    engine.call("SET", "k", "v")
    assert engine.call("COPY", "k", "k", "DB", 3) == 1
    assert engine.call("COPY", "k", "k", "db", 3) == 0
    assert engine.call("COPY", "k", "k", "replace", "db", 2, "DB", 3) == 1
    assert engine.database(3).peek(b"k") == b"v"
    assert len(engine.database(2)) == 0


def test_copy_replaces_value_and_expiry(engine: Engine) -> None:
    engine.call("SET", "a", "1")
    engine.call("SET", "b", "2")
    engine.call("EXPIRE", "b", 10)
    assert engine.call("COPY", "a", "b", "REPLACE") == 1
    assert engine.call("GET", "b") == b"1"
    assert engine.call("TTL", "b") == -1


def test_errors_of_copy(engine: Engine) -> None:
    assert engine.call("COPY", "a", "b") == 0
    assert engine.error("COPY", "a", "a") == b"ERR source and destination objects are the same"
    assert engine.error("COPY", "a", "a", "DB", "0") == b"ERR source and destination objects are the same"
    assert engine.error("COPY", "a", "b", "DB") == b"ERR syntax error"
    assert engine.error("COPY", "a", "b", "x") == b"ERR syntax error"
    assert engine.error("COPY", "a", "b", "DB", "x") == NO_INTEGER
    assert engine.error("COPY", "a", "b", "DB", "16") == NO_DATABASE
    assert engine.error("COPY", "a", "b", "DB", "-1") == NO_DATABASE


@pytest.mark.parametrize("name", TYPES)
def test_move(engine: Engine, name: str) -> None:
    put_one_of_each_type(engine)
    engine.call("EXPIRE", name, 100)
    value = engine.database().peek(name.encode())
    events, effects = engine.events(), engine.effects()
    assert engine.call("MOVE", name, 9) == 1
    assert engine.call("EXISTS", name) == 0
    assert engine.database(9).peek(name.encode()) is value
    assert engine.database(9).expiry(name.encode()) == engine.now + 100_000
    key = name.encode()
    named = [event for event in events if event[0] not in (b"new", b"keymiss")]
    assert named == [(b"move_from", key), (b"move_to", key)]
    assert effects == [[b"MOVE", key, b"9"]]


def test_move_onto_a_key_that_is_there(engine: Engine) -> None:
    engine.call("SET", "k", "v")
    engine.call("COPY", "k", "k", "DB", 1)
    effects = engine.effects()
    digest = engine.call("DEBUG", "DIGEST")
    assert engine.call("MOVE", "k", 1) == 0
    assert engine.call("DEBUG", "DIGEST") == digest
    assert engine.call("MOVE", "missing", 1) == 0
    assert engine.call("EXISTS", "k") == 1
    assert effects == []


def test_errors_of_move(engine: Engine) -> None:
    assert engine.error("MOVE", "k", "x") == NO_INTEGER
    assert engine.error("MOVE", "k", "16") == NO_DATABASE
    assert engine.error("MOVE", "k", "0") == b"ERR source and destination objects are the same"
    assert (
        engine.error("MOVE", "k", "2147483648")
        == b"ERR value is out of range, value must between -2147483648 and 2147483647"
    )


# -------------------------------------------------------------------- OBJECT


@pytest.mark.parametrize(
    ("value", "encoding"),
    [
        ("12", b"int"),
        ("-9223372036854775808", b"int"),
        ("9223372036854775808", b"embstr"),
        ("012", b"embstr"),
        ("x" * 44, b"embstr"),
        ("x" * 45, b"raw"),
    ],
)
def test_encoding_of_strings(engine: Engine, value: str, encoding: bytes) -> None:
    engine.call("SET", "k", value)
    assert engine.call("OBJECT", "ENCODING", "k") == encoding


def test_encoding_of_others(engine: Engine) -> None:
    put_one_of_each_type(engine)
    encodings = {name: engine.call("OBJECT", "encoding", name) for name in TYPES[1:]}
    assert encodings == {
        "list": b"listpack",
        "set": b"intset",
        "zset": b"listpack",
        "hash": b"listpack",
        "stream": b"stream",
    }


@pytest.mark.parametrize("subcommand", ["ENCODING", "FREQ", "IDLETIME", "REFCOUNT"])
def test_object_of_nothing(engine: Engine, subcommand: str) -> None:
    assert engine.call("OBJECT", subcommand, "k") is None


def test_refcount(engine: Engine) -> None:
    for value, count in (("0", 2**31 - 1), ("9999", 2**31 - 1), ("10000", 1), ("-1", 1), ("x", 1)):
        engine.call("SET", "k", value)
        assert engine.call("OBJECT", "REFCOUNT", "k") == count


def test_idletime_is_told_in_whole_ticks(engine: Engine) -> None:
    engine.call("SET", "k", "v")
    engine.clock.advance(0.75)
    assert engine.call("OBJECT", "IDLETIME", "k") == 0
    engine.clock.advance(2.5)
    assert engine.call("OBJECT", "IDLETIME", "k") == 3
    engine.call("GET", "k")
    assert engine.call("OBJECT", "IDLETIME", "k") == 0
    assert engine.error("OBJECT", "FREQ", "k").startswith(b"ERR An LFU maxmemory policy is not selected")


def test_freq(engine: Engine) -> None:
    engine.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    engine.call("SET", "k", "v")
    assert engine.call("OBJECT", "FREQ", "k") == 5
    assert engine.error("OBJECT", "IDLETIME", "k").startswith(b"ERR An LFU maxmemory policy is selected")
    engine.call("GET", "k")
    assert engine.call("OBJECT", "FREQ", "k") == 6
    engine.call("CLIENT", "NO-TOUCH", "ON")
    assert engine.call("OBJECT", "FREQ", "k") == 6
    engine.call("CLIENT", "NO-TOUCH", "OFF")
    engine.call("RENAME", "k", "k2")
    assert engine.call("OBJECT", "FREQ", "k2") >= 6
    engine.clock.advance(120)
    assert engine.call("OBJECT", "FREQ", "k2") < 6


def test_object_help(engine: Engine) -> None:
    lines = engine.call("OBJECT", "HELP")
    assert lines[0] == b"OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    assert lines[1] == b"ENCODING <key>"
    assert lines[-2:] == [b"HELP", b"    Print this help."]
    assert engine.error("OBJECT", "x", "k") == b"ERR unknown subcommand 'x'. Try OBJECT HELP."
    assert engine.error("OBJECT") == b"ERR wrong number of arguments for 'object' command"
    assert engine.error("OBJECT", "FREQ") == b"ERR wrong number of arguments for 'object|freq' command"


def test_a_key_that_comes_from_elsewhere_is_new(engine: Engine) -> None:
    engine.call("MSET", "a", 1, "b", 2)
    seen = engine.events()
    engine.call("COPY", "a", "b", "REPLACE")
    engine.call("RENAME", "a", "b")
    engine.call("MOVE", "b", 1)
    assert seen == [
        (b"new", b"b"),
        (b"copy_to", b"b"),
        (b"new", b"b"),
        (b"rename_from", b"a"),
        (b"rename_to", b"b"),
        (b"new", b"b"),
        (b"move_from", b"b"),
        (b"move_to", b"b"),
    ]
