"""The factory that holds a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Factory

from twisted_resp.assembly import assemble
from twisted_resp.errors import MAX_CLIENTS, PROTECTED_MODE
from twisted_resp.in_process import InProcessClient, as_argument
from twisted_resp.output import Turn
from twisted_resp.polling import Poller
from twisted_resp.protocol.connection import RespProtocol
from twisted_resp.resp import Reply
from twisted_resp.server.flavour import flavour_named

if TYPE_CHECKING:
    from twisted_resp.seeds.files import Seed

__all__ = ["RespFactory"]


class RespFactory(Factory):
    """A Redis server for ``reactor.listenTCP(6379, RespFactory())``, an endpoint, or calls within the process.

    :param clock: where time comes from, an ``IReactorTime``; by default the reactor. With a ``task.Clock`` expiry,
        timeouts and ``TIME`` move when the clock is advanced.
    :param databases: how many databases there are.
    :param password: what clients must AUTH with; empty for none.
    :param seed: what is there at the start: a mapping of keys to values, the path of a file, or several of them; see
        :mod:`twisted_resp.seeds`.
    :param emulate: the server that this one passes for: ``redis-6.2``, ``redis-7.0``, ``redis-7.2``, ``redis-7.4``,
        ``redis-8.0``, ``redis-8.2``, ``redis-8.4`` or ``valkey-8``. It refuses what that one lacks. Empty for none:
        everything is there.
    :param random_seed: for repeatable random choices.
    :param high_water_mark: how many bytes of replies may wait for a client before nothing more is run for it. What it
        sends is still read, up to ``client-query-buffer-limit``. (Redis has no such mark: it holds any amount of
        replies in memory.)
    """

    protocol = RespProtocol  # type: ignore[assignment]
    noisy = False

    def __init__(
        self,
        clock: IReactorTime | None = None,
        databases: int = 16,
        password: bytes | str = b"",
        random_seed: int | None = None,
        high_water_mark: int = 64 * 1024 * 1024,
        seed: Seed = (),
        emulate: str = "",
    ) -> None:
        if clock is None:
            from twisted.internet import reactor  # not at import: that would install it

            clock = reactor
        self.server = assemble(clock, databases, random_seed, flavour_named(emulate))
        self.server.set_password(as_argument(password))
        self.high_water_mark = high_water_mark
        self.turn = Turn(self.server.statistics.turns)
        self.poller = Poller(self.turn, self.server.statistics.turns)
        self.server.send_replies = self.turn.send
        self._own_client: InProcessClient | None = None
        if seed:
            from twisted_resp.seeds import files  # few need it, and it takes a while

            files.seed(self.server, seed)

    def startFactory(self) -> None:
        """The first port is open. What is left from before it was closed expires from now on."""
        self.server.keyspace.expiry_timer.reschedule()

    def stopFactory(self) -> None:
        """The last port is closed: disconnect clients and cancel timers. The data stay."""
        self.server.close()

    def refusal(self) -> bytes | None:
        """Why a new connection is turned away, or None."""
        if len(self.server.clients) >= self.server.max_clients:
            return MAX_CLIENTS
        return None

    def protection(self, transport: Any) -> bytes | None:
        """Why somebody from another machine is turned away (``protected-mode``), or None.

        Only where the process is the server's own: where a factory listens is the business of its application.
        """
        server = self.server
        configuration = server.configuration
        if (
            not server.saving.may_fork
            or not configuration[b"protected-mode"]
            or server.access.password_required
        ):
            return None
        peer = getattr(transport.getPeer(), "host", None)
        return None if peer is None or peer.startswith("127.") or peer == "::1" else PROTECTED_MODE

    def client(self) -> InProcessClient:
        """A client within this process, with a selected database, a transaction and so on of its own."""
        return InProcessClient(self.server)

    def call(self, *args: object) -> Deferred[Reply]:
        """Run one command within this process, as one client that all calls share.

        >>> factory.call("SET", "key", "value")
        <Deferred ... current result: b'OK'>

        :param args: bytes, str (encoded as UTF-8), int or float.
        :raises CommandError: (in the Deferred) for an error reply.
        """
        if self._own_client is None:
            self._own_client = self.client()
        return self._own_client.call(*args)
