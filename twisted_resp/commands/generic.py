"""The generic group, keys as wholes: delete, look at, rename, copy, move.

https://redis.io/docs/latest/commands/?group=generic (EXPIRE and its kin are in ``expiration``, KEYS and SCAN
in ``scanning``, SORT in ``sorting``).
"""

from __future__ import annotations

from typing import Final

from twisted_resp import errors
from twisted_resp.commands.helping import help_reply
from twisted_resp.commands.table import DENYOOM, FAST, LOADING, READONLY, STALE, WRITE, command, container
from twisted_resp.errors import CommandError
from twisted_resp.keyspace import lfu
from twisted_resp.keyspace.database import Database, Value, type_name
from twisted_resp.keyspace.events import GENERIC, SILENT
from twisted_resp.keyspace.keyspace import TOUCH_NOT
from twisted_resp.resp import OK, Reply, Status
from twisted_resp.server.client import Client
from twisted_resp.text.integers import INT32_MAX, INT32_MIN, parse_integer
from twisted_resp.values.strings import encoding_of

__all__ = ["read_untouched"]

GROUP = "generic"

_NONE: Final = Status(b"none")

# Redis keeps one object for each of these integers; it says this of how often it is used.
_SHARED_INTEGERS: Final = 10000
_SHARED_REFCOUNT: Final = INT32_MAX

_SUMS_OVER_SHARDS: Final = ("request_policy:multi_shard", "response_policy:agg_sum")


def read_untouched(database: Database, key: bytes) -> Value:
    """Look a key up for reading, hits and misses counted, but with no effect on its access time."""
    keyspace = database.keyspace
    touching, keyspace.touching = keyspace.touching, TOUCH_NOT
    value = database.read(key)
    keyspace.touching = touching
    return value


# ---------------------------------------------------------- delete and look


@command(
    "DEL key [key ...]",
    WRITE,
    since="1.0.0",
    complexity="O(N) where N is the number of keys that will be removed. When a key to remove holds a value "
    "other than a string, the individual complexity for this key is O(M) where M is the number of elements "
    "in the list, set, sorted set or hash. Removing a single key that holds a string value is O(1).",
    keys=["RM delete"],
    tips=_SUMS_OVER_SHARDS,
)
def del_(client: Client, *keys: bytes) -> Reply:
    """Deletes one or more keys."""
    return _delete(client.db, keys, client.server.keyspace.lazy_free.on_delete)


@command(
    "UNLINK key [key ...]",
    WRITE | FAST,
    since="4.0.0",
    complexity="O(1) for each key removed regardless of its size. Then the command does O(N) work in a "
    "different thread in order to reclaim memory, where N is the number of allocations the deleted objects "
    "where composed of.",
    keys=["RM delete"],
    tips=_SUMS_OVER_SHARDS,
)
def unlink(client: Client, *keys: bytes) -> Reply:
    """Asynchronously deletes one or more keys."""
    return _delete(client.db, keys, True)


def _delete(database: Database, keys: tuple[bytes, ...], lazily: bool) -> int:
    remove = database.remove
    removed = 0
    for key in keys:
        if remove(key, lazily=lazily):
            removed += 1
    return removed


@command(
    "EXISTS key [key ...]",
    READONLY | FAST,
    since="1.0.0",
    complexity="O(N) where N is the number of keys to check.",
    keys=["RO"],
    tips=_SUMS_OVER_SHARDS,
    history=[("3.0.3", "Accepts multiple `key` arguments.")],
)
def exists(client: Client, *keys: bytes) -> Reply:
    """Determines whether one or more keys exist."""
    database = client.db
    return sum(read_untouched(database, key) is not None for key in keys)


@command("TYPE key", READONLY | FAST, since="1.0.0", complexity="O(1)", keys=["RO"])
def type_(client: Client, key: bytes) -> Reply:
    """Determines the type of value stored at a key."""
    value = read_untouched(client.db, key)
    return _NONE if value is None else Status(type_name(value))


@command(
    "TOUCH key [key ...]",
    READONLY | FAST,
    since="3.2.1",
    complexity="O(N) where N is the number of keys that will be touched.",
    keys=["RO"],
    tips=_SUMS_OVER_SHARDS,
)
def touch(client: Client, *keys: bytes) -> Reply:
    """Returns the number of existing keys out of those specified after updating the time they were last
    accessed.
    """
    read = client.db.read
    return sum(read(key) is not None for key in keys)


# -------------------------------------------------------- rename, move, copy


@command(
    "RENAME key newkey",
    WRITE,
    since="1.0.0",
    complexity="O(1)",
    keys=["RW access delete", "OW update"],
)
def rename(client: Client, key: bytes, newkey: bytes) -> Reply:
    """Renames a key and overwrites the destination."""
    database = client.db
    value = database.edit_any(key)
    if value is None:
        raise CommandError(errors.NO_SUCH_KEY)
    if newkey != key:
        _move(value, database, key, database, newkey, b"rename_from", b"rename_to")
    return OK


@command(
    "RENAMENX key newkey",
    WRITE | FAST,
    since="1.0.0",
    complexity="O(1)",
    keys=["RW access delete", "OW insert"],
    history=[
        ("3.2.0", "The command no longer returns an error when source and destination names are the same.")
    ],
)
def renamenx(client: Client, key: bytes, newkey: bytes) -> Reply:
    """Renames a key only when the target key name doesn't exist."""
    database = client.db
    value = database.edit_any(key)
    if value is None:
        raise CommandError(errors.NO_SUCH_KEY)
    if database.exists(newkey):
        return 0
    _move(value, database, key, database, newkey, b"rename_from", b"rename_to")
    return 1


@command(
    "MOVE key db",
    WRITE | FAST,
    since="1.0.0",
    complexity="O(1)",
    keys=["RW access update"],
)
def move(client: Client, key: bytes, index: bytes) -> Reply:
    """Moves a key to another database."""
    source = client.db
    target = _database(client, index)
    if target is source:
        raise CommandError(errors.SAME_OBJECT)
    value = source.edit_any(key)
    if value is None or target.exists(key):
        return 0
    _move(value, source, key, target, key, b"move_from", b"move_to")
    return 1


@command(
    "COPY source destination [DB destination-db] [REPLACE]",
    WRITE | DENYOOM,
    since="6.2.0",
    complexity="O(N) worst case for collections, where N is the number of nested items. O(1) for string "
    "values.",
    keys=["RO access", "OW update"],
)
def copy(client: Client, source: bytes, destination: bytes, *options: bytes) -> Reply:
    """Copies the value of a key to a new key."""
    database = target = client.db
    replace = False
    place = 0
    while place < len(options):
        word = options[place].upper()
        if word == b"REPLACE":
            replace = True
        elif word == b"DB" and place + 1 < len(options):
            place += 1
            target = _database(client, options[place])
        else:
            raise CommandError(errors.SYNTAX)
        place += 1
    if target is database and destination == source:
        raise CommandError(errors.SAME_OBJECT)
    value = database.read(source)
    if value is None or (target.exists(destination) and not replace):
        return 0
    at = database.expiry(source)
    if type(value) is bytearray:
        value = bytearray(value)
    elif not isinstance(value, bytes):
        value = value.copy()
    _make_way(target, destination)
    target.store(destination, value, b"copy_to", GENERIC)
    if at is not None:
        target.set_expiry(destination, at, None)
    return 1


def _make_way(database: Database, key: bytes) -> None:
    """Delete what is in the place of a key that comes from elsewhere: it is then new, as in Redis."""
    database.remove(key, SILENT, 0, dirty=0)


def _database(client: Client, index: bytes) -> Database:
    """The database that MOVE and COPY name.

    :raises CommandError: it is not a number, or there is no such database.
    """
    number = parse_integer(index)
    if number is None:
        raise CommandError(errors.NOT_AN_INTEGER)
    if not INT32_MIN <= number <= INT32_MAX:
        raise errors.not_between(INT32_MIN, INT32_MAX)
    databases = client.server.keyspace.databases
    if not 0 <= number < len(databases):
        raise CommandError(errors.DB_INDEX_OUT_OF_RANGE)
    return databases[number]


def _move(
    value: Value, source: Database, key: bytes, target: Database, newkey: bytes, left: bytes, arrived: bytes
) -> None:
    """Take the value of a key to another place, with its expiry and access record.

    :param left: the event of the old place, and ``arrived`` that of the new one.
    """
    at = source.expiry(key)
    record = source.accessed.get(key, 0)
    # In Redis' order: who watches hears of the old place first; but of events, that there is a new key comes before
    # that the old one has left.
    source.remove(key, SILENT, 0, dirty=0, lazily=False)
    _make_way(target, newkey)
    target.store(newkey, value, SILENT, 0)
    source.notify(key, left, GENERIC)
    target.notify(newkey, arrived, GENERIC)
    target.accessed[newkey] = record
    if at is not None:
        target.set_expiry(newkey, at, None)


# ------------------------------------------------------------------- OBJECT

container("OBJECT", "A container for object introspection commands.", since="2.2.3", group=GROUP)


def _inspect(client: Client, key: bytes) -> Value:
    """Look a key up without a trace, but for the count of hits and misses."""
    database = client.db
    value = database.peek(key)
    if value is None:
        database.keyspace.misses += 1
    else:
        database.keyspace.hits += 1
    return value


def _counts_accesses(client: Client) -> bool:
    # Not keyspace.touching: for a client that does not touch it says so.
    policy: bytes = client.server.configuration[b"maxmemory-policy"]
    return policy.endswith(b"-lfu")


@command(
    "OBJECT ENCODING key",
    READONLY,
    since="2.2.3",
    complexity="O(1)",
    keys=["RO"],
    tips=["nondeterministic_output"],
)
def object_encoding(client: Client, key: bytes) -> Reply:
    """Returns the internal encoding of a Redis object."""
    value = _inspect(client, key)
    if value is None:
        return None
    return encoding_of(value) if isinstance(value, (bytes, bytearray)) else value.encoding


@command(
    "OBJECT FREQ key",
    READONLY,
    since="4.0.0",
    complexity="O(1)",
    keys=["RO"],
    tips=["nondeterministic_output"],
)
def object_freq(client: Client, key: bytes) -> Reply:
    """Returns the logarithmic access frequency counter of a Redis object."""
    if _inspect(client, key) is None:
        return None
    keyspace = client.server.keyspace
    if not _counts_accesses(client):
        raise CommandError(_LFU_IS_NOT_SELECTED)
    return lfu.counter(client.db.accessed[key], keyspace)


@command(
    "OBJECT IDLETIME key",
    READONLY,
    since="2.2.3",
    complexity="O(1)",
    keys=["RO"],
    tips=["nondeterministic_output"],
)
def object_idletime(client: Client, key: bytes) -> Reply:
    """Returns the time since the last access to a Redis object."""
    if _inspect(client, key) is None:
        return None
    keyspace = client.server.keyspace
    if _counts_accesses(client):
        raise CommandError(_LFU_IS_SELECTED)
    # Redis' clock of accesses ticks once a second.
    return max(0, keyspace.now // 1000 - client.db.accessed[key] // 1000)


@command(
    "OBJECT REFCOUNT key",
    READONLY,
    since="2.2.3",
    complexity="O(1)",
    keys=["RO"],
    tips=["nondeterministic_output"],
)
def object_refcount(client: Client, key: bytes) -> Reply:
    """Returns the reference count of a value of a key."""
    value = _inspect(client, key)
    if value is None:
        return None
    if isinstance(value, bytes) and encoding_of(value) == b"int" and 0 <= int(value) < _SHARED_INTEGERS:
        # Each key is to have an age of its own where that matters.
        policy: bytes = client.server.configuration[b"maxmemory-policy"]
        if not client.server.memory.limit or not policy.endswith((b"lru", b"lfu")):
            return _SHARED_REFCOUNT
    return 1


@command("OBJECT HELP", LOADING | STALE, since="6.2.0", complexity="O(1)")
def object_help(client: Client) -> Reply:
    """Returns helpful text about the different subcommands."""
    return help_reply(b"OBJECT", _OBJECT_HELP)


_LFU_IS_SELECTED: Final = (
    b"ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching "
    b"between policies at runtime LRU and LFU data will take some time to adjust."
)
_LFU_IS_NOT_SELECTED: Final = (
    b"ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when "
    b"switching between policies at runtime LRU and LFU data will take some time to adjust."
)
_OBJECT_HELP: Final = b"""
ENCODING <key>
    Return the kind of internal representation used in order to store the value
    associated with a <key>.
FREQ <key>
    Return the access frequency index of the <key>. The returned integer is
    proportional to the logarithm of the recent access frequency of the key.
IDLETIME <key>
    Return the idle time of the <key>, that is the approximated number of
    seconds elapsed since the last access to the key.
REFCOUNT <key>
    Return the number of references of the value associated with the specified
    <key>.
"""
