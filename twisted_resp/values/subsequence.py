"""The longest common subsequence of two strings, for LCS.

Theory of operation. Instead of the usual table of lengths L[i, j] (of the first i bytes of one string and the
first j of the other) there is one long integer a row, whose bit j - 1 is 0 where L[i, j] is one more than
L[i, j - 1]. The next row follows from it in four operations on long integers (Crochemore, Iliopoulos, Pinzon
and Reid, 2001). For the way back the bits are enough: where the bytes differ, the longer of L[i - 1, j] and
L[i, j - 1] can be told from bit j - 1 of row i, since L[i, j] is that longer one.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

__all__ = ["Match", "common_length", "common_matches"]


class Match(NamedTuple):
    """A run of bytes that two strings share: where it begins in each, and its length."""

    first: int
    second: int
    length: int


def common_length(a: bytes, b: bytes) -> int:
    """Return the length of the longest common subsequence."""
    everything = (1 << len(b)) - 1
    places = _places(b)
    row = everything
    for byte in a:
        matching = row & places.get(byte, 0)
        row = (row + matching | row - matching) & everything
    return bin(row ^ everything).count("1")


def common_matches(a: bytes, b: bytes) -> list[Match]:
    """Return the runs that make up the longest common subsequence, last ones first.

    Of several longest ones it is that which Redis finds, which goes back in ``b`` if it can.
    """
    everything = (1 << len(b)) - 1
    places = _places(b)
    row = everything
    rows = [row]
    for byte in a:
        matching = row & places.get(byte, 0)
        row = (row + matching | row - matching) & everything
        rows.append(row)
    matches: list[Match] = []
    i, j = len(a), len(b)
    run = 0
    while i and j:
        if a[i - 1] == b[j - 1]:
            run += 1
            i -= 1
            j -= 1
            continue
        if run:
            matches.append(Match(i, j, run))
            run = 0
        if rows[i] >> j - 1 & 1:
            j -= 1
        else:
            i -= 1
    if run:
        matches.append(Match(i, j, run))
    return matches


def _places(text: bytes) -> dict[int, int]:
    """Return for each byte of a text the bits of the places where it stands."""
    return {byte: int(text[::-1].translate(_only(byte)), 2) for byte in set(text)}


@cache
def _only(byte: int) -> bytes:
    """Return the table that makes a 1 of one byte, and a 0 of all others."""
    return bytes(49 if other == byte else 48 for other in range(256))
