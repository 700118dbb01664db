"""The dense index: a set, a fair lottery, and scans that miss nobody who stays."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from twisted_resp.values.dense import DenseIndex

members = st.integers(0, 30).map(b"%d".__mod__)


class Scan:
    """A scan under way: where it is, what was there all the time, what it has returned."""

    def __init__(self, stayed: set[bytes]) -> None:
        self.cursor = 0
        self.stayed = stayed
        self.seen: set[bytes] = set()


class DenseMachine(RuleBasedStateMachine):
    """Additions, removals and several scans in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.index = DenseIndex()
        self.model: set[bytes] = set()
        self.scans: list[Scan] = []
        self.rng = Random(1)

    def gone(self, member: bytes) -> None:
        self.model.discard(member)
        for scan in self.scans:
            scan.stayed.discard(member)

    @rule(added=st.lists(members))
    def add(self, added: list[bytes]) -> None:
        for member in added:
            assert self.index.add(member) is (member not in self.model)
            self.model.add(member)

    @rule(member=members)
    def discard(self, member: bytes) -> None:
        assert self.index.discard(member) is (member in self.model)
        self.gone(member)

    @precondition(lambda self: self.model)
    @rule()
    def pop_random(self) -> None:
        member = self.index.pop_random(self.rng)
        assert member in self.model
        self.gone(member)

    @rule()
    def clear(self) -> None:
        self.index.clear()
        for member in tuple(self.model):
            self.gone(member)

    @rule()
    def begin_scan(self) -> None:
        self.scans.append(Scan(self.model.copy()))

    @precondition(lambda self: self.scans)
    @rule(data=st.data(), count=st.integers(0, 7))
    def go_on(self, data: st.DataObject, count: int) -> None:
        scan = data.draw(st.sampled_from(self.scans))
        scan.cursor, found = self.index.scan(scan.cursor, count)
        assert set(found) <= self.model
        assert len(found) <= max(count, 1)
        scan.seen.update(found)
        if not scan.cursor:
            assert scan.stayed <= scan.seen
            self.scans.remove(scan)

    @rule()
    def go_on_with_a_copy(self) -> None:
        old = self.index
        self.index = old.copy()
        old.clear()

    @invariant()
    def same(self) -> None:
        assert set(self.index) == set(self.index.positions) == self.model
        assert len(self.index) == len(self.index.slots) == len(self.model)
        assert all(self.index.positions[member] == slot for slot, member in enumerate(self.index.slots))
        assert b"0" not in self.model or b"0" in self.index
        assert b"missing" not in self.index


DenseMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestDenseMachine = DenseMachine.TestCase


@given(st.sets(members), st.integers(1, 10))
def test_an_undisturbed_scan_returns_each_once(initial: set[bytes], count: int) -> None:
    index = DenseIndex(initial)
    cursor, found = index.scan(0, count)
    while cursor:
        cursor, more = index.scan(cursor, count)
        found += more
    assert sorted(found) == sorted(initial)


def test_strange_cursors_begin_again() -> None:
    index = DenseIndex([b"a", b"b", b"c"])
    assert index.scan(2**64 - 1, 10) == (0, [b"a", b"b", b"c"])
    assert index.scan(4, 1) == (2, [b"c"])
    assert index.scan(-1, 1) == (2, [b"c"])
    assert index.scan(2, 1) == (1, [b"b"])
    assert DenseIndex().scan(17, 10) == (0, [])


def test_duplicates_count_once() -> None:
    index = DenseIndex([b"a", b"b", b"a", b"c"])
    assert list(index) == [b"a", b"b", b"c"]
    assert index.discard(b"a")
    assert sorted(index) == [b"b", b"c"]


def test_random_is_fair() -> None:
    index = DenseIndex(b"%d" % number for number in range(10))
    rng = Random(7)
    drawn = Counter(index.random(rng) for _ in range(10000))
    popped = Counter(index.copy().pop_random(rng) for _ in range(10000))
    for counts in (drawn, popped):
        assert len(counts) == 10
        # Nine degrees of freedom: chi-square stays below 27.9 in 999 of 1000 cases.
        assert sum((seen - 1000) ** 2 / 1000 for seen in counts.values()) < 27.9


def test_nothing_to_draw() -> None:
    with pytest.raises(IndexError):
        DenseIndex().random(Random(1))
    with pytest.raises(IndexError):
        DenseIndex().pop_random(Random(1))
