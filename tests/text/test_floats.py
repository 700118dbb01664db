"""Doubles: what is read, what is refused, how they print; redis-server's scores as the judge."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from twisted_resp.text.floats import format_double, format_double_17g, parse_double

COMPARISON = settings(
    deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

signs = st.sampled_from([b"", b"-", b"+"])
digits = st.text("0123456789", max_size=25).map(str.encode)
decimals = st.tuples(
    signs,
    digits,
    st.sampled_from([b"", b"."]),
    digits,
    st.one_of(st.just(b""), st.integers(-400, 400).map(lambda exponent: b"e%d" % exponent)),
).map(b"".join)
hexadecimals = st.tuples(
    signs,
    st.sampled_from([b"0x", b"0X", b"x"]),
    st.text("0123456789abcdefAF", max_size=20).map(str.encode),
    st.sampled_from([b"", b".", b".8", b".00000001"]),
    st.one_of(st.just(b""), st.integers(-1200, 1200).map(lambda exponent: b"p%+d" % exponent)),
).map(b"".join)
oddities = st.sampled_from(
    [
        *(
            b"inf",
            b"-INF",
            b"+Infinity",
            b"infinit",
            b"nan",
            b"-nan",
            b"nan(1)",
            b"--1",
            b"+-1",
            b"1_0",
            b"1e",
        ),
        *(
            b" 1",
            b"1 ",
            b"\t1",
            b"1\n",
            b"1\0",
            b"\0",
            b"1e+",
            b"1e+-1",
            b"1p3",
            b"0x1p",
            b"0x1.p+1",
            b"0x.p1",
        ),
        *(
            b"1e5.0",
            b"1,5",
            b"1.5f",
            b"1e-400",
            b"1e400",
            b"0e999999999999",
            b"1e99999999999999999999",
            b"1d3",
        ),
        *(b"0x1p-9999999999999999999999", b"0x0p9999999999999999999999", b"0x1p99999999999999999999999"),
        *(b"4.9e-324", b"2.4e-324", b"2.5e-324", b"1.7976931348623158e308", b"1.7976931348623159e308"),
        *(
            b"0x1p-1074",
            b"0x1p-1075",
            b"0x1.8p-1075",
            b"-0",
            b"-0.0",
            b"-0x0",
            b"." * 3,
            b"1" * 400,
            b"\xd9\xa1",
        ),
    ]
)
numerals = st.one_of(decimals, hexadecimals, oddities, st.binary(max_size=4))
doubles = st.one_of(
    st.floats(allow_nan=False),
    st.integers(0, 2**64 - 1).map(lambda bits: float(struct.unpack("<d", struct.pack("<Q", bits))[0])),
    st.integers(-(10**20), 10**20).map(float),
    st.decimals(-(10**9), 10**9, places=5).map(float),
).filter(lambda value: not math.isnan(value))


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"3", 3.0),
        (b"-3.25", -3.25),
        (b"+.5", 0.5),
        (b"5.", 5.0),
        (b"1e3", 1000.0),
        (b"0x1.8P3", 12.0),
        (b"0xA", 10.0),
        (b"-Inf", -math.inf),
        (b"+infinity", math.inf),
        (b"4.9e-324", 5e-324),
    ],
)
def test_reads_doubles(data: bytes, value: float) -> None:
    assert parse_double(data) == value


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"",
            b".",
            b"+",
            b"e5",
            b"1e",
            b" 1",
            b"1 ",
            b"1\0",
            b"1_0",
            b"nan",
            b"-NaN",
            b"infin",
            b"0x",
            b"0x.p1",
        ),
        *(b"1e400", b"-1e400", b"1e-400", b"0x1p2000", b"0x1p-2000", b"1..2", b"\xd9\xa1", b"inf ", b"0xg"),
    ],
)
def test_refuses_what_is_no_double(data: bytes) -> None:
    assert parse_double(data) is None


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (3.0, b"3"),
        (-3.0, b"-3"),
        (0.0, b"0"),
        (-0.0, b"-0"),
        (0.1, b"0.1"),
        (1e17, b"100000000000000000"),
        (2.0**62, b"4611686018427387904"),
        (1e19, b"1e+19"),
        (1.5e19, b"1.5e+19"),
        (1.2345678901234567e22, b"12345678901234568000000"),
        (-1e20, b"-1e+20"),
        (1e-7, b"1e-7"),
        (0.000123, b"0.000123"),
        (0.0001234, b"1.234e-4"),
        (0.001234567, b"0.001234567"),
        (9999.123456789, b"9999.123456789"),
        (12345.1234567, b"1.23451234567e+4"),
        (1700000000.123456, b"1700000000.123456"),
        (1.5e-100, b"1.5e-100"),
        (5e-324, b"5e-324"),
        (1.7976931348623157e308, b"1.7976931348623157e+308"),
        (math.inf, b"inf"),
        (-math.inf, b"-inf"),
        (math.nan, b"nan"),
    ],
)
def test_prints_doubles_as_redis_7_2(value: float, printed: bytes) -> None:
    assert format_double(value) == printed


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        *(
            (3.0, b"3"),
            (-0.0, b"-0"),
            (0.1, b"0.10000000000000001"),
            (1e17, b"1e+17"),
            (1e-7, b"9.9999999999999995e-08"),
        ),
        *((math.inf, b"inf"), (-math.inf, b"-inf"), (math.nan, b"nan")),
    ],
)
def test_prints_doubles_as_redis_7_0(value: float, printed: bytes) -> None:
    assert format_double_17g(value) == printed


@given(doubles)
@settings(max_examples=400)
def test_what_is_printed_reads_back(value: float) -> None:
    for printed in (format_double(value), format_double_17g(value)):
        back = parse_double(printed)
        assert back is not None
        assert struct.pack("<d", back) == struct.pack("<d", value)


@given(doubles.filter(math.isfinite))
@settings(max_examples=400)
def test_prints_no_more_digits_than_repr(value: float) -> None:
    def significant(text: str) -> str:
        return text.lstrip("-").partition("e")[0].replace(".", "").strip("0")

    printed = format_double(value).decode()
    if not value.is_integer() or abs(value) > 2**62:
        assert significant(printed) == significant(repr(value))
    assert len(printed) <= 25


@given(numerals)
@example(b"1e400")
@COMPARISON
def test_reads_and_prints_as_redis_server_does_with_scores(redis: Any, data: bytes) -> None:
    redis(b"DEL", b"key")  # where 0 and -0 are the same, the older score stays
    # Behind another, since ZADD takes a first XX for an option.
    reply = redis(b"ZADD", b"key", b"1", b"other", data, b"member")
    value = parse_double(data)
    if isinstance(reply, Exception):
        assert str(reply) == "ERR value is not a valid float"
        assert value is None
    else:
        assert value is not None
        # In a listpack the score is an integer where it can be, and so loses the sign of a zero.
        assert format_double_17g(value + 0.0) == redis(b"ZSCORE", b"key", b"member")
