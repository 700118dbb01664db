"""Many keys at a time, for pipelines of one command and for commands of many keys.

Each function does what a method of :class:`Database` does one by one, or answers that it can't be done like that: while
nobody listens there is no need to go through the seams for each key.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Final, TypeVar

from twisted_resp.keyspace.database import Database, Structure, Value

__all__ = ["create_alike", "edit_alike", "glance", "read_strings", "store_strings"]

S = TypeVar("S", bound=Structure)

_BYTES: Final = {bytes}
_BYTES_AND_NULLS: Final = {bytes, type(None)}


def read_strings(database: Database, keys: Sequence[bytes]) -> list[bytes | None] | None:
    """Look many strings up for reading in one go, as :meth:`Database.read_string` would one by one.

    :return: None where that is not all there is to it: somebody listens, a key may have expired or holds something
        else than immutable bytes. Nothing is done then, but that accesses may be noted.
    """
    keyspace = database.keyspace
    values, accessed = database.values, database.accessed
    if not keyspace.is_unobserved or (database.expires and not database.expires.keys().isdisjoint(keys)):
        return None
    # Most of the cost is waiting for memory. A merge of two dictionaries waits for several keys at a time, and the
    # look-ups behind it find them at hand: half of what `map(values.get, keys)` and an update of pairs take.
    touched = dict.fromkeys(keys, keyspace.now)
    accessed.update(touched)
    if len(accessed) == len(values):
        found = list(itemgetter(*keys)(values)) if len(keys) > 1 else [values[keys[0]]]
    else:
        found = list(map(values.get, keys))
        for key, value in zip(keys, found):
            if value is None:
                accessed.pop(key, None)
    kinds = set(map(type, found))
    if kinds != _BYTES:
        if not kinds <= _BYTES_AND_NULLS:
            return None
        misses = found.count(None)
        keyspace.misses += misses
        keyspace.hits -= misses
    keyspace.hits += len(found)
    return found


def glance(database: Database, keys: Sequence[bytes]) -> list[Value] | None:
    """What is at many keys (None where nothing is), leaving no trace; None where one of them may have expired."""
    if database.expires and not database.expires.keys().isdisjoint(keys):
        return None
    return list(map(database.values.get, keys))


def edit_alike(database: Database, keys: Sequence[bytes], kind: type[S]) -> tuple[bool, S | None]:
    """Look up a value in order to change it in place for many commands, each with its key.

    :return: whether the keys are one and the same, and what it holds is of the type; and the value, None where the
        key is not there.
    """
    key = keys[0]
    if keys.count(key) != len(keys):
        return False, None
    value = database.values.get(key)
    if value is not None and type(value) is not kind:
        return False, None
    return True, database.edit(key, kind)


def create_alike(database: Database, keys: Sequence[bytes], kind: type[S]) -> S | None:
    """What :func:`edit_alike` finds, or a new value where the key is not there; None where they are not alike."""
    alike, value = edit_alike(database, keys, kind)
    return database.create(keys[0], kind) if alike and value is None else value


def store_strings(
    database: Database, keys: Sequence[bytes], values: Iterable[bytes], dirty: int | None = None
) -> bool:
    """Set many strings in one go, as :meth:`Database.store` would one by one.

    :param dirty: how many changes this counts as; as many as keys without it.
    :return: False, with nothing done, where that is not all there is to it: somebody listens, a key has a time to
        live, or what was there is to be freed lazily.
    """
    keyspace = database.keyspace
    if (
        not keyspace.is_unobserved
        or keyspace.lazy_free.on_overwrite
        or (database.expires and not database.expires.keys().isdisjoint(keys))
    ):
        return False
    # Merging dictionaries waits for the memory of several keys at a time, other than taking pairs.
    database.accessed.update(dict.fromkeys(keys, keyspace.now))
    database.values.update(dict(zip(keys, values)))
    if database._dense is not None:
        for key in keys:
            database._dense.add(key)
    keyspace.dirty += len(keys) if dirty is None else dirty
    return True
