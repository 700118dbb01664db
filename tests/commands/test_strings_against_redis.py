"""Strings, bitmaps and HyperLogLogs on the same random calls as a redis-server."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twisted_resp.values.list import List

SideBySide = Any  # the fixture of conftest.py
Calls = list[list[bytes]]

many = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# A full second, so that what passes during the test makes no difference after rounding.
NOW = int(time.time()) + 1
NAMES = (b"a", b"b", b"c")
LISTS = b"l"


def call(name: str, *arguments: Any) -> st.SearchStrategy[list[bytes]]:
    return st.tuples(*arguments).map(
        lambda words: [
            *name.encode().split(),
            *(word for item in words for word in (item if isinstance(item, list) else [item])),
        ]
    )


def sequences(*calls: st.SearchStrategy[list[bytes]]) -> st.SearchStrategy[Calls]:
    return st.lists(st.one_of(*calls), min_size=5, max_size=40)


def numbers(*odd: bytes, low: int = -70, high: int = 70) -> st.SearchStrategy[bytes]:
    usual = st.integers(low, high).map(lambda integer: b"%d" % integer)
    return st.one_of(
        usual, usual, usual, st.sampled_from([b"x", b"", b"1.5", b"+1", b"9" * 19, b"9" * 18, *odd])
    )


def lasting(seconds: bytes) -> bytes:
    """A lifetime that does not pass while the servers are asked, however busy the machine is."""
    return seconds + b"00" if seconds.isdigit() and 0 < int(seconds) < 100 else seconds


key = st.sampled_from([*NAMES, *NAMES, *NAMES, LISTS])
limits = [b"9223372036854775807", b"-9223372036854775808", b"9223372036854775806", b"-9223372036854775807"]
value = st.one_of(
    st.sampled_from(
        [b"", b"v", b"12", b"-1", b"007", b"1.5", b"3.0e3", b" 1", b"x" * 44, b"x" * 45, *limits]
    ),
    st.binary(max_size=12),
)


def compare(side_by_side: SideBySide, calls: Calls) -> None:
    """Make the calls on both sides and look at what they leave behind."""
    side_by_side.start()
    side_by_side.put(LISTS, List, [b"1"])
    for words in calls:
        side_by_side.check(*words)
    for name in NAMES:
        side_by_side.check("GET", name)
        side_by_side.check("OBJECT", "ENCODING", name)
        side_by_side.check("EXPIRETIME", name)


# ----------------------------------------------------------------- strings

lifetime = st.one_of(
    st.tuples(
        st.sampled_from([b"EX", b"ex"]), numbers(b"100", b"9223372036854775", low=-1, high=500).map(lasting)
    ),
    st.tuples(
        st.sampled_from([b"PX", b"Px"]),
        numbers(b"100000", b"9223370336829401000", *limits, low=-1, high=500).map(
            lambda text: lasting(text) + b"000"
        ),
    ),
    st.tuples(st.just(b"EXAT"), st.sampled_from([b"%d" % (NOW + 1000), b"0", b"-5", b"x", b"1"])),
    st.tuples(st.just(b"PXAT"), st.sampled_from([b"%d000" % (NOW + 1000), b"0", b"-5", b"x", b"1"])),
    st.sampled_from([(b"KEEPTTL",), (b"PERSIST",), (b"EX",), (b"zz",)]),
).map(list)
condition = st.sampled_from([[b"NX"], [b"XX"], [b"GET"], [b"nx"], [b"get"]])


def joined(options: st.SearchStrategy[list[bytes]], most: int) -> st.SearchStrategy[list[bytes]]:
    return st.lists(options, max_size=most).map(lambda given: [word for words in given for word in words])


pairs = st.lists(st.tuples(key, value).map(list), min_size=1, max_size=3).map(
    lambda given: [word for words in given for word in words]
)


@many
@given(
    sequences(
        call("SET", key, value),
        call("SET", key, value, joined(st.one_of(condition, lifetime), 3)),
        call("GET", key),
        call("GETSET", key, value),
        call("GETDEL", key),
        call("GETEX", key, joined(lifetime, 2)),
        call("SETNX", key, value),
        call("SETEX", key, numbers(b"0", b"9223372036854775807").map(lasting), value),
        call("PSETEX", key, numbers(b"0", *limits).map(lambda text: lasting(text) + b"000"), value),
        call("MGET", st.lists(key, min_size=1, max_size=4)),
        call("MSET", pairs),
        call("MSETNX", pairs),
        call("MSET", pairs, key),
        call("MSETNX", pairs, key),
        call("STRLEN", key),
        call("TTL", key),
    )
)
def test_whole_values(side_by_side: SideBySide, calls: Calls) -> None:
    compare(side_by_side, calls)


@many
@given(
    sequences(
        call("SET", key, value),
        call("INCR", key),
        call("DECR", key),
        call("INCRBY", key, numbers(*limits)),
        call("DECRBY", key, numbers(*limits)),
        call(
            "INCRBYFLOAT",
            key,
            numbers(b"0.1", b"-1e-5", b"1e400", b"1e4932", b"inf", b"nan", b"0x1p3", b"1e17", b" 1", b"-0"),
        ),
        call("APPEND", key, st.sampled_from([b"1", b"0", b"", b"x", b".5"])),
    )
)
def test_numbers(side_by_side: SideBySide, calls: Calls) -> None:
    compare(side_by_side, calls)


@many
@given(
    sequences(
        call("SET", key, value),
        call("APPEND", key, value),
        call("SETRANGE", key, numbers(b"536870912", b"536870911", *limits), value),
        # A negative end in front of the string is the first byte in 7.0.
        call("GETRANGE", key, numbers(b"-9223372036854775808"), numbers(low=0)),
        call("SUBSTR", key, numbers(), numbers(low=-1)),
        call("STRLEN", key),
    )
)
def test_parts(side_by_side: SideBySide, calls: Calls) -> None:
    compare(side_by_side, calls)


text = st.lists(st.sampled_from(b"abc"), max_size=20).map(bytes)
lcs_option = st.one_of(
    st.sampled_from([[b"IDX"], [b"LEN"], [b"WITHMATCHLEN"], [b"idx"], [b"zz"], [b"MINMATCHLEN"]]),
    numbers(low=-1, high=4).map(lambda number: [b"MINMATCHLEN", number]),
)


@many
@given(text, text, joined(lcs_option, 4), st.sampled_from([b"b", b"b", b"b", b"missing", LISTS]))
def test_lcs(side_by_side: SideBySide, a: bytes, b: bytes, options: list[bytes], other: bytes) -> None:
    side_by_side.start()
    side_by_side.put(LISTS, List, [b"1"])
    side_by_side.check("MSET", "a", a, "b", b)
    side_by_side.check("LCS", "a", other, *options)


# ----------------------------------------------------------------- bitmaps

offset = numbers(b"4294967296", b"-1", b"800", b"9223372036854775807", low=0, high=200)
unit = st.sampled_from([[], [b"BIT"], [b"byte"], [b"Bit"], [b"zz"]])
bits = st.binary(max_size=6) | st.lists(st.sampled_from([0, 255]), max_size=6).map(bytes)
# In 7.0 a key that is not there answers before the range is read.
place = st.integers(-60, 60).map(lambda integer: b"%d" % integer)
good_unit = st.sampled_from([[], [b"BIT"], [b"byte"]])


@many
@given(
    sequences(
        call("SET", key, bits),
        call("SETBIT", key, offset, st.sampled_from([b"0", b"1", b"1", b"1", b"2", b"-1", b"x"])),
        call("GETBIT", key, offset),
        call("BITCOUNT", key),
        call("BITCOUNT", key, place, place, good_unit),
        call("BITPOS", key, st.sampled_from([b"0", b"1"])),
        call("BITPOS", key, st.sampled_from([b"0", b"1"]), place),
        call("BITPOS", key, st.sampled_from([b"0", b"1", b"2", b"x"]), place, place, good_unit),
        call(
            "BITOP",
            st.sampled_from([b"AND", b"OR", b"XOR", b"NOT", b"and", b"NAND"]),
            key,
            st.lists(key, min_size=1, max_size=4),
        ),
    )
)
def test_bitmaps(side_by_side: SideBySide, calls: Calls) -> None:
    compare(side_by_side, calls)


@many
@given(bits, numbers(), numbers(), unit, st.sampled_from([b"0", b"1"]))
def test_ranges_of_bits(
    side_by_side: SideBySide, data: bytes, start: bytes, end: bytes, unit: list[bytes], bit: bytes
) -> None:
    side_by_side.start()
    side_by_side.check("SET", "a", data)
    side_by_side.check("BITCOUNT", "a", start)
    if unit != [b"zz"]:
        side_by_side.check("BITCOUNT", "a", start, end, *unit)
    # 7.0 answers to a range like -1 -2 before it reads the unit.
    side_by_side.check("BITCOUNT", "a", "0", end, *unit)
    side_by_side.check("BITCOUNT", "a", "0", end, *unit, *unit)
    side_by_side.check("BITPOS", "a", bit, start)
    side_by_side.check("BITPOS", "a", bit, start, end, *unit)
    side_by_side.check("BITPOS", "a", bit, start, end, *unit, *unit)


field = st.one_of(
    st.integers(1, 64).map(lambda width: b"i%d" % width),
    st.integers(1, 63).map(lambda width: b"u%d" % width),
    st.sampled_from([b"u64", b"i65", b"i0", b"x8", b"u", b"", b"U8", b"i8x"]),
)
where = st.one_of(
    st.integers(0, 130).map(lambda integer: b"%d" % integer),
    st.integers(0, 9).map(lambda integer: b"#%d" % integer),
    st.sampled_from([b"-1", b"x", b"#", b"##1", b"#-1", b"4294967296", b"#4294967296"]),
)
amount = numbers(*limits, b"255", b"-128", b"127", b"65535", low=-300, high=300)
operation = st.one_of(
    st.tuples(st.sampled_from([b"GET", b"get"]), field, where),
    st.tuples(st.just(b"SET"), field, where, amount),
    st.tuples(st.sampled_from([b"INCRBY", b"IncrBy"]), field, where, amount),
    st.tuples(st.just(b"OVERFLOW"), st.sampled_from([b"WRAP", b"SAT", b"FAIL", b"sat", b"zz"])),
    st.sampled_from([(b"GET", b"u8"), (b"OVERFLOW",), (b"zz",)]),
).map(list)


@many
@given(
    sequences(
        call("SET", key, bits),
        call("BITFIELD", key, joined(operation, 1)),
        call("BITFIELD", key, joined(operation, 5)),
        call("BITFIELD_RO", key, joined(operation, 3)),
    )
)
def test_bitfields(side_by_side: SideBySide, calls: Calls) -> None:
    compare(side_by_side, calls)


@pytest.mark.parametrize("overflow", ["WRAP", "SAT", "FAIL"])
@pytest.mark.parametrize("field", ["i1", "u1", "i8", "u8", "i63", "u63", "i64"])
def test_bitfields_at_their_limits(side_by_side: SideBySide, overflow: str, field: str) -> None:
    side_by_side.start()
    width = int(field[1:])
    low, high = (-(1 << width - 1), (1 << width - 1) - 1) if field[0] == "i" else (0, (1 << width) - 1)
    amounts = (low, high, high + 1, low - 1, 1, -1, 0, 2**63 - 1, -(2**63), -high, -low)
    for old in (low, high, 0):
        for number in amounts:
            side_by_side.check("BITFIELD", "a", "SET", field, 3, old)
            side_by_side.check("BITFIELD", "a", "OVERFLOW", overflow, "INCRBY", field, 3, number)
            side_by_side.check("BITFIELD", "a", "OVERFLOW", overflow, "SET", field, 3, number)
            side_by_side.check("GET", "a")


# ------------------------------------------------------------ HyperLogLogs

hostile = st.sampled_from(
    [
        b"HYLL\x01" + bytes(11) + b"\x7f\xff",
        b"HYLL\x01" + bytes(11),
        b"HYLL\x01" + bytes(10) + b"\x80\x7f\xff\x80",
        b"HYLL\x01" + bytes(10) + b"\x80\x3f",
        b"HYLL\x00" + bytes(11),
        b"HYLL\x02" + bytes(11),
        b"HYL",
        b"12",
    ]
)
elements = st.one_of(
    st.lists(st.binary(max_size=20), max_size=5),
    st.integers(0, 50).map(lambda start: [b"%d" % n for n in range(start * 20, start * 20 + 150)]),
)


@settings(many, max_examples=60)
@given(
    sequences(
        call("SET", key, hostile),
        call("PFADD", key, elements),
        call("PFADD", key, elements),
        call("PFCOUNT", st.lists(key, min_size=1, max_size=3)),
        call("PFMERGE", key, st.lists(key, max_size=3)),
        call("PFDEBUG", st.sampled_from([b"ENCODING", b"decode", b"TODENSE", b"zz"]), key),
    )
)
def test_hyperloglogs(side_by_side: SideBySide, calls: Calls) -> None:
    compare(side_by_side, calls)


def test_a_hyperloglog_that_grows(side_by_side: SideBySide) -> None:
    side_by_side.start()
    for start in range(0, 20_000, 500):
        side_by_side.check("PFADD", "a", *(b"element:%d" % n for n in range(start, start + 500)))
        side_by_side.check("PFCOUNT", "a")
        side_by_side.check("GET", "a")
    side_by_side.check("PFDEBUG", "GETREG", "a")
