"""The effect seam: what persistence and replicas are told of a write.

By default the command as received. A handler whose outcome depends on more than its arguments (chance, the clock, who
waits) says what to tell instead: :meth:`Effects.replace`. Deletions that the server decides on (expiry, eviction) are
added where they happen. What one outermost command caused forms a unit; listeners get a unit of several commands
wrapped in MULTI and EXEC, so that it is applied whole. Deletions alone (SCAN meets expired keys, or a timer) have
nothing to do with each other and are told without.

A listener is one of two audiences, the append-only file or the replicas; a script may say which of them hears of what
it does (``redis.set_repl``).
"""

from __future__ import annotations

from collections.abc import Callable

from twisted_resp.keyspace.database import Database

__all__ = ["ALL", "APPEND_ONLY_FILE", "REPLICAS", "Effects"]

#: Audiences, as bits; a script has the same numbers for them.
APPEND_ONLY_FILE = 1
REPLICAS = 2
ALL = APPEND_ONLY_FILE | REPLICAS

#: Commands, each with the index of its database.
Unit = list[tuple[int, list[bytes]]]


class Effects:
    """Collects the effects of a command, and tells the listeners when it is over.

    A listener gets a list of (database index, command).
    """

    __slots__ = (
        "_listeners", "_partial", "_replaced", "_unit", "_whole", "active", "audience", "changed_active", "forced",
    )  # fmt: skip

    def __init__(self) -> None:
        self._listeners: list[tuple[Callable[[Unit], None], int]] = []
        self._unit: Unit = []
        # The audience of those in the unit that are not for everybody, by their places.
        self._partial: dict[int, int] = {}
        self._replaced: list[list[bytes]] | None = None
        # Whether the unit is more than deletions that have nothing to do with each other.
        self._whole = False
        #: Whether anybody listens; handlers need not look at it.
        self.active = False
        #: Whether what runs now is told though it has changed no key.
        self.forced = False
        #: Who is told of what is recorded from now on.
        self.audience = ALL
        #: Called when ``active`` changes (the dispatcher then watches writes).
        self.changed_active: Callable[[], None] = lambda: None

    def add_listener(self, listener: Callable[[Unit], None], audience: int = ALL) -> None:
        """Tell ``listener`` of every unit from now on.

        :param audience: what it belongs to; what is told to any of these is told to it.
        """
        self._listeners.append((listener, audience))
        self.active = True
        self.changed_active()

    def remove_listener(self, listener: Callable[[Unit], None]) -> None:
        """Tell it no more."""
        # (A method is another object each time it is asked for, and equal.)
        self._listeners = [entry for entry in self._listeners if entry[0] != listener]
        self.active = bool(self._listeners)
        self.changed_active()

    def replace(self, *command: bytes) -> None:
        """For a handler: tell this instead of the command as received. Several calls tell several commands."""
        if self.active:
            if self._replaced is None:
                self._replaced = []
            self._replaced.append(list(command))

    def suppress(self) -> None:
        """For a handler: tell nothing, though the keyspace was changed."""
        if self.active and self._replaced is None:
            self._replaced = []

    def force(self) -> None:
        """For a handler: tell this command though it changes no key (PUBLISH)."""
        self.forced = self.active

    def abandon(self) -> None:
        """Forget what a handler said: it did nothing, or failed."""
        self._replaced = None
        self.forced = False

    def record(self, database: int, command: list[bytes]) -> None:
        """For the dispatcher: a command has changed the keyspace."""
        self._whole = True
        self.forced = False
        first = len(self._unit)
        if self._replaced is None:
            self._unit.append((database, list(command)))
        else:
            self._unit.extend((database, replaced) for replaced in self._replaced)
            self._replaced = None
        if self.audience != ALL:
            self._partial.update(dict.fromkeys(range(first, len(self._unit)), self.audience))

    def deleted(self, database: Database, key: bytes) -> None:
        """The server deleted a key of its own accord."""
        if self.active:
            self._unit.append((database.index, [b"DEL", key]))

    def fields_deleted(self, database: Database, key: bytes, fields: list[bytes]) -> None:
        """The server deleted fields of a hash of its own accord; several at once belong together."""
        if self.active:
            self._whole = self._whole or len(fields) > 1
            self._unit.extend((database.index, [b"HDEL", key, field]) for field in fields)

    def flush(self) -> None:
        """The outermost command is over: tell the listeners."""
        unit = self._unit
        whole, self._whole = self._whole, False
        if not unit:
            return
        self._unit = []
        partial = self._partial
        if partial:
            self._partial = {}
            for listener, audience in list(self._listeners):
                part = [effect for place, effect in enumerate(unit) if partial.get(place, ALL) & audience]
                if part:
                    listener(_framed(part, whole))
            return
        unit = _framed(unit, whole)
        for listener, _ in list(self._listeners):
            listener(unit)


def _framed(unit: Unit, whole: bool) -> Unit:
    """A unit as it is told: what belongs together is applied together."""
    if whole and len(unit) > 1:
        return [(unit[0][0], [b"MULTI"]), *unit, (unit[-1][0], [b"EXEC"])]
    return unit
