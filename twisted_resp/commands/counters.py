"""The string group, numbers: INCR and its kin. https://redis.io/docs/latest/commands/?group=string"""

from __future__ import annotations

from collections.abc import Sequence

from twisted_resp import errors
from twisted_resp.commands.table import DENYOOM, FAST, WRITE, command, in_columns
from twisted_resp.errors import CommandError
from twisted_resp.keyspace.columns import glance, store_strings
from twisted_resp.keyspace.events import STRING
from twisted_resp.resp import Reply
from twisted_resp.server.client import Client
from twisted_resp.text.integers import INT64_MAX, INT64_MIN, parse_integer
from twisted_resp.text.long_doubles import format_long_double, parse_long_double
from twisted_resp.values.strings import Plain

__all__ = ["GROUP"]

GROUP = "string"

_ZERO = ord("0")
# Numbers with fewer digits fit 64 bits.
_ALWAYS_FITS = 19


@command("INCR key", WRITE | DENYOOM | FAST, since="1.0.0", complexity="O(1)", keys=["RW access update"])
def incr(client: Client, key: bytes) -> Reply:
    """Increments the integer value of a key by one. Uses 0 as initial value if the key doesn't exist."""
    return _add(client, key, 1)


@in_columns(incr, 2)
def _incr_in_columns(client: Client, keys: list[bytes]) -> Sequence[Reply]:
    found = glance(client.db, keys)
    if found is None:
        return ()
    numbers: dict[bytes, int] = {}
    replies = []
    for key, value in zip(keys, found):
        number = numbers.get(key, 0)
        if not number and value is not None:
            if not (
                type(value) is bytes and value.isdigit() and value[0] != _ZERO and len(value) < _ALWAYS_FITS
            ):
                return ()
            number = int(value)
        number += 1
        numbers[key] = number
        replies.append(number)
    if not store_strings(client.db, list(numbers), map(b"%d".__mod__, numbers.values()), len(keys)):
        return ()
    return replies


@command("DECR key", WRITE | DENYOOM | FAST, since="1.0.0", complexity="O(1)", keys=["RW access update"])
def decr(client: Client, key: bytes) -> Reply:
    """Decrements the integer value of a key by one. Uses 0 as initial value if the key doesn't exist."""
    return _add(client, key, -1)


@command(
    "INCRBY key increment",
    WRITE | DENYOOM | FAST,
    since="1.0.0",
    complexity="O(1)",
    keys=["RW access update"],
)
def incrby(client: Client, key: bytes, increment: bytes) -> Reply:
    """Increments the integer value of a key by a number. Uses 0 as initial value if the key doesn't exist."""
    amount = parse_integer(increment)
    if amount is None:
        raise CommandError(errors.NOT_AN_INTEGER)
    return _add(client, key, amount)


@command(
    "DECRBY key decrement",
    WRITE | DENYOOM | FAST,
    since="1.0.0",
    complexity="O(1)",
    keys=["RW access update"],
)
def decrby(client: Client, key: bytes, decrement: bytes) -> Reply:
    """Decrements a number from the integer value of a key.
    Uses 0 as initial value if the key doesn't exist.
    """
    amount = parse_integer(decrement)
    if amount is None:
        raise CommandError(errors.NOT_AN_INTEGER)
    if amount == INT64_MIN:
        raise CommandError(b"ERR decrement would overflow")
    return _add(client, key, -amount)


def _add(client: Client, key: bytes, amount: int) -> int:
    db = client.db
    value = db.edit_any(key)
    if value is None:
        db.store(key, b"%d" % amount, b"incrby", STRING)
        return amount
    if type(value) is not bytes:
        if not isinstance(value, (bytes, bytearray)):
            raise CommandError(errors.WRONG_TYPE)
        value = bytes(value)
    # Nearly always parse_integer() would say just that.
    if value.isdigit() and value[0] != _ZERO and len(value) < _ALWAYS_FITS:
        number = int(value)
    else:
        parsed = parse_integer(value)
        if parsed is None:
            raise CommandError(errors.NOT_AN_INTEGER)
        number = parsed
    amount += number
    if not INT64_MIN <= amount <= INT64_MAX:
        raise CommandError(errors.INCREMENT_OVERFLOW)
    db.replace(key, b"%d" % amount, b"incrby", STRING)
    return amount


@command(
    "INCRBYFLOAT key increment",
    WRITE | DENYOOM | FAST,
    since="2.6.0",
    complexity="O(1)",
    keys=["RW access update"],
    types={"increment": "double"},
)
def incrbyfloat(client: Client, key: bytes, increment: bytes) -> Reply:
    """Increment the floating point value of a key by a number.
    Uses 0 as initial value if the key doesn't exist.
    """
    value = client.db.edit_string(key)
    number = parse_long_double(b"0" if value is None else bytes(value))
    amount = parse_long_double(increment)
    if number is None or amount is None:
        raise CommandError(errors.NOT_A_FLOAT)
    total = number.plus(amount)
    if not total.is_finite:
        raise CommandError(errors.NAN_OR_INFINITY)
    text = format_long_double(total)
    if value is None:
        client.db.store(key, Plain(text), b"incrbyfloat", STRING)
    else:
        client.db.replace(key, Plain(text), b"incrbyfloat", STRING)
    # Others must not have to add as we do.
    client.server.effects.replace(b"SET", key, text, b"KEEPTTL")
    return text
