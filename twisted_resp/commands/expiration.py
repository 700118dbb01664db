"""The generic group, time to live: EXPIRE, TTL, PERSIST and their kin.

All that sets an expiry tells an absolute time as its effect, or the deletion that a time in the past amounts
to. See ``expire_options`` for the rules that SET and GETEX share with these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted_resp import errors
from twisted_resp.commands.expire_options import EX, EXAT, PX, PXAT, deadline, expire_at
from twisted_resp.commands.generic import read_untouched
from twisted_resp.commands.table import FAST, READONLY, WRITE, command
from twisted_resp.errors import CommandError
from twisted_resp.resp import Reply
from twisted_resp.server.client import Client

__all__: list[str] = []

GROUP = "generic"

_NX: Final = 1 << 0
_XX: Final = 1 << 1
_GT: Final = 1 << 2
_LT: Final = 1 << 3
_CONDITIONS: Final = {b"NX": _NX, b"XX": _XX, b"GT": _GT, b"LT": _LT}

_CONDITIONS_SINCE: Final = {"condition": "7.0.0"}
_CONDITIONS_ADDED: Final = [("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")]

_NO_KEY: Final = -2
_NO_EXPIRY: Final = -1


@command(
    "EXPIRE key seconds [NX | XX | GT | LT]",
    WRITE | FAST,
    since="1.0.0",
    complexity="O(1)",
    arity=-3,
    keys=["RW update"],
    argument_since=_CONDITIONS_SINCE,
    history=_CONDITIONS_ADDED,
)
def expire(client: Client, key: bytes, seconds: bytes, *conditions: bytes) -> Reply:
    """Sets the expiration time of a key in seconds."""
    return _expire(client, key, EX, seconds, conditions, b"expire")


@command(
    "PEXPIRE key milliseconds [NX | XX | GT | LT]",
    WRITE | FAST,
    since="2.6.0",
    complexity="O(1)",
    arity=-3,
    keys=["RW update"],
    argument_since=_CONDITIONS_SINCE,
    history=_CONDITIONS_ADDED,
)
def pexpire(client: Client, key: bytes, milliseconds: bytes, *conditions: bytes) -> Reply:
    """Sets the expiration time of a key in milliseconds."""
    return _expire(client, key, PX, milliseconds, conditions, b"pexpire")


@command(
    "EXPIREAT key unix-time-seconds [NX | XX | GT | LT]",
    WRITE | FAST,
    since="1.2.0",
    complexity="O(1)",
    arity=-3,
    keys=["RW update"],
    argument_since=_CONDITIONS_SINCE,
    history=_CONDITIONS_ADDED,
)
def expireat(client: Client, key: bytes, seconds: bytes, *conditions: bytes) -> Reply:
    """Sets the expiration time of a key to a Unix timestamp."""
    return _expire(client, key, EXAT, seconds, conditions, b"expireat")


@command(
    "PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]",
    WRITE | FAST,
    since="2.6.0",
    complexity="O(1)",
    arity=-3,
    keys=["RW update"],
    argument_since=_CONDITIONS_SINCE,
    history=_CONDITIONS_ADDED,
)
def pexpireat(client: Client, key: bytes, milliseconds: bytes, *conditions: bytes) -> Reply:
    """Sets the expiration time of a key to a Unix milliseconds timestamp."""
    return _expire(client, key, PXAT, milliseconds, conditions, b"pexpireat")


def _expire(
    client: Client, key: bytes, unit: int, amount: bytes, conditions: Sequence[bytes], name: bytes
) -> Reply:
    asked = _parse_conditions(conditions) if conditions else 0
    at = deadline(unit, amount, client.server.keyspace.now, name, positive=False)
    database = client.db
    if database.edit_any(key) is None:
        return 0
    if asked:
        current = database.expiry(key)
        if current is None:
            # No expiry counts as one in infinity.
            if asked & (_XX | _GT):
                return 0
        elif asked & _NX or (asked & _GT and at <= current) or (asked & _LT and at >= current):
            return 0
    expire_at(client, key, at, *conditions)
    return 1


def _parse_conditions(words: Sequence[bytes]) -> int:
    asked = 0
    for word in words:
        condition = _CONDITIONS.get(word.upper())
        if condition is None:
            raise CommandError(b"ERR Unsupported option %b" % errors.shown(word))
        asked |= condition
    if asked & _NX and asked & ~_NX:
        raise CommandError(b"ERR NX and XX, GT or LT options at the same time are not compatible")
    if asked & _GT and asked & _LT:
        raise CommandError(b"ERR GT and LT options at the same time are not compatible")
    return asked


@command(
    "TTL key",
    READONLY | FAST,
    since="1.0.0",
    complexity="O(1)",
    keys=["RO access"],
    tips=["nondeterministic_output"],
    history=[("2.8.0", "Added the -2 reply.")],
)
def ttl(client: Client, key: bytes) -> Reply:
    """Returns the expiration time in seconds of a key."""
    return _in_seconds(_lifetime(client, key))


@command(
    "PTTL key",
    READONLY | FAST,
    since="2.6.0",
    complexity="O(1)",
    keys=["RO access"],
    tips=["nondeterministic_output"],
    history=[("2.8.0", "Added the -2 reply.")],
)
def pttl(client: Client, key: bytes) -> Reply:
    """Returns the expiration time in milliseconds of a key."""
    return _lifetime(client, key)


@command("EXPIRETIME key", READONLY | FAST, since="7.0.0", complexity="O(1)", keys=["RO access"])
def expiretime(client: Client, key: bytes) -> Reply:
    """Returns the expiration time of a key as a Unix timestamp."""
    return _in_seconds(_expiry(client, key))


@command("PEXPIRETIME key", READONLY | FAST, since="7.0.0", complexity="O(1)", keys=["RO access"])
def pexpiretime(client: Client, key: bytes) -> Reply:
    """Returns the expiration time of a key as a Unix milliseconds timestamp."""
    return _expiry(client, key)


def _expiry(client: Client, key: bytes) -> int:
    """When the key expires (Unix time, ms), or one of the two negative replies."""
    database = client.db
    if read_untouched(database, key) is None:
        return _NO_KEY
    at = database.expiry(key)
    return _NO_EXPIRY if at is None else at


def _lifetime(client: Client, key: bytes) -> int:
    at = _expiry(client, key)
    return at if at < 0 else max(0, at - client.server.keyspace.now)


def _in_seconds(milliseconds: int) -> int:
    return milliseconds if milliseconds < 0 else (milliseconds + 500) // 1000


@command("PERSIST key", WRITE | FAST, since="2.2.0", complexity="O(1)", keys=["RW update"])
def persist(client: Client, key: bytes) -> Reply:
    """Removes the expiration time of a key."""
    database = client.db
    return 1 if database.edit_any(key) is not None and database.persist(key) else 0
