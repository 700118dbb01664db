"""How many bytes an element takes in a Redis listpack.

Nothing here stores a listpack: values are Python objects. But Redis converts some encodings by the bytes that
the listpack has, and MEMORY USAGE and DEBUG LISTPACK report them, so the sizes have to be right to the byte.

An element is an encoding byte (with a length after it for longer strings), the data, and a "backlen": the
size of all that once more, for walking backwards. Strings that are the canonical decimal form of a 64 bit
integer are stored as integers of 7, 13, 16, 24, 32 or 64 bits.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["HEADER_BYTES", "canonical_integer", "entry_bytes", "listpack_bytes", "rough_entry_bytes"]

# Total length (4 bytes), number of elements (2) and the end marker (1).
HEADER_BYTES = 7

_MINUS = 45
_ZERO = 48
_NINE = 57
# No integer of 64 bits has more characters.
_LONGEST_INTEGER = 20


def canonical_integer(data: bytes) -> int | None:
    """The integer which `data` spells, or None.

    Only the one canonical form counts: no spaces, plus sign, leading zeros or "-0", and 64 bits signed. So
    the bytes can be had back from the integer without loss.
    """
    size = len(data)
    if not 0 < size <= _LONGEST_INTEGER or data[-1] > _NINE:
        return None
    if data.isdigit():
        if data[0] == _ZERO and size > 1:
            return None
    elif data[0] != _MINUS or not data[1:].isdigit() or data[1] == _ZERO:
        return None
    value = int(data)
    if size > 18 and not -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF:
        return None
    return value


def _string_bytes(size: int) -> int:
    if size < 64:
        return size + 2
    total = size + (2 if size < 4096 else 5)
    if total <= 127:
        return total + 1
    if total < 16383:
        return total + 2
    if total < 2097151:
        return total + 3
    if total < 268435455:
        return total + 4
    return total + 5


def entry_bytes(element: bytes) -> int:
    """Bytes which `element` takes in a listpack, its encoding and backlen included."""
    size = len(element)
    # This settles most strings: too long for an integer, or a character at either end is beyond the digits.
    if size > _LONGEST_INTEGER or not size or element[-1] > _NINE or element[0] > _NINE:
        return size + 2 if size < 64 else _string_bytes(size)
    if size == 1:
        return 2 if element.isdigit() else 3
    value = canonical_integer(element)
    if value is None:
        return size + 2
    if 0 <= value <= 127:
        return 2
    if -4096 <= value <= 4095:
        return 3
    if -32768 <= value <= 32767:
        return 4
    if -8388608 <= value <= 8388607:
        return 5
    if -2147483648 <= value <= 2147483647:
        return 6
    return 10


def rough_entry_bytes(element: bytes) -> int:
    """At least `entry_bytes`, from the length alone.

    Exact for strings of fewer than 32 bytes which are no integers. The hot paths spell it out in place.
    """
    size = len(element)
    return size + 2 + (size >> 5)


def listpack_bytes(elements: Iterable[bytes]) -> int:
    """Bytes of a whole listpack of `elements`."""
    return HEADER_BYTES + sum(map(entry_bytes, elements))
