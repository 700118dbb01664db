"""A large list as Redis cuts it into nodes.

A quicklist is a chain of nodes. A packed node has several elements, up to the limit which the "fill" sets (by
bytes or by number); an element too large for that is alone in a plain node. Where the nodes end cannot be
seen directly, but whether a list shrinks back to one listpack depends on it, and DUMP, RDB files and DEBUG
OBJECT show the nodes. So they are kept as Redis keeps them, and they also make work in the middle cheap.

Each packed node knows the bytes its listpack would have. Measuring an element costs more than moving it, so a
node starts with an upper bound that needs no more than the length (`rough_entry_bytes`), and begins to
measure (`exact`) only when the bound says that a limit might have been reached.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from twisted_resp.values.listpack import HEADER_BYTES, entry_bytes, listpack_bytes, rough_entry_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from twisted_resp.values.limits import Limits

__all__ = ["NODE_BYTES", "SAFE_BYTES", "Node", "Quicklist", "exceeds", "node_limits", "remove_from"]

# Limits in bytes for a fill of -1 to -5. Indexed by the fill itself, so the order is that of [-5 .. -1].
NODE_BYTES = (65536, 32768, 16384, 8192, 4096)

# A node that is limited by number has no more bytes than this either.
SAFE_BYTES = 8192

# What Redis adds to the length of a new element when it asks whether a node has room for it.
_ENTRY_OVERHEAD = 8

# At the head of a longer node a deque is faster than a list; for a shorter one it would waste memory.
_SHORT = 128

_MAX_FILL = 32767


def node_limits(fill: int) -> tuple[int | None, int | None]:
    """The limit in bytes or the limit in elements that `fill` means; the other one is None."""
    if fill < 0:
        return NODE_BYTES[max(fill, -5)], None
    return None, fill or 1


def exceeds(fill: int, size: int, count: int) -> bool:
    """True if a node of `size` bytes and `count` elements would be beyond the limit."""
    if fill < 0:
        return size > NODE_BYTES[max(fill, -5)]
    return size > SAFE_BYTES or count > (fill or 1)


def remove_from(items: list[bytes], element: bytes, count: int) -> int:
    """Remove the first `count` items equal to `element`, the last ones if negative, all if 0.

    Returns how many were removed.
    """
    matches = items.count(element)
    if not matches:
        return 0
    if not count or abs(count) >= matches:
        items[:] = [item for item in items if item != element]
        return matches
    if count < 0:
        items.reverse()
    for _ in range(abs(count)):
        items.remove(element)
    if count < 0:
        items.reverse()
    return abs(count)


class Node:
    """A packed node with its elements, or a plain one with its only element."""

    __slots__ = ("elements", "exact", "plain", "size")

    elements: list[bytes] | deque[bytes]

    def __init__(self, elements: list[bytes], size: int, exact: bool = False, plain: bool = False) -> None:
        self.elements = elements
        self.size = size
        self.exact = exact
        self.plain = plain

    def __len__(self) -> int:
        return len(self.elements)

    def measured(self) -> int:
        """The exact size, which from now on is kept."""
        if not self.exact:
            self.exact = True
            if not self.plain:
                self.size = listpack_bytes(self.elements)
        return self.size

    def slice(self, start: int, stop: int) -> list[bytes]:
        """The elements from `start` up to but without `stop`."""
        elements = self.elements
        if isinstance(elements, list):
            return elements[start:stop]
        return list(islice(elements, start, stop))

    def cut(self, start: int, stop: int) -> None:
        """Remove the elements from `start` up to but without `stop`."""
        if isinstance(self.elements, deque):
            self.elements = list(self.elements)
        if not self.plain:
            measure = entry_bytes if self.exact else rough_entry_bytes
            self.size -= sum(map(measure, self.elements[start:stop]))
        del self.elements[start:stop]

    def insert(self, position: int, element: bytes) -> None:
        """Insert into a packed node."""
        self.elements.insert(position, element)
        self.size += entry_bytes(element) if self.exact else rough_entry_bytes(element)

    def split(self, position: int) -> Node:
        """Move the elements from `position` on to a new node, and return that."""
        elements = list(self.elements)
        self.elements = elements[:position]
        self.size = listpack_bytes(self.elements)
        self.exact = True
        rest = elements[position:]
        return Node(rest, listpack_bytes(rest), exact=True)

    def copy(self) -> Node:
        return Node(list(self.elements), self.size, self.exact, self.plain)


def _packed(element: bytes) -> Node:
    return Node([element], HEADER_BYTES + entry_bytes(element), exact=True)


def _plain(element: bytes) -> Node:
    return Node([element], len(element), exact=True, plain=True)


class Quicklist:
    """The nodes of one list, with the fill which was configured when the list got large.

    `nodes` never contains an empty node; `count` is the number of elements in all of them.
    """

    __slots__ = ("_limits", "_most", "_most_bytes", "count", "fill", "nodes")

    def __init__(self, limits: Limits, fill: int | None = None) -> None:
        self._limits = limits
        self.fill = min(max(limits.list_max_listpack_size if fill is None else fill, -5), _MAX_FILL)
        self.nodes: deque[Node] = deque()
        self.count = 0
        # What one packed node holds; of the two limits only the second is one where the fill sets bytes.
        most_bytes, most = node_limits(self.fill)
        self._most_bytes = SAFE_BYTES if most_bytes is None else most_bytes
        self._most = most_bytes if most_bytes is not None else most or 1

    def copy(self) -> Quicklist:
        new = Quicklist(self._limits, self.fill)
        new.nodes.extend(node.copy() for node in self.nodes)
        new.count = self.count
        return new

    def __iter__(self) -> Iterator[bytes]:
        for node in self.nodes:
            yield from node.elements

    def append_node(self, elements: Iterable[bytes], plain: bool = False) -> None:
        """Append a ready node, as an RDB file has it. An empty one is left out."""
        node = Node(list(elements), 0, plain=plain)
        if node.elements:
            node.size = len(node.elements[0]) if plain else node.measured()
            self.nodes.append(node)
            self.count += len(node.elements)

    # Limits of nodes.

    def _is_large(self, size: int) -> bool:
        threshold = self._limits.quicklist_packed_threshold
        return size >= threshold if threshold else size > self._most_bytes

    def _has_room(self, node: Node | None, size: int) -> bool:
        """True if an element of `size` bytes, which is not large, may go into `node`."""
        if node is None or node.plain or len(node.elements) >= self._most:
            return False
        limit = self._most_bytes - size - _ENTRY_OVERHEAD
        return node.size <= limit or (not node.exact and node.measured() <= limit)

    # The ends.

    def push_head(self, element: bytes) -> None:
        nodes = self.nodes
        node = nodes[0] if nodes else None
        size = len(element)
        self.count += 1
        # First what nearly always is: there is room by the upper bound, so the element is not large either.
        if (
            node is None
            or node.plain
            or node.size + size + _ENTRY_OVERHEAD > self._most_bytes
            or len(node.elements) >= self._most
            or self._limits.quicklist_packed_threshold
        ):
            if self._is_large(size):
                nodes.appendleft(_plain(element))
                return
            if node is None or not self._has_room(node, size):
                nodes.appendleft(Node([element], HEADER_BYTES + size + 2 + (size >> 5)))
                return
        elements = node.elements
        if isinstance(elements, deque):
            elements.appendleft(element)
        else:
            elements.insert(0, element)
            if len(elements) > _SHORT:
                node.elements = deque(elements)
        node.size += entry_bytes(element) if node.exact else size + 2 + (size >> 5)

    def push_tail(self, element: bytes) -> None:
        nodes = self.nodes
        node = nodes[-1] if nodes else None
        size = len(element)
        self.count += 1
        if (
            node is None
            or node.plain
            or node.size + size + _ENTRY_OVERHEAD > self._most_bytes
            or len(node.elements) >= self._most
            or self._limits.quicklist_packed_threshold
        ):
            if self._is_large(size):
                nodes.append(_plain(element))
                return
            if node is None or not self._has_room(node, size):
                nodes.append(Node([element], HEADER_BYTES + size + 2 + (size >> 5)))
                return
        node.elements.append(element)
        node.size += entry_bytes(element) if node.exact else size + 2 + (size >> 5)

    def pop_head(self) -> bytes:
        nodes = self.nodes
        node = nodes[0]
        elements = node.elements
        if isinstance(elements, deque):
            element = elements.popleft()
        elif len(elements) > _SHORT:
            node.elements = elements = deque(elements)
            element = elements.popleft()
        else:
            element = elements.pop(0)
        self.count -= 1
        if elements:
            size = len(element)
            node.size -= entry_bytes(element) if node.exact else size + 2 + (size >> 5)
        else:
            nodes.popleft()
        return element

    def pop_tail(self) -> bytes:
        nodes = self.nodes
        node = nodes[-1]
        elements = node.elements
        element = elements.pop()
        self.count -= 1
        if elements:
            size = len(element)
            node.size -= entry_bytes(element) if node.exact else size + 2 + (size >> 5)
        else:
            nodes.pop()
        return element

    # Many elements at the ends, where that is all there is to it: one node takes or has them all.

    def _size_with(self, node: Node, elements: list[bytes]) -> int | None:
        """The size of a node with more elements, if they surely go there, one by one."""
        if node.plain or node.exact or self._limits.quicklist_packed_threshold:
            return None
        size = node.size + sum(map(rough_entry_bytes, elements))
        fits = size + _ENTRY_OVERHEAD <= self._most_bytes and len(node.elements) + len(elements) <= self._most
        return size if fits else None

    def extend_head(self, elements: list[bytes]) -> bool:
        """Insert each at the head; answers whether it was done, else nothing was."""
        node = self.nodes[0] if self.nodes else None
        size = None if node is None else self._size_with(node, elements)
        if node is None or size is None:
            return False
        if isinstance(node.elements, deque):
            node.elements.extendleft(elements)
        else:
            node.elements[:0] = elements[::-1]
            if len(node.elements) > _SHORT:
                node.elements = deque(node.elements)
        node.size = size
        self.count += len(elements)
        return True

    def extend_tail(self, elements: list[bytes]) -> bool:
        """Append each at the tail; answers whether it was done, else nothing was."""
        node = self.nodes[-1] if self.nodes else None
        size = None if node is None else self._size_with(node, elements)
        if node is None or size is None:
            return False
        node.elements.extend(elements)
        node.size = size
        self.count += len(elements)
        return True

    def has_more_first(self, count: int) -> bool:
        """Whether `count` elements less at the head leave the nodes as many as they are, which is more than one."""
        return len(self.nodes) > 1 and len(self.nodes[0].elements) > count

    def has_more_last(self, count: int) -> bool:
        """The same, at the tail."""
        return len(self.nodes) > 1 and len(self.nodes[-1].elements) > count

    def take_head(self, count: int) -> list[bytes]:
        """Take elements that the first node has, and more (:meth:`has_more_first`); the first one first."""
        node = self.nodes[0]
        elements = node.elements
        if isinstance(elements, deque):
            taken = [elements.popleft() for _ in range(count)]
        else:
            taken = elements[:count]
            del elements[:count]
        node.size -= sum(map(entry_bytes if node.exact else rough_entry_bytes, taken))
        self.count -= count
        return taken

    def take_tail(self, count: int) -> list[bytes]:
        """Take elements that the last node has, and more (:meth:`has_more_last`); the last one first."""
        node = self.nodes[-1]
        elements = node.elements
        taken = [elements.pop() for _ in range(count)]
        node.size -= sum(map(entry_bytes if node.exact else rough_entry_bytes, taken))
        self.count -= count
        return taken

    # The middle.

    def locate(self, index: int) -> tuple[int, int]:
        """The number of the node with the element at `index` (from 0), and the element's position in it."""
        nodes = self.nodes
        if index * 2 < self.count:
            for number, node in enumerate(nodes):
                size = len(node.elements)
                if index < size:
                    return number, index
                index -= size
        else:
            index = self.count - 1 - index
            for number, node in enumerate(reversed(nodes), 1):
                size = len(node.elements)
                if index < size:
                    return len(nodes) - number, size - 1 - index
                index -= size
        raise IndexError(index)

    def get(self, index: int) -> bytes:
        number, position = self.locate(index)
        return self.nodes[number].elements[position]

    def range(self, start: int, stop: int) -> list[bytes]:
        """The elements from `start` up to but without `stop`; both within the list."""
        number, position = self.locate(start)
        missing = stop - start
        found = self.nodes[number].slice(position, position + missing)
        missing -= len(found)
        if missing:
            for node in islice(self.nodes, number + 1, None):
                if missing >= len(node.elements):
                    found.extend(node.elements)
                    missing -= len(node.elements)
                else:
                    found.extend(islice(node.elements, missing))
                    missing = 0
                if not missing:
                    break
        return found

    def delete(self, start: int, stop: int) -> None:
        """Remove the elements from `start` up to but without `stop`; both within the list."""
        missing = stop - start
        if not missing:
            return
        self.count -= missing
        nodes = self.nodes
        if not start:
            while missing and len(nodes[0].elements) <= missing:
                missing -= len(nodes.popleft().elements)
            if missing:
                nodes[0].cut(0, missing)
            return
        if not self.count - start:
            while missing and len(nodes[-1].elements) <= missing:
                missing -= len(nodes.pop().elements)
            if missing:
                size = len(nodes[-1].elements)
                nodes[-1].cut(size - missing, size)
            return
        self.count += missing
        number, position = self.locate(start)
        self.count -= missing
        while missing:
            node = nodes[number]
            size = min(missing, len(node.elements) - position)
            missing -= size
            if size == len(node.elements):
                del nodes[number]
            else:
                node.cut(position, position + size)
                number += 1
            position = 0

    def remove(self, element: bytes, count: int) -> int:
        """Remove `count` elements equal to `element`, as `remove_from` does; returns how many went."""
        nodes = self.nodes
        removed = 0
        for node in reversed(nodes) if count < 0 else nodes:
            if element not in node.elements:
                continue
            if isinstance(node.elements, deque):
                node.elements = list(node.elements)
            done = remove_from(node.elements, element, count)
            if not node.plain:
                node.size -= (entry_bytes if node.exact else rough_entry_bytes)(element) * done
            removed += done
            if count:
                count += done if count < 0 else -done
                if not count:
                    break
        if removed:
            self.count -= removed
            if not all(node.elements for node in nodes):
                self.nodes = deque(node for node in nodes if node.elements)
        return removed

    def replace(self, index: int, element: bytes) -> None:
        """Put `element` in the place of the one at `index`."""
        nodes = self.nodes
        number, position = self.locate(index)
        node = nodes[number]
        large = self._is_large(len(element))
        if node.plain:
            if large:
                node.elements[0] = element
                node.size = len(element)
            else:
                self._insert(number, 0, element, True)
                del nodes[number]
                self.count -= 1
        elif not large:
            measure = entry_bytes if node.exact else rough_entry_bytes
            node.size += measure(element) - measure(node.elements[position])
            node.elements[position] = element
        else:
            if position + 1 < len(node.elements):
                nodes.insert(number + 1, node.split(position + 1))
            nodes.insert(number + 1, _plain(element))
            if position:
                node.cut(position, position + 1)
                self._merge_around(number + 1)
            else:
                del nodes[number]

    def insert(self, index: int, element: bytes, after: bool) -> None:
        """Insert before or after the element at `index`, as LINSERT does."""
        number, position = self.locate(index)
        self._insert(number, position, element, after)

    def _insert(self, number: int, position: int, element: bytes, after: bool) -> None:
        nodes = self.nodes
        node = nodes[number]
        size = len(element)
        self.count += 1
        # Where a new node would go, and where the element would go in the node.
        beside = number + 1 if after else number
        position += after
        at_end = position == (len(node.elements) if after else 0)
        if self._is_large(size):
            if not at_end:
                nodes.insert(number + 1, node.split(position))
                beside = number + 1
            nodes.insert(beside, _plain(element))
        elif self._has_room(node, size):
            node.insert(position, element)
        elif at_end:
            neighbour = number + 1 if after else number - 1
            if 0 <= neighbour < len(nodes) and self._has_room(nodes[neighbour], size):
                nodes[neighbour].insert(0 if after else len(nodes[neighbour].elements), element)
            else:
                nodes.insert(beside, _packed(element))
        else:
            rest = node.split(position)
            nodes.insert(number + 1, rest)
            if after:
                rest.insert(0, element)
                self._merge_around(number)
            else:
                node.insert(position, element)
                self._merge_around(number + 1)

    def _merge_around(self, centre: int) -> None:
        """Join nodes around the one numbered `centre` in the order in which Redis tries it after a split."""
        before = len(self.nodes)
        self._merge(centre - 2)
        centre -= before - len(self.nodes)
        self._merge(centre + 1)
        if self._merge(centre - 1):
            centre -= 1
        self._merge(centre)

    def _merge(self, number: int) -> bool:
        """Join a node and its successor if both exist, are packed and fit into one."""
        nodes = self.nodes
        if number < 0 or number + 1 >= len(nodes):
            return False
        first = nodes[number]
        second = nodes[number + 1]
        if first.plain or second.plain:
            return False
        size = first.measured() + second.measured() - HEADER_BYTES
        if exceeds(self.fill, size, len(first.elements) + len(second.elements)):
            return False
        first.elements = [*first.elements, *second.elements]
        first.size = size
        del nodes[number + 1]
        return True
