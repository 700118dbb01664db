"""How much memory a value takes: an estimate that costs the same for large and small values.

What a value holds is measured on a few of its elements and multiplied. The constants are those of CPython on 64 bits;
other interpreters differ, but a limit must not depend on where it is checked.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

from twisted_resp.values.hash import Hash
from twisted_resp.values.list import List
from twisted_resp.values.set import Set
from twisted_resp.values.sorted_set import SortedSet
from twisted_resp.values.stream import Stream

__all__ = ["KEY_OVERHEAD", "estimate", "string_size"]

#: What a key costs beside its name and value: its entries in the dictionaries of values and of accesses.
KEY_OVERHEAD: Final = 96
_OBJECT: Final = 120  # an object with slots, and the container in it
_DICT_ENTRY: Final = 48
_POINTER: Final = 8
_FLOAT: Final = 24
_STREAM_ENTRY: Final = 150  # the id, the list of fields, the places in the node


def string_size(length: int) -> int:
    """The size of a bytes object: its header, and what allocation rounds it up to."""
    return (33 + length + 15) & ~15


def estimate(value: Any, samples: int = 5) -> int:
    """The bytes that a value takes, without its key.

    :param samples: how many elements of a collection are looked at; 0 for all.
    """
    if isinstance(value, (bytes, bytearray)):
        return string_size(len(value))
    size = len(value)
    most = samples or size
    if isinstance(value, Hash):
        elements = [
            string_size(len(field)) + string_size(len(text))
            for field, text in islice(value.mapping.items(), most)
        ]
        overhead = _DICT_ENTRY + (_DICT_ENTRY if value.has_expiries else 0)
    elif isinstance(value, Set):
        elements = [string_size(len(member)) for member in islice(value, most)]
        overhead = _DICT_ENTRY
    elif isinstance(value, List):
        elements = [string_size(len(element)) for element in value.range(0, most - 1)]
        overhead = _POINTER
    elif isinstance(value, SortedSet):
        elements = [string_size(len(member)) for member, _ in islice(value.scores.items(), most)]
        overhead = _DICT_ENTRY + _FLOAT + 2 * _POINTER
    elif isinstance(value, Stream):
        elements = [
            sum(string_size(len(word)) + _POINTER for word in fields) for _, fields in value.range(count=most)
        ]
        overhead = _STREAM_ENTRY
    else:
        raise TypeError(f"not a value: {type(value).__name__}")
    if not elements:
        return _OBJECT
    return _OBJECT + size * overhead + sum(elements) * size // len(elements)
