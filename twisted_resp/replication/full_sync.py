"""A full synchronization from the replica's side: the snapshot comes in, and takes the place of the data.

Where it is kept until it is all there, and what becomes of the old data, is ``repl-diskless-load``'s to say:

- ``disabled``: it becomes the file of our own snapshot, in a process of our own; then the old data go and it is loaded.
  (Within somebody else's process it stays in memory: nobody asked for files there.) ``rdb-del-sync-files`` deletes the
  file again where nothing else is to be on disk.
- ``on-empty-db``: it stays in memory, if there are no data here.
- ``swapdb``: it stays in memory and is loaded beside the old data, which stay if that fails. Where they are of the
  same history they are served until then (asynchronous loading).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from mmap import ACCESS_READ, mmap
from typing import Final

from twisted.logger import Logger

from twisted_resp.persistence.contents import load_steps
from twisted_resp.persistence.files import sync_directory
from twisted_resp.rdb.cursor import Data
from twisted_resp.rdb.format import RdbError
from twisted_resp.server.loading import Steps
from twisted_resp.server.server import Server

__all__ = ["Snapshot", "replace_data"]

_log = Logger()

# After so many bytes what has come is brought to disk, so that there is little left to do in the end.
_SYNC_EVERY: Final = 8 * 1024 * 1024


class Snapshot:
    """A snapshot that is coming in.

    :param server: whose data it will be.
    :param header: what was announced: ``$1234``, its length, or ``$EOF:mark``, what it ends with.
    :raises OSError: there can't be a file.
    :raises ValueError: the header makes no sense.

    :ivar size: its length, 0 if that is not known.
    """

    def __init__(self, server: Server, header: bytes) -> None:
        self._server = server
        self._mark = header[5:] if header.startswith(b"$EOF:") else b""
        self.size = 0 if self._mark else int(header[1:])
        self._received = 0
        self._tail = b""  # the last bytes, as many as the mark has
        mode = server.configuration[b"repl-diskless-load"]
        empty = not any(map(len, server.keyspace.databases))
        #: Whether it is loaded beside the data that are there.
        self.beside = mode == b"swapdb"
        #: Whether it is never on disk, because that was asked for: it counts as being loaded while it comes in.
        self.diskless = self.beside or (mode == b"on-empty-db" and empty)
        self.on_disk = bool(server.saving.may_fork and server.dbfilename and not self.diskless)
        self._keeper: _InMemory | _OnDisk = _OnDisk(server) if self.on_disk else _InMemory()

    def add(self, data: bytes) -> bytes | None:
        """Take in what has come.

        :return: None while there is more to come; else what has come after the end.
        :raises OSError: it can't be written.
        """
        if self._mark:
            self._keeper.write(data)
            self._received += len(data)
            length = len(self._mark)
            self._tail = (self._tail + data[-length:])[-length:]
            if self._tail != self._mark:
                return None
            self._keeper.complete(self._received - length)
            return b""
        missing = self.size - self._received
        self._keeper.write(data[:missing])
        self._received += min(missing, len(data))
        if self._received < self.size:
            return None
        self._keeper.complete(self.size)
        return data[missing:]

    def discard(self) -> None:
        """It will not be used."""
        self._keeper.discard()

    def steps(self, loaded: Callable[[], None], asynchronous: bool = False) -> Steps:
        """Let it take the place of the data, step by step; all of it is there.

        :param loaded: called when the new data are there, before anybody sees them.
        :param asynchronous: whether the old data are served meanwhile.
        :raises OSError, RdbError: it can't be loaded. Unless it is :attr:`beside` the old data, there are none now.
        """
        server = self._server
        # What they write is soon of no use to anybody. There is a new file to begin with afterwards.
        server.saving.stop_child()
        if server.append_only.enabled:
            server.append_only.disable()
        try:
            with self._keeper as data:
                yield from replace_data(server, data, self.beside, asynchronous)
        finally:
            self._keeper.discard()
        loaded()
        server.append_only.data_replaced()


class _InMemory:
    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._data = b""

    def write(self, data: bytes) -> None:
        self._pieces.append(data)

    def complete(self, size: int) -> None:
        self._data = b"".join(self._pieces)[:size]
        self._pieces.clear()

    def __enter__(self) -> Data:
        return self._data

    def __exit__(self, *_: object) -> None:
        self.discard()

    def discard(self) -> None:
        self._pieces.clear()
        self._data = b""


class _OnDisk:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._temporary = os.path.join(
            server.directory, b"temp-%d.%d.rdb" % (server.now_ms // 1000, os.getpid())
        )
        self._file = open(self._temporary, "wb")  # noqa: SIM115 - it is closed by complete() or discard()
        self._unsynced = 0
        self._complete = False
        self._map: mmap | None = None

    @property
    def _path(self) -> bytes:
        return os.path.join(self._server.directory, self._server.dbfilename)

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._unsynced += len(data)
        if self._unsynced >= _SYNC_EVERY:
            self._unsynced = 0
            self._file.flush()
            os.fsync(self._file.fileno())

    def complete(self, size: int) -> None:
        with self._file as file:
            file.flush()
            file.truncate(size)
            os.fsync(file.fileno())
        # A child of ours that ends now must not put its own in the place of this one.
        self._server.saving.stop_child()
        os.replace(self._temporary, self._path)
        self._complete = True
        sync_directory(self._server.directory)

    def __enter__(self) -> Data:
        with open(self._path, "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise RdbError("the file is empty")
            self._map = mmap(file.fileno(), 0, access=ACCESS_READ)
        return self._map

    def __exit__(self, *_: object) -> None:
        if self._map is not None:
            self._map.close()
            self._map = None

    def discard(self) -> None:
        server = self._server
        if not self._complete:
            with suppress(OSError):
                self._file.close()
            with suppress(OSError):
                os.unlink(self._temporary)
            return
        kept = server.saving.points or server.configuration[b"appendonly"]
        if server.configuration[b"rdb-del-sync-files"] and not kept:
            _log.info("Removing the RDB file obtained from the master. This replica has persistence disabled")
            with suppress(OSError):
                os.unlink(self._path)


def replace_data(server: Server, data: Data, beside: bool = False, asynchronous: bool = False) -> Steps:
    """Let those of an RDB file take the place of all data of a server, step by step.

    :param beside: whether the data that are there stay until the new ones are complete.
    :param asynchronous: whether they are served meanwhile.
    :raises RdbError: it can't be read. Then there are no data, or with ``beside`` those that were there before.
    """
    keyspace, loading = server.keyspace, server.loading
    loading.begin(len(data), asynchronous)
    try:
        if beside:
            into = keyspace.apart()
            yield from load_steps(server, data, into=into)
            keyspace.adopt(into)
            return
        keyspace.flush(lazily=server.configuration[b"replica-lazy-flush"])
        server.scripting.flush_libraries()
        try:
            yield from load_steps(server, data)
        except RdbError:
            keyspace.flush(lazily=server.configuration[b"replica-lazy-flush"])
            server.scripting.flush_libraries()
            raise
    finally:
        loading.end()
