"""Where the data go, key by key: an RDB file, or the commands of an append-only file's base.

Both are written by walking the databases (:func:`write_all`), or by a copy that takes its time
(:mod:`~twisted_resp.persistence.copying`), which comes to keys in another order and back to a database.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from twisted_resp.keyspace import lfu
from twisted_resp.keyspace.database import Database
from twisted_resp.persistence.append_only_commands import commands_for
from twisted_resp.rdb.file_writer import CHUNK, FileWriter
from twisted_resp.rdb.format import COMPATIBLE
from twisted_resp.rdb.writer import needed_version
from twisted_resp.server.encoding import encode_command
from twisted_resp.server.server import Server

__all__ = ["CommandSink", "RdbSink", "Sink", "slowed", "write_all"]

# Bytes of commands to collect before they are handed on.
_CHUNK: Final = 1 << 18
# After how many keys to tell how many there were (a mask).
_TELL: Final = 0x3FF

Write = Callable[[bytes], Any]
Progress = Callable[[int], None]


class Sink(Protocol):
    """Takes the data."""

    def database(self, index: int, keys: int, expires: int) -> None:
        """The keys that follow are in this database, of so many keys, of which so many expire."""

    def key(self, database: Database, key: bytes, value: Any) -> None:
        """A key with its value, expiry and record of use."""

    def finish(self) -> None:
        """That was all."""


def _version_for(server: Server) -> int:
    """The oldest version that can hold the data: fields that expire are the one thing that needs a newer one."""
    version = COMPATIBLE
    for database in server.keyspace.databases:
        for key in database.field_expires:
            version = max(version, needed_version(database.values.get(key)))
    return version


class RdbSink:
    """An RDB file.

    :param write: takes the bytes, piece by piece.
    :param version: the RDB version; 0 for one that Redis 7.0 reads, as far as the data allow it.
    :param compress: whether to compress strings; None for what ``rdbcompression`` says.
    :param chunk: how many bytes to collect before they are written.
    :param checksum: whether to end with a checksum; None for what ``rdbchecksum`` says.
    """

    def __init__(
        self,
        server: Server,
        write: Write,
        version: int = 0,
        compress: bool | None = None,
        chunk: int = CHUNK,
        checksum: bool | None = None,
    ) -> None:
        keyspace = server.keyspace
        configuration = server.configuration
        writer = self._writer = FileWriter(
            write,
            version or _version_for(server),
            configuration[b"rdbchecksum"] if checksum is None else checksum,
            configuration[b"rdbcompression"] if compress is None else compress,
            chunk,
        )
        for name, value in (
            (b"redis-ver", server.flavour.redis_version),
            (b"redis-bits", b"64"),
            (b"ctime", b"%d" % (keyspace.now // 1000)),
            (b"used-mem", b"0"),
            (b"aof-base", b"0"),
        ):
            writer.aux(name, value)
        replication = server.replication
        selected = replication.stream_database
        if selected is not None:
            # Who begins with these data gets the stream from here on, and must know which database that has selected.
            writer.aux(b"repl-stream-db", b"%d" % selected)
            writer.aux(b"repl-id", replication.id)
            writer.aux(b"repl-offset", b"%d" % replication.offset)
        for code in server.scripting.sources():
            writer.function(code)
        policy = configuration[b"maxmemory-policy"]
        self._keyspace = keyspace
        self._with_idle, self._with_frequency = policy.endswith(b"-lru"), policy.endswith(b"-lfu")
        self.database = writer.database
        self.finish = writer.finish

    def key(self, database: Database, key: bytes, value: Any) -> None:
        """See :meth:`Sink.key`."""
        idle = frequency = None
        if self._with_idle:
            now = self._keyspace.now
            idle = max(0, now - database.accessed.get(key, now)) // 1000
        elif self._with_frequency:
            frequency = lfu.counter(database.accessed.get(key, 0), self._keyspace)
        self._writer.key(key, value, database.expires.get(key), idle, frequency)


class CommandSink:
    """The shortest row of commands that makes the data.

    :param write: takes the bytes, piece by piece.
    """

    def __init__(self, server: Server, write: Write) -> None:
        self._write = write
        self._size = 0
        self._parts: list[bytes] = []
        if server.configuration[b"aof-timestamp-enabled"]:
            self._parts.append(b"#TS:%d\r\n" % (server.now_ms // 1000))
        self._parts += [encode_command((b"FUNCTION", b"LOAD", code)) for code in server.scripting.sources()]

    def database(self, index: int, keys: int, expires: int) -> None:
        """See :meth:`Sink.database`."""
        self._parts.append(encode_command((b"SELECT", b"%d" % index)))

    def key(self, database: Database, key: bytes, value: Any) -> None:
        """See :meth:`Sink.key`."""
        parts = self._parts
        for command in commands_for(key, value):
            data = encode_command(command)
            parts.append(data)
            self._size += len(data)
        at = database.expires.get(key)
        if at is not None:
            parts.append(encode_command((b"PEXPIREAT", key, b"%d" % at)))
        if self._size >= _CHUNK:
            self._write(b"".join(parts))
            parts.clear()
            self._size = 0

    def finish(self) -> None:
        """See :meth:`Sink.finish`."""
        self._write(b"".join(self._parts))
        self._parts.clear()


class _Slowed:
    def __init__(self, sink: Sink, seconds: float, progress: Progress | None) -> None:
        self._sink = sink
        self._seconds = seconds
        self._progress = progress
        self._written = 0
        self.database = sink.database
        self.finish = sink.finish

    def key(self, database: Database, key: bytes, value: Any) -> None:
        self._sink.key(database, key, value)
        self._written += 1
        if self._progress is not None:
            self._progress(self._written)
        time.sleep(self._seconds)


def slowed(sink: Sink, microseconds: int, progress: Progress | None) -> Sink:
    """A sink that takes its time for each key, for tests that want a child which does; itself where that is none."""
    return _Slowed(sink, microseconds / 1_000_000, progress) if microseconds > 0 else sink


def write_all(databases: Iterable[Database], sink: Sink, progress: Progress | None = None) -> None:
    """Write the data as they are now.

    :param progress: is told now and then how many keys were written.
    """
    written = 0
    take = sink.key
    for database in databases:
        if not database.values:
            continue
        sink.database(database.index, len(database.values), len(database.expires))
        for key, value in database.values.items():
            take(database, key, value)
            written += 1
            if progress is not None and not written & _TELL:
                progress(written)
    sink.finish()
