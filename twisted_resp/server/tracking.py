"""Client-side caching: who may have which keys in a cache, and the messages that make these caches forget.

A tracking client runs in a state of its own (``States.tracking``), which says here whose command runs and has the keys
that it reads remembered. While nobody tracks, nobody listens to changes and no command is looked at. Two ways:

- By default a key that a client reads is remembered with the client's id; the change of such a key is told to all
  whom it concerns, once, and the key is forgotten. At most ``tracking-table-max-keys`` are remembered.
- With BCAST nothing is remembered. The keys that begin with a prefix are collected as they change, and told at the end
  of the batch.

A message takes the way of every push, so it follows the reply to the command that causes it. It is a push of RESP3, or
goes to another client (REDIRECT), who may be a subscriber with RESP2.
https://redis.io/docs/latest/develop/reference/client-side-caching/
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from twisted_resp.keyspace.database import Database
from twisted_resp.resp import Push, Reply
from twisted_resp.values.dense import DenseIndex

if TYPE_CHECKING:
    from twisted_resp.server.client import Client, Execute
    from twisted_resp.server.server import Server

__all__ = ["CHANNEL", "Tracking", "TrackingTable"]

#: Where subscribers with RESP2 hear of changes.
CHANNEL: Final = b"__redis__:invalidate"


class Tracking:
    """What one client asked for with CLIENT TRACKING.

    :ivar redirect: the id of the client that gets the messages; 0 for the client itself.
    :ivar broken: that client was not there any more when there was something to tell.
    :ivar caching: CLIENT CACHING was said: with OPTIN what the next command reads is tracked, with OPTOUT it is not.
    :ivar execute: the state that the client would be in if it did not track.
    """

    __slots__ = (
        "broadcast", "broken", "caching", "execute", "no_loop", "opt_in", "opt_out", "prefixes", "redirect",
    )  # fmt: skip

    def __init__(self, execute: Execute) -> None:
        self.execute = execute
        self.redirect = 0
        self.broadcast = self.opt_in = self.opt_out = self.no_loop = False
        self.broken = False
        self.caching = False
        self.prefixes: dict[bytes, None] = {}

    @property
    def skips(self) -> bool:
        """Whether the keys of the command that runs now are not to be remembered."""
        return self.broadcast or (self.caching if self.opt_out else self.opt_in and not self.caching)


class _Prefix:
    """Keys that begin alike: who wants to know of them, which have changed, and who was the last to change each."""

    def __init__(self) -> None:
        self.clients: dict[Client, None] = {}
        self.changed: dict[bytes, Client | None] = {}


class TrackingTable:
    """All that is tracked in one server.

    :ivar clients: those that track, by id.
    :ivar current: the tracking client whose command runs now; None for all others.
    :ivar executing: False while the command itself has not begun: keys are evicted before it.
    :ivar items: how many times a key is remembered for a client.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self.clients: dict[int, Client] = {}
        self.current: Client | None = None
        self.executing = True
        self.items = 0
        self._readers: dict[bytes, dict[int, None]] = {}
        self._prefixes: dict[bytes, _Prefix] = {}
        # To draw keys from; made when there are too many of them.
        self._dense: DenseIndex | None = None

    @property
    def keys(self) -> int:
        """How many keys are remembered."""
        return len(self._readers)

    @property
    def prefixes(self) -> int:
        """How many prefixes there are."""
        return len(self._prefixes)

    # -- clients

    def enable(self, client: Client, tracking: Tracking, prefixes: Iterable[bytes]) -> None:
        """Let a client track from now on, or in another way than before; its prefixes are added to those it has."""
        if not self.clients:
            keyspace = self._server.keyspace
            keyspace.on_modified = [*keyspace.on_modified, self._modified]
            keyspace.on_deleted = [*keyspace.on_deleted, self._deleted]
            keyspace.on_flushed = [*keyspace.on_flushed, self._flushed]
        self.clients[client.id] = client
        if client.tracking is not None:
            tracking.prefixes = client.tracking.prefixes
            tracking.caching = client.tracking.caching
        client.tracking = tracking
        for prefix in prefixes:
            self._prefixes.setdefault(prefix, _Prefix()).clients[client] = None
            tracking.prefixes[prefix] = None
        client.choose_state()

    def disable(self, client: Client) -> None:
        """A client tracks no more. What it has read is found to be nobody's when that changes."""
        tracking = client.tracking
        if tracking is None:
            return
        for prefix in tracking.prefixes:
            state = self._prefixes[prefix]
            del state.clients[client]
            if not state.clients:
                del self._prefixes[prefix]
        client.tracking = None
        client.choose_state()
        del self.clients[client.id]
        if not self.clients:
            self._forget_keys()
            # New lists: the keyspace may be going through the old ones.
            keyspace = self._server.keyspace
            keyspace.on_modified = [each for each in keyspace.on_modified if each != self._modified]
            keyspace.on_deleted = [each for each in keyspace.on_deleted if each != self._deleted]
            keyspace.on_flushed = [each for each in keyspace.on_flushed if each != self._flushed]

    # -- what is read

    def remember(self, client: Client, keys: Iterable[bytes]) -> None:
        """A client has read keys."""
        readers = self._readers
        for key in keys:
            ids = readers.get(key)
            if ids is None:
                ids = readers[key] = {}
                if self._dense is not None:
                    self._dense.add(key)
            if client.id not in ids:
                ids[client.id] = None
                self.items += 1
        self.limit()

    def limit(self) -> None:
        """Forget keys, and tell so, until there are no more than ``tracking-table-max-keys``."""
        most: int = self._server.configuration[b"tracking-table-max-keys"]
        while most and len(self._readers) > most:
            if self._dense is None:
                self._dense = DenseIndex(self._readers)
            self._invalidate(self._dense.random(self._server.random), None)

    # -- what changes

    def _modified(self, database: Database, key: bytes) -> None:
        if self._prefixes:
            # What a script changes was changed by nobody in particular, as in Redis.
            running = self._server.scripting.running
            self._collect(key, self.current if running is None else None)
        if key in self._readers:
            self._invalidate(key, self.current)

    def _deleted(self, database: Database, key: bytes) -> None:
        """The server itself has deleted a key: who has changed it before wants to know as well."""
        if self._prefixes:
            self._collect(key, None)

    def _flushed(self, database: Database) -> None:
        if self._server.keyspace.flushing_all and database.index:
            return  # said for the first one
        for client in list(self.clients.values()):
            self._tell(client, None)
        self._forget_keys()

    def _invalidate(self, key: bytes, changer: Client | None) -> None:
        """Tell of a key that is remembered, and forget it.

        :param changer: who has changed it, and may have said NOLOOP.
        """
        ids = self._readers.pop(key)
        self.items -= len(ids)
        if self._dense is not None:
            self._dense.discard(key)
        for number in sorted(ids):
            client = self.clients.get(number)
            if client is None or client.tracking is None or client.tracking.broadcast:
                continue
            if not (client.tracking.no_loop and client is changer):
                self._tell(client, [key])

    def _forget_keys(self) -> None:
        self._readers = {}
        self._dense = None
        self.items = 0

    def _collect(self, key: bytes, changer: Client | None) -> None:
        for prefix, state in self._prefixes.items():
            if key.startswith(prefix):
                if not state.changed:
                    self._server.resume(self._broadcast)
                state.changed[key] = changer

    def _broadcast(self) -> None:
        """Tell of the keys that changed in this batch and begin with somebody's prefix."""
        for prefix in sorted(self._prefixes):
            state = self._prefixes.get(prefix)
            if state is None or not state.changed:
                continue
            changed, state.changed = state.changed, {}
            keys = sorted(changed)
            for client in list(state.clients):
                tracking = client.tracking
                if tracking is not None and tracking.no_loop:
                    others = [key for key in keys if changed[key] is not client]
                    if others:
                        self._tell(client, others)
                else:
                    self._tell(client, keys)

    # -- messages

    def _tell(self, client: Client, keys: list[bytes] | None) -> None:
        """Tell a client, or the one that it redirects to, which keys it must not use any more; None for all."""
        tracking = client.tracking
        if tracking is None:
            return
        receiver = client
        if tracking.redirect:
            target = self._server.clients.get(tracking.redirect)
            if target is None or target.closing:
                tracking.broken = True
                if client.protocol > 2:
                    self._push(client, [b"tracking-redir-broken", tracking.redirect])
                return
            receiver = target
        if receiver.protocol > 2:
            self._push(receiver, [b"invalidate", keys])
        elif receiver is not client and receiver.subscriptions:
            self._push(receiver, [b"message", CHANNEL, keys])

    def _push(self, receiver: Client, message: list[Reply]) -> None:
        if receiver is self.current and not self.executing:
            receiver.push_at_once(Push(message))
        else:
            receiver.push(Push(message))
