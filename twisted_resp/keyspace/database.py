"""One database: key to value, expiry, and the seam through which every change passes.

Commands never touch the dictionaries here: they look up with :meth:`Database.read` or :meth:`Database.edit` and
change with :meth:`~Database.store`, :meth:`~Database.edited`, :meth:`~Database.remove` and
:meth:`~Database.set_expiry`. All that hangs on a change (WATCH, events, waiters, persistence, undo, ...) hangs on
those, see :mod:`twisted_resp.keyspace.keyspace`.
"""

from __future__ import annotations

from heapq import heapify, heappush
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from twisted_resp.errors import WRONG_TYPE, CommandError
from twisted_resp.keyspace import lfu
from twisted_resp.keyspace.events import EXPIRED, GENERIC, HASH, KEY_MISS, NEW
from twisted_resp.values.dense import DenseIndex
from twisted_resp.values.hash import Hash
from twisted_resp.values.limits import Limits

if TYPE_CHECKING:
    from twisted_resp.keyspace.keyspace import Keyspace

__all__ = ["Database", "Structure", "Value", "as_string", "type_name"]

#: A stored value: bytes or bytearray for a string, else an object of ``twisted_resp.values``.
Value = Any


class Structure(Protocol):
    """A type of values that commands change in place."""

    def __init__(self, limits: Limits) -> None: ...

    def __len__(self) -> int: ...


S = TypeVar("S", bound=Structure)

# The attributes that make up what is in a database.
_CONTENTS = ("values", "expires", "field_expires", "accessed", "reminders", "_dense")


def type_name(value: Value) -> bytes:
    """The name that TYPE gives to a value."""
    if isinstance(value, (bytes, bytearray)):
        return b"string"
    name: bytes = value.type_name
    return name


def as_string(value: Value) -> bytes:
    """A string value as immutable bytes.

    :raises CommandError: WRONGTYPE.
    """
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    raise CommandError(WRONG_TYPE)


class Database:
    """A dictionary of keys with their expiries and times of access.

    :param keyspace: what all databases share.
    :param index: the number that SELECT knows.
    """

    __slots__ = ("_dense", "accessed", "expires", "field_expires", "index", "keyspace", "reminders", "values")

    def __init__(self, keyspace: Keyspace, index: int) -> None:
        self.keyspace = keyspace
        self.index = index
        self.values: dict[bytes, Value] = {}
        #: When keys expire: Unix time in milliseconds. Keys without a TTL are not here.
        self.expires: dict[bytes, int] = {}
        #: When to look for expired fields in hashes: not after the first of them is due. A hash that lost the last
        #: field with a TTL may still be here, and a key that holds something else by now.
        self.field_expires: dict[bytes, int] = {}
        #: When keys were last looked up: Unix ms, or what :mod:`lfu` packs under an LFU policy.
        self.accessed: dict[bytes, int] = {}
        #: The heap of (time, key) for :mod:`expiry`.
        self.reminders: list[tuple[int, bytes]] = []
        self._dense: DenseIndex | None = None

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"<Database {self.index}: {len(self.values)} keys>"

    # -- looking up

    def read(self, key: bytes) -> Value:
        """Look a key up for reading: None if it is not there. Counts a hit or a miss and notes the access."""
        value = self.values.get(key)
        keyspace = self.keyspace
        if value is None or (self.expires and self._is_expired(key)):
            keyspace.misses += 1
            if keyspace.on_event:
                self.notify(key, b"keymiss", KEY_MISS)
            return None
        keyspace.hits += 1
        touching = keyspace.touching
        if touching == 1:
            self.accessed[key] = keyspace.now
        elif touching:
            self.accessed[key] = lfu.touched(self.accessed.get(key, 0), keyspace)
        return value

    def read_as(self, key: bytes, kind: type[S]) -> S | None:
        """Look up a value of one type for reading.

        :raises CommandError: WRONGTYPE.
        """
        value = self.read(key)
        if value is None or type(value) is kind:
            return value
        raise CommandError(WRONG_TYPE)

    def read_string(self, key: bytes) -> bytes | None:
        """Look up a string for reading.

        :raises CommandError: WRONGTYPE.
        """
        value = self.read(key)
        return value if value is None or type(value) is bytes else as_string(value)

    def read_buffer(self, key: bytes) -> bytes | bytearray | None:
        """Look up a string to read a part of it: not copied, so neither to be kept nor changed.

        :raises CommandError: WRONGTYPE.
        """
        value = self.read(key)
        if value is None or isinstance(value, (bytes, bytearray)):
            return value
        raise CommandError(WRONG_TYPE)

    def peek(self, key: bytes) -> Value:
        """Look a key up without leaving a trace, but for its expiry."""
        value = self.values.get(key)
        if value is None or (self.expires and self._is_expired(key)):
            return None
        return value

    def exists(self, key: bytes) -> bool:
        """Whether the key is there and has not expired; leaves no other trace."""
        return key in self.values and not (self.expires and self._is_expired(key))

    def edit(self, key: bytes, kind: type[S]) -> S | None:
        """Look up a value in order to change it in place; :meth:`edited` or :meth:`grown` follows a change.

        :raises CommandError: WRONGTYPE.
        """
        # What edit_any() does, without the call: most commands on collections begin here.
        value = self.values.get(key)
        if value is None or (self.expires and self._is_expired(key)):
            return None
        keyspace = self.keyspace
        if keyspace.on_before:
            self._before(key)
        touching = keyspace.touching
        if touching == 1:
            self.accessed[key] = keyspace.now
        elif touching:
            self.accessed[key] = lfu.touched(self.accessed.get(key, 0), keyspace)
        if type(value) is kind:
            return value
        raise CommandError(WRONG_TYPE)

    def edit_string(self, key: bytes) -> bytes | bytearray | None:
        """Look up a string in order to change or replace it.

        :raises CommandError: WRONGTYPE.
        """
        value = self.edit_any(key)
        if value is None or isinstance(value, (bytes, bytearray)):
            return value
        raise CommandError(WRONG_TYPE)

    def edit_buffer(self, key: bytes) -> bytearray | None:
        """Look up a string in order to change it in place: a buffer from now on, which is no change yet.

        :raises CommandError: WRONGTYPE.
        """
        value = self.edit_string(key)
        if value is None or type(value) is bytearray:
            return value
        buffer = self.values[key] = bytearray(value)
        return buffer

    def edit_any(self, key: bytes) -> Value:
        """Look up a value of any type in order to change it."""
        value = self.values.get(key)
        if value is None or (self.expires and self._is_expired(key)):
            return None
        keyspace = self.keyspace
        if keyspace.on_before:
            self._before(key)
        touching = keyspace.touching
        if touching == 1:
            self.accessed[key] = keyspace.now
        elif touching:
            self.accessed[key] = lfu.touched(self.accessed.get(key, 0), keyspace)
        return value

    # -- changing

    def store(
        self, key: bytes, value: Value, event: bytes, group: int, keep_ttl: bool = False, dirty: int = 1
    ) -> None:
        """Set a whole value, new or in place of another.

        :param event: the keyspace event, and its ``group``.
        :param keep_ttl: leave the expiry as it is; else the key has none afterwards.
        :param dirty: how many changes this counts as.
        """
        keyspace = self.keyspace
        # A key whose time has come goes first; where expiry is on hold only its time does.
        drop_ttl = self.expires and key in self.expires and (self._is_expired(key) or not keep_ttl)
        if keyspace.on_before:
            self._before(key)
        if drop_ttl:
            self.expires.pop(key, None)
        values = self.values
        if key not in values:
            values[key] = value
            self._added(key)
        else:
            if keyspace.lazy_free.on_overwrite:
                keyspace.lazy_free.add(values[key])
            values[key] = value
            if keyspace.touching == 1:
                self.accessed[key] = keyspace.now
        if type(value) is Hash and value.has_expiries:
            self.remind_of_fields(key, value)
        keyspace.dirty += dirty
        if keyspace.on_modified:
            for modified in keyspace.on_modified:
                modified(self, key)
        if keyspace.on_event:
            self.notify(key, event, group)

    def replace(self, key: bytes, value: Value, event: bytes, group: int) -> None:
        """Put a value in the place of one that was looked up to edit just now; the expiry stays.

        :param event: the keyspace event, and its ``group``.
        """
        self.values[key] = value
        keyspace = self.keyspace
        keyspace.dirty += 1
        if keyspace.on_modified:
            for modified in keyspace.on_modified:
                modified(self, key)
        if keyspace.on_event:
            self.notify(key, event, group)

    def create(self, key: bytes, kind: type[S]) -> S:
        """Put a new, empty value at a key that is not there; fill it, then call :meth:`edited`."""
        keyspace = self.keyspace
        if keyspace.on_before:
            self._before(key)
        value = kind(keyspace.limits)
        self.values[key] = value
        self._added(key)
        return value

    def grown(self, key: bytes, event: bytes | None, group: int, dirty: int = 1) -> None:
        """A value was changed in place and is not to be removed, or can't be empty now.

        :param event: the keyspace event, and its ``group``; None for a change that users can't see.
        :param dirty: how many changes this counts as.
        """
        keyspace = self.keyspace
        keyspace.dirty += dirty
        if keyspace.on_modified:
            for modified in keyspace.on_modified:
                modified(self, key)
        if keyspace.on_event and event is not None:
            self.notify(key, event, group)

    def edited(self, key: bytes, event: bytes, group: int, dirty: int = 1) -> None:
        """A value was changed in place. A collection that is empty now is removed, with a ``del`` event.

        Parameters are those of :meth:`grown`.
        """
        value = self.values.get(key)
        if value or value is None or type(value) is bytearray or _stays_empty(value):
            # What grown() does, without the call: every pop ends here.
            keyspace = self.keyspace
            keyspace.dirty += dirty
            if keyspace.on_modified:
                for modified in keyspace.on_modified:
                    modified(self, key)
            if keyspace.on_event:
                self.notify(key, event, group)
            return
        self._discard(key)
        self.grown(key, event, group, dirty)
        if self.keyspace.on_event:
            self.notify(key, b"del", GENERIC)

    def remove(
        self,
        key: bytes,
        event: bytes = b"del",
        group: int = GENERIC,
        dirty: int = 1,
        lazily: bool | None = None,
    ) -> bool:
        """Delete a key; answers whether it was there.

        :param lazily: whether the value is freed by :mod:`lazy_free`; None for what is set for commands that delete
            a key by the way.
        """
        if key not in self.values or (self.expires and self._is_expired(key)):
            return False
        keyspace = self.keyspace
        if keyspace.on_before:
            self._before(key)
        lazy_free = keyspace.lazy_free
        if lazily or (lazily is None and lazy_free.on_overwrite):
            lazy_free.add(self.values[key])
        self._discard(key)
        self.grown(key, event, group, dirty)
        return True

    @property
    def is_unobserved(self) -> bool:
        """Whether nobody needs to know that a key is put here."""
        keyspace = self.keyspace
        return not (keyspace.on_before or keyspace.on_modified) and self._dense is None

    def restore(
        self, key: bytes, value: Value, expires_at: int | None = None, accessed: int | None = None
    ) -> None:
        """Put a key there as a snapshot has it, in place of another. It is no change: no event, nothing dirty.

        :param expires_at: Unix time in milliseconds, or None.
        :param accessed: its record in :attr:`accessed`; None for that of a new key.
        """
        keyspace = self.keyspace
        if keyspace.on_before:
            self._before(key)
        if key in self.values:
            self._discard(key)
        self.values[key] = value
        if accessed is None:
            accessed = keyspace.now if keyspace.touching != 2 else lfu.fresh(keyspace)
        self.accessed[key] = accessed
        if self._dense is not None:
            self._dense.add(key)
        if expires_at is not None:
            self.expires[key] = expires_at
            self._remind(expires_at, key)
        if type(value) is Hash and value.has_expiries:
            self.remind_of_fields(key, value)
        for modified in keyspace.on_modified:
            modified(self, key)

    def discard(self, key: bytes) -> None:
        """Take a key away as if it had never been there: the opposite of :meth:`restore`."""
        if key in self.values:
            self._discard(key)
            for modified in self.keyspace.on_modified:
                modified(self, key)

    def flush(self, lazily: bool = False) -> int:
        """Delete every key, without events; answers how many there were.

        :param lazily: whether all that is freed by :mod:`lazy_free`.
        """
        removed = len(self.values)
        for listener in self.keyspace.on_flushed:
            listener(self)
        # An undo log that was told keeps what was here.
        if lazily and not self.keyspace.on_before:
            parts = [
                self._dense,
                self.reminders,
                self.accessed,
                self.field_expires,
                self.expires,
                self.values,
            ]
            self.keyspace.lazy_free.add_parts(parts, removed)
        self.values = {}
        self.expires = {}
        self.field_expires = {}
        self.accessed = {}
        self.reminders = []
        self._dense = None
        self.keyspace.dirty += removed
        return removed

    def exchange(self, other: Database) -> None:
        """Swap contents with another database (:meth:`Keyspace.swap` tells the listeners)."""
        contents = self.contents
        self.contents = other.contents
        other.contents = contents

    @property
    def contents(self) -> tuple[Any, ...]:
        """All that is in it, to be put there again, or into another database, as a whole."""
        return tuple(getattr(self, name) for name in _CONTENTS)

    @contents.setter
    def contents(self, contents: tuple[Any, ...]) -> None:
        for name, part in zip(_CONTENTS, contents):
            setattr(self, name, part)

    def notify(self, key: bytes, event: bytes, group: int) -> None:
        """Send a keyspace event, if it has a group."""
        if group:
            for listener in self.keyspace.on_event:
                listener(self, key, event, group)

    # -- expiry

    def expiry(self, key: bytes) -> int | None:
        """When the key expires (Unix time, ms), or None."""
        return self.expires.get(key)

    def set_expiry(self, key: bytes, at: int, event: bytes | None = b"expire", dirty: int = 1) -> None:
        """Let a key that is there expire.

        :param at: Unix time in milliseconds.
        :param event: the keyspace event; None for a part of another change, which sends its own.
        """
        keyspace = self.keyspace
        if keyspace.on_before:
            self._before(key)
        self.expires[key] = at
        if keyspace.hold_expiry and not keyspace.sees_expired:
            keyspace.own_expiring.add((self, key))
        self._remind(at, key)
        if event is not None:
            self.grown(key, event, GENERIC, dirty)

    def persist(self, key: bytes, event: bytes | None = b"persist", dirty: int = 1) -> bool:
        """Remove the expiry of a key; answers whether it had one."""
        if key not in self.expires:
            return False
        keyspace = self.keyspace
        if keyspace.on_before:
            self._before(key)
        del self.expires[key]
        if event is not None:
            self.grown(key, event, GENERIC, dirty)
        return True

    def _is_expired(self, key: bytes) -> bool:
        """Whether the key has expired; if so it is deleted now, unless expiry is on hold."""
        at = self.expires.get(key)
        if at is None or self.keyspace.now <= at:
            return False
        keyspace = self.keyspace
        if keyspace.hold_expiry:
            return not keyspace.sees_expired
        self.expire_now(key)
        return True

    def is_past(self, key: bytes) -> bool:
        """Whether the key's time has come, with no deletion."""
        at = self.expires.get(key)
        return at is not None and self.keyspace.now > at

    def expire_now(self, key: bytes) -> None:
        """Delete a key because its time has come."""
        self._delete_ourselves(key, b"expired", EXPIRED, self.keyspace.lazy_free.on_expire)
        self.keyspace.expired += 1

    def evict(self, key: bytes, event: bytes, group: int) -> None:
        """Delete a key to free memory."""
        self._delete_ourselves(key, event, group, self.keyspace.lazy_free.on_eviction)
        self.keyspace.evicted += 1

    def _delete_ourselves(self, key: bytes, event: bytes, group: int, lazily: bool) -> None:
        keyspace = self.keyspace
        if keyspace.on_before:
            self._before(key)
        if lazily:
            keyspace.lazy_free.add(self.values[key])
        self._discard(key)
        if keyspace.on_event:
            self.notify(key, event, group)
        for modified in keyspace.on_modified:
            modified(self, key)
        for deleted in keyspace.on_deleted:
            deleted(self, key)

    # -- expiry of the fields of hashes

    def remind_of_fields(self, key: bytes, value: Hash) -> None:
        """Fields of a hash may be due earlier than before: see that they go at their time."""
        at = value.next_expiry
        if at is None:
            return
        known = self.field_expires.get(key)
        if known is None or at < known:
            self.field_expires[key] = at
            self._remind(at, key)

    def is_field_expired(self, key: bytes, value: Hash, field: bytes) -> bool:
        """Whether a field's time is over; if so it is deleted now, unless expiry is on hold."""
        if not value.is_expired(field, self.keyspace.now):
            return False
        self.expire_fields(key, value, [field])
        return True

    def expire_fields(self, key: bytes, value: Hash, fields: list[bytes]) -> None:
        """Delete fields whose time is over, unless expiry is on hold; the key goes with its last field."""
        keyspace = self.keyspace
        if not fields or keyspace.hold_expiry:
            return
        if keyspace.on_before:
            self._before(key)
        value.remove(fields)
        for listener in keyspace.on_fields_deleted:
            listener(self, key, fields)
        self._fields_expired(key, value, len(fields))

    def expire_due_fields(self, key: bytes, value: Hash, most: int = 0) -> int:
        """Delete all fields that are due; answers how many that were.

        :param most: stop after so many; 0 for no limit. With a limit, listeners hear of each deletion alone.
        """
        keyspace = self.keyspace
        at = value.next_expiry
        if at is None or at > keyspace.now or keyspace.hold_expiry:
            return 0
        if keyspace.on_before:
            self._before(key)
        fields = value.expire_due(keyspace.now, most)
        for listener in keyspace.on_fields_deleted:
            if most:
                for field in fields:
                    listener(self, key, [field])
            else:
                listener(self, key, fields)
        self._fields_expired(key, value, len(fields))
        return len(fields)

    def _fields_expired(self, key: bytes, value: Hash, count: int) -> None:
        keyspace = self.keyspace
        keyspace.expired_fields += count
        if keyspace.on_event:
            self.notify(key, b"hexpired", HASH)
        if not value:
            self._discard(key)
            if keyspace.on_event:
                self.notify(key, b"del", GENERIC)
        for modified in keyspace.on_modified:
            modified(self, key)

    @property
    def hashes_with_expiring_fields(self) -> int:
        """How many hashes have fields with a TTL (INFO's subexpiry)."""
        found = 0
        for key in self.field_expires:
            value = self.values.get(key)
            if type(value) is Hash and value.has_expiries:
                found += 1
        return found

    # -- walking

    def dense(self) -> DenseIndex:
        """The index for random keys and SCAN: built when first asked for, kept up to date from then on."""
        if self._dense is None:
            self._dense = DenseIndex(self.values)
        return self._dense

    # -- within

    def _remind(self, at: int, key: bytes) -> None:
        reminders = self.reminders
        heappush(reminders, (at, key))
        # Stale ones (of keys whose TTL is refreshed all the time) must not pile up.
        if len(reminders) > 64 + 2 * (len(self.expires) + len(self.field_expires)):
            self.drop_stale_reminders()
        self.keyspace.expiry_timer.due(at)

    def drop_stale_reminders(self) -> None:
        """Make the heap of reminders anew, with those that still hold."""
        self.reminders = list(zip(self.expires.values(), self.expires))
        self.reminders += zip(self.field_expires.values(), self.field_expires)
        heapify(self.reminders)

    def _before(self, key: bytes) -> None:
        for listener in self.keyspace.on_before:
            listener(self, key)

    def _added(self, key: bytes) -> None:
        keyspace = self.keyspace
        touching = keyspace.touching
        self.accessed[key] = keyspace.now if touching != 2 else lfu.fresh(keyspace)
        if self._dense is not None:
            self._dense.add(key)
        if keyspace.on_event:
            self.notify(key, b"new", NEW)

    def _discard(self, key: bytes) -> None:
        del self.values[key]
        self.accessed.pop(key, None)
        if self.expires:
            self.expires.pop(key, None)
        if self.field_expires:
            self.field_expires.pop(key, None)
        if self._dense is not None:
            self._dense.discard(key)


def _stays_empty(value: Value) -> bool:
    # A stream that was emptied is still a stream; a string may be empty.
    return type_name(value) in (b"stream", b"string")
