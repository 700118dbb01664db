"""All the databases of a server, what they share, and who listens to their changes.

Listeners are plain functions in lists, empty while nobody needs them, so that a feature which is off costs one truth
test a change:

- ``on_before(db, key)``: the key is about to change (undo logs take their copy here);
- ``on_modified(db, key)``: the key was changed, created or deleted (WATCH, tracking, parked clients);
- ``on_event(db, key, event, group)``: a keyspace event (notifications);
- ``on_deleted(db, key)``: the server itself deleted the key: it expired or was evicted (effects);
- ``on_fields_deleted(db, key, fields)``: the server itself deleted fields of a hash: they expired (effects);
- ``on_flushed(db)``, ``on_swapped(db, db)``: a whole database was emptied or exchanged (before it happens).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from twisted.internet.interfaces import IReactorTime

from twisted_resp.keyspace.database import Database
from twisted_resp.keyspace.expiry import ExpiryTimer
from twisted_resp.keyspace.lazy_free import LazyFree
from twisted_resp.values.limits import Limits

__all__ = ["TOUCH_LFU", "TOUCH_LRU", "TOUCH_NOT", "Keyspace"]

#: What a look-up does to the access record of a key (``Keyspace.touching``).
TOUCH_NOT = 0
TOUCH_LRU = 1
TOUCH_LFU = 2


class Keyspace:
    """The databases of one server.

    :param clock: where time comes from; read only in :meth:`tick`.
    :param count: how many databases there are.
    :param random: the source of randomness, a seeded one for repeatable tests.
    """

    def __init__(self, clock: IReactorTime, count: int = 16, random: Random | None = None) -> None:
        self.clock = clock
        self._seconds = clock.seconds
        self.random = random or Random()
        self.limits = Limits()
        #: The time of this batch of commands: Unix time in milliseconds.
        self.now: int = int(clock.seconds() * 1000 + 0.5)
        self.touching: int = TOUCH_LRU
        #: While True expired keys are hidden but not deleted (a pause of writes, a replica).
        self.hold_expiry = False
        #: While True as well, they are not even hidden: our master, who decides what expires, changes them.
        self.sees_expired = False
        #: Keys that got their expiry while it was on hold, not from our master: those of a writable replica's own.
        self.own_expiring: set[tuple[Database, bytes]] = set()
        #: Changes since the last save; what INFO calls rdb_changes_since_last_save.
        self.dirty = 0
        self.hits = 0
        self.misses = 0
        self.expired = 0
        #: Fields of hashes that expired (INFO's expired_subkeys).
        self.expired_fields = 0
        self.evicted = 0
        #: Whether a database that is emptied is one of all.
        self.flushing_all = False
        self.lfu_log_factor = 10
        self.lfu_decay_time = 1
        self.on_before: list[Callable[[Database, bytes], None]] = []
        self.on_modified: list[Callable[[Database, bytes], None]] = []
        self.on_event: list[Callable[[Database, bytes, bytes, int], None]] = []
        self.on_deleted: list[Callable[[Database, bytes], None]] = []
        self.on_fields_deleted: list[Callable[[Database, bytes, list[bytes]], None]] = []
        self.on_flushed: list[Callable[[Database], None]] = []
        self.on_swapped: list[Callable[[Database, Database], None]] = []
        self.expiry_timer = ExpiryTimer(self)
        self.lazy_free = LazyFree(clock)
        self.databases = [Database(self, index) for index in range(count)]

    @property
    def is_unobserved(self) -> bool:
        """Whether nobody listens to changes of keys, and an access is noted as its time."""
        return not (self.on_before or self.on_modified or self.on_event) and self.touching == TOUCH_LRU

    def clock_turned(self) -> None:
        """The clock was stopped, set or started by hand: read it anew, and set the timer of expiry by it."""
        self._seconds = self.clock.seconds
        self.tick()
        self.expiry_timer.stop()
        self.expiry_timer.reschedule()

    def tick(self) -> int:
        """Read the clock: once a batch of commands. Answers Unix time in milliseconds."""
        # The nearest, not the last: a clock that a test moves in steps of 0.1 s is never exactly at its milliseconds.
        self.now = now = int(self._seconds() * 1000 + 0.5)
        return now

    def resize(self, count: int) -> None:
        """Have another number of databases; only before there is anything in them, or anybody who uses them."""
        self.databases[count:] = []
        self.databases += [Database(self, index) for index in range(len(self.databases), count)]

    def swap(self, first: int, second: int) -> None:
        """Exchange the contents of two databases; clients that selected one see the other's keys."""
        if first == second:
            return
        one, other = self.databases[first], self.databases[second]
        for listener in self.on_swapped:
            listener(one, other)
        one.exchange(other)
        self.dirty += 1

    def apart(self) -> Keyspace:
        """An empty keyspace with the same settings, of which nobody hears: to be filled, and then to :meth:`adopt`."""
        other = Keyspace(self.clock, len(self.databases), self.random)
        other.limits = self.limits
        other.now, other.touching = self.now, self.touching
        other.lfu_log_factor, other.lfu_decay_time = self.lfu_log_factor, self.lfu_decay_time
        other.hold_expiry = True
        other.expiry_timer.enabled = False
        return other

    def adopt(self, other: Keyspace) -> None:
        """Have what is in another keyspace, which was set :meth:`apart`, in the place of all that is here."""
        self.flush()
        for database, filled in zip(self.databases, other.databases):
            for before in self.on_before:
                for key in filled.values:
                    before(database, key)
            database.contents = filled.contents
            for modified in self.on_modified:
                for key in database.values:
                    modified(database, key)
        self.expiry_timer.reschedule()

    def flush(self, lazily: bool = False) -> int:
        """Empty every database; answers how many keys that removed. ``lazily``: see :meth:`Database.flush`."""
        self.flushing_all = True
        try:
            return sum(database.flush(lazily) for database in self.databases)
        finally:
            self.flushing_all = False
