"""An undo log on the change seam: go back to how the keys were, at a cost that goes by the keys touched since.

The log is a stack. A :class:`Layer` holds, for each key that was changed since the layer was begun, what was there
before the first change: a copy taken when the keyspace says that the key is about to change, which is before anything
changes it in place. A database that is emptied is kept as a whole, as it stands, for an emptied database begins with
new containers. That two databases were swapped lies between layers, and is undone in its place.

While there is no layer nobody listens, and a change costs nothing more.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from twisted_resp.keyspace.database import Database, Value
from twisted_resp.keyspace.keyspace import Keyspace

__all__ = ["Layer", "UndoLog"]


_Three = tuple[list[Any], list[Any], list[Any]]  # listeners


class _Kept(NamedTuple):
    value: Value
    expires_at: int | None
    accessed: int | None


class _Swapped(NamedTuple):
    first: Database
    second: Database


class Layer:
    """What was there before, by key; None for a key that was not there.

    :ivar flushed: the whole contents of databases that were emptied. What is noted of such a database is older.
    """

    __slots__ = ("flushed", "keys")

    def __init__(self) -> None:
        self.keys: dict[tuple[Database, bytes], _Kept | None] = {}
        self.flushed: dict[Database, tuple[Any, ...]] = {}

    def __bool__(self) -> bool:
        """Whether anything was changed."""
        return bool(self.keys or self.flushed)

    def take(self, later: Layer) -> None:
        """Have what was changed after this layer, too."""
        emptied = set(self.flushed)
        for database, contents in later.flushed.items():
            self.flushed.setdefault(database, contents)
        for where, kept in later.keys.items():
            if where[0] not in emptied:
                self.keys.setdefault(where, kept)


class UndoLog:
    """The undo log of one keyspace."""

    def __init__(self, keyspace: Keyspace) -> None:
        self._keyspace = keyspace
        self._stack: list[Layer | _Swapped] = []
        self._begun: list[Layer] = []  # those that somebody may go back to
        self._top = Layer()
        # The listeners without ours, and with it. To go by these while nobody else came or went is cheap.
        self._without: _Three = ([], [], [])
        self._with: _Three = ([], [], [])

    def begin(self) -> Layer:
        """Begin a layer: what is changed from now on can be undone."""
        if not self._stack:
            self._listen()
        self._top = Layer()
        self._stack.append(self._top)
        self._begun.append(self._top)
        return self._top

    def holds(self, layer: Layer) -> bool:
        """Whether it is still possible to go back to where a layer began."""
        return layer in self._begun

    def is_clean(self, layer: Layer) -> bool:
        """Whether nothing was changed since a layer began."""
        return self._top is layer and not layer

    def undo(self, layer: Layer) -> bool:
        """Go back to where a layer began. It stays, empty, and those begun later are gone.

        :return: whether whole databases were put back, of which no listener has heard key by key.
        """
        wholly = False
        stack = self._stack
        self._stop_listening()
        try:
            while stack:
                top = stack[-1]
                if isinstance(top, _Swapped):
                    self._exchange(top)
                    wholly = True
                else:
                    self._put_back(top)
                    wholly = wholly or bool(top.flushed)
                    if top is layer:
                        break
                stack.pop()
        finally:
            self._listen()
        layer.keys = {}
        layer.flushed = {}
        self._top = layer
        del self._begun[self._begun.index(layer) + 1 :]
        return wholly

    def release(self, layer: Layer) -> None:
        """Forget where a layer began: what was changed since belongs to the layer below."""
        stack = self._stack
        lowest = self._begun[0] is layer
        self._begun.remove(layer)
        if not self._begun:
            stack.clear()
            self._top = Layer()
            self._stop_listening()
        elif lowest:
            del stack[: _index(stack, self._begun[0])]
        else:
            place = _index(stack, layer)
            below = stack[place - 1]
            if isinstance(below, Layer):  # else it is what came after a swap, which has a place of its own
                del stack[place]
                below.take(layer)
                if self._top is layer:
                    self._top = below

    # -- what the keyspace tells

    def _before(self, database: Database, key: bytes) -> None:
        top = self._top
        where = (database, key)
        if where in top.keys or database in top.flushed:
            return
        value = database.values.get(key)
        if value is None:
            top.keys[where] = None
        else:
            top.keys[where] = _Kept(_copy(value), database.expires.get(key), database.accessed.get(key))

    def _flushed(self, database: Database) -> None:
        self._top.flushed.setdefault(database, database.contents)

    def _swapped(self, first: Database, second: Database) -> None:
        self._stack.append(_Swapped(first, second))
        self._top = Layer()
        self._stack.append(self._top)

    # -- within

    def _put_back(self, layer: Layer) -> None:
        keyspace = self._keyspace
        for database, contents in layer.flushed.items():
            for listener in keyspace.on_flushed:
                listener(database)
            database.contents = contents
        for (database, key), kept in layer.keys.items():
            if kept is None:
                database.discard(key)
            else:
                database.restore(key, *kept)

    def _exchange(self, swapped: _Swapped) -> None:
        for listener in self._keyspace.on_swapped:
            listener(*swapped)
        swapped.first.exchange(swapped.second)

    def _listen(self) -> None:
        keyspace = self._keyspace
        there = keyspace.on_before, keyspace.on_flushed, keyspace.on_swapped
        if not _same(there, self._without):
            self._without = there
            before, flushed, swapped = there
            self._with = ([*before, self._before], [*flushed, self._flushed], [*swapped, self._swapped])
        keyspace.on_before, keyspace.on_flushed, keyspace.on_swapped = self._with

    def _stop_listening(self) -> None:
        keyspace = self._keyspace
        if _same((keyspace.on_before, keyspace.on_flushed, keyspace.on_swapped), self._with):
            keyspace.on_before, keyspace.on_flushed, keyspace.on_swapped = self._without
            return
        keyspace.on_before = [each for each in keyspace.on_before if each != self._before]
        keyspace.on_flushed = [each for each in keyspace.on_flushed if each != self._flushed]
        keyspace.on_swapped = [each for each in keyspace.on_swapped if each != self._swapped]


def _same(there: _Three, known: _Three) -> bool:
    """Whether these are the very lists that we know: who comes or goes makes new ones."""
    return there[0] is known[0] and there[1] is known[1] and there[2] is known[2]


def _index(stack: list[Layer | _Swapped], layer: Layer) -> int:
    return next(index for index, each in enumerate(stack) if each is layer)


def _copy(value: Value) -> Value:
    if type(value) is bytes:
        return value
    if type(value) is bytearray:
        return bytearray(value)
    return value.copy()
