"""Timeouts in seconds: examples, and the errors of redis-server's BLPOP."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_resp.text.durations import parse_seconds
from twisted_resp.text.integers import INT64_MAX, INT64_MIN


@pytest.mark.parametrize(
    ("data", "milliseconds"),
    [
        (b"0", 0),
        (b"-0", 0),
        (b"1", 1000),
        (b"0.1", 100),
        (b"1.5e1", 15000),
        (b"0.0001", 1),
        (b"0.0000000000000001", 1),
        (b"0x1.8", 1500),
        (b"-0.0001", 0),
        (b"-1", -1000),
        (b"9223372036854775", 9223372036854775000),
        (b"9223372036854775.807", INT64_MAX),
        (b"9223372036854775.808", INT64_MAX + 1),
        (b"1e4000", INT64_MAX + 1),
        (b"inf", INT64_MAX + 1),
        (b"-inf", INT64_MIN),
        (b"-1e4000", INT64_MIN),
        (b"nan", None),
        (b"", None),
        (b" 1", None),
        (b"abc", None),
    ],
)
def test_reads_seconds(data: bytes, milliseconds: int | None) -> None:
    assert parse_seconds(data) == milliseconds


@pytest.mark.parametrize("data", [b"nan", b"", b" 1", b"1s", b"-1", b"-inf", b"-1e400", b"-0x1p60"])
def test_fails_as_redis_server_does(redis: Any, data: bytes) -> None:
    # Not for what exceeds 64 bits: 7.0 calls that negative, later versions out of range.
    value = parse_seconds(data)
    if value is None:
        error = "ERR timeout is not a float or out of range"
    else:
        assert value < 0
        error = "ERR timeout is negative"
    assert str(redis(b"BLPOP", b"key", data)) == error
