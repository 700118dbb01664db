"""The geo commands on the same random calls as a redis-server. (7.0 prints coordinates with more digits.)"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SideBySide = Any  # the fixture of conftest.py

key = st.sampled_from([b"g", b"g", b"g", b"h", b"s", b"none"])
member = st.integers(0, 12).map(b"m%d".__mod__)
# All over the world, around one place, and at its edges.
position = st.one_of(
    st.tuples(st.floats(-180, 180), st.floats(-85.05, 85.05)),
    st.tuples(st.floats(10, 11), st.floats(50, 51)),
    st.sampled_from(
        [(180.0, 85.05112878), (-180.0, -85.05112878), (0.0, 0.0), (179.99, 10.0), (-179.99, 10.0)]
    ),
    st.sampled_from([(181.0, 1.0), (0.0, -86.0)]),
).map(lambda pair: [repr(number).encode() for number in pair])
length = st.one_of(
    st.floats(0, 10000).map(lambda number: repr(number).encode()),
    st.sampled_from([b"0", b"1", b"50", b"500", b"20000", b"-1", b"x"]),
)
unit = st.sampled_from([b"m", b"km", b"KM", b"mi", b"ft", b"ly"])
extras = st.lists(
    st.sampled_from([b"WITHDIST", b"WITHCOORD", b"WITHHASH", b"ASC", b"DESC", b"ANY", b"nonsense"]),
    max_size=3,
)
count = st.sampled_from([[], [], [b"COUNT", b"3"], [b"count", b"100"], [b"COUNT", b"0"], [b"COUNT"]])
center: Any = st.one_of(
    st.tuples(st.just(b"FROMMEMBER"), member), st.tuples(st.just(b"FROMLONLAT"), position), st.just([])
)
shape: Any = st.one_of(
    st.tuples(st.just(b"BYRADIUS"), length, unit),
    st.tuples(st.just(b"BYBOX"), length, length, unit),
    st.just([]),
)
storing: Any = st.one_of(st.just([]), st.tuples(st.sampled_from([b"STORE", b"STOREDIST"]), st.just(b"d")))


def call(name: str, *arguments: Any) -> st.SearchStrategy[list[bytes]]:
    return st.tuples(*arguments).map(lambda words: [name.encode(), *flat(words)])


def flat(words: Any) -> list[bytes]:
    return [words] if isinstance(words, bytes) else [word for item in words for word in flat(item)]


additions = call(
    "GEOADD",
    key,
    st.lists(st.sampled_from([b"NX", b"XX", b"CH"]), max_size=2),
    st.lists(st.tuples(position, member), min_size=1, max_size=4),
)
calls = st.one_of(
    additions,
    additions,
    call("GEODIST", key, member, member, st.lists(unit, max_size=2)),
    call("GEOHASH", key, st.lists(member, max_size=3)),
    call("GEOPOS", key, st.lists(member, max_size=3)),
    call("GEOSEARCH", key, center, shape, extras, count),
    call("GEOSEARCH", key, st.tuples(st.just(b"FROMLONLAT"), position), shape, extras, count),
    call(
        "GEOSEARCHSTORE",
        st.just(b"d"),
        key,
        center,
        shape,
        extras,
        count,
        st.sampled_from([[], [b"STOREDIST"]]),
    ),
    call("GEORADIUS", key, position, length, unit, extras, count, storing),
    call("GEORADIUS_RO", key, position, length, unit, extras, count),
    call("GEORADIUSBYMEMBER", key, member, length, unit, extras, count, storing),
    call("GEORADIUSBYMEMBER_RO", key, member, length, unit, extras, count),
    # Scores that are no positions.
    call("ZADD", key, st.sampled_from([b"-1", b"1e18", b"4503599627370496", b"0.5"]), member),
)


def same(ours: Any, theirs: Any) -> bool:
    """Whether two replies are equal, coordinates and distances nearly."""
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if ours == theirs or not (isinstance(ours, bytes) and isinstance(theirs, bytes)):
        return bool(ours == theirs)
    try:
        return bool(float(ours) == pytest.approx(float(theirs), rel=1e-12, abs=2e-4))
    except ValueError:
        return False


def as_a_set(reply: Any) -> Any:
    return sorted(reply, key=str) if isinstance(reply, list) else reply


@settings(max_examples=100)
@given(
    st.lists(st.tuples(position, member), min_size=1, max_size=13).map(flat),
    st.lists(calls, min_size=1, max_size=20),
)
def test_replies(side_by_side: SideBySide, start: list[bytes], calls: list[list[bytes]]) -> None:
    side_by_side.start()
    side_by_side.check("SET", "s", "x")
    side_by_side.check("GEOADD", "g", *start)
    for words in calls:
        ours, theirs = side_by_side.ask(*words)
        assert same(ours, theirs) or same(as_a_set(ours), as_a_set(theirs)), (words, ours, theirs)
        ours, theirs = side_by_side.ask("ZRANGE", "d", 0, -1, "WITHSCORES")
        assert same(ours, theirs) or same(as_a_set(ours), as_a_set(theirs))
    ours, theirs = side_by_side.ask("ZRANGE", "g", 0, -1, "WITHSCORES")
    assert same(ours, theirs)
