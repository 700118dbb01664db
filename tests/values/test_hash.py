"""Hashes: contents and expiry times against dicts, encodings as Redis 7.4 changes them."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from twisted_resp.values.hash import Hash
from twisted_resp.values.limits import Limits

LISTPACK = b"listpack"
LISTPACKEX = b"listpackex"
HASHTABLE = b"hashtable"

fields = st.sampled_from([b"%d" % number for number in range(12)])
values = st.sampled_from([b"", b"v", b"1", b"x" * 64, b"y" * 65])
times = st.integers(0, 20)


def make(count: int) -> Hash:
    value = Hash(Limits())
    for number in range(count):
        value.set(b"f%d" % number, b"v%d" % number)
    return value


class HashMachine(RuleBasedStateMachine):
    """Every method against dicts, at several limits."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = Limits()
        self.value = Hash(self.limits)
        self.model: dict[bytes, bytes] = {}
        self.times: dict[bytes, int] = {}
        self.rng = Random(5)

    @rule(entries=st.sampled_from([0, 3, 10, 512]))
    def configure(self, entries: int) -> None:
        self.limits.hash_max_listpack_entries = entries

    @rule(field=fields, value=values, keep_expiry=st.booleans())
    def set(self, field: bytes, value: bytes, keep_expiry: bool) -> None:
        assert self.value.set(field, value, keep_expiry) is (field not in self.model)
        self.model[field] = value
        if not keep_expiry:
            self.times.pop(field, None)

    @rule(pairs=st.lists(st.tuples(fields, values), min_size=1))
    def set_many(self, pairs: list[tuple[bytes, bytes]]) -> None:
        new = {field for field, _ in pairs} - set(self.model)
        assert self.value.set_many(tuple(part for pair in pairs for part in pair)) == len(new)
        self.model.update(pairs)
        for field, _ in pairs:
            self.times.pop(field, None)

    @rule(names=st.lists(fields))
    def remove(self, names: list[bytes]) -> None:
        gone = set(names) & set(self.model)
        assert self.value.remove(names) == len(gone)
        for field in gone:
            del self.model[field]
            self.times.pop(field, None)

    @rule(field=fields, at_ms=times)
    def set_expiry(self, field: bytes, at_ms: int) -> None:
        if field in self.model:
            self.value.set_expiry(field, at_ms)
            self.times[field] = at_ms
        else:
            with pytest.raises(KeyError):
                self.value.set_expiry(field, at_ms)

    @rule(field=fields)
    def persist(self, field: bytes) -> None:
        assert self.value.persist(field) is (self.times.pop(field, None) is not None)

    @rule(now_ms=times, most=st.integers(0, 3))
    def expire_due(self, now_ms: int, most: int) -> None:
        due = sorted(at_ms for at_ms in self.times.values() if at_ms <= now_ms)
        gone = self.value.expire_due(now_ms, most)
        assert [self.times.pop(field) for field in gone] == (due[:most] if most else due)
        for field in gone:
            del self.model[field]

    @rule(now_ms=times)
    def live(self, now_ms: int) -> None:
        live = {name: value for name, value in self.model.items() if self.times.get(name, 99) >= now_ms}
        assert dict(self.value.live_items(now_ms)) == live
        assert {name for name in self.model if not self.value.is_expired(name, now_ms)} == set(live)

    @precondition(lambda self: self.model)
    @rule(count=st.integers(0, 14))
    def draw(self, count: int) -> None:
        assert self.value.random(self.rng) in self.model
        assert set(self.value.random_many(self.rng, count)) <= set(self.model)
        sample = self.value.sample(self.rng, count)
        assert len(set(sample)) == len(sample) == min(count, len(self.model))
        assert set(sample) <= set(self.model)

    @rule(count=st.integers(1, 5))
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
        assert self.value.items() == old.items()
        old.set(b"not in the copy", b"")
        old.set_expiry(b"not in the copy", 1)

    @rule()
    def save_and_load(self) -> None:
        old = self.value
        self.value = Hash.load(self.limits, dict(old.items()), old.encoding, old.expiries())

    @invariant()
    def same(self) -> None:
        value = self.value
        assert len(value) == len(self.model)
        assert dict(value.items()) == self.model
        assert value.fields() == [field for field, _ in value.items()]
        assert value.values() == [item for _, item in value.items()]
        assert value.get_many([*self.model, b"missing"]) == [*self.model.values(), None]
        assert all(value.get(field) == item and field in value for field, item in self.model.items())
        assert value.expiries() == self.times
        assert all(value.expiry(field) == self.times.get(field) for field in [*self.model, b"missing"])
        assert value.next_expiry == min(self.times.values(), default=None)
        assert value.has_expiries is bool(self.times)
        assert not self.times or value.encoding != LISTPACK


HashMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestHashMachine = HashMachine.TestCase


def test_too_many_fields() -> None:
    value = make(512)
    assert value.encoding == LISTPACK
    value.set(b"f0", b"again")
    assert value.encoding == LISTPACK
    value.set(b"f512", b"")
    assert value.encoding == HASHTABLE
    value.remove(value.fields()[1:])
    assert value.encoding == HASHTABLE


@pytest.mark.parametrize(
    ("pairs", "encoding"),
    [
        ([b"f", b"v"], LISTPACK),
        ([b"f" * 64, b"v" * 64], LISTPACK),
        ([b"f" * 65, b"v"], HASHTABLE),
        ([b"f", b"v" * 65], HASHTABLE),
        ([b"f", b"v"] * 512, LISTPACK),
        # The number of arguments counts, not how many fields are distinct.
        ([b"f", b"v"] * 513, HASHTABLE),
        ([part for number in range(513) for part in (b"%d" % number, b"")], HASHTABLE),
    ],
)
def test_set_many(pairs: list[bytes], encoding: bytes) -> None:
    value = Hash(Limits())
    value.set_many(pairs)
    assert value.encoding == encoding


def test_fields_that_come_one_by_one() -> None:
    value = make(512)
    value.set_many([b"f512", b""])
    assert value.encoding == HASHTABLE


@pytest.mark.parametrize(("field", "item"), [(b"f", b"v" * 65), (b"f" * 65, b"v")])
def test_a_long_value(field: bytes, item: bytes) -> None:
    value = make(1)
    value.set(field, item)
    assert value.encoding == HASHTABLE


def test_expiry_changes_the_encoding() -> None:
    value = make(2)
    value.prepare_expiry()
    assert value.encoding == LISTPACKEX
    value.set_expiry(b"f0", 5)
    assert value.persist(b"f0")
    assert value.encoding == LISTPACKEX
    value.set(b"long", b"v" * 65)
    assert value.encoding == HASHTABLE
    value.set_expiry(b"f0", 5)
    assert value.encoding == HASHTABLE


def test_order_of_fields_that_expire() -> None:
    value = make(6)
    value.set_expiry(b"f4", 20)
    value.set_expiry(b"f2", 10)
    value.set_expiry(b"f5", 20)
    value.set_expiry(b"f0", 30)
    assert value.fields() == [b"f2", b"f5", b"f4", b"f0", b"f1", b"f3"]
    value.set(b"f4", b"without expiry")
    assert value.fields() == [b"f2", b"f5", b"f0", b"f1", b"f3", b"f4"]
    value.set(b"f2", b"with", keep_expiry=True)
    value.persist(b"f5")
    assert value.fields() == [b"f2", b"f0", b"f1", b"f3", b"f4", b"f5"]


def test_the_heap_does_not_grow_with_changes() -> None:
    value = make(3)
    for at_ms in range(10000, 0, -1):
        value.set_expiry(b"f1", at_ms)
    assert value.next_expiry == 1
    assert value._heap is not None
    assert len(value._heap) < 100


def test_expiry_times_of_a_removed_field_do_not_come_back() -> None:
    value = make(2)
    value.set_expiry(b"f0", 5)
    value.remove([b"f0"])
    value.set(b"f0", b"again")
    assert value.next_expiry is None
    value.set_expiry(b"f0", 7)
    assert value.expire_due(6) == []
    assert value.expire_due(7) == [b"f0"]


def test_loading() -> None:
    limits = Limits()
    assert Hash.load(limits, {b"f": b"v"}, HASHTABLE).encoding == LISTPACK
    assert Hash.load(limits, {b"f": b"v" * 65}, HASHTABLE).encoding == HASHTABLE
    assert Hash.load(limits, {b"f": b"v"}, HASHTABLE, {b"f": 5}).encoding == LISTPACKEX
    assert Hash.load(limits, {b"f": b"v"}, LISTPACKEX).encoding == LISTPACKEX
    limits.hash_max_listpack_entries = 0
    assert Hash.load(limits, {b"f": b"v"}, LISTPACK).encoding == HASHTABLE


@pytest.mark.parametrize("long", [b"v", b"v" * 65])
def test_draws_are_fair(long: bytes) -> None:
    value = make(9)
    value.set(b"f9", long)
    rng = Random(3)
    draws = {
        "random": Counter(value.random(rng) for _ in range(10000)),
        "random_many": Counter(value.random_many(rng, 10000)),
        "sample": Counter(field for _ in range(5000) for field in value.sample(rng, 2)),
    }
    for name, counts in draws.items():
        # Nine degrees of freedom: chi-square stays below 27.9 in 999 of 1000 cases.
        assert sum((counts[field] - 1000) ** 2 / 1000 for field in value.fields()) < 27.9, name


def test_scanning_while_the_hash_changes() -> None:
    value = make(1000)
    cursor, found = value.scan(0, 100)
    turn = 0
    while cursor:
        value.remove([b"f%d" % number for number in range(turn * 20, turn * 20 + 20)])
        value.set_many([b"new %d" % turn, b""])
        turn += 1
        cursor, more = value.scan(cursor, 100)
        found += more
    assert set(found) >= {b"f%d" % number for number in range(turn * 20, 1000)}


def test_type_name() -> None:
    assert Hash.type_name == b"hash"
