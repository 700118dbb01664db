"""Writing the small parts of RDB: lengths and strings."""

from __future__ import annotations

import struct
from typing import Final

from twisted_resp.rdb.lzf import compress
from twisted_resp.text.integers import INT32_MAX, INT32_MIN, UINT32_MAX
from twisted_resp.values.listpack import canonical_integer

__all__ = ["compressed_plain_string", "compressed_string", "length_of", "plain_string", "string"]

_BIG_4: Final = struct.Struct(">BI")
_BIG_8: Final = struct.Struct(">BQ")
_SMALL: Final = tuple(bytes((length,)) for length in range(64))
# No longer string is an integer of 32 bits.
_LONGEST: Final = 11
# Redis compresses what is longer than that, where it saves at least so many bytes.
_SHORT: Final = 20
_LEAST_SAVED: Final = 5
_COMPRESSED: Final = b"\xc3"


def length_of(number: int) -> bytes:
    """A number as lengths are written, up to 64 bits."""
    if number < 0x40:
        return _SMALL[number]
    if number < 0x4000:
        return bytes((0x40 | number >> 8, number & 0xFF))
    return _BIG_4.pack(0x80, number) if number <= UINT32_MAX else _BIG_8.pack(0x81, number)


def plain_string(data: bytes | bytearray) -> bytes:
    """A string as it is, after its length."""
    size = len(data)
    return (_SMALL[size] if size < 64 else length_of(size)) + data


def string(data: bytes | bytearray) -> bytes:
    """A string; what is an integer of 32 bits is written as such."""
    size = len(data)
    if size <= _LONGEST and size and data[0] <= 57 and data[-1] <= 57:
        number = canonical_integer(bytes(data))
        if number is not None and INT32_MIN <= number <= INT32_MAX:
            if -0x80 <= number < 0x80:
                return b"\xc0%b" % number.to_bytes(1, "little", signed=True)
            if -0x8000 <= number < 0x8000:
                return b"\xc1%b" % number.to_bytes(2, "little", signed=True)
            return b"\xc2%b" % number.to_bytes(4, "little", signed=True)
    return (_SMALL[size] if size < 64 else length_of(size)) + data


def compressed_plain_string(data: bytes | bytearray) -> bytes:
    """A string that is no integer, compressed if that makes it shorter."""
    size = len(data)
    if size > _SHORT:
        compressed = compress(bytes(data), size - _LEAST_SAVED)
        if compressed is not None:
            return b"".join((_COMPRESSED, length_of(len(compressed)), length_of(size), compressed))
    return (_SMALL[size] if size < 64 else length_of(size)) + data


def compressed_string(data: bytes | bytearray) -> bytes:
    """A string in the form that takes the fewest bytes."""
    return compressed_plain_string(data) if len(data) > _SHORT else string(data)
