"""HyperLogLogs in the bytes that Redis stores, so that GET, SET, DUMP and a replica see what they expect.

A header of 16 bytes (``HYLL``, the encoding, three unused bytes, the cached count with its top bit set if
stale) is followed by 16384 registers. *Dense*, they are 6 bits each, the first in the lowest bits. *Sparse*,
they are runs: ``00xxxxxx`` is a run of zeros of x+1 registers, ``01xxxxxx yyyyyyyy`` a longer one, and
``1vvvvvxx`` means x+1 registers of value v+1. Which of the possible sequences of runs stands for some
registers depends on how they came about, and is the same here as in Redis. The count is Ertl's estimate from
the histogram of the registers, https://arxiv.org/abs/1702.01284.

Functions work on `bytearray` in place; those that only read take `bytes` too. All raise ValueError for bytes
that are not what they should be.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from math import inf, sqrt
from typing import Union

__all__ = [
    "add",
    "cached_count",
    "count",
    "count_union",
    "create",
    "describe_sparse",
    "invalidate",
    "is_dense",
    "merge",
    "murmur_hash",
    "registers",
    "to_dense",
    "validate",
]

Data = Union[bytes, bytearray]

_REGISTERS = 1 << 14
_HEADER = 16
_DENSE_SIZE = _HEADER + _REGISTERS * 6 // 8
_ENCODING = 4
_DENSE, _SPARSE = 0, 1
_STALE = 15
_MAX_SPARSE_VALUE = 32
# The greatest value that the hash can yield.
_TOP_VALUE = 51
_ALPHA = 0.721347520444481703680

_MASK64 = 2**64 - 1
_M = 0xC6A4A7935BD1E995
_SEED = 0xADC83B19

_GROUPS = _REGISTERS // 4
_TOPS = int.from_bytes(b"\x80" * _REGISTERS, "little")
_LOW2, _LOW4, _LOW6 = (int.from_bytes(bytes([mask]) * _GROUPS, "little") for mask in (0x03, 0x0F, 0x3F))


def murmur_hash(data: Data, seed: int = _SEED) -> int:
    """Return MurmurHash64A of the data."""
    size = len(data)
    h = (seed ^ size * _M) & _MASK64
    whole = size & ~7
    for start in range(0, whole, 8):
        k = int.from_bytes(data[start : start + 8], "little") * _M & _MASK64
        k ^= k >> 47
        h = (h ^ k * _M & _MASK64) * _M & _MASK64
    if size > whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _MASK64
    h = (h ^ h >> 47) * _M & _MASK64
    return h ^ h >> 47


def _register_of(element: Data) -> tuple[int, int]:
    """Return the register of an element, and the value it asks for."""
    h = murmur_hash(element)
    rest = h >> 14 | 1 << 50
    return h & _REGISTERS - 1, (rest & -rest).bit_length()


def create() -> bytearray:
    """Return an empty HyperLogLog, sparse."""
    return bytearray(b"HYLL\x01" + bytes(11) + b"\x7f\xff")


def validate(data: Data) -> None:
    """Raise ValueError unless the data begins like a HyperLogLog and, if dense, has the right length."""
    if len(data) < _HEADER or data[:4] != b"HYLL" or data[_ENCODING] > _SPARSE:
        raise ValueError("not a HyperLogLog")
    if data[_ENCODING] == _DENSE and len(data) != _DENSE_SIZE:
        raise ValueError("a dense HyperLogLog of the wrong length")


def is_dense(data: Data) -> bool:
    """Return whether the encoding is dense."""
    return data[_ENCODING] == _DENSE


def registers(data: Data) -> bytearray:
    """Return the values of the 16384 registers, one a byte."""
    if data[_ENCODING] == _DENSE:
        return _unpack(data)
    values = bytearray(_REGISTERS)
    index = 0
    for value, span in _runs(data):
        if index + span > _REGISTERS:
            raise ValueError("corrupted sparse HyperLogLog")
        if value:
            values[index : index + span] = bytes([value]) * span
        index += span
    if index != _REGISTERS:
        raise ValueError("corrupted sparse HyperLogLog")
    return values


def to_dense(data: bytearray) -> None:
    """Change the encoding to dense."""
    if data[_ENCODING] != _DENSE:
        data[_HEADER:] = _pack(registers(data))
        data[_ENCODING] = _DENSE


def describe_sparse(data: Data) -> bytes:
    """Return the runs in the notation of PFDEBUG DECODE: ``Z:16384``, ``z:64``, ``v:3,1``."""
    words: list[bytes] = []
    position = _HEADER
    for value, span in _runs(data):
        if value:
            words.append(b"v:%d,%d" % (value, span))
        else:
            words.append((b"Z:%d" if data[position] & 0x40 else b"z:%d") % span)
            position += data[position] >> 6
        position += 1
    return b" ".join(words)


def add(data: bytearray, elements: Iterable[Data], sparse_max_bytes: int) -> int:
    """Add elements, and return how many changed a register.

    A sparse HyperLogLog that would exceed `sparse_max_bytes` becomes dense.
    """
    changed = 0
    writer = None if is_dense(data) else _SparseWriter(data, sparse_max_bytes)
    try:
        for element in elements:
            index, value = _register_of(element)
            if writer is None:
                changed += _set_dense(data, index, value)
            else:
                changed += writer.set(index, value)
                if data[_ENCODING] == _DENSE:
                    writer = None
    finally:
        if writer is not None and changed:
            writer.finish()
    if changed:
        invalidate(data)
    return changed


def merge(data: bytearray, others: Iterable[Data], sparse_max_bytes: int) -> None:
    """Make `data` the union of itself and the others. It becomes dense if one of them is."""
    values = registers(data)
    dense = is_dense(data)
    for other in others:
        dense = dense or is_dense(other)
        values = _greatest(values, registers(other))
    if dense:
        to_dense(data)
        data[_HEADER:] = _pack(values)
    else:
        writer = _SparseWriter(data, sparse_max_bytes)
        for index, value in enumerate(values):
            if value:
                writer.set(index, value)
                if is_dense(data):
                    data[_HEADER:] = _pack(values)
                    break
        else:
            writer.finish()
    invalidate(data)


def invalidate(data: bytearray) -> None:
    """Mark the stored count as stale, as PFADD does with what it creates."""
    data[_STALE] |= 0x80


def cached_count(data: Data) -> int | None:
    """Return the count that was stored, None if it is stale."""
    return None if data[_STALE] & 0x80 else int.from_bytes(data[8:16], "little")


def count(data: bytearray) -> int:
    """Return the estimated number of different elements, and store it in `data` if stale there."""
    cached = cached_count(data)
    if cached is not None:
        return cached
    if is_dense(data):
        histogram = _histogram(_unpack(data))
    else:
        histogram = [0] * 64
        for value, span in _runs(data):
            histogram[value] += span
        if sum(histogram) != _REGISTERS:
            raise ValueError("corrupted sparse HyperLogLog")
    estimate = _estimate(histogram)
    data[8:16] = (estimate & _MASK64).to_bytes(8, "little")
    return estimate


def count_union(many: Iterable[Data]) -> int:
    """Return the estimated number of different elements in all of them together."""
    values = bytearray(_REGISTERS)
    for data in many:
        values = _greatest(values, registers(data))
    return _estimate(_histogram(values))


def _runs(data: Data) -> Iterable[tuple[int, int]]:
    """Walk the runs of a sparse HyperLogLog: value, number of registers."""
    position = _HEADER
    end = len(data)
    while position < end:
        op = data[position]
        position += 1
        if op & 0x80:
            yield (op >> 2 & 31) + 1, (op & 3) + 1
        elif op & 0x40:
            low = data[position] if position < end else 0
            yield 0, ((op & 63) << 8 | low) + 1
            position += 1
        else:
            yield 0, op + 1


def _zeros(length: int) -> bytes:
    if length > 64:
        length -= 1
        return bytes([0x40 | length >> 8, length & 255])
    return bytes([length - 1]) if length else b""


def _values(value: int, length: int) -> bytes:
    return bytes([0x80 | value - 1 << 2 | length - 1]) if length else b""


class _SpanOf(dict[bytes, int]):
    """How many registers a run covers, by its bytes."""

    def __missing__(self, run: bytes) -> int:
        if run[0] & 0x80:
            span = (run[0] & 3) + 1
        elif run[0] & 0x40:
            # The last run may have lost its second byte.
            span = ((run[0] & 63) << 8 | (run[1] if len(run) > 1 else 0)) + 1
        else:
            span = run[0] + 1
        self[run] = span
        return span


_RUN = re.compile(rb"[\x40-\x7f].?|[^\x40-\x7f]", re.DOTALL)
_SPAN_OF = _SpanOf()


class _SparseWriter:
    """Sets registers of a sparse HyperLogLog: cut into its runs, so that a register is found by bisection.

    What was set is in `data` after `finish`.
    """

    def __init__(self, data: bytearray, max_bytes: int) -> None:
        self.data = data
        self.max_bytes = max_bytes
        self.size = len(data)
        self.runs: list[bytes] = _RUN.findall(data, _HEADER)
        #: The first register of each run, and behind them the end.
        self.firsts = list(accumulate(map(_SPAN_OF.__getitem__, self.runs), initial=0))

    def finish(self) -> None:
        """Put the runs back together."""
        self.data[_HEADER:] = b"".join(self.runs)

    def set(self, index: int, value: int) -> bool:
        """Raise the register to `value`; return whether that changed it. It may make the whole dense."""
        if value > _MAX_SPARSE_VALUE:
            return self._promote(index, value)
        runs, firsts = self.runs, self.firsts
        place = bisect_right(firsts, index) - 1
        if place >= len(runs):
            raise ValueError("corrupted sparse HyperLogLog")
        run = runs[place]
        first = firsts[place]
        before, after = index - first, firsts[place + 1] - 1 - index
        op = run[0]
        size = 1
        if op & 0x80:
            current = (op >> 2 & 31) + 1
            if current >= value:
                return False
            left, right = _values(current, before), _values(current, after)
        else:
            size += op >> 6
            left, right = _zeros(before), _zeros(after)
        growth = len(left) + 1 + len(right) - size
        if growth > 0 and self.size + growth > self.max_bytes:
            return self._promote(index, value)
        self.size += growth + size - len(run)
        parts = [_values(value, 1)]
        starts = [index]
        if left:
            parts.insert(0, left)
            starts.insert(0, first)
        if right:
            parts.append(right)
            starts.append(index + 1)
        runs[place : place + 1] = parts
        firsts[place : place + 1] = starts
        self._join(max(place - 1, 0))
        return True

    def _join(self, place: int) -> None:
        """Join runs of the same value, in five looks from the run at this place on."""
        runs, firsts = self.runs, self.firsts
        last = len(runs) - 1
        for _ in range(5):
            if place >= last:
                break
            op, following = runs[place][0], runs[place + 1][0]
            length = (op & 3) + (following & 3) + 2
            if op & 0x80 and op & 0xFC == following & 0xFC and length <= 4:
                runs[place : place + 2] = [bytes([op & 0xFC | length - 1])]
                del firsts[place + 1]
                self.size -= 1
                last -= 1
            else:
                place += 1

    def _promote(self, index: int, value: int) -> bool:
        self.finish()
        to_dense(self.data)
        return _set_dense(self.data, index, value)


def _set_dense(data: bytearray, index: int, value: int) -> bool:
    byte, bit = divmod(index * 6, 8)
    byte += _HEADER
    if bit <= 2:
        current = data[byte] >> bit & 63
        if value <= current:
            return False
        data[byte] = data[byte] & ~(63 << bit) | value << bit
        return True
    pair = data[byte] | data[byte + 1] << 8
    if value <= pair >> bit & 63:
        return False
    pair = pair & ~(63 << bit) | value << bit
    data[byte], data[byte + 1] = pair & 255, pair >> 8
    return True


def _unpack(data: Data) -> bytearray:
    # Three bytes are four registers: each of the three thirds is one big integer, and all groups go at once.
    a, b, c = (int.from_bytes(data[_HEADER + third :: 3], "little") for third in range(3))
    values = bytearray(_REGISTERS)
    for place, register in enumerate(
        (a & _LOW6, a >> 6 & _LOW2 | (b & _LOW4) << 2, b >> 4 & _LOW4 | (c & _LOW2) << 4, c >> 2 & _LOW6)
    ):
        values[place::4] = register.to_bytes(_GROUPS, "little")
    return values


def _pack(values: Data) -> bytearray:
    p, q, r, s = (int.from_bytes(values[place::4], "little") for place in range(4))
    packed = bytearray(_GROUPS * 3)
    for third, register in enumerate(
        (p | (q & _LOW2) << 6, q >> 2 & _LOW4 | (r & _LOW4) << 4, r >> 4 & _LOW2 | s << 2)
    ):
        packed[third::3] = register.to_bytes(_GROUPS, "little")
    return packed


def _greatest(one: Data, other: Data) -> bytearray:
    """Return the greater value of each register."""
    # All at once, in long integers: with the top bit of each byte set, a difference borrows from no other
    # byte, and leaves the bit set where the first value is not the smaller one.
    a, b = int.from_bytes(one, "little"), int.from_bytes(other, "little")
    larger = (a | _TOPS) - b & _TOPS
    chosen = (larger << 1) - (larger >> 7)
    return bytearray((b ^ (a ^ b) & chosen).to_bytes(_REGISTERS, "little"))


def _histogram(values: bytearray) -> list[int]:
    """Return how many registers have each of the values from 0 to 63."""
    histogram = [0] * 64
    missing = _REGISTERS
    for value in range(64):
        histogram[value] = values.count(value)
        missing -= histogram[value]
        if not missing:
            break
    return histogram


def _estimate(histogram: list[int]) -> int:
    m = float(_REGISTERS)
    z = m * _tau((m - histogram[_TOP_VALUE]) / m)
    for value in range(_TOP_VALUE - 1, 0, -1):
        z = (z + histogram[value]) * 0.5
    z += m * _sigma(histogram[0] / m)
    if not z:
        # No elements lead here, but hostile bytes do; this is what C makes of an infinite estimate.
        return -(2**63)
    return int(_ALPHA * m * m / z + 0.5)


def _sigma(x: float) -> float:
    if x == 1.0:
        return inf
    y, z, last = 1.0, x, -1.0
    while z != last:
        x *= x
        last = z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y, z, last = 1.0, 1.0 - x, -1.0
    while z != last:
        x = sqrt(x)
        last = z
        y *= 0.5
        z -= (1.0 - x) ** 2 * y
    return z / 3.0
