"""Sets: contents against Python's sets, encodings as Redis 7.4 changes them."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from twisted_resp.values.limits import Limits
from twisted_resp.values.set import Set, difference, intersection, union

INTSET = b"intset"
LISTPACK = b"listpack"
HASHTABLE = b"hashtable"

integers = st.integers(-20, 20).map(b"%d".__mod__)
words = st.sampled_from([b"a", b"b", b"07", b"-0", b"", b"x" * 64, b"y" * 65])
members = st.one_of(integers, words)


def numbers(start: int, stop: int) -> list[bytes]:
    return [b"%d" % number for number in range(start, stop)]


def make(*items: bytes) -> Set:
    value = Set(Limits())
    value.add(items)
    return value


class SetMachine(RuleBasedStateMachine):
    """Every method against a Python set, at several limits."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = Limits()
        self.value = Set(self.limits)
        self.model: set[bytes] = set()
        self.rng = Random(5)

    @rule(entries=st.sampled_from([0, 3, 10, 128]), integers=st.sampled_from([0, 4, 512]))
    def configure(self, entries: int, integers: int) -> None:
        self.limits.set_max_listpack_entries = entries
        self.limits.set_max_intset_entries = integers

    @rule(items=st.lists(members, min_size=1, max_size=8))
    def add(self, items: list[bytes]) -> None:
        assert self.value.add(items) == len(set(items) - self.model)
        self.model.update(items)

    @rule(start=st.integers(-50, 50), size=st.sampled_from([130, 600]))
    def add_numbers(self, start: int, size: int) -> None:
        self.add(numbers(start, start + size))

    @rule(items=st.lists(members))
    def remove(self, items: list[bytes]) -> None:
        assert self.value.remove(items) == len(self.model.intersection(items))
        self.model.difference_update(items)

    @rule(items=st.lists(members))
    def contains(self, items: list[bytes]) -> None:
        expected = [item in self.model for item in items]
        assert [item in self.value for item in items] == expected
        assert self.value.contains_many(items) == expected

    @precondition(lambda self: self.model)
    @rule()
    def draw(self) -> None:
        assert self.value.random(self.rng) in self.model
        assert set(self.value.random_many(self.rng, 3)) <= self.model

    @rule(count=st.integers(0, 700))
    def sample(self, count: int) -> None:
        drawn = self.value.sample(self.rng, count)
        assert len(set(drawn)) == len(drawn) == min(count, len(self.model))
        assert set(drawn) <= self.model

    @precondition(lambda self: self.model)
    @rule()
    def pop(self) -> None:
        self.model.remove(self.value.pop(self.rng))

    @rule(count=st.integers(0, 700))
    def pop_many(self, count: int) -> None:
        expected = min(count, len(self.model))
        popped = self.value.pop_many(self.rng, count)
        assert len(set(popped)) == len(popped) == expected
        assert set(popped) <= self.model
        self.model.difference_update(popped)

    @rule(count=st.integers(1, 100))
    def scan(self, count: int) -> None:
        cursor, found = self.value.scan(0, count)
        while cursor:
            cursor, more = self.value.scan(cursor, count)
            found += more
        assert sorted(found) == sorted(self.model)

    @rule()
    def go_on_with_a_copy(self) -> None:
        old = self.value
        self.value = old.copy()
        assert self.value.encoding == old.encoding
        old.add((b"not in the copy",))

    @rule()
    def save_and_load(self) -> None:
        self.value = Set.load(self.limits, self.value, self.value.encoding)

    @invariant()
    def same(self) -> None:
        listed = self.value.members()
        assert len(listed) == len(self.value) == len(self.model)
        assert set(listed) == self.model
        if self.value.encoding == INTSET:
            assert listed == sorted(listed, key=int)


SetMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestSetMachine = SetMachine.TestCase


@pytest.mark.parametrize(
    ("items", "encoding"),
    [
        ([b"1", b"2"], INTSET),
        ([b"a", b"1"], LISTPACK),
        ([b"9223372036854775807", b"-9223372036854775808"], INTSET),
        ([b"9223372036854775808"], LISTPACK),
        ([b"01"], LISTPACK),
        ([b"x" * 64], LISTPACK),
        ([b"x" * 65], HASHTABLE),
        ([b"1", b"x" * 65], HASHTABLE),
        (numbers(0, 512), INTSET),
        (numbers(0, 513), HASHTABLE),
        ([b"a", *numbers(0, 127)], LISTPACK),
        ([b"a", *numbers(0, 128)], HASHTABLE),
        ([*numbers(0, 127), b"a"], LISTPACK),
        ([*numbers(0, 128), b"a"], HASHTABLE),
        # The number of arguments counts, not how many are distinct.
        ([b"a"] * 129, HASHTABLE),
        ([b"1"] * 513, HASHTABLE),
    ],
)
def test_encoding_of_a_new_set(items: list[bytes], encoding: bytes) -> None:
    assert make(*items).encoding == encoding


@pytest.mark.parametrize("one_by_one", [True, False])
def test_growing(one_by_one: bool) -> None:
    def grow(value: Set, items: list[bytes]) -> bytes:
        for chunk in [[item] for item in items] if one_by_one else [items]:
            value.add(chunk)
        return value.encoding

    value = make(b"0")
    assert grow(value, numbers(0, 512)) == INTSET
    assert grow(value, [b"512"]) == HASHTABLE
    value = make(b"a")
    assert grow(value, numbers(0, 127)) == LISTPACK
    assert grow(value, [b"a"]) == LISTPACK
    assert grow(value, [b"127"]) == HASHTABLE


def test_an_intset_becomes_a_listpack_in_the_order_of_numbers() -> None:
    value = make(b"10", b"9", b"-1")
    assert value.members() == [b"-1", b"9", b"10"]
    assert value.add([b"a", b"0", b"a", b"9"]) == 2
    assert value.members() == [b"-1", b"9", b"10", b"a", b"0"]


def test_short_listpack_values_and_long_integers() -> None:
    limits = Limits()
    limits.set_max_listpack_value = 3
    value = Set(limits)
    value.add([b"1000", b"a"])
    assert value.encoding == HASHTABLE
    value = Set(limits)
    value.add([b"999", b"a"])
    assert value.encoding == LISTPACK


def test_without_intsets() -> None:
    limits = Limits()
    limits.set_max_intset_entries = 0
    value = Set(limits)
    value.add([b"1"])
    assert value.encoding == LISTPACK
    assert Set.of(limits, [b"1"]).encoding == HASHTABLE
    assert Set.of(limits, [b"a", b"1"]).encoding == LISTPACK


def test_encodings_do_not_come_back_with_removals() -> None:
    value = make(*numbers(0, 600))
    value.remove(numbers(1, 600))
    assert value.encoding == HASHTABLE
    value = make(b"1", b"a")
    value.remove([b"a"])
    assert value.encoding == LISTPACK


def test_popping_most_of_a_hash_table_makes_a_listpack() -> None:
    value = make(b"x" * 65, *numbers(0, 199))
    assert value.encoding == HASHTABLE
    value.pop_many(Random(2), 100)
    assert value.encoding == HASHTABLE
    value.remove([b"x" * 65])
    value.pop_many(Random(2), len(value) - 5)
    assert value.encoding == LISTPACK
    assert len(value) == 5


def test_loading() -> None:
    limits = Limits()
    assert Set.load(limits, numbers(0, 5), HASHTABLE).encoding == INTSET
    assert Set.load(limits, numbers(0, 513), HASHTABLE).encoding == HASHTABLE
    assert Set.load(limits, [b"a"], HASHTABLE).encoding == LISTPACK
    assert Set.load(limits, numbers(0, 5), LISTPACK).encoding == LISTPACK
    limits.set_max_listpack_entries = 4
    assert Set.load(limits, numbers(0, 5), LISTPACK).encoding == HASHTABLE
    limits.set_max_intset_entries = 4
    assert Set.load(limits, numbers(0, 5), INTSET).encoding == HASHTABLE


@given(st.lists(st.lists(members), min_size=1, max_size=4), st.integers(0, 5))
def test_algebra(contents: list[list[bytes]], limit: int) -> None:
    sets = [make(*items) if items else None for items in contents]
    models = [set(items) for items in contents]
    given_sets = [one for one in sets if one is not None]
    limits = Limits()

    both = set.union(*models)
    assert len(union(sets)) == len(both)
    assert set(union(sets)) == set(Set.union_of(limits, sets)) == both

    left = models[0].difference(*models[1:])
    assert len(difference(sets)) == len(left)
    assert set(difference(sets)) == set(Set.difference_of(limits, sets)) == left

    if given_sets:
        common = set.intersection(*(set(one) for one in given_sets))
        assert len(intersection(given_sets)) == len(common)
        assert set(intersection(given_sets)) == set(Set.intersection_of(limits, given_sets)) == common
        few = intersection(given_sets, limit)
        assert set(few) <= common
        assert len(few) == min(len(common), limit or len(common))


def test_the_same_set_twice() -> None:
    value = make(b"a", b"b")
    assert intersection([value, value]) == [b"a", b"b"]
    assert union([value, value]) == [b"a", b"b"]
    assert difference([value, value]) == []
    assert len(Set.difference_of(Limits(), [value, value])) == 0


def test_order_of_results() -> None:
    assert union([make(b"10", b"9"), make(b"5")]) == [b"5", b"9", b"10"]
    assert intersection([make(b"c", b"b", b"a"), make(b"a", b"b")]) == [b"a", b"b"]


def test_encodings_of_stored_intersections() -> None:
    limits = Limits()
    words_and_numbers = make(b"a", b"1", b"2")
    assert Set.intersection_of(limits, [words_and_numbers, make(b"b", b"1", b"2")]).encoding == INTSET
    assert Set.intersection_of(limits, [words_and_numbers, make(b"a", b"1")]).encoding == LISTPACK
    large = make(b"a", *numbers(0, 600))
    assert Set.intersection_of(limits, [large, make(b"b", *numbers(0, 600))]).encoding == HASHTABLE
    assert Set.intersection_of(limits, [large, make(b"b", *numbers(300, 600))]).encoding == INTSET


def test_encodings_of_stored_differences() -> None:
    limits = Limits()
    first = make(b"a", *numbers(0, 200))
    # One other set: what is left is added one by one. Many small ones: all is added, then removed.
    assert Set.difference_of(limits, [first, make(*numbers(0, 195))]).encoding == LISTPACK
    small = [make(*numbers(start, start + 40)) for start in range(0, 200, 40)]
    result = Set.difference_of(limits, [first, *small])
    assert result.members() == [b"a"]
    assert result.encoding == HASHTABLE


@pytest.mark.parametrize("items", [numbers(0, 10), [b"a", *numbers(0, 9)], [b"x" * 65, *numbers(0, 9)]])
def test_draws_are_fair(items: list[bytes]) -> None:
    value = make(*items)
    rng = Random(3)
    draws = {
        "random": Counter(value.random(rng) for _ in range(10000)),
        "random_many": Counter(value.random_many(rng, 10000)),
        "sample": Counter(member for _ in range(5000) for member in value.sample(rng, 2)),
        "pop": Counter(value.copy().pop(rng) for _ in range(10000)),
        "pop_many": Counter(member for _ in range(1250) for member in value.copy().pop_many(rng, 8)),
    }
    for name, counts in draws.items():
        # Nine degrees of freedom: chi-square stays below 27.9 in 999 of 1000 cases.
        assert sum((counts[item] - 1000) ** 2 / 1000 for item in items) < 27.9, name


def test_scanning_while_the_set_changes() -> None:
    value = make(*numbers(0, 1000))
    cursor, found = value.scan(0, 100)
    turn = 0
    while cursor:
        value.remove(numbers(turn * 20, turn * 20 + 20))
        value.add([b"new %d" % turn])
        turn += 1
        cursor, more = value.scan(cursor, 100)
        found += more
    assert set(found) >= set(numbers(turn * 20, 1000))


def test_type_name() -> None:
    assert Set.type_name == b"set"
