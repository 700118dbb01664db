"""How a server ends: SHUTDOWN and signals, waiting for replicas, the last look at the files.

https://redis.io/docs/latest/commands/shutdown/
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from twisted_resp.errors import CANNOT_SHUT_DOWN, CommandError
from twisted_resp.resp import NO_REPLY, Reply
from twisted_resp.server.waiting import NOT_READY

if TYPE_CHECKING:
    from twisted_resp.server.client import Client
    from twisted_resp.server.server import Server

__all__ = ["Shutdown"]

_log = Logger()

#: How often replicas are looked at while we wait for them (seconds).
_LOOK: Final = 0.1
#: A pause that nobody lives to see the end of (ms).
_FOR_EVER: Final = 10**15


class Shutdown:
    """The end of one server. What ends the process itself is :attr:`Server.on_shutdown`.

    ``words`` are those of SHUTDOWN in lower case: ``nosave``, ``save``, ``now``, ``force``.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        #: Until when replicas are waited for (Unix time, ms); None while no shutdown is under way.
        self.until: int | None = None
        #: Whether a signal has asked for it, and whether it is held back then (DEBUG PAUSE-CRON).
        self.asked = False
        self.held = False
        self._held_words: frozenset[bytes] = frozenset()
        self._words: frozenset[bytes] = frozenset()
        self._former_pause = (0, False)
        self._call: IDelayedCall | None = None
        self._waiting: list[Client] = []

    @property
    def milliseconds_left(self) -> int:
        """How long replicas will be waited for at most, from now."""
        return max(0, (self.until or 0) - self._server.now_ms)

    def start(self, words: Collection[bytes]) -> bool:
        """Shut down: at once, or as soon as the replicas have all that was written.

        :returns: whether that is done or under way; else the log says why not.
        """
        server = self._server
        if self.until is not None:
            return False
        _log.info("User requested shutdown...")
        server.tell_supervisor("STOPPING=1\n")
        # What is there so far is not to replace what is being loaded.
        self._words = frozenset(words) if not server.loading.active else frozenset((b"nosave", b"now"))
        words = self._words
        timeout: int = server.configuration[b"shutdown-timeout"]
        if b"now" in words or not timeout or self._replicas_are_ready():
            return self._finish()
        self.until = server.now_ms + timeout * 1000
        self._former_pause = (server.pause_until, server.pause_all)
        server.pause(server.now_ms + _FOR_EVER, False)
        server.replication.ask_for_acknowledgements()
        _log.info("Waiting for replicas before shutting down.")
        self._call = server.clock.callLater(_LOOK, server.run_timer, self._look)
        return True

    def ask(self, words: Collection[bytes]) -> bool:
        """A signal asks for it; see :meth:`start`. While that is held back it is only remembered."""
        if self.held:
            self._held_words = frozenset(words)
            return True
        # Whoever has changed his mind meanwhile has said so.
        return self.start(words) if self.asked else True

    def hold(self, held: bool) -> None:
        """Hold back what signals ask for, or let it happen."""
        self.held = held
        if not held and self.asked:
            self.start(self._held_words)

    def wait(self, client: Client) -> Deferred[Reply]:
        """What SHUTDOWN answers while the replicas are waited for: nothing in the end, or an error."""
        self._waiting.append(client)
        return self._server.waiting.park(client, [], 0, lambda: NOT_READY, NO_REPLY, object)

    def abort(self) -> bool:
        """Go on living (SHUTDOWN ABORT). False where no shutdown is under way."""
        if self.until is None and not self.asked:
            return False
        self.asked = False
        _log.warn("Shutdown manually aborted.")
        if self.until is not None:
            self._give_up()
        return True

    # -- within

    def _replicas_are_ready(self) -> bool:
        replication = self._server.replication
        return all(replica.offset == replication.offset for replica in replication.replicas.values())

    def _look(self) -> None:
        self._call = None
        if self.until is None:
            return
        if self._server.now_ms >= self.until or self._replicas_are_ready():
            self._finish()
        else:
            self._call = self._server.clock.callLater(_LOOK, self._server.run_timer, self._look)

    def _finish(self) -> bool:
        server = self._server
        self._tell_of_replicas()
        if not (self._close_append_only() and self._save()):
            _log.warn("Errors trying to shut down the server. Check the logs for more information.")
            self._give_up()
            return False
        self._forget_call()
        for client in self._waiting:
            if client.parked is not None:
                client.close(True)
        self._waiting = []
        self.until = None
        server.ending = True
        _log.warn("Redis is now ready to exit, bye bye...")
        assert server.on_shutdown is not None
        server.on_shutdown()
        return True

    def _give_up(self) -> None:
        server = self._server
        self._forget_call()
        waiting, self._waiting = self._waiting, []
        if self.until is not None:
            self.until = None
            until, pause_all = self._former_pause
            server.unpause()
            if until > server.now_ms:
                server.pause(until, pause_all)
        for client in waiting:
            if client.parked is not None:
                server.waiting.finish(client.parked, CommandError(CANNOT_SHUT_DOWN))

    def _forget_call(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def _tell_of_replicas(self) -> None:
        server = self._server
        replicas = server.replication.replicas.values()
        lagging = [replica for replica in replicas if replica.offset != server.replication.offset]
        for replica in lagging:
            _log.info(
                "Lagging replica {host}:{port} reported offset {behind} behind master, lag={lag}, state={state}.",
                host=replica.host.decode("latin-1"),
                port=replica.port,
                behind=server.replication.offset - replica.offset,
                lag=replica.lag(server.now_ms),
                state=replica.state.decode(),
            )
        if replicas:
            _log.info(
                "{count} of {all} replicas are in sync when shutting down.",
                count=len(replicas) - len(lagging),
                all=len(replicas),
            )

    def _close_append_only(self) -> bool:
        append_only = self._server.append_only
        if append_only.enabled and append_only.incomplete:
            if b"force" not in self._words:
                _log.warn("Writing initial AOF, can't exit.")
                self._server.tell_supervisor("STATUS=Writing initial AOF, can't exit.\n")
                return False
            _log.warn("Writing initial AOF. Exit anyway.")
        if append_only.rewrite_started is not None:
            _log.warn("There is a child rewriting the AOF. Killing it!")
        if append_only.enabled:
            _log.info("Calling fsync() on the AOF file.")
        return True

    def _save(self) -> bool:
        saving = self._server.saving
        if saving.started is not None:
            _log.warn("There is a child saving an .rdb. Killing it!")
        if b"nosave" not in self._words and (b"save" in self._words or saving.points):
            saving.stop_child()
            _log.info("Saving the final RDB snapshot before exiting.")
            self._server.tell_supervisor("STATUS=Saving the final RDB snapshot\n")
            try:
                saving.save()
            except OSError:
                if b"force" not in self._words:
                    _log.warn("Error trying to save the DB, can't exit.")
                    self._server.tell_supervisor("STATUS=Error trying to save the DB, can't exit.\n")
                    return False
                _log.warn("Error trying to save the DB. Exit anyway.")
        # Nor when the process ends in consequence.
        saving.set_points(())
        return True
