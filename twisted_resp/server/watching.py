"""WATCH: which clients a change of a key makes unable to EXEC.

https://redis.io/docs/latest/develop/interact/transactions/#optimistic-locking-using-check-and-set
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_resp.keyspace.database import Database
from twisted_resp.keyspace.keyspace import Keyspace

if TYPE_CHECKING:
    from twisted_resp.server.client import Client

__all__ = ["WatchList"]


class WatchList:
    """The watched keys of all clients. It listens to the keyspace only while there are any.

    A client's ``watched`` maps (database, key) to whether the key had expired already when it was watched: that such
    a key is deleted later is no change.
    """

    def __init__(self, keyspace: Keyspace) -> None:
        self._keyspace = keyspace
        self._watchers: dict[tuple[Database, bytes], dict[Client, None]] = {}

    @property
    def keys(self) -> int:
        """How many keys are watched."""
        return len(self._watchers)

    def watch(self, client: Client, key: bytes) -> None:
        """From now on a change of ``key`` in the client's database makes it dirty."""
        database = client.db
        if (database, key) in client.watched:
            return
        if not self._watchers:
            self._keyspace.on_modified.append(self._modified)
            self._keyspace.on_flushed.append(self._flushed)
            self._keyspace.on_swapped.append(self._swapped)
        client.watched[database, key] = database.is_past(key)
        self._watchers.setdefault((database, key), {})[client] = None

    def unwatch(self, client: Client) -> None:
        """Forget all that the client watches, and that it is dirty."""
        client.dirty_watch = False
        if not client.watched:
            return
        for where in client.watched:
            watchers = self._watchers[where]
            del watchers[client]
            if not watchers:
                del self._watchers[where]
        client.watched = {}
        if not self._watchers:
            self._keyspace.on_modified.remove(self._modified)
            self._keyspace.on_flushed.remove(self._flushed)
            self._keyspace.on_swapped.remove(self._swapped)

    def is_dirty(self, client: Client) -> bool:
        """Whether EXEC must give up: a watched key was changed, or has expired since."""
        return client.dirty_watch or any(
            not expired and database.is_past(key) for (database, key), expired in client.watched.items()
        )

    def _modified(self, database: Database, key: bytes) -> None:
        for client in self._watchers.get((database, key), ()):
            if client.watched[database, key]:
                if key not in database.values:
                    # It had expired before it was watched, and only now was deleted: as good as unchanged.
                    client.watched[database, key] = False
                    continue
            client.dirty_watch = True

    def _flushed(self, database: Database) -> None:
        for (watched_database, key), clients in self._watchers.items():
            if watched_database is database and key in database.values:
                for client in clients:
                    if not (client.watched[watched_database, key] and database.is_past(key)):
                        client.dirty_watch = True

    def _swapped(self, first: Database, second: Database) -> None:
        for (database, key), clients in self._watchers.items():
            if database is first or database is second:
                other = second if database is first else first
                if key in database.values or key in other.values:
                    for client in clients:
                        if not (client.watched[database, key] and key not in other.values):
                            client.dirty_watch = True
