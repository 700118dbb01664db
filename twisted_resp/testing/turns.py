"""Another thread in place of a reactor's own, for a moment.

Whoever asks a reactor in another thread for something pays for two switches of threads, each of which may have to wait
for the interpreter's lock: more than it takes to put ten keys back. But nearly always that reactor only waits for its
sockets. So its thread holds a lock except while it waits, and who has the lock may do what else only that thread may:
nothing runs there meanwhile. When the wait is over, the reactor waits for the lock.

What is done so must not wait for the reactor. That it changes what is polled meanwhile is what ``epoll`` allows for;
other reactors are not made for it.
"""

from __future__ import annotations

import threading
from math import inf
from typing import Any

__all__ = ["Turns", "take_turns"]


class Turns:
    """A poller that gives the turn to others while it waits.

    Made by the reactor's thread, which has the turn at first.

    :ivar guest: the identity of the thread that has the turn instead of the reactor's.
    :param reactor: what waits by way of it.
    :param poller: what really polls.
    """

    def __init__(self, reactor: Any, poller: Any) -> None:
        self._reactor = reactor
        self._due = inf
        self.guest: int | None = None
        self._lock = threading.Lock()
        self._lock.acquire()
        self._wait = poller.poll
        self.register = poller.register
        self.modify = poller.modify
        self.unregister = poller.unregister
        self.close = poller.close

    def poll(self, timeout: float, most: int) -> Any:
        """Wait for events; others may have the turn until there are some."""
        lock = self._lock
        lock.release()
        try:
            return self._wait(timeout, most)
        finally:
            lock.acquire()

    def enter(self, patience: float) -> bool:
        """Take the turn; answers whether it could be had in so many seconds."""
        if self.guest == threading.get_ident() or not self._lock.acquire(timeout=patience):
            return False
        self.guest = threading.get_ident()
        self._due = self._next()
        return True

    def leave(self) -> None:
        """Give the turn back. The reactor wakes if it has waited for too long a time: there is a new timer."""
        wakes = self._next() < self._due
        self.guest = None
        self._lock.release()
        if wakes:
            self._reactor.wakeUp()

    def _next(self) -> float:
        """The time of the next timer."""
        calls = self._reactor.getDelayedCalls()
        return min([call.getTime() for call in calls]) if calls else inf


def take_turns(reactor: Any) -> Turns | None:
    """Let a reactor that does not run yet give others a turn; None where it is of a kind that can't."""
    poller = getattr(reactor, "_poller", None)
    if poller is None:
        return None
    reactor._poller = turns = Turns(reactor, poller)
    return turns
