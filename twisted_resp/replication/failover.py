"""FAILOVER: a master and one of its replicas change places, and nothing is lost.

The master holds back writes and waits for a replica that has everything. Then it becomes that replica's replica; its
PSYNC says FAILOVER, at which the other becomes a master and lets it go on from where both are. Should the other not
want to, everything is as it was. https://redis.io/docs/latest/commands/failover/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from twisted_resp.replication.link import follow, stop_following
from twisted_resp.text.integers import INT64_MAX

if TYPE_CHECKING:
    from twisted_resp.replication.feed import Feed
    from twisted_resp.server.replication import Replica

__all__ = ["Failover"]

_log = Logger()

_NONE: Final = b"no-failover"
_WAITING: Final = b"waiting-for-sync"
_IN_PROGRESS: Final = b"failover-in-progress"
# The end of a pause that only we end.
_NEVER: Final = INT64_MAX


class Failover:
    """The failover of one server, if one goes on.

    :ivar state: as INFO has it.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self.state = _NONE
        self._target: tuple[bytes, int] | None = None
        self._force = False
        self._call: IDelayedCall | None = None

    @property
    def active(self) -> bool:
        """Whether one goes on."""
        return self.state != _NONE

    @property
    def in_progress(self) -> bool:
        """Whether this server follows the other by now, and waits for its agreement."""
        return self.state == _IN_PROGRESS

    def replica_at(self, host: bytes, port: int) -> Replica | None:
        """The replica that listens there."""
        for replica in self._feed.replicas.values():
            if (replica.host, replica.port) == (host, port):
                return replica
        return None

    def begin(self, target: tuple[bytes, int] | None, timeout: int, force: bool) -> None:
        """Hold back writes, and wait for a replica.

        :param target: the host and port of the one that it must be; None for any.
        :param timeout: for how long (ms); 0 for ever.
        :param force: whether to go on then with the target as it is, instead of giving up.
        """
        if target is None:
            _log.info("FAILOVER requested to any replica.")
        else:
            _log.info(
                "FAILOVER requested to {host}:{port}.", host=target[0].decode("latin-1"), port=target[1]
            )
        self._target, self._force = target, force
        self.state = _WAITING
        server = self._feed.server
        if timeout:
            self._call = server.clock.callLater(timeout / 1000, server.run_timer, self._timed_out)
        server.pause(_NEVER, False)
        self.consider()

    def consider(self) -> None:
        """A replica may have everything: look at the end of the batch, when nothing else is under way."""
        if self.state == _WAITING:
            self._feed.server.resume(self._look)

    def done(self) -> None:
        """The other is the master now."""
        self._forget()

    def abort(self, reason: str) -> None:
        """Give up; be a master again."""
        if not self.active:
            return
        to = "any replica" if self._target is None else self._shown
        _log.info("FAILOVER to {target} aborted: {reason}", target=to, reason=reason)
        if self.in_progress:
            stop_following(self._feed)
        self._forget()

    def close(self) -> None:
        """The server ends."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    # -- within

    @property
    def _shown(self) -> str:
        host, port = self._target or (b"", 0)
        return f"{host.decode('latin-1')}:{port}"

    def _forget(self) -> None:
        self.close()
        self.state = _NONE
        self._target, self._force = None, False
        self._feed.server.unpause()

    def _look(self) -> None:
        """Go on if a replica that will do has everything."""
        if self.state != _WAITING:
            return
        feed = self._feed
        feed.send()
        for replica in feed.replicas.values():
            place = replica.host, replica.port
            if replica.online and replica.offset == feed.offset and self._target in (None, place):
                self._target = place
                _log.info("Failover target {target} is synced, failing over.", target=self._shown)
                self._go()
                return

    def _timed_out(self) -> None:
        self._call = None
        if self.state != _WAITING:
            return
        if not self._force:
            self.abort("Replica never caught up before timeout")
            return
        _log.info("FAILOVER to {target} time out exceeded, failing over.", target=self._shown)
        self._go()

    def _go(self) -> None:
        assert self._target is not None
        self.state = _IN_PROGRESS
        follow(self._feed, *self._target)
