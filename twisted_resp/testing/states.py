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

__all__ = ["State", "is_busy", "tidy"]


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
        if scripting.scripts.texts() != self._scripts:
            scripting.scripts.restore(self._scripts)
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


def tidy(server: Server, entries: list[CommandEntry], random_seed: int | None = None) -> None:
    """Close connections that were left in the middle of something, and count anew.

    :param entries: all commands of the server; to collect them each time would take longer than all the rest.
    """
    for client in list(server.clients.values()):
        if is_busy(client):
            client.kill()
    # Of four hundred commands a test uses a few. To look at each is most of what a reset takes, so look at little.
    if server.statistics.error_replies:
        used = [one for one in entries if one.samples or one.folded or one.rejected or one.failed]
    else:
        used = [one for one in entries if one.samples or one.folded]
    server.count_anew(used)
    server.slow_log.reset()
    if random_seed is not None:
        server.random.seed(random_seed)
