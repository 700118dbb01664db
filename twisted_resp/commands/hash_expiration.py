"""The hash group, expiry of fields: https://redis.io/docs/latest/commands/?group=hash

A field whose new time is not in the future is deleted at once. Persistence and replicas are told absolute
times, of the fields that were changed only; and each deletion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from twisted_resp import errors
from twisted_resp.commands.hashes import live_field, read_fields
from twisted_resp.commands.numbers import at_least, integer
from twisted_resp.commands.table import DENYOOM, FAST, READONLY, WRITE, command
from twisted_resp.errors import CommandError
from twisted_resp.keyspace.events import HASH
from twisted_resp.resp import Reply
from twisted_resp.server.client import Client
from twisted_resp.text.integers import INT32_MAX
from twisted_resp.values.hash import Hash

__all__ = ["GROUP"]

GROUP = "hash"

# The greatest time that a field can have: Unix time in milliseconds.
_MOST: Final = (1 << 46) - 1

_NO_FIELD: Final = -2
_NO_EXPIRY: Final = -1
_NOT_MET: Final = 0
_DONE: Final = 1
_DELETED: Final = 2

_COMPLEXITY: Final = "O(N) where N is the number of specified fields"
_AT_RANDOM: Final = ["nondeterministic_output"]

_NO_FIELDS: Final = b"ERR Mandatory argument FIELDS is missing or not at the right position"
_FIELDS_MISCOUNTED: Final = b"ERR The `numfields` parameter must match the number of arguments"
_TOO_FEW_FIELDS: Final = b"ERR Number of fields must be a positive integer"
_NEGATIVE_TIME: Final = b"ERR invalid expire time, must be >= 0"

#: How a time is given: whether in seconds, and whether counted from now.
_UNITS: Final = {
    b"EX": (True, True),
    b"PX": (False, True),
    b"EXAT": (True, False),
    b"PXAT": (False, False),
}


# ---------------------------------------------------------------------------------------------- arguments


def _time(amount: bytes, unit: tuple[bool, bool], now: int, name: bytes) -> int:
    """Convert a time to Unix time in milliseconds.

    :param unit: one of ``_UNITS``.
    :param name: the command's name, for the error.
    :raises CommandError: not an integer, negative, or too far away.
    """
    seconds, relative = unit
    value = integer(amount)
    if value < 0:
        raise CommandError(_NEGATIVE_TIME)
    if seconds:
        value *= 1000
    if relative:
        value += now
    if value > _MOST:
        raise errors.invalid_expire_time(name)
    return value


def _fields(words: Sequence[bytes], error: bytes = _TOO_FEW_FIELDS) -> Sequence[bytes]:
    """Read ``FIELDS numfields field [field ...]``, which must be all there is.

    :param error: what to say of a number that is not positive.
    :raises CommandError: it is something else.
    """
    if words[0].upper() != b"FIELDS":
        raise CommandError(_NO_FIELDS)
    if at_least(1, words[1], error) != len(words) - 2:
        raise CommandError(_FIELDS_MISCOUNTED)
    return words[2:]


# -------------------------------------------------------------------------------------------- setting times


def _hexpire(
    client: Client, key: bytes, unit: bytes, amount: bytes, rest: Sequence[bytes], name: bytes
) -> Reply:
    db = client.db
    now = db.keyspace.now
    value = db.edit(key, Hash)
    at = _time(amount, _UNITS[unit], now, name)
    condition = rest[0].upper()
    conditions = rest[:1] if condition in _CONDITIONS else ()
    fields = _fields(rest[len(conditions) :], b"ERR Parameter `numFields` should be greater than 0")
    if value is None:
        return [_NO_FIELD] * len(fields)
    value.prepare_expiry()
    met = _CONDITIONS[condition] if conditions else None
    replies: list[Reply] = []
    changed: list[bytes] = []
    for field in fields:
        if not live_field(db, key, value, field):
            replies.append(_NO_FIELD)
        elif met is not None and not met(value.expiry(field), at):
            replies.append(_NOT_MET)
        else:
            changed.append(field)
            _expire_field(value, field, at, now)
            replies.append(_DONE if at > now else _DELETED)
    if changed:
        _changed(client, key, value, changed, at, conditions)
    return replies


def _expire_field(value: Hash, field: bytes, at: int, now: int) -> bool:
    """Give a field its time, or delete it if that is over already; False if it is not there."""
    if at <= now:
        return bool(value.remove((field,)))
    if field not in value:
        return False
    value.set_expiry(field, at)
    return True


def _changed(
    client: Client,
    key: bytes,
    value: Hash,
    fields: Sequence[bytes],
    at: int,
    conditions: Sequence[bytes] = (),
) -> None:
    """Fields were given a new time: tell everybody, others by HPEXPIREAT."""
    if at > client.db.keyspace.now:
        words = (b"%d" % at, *conditions, b"FIELDS", b"%d" % len(fields), *fields)
        client.server.effects.replace(b"HPEXPIREAT", key, *words)
    _tell_change(client, key, value, fields, at)


def _tell_change(client: Client, key: bytes, value: Hash, fields: Sequence[bytes], at: int) -> None:
    """Fields were given a new time, or were deleted as that was over already: which others are told here."""
    db = client.db
    if at > db.keyspace.now:
        db.remind_of_fields(key, value)
        db.grown(key, b"hexpire", HASH, len(fields))
        return
    db.keyspace.expired_fields += len(fields)
    for field in fields:
        client.server.effects.replace(b"HDEL", key, field)
    db.edited(key, b"hdel", HASH, len(fields))


def _nx(current: int | None, at: int) -> bool:
    return current is None


def _xx(current: int | None, at: int) -> bool:
    return current is not None


def _gt(current: int | None, at: int) -> bool:
    return current is not None and at > current


def _lt(current: int | None, at: int) -> bool:
    return current is None or at < current


#: Whether a field's current time (None for ever) lets a new one in.
_CONDITIONS: Final[dict[bytes, Callable[[int | None, int], bool]]] = {
    b"NX": _nx,
    b"XX": _xx,
    b"GT": _gt,
    b"LT": _lt,
}


@command(
    "HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
    WRITE | DENYOOM | FAST,
    since="7.4.0",
    complexity=_COMPLEXITY,
    keys=["RW update"],
)
def hexpire(client: Client, key: bytes, seconds: bytes, *rest: bytes) -> Reply:
    """Set expiry for hash field using relative time to expire (seconds)"""
    return _hexpire(client, key, b"EX", seconds, rest, b"hexpire")


@command(
    "HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
    WRITE | DENYOOM | FAST,
    since="7.4.0",
    complexity=_COMPLEXITY,
    keys=["RW update"],
)
def hpexpire(client: Client, key: bytes, milliseconds: bytes, *rest: bytes) -> Reply:
    """Set expiry for hash field using relative time to expire (milliseconds)"""
    return _hexpire(client, key, b"PX", milliseconds, rest, b"hpexpire")


@command(
    "HEXPIREAT key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
    WRITE | DENYOOM | FAST,
    since="7.4.0",
    complexity=_COMPLEXITY,
    keys=["RW update"],
)
def hexpireat(client: Client, key: bytes, seconds: bytes, *rest: bytes) -> Reply:
    """Set expiry for hash field using an absolute Unix timestamp (seconds)"""
    return _hexpire(client, key, b"EXAT", seconds, rest, b"hexpireat")


@command(
    "HPEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
    WRITE | DENYOOM | FAST,
    since="7.4.0",
    complexity=_COMPLEXITY,
    keys=["RW update"],
)
def hpexpireat(client: Client, key: bytes, milliseconds: bytes, *rest: bytes) -> Reply:
    """Set expiry for hash field using an absolute Unix timestamp (milliseconds)"""
    return _hexpire(client, key, b"PXAT", milliseconds, rest, b"hpexpireat")


@command(
    "HPERSIST key FIELDS numfields field [field ...]",
    WRITE | FAST,
    since="7.4.0",
    complexity=_COMPLEXITY,
    keys=["RW update"],
)
def hpersist(client: Client, key: bytes, *rest: bytes) -> Reply:
    """Removes the expiration time for each specified field"""
    db = client.db
    value = db.edit(key, Hash)
    fields = _fields(rest)
    if value is None:
        return [_NO_FIELD] * len(fields)
    now = db.keyspace.now
    replies: list[Reply] = []
    for field in fields:
        if field not in value or value.is_expired(field, now):
            replies.append(_NO_FIELD)
        else:
            replies.append(_DONE if value.persist(field) else _NO_EXPIRY)
    if _DONE in replies:
        db.grown(key, b"hpersist", HASH)
    return replies


# -------------------------------------------------------------------------------------------- telling times


def _times(client: Client, key: bytes, rest: Sequence[bytes]) -> list[int]:
    """When each field expires (Unix time in ms), or one of the two negative replies. Nothing is deleted."""
    value = client.db.read_as(key, Hash)
    fields = _fields(rest)
    if value is None:
        return [_NO_FIELD] * len(fields)
    now = client.db.keyspace.now
    times = []
    for field in fields:
        at = value.expiry(field)
        if field not in value or (at is not None and at < now):
            at = _NO_FIELD
        times.append(_NO_EXPIRY if at is None else at)
    return times


@command(
    "HTTL key FIELDS numfields field [field ...]",
    READONLY | FAST,
    since="7.4.0",
    complexity=_COMPLEXITY,
    keys=["RO access"],
    tips=_AT_RANDOM,
)
def httl(client: Client, key: bytes, *rest: bytes) -> Reply:
    """Returns the TTL in seconds of a hash field."""
    now = client.db.keyspace.now
    return [at if at < 0 else (at - now + 999) // 1000 for at in _times(client, key, rest)]


@command(
    "HPTTL key FIELDS numfields field [field ...]",
    READONLY | FAST,
    since="7.4.0",
    complexity=_COMPLEXITY,
    keys=["RO access"],
    tips=_AT_RANDOM,
)
def hpttl(client: Client, key: bytes, *rest: bytes) -> Reply:
    """Returns the TTL in milliseconds of a hash field."""
    now = client.db.keyspace.now
    return [at if at < 0 else at - now for at in _times(client, key, rest)]


@command(
    "HEXPIRETIME key FIELDS numfields field [field ...]",
    READONLY | FAST,
    since="7.4.0",
    complexity=_COMPLEXITY,
    keys=["RO access"],
)
def hexpiretime(client: Client, key: bytes, *rest: bytes) -> Reply:
    """Returns the expiration time of a hash field as a Unix timestamp, in seconds."""
    return [at if at < 0 else (at + 999) // 1000 for at in _times(client, key, rest)]


@command(
    "HPEXPIRETIME key FIELDS numfields field [field ...]",
    READONLY | FAST,
    since="7.4.0",
    complexity=_COMPLEXITY,
    keys=["RO access"],
)
def hpexpiretime(client: Client, key: bytes, *rest: bytes) -> Reply:
    """Returns the expiration time of a hash field as a Unix timestamp, in msec."""
    return _times(client, key, rest)


# ------------------------------------------------------------------------------------------- Redis 8's three


@command(
    "HGETDEL key FIELDS numfields field [field ...]",
    WRITE | FAST,
    since="8.0.0",
    complexity=_COMPLEXITY,
    keys=["RW access delete"],
)
def hgetdel(client: Client, key: bytes, *rest: bytes) -> Reply:
    """Returns the value of a field and deletes it from the hash."""
    db = client.db
    value = db.edit(key, Hash)
    fields = _fields(rest)
    if value is None:
        return [None] * len(fields)
    values = read_fields(db, key, value, fields)
    deleted: list[bytes] = []
    for place, field in enumerate(fields):
        if values[place] is None or not value.remove((field,)):
            values[place] = None  # a field that is named again is not there any more
        else:
            deleted.append(field)
    if deleted:
        client.server.effects.replace(b"HDEL", key, *deleted)
        db.edited(key, b"hdel", HASH, len(deleted))
    return values


@command(
    "HGETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | "
    "PERSIST] FIELDS numfields field [field ...]",
    WRITE | FAST,
    since="8.0.0",
    complexity=_COMPLEXITY,
    keys=["RW access update # RW and UPDATE because it changes the TTL"],
)
def hgetex(client: Client, key: bytes, *rest: bytes) -> Reply:
    """Get the value of one or more fields of a given hash key, and optionally set their expiration."""
    db = client.db
    value = db.edit(key, Hash)
    at = None
    option = rest[0].upper()
    unit = _UNITS.get(option)
    if unit is not None:
        at = _time(rest[1], unit, db.keyspace.now, b"hgetex")
        rest = rest[2:]
    elif option == b"PERSIST":
        rest = rest[1:]
    if len(rest) < 2:
        raise CommandError(_NO_FIELDS)
    fields = _fields(rest)
    if value is None:
        return [None] * len(fields)
    values = read_fields(db, key, value, fields)
    if at is not None:
        changed: list[bytes] = []
        for place, field in enumerate(fields):
            if values[place] is None or not _expire_field(value, field, at, db.keyspace.now):
                values[place] = None
            else:
                changed.append(field)
        if changed:
            _changed(client, key, value, changed, at)
    elif option == b"PERSIST":
        persisted = [field for field in fields if value.persist(field)]
        if persisted:
            client.server.effects.replace(b"HPERSIST", key, b"FIELDS", b"%d" % len(persisted), *persisted)
            db.grown(key, b"hpersist", HASH, len(persisted))
    return values


@command(
    "HSETEX key [condition: FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | "
    "PXAT unix-time-milliseconds | KEEPTTL] fields: FIELDS numfields field value [field value ...]",
    WRITE | DENYOOM | FAST,
    since="8.0.0",
    complexity="O(N) where N is the number of fields being set.",
    keys=["RW update"],
)
def hsetex(client: Client, key: bytes, *rest: bytes) -> Reply:
    """Set the value of one or more fields of a given hash key, and optionally set their expiration."""
    db = client.db
    now = db.keyspace.now
    asked = _parse_hsetex(rest, now)
    fields = asked.pairs[::2]
    value = db.edit(key, Hash)
    if value is not None and (asked.condition or asked.keep):
        there = read_fields(db, key, value, fields)
    else:
        there = [None] * len(fields)
    if (asked.condition == b"FNX" and there.count(None) < len(there)) or (
        asked.condition == b"FXX" and None in there
    ):
        return 0
    if not value:
        # There was none, or its last field has just expired.
        value = db.create(key, Hash)
    if asked.keep:
        for field, one in zip(fields, asked.pairs[1::2]):
            value.set(field, one, keep_expiry=True)
    else:
        value.set_many(asked.pairs)
    db.grown(key, b"hset", HASH, len(fields))
    at = asked.at
    if at is None:
        return 1
    fields = list(dict.fromkeys(fields))
    for field in fields:
        _expire_field(value, field, at, now)
    if at > now:
        condition = [asked.condition] if asked.condition else []
        words = (*condition, b"PXAT", b"%d" % at, b"FIELDS", b"%d" % (len(asked.pairs) // 2), *asked.pairs)
        client.server.effects.replace(b"HSETEX", key, *words)
    _tell_change(client, key, value, fields, at)
    return 1


class _Asked(NamedTuple):
    """What HSETEX is asked for."""

    #: FNX or FXX, or empty.
    condition: bytes
    #: Whether fields keep the time that they have.
    keep: bool
    #: The new time (Unix time in milliseconds), or None.
    at: int | None
    #: Fields and values in turn.
    pairs: Sequence[bytes]


def _parse_hsetex(words: Sequence[bytes], now: int) -> _Asked:
    condition = b""
    keep = False
    at: int | None = None
    place = 0
    while True:
        word = words[place].upper()
        place += 1
        if word == b"FIELDS":
            break
        if word in (b"FNX", b"FXX"):
            if condition:
                raise CommandError(b"ERR Only one of FXX or FNX arguments can be specified")
            condition = word
            continue
        unit = _UNITS.get(word)
        if unit is None and word != b"KEEPTTL":
            raise CommandError(b"ERR unknown argument: %b" % words[place - 1])
        if keep or at is not None:
            raise CommandError(b"ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified")
        if unit is None:
            keep = True
            continue
        if place == len(words):
            raise CommandError(b"ERR missing expire time")
        at = _time(words[place], unit, now, b"hsetex")
        place += 1
    pairs = words[place + 1 :]
    if len(pairs) < 2:
        raise errors.wrong_arity(b"hsetex")
    count = at_least(1, words[place], b"ERR invalid number of fields")
    if count > INT32_MAX:
        raise CommandError(b"ERR invalid number of fields")
    if len(pairs) != 2 * count:
        raise errors.wrong_arity(b"hsetex")
    return _Asked(condition, keep, at, pairs)
