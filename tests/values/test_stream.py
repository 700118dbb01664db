from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twisted_resp.values.limits import Limits
from twisted_resp.values.stream import (
    ACKED,
    DELETED,
    DELREF,
    MAX_ENTRY_BYTES,
    NOT_FOUND,
    STILL_REFERENCED,
    Entry,
    Stream,
)
from twisted_resp.values.stream_groups import UNKNOWN
from twisted_resp.values.stream_id import MAX_ID, MIN_ID, StreamId, format_id

FIELDS = (b"field", b"value")


def filled(limits: Limits, count: int, fields: tuple[bytes, ...] = FIELDS) -> Stream:
    stream = Stream(limits)
    for number in range(1, count + 1):
        stream.append((number, 0), fields)
    return stream


def ids(stream: Stream) -> list[int]:
    return [entry_id[0] for entry_id, _ in stream]


def test_an_empty_stream(limits: Limits) -> None:
    stream = Stream(limits)
    assert len(stream) == 0
    assert stream.first_id == stream.last_id == stream.last_entry_id == MIN_ID
    assert stream.range() == stream.reverse_range() == []
    assert stream.get((1, 0)) is None
    assert not stream.delete((1, 0))
    assert stream.trim_to_length(0) == 0
    assert stream.trim_before(MAX_ID) == 0
    assert (stream.type_name, stream.encoding) == (b"stream", b"stream")


def test_new_ids(limits: Limits) -> None:
    stream = filled(limits, 5)
    assert stream.next_id(7) == (7, 0)
    assert stream.next_id(5) == stream.next_id(3) == (5, 1)
    assert stream.next_id_in(5) == (5, 1)
    assert stream.next_id_in(6) == (6, 0)
    assert stream.next_id_in(4) is None
    stream.last_id = (5, 2**64 - 1)
    assert stream.next_id(5) == (6, 0)
    assert stream.next_id_in(5) is None
    stream.last_id = MAX_ID
    assert stream.next_id(5) is None


def test_too_large_an_entry_is_refused(limits: Limits) -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return MAX_ENTRY_BYTES

    stream = Stream(limits)
    for _ in range(2):
        with pytest.raises(ValueError, match="too large"):
            stream.append((9, 0), (b"f", Huge()))
        stream.append((len(stream) + 1, 0), FIELDS)
    assert len(stream) == 2


def test_approximate_trimming_removes_whole_nodes(limits: Limits) -> None:
    stream = filled(limits, 1000)
    assert stream.trim_to_length(666) == 334
    assert stream.trim_to_length(555) == 111
    assert stream.trim_to_length(444, approximate=True) == 55
    assert len(stream) == 500
    assert stream.trim_to_length(400, approximate=True) == 100
    assert stream.trim_before((700, 0), approximate=True) == 0
    assert stream.trim_before((702, 0), approximate=True) == 100
    assert stream.first_id == (701, 0)
    assert stream.max_deleted_id == MIN_ID


def test_the_limit_of_trimming(limits: Limits) -> None:
    limits.stream_node_max_entries = 10
    stream = filled(limits, 101)
    assert stream.trim_to_length(55, approximate=True, limit=30) == 30
    assert stream.trim_to_length(0, approximate=True, limit=9) == 0


def test_big_entries_fill_nodes_sooner(limits: Limits) -> None:
    stream = filled(limits, 20, (b"field", b"x" * 1000))
    assert [len(node.ids) for node in stream.nodes] == [4, 4, 4, 4, 4]
    limits.stream_node_max_bytes = 0
    for number in range(21, 100):
        stream.append((number, 0), (b"field", b"x" * 1000))
    assert [len(node.ids) for node in stream.nodes] == [4, 4, 4, 4, 83]


def test_zero_max_entries_means_no_maximum(limits: Limits) -> None:
    limits.stream_node_max_entries = limits.stream_node_max_bytes = 0
    assert len(filled(limits, 1000).nodes) == 1


numbers = st.integers(1, 60)
actions = st.lists(
    st.one_of(
        st.tuples(
            st.just("append"),
            st.integers(1, 3),
            st.sampled_from([b"", b"12", b"-70000", b"v" * 30, b"w" * 90]),
        ),
        st.tuples(st.just("delete"), numbers, st.just(b"")),
        st.tuples(st.just("maxlen"), numbers, st.just(b"")),
        st.tuples(st.just("minid"), numbers, st.just(b"")),
    ),
    max_size=60,
)


@given(actions, st.integers(1, 10), st.integers(100, 400), numbers, numbers, st.integers(0, 5))
def test_a_stream_behaves_like_a_list(
    script: list[tuple[str, int, bytes]], max_entries: int, max_bytes: int, low: int, high: int, count: int
) -> None:
    limits = Limits()
    limits.stream_node_max_entries, limits.stream_node_max_bytes = max_entries, max_bytes
    stream = Stream(limits)
    model: list[Entry] = []
    last = 0
    for action, number, value in script:
        if action == "append":
            last += number
            stream.append((last, 0), (b"f", value))
            model.append(((last, 0), (b"f", value)))
        elif action == "delete":
            there = [entry for entry in model if entry[0] == (number, 0)]
            assert stream.delete((number, 0)) == bool(there)
            model = [entry for entry in model if entry not in there]
        elif action == "maxlen":
            assert stream.trim_to_length(number) == max(len(model) - number, 0)
            model = model[-number:]
        else:
            kept = [entry for entry in model if entry[0] >= (number, 0)]
            assert stream.trim_before((number, 0)) == len(model) - len(kept)
            model = kept
        assert len(stream) == len(model)
        assert stream.first_id == (model[0][0] if model else MIN_ID)
        assert stream.last_entry_id == (model[-1][0] if model else MIN_ID)
    assert list(stream) == model
    within = [entry for entry in model if (low, 0) <= entry[0] <= (high, 0)]
    assert stream.range((low, 0), (high, 0)) == within
    assert stream.reverse_range((low, 0), (high, 0)) == within[::-1]
    assert stream.range((low, 0), MAX_ID, count) == [e for e in model if e[0] >= (low, 0)][: count or None]
    assert (
        stream.reverse_range(MIN_ID, (high, 0), count)
        == [e for e in model[::-1] if e[0] <= (high, 0)][: count or None]
    )
    assert stream.get((low, 0)) == dict(model).get((low, 0))
    for node in stream.nodes:
        bound = node.bound
        assert node.measure() <= bound
        assert node.ids
    assert list(stream.copy()) == model


texts = st.one_of(
    st.sampled_from(
        [b"", b"0", b"127", b"128", b"-1", b"-4096", b"4096", b"32768", b"8388608", b"3000000000", b"01"]
    ),
    st.sampled_from(
        [b"9223372036854775807", b"9223372036854775808", b"x" * 62, b"x" * 64, b"x" * 125, b"x" * 126]
    ),
    st.integers(-(2**40), 2**40).map(lambda number: b"%d" % number),
)
entries = st.lists(
    st.tuples(
        st.tuples(st.sampled_from([0, 1, 1, 5000, 40000, 2**33]), st.integers(0, 5000)),
        st.lists(st.tuples(st.sampled_from([b"a", b"7", b"name"]), texts), min_size=1, max_size=4),
        st.booleans(),
    ),
    min_size=20,
    max_size=70,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])
@given(entries, st.integers(0, 60), st.integers(200, 700), st.integers(0, 70), st.booleans())
def test_nodes_end_where_they_end_in_redis(
    reference: Any, script: list[Any], max_entries: int, max_bytes: int, trim: int, by_id: bool
) -> None:
    limits = Limits()
    limits.stream_node_max_entries, limits.stream_node_max_bytes = max_entries, max_bytes
    pipe = reference.pipeline(transaction=False)
    pipe.execute_command(
        "CONFIG", "SET", "stream-node-max-entries", max_entries, "stream-node-max-bytes", max_bytes
    )
    pipe.execute_command("DEL", "s")
    stream = Stream(limits)
    entry_id: StreamId = (0, 0)
    everything = []
    for (step, sequence), pairs, delete in script:
        entry_id = (entry_id[0] + step, sequence) if step else (entry_id[0], entry_id[1] + sequence + 1)
        fields = tuple(text for pair in pairs for text in pair)
        stream.append(entry_id, fields)
        pipe.execute_command("XADD", "s", format_id(entry_id), *fields)
        everything.append(entry_id)
        if delete and len(stream) > 1:
            victim = everything[len(everything) // 3]
            stream.delete(victim)
            pipe.execute_command("XDEL", "s", format_id(victim))
    border = everything[min(trim, len(everything) - 1)]
    pipe.execute_command("XINFO", "STREAM", "s")
    if by_id:
        pipe.execute_command("XTRIM", "s", "MINID", "~", format_id(border))
    else:
        pipe.execute_command("XTRIM", "s", "MAXLEN", "~", trim)
    pipe.execute_command("XRANGE", "s", "-", "+")
    *_, info, trimmed, left = pipe.execute(raise_on_error=False)
    facts = dict(zip(info[::2], info[1::2]))
    assert len(stream.nodes) == facts[b"radix-tree-keys"]
    assert stream.entries_added == facts[b"entries-added"]
    assert format_id(stream.max_deleted_id) == facts[b"max-deleted-entry-id"]
    if by_id:
        assert stream.trim_before(border, approximate=True) == trimmed
    else:
        assert stream.trim_to_length(trim, approximate=True) == trimmed
    assert [[format_id(known), list(fields)] for known, fields in stream] == left


def test_a_saved_node_comes_back_as_it_was(limits: Limits) -> None:
    stream = filled(limits, 150)
    stream.delete((100, 0))
    twin = Stream(limits)
    for node in stream.nodes:
        twin.load_node(node.start, node.names, list(zip(node.ids, node.entries)), node.dead)
    twin.load_node((500, 0), (), [])
    assert list(twin) == list(stream)
    assert [len(node.ids) for node in twin.nodes] == [99, 50]
    twin.append((151, 0), FIELDS)
    assert [len(node.ids) for node in twin.nodes] == [99, 51]


def test_copies_are_independent(limits: Limits) -> None:
    stream = filled(limits, 5)
    group = stream.create_group(b"g", MIN_ID)
    assert group is not None
    consumer = group.create_consumer(b"c", 1)
    assert consumer is not None
    stream.deliver(group, consumer, 10, 3)
    twin = stream.copy()
    stream.delete((1, 0))
    group.acknowledge([(1, 0)])
    stream.append((9, 0), FIELDS)
    assert ids(twin) == [1, 2, 3, 4, 5]
    copied = twin.groups[b"g"]
    assert [known for known, _ in copied.pending.walk()] == [(1, 0), (2, 0), (3, 0)]
    assert copied.pending.get((1, 0)) is copied.consumers[b"c"].pending.get((1, 0))
    assert (copied.last_id, copied.entries_read) == ((3, 0), UNKNOWN if group.entries_read == UNKNOWN else 3)
    assert twin.last_id == (5, 0)


def test_deletion_policies(limits: Limits) -> None:
    stream = filled(limits, 5)
    first = stream.create_group(b"first", MIN_ID)
    second = stream.create_group(b"second", MIN_ID)
    assert first is not None
    assert second is not None
    alice = first.create_consumer(b"alice", 0)
    bob = second.create_consumer(b"bob", 0)
    assert alice is not None
    assert bob is not None
    stream.deliver(first, alice, 0, 4)
    stream.deliver(second, bob, 0, 3)
    assert stream.delete_with_policy((9, 0), ACKED) == NOT_FOUND
    assert stream.delete_with_policy((1, 0), ACKED) == STILL_REFERENCED
    assert stream.acknowledge_and_delete(first, (1, 0), ACKED) == STILL_REFERENCED
    assert stream.acknowledge_and_delete(first, (1, 0), ACKED) == NOT_FOUND
    assert stream.acknowledge_and_delete(second, (1, 0), ACKED) == DELETED
    assert ids(stream) == [2, 3, 4, 5]
    assert stream.delete((2, 0))
    assert (2, 0) in bob.pending
    assert stream.delete_with_policy((2, 0), DELREF) == NOT_FOUND
    assert (2, 0) not in bob.pending
    assert (2, 0) not in second.pending
    assert stream.acknowledge_and_delete(first, (3, 0), DELREF) == DELETED
    assert len(second.pending) == 0
    # Not delivered to `second` yet.
    first.acknowledge([(4, 0)])
    assert stream.delete_with_policy((4, 0), ACKED) == STILL_REFERENCED


def test_trimming_spares_what_is_not_acknowledged(limits: Limits) -> None:
    limits.stream_node_max_entries = 2
    stream = filled(limits, 6)
    group = stream.create_group(b"g", MIN_ID)
    assert group is not None
    consumer = group.create_consumer(b"c", 0)
    assert consumer is not None
    assert stream.trim_to_length(1, policy=ACKED) == 0
    stream.deliver(group, consumer, 0)
    group.acknowledge([(2, 0), (3, 0), (4, 0), (6, 0)])
    assert stream.trim_to_length(4, policy=ACKED) == 2
    assert ids(stream) == [1, 4, 5, 6]
    assert stream.trim_before((6, 0), policy=ACKED) == 1
    assert ids(stream) == [1, 5, 6]
    assert stream.trim_before((6, 0), policy=DELREF, approximate=True) == 1
    assert ids(stream) == [5, 6]
    assert [known for known, _ in group.pending.walk()] == [(5, 0)]
    assert stream.trim_to_length(0, policy=DELREF) == 2
    assert len(group.pending) == 0
    assert len(stream.nodes) == 0


def test_ranges_that_begin_or_end_between_nodes(limits: Limits) -> None:
    limits.stream_node_max_entries = 3
    stream = filled(limits, 9)
    assert [entry_id for entry_id, _ in stream.range((3, 1))] == [(number, 0) for number in range(4, 10)]
    assert stream.delete((4, 0))
    assert [entry_id for entry_id, _ in stream.reverse_range(end=(4, 5))] == [(3, 0), (2, 0), (1, 0)]


def test_a_node_that_trimming_by_id_leaves_empty(limits: Limits) -> None:
    limits.stream_node_max_entries = 3
    stream = filled(limits, 3)
    assert stream.delete((3, 0))
    assert stream.trim_before((3, 0)) == 2
    assert (len(stream), len(stream.nodes)) == (0, 1)
    assert stream.first_id == stream.last_entry_id == MIN_ID
    assert stream.range() == stream.reverse_range() == list(stream) == []
    assert stream.get((2, 0)) is None
    assert not stream.delete((3, 0))
    assert stream.trim_to_length(0) == 0

    stream.append((4, 0), FIELDS)  # the node is full of what was deleted
    assert (stream.first_id, stream.last_entry_id, len(stream.nodes)) == ((4, 0), (4, 0), 2)
    assert stream.range() == stream.range(count=1) == stream.reverse_range() == [((4, 0), FIELDS)]
    assert stream.trim_before((4, 0)) == 0
    assert len(stream.nodes) == 1
