"""A keyspace on a clock of its own, and a witness of all that it tells."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from twisted.internet.task import Clock

from twisted_resp.keyspace.database import Database
from twisted_resp.keyspace.keyspace import Keyspace


class Witness:
    """Hears everything that a keyspace tells, in order.

    `told` has (listener, database, key, more). With `on_before` and `on_modified` goes what the key held at that
    moment: a listener has to see the value as it was, and as it is.
    """

    def __init__(self, keyspace: Keyspace) -> None:
        self.told: list[Any] = []
        keyspace.on_before.append(self.before)
        keyspace.on_modified.append(self.modified)
        keyspace.on_event.append(
            lambda db, key, event, group: self.told.append(("event", db.index, key, event))
        )
        keyspace.on_deleted.append(lambda db, key: self.told.append(("deleted", db.index, key)))
        keyspace.on_fields_deleted.append(
            lambda db, key, fields: self.told.append(("fields deleted", db.index, key, list(fields)))
        )
        keyspace.on_flushed.append(lambda db: self.told.append(("flushed", db.index, len(db))))
        keyspace.on_swapped.append(
            lambda db, other: self.told.append(("swapped", db.index, other.index, len(db), len(other)))
        )

    def before(self, database: Database, key: bytes) -> None:
        self.told.append(("before", database.index, key, seen(database, key)))

    def modified(self, database: Database, key: bytes) -> None:
        self.told.append(("modified", database.index, key, seen(database, key)))

    def take(self) -> list[Any]:
        """What was told since the last look."""
        told, self.told = self.told, []
        return told


def seen(database: Database, key: bytes) -> object:
    """What a key holds: bytes, the number of elements of a collection, or None."""
    value = database.values.get(key)
    return bytes(value) if isinstance(value, (bytes, bytearray)) else None if value is None else len(value)


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.advance(1_700_000_000)
    return clock


@pytest.fixture
def keyspace(clock: Clock) -> Keyspace:
    return Keyspace(clock, 3, Random(1))


@pytest.fixture
def db(keyspace: Keyspace) -> Database:
    return keyspace.databases[0]


@pytest.fixture
def witness(keyspace: Keyspace) -> Witness:
    return Witness(keyspace)
