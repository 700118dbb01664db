"""Strings as arrays of bits: what SETBIT, BITCOUNT, BITPOS, BITOP and BITFIELD do to bytes.

Bit 0 is the highest bit of the first byte, and behind the end all bits are 0. Whole strings are worked on as
Python's big integers, at C speed and in linear time. Functions that write take a `bytearray` and grow it as
needed; how far it may grow is the caller's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable, Union

__all__ = [
    "FAIL",
    "OPERATIONS",
    "SAT",
    "WRAP",
    "combine",
    "count",
    "fit",
    "get_bit",
    "get_field",
    "grow",
    "in_64_bits",
    "position",
    "set_bit",
    "set_field",
]

Data = Union[bytes, bytearray]

#: What happens to a number that does not fit its field: ``OVERFLOW WRAP``, ``SAT`` or ``FAIL``.
WRAP, SAT, FAIL = 0, 1, 2

_INVERTED = bytes(range(255, -1, -1))
# Bytes looked at at a time where a search may end early.
_CHUNK = 1 << 16


def get_bit(data: Data, offset: int) -> int:
    """Return the bit at `offset`."""
    byte = offset >> 3
    return data[byte] >> (~offset & 7) & 1 if byte < len(data) else 0


def set_bit(data: bytearray, offset: int, value: int) -> int:
    """Set the bit at `offset` to 0 or 1, growing the string to it, and return what it was."""
    byte = offset >> 3
    if byte >= len(data):
        data.extend(bytes(byte + 1 - len(data)))
    mask = 0x80 >> (offset & 7)
    old = data[byte]
    data[byte] = old | mask if value else old & ~mask
    return 1 if old & mask else 0


def grow(data: bytearray, bits: int) -> bool:
    """Grow the string with zeros until it has `bits` bits; return whether it had to grow."""
    missing = (bits + 7 >> 3) - len(data)
    if missing <= 0:
        return False
    data.extend(bytes(missing))
    return True


def count(data: Data, start: int = 0, end: int = -1, *, by_bit: bool = False) -> int:
    """Return how many bits are 1 from `start` to `end`, both included, as BITCOUNT has it.

    They are bytes, or bits with `by_bit`, and count from the end if negative.
    """
    size = len(data) << 3 if by_bit else len(data)
    span = _span(start, end, size)
    # BITPOS does not look at the second: before the beginning is at the beginning there.
    if span is None or end < start < 0:
        return 0
    start, end = span
    if not by_bit:
        return _ones(data if end - start + 1 == size else data[start : end + 1])
    part = bytearray(data[start >> 3 : (end >> 3) + 1])
    part[0] &= 0xFF >> (start & 7)
    part[-1] &= 0xFF << (~end & 7) & 0xFF
    return _ones(part)


def position(data: Data, bit: int, start: int = 0, end: int | None = None, *, by_bit: bool = False) -> int:
    """Return the offset of the first bit that is `bit` from `start` to `end`, both included; -1 for none.

    As in BITPOS, a search for 0 that has no end finds the first bit behind the string, unless the range is
    empty.
    """
    span = _span(start, -1 if end is None else end, len(data) << 3 if by_bit else len(data))
    if span is None:
        return -1
    first, last = span if by_bit else (span[0] << 3, (span[1] << 3) + 7)
    byte, last_byte = first >> 3, last >> 3
    boring = b"\0" if bit else b"\xff"
    # The first byte may begin before the range, and so is looked at alone.
    here = (data[byte] ^ (0 if bit else 0xFF)) & 0xFF >> (first & 7)
    while not here:
        byte += 1
        if byte > last_byte:
            return len(data) << 3 if end is None and not bit else -1
        chunk = data[byte : min(byte + _CHUNK, last_byte + 1)]
        rest = len(chunk.lstrip(boring))
        byte += len(chunk) - rest
        if rest:
            here = data[byte] ^ (0 if bit else 0xFF)
        else:
            byte -= 1
    found = (byte << 3) + 8 - here.bit_length()
    return found if found <= last else -1


def combine(operation: bytes, many: Sequence[Data]) -> bytes:
    """Return what BITOP makes of at least one string; the shorter ones are filled with zeros.

    `operation` is one of `OPERATIONS`. NOT looks at the first string only.
    """
    if operation == b"NOT":
        return bytes(many[0].translate(_INVERTED))
    size = max(map(len, many))
    # Little-endian, so that zeros to fill with are those in front of a number.
    numbers = [int.from_bytes(data, "little") for data in many]
    return _COMBINE[operation](numbers).to_bytes(size, "little")


def get_field(data: Data, offset: int, bits: int, *, signed: bool) -> int:
    """Return the number in the `bits` bits from `offset` on."""
    end = offset + bits
    stop = end + 7 >> 3
    part = data[offset >> 3 : stop]
    missing = stop - max(len(data), offset >> 3)
    number = int.from_bytes(part, "big")
    if missing > 0:
        number <<= missing << 3
    number = number >> (-end & 7) & (1 << bits) - 1
    return number - (1 << bits) if signed and number >> bits - 1 else number


def set_field(data: bytearray, offset: int, bits: int, number: int) -> None:
    """Store the lowest `bits` bits of the number from `offset` on, growing the string as needed."""
    end = offset + bits
    grow(data, end)
    start, stop, shift = offset >> 3, end + 7 >> 3, -end & 7
    mask = (1 << bits) - 1
    old = int.from_bytes(data[start:stop], "big")
    new = old & ~(mask << shift) | (number & mask) << shift
    data[start:stop] = new.to_bytes(stop - start, "big")


def fit(number: int, bits: int, *, signed: bool, overflow: int = WRAP) -> int | None:
    """Return the number as a field of `bits` bits holds it; None if it does not fit and `overflow` is FAIL.

    The number may be any: a sum for INCRBY, or for SET what `in_64_bits` makes of the value.
    """
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if low <= number <= high:
        return number
    if overflow == FAIL:
        return None
    if overflow == SAT:
        return high if number > high else low
    number &= (1 << bits) - 1
    return number - (1 << bits) if number > high else number


def in_64_bits(number: int, bits: int, *, signed: bool) -> int:
    """Return what SET stores, as Redis compares it with a field's limits: far enough below, it is above instead."""
    lowest = (1 << bits - 1) - 2**63 if signed else 0
    return number + 2**64 if number < lowest and bits < 64 else number


def _span(start: int, end: int, size: int) -> tuple[int, int] | None:
    if start < 0:
        start = max(start + size, 0)
    if end < 0:
        end = max(end + size, 0)
    end = min(end, size - 1)
    return (start, end) if start <= end else None


def _ones_by_text(number: int) -> int:
    return bin(number).count("1")


# A method of int since Python 3.10.
_bit_count: Callable[[int], int] = getattr(int, "bit_count", _ones_by_text)


def _ones(data: Data) -> int:
    if len(data) <= _CHUNK:
        return _bit_count(int.from_bytes(data, "little"))
    return sum(
        _bit_count(int.from_bytes(data[start : start + _CHUNK], "little"))
        for start in range(0, len(data), _CHUNK)
    )


def _and(numbers: Sequence[int]) -> int:
    result = numbers[0]
    for number in numbers[1:]:
        result &= number
    return result


def _or(numbers: Sequence[int]) -> int:
    result = 0
    for number in numbers:
        result |= number
    return result


def _xor(numbers: Sequence[int]) -> int:
    result = 0
    for number in numbers:
        result ^= number
    return result


def _one(numbers: Sequence[int]) -> int:
    seen = twice = 0
    for number in numbers:
        twice |= seen & number
        seen |= number
    return seen ^ twice


_COMBINE: dict[bytes, Callable[[Sequence[int]], int]] = {
    b"AND": _and,
    b"OR": _or,
    b"XOR": _xor,
    b"DIFF": lambda numbers: numbers[0] & ~_or(numbers[1:]),
    b"DIFF1": lambda numbers: _or(numbers[1:]) & ~numbers[0],
    b"ANDOR": lambda numbers: numbers[0] & _or(numbers[1:]),
    b"ONE": _one,
}

#: The operations of BITOP, in capitals.
OPERATIONS = frozenset([b"NOT", *_COMBINE])
