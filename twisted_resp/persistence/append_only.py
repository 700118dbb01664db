"""The append-only file of one server: every change is written to it, so that loading it gives the data again.

It listens to the effects. What a batch has caused is encoded at once, and written before the replies of the batch are
sent (:attr:`Server.commit`); under ``appendfsync always`` it is on the disk by then. Under ``everysec`` a thread
brings it there once a second, where the clock is a reactor, so that a slow disk stops nobody; under a clock that a
test advances that happens at once.

A **rewrite** begins a new increment and lets a child write the data as they are at that moment to a new base. When
that is complete one change of the manifest puts both in the place of all that was there before. The first base, after
``CONFIG SET appendonly yes``, is made in the same way; until it is there the increment has a temporary name, for
without the base it is worth nothing, and what the manifest names is what was there before.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Any, Final

from twisted.internet.interfaces import IReactorCore
from twisted.logger import Logger

from twisted_resp.persistence.append_only_loading import AppendOnlyError, load_parts
from twisted_resp.persistence.child import Child, can_fork
from twisted_resp.persistence.copying import BackgroundCopy, can_copy
from twisted_resp.persistence.files import DataFile, to_disk
from twisted_resp.persistence.loading import load_now
from twisted_resp.persistence.manifest import Manifest
from twisted_resp.persistence.sinks import CommandSink, RdbSink, Sink, slowed, write_all
from twisted_resp.server.append_only import AppendOnly
from twisted_resp.server.effects import APPEND_ONLY_FILE
from twisted_resp.server.encoding import encode_command
from twisted_resp.server.loading import Steps
from twisted_resp.server.server import Server

__all__ = ["AppendOnlyFile"]

_log = Logger()

# The frame of a unit, which belongs to no database.
_FRAME: Final = ([b"MULTI"], [b"EXEC"])
# What changes nothing: it is for replicas only.
_NOT_WRITTEN: Final = frozenset((b"publish", b"spublish"))
# After so many failed rewrites in a row the next one waits; seconds, doubled each time, at most.
_PATIENCE: Final = 3
_LONGEST_WAIT: Final = 3600


class AppendOnlyFile(AppendOnly):
    """What :class:`~twisted_resp.server.append_only.AppendOnly` knows, and how it is done."""

    title = "redis-aof-rewrite"
    cpu_list = b"aof-rewrite-cpulist"

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        #: How long to wait before each write (seconds), for tests.
        self.flush_delay = 0.0
        self._manifest: Manifest | None = None
        self._descriptor = -1
        self._position = 0  # the size of the file that is written to
        self._pieces: list[bytes] = []
        self._selected = -1
        self._second = 0  # of the last timestamp
        self._without_base = False  # the increment is not in the manifest yet
        self._since = 0  # the number of the first increment after the rewrite that is under way
        self._as_rdb = True
        self._child: Child | BackgroundCopy | None = None
        self._unsynced = False
        #: How far the replication's offset is on disk, once there is a base.
        self._durable = 0
        self._sync: threading.Thread | None = None
        self._sync_error: OSError | None = None
        self._beat_call: Any = None
        self._wait_until = 0.0

    # -- where things are

    @property
    def directory(self) -> bytes:
        """Where the files are."""
        server = self._server
        return os.path.join(server.directory, server.configuration[b"appenddirname"])

    def _read_manifest(self) -> Manifest | None:
        return Manifest.load(self.directory, self._server.configuration[b"appendfilename"])

    def _new_manifest(self) -> Manifest:
        return Manifest(self.directory, self._server.configuration[b"appendfilename"])

    def _temporary_increment(self, manifest: Manifest) -> bytes:
        return os.path.join(manifest.directory, b"temp-" + manifest.name + b".incr")

    def _temporary_base(self, pid: int) -> bytes:
        return os.path.join(self._server.directory, b"temp-rewriteaof-bg-%d.aof" % pid)

    # -- on and off

    @property
    def incomplete(self) -> bool:
        """See :attr:`AppendOnly.incomplete`."""
        return self._without_base

    def enable(self) -> None:
        """See :meth:`AppendOnly.enable`."""
        if self.enabled or self._server.loading.active:
            return  # what is loaded is written afterwards
        self._kill_child()
        try:
            os.makedirs(self.directory, exist_ok=True)
            manifest = self._manifest = self._read_manifest() or self._new_manifest()
            self._open(self._temporary_increment(manifest), os.O_TRUNC)
            self._without_base = True
            self._listen()
            if self._server.saving.started is not None:
                self.rewrite_scheduled = True
                _log.info(
                    "AOF was enabled but there is already another background operation. An AOF background was "
                    "scheduled to start when possible."
                )
            elif self._server.in_exec:
                self.schedule()
                _log.info(
                    "AOF was enabled during a transaction. An AOF background was scheduled to start when possible."
                )
            else:
                self.rewrite()
        except (OSError, ValueError) as error:
            _log.error("Unable to turn on AOF: {error}", error=error)
            self.disable()
            raise ValueError("Unable to turn on AOF. Check server logs.") from None

    def disable(self) -> None:
        """See :meth:`AppendOnly.disable`."""
        self._stop_listening()
        self._kill_child()
        self.flush()
        self._close_file()
        self._pieces.clear()
        self.unwritten = 0
        self.rewrite_scheduled = False
        self.write_ok = True
        self._server.refuse_writes(b"")

    def _listen(self) -> None:
        self.enabled = True
        replication = self._server.replication
        self._durable = replication.offset
        replication.synced(0 if self._without_base else self._durable, anew=True)
        self._server.effects.add_listener(self._tell, APPEND_ONLY_FILE)
        self._look_regularly()

    def _stop_listening(self) -> None:
        if self.enabled:
            self.enabled = False
            self._server.effects.remove_listener(self._tell)
            self._server.replication.synced(-1, anew=True)

    def _open(self, path: bytes, flags: int = 0) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | flags, 0o644)
        self._close_file()
        self._descriptor = descriptor
        self._position = os.fstat(descriptor).st_size
        self._selected = -1

    def _close_file(self) -> None:
        """Bring to disk what there is, and close it."""
        if self._descriptor < 0:
            return
        self.join()
        descriptor, self._descriptor = self._descriptor, -1
        try:
            os.fsync(descriptor)
        except OSError as error:
            _log.error("Fail to fsync the AOF file: {error}", error=error)
        os.close(descriptor)
        self._unsynced = False

    def data_replaced(self) -> None:
        """See :meth:`AppendOnly.data_replaced`."""
        self.disable()
        if not self._server.configuration[b"appendonly"]:
            return
        try:
            self.enable()
        except ValueError:  # it was logged
            self._server.configuration[b"appendonly"] = False

    def close(self) -> None:
        """See :meth:`AppendOnly.close`."""
        self.disable()
        if self._beat_call is not None:
            self._beat_call.cancel()
            self._beat_call = None

    # -- writing

    def _tell(self, unit: list[tuple[int, list[bytes]]]) -> None:
        """A listener for effects."""
        pieces: list[bytes] = []
        for database, command in unit:
            if command in _FRAME:
                pieces.append(encode_command(command))
                continue
            if command[0].lower() in _NOT_WRITTEN:
                continue
            if database != self._selected:
                self._selected = database
                pieces.append(encode_command((b"SELECT", b"%d" % database)))
            pieces.append(encode_command(command))
        if not pieces:
            return
        server = self._server
        if server.configuration[b"aof-timestamp-enabled"]:
            second = server.now_ms // 1000
            if second > self._second:
                self._second = second
                pieces.insert(0, b"#TS:%d\r\n" % second)
        data = b"".join(pieces)
        self._pieces.append(data)
        self.unwritten += len(data)
        server.replication.count_unit()
        if server.commit is None:
            server.commit = self.flush
            server.resume(self.flush)

    def flush(self) -> None:
        """Write what there is to the file, and with ``appendfsync always`` to the disk."""
        server = self._server
        server.commit = None
        if not self._pieces or self._descriptor < 0:
            return
        if self.flush_delay:
            time.sleep(self.flush_delay)
        data = b"".join(self._pieces)
        always = server.configuration[b"appendfsync"] == b"always"
        try:
            start = perf_counter()
            self._write(data)
            self._note_latency(start)
            self._pieces.clear()
            self.unwritten = 0
            self._unsynced = True
            if always and not self._spares_disk():
                start = perf_counter()
                to_disk(self._descriptor)
                server.latency.note_since(b"aof-fsync-always", start)
                self._unsynced = False
                self._reached_disk(server.replication.offset)
        except OSError as error:
            self._write_failed(error)
            if always:
                # Nobody may believe that it was written: whoever waits for a reply loses the connection instead.
                _log.critical(
                    "Can't bring to disk what was changed (appendfsync always): clients are cut off."
                )
                for client in list(server.clients.values()):
                    client.close(False)
            return
        if not self.write_ok:
            self._recovered()

    def _note_latency(self, start: float) -> None:
        """Tell the latency monitor of a write that began at ``start``."""
        latency, server = self._server.latency, self._server
        busy = server.saving.started is not None or server.append_only.rewrite_started is not None
        latency.note_since(b"aof-write-active-child" if busy else b"aof-write-alone", start)
        latency.note_since(b"aof-write", start)

    def _recovered(self) -> None:
        _log.warn("AOF write error looks solved. The server can write again.")
        self.write_ok = True
        self._server.refuse_writes(b"")

    def _write(self, data: bytes) -> None:
        """Write all of the data, or nothing.

        :raises OSError: it can't be written.
        """
        self.before_disk()
        view = memoryview(data)
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, view[written:])
        except OSError:
            if written:
                os.ftruncate(self._descriptor, self._position)
            raise
        self._position += written
        self.size += written

    def _write_failed(self, error: OSError) -> None:
        reason = error.strerror or str(error)
        if self.write_ok:
            _log.error("Error writing to the AOF file: {reason}", reason=reason)
        self.write_ok = False
        self._server.refuse_writes(b"MISCONF Errors writing to the AOF file: " + reason.encode())

    def _spares_disk(self) -> bool:
        """Whether nothing is brought to disk now since a child keeps it busy (``no-appendfsync-on-rewrite``)."""
        configuration = self._server.configuration
        return bool(configuration[b"no-appendfsync-on-rewrite"]) and (
            self._child is not None or self._server.saving.started is not None
        )

    def join(self) -> None:
        """See :meth:`AppendOnly.join`."""
        sync, self._sync = self._sync, None
        if sync is not None:
            sync.join()

    def _sync_apart(self) -> None:
        """Bring to disk what was written, without waiting for it where the clock is a reactor."""
        self._unsynced = False
        arguments = (self._descriptor, self._server.replication.offset)
        if not IReactorCore.providedBy(self._server.clock):
            self._sync_file(*arguments)
            self._tell_durable()
            return
        self._sync = threading.Thread(target=self._sync_file, args=arguments, daemon=True)
        self._sync.start()

    def _sync_file(self, descriptor: int, offset: int) -> None:
        try:
            self.before_disk()
            to_disk(descriptor)
            self._durable = max(self._durable, offset)
        except OSError as error:
            self._sync_error = error

    def _reached_disk(self, offset: int) -> None:
        self._durable = max(self._durable, offset)
        self._tell_durable()

    def _tell_durable(self) -> None:
        """Tell WAITAOF, and our master, what is on disk. Without a base nothing is."""
        replication = self._server.replication
        if self.enabled and not self._without_base and self._durable > replication.fsynced:
            replication.synced(self._durable)

    # -- once a second

    def _look_regularly(self) -> None:
        if self._beat_call is None:
            self._beat_call = self._server.clock.callLater(1, self._beat)

    def _beat(self) -> None:
        self._beat_call = None
        if self.enabled or self.rewrite_scheduled:
            self._look_regularly()
        server = self._server
        server.keyspace.tick()
        if self._pieces:
            self.flush()
        if self._sync is not None and not self._sync.is_alive():
            self.join()
            self._tell_durable()
        error, self._sync_error = self._sync_error, None
        if error is not None:
            self._unsynced = True
            self._write_failed(error)
        elif not (self.write_ok or self._unsynced or self._pieces or self._sync):
            self._recovered()
        # (Under "always" there is something left only from before CONFIG SET.)
        every_second = server.configuration[b"appendfsync"] != b"no" and not self._spares_disk()
        if self._unsynced and (every_second or not self.write_ok):
            if self._sync is not None:
                self.delayed += 1
            else:
                self._sync_apart()
        self._rewrite_if_due()
        server.end_batch()

    def _rewrite_if_due(self) -> None:
        if self._child is not None or self._server.saving.started is not None or self._server.loading.active:
            return
        if not self.rewrite_scheduled and (self._must_wait() or not self._has_grown()):
            return
        with suppress(OSError):  # it was logged
            self.rewrite()

    def _has_grown(self) -> bool:
        configuration = self._server.configuration
        percentage = configuration[b"auto-aof-rewrite-percentage"]
        if not self.enabled or not percentage or self.size < configuration[b"auto-aof-rewrite-min-size"]:
            return False
        growth = self.size * 100 // (self.base_size or 1) - 100
        if growth < percentage:
            return False
        _log.info("Starting automatic rewriting of AOF on {growth}% growth", growth=growth)
        return True

    def _must_wait(self) -> bool:
        """Whether so many rewrites have failed in a row that the next one is to wait."""
        if self.failures < _PATIENCE:
            return False
        now = self._server.clock.seconds()
        if not self._wait_until:
            wait = min(_LONGEST_WAIT, 60 << (self.failures - _PATIENCE))
            self._wait_until = now + wait
            _log.warn(
                "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in {minutes} minutes",
                minutes=wait // 60,
            )
        return now < self._wait_until

    # -- rewriting

    @property
    def in_progress(self) -> bool:
        """Whether a rewrite is under way."""
        return self._child is not None

    def schedule(self) -> None:
        """Begin a rewrite as soon as that can be, but not within this command."""
        self.rewrite_scheduled = True
        self._look_regularly()
        if self._server.saving.started is None:
            self._server.clock.callLater(0, self._rewrite_scheduled)

    def _rewrite_scheduled(self) -> None:
        if self.rewrite_scheduled:
            self._server.keyspace.tick()
            self._rewrite_if_due()

    def rewrite(self) -> None:
        """Begin a rewrite; where there is neither forking nor a reactor it is finished when this returns.

        :raises OSError: it could not be begun, or not done.
        """
        server = self._server
        self.rewrite_scheduled = False
        self.rewrites += 1
        try:
            self.before_disk()
            self._begin_increment()
            self._as_rdb = server.configuration[b"aof-use-rdb-preamble"]
            self.rewrite_started = int(server.clock.seconds())
            self.progress.begin(sum(map(len, server.keyspace.databases)))
            if can_fork(server):
                self._child = Child(self, server)
                _log.info("Background append only file rewriting started by pid {pid}", pid=self._child.pid)
                return
            if can_copy(server):
                path = self._temporary_base(os.getpid())
                self._child = BackgroundCopy(server, path, self._sink, self.child_ended, self.progress.report)
                return
            self._write_base()
        except (OSError, ValueError) as error:
            _log.warn("Can't rewrite the append only file: {error}", error=error)
            self._rewritten(False)
            raise OSError(str(error)) from None
        self._install(self._temporary_base(os.getpid()))

    def _begin_increment(self) -> None:
        """From now on write to a new file, which is to follow the base that is to be written."""
        if not self.enabled:
            os.makedirs(self.directory, exist_ok=True)
            self._manifest = self._read_manifest() or self._new_manifest()
        manifest = self._manifest
        assert manifest is not None
        part = manifest.next_increment()
        self._since = part.number
        if not self.enabled:
            return
        self.flush()
        if self._pieces:
            raise OSError("the file can't be written")
        if self._without_base:
            # What is in there is also in the base.
            self._empty_increment()
            return
        changed = manifest.copy()
        changed.add_increment(part)
        self._open(changed.path_of(part), os.O_TRUNC)
        changed.save()
        self._manifest = changed

    def _empty_increment(self) -> None:
        self.join()
        os.ftruncate(self._descriptor, 0)
        self._position = 0
        self._selected = -1

    def _sink(self, write: Callable[[bytes], Any]) -> Sink:
        return RdbSink(self._server, write) if self._as_rdb else CommandSink(self._server, write)

    def _write_base(self, progress: Callable[[int], None] | None = None, slowly: bool = False) -> None:
        configuration = self._server.configuration
        path = self._temporary_base(os.getpid())
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

    def write_as_child(self, report: Callable[[int], None]) -> None:
        """For the child: write the base."""
        self._write_base(report, slowly=True)

    def child_ended(self, done: bool, killed: bool) -> None:
        """The child has written all and is ``done``, or failed; or we have ``killed`` it."""
        child, self._child = self._child, None
        assert child is not None
        path = self._temporary_base(child.pid)
        if done:
            _log.info("Background AOF rewrite terminated with success")
            with suppress(OSError):  # it was logged
                self._install(path)
            return
        with suppress(OSError):
            os.unlink(path)
        if killed:
            self.rewrite_started = None
        else:
            _log.warn("Background AOF rewrite terminated with error")
            self._rewritten(False)

    def _install(self, path: bytes) -> None:
        """The base is complete: let it take its place.

        :raises OSError: it can't; what was there before still is.
        """
        assert self._manifest is not None
        manifest = self._manifest.copy()
        try:
            base = manifest.next_base(self._as_rdb)
            os.replace(path, manifest.path_of(base))
            if self.enabled and self._without_base:
                part = manifest.next_increment()
                os.replace(self._temporary_increment(manifest), manifest.path_of(part))
                manifest.add_increment(part)
            manifest.replace_base(base, self._since)
            manifest.save()
        except OSError as error:
            _log.warn("Can't put the rewritten append only file in its place: {error}", error=error)
            self._rewritten(False)
            raise
        self._manifest = manifest
        self._without_base = False
        self._tell_durable()
        self._server.end_batch()
        self._rewritten(True)
        self.delete_history()
        self._measure()
        self.base_size = self.size

    def _rewritten(self, done: bool) -> None:
        now = self._server.clock.seconds()
        started, self.rewrite_started = self.rewrite_started, None
        self.rewrite_seconds = int(now) - (int(now) if started is None else started)
        self.rewrite_ok = done
        if done:
            self.failures = 0
            return
        self.failures += 1
        self._wait_until = 0.0
        if self.enabled and self._without_base:
            # Without a base the increment is worth nothing: the next rewrite begins with what is there by then.
            _log.info("Removing the temp incr aof file after the rewrite has failed")
            self._empty_increment()
            self.rewrite_scheduled = True

    def delete_history(self) -> None:
        """See :meth:`AppendOnly.delete_history`."""
        if self._manifest is not None and not self._server.configuration[b"aof-disable-auto-gc"]:
            with suppress(OSError):
                self._manifest.delete_history()

    def _measure(self) -> None:
        self.size = 0
        if self._manifest is not None:
            for part in self._manifest.parts:
                with suppress(OSError):
                    self.size += os.path.getsize(self._manifest.path_of(part))

    def _kill_child(self) -> None:
        if self._child is not None:
            _log.info("Killing AOF child {pid}", pid=self._child.pid)
            self._child.kill()
            self._child.wait()

    # -- loading

    def start(self) -> Steps:
        """See :meth:`AppendOnly.start`.

        :raises AppendOnlyError: something is wrong with what is there.
        """
        directory = self.directory
        os.makedirs(directory, exist_ok=True)
        manifest = self._manifest = self._read_manifest() or self._new_manifest()
        self._adopt(manifest)
        self._server.keyspace.tick()
        if manifest.parts:
            yield from load_parts(self._server, manifest)
        if not self._server.configuration[b"appendonly"]:
            return  # somebody has changed his mind meanwhile
        if not manifest.parts:
            self._as_rdb = self._server.configuration[b"aof-use-rdb-preamble"]
            base = manifest.next_base(self._as_rdb)
            self._write_base()
            os.replace(self._temporary_base(os.getpid()), manifest.path_of(base))
            manifest.replace_base(base, 0)
        if manifest.increments:
            self._open(manifest.path_of(manifest.increments[-1]))
        else:
            part = manifest.next_increment()
            self._open(manifest.path_of(part), os.O_TRUNC)
            manifest.add_increment(part)
            manifest.save()
        self.delete_history()
        self._measure()
        self.base_size = 0 if manifest.base is None else os.path.getsize(manifest.path_of(manifest.base))
        self._listen()

    def _adopt(self, manifest: Manifest) -> None:
        """Take over a file of a server before Redis 7, which had one and no manifest."""
        name = manifest.name
        old, new = os.path.join(self._server.directory, name), os.path.join(manifest.directory, name)
        if manifest.parts and (manifest.increments or manifest.base is None or manifest.base.name != name):
            return
        if not os.path.isfile(old) or os.path.exists(new):
            return
        manifest.use_as_base(name)
        manifest.save()
        os.replace(old, new)
        _log.info("Successfully migrated an old-style AOF into the AOF directory")

    def load_again(self) -> None:
        """DEBUG LOADAOF: empty the databases, and load what the files hold.

        :raises OSError, ValueError: something is wrong with the files. What came before that is loaded.
        """
        if self.enabled:
            self.flush()
            if self._without_base and self._child is not None:
                self._child.wait()
        manifest = self._read_manifest()
        if manifest is None:
            raise AppendOnlyError("there is no append only file")
        dirty = self._server.keyspace.dirty
        self._server.keyspace.flush()
        self._server.keyspace.dirty = dirty
        self._server.scripting.flush_libraries()
        load_now(load_parts(self._server, manifest))
        self._server.saving.forget_changes()
        if self.enabled:
            # A repaired tail is shorter now.
            self._position = os.fstat(self._descriptor).st_size
            self._measure()
