"""KEYS, SCAN and RANDOMKEY."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_resp.commands.scanning import parse_scan_options
from twisted_resp.errors import CommandError
from twisted_resp.keyspace.events import GENERIC
from twisted_resp.values.list import List

Engine = Any  # the fixture of conftest.py


def fill(engine: Engine, count: int) -> set[bytes]:
    for number in range(count):
        engine.call("SET", f"key:{number}", "v")
    return {b"key:%d" % number for number in range(count)}


def scan_all(engine: Engine, *options: object) -> list[bytes]:
    cursor = b"0"
    found: list[bytes] = []
    while True:
        cursor, keys = engine.call("SCAN", cursor, *options)
        found += keys
        if cursor == b"0":
            return found


def let_expire(engine: Engine, *keys: str) -> None:
    """Give keys a time that is over at once, and nobody who deletes them for that."""
    engine.server.keyspace.expiry_timer.enabled = False
    for key in keys:
        engine.call("PEXPIRE", key, 1)
    engine.clock.advance(1)


def test_keys(engine: Engine) -> None:
    assert engine.call("KEYS", "*") == []
    names = fill(engine, 12)
    engine.call("SET", "", "v")
    assert set(engine.call("KEYS", "*")) == names | {b""}
    assert set(engine.call("KEYS", "**")) == names
    assert set(engine.call("KEYS", "key:1?")) == {b"key:10", b"key:11"}
    assert engine.call("KEYS", "") == [b""]


def test_keys_hides_expired_keys_but_leaves_them(engine: Engine) -> None:
    fill(engine, 3)
    let_expire(engine, "key:1")
    assert sorted(engine.call("KEYS", "*")) == [b"key:0", b"key:2"]
    assert sorted(engine.call("KEYS", "key*")) == [b"key:0", b"key:2"]
    assert len(engine.database()) == 3


@pytest.mark.parametrize("options", [[], ["COUNT", 1], ["COUNT", 7], ["COUNT", 2**63 - 1], ["MATCH", "*"]])
def test_scan_finds_every_key_once(engine: Engine, options: list[object]) -> None:
    names = fill(engine, 100)
    assert Counter(scan_all(engine, *options)) == Counter(names)


def test_scan_of_nothing(engine: Engine) -> None:
    assert engine.call("SCAN", 0) == [b"0", []]
    assert engine.call("SCAN", 2**64 - 1) == [b"0", []]


def test_scan_match(engine: Engine) -> None:
    fill(engine, 100)
    assert sorted(scan_all(engine, "MATCH", "key:1?")) == [b"key:1%d" % digit for digit in range(10)]
    assert len(scan_all(engine, "match", "x", "MATCH", "*")) == 100


def test_scan_type(engine: Engine) -> None:
    names = fill(engine, 30)
    engine.database().store(b"l", List.of(engine.server.keyspace.limits, [b"a"]), b"test", GENERIC)
    assert scan_all(engine, "TYPE", "list") == [b"l"]
    assert set(scan_all(engine, "type", "STRING", "COUNT", 4)) == names
    assert scan_all(engine, "TYPE", "zset") == []
    assert engine.error("SCAN", 0, "TYPE", "String1") == b"ERR unknown type name 'String1'"


def test_scan_deletes_the_expired_keys_that_it_would_tell(engine: Engine) -> None:
    fill(engine, 20)
    engine.database().store(b"l", List.of(engine.server.keyspace.limits, [b"a"]), b"test", GENERIC)
    let_expire(engine, "key:3", "l")
    assert len(scan_all(engine, "MATCH", "key:1*")) == 11
    assert len(engine.database()) == 21
    effects = engine.effects()
    assert len(scan_all(engine, "TYPE", "string", "COUNT", 3)) == 19
    assert len(engine.database()) == 20
    assert effects == [[b"DEL", b"key:3"]]


def test_several_expired_keys_are_told_without_a_transaction(engine: Engine) -> None:
    fill(engine, 3)
    let_expire(engine, "key:0", "key:1", "key:2")
    effects = engine.effects()
    assert engine.call("SCAN", 0) == [b"0", []]
    assert sorted(effects) == [[b"DEL", b"key:%d" % number] for number in range(3)]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["x"], b"ERR invalid cursor"),
        (["18446744073709551616"], b"ERR invalid cursor"),
        # The cursor is looked at first.
        (["x", "COUNT", "0"], b"ERR invalid cursor"),
        (["0", "COUNT", "x"], b"ERR value is not an integer or out of range"),
        (["0", "COUNT", "0"], b"ERR syntax error"),
        (["0", "COUNT", "-1"], b"ERR syntax error"),
        (["0", "COUNT"], b"ERR syntax error"),
        (["0", "MATCH"], b"ERR syntax error"),
        (["0", "x"], b"ERR syntax error"),
        (["0", "NOVALUES"], b"ERR NOVALUES option can only be used in HSCAN"),
    ],
)
def test_errors_of_scan(engine: Engine, arguments: list[str], error: bytes) -> None:
    assert engine.error("SCAN", *arguments) == error


def test_options_of_the_other_scans() -> None:
    assert parse_scan_options([b"novalues", b"COUNT", b"3"], fields=True).no_values
    assert parse_scan_options([b"COUNT", b"3"]).count == 3
    with pytest.raises(CommandError, match="syntax error"):
        parse_scan_options([b"TYPE", b"string"])


@given(data=st.data())
def test_keys_that_stay_are_always_found(engine_class: type[Engine], data: st.DataObject) -> None:
    engine = engine_class()
    staying = fill(engine, data.draw(st.integers(1, 40), label="staying"))
    present: set[int] = set()
    found: set[bytes] = set()
    cursor: bytes = b"0"
    for _ in range(1000):
        cursor, keys = engine.call("SCAN", cursor, "COUNT", data.draw(st.integers(1, 9)))
        found.update(keys)
        if cursor == b"0":
            break
        for number in data.draw(st.sets(st.integers(0, 9), max_size=6)):
            if number in present:
                engine.call("DEL", f"other:{number}")
            else:
                engine.call("SET", f"other:{number}", "v")
            present ^= {number}
    assert found >= staying


def test_randomkey(engine: Engine) -> None:
    assert engine.call("RANDOMKEY") is None
    names = fill(engine, 5)
    assert {engine.call("RANDOMKEY") for _ in range(100)} == names


def test_randomkey_deletes_expired_keys(engine: Engine) -> None:
    fill(engine, 5)
    let_expire(engine, "key:0", "key:1", "key:2", "key:3")
    assert {engine.call("RANDOMKEY") for _ in range(50)} == {b"key:4"}
    let_expire(engine, "key:4")
    assert engine.call("RANDOMKEY") is None
    assert len(engine.database()) == 0


def test_randomkey_ends_while_expired_keys_are_kept(engine: Engine) -> None:
    fill(engine, 2)
    let_expire(engine, "key:0", "key:1")
    engine.server.keyspace.hold_expiry = True
    assert engine.call("RANDOMKEY") in (b"key:0", b"key:1")


def test_cursors_are_read_as_c_reads_numbers(engine: Engine) -> None:
    engine.call("SET", "a", 1)
    assert engine.call("SCAN", "") == [b"0", [b"a"]]
    assert engine.call("SCAN", "-1")[0] == b"0"
    for cursor in (" 0", "0x", "99999999999999999999"):
        assert engine.error("SCAN", cursor) == b"ERR invalid cursor"


def test_an_error_shows_an_argument_up_to_its_nul_and_on_one_line(engine: Engine) -> None:
    assert engine.error("SCAN", 0, "TYPE", b"ab\0c") == b"ERR unknown type name 'ab'"
    assert engine.error("XGROUP", "DESTROY", b"a\r\nb", "g").count(b"\n") == 0
    assert engine.error(b"none\0such", b"x\0y") == (
        b"ERR unknown command 'none', with args beginning with: 'x' "
    )
