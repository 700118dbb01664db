"""A consistent copy of the data without a child: written in the turns of the reactor, while others change them.

What is to be written is the data as they are when the copy begins. It keeps, for each database, which keys it has not
come to yet, and hangs on the seam of changes: a key that is about to change and was not written is written at that
moment, out of turn. So no value is ever kept twice, and a client pays for at most the keys that it changes first.
The order of keys in a file means nothing, and a database may be selected several times.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore, IReactorThreads
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_resp.keyspace.database import Database
from twisted_resp.keyspace.keyspace import Keyspace
from twisted_resp.persistence.sinks import Sink
from twisted_resp.server.server import Server

__all__ = ["COPY_CHUNK", "BackgroundCopy", "KeyspaceCopy", "can_copy"]

_log = Logger()

# How long nobody else is served (seconds), and how many keys are written before a look at the clock.
_SLICE: Final = 0.003
_KEYS: Final = 16
#: How many bytes are summed up and written at once: a millisecond's work.
COPY_CHUNK: Final = 1 << 16


def can_copy(server: Server) -> bool:
    """Whether there are turns of a reactor to copy in. With a clock that others move it would never end by itself."""
    return IReactorCore.providedBy(server.clock)


class _Source:
    """A database at the beginning: where its contents are now, and which keys are still to be written.

    :ivar index: the number that it had then.
    """

    __slots__ = ("index", "left", "place")

    def __init__(self, database: Database) -> None:
        self.index = database.index
        self.place = database
        # A copy of the whole, values and all, takes a tenth of the time that one of the keys alone would take.
        self.left: dict[bytes, Any] = database.values.copy()


class KeyspaceCopy:
    """Writes what the databases hold now, in steps.

    :ivar written: how many keys were written so far, of ``total``.
    """

    def __init__(self, keyspace: Keyspace, sink: Sink) -> None:
        self._keyspace = keyspace
        self._sink = sink
        self._sources = {
            database.index: _Source(database) for database in keyspace.databases if database.values
        }
        self._selected = -1
        self.written = 0
        self.total = sum(len(source.left) for source in self._sources.values())
        keyspace.on_before = [*keyspace.on_before, self._before]
        keyspace.on_flushed = [*keyspace.on_flushed, self._flushed]
        keyspace.on_swapped = [*keyspace.on_swapped, self._swapped]

    def close(self) -> None:
        """Hear of changes no more."""
        keyspace = self._keyspace
        keyspace.on_before = [each for each in keyspace.on_before if each != self._before]
        keyspace.on_flushed = [each for each in keyspace.on_flushed if each != self._flushed]
        keyspace.on_swapped = [each for each in keyspace.on_swapped if each != self._swapped]

    def steps(self) -> Iterator[None]:
        """Write the keys, some in each step. :meth:`close` when that is over, however it ends."""
        while self._sources:
            # Not the dictionary of sources itself: databases may be swapped meanwhile.
            source = next(iter(self._sources.values()))
            for _ in range(_KEYS):
                if not source.left:
                    self._sources = {
                        place: each for place, each in self._sources.items() if each is not source
                    }
                    break
                key, _ = source.left.popitem()
                self._write(source, key)
            yield
        self._sink.finish()

    def _write(self, source: _Source, key: bytes) -> None:
        database = source.place
        if self._selected != source.index:
            self._selected = source.index
            # How many there are is a hint for who loads it, and was right when the copy began.
            self._sink.database(source.index, len(source.left) + 1, 0)
        self._sink.key(database, key, database.values[key])
        self.written += 1

    # -- listeners of the keyspace

    def _before(self, database: Database, key: bytes) -> None:
        source = self._sources.get(database.index)
        if source is not None and key in source.left:
            del source.left[key]
            self._write(source, key)

    def _flushed(self, database: Database) -> None:
        source = self._sources.get(database.index)
        if source is not None:
            while source.left:
                key, _ = source.left.popitem()
                self._write(source, key)

    def _swapped(self, one: Database, other: Database) -> None:
        sources = self._sources
        first, second = sources.pop(one.index, None), sources.pop(other.index, None)
        for source, place in ((first, other), (second, one)):
            if source is not None:
                source.place = place
                sources[place.index] = source


class BackgroundCopy:
    """Does with turns of the reactor what a forked child does, with the same methods.

    :param steps: makes the work, which writes to ``file`` and closes it in no case.
    :param ended: hears of the end: whether it is done, and whether it was killed.
    """

    def __init__(
        self,
        server: Server,
        path: bytes,
        sink: Callable[[Callable[[bytes], Any]], Sink],
        ended: Callable[[bool, bool], None],
        progress: Callable[[int], None],
    ) -> None:
        self.pid = os.getpid()
        self._server = server
        self._ended = ended
        self._progress = progress
        self._call: Any = None
        self._syncing: Deferred[None] | None = None
        self._over = self._killed = False
        self._file = open(path, "wb")  # noqa: SIM115 - it is closed in the end
        self._copy = KeyspaceCopy(server.keyspace, sink(self._write))
        self._steps = self._copy.steps()
        self._failed: OSError | None = None
        self._call = server.clock.callLater(0, self._turn)

    def _write(self, data: bytes) -> None:
        # It may be a client's change that brings this about, who has nothing to do with it.
        if self._failed is None:
            try:
                self._file.write(data)
            except OSError as error:
                self._failed = error

    def _turn(self) -> None:
        self._call = None
        before = self._copy.written
        until = perf_counter() + _SLICE
        try:
            more = not all(perf_counter() < until for _ in self._steps)
        except Exception:
            _log.failure("A copy of the data failed")
            self._end(False)
            return
        self._progress(self._copy.written)
        if self._failed is not None:
            _log.error("Write error saving the data on disk: {error}", error=self._failed)
            self._end(False)
        elif more:
            delay = max(0, self._server.configuration[b"rdb-key-save-delay"]) / 1_000_000
            self._call = self._server.clock.callLater(delay * (self._copy.written - before), self._turn)
        else:
            self._copy.close()
            self._sync()

    def _sync(self) -> None:
        """Bring it to disk in a thread, since that may take long."""
        clock = self._server.clock
        try:
            self._file.flush()
        except OSError as error:
            _log.error("Write error saving the data on disk: {error}", error=error)
            self._end(False)
            return
        if IReactorThreads.providedBy(clock) and getattr(clock, "running", False):
            self._syncing = deferToThreadPool(clock, clock.getThreadPool(), os.fsync, self._file.fileno())
            self._syncing.addCallbacks(self._synced, self._sync_failed)
        else:
            self.wait()

    def _synced(self, _: object) -> None:
        if not self._over:
            self._end(True)

    def _sync_failed(self, failure: Failure) -> None:
        if not self._over:
            _log.error("The data can't be brought to disk: {error}", error=failure.value)
            self._end(False)

    def kill(self) -> None:
        """End it; :meth:`wait` tells so."""
        self._stop()
        self._killed = True

    def wait(self) -> None:
        """Do all that is left at once, unless it was killed."""
        if self._over:
            return
        if self._killed:
            self._end(False, True)
            return
        self._stop()
        try:
            for _ in self._steps:
                pass
            if self._failed is not None:
                raise self._failed
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            _log.error("Write error saving the data on disk: {error}", error=error)
            self._end(False)
        else:
            self._end(True)

    def _stop(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _end(self, done: bool, killed: bool = False) -> None:
        self._over = True
        self._stop()
        self._copy.close()
        try:
            self._file.close()
        except OSError:
            done = False
        self._ended(done, killed)
