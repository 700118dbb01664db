"""LZF, the compression of strings in RDB files: http://software.schmorp.de/pkg/liblzf.html

Compressed data is a sequence of literal runs (a byte below 32, one less than their length, and the bytes) and of
references to what is already there (three bits of length, 13 bits of distance, another byte of length if the
three bits are all set).

Where the C library is installed, in form of the distribution ``python-lzf``, it does the work, ten to a hundred times
as fast as Python.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from twisted_resp.rdb.format import RdbError

__all__ = ["compress", "decompress"]

# The most that three bytes of input can become.
_LONGEST_MATCH: Final = 264
_FARTHEST: Final = 8192
_LONGEST_RUN: Final = 32


def _library() -> Any:
    """The C library, if it is there, and is what we take it for: it is not the only module of that name."""
    sample = bytes(40)
    try:
        library = import_module("lzf")
        if library.decompress(library.compress(sample, 30), 40) == sample:
            return library
    except Exception:
        pass
    return None


#: The C library, or None.
library: Any = _library()


def decompress(data: bytes, length: int) -> bytes:
    """Return what was compressed.

    :param length: its length in bytes, as it was announced; it can't be more than 88 times that of the data.
    :raises RdbError: the data make no sense, or are not that long.
    """
    if library is not None and length > 0:
        try:
            out = library.decompress(data, length)
        except ValueError:
            out = None
        if out is not None and len(out) == length:
            return bytes(out)
        # It does not say what is wrong.
    return _decompress(data, length)


def _decompress(data: bytes, length: int) -> bytes:
    out = bytearray()
    size = len(data)
    position = 0
    try:
        while position < size:
            control = data[position]
            position += 1
            if control < 32:
                stop = position + control + 1
                if stop > size:
                    raise RdbError("compressed data end early")
                out += data[position:stop]
                position = stop
            else:
                count = (control >> 5) + 2
                if count == 9:
                    count += data[position]
                    position += 1
                distance = ((control & 31) << 8 | data[position]) + 1
                position += 1
                start = len(out) - distance
                if start < 0:
                    raise RdbError("compressed data refer to what is before their start")
                if distance >= count:
                    out += out[start : start + count]
                else:
                    out += (out[start:] * (count // distance + 1))[:count]
            if len(out) > length:
                break
    except IndexError:
        raise RdbError("compressed data end early") from None
    if len(out) != length:
        raise RdbError("compressed data have another length than announced")
    return bytes(out)


def compress(data: bytes, room: int | None = None) -> bytes | None:
    """Return the data compressed, or None where that takes more than ``room`` bytes.

    :param room: how many bytes the result may have; without it any number.
    """
    if room is None:
        return _compress(data, len(data) + len(data) // _LONGEST_RUN + 1)
    if library is not None and room > 0 and data:
        compressed: bytes | None = library.compress(data, room)
        return compressed
    return _compress(data, room)


def _compress(data: bytes, room: int) -> bytes | None:
    """What :func:`compress` does.

    Written for speed where every step is Python's: matches are of four bytes at least, whose numbers come from
    ``memoryview.cast``, and are looked for within blocks of the distance that a reference can have. How many numbers
    are there more than once says at little cost what can be saved at all.
    """
    size = len(data)
    out = bytearray()
    view = memoryview(data)
    for start in range(0, size, _FARTHEST):
        block = data[start : start + _FARTHEST] if size > _FARTHEST else data
        numbers = _numbers(view[start : start + _FARTHEST])
        saved = len(numbers) - len(set(numbers))
        if saved < len(block) >> 2:
            _put_literals(out, block)
        else:
            _compress_block(out, block, numbers)
        if len(out) > room:
            return None
    return bytes(out) if len(out) <= room else None


def _numbers(view: memoryview) -> list[int]:
    """The four bytes from each place on as a number."""
    size = len(view)
    numbers = [0] * max(0, size - 3)
    for shift in range(min(4, len(numbers))):
        numbers[shift::4] = view[shift : shift + (size - shift) // 4 * 4].cast("I").tolist()
    return numbers


def _compress_block(out: bytearray, data: bytes, numbers: list[int]) -> None:
    first: dict[int, int] = {}
    place_of = first.setdefault
    size = len(data)
    literal = begin = position = place = 0
    last = len(numbers)
    while True:
        for position in range(begin, last):
            place = place_of(numbers[position], position)
            if place != position:
                break
        else:
            break
        most = min(size - position, _LONGEST_MATCH)
        count = 4
        while count < most and data[place + count] == data[position + count]:
            # Where much is the same, it is the same for long.
            if (
                count < 16
                or data[place + count : place + 2 * count] != data[position + count : position + 2 * count]
            ):
                count += 1
            else:
                count *= 2
        count = min(count, most)
        if literal < position:
            _put_literals(out, data[literal:position])
        distance = position - place - 1
        if count < 9:
            out.append((count - 2) << 5 | distance >> 8)
        else:
            out.append(0xE0 | distance >> 8)
            out.append(count - 9)
        out.append(distance & 0xFF)
        literal = begin = position + count
    if literal < size:
        _put_literals(out, data[literal:])


def _put_literals(out: bytearray, data: bytes) -> None:
    size = len(data)
    if size <= _LONGEST_RUN:
        out.append(size - 1)
        out += data
        return
    for start in range(0, size, _LONGEST_RUN):
        run = data[start : start + _LONGEST_RUN]
        out.append(len(run) - 1)
        out += run
