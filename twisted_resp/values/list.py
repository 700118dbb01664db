"""The list value: a Python list while Redis would have one listpack, a `Quicklist` beyond that.

A listpack list accounts its bytes the way a quicklist node does: an upper bound from the lengths of the
elements until that bound reaches the limit, and exact sizes from then on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from twisted_resp.values.listpack import HEADER_BYTES, entry_bytes, listpack_bytes, rough_entry_bytes
from twisted_resp.values.quicklist import NODE_BYTES, Node, Quicklist, exceeds, node_limits, remove_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from twisted_resp.values.limits import Limits

__all__ = ["List"]


class List:
    """A list of bytes, as `Redis lists <https://redis.io/docs/latest/develop/data-types/lists/>`_.

    Indexes and ranges are those of the commands: from 0, negative ones from the end, the end of a range
    included, and ranges that reach beyond the list are cut to it.
    """

    __slots__ = ("_exact", "_items", "_limits", "_quick", "_size")

    type_name: ClassVar[bytes] = b"list"

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # The elements and their listpack bytes, while there is no quicklist.
        self._items: list[bytes] = []
        self._size = HEADER_BYTES
        self._exact = False
        self._quick: Quicklist | None = None

    @classmethod
    def of(cls, limits: Limits, elements: Iterable[bytes]) -> List:
        """A list built at once, as SORT ... STORE builds it, with the encoding that fits its final size."""
        new = cls(limits)
        new._quick = quick = Quicklist(limits)
        for element in elements:
            quick.push_tail(element)
        new._shrink(1)
        return new

    @classmethod
    def from_nodes(cls, limits: Limits, nodes: Iterable[tuple[bool, Iterable[bytes]]]) -> List:
        """A list from what `nodes` gave, as it comes from an RDB file: "is plain" and elements of each."""
        new = cls(limits)
        new._quick = quick = Quicklist(limits)
        for plain, elements in nodes:
            quick.append_node(elements, plain)
        new._shrink(1)
        return new

    def nodes(self) -> list[tuple[bool, list[bytes]]]:
        """Pairs of "is a plain node" and the elements, of each node; a listpack is one packed node."""
        if self._quick is None:
            return [(False, self._items.copy())]
        return [(node.plain, list(node.elements)) for node in self._quick.nodes]

    def node_sizes(self) -> list[int]:
        """The bytes of each node, without what Redis adds for the node itself."""
        if self._quick is None:
            return [listpack_bytes(self._items)]
        return [node.measured() for node in self._quick.nodes]

    def copy(self) -> List:
        new = List(self._limits)
        new._items = self._items.copy()
        new._size = self._size
        new._exact = self._exact
        if self._quick is not None:
            new._quick = self._quick.copy()
        return new

    @property
    def encoding(self) -> bytes:
        return b"listpack" if self._quick is None else b"quicklist"

    @property
    def node_count(self) -> int:
        """How many nodes there are."""
        return 1 if self._quick is None else len(self._quick.nodes)

    def __len__(self) -> int:
        return len(self._items) if self._quick is None else self._quick.count

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._items if self._quick is None else self._quick)

    # Encodings.

    def _make_room(self, elements: Sequence[bytes]) -> None:
        """Turn a listpack into a quicklist if `elements` might not fit into it.

        Redis asks this before it adds, with the lengths of the elements only.
        """
        fill = self._limits.list_max_listpack_size
        added = len(elements[0]) if len(elements) == 1 else sum(map(len, elements))
        items = self._items
        if not exceeds(fill, self._size + added, len(items) + len(elements)):
            return
        if not self._exact:
            self._exact = True
            self._size = listpack_bytes(items)
            if not exceeds(fill, self._size + added, len(items) + len(elements)):
                return
        self._quick = quick = Quicklist(self._limits)
        if items:
            quick.nodes.append(Node(items, self._size, exact=True))
            quick.count = len(items)
        self._items = []

    def _shrink(self, divisor: int = 2) -> None:
        """Turn a quicklist of one packed node back into a listpack if that is small enough.

        After removals this is below half the limit, so that a list near it does not go to and fro.
        """
        quick = self._quick
        if quick is None or len(quick.nodes) != 1:
            return
        node = quick.nodes[0]
        if node.plain:
            return
        limit, count = node_limits(self._limits.list_max_listpack_size)
        if count is not None:
            if quick.count > count // divisor:
                return
        elif limit is not None and node.size > limit // divisor and node.measured() > limit // divisor:
            return
        self._items = list(node.elements)
        self._size = node.size
        self._exact = node.exact
        self._quick = None

    # The ends.

    def push_left(self, elements: Sequence[bytes]) -> int:
        """Insert one after the other at the head, at least one; returns how many elements there are now."""
        quick = self._quick
        if quick is None:
            if len(elements) == 1 and not self._exact:
                element = elements[0]
                length = len(element)
                size = self._size
                items = self._items
                fill = self._limits.list_max_listpack_size
                if -6 < fill < 0 and size + length <= NODE_BYTES[fill]:
                    items.insert(0, element)
                    self._size = size + length + 2 + (length >> 5)
                    return len(items)
            self._make_room(elements)
            quick = self._quick
            if quick is None:
                self._items[:0] = elements[::-1]
                self._size += sum(map(entry_bytes if self._exact else rough_entry_bytes, elements))
                return len(self._items)
        if len(elements) == 1:
            quick.push_head(elements[0])
        else:
            for element in elements:
                quick.push_head(element)
        return quick.count

    def push_right(self, elements: Sequence[bytes]) -> int:
        """Append one after the other at the tail, at least one; returns how many elements there are now."""
        quick = self._quick
        if quick is None:
            if len(elements) == 1 and not self._exact:
                element = elements[0]
                length = len(element)
                size = self._size
                items = self._items
                fill = self._limits.list_max_listpack_size
                if -6 < fill < 0 and size + length <= NODE_BYTES[fill]:
                    items.append(element)
                    self._size = size + length + 2 + (length >> 5)
                    return len(items)
            self._make_room(elements)
            quick = self._quick
            if quick is None:
                self._items += elements
                self._size += sum(map(entry_bytes if self._exact else rough_entry_bytes, elements))
                return len(self._items)
        if len(elements) == 1:
            quick.push_tail(elements[0])
        else:
            for element in elements:
                quick.push_tail(element)
        return quick.count

    def pop_left(self) -> bytes:
        """Take the first element out; IndexError if there is none."""
        quick = self._quick
        if quick is None:
            element = self._items.pop(0)
            if self._exact:
                self._size -= entry_bytes(element)
            else:
                length = len(element)
                self._size -= length + 2 + (length >> 5)
            return element
        element = quick.pop_head()
        if len(quick.nodes) == 1:
            self._shrink()
        return element

    def pop_right(self) -> bytes:
        """Take the last element out; IndexError if there is none."""
        quick = self._quick
        if quick is None:
            element = self._items.pop()
            if self._exact:
                self._size -= entry_bytes(element)
            else:
                length = len(element)
                self._size -= length + 2 + (length >> 5)
            return element
        element = quick.pop_tail()
        if len(quick.nodes) == 1:
            self._shrink()
        return element

    # What many commands do, each with one element.

    def push_left_each(self, elements: list[bytes]) -> Sequence[int]:
        """Insert each at the head, as so many calls of :meth:`push_left`; returns the lengths after each."""
        length = len(self)
        quick = self._quick
        if quick is None:
            size = self._size_with(elements)
            if size is not None:
                self._items[:0] = elements[::-1]
                self._size = size
                return range(length + 1, length + 1 + len(elements))
        elif quick.extend_head(elements):
            return range(length + 1, length + 1 + len(elements))
        return [self.push_left((element,)) for element in elements]

    def push_right_each(self, elements: list[bytes]) -> Sequence[int]:
        """Append each at the tail, as so many calls of :meth:`push_right`; returns the lengths after each."""
        length = len(self)
        quick = self._quick
        if quick is None:
            size = self._size_with(elements)
            if size is not None:
                self._items += elements
                self._size = size
                return range(length + 1, length + 1 + len(elements))
        elif quick.extend_tail(elements):
            return range(length + 1, length + 1 + len(elements))
        return [self.push_right((element,)) for element in elements]

    def _size_with(self, elements: list[bytes]) -> int | None:
        """The size of the listpack with more elements, if it surely stays one while they come one by one."""
        fill = self._limits.list_max_listpack_size
        if self._exact or not -6 < fill < 0:
            return None
        size = self._size + sum(map(rough_entry_bytes, elements))
        return size if size <= NODE_BYTES[fill] else None

    def pop_left_each(self, count: int) -> list[bytes]:
        """Take at most `count` elements from the head, as so many calls of :meth:`pop_left`."""
        quick = self._quick
        if quick is None:
            items = self._items
            popped = items[:count]
            del items[:count]
            self._size -= sum(map(entry_bytes if self._exact else rough_entry_bytes, popped))
            return popped
        if quick.has_more_first(count):
            return quick.take_head(count)
        return [self.pop_left() for _ in range(min(count, len(self)))]

    def pop_right_each(self, count: int) -> list[bytes]:
        """Take at most `count` elements from the tail, as so many calls of :meth:`pop_right`."""
        quick = self._quick
        if quick is None:
            items = self._items
            popped = items[: -count - 1 : -1]
            del items[-count:]
            self._size -= sum(map(entry_bytes if self._exact else rough_entry_bytes, popped))
            return popped
        if quick.has_more_last(count):
            return quick.take_tail(count)
        return [self.pop_right() for _ in range(min(count, len(self)))]

    def pop_left_many(self, count: int) -> list[bytes]:
        """Take at most `count` elements from the head, first one first."""
        count = min(count, len(self))
        popped = self.range(0, count - 1) if count > 0 else []
        self._delete(0, len(popped))
        self._shrink()
        return popped

    def pop_right_many(self, count: int) -> list[bytes]:
        """Take at most `count` elements from the tail, last one first."""
        length = len(self)
        count = min(count, length)
        popped = self.range(length - count, -1) if count > 0 else []
        self._delete(length - len(popped), length)
        self._shrink()
        popped.reverse()
        return popped

    def rotate(self, from_left: bool, to_left: bool) -> bytes:
        """Move an element from one end of the list to an end of the same list, and return it.

        It differs from a pop and a push in that the encoding is only looked at afterwards, as LMOVE does it.
        """
        if self._quick is None:
            element = self.pop_left() if from_left else self.pop_right()
        else:
            element = self._quick.pop_head() if from_left else self._quick.pop_tail()
        if to_left:
            self.push_left((element,))
        else:
            self.push_right((element,))
        self._shrink()
        return element

    # Reading.

    def index(self, index: int) -> bytes | None:
        """The element at `index` (LINDEX), None beyond the ends."""
        quick = self._quick
        if quick is None:
            try:
                return self._items[index]
            except IndexError:
                return None
        if not quick.count:
            return None
        if index == 0:
            return quick.nodes[0].elements[0]
        if index == -1:
            return quick.nodes[-1].elements[-1]
        if index < 0:
            index += quick.count
        return quick.get(index) if 0 <= index < quick.count else None

    def _span(self, start: int, stop: int) -> tuple[int, int]:
        """A range as the commands have it, as one from 0 without its end; empty as (0, 0)."""
        length = len(self)
        if start < 0:
            start = max(start + length, 0)
        stop = min(stop + length if stop < 0 else stop, length - 1) + 1
        return (start, stop) if start < stop else (0, 0)

    def range(self, start: int, stop: int) -> list[bytes]:
        """The elements from `start` to `stop` inclusive (LRANGE)."""
        start, stop = self._span(start, stop)
        if start == stop:
            return []
        if self._quick is None:
            return self._items[start:stop]
        return self._quick.range(start, stop)

    def find(self, element: bytes, rank: int = 1, count: int = 1, maxlen: int = 0) -> list[int]:
        """Indexes of elements equal to `element`, as LPOS has them.

        `rank` (not 0) is the first match wanted, negative to search from the tail; `count` is how many
        (0: all), `maxlen` how many elements are compared at most (0: all).
        """
        length = len(self)
        skip = abs(rank) - 1
        left = maxlen or length
        found: list[int] = []
        offset = 0
        for chunk in self._chunks(rank < 0):
            if len(chunk) > left:
                chunk = chunk[:left]
            left -= len(chunk)
            position = -1
            for _ in range(chunk.count(element)):
                position = chunk.index(element, position + 1)
                if skip:
                    skip -= 1
                    continue
                found.append(length - 1 - offset - position if rank < 0 else offset + position)
                if len(found) == count:
                    return found
            if not left:
                break
            offset += len(chunk)
        return found

    def _chunks(self, backwards: bool) -> Iterator[list[bytes]]:
        if self._quick is None:
            yield self._items[::-1] if backwards else self._items
        elif backwards:
            for node in reversed(self._quick.nodes):
                yield list(reversed(node.elements))
        else:
            for node in self._quick.nodes:
                yield list(node.elements)

    # Changing the middle.

    def set(self, index: int, element: bytes) -> None:
        """Replace the element at `index` (LSET); IndexError beyond the ends.

        As in Redis, even a failing call converts a listpack for which `element` would be too large.
        """
        if self._quick is None:
            self._make_room((element,))
        length = len(self)
        if index < 0:
            index += length
        if not 0 <= index < length:
            raise IndexError(index)
        if self._quick is None:
            measure = entry_bytes if self._exact else rough_entry_bytes
            self._size += measure(element) - measure(self._items[index])
            self._items[index] = element
        else:
            self._quick.replace(index, element)
            self._shrink()

    def insert(self, pivot: bytes, element: bytes, after: bool) -> bool:
        """Insert before or after the first element equal to `pivot` (LINSERT); False if there is none.

        As in Redis, even a failing call converts a listpack for which `element` would be too large.
        """
        if self._quick is None:
            self._make_room((element,))
        if self._quick is None:
            if pivot not in self._items:
                return False
            self._items.insert(self._items.index(pivot) + after, element)
            self._size += entry_bytes(element) if self._exact else rough_entry_bytes(element)
        else:
            found = self.find(pivot)
            if not found:
                return False
            self._quick.insert(found[0], element, after)
        return True

    def remove(self, element: bytes, count: int = 0) -> int:
        """Remove the first `count` elements equal to `element`, the last ones if negative, all if 0 (LREM).

        Returns how many were removed.
        """
        if self._quick is not None:
            removed = self._quick.remove(element, count)
            self._shrink()
            return removed
        removed = remove_from(self._items, element, count)
        if removed:
            measure = entry_bytes if self._exact else rough_entry_bytes
            self._size -= measure(element) * removed
        return removed

    def trim(self, start: int, stop: int) -> int:
        """Keep only the elements from `start` to `stop` inclusive (LTRIM); returns how many went."""
        length = len(self)
        start, stop = self._span(start, stop)
        if start == stop:
            start = stop = length
        self._delete(stop, length)
        self._delete(0, start)
        self._shrink()
        return length - len(self)

    def _delete(self, start: int, stop: int) -> None:
        if start == stop:
            return
        if self._quick is not None:
            self._quick.delete(start, stop)
            return
        measure = entry_bytes if self._exact else rough_entry_bytes
        self._size -= sum(map(measure, self._items[start:stop]))
        del self._items[start:stop]
