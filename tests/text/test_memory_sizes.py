"""Memory sizes: examples, and what redis-server's CONFIG SET makes of the same text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from twisted_resp.text.memory_sizes import (
    format_memory_size,
    parse_memory_size,
    parse_memory_size_or_percent,
)

COMPARISON = settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

sizes = st.tuples(
    st.one_of(
        st.integers(0, 10**6).map(lambda size: b"%d" % size),
        st.integers(0, 2**66).map(lambda size: b"%d" % size),
        st.sampled_from(
            [b"", b"-1", b"+1", b" 1", b"007", b"1.5", b"0" * 120 + b"1", b"9" * 127, b"9" * 128]
        ),
    ),
    st.sampled_from(
        [
            b"",
            b"b",
            b"k",
            b"kb",
            b"m",
            b"mb",
            b"g",
            b"gb",
            b"KB",
            b"Mb",
            b"gB",
            b"t",
            b"kk",
            b" ",
            b" kb",
            b"%",
        ]
    ),
).map(b"".join)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (b"0", 0),
        (b"1b", 1),
        (b"100k", 100_000),
        (b"1kb", 1024),
        (b"5m", 5_000_000),
        (b"5MB", 5 * 1024 * 1024),
        (b"2g", 2_000_000_000),
        (b"1Gb", 2**30),
        (b"", 0),
        (b"kb", 0),
        (b"-1", None),
        (b"+1", None),
        (b" 1", None),
        (b"1 kb", None),
        (b"1.5gb", None),
        (b"1tb", None),
        (b"18446744073709551615", 2**64 - 1),
        (b"18446744073709551616", 2**64 - 1),
        (b"18014398509481985kb", 1024),
        (b"1" * 128, None),
        (b"5%", None),
    ],
)
def test_reads_sizes(data: bytes, size: int | None) -> None:
    assert parse_memory_size(data) == size


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (b"1kb", 1024),
        (b"5%", -5),
        (b"0%", 0),
        (b"18446744073709551615", -1),
        (b"-5%", None),
        (b"%", None),
        (b"05%", None),
        (b"x", None),
    ],
)
def test_reads_percentages(data: bytes, size: int | None) -> None:
    assert parse_memory_size_or_percent(data) == size


@pytest.mark.parametrize(
    ("size", "printed"),
    [
        (0, b"0B"),
        (1023, b"1023B"),
        (1024, b"1.00K"),
        (1536, b"1.50K"),
        (1024**2 - 1, b"1024.00K"),
        (1024**2, b"1.00M"),
        (3 * 1024**3, b"3.00G"),
        (1024**4, b"1.00T"),
        (1024**5, b"1.00P"),
        (1024**6, b"1152921504606846976B"),
    ],
)
def test_prints_sizes(size: int, printed: bytes) -> None:
    assert format_memory_size(size) == printed


@given(sizes)
@example(b"")
@example(b"kb")
@COMPARISON
def test_reads_as_redis_server_reads_a_setting(redis: Any, data: bytes) -> None:
    # An unsigned 64 bit setting without a limit, and without effect outside of a cluster.
    reply = redis(b"CONFIG", b"SET", b"cluster-link-sendbuf-limit", data)
    if isinstance(reply, Exception):
        assert "argument must be a memory value" in str(reply)
        assert parse_memory_size(data) is None
    else:
        assert b"%d" % (parse_memory_size(data) or 0) == redis(b"CONFIG", b"GET", b"cluster-link-s*")[1]
        assert parse_memory_size(data) is not None


@given(st.one_of(sizes, st.integers(-5, 120).map(lambda percent: b"%d%%" % percent)))
@COMPARISON
def test_reads_percentages_as_redis_server_does(redis: Any, data: bytes) -> None:
    reply = redis(b"CONFIG", b"SET", b"maxmemory-clients", data)
    value = parse_memory_size_or_percent(data)
    if isinstance(reply, Exception):
        assert value is None or value < -100  # the limit is not the parser's business
    else:
        printed = redis(b"CONFIG", b"GET", b"maxmemory-clients")[1]
        assert value is not None
        assert printed == (b"%d" % value if value >= 0 else b"%d%%" % -value)
        redis(b"CONFIG", b"SET", b"maxmemory-clients", b"0")
