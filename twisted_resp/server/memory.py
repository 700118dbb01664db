"""How much memory the data and the clients take, and whether that is too much.

There is no allocator to ask, so the data set is estimated (:mod:`twisted_resp.values.memory`). While a limit is set the
account is exact to the estimate: it listens to the change seam and measures each key that changes again, at a cost
that does not grow with the value. Without a limit nobody listens, and :meth:`MemoryAccount.used` estimates from a
sample of the keys. Both are on one scale: it starts where an empty redis-server does, not with the interpreter,
so that a limit which fits a test of Redis fits here.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from twisted_resp.keyspace.database import Database
from twisted_resp.values.memory import KEY_OVERHEAD, estimate, string_size

if TYPE_CHECKING:
    from twisted_resp.server.server import Server

__all__ = ["EMPTY", "MemoryAccount", "key_size"]

#: What an empty server uses on this scale, in bytes.
EMPTY: Final = 900_000
_EXPIRY: Final = 150
_SAMPLE: Final = 64


def key_size(database: Database, key: bytes, samples: int = 5) -> int:
    """The bytes that a key of the database takes, with its name, its value and its place."""
    size = KEY_OVERHEAD + string_size(len(key)) + estimate(database.values[key], samples)
    return size + _EXPIRY if key in database.expires else size


class MemoryAccount:
    """The memory of one server's data.

    :ivar limit: ``maxmemory`` in bytes; 0 for none.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self.limit = 0
        self._total = 0
        self._sizes: dict[Database, dict[bytes, int]] = {}

    def used(self) -> int:
        """The memory in use, in bytes."""
        others = self._server.client_memory.total() + self._server.client_memory.replicas()
        if self.limit:
            return EMPTY + others + self._total
        data = 0
        for database in self._server.keyspace.databases:
            if database.values:
                sample = [key_size(database, key) for key in islice(database.values, _SAMPLE)]
                data += sum(sample) * len(database.values) // len(sample)
        return EMPTY + others + data

    def is_full(self) -> bool:
        """Whether the data and the clients take more than the limit. Keys are not evicted for what replicas take."""
        return EMPTY + self._server.client_memory.total() + self._total > self.limit

    def set_limit(self, limit: int) -> None:
        """Set ``maxmemory``. From none to some every key is measured once."""
        keyspace = self._server.keyspace
        if limit and not self.limit:
            for database in keyspace.databases:
                sizes = self._sizes[database] = {key: key_size(database, key) for key in database.values}
                self._total += sum(sizes.values())
            keyspace.on_modified = [*keyspace.on_modified, self._modified]
            keyspace.on_flushed = [*keyspace.on_flushed, self._flushed]
            keyspace.on_swapped = [*keyspace.on_swapped, self._swapped]
        elif self.limit and not limit:
            # New lists, for somebody may be walking the old ones.
            keyspace.on_modified = [
                listener for listener in keyspace.on_modified if listener != self._modified
            ]
            keyspace.on_flushed = [listener for listener in keyspace.on_flushed if listener != self._flushed]
            keyspace.on_swapped = [listener for listener in keyspace.on_swapped if listener != self._swapped]
            self._sizes = {}
            self._total = 0
        self.limit = limit

    def _modified(self, database: Database, key: bytes) -> None:
        sizes = self._sizes[database]
        before = sizes.get(key, 0)
        if key in database.values:
            sizes[key] = after = key_size(database, key)
        else:
            sizes.pop(key, None)
            after = 0
        self._total += after - before

    def _flushed(self, database: Database) -> None:
        self._total -= sum(self._sizes[database].values())
        self._sizes[database] = {}

    def _swapped(self, first: Database, second: Database) -> None:
        sizes = self._sizes
        sizes[first], sizes[second] = sizes[second], sizes[first]
