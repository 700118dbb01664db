"""The string group, whole values: https://redis.io/docs/latest/commands/?group=string

Parts of values are in `string_parts.py`, numbers in `counters.py`. GET, SET and MSET are the hot path:
without options they do nothing but look up and store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted_resp import errors
from twisted_resp.commands.expire_options import (
    EX,
    EXPIRATION,
    GET,
    GETEX_OPTIONS,
    KEEPTTL,
    NX,
    PERSIST,
    PX,
    PXAT,
    SET_OPTIONS,
    XX,
    deadline,
    expire_at,
    parse_options,
)
from twisted_resp.commands.getkeys import set_keys
from twisted_resp.commands.keyspecs import Index, KeyNum, KeySpec
from twisted_resp.commands.table import DENYOOM, FAST, READONLY, WRITE, command, in_columns
from twisted_resp.errors import CommandError
from twisted_resp.keyspace.columns import read_strings, store_strings
from twisted_resp.keyspace.database import Database, as_string
from twisted_resp.keyspace.events import STRING
from twisted_resp.resp import OK, Reply
from twisted_resp.server.client import Client
from twisted_resp.text.integers import INT32_MAX, parse_integer
from twisted_resp.text.xxh3 import xxh3_64

__all__ = ["GROUP"]

GROUP = "string"

_DIGEST_LENGTH: Final = 16
_INVALID_DIGEST: Final = b"ERR must be exactly %d hexadecimal characters" % _DIGEST_LENGTH
# SET's comparisons with the value that is there, and whether each asks for equality and for a digest.
_COMPARISONS: Final = {
    b"IFEQ": (True, False),
    b"IFNE": (False, False),
    b"IFDEQ": (True, True),
    b"IFDNE": (False, True),
}
_WITH_AMOUNT: Final = frozenset((b"EX", b"PX", b"EXAT", b"PXAT"))

Comparison = tuple[bool, bool, bytes]


@command("GET key", READONLY | FAST, since="1.0.0", complexity="O(1)", keys=["RO access"])
def get(client: Client, key: bytes) -> Reply:
    """Returns the string value of a key."""
    value = client.db.read(key)
    # What read_string does, without one more call for the usual kinds.
    return value if value is None or type(value) is bytes else as_string(value)


@in_columns(get, 2)
def _get_in_columns(client: Client, keys: list[bytes]) -> Sequence[Reply]:
    return read_strings(client.db, keys) or ()


@command(
    "SET key value [NX | XX | IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | IFDNE ifdne-digest] "
    "[GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
    WRITE | DENYOOM,
    since="1.0.0",
    complexity="O(1)",
    keys=["RW access update variable_flags # RW and ACCESS due to the optional `GET` argument"],
    get_keys=set_keys,
    argument_since={
        "condition": "2.6.12",
        "ifeq-value": "8.4.0",
        "ifne-value": "8.4.0",
        "ifdeq-digest": "8.4.0",
        "ifdne-digest": "8.4.0",
        "get": "6.2.0",
        "seconds": "2.6.12",
        "milliseconds": "2.6.12",
        "unix-time-seconds": "6.2.0",
        "unix-time-milliseconds": "6.2.0",
        "keepttl": "6.0.0",
    },
    history=[
        ("2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options."),
        ("6.0.0", "Added the `KEEPTTL` option."),
        ("6.2.0", "Added the `GET`, `EXAT` and `PXAT` option."),
        ("7.0.0", "Allowed the `NX` and `GET` options to be used together."),
        ("8.4.0", "Added 'IFEQ', 'IFNE', 'IFDEQ', 'IFDNE' options."),
    ],
)
def set_(client: Client, key: bytes, value: bytes, *options: bytes) -> Reply:
    """Sets the string value of a key, ignoring its type. The key is created if it doesn't exist."""
    if options:
        return _set_with_options(client, key, value, options)
    client.db.store(key, value, b"set", STRING)
    return OK


@in_columns(set_, 3)
def _set_in_columns(client: Client, keys: list[bytes], values: list[bytes]) -> Sequence[Reply]:
    return [OK] * len(keys) if store_strings(client.db, keys, values) else ()


def _set_with_options(client: Client, key: bytes, value: bytes, options: tuple[bytes, ...]) -> Reply:
    comparison, options = _take_comparison(options)
    flags, amount = parse_options(options, SET_OPTIONS)
    if comparison is not None and flags & (NX | XX):
        raise CommandError(errors.SYNTAX)
    server = client.server
    at = deadline(flags, amount, server.keyspace.now, b"set") if flags & EXPIRATION else None
    db = client.db
    previous = db.read_string(key) if flags & GET else None
    if flags & (NX | XX):
        if db.exists(key) is not bool(flags & XX):
            return previous
    elif comparison is not None and not _holds(comparison, db.edit_string(key)):
        return previous
    db.store(key, value, b"set", STRING, bool(flags & KEEPTTL))
    if at is not None:
        db.set_expiry(key, at, dirty=0)
        if not flags & PXAT:
            server.effects.replace(b"SET", key, value, b"PXAT", b"%d" % at)
    elif flags & GET:
        server.effects.replace(b"SET", key, value, *[word for word in options if word.upper() != b"GET"])
    return previous if flags & GET else OK


def _take_comparison(options: tuple[bytes, ...]) -> tuple[Comparison | None, tuple[bytes, ...]]:
    """Find the first of SET's comparisons; return it with its operand, and the other options."""
    place = 0
    while place < len(options):
        word = options[place].upper()
        if word in _COMPARISONS:
            if place + 1 == len(options):
                raise CommandError(errors.SYNTAX)
            comparison = (*_COMPARISONS[word], options[place + 1])
            return comparison, options[:place] + options[place + 2 :]
        place += 2 if word in _WITH_AMOUNT else 1
    return None, options


def _holds(comparison: Comparison, value: bytes | bytearray | None) -> bool:
    """Whether a comparison with a value holds; one with a key that is not there holds for inequality.

    :raises CommandError: a digest that can't be one.
    """
    equal, digested, operand = comparison
    if value is None:
        return not equal
    if digested:
        if len(operand) != _DIGEST_LENGTH:
            raise CommandError(_INVALID_DIGEST)
        return (operand.lower() == _digest_of(value)) is equal
    return (operand == value) is equal


def _digest_of(value: bytes | bytearray) -> bytes:
    return b"%016x" % xxh3_64(bytes(value))


@command(
    "SETNX key value",
    WRITE | DENYOOM | FAST,
    since="1.0.0",
    complexity="O(1)",
    keys=["OW insert"],
    deprecated="2.6.12",
    replaced_by="`SET` with the `NX` argument",
)
def setnx(client: Client, key: bytes, value: bytes) -> Reply:
    """Set the string value of a key only when the key doesn't exist."""
    if client.db.exists(key):
        return 0
    client.db.store(key, value, b"set", STRING)
    return 1


@command(
    "SETEX key seconds value",
    WRITE | DENYOOM,
    since="2.0.0",
    complexity="O(1)",
    keys=["OW update"],
    deprecated="2.6.12",
    replaced_by="`SET` with the `EX` argument",
)
def setex(client: Client, key: bytes, seconds: bytes, value: bytes) -> Reply:
    """Sets the string value and expiration time of a key. Creates the key if it doesn't exist."""
    return _set_until(client, key, value, deadline(EX, seconds, client.server.keyspace.now, b"setex"))


@command(
    "PSETEX key milliseconds value",
    WRITE | DENYOOM,
    since="2.6.0",
    complexity="O(1)",
    keys=["OW update"],
    deprecated="2.6.12",
    replaced_by="`SET` with the `PX` argument",
)
def psetex(client: Client, key: bytes, milliseconds: bytes, value: bytes) -> Reply:
    """Sets both string value and expiration time in milliseconds of a key.
    The key is created if it doesn't exist.
    """
    return _set_until(client, key, value, deadline(PX, milliseconds, client.server.keyspace.now, b"psetex"))


def _set_until(client: Client, key: bytes, value: bytes, at: int) -> Reply:
    client.db.store(key, value, b"set", STRING)
    client.db.set_expiry(key, at, dirty=0)
    client.server.effects.replace(b"SET", key, value, b"PXAT", b"%d" % at)
    return OK


@command(
    "GETSET key value",
    WRITE | DENYOOM | FAST,
    since="1.0.0",
    complexity="O(1)",
    keys=["RW access update"],
    deprecated="6.2.0",
    replaced_by="`SET` with the `!GET` argument",
)
def getset(client: Client, key: bytes, value: bytes) -> Reply:
    """Returns the previous string value of a key after setting it to a new value."""
    previous = client.db.read_string(key)
    client.db.store(key, value, b"set", STRING)
    client.server.effects.replace(b"SET", key, value)
    return previous


@command("GETDEL key", WRITE | FAST, since="6.2.0", complexity="O(1)", keys=["RW access delete"])
def getdel(client: Client, key: bytes) -> Reply:
    """Returns the string value of a key after deleting the key."""
    value = client.db.read_string(key)
    if value is not None:
        client.db.remove(key)
        client.server.effects.replace(b"DEL", key)
    return value


@command(
    "GETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | "
    "PERSIST]",
    WRITE | FAST,
    since="6.2.0",
    complexity="O(1)",
    keys=["RW access update # RW and UPDATE because it changes the TTL"],
)
def getex(client: Client, key: bytes, *options: bytes) -> Reply:
    """Returns the string value of a key after setting its expiration time."""
    flags, amount = parse_options(options, GETEX_OPTIONS)
    value = client.db.read_string(key)
    if value is None:
        return None
    if flags & EXPIRATION:
        expire_at(client, key, deadline(flags, amount, client.server.keyspace.now, b"getex"))
    elif flags & PERSIST and client.db.persist(key):
        client.server.effects.replace(b"PERSIST", key)
    return value


@command(
    "MGET key [key ...]",
    READONLY | FAST,
    since="1.0.0",
    complexity="O(N) where N is the number of keys to retrieve.",
    keys=["RO access"],
    tips=["request_policy:multi_shard"],
)
def mget(client: Client, *keys: bytes) -> Reply:
    """Atomically returns the string values of one or more keys."""
    found = read_strings(client.db, keys)
    if found is not None:
        return list(found)
    read = client.db.read
    values: list[Reply] = []
    for key in keys:
        value = read(key)
        if value is None or type(value) is bytes:
            values.append(value)
        else:
            values.append(bytes(value) if isinstance(value, (bytes, bytearray)) else None)
    return values


@command(
    "MSET key value [key value ...]",
    WRITE | DENYOOM,
    since="1.0.1",
    complexity="O(N) where N is the number of keys to set.",
    keys=["OW update"],
    tips=["request_policy:multi_shard", "response_policy:all_succeeded"],
)
def mset(client: Client, *pairs: bytes) -> Reply:
    """Atomically creates or modifies the string values of one or more keys."""
    if len(pairs) & 1:
        raise errors.wrong_arity(b"mset")
    _store_pairs(client.db, pairs, False)
    return OK


@command(
    "MSETNX key value [key value ...]",
    WRITE | DENYOOM,
    since="1.0.1",
    complexity="O(N) where N is the number of keys to set.",
    keys=["OW insert"],
)
def msetnx(client: Client, *pairs: bytes) -> Reply:
    """Atomically modifies the string values of one or more keys only when all keys don't exist."""
    if len(pairs) & 1:
        raise errors.wrong_arity(b"msetnx")
    if any(map(client.db.exists, pairs[::2])):
        return 0
    _store_pairs(client.db, pairs, False)
    return 1


def _store_pairs(db: Database, pairs: tuple[bytes, ...], keep_ttl: bool) -> None:
    if not keep_ttl and store_strings(db, pairs[::2], pairs[1::2]):
        return
    store = db.store
    words = iter(pairs)
    for key in words:
        store(key, next(words), b"set", STRING, keep_ttl)


@command(
    "MSETEX numkeys key value [key value ...] [NX | XX] [EX seconds | PX milliseconds | "
    "EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
    WRITE | DENYOOM,
    since="8.4.0",
    complexity="O(N) where N is the number of keys to set.",
    keys=[KeySpec(Index(1), KeyNum(0, 1, 2), ("OW", "update"))],
    tips=["request_policy:multi_shard", "response_policy:all_succeeded"],
)
def msetex(client: Client, numkeys: bytes, *rest: bytes) -> Reply:
    """Atomically sets multiple string keys with an optional shared expiration in a single operation."""
    count = parse_integer(numkeys)
    if count is None or not 1 <= count <= INT32_MAX:
        raise CommandError(b"ERR invalid numkeys value")
    if 2 * count > len(rest):
        raise CommandError(b"ERR wrong number of key-value pairs")
    pairs = rest[: 2 * count]
    flags, amount = parse_options(rest[2 * count :], SET_OPTIONS & ~GET)
    at = deadline(flags, amount, client.server.keyspace.now, b"msetex") if flags & EXPIRATION else None
    db = client.db
    if flags & (NX | XX):
        wanted = bool(flags & XX)
        if not all(db.exists(key) is wanted for key in pairs[::2]):
            return 0
    _store_pairs(db, pairs, bool(flags & KEEPTTL))
    if at is not None:
        for key in pairs[::2]:
            db.set_expiry(key, at, dirty=0)
        client.server.effects.replace(b"MSETEX", numkeys, *pairs, b"PXAT", b"%d" % at)
    return 1


@command(
    "DIGEST key",
    READONLY | FAST,
    since="8.4.0",
    complexity="O(N) where N is the length of the string value.",
    keys=["RO access"],
)
def digest(client: Client, key: bytes) -> Reply:
    """Returns the XXH3 hash of a string value."""
    value = client.db.read_buffer(key)
    return None if value is None else _digest_of(value)


@command(
    "DELEX key [condition: IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | IFDNE ifdne-digest]",
    WRITE | FAST,
    since="8.4.0",
    complexity="O(1) for IFEQ/IFNE, O(N) for IFDEQ/IFDNE where N is the length of the string value.",
    keys=["RW delete variable_flags"],
)
def delex(client: Client, key: bytes, *condition: bytes) -> Reply:
    """Conditionally removes the specified key based on value or digest comparison."""
    if len(condition) not in (0, 2):
        raise errors.wrong_arity(b"delex")
    db = client.db
    if condition:
        value = db.peek(key)
        if value is None:
            return 0
        if not isinstance(value, (bytes, bytearray)):
            raise CommandError(b"ERR Key should be of string type if conditions are specified")
        kind = _COMPARISONS.get(condition[0].upper())
        if kind is None:
            raise CommandError(b"ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE")
        if not _holds((*kind, condition[1]), value):
            return 0
    if not db.remove(key):
        return 0
    client.server.effects.replace(b"DEL", key)
    return 1
