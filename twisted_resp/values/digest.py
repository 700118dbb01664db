"""Digests of values and databases, as DEBUG DIGEST and DEBUG DIGEST-VALUE tell them.

Equal contents have equal digests, whatever their encoding and the order of what has none. A digest is the 20
bytes of a SHA-1, held as an integer. Things without an order are combined by exclusive or; for things in
order the digest so far goes into the next one. The outcome is that of Redis, so that two servers can be
compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha1
from typing import Any, Final

from twisted_resp.text.floats import format_double_17g
from twisted_resp.values.hash import Hash
from twisted_resp.values.list import List
from twisted_resp.values.set import Set
from twisted_resp.values.sorted_set import SortedSet

__all__ = ["digest_of_database", "digest_of_value", "in_hex"]

_STRING, _LIST, _SET, _ZSET, _HASH, _STREAM = 0, 1, 2, 3, 4, 6
_SIZE: Final = 20


def _sum(data: bytes) -> int:
    return int.from_bytes(sha1(data, usedforsecurity=False).digest(), "big")


def _sum_of(digest: int) -> int:
    return _sum(digest.to_bytes(_SIZE, "big"))


def _mix(digest: int, data: bytes) -> int:
    """Add what comes next in an order."""
    return _sum_of(digest ^ _sum(data))


def _number(number: int) -> bytes:
    return number.to_bytes(4, "big")


def in_hex(digest: int) -> bytes:
    """A digest as it is shown."""
    return b"%040x" % digest


def digest_of_value(value: Any, expires: bool, digest: int = 0) -> int:
    """The digest of what a key holds: a string, or an object of this package.

    :param expires: whether the key has an expiry (when does not matter).
    :param digest: what to go on from.
    """
    if isinstance(value, (bytes, bytearray)):
        digest = _mix(_mix(digest, _number(_STRING)), bytes(value))
    elif isinstance(value, List):
        digest = _mix(digest, _number(_LIST))
        for element in value:
            digest = _mix(digest, element)
    elif isinstance(value, Set):
        digest = _mix(digest, _number(_SET))
        for member in value:
            digest ^= _sum(member)
    elif isinstance(value, SortedSet):
        digest = _mix(digest, _number(_ZSET))
        for member, score in value:
            digest ^= _sum_of(_mix(_mix(0, member), format_double_17g(score)))
    elif isinstance(value, Hash):
        digest = _mix(digest, _number(_HASH))
        for field, content in value.items():
            pair = _mix(_mix(0, field), content)
            if value.expiry(field) is not None:
                pair ^= _sum(b"!!hexpire!!")
            digest ^= _sum_of(pair)
    else:
        digest = _mix(digest, _number(_STREAM))
        for entry_id, fields in value:
            digest = _mix(digest, b"%d.%d" % tuple(entry_id))
            for word in fields:
                digest = _mix(digest, word)
    return digest ^ _sum(b"!!expire!!") if expires else digest


def digest_of_database(index: int, items: Iterable[tuple[bytes, Any, bool]], digest: int = 0) -> int:
    """The digest of a database that is not empty.

    :param items: key, value, and whether the key has an expiry.
    :param digest: that of the databases before.
    """
    digest = _mix(digest, _number(index))
    for key, value, expires in items:
        digest ^= _sum_of(digest_of_value(value, expires, _mix(0, key)))
    return digest
