"""``resp-server --check-rdb FILE``: what is in a snapshot, and what is wrong with it and where.

The words are those of redis-check-rdb, so that who knows one can read the other; what it does not tell comes in lines
of the same kind: keys by database and type, functions, and what modules left.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from mmap import ACCESS_READ, mmap
from typing import Any, Final

from twisted_resp.rdb import format as rdb
from twisted_resp.rdb.cursor import Data
from twisted_resp.rdb.file_reader import FileReader
from twisted_resp.rdb.format import RdbError
from twisted_resp.values.hash import Hash
from twisted_resp.values.limits import Limits
from twisted_resp.values.list import List
from twisted_resp.values.set import Set
from twisted_resp.values.sorted_set import SortedSet
from twisted_resp.values.stream import Stream

__all__ = ["Print", "check_rdb", "check_rdb_data"]

#: What prints a line.
Print = Callable[[str], Any]

# How often to tell how far it is (seconds), and after how many keys to look at the clock (a mask).
_TELL_AFTER: Final = 2.0
_LOOK: Final = 0xFFF

_NAMES: Final[dict[type, str]] = {
    bytes: "string",
    List: "list",
    Set: "set",
    SortedSet: "zset",
    Hash: "hash",
    Stream: "stream",
}
_TYPES: Final = {
    rdb.STRING: "string",
    rdb.LIST: "list-linked",
    rdb.SET: "set-hashtable",
    rdb.ZSET: "zset-v1",
    rdb.HASH: "hash-hashtable",
    rdb.ZSET_2: "zset-v2",
    rdb.MODULE_PRE_GA: "module-pre-release",
    rdb.MODULE_2: "module-value",
    rdb.HASH_ZIPMAP: "hash-zipmap",
    rdb.LIST_ZIPLIST: "list-ziplist",
    rdb.SET_INTSET: "set-intset",
    rdb.ZSET_ZIPLIST: "zset-ziplist",
    rdb.HASH_ZIPLIST: "hash-ziplist",
    rdb.LIST_QUICKLIST: "quicklist",
    rdb.STREAM: "stream",
    rdb.HASH_LISTPACK: "hash-listpack",
    rdb.ZSET_LISTPACK: "zset-listpack",
    rdb.LIST_QUICKLIST_2: "quicklist-v2",
    rdb.STREAM_2: "stream-v2",
    rdb.SET_LISTPACK: "set-listpack",
    rdb.STREAM_3: "stream-v3",
    rdb.HASH_METADATA_PRE_GA: "hash-hashtable-md-pre-release",
    rdb.HASH_LISTPACK_EX_PRE_GA: "hash-listpack-md-pre-release",
    rdb.HASH_METADATA: "hash-hashtable-md",
    rdb.HASH_LISTPACK_EX: "hash-listpack-md",
    rdb.STREAM_4: "stream-v4",
    rdb.VALKEY_HASH_2: "hash-v2",
}


class _Told(FileReader):
    """Tells of facts as it comes to them."""

    tell: Print

    def _read_other(self, kind: int) -> None:
        known = set(self.aux)
        FileReader._read_other(self, kind)
        if kind == rdb.AUX:
            for name in self.aux.keys() - known:
                self.tell(f"[offset {self.position}] AUX FIELD {_text(name)} = '{_text(self.aux[name])}'")
        elif kind == rdb.MODULE_AUX:
            self.tell(f"[offset {self.position}] MODULE AUX for: {_text(self.modules[-1])}")


class _Checking:
    """What was found in a file so far."""

    def __init__(self, data: Data, tell: Print) -> None:
        self._data = data
        self._tell = tell
        self._keys: Counter[tuple[int, str]] = Counter()
        self._expires: Counter[int] = Counter()
        self._expired = 0
        self._reader: _Told | None = None

    def run(self) -> int | None:
        """Read everything; answers where it ends, or None where something is wrong."""
        try:
            self._reader = reader = _Told(self._data, Limits())
            reader.tell = self._tell
            self._read(reader)
        except RdbError as error:
            self._tell_error(error)
            self._sum_up()
            return None
        checked = reader.version >= 5 and any(self._data[reader.end - 8 : reader.end])
        self._tell(
            f"[offset {reader.end}] {'Checksum OK' if checked else 'RDB file was saved with checksum disabled'}"
        )
        self._tell(f"[offset {reader.end}] \\o/ RDB looks OK! \\o/")
        self._sum_up()
        return reader.end

    def _read(self, reader: _Told) -> None:
        tell, keys, names = self._tell, self._keys, _NAMES
        database = -1
        now = time.time() * 1000
        told = time.monotonic()
        for number, (index, _, value, expires_at, _, _) in enumerate(reader, 1):
            if index != database:
                database = index
                tell(f"[offset {reader.position}] Selecting DB ID {index}")
            keys[index, names[type(value)]] += 1
            if expires_at is not None:
                self._expires[index] += 1
                self._expired += expires_at < now
            if not number & _LOOK and time.monotonic() - told > _TELL_AFTER:
                told = time.monotonic()
                part = 100 * reader.position / len(self._data)
                tell(f"[offset {reader.position}] Read so far: {part:.0f}%, {number} keys")

    def _tell_error(self, error: RdbError) -> None:
        tell = self._tell
        reader = self._reader
        tell("--- RDB ERROR DETECTED ---")
        position = reader.position if reader is not None else 0
        message = str(error)
        prefix = f"at byte {position}: "
        tell(f"[offset {position}] {message[len(prefix) :] if message.startswith(prefix) else message}")
        if reader is None or reader.failed_at is None:
            return
        kind, key, start = reader.failed_at
        tell(f"[additional info] While reading what begins at offset {start}")
        if key is not None:
            tell(f"[additional info] Reading key '{_text(key)}'")
        if kind < rdb.SLOT_IMPORT or kind > rdb.EOF:
            tell(f"[additional info] Reading type {kind & 0xFF} ({_TYPES.get(kind, 'unknown')})")

    def _sum_up(self) -> None:
        tell, reader = self._tell, self._reader
        tell(f"[info] {sum(self._keys.values())} keys read")
        tell(f"[info] {sum(self._expires.values())} expires")
        tell(f"[info] {self._expired} already expired")
        if reader is None:
            return
        kind = "Valkey" if reader.of_valkey else "Redis"
        tell(f"[info] RDB version {reader.version} ({kind})")
        for database in sorted({index for index, _ in self._keys}):
            counts = ", ".join(
                f"{self._keys[database, name]} {name}"
                for name in _NAMES.values()
                if self._keys[database, name]
            )
            tell(f"[info] db {database}: {counts}; {self._expires[database]} expire")
        if reader.functions:
            tell(f"[info] {len(reader.functions)} libraries of functions")
        if reader.empty_keys:
            tell(f"[info] {len(reader.empty_keys)} empty keys, which are skipped")
        if reader.marked_keys:
            tell(f"[info] {reader.marked_keys} keys with metadata of modules, which are skipped")


def check_rdb_data(data: Data, name: str, tell: Print = print) -> int | None:
    """Check an RDB file, or what another file begins with.

    :returns: where the RDB ends, or None where something is wrong.
    """
    tell(f"[offset 0] Checking RDB file {name}")
    return _Checking(data, tell).run()


def check_rdb(path: str, tell: Print = print) -> int:
    """Check a file; answers the status to exit with."""
    try:
        with open(path, "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                return int(check_rdb_data(b"", path, tell) is None)
            with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
                return int(check_rdb_data(data, path, tell) is None)
    except OSError as error:
        tell(f"Cannot open file: {path}: {error.strerror}")
        return 1


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
