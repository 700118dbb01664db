"""Reading the small parts of RDB: bytes, lengths, strings, times."""

from __future__ import annotations

import struct
from mmap import mmap
from typing import Final, Union

from twisted_resp.rdb.format import RdbError
from twisted_resp.rdb.lzf import decompress

__all__ = ["Cursor", "Data"]

#: What can be read: bytes, or a file that was mapped into memory.
Data = Union[bytes, mmap]

_PAIR: Final = struct.Struct(">QQ")
_BIG_4: Final = struct.Struct(">I")
_BIG_8: Final = struct.Struct(">Q")
_INTEGERS: Final = tuple(struct.Struct(form).unpack_from for form in ("<b", "<h", "<i"))
_SIGNED_8: Final = struct.Struct("<q")
_DOUBLE: Final = struct.Struct("<d")

# No data can be compressed to less than this part of their length.
_BEST_COMPRESSION: Final = 88


class Cursor:
    """A place in the data, from which it reads on.

    Its methods raise :class:`RdbError` where the data end early or make no sense.
    """

    __slots__ = ("data", "position", "size")

    def __init__(self, data: Data, position: int = 0) -> None:
        self.data = data
        self.position = position
        self.size = len(data)

    @property
    def left(self) -> int:
        """How many bytes there still are."""
        return self.size - self.position

    def take(self, count: int) -> bytes:
        """The next bytes."""
        start = self.position
        stop = start + count
        if stop > self.size:
            raise RdbError(f"the data end early, {stop - self.size} bytes are missing")
        self.position = stop
        return self.data[start:stop]

    def byte(self) -> int:
        """The next byte as a number."""
        position = self.position
        if position >= self.size:
            raise RdbError("the data end early")
        self.position = position + 1
        return self.data[position]

    def length(self) -> int:
        """A number as lengths are written, up to 64 bits."""
        position, data = self.position, self.data
        if position >= self.size:
            raise RdbError("the data end early")
        self.position = position + 1
        first = data[position]
        if first < 0x40:
            return first
        if first < 0x80:
            return (first & 0x3F) << 8 | self.byte()
        if first == 0x80:
            (number,) = _BIG_4.unpack(self.take(4))
        elif first == 0x81:
            (number,) = _BIG_8.unpack(self.take(8))
        else:
            raise RdbError(f"unknown length encoding {first:#x}")
        return int(number)

    def count(self, least_bytes: int = 1) -> int:
        """The number of elements that follow, each of which takes so many bytes at least."""
        number = self.length()
        if number * least_bytes > self.size - self.position:
            raise RdbError(f"{number} elements are announced where there is no room for them")
        return number

    def string(self) -> bytes:
        """A string in any of its forms; integers as their digits."""
        position = self.position
        if position >= self.size:
            raise RdbError("the data end early")
        first = self.data[position]
        if first < 0xC0:
            if first < 0x40:  # what nearly all are
                start = position + 1
                stop = start + first
                if stop > self.size:
                    raise RdbError(f"the data end early, {stop - self.size} bytes are missing")
                self.position = stop
                return self.data[start:stop]
            return self.take(self.length())
        self.position = position + 1
        form = first & 0x3F
        if form < 3:
            width = 1 << form
            if position + width >= self.size:
                raise RdbError("the data end early")
            self.position = position + 1 + width
            return b"%d" % _INTEGERS[form](self.data, position + 1)[0]
        if form > 3:
            raise RdbError(f"unknown string encoding {form}")
        compressed = self.length()
        length = self.length()
        if length > compressed * _BEST_COMPRESSION:
            raise RdbError("compressed data have another length than announced")
        return decompress(self.take(compressed), length)

    def milliseconds(self) -> int:
        """A time, or another number of 64 bits with sign."""
        (number,) = _SIGNED_8.unpack(self.take(8))
        return int(number)

    def double(self) -> float:
        """A number in binary form."""
        position = self.position
        if position + 8 > self.size:
            raise RdbError("the data end early")
        self.position = position + 8
        number: float = _DOUBLE.unpack_from(self.data, position)[0]
        return number

    def pair(self) -> tuple[int, int]:
        """Two numbers of 64 bits, the greater part first: the id of an entry in a stream."""
        first, second = _PAIR.unpack(self.take(16))
        return first, second
