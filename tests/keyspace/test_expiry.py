"""Expiry on a clock: asked for, and of its own accord."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from twisted_resp.keyspace.database import Database
from twisted_resp.keyspace.events import STRING
from twisted_resp.keyspace.keyspace import Keyspace
from twisted_resp.values.hash import Hash


def put(db: Database, key: bytes, lives: int | None = None) -> None:
    """Store a string that lives so many milliseconds."""
    db.store(key, b"v", b"set", STRING)
    if lives is not None:
        db.set_expiry(key, db.keyspace.now + lives)


def advance(keyspace: Keyspace, clock: Clock, milliseconds: float) -> None:
    clock.advance(milliseconds / 1000)
    keyspace.tick()


class TestActive:
    def test_a_key_goes_at_its_time(self, keyspace: Keyspace, clock: Clock, db: Database) -> None:
        put(db, b"k", 100)
        advance(keyspace, clock, 99)
        assert b"k" in db.values
        advance(keyspace, clock, 1)
        assert (db.values, db.expires, db.accessed, db.reminders) == ({}, {}, {}, [])
        assert keyspace.expired == 1
        assert clock.getDelayedCalls() == []

    @given(st.integers(1, 100_000), st.sampled_from([0, 0.001, 12.345, 1_700_000_000.123]))
    def test_whatever_floating_point_makes_of_it(self, lives: int, start: float) -> None:
        """1.001 s are a little less than 1001 ms; a clock that is advanced must get past that moment."""
        clock = Clock()
        clock.advance(start)
        keyspace = Keyspace(clock, 1)
        put(keyspace.databases[0], b"k", lives)
        advance(keyspace, clock, lives)
        assert keyspace.databases[0].values == {}

    def test_they_go_in_the_order_of_their_times_and_one_timer_serves_all(
        self, keyspace: Keyspace, clock: Clock
    ) -> None:
        gone: list[tuple[int, bytes, float]] = []
        keyspace.on_deleted.append(lambda db, key: gone.append((db.index, key, clock.seconds() % 100)))
        put(keyspace.databases[0], b"late", 3000)
        put(keyspace.databases[2], b"soon", 1000)
        put(keyspace.databases[1], b"between", 2000)
        assert len(clock.getDelayedCalls()) == 1
        clock.pump([0.5] * 8)
        assert gone == [(2, b"soon", 1.0), (1, b"between", 2.0), (0, b"late", 3.0)]

    def test_a_refreshed_key_stays_and_its_old_reminder_is_stale(
        self, keyspace: Keyspace, clock: Clock, db: Database
    ) -> None:
        put(db, b"k", 100)
        db.set_expiry(b"k", keyspace.now + 200)
        advance(keyspace, clock, 150)
        assert b"k" in db.values
        advance(keyspace, clock, 50)
        assert db.values == {}

    def test_neither_persist_nor_store_nor_remove_lets_an_old_reminder_bite(
        self, keyspace: Keyspace, clock: Clock, db: Database
    ) -> None:
        for key in (b"persisted", b"stored", b"removed"):
            put(db, key, 100)
        db.persist(b"persisted")
        put(db, b"stored")
        db.remove(b"removed")
        put(db, b"removed")
        advance(keyspace, clock, 1000)
        assert sorted(db.values) == [b"persisted", b"removed", b"stored"]
        assert keyspace.expired == 0
        assert clock.getDelayedCalls() == []

    def test_stale_reminders_do_not_pile_up(self, keyspace: Keyspace, clock: Clock, db: Database) -> None:
        put(db, b"k")
        for number in range(10_000):
            db.set_expiry(b"k", keyspace.now + 1000 + number)
        assert len(db.reminders) < 100
        advance(keyspace, clock, 10_998)
        assert b"k" in db.values
        advance(keyspace, clock, 1)
        assert db.values == {}

    def test_many_at_once_go_in_several_turns(self, keyspace: Keyspace, clock: Clock, db: Database) -> None:
        for number in range(1200):
            put(db, b"%d" % number, 100)
        turns: list[int] = []
        keyspace.expiry_timer.settled = lambda: turns.append(len(db))
        advance(keyspace, clock, 100)
        assert turns == [700, 200, 0]

    def test_settled_is_called_only_where_something_went(
        self, keyspace: Keyspace, clock: Clock, db: Database
    ) -> None:
        turns: list[None] = []
        keyspace.expiry_timer.settled = lambda: turns.append(None)
        put(db, b"k", 100)
        db.persist(b"k")
        advance(keyspace, clock, 1000)
        assert turns == []

    def test_switched_off_and_on(self, keyspace: Keyspace, clock: Clock, db: Database) -> None:
        """DEBUG SET-ACTIVE-EXPIRE."""
        timer = keyspace.expiry_timer
        put(db, b"before", 100)
        timer.enabled = False
        assert clock.getDelayedCalls() == []
        put(db, b"after", 100)
        advance(keyspace, clock, 200)
        assert set(db.values) == {b"before", b"after"}
        timer.enabled = True
        advance(keyspace, clock, 0)
        assert db.values == {}

    def test_what_was_due_goes_with_its_database(self, keyspace: Keyspace, clock: Clock) -> None:
        zero, one, _ = keyspace.databases
        put(zero, b"k", 100)
        keyspace.swap(0, 1)
        assert (len(zero), len(one)) == (0, 1)
        advance(keyspace, clock, 100)
        assert len(one) == 0


class TestLazy:
    @pytest.fixture(autouse=True)
    def _asleep(self, keyspace: Keyspace) -> None:
        keyspace.expiry_timer.enabled = False

    def test_every_look_up_finds_nothing_and_deletes(
        self, keyspace: Keyspace, clock: Clock, db: Database
    ) -> None:
        db.create(b"hash", Hash).set(b"f", b"v")
        for look in (
            db.read, db.peek, db.exists, db.remove, db.read_string, db.read_buffer, db.edit_string,
            db.edit_buffer, db.edit_any, lambda key: db.read_as(key, Hash), lambda key: db.edit(key, Hash),
        ):  # fmt: skip
            put(db, b"k", 100)
            advance(keyspace, clock, 100)
            assert db.peek(b"k") == b"v"  # its last millisecond
            advance(keyspace, clock, 1)
            assert not look(b"k")
            assert b"k" not in db.values
            assert b"k" not in db.expires
            assert b"k" not in db.accessed
        assert keyspace.expired == 11

    def test_is_past_only_looks(self, keyspace: Keyspace, clock: Clock, db: Database) -> None:
        put(db, b"k", 100)
        put(db, b"forever")
        advance(keyspace, clock, 101)
        assert db.is_past(b"k")
        assert not db.is_past(b"forever")
        assert not db.is_past(b"none")
        assert b"k" in db.values

    def test_while_it_is_on_hold_keys_are_hidden_but_stay(
        self, keyspace: Keyspace, clock: Clock, db: Database
    ) -> None:
        keyspace.expiry_timer.enabled = True
        put(db, b"k", 100)
        keyspace.hold_expiry = True
        advance(keyspace, clock, 500)
        assert db.read(b"k") is None
        assert not db.exists(b"k")
        assert not db.remove(b"k")
        assert b"k" in db.values
        keyspace.hold_expiry = False
        clock.pump([0.1] * 2)
        assert db.values == {}
        assert clock.getDelayedCalls() == []

    def test_a_hidden_key_can_be_written_anew(self, keyspace: Keyspace, clock: Clock, db: Database) -> None:
        keyspace.hold_expiry = True
        put(db, b"k", 100)
        advance(keyspace, clock, 500)
        db.store(b"k", b"new", b"set", STRING, keep_ttl=True)
        assert db.read(b"k") == b"new"
        assert db.expiry(b"k") is None


class TestFields:
    def fill(self, db: Database, **lives: int) -> Hash:
        value = db.create(b"h", Hash)
        for field, milliseconds in lives.items():
            value.set(field.encode(), b"v")
            value.set_expiry(field.encode(), db.keyspace.now + milliseconds)
        db.remind_of_fields(b"h", value)
        return value

    def test_they_go_at_their_times_and_the_key_with_the_last(
        self, keyspace: Keyspace, clock: Clock, db: Database
    ) -> None:
        value = self.fill(db, a=100, b=200)
        advance(keyspace, clock, 100)
        assert len(value) == 1
        assert keyspace.expired_fields == 1
        advance(keyspace, clock, 100)
        assert db.values == {}
        assert (db.field_expires, db.reminders) == ({}, [])
        assert clock.getDelayedCalls() == []

    def test_a_reminder_of_a_key_that_holds_something_else_by_now(
        self, keyspace: Keyspace, clock: Clock, db: Database
    ) -> None:
        self.fill(db, a=100)
        put(db, b"h")
        advance(keyspace, clock, 1000)
        assert db.values == {b"h": b"v"}

    def test_on_hold_they_stay(self, keyspace: Keyspace, clock: Clock, db: Database) -> None:
        value = self.fill(db, a=100)
        keyspace.hold_expiry = True
        advance(keyspace, clock, 1000)
        assert db.is_field_expired(b"h", value, b"a")
        assert len(value) == 1
