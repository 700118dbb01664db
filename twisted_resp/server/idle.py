"""Clients that say nothing for too long are disconnected (``timeout``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

if TYPE_CHECKING:
    from twisted_resp.server.server import Server

__all__ = ["IdleClients"]

_log = Logger()

#: How often they are looked for (seconds).
_LOOK: Final = 1


class IdleClients:
    """Looks for idle clients, as long as there is a limit to how long they may be idle."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._call: IDelayedCall | None = None

    def limit(self, seconds: int) -> None:
        """Disconnect whoever says nothing for longer than that; 0 for nobody."""
        self.close()
        if seconds:
            self._call = self._server.clock.callLater(_LOOK, self._server.run_timer, self._look)

    def close(self) -> None:
        """Look no more."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def _look(self) -> None:
        server = self._server
        longest = server.configuration[b"timeout"] * 1000
        self._call = server.clock.callLater(_LOOK, server.run_timer, self._look)
        for client in list(server.clients.values()):
            # Who waits for something is not idle: for a key, for messages, for the stream of a master.
            waits = client.parked is not None or client.subscriptions or client.monitoring
            if waits or client.replica is not None or client.is_master:
                continue
            if server.now_ms - client.last_interaction > longest:
                _log.debug("Closing idle client")
                client.kill()
