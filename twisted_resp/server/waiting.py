"""Parked clients: those whose blocking command waits for a key.

A blocking command tries once; if there is nothing for it, it parks a Deferred on its keys here. A change of such a key
(seen on the change seam) puts the key on a list of signals, and after the outermost command :meth:`WaitingRoom.serve`
lets the waiters of each signalled key try again, first come, first served. The Deferred fires with the reply; a
timeout (``clock.callLater``), CLIENT UNBLOCK or a lost connection end the wait as well. Nothing polls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Final, Optional

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from twisted_resp.errors import UNBLOCKED, CommandError
from twisted_resp.keyspace.database import Database
from twisted_resp.resp import Reply

if TYPE_CHECKING:
    from twisted_resp.server.client import Client
    from twisted_resp.server.server import Server

__all__ = ["NOT_READY", "Parked", "WaitingRoom"]


class _NotReady:
    def __repr__(self) -> str:
        return "NOT_READY"


#: What ``retry`` answers while there is still nothing for the client.
NOT_READY: Final = _NotReady()


class Parked:
    """One client's wait.

    :ivar since: when it began (Unix time, ms).
    """

    __slots__ = ("client", "database", "deferred", "keys", "on_timeout", "retry", "since", "timeout_call", "until")

    def __init__(
        self, client: Client, database: Database, keys: list[bytes], retry: Callable[[], Reply], on_timeout: Reply
    ) -> None:
        self.client = client
        self.database = database
        self.keys = keys
        self.retry = retry
        self.on_timeout = on_timeout
        self.since = client.server.keyspace.now
        self.until: Optional[int] = None
        self.timeout_call: Optional[IDelayedCall] = None
        self.deferred: Deferred[Reply] = Deferred(self._cancelled)

    def _cancelled(self, deferred: Deferred[Reply]) -> None:
        self.client.server.waiting.leave(self)


class WaitingRoom:
    """All parked clients of a server, by key."""

    log = Logger()

    def __init__(self, server: Server) -> None:
        self._server = server
        #: For each key, its waiters in the order in which they came.
        self._waiters: dict[tuple[Database, bytes], dict[Parked, None]] = {}
        self._signalled: dict[tuple[Database, bytes], None] = {}
        #: How many clients are parked (INFO's blocked_clients).
        self.count = 0

    def __len__(self) -> int:
        return self.count

    @property
    def keys(self) -> int:
        """How many keys somebody waits for (INFO's total_blocking_keys)."""
        return len(self._waiters)

    def park(
        self, client: Client, keys: list[bytes], timeout: float, retry: Callable[[], Reply], on_timeout: Reply
    ) -> Deferred[Reply]:
        """See :meth:`Client.wait_for`."""
        database = client.db
        parked = Parked(client, database, list(dict.fromkeys(keys)), retry, on_timeout)
        keyspace = self._server.keyspace
        if not self.count:
            keyspace.on_modified.append(self._modified)
            keyspace.on_swapped.append(self._swapped)
        self.count += 1
        client.parked = parked
        for key in parked.keys:
            self._waiters.setdefault((database, key), {})[parked] = None
        if timeout > 0:
            parked.until = keyspace.now + int(timeout * 1000)
            parked.timeout_call = self._server.clock.callLater(timeout, self._timed_out, parked)
        return parked.deferred

    def leave(self, parked: Parked) -> None:
        """Forget a wait without a reply (the connection is lost)."""
        client = parked.client
        if client.parked is not parked:
            return
        client.parked = None
        if parked.timeout_call is not None and parked.timeout_call.active():
            parked.timeout_call.cancel()
        for key in parked.keys:
            waiters = self._waiters.get((parked.database, key))
            if waiters is not None:
                waiters.pop(parked, None)
                if not waiters:
                    del self._waiters[parked.database, key]
        self.count -= 1
        if not self.count:
            keyspace = self._server.keyspace
            keyspace.on_modified.remove(self._modified)
            keyspace.on_swapped.remove(self._swapped)

    def finish(self, parked: Parked, reply: Reply) -> None:
        """End a wait with a reply."""
        if parked.client.parked is parked:
            self.leave(parked)
            parked.deferred.callback(reply)

    def unblock(self, client: Client, with_error: bool) -> bool:
        """CLIENT UNBLOCK: end a client's wait as if time were up, or with an error; whether it was waiting."""
        parked = client.parked
        if parked is None:
            return False
        self.finish(parked, CommandError(UNBLOCKED) if with_error else parked.on_timeout)
        return True

    def end_all(self, reply: Reply) -> None:
        """End every wait with one reply."""
        for client in list(self._server.clients.values()):
            if client.parked is not None:
                self.finish(client.parked, reply)

    def waiters(self, database: Database, key: bytes) -> int:
        """How many clients wait for a key."""
        return len(self._waiters.get((database, key), ()))

    def serve(self) -> None:
        """Let the waiters of every signalled key try again."""
        while self._signalled:
            where = next(iter(self._signalled))
            del self._signalled[where]
            for parked in list(self._waiters.get(where, ())):
                if parked.client.parked is parked:
                    self._retry(parked)

    def _retry(self, parked: Parked) -> None:
        client = parked.client
        keyspace, effects = self._server.keyspace, self._server.effects
        before = keyspace.dirty
        # The command runs in the database it was sent to, though its client may have been moved by no one: a
        # client that is parked sends nothing.
        try:
            reply = client.run_apart(parked.retry)
        except CommandError as error:
            reply = error
        except Exception:
            self.log.failure("a parked command failed")
            reply = CommandError(b"ERR internal error")
        if reply is NOT_READY:
            effects.abandon()
            return
        if effects.active and keyspace.dirty != before:
            effects.record(parked.database.index, client.current)
        self.finish(parked, reply)

    def _modified(self, database: Database, key: bytes) -> None:
        where = (database, key)
        if where in self._waiters:
            self._signalled[where] = None
            self._server.pending = True

    def _swapped(self, first: Database, second: Database) -> None:
        # Every key that somebody waits for in either may be there now.
        for where in self._waiters:
            if where[0] is first or where[0] is second:
                self._signalled[where] = None
                self._server.pending = True

    def _timed_out(self, parked: Parked) -> None:
        self._server.run_timer(lambda: self.finish(parked, parked.on_timeout))
