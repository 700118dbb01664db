"""The set group: https://redis.io/docs/latest/commands/?group=set

SADD and SPOP of one member are the hot path. What a draw takes out is told to persistence and replicas by
name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, cast

from twisted_resp import errors
from twisted_resp.commands.numbers import at_least, draws, integer
from twisted_resp.commands.scanning import parse_cursor, parse_scan_options
from twisted_resp.commands.table import DENYOOM, FAST, READONLY, WRITE, command, in_columns
from twisted_resp.errors import CommandError
from twisted_resp.keyspace.columns import create_alike, edit_alike
from twisted_resp.keyspace.events import SET
from twisted_resp.resp import Reply, SetReply
from twisted_resp.server.client import Client
from twisted_resp.text.integers import INT64_MAX
from twisted_resp.values.limits import Limits
from twisted_resp.values.set import Set, difference, intersection, union

__all__ = ["GROUP"]

GROUP = "set"

# How many members one SREM names that tells what SPOP took.
_TOLD_AT_ONCE: Final = 1024

_ANY_ORDER: Final = ["nondeterministic_output_order"]
_AT_RANDOM: Final = ["nondeterministic_output"]
_SEVERAL_MEMBERS: Final = [("2.4.0", "Accepts multiple `member` arguments.")]
_SMALLEST_FIRST: Final = (
    "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets."
)
_STORING: Final = ["OW update", "RO access"]


# ----------------------------------------------------------------------------------------------- members


@command(
    "SADD key member [member ...]",
    WRITE | DENYOOM | FAST,
    since="1.0.0",
    complexity="O(1) for each element added, so O(N) to add N elements when the command is called with "
    "multiple arguments.",
    keys=["RW insert"],
    history=_SEVERAL_MEMBERS,
)
def sadd(client: Client, key: bytes, *members: bytes) -> Reply:
    """Adds one or more members to a set. Creates the key if it doesn't exist."""
    db = client.db
    value = db.edit(key, Set)
    if value is None:
        value = db.create(key, Set)
    added = value.add(members)
    if added:
        db.grown(key, b"sadd", SET, added)
    return added


@in_columns(sadd, 3)
def _sadd_in_columns(client: Client, keys: list[bytes], members: list[bytes]) -> Sequence[Reply]:
    db = client.db
    value = create_alike(db, keys, Set)
    if value is None:
        return ()
    added = value.add_each(members)
    db.grown(keys[0], b"sadd", SET, sum(added))
    return added


@command(
    "SREM key member [member ...]",
    WRITE | FAST,
    since="1.0.0",
    complexity="O(N) where N is the number of members to be removed.",
    keys=["RW delete"],
    history=_SEVERAL_MEMBERS,
)
def srem(client: Client, key: bytes, *members: bytes) -> Reply:
    """Removes one or more members from a set. Deletes the set if the last member was removed."""
    db = client.db
    value = db.edit(key, Set)
    if value is None:
        return 0
    removed = value.remove(members)
    if removed:
        db.edited(key, b"srem", SET, removed)
    return removed


@command(
    "SMOVE source destination member",
    WRITE | FAST,
    since="1.0.0",
    complexity="O(1)",
    keys=["RW access delete", "RW insert"],
)
def smove(client: Client, source: bytes, destination: bytes, member: bytes) -> Reply:
    """Moves a member from one set to another."""
    db = client.db
    if db.edit_any(source) is None:
        # The type of the destination is no matter then.
        return 0
    value = cast(Set, db.edit(source, Set))
    target = db.edit(destination, Set)
    if target is value:
        return int(member in value)
    if not value.remove((member,)):
        return 0
    db.edited(source, b"srem", SET)
    if target is None:
        target = db.create(destination, Set)
    if target.add((member,)):
        db.grown(destination, b"sadd", SET)
    return 1


@command("SCARD key", READONLY | FAST, since="1.0.0", complexity="O(1)", keys=["RO"])
def scard(client: Client, key: bytes) -> Reply:
    """Returns the number of members in a set."""
    value = client.db.read_as(key, Set)
    return 0 if value is None else len(value)


@command("SISMEMBER key member", READONLY | FAST, since="1.0.0", complexity="O(1)", keys=["RO"])
def sismember(client: Client, key: bytes, member: bytes) -> Reply:
    """Determines whether a member belongs to a set."""
    value = client.db.read_as(key, Set)
    return 0 if value is None else int(member in value)


@command(
    "SMISMEMBER key member [member ...]",
    READONLY | FAST,
    since="6.2.0",
    complexity="O(N) where N is the number of elements being checked for membership",
    keys=["RO access"],
)
def smismember(client: Client, key: bytes, *members: bytes) -> Reply:
    """Determines whether multiple members belong to a set."""
    value = client.db.read_as(key, Set)
    if value is None:
        return [0] * len(members)
    return list(map(int, value.contains_many(members)))


@command(
    "SMEMBERS key",
    READONLY,
    since="1.0.0",
    complexity="O(N) where N is the set cardinality.",
    keys=["RO access"],
    tips=_ANY_ORDER,
)
def smembers(client: Client, key: bytes) -> Reply:
    """Returns all members of a set."""
    value = client.db.read_as(key, Set)
    return SetReply([] if value is None else value.members())


@command(
    "SSCAN key cursor [MATCH pattern] [COUNT count]",
    READONLY,
    since="2.8.0",
    complexity="O(1) for every call. O(N) for a complete iteration, including enough command calls for the "
    "cursor to return back to 0. N is the number of elements inside the collection.",
    keys=["RO access"],
    tips=_AT_RANDOM,
)
def sscan(client: Client, key: bytes, cursor: bytes, *options: bytes) -> Reply:
    """Iterates over members of a set."""
    start = parse_cursor(cursor)
    value = client.db.read_as(key, Set)
    if value is None:
        return [b"0", []]
    asked = parse_scan_options(options)
    following, members = value.scan(start, asked.count)
    if asked.matches is not None:
        members = list(filter(asked.matches, members))
    return [b"%d" % following, members]


# ------------------------------------------------------------------------------------------------- draws


@command(
    "SPOP key [count]",
    WRITE | FAST,
    since="1.0.0",
    complexity="Without the count argument O(1), otherwise O(N) where N is the value of the passed count.",
    keys=["RW access delete"],
    argument_since={"count": "3.2.0"},
    tips=_AT_RANDOM,
    history=[("3.2.0", "Added the `count` argument.")],
    arity=-2,
)
def spop(client: Client, key: bytes, *count: bytes) -> Reply:
    """Returns one or more random members from a set after removing them.
    Deletes the set if the last member was popped.
    """
    if count:
        return _pop_many(client, key, count)
    db = client.db
    value = db.edit(key, Set)
    if value is None:
        return None
    server = client.server
    member = value.pop(server.random)
    if value:
        db.grown(key, b"spop", SET)
    else:
        db.edited(key, b"spop", SET)
    if server.effects.active:
        server.effects.replace(b"SREM", key, member)
    return member


@in_columns(spop, 2)
def _spop_in_columns(client: Client, keys: list[bytes]) -> Sequence[Reply]:
    alike, value = edit_alike(client.db, keys, Set)
    if not alike or client.server.effects.active:
        return ()
    if value is None:
        return [None] * len(keys)
    popped: list[Reply] = value.pop_each(client.server.random, min(len(keys), len(value)))
    client.db.edited(keys[0], b"spop", SET, len(popped))
    return popped + [None] * (len(keys) - len(popped))


def _pop_many(client: Client, key: bytes, options: Sequence[bytes]) -> Reply:
    if len(options) > 1:
        raise CommandError(errors.SYNTAX)
    count = at_least(0, options[0])
    db = client.db
    value = db.edit(key, Set)
    if value is None or not count:
        return SetReply([])
    server = client.server
    popped = value.pop_many(server.random, count)
    if value:
        for start in range(0, len(popped), _TOLD_AT_ONCE):
            server.effects.replace(b"SREM", key, *popped[start : start + _TOLD_AT_ONCE])
    else:
        lazily = server.configuration[b"lazyfree-lazy-server-del"]
        server.effects.replace(b"UNLINK" if lazily else b"DEL", key)
    db.edited(key, b"spop", SET, len(popped))
    return SetReply(popped)


@command(
    "SRANDMEMBER key [count]",
    READONLY,
    since="1.0.0",
    complexity="Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed "
    "count.",
    keys=["RO access"],
    argument_since={"count": "2.6.0"},
    tips=_AT_RANDOM,
    history=[("2.6.0", "Added the optional `count` argument.")],
    arity=-2,
)
def srandmember(client: Client, key: bytes, *count: bytes) -> Reply:
    """Get one or multiple random members from a set"""
    random = client.server.random
    if not count:
        value = client.db.read_as(key, Set)
        return None if value is None else value.random(random)
    if len(count) > 1:
        raise CommandError(errors.SYNTAX)
    number = integer(count[0])
    if number < -INT64_MAX:
        raise errors.not_between(-INT64_MAX, INT64_MAX)
    value = client.db.read_as(key, Set)
    if value is None or not number:
        return []
    if number < 0:
        return value.random_many(random, draws(client, -number))
    return value.sample(random, number)


# ------------------------------------------------------------------------------------------- set algebra


def _sets(client: Client, keys: Sequence[bytes]) -> list[Set | None]:
    """Look all the sets up.

    :raises CommandError: WRONGTYPE of any, even where the result would be clear before.
    """
    return [client.db.read_as(key, Set) for key in keys]


def _all_there(sets: Sequence[Set | None]) -> list[Set] | None:
    """The same sets, or None if one is missing: then no member is in all of them."""
    there = [one for one in sets if one is not None]
    return there if len(there) == len(sets) else None


@command(
    "SINTER key [key ...]",
    READONLY,
    since="1.0.0",
    complexity=_SMALLEST_FIRST,
    keys=["RO access"],
    tips=_ANY_ORDER,
)
def sinter(client: Client, *keys: bytes) -> Reply:
    """Returns the intersect of multiple sets."""
    sets = _all_there(_sets(client, keys))
    return SetReply([] if sets is None else intersection(sets))


@command(
    "SINTERCARD numkeys key [key ...] [LIMIT limit]",
    READONLY,
    since="7.0.0",
    complexity=_SMALLEST_FIRST,
    keys=["RO access"],
)
def sintercard(client: Client, numkeys: bytes, *words: bytes) -> Reply:
    """Returns the number of members of the intersect of multiple sets."""
    number = at_least(1, numkeys, errors.NUMKEYS_NOT_POSITIVE)
    if number > len(words):
        raise CommandError(errors.TOO_MANY_KEYS)
    limit = 0
    place = number
    while place < len(words):
        if words[place].upper() != b"LIMIT" or place + 1 == len(words):
            raise CommandError(errors.SYNTAX)
        limit = at_least(0, words[place + 1], errors.NEGATIVE_LIMIT)
        place += 2
    sets = _all_there(_sets(client, words[:number]))
    return 0 if sets is None else len(intersection(sets, limit))


@command(
    "SUNION key [key ...]",
    READONLY,
    since="1.0.0",
    complexity="O(N) where N is the total number of elements in all given sets.",
    keys=["RO access"],
    tips=_ANY_ORDER,
)
def sunion(client: Client, *keys: bytes) -> Reply:
    """Returns the union of multiple sets."""
    return SetReply(union(_sets(client, keys)))


@command(
    "SDIFF key [key ...]",
    READONLY,
    since="1.0.0",
    complexity="O(N) where N is the total number of elements in all given sets.",
    keys=["RO access"],
    tips=_ANY_ORDER,
)
def sdiff(client: Client, *keys: bytes) -> Reply:
    """Returns the difference of multiple sets."""
    return SetReply(difference(_sets(client, keys)))


@command(
    "SINTERSTORE destination key [key ...]",
    WRITE | DENYOOM,
    since="1.0.0",
    complexity=_SMALLEST_FIRST,
    keys=_STORING,
)
def sinterstore(client: Client, destination: bytes, *keys: bytes) -> Reply:
    """Stores the intersect of multiple sets in a key."""
    return _store(client, destination, keys, _intersection_of, b"sinterstore")


@command(
    "SUNIONSTORE destination key [key ...]",
    WRITE | DENYOOM,
    since="1.0.0",
    complexity="O(N) where N is the total number of elements in all given sets.",
    keys=_STORING,
)
def sunionstore(client: Client, destination: bytes, *keys: bytes) -> Reply:
    """Stores the union of multiple sets in a key."""
    return _store(client, destination, keys, Set.union_of, b"sunionstore")


@command(
    "SDIFFSTORE destination key [key ...]",
    WRITE | DENYOOM,
    since="1.0.0",
    complexity="O(N) where N is the total number of elements in all given sets.",
    keys=_STORING,
)
def sdiffstore(client: Client, destination: bytes, *keys: bytes) -> Reply:
    """Stores the difference of multiple sets in a key."""
    return _store(client, destination, keys, _difference_of, b"sdiffstore")


def _intersection_of(limits: Limits, sets: Sequence[Set | None]) -> Set:
    there = _all_there(sets)
    return Set(limits) if there is None else Set.intersection_of(limits, there)


def _difference_of(limits: Limits, sets: Sequence[Set | None]) -> Set:
    return Set.difference_of(limits, sets)


def _store(
    client: Client,
    destination: bytes,
    keys: Sequence[bytes],
    combine: Callable[[Limits, Sequence[Set | None]], Set],
    event: bytes,
) -> int:
    db = client.db
    result = combine(db.keyspace.limits, _sets(client, keys))
    if result:
        db.store(destination, result, event, SET)
    else:
        db.remove(destination)
    return len(result)
