"""Active expiry: delete keys when they are due, without being asked for them.

Each database keeps a heap of (time, key). A heap entry is only a reminder: the truth is ``Database.expires``, so
changing an expiry pushes another entry and leaves the old one to be recognised as stale. One timer serves all
databases and is set for the earliest reminder: an idle server with no due key never wakes up, and under a
``task.Clock`` keys go, and their ``expired`` events come, exactly at their time.

Fields of hashes expire by the same reminders, one for all fields of a key: ``Database.field_expires`` has its
time, and when that comes the hash says which of its fields are due, and when the next one is.
"""

from __future__ import annotations

from heapq import heappop
from time import perf_counter
from typing import TYPE_CHECKING, Callable

from twisted.internet.interfaces import IDelayedCall

from twisted_resp.values.hash import Hash

if TYPE_CHECKING:
    from twisted_resp.keyspace.database import Database
    from twisted_resp.keyspace.keyspace import Keyspace

__all__ = ["ExpiryTimer"]

# How many reminders one turn of the timer handles: about a millisecond's work, then others get their turn.
_SLICE = 500
# Seconds; less than Keyspace.tick() rounds up.
_EARLY = 0.0001


class ExpiryTimer:
    """The one timer that expires keys.

    :ivar settled: called after a turn which deleted something (the server serves its waiters there).
    :ivar took: told what each turn took, in seconds.
    """

    def __init__(self, keyspace: Keyspace) -> None:
        self._keyspace = keyspace
        self._call: IDelayedCall | None = None
        self._at = 0
        self._enabled = True
        self.settled: Callable[[], None] = lambda: None
        self.took: Callable[[float], None] = lambda seconds: None

    @property
    def enabled(self) -> bool:
        """Whether keys expire without being asked for (DEBUG SET-ACTIVE-EXPIRE)."""
        return self._enabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        self._enabled = value
        if value:
            self.reschedule()
        else:
            self.stop()

    def due(self, at: int) -> None:
        """A key is due at ``at`` (Unix time, ms): see that the timer goes off by then."""
        if self._call is None:
            if self._enabled:
                self._set(at)
        elif at < self._at:
            self._call.cancel()
            self._set(at)

    def reschedule(self) -> None:
        """Set the timer for the earliest reminder there is."""
        heads = [database.reminders[0][0] for database in self._keyspace.databases if database.reminders]
        if heads:
            self.due(min(heads))

    def stop(self) -> None:
        """Cancel the timer."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _set(self, at: int) -> None:
        self._at = at
        # A hair early, for a clock that is advanced to this moment may stand a rounding error before it.
        delay = at / 1000 - self._keyspace.clock.seconds() - _EARLY
        self._call = self._keyspace.clock.callLater(max(0.0, delay), self._turn)

    def _turn(self) -> None:
        self._call = None
        keyspace = self._keyspace
        # A hair early (see _set), but never asked for the same moment twice.
        now = keyspace.now = max(keyspace.tick(), self._at)
        if keyspace.hold_expiry:
            if keyspace.own_expiring:
                self._expire_own(now)
            # Asked again when the hold ends; a look in a while is enough to be safe.
            self._set(now + 100)
            return
        keyspace.own_expiring.clear()
        start = perf_counter()
        left = _SLICE
        deleted = keyspace.expired + keyspace.expired_fields
        for database in keyspace.databases:
            while left > 0 and database.reminders and database.reminders[0][0] <= now:
                left -= 1
                at, key = heappop(database.reminders)
                if database.expires.get(key) == at:
                    database.expire_now(key)
                if database.field_expires.get(key) == at:
                    left -= _expire_fields(database, key, left + 1)
        self.took(perf_counter() - start)
        if keyspace.expired + keyspace.expired_fields != deleted:
            self.settled()
        if self._call is None and self._enabled:
            self.reschedule()

    def _expire_own(self, now: int) -> None:
        """Nobody else expires what was written here, on a writable replica."""
        keyspace = self._keyspace
        before = keyspace.expired
        for database, key in list(keyspace.own_expiring):
            at = database.expires.get(key)
            if at is None or at <= now:
                keyspace.own_expiring.discard((database, key))
                if at is not None:
                    database.expire_now(key)
        if keyspace.expired != before:
            self.settled()


def _expire_fields(database: Database, key: bytes, most: int) -> int:
    """The time has come to look for expired fields in a hash, if it is one; answers how many of them went."""
    del database.field_expires[key]
    value = database.values.get(key)
    if type(value) is not Hash:
        return 0
    expired = database.expire_due_fields(key, value, most)
    if value:
        database.remind_of_fields(key, value)
    return expired
