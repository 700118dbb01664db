"""Values to payloads and back, and what hostile payloads come to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_resp.rdb import format as rdb
from twisted_resp.rdb.cursor import Cursor
from twisted_resp.rdb.encodings import pack_intset, pack_listpack
from twisted_resp.rdb.format import COMPATIBLE, NEWEST, EmptyValueError, RdbError
from twisted_resp.rdb.lzf import compress
from twisted_resp.rdb.payload import dump, is_intact, load
from twisted_resp.rdb.reader import read_value
from twisted_resp.rdb.strings import length_of, plain_string, string
from twisted_resp.rdb.writer import needed_version, write_value
from twisted_resp.values.hash import Hash
from twisted_resp.values.limits import Limits
from twisted_resp.values.list import List
from twisted_resp.values.stream import Stream
from twisted_resp.values.strings import Plain

Contents = Callable[[Any], Any]


def read(kind: int, payload: bytes, limits: Limits | None = None) -> Any:
    cursor = Cursor(payload)
    value = read_value(cursor, kind, limits or Limits())
    assert not cursor.left
    return value


@given(data=st.data())
def test_round_trip(values: st.SearchStrategy[Any], contents: Contents, data: st.DataObject) -> None:
    value = data.draw(values)
    assert contents(read(*write_value(value, NEWEST))) == contents(value)


@given(data=st.data())
def test_round_trip_of_what_redis_7_0_reads(
    values: st.SearchStrategy[Any], contents: Contents, data: st.DataObject
) -> None:
    value = data.draw(values)
    if needed_version(value) > COMPATIBLE:
        return
    kind, payload = write_value(value)
    assert kind <= rdb.STREAM_2
    if isinstance(value, Stream):
        # That has no times of activity.
        for group in value.groups.values():
            for consumer in group.consumers.values():
                consumer.active_time = consumer.seen_time
    assert contents(read(kind, payload)) == contents(value)


@given(data=st.data())
def test_damaged_payloads(values: st.SearchStrategy[Any], contents: Contents, data: st.DataObject) -> None:
    kind, payload = write_value(data.draw(values), NEWEST)
    damaged = bytearray(payload)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.one_of(st.integers(0, min(60, len(damaged))), st.integers(0, len(damaged))))
        stop = place + data.draw(st.integers(0, 3))
        damaged[place:stop] = data.draw(st.binary(max_size=3))
    try:
        value = read_value(Cursor(bytes(damaged)), kind, Limits())
    except RdbError:
        return
    # What was read is a value like any other.
    assert contents(read(*write_value(value, NEWEST))) == contents(value)


@given(st.integers(0, 30), st.binary(max_size=60))
def test_noise(kind: int, payload: bytes) -> None:
    try:
        read_value(Cursor(payload), kind, Limits())
    except RdbError:
        pass


class TestStrings:
    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"abc", b"\x03abc"),
            (b"", b"\x00"),
            (b"0", b"\xc0\x00"),
            (b"-128", b"\xc0\x80"),
            (b"128", b"\xc1\x80\x00"),
            (b"-32769", b"\xc2\xff\x7f\xff\xff"),
            (b"2147483647", b"\xc2\xff\xff\xff\x7f"),
            (b"2147483648", b"\x0a2147483648"),
            (b"01", b"\x0201"),
            (b"x" * 64, b"\x40\x40" + b"x" * 64),
            (b"x" * 16384, b"\x80\x00\x00\x40\x00" + b"x" * 16384),
        ],
    )
    def test_forms(self, data: bytes, expected: bytes) -> None:
        assert string(data) == expected
        assert Cursor(expected).string() == data

    @pytest.mark.parametrize("value", [b"1.5", Plain(b"1.5"), bytearray(b"1.5")])
    def test_every_form_of_a_stored_string(self, value: bytes | bytearray) -> None:
        assert write_value(value) == (rdb.STRING, b"\x031.5")

    def test_compressed(self) -> None:
        data = b"spam and eggs and spam and eggs and spam" * 10
        packed = compress(data)
        assert packed is not None
        assert Cursor(b"\xc3" + length_of(len(packed)) + length_of(len(data)) + packed).string() == data

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x03ab",
            b"\xc4",
            b"\xc2\x00",
            b"\x82",
            b"\xc3\x01\x80\xff\xff\xff\xff\x00",
            b"\x81" + b"\xff" * 8,
        ],
    )
    def test_nonsense(self, data: bytes) -> None:
        with pytest.raises(RdbError):
            Cursor(data).string()

    @pytest.mark.parametrize("number", [0, 63, 64, 16383, 16384, 2**32 - 1, 2**32, 2**64 - 1])
    def test_lengths(self, number: int) -> None:
        assert Cursor(length_of(number)).length() == number


class TestOldForms:
    """What versions before 7.0 wrote, made by hand."""

    def test_a_plain_list(self) -> None:
        assert list(read(rdb.LIST, b"\x02" + string(b"a") + string(b"7"))) == [b"a", b"7"]

    def test_a_sorted_set_with_scores_as_text(self) -> None:
        payload = b"\x04" + b"\x01a\x031.5" + b"\x01b\xfe" + b"\x01c\xff" + b"\x01d\x02-3"
        assert list(read(rdb.ZSET, payload)) == [
            (b"c", float("-inf")),
            (b"d", -3.0),
            (b"a", 1.5),
            (b"b", float("inf")),
        ]

    def test_a_hash_with_times_of_a_release_candidate(self) -> None:
        value = read(rdb.HASH_METADATA_PRE_GA, b"\x02" + b"\x00\x01a\x01b" + b"\x7f\xff\x01c\x01d")
        assert value.items() == [(b"c", b"d"), (b"a", b"b")]
        assert (value.expiry(b"a"), value.expiry(b"c")) == (None, 16383)
        packed = pack_listpack([b"c", b"d", 5, b"a", b"b", 0])
        value = read(rdb.HASH_LISTPACK_EX_PRE_GA, plain_string(packed))
        assert (value.expiry(b"a"), value.expiry(b"c")) == (None, 5)
        assert value.encoding == b"listpackex"

    def test_a_stream_of_the_first_version(self) -> None:
        new = Stream(Limits())
        new.append((1, 1), (b"a", b"b"))
        new.append((2, 0), (b"a", b"c"))
        new.create_group(b"g", (1, 1), 1)
        _, payload = write_value(new)
        # Without the first id, the greatest deleted id and the two counters.
        old = payload.replace(b"\x02\x02\x00" + b"\x01\x01\x00\x00\x02", b"\x02\x02\x00").replace(
            b"\x01g\x01\x01\x01", b"\x01g\x01\x01"
        )
        value = read(rdb.STREAM, old)
        assert list(value) == list(new)
        assert (value.entries_added, value.max_deleted_id) == (2, (0, 0))
        assert value.groups[b"g"].entries_read == 1


NODE = plain_string((1).to_bytes(8, "big") + (1).to_bytes(8, "big"))
ENTRY = [2, 0, 0, b"v", 4]


def stream(*elements: Any, tail: bytes = b"\x01\x01\x01" + b"\x01\x01\x00\x00\x01" + b"\x00") -> bytes:
    return b"\x01" + NODE + plain_string(pack_listpack(elements)) + tail


GROUP = b"\x01g\x01\x01\x01"
ONE_ENTRY = b"\x01\x01\x01" + b"\x01\x01\x00\x00\x01"
NACK = b"\0" * 7 + b"\x01" + b"\0" * 7 + b"\x01"
DELIVERY = b"\0" * 8 + b"\x01"


def test_a_deleted_entry_may_be_beyond_the_last_id() -> None:
    # XADD s 1-1, XADD s 9-1, XDEL s 9-1, XSETID s 5-1, XADD s 6-1
    value = read(
        rdb.STREAM_2,
        stream(
            2,
            1,
            1,
            b"f",
            0,
            *ENTRY,
            3,
            8,
            0,
            b"v",
            4,
            2,
            5,
            0,
            b"w",
            4,
            tail=b"\x02\x06\x01" + ONE_ENTRY[3:] + b"\0",
        ),
    )
    assert list(value) == [((1, 1), (b"f", b"v")), ((6, 1), (b"f", b"w"))]
    assert value.last_id == (6, 1)


class TestHostile:
    def test_the_stream_that_is_damaged_below(self) -> None:
        value = read(rdb.STREAM_2, stream(1, 0, 1, b"f", 0, *ENTRY))
        assert list(value) == [((1, 1), (b"f", b"v"))]

    @pytest.mark.parametrize(
        ("kind", "payload"),
        [
            (rdb.SET, b"\x02\x01a\x01a"),
            (rdb.SET, b"\x81" + b"\xff" * 8),  # a promise
            (rdb.LIST, b"\x80\xff\xff\xff\xff\x01a"),
            (rdb.ZSET_2, b"\x02\x01a" + b"\0" * 8 + b"\x01a" + b"\0" * 8),
            (rdb.ZSET_2, b"\x01\x01a" + b"\0" * 6 + b"\xf8\x7f"),  # not a number
            (rdb.ZSET, b"\x01\x01a\xfd"),
            (rdb.ZSET, b"\x01\x01a\x03x.5"),
            (rdb.ZSET_LISTPACK, plain_string(pack_listpack([b"a"]))),
            (rdb.ZSET_LISTPACK, plain_string(pack_listpack([b"a", b"b"]))),
            (rdb.ZSET_LISTPACK, plain_string(pack_listpack([b"a", 1, b"a", 2]))),
            (rdb.HASH, b"\x02\x01a\x01b\x01a\x01c"),
            (rdb.HASH_LISTPACK, plain_string(pack_listpack([b"a", b"1", b"b"]))),
            (rdb.HASH_LISTPACK, plain_string(pack_listpack([b"a", b"1", b"a", b"2"]))),
            (rdb.SET_LISTPACK, plain_string(pack_listpack([b"a", b"a"]))),
            (rdb.HASH_METADATA, b"\xff" * 8 + b"\x01\x00\x01a\x01b"),  # a time out of range
            (rdb.HASH_METADATA, b"\0" * 8 + b"\x01\x81" + b"\xff" * 8 + b"\x01a\x01b"),
            (rdb.HASH_LISTPACK_EX, b"\0" * 8 + plain_string(pack_listpack([b"a", b"b"]))),
            (rdb.HASH_LISTPACK_EX, b"\0" * 8 + plain_string(pack_listpack([b"a", b"b", b"c"]))),
            (rdb.HASH_LISTPACK_EX, b"\0" * 8 + plain_string(pack_listpack([b"a", b"b", -5]))),
            (rdb.HASH_LISTPACK_EX, b"\0" * 8 + plain_string(pack_listpack([b"a", b"b", 0, b"c", b"d", 7]))),
            (rdb.LIST_QUICKLIST_2, b"\x01\x03\x01a"),
            (rdb.MODULE_2, b"\x00"),
            (rdb.MODULE_PRE_GA, b"\x00"),
            (8, b""),
            (26, b""),
            # Streams: the node
            (rdb.STREAM_2, stream(1, 0, 1, b"f", 0, *ENTRY).replace(b"\x10", b"\x0f", 1)),
            (rdb.STREAM_2, stream()),
            (rdb.STREAM_2, stream(2, 0, 1, b"f", 0, *ENTRY)),
            (rdb.STREAM_2, stream(1, 1, 1, b"f", 0, *ENTRY)),
            (rdb.STREAM_2, stream(1, 0, 9, b"f", 0, *ENTRY)),
            (rdb.STREAM_2, stream(1, 0, -1, b"f", 0, *ENTRY)),
            (rdb.STREAM_2, stream(1, 0, 1, b"f", 1, *ENTRY)),
            (rdb.STREAM_2, stream(1, 0, 1, b"f", 0, *ENTRY[:-1])),
            (rdb.STREAM_2, stream(1, 0, 1, b"f", 0, *ENTRY[:-1], 5)),
            (rdb.STREAM_2, stream(1, 0, 1, b"f", 0, 2, b"x", 0, b"v", 4)),
            (rdb.STREAM_2, stream(1, 0, 1, b"f", 0, 0, 0, 0, -1, b"v", 4)),
            (rdb.STREAM_2, stream(1, 0, 1, b"f", 0, 2, 0, -1, b"v", 4)),  # before the first one
            (rdb.STREAM_2, stream(2, 0, 1, b"f", 0, *ENTRY, *ENTRY)),  # an id twice
            # its counters
            (rdb.STREAM_2, stream(1, 0, 1, b"f", 0, *ENTRY, tail=b"\x02" + ONE_ENTRY[1:] + b"\0")),
            (rdb.STREAM_2, stream(1, 0, 1, b"f", 0, *ENTRY, tail=b"\x01\x00\x05" + ONE_ENTRY[3:] + b"\0")),
            # its groups
            (rdb.STREAM_2, stream(1, 0, 1, b"f", 0, *ENTRY, tail=ONE_ENTRY + b"\x02" + (GROUP + b"\0\0") * 2)),
            (rdb.STREAM_2, stream(1, 0, 1, b"f", 0, *ENTRY, tail=ONE_ENTRY + b"\x01" + GROUP + b"\x01" + NACK
                                  + DELIVERY + b"\x00")),  # nobody has it
            (rdb.STREAM_2, stream(1, 0, 1, b"f", 0, *ENTRY, tail=ONE_ENTRY + b"\x01" + GROUP + b"\x02"
                                  + (NACK + DELIVERY) * 2 + b"\x00")),
            (rdb.STREAM_2, stream(1, 0, 1, b"f", 0, *ENTRY, tail=ONE_ENTRY + b"\x01" + GROUP + b"\x00"
                                  + b"\x01\x01c" + b"\0" * 8 + b"\x01" + NACK)),  # the group has not
        ],
    )  # fmt: skip
    def test_it_is_refused(self, kind: int, payload: bytes) -> None:
        with pytest.raises(RdbError) as raised:
            read_value(Cursor(payload), kind, Limits())
        assert type(raised.value) is RdbError

    @pytest.mark.parametrize(
        ("kind", "payload"),
        [
            (rdb.LIST, b"\0"),
            (rdb.SET, b"\0"),
            (rdb.HASH, b"\0"),
            (rdb.ZSET_2, b"\0"),
            (rdb.LIST_QUICKLIST_2, b"\0"),
            (rdb.LIST_QUICKLIST_2, b"\x01\x02" + plain_string(pack_listpack([]))),
            (rdb.SET_INTSET, plain_string(pack_intset([]))),
            (rdb.HASH_LISTPACK, plain_string(pack_listpack([]))),
            (rdb.ZSET_LISTPACK, plain_string(pack_listpack([]))),
        ],
    )
    def test_empty_collections(self, kind: int, payload: bytes) -> None:
        with pytest.raises(EmptyValueError):
            read_value(Cursor(payload), kind, Limits())


class TestEncodings:
    def test_a_hash_that_had_times_keeps_room_for_them(self) -> None:
        value = Hash(Limits())
        value.set(b"a", b"b")
        value.prepare_expiry()
        assert read(*write_value(value, NEWEST)).encoding == b"listpackex"

    def test_todays_limits_count(self) -> None:
        value = Hash(Limits())
        value.set_many([b"a", b"b", b"c", b"d"])
        limits = Limits()
        limits.hash_max_listpack_entries = 1
        assert read(*write_value(value), limits).encoding == b"hashtable"

    def test_large_elements_keep_nodes_of_their_own(self) -> None:
        value = List.of(Limits(), [b"a", b"x" * 10000, b"b"])
        again = read(*write_value(value))
        assert again.nodes() == value.nodes()
        assert [plain for plain, _ in again.nodes()] == [False, True, False]


class TestPayloads:
    def test_as_redis_has_it(self) -> None:
        # The example of https://redis.io/docs/latest/commands/dump/
        assert dump(b"10") == b"\x00\xc0\n\n\x00n\x9fWE\x0e\xaec\xbb"

    @given(data=st.data())
    def test_round_trip(self, values: st.SearchStrategy[Any], data: st.DataObject) -> None:
        payload = dump(data.draw(values))
        assert is_intact(payload)
        assert dump(load(payload, Limits()))[:1] != b""

    def test_what_is_not_intact(self) -> None:
        payload = dump(b"value")
        assert is_intact(payload)
        assert not is_intact(b"")
        assert not is_intact(payload[:-1])
        assert not is_intact(b"\x01" + payload[1:])
        assert not is_intact(payload[:-10] + b"\xff\x00" + payload[-8:])

    def test_nothing_in_it(self) -> None:
        with pytest.raises(RdbError):
            load(b"\0" * 10, Limits())
