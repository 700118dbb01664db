"""All data of a server to an RDB file, and back."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any, Final

from twisted.logger import Logger

from twisted_resp.errors import CommandError
from twisted_resp.keyspace import lfu
from twisted_resp.keyspace.keyspace import Keyspace
from twisted_resp.persistence.loading import without_collector
from twisted_resp.persistence.sinks import RdbSink, write_all
from twisted_resp.rdb.cursor import Data
from twisted_resp.rdb.file_reader import FileReader
from twisted_resp.rdb.format import NEWEST, RdbError
from twisted_resp.server.server import Server
from twisted_resp.values.hash import Hash

__all__ = ["dump_bytes", "load_data", "load_steps", "write_contents"]

_log = Logger()

# Others may be served after so many keys (a mask).
_STEP: Final = 0x1F


def write_contents(
    server: Server,
    write: Callable[[bytes], Any],
    version: int = 0,
    progress: Callable[[int], None] | None = None,
    compress: bool | None = None,
) -> None:
    """Write all data as an RDB file; parameters are those of :class:`RdbSink`.

    :param progress: is told now and then how many keys were written.
    """
    write_all(server.keyspace.databases, RdbSink(server, write, version, compress), progress)


def dump_bytes(server: Server, version: int = 0) -> bytes:
    """All data as the bytes of an RDB file, not compressed; ``version`` as in :func:`write_contents`."""
    parts: list[bytes] = []
    write_contents(server, parts.append, version, compress=False)
    return b"".join(parts)


def load_data(server: Server, data: Data, replace: bool = False) -> int:
    """Add what an RDB file holds to the data, at once; see :func:`load_steps`."""
    steps = load_steps(server, data, replace)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return int(end.value)


def load_steps(
    server: Server,
    data: Data,
    replace: bool = False,
    before: int = 0,
    into: Keyspace | None = None,
    left_out: list[tuple[int, bytes]] | None = None,
) -> Generator[None, None, int]:
    """Add what an RDB file holds to the data, without events, step by step. Keys that have expired are left out.

    :param data: the file; what comes after the end of the RDB in it does not matter.
    :param replace: whether its keys replace those that are there; else one that is there is an error.
    :param before: how many bytes of other files were read, for :attr:`Server.loading`.
    :param into: takes the keys, instead of the server's keyspace; the libraries of functions take the place of those
        that are there.
    :param left_out: is filled with the keys that have expired, and their databases.
    :return: how many bytes of the data the RDB takes.
    :raises RdbError: something is wrong with the data. What came before that has been loaded.
    """
    keyspace = server.keyspace if into is None else into
    databases = keyspace.databases
    configuration = server.configuration
    loading = server.loading
    reader = FileReader(data, keyspace.limits, configuration[b"rdbchecksum"] and server.saving.checks)
    if reader.version > NEWEST:
        _log.info("RDB version {version}: newer than what is written here", version=reader.version)
    now = keyspace.now
    keep_expired = keyspace.hold_expiry
    by_frequency = keyspace.touching == 2
    loaded = expired = number = 0
    selected, unobserved = -1, False
    delay = configuration[b"key-load-delay"]
    with without_collector(server):
        for index, key, value, expires_at, idle, frequency in reader:
            number += 1
            if index != selected and index < len(databases):
                selected, unobserved = index, databases[index].is_unobserved
            if delay > 0 or not number & _STEP:
                if delay > 0:
                    time.sleep(delay / 1_000_000)
                loading.done = before + reader.position
                yield
                selected = -1  # somebody may have begun to observe meanwhile
                delay = configuration[b"key-load-delay"]
            if expires_at is not None and expires_at < now and not keep_expired:
                expired += 1
                if left_out is not None:
                    left_out.append((index, key))
                continue
            if index >= len(databases):
                raise RdbError(
                    f"at byte {reader.position}: there is a database {index} in it, but there are only "
                    f"{len(databases)} here"
                )
            database = databases[index]
            if not replace and key in database.values:
                raise RdbError(
                    f"at byte {reader.position}: the key {key!r} is there already in database {index}"
                )
            loaded += 1
            accessed = now
            if by_frequency:
                accessed = lfu.packed(keyspace, lfu.INITIAL if frequency is None else frequency)
            elif idle is not None:
                accessed = max(0, now - idle * 1000)
            if unobserved and expires_at is None and type(value) is not Hash:
                # What restore() does, without the call.
                database.values[key] = value
                database.accessed[key] = accessed
            else:
                database.restore(key, value, expires_at, accessed)
    for key in reader.empty_keys:
        _log.info("rdbLoadObject skipping empty key: {key}", key=key.decode("utf-8", "backslashreplace"))
    _log.info(
        "Done loading RDB, keys loaded: {loaded}, keys expired: {expired}, empty keys skipped: {empty}.",
        loaded=loaded,
        expired=expired,
        empty=len(reader.empty_keys),
    )
    for name in reader.modules:
        _log.warn("Data of the module {name} were left out.", name=name.decode("ascii", "replace"))
    if reader.marked_keys:
        _log.warn("What modules said of {count} keys was left out.", count=reader.marked_keys)
    saving = server.saving
    saving.loaded, saving.expired, saving.empty = loaded, expired, len(reader.empty_keys)
    saving.facts = reader.aux
    scripting = server.scripting
    instead = [] if into is None else scripting.sources()
    try:
        if into is not None:
            scripting.flush_libraries()
        scripting.load_sources(reader.functions, replace)
    except CommandError as error:
        if into is not None:
            scripting.load_sources(instead, False)
        raise RdbError(f"a library of functions can't be loaded: {error}") from None
    return reader.end
