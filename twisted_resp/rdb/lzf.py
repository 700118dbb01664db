"""LZF, the compression of strings in RDB files: http://software.schmorp.de/pkg/liblzf.html

Compressed data is a sequence of literal runs (a byte below 32, one less than their length, and the bytes) and of
references to what is already there (three bits of length, 13 bits of distance, another byte of length if the
three bits are all set).
"""

from __future__ import annotations

from typing import Final

from twisted_resp.rdb.format import RdbError

__all__ = ["compress", "decompress"]

# The most that three bytes of input can become.
_LONGEST_MATCH: Final = 264
_FARTHEST: Final = 8192
_LONGEST_RUN: Final = 32


def decompress(data: bytes, length: int) -> bytes:
    """Return what was compressed.

    :param length: its length in bytes, as it was announced; nothing is allocated for the announcement.
    :raises RdbError: the data make no sense, or are not that long.
    """
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


def compress(data: bytes) -> bytes:
    """Return the data compressed; not necessarily shorter.

    Written for few lines, not for speed: at each place the last one with the same three bytes is tried.
    """
    out = bytearray()
    seen: dict[bytes, int] = {}
    size = len(data)
    literal = position = 0
    while position < size:
        window = data[position : position + 3]
        place = seen.get(window, -1) if len(window) == 3 else -1
        seen[window] = position
        if place < 0 or position - place > _FARTHEST:
            position += 1
            continue
        count = 3
        most = min(_LONGEST_MATCH, size - position)
        while count < most and data[place + count] == data[position + count]:
            count += 1
        _put_literals(out, data[literal:position])
        distance = position - place - 1
        if count < 9:
            out.append((count - 2) << 5 | distance >> 8)
        else:
            out += bytes((7 << 5 | distance >> 8, count - 9))
        out.append(distance & 0xFF)
        position += count
        literal = position
    _put_literals(out, data[literal:])
    return bytes(out)


def _put_literals(out: bytearray, data: bytes) -> None:
    for start in range(0, len(data), _LONGEST_RUN):
        run = data[start : start + _LONGEST_RUN]
        out.append(len(run) - 1)
        out += run
