"""Values of every type, and what there is in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st

from twisted_resp.values.hash import Hash
from twisted_resp.values.limits import Limits
from twisted_resp.values.list import List
from twisted_resp.values.set import Set
from twisted_resp.values.sorted_set import SortedSet
from twisted_resp.values.stream import Stream

NUMBERS = st.one_of(
    st.integers(-200, 200),
    st.integers(-(2**63), 2**63 - 1),
    st.builds(
        lambda bits, offset: max(-(2**63), min(2**63 - 1, (1 << bits) + offset)),
        st.integers(5, 63),
        st.integers(-2, 2),
    ),
)
TEXTS = st.one_of(
    st.binary(max_size=12),
    NUMBERS.map(lambda number: b"%d" % number),
    st.binary(min_size=60, max_size=140),
    st.builds(lambda byte, size: byte * size, st.sampled_from([b"x", b"\xff"]), st.integers(4000, 17000)),
    st.sampled_from([b"", b"-0", b"+1", b"01", b"1.5", b"-", b"9223372036854775808", b"nan"]),
)
IDS = st.tuples(st.one_of(st.integers(0, 50), st.integers(0, 2**64 - 1)), st.integers(0, 2**64 - 1))
TIMES = st.integers(1, 2**41)


def make_limits(small: bool) -> Limits:
    limits = Limits()
    if small:
        limits.hash_max_listpack_entries = 3
        limits.set_max_listpack_entries = 3
        limits.set_max_intset_entries = 3
        limits.zset_max_listpack_entries = 3
        limits.list_max_listpack_size = 3
        limits.stream_node_max_entries = 4
        limits.quicklist_packed_threshold = 100
    return limits


@st.composite
def hashes(draw: Any, limits: Limits) -> Hash:
    made = Hash(limits)
    for field, value in draw(st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=8)).items():
        made.set(field, value)
    if draw(st.booleans()):
        made.prepare_expiry()
        for field in made.fields():
            if draw(st.booleans()):
                made.set_expiry(field, draw(TIMES))
    return made


@st.composite
def streams(draw: Any, limits: Limits) -> Stream:
    made = Stream(limits)
    ids = sorted(draw(st.sets(IDS.filter(any), max_size=12)))
    names = draw(st.lists(TEXTS, min_size=1, max_size=3))
    for entry_id in ids:
        if draw(st.booleans()):
            fields = [word for name in names for word in (name, draw(TEXTS))]
        else:
            fields = draw(st.lists(TEXTS, min_size=2, max_size=4).filter(lambda words: len(words) % 2 == 0))
        made.append(entry_id, tuple(fields))
    for entry_id in ids:
        if draw(st.integers(0, 5)) == 0:
            made.delete(entry_id)
    for name in draw(st.sets(TEXTS, max_size=2)):
        group = made.create_group(name, draw(IDS), draw(st.integers(-1, 2**62)))
        assert group is not None
        for consumer_name in draw(st.sets(TEXTS, max_size=2)):
            consumer = group.create_consumer(consumer_name, draw(TIMES))
            assert consumer is not None
            consumer.active_time = draw(st.one_of(st.just(-1), TIMES))
            for entry_id in draw(st.sets(IDS, max_size=4)):
                group.assign(entry_id, consumer, draw(TIMES), draw(st.integers(0, 2**63 - 1)))
    return made


@st.composite
def any_value(draw: Any) -> Any:
    limits = make_limits(draw(st.booleans()))
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return draw(TEXTS)
    if kind == 1:
        return List.of(limits, draw(st.lists(TEXTS, min_size=1, max_size=12)))
    if kind == 2:
        members = draw(
            st.one_of(
                st.sets(TEXTS, min_size=1, max_size=8),
                st.sets(NUMBERS.map(lambda number: b"%d" % number), min_size=1, max_size=8),
            )
        )
        return Set.of(limits, members)
    if kind == 3:
        scores = st.one_of(st.floats(allow_nan=False), st.integers(-1000, 1000).map(float))
        return SortedSet.of(limits, draw(st.dictionaries(TEXTS, scores, min_size=1, max_size=8)).items())
    return draw(hashes(limits) if kind == 4 else streams(limits))


def contents_of(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, Set):
        return set(value)
    if isinstance(value, Hash):
        return {field: (content, value.expiry(field)) for field, content in value.items()}
    if isinstance(value, Stream):
        return (
            list(value),
            (value.last_id, value.max_deleted_id, value.entries_added),
            [
                (
                    (group.name, group.last_id, group.entries_read),
                    [
                        (
                            (consumer.name, consumer.seen_time, consumer.active_time),
                            [
                                (entry_id, nack.delivery_time, nack.delivery_count)
                                for entry_id, nack in consumer.pending.walk()
                            ],
                        )
                        for consumer in group.sorted_consumers()
                    ],
                    [entry_id for entry_id, _ in group.pending.walk()],
                )
                for group in value.sorted_groups()
            ],
        )
    return list(value)


@pytest.fixture(scope="session")
def values() -> st.SearchStrategy[Any]:
    """Values of every type, in every encoding."""
    return any_value()


@pytest.fixture(scope="session")
def contents() -> Callable[[Any], Any]:
    """Gives what is in a value, to be compared."""
    return contents_of
