"""The compact forms that Redis keeps small collections in, and saves as they are: listpack, ziplist, zipmap, intset.

Reading checks everything that there is to check: each length, the lengths for walking backwards, the number of
elements, the end. So what was read is what was written, or it is an :class:`RdbError`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Final, Union

from twisted_resp.rdb.format import RdbError
from twisted_resp.values.listpack import canonical_integer

__all__ = [
    "Element",
    "as_bytes",
    "pack_intset",
    "pack_listpack",
    "unpack_intset",
    "unpack_listpack",
    "unpack_listpack_as_bytes",
    "unpack_ziplist",
    "unpack_zipmap",
]

#: What a listpack or ziplist holds: integers stay what they are.
Element = Union[bytes, int]

_HEADER: Final = struct.Struct("<IH")
_ZIPLIST_HEADER: Final = struct.Struct("<IIH")
_UINT32: Final = struct.Struct("<I")
_UNKNOWN_COUNT: Final = 0xFFFF
_END: Final = 0xFF

# Integers of a listpack by their encoding byte: the bytes they take.
_LISTPACK_INTEGERS: Final = {0xF1: 2, 0xF2: 3, 0xF3: 4, 0xF4: 8}
_ZIPLIST_INTEGERS: Final = {0xC0: 2, 0xD0: 4, 0xE0: 8, 0xF0: 3, 0xFE: 1}

_INTSET_FORMS: Final = {2: "h", 4: "i", 8: "q"}


def as_bytes(elements: Iterable[Element]) -> list[bytes]:
    """The elements with integers as their digits."""
    return [element if isinstance(element, bytes) else b"%d" % element for element in elements]


# ------------------------------------------------------------------------------------------------- listpack


# From these sizes on the length of an entry takes one more byte; by an oversight of Redis' one size too early.
_BACKLEN_STEPS: Final = (128, 16383, 2097151, 268435455)


def _backlen(size: int) -> bytes:
    """The length of an entry, for walking backwards: seven bits a byte, marked in all but the first."""
    if size < 128:
        return bytes((size,))
    out: list[int] = []
    for step in _BACKLEN_STEPS:
        if size >= step:
            out.append(size >> 7 * len(out) & 0x7F | 0x80)
    out.append(size >> 7 * len(out))
    out.reverse()
    return bytes(out)


# What stands before and after a short string.
_SHORT: Final = tuple((bytes((0x80 | size,)), _backlen(size + 1)) for size in range(64))
_SMALL: Final = tuple(bytes((number, 1)) for number in range(128))


def _packed_integer(value: int) -> bytes:
    if 0 <= value < 128:
        return _SMALL[value]
    if -4096 <= value < 4096:
        value &= 0x1FFF
        return bytes((0xC0 | value >> 8, value & 0xFF, 2))
    if -0x8000 <= value < 0x8000:
        return b"\xf1%b\x03" % value.to_bytes(2, "little", signed=True)
    if -0x800000 <= value < 0x800000:
        return b"\xf2%b\x04" % value.to_bytes(3, "little", signed=True)
    if -0x80000000 <= value < 0x80000000:
        return b"\xf3%b\x05" % value.to_bytes(4, "little", signed=True)
    return b"\xf4%b\x09" % value.to_bytes(8, "little", signed=True)


def _packed_string(data: bytes) -> bytes:
    size = len(data)
    if size < 4096:
        return bytes((0xE0 | size >> 8, size & 0xFF)) + data + _backlen(size + 2)
    return b"\xf0" + _UINT32.pack(size) + data + _backlen(size + 5)


def pack_listpack(elements: Sequence[Element]) -> bytes:
    """A listpack of these elements; strings that are integers become such."""
    parts: list[bytes] = []
    append = parts.append
    short, small, integer = _SHORT, _SMALL, canonical_integer
    for element in elements:
        number: int | None
        if isinstance(element, bytes):
            size = len(element)
            # First what is no integer at a glance.
            if size > 20 or not size or element[-1] > 57 or element[0] > 57:
                if size < 64:
                    before, after = short[size]
                    append(before + element + after)
                else:
                    append(_packed_string(element))
                continue
            number = integer(element)
            if number is None:
                before, after = short[size]
                append(before + element + after)
                continue
        else:
            number = element
        append(small[number] if 0 <= number < 128 else _packed_integer(number))
    append(b"\xff")
    body = b"".join(parts)
    return _HEADER.pack(len(body) + 6, min(len(parts) - 1, _UNKNOWN_COUNT)) + body


_NUMBERS: Final = tuple(range(128))
_DIGITS: Final = tuple(b"%d" % number for number in range(128))


def unpack_listpack(data: bytes) -> list[Element]:
    """The elements of a listpack.

    :raises RdbError: it is not well-formed.
    """
    return _unpack_listpack(data, False)


def unpack_listpack_as_bytes(data: bytes) -> list[bytes]:
    """The elements of a listpack, integers as their digits.

    :raises RdbError: it is not well-formed.
    """
    elements: list[Any] = _unpack_listpack(data, True)
    return elements


def _unpack_listpack(data: bytes, as_digits: bool) -> list[Element]:
    small: Sequence[Element] = _DIGITS if as_digits else _NUMBERS
    size = len(data)
    if size < 7:
        raise RdbError("a listpack is too short")
    total, count = _HEADER.unpack_from(data)
    last = size - 1
    if total != size or data[last] != _END:
        raise RdbError("a listpack has another length than it says")
    elements: list[Element] = []
    append = elements.append
    position = 6
    while position < last:
        first = data[position]
        if first < 0x80:
            append(small[first])
            length = 1
        elif first < 0xC0:
            length = (first & 0x3F) + 1
            append(data[position + 1 : position + length])
        elif first < 0xE0:
            number = (first & 0x1F) << 8 | data[position + 1]
            if number & 0x1000:
                number -= 0x2000
            append(b"%d" % number if as_digits else number)
            length = 2
        elif first < 0xF0:
            length = ((first & 0x0F) << 8 | data[position + 1]) + 2
            append(data[position + 2 : position + length])
        elif first == 0xF0:
            if position + 5 > last:
                raise RdbError("an element of a listpack is cut off")
            length = _UINT32.unpack_from(data, position + 1)[0] + 5
            append(data[position + 5 : position + length])
        elif first in _LISTPACK_INTEGERS:
            length = _LISTPACK_INTEGERS[first] + 1
            number = int.from_bytes(data[position + 1 : position + length], "little", signed=True)
            append(b"%d" % number if as_digits else number)
        else:
            raise RdbError(f"unknown encoding {first:#x} in a listpack")
        position += length
        if position >= last:
            raise RdbError("an element of a listpack is cut off")
        if length < 128:
            if data[position] != length:
                raise RdbError("a listpack's length for walking backwards is wrong")
            position += 1
        elif length < 16383 and position + 1 < last:
            # What _backlen() has for nearly all of them.
            if data[position] != length >> 7 or data[position + 1] != length & 0x7F | 0x80:
                raise RdbError("a listpack's length for walking backwards is wrong")
            position += 2
        else:
            back = _backlen(length)
            if data[position : position + len(back)] != back:
                raise RdbError("a listpack's length for walking backwards is wrong")
            position += len(back)
    if position != last:
        raise RdbError("an element of a listpack is cut off")
    if count not in (len(elements), _UNKNOWN_COUNT):
        raise RdbError("a listpack has another number of elements than it says")
    return elements


# -------------------------------------------------------------------------------------------------- ziplist


def unpack_ziplist(data: bytes) -> list[Element]:
    """The elements of a ziplist, which Redis used before version 7.

    :raises RdbError: it is not well-formed.
    """
    size = len(data)
    if size < 11:
        raise RdbError("a ziplist is too short")
    total, tail, count = _ZIPLIST_HEADER.unpack_from(data)
    last = size - 1
    if total != size or data[last] != _END:
        raise RdbError("a ziplist has another length than it says")
    elements: list[Element] = []
    append = elements.append
    position = start = 10
    previous = 0
    try:
        while position < last:
            start = position
            before = data[position]
            position += 1
            if before == 0xFE:
                before = _UINT32.unpack_from(data, position)[0]
                position += 4
            if before != previous:
                raise RdbError("a ziplist's length for walking backwards is wrong")
            first = data[position]
            if first < 0xC0:
                if first < 0x40:
                    length = first
                    position += 1
                elif first < 0x80:
                    length = (first & 0x3F) << 8 | data[position + 1]
                    position += 2
                elif first == 0x80:
                    length = int.from_bytes(data[position + 1 : position + 5], "big")
                    position += 5
                else:
                    raise RdbError(f"unknown encoding {first:#x} in a ziplist")
                append(data[position : position + length])
            elif first in _ZIPLIST_INTEGERS:
                length = _ZIPLIST_INTEGERS[first]
                position += 1
                append(int.from_bytes(data[position : position + length], "little", signed=True))
            elif 0xF1 <= first <= 0xFD:
                append((first & 0x0F) - 1)
                length = 0
                position += 1
            else:
                raise RdbError(f"unknown encoding {first:#x} in a ziplist")
            position += length
            previous = position - start
    except (IndexError, struct.error):
        raise RdbError("an element of a ziplist is cut off") from None
    if position != last:
        raise RdbError("an element of a ziplist is cut off")
    if tail != start:
        raise RdbError("a ziplist's offset of the last element is wrong")
    if count not in (len(elements), _UNKNOWN_COUNT):
        raise RdbError("a ziplist has another number of elements than it says")
    return elements


# --------------------------------------------------------------------------------------------------- zipmap


def unpack_zipmap(data: bytes) -> list[bytes]:
    """Fields and values in turn of a zipmap, in which Redis up to 2.4 had small hashes.

    :raises RdbError: it is not well-formed.
    """
    last = len(data) - 1
    if last < 1 or data[last] != _END:
        raise RdbError("a zipmap does not end as it should")
    elements: list[bytes] = []
    position = 1
    while position < last:
        for free_follows in (False, True):
            length = data[position]
            position += 1
            if length == 0xFE:
                length = int.from_bytes(data[position : position + 4], "little")
                position += 4
            elif length == _END:
                raise RdbError("a zipmap ends before its end")
            free = 0
            if free_follows:
                if position > last:
                    raise RdbError("an element of a zipmap is cut off")
                free = data[position]
                position += 1
            elements.append(data[position : position + length])
            position += length + free
            if position > last:
                raise RdbError("an element of a zipmap is cut off")
    if data[0] < 0xFE and data[0] != len(elements) // 2:
        raise RdbError("a zipmap has another number of fields than it says")
    return elements


# --------------------------------------------------------------------------------------------------- intset


def pack_intset(numbers: Sequence[int]) -> bytes:
    """An intset of numbers in ascending order."""
    width = 2
    if numbers:
        for width in _INTSET_FORMS:
            limit = 1 << 8 * width - 1
            if -limit <= numbers[0] and numbers[-1] < limit:
                break
    return struct.pack(f"<II{len(numbers)}{_INTSET_FORMS[width]}", width, len(numbers), *numbers)


def unpack_intset(data: bytes) -> list[int]:
    """The numbers of an intset.

    :raises RdbError: it is not well-formed, or the numbers are not in ascending order.
    """
    if len(data) < 8:
        raise RdbError("an intset is too short")
    width, count = struct.unpack_from("<II", data)
    if width not in _INTSET_FORMS or len(data) != 8 + width * count:
        raise RdbError("an intset has another length than it says")
    numbers = list(struct.unpack_from(f"<{count}{_INTSET_FORMS[width]}", data, 8))
    if any(map(int.__ge__, numbers, chain(numbers[1:], (1 << 64,)))):
        raise RdbError("the numbers of an intset are not in ascending order")
    return numbers
