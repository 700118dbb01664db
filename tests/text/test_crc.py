"""Checksums: the published check values, a plain model, and redis-server's DUMP."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_resp.text.crc import crc16, crc64, crc64_in_python, key_slot, library

# The one that is taken, by a library where there is one; and the one that is taken without.
EACH = [crc64] if library() is None else [crc64, crc64_in_python]


def test_check_values() -> None:
    assert crc64(b"123456789") == 0xE9C6D914C4B8D9CA
    assert crc64(b"") == 0
    assert crc64(b"", 7) == 7
    assert crc16(b"123456789") == 0x31C3
    assert crc16(b"") == 0


def bit_by_bit(data: bytes, crc: int) -> int:
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x95AC9329AC4BC9B5 if crc & 1 else 0)
    return crc


@given(st.binary(max_size=100), st.integers(0, 2**64 - 1))
def test_agrees_with_division_bit_by_bit(data: bytes, crc: int) -> None:
    for crc_of in EACH:
        assert crc_of(data, crc) == bit_by_bit(data, crc)


@pytest.mark.parametrize("length", [16383, 16384, 16385, 40000, 65536, 100_001])
def test_long_data_is_no_different(length: int) -> None:
    data = random.Random(length).getrandbits(8 * length).to_bytes(length, "little")
    for crc_of in EACH:
        in_short_pieces = 0xFEDCBA9876543210
        for start in range(0, length, 1000):
            in_short_pieces = crc64_in_python(data[start : start + 1000], in_short_pieces)
        assert crc_of(data, 0xFEDCBA9876543210) == in_short_pieces


@given(st.binary(max_size=100_000), st.integers(0, 100_000))
@settings(deadline=None, max_examples=20)
def test_continues_where_it_stopped(data: bytes, place: int) -> None:
    for crc_of in EACH:
        assert crc_of(data[place:], crc_of(data[:place])) == crc_of(data)


@pytest.mark.parametrize(
    ("key", "tag"),
    [
        (b"{user1000}.following", b"user1000"),
        (b"foo{}{bar}", None),
        (b"foo{{bar}}zap", b"{bar"),
        (b"foo{bar}{zap}", b"bar"),
        (b"foo}{bar", None),
        (b"}{a}", b"a"),
        (b"{", None),
        (b"", None),
    ],
)
def test_hash_tags(key: bytes, tag: bytes | None) -> None:
    assert key_slot(key) == crc16(key if tag is None else tag) % 16384


@pytest.mark.parametrize(("key", "slot"), [(b"foo", 12182), (b"bar", 5061), (b"x{hello}y", 866)])
def test_slots(key: bytes, slot: int) -> None:
    assert key_slot(key) == slot


@pytest.mark.parametrize("length", [0, 1, 100, 20_000, 50_000])
def test_dump_of_redis_server_ends_with_the_checksum(redis: Any, length: int) -> None:
    redis(b"CONFIG", b"SET", b"rdbcompression", b"no")
    redis(b"SET", b"key", random.Random(length).getrandbits(8 * length or 1).to_bytes(length or 1, "little"))
    dump = redis(b"DUMP", b"key")
    assert len(dump) > length
    assert crc64(dump[:-8]) == int.from_bytes(dump[-8:], "little")
