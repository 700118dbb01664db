"""Strings: what their stored form says of the encoding that Redis would hold them in.

A string value is no class of its own. It is ``bytes`` as it was set, which Redis encodes by content and
length; or a ``bytearray`` once it was made or changed byte by byte (APPEND, SETRANGE, SETBIT, PFADD), which
is raw in Redis.
"""

from __future__ import annotations

from typing import Final

from twisted_resp.text.integers import parse_integer

__all__ = ["EMBEDDED_LIMIT", "Plain", "encoding_of", "grow"]

#: The longest string (bytes) that is allocated together with its object.
EMBEDDED_LIMIT: Final = 44
_LONGEST_INTEGER: Final = 20


class Plain(bytes):
    """A string that Redis stores without trying whether it is an integer (INCRBYFLOAT's result)."""

    __slots__ = ()


def encoding_of(value: bytes | bytearray) -> bytes:
    """What OBJECT ENCODING says of a string: ``int``, ``embstr`` or ``raw``."""
    if type(value) is bytearray:
        return b"raw"
    length = len(value)
    if length <= _LONGEST_INTEGER and type(value) is bytes and parse_integer(value) is not None:
        return b"int"
    return b"embstr" if length <= EMBEDDED_LIMIT else b"raw"


def grow(buffer: bytearray, length: int) -> None:
    """Pad with zero bytes up to a length (bytes); a string that is longer already stays as it is."""
    missing = length - len(buffer)
    if missing > 0:
        buffer.extend(bytes(missing))
