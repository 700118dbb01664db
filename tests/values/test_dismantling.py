"""Values taken apart in portions: everything goes, and nothing that somebody else holds."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any, cast

import pytest

from twisted_resp.values.dismantling import crumble, free_effort
from twisted_resp.values.hash import Hash
from twisted_resp.values.limits import Limits
from twisted_resp.values.list import List
from twisted_resp.values.set import Set
from twisted_resp.values.sorted_set import SortedSet
from twisted_resp.values.stream import Stream
from twisted_resp.values.stream_id import MIN_ID

LIMITS = Limits()
counted = pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="this interpreter counts no references")


def a_list(count: int) -> List:
    return List.of(LIMITS, [b"element %d" % number for number in range(count)])


def a_set(count: int) -> Set:
    return Set.of(LIMITS, [b"member %d" % number for number in range(count)])


def a_hash(count: int) -> Hash:
    value = Hash(LIMITS)
    value.set_many([b"word %d" % number for number in range(2 * count)])
    return value


def a_sorted_set(count: int) -> SortedSet:
    return SortedSet.of(LIMITS, [(b"member %d" % number, float(number)) for number in range(count)])


def a_stream(count: int) -> Stream:
    value = Stream(LIMITS)
    for number in range(count):
        value.append((number + 1, 0), (b"field", b"%d" % number))
    return value


MAKERS = [a_list, a_set, a_hash, a_sorted_set, a_stream]


def contents(value: Any) -> object:
    return dict(value.mapping) if type(value) is Hash else list(value)


class Watched:
    """Something that tells when it is gone."""


def slices(parts: list[Any], budget: int = 100) -> int:
    count = 0
    while parts:
        crumble(parts, budget)
        count += 1
    return count


class TestEffort:
    @pytest.mark.parametrize("make", MAKERS)
    def test_small(self, make: Any) -> None:
        assert free_effort(make(10)) <= 64

    @pytest.mark.parametrize("make", [a_set, a_hash, a_sorted_set])
    def test_tables_by_their_elements(self, make: Any) -> None:
        assert free_effort(make(1000)) == 1000

    def test_strings_are_one_piece(self) -> None:
        assert free_effort(b"x" * 1_000_000) == free_effort(bytearray(1000)) == 1

    def test_a_list_by_its_nodes(self) -> None:
        value = a_list(10_000)
        assert free_effort(value) == value.node_count == len(value.nodes())

    def test_a_stream_by_its_nodes_and_groups(self) -> None:
        value = a_stream(10_000)
        assert free_effort(value) == len(value.nodes)
        value.create_group(b"group", MIN_ID)
        assert free_effort(value) == len(value.nodes) + 1


class TestCrumble:
    @counted
    @pytest.mark.parametrize("make", MAKERS)
    def test_in_portions(self, make: Any) -> None:
        assert slices([make(5000)]) >= 30

    @counted
    @pytest.mark.parametrize("make", MAKERS)
    def test_spares_what_somebody_holds(self, make: Any) -> None:
        held = make(5000)
        twin = held.copy()
        parts = [held]
        assert slices(parts) == 1
        assert len(held) == 5000
        parts = [twin]
        del twin
        slices(parts)
        assert contents(held) == contents(make(5000))

    @counted
    def test_all_goes(self) -> None:
        element = Watched()
        seen = weakref.ref(element)
        parts: list[Any] = [{b"list": [{b"deep": [element]} for _ in range(100)]}]
        del element
        crumble(parts, 10)
        slices(parts)
        assert seen() is None

    @counted
    def test_a_budget_is_kept(self) -> None:
        inner = [{b"%d" % number: 1 for number in range(1000)} for _ in range(3)]
        parts: list[Any] = [inner]
        del inner
        assert crumble(parts, 500) <= 0
        assert sum(map(len, [part for part in parts if type(part) is dict])) == 501

    @counted
    def test_pending_entries_go_though_they_refer_to_their_consumer(self) -> None:
        value = a_stream(1000)
        group = value.create_group(b"group", MIN_ID)
        assert group is not None
        consumer = group.create_consumer(b"alice", 0)
        assert consumer is not None
        for entry_id, _ in value:
            group.assign(entry_id, consumer, 0, 1)
        watched = Watched()
        consumer.name = cast(Any, watched)
        gone = weakref.ref(watched)
        del consumer, group, watched, entry_id
        parts = [value]
        del value
        gc.disable()
        try:
            slices(parts)
            assert gone() is None
        finally:
            gc.enable()
