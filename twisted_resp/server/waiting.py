"""Parked clients: those whose blocking command waits for a key.

A blocking command tries once; if there is nothing for it, it parks a Deferred on its keys here. A change of
such a key (seen on the change seam) puts the key on a list of signals, in the order of the changes. After the
outermost command :meth:`WaitingRoom.serve` goes through the signals and lets the waiters of each key try
again, first come, first served. What a served client changes is signalled as well, behind what is there
already, and its effects are told before the next one's turn. The Deferred fires with the reply; a timeout
(``clock.callLater``), CLIENT UNBLOCK or a lost connection end the wait as well. Nothing polls.

A waiter names the type of value that can serve it, and a key with another type, or none, does not wake it:
its command would only fail, or find nothing. One that names no type (a consumer group may be gone) is woken
by any change.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Callable, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from twisted_resp.errors import UNBLOCKED, CommandError, internal_error
from twisted_resp.keyspace.database import Database
from twisted_resp.resp import OK, Reply

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

    :ivar command: the command that waits, as received; ``database`` is the one that it was sent to.
    :ivar kind: the type of value that can serve it; None for any change, a deletion included.
    :ivar since: when it began, and ``until`` when it ends at the latest (Unix time, ms).
    :ivar seconds: time spent in trying again.
    :ivar over: whether it has ended.
    :ivar previous: another wait of the same client. Only a client within the process, which many may call
        through, has several.
    """

    __slots__ = (
        "client", "command", "database", "deferred", "keys", "kind", "on_timeout", "over", "previous",
        "retry", "seconds", "since", "timeout_call", "until",
    )  # fmt: skip

    def __init__(
        self,
        client: Client,
        keys: list[bytes],
        retry: Callable[[], Reply],
        on_timeout: Reply,
        kind: type | None,
    ) -> None:
        self.client = client
        self.command = client.current
        self.database = client.db
        # A key that is given twice is waited for once.
        self.keys = list(dict.fromkeys(keys))
        self.retry = retry
        self.on_timeout = on_timeout
        self.kind = kind
        self.since: int = client.server.keyspace.now
        self.until: int | None = None
        self.timeout_call: IDelayedCall | None = None
        self.seconds = 0.0
        self.over = False
        self.previous = client.parked
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
        self._count = 0
        #: How many of them name no type.
        self._indifferent = 0

    def __len__(self) -> int:
        """How many clients are parked (INFO's blocked_clients)."""
        return self._count

    @property
    def keys(self) -> int:
        """How many keys somebody waits for (INFO's total_blocking_keys)."""
        return len(self._waiters)

    @property
    def keys_on_deletion(self) -> int:
        """How many keys wake somebody when they are deleted (INFO's total_blocking_keys_on_nokey)."""
        if not self._indifferent:
            return 0
        return sum(any(parked.kind is None for parked in waiters) for waiters in self._waiters.values())

    def waiters(self, database: Database, key: bytes) -> int:
        """How many clients wait for a key."""
        return len(self._waiters.get((database, key), ()))

    # -- coming and going

    def park(
        self,
        client: Client,
        keys: list[bytes],
        timeout: float,
        retry: Callable[[], Reply],
        on_timeout: Reply,
        kind: type | None = None,
    ) -> Deferred[Reply]:
        """See :meth:`Client.wait_for`."""
        parked = Parked(client, keys, retry, on_timeout, kind)
        keyspace = self._server.keyspace
        if not self._count:
            keyspace.on_modified = [*keyspace.on_modified, self._modified]
            keyspace.on_flushed = [*keyspace.on_flushed, self._flushed]
            keyspace.on_swapped = [*keyspace.on_swapped, self._swapped]
        self._count += 1
        self._indifferent += kind is None
        client.parked = parked
        for key in parked.keys:
            self._waiters.setdefault((parked.database, key), {})[parked] = None
        if timeout > 0:
            parked.until = keyspace.now + round(timeout * 1000)
            parked.timeout_call = self._server.clock.callLater(timeout, self._timed_out, parked)
        return parked.deferred

    def park_until_freed(self, client: Client) -> Deferred[Reply]:
        """Park a client until all that waits to be freed by now is freed; the reply is OK."""
        server = self._server
        deferred = self.park(client, [], 0, lambda: NOT_READY, OK, object)
        parked = client.parked
        assert parked is not None
        server.keyspace.lazy_free.when_done(lambda: server.run_timer(lambda: self.finish(parked, OK)))
        return deferred

    def leave(self, parked: Parked) -> None:
        """Forget a wait without a reply (the connection is lost)."""
        if parked.over:
            return
        parked.over = True
        _unlink(parked)
        if parked.timeout_call is not None and parked.timeout_call.active():
            parked.timeout_call.cancel()
        for key in parked.keys:
            where = (parked.database, key)
            waiters = self._waiters[where]
            del waiters[parked]
            if not waiters:
                del self._waiters[where]
        self._indifferent -= parked.kind is None
        self._count -= 1
        if not self._count:
            # New lists: the keyspace may be going through the old ones.
            keyspace = self._server.keyspace
            keyspace.on_modified = [each for each in keyspace.on_modified if each != self._modified]
            keyspace.on_flushed = [each for each in keyspace.on_flushed if each != self._flushed]
            keyspace.on_swapped = [each for each in keyspace.on_swapped if each != self._swapped]

    def finish(self, parked: Parked, reply: Reply) -> None:
        """End a wait with a reply."""
        if not parked.over:
            self.leave(parked)
            parked.deferred.callback(reply)

    def unblock(self, client: Client, with_error: bool) -> bool:
        """CLIENT UNBLOCK: end a client's wait as if time were up, or with an error.

        :return: whether it was waiting.
        """
        parked = client.parked
        if parked is None:
            return False
        self.finish(parked, CommandError(UNBLOCKED) if with_error else parked.on_timeout)
        return True

    def end_all(self, reply: Reply) -> None:
        """End every wait with one reply."""
        for parked in [parked for waiters in self._waiters.values() for parked in waiters]:
            self.finish(parked, reply)

    def _timed_out(self, parked: Parked) -> None:
        self._server.run_timer(lambda: self.finish(parked, parked.on_timeout))

    # -- signals

    def signal(self, database: Database, key: bytes) -> None:
        """Let the waiters of a key look again though its value has not changed.

        A consumer group is gone, or time has passed.
        """
        if (database, key) in self._waiters:
            self._signal((database, key))

    def _modified(self, database: Database, key: bytes) -> None:
        waiters = self._waiters.get((database, key))
        if waiters is None:
            return
        kind = type(database.values.get(key))
        for parked in waiters:
            if parked.kind is kind or parked.kind is None:
                self._signal((database, key))
                return

    def _flushed(self, database: Database) -> None:
        if self._indifferent:
            for where in self._waiters:
                if where[0] is database:
                    self._signal(where)

    def _swapped(self, first: Database, second: Database) -> None:
        # Every key that somebody waits for in either may be there now.
        for where in self._waiters:
            if where[0] is first or where[0] is second:
                self._signal(where)

    def _signal(self, where: tuple[Database, bytes]) -> None:
        self._signalled[where] = None
        self._server.pending = True

    # -- service

    def serve(self) -> None:
        """Let the waiters of every signalled key try again, unless clients are paused."""
        server = self._server
        if not self._signalled or server.pause_until:
            return
        # A transaction may have taken its time.
        server.keyspace.tick()
        while self._signalled:
            where = next(iter(self._signalled))
            del self._signalled[where]
            database, key = where
            # Those who come to wait meanwhile have just looked at the key.
            for parked in tuple(self._waiters.get(where, ())):
                if parked.over:
                    continue
                # The look-up leaves no trace: a key that has expired is deleted when somebody asks for it.
                value = None if database.is_past(key) else database.values.get(key)
                if parked.kind is None or type(value) is parked.kind:
                    self._retry(parked)
                elif value is None and not self._indifferent:
                    break

    def _retry(self, parked: Parked) -> None:
        client = parked.client
        keyspace, effects = self._server.keyspace, self._server.effects
        before = keyspace.dirty
        # A client within the process may do other things while it waits.
        current, client.current = client.current, parked.command
        database, client.db = client.db, parked.database
        start = perf_counter()
        try:
            refusal = self._server.access.recheck(client, parked.command) if client.user.restricted else None
            reply = client.run_apart(parked.retry) if refusal is None else refusal
        except CommandError as error:
            reply = error
        except Exception:
            self.log.failure("{command} failed for {client}", command=parked.command[0], client=client)
            reply = internal_error(parked.command[0].lower())
        finally:
            client.current = current
            client.db = database
        parked.seconds += perf_counter() - start
        if effects.active:
            if reply is not NOT_READY and keyspace.dirty != before:
                effects.record(parked.database.index, parked.command)
            else:
                effects.abandon()
            effects.flush()
            client.write_offset = self._server.replication.offset
        if reply is not NOT_READY:
            self.finish(parked, reply)


def _unlink(parked: Parked) -> None:
    client = parked.client
    if client.parked is parked:
        client.parked = parked.previous
        return
    later = client.parked
    while later is not None and later.previous is not parked:
        later = later.previous
    if later is not None:
        later.previous = parked.previous
