"""Checksums: the CRC-64 of RDB files and DUMP payloads, and the CRC-16 that maps keys to cluster slots.

Where the distribution `anycrc` is installed, it computes `crc64` a hundred times as fast.

Theory of operation of `crc64` on long data without it, where a loop over the bytes would be some six times slower. The
data is cut into blocks of equal length, whose checksums are computed side by side: a step takes one byte of
each block. The states of all blocks are kept as eight planes, the first with the lowest byte of each state
and so on, so that a step is a look-up with `bytes.translate` and an exclusive or of long integers for each
plane. In the end the checksums are joined: each is moved over a block of zeros (which is linear, and so
another look-up) and the next one is added.
"""

from __future__ import annotations

import struct
from binascii import crc_hqx
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any

__all__ = ["KEY_SLOTS", "crc16", "crc64", "crc64_in_python", "key_slot", "library"]

KEY_SLOTS = 16384

# Jones' polynomial 0xad93d23594c935a9 with its bits reversed, as the bits of the input are.
_POLYNOMIAL = 0x95AC9329AC4BC9B5

# From this length on a call of the library costs less than a loop.
_WORTH_A_CALL = 64
# Where working side by side begins to pay, and the length of its blocks in bytes.
_LONG = 16 * 1024
_BLOCK = 256


def _shift_out(crc: int) -> int:
    for _ in range(8):
        crc = crc >> 1 ^ _POLYNOMIAL if crc & 1 else crc >> 1
    return crc


_TABLE = tuple(_shift_out(byte) for byte in range(256))
# The same, one byte of the entries at a time.
_PLANES = tuple(bytes(entry >> shift & 0xFF for entry in _TABLE) for shift in range(0, 64, 8))


def crc64(data: bytes, crc: int = 0) -> int:
    """Return the CRC-64 (Jones) of RDB files and DUMP payloads, without inversion at either end.

    Args:
        data: the bytes to add to the checksum.
        crc: the checksum of what came before them.
    """
    if len(data) >= _WORTH_A_CALL:
        calculate = library()
        if calculate is not None:
            return calculate(data, crc)
    return crc64_in_python(data, crc)


def crc64_in_python(data: bytes, crc: int = 0) -> int:
    """What `crc64` is where there is no library."""
    if len(data) >= _LONG:
        crc, done = _crc64_side_by_side(data, crc)
        data = data[done:]
    table = _TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc


@lru_cache(maxsize=1)
def library() -> Callable[[bytes, int], int] | None:
    """What computes `crc64` where it is installed. Looked for late: importing it takes as long as a whole start."""
    try:
        model: Any = import_module("anycrc").Model("CRC64-REDIS")
        if model.calc(b"123456789") != crc64_in_python(b"123456789", 0):
            return None
    except Exception:  # it is not there, or is not what we take it for
        return None
    calculate: Callable[[bytes, int], int] = model.calc
    return calculate


def crc16(data: bytes) -> int:
    """Return the CRC-16 (XMODEM) of Redis Cluster's specification."""
    return crc_hqx(data, 0)


def key_slot(key: bytes) -> int:
    """Return the cluster slot of a key: the CRC-16 of its hash tag, or of the whole key, modulo 16384.

    The hash tag is what stands between the first ``{`` and the next ``}``, unless that is nothing.
    See https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/.
    """
    start = key.find(b"{") + 1
    if start:
        end = key.find(b"}", start)
        if end > start:
            key = key[start:end]
    return crc_hqx(key, 0) % KEY_SLOTS


def _crc64_side_by_side(data: bytes, crc: int) -> tuple[int, int]:
    """Return the checksum of as many whole blocks as there are, and their length."""
    blocks = len(data) // _BLOCK
    end = blocks * _BLOCK
    # What came before is the state from which the first block starts.
    states = [crc >> shift & 0xFF for shift in range(0, 64, 8)]
    for offset in range(_BLOCK):
        column = int.from_bytes(data[offset:end:_BLOCK], "little") ^ states[0]
        index = column.to_bytes(blocks, "little")
        entries = [int.from_bytes(index.translate(plane), "little") for plane in _PLANES]
        states = [state ^ entry for state, entry in zip(states[1:], entries)] + entries[7:]
    words = bytearray(8 * blocks)
    for number, state in enumerate(states):
        words[number::8] = state.to_bytes(blocks, "little")
    a, b, c, d, e, f, g, h = _over_a_block()
    crc = 0
    for (state,) in struct.iter_unpack("<Q", words):
        crc = (
            a[crc & 0xFF]
            ^ b[crc >> 8 & 0xFF]
            ^ c[crc >> 16 & 0xFF]
            ^ d[crc >> 24 & 0xFF]
            ^ e[crc >> 32 & 0xFF]
            ^ f[crc >> 40 & 0xFF]
            ^ g[crc >> 48 & 0xFF]
            ^ h[crc >> 56]
            ^ state
        )
    return crc, end


@lru_cache(maxsize=1)
def _over_a_block() -> list[list[int]]:
    """Return the tables, one for each byte of a checksum, that move it over a block of zeros."""
    zeros = bytes(_BLOCK)
    tables = []
    for shift in range(0, 64, 8):
        table = [0]
        for bit in range(shift, shift + 8):
            moved = crc64_in_python(zeros, 1 << bit)
            table += [entry ^ moved for entry in table]
        tables.append(table)
    return tables
