"""How large a value is to free, and how to take one apart a little at a time.

CPython frees what nobody refers to at once, all of it, however large. Who wants it in small portions has to empty the
containers before they go: :func:`crumble`. It touches only what nobody else refers to, which it knows from reference
counts; what is shared (a value that was moved to another key, a list that a copy has as well) it lets go as it is. An
interpreter without such counts has a garbage collector that works in portions of its own.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import Any, Callable, Final

from twisted_resp.values.dense import DenseIndex
from twisted_resp.values.hash import Hash
from twisted_resp.values.list import List
from twisted_resp.values.quicklist import Node, Quicklist
from twisted_resp.values.score_order import ScoreOrder
from twisted_resp.values.set import Set
from twisted_resp.values.sorted_set import SortedSet
from twisted_resp.values.stream import Stream
from twisted_resp.values.stream_groups import Consumer, Group, PendingList
from twisted_resp.values.stream_node import Node as StreamNode
from twisted_resp.values.stream_radix import radix_nodes

__all__ = ["crumble", "free_effort"]

#: A container or value with no more elements than this goes as a whole.
_SMALL: Final = 512
#: With more nodes than this the rest of a stream's structure is not worth counting.
_ENOUGH: Final = 64
_LARGE_ENCODINGS: Final = frozenset((b"hashtable", b"skiplist"))
_PLAIN: Final = frozenset((bytes, bytearray, int, float, tuple))
_CONTAINERS: Final = frozenset((dict, list, deque))
#: What has its containers in its slots; those with a length first.
_SIZED: Final = frozenset((Hash, List, Set, SortedSet, Node, DenseIndex, ScoreOrder))
_STRUCTURES: Final = _SIZED | {Quicklist, Stream, StreamNode, Group, Consumer, PendingList}

_count_references: Callable[[Any], int] = getattr(sys, "getrefcount", lambda thing: sys.maxsize)


def free_effort(value: Any) -> int:
    """How many allocations Redis would have to free for a value, by its own reckoning: at most a rough measure."""
    kind = type(value)
    if kind is List:
        return int(value.node_count)
    if kind is Stream:
        return _stream_effort(value)
    if kind in _SIZED and value.encoding in _LARGE_ENCODINGS:
        count: int = len(value)
        return count
    return 1


def crumble(parts: list[Any], budget: int) -> int:
    """Free about ``budget`` elements of what only ``parts`` refers to; ``parts`` is empty when all is done.

    :return: what is left of the budget: a rest of 0 or less says that it was used up.
    """
    while parts and budget > 0:
        budget = _crumble_last(parts, budget)
    return budget


# ------------------------------------------------------------------------------------------------------------ within


def _stream_effort(stream: Stream) -> int:
    starts = [node.start for node in stream.nodes]
    effort = len(starts) if len(starts) > _ENOUGH else radix_nodes(starts)
    groups = stream.groups
    if groups:
        effort += len(groups) * (1 + len(next(iter(groups.values())).pending))
    return effort


def _taken(parts: list[Any]) -> tuple[Any, int]:
    part = parts.pop()
    return part, _count_references(part)


# What :func:`_taken` counts for something that nobody else has.
_OURS: Final = _taken([[]])[1]
_COUNTS: Final = sys.maxsize != _OURS


def _crumble_last(parts: list[Any], budget: int) -> int:
    # A function of its own, so that none of its variables refers to anything when the next part is looked at.
    part, references = _taken(parts)
    kind = type(part)
    if kind is Consumer and _COUNTS:
        # Its pending entries refer back to it. Without them it goes.
        parts.append(part.pending)
        part.pending = PendingList()
        return budget - 1
    if references != _OURS or not _COUNTS:
        return budget - 1
    if kind is dict:
        return _from_dict(part, parts, budget)
    if kind in _CONTAINERS:
        return _from_list(part, parts, budget)
    if kind in _STRUCTURES:
        for name in kind.__slots__:
            member = getattr(part, name)
            if type(member) in _CONTAINERS or type(member) in _STRUCTURES:
                parts.append(member)
    return budget - 1


def _from_dict(items: dict[Any, Any], parts: list[Any], budget: int) -> int:
    pop = items.popitem
    while budget > 0 and items:
        value = pop()[1]
        budget -= 1
        kind = type(value)
        if kind is bytes or kind is int or kind in _PLAIN:
            continue
        size = _size(value)
        if size > _SMALL:
            parts.append(items)
            parts.append(value)
            return budget
        budget -= size
    if items:
        parts.append(items)
    return budget


def _from_list(items: Any, parts: list[Any], budget: int) -> int:
    # All elements of a list are of one type.
    if type(items) is list and items and type(items[-1]) in _PLAIN:
        count = min(len(items), budget)
        del items[-count:]
        budget -= count
    while items and budget > 0:
        element = items.pop()
        budget -= 1
        size = _size(element)
        if size > _SMALL:
            parts.append(items)
            parts.append(element)
            return budget
        budget -= size
    if items:
        parts.append(items)
    return budget


def _size(value: Any) -> int:
    """How many elements go with a value: more than a few for one that is to be looked into whatever its size."""
    kind = type(value)
    if kind in _CONTAINERS or kind in _SIZED:
        return len(value)
    return _SMALL + 1 if kind in _STRUCTURES else 0
