"""What DUMP answers and RESTORE takes: type, value, RDB version (two bytes) and CRC-64 of all that."""

from __future__ import annotations

from typing import Any, Final

from twisted_resp.rdb.cursor import Cursor
from twisted_resp.rdb.format import (
    COMPATIBLE,
    FUNCTION_2,
    FUNCTION_PRE_GA,
    HASH_METADATA_PRE_GA,
    LAST_OF_REDIS,
    VALKEY_HASH_2,
    RdbError,
)
from twisted_resp.rdb.reader import read_value
from twisted_resp.rdb.strings import plain_string
from twisted_resp.rdb.writer import needed_version, write_value
from twisted_resp.text.crc import crc64
from twisted_resp.values.limits import Limits

__all__ = ["dump", "dump_functions", "is_intact", "load", "load_functions"]

_FOOTER: Final = 10
_CRC: Final = 8
# Up to this version what is known is read, whatever else there may be: Valkey 9.0's.
_NEWEST_PAYLOAD: Final = 80


def dump(value: Any) -> bytes:
    """The payload of a value, which Redis 7.0 and later restore (7.4, if fields expire)."""
    version = needed_version(value)
    kind, content = write_value(value, version)
    payload = b"%c%b%b" % (kind, content, version.to_bytes(2, "little"))
    return payload + crc64(payload).to_bytes(_CRC, "little")


def is_intact(payload: bytes, checksum: bool = True) -> bool:
    """Whether the version is one that we know, and the checksum is right.

    :param checksum: whether to look at that.
    """
    if len(payload) < _FOOTER:
        return False
    if _version(payload) > _NEWEST_PAYLOAD:
        return False
    return not checksum or crc64(payload[:-_CRC]) == int.from_bytes(payload[-_CRC:], "little")


def _version(payload: bytes) -> int:
    return int.from_bytes(payload[-_FOOTER:-_CRC], "little")


def load(payload: bytes, limits: Limits) -> Any:
    """The value of a payload that is intact.

    :raises RdbError: it was well wrapped, but makes no sense.
    """
    cursor = Cursor(payload[:-_FOOTER])
    kind = cursor.byte()
    if kind == HASH_METADATA_PRE_GA and _version(payload) > LAST_OF_REDIS:
        kind = VALKEY_HASH_2
    # As in Redis nobody minds what is left over after the value.
    return read_value(cursor, kind, limits)


def dump_functions(sources: list[bytes]) -> bytes:
    """The payload of FUNCTION DUMP for the sources of libraries."""
    payload = b"".join(b"%c%b" % (FUNCTION_2, plain_string(source)) for source in sources)
    payload += COMPATIBLE.to_bytes(2, "little")
    return payload + crc64(payload).to_bytes(_CRC, "little")


def load_functions(payload: bytes) -> list[bytes]:
    """The sources in such a payload, which is intact.

    :raises RdbError: there is something else in it.
    """
    cursor = Cursor(payload[:-_FOOTER])
    sources = []
    while cursor.left:
        kind = cursor.byte()
        if kind == FUNCTION_PRE_GA:
            raise RdbError("Pre-GA function format not supported")
        if kind != FUNCTION_2:
            raise RdbError("given type is not a function")
        try:
            sources.append(cursor.string())
        except RdbError:
            raise RdbError("failed loading the given functions payload") from None
    return sources
