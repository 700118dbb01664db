from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_resp.values import hyperloglog as hll

LIMIT = 3000


def numbers(start: int, stop: int) -> list[bytes]:
    return [b"%d" % number for number in range(start, stop)]


def filled(elements: list[bytes], limit: int = LIMIT) -> bytearray:
    data = hll.create()
    hll.add(data, elements, limit)
    return data


def test_empty() -> None:
    data = hll.create()
    hll.validate(data)
    assert len(data) == 18
    assert not hll.is_dense(data)
    assert hll.cached_count(data) == hll.count(data) == 0
    assert hll.registers(data) == bytes(16384)
    assert hll.describe_sparse(data) == b"Z:16384"
    assert hll.add(data, [], LIMIT) == 0
    assert hll.count_union([]) == 0


def test_adding_again_changes_nothing() -> None:
    data = filled([b"a", b"b"])
    assert hll.cached_count(data) is None
    assert hll.count(data) == 2
    before = bytes(data)
    assert hll.add(data, [b"b", b"a"], LIMIT) == 0
    assert data == before
    assert hll.cached_count(data) == 2
    assert hll.add(data, [b"a", b"c"], LIMIT) == 1
    assert hll.cached_count(data) is None


@pytest.mark.parametrize("size", [10, 100, 1000, 10_000, 100_000])
def test_counts_are_near(size: int) -> None:
    data = filled(numbers(0, size))
    assert abs(hll.count(data) - size) <= 0.025 * size


def test_promotion_keeps_the_registers() -> None:
    elements = numbers(0, 3000)
    sparse, dense = filled(elements, 10**6), filled(elements, 20)
    assert (hll.is_dense(sparse), hll.is_dense(dense)) == (False, True)
    assert hll.registers(sparse) == hll.registers(dense)
    assert hll.count(sparse) == hll.count(dense)
    hll.to_dense(sparse)
    assert sparse == dense


def test_union() -> None:
    one, two = filled(numbers(0, 600)), filled(numbers(300, 5000))
    everything = filled(numbers(0, 5000))
    assert hll.count_union([one, two]) == hll.count(everything)
    hll.merge(one, [two], LIMIT)
    assert hll.is_dense(one)
    assert hll.registers(one) == hll.registers(everything)
    merged = hll.create()
    hll.merge(merged, [filled(numbers(0, 50)), filled(numbers(40, 90))], LIMIT)
    assert not hll.is_dense(merged)
    assert hll.registers(merged) == hll.registers(filled(numbers(0, 90)))


def test_hostile_bytes() -> None:
    good = filled(numbers(0, 100))
    for bad in (b"", b"HYLL", b"HYLX" + good[4:], good[:4] + b"\x02" + good[5:], good[:4] + b"\0" + good[5:]):
        with pytest.raises(ValueError):
            hll.validate(bad)
    for bad in (good + b"hello", good[:-3], good[:16], b"HYLL\x01" + bytes(10) + b"\x80\x7f"):
        hll.validate(bad)
        with pytest.raises(ValueError):
            hll.registers(bad)
        stale = bytearray(bad)
        stale[15] |= 0x80
        with pytest.raises(ValueError):
            hll.count(stale)
    with pytest.raises(ValueError):
        hll.add(bytearray(good[:16]), [b"a"], LIMIT)
    with pytest.raises(ValueError):
        hll.add(bytearray(good[:20]), [b"%d" % number for number in range(10)], LIMIT)


@given(st.binary(max_size=60), st.lists(st.binary(max_size=3), max_size=5))
def test_no_bytes_raise_anything_else(body: bytes, elements: list[bytes]) -> None:
    data = bytearray(b"HYLL\x01" + bytes(10) + b"\x80" + body)
    for action in (
        lambda: hll.add(data, elements, 40),
        lambda: hll.count(data),
        lambda: hll.merge(data, [hll.create()], LIMIT),
        lambda: hll.describe_sparse(data),
    ):
        try:
            action()
        except ValueError:
            pass


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_packing(seed: int) -> None:
    values = bytes(random.Random(seed).choices(range(64), k=16384))
    packed = hll._pack(values)
    assert hll._unpack(bytes(16) + packed) == values
    data = bytearray(b"HYLL" + bytes(12 + 12288))
    for index in range(0, 16384, 97):
        assert hll._set_dense(data, index, values[index]) == (values[index] > 0)
        assert not hll._set_dense(data, index, values[index])
        assert hll.registers(data)[index] == values[index]


def same(reference: Any, key: str, data: bytearray) -> None:
    assert reference.execute_command("GET", key) == bytes(data)
    assert reference.execute_command("PFCOUNT", key) == hll.count(data)
    assert reference.execute_command("GET", key) == bytes(data)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.binary(max_size=20) | st.integers(0, 3000).map(lambda n: b"%d" % n), max_size=30),
        max_size=4,
    ),
    st.integers(0, 1500),
    st.sampled_from([30, 300, 1000, 3000]),
)
def test_the_same_bytes_as_redis(reference: Any, batches: list[list[bytes]], bulk: int, limit: int) -> None:
    reference.execute_command("CONFIG", "SET", "hll-sparse-max-bytes", limit)
    reference.execute_command("DEL", "h")
    data = hll.create()
    # What PFADD creates has no count yet, even if nothing was added.
    hll.invalidate(data)
    for batch in [numbers(0, bulk), *batches]:
        reference.execute_command("PFADD", "h", *batch)
        hll.add(data, batch, limit)
        same(reference, "h", data)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 700)), min_size=1, max_size=3),
    st.integers(0, 300),
    st.sampled_from([100, 1000, 3000]),
)
def test_the_same_union_as_redis(reference: Any, spans: list[tuple[int, int]], own: int, limit: int) -> None:
    reference.execute_command("CONFIG", "SET", "hll-sparse-max-bytes", limit)
    reference.execute_command("DEL", "h", "a0", "a1", "a2")
    sources = []
    for number, (start, size) in enumerate(spans):
        elements = numbers(start, start + size)
        reference.execute_command("PFADD", f"a{number}", *elements)
        sources.append(filled(elements, limit))
    data = filled(numbers(0, own), limit)
    reference.execute_command("PFADD", "h", *numbers(0, own))
    keys = [f"a{number}" for number in range(len(spans))]
    assert reference.execute_command("PFCOUNT", "h", *keys) == hll.count_union([data, *sources])
    reference.execute_command("PFMERGE", "h", *keys)
    hll.merge(data, sources, limit)
    same(reference, "h", data)
