"""Lists: contents against a plain Python list, encodings as Redis 7.4 changes them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from twisted_resp.values.limits import Limits
from twisted_resp.values.list import List
from twisted_resp.values.listpack import listpack_bytes
from twisted_resp.values.quicklist import Quicklist

LISTPACK = b"listpack"
QUICKLIST = b"quicklist"

elements = st.one_of(
    st.sampled_from([b"a", b"b", b"12", b"-7", b""]),
    st.integers().map(b"%d".__mod__),
    st.integers(0, 9000).map(lambda size: b"x" * size),
)
fills = st.sampled_from([-7, -5, -2, -1, 0, 1, 2, 3, 5, 40])


def limits_of(fill: int, threshold: int = 0) -> Limits:
    limits = Limits()
    limits.list_max_listpack_size = fill
    limits.quicklist_packed_threshold = threshold
    return limits


def make(fill: int, *items: bytes) -> List:
    value = List(limits_of(fill))
    value.push_right(items)
    return value


def check_sizes(value: List) -> None:
    """What is accounted is the exact size or an upper bound of it, and no node is empty."""
    quick = value._quick
    if quick is None:
        exact = listpack_bytes(value._items)
        assert value._size == exact if value._exact else value._size >= exact
        return
    assert not value._items
    assert quick.count == sum(map(len, quick.nodes))
    for node in quick.nodes:
        assert node.elements
        if node.plain:
            assert len(node.elements) == 1
            assert node.size == len(node.elements[0])
        else:
            exact = listpack_bytes(node.elements)
            assert node.size == exact if node.exact else node.size >= exact


def ends(length: int) -> st.SearchStrategy[int]:
    return st.integers(-length - 2, length + 2)


class ListMachine(RuleBasedStateMachine):
    """Every method against a Python list, at several limits."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = Limits()
        self.value = List(self.limits)
        self.model: list[bytes] = []

    @rule(fill=fills, threshold=st.sampled_from([0, 0, 0, 1, 5]))
    def configure(self, fill: int, threshold: int) -> None:
        self.limits.list_max_listpack_size = fill
        self.limits.quicklist_packed_threshold = threshold

    @rule(items=st.lists(elements, min_size=1, max_size=8), repeat=st.sampled_from([1, 1, 1, 40]))
    def push_left(self, items: list[bytes], repeat: int) -> None:
        assert self.value.push_left(tuple(items * repeat)) == len(self.value)
        self.model[:0] = (items * repeat)[::-1]

    @rule(items=st.lists(elements, min_size=1, max_size=8), repeat=st.sampled_from([1, 1, 1, 40]))
    def push_right(self, items: list[bytes], repeat: int) -> None:
        assert self.value.push_right(items * repeat) == len(self.value)
        self.model += items * repeat

    @precondition(lambda self: self.model)
    @rule(left=st.booleans(), times=st.integers(1, 5))
    def pop(self, left: bool, times: int) -> None:
        for _ in range(min(times, len(self.model))):
            if left:
                assert self.value.pop_left() == self.model.pop(0)
            else:
                assert self.value.pop_right() == self.model.pop()

    @rule(count=st.integers(0, 300), left=st.booleans())
    def pop_many(self, count: int, left: bool) -> None:
        if left:
            expected, self.model = self.model[:count], self.model[count:]
            assert self.value.pop_left_many(count) == expected
        else:
            self.model.reverse()
            expected, self.model = self.model[:count], self.model[count:][::-1]
            assert self.value.pop_right_many(count) == expected

    @precondition(lambda self: self.model)
    @rule(from_left=st.booleans(), to_left=st.booleans())
    def rotate(self, from_left: bool, to_left: bool) -> None:
        element = self.model.pop(0 if from_left else -1)
        self.model.insert(0 if to_left else len(self.model), element)
        assert self.value.rotate(from_left, to_left) == element

    @rule(data=st.data(), element=elements)
    def set(self, data: st.DataObject, element: bytes) -> None:
        index = data.draw(ends(len(self.model)))
        try:
            self.model[index] = element
        except IndexError:
            with pytest.raises(IndexError):
                self.value.set(index, element)
        else:
            self.value.set(index, element)

    @rule(data=st.data(), element=elements, after=st.booleans())
    def insert(self, data: st.DataObject, element: bytes, after: bool) -> None:
        pivot = data.draw(st.sampled_from([*self.model, b"missing"]))
        expected = pivot in self.model
        assert self.value.insert(pivot, element, after) is expected
        if expected:
            self.model.insert(self.model.index(pivot) + after, element)

    @rule(data=st.data(), count=st.integers(-3, 3))
    def remove(self, data: st.DataObject, count: int) -> None:
        element = data.draw(st.sampled_from([*self.model, b"missing"]))
        positions = [index for index, item in enumerate(self.model) if item == element]
        gone = positions if not count else positions[:count] if count > 0 else positions[count:]
        assert self.value.remove(element, count) == len(gone)
        self.model = [item for index, item in enumerate(self.model) if index not in gone]

    @rule(data=st.data())
    def trim(self, data: st.DataObject) -> None:
        length = len(self.model)
        start, stop = data.draw(st.tuples(ends(length), ends(length)))
        kept = self.naive_range(start, stop)
        assert self.value.trim(start, stop) == length - len(kept)
        self.model = kept

    @rule(data=st.data(), rank=st.sampled_from([1, 2, 3, -1, -2]), count=st.integers(0, 3))
    def find(self, data: st.DataObject, rank: int, count: int) -> None:
        maxlen = data.draw(st.integers(0, len(self.model) + 1))
        element = data.draw(st.sampled_from([*self.model, b"missing"]))
        walk = list(enumerate(self.model))
        if rank < 0:
            walk.reverse()
        found = [index for index, item in walk[: maxlen or len(walk)] if item == element][abs(rank) - 1 :]
        assert self.value.find(element, rank, count, maxlen) == found[: count or len(found)]

    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        length = len(self.model)
        start, stop = data.draw(st.tuples(ends(length), ends(length)))
        assert self.value.range(start, stop) == self.naive_range(start, stop)
        inside = -length <= start < length
        assert self.value.index(start) == (self.model[start] if inside else None)

    @rule()
    def go_on_with_a_copy(self) -> None:
        old = self.value
        self.value = old.copy()
        assert self.value.nodes() == old.nodes()
        assert self.value.encoding == old.encoding
        old.push_left((b"not in the copy",))

    @rule()
    def save_and_load(self) -> None:
        nodes = self.value.nodes()
        self.value = List.from_nodes(self.limits, nodes)
        if self.value.encoding == QUICKLIST:
            assert self.value.nodes() == [node for node in nodes if node[1]]

    def naive_range(self, start: int, stop: int) -> list[bytes]:
        length = len(self.model)
        start = max(start + length if start < 0 else start, 0)
        stop = stop + length if stop < 0 else stop
        return self.model[start : max(stop + 1, 0)]

    @invariant()
    def same(self) -> None:
        assert list(self.value) == self.model
        assert len(self.value) == len(self.model)
        assert [item for _, items in self.value.nodes() for item in items] == self.model
        check_sizes(self.value)


ListMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestListMachine = ListMachine.TestCase


@given(fills, st.lists(elements, min_size=1))
def test_encoding_after_single_pushes(fill: int, items: list[bytes]) -> None:
    """A listpack stays one exactly while each element fits when it comes."""
    value = List(limits_of(fill))
    expected = LISTPACK
    for done, item in enumerate(items):
        size = listpack_bytes(items[:done]) + len(item)
        most_bytes = 4096 << (min(-fill, 5) - 1) if fill < 0 else 8192
        if size > most_bytes or (fill >= 0 and done >= max(fill, 1)):
            expected = QUICKLIST
        value.push_right((item,))
        assert value.encoding == expected
        check_sizes(value)


@pytest.mark.parametrize(("fill", "large"), [(3, b"x"), (-1, b"x" * 8192)])
def test_growing(fill: int, large: bytes) -> None:
    value = make(fill, b"a", b"b", b"c")
    assert value.encoding == LISTPACK
    copy = value.copy()
    value.push_right((large,))
    assert value.encoding == QUICKLIST
    value = copy.copy()
    assert value.insert(b"b", large, after=True)
    assert value.encoding == QUICKLIST
    value = copy.copy()
    assert not value.insert(b"missing", large, after=True)
    assert value.encoding == QUICKLIST
    value = copy.copy()
    with pytest.raises(IndexError):
        value.set(7, large)
    assert value.encoding == QUICKLIST
    assert copy.encoding == LISTPACK


def test_shrinking_by_number() -> None:
    value = make(3, b"a", b"b", b"c", b"d")
    assert value.nodes() == [(False, [b"a", b"b", b"c"]), (False, [b"d"])]
    assert value.pop_right() == b"d"
    assert value.encoding == QUICKLIST  # Three elements in one node: that is more than half of three.
    assert value.pop_right_many(2) == [b"c", b"b"]
    assert value.encoding == LISTPACK
    value = make(3, b"a", b"a", b"a", b"d")
    value.remove(b"a", 3)
    assert value.encoding == LISTPACK
    value = make(3, b"a", b"b", b"c", b"d")
    value.trim(1, 1)
    assert value.encoding == LISTPACK


def test_shrinking_by_size() -> None:
    large = b"x" * 8192
    value = make(-1, b"a", b"b", b"c", large)
    assert value.nodes() == [(False, [b"a", b"b", b"c"]), (True, [large])]
    assert value.pop_right() == large
    assert value.encoding == LISTPACK
    value = make(-1, large, b"a", b"b")
    value.pop_right_many(2)
    assert value.encoding == QUICKLIST  # A plain node is never a listpack.
    value.set(-1, b"c")
    assert value.encoding == LISTPACK


def test_rotating_looks_at_the_size_afterwards() -> None:
    value = make(4, b"a", b"b", b"c", b"d", b"e")
    value.pop_right()
    value.pop_right()
    assert (len(value), value.encoding) == (3, QUICKLIST)
    value.rotate(False, True)
    assert (len(value), value.encoding) == (3, QUICKLIST)
    value.pop_right()
    assert (len(value), value.encoding) == (2, LISTPACK)


def test_a_fill_of_nothing_is_one() -> None:
    assert make(0, b"a").encoding == LISTPACK
    assert make(0, b"a", b"b").encoding == QUICKLIST


def test_the_largest_listpack() -> None:
    value = make(-6, b"x" * 60000)
    assert value.encoding == LISTPACK
    value.push_right((b"x" * 5536,))
    assert value.encoding == QUICKLIST


def test_loading_takes_the_whole_limit() -> None:
    value = make(3, b"a", b"b", b"c", b"d")
    value.pop_right()
    assert value.encoding == QUICKLIST
    assert List.from_nodes(limits_of(3), value.nodes()).encoding == LISTPACK
    assert List.of(limits_of(3), [b"a", b"b", b"c"]).encoding == LISTPACK
    assert List.of(limits_of(3), [b"a", b"b", b"c", b"d"]).encoding == QUICKLIST


def test_a_fill_stays_with_its_quicklist() -> None:
    limits = limits_of(2)
    value = List(limits)
    value.push_right([b"a", b"b", b"c"])
    limits.list_max_listpack_size = 100
    value.push_right([b"d", b"e"])
    assert [items for _, items in value.nodes()] == [[b"a", b"b"], [b"c", b"d"], [b"e"]]


def test_a_large_element_splits_a_node() -> None:
    limits = limits_of(4, threshold=5)
    value = List(limits)
    value.push_right([b"aa", b"bb", b"cc", b"dd", b"ee"])
    value.set(2, b"e" * 10)
    assert value.nodes() == [(False, [b"aa", b"bb"]), (True, [b"e" * 10]), (False, [b"dd", b"ee"])]
    value.set(2, b"f")
    assert value.nodes() == [(False, [b"aa", b"bb"]), (False, [b"f", b"dd", b"ee"])]
    value.insert(b"aa", b"l" * 9, after=True)
    assert [items for _, items in value.nodes()] == [[b"aa"], [b"l" * 9], [b"bb"], [b"f", b"dd", b"ee"]]


def test_inserting_into_full_nodes() -> None:
    limits = limits_of(3)
    value = List(limits)
    value.push_right([b"%d" % number for number in range(7)])
    value.insert(b"4", b"x", after=False)
    assert [items for _, items in value.nodes()] == [[b"0", b"1", b"2"], [b"3", b"x"], [b"4", b"5", b"6"]]
    value.insert(b"3", b"y", after=False)
    value.insert(b"3", b"z", after=False)
    assert [items for _, items in value.nodes()] == [
        [b"0", b"1", b"2"], [b"y", b"z"], [b"3", b"x"], [b"4", b"5", b"6"],
    ]  # fmt: skip


def test_small_nodes_are_joined_after_a_split() -> None:
    nodes = [[b"a"], [b"b"], [b"1", b"2", b"3", b"4"], [b"c"], [b"d"]]
    value = List.from_nodes(limits_of(4), [(False, items) for items in nodes])
    copy = value.copy()
    assert copy.insert(b"2", b"x", after=True)
    assert [items for _, items in copy.nodes()] == [
        [b"a", b"b", b"1", b"2"], [b"x", b"3", b"4", b"c"], [b"d"],
    ]  # fmt: skip
    assert value.insert(b"2", b"x", after=False)
    assert [items for _, items in value.nodes()] == [
        [b"a"], [b"b", b"1", b"x"], [b"2", b"3", b"4"], [b"c", b"d"],
    ]  # fmt: skip


@pytest.mark.parametrize(("spare", "nodes"), [(0, 1), (1, 2)])
def test_a_node_is_full_when_a_guess_of_the_next_entry_does_not_fit(spare: int, nodes: int) -> None:
    """Redis reckons 8 bytes more than the element itself; this is a quicklist already."""
    value = List(limits_of(-1))
    value._quick = quick = Quicklist(value._limits)
    quick.push_tail(b"x" * 4000)
    assert value.node_sizes() == [7 + 4004]
    quick.push_tail(b"y" * (4096 - 4011 - 8 + spare))
    assert len(quick.nodes) == nodes


def test_integers_take_less_room() -> None:
    """A million is five bytes where seven characters would be nine: the upper bound alone would be wrong."""
    value = List(limits_of(-2))
    for _ in range((8192 - 7 - 7) // 5 + 1):
        value.push_left((b"1000000",))
        assert value.encoding == LISTPACK
    value.push_left((b"1000000",))
    assert value.encoding == QUICKLIST


def test_emptied() -> None:
    """The keyspace removes an empty list, but until then it has to be a list."""
    value = make(1, b"a", b"b")
    assert value.pop_left_many(9) == [b"a", b"b"]
    assert value.pop_left_many(1) == value.pop_right_many(1) == value.range(0, -1) == []
    assert value.find(b"a") == []
    assert value.index(0) is None
    assert value.index(-1) is None
    assert value.trim(0, -1) == value.remove(b"a") == 0
    assert not value.insert(b"a", b"b", after=True)
    with pytest.raises(IndexError):
        value.set(0, b"a")
    with pytest.raises(IndexError):
        value.pop_left()
    with pytest.raises(IndexError):
        value.pop_right()
    value.push_left((b"c",))
    assert value.range(0, -1) == [b"c"]


def test_type_name() -> None:
    assert List.type_name == b"list"
