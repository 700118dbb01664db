"""The packed forms: bytes as Redis writes them, round trips, and each thing that is checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_resp.rdb.encodings import (
    as_bytes,
    pack_intset,
    pack_listpack,
    unpack_intset,
    unpack_listpack,
    unpack_ziplist,
    unpack_zipmap,
)
from twisted_resp.rdb.format import RdbError
from twisted_resp.values.listpack import listpack_bytes

ELEMENTS = st.lists(
    st.one_of(
        st.binary(max_size=70),
        st.integers(-(2**63), 2**63 - 1).map(lambda number: b"%d" % number),
        st.integers(-70000, 70000).map(lambda number: b"%d" % number),
        st.sampled_from([120, 125, 126, 127, 128, 4095, 4096, 16378, 16379, 16383, 16384, 2097150]).map(
            bytes
        ),
    ),
    max_size=12,
)


@given(ELEMENTS)
def test_listpacks_come_back(elements: list[bytes]) -> None:
    packed = pack_listpack(elements)
    assert as_bytes(unpack_listpack(packed)) == elements
    assert len(packed) == listpack_bytes(elements)


def test_a_listpack_to_the_byte() -> None:
    # As redis-server 7.0 has it: total bytes, count, then each element with its length.
    assert pack_listpack([b"ab", b"1", b"-2", b"400"]) == (
        b"\x13\x00\x00\x00\x04\x00"
        + b"\x82ab\x03"
        + b"\x01\x01"
        + b"\xdf\xfe\x02"
        + b"\xc1\x90\x02"
        + b"\xff"
    )


@given(st.sets(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_intsets_come_back(numbers: set[int]) -> None:
    ordered = sorted(numbers)
    assert unpack_intset(pack_intset(ordered)) == ordered


def ziplist(*entries: bytes) -> bytes:
    """A ziplist of entries without the length of the one before, which this adds."""
    body = b""
    before = tail = 0
    for entry in entries:
        tail = 10 + len(body)
        whole = (bytes((before,)) if before < 254 else b"\xfe" + before.to_bytes(4, "little")) + entry
        body += whole
        before = len(whole)
    return (
        (11 + len(body)).to_bytes(4, "little")
        + (tail or 10).to_bytes(4, "little")
        + len(entries).to_bytes(2, "little")
        + body
        + b"\xff"
    )


def test_ziplists() -> None:
    entries = [
        (b"\x03abc", b"abc"),
        (b"\x40\x50" + b"m" * 80, b"m" * 80),
        (b"\x80\x00\x00\x01\x00" + b"l" * 256, b"l" * 256),
        (b"\xf1", b"0"),
        (b"\xfd", b"12"),
        (b"\xfe\x80", b"-128"),
        (b"\xc0\x00\x80", b"-32768"),
        (b"\xf0\xff\xff\x7f", b"8388607"),
        (b"\xd0\x00\x00\x00\x80", b"-2147483648"),
        (b"\xe0" + b"\xff" * 7 + b"\x7f", b"9223372036854775807"),
        (b"\x00", b""),
    ]
    data = ziplist(*(packed for packed, _ in entries))
    assert as_bytes(unpack_ziplist(data)) == [element for _, element in entries]
    assert unpack_ziplist(ziplist()) == []


def test_zipmaps() -> None:
    long = b"v" * 300
    data = (
        b"\x02"
        + b"\x01a\x02\x03xx___"
        + b"\x02bc\xfe"
        + (300).to_bytes(4, "little")
        + b"\x00"
        + long
        + b"\xff"
    )
    assert unpack_zipmap(data) == [b"a", b"xx", b"bc", long]
    assert unpack_zipmap(b"\xfe" + data[1:]) == [b"a", b"xx", b"bc", long]  # too many to count
    assert unpack_zipmap(b"\x00\xff") == []


GOOD_LISTPACK = pack_listpack([b"hello", b"12", b"x" * 100, b"100000", b"y" * 5000])
GOOD_ZIPLIST = ziplist(b"\x03abc", b"\xf5", b"\xc0\x01\x02", b"\x80\x00\x00\x01\x00" + b"l" * 256, b"\x01z")
GOOD_ZIPMAP = b"\x01\x03abc\x04\x01defg_\xff"
GOOD_INTSET = pack_intset([1, 2, 70000])


@pytest.mark.parametrize(
    ("unpack", "data"),
    [
        (unpack_listpack, b"\0"),
        (unpack_listpack, GOOD_LISTPACK[:-1]),
        (unpack_listpack, GOOD_LISTPACK + b"\xff"),
        (unpack_listpack, b"\x08" + pack_listpack([])[1:-1] + b"\x01\xff"),  # an element without its length
        (unpack_listpack, b"\x09\0\0\0\x01\0\x01\x02\xff"),  # with a wrong one
        (unpack_listpack, b"\x09\0\0\0\x02\0\x01\x01\xff"),  # another count
        (unpack_listpack, b"\x09\0\0\0\x01\0\xf5\x01\xff"),  # an unknown encoding
        (unpack_listpack, b"\x0d\0\0\0\x01\0\xf0\xff\xff\xff\xff\x00\xff"),  # 4 GB of nothing
        (unpack_ziplist, b""),
        (unpack_ziplist, GOOD_ZIPLIST[:-1] + b"\x00"),
        (unpack_ziplist, GOOD_ZIPLIST.replace(b"\x0a\x00", b"\x0b\x00", 1) + b"\xff"),
        (unpack_ziplist, ziplist(b"\xc1\x00")),  # an unknown encoding
        (unpack_ziplist, ziplist(b"\x05abc")),  # cut off
        (unpack_ziplist, ziplist(b"\x80\xff\xff\xff\xffabc")),
        (unpack_ziplist, ziplist(b"\x01a")[:-4] + b"\x07\x01a\xff"),  # the length of what is before
        (unpack_zipmap, b"\xff"),
        (unpack_zipmap, GOOD_ZIPMAP[:-1]),
        (unpack_zipmap, b"\x02" + GOOD_ZIPMAP[1:]),
        (unpack_zipmap, b"\x01\x03abc\xff"),
        (unpack_zipmap, b"\x01\x03abc\xfe\xff\xff\xff\xff\x00a\xff"),
        (unpack_intset, b""),
        (unpack_intset, GOOD_INTSET[:-1]),
        (unpack_intset, b"\x03" + GOOD_INTSET[1:]),
        (unpack_intset, b"\x02\0\0\0\xff\xff\xff\xff\x01\0"),
        (unpack_intset, pack_intset([1, 2])[:8] + b"\x02\0\x01\0"),  # not in order
        (unpack_intset, pack_intset([1, 2])[:8] + b"\x02\0\x02\0"),  # twice the same
    ],
)
def test_what_is_refused(unpack: Callable[[bytes], Any], data: bytes) -> None:
    with pytest.raises(RdbError):
        unpack(data)


GOOD: list[tuple[Callable[[bytes], Any], bytes]] = [
    (unpack_listpack, GOOD_LISTPACK),
    (unpack_ziplist, GOOD_ZIPLIST),
    (unpack_zipmap, GOOD_ZIPMAP),
    (unpack_intset, GOOD_INTSET),
]


@settings(max_examples=400)
@given(st.sampled_from(GOOD), st.data())
def test_nothing_else_is_raised(case: tuple[Callable[[bytes], Any], bytes], data: st.DataObject) -> None:
    unpack, good = case
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        # Near the beginning more often: that is where the lengths are.
        place = data.draw(st.one_of(st.integers(0, min(40, len(good) - 1)), st.integers(0, len(good) - 1)))
        damaged[place] = data.draw(st.integers(0, 255))
    try:
        unpack(bytes(damaged))
    except RdbError:
        pass


@given(st.sampled_from(GOOD), st.binary(max_size=40))
def test_noise(case: tuple[Callable[[bytes], Any], bytes], data: bytes) -> None:
    try:
        case[0](data)
    except RdbError:
        pass
