"""Reading a whole RDB file, key by key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from twisted_resp.rdb import format as rdb
from twisted_resp.rdb.cursor import Cursor, Data
from twisted_resp.rdb.format import LAST_OF_REDIS, EmptyValueError, RdbError
from twisted_resp.rdb.reader import read_value
from twisted_resp.text.crc import crc64
from twisted_resp.values.limits import Limits

__all__ = ["FileReader", "Record"]

_HEADER: Final = 9
_CRC: Final = 8
# Versions from which on there is a checksum, and times have a fixed order of bytes.
_WITH_CHECKSUM: Final = 5
# How much is handed to the checksum at once, as far as keys are not longer: some milliseconds' work.
_CHUNK: Final = 1 << 19

# What modules save says of each part what it is.
_MODULE_END: Final = 0
_MODULE_NUMBERS: Final = (1, 2)
_MODULE_FLOAT: Final = 3
_MODULE_DOUBLE: Final = 4
_MODULE_STRING: Final = 5


class Record(NamedTuple):
    """A key of a file.

    :ivar expires_at: Unix time in milliseconds, or None.
    :ivar idle: for how many seconds nobody had used it, or None.
    :ivar frequency: the counter of its use, or None.
    """

    database: int
    key: bytes
    value: Any
    expires_at: int | None
    idle: int | None
    frequency: int | None


class FileReader:
    """A file to be read; iterate over it once.

    :param data: all of the file. What comes after the end of the RDB in it does not matter, see :attr:`end`.
    :param limits: what values are encoded by.
    :param checksum: whether to look at the checksum.
    :raises RdbError: it is no RDB file. Iterating raises it where something is wrong further on, with the place.
    """

    def __init__(self, data: Data, limits: Limits, checksum: bool = True) -> None:
        self._cursor = cursor = Cursor(data)
        self._limits = limits
        self._checksum = checksum
        # Where there is none, which zeros at the end say, it need not be made.
        self._sums_up = checksum and data[-_CRC:] != bytes(_CRC)
        if len(data) < _HEADER:
            raise RdbError("the file is too short for an RDB file")
        magic = cursor.take(_HEADER)
        #: Whether a Valkey wrote it that has versions of its own.
        self.of_valkey = magic[:6] == b"VALKEY"
        digits = magic[6 if self.of_valkey else 5 :]
        if not (self.of_valkey or magic[:5] == b"REDIS") or not digits.isdigit():
            raise RdbError("wrong signature: this is no RDB file")
        self.version = int(digits)
        if not self.version >= 1 or (self.version > LAST_OF_REDIS) != self.of_valkey:
            raise RdbError(f"can't handle RDB format version {self.version}")
        #: Facts about the server that wrote it, as far as they were read.
        self.aux: dict[bytes, bytes] = {}
        #: The sources of libraries of functions, as far as they were read.
        self.functions: list[bytes] = []
        #: The names of modules that left something there, which was passed over.
        self.modules: list[bytes] = []
        #: How many keys had something said of them by modules, which was passed over.
        self.marked_keys = 0
        #: The keys of empty collections, which were left out.
        self.empty_keys: list[bytes] = []
        #: Where reading failed: the type or opcode, the key if it was known, and where that began.
        self.failed_at: tuple[int, bytes | None, int] | None = None
        self._crc = 0
        self._summed = 0  # how much the checksum takes in so far
        #: Where the RDB ends in the data, known in the end.
        self.end = 0

    @property
    def position(self) -> int:
        """How far the data were read."""
        return self._cursor.position

    def __iter__(self) -> Iterator[Record]:
        cursor = self._cursor
        try:
            yield from self._records()
        except RdbError as error:
            raise RdbError(f"at byte {cursor.position}: {error}") from None

    def _records(self) -> Iterator[Record]:
        cursor = self._cursor
        limits = self._limits
        new = tuple.__new__
        database = 0
        expires_at: int | None = None
        idle: int | None = None
        frequency: int | None = None
        key: bytes | None = None
        kind = position = 0
        data, size = cursor.data, cursor.size
        try:
            while True:
                # What cursor.byte() does, without the call.
                position = cursor.position
                if position >= size:
                    raise RdbError("the data end early")
                kind = data[position]
                cursor.position = position + 1
                if kind < rdb.SLOT_IMPORT:
                    key = cursor.string()
                    if kind == rdb.HASH_METADATA_PRE_GA and self.of_valkey:
                        kind = rdb.VALKEY_HASH_2
                    try:
                        value = cursor.string() if kind == rdb.STRING else read_value(cursor, kind, limits)
                    except EmptyValueError:
                        self.empty_keys.append(key)
                    else:
                        # What Record() does, in a third of the time.
                        yield new(Record, (database, key, value, expires_at, idle, frequency))
                    expires_at = idle = frequency = key = None
                    if cursor.position - self._summed >= _CHUNK:
                        self._sum_up()
                elif kind == rdb.EXPIRES_MS:
                    expires_at = cursor.milliseconds()
                elif kind == rdb.EXPIRES:
                    expires_at = int.from_bytes(cursor.take(4), "little", signed=True) * 1000
                elif kind == rdb.IDLE:
                    idle = cursor.length()
                elif kind == rdb.FREQUENCY:
                    frequency = cursor.byte()
                elif kind == rdb.SELECT_DB:
                    database = cursor.length()
                elif kind == rdb.EOF:
                    break
                else:
                    self._read_other(kind)
        except RdbError:
            self.failed_at = (kind, key, position)
            raise
        self._check_end()

    def _read_other(self, kind: int) -> None:
        cursor = self._cursor
        if kind == rdb.AUX:
            name = cursor.string()
            self.aux[name] = cursor.string()
        elif kind == rdb.RESIZE_DB:
            cursor.length()
            cursor.length()
        elif kind == rdb.SLOT_INFO:
            for _ in range(3):
                cursor.length()
        elif kind == rdb.SLOT_IMPORT and self.of_valkey:
            cursor.string()  # the name of the job, and its ranges
            for _ in range(2 * cursor.count(2)):
                cursor.length()
        elif kind == rdb.KEY_METADATA:
            self.marked_keys += 1
            for _ in range(cursor.count(5)):
                cursor.take(4)  # what it is
                self._skip_parts()
        elif kind == rdb.FUNCTION_2:
            self.functions.append(cursor.string())
        elif kind == rdb.MODULE_AUX:
            self.modules.append(_module_name(cursor.length()))
            self._skip_parts()
        else:
            raise RdbError("functions in the form of a release candidate can't be read")

    def _skip_parts(self) -> None:
        """Pass over what a module saved."""
        cursor = self._cursor
        while True:
            part = cursor.length()
            if part == _MODULE_END:
                return
            if part in _MODULE_NUMBERS:
                cursor.length()
            elif part == _MODULE_FLOAT:
                cursor.take(4)
            elif part == _MODULE_DOUBLE:
                cursor.take(8)
            elif part == _MODULE_STRING:
                cursor.string()
            else:
                raise RdbError(f"unknown part {part} of a module's data")

    def _sum_up(self) -> None:
        """Take what was read into the checksum: at the end alone it would stop everybody for a long time."""
        cursor = self._cursor
        start, stop = self._summed, cursor.position
        self._summed = stop
        if self._sums_up and self.version >= _WITH_CHECKSUM:
            for place in range(start, stop, _CHUNK):
                self._crc = crc64(cursor.data[place : min(stop, place + _CHUNK)], self._crc)

    def _check_end(self) -> None:
        cursor = self._cursor
        self.end = cursor.position
        if self.version < _WITH_CHECKSUM:
            return
        self._sum_up()
        expected = int.from_bytes(cursor.take(_CRC), "little")
        self.end = cursor.position
        if expected and self._checksum and not self._sums_up:
            # The zeros come after the end of the RDB.
            self._sums_up, self._summed = True, 0
            cursor.position -= _CRC
            self._sum_up()
            cursor.position = self.end
        # Zero says that there is none.
        if expected and self._checksum and self._crc != expected:
            raise RdbError(f"RDB CRC error: {self._crc:016x} where {expected:016x} was expected")


_NAME_CHARACTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def _module_name(number: int) -> bytes:
    """The name of a module's type, nine characters of six bits above ten bits of version."""
    return bytes(_NAME_CHARACTERS[number >> shift & 63] for shift in range(58, 4, -6))
