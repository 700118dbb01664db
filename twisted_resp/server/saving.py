"""What a server knows of its snapshots: when it saved, how that went, what has changed since.

The work itself is in :mod:`twisted_resp.persistence`, whose class takes the place of this one in a server that can
save. https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorTime

from twisted_resp.server.loading import Steps

if TYPE_CHECKING:
    from twisted_resp.server.server import Server

__all__ = ["Saving"]


class Progress:
    """How far a child is that writes the data, and what it costs.

    :ivar processed: how many keys it has written, of ``total``.
    :ivar memory: the bytes of memory that are not shared any more, as last reported; ``peak`` is the most.
    :ivar reported: Unix time (s) of that report, 0 for none.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self.begin(0)

    def begin(self, total: int) -> None:
        """There are so many keys to write."""
        self.total = total
        self.processed = self.memory = self.peak = self.reported = 0

    def report(self, processed: int, memory: int = 0) -> None:
        """So many keys were written by now."""
        self.processed = processed
        self.memory = memory
        self.peak = max(self.peak, memory)
        self.reported = int(self._clock.seconds())


class Saving:
    """The snapshots of one server.

    :ivar last_save: Unix time (s) of the last one; as in Redis the data of a server that has just started count
        as saved.
    :ivar last_ok: whether the last BGSAVE succeeded; ``last_seconds`` is how long it took, -1 for none yet.
    :ivar started: Unix time (s) since which a BGSAVE is under way, None if none is.
    :ivar progress: how far that is.
    :ivar saves: how many snapshots were begun.
    :ivar loaded: how many keys the last loading brought, ``expired`` how many were left out as expired,
        ``empty`` as collections with nothing in them.
    :ivar facts: what the file said of the server that wrote it.
    :ivar may_fork: whether the process is the server's own, so that it may fork for a BGSAVE.
    :ivar checks: whether checksums are looked at, of files and of what is restored.
    :ivar points: pairs of seconds and changes after which to save unasked. Other than Redis, which has some by
        default, a server has none until somebody sets them.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self.last_save = server.now_ms // 1000
        self.last_ok = True
        self.last_seconds = -1
        self.started: int | None = None
        self.progress = Progress(server.clock)
        self.saves = 0
        self.loaded = 0
        self.expired = 0
        self.empty = 0
        self.facts: dict[bytes, bytes] = {}
        self.may_fork = False
        self.checks = True
        self.points: tuple[tuple[int, int], ...] = ()
        self._saved_dirty = 0

    @property
    def functions(self) -> list[bytes]:
        """The sources of libraries of functions, which go with a snapshot."""
        return self._server.scripting.sources()

    @property
    def changes(self) -> int:
        """Changes since the last snapshot."""
        return self._server.keyspace.dirty - self._saved_dirty

    def forget_changes(self) -> None:
        """The data are what is on disk: count changes from now on."""
        self._saved_dirty = self._server.keyspace.dirty

    def forget_unfinished(self) -> None:
        """The process ends in the middle of :meth:`save`: leave no half of a file."""

    def save(self) -> None:
        """Write a snapshot now.

        :raises OSError: it could not be written; what was there before still is.
        """
        raise OSError("this server can't save")

    def set_points(self, points: tuple[tuple[int, int], ...]) -> None:
        """Save unasked from now on, whenever after so many seconds there were so many changes."""
        self.points = points

    def save_at_end(self) -> None:
        """Save when the server is stopped, if there are save points.

        :raises OSError: it could not be written.
        """

    def start(self) -> Steps:
        """When the server starts: load the snapshot, which need not be there, step by step.

        :raises OSError: it can't be read.
        :raises ValueError: something is wrong with it.
        """
        return iter(())

    def consider_errors(self) -> None:
        """See whether writes are to be refused because of a BGSAVE that failed (``stop-writes-on-bgsave-error``)."""

    def flushed(self) -> None:
        """All data were deleted (FLUSHALL): they are not to come back with a snapshot."""

    def stop_child(self) -> None:
        """End a BGSAVE that is under way; the snapshot that is there stays."""

    def close(self) -> None:
        """End what is under way."""
