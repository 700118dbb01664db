"""What is known of the hash tables behind a database's dictionaries: CPython's, from what it tells of their sizes.

A dictionary has a look-up table, of a power of two of slots with the number of an entry in each (of one, two or four
bytes), and an array of entries that has room for two thirds of that.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

__all__ = ["Table", "table_of"]

_ENTRY: Final = 24  # the hash, the key and the value
_LEAST_BITS: Final = 3


class Table(NamedTuple):
    """The table of one dictionary.

    :ivar slots: how many there are; none for a dictionary that has never held anything, or was cleared.
    :ivar look_up: the bytes that they take, without the entries; ``size`` is what the whole dictionary takes.
    """

    slots: int
    look_up: int
    size: int


def table_of(mapping: Mapping[Any, Any]) -> Table:
    """What the table of a dictionary is like. Interpreters that tell no sizes get the least that its length needs."""
    size = sys.getsizeof(mapping, 0)
    empty = sys.getsizeof({}, 0)
    if size <= empty and not mapping:
        return Table(0, 0, size)
    bits = _LEAST_BITS
    if size > empty:
        while _table_size(bits + 1) <= size - empty:
            bits += 1
    else:
        while _room(bits) < len(mapping):
            bits += 1
    return Table(1 << bits, _look_up_size(bits), size or _table_size(bits))


def _room(bits: int) -> int:
    return (2 << bits) // 3


def _look_up_size(bits: int) -> int:
    return (1 << bits) * (1 if bits < 8 else 2 if bits < 16 else 4)


def _table_size(bits: int) -> int:
    return _look_up_size(bits) + _ENTRY * _room(bits)
