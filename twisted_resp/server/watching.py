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

    A client's ``watched`` maps (database, key) to whether the key had expired already when it was watched:
    that such a key is deleted later is no change.
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
        if client.dirty_watch or (database, key) in client.watched:
            return
        if not self._watchers:
            self._listen()
        client.watched[database, key] = database.is_past(key)
        self._watchers.setdefault((database, key), {})[client] = None

    def unwatch(self, client: Client) -> None:
        """Forget all that the client watches, and that it is dirty."""
        client.dirty_watch = False
        if client.watched:
            self._leave(client)

    def is_dirty(self, client: Client) -> bool:
        """Whether EXEC must give up: a watched key was changed, or has expired since."""
        return client.dirty_watch or any(
            not expired and database.is_past(key) for (database, key), expired in client.watched.items()
        )

    def _leave(self, client: Client) -> None:
        for where in client.watched:
            watchers = self._watchers[where]
            del watchers[client]
            if not watchers:
                del self._watchers[where]
        client.watched = {}
        if not self._watchers:
            self._stop_listening()

    def _listen(self) -> None:
        keyspace = self._keyspace
        keyspace.on_modified = [*keyspace.on_modified, self._modified]
        keyspace.on_flushed = [*keyspace.on_flushed, self._flushed]
        keyspace.on_swapped = [*keyspace.on_swapped, self._swapped]

    def _stop_listening(self) -> None:
        # New lists: this may happen while the keyspace goes through the old ones.
        keyspace = self._keyspace
        keyspace.on_modified = [listener for listener in keyspace.on_modified if listener != self._modified]
        keyspace.on_flushed = [listener for listener in keyspace.on_flushed if listener != self._flushed]
        keyspace.on_swapped = [listener for listener in keyspace.on_swapped if listener != self._swapped]

    def _spoil(self, client: Client) -> None:
        # There is nothing more to learn about its keys.
        client.dirty_watch = True
        self._leave(client)

    def _modified(self, database: Database, key: bytes) -> None:
        watchers = self._watchers.get((database, key))
        if watchers is None:
            return
        for client in list(watchers):
            if client.watched[database, key] and key not in database.values:
                # It had expired before it was watched, and only now was deleted: as good as unchanged.
                client.watched[database, key] = False
            else:
                self._spoil(client)

    def _flushed(self, database: Database) -> None:
        for where, watchers in list(self._watchers.items()):
            if where[0] is database and where[1] in database.values:
                for client in list(watchers):
                    if client.watched[where]:
                        client.watched[where] = False
                    else:
                        self._spoil(client)

    def _swapped(self, first: Database, second: Database) -> None:
        for where, watchers in list(self._watchers.items()):
            database, key = where
            if database is not first and database is not second:
                continue
            other = second if database is first else first
            here, there = key in database.values, key in other.values
            if not here and not there:
                continue
            for client in list(watchers):
                if client.watched[where]:
                    if not there:
                        client.watched[where] = False
                        continue
                    if other.is_past(key):
                        continue
                elif not here and other.is_past(key):
                    # There was no key, and the one that comes has expired already.
                    client.watched[where] = True
                    continue
                self._spoil(client)
