"""The hash group: https://redis.io/docs/latest/commands/?group=hash

The commands that are about the expiry of fields are in ``hash_expiration.py``. All others heed it: a field
whose time is over is not there any more, and the first command that is asked for it takes it out. Only HLEN
and HDEL do not look, and those that go through whole hashes leave such fields out and where they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted_resp import errors
from twisted_resp.commands.numbers import draws, integer
from twisted_resp.commands.scanning import parse_cursor, parse_scan_options
from twisted_resp.commands.table import DENYOOM, FAST, READONLY, WRITE, command, in_columns
from twisted_resp.errors import CommandError
from twisted_resp.keyspace.columns import create_alike
from twisted_resp.keyspace.database import Database
from twisted_resp.keyspace.events import HASH
from twisted_resp.resp import OK, Map, Reply
from twisted_resp.server.client import Client
from twisted_resp.text.integers import INT64_MAX, INT64_MIN, parse_integer
from twisted_resp.text.long_doubles import format_long_double, parse_long_double
from twisted_resp.values.hash import Hash

__all__ = ["GROUP", "live_field", "read_fields"]

GROUP = "hash"

_ANY_ORDER: Final = ["nondeterministic_output_order"]
_AT_RANDOM: Final = ["nondeterministic_output"]


def live_field(db: Database, key: bytes, value: Hash, field: bytes) -> bool:
    """Whether a field is there; one whose time is over is taken out now."""
    return field in value and not (value.has_expiries and db.is_field_expired(key, value, field))


def read_fields(db: Database, key: bytes, value: Hash, fields: Sequence[bytes]) -> list[Reply]:
    """The value of each field, None where it is not there. What has expired goes, with a single event."""
    found = value.get_many(fields)
    if value.has_expiries:
        now = db.keyspace.now
        expired = {field: None for field in fields if value.is_expired(field, now)}
        if expired:
            found = [None if field in expired else one for field, one in zip(fields, found)]
            db.expire_fields(key, value, list(expired))
    return found


# ------------------------------------------------------------------------------------------------ setting


@command(
    "HSET key field value [field value ...]",
    WRITE | DENYOOM | FAST,
    since="2.0.0",
    complexity="O(1) for each field/value pair added, so O(N) to add N field/value pairs when the command is "
    "called with multiple field/value pairs.",
    keys=["RW update"],
    history=[("4.0.0", "Accepts multiple `field` and `value` arguments.")],
)
def hset(client: Client, key: bytes, *pairs: bytes) -> Reply:
    """Creates or modifies the value of a field in a hash."""
    if len(pairs) & 1:
        raise errors.wrong_arity(b"hset")
    db = client.db
    value = db.edit(key, Hash)
    if value is None:
        value = db.create(key, Hash)
    added = value.set_many(pairs)
    db.grown(key, b"hset", HASH, len(pairs) >> 1)
    return added


@in_columns(hset, 4)
def _hset_in_columns(
    client: Client, keys: list[bytes], fields: list[bytes], values: list[bytes]
) -> Sequence[Reply]:
    db = client.db
    value = create_alike(db, keys, Hash)
    if value is None:
        return ()
    added = value.set_each(fields, values)
    db.grown(keys[0], b"hset", HASH, len(fields))
    return added


@command(
    "HMSET key field value [field value ...]",
    WRITE | DENYOOM | FAST,
    since="2.0.0",
    complexity="O(N) where N is the number of fields being set.",
    keys=["RW update"],
    deprecated="4.0.0",
    replaced_by="`HSET` with multiple field-value pairs",
)
def hmset(client: Client, key: bytes, *pairs: bytes) -> Reply:
    """Sets the values of multiple fields."""
    if len(pairs) & 1:
        raise errors.wrong_arity(b"hmset")
    hset(client, key, *pairs)
    return OK


@command(
    "HSETNX key field value", WRITE | DENYOOM | FAST, since="2.0.0", complexity="O(1)", keys=["RW insert"]
)
def hsetnx(client: Client, key: bytes, field: bytes, value: bytes) -> Reply:
    """Sets the value of a field in a hash only when the field doesn't exist."""
    db = client.db
    fields = db.edit(key, Hash)
    if fields is not None and live_field(db, key, fields, field):
        return 0
    if not fields:
        # There was none, or its last field has just expired.
        fields = db.create(key, Hash)
    fields.set(field, value)
    db.grown(key, b"hset", HASH)
    return 1


@command(
    "HINCRBY key field increment",
    WRITE | DENYOOM | FAST,
    since="2.0.0",
    complexity="O(1)",
    keys=["RW access update"],
)
def hincrby(client: Client, key: bytes, field: bytes, increment: bytes) -> Reply:
    """Increments the integer value of a field in a hash by a number.
    Uses 0 as initial value if the field doesn't exist.
    """
    total = integer(increment)
    db = client.db
    value = db.edit(key, Hash)
    if value is not None and live_field(db, key, value, field):
        number = parse_integer(value.get(field) or b"")
        if number is None:
            raise CommandError(b"ERR hash value is not an integer")
        total += number
        if not INT64_MIN <= total <= INT64_MAX:
            raise CommandError(errors.INCREMENT_OVERFLOW)
    if not value:
        value = db.create(key, Hash)
    value.set(field, b"%d" % total, keep_expiry=True)
    db.grown(key, b"hincrby", HASH)
    return total


@command(
    "HINCRBYFLOAT key field increment",
    WRITE | DENYOOM | FAST,
    since="2.6.0",
    complexity="O(1)",
    keys=["RW access update"],
    types={"increment": "double"},
)
def hincrbyfloat(client: Client, key: bytes, field: bytes, increment: bytes) -> Reply:
    """Increments the floating point value of a field by a number.
    Uses 0 as initial value if the field doesn't exist.
    """
    total = parse_long_double(increment)
    if total is None:
        raise CommandError(errors.NOT_A_FLOAT)
    if not total.is_finite:
        raise CommandError(b"ERR value is NaN or Infinity")
    db = client.db
    value = db.edit(key, Hash)
    if value is not None and live_field(db, key, value, field):
        number = parse_long_double(value.get(field) or b"")
        if number is None:
            raise CommandError(b"ERR hash value is not a float")
        total = total.plus(number)
        if not total.is_finite:
            raise CommandError(errors.NAN_OR_INFINITY)
    if not value:
        value = db.create(key, Hash)
    text = format_long_double(total)
    value.set(field, text, keep_expiry=True)
    db.grown(key, b"hincrbyfloat", HASH)
    # Others must not have to add as we do. HSET takes the field's expiry away, unlike this command.
    effects = client.server.effects
    effects.replace(b"HSET", key, field, text)
    at = value.expiry(field)
    if at is not None:
        effects.replace(b"HPEXPIREAT", key, b"%d" % at, b"FIELDS", b"1", field)
    return text


@command(
    "HDEL key field [field ...]",
    WRITE | FAST,
    since="2.0.0",
    complexity="O(N) where N is the number of fields to be removed.",
    keys=["RW delete"],
    history=[("2.4.0", "Accepts multiple `field` arguments.")],
)
def hdel(client: Client, key: bytes, *fields: bytes) -> Reply:
    """Deletes one or more fields and their values from a hash. Deletes the hash if no fields remain."""
    db = client.db
    value = db.edit(key, Hash)
    if value is None:
        return 0
    removed = value.remove(fields)
    if removed:
        db.edited(key, b"hdel", HASH, removed)
    return removed


# ------------------------------------------------------------------------------------------------ reading


@command("HGET key field", READONLY | FAST, since="2.0.0", complexity="O(1)", keys=["RO access"])
def hget(client: Client, key: bytes, field: bytes) -> Reply:
    """Returns the value of a field in a hash."""
    value = client.db.read_as(key, Hash)
    if value is None or (value.has_expiries and client.db.is_field_expired(key, value, field)):
        return None
    return value.get(field)


@command(
    "HMGET key field [field ...]",
    READONLY | FAST,
    since="2.0.0",
    complexity="O(N) where N is the number of fields being requested.",
    keys=["RO access"],
)
def hmget(client: Client, key: bytes, *fields: bytes) -> Reply:
    """Returns the values of all fields in a hash."""
    value = client.db.read_as(key, Hash)
    if value is None:
        return [None] * len(fields)
    return read_fields(client.db, key, value, fields)


@command(
    "HGETALL key",
    READONLY,
    since="2.0.0",
    complexity="O(N) where N is the size of the hash.",
    keys=["RO access"],
    tips=_ANY_ORDER,
)
def hgetall(client: Client, key: bytes) -> Reply:
    """Returns all fields and values in a hash."""
    value = client.db.read_as(key, Hash)
    return Map([] if value is None else value.live_items(client.db.keyspace.now))


@command(
    "HKEYS key",
    READONLY,
    since="2.0.0",
    complexity="O(N) where N is the size of the hash.",
    keys=["RO access"],
    tips=_ANY_ORDER,
)
def hkeys(client: Client, key: bytes) -> Reply:
    """Returns all fields in a hash."""
    value = client.db.read_as(key, Hash)
    if value is None:
        return []
    if not value.has_expiries:
        return value.fields()
    return [field for field, _ in value.live_items(client.db.keyspace.now)]


@command(
    "HVALS key",
    READONLY,
    since="2.0.0",
    complexity="O(N) where N is the size of the hash.",
    keys=["RO access"],
    tips=_ANY_ORDER,
)
def hvals(client: Client, key: bytes) -> Reply:
    """Returns all values in a hash."""
    value = client.db.read_as(key, Hash)
    if value is None:
        return []
    if not value.has_expiries:
        return value.values()
    return [one for _, one in value.live_items(client.db.keyspace.now)]


@command("HLEN key", READONLY | FAST, since="2.0.0", complexity="O(1)", keys=["RO"])
def hlen(client: Client, key: bytes) -> Reply:
    """Returns the number of fields in a hash."""
    value = client.db.read_as(key, Hash)
    return 0 if value is None else len(value)


@command("HSTRLEN key field", READONLY | FAST, since="3.2.0", complexity="O(1)", keys=["RO"])
def hstrlen(client: Client, key: bytes, field: bytes) -> Reply:
    """Returns the length of the value of a field."""
    return len(hget(client, key, field) or b"")


@command("HEXISTS key field", READONLY | FAST, since="2.0.0", complexity="O(1)", keys=["RO"])
def hexists(client: Client, key: bytes, field: bytes) -> Reply:
    """Determines whether a field exists in a hash."""
    value = client.db.read_as(key, Hash)
    return 0 if value is None else int(live_field(client.db, key, value, field))


# -------------------------------------------------------------------------------------- draws and scans


@command(
    "HRANDFIELD key [options: count [WITHVALUES]]",
    READONLY,
    since="6.2.0",
    complexity="O(N) where N is the number of fields returned",
    keys=["RO access"],
    tips=_AT_RANDOM,
    arity=-2,
)
def hrandfield(client: Client, key: bytes, *options: bytes) -> Reply:
    """Returns one or more random fields from a hash."""
    db = client.db
    random = client.server.random
    if not options:
        value = db.read_as(key, Hash)
        if value is not None and value.has_expiries:
            db.expire_due_fields(key, value)
        return value.random(random) if value else None
    count = integer(options[0])
    if count < -INT64_MAX:
        raise errors.not_between(-INT64_MAX, INT64_MAX)
    with_values = len(options) > 1
    if with_values:
        if len(options) > 2 or options[1].upper() != b"WITHVALUES":
            raise CommandError(errors.SYNTAX)
        if abs(count) > INT64_MAX // 2:
            raise CommandError(errors.OUT_OF_RANGE)
    value = db.read_as(key, Hash)
    if value is not None and value.has_expiries:
        db.expire_due_fields(key, value)
    if not value or not count:
        return []
    fields = value.random_many(random, draws(client, -count)) if count < 0 else value.sample(random, count)
    if not with_values:
        return fields
    pairs = zip(fields, value.get_many(fields))
    return list(map(list, pairs)) if client.protocol == 3 else [word for pair in pairs for word in pair]


@command(
    "HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]",
    READONLY,
    since="2.8.0",
    complexity="O(1) for every call. O(N) for a complete iteration, including enough command calls for the "
    "cursor to return back to 0. N is the number of elements inside the collection.",
    keys=["RO access"],
    tips=_AT_RANDOM,
)
def hscan(client: Client, key: bytes, cursor: bytes, *options: bytes) -> Reply:
    """Iterates over fields and values of a hash."""
    start = parse_cursor(cursor)
    db = client.db
    value = db.read_as(key, Hash)
    if value is None:
        return [b"0", []]
    asked = parse_scan_options(options, fields=True)
    following, fields = value.scan(start, asked.count)
    if asked.matches is not None:
        fields = list(filter(asked.matches, fields))
    if value.has_expiries:
        now = db.keyspace.now
        fields = [field for field in fields if not value.is_expired(field, now)]
    if not asked.no_values:
        pairs = zip(fields, value.get_many(fields))
        return [b"%d" % following, [word for pair in pairs for word in pair]]
    return [b"%d" % following, fields]
