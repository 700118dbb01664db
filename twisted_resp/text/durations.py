"""Durations in seconds with a fraction: the timeouts of BLPOP and its like."""

from __future__ import annotations

from twisted_resp.text.integers import INT64_MAX, INT64_MIN
from twisted_resp.text.long_doubles import parse_long_double

__all__ = ["parse_seconds"]


def parse_seconds(data: bytes) -> int | None:
    """Read seconds, possibly with a fraction, into whole milliseconds, rounded up; None if it is no number.

    Reads what INCRBYFLOAT reads, with the rounding of Redis' long doubles. What does not fit 64 bits, be it
    infinite, is returned as INT64_MIN or as INT64_MAX + 1: Redis says of the one that it is negative and of
    the other that it is out of range. See https://redis.io/docs/latest/commands/blpop/.
    """
    number = parse_long_double(data)
    if number is None:
        return None
    if not number.is_finite:
        return INT64_MAX + 1 if number.mantissa > 0 else INT64_MIN
    return max(INT64_MIN, min(number.times(1000).ceil(), INT64_MAX + 1))
