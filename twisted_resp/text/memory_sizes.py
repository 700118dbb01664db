"""Amounts of memory as redis.conf and CONFIG SET spell them, and as INFO prints them for people."""

from __future__ import annotations

import re

from twisted_resp.text.integers import INT64_MAX, UINT64_MAX, parse_integer

__all__ = ["as_signed", "format_memory_size", "parse_memory_size", "parse_memory_size_or_percent"]

_SIZE = re.compile(rb"([0-9]*)([a-z]*)", re.IGNORECASE)
_UNITS = {
    b"": 1,
    b"b": 1,
    b"k": 1000,
    b"kb": 1 << 10,
    b"m": 1000**2,
    b"mb": 1 << 20,
    b"g": 1000**3,
    b"gb": 1 << 30,
}
_MOST_DIGITS = 127


def parse_memory_size(data: bytes) -> int | None:
    """Read an amount of memory in bytes as Redis' ``memtoull``, or return None.

    Digits and a unit in any case: ``b``, ``k`` (1000), ``kb`` (1024), ``m``, ``mb``, ``g`` or ``gb``; no
    sign, no blanks, no fraction. As in C no digits at all are 0, more than 64 bits of them are the largest
    number of 64 bits, and what is too large after multiplication wraps around.

    Where a setting is signed (all but ``maxmemory`` and ``cluster-link-sendbuf-limit``), Redis goes on with
    the same 64 bits as a signed number; see `as_signed`.
    """
    match = _SIZE.fullmatch(data.partition(b"\0")[0])
    if match is None:
        return None
    digits, unit = match.groups()
    factor = _UNITS.get(unit.lower())
    if factor is None or len(digits) > _MOST_DIGITS:
        return None
    return min(int(digits or b"0"), UINT64_MAX) * factor & UINT64_MAX


def parse_memory_size_or_percent(data: bytes) -> int | None:
    """Read an amount of memory or a percentage, as for ``maxmemory-clients``, or return None.

    A percentage (``5%``) is returned as a negative number (-5), which is also how Redis keeps it. So, as
    there, an amount from 2**63 on is taken for a percentage.
    """
    size = parse_memory_size(data)
    if size is not None:
        return as_signed(size)
    if data[-1:] == b"%":
        percent = parse_integer(data[:-1])
        return None if percent is None or percent < 0 else -percent
    return None


def as_signed(size: int) -> int:
    """Take an unsigned 64 bit number for a signed one, as C's conversion does."""
    return size - (UINT64_MAX + 1) if size > INT64_MAX else size


def format_memory_size(size: int) -> bytes:
    """Print an amount of memory for people, as INFO does (``bytesToHuman``): ``1.50M``.

    Args:
        size: in bytes, not negative.
    """
    if size < 1024 or size >= 1024**6:
        return b"%dB" % size
    factor = 1024
    for unit in b"KMGTP":
        if size < factor * 1024:
            return b"%.2f%c" % (size / factor, unit)
        factor *= 1024
    raise AssertionError("all sizes are covered above")
