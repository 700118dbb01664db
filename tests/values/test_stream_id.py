from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_resp.values.stream_id import (
    MAX_ID,
    MIN_ID,
    Bound,
    NewId,
    StreamId,
    format_id,
    id_after,
    id_before,
    parse_bound,
    parse_id,
    parse_new_id,
    parse_strict_id,
)

TOP = 2**64 - 1
unsigned = st.one_of(st.integers(0, 5), st.integers(0, TOP), st.integers(TOP - 5, TOP))
ids = st.tuples(unsigned, unsigned)


@given(ids)
def test_written_ids_read_back(entry_id: StreamId) -> None:
    assert parse_id(format_id(entry_id)) == entry_id
    assert parse_strict_id(format_id(entry_id)) == entry_id
    assert parse_bound(b"(" + format_id(entry_id)) == Bound(entry_id, True)


@given(ids)
def test_stepping_is_by_the_smallest_step(entry_id: StreamId) -> None:
    after = id_after(entry_id)
    number = (entry_id[0] << 64) + entry_id[1]
    if after is None:
        assert entry_id == MAX_ID
    else:
        assert (after[0] << 64) + after[1] == number + 1
        assert id_before(after) == entry_id
    assert (id_before(entry_id) is None) == (entry_id == MIN_ID)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"1-2", (1, 2)),
        (b"1", (1, 7)),
        (b"0-0", (0, 0)),
        (b"-", MIN_ID),
        (b"+", MAX_ID),
        (b"18446744073709551615-18446744073709551615", MAX_ID),
        (b"18446744073709551616-0", None),
        (b"1-18446744073709551616", None),
        (b"", None),
        (b"1-", None),
        (b"-1", None),
        (b"1--5", None),
        (b"1-*", None),
        (b"*", None),
        (b"a-1", None),
        (b"1-2-3", None),
        (b"1 -2", None),
        (b"01-+2", (1, 2)),
        (b"0" * 126 + b"1", (1, 7)),
        (b"0" * 127 + b"1", None),
    ],
)
def test_parse_id(text: bytes, expected: StreamId | None) -> None:
    assert parse_id(text, 7) == expected


def test_strict_ids_are_no_special_ids() -> None:
    assert parse_strict_id(b"-") is None
    assert parse_strict_id(b"+") is None
    assert parse_bound(b"(-") is None
    assert parse_bound(b"(") is None
    assert parse_bound(b"-") == Bound(MIN_ID, False)
    assert parse_bound(b"5", TOP) == Bound((5, TOP), False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"1-*", NewId((1, 0), False)),
        (b"1-2", NewId((1, 2), True)),
        (b"1", NewId((1, 0), True)),
        (b"*", None),
        (b"-*", None),
        (b"1-2-*", None),
        (b"1-**", None),
        (b"+", None),
    ],
)
def test_parse_new_id(text: bytes, expected: NewId | None) -> None:
    assert parse_new_id(text) == expected


@given(
    st.text("0123456789-+* ", max_size=8).map(str.encode)
    | st.binary(max_size=6).filter(lambda b: b"\0" not in b)
)
def test_the_same_ids_are_valid_in_redis(reference: Any, text: bytes) -> None:
    try:
        reference.execute_command("XRANGE", "no such key", text, text)
        valid = True
    except Exception as error:
        # "(" before the greatest id is an id, but no range.
        valid = "Invalid stream ID" not in str(error)
    assert (parse_bound(text) is not None) == valid
