"""The hash tables behind dictionaries."""

from __future__ import annotations

import sys

import pytest

from twisted_resp.keyspace.tables import table_of


@pytest.mark.parametrize("count", [1, 5, 6, 100, 170, 171, 5000, 50_000])
def test_two_thirds_of_the_slots_are_as_many_as_the_keys_at_least(count: int) -> None:
    table = table_of(dict.fromkeys(map(str.encode, map(str, range(count)))))
    assert table.slots & (table.slots - 1) == 0
    assert table.slots * 2 // 3 >= count
    assert table.look_up == table.slots * (1 if table.slots < 256 else 2 if table.slots < 65536 else 4)


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="it tells no sizes")
def test_a_table_is_as_large_as_it_was_until_it_is_cleared() -> None:
    keys = {b"%d" % number: 1 for number in range(1000)}
    slots = table_of(keys).slots
    for number in range(999):
        del keys[b"%d" % number]
    assert table_of(keys).slots == slots >= 1024
    keys.clear()
    assert table_of(keys)[:2] == table_of({})[:2] == (0, 0)
