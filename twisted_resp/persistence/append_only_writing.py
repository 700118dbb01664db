"""The increment that a server writes to: effects as commands, and how they come to the disk.

What a batch has caused is encoded at once, and written before the replies of the batch are sent
(:attr:`Server.commit`); under ``appendfsync always`` it is on the disk by then. Under ``everysec`` a thread brings it
there once a second, where the clock is a reactor, so that a slow disk stops nobody; under a clock that a test advances
that happens at once.

What can't be written is kept, and tried again with the next batch, or a second later; writes are refused until it was
written. What was written in part is taken back, so that the file ends with a whole unit.
"""

from __future__ import annotations

import os
import threading
import time
from time import perf_counter
from typing import Final

from twisted.internet.interfaces import IReactorCore
from twisted.logger import Logger

from twisted_resp.persistence.files import to_disk
from twisted_resp.server.append_only import AppendOnly
from twisted_resp.server.encoding import encode_command
from twisted_resp.server.server import Server

__all__ = ["AppendOnlyWriting"]

_log = Logger()

# The frame of a unit, which belongs to no database.
_FRAME: Final = ([b"MULTI"], [b"EXEC"])
# What changes nothing: it is for replicas only.
_NOT_WRITTEN: Final = frozenset((b"publish", b"spublish"))


class AppendOnlyWriting:
    """The file that is written to, while there is one.

    :param figures: where what INFO shows is kept.

    :ivar delay: how long to wait before each write (seconds), for tests.
    :ivar durable: how far the replication's offset is on disk.
    """

    def __init__(self, server: Server, figures: AppendOnly) -> None:
        self._server = server
        self._figures = figures
        self.delay = 0.0
        self.durable = 0
        self._descriptor = -1
        self._position = 0  # the size of the file
        self._pieces: list[bytes] = []
        self._selected = -1
        self._second = 0  # of the last timestamp
        self._unsynced = False
        self._sync: threading.Thread | None = None
        self._sync_error: OSError | None = None

    # -- the file

    def use(self, descriptor: int) -> None:
        """Write to this file from now on; the one before is brought to disk and closed."""
        self.close()
        self._descriptor = descriptor
        self.measure()
        self._selected = -1

    def measure(self) -> None:
        """The file is another size than we made it: somebody has repaired it."""
        if self._descriptor >= 0:
            self._position = os.fstat(self._descriptor).st_size

    def empty(self) -> None:
        """Nothing in the file is worth anything.

        :raises OSError: it can't be cut off.
        """
        self.join()
        os.ftruncate(self._descriptor, 0)
        self._position = 0
        self._selected = -1

    def close(self) -> None:
        """Bring to disk what is in the file, and close it."""
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

    def forget(self) -> None:
        """What waits will not be written, and errors are over."""
        self._pieces.clear()
        self._figures.unwritten = 0
        self._figures.write_ok = True
        self._server.refuse_writes(b"")

    @property
    def waiting(self) -> bool:
        """Whether there is something that could not be written yet."""
        return bool(self._pieces)

    # -- writing

    def tell(self, unit: list[tuple[int, list[bytes]]]) -> None:
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
        self._figures.unwritten += len(data)
        server.replication.count_unit()
        if server.commit is None:
            server.commit = self.flush
            server.resume(self.flush)

    def flush(self) -> None:
        """Write what there is to the file, and with ``appendfsync always`` to the disk."""
        server, figures = self._server, self._figures
        server.commit = None
        if not self._pieces or self._descriptor < 0:
            return
        if self.delay:
            time.sleep(self.delay)
        data = b"".join(self._pieces)
        always = server.configuration[b"appendfsync"] == b"always"
        try:
            start = perf_counter()
            self._write(data)
            self._note_latency(start)
            server.statistics.append_only_seconds += perf_counter() - start
            self._pieces.clear()
            figures.unwritten = 0
            self._unsynced = True
            if always and not self._spares_disk():
                start = perf_counter()
                to_disk(self._descriptor)
                server.latency.note_since(b"aof-fsync-always", start)
                self._unsynced = False
                self.durable = max(self.durable, server.replication.offset)
                self.tell_durable()
        except OSError as error:
            self._failed(error)
            if always:
                self._give_up()
            return
        if not figures.write_ok:
            self._recovered()

    def _write(self, data: bytes) -> None:
        """Write all of the data, or nothing.

        :raises OSError: it can't be written.
        """
        self._figures.before_disk()
        view = memoryview(data)
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, view[written:])
        except OSError:
            if written:
                try:
                    os.ftruncate(self._descriptor, self._position)
                    written = 0
                except OSError as error:
                    _log.error("Could not remove short write from the append-only file: {error}", error=error)
            raise
        finally:
            self._position += written
            self._figures.size += written
            # What is left, if anything, is tried again as one piece.
            self._pieces[:] = [data[written:]]

    def _note_latency(self, start: float) -> None:
        """Tell the latency monitor of a write that began at ``start``."""
        latency = self._server.latency
        latency.note_since(b"aof-write-active-child" if self._is_busy else b"aof-write-alone", start)
        latency.note_since(b"aof-write", start)

    @property
    def _is_busy(self) -> bool:
        """Whether a child keeps the disk busy."""
        return self._server.saving.started is not None or self._figures.rewrite_started is not None

    def _failed(self, error: OSError) -> None:
        reason = error.strerror or str(error)
        if self._figures.write_ok:
            _log.error("Error writing to the AOF file: {reason}", reason=reason)
        self._figures.write_ok = False
        self._server.refuse_writes(b"MISCONF Errors writing to the AOF file: " + reason.encode())

    def _give_up(self) -> None:
        """Nobody may believe that it is on disk (``appendfsync always``)."""
        give_up = self._figures.give_up
        if give_up is not None:
            _log.critical(
                "Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting..."
            )
            give_up()
        # Within somebody else's process: whoever waits for a reply loses the connection instead.
        _log.critical("Can't bring to disk what was changed (appendfsync always): clients are cut off.")
        for client in list(self._server.clients.values()):
            client.close(False)

    def _recovered(self) -> None:
        _log.warn("AOF write error looks solved. The server can write again.")
        self._figures.write_ok = True
        self._server.refuse_writes(b"")

    # -- to the disk

    def look(self) -> None:
        """Once a second: try again what could not be written, and bring to disk what was."""
        if self._pieces:
            self.flush()
        if self._sync is not None and not self._sync.is_alive():
            self.join()
            self.tell_durable()
        error, self._sync_error = self._sync_error, None
        write_ok = self._figures.write_ok
        if error is not None:
            self._unsynced = True
            self._failed(error)
        elif not (write_ok or self._unsynced or self._pieces or self._sync):
            self._recovered()
        # (Under "always" there is something left only from before CONFIG SET.)
        every_second = self._server.configuration[b"appendfsync"] != b"no" and not self._spares_disk()
        if self._unsynced and (every_second or not self._figures.write_ok):
            if self._sync is not None:
                self._figures.delayed += 1
            else:
                self._sync_apart()

    def _spares_disk(self) -> bool:
        """Whether nothing is brought to disk now since a child keeps it busy (``no-appendfsync-on-rewrite``)."""
        return bool(self._server.configuration[b"no-appendfsync-on-rewrite"]) and self._is_busy

    def join(self) -> None:
        """Wait for what another thread does: a process with threads can't fork."""
        sync, self._sync = self._sync, None
        if sync is not None:
            sync.join()

    def _sync_apart(self) -> None:
        """Bring to disk what was written, without waiting for it where the clock is a reactor."""
        self._unsynced = False
        arguments = (self._descriptor, self._server.replication.offset)
        if not IReactorCore.providedBy(self._server.clock):
            self._sync_file(*arguments)
            self.tell_durable()
            return
        self._sync = threading.Thread(target=self._sync_file, args=arguments, daemon=True)
        self._sync.start()

    def _sync_file(self, descriptor: int, offset: int) -> None:
        try:
            self._figures.before_disk()
            to_disk(descriptor)
            self.durable = max(self.durable, offset)
        except OSError as error:
            self._sync_error = error

    def tell_durable(self) -> None:
        """Tell WAITAOF, and our master, what is on disk. Without a base nothing is."""
        replication, figures = self._server.replication, self._figures
        if figures.enabled and not figures.incomplete and self.durable > replication.fsynced:
            replication.synced(self.durable)
