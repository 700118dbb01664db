"""A server for tests, in a reactor of any kind: a factory with a clock that is turned, and with a way back.

All of it is to be called in the reactor's thread. Code in another thread has
:class:`~twisted_resp.testing.thread.ServerThread`, which offers the same.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import deferLater

from twisted_resp.protocol import RespFactory
from twisted_resp.seeds import export, plain_data, seed
from twisted_resp.seeds.files import Seed, as_text
from twisted_resp.testing.certificates import Certificates, certificates
from twisted_resp.testing.clock import ControlledClock
from twisted_resp.testing.faults import Faults
from twisted_resp.testing.journal import Journal
from twisted_resp.testing.keys import Keys
from twisted_resp.testing.states import State, Usage, tidy
from twisted_resp.testing.undo import Layer, UndoLog
from twisted_resp.tls import ServerContext, encrypted

__all__ = ["ControlledFactory", "Mark"]


class Mark:
    """A moment to go back to: see :meth:`ControlledFactory.snapshot`."""

    __slots__ = ("layer", "state")

    def __init__(self, layer: Layer, state: State) -> None:
        self.layer = layer
        self.state = state


class ControlledFactory(RespFactory):
    """A server whose clock and contents a test commands.

    :param reactor: what serves the connections; by default the process's own.
    :param journal: whether to take down what connections ask and are answered, in :attr:`journal`.
    :param tls: whether :meth:`listen` listens for TLS: True for :attr:`certificates` that are made on the spot, or
        those that it is to have.
    :param tls_auth_clients: whether TLS clients show a certificate: ``no``, ``optional`` or ``yes``.
    :param settings: what :class:`~twisted_resp.RespFactory` takes, but for the clock.
    :raises RuntimeError: it is to speak TLS, and what that needs is not installed.
    """

    def __init__(
        self,
        reactor: Any = None,
        journal: bool = True,
        tls: bool | Certificates = False,
        tls_auth_clients: str = "no",
        **settings: Any,
    ) -> None:
        if reactor is None:
            from twisted.internet import reactor  # not at import: that would install it
        self.clock = ControlledClock(reactor)
        super().__init__(clock=self.clock, **settings)
        #: The port of :meth:`listen`.
        self.port = 0
        self._listening: IListeningPort | None = None
        self._random_seed: int | None = settings.get("random_seed")
        self._usage = Usage(self.server)
        self._undo_log = UndoLog(self.server.keyspace)
        self.clock.turned = self.server.keyspace.clock_turned
        #: What goes wrong.
        self.faults = Faults(self)
        #: What connections asked, and were answered.
        self.journal = Journal(self.server)
        if journal:
            self.journal.start()
        #: Those of TLS; None without it.
        self.certificates: Certificates | None = None
        if tls:
            self.certificates = certificates() if tls is True else tls
            self._set_up_tls(self.certificates, tls_auth_clients)

    # -- the way back

    def snapshot(self) -> Mark:
        """Remember how things are: keys, settings, scripts and functions (:mod:`twisted_resp.testing.states`).

        It costs no more for many keys than for few. Later ones nest within it.
        """
        return Mark(self._undo_log.begin(), State(self.server))

    def rollback(self, mark: Mark) -> None:
        """Let things be as they were at ``mark``, at a cost that goes by the keys changed since.

        Clients hear of it as of any change: their WATCH fails, and who waits for a key gets it. There are no keyspace
        events. The mark holds on; those made after it are gone.

        :raises ValueError: the mark is gone.
        """
        self._check(mark)
        server = self.server
        if not self._undo_log.is_clean(mark.layer):
            wholly = self._undo_log.undo(mark.layer)
            if wholly:
                server.keyspace.expiry_timer.reschedule()
                limit = server.memory.limit
                if limit:  # the account has heard of single keys only
                    server.memory.set_limit(0)
                    server.memory.set_limit(limit)
        mark.state.restore()

    def release(self, mark: Mark) -> None:
        """Forget a mark; things stay as they are. With none left changes cost nothing more than usually."""
        if self._undo_log.holds(mark.layer):
            self._undo_log.release(mark.layer)

    def reset(self, mark: Mark) -> None:
        """Between two tests: :meth:`rollback`, real time, no trace of what was left unfinished.

        Faults end, and the journal is empty.

        See :func:`twisted_resp.testing.states.tidy`.
        """
        self._check(mark)
        self.faults.reset()
        self.journal.reset()
        self.clock.reset()
        tidy(self.server, self._usage, self._random_seed)
        own = self._own_client
        if own is not None:
            own.close()
            self._own_client = None
        self.rollback(mark)

    # -- contents

    @property
    def listening(self) -> IListeningPort | None:
        """The open port of :meth:`listen`."""
        return self._listening

    @property
    def keys(self) -> Keys:
        """The keys of database 0 as a mapping: see :mod:`twisted_resp.testing.keys`."""
        return self.database(0)

    def database(self, index: int) -> Keys:
        """The keys of a database."""
        return Keys(lambda look: look(self), index)

    def seed(self, *sources: Seed) -> None:
        """Put data in: mappings, or paths of files; see :mod:`twisted_resp.seeds`.

        :raises twisted_resp.seeds.SeedError: a file can't be read, or makes no sense.
        """
        self.server.keyspace.tick()
        seed(self.server, sources)

    def dump(self) -> dict[str, Any]:
        """All data as :meth:`seed` takes them, with nothing in them that JSON does not have."""
        self.server.keyspace.tick()
        return plain_data(self.server)

    def dump_text(self) -> str:
        """All data as commands, a line each."""
        self.server.keyspace.tick()
        return as_text(self.server)

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write all data to a file, of the kind that its name ends in (``.json``, ``.yaml``, ``.rdb``, ...)."""
        self.server.keyspace.tick()
        export(self.server, path)

    # -- in the reactor

    def listen(self, port: int = 0, host: str = "127.0.0.1") -> int:
        """Listen, for a test that runs in the reactor; answers the port.

        :param port: 0 for any free one.
        """
        reactor = self.clock.reactor
        served: Any = self
        if self.certificates is not None:
            served = encrypted(self, ServerContext(self.server.configuration), reactor)
        # The backlog is Redis' own: a test may open many connections at once.
        listening: Any = reactor.listenTCP(port, served, backlog=511, interface=host)
        self._listening = listening
        self.faults.ports = lambda: [listening]
        self.port = int(listening.getHost().port)
        return self.port

    def close(self) -> Deferred[Any]:
        """Stop listening and disconnect all clients; answers a Deferred that fires when they are gone."""
        listening, self._listening = self._listening, None
        stopped = maybeDeferred(listening.stopListening) if listening is not None else succeed(None)
        if listening is None:
            self.server.close()
        # Connections are closed in the turns of the reactor that follow.
        reactor = self.clock.reactor
        stopped.addBoth(lambda _: deferLater(reactor, 0))
        stopped.addBoth(lambda _: deferLater(reactor, 0))
        stopped.addBoth(lambda _: self.clock.stop())
        return stopped

    # -- what a test waits for

    def wait_for_blocked(self, count: int = 1, timeout: float = 5.0) -> Deferred[None]:
        """Wait until so many clients wait for a key: then a test may advance the clock.

        :param timeout: seconds of real time.
        :return: a Deferred that fires then, or fails with TimeoutError.
        """
        reactor = self.clock.reactor
        until = reactor.seconds() + timeout
        arrived: Deferred[None] = Deferred()

        def look() -> None:
            blocked = self.server.blocked_clients
            if blocked >= count:
                arrived.callback(None)
            elif reactor.seconds() > until:
                arrived.errback(TimeoutError(f"{blocked} of {count} clients are blocked after {timeout} s"))
            else:
                reactor.callLater(0.001, look)

        look()
        return arrived

    def follow_by_tls(self, files: Certificates) -> None:
        """Have REPLICAOF connect by TLS.

        :param files: those of the primary.
        """
        if self.certificates is None:  # as Redis wants it, also of who does not listen for TLS
            self._configure(("tls-cert-file", files.server_cert), ("tls-key-file", files.server_key))
        self._configure(
            ("tls-ca-cert-file", files.ca_file),
            ("tls-client-cert-file", files.client_cert),
            ("tls-client-key-file", files.client_key),
            ("tls-replication", "yes"),
        )

    def _set_up_tls(self, files: Certificates, clients: str) -> None:
        self._configure(
            ("tls-cert-file", files.server_cert),
            ("tls-key-file", files.server_key),
            ("tls-ca-cert-file", files.ca_file),
            ("tls-auth-clients", clients),
        )

    def _configure(self, *values: tuple[str, str]) -> None:
        for name, value in values:
            self.server.configuration.read(name.encode(), [value.encode()])

    def _check(self, mark: Mark) -> None:
        if not self._undo_log.holds(mark.layer):
            raise ValueError("the mark is gone: it was released, or an earlier one was gone back to")
