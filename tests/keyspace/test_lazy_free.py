"""The queue of what is deleted and still to be freed."""

from __future__ import annotations

import sys

import pytest
from twisted.internet.task import Clock

from twisted_resp.keyspace.database import Database
from twisted_resp.keyspace.events import EVICTED, STRING
from twisted_resp.keyspace.keyspace import Keyspace
from twisted_resp.values.limits import Limits
from twisted_resp.values.set import Set

counted = pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="this interpreter counts no references")


def a_set(count: int) -> Set:
    return Set.of(Limits(), [b"member %d" % number for number in range(count)])


class TestQueue:
    def test_small_values_go_at_once(self, db: Database, clock: Clock) -> None:
        db.store(b"key", a_set(64), b"test", STRING)
        db.remove(b"key", lazily=True)
        assert (db.keyspace.lazy_free.pending, db.keyspace.lazy_free.freed) == (0, 0)
        assert not clock.getDelayedCalls()

    def test_a_large_value_goes_later(self, db: Database, clock: Clock) -> None:
        lazy_free = db.keyspace.lazy_free
        db.store(b"key", a_set(1000), b"test", STRING)
        db.remove(b"key", lazily=True)
        assert (lazy_free.pending, lazy_free.freed) == (1, 0)
        clock.advance(0)
        assert (lazy_free.pending, lazy_free.freed) == (0, 1)
        assert not clock.getDelayedCalls()

    @counted
    def test_in_slices(self, db: Database, clock: Clock) -> None:
        lazy_free = db.keyspace.lazy_free
        db.store(b"key", a_set(20_000), b"test", STRING)
        db.remove(b"key", lazily=True)
        turns = 1
        while lazy_free.work():
            assert lazy_free.pending == 1
            turns += 1
        assert turns >= 5
        assert not clock.getDelayedCalls()

    def test_asked_for_or_not(self, db: Database) -> None:
        for key in (b"a", b"b"):
            db.store(key, a_set(1000), b"test", STRING)
        db.remove(b"a")
        db.remove(b"b", lazily=False)
        assert db.keyspace.lazy_free.pending == 0

    @pytest.mark.parametrize("lazily", [False, True])
    def test_expiry(self, db: Database, clock: Clock, lazily: bool) -> None:
        db.keyspace.lazy_free.on_expire = lazily
        db.store(b"key", a_set(1000), b"test", STRING)
        db.set_expiry(b"key", db.keyspace.now + 10)
        clock.advance(1)
        assert not db.exists(b"key")
        assert db.keyspace.lazy_free.pending + db.keyspace.lazy_free.freed == lazily

    @pytest.mark.parametrize("lazily", [False, True])
    def test_eviction(self, db: Database, lazily: bool) -> None:
        db.keyspace.lazy_free.on_eviction = lazily
        db.store(b"key", a_set(1000), b"test", STRING)
        db.evict(b"key", b"evicted", EVICTED)
        assert db.keyspace.lazy_free.pending == lazily

    @pytest.mark.parametrize("lazily", [False, True])
    def test_what_is_replaced(self, db: Database, lazily: bool) -> None:
        db.keyspace.lazy_free.on_overwrite = lazily
        db.store(b"key", a_set(1000), b"test", STRING)
        db.store(b"key", b"value", b"test", STRING)
        db.store(b"key", a_set(1000), b"test", STRING)
        assert db.keyspace.lazy_free.pending == lazily
        db.remove(b"key")
        assert db.keyspace.lazy_free.pending == 2 * lazily

    @counted
    def test_a_value_that_is_somewhere_else_stays_whole(self, db: Database, clock: Clock) -> None:
        value = a_set(10_000)
        db.store(b"key", value, b"test", STRING)
        db.remove(b"key", lazily=True)
        db.store(b"other", value, b"test", STRING)
        del value
        clock.advance(0)
        assert db.keyspace.lazy_free.freed == 1
        assert len(db.peek(b"other")) == len(list(db.peek(b"other"))) == 10_000

    def test_flush_counts_keys(self, keyspace: Keyspace, clock: Clock) -> None:
        for database in keyspace.databases[:2]:
            for number in range(10):
                database.store(b"%d" % number, b"", b"test", STRING)
            database.dense()
        assert keyspace.flush(lazily=True) == 20
        assert not any(map(len, keyspace.databases))
        assert keyspace.lazy_free.pending == 20
        keyspace.databases[0].store(b"new", b"", b"test", STRING)
        clock.advance(0)
        assert (keyspace.lazy_free.pending, keyspace.lazy_free.freed) == (0, 20)
        assert list(keyspace.databases[0].values) == [b"new"]
        assert keyspace.databases[0].dense().slots == [b"new"]

    def test_in_order(self, db: Database, clock: Clock) -> None:
        lazy_free = db.keyspace.lazy_free
        told: list[int] = []
        for number in range(3):
            lazy_free.add(a_set(1000))
            lazy_free.when_done(lambda number=number: told.append(lazy_free.freed * 10 + number))  # type: ignore[misc]
        clock.advance(0)
        assert told == [10, 21, 32]

    def test_stop_leaves_no_timer(self, db: Database, clock: Clock) -> None:
        lazy_free = db.keyspace.lazy_free
        told: list[int] = []
        lazy_free.add(a_set(100_000))
        lazy_free.when_done(lambda: told.append(lazy_free.pending))
        lazy_free.stop()
        assert not clock.getDelayedCalls()
        assert (lazy_free.pending, lazy_free.freed, told) == (0, 1, [0])
        lazy_free.add(a_set(1000))
        clock.advance(0)
        assert lazy_free.freed == 2
