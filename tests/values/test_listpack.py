"""Sizes of listpack elements, against the documented layout of the format."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twisted_resp.values.listpack import (
    HEADER_BYTES,
    canonical_integer,
    entry_bytes,
    listpack_bytes,
    rough_entry_bytes,
)


def backlen(size: int) -> int:
    """The backlen stores 7 bits a byte; Redis leaves out the last two values of each length but the first."""
    for length, end in ((1, 128), (2, 16383), (3, 2097151), (4, 268435455)):
        if size < end:
            return length
    return 5


INTEGERS = {
    1: (0, 1, 9, 10, 127),
    2: (128, -1, -10, 4095, -4096),
    3: (4096, -4097, 32767, -32768),
    4: (32768, -32769, 8388607, -8388608),
    5: (8388608, -8388609, 2147483647, -2147483648),
    9: (2147483648, -2147483649, 2**63 - 1, -(2**63)),
}


@pytest.mark.parametrize(
    ("value", "encoded"), [(value, encoded) for encoded, values in INTEGERS.items() for value in values]
)
def test_integers(value: int, encoded: int) -> None:
    assert entry_bytes(b"%d" % value) == encoded + 1


@pytest.mark.parametrize(
    ("size", "header"),
    [(0, 1), (1, 1), (63, 1), (64, 2), (125, 2), (126, 2), (4095, 2), (4096, 5), (70000, 5)],
)
def test_strings(size: int, header: int) -> None:
    assert entry_bytes(b"x" * size) == header + size + backlen(header + size)


@pytest.mark.parametrize("size", [16376, 16377, 16378, 2097145, 2097146])
def test_long_backlens(size: int) -> None:
    assert entry_bytes(bytes(size)) == 5 + size + backlen(5 + size)


NOT_CANONICAL = (
    *(b"", b"-", b"-0", b"00", b"01", b"-01", b"+1", b" 1", b"1 ", b"1.0", b"1_0", b"--1", b"x", b"1x", b"/"),
    *(b"\xb2", b"9223372036854775808", b"-9223372036854775809", b"18446744073709551616", b"1" + b"0" * 20),
)


@pytest.mark.parametrize("data", NOT_CANONICAL)
def test_not_canonical(data: bytes) -> None:
    assert canonical_integer(data) is None
    assert entry_bytes(data) == len(data) + 2


@given(st.one_of(st.binary(max_size=24), st.text("0123456789-", max_size=22).map(str.encode)))
@example(b"9223372036854775807")
@example(b"-9223372036854775808")
def test_canonical_means_reversible(data: bytes) -> None:
    expected: int | None
    try:
        expected = int(data)
        if b"%d" % expected != data or not -(2**63) <= expected < 2**63:
            expected = None
    except ValueError:
        expected = None
    assert canonical_integer(data) == expected


@given(st.one_of(st.binary(max_size=40), st.integers().map(b"%d".__mod__), st.integers(0, 9000).map(bytes)))
@example(bytes(125))
@example(bytes(126))
@example(bytes(4096))
def test_rough_is_an_upper_bound(data: bytes) -> None:
    assert rough_entry_bytes(data) >= entry_bytes(data)
    if len(data) < 32 and canonical_integer(data) is None:
        assert rough_entry_bytes(data) == entry_bytes(data)


def test_whole() -> None:
    assert listpack_bytes([]) == HEADER_BYTES == 7
    assert listpack_bytes([b"a", b"1", b"hello"]) == 7 + 3 + 2 + 7
