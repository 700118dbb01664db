"""The ``struct`` library of scripts, and the doubles of ``cmsgpack``.

Formats: ``<`` ``>`` byte order, ``!n`` alignment, ``b/B h/H l/L i(n)/I(n) T`` integers, ``f d`` floats, ``x``
padding, ``s`` zero-terminated strings, ``c(n)`` characters. As in ``bits.py`` nothing here raises into Lua.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any, Final

from twisted_resp.scripting.bits import Answer, as_number, type_name

__all__ = ["FUNCTIONS", "pack_double", "pack_float", "unpack_double", "unpack_float"]

_LARGEST_INTEGER = 32  # bytes
_LARGEST_NUMBER = 2**31 - 1  # in a format
# So much has room on Lua's stack.
_MOST_RESULTS = 7900
_NATIVE_ALIGNMENT = 8
_SIZES = {b"b": 1, b"h": 2, b"l": 8, b"t": 8, b"i": 4}


class _ProblemError(Exception):
    pass


class _Item:
    """One letter of a format with what goes with it.

    :ivar padding: how many bytes of alignment come before it depends on the offset: see :meth:`aligned`.
    """

    __slots__ = ("alignment", "byte_order", "kind", "size")

    def __init__(self, kind: bytes, size: int, alignment: int, byte_order: Any) -> None:
        self.kind = kind
        self.size = size
        self.alignment = alignment
        self.byte_order = byte_order

    def aligned(self, offset: int) -> int:
        """Where the item begins at the earliest from ``offset``."""
        size = min(self.size, self.alignment)
        if size == 0 or self.kind == b"c":
            return offset
        return offset + ((size - (offset & (size - 1))) & (size - 1))


def _items(name: bytes, text: bytes) -> Iterator[_Item]:
    """Go through a format, given to the function of this name."""
    byte_order = "little"
    alignment = 1
    place = 0

    def number(default: int) -> int:
        nonlocal place
        start = place
        while place < len(text) and text[place : place + 1].isdigit():
            place += 1
        if place == start:
            return default
        digits = text[start:place].lstrip(b"0") or b"0"
        if len(digits) > 10 or int(digits) > _LARGEST_NUMBER:
            raise _ProblemError(b"integral size overflow")
        return int(digits)

    while place < len(text):
        letter = text[place : place + 1]
        place += 1
        kind = letter.lower()
        if letter == b" ":
            continue
        if letter in (b"<", b">"):
            byte_order = "big" if letter == b">" else "little"
            continue
        if letter == b"!":
            alignment = number(_NATIVE_ALIGNMENT)
            if alignment == 0 or alignment & (alignment - 1):
                raise _ProblemError(b"alignment %d is not a power of 2" % alignment)
            continue
        if letter == b"x":
            size = 1
        elif letter == b"s":
            size = 0
        elif letter == b"c":
            size = number(1)
        elif letter in (b"f", b"d"):
            size = 4 if letter == b"f" else 8
        elif kind == b"i":
            size = number(_SIZES[b"i"])
            if size > _LARGEST_INTEGER:
                raise _ProblemError(b"integral size %d is larger than limit of %d" % (size, _LARGEST_INTEGER))
        elif kind in (b"b", b"h", b"l") or letter == b"T":
            size = _SIZES[kind]
        elif name == b"size" and letter.isalnum():
            continue  # it takes no room
        else:
            raise _ProblemError(b"bad argument #1 to '%b' (invalid format option '%b')" % (name, letter))
        yield _Item(letter, size, alignment, byte_order)


def _arguments(name: bytes, args: tuple[Any, ...]) -> bytes:
    text = args[0] if args else None
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return b"%.14g" % text
    if not isinstance(text, bytes):
        raise _ProblemError(
            b"bad argument #1 to '%b' (string expected, got %b)" % (name, _named(text, bool(args)))
        )
    return text.partition(b"\0")[0]


def _named(value: Any, there: bool = True) -> bytes:
    if not there:
        return b"no value"
    return type_name(value)


def _number(args: tuple[Any, ...], place: int) -> float:
    value = args[place] if place < len(args) else None
    if type(value) is int or type(value) is float:
        return value
    if type(value) is bytes:
        number = as_number(value)
        if number is not None:
            return number
    raise _ProblemError(b"bad argument #%d to 'pack' (number expected, got %b)" % (place + 1, _named(value)))


def _as_integer(number: float) -> int:
    """What C makes of a double: whole, and 64 bits wide."""
    if type(number) is float:
        if number >= 2.0**64:
            return 0
        if not isfinite(number) or not -(2.0**63) <= number < 2.0**64:
            return 1 << 63
        number = int(number)
    return int(number) & 0xFFFFFFFFFFFFFFFF


def _pack(*args: Any) -> bytes:
    text = _arguments(b"pack", args)
    out = bytearray()
    place = 1
    for item in _items(b"pack", text):
        out += bytes(item.aligned(len(out)) - len(out))
        kind, size = item.kind, item.size
        if kind == b"x":
            out.append(0)
            continue
        if kind in (b"s", b"c"):
            value = args[place] if place < len(args) else None
            if type(value) is int or type(value) is float:
                value = b"%.14g" % value
            if type(value) is not bytes:
                got = _named(value)
                raise _ProblemError(
                    b"bad argument #%d to 'pack' (string expected, got %b)" % (place + 1, got)
                )
            size = size or len(value)
            if len(value) < size:
                raise _ProblemError(b"bad argument #%d to 'pack' (string too short)" % (place + 2))
            out += value[:size] if kind == b"c" else value + b"\0"
        elif kind in (b"f", b"d"):
            out += _packed_float(_number(args, place), kind, item.byte_order)
        else:
            whole = _as_integer(_number(args, place)) & ((1 << 8 * size) - 1)
            out += whole.to_bytes(size, item.byte_order)
        place += 1
    return bytes(out)


def _packed_float(number: float, kind: bytes, byte_order: str) -> bytes:
    form = (">" if byte_order == "big" else "<") + kind.decode()
    try:
        return struct.pack(form, number)
    except OverflowError:
        return struct.pack(form, float("inf") if number > 0 else float("-inf"))


def _unpack(*args: Any) -> tuple[Any, ...]:
    text = _arguments(b"unpack", args)
    data = args[1] if len(args) > 1 else None
    if type(data) is int or type(data) is float:
        data = b"%.14g" % data
    if type(data) is not bytes:
        got = _named(data, len(args) > 1)
        raise _ProblemError(b"bad argument #2 to 'unpack' (string expected, got %b)" % got)
    start = args[2] if len(args) > 2 and args[2] is not None else 1
    if type(start) is bytes:
        try:
            start = float(start)
        except ValueError:
            start = None
    if type(start) is not int and type(start) is not float:
        raise _ProblemError(b"bad argument #3 to 'unpack' (number expected, got %b)" % _named(args[2]))
    # As in C, a number below 0 is a very large one.
    offset = int(start) - 1 if -(2.0**63) <= start < 2.0**63 else 2**63
    if offset < -1:
        offset += 2**64
    if offset < 0:
        raise _ProblemError(b"bad argument #3 to 'unpack' (offset must be 1 or greater)")
    results: list[Any] = []
    if offset > len(data) and text[:1] not in b"iI":  # even where the option is no option
        raise _ProblemError(b"bad argument #2 to 'unpack' (data string too short)")
    for item in _items(b"unpack", text):
        if len(results) >= _MOST_RESULTS:
            raise _ProblemError(b"stack overflow (too many results)")
        offset = item.aligned(offset)
        kind, size = item.kind, item.size
        if offset + size > len(data):
            raise _ProblemError(b"bad argument #2 to 'unpack' (data string too short)")
        if kind == b"s":
            end = data.find(b"\0", offset)
            if end < 0:
                raise _ProblemError(b"unfinished string in data")
            results.append(data[offset:end])
            offset = end + 1
            continue
        if kind == b"c":
            if size == 0:
                if not results or type(results[-1]) not in (int, float):
                    raise _ProblemError(b"format 'c0' needs a previous size")
                size = int(results.pop())
                if size < 0 or offset + size > len(data):
                    raise _ProblemError(b"bad argument #2 to 'unpack' (data string too short)")
            results.append(data[offset : offset + size])
        elif kind in (b"f", b"d"):
            form = (">" if item.byte_order == "big" else "<") + kind.decode()
            results.append(struct.unpack_from(form, data, offset)[0])
        elif kind != b"x":
            number = int.from_bytes(data[offset : offset + size], item.byte_order) & 0xFFFFFFFFFFFFFFFF
            bits = min(8 * size, 64)
            if kind.islower() and bits and number >> (bits - 1) & 1:
                number -= 1 << bits
            results.append(float(number) if abs(number) > 1 << 53 else number)
        offset += size
    return (*results, offset + 1)


def _size(*args: Any) -> int:
    offset = 0
    for item in _items(b"size", _arguments(b"size", args)):
        offset = item.aligned(offset)
        if item.kind == b"s":
            raise _ProblemError(b"bad argument #1 to 'size' (option 's' has no fixed size)")
        if item.kind == b"c" and item.size == 0:
            raise _ProblemError(b"bad argument #1 to 'size' (option 'c0' has no fixed size)")
        offset += item.size
    return offset


def _answering(action: Callable[..., Any]) -> Callable[..., Answer]:
    def run(*args: Any) -> Answer:
        try:
            result = action(*args)
        except _ProblemError as problem:
            return False, problem.args[0]
        except Exception:  # too large a size, say
            return False, b"invalid format"
        return (True, *result) if type(result) is tuple else (True, result)

    return run


FUNCTIONS: Final[dict[bytes, Callable[..., Answer]]] = {
    b"pack": _answering(_pack),
    b"unpack": _answering(_unpack),
    b"size": _answering(_size),
}


def pack_double(number: float) -> bytes:
    """A double as MessagePack writes it."""
    return struct.pack(">Bd", 0xCB, number)


def pack_float(number: float) -> bytes | None:
    """The same in single precision, or None where that would lose something."""
    try:
        data = struct.pack(">Bf", 0xCA, number)
    except OverflowError:
        return None
    return data if struct.unpack_from(">f", data, 1)[0] == number else None


def unpack_double(data: bytes) -> float:
    """Eight bytes of MessagePack."""
    return float(struct.unpack(">d", data)[0])


def unpack_float(data: bytes) -> float:
    """Four bytes of MessagePack."""
    return float(struct.unpack(">f", data)[0])
