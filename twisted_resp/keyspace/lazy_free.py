"""Freeing large values in small slices, so that no deletion keeps clients waiting.

Redis hands what UNLINK deletes to a thread. In CPython a thread would not help: whoever frees holds the interpreter
lock until all is freed. So the queue here is worked off on the clock, a slice at a time, and the reactor serves others
between slices.

Does that help? Measured with CPython 3.11, in CPU time. To drop a dict of a million bytes keys and values takes 30 ms
where they lie in memory as they were added and 90 ms where they don't, in which nobody is served. ``popitem`` has to
find each entry again: a slice of 4000 takes 1 to 2.5 ms (4 at worst), and the whole dict 250 to 500 ms. A list of a
million elements is gone in 16 ms at once and in 23 ms by slices. On a server with a million keys, on a machine busy
with other work, FLUSHALL kept another client's PING waiting for 130 to 195 ms where all was freed at once, and for 16
to 57 ms by slices (8 ms with nothing to free); but the reply to FLUSHALL itself came after 2 to 3 s. So slices take
five to ten times as long, pay where others must not wait, and are for large values only, as in Redis.
https://redis.io/docs/latest/commands/unlink/
"""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Final

from twisted.internet.interfaces import IDelayedCall, IReactorCore, IReactorTime

from twisted_resp.values.dismantling import crumble, free_effort

__all__ = ["LazyFree"]

#: A value that takes more than this to free is queued (Redis' measure).
_THRESHOLD: Final = 64
#: Elements a slice: one or two milliseconds.
_SLICE: Final = 4000


class LazyFree:
    """What is deleted already and still to be freed.

    :param clock: slices run on it.
    :ivar on_delete, on_expire, on_eviction, on_overwrite, on_flush: whether DEL, expiry, eviction, commands that
        replace or delete a value by the way, and FLUSHALL free lazily (``lazyfree-lazy-*``).
    :ivar pending: how many objects (values, or keys of a flushed database) are still to be freed, and ``freed``
        how many were since the statistics were reset.
    :ivar runs: whether the clock runs by itself, so that one may wait for it.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self.on_delete = False
        self.on_expire = False
        self.on_eviction = False
        self.on_overwrite = False
        self.on_flush = False
        self.pending = 0
        self.freed = 0
        self.runs: bool = IReactorCore.providedBy(clock)
        # Each with its parts, how many objects it stands for, and whom to tell.
        self._jobs: deque[tuple[list[Any], int, Callable[[], None] | None]] = deque()
        self._call: IDelayedCall | None = None

    def add(self, value: Any) -> None:
        """Free a value that was deleted: later and by and by, if it is large."""
        if not isinstance(value, (bytes, bytearray)) and free_effort(value) > _THRESHOLD:
            self.add_parts([value], 1)

    def add_parts(self, parts: list[Any], objects: int) -> None:
        """Free the containers of something that was taken apart.

        :param parts: the only references to them, as far as the caller knows.
        :param objects: how many objects they count as.
        """
        if objects:
            self.pending += objects
            self._enqueue(parts, objects, None)

    def when_done(self, action: Callable[[], None]) -> None:
        """Call ``action`` as soon as everything is freed that waits now."""
        self._enqueue([], 0, action)

    def work(self) -> bool:
        """Free a slice; answers whether there is more."""
        jobs = self._jobs
        budget = _SLICE
        while jobs and budget > 0:
            parts, objects, action = jobs[0]
            budget = crumble(parts, budget)
            if parts:
                break
            jobs.popleft()
            self.pending -= objects
            self.freed += objects
            if action is not None:
                action()
        if not jobs:
            self._cancel()
        return bool(jobs)

    def stop(self) -> None:
        """Free the rest at once, and leave no timer behind."""
        while self._jobs:
            _, objects, action = self._jobs.popleft()
            self.pending -= objects
            self.freed += objects
            if action is not None:
                action()
        self._cancel()

    def _enqueue(self, parts: list[Any], objects: int, action: Callable[[], None] | None) -> None:
        self._jobs.append((parts, objects, action))
        if self._call is None:
            self._call = self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._call = None
        if self.work() and self._call is None:
            self._call = self._clock.callLater(0, self._turn)

    def _cancel(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None
