"""The options that say when a key expires, as SET, GETEX and their kin share them.

    flags, amount = parse_options(options, SET_OPTIONS)     # syntax errors first, as in Redis
    if flags & EXPIRATION:
        at = deadline(flags, amount, client.server.now_ms, b"set")  # then the number
    ...
    expire_at(client, key, at)    # PEXPIREAT, or the deletion of a key whose time is past; with its effect

SETEX and PSETEX have no options to parse: ``deadline(EX, seconds, now, b"setex")``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted_resp import errors
from twisted_resp.errors import CommandError
from twisted_resp.server.client import Client
from twisted_resp.text.integers import INT64_MAX, parse_integer

__all__ = [
    "EX", "EXAT", "EXPIRATION", "GET", "GETEX_OPTIONS", "KEEPTTL", "NX", "PERSIST", "PX", "PXAT",
    "SET_OPTIONS", "XX", "deadline", "expire_at", "parse_options",
]  # fmt: skip

EX: Final = 1 << 0
PX: Final = 1 << 1
EXAT: Final = 1 << 2
PXAT: Final = 1 << 3
KEEPTTL: Final = 1 << 4
PERSIST: Final = 1 << 5
NX: Final = 1 << 6
XX: Final = 1 << 7
GET: Final = 1 << 8

#: The options that a number follows.
EXPIRATION: Final = EX | PX | EXAT | PXAT
#: What SET and GETEX take.
SET_OPTIONS: Final = NX | XX | GET | KEEPTTL | EXPIRATION
GETEX_OPTIONS: Final = PERSIST | EXPIRATION

_SECONDS: Final = EX | EXAT
_RELATIVE: Final = EX | PX
_LIFETIMES: Final = EXPIRATION | KEEPTTL | PERSIST
_MOST_SECONDS: Final = INT64_MAX // 1000

# Each option with those that it must not meet. The same one again is no error; the last number counts.
_OPTIONS: Final[dict[bytes, tuple[int, int]]] = {
    b"NX": (NX, XX),
    b"XX": (XX, NX),
    b"GET": (GET, 0),
    b"EX": (EX, _LIFETIMES & ~EX),
    b"PX": (PX, _LIFETIMES & ~PX),
    b"EXAT": (EXAT, _LIFETIMES & ~EXAT),
    b"PXAT": (PXAT, _LIFETIMES & ~PXAT),
    b"KEEPTTL": (KEEPTTL, _LIFETIMES & ~KEEPTTL),
    b"PERSIST": (PERSIST, _LIFETIMES & ~PERSIST),
}
_UNKNOWN: Final = (0, 0)


def parse_options(options: Sequence[bytes], allowed: int) -> tuple[int, bytes]:
    """Read options in any order and case.

    :param allowed: the flags of those that the command has, such as :data:`SET_OPTIONS`.
    :return: the flags that were given, and the number of an :data:`EXPIRATION` among them, not converted yet.
    :raises CommandError: a syntax error.
    """
    flags = 0
    amount = b""
    place = 0
    while place < len(options):
        word = options[place]
        flag, clashes = _OPTIONS.get(word) or _OPTIONS.get(word.upper(), _UNKNOWN)
        if not flag & allowed or flags & clashes:
            raise CommandError(errors.SYNTAX)
        flags |= flag
        if flag & EXPIRATION:
            place += 1
            if place == len(options):
                raise CommandError(errors.SYNTAX)
            amount = options[place]
        place += 1
    return flags, amount


def deadline(unit: int, amount: bytes, now: int, command: bytes, positive: bool = True) -> int:
    """Convert what was said to Unix time in milliseconds.

    :param unit: a flag of :data:`EXPIRATION` (others beside it are ignored).
    :param now: Unix time in milliseconds.
    :param command: the full name in lower case, for the error.
    :param positive: refuse what is not above zero; the EXPIRE family allows it, and deletes the key.
    :raises CommandError: not an integer, or an invalid expire time.
    """
    value = parse_integer(amount)
    if value is None:
        raise CommandError(errors.NOT_AN_INTEGER)
    if positive and value <= 0:
        raise errors.invalid_expire_time(command)
    if unit & _SECONDS:
        if not -_MOST_SECONDS <= value <= _MOST_SECONDS:
            raise errors.invalid_expire_time(command)
        value *= 1000
    if unit & _RELATIVE:
        value += now
    if value > INT64_MAX:
        raise errors.invalid_expire_time(command)
    return value


def expire_at(client: Client, key: bytes, at: int, *conditions: bytes) -> None:
    """Let a key that is there expire at ``at`` (Unix time, ms), or delete it if that is not in the future.

    The effect is PEXPIREAT, with the given conditions (``NX``...), or DEL.
    """
    database = client.db
    server = client.server
    effects = server.effects
    # A replica waits for the word of its master.
    if at <= server.keyspace.now and not server.keyspace.sees_expired:
        lazily = server.keyspace.lazy_free.on_expire
        database.remove(key, lazily=lazily)
        effects.replace(b"UNLINK" if lazily else b"DEL", key)
    else:
        database.set_expiry(key, at)
        effects.replace(b"PEXPIREAT", key, b"%d" % at, *conditions)
