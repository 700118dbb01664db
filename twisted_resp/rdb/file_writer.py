"""A whole RDB file: header, facts about the server, databases with their keys, end, checksum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted_resp.rdb import format as rdb
from twisted_resp.rdb.format import COMPATIBLE
from twisted_resp.rdb.strings import length_of, plain_string, string
from twisted_resp.rdb.writer import write_value
from twisted_resp.text.crc import crc64

__all__ = ["CHUNK", "FileWriter"]

#: Bytes to collect before they are handed on: the checksum is quicker for many.
CHUNK: Final = 1 << 20


class FileWriter:
    """Writes a file in order; call :meth:`finish` in the end.

    :param write: takes the bytes.
    :param version: the RDB version.
    :param checksum: whether to end with a CRC-64; else with a zero, which says that there is none.
    :param compress: whether to compress strings.
    :param chunk: how many bytes to collect before they are handed on.
    """

    def __init__(
        self,
        write: Callable[[bytes], Any],
        version: int = COMPATIBLE,
        checksum: bool = True,
        compress: bool = False,
        chunk: int = CHUNK,
    ) -> None:
        self._chunk = chunk
        self._write = write
        self._version = version
        self._checksum = checksum
        self._compress = compress
        self._crc = 0
        self._parts: list[bytes] = [b"REDIS%04d" % version]
        self._size = 0

    def aux(self, name: bytes, value: bytes) -> None:
        """A fact about the server that wrote the file, such as ``redis-ver``."""
        self._parts.append(b"%c%b%b" % (rdb.AUX, string(name), string(value)))

    def function(self, code: bytes) -> None:
        """The source of a library of functions."""
        self._parts.append(b"%c%b" % (rdb.FUNCTION_2, plain_string(code)))

    def database(self, index: int, keys: int, expires: int) -> None:
        """The keys that follow are in this database; it has so many, and so many of them expire."""
        self._parts.append(
            b"%c%b%c%b%b"
            % (rdb.SELECT_DB, length_of(index), rdb.RESIZE_DB, length_of(keys), length_of(expires))
        )

    def key(
        self,
        key: bytes,
        value: Any,
        expires_at: int | None = None,
        idle: int | None = None,
        frequency: int | None = None,
    ) -> None:
        """A key and its value.

        :param expires_at: Unix time in milliseconds.
        :param idle: for how many seconds nobody has used it; or
        :param frequency: the counter of its use.
        """
        parts = self._parts
        if expires_at is not None:
            parts.append(b"%c%b" % (rdb.EXPIRES_MS, expires_at.to_bytes(8, "little", signed=True)))
        if idle is not None:
            parts.append(b"%c%b" % (rdb.IDLE, length_of(idle)))
        elif frequency is not None:
            parts.append(bytes((rdb.FREQUENCY, frequency)))
        kind, payload = write_value(value, self._version, self._compress)
        parts.append(b"%c%b%b" % (kind, string(key), payload))
        self._size += len(payload) + len(key) + 8
        if self._size >= self._chunk:
            self._flush()

    def finish(self) -> None:
        """The end of the file."""
        self._parts.append(b"%c" % rdb.EOF)
        self._flush()
        self._write((self._crc if self._checksum else 0).to_bytes(8, "little"))

    def _flush(self) -> None:
        data = b"".join(self._parts)
        self._parts = []
        self._size = 0
        if self._checksum:
            self._crc = crc64(data, self._crc)
        self._write(data)
