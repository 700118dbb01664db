"""Rewriting an append-only file: all data as they are now in a new base, and a new increment for what follows.

A rewrite begins the increment and lets a child write the base. When that is complete one change of the manifest puts
both in the place of all that was there before. The first base, after ``CONFIG SET appendonly yes``, is made in the same
way, see :attr:`AppendOnlyFiles.without_base`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from twisted.logger import Logger

from twisted_resp.persistence.append_only_files import AppendOnlyFiles
from twisted_resp.persistence.append_only_writing import AppendOnlyWriting
from twisted_resp.persistence.child import Child, can_fork
from twisted_resp.persistence.copying import COPY_CHUNK, BackgroundCopy, can_copy
from twisted_resp.persistence.files import DataFile
from twisted_resp.persistence.sinks import CommandSink, RdbSink, Sink, slowed, write_all
from twisted_resp.rdb.file_writer import CHUNK
from twisted_resp.server.append_only import AppendOnly
from twisted_resp.server.server import Server

__all__ = ["AppendOnlyRewriting"]

_log = Logger()

# After so many failed rewrites in a row the next one waits; seconds, doubled each time, at most.
_PATIENCE: Final = 3
_LONGEST_WAIT: Final = 3600


class AppendOnlyRewriting:
    """The rewrites of one server.

    :param figures: where what INFO shows is kept.
    """

    title = "redis-aof-rewrite"
    cpu_list = b"aof-rewrite-cpulist"

    def __init__(
        self, server: Server, figures: AppendOnly, files: AppendOnlyFiles, writing: AppendOnlyWriting
    ) -> None:
        self._server = server
        self._figures = figures
        self._files = files
        self._writing = writing
        self.progress = figures.progress
        self._since = 0  # the number of the first increment after the rewrite that is under way
        self._as_rdb = True
        self._child: Child | BackgroundCopy | None = None
        self._wait_until = 0.0

    @property
    def in_progress(self) -> bool:
        """Whether a rewrite is under way."""
        return self._child is not None

    # -- whether it is time

    def rewrite_if_due(self) -> None:
        """Begin a rewrite if one was asked for, or the file has grown so much."""
        server, figures = self._server, self._figures
        if self.in_progress or server.saving.started is not None or server.loading.active:
            return
        if not figures.rewrite_scheduled and (self._must_wait() or not self._has_grown()):
            return
        with suppress(OSError):  # it was logged
            self.rewrite()

    def _has_grown(self) -> bool:
        configuration, figures = self._server.configuration, self._figures
        percentage = configuration[b"auto-aof-rewrite-percentage"]
        if (
            not figures.enabled
            or not percentage
            or figures.size < configuration[b"auto-aof-rewrite-min-size"]
        ):
            return False
        growth = figures.size * 100 // (figures.base_size or 1) - 100
        if growth < percentage:
            return False
        _log.info("Starting automatic rewriting of AOF on {growth}% growth", growth=growth)
        return True

    def _must_wait(self) -> bool:
        """Whether so many rewrites have failed in a row that the next one is to wait."""
        failures = self._figures.failures
        if failures < _PATIENCE:
            return False
        now = self._server.clock.seconds()
        if not self._wait_until:
            wait = min(_LONGEST_WAIT, 60 << (failures - _PATIENCE))
            self._wait_until = now + wait
            _log.warn(
                "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in {minutes} minutes",
                minutes=wait // 60,
            )
        return now < self._wait_until

    # -- doing it

    def rewrite(self) -> None:
        """Begin a rewrite; where there is neither forking nor a reactor it is finished when this returns.

        :raises OSError: it could not be begun, or not done.
        """
        server, figures = self._server, self._figures
        figures.rewrite_scheduled = False
        figures.rewrites += 1
        try:
            figures.before_disk()
            self._begin_increment()
            self._as_rdb = server.configuration[b"aof-use-rdb-preamble"]
            figures.rewrite_started = int(server.clock.seconds())
            self.progress.begin(sum(map(len, server.keyspace.databases)))
            if can_fork(server):
                self._child = Child(self, server)
                _log.info("Background append only file rewriting started by pid {pid}", pid=self._child.pid)
                return
            if can_copy(server):
                path = self._files.temporary_base(os.getpid())
                sink = partial(self._sink, chunk=COPY_CHUNK)
                self._child = BackgroundCopy(server, path, sink, self.child_ended, self.progress.report)
                return
            base = self._write_base()
        except (OSError, ValueError) as error:
            _log.warn("Can't rewrite the append only file: {error}", error=error)
            self._ended(False)
            raise OSError(str(error)) from None
        self._install(base)

    def _begin_increment(self) -> None:
        """From now on write to a new file, which is to follow the base that is to be written.

        :raises OSError: there can't be one, and all is as before.
        """
        files, writing, enabled = self._files, self._writing, self._figures.enabled
        manifest = files.manifest.copy() if enabled else files.open()
        part = manifest.next_increment()
        self._since = part.number
        if not enabled:
            return
        writing.flush()
        if writing.waiting:
            raise OSError("the file can't be written")
        if files.without_base:
            # What is in there is also in the base.
            writing.empty()
            return
        manifest.add_increment(part)
        path = manifest.path_of(part)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            # Nothing may be written to it before the manifest says that it is there.
            files.change(manifest)
        except OSError:
            os.close(descriptor)
            with suppress(OSError):
                os.unlink(path)
            raise
        writing.use(descriptor)

    def write_first_base(self) -> None:
        """There are no files yet: write a base at once, with what is there.

        :raises OSError: it can't be written.
        """
        self._as_rdb = self._server.configuration[b"aof-use-rdb-preamble"]
        self._files.first_base(self._write_base(), self._as_rdb)

    def _sink(self, write: Callable[[bytes], Any], chunk: int = CHUNK) -> Sink:
        if self._as_rdb:
            return RdbSink(self._server, write, chunk=chunk)
        return CommandSink(self._server, write)

    def _write_base(self, progress: Callable[[int], None] | None = None, slowly: bool = False) -> bytes:
        """Write a base to a temporary file; answers where that is.

        :raises OSError: it can't be written.
        """
        configuration = self._server.configuration
        path = self._files.temporary_base(os.getpid())
        try:
            with DataFile(path, configuration[b"aof-rewrite-incremental-fsync"]) as file:
                sink = self._sink(file.write)
                if slowly:
                    sink = slowed(sink, configuration[b"rdb-key-save-delay"], progress)
                write_all(self._server.keyspace.databases, sink, progress)
        except OSError:
            with suppress(OSError):
                os.unlink(path)
            raise
        return path

    def write_as_child(self, report: Callable[[int], None]) -> None:
        """For the child: write the base."""
        self._write_base(report, slowly=True)

    def child_ended(self, done: bool, killed: bool) -> None:
        """The child has written all and is ``done``, or failed; or we have ``killed`` it."""
        child, self._child = self._child, None
        assert child is not None
        path = self._files.temporary_base(child.pid)
        if done:
            _log.info("Background AOF rewrite terminated with success")
            with suppress(OSError):  # it was logged
                self._install(path)
            return
        with suppress(OSError):
            os.unlink(path)
        if killed:
            self._figures.rewrite_started = None
        else:
            _log.warn("Background AOF rewrite terminated with error")
            self._ended(False)

    def _install(self, base: bytes) -> None:
        """The base is complete: let it take its place.

        :raises OSError: it can't; what was there before still is.
        """
        files, figures = self._files, self._figures
        try:
            files.put_in_place(base, self._as_rdb, self._since)
        except OSError as error:
            _log.warn("Can't put the rewritten append only file in its place: {error}", error=error)
            self._ended(False)
            raise
        self._writing.tell_durable()
        self._server.end_batch()
        self._ended(True)
        files.delete_history()
        figures.size = figures.base_size = files.size()

    def _ended(self, done: bool) -> None:
        figures = self._figures
        now = self._server.clock.seconds()
        started, figures.rewrite_started = figures.rewrite_started, None
        figures.rewrite_seconds = int(now) - (int(now) if started is None else started)
        figures.rewrite_ok = done
        if done:
            figures.failures = 0
            return
        figures.failures += 1
        self._wait_until = 0.0
        if figures.enabled and self._files.without_base:
            # Without a base the increment is worth nothing: the next rewrite begins with what is there by then.
            _log.info("Removing the temp incr aof file after the rewrite has failed")
            self._writing.empty()
            figures.rewrite_scheduled = True

    # -- ending it

    def kill(self) -> None:
        """End a rewrite that is under way; what was there before still is."""
        if self._child is not None:
            _log.info("Killing AOF child {pid}", pid=self._child.pid)
            self._child.kill()
            self._child.wait()

    def wait(self) -> None:
        """Wait for the end of a rewrite that is under way."""
        if self._child is not None:
            self._child.wait()
