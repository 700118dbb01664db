"""How Redis reads integers: strictly where values are at stake, more as C does elsewhere."""

from __future__ import annotations

import re

__all__ = [
    "INT32_MAX",
    "INT32_MIN",
    "INT64_MAX",
    "INT64_MIN",
    "UINT32_MAX",
    "UINT64_MAX",
    "parse_cursor",
    "parse_integer",
    "parse_octal",
    "parse_unsigned",
]

INT32_MIN = -(2**31)
INT32_MAX = 2**31 - 1
UINT32_MAX = 2**32 - 1
INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1
UINT64_MAX = 2**64 - 1

_ZERO = ord("0")

# 18 digits always fit 64 signed bits; 19 may, 20 only behind a minus sign.
_ALWAYS_FITS = 19
_LONGEST = 20

_STRTOULL = re.compile(rb"[ \t\n\v\f\r]*([+-]?)([0-9]+)")
_STRTOLL_OCTAL = re.compile(rb"[ \t\n\v\f\r]*([+-]?[0-7]+)")


def parse_integer(data: bytes) -> int | None:
    """Read a signed 64 bit integer as strictly as Redis' ``string2ll``, or return None.

    Only the canonical spelling counts: no spaces, no ``+``, no leading zeros, no ``-0``. So what this accepts
    is the same bytes when the integer is printed again, which is what makes it fit for ``int`` encoding.
    """
    if data.isdigit():
        if data[0] != _ZERO:
            if len(data) < _ALWAYS_FITS:
                return int(data)
        elif len(data) == 1:
            return 0
        else:
            return None
    elif data[:1] != b"-" or data[1:2] == b"0" or not data[1:].isdigit():
        return None
    if len(data) > _LONGEST:  # before int(), whose time grows with the square of the length
        return None
    value = int(data)
    return value if INT64_MIN <= value <= INT64_MAX else None


def parse_unsigned(data: bytes) -> int | None:
    """Read an unsigned 64 bit integer as Redis' ``string2ull`` (stream ids), or return None.

    What ``parse_integer`` takes must not be negative. Everything else gets a second chance with the rules of
    C's ``strtoull``: leading blanks, ``+``, leading zeros, even a minus sign before a leading zero (which
    wraps around). As in C, the text ends at the first NUL.
    """
    if b"\0" in data:
        data = data[: data.index(b"\0")]
    value = parse_integer(data)
    if value is not None:
        return value if value >= 0 else None
    return _strtoull(data)


def parse_cursor(data: bytes) -> int | None:
    """Read the cursor of a SCAN, or return None: as C's ``strtoul`` does, but for blanks in front.

    So the empty string is 0, and a negative number wraps around.
    """
    data = data.partition(b"\0")[0]
    if not data:
        return 0
    return None if data[0] in b" \t\n\v\f\r" else _strtoull(data)


def _strtoull(data: bytes) -> int | None:
    match = _STRTOULL.fullmatch(data)
    if match is None:
        return None
    sign, digits = match.groups()
    digits = digits.lstrip(b"0") or b"0"
    if len(digits) > _LONGEST:
        return None
    value = int(digits)
    if value > UINT64_MAX:
        return None
    return -value & UINT64_MAX if sign == b"-" else value


def parse_octal(data: bytes) -> int | None:
    """Read an octal number as CONFIG does (``unixsocketperm``) with ``strtoll``, or return None.

    The empty string is 0.
    """
    data = data.partition(b"\0")[0]
    if not data:
        return 0
    match = _STRTOLL_OCTAL.fullmatch(data)
    if match is None:
        return None
    value = int(match[1], 8)
    return value if INT64_MIN <= value <= INT64_MAX else None
