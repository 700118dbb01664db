"""Reading integers: examples, a round trip, and what redis-server makes of the same bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from twisted_resp.text.integers import (
    INT64_MAX,
    INT64_MIN,
    UINT64_MAX,
    parse_integer,
    parse_octal,
    parse_unsigned,
)

COMPARISON = settings(
    deadline=None, max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

near_integers = st.one_of(
    st.integers(-(2**65), 2**65).map(lambda value: b"%d" % value),
    st.sampled_from([INT64_MIN, INT64_MAX, UINT64_MAX, 0, 10**18, 10**19]).flatmap(
        lambda edge: st.integers(edge - 2, edge + 2).map(lambda value: b"%d" % value)
    ),
    st.tuples(st.sampled_from([b"", b"-", b"+", b"0", b"-0", b" ", b"\t"]), st.integers(0, 2**64)).map(
        lambda parts: parts[0] + b"%d" % parts[1]
    ),
    st.text("0123456789-+ \n\0x_e.", max_size=24).map(str.encode),
)


@pytest.mark.parametrize("value", [0, 1, -1, 9, 10, 10**18 - 1, 10**18, INT64_MAX, INT64_MIN])
def test_reads_canonical_integers(value: int) -> None:
    assert parse_integer(b"%d" % value) == value


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"",
            b"-",
            b"+1",
            b"-0",
            b"00",
            b"01",
            b"-01",
            b" 1",
            b"1 ",
            b"1\n",
            b"1_000",
            b"--1",
            b"1.0",
            b"0x1",
        ),
        *(b"1e3", b"\xd9\xa1", b"9223372036854775808", b"-9223372036854775809", b"9" * 30, b"0" * 30, b"-+1"),
    ],
)
def test_refuses_everything_else(data: bytes) -> None:
    assert parse_integer(data) is None


def test_length_is_no_burden() -> None:
    assert parse_integer(b"9" * 1_000_000) is None
    assert parse_unsigned(b"0" * 1_000_000 + b"7") == 7


@given(near_integers)
def test_what_is_accepted_prints_back_to_the_same_bytes(data: bytes) -> None:
    value = parse_integer(data)
    assert value is None or b"%d" % value == data


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"0", 0),
        (b"18446744073709551615", UINT64_MAX),
        (b"18446744073709551616", None),
        (b"-1", None),
        (b"-01", UINT64_MAX),
        (b"-0", 0),
        (b" +5", 5),
        (b"5 ", None),
        (b"", None),
        (b"5\0x", 5),
    ],
)
def test_reads_unsigned_integers(data: bytes, value: int | None) -> None:
    assert parse_unsigned(data) == value


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"700", 0o700),
        (b"0777", 0o777),
        (b"8", None),
        (b"", 0),
        (b" -7", -7),
        (b"7 ", None),
        (b"7" * 40, None),
    ],
)
def test_reads_octal_numbers(data: bytes, value: int | None) -> None:
    assert parse_octal(data) == value


@given(near_integers)
@example(b"-0")
@COMPARISON
def test_reads_as_redis_server_reads_an_increment(redis: Any, data: bytes) -> None:
    redis(b"SET", b"key", b"0")
    reply = redis(b"INCRBY", b"key", data)
    assert parse_integer(data) == (None if isinstance(reply, Exception) else reply)


@given(near_integers)
@example(b"-07")
@COMPARISON
def test_reads_unsigned_as_redis_server_reads_a_stream_id(redis: Any, data: bytes) -> None:
    redis(b"DEL", b"key")
    reply = redis(b"XGROUP", b"CREATE", b"key", b"group", b"0-" + data, b"MKSTREAM")
    value = None
    if reply == b"OK":
        group = redis(b"XINFO", b"GROUPS", b"key")[0]
        value = int(group[group.index(b"last-delivered-id") + 1].partition(b"-")[2])
    assert parse_unsigned(data) == value
