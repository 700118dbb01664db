"""What a test can change of a server besides its keys, and how it comes back.

- ``CONFIG SET``: all parameters go back to their values, with the consequences.
- Users are who they were; connections of those who are not there any more are closed.
- Scripts and functions: those that came since are gone; those that were removed are there again.
- ``DEBUG SET-ACTIVE-EXPIRE``, ``DEBUG SET-DISABLE-DENY-SCRIPTS``, ``CLIENT PAUSE`` and ``REPLICAOF`` are taken back.

:func:`tidy` is for the time between two tests, where nothing is under way any more:

- A connection that is left in the middle of something is closed: it waits for a key, is subscribed or monitors, is in
  a transaction, watches keys, tracks them, or has its replies switched off. A pool's idle connections stay.
- Statistics, the slow log and the random choices (where they were seeded) begin anew.
"""

from __future__ import annotations

from twisted_resp.server.client import REPLY_ON, Client
from twisted_resp.server.server import Server
from twisted_resp.server.statistics import CommandEntry

__all__ = ["State", "Usage", "is_busy", "tidy"]


class State:
    """How a server is set at one moment, but for its keys.

    :param server: it is read at once.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._revision = server.configuration.revision
        self._settings = server.configuration.values()
        self._access_revision = server.access.revision
        self._users = server.access.copies()
        self._scripts = server.scripting.scripts.texts()
        self._scripts_revision = server.scripting.scripts.revision
        self._functions = server.scripting.sources()
        self._anything_goes = server.scripting.anything_goes
        self._expires_actively = server.keyspace.expiry_timer.enabled
        self._was_replica = server.replication.master is not None

    def restore(self) -> None:
        """Let the server be as it was."""
        server = self._server
        if server.configuration.revision != self._revision:
            server.configuration.restore(self._settings)
            self._revision = server.configuration.revision
        if server.access.revision != self._access_revision:
            server.access.restore(self._users)
            self._access_revision = server.access.revision
        scripting = server.scripting
        scripting.anything_goes = self._anything_goes
        if scripting.scripts.revision != self._scripts_revision:
            scripting.scripts.restore(self._scripts)
            self._scripts_revision = scripting.scripts.revision
        if scripting.sources() != self._functions:
            scripting.flush_libraries()
            scripting.load_sources(self._functions, True)
        if server.keyspace.expiry_timer.enabled != self._expires_actively:
            server.keyspace.expiry_timer.enabled = self._expires_actively
        if server.replication.master is not None and not self._was_replica:
            client = Client(server)
            client.execute(client, [b"REPLICAOF", b"NO", b"ONE"])
        if server.pause_until:
            server.unpause()
        server.settle()
        server.end_batch()


def is_busy(client: Client) -> bool:
    """Whether a connection is in the middle of something that has an effect on others, or on what comes next."""
    return bool(
        client.parked is not None
        or client.subscriptions
        or client.transaction is not None
        or client.watched
        or client.monitoring
        or client.tracking is not None
        or client.reply_mode != REPLY_ON
    )


class Usage:
    """Which commands of a server have been counted since the last look.

    Of four hundred a test uses a few, and to look at each of them was most of what a reset took. So a command that has
    not been called has :class:`_NoSamples`, which says when it is.

    :param server: from now on it is watched.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._all = list(server.entries())
        self._called: list[_NoSamples] = []
        for entry in self._all:
            entry.samples = _NoSamples(entry, entry.samples, self._called)

    def take(self) -> list[CommandEntry]:
        """Those that have something to forget, some of them twice; they are to be reset now."""
        used = []
        for none in self._called:
            none.entry.samples = none
            used.append(none.entry)
            none.plain.clear()
        self._called.clear()
        if self._server.statistics.error_replies:  # those that were rejected have not been called
            used += [entry for entry in self._all if entry.rejected or entry.failed]
        return used


class _NoSamples(list[float]):
    """The samples of a command that has not been called: the first takes the command to a plain list."""

    __slots__ = ("called", "entry", "plain")

    def __init__(self, entry: CommandEntry, plain: list[float], called: list[_NoSamples]) -> None:
        super().__init__()
        self.entry = entry
        self.plain = plain
        self.called = called
        if plain:
            called.append(self)

    def append(self, sample: float) -> None:
        """Note a call. Who holds on to this method through a batch of them notes all by way of it."""
        entry = self.entry
        if entry.samples is self:
            entry.samples = self.plain
            self.called.append(self)
        self.plain.append(sample)


def tidy(server: Server, usage: Usage, random_seed: int | None = None) -> None:
    """Close connections that were left in the middle of something, and count anew.

    :param usage: what knows the server's commands; to collect them each time would take longer than all the rest.
    """
    for client in list(server.clients.values()):
        if is_busy(client):
            client.kill()
    server.count_anew(usage.take())
    server.slow_log.reset()
    if random_seed is not None:
        server.random.seed(random_seed)
