"""Long doubles: examples, an exact model, and redis-server's INCRBYFLOAT."""

from __future__ import annotations

import platform
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from twisted_resp.text.long_doubles import LongDouble, format_long_double, parse_long_double

COMPARISON = settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

signs = st.sampled_from([b"", b"-", b"+"])


def digits(longest: int) -> st.SearchStrategy[bytes]:
    return st.text("0123456789", max_size=longest).map(str.encode)


decimals = st.tuples(
    signs,
    digits(30),
    st.sampled_from([b"", b"."]),
    digits(30),
    st.one_of(
        st.just(b""),
        st.integers(-60, 60).map(lambda exponent: b"e%d" % exponent),
        st.integers(-5100, 5100).map(lambda exponent: b"E%+d" % exponent),
    ),
).map(b"".join)
prices = st.tuples(signs, digits(6), st.just(b"."), digits(4)).map(b"".join)
hexadecimals = st.tuples(
    signs,
    st.sampled_from([b"0x", b"0X"]),
    st.text("0123456789abcdefAF", max_size=24).map(str.encode),
    st.sampled_from([b"", b".", b".8", b".00000001"]),
    st.one_of(st.just(b""), st.integers(-16600, 16600).map(lambda exponent: b"p%+d" % exponent)),
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
            b"",
            b"0x",
            b"0x1p",
            b"0x.p1",
            b"e1",
            b"1e+",
            b"0e99999",
        ),
        *(
            b"1e5000",
            b"1e-5000",
            b"9" * 4931,
            b"9" * 4932,
            b"9" * 4933,
            b"9" * 4934,
            b"0" * 5119,
            b"0" * 5120,
        ),
        *(b"1" + b"0" * 4932, b"." + b"0" * 5000 + b"1", b"." + b"0" * 4940 + b"1", b"3e-4951", b"1e-4951"),
        *(b"0x1p-16445", b"0x1p-16446", b"0x1.8p-16446", b"0x1p16383", b"0x1.ffffffffffffffffp16383"),
        *(b"0x1.fffffffffffffffep16383", b"0x0p999999", b"1e" + b"0" * 4900 + b"3", b"1e-" + b"9" * 4900),
        *(b"9223372036854775807", b"-9223372036854775808", b"18446744073709551615", b"18446744073709551617"),
        *(b"-0", b"-1e-18", b"0.000000000000000005", b"0.000000000000000015", b"-0.000000000000000005"),
    ]
)
numerals = st.one_of(prices, decimals, hexadecimals, oddities)


@pytest.mark.parametrize(
    ("data", "printed"),
    [
        (b"3", b"3"),
        (b"3.0", b"3"),
        (b"-3.2500", b"-3.25"),
        (b"+.5", b"0.5"),
        (b"5.", b"5"),
        (b"-0", b"0"),
        (b"-0.0", b"0"),
        (b"1e20", b"100000000000000000000"),
        (b"1e-17", b"0.00000000000000001"),
        (b"1e-18", b"0"),
        (b"-1e-18", b"0"),
        (b"0x1.8p3", b"12"),
        (b"0.1", b"0.1"),
        (b"1000000.1", b"1000000.10000000000002274"),
        (b"18446744073709551615", b"18446744073709551615"),
        (b"18446744073709551617", b"18446744073709551616"),
        (b"18446744073709551619", b"18446744073709551620"),
        (b"-iNf", b"-inf"),
        (b"infinity", b"inf"),
    ],
)
def test_reads_and_prints(data: bytes, printed: bytes) -> None:
    number = parse_long_double(data)
    assert number is not None
    assert format_long_double(number) == printed


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"",
            b".",
            b"+",
            b"1e",
            b" 1",
            b"1 ",
            b"1\0",
            b"1_0",
            b"nan",
            b"infin",
            b"0x",
            b"0x.p1",
            b"\xd9\xa1",
        ),
        *(b"1e4933", b"-1e4933", b"1e-4952", b"1e99999999999", b"0" * 5120, b"0x1p16384", b"0x1p-16446"),
    ],
)
def test_refuses_what_is_no_long_double(data: bytes) -> None:
    assert parse_long_double(data) is None


def test_infinities() -> None:
    largest, infinite = parse_long_double(b"0x1.fffffffffffffffep16383"), parse_long_double(b"inf")
    assert largest is not None
    assert infinite is not None
    assert largest.is_finite
    assert not infinite.is_finite
    assert largest.plus(largest) == infinite
    assert largest.times(2) == infinite
    assert infinite.plus(largest) == infinite
    assert infinite.plus(infinite) == infinite
    negative = parse_long_double(b"-inf")
    assert negative is not None
    assert format_long_double(infinite.plus(negative)) == b"nan"
    assert format_long_double(infinite.plus(negative).plus(infinite)) == b"nan"
    with pytest.raises(OverflowError):
        infinite.ceil()


def value(number: LongDouble) -> Fraction:
    return Fraction(number.mantissa) * Fraction(2) ** number.exponent


@given(decimals, decimals)
@settings(deadline=None)
def test_is_the_nearest_of_64_bits(left: bytes, right: bytes) -> None:
    numbers = [parse_long_double(left), parse_long_double(right)]
    for data, number in zip((left, right), numbers):
        if number is not None and -4000 < int(data.lower().partition(b"e")[2] or b"0") < 4000:
            exact = Fraction(data.decode())
            assert abs(value(number) - exact) <= abs(exact) / 2**64
    if numbers[0] is not None and numbers[1] is not None:
        total = value(numbers[0]) + value(numbers[1])
        assume(abs(total) < Fraction(10) ** 4932)
        result = numbers[0].plus(numbers[1])
        assert abs(value(result) - total) <= abs(total) / 2**64
        assert result == numbers[1].plus(numbers[0])
        mantissa = abs(result.mantissa)
        assert not mantissa or (mantissa // (mantissa & -mantissa)).bit_length() <= 64


@given(prices)
def test_rounds_up_to_integers(data: bytes) -> None:
    number = parse_long_double(data)
    assume(number is not None)
    assert number is not None
    product = number.times(10**4)
    assert product.ceil() - 1 < value(product) <= product.ceil()
    assert abs(product.ceil() - Fraction(data.decode()) * 10**4) <= 1


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64", "i686"),
    reason="this redis-server's long double is not the x87's",
)
@given(numerals, numerals)
@example(b"0x1p-16445", b"-0x1p-16445")
@example(b"9" * 4932, b"9" * 4932)
@COMPARISON
def test_adds_as_redis_server_does(redis: Any, left: bytes, right: bytes) -> None:
    redis(b"SET", b"key", left)
    reply = redis(b"INCRBYFLOAT", b"key", right)
    numbers = (parse_long_double(left), parse_long_double(right))
    if numbers[0] is None or numbers[1] is None:
        assert str(reply) == "ERR value is not a valid float"
        return
    total = numbers[0].plus(numbers[1])
    if total.is_finite:
        assert reply == format_long_double(total)
    else:
        assert str(reply) == "ERR increment would produce NaN or Infinity"
