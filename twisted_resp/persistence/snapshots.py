"""Snapshots of one server: saved at once, by a forked child, or at set points; loaded from the file.

A snapshot is written beside the one that is there, brought to the disk and then put in its place, so that there is
a whole one at any time.

**In the background** a forked child writes, which has the data as they were at that moment. Where forking is not safe
a copy is written in the turns of the reactor (:mod:`~twisted_resp.persistence.copying`); and at once where there are no
such turns, under a clock that a test moves.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from mmap import ACCESS_READ, mmap
from typing import Any, Final, Protocol

from twisted.logger import Logger

from twisted_resp.errors import CANNOT_SAVE
from twisted_resp.persistence.child import Child, can_fork
from twisted_resp.persistence.contents import load_steps
from twisted_resp.persistence.copying import COPY_CHUNK, BackgroundCopy, can_copy
from twisted_resp.persistence.files import DataFile, sync_directory
from twisted_resp.persistence.loading import load_now
from twisted_resp.persistence.sinks import RdbSink, Sink, slowed, write_all
from twisted_resp.rdb.format import RdbError
from twisted_resp.server.loading import Steps
from twisted_resp.server.saving import Saving
from twisted_resp.server.server import Server

__all__ = ["Snapshots", "Transfer"]

_log = Logger()
# After a failed attempt at a save point, how long (s) until the next one.
_RETRY: Final = 5


class Transfer(Protocol):
    """What is on its way to replicas.

    :ivar pid: that of the child that writes it.
    """

    pid: int

    def kill(self) -> None:
        """End it at once."""

    def wait(self) -> None:
        """Wait until it has ended."""


class Snapshots(Saving):
    """What :class:`~twisted_resp.server.saving.Saving` knows, and how it is done."""

    title = "redis-rdb-bgsave"
    cpu_list = b"bgsave-cpulist"

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._child: Child | BackgroundCopy | Transfer | None = None
        self._dirty_at_start = 0
        self._tried = 0
        self._timer: Any = None

    @property
    def path(self) -> bytes:
        """Where the snapshot is."""
        return os.path.join(self._server.directory, self._server.dbfilename)

    @property
    def in_progress(self) -> bool:
        """Whether a BGSAVE is under way."""
        return self._child is not None

    @property
    def is_loading(self) -> bool:
        """Whether the data are not all there, so that they can't be saved."""
        return self._server.loading.active

    # -- saving

    def save(self, version: int = 0) -> None:
        """Write a snapshot now.

        :param version: the RDB version; 0 for one that Redis 7.0 reads, as far as the data allow it.
        :raises OSError: it could not be written; what was there before still is.
        """
        self.saves += 1
        try:
            self._write(version, slowly=True)
        except OSError as error:
            _log.warn("Error saving the DB to {path}: {error}", path=self.path, error=error)
            raise
        _log.info("DB saved on disk")
        self._saved(self._server.keyspace.dirty)

    def _saved(self, dirty: int) -> None:
        self._saved_dirty = dirty
        self.last_save = int(self._server.clock.seconds())
        self._note(True)

    def _note(self, ok: bool) -> None:
        self.last_ok = ok
        self.consider_errors()

    def consider_errors(self) -> None:
        """See whether writes are to be refused because of a BGSAVE that failed (``stop-writes-on-bgsave-error``)."""
        server = self._server
        refused = not self.last_ok and self.points and server.configuration[b"stop-writes-on-bgsave-error"]
        server.refuse_writes(CANNOT_SAVE if refused else b"", of_snapshot=True)

    def _write(
        self, version: int = 0, progress: Callable[[int], None] | None = None, slowly: bool = False
    ) -> None:
        if not self._server.dbfilename:
            raise OSError("there is no dbfilename")
        temporary = self._temporary(os.getpid())
        configuration = self._server.configuration
        try:
            with DataFile(temporary, configuration[b"rdb-save-incremental-fsync"]) as file:
                # What DEBUG RELOAD reads back at once is not worth compressing.
                sink: Sink = RdbSink(self._server, file.write, version, False if version else None)
                if slowly:
                    sink = slowed(sink, configuration[b"rdb-key-save-delay"], progress)
                write_all(self._server.keyspace.databases, sink, progress)
            self._install(temporary)
        except OSError:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    def _install(self, temporary: bytes) -> None:
        """What was written is complete: let it take its place."""
        os.replace(temporary, self.path)
        sync_directory(self._server.directory)

    def _temporary(self, pid: int) -> bytes:
        return os.path.join(self._server.directory, b"temp-%d.rdb" % pid)

    def save_in_background(self) -> None:
        """Begin a snapshot (BGSAVE); where there is neither forking nor a reactor it is finished when this returns.

        :raises OSError: it could not be begun, or not written.
        """
        self._tried = int(self._server.clock.seconds())
        forks = can_fork(self._server)
        if not (forks or can_copy(self._server)):
            try:
                self.save()
            except OSError:
                self._note(False)
                raise
            self.last_seconds = int(self._server.clock.seconds()) - self._tried
            return
        self.saves += 1
        keyspace = self._server.keyspace
        self._dirty_at_start = keyspace.dirty
        self.progress.begin(sum(map(len, keyspace.databases)))
        try:
            self._child = Child(self, self._server) if forks else self._copy_in_background()
        except OSError as error:
            _log.warn("Can't save in background: fork: {error}", error=error)
            self._note(False)
            raise
        self.started = self._tried
        _log.info("Background saving started by pid {pid}", pid=self._child.pid)

    def _copy_in_background(self) -> BackgroundCopy:
        server = self._server
        path = self._temporary(os.getpid())
        sink = partial(RdbSink, server, chunk=COPY_CHUNK)
        return BackgroundCopy(server, path, sink, self._copy_ended, self.progress.report)

    def _copy_ended(self, done: bool, killed: bool) -> None:
        if done:
            try:
                self._install(self._temporary(os.getpid()))
            except OSError as error:
                _log.warn("Can't put the snapshot in its place: {error}", error=error)
                done = False
        self.child_ended(done, killed)

    def write_as_child(self, report: Callable[[int], None]) -> None:
        """For the child: write the snapshot, and tell how many keys were written."""
        self._write(progress=report, slowly=True)

    def child_ended(self, done: bool, killed: bool) -> None:
        """The child has written all and is ``done``, or failed; or we have ``killed`` it."""
        child, self._child = self._child, None
        started, self.started = self.started, None
        self.last_seconds = int(self._server.clock.seconds()) - (started or 0)
        if done:
            _log.info("Background saving terminated with success")
            self._saved(self._dirty_at_start)
            return
        if child is not None:
            with suppress(OSError):
                os.unlink(self._temporary(child.pid))
        if not killed:
            _log.warn("Background saving error")
            self._note(False)

    def transfer_begun(self, transfer: Transfer) -> None:
        """A child writes the data for replicas: there is no other one until :meth:`transfer_ended`."""
        self._child = transfer
        self.started = int(self._server.clock.seconds())

    def keep(self, path: bytes, dirty: int) -> None:
        """Let a file that was written for replicas be the snapshot.

        :param dirty: what :attr:`Keyspace.dirty` was when it was begun.
        :raises OSError: it can't be put in its place.
        """
        self._install(path)
        self._saved(dirty)

    def transfer_ended(self) -> None:
        """It is over, however it ended."""
        self._child = self.started = None

    def forget_unfinished(self) -> None:
        """The process ends in the middle of :meth:`save`: leave no half of a file."""
        with suppress(OSError):
            os.unlink(self._temporary(os.getpid()))

    def stop_child(self) -> None:
        """End a BGSAVE that is under way; the snapshot that is there stays."""
        if self._child is not None:
            self._child.kill()
            # Not later: what it has begun to write is to be gone when the process ends.
            self._child.wait()

    # -- loading

    def load(self, replace: bool = False) -> None:
        """Add what the snapshot holds to the data, at once; see :meth:`load_steps`."""
        load_now(self.load_steps(replace))

    def load_steps(self, replace: bool = False, left_out: list[tuple[int, bytes]] | None = None) -> Steps:
        """Add what the snapshot holds to the data, step by step.

        :param replace: whether its keys replace those that are there; else such a key is an error.
        :param left_out: is filled with the keys that have expired, and their databases.
        :raises OSError: it can't be read.
        :raises RdbError: something is wrong with it; what came before that is loaded.
        """
        keyspace = self._server.keyspace
        dirty = keyspace.dirty
        loading = self._server.loading
        with open(self.path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if not size:
                raise RdbError("the file is empty")
            loading.begin(size)
            try:
                with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
                    yield from load_steps(self._server, data, replace, left_out=left_out)
            finally:
                loading.end()
        keyspace.dirty = dirty

    def start(self) -> Steps:
        """See :meth:`Saving.start`.

        :raises OSError, RdbError: as :meth:`load_steps`.
        """
        if not self._server.dbfilename or not os.path.exists(self.path):
            return
        began = time.monotonic()
        expired: list[tuple[int, bytes]] = []
        if self._server.configuration[b"replicaof"]:
            # What expires is the master's to say.
            self._server.keyspace.hold_expiry = True
        yield from self.load_steps(left_out=expired)
        self._server.replication.resume(expired)
        self._saved_dirty = self._server.keyspace.dirty
        _log.info("DB loaded from disk: {seconds:.3f} seconds", seconds=time.monotonic() - began)

    # -- save points

    def set_points(self, points: tuple[tuple[int, int], ...]) -> None:
        """Save unasked from now on, whenever after so many seconds there were so many changes."""
        super().set_points(points)
        self.consider_errors()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if points:
            self._timer = self._server.clock.callLater(1, self._look)

    def _look(self) -> None:
        """See, once a second while there are save points, whether one is reached."""
        self._timer = self._server.clock.callLater(1, self._look)
        if self._child is not None or self.is_loading:
            return
        now = int(self._server.clock.seconds())
        if not self.last_ok and now - self._tried < _RETRY:
            return
        for seconds, changes in self.points:
            if self.changes >= changes and now - self.last_save > seconds:
                _log.info(
                    "{changes} changes in {seconds} seconds. Saving...", changes=changes, seconds=seconds
                )
                with suppress(OSError):  # it was logged
                    self.save_in_background()
                return

    def save_at_end(self) -> None:
        """Save when the server is stopped, if there are save points.

        :raises OSError: it could not be written.
        """
        if self.points:
            self.save()

    def flushed(self) -> None:
        """All data were deleted (FLUSHALL): where there are save points, they are not to come back."""
        self.stop_child()
        if self.points:
            with suppress(OSError):  # it was logged
                self.save()

    def close(self) -> None:
        """Stop looking, and end the child."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.stop_child()
