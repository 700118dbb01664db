"""The change seam: what each change tells, exactly once and in order; and what look-ups leave."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_resp.errors import CommandError
from twisted_resp.keyspace.database import Database
from twisted_resp.keyspace.events import EVICTED, GENERIC, LIST, STRING
from twisted_resp.keyspace.keyspace import TOUCH_NOT, Keyspace
from twisted_resp.values.hash import Hash
from twisted_resp.values.list import List


def put(db: Database, key: bytes, value: bytes = b"v") -> None:
    db.store(key, value, b"set", STRING)


def push(db: Database, key: bytes, *elements: bytes) -> List:
    value = db.edit(key, List) or db.create(key, List)
    value.push_right(elements)
    db.edited(key, b"rpush", LIST, len(elements))
    return value


class TestWhatIsTold:
    def test_store(self, db: Database, witness: Any) -> None:
        put(db, b"k", b"1")
        assert witness.take() == [
            ("before", 0, b"k", None),
            ("event", 0, b"k", b"new"),
            ("modified", 0, b"k", b"1"),
            ("event", 0, b"k", b"set"),
        ]
        put(db, b"k", b"2")
        assert witness.take() == [
            ("before", 0, b"k", b"1"),
            ("modified", 0, b"k", b"2"),
            ("event", 0, b"k", b"set"),
        ]

    def test_store_in_place_of_what_has_expired(self, db: Database, keyspace: Keyspace, witness: Any) -> None:
        put(db, b"k", b"1")
        db.set_expiry(b"k", keyspace.now - 1)
        witness.take()
        put(db, b"k", b"2")
        assert witness.take() == [
            ("before", 0, b"k", b"1"),
            ("event", 0, b"k", b"expired"),
            ("modified", 0, b"k", None),
            ("deleted", 0, b"k"),
            ("before", 0, b"k", None),
            ("event", 0, b"k", b"new"),
            ("modified", 0, b"k", b"2"),
            ("event", 0, b"k", b"set"),
        ]

    def test_create_and_edit(self, db: Database, witness: Any) -> None:
        push(db, b"l", b"a")
        assert witness.take() == [
            ("before", 0, b"l", None),
            ("event", 0, b"l", b"new"),
            ("modified", 0, b"l", 1),
            ("event", 0, b"l", b"rpush"),
        ]
        push(db, b"l", b"b")
        assert witness.take() == [
            ("before", 0, b"l", 1),
            ("modified", 0, b"l", 2),
            ("event", 0, b"l", b"rpush"),
        ]

    def test_a_collection_that_is_empty_now_is_gone_before_anybody_hears(
        self, db: Database, witness: Any
    ) -> None:
        value = push(db, b"l", b"a")
        db.set_expiry(b"l", 2**60)
        witness.take()
        db.edit(b"l", List)
        value.pop_left()
        db.edited(b"l", b"lpop", LIST)
        assert witness.take() == [
            ("before", 0, b"l", 1),
            ("modified", 0, b"l", None),
            ("event", 0, b"l", b"lpop"),
            ("event", 0, b"l", b"del"),
        ]
        assert (db.values, db.expires, db.accessed) == ({}, {}, {})

    def test_an_empty_string_stays(self, db: Database, witness: Any) -> None:
        for value in (b"", bytearray()):
            db.store(b"k", value, b"set", STRING)
            db.edited(b"k", b"setrange", STRING)
            assert b"k" in db.values
            assert ("event", 0, b"k", b"del") not in witness.take()

    def test_a_change_that_users_can_not_see(self, db: Database, witness: Any) -> None:
        put(db, b"k")
        witness.take()
        db.grown(b"k", None, STRING)
        assert witness.take() == [("modified", 0, b"k", b"v")]

    def test_replace(self, db: Database, witness: Any) -> None:
        put(db, b"k", b"1")
        db.set_expiry(b"k", 2**60)
        witness.take()
        db.edit_string(b"k")
        db.replace(b"k", b"2", b"incrby", STRING)
        assert witness.take() == [
            ("before", 0, b"k", b"1"),
            ("modified", 0, b"k", b"2"),
            ("event", 0, b"k", b"incrby"),
        ]
        assert db.expiry(b"k") == 2**60

    def test_remove(self, db: Database, witness: Any) -> None:
        put(db, b"k")
        witness.take()
        assert db.remove(b"k", b"rename_from", GENERIC)
        assert witness.take() == [
            ("before", 0, b"k", b"v"),
            ("modified", 0, b"k", None),
            ("event", 0, b"k", b"rename_from"),
        ]
        assert not db.remove(b"k")
        assert witness.take() == []

    def test_expiry(self, db: Database, witness: Any) -> None:
        put(db, b"k")
        witness.take()
        db.set_expiry(b"k", 2**60)
        assert witness.take() == [
            ("before", 0, b"k", b"v"),
            ("modified", 0, b"k", b"v"),
            ("event", 0, b"k", b"expire"),
        ]
        assert db.persist(b"k")
        assert witness.take() == [
            ("before", 0, b"k", b"v"),
            ("modified", 0, b"k", b"v"),
            ("event", 0, b"k", b"persist"),
        ]
        assert not db.persist(b"k")
        assert witness.take() == []

    def test_what_the_server_deletes_itself(self, db: Database, keyspace: Keyspace, witness: Any) -> None:
        put(db, b"old")
        put(db, b"fat")
        db.set_expiry(b"old", keyspace.now - 1)
        witness.take()
        assert db.read(b"old") is None
        assert witness.take() == [
            ("before", 0, b"old", b"v"),
            ("event", 0, b"old", b"expired"),
            ("modified", 0, b"old", None),
            ("deleted", 0, b"old"),
            ("event", 0, b"old", b"keymiss"),
        ]
        db.evict(b"fat", b"evicted", EVICTED)
        assert witness.take() == [
            ("before", 0, b"fat", b"v"),
            ("event", 0, b"fat", b"evicted"),
            ("modified", 0, b"fat", None),
            ("deleted", 0, b"fat"),
        ]
        assert (keyspace.expired, keyspace.evicted) == (1, 1)

    def test_fields_that_expire(self, db: Database, keyspace: Keyspace, witness: Any) -> None:
        value = db.create(b"h", Hash)
        for field in (b"a", b"b", b"c"):
            value.set(field, b"v")
            value.set_expiry(field, keyspace.now - 1)
        witness.take()
        assert db.is_field_expired(b"h", value, b"a")
        assert witness.take() == [
            ("before", 0, b"h", 3),
            ("fields deleted", 0, b"h", [b"a"]),
            ("event", 0, b"h", b"hexpired"),
            ("modified", 0, b"h", 2),
        ]
        assert db.expire_due_fields(b"h", value) == 2
        assert witness.take() == [
            ("before", 0, b"h", 2),
            ("fields deleted", 0, b"h", [b"b", b"c"]),
            ("event", 0, b"h", b"hexpired"),
            ("event", 0, b"h", b"del"),
            ("modified", 0, b"h", None),
        ]
        assert db.values == {}

    def test_flush_and_swap_tell_of_whole_databases_before_they_happen(
        self, keyspace: Keyspace, witness: Any
    ) -> None:
        put(keyspace.databases[0], b"a")
        put(keyspace.databases[0], b"b")
        put(keyspace.databases[1], b"c")
        witness.take()
        keyspace.swap(0, 1)
        assert witness.take() == [("swapped", 0, 1, 2, 1)]
        assert keyspace.flush() == 3
        assert witness.take() == [("flushed", 0, 1), ("flushed", 1, 2), ("flushed", 2, 0)]
        keyspace.swap(1, 1)
        assert witness.take() == []

    def test_listeners_may_go_while_they_are_told(self, db: Database, keyspace: Keyspace) -> None:
        """As WATCH and waiting clients do: the list is replaced, not changed."""
        told: list[str] = []

        def once(database: Database, key: bytes) -> None:
            told.append("once")
            keyspace.on_modified = [each for each in keyspace.on_modified if each != once]

        keyspace.on_modified = [once, lambda database, key: told.append("always")]
        put(db, b"k")
        put(db, b"k")
        assert told == ["once", "always", "always"]


class TestWhatIsCounted:
    def test_dirty(self, db: Database, keyspace: Keyspace) -> None:
        put(db, b"k")
        assert keyspace.dirty == 1
        push(db, b"l", b"a", b"b", b"c")
        assert keyspace.dirty == 4
        db.set_expiry(b"k", 2**60, event=None)
        assert keyspace.dirty == 4
        db.persist(b"k")
        db.remove(b"k", dirty=0)
        assert keyspace.dirty == 5
        db.flush()
        assert keyspace.dirty == 6

    def test_hits_misses_and_accesses(self, db: Database, keyspace: Keyspace) -> None:
        put(db, b"k")
        born = keyspace.now
        keyspace.now += 1000
        for look in (db.peek, db.exists):
            look(b"k")
            look(b"none")
        assert (keyspace.hits, keyspace.misses, db.accessed[b"k"]) == (0, 0, born)
        keyspace.touching = TOUCH_NOT
        db.read(b"k")
        assert (keyspace.hits, keyspace.misses, db.accessed[b"k"]) == (1, 0, born)
        keyspace.touching = 1
        db.read(b"k")
        db.read(b"none")
        assert (keyspace.hits, keyspace.misses, db.accessed[b"k"]) == (2, 1, born + 1000)
        keyspace.now += 1000
        db.edit_string(b"k")
        assert (keyspace.hits, keyspace.misses, db.accessed[b"k"]) == (2, 1, born + 2000)


class TestTypes:
    def test_the_wrong_one_is_an_error_to_every_look_up(self, db: Database) -> None:
        put(db, b"s")
        push(db, b"l", b"a")
        for look in (db.read_as, db.edit):
            with pytest.raises(CommandError, match="WRONGTYPE"):
                look(b"s", List)
        for method in (db.read_string, db.read_buffer, db.edit_string, db.edit_buffer):
            with pytest.raises(CommandError, match="WRONGTYPE"):
                method(b"l")

    def test_strings_that_were_changed_in_place(self, db: Database) -> None:
        put(db, b"s", b"abc")
        buffer = db.edit_buffer(b"s")
        assert isinstance(buffer, bytearray)
        buffer += b"d"
        assert db.edit_buffer(b"s") is buffer
        assert db.read_buffer(b"s") is buffer
        read = db.read_string(b"s")
        assert type(read) is bytes
        assert read == b"abcd"


class TestWalking:
    def test_the_dense_index_follows_every_change(self, db: Database, keyspace: Keyspace) -> None:
        put(db, b"a")
        put(db, b"b")
        index = db.dense()
        assert len(index) == 2
        push(db, b"l", b"x")
        db.remove(b"a")
        db.set_expiry(b"b", keyspace.now - 1)
        db.read(b"b")
        assert len(db.dense()) == 1
        keyspace.swap(0, 1)
        assert len(db.dense()) == 0
        assert keyspace.databases[1].dense() is index
        keyspace.flush()
        assert len(keyspace.databases[1].dense()) == 0
