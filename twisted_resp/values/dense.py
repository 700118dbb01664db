"""A set of bytes whose members have numbers, so that one can be drawn at random and all can be scanned.

A dict finds a member quickly, but gives no way to its n-th one. `DenseIndex` keeps the members in a list as
well, without holes: the last member moves into the place of a removed one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from random import Random

__all__ = ["DenseIndex"]


class DenseIndex:
    """Members in the slots 0 to n - 1, in no particular order.

    **Scanning.** The cursor is the number of slots not visited yet, and a scan goes from the last slot down.
    Each call visits the `count` slots below the cursor and returns the lowest visited one as the next cursor;
    0 starts a scan and ends it. Nothing is remembered between calls, so anybody may scan at any time, with
    any cursor.

    *A member that is there from the start of a scan to its end is returned at least once.* Call it m, let c
    be the cursor between two calls, and suppose that m was not returned yet. Then m is in a slot below c:

    - It is so at the start, where c is the number of slots.
    - A call visits the slots from c' = c - count to c - 1 (if fewer than c slots are left, it begins at the
      last one, and m is below that as well). It returns m or leaves it below c', the new cursor.
    - An addition takes a new slot at the end and moves nothing.
    - A removal moves one member at most: from the last slot to a lower one. If that is m, it ends up lower
      than it was, so still below c.

    When c is 0 no slot is below it, so m was returned. It may be returned twice, if a removal moves it from
    the visited slots down to those still to come; Redis allows that for SCAN.
    """

    __slots__ = ("positions", "slots")

    def __init__(self, members: Iterable[bytes] = ()) -> None:
        #: The members by slot. Read-only for others, as is `positions`: the slots by member.
        self.slots: list[bytes] = list(members)
        self.positions: dict[bytes, int] = dict(zip(self.slots, range(len(self.slots))))
        if len(self.positions) != len(self.slots):
            self.slots = list(self.positions)
            self.positions = dict(zip(self.slots, range(len(self.slots))))

    def __len__(self) -> int:
        return len(self.slots)

    def __contains__(self, member: object) -> bool:
        return member in self.positions

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.slots)

    def copy(self) -> DenseIndex:
        new = DenseIndex()
        new.slots = self.slots.copy()
        new.positions = self.positions.copy()
        return new

    def add(self, member: bytes) -> bool:
        """Add `member`; False if it was there."""
        positions = self.positions
        if member in positions:
            return False
        positions[member] = len(self.slots)
        self.slots.append(member)
        return True

    def discard(self, member: bytes) -> bool:
        """Remove `member`; False if it was not there."""
        position = self.positions.pop(member, None)
        if position is None:
            return False
        last = self.slots.pop()
        if position != len(self.slots):
            self.slots[position] = last
            self.positions[last] = position
        return True

    def clear(self) -> None:
        self.slots.clear()
        self.positions.clear()

    def random(self, rng: Random) -> bytes:
        """One of the members, each as likely; IndexError if there are none."""
        slots = self.slots
        return slots[int(rng.random() * len(slots))]

    def pop_random(self, rng: Random) -> bytes:
        """Take one of the members out, each as likely; IndexError if there are none."""
        slots = self.slots
        position = int(rng.random() * len(slots))
        member = slots[position]
        last = slots.pop()
        if position != len(slots):
            slots[position] = last
            self.positions[last] = position
        del self.positions[member]
        return member

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """The next cursor and the members of the next `count` (at least 1) slots.

        `cursor` is 0 at the start and what the call before returned after that. One beyond the slots is
        taken for the start too, a negative one likewise.
        """
        slots = self.slots
        size = len(slots)
        if not 0 < cursor <= size:
            cursor = size
        following = max(cursor - max(count, 1), 0)
        return following, slots[following:cursor]
