"""Whole files: what is written comes back, what others write is read, what is damaged is refused with its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_resp.rdb.encodings import pack_listpack
from twisted_resp.rdb.file_reader import FileReader
from twisted_resp.rdb.file_writer import FileWriter
from twisted_resp.rdb.format import NEWEST, RdbError
from twisted_resp.rdb.stream_writer import stream_payload
from twisted_resp.rdb.strings import length_of, plain_string
from twisted_resp.text.crc import crc64
from twisted_resp.values.limits import Limits
from twisted_resp.values.stream import Stream

NOISE = bytes(range(256))


def written(*keys: tuple[Any, ...], version: int = NEWEST, checksum: bool = True) -> bytes:
    """A file with these keys (arguments of `FileWriter.key`) in database 3."""
    parts: list[bytes] = []
    writer = FileWriter(parts.append, version, checksum)
    writer.aux(b"redis-ver", b"7.4.1")
    writer.function(b"#!lua name=x")
    writer.database(3, len(keys), 0)
    for key in keys:
        writer.key(*key)
    writer.finish()
    return b"".join(parts)


def sealed(content: bytes, magic: bytes = b"REDIS0012") -> bytes:
    """A file with this in it."""
    content = magic + content + b"\xff"
    return content + crc64(content).to_bytes(8, "little")


def test_a_file_to_the_byte() -> None:
    data = written((b"k", b"v", 1), version=10)
    assert data[:-8] == (
        b"REDIS0010\xfa\x09redis-ver\x057.4.1\xf5\x0c#!lua name=x\xfe\x03\xfb\x01\x00"
        b"\xfc\x01\0\0\0\0\0\0\0\x00\x01k\x01v\xff"
    )
    assert int.from_bytes(data[-8:], "little") == crc64(data[:-8])


def test_what_comes_back() -> None:
    data = written((b"a", b"1"), (b"b", b"2", 12345), (b"c", b"3", None, 70), (b"d", b"4", 1, None, 9))
    reader = FileReader(data + b"what follows", Limits())
    assert list(reader) == [
        (3, b"a", b"1", None, None, None),
        (3, b"b", b"2", 12345, None, None),
        (3, b"c", b"3", None, 70, None),
        (3, b"d", b"4", 1, None, 9),
    ]
    assert reader.version == NEWEST
    assert reader.aux == {b"redis-ver": b"7.4.1"}
    assert reader.functions == [b"#!lua name=x"]
    assert reader.end == len(data)


@given(data=st.data())
def test_round_trip(
    values: st.SearchStrategy[Any], contents: Callable[[Any], Any], data: st.DataObject
) -> None:
    keys = data.draw(st.dictionaries(st.binary(max_size=20), values, max_size=4))
    found = {record.key: record.value for record in FileReader(written(*keys.items()), Limits())}
    assert {key: contents(value) for key, value in found.items()} == {
        key: contents(value) for key, value in keys.items()
    }


def test_large_files_are_written_piece_by_piece() -> None:
    sizes: list[int] = []
    writer = FileWriter(lambda data: sizes.append(len(data)))
    writer.database(0, 100, 0)
    for number in range(100):
        writer.key(b"%d" % number, b"x" * 100_000)
    writer.finish()
    assert len(sizes) > 5
    assert max(sizes) < 1_300_000


def test_without_a_checksum() -> None:
    data = written((b"a", b"1"), checksum=False)
    assert data[-8:] == bytes(8)
    assert len(list(FileReader(data, Limits()))) == 1


def test_a_wrong_checksum() -> None:
    data = written((b"a", b"value"))
    damaged = data.replace(b"value", b"Value")
    with pytest.raises(RdbError, match="RDB CRC error"):
        list(FileReader(damaged, Limits()))
    assert len(list(FileReader(damaged, Limits(), checksum=False))) == 1


def test_a_wrong_checksum_with_zeros_behind_it() -> None:
    data = written((b"a", b"value"))
    assert len(list(FileReader(data + bytes(8), Limits()))) == 1
    with pytest.raises(RdbError, match="RDB CRC error"):
        list(FileReader(data.replace(b"value", b"Value") + bytes(8), Limits()))


def test_version_1() -> None:
    # Before version 5 there is no checksum; a time is in seconds.
    data = b"REDIS0001\xfe\x00\xfd\x10\0\0\0\x00\x01k\x01v\xff"
    reader = FileReader(data, Limits())
    assert list(reader) == [(0, b"k", b"v", 16000, None, None)]
    assert reader.end == len(data)


def test_a_damaged_value_is_told_by_its_kind() -> None:
    for kind, name in ((b"\x0c", "Zset ziplist"), (b"\x10", "Hash listpack"), (b"\x09", "Zipmap")):
        with pytest.raises(RdbError, match=f"at byte 17: {name} integrity check failed: "):
            list(FileReader(sealed(kind + b"\x01k" + b"\x04abcd"), Limits()))


def test_what_is_passed_over() -> None:
    name = 0
    for character in b"examples-":
        name = name << 6 | b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".index(
            character
        )
    parts = [b"\x02\x02", b"\x01\x05", b"\x031234", b"\x0412345678", b"\x05\x03abc", b"\x00"]
    module = b"\xf7" + length_of(name << 10 | 7) + b"".join(parts)
    slots = b"\xf4\x05\x01\x00"
    reader = FileReader(sealed(module + slots + b"\x00\x01k\x01v"), Limits())
    assert [record.key for record in reader] == [b"k"]
    assert reader.modules == [b"examples-"]


def test_valkey_9() -> None:
    """Hashes with fields that expire, and slots on their way, in the versions that are Valkey's own."""
    time = (1 << 40).to_bytes(8, "little")
    hash_2 = b"\x16\x01h\x02" + b"\x01a\x011" + time + b"\x01b\x012" + b"\xff" * 8
    slots = b"\xf3\x03job\x02\x01\x05\x09\x09"
    reader = FileReader(sealed(slots + hash_2 + b"\x00\x01k\x01v", b"VALKEY080"), Limits())
    records = {record.key: record.value for record in reader}
    assert reader.of_valkey
    assert reader.version == 80
    assert records[b"k"] == b"v"
    assert list(records[b"h"].items()) == [(b"a", b"1"), (b"b", b"2")]
    assert records[b"h"].expiries() == {b"a": 1 << 40}


def test_newer_versions_are_read_as_far_as_they_are_known() -> None:
    """Redis 8.6: a stream with producers, and what modules say of a key."""
    stream = Stream(Limits())
    stream.append((1, 1), (b"f", b"v"))
    producers = b"\x32\x0a" + b"\x01\x03ann\x02" + b"\x01i\x01\x01" + b"\x01j\x01\x01" + b"\x02\x00"
    metadata = b"\xf3\x01spec\x02\x05\x00"
    content = metadata + b"\x1a\x01s" + stream_payload(stream, NEWEST) + producers + b"\x00\x01k\x01v"
    reader = FileReader(sealed(content, b"REDIS0013"), Limits())
    records = {record.key: record.value for record in reader}
    assert list(records[b"s"]) == [((1, 1), (b"f", b"v"))]
    assert records[b"k"] == b"v"
    assert reader.marked_keys == 1


def test_compressed() -> None:
    keys = [
        (b"text", b"to be or not to be, " * 20),
        (b"short", b"x" * 20),
        (b"number", b"12"),
        (b"noise", NOISE),
    ]
    sizes = []
    for compress in (False, True):
        parts: list[bytes] = []
        writer = FileWriter(parts.append, compress=compress)
        for key in keys:
            writer.key(*key)
        writer.finish()
        data = b"".join(parts)
        sizes.append(len(data))
        assert [(record.key, record.value) for record in FileReader(data, Limits())] == keys
    assert sizes[1] < sizes[0] - 300


def test_empty_collections_are_left_out() -> None:
    empty = (
        b"\x02\x03set\x00"
        + b"\x10\x04hash"
        + plain_string(pack_listpack([]))
        + b"\xfc"
        + bytes(8)
        + b"\x01\x01l\x00"
    )
    reader = FileReader(sealed(empty + b"\x00\x01k\x01v"), Limits())
    # And with them their times.
    assert list(reader) == [(0, b"k", b"v", None, None, None)]
    assert reader.empty_keys == [b"set", b"hash", b"l"]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "too short"),
        (b"REDIS001", "too short"),
        (b"VALKEY08x", "wrong signature"),
        (b"VALKEY011", "can't handle RDB format version 11"),
        (b"REDIS0080", "can't handle RDB format version 80"),
        (b"REDIS00x1", "wrong signature"),
        (b"REDIS0000", "can't handle RDB format version 0"),
        (b"REDIS9999", "can't handle RDB format version 9999"),
        (b"REDIS0010", "at byte 9: the data end early"),
        (b"REDIS0010\xff1234", "at byte 10: the data end early"),
        (b"REDIS0010\x1b\x01k", "at byte 12: unknown type of value 27"),
        (b"REDIS0010\xf6", "release candidate"),
        (b"REDIS0010\xf7\x01\x09", "unknown part 9"),
        (b"REDIS0010\x00\x05key", "at byte 10: the data end early, 2 bytes are missing"),
    ],
)
def test_damage(data: bytes, sentence: str) -> None:
    with pytest.raises(RdbError, match=sentence):
        list(FileReader(data, Limits()))


def test_every_cut_is_noticed() -> None:
    data = written((b"a", b"1"), (b"l", b"x" * 30, 5))
    for size in range(len(data)):
        with pytest.raises(RdbError):
            list(FileReader(data[:size], Limits()))


@given(st.binary(max_size=60))
def test_nothing_else_is_raised(data: bytes) -> None:
    try:
        list(FileReader(b"REDIS0011" + data, Limits()))
    except RdbError:
        pass
