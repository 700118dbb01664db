"""LZF: what was compressed comes back, and what makes no sense is an RdbError."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_resp.rdb import lzf
from twisted_resp.rdb.format import RdbError
from twisted_resp.rdb.lzf import compress, decompress

# In Python, and by the C library where that is installed.
LIBRARIES = [None] if lzf.library is None else [None, lzf.library]


@pytest.fixture(params=LIBRARIES, ids=str)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lzf, "library", request.param)


def by_each() -> Iterator[None]:
    """Let each do it in turn, within one test: those of Hypothesis can't have parametrized fixtures here."""
    with pytest.MonkeyPatch.context() as patch:
        for each in LIBRARIES:
            patch.setattr(lzf, "library", each)
            yield


REPETITIVE = st.lists(st.sampled_from([b"a", b"bcd", b"x" * 300, b"0123456789" * 40])).map(b"".join)


@given(st.one_of(st.binary(max_size=600), REPETITIVE))
def test_round_trip(data: bytes) -> None:
    for _ in by_each():
        for room in (None, len(data) + 40, len(data) - 4):
            compressed = compress(data, room)
            if compressed is not None:
                assert decompress(compressed, len(data)) == data
                assert room is None or len(compressed) <= room
            else:
                assert room == len(data) - 4


@pytest.mark.usefixtures("library")
def test_it_compresses() -> None:
    data = b"ab" * 50_000
    compressed = compress(data)
    assert compressed is not None
    assert len(compressed) < 2000
    assert decompress(compressed, len(data)) == data


@pytest.mark.usefixtures("library")
def test_what_is_not_worth_it() -> None:
    assert compress(bytes(range(100)), 95) is None
    assert compress(b"", 0) == b""
    text = b"one two three, one two three"
    compressed = compress(text, len(text) - 1)
    assert compressed is not None
    assert len(compressed) < len(text)
    assert compress(text, len(compressed) - 1) is None


@pytest.mark.usefixtures("library")
def test_references_that_overlap_themselves() -> None:
    # One literal, then a reference to it of the greatest length.
    assert decompress(b"\x00a\xe0\xff\x00", 265) == b"a" * 265
    assert decompress(b"\x01ab\x60\x01", 7) == b"abababa"


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("data", "length"),
    [
        (b"\x05abc", 6),  # a literal run that ends early
        (b"\x00a\x20", 4),  # a reference without its distance
        (b"\x00a\xe0", 4),
        (b"\x00a\xe0\x00", 10),
        (b"\x00a\x20\x01", 4),  # beyond the beginning
        (b"\x00a", 2),
        (b"\x01ab", 1),
        (b"", 1),
    ],
)
def test_nonsense(data: bytes, length: int) -> None:
    with pytest.raises(RdbError):
        decompress(data, length)


@given(st.binary(max_size=60), st.integers(0, 10000))
def test_nothing_else_is_raised(data: bytes, length: int) -> None:
    for _ in by_each():
        try:
            assert len(decompress(data, length)) == length
        except RdbError:
            pass
