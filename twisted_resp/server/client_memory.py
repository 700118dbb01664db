"""How much memory the clients take, and whether that is too much.

What a client takes is told from what waits in its buffers, what it has queued, watched and subscribed to. While there
is a limit for all of them together (``maxmemory-clients``), or one for all memory (``maxmemory``), an account is kept:
whoever changes what a client takes says so, and at the end of the batch that client is measured again. Clients over
the limit are disconnected, the largest first. https://redis.io/docs/latest/develop/reference/clients/#client-eviction
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

if TYPE_CHECKING:
    from twisted_resp.server.client import Client
    from twisted_resp.server.server import Server

__all__ = ["ClientMemory", "memory_of"]

_log = Logger()

# About what a client takes in memory that asks for nothing: its object, its protocol and its transport.
_CLIENT: Final = 8192
# And what holds each of its subscriptions, queued commands, watched keys and prefixes.
_ENTRY: Final = 96


def memory_of(client: Client) -> int:
    """The bytes that a client takes, but for the arguments of the command that it runs now.

    A large value that is on its way counts from the beginning, as Redis makes room for it then.
    """
    entries = client.subscriptions + len(client.watched)
    queued = 0
    if client.transaction is not None:
        queued = client.transaction.size
        entries += len(client.transaction.queue)
    if client.tracking is not None:
        entries += len(client.tracking.prefixes)
    return (
        _CLIENT
        + sum(client.request_sizes())
        + client.query_size()
        + client.output_size()
        + queued
        + entries * _ENTRY
    )


def _may_be_evicted(client: Client) -> bool:
    return not (client.no_evict or client.is_master or client.replica is not None)


def _replicates(client: Client) -> bool:
    return client.replica is not None and client.replica.attached


class ClientMemory:
    """The account of one server's clients.

    :ivar limit: the most that clients may take together, in bytes; 0 for no limit.
    :ivar active: whether an account is kept.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._sizes: dict[Client, int] = {}
        self._total = 0
        self._changed: set[Client] = set()
        self._scheduled = False
        self.limit = 0
        self.active = False

    def total(self) -> int:
        """The bytes that all clients take, but for replicas."""
        if self.active:
            self._take_in()
            return self._total
        return sum(memory_of(client) for client in self._server.clients.values() if not _replicates(client))

    def replicas(self) -> int:
        """The bytes that wait for replicas beyond what the backlog holds.

        The stream is held once for all of them, so it is the slowest that counts.
        """
        replication = self._server.replication
        if not replication.replicas:
            return 0
        return max(
            0, max(client.output_size() for client in replication.replicas) - replication.backlog_length
        )

    def configure(self, limit: int, active: bool) -> None:
        """Set the limit, and say whether the account is kept without one, too."""
        self.limit = limit
        active = active or limit > 0
        if active != self.active:
            self.active = active
            self._sizes = {}
            self._total = 0
            self._changed = set()
        if active:
            for client in self._server.clients.values():
                self.changed(client)

    def changed(self, client: Client) -> None:
        """A client may take more or less than before: it is measured at the end of this batch."""
        if not self.active:
            return
        if not self._scheduled:
            self._scheduled = True
            self._server.resume(self._measure)
        self._changed.add(client)

    def forget(self, client: Client) -> None:
        """A client is gone."""
        self._total -= self._sizes.pop(client, 0)
        self._changed.discard(client)

    def _measure(self) -> None:
        self._scheduled = False
        self._take_in()
        if self.limit:
            self._evict()

    def _take_in(self) -> None:
        if not self._changed:
            return
        changed, self._changed = self._changed, set()
        sizes = self._sizes
        for client in changed:
            if client.id in self._server.clients and not _replicates(client):
                size = memory_of(client)
                self._total += size - sizes.get(client, 0)
                sizes[client] = size

    def _evict(self) -> None:
        victims = [client for client in self._sizes if _may_be_evicted(client)]
        total = sum(self._sizes[client] for client in victims)
        if total <= self.limit:
            return
        for client in sorted(victims, key=self._sizes.__getitem__, reverse=True):
            if total <= self.limit:
                return
            total -= self._sizes[client]
            _log.info(
                "Evicting client: {client}, which takes {size} bytes", client=client, size=self._sizes[client]
            )
            self._server.statistics.evicted_clients += 1
            client.close(False)
