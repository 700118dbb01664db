"""The generic group, walks over all keys: KEYS, SCAN, RANDOMKEY; and the options of SCAN and its kin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from twisted_resp import errors
from twisted_resp.commands.table import READONLY, command
from twisted_resp.errors import CommandError
from twisted_resp.keyspace.database import type_name
from twisted_resp.resp import Reply
from twisted_resp.server.client import Client
from twisted_resp.text import integers
from twisted_resp.text.glob import Matcher, compile_glob
from twisted_resp.text.integers import parse_integer

__all__ = ["ScanOptions", "parse_cursor", "parse_scan_options"]

GROUP = "generic"

_TYPES: Final = frozenset((b"string", b"list", b"set", b"zset", b"hash", b"stream"))
_DEFAULT_COUNT: Final = 10

# How often RANDOMKEY draws again while expired keys may not be deleted.
_DRAWS: Final = 100


@dataclass(frozen=True)
class ScanOptions:
    """What the options of SCAN and its kin ask for."""

    #: None where every name matches.
    matches: Matcher | None
    count: int
    #: The name of a type, or None.
    type: bytes | None
    no_values: bool


def parse_cursor(data: bytes) -> int:
    """Read a cursor.

    :raises CommandError: it is none.
    """
    cursor = integers.parse_cursor(data)
    if cursor is None:
        raise CommandError(errors.INVALID_CURSOR)
    return cursor


def parse_scan_options(options: Sequence[bytes], *, keys: bool = False, fields: bool = False) -> ScanOptions:
    """Read ``[MATCH pattern] [COUNT count] [TYPE type] [NOVALUES]``.

    :param keys: whether keys are scanned, so that TYPE is allowed.
    :param fields: whether the fields of a hash are scanned, so that NOVALUES is allowed.
    :raises CommandError: what is wrong with them.
    """
    matches: Matcher | None = None
    count = _DEFAULT_COUNT
    wanted: bytes | None = None
    no_values = False
    place = 0
    while place < len(options):
        word = options[place].upper()
        argument = options[place + 1] if place + 1 < len(options) else None
        place += 2
        if word == b"COUNT" and argument is not None:
            number = parse_integer(argument)
            if number is None:
                raise CommandError(errors.NOT_AN_INTEGER)
            if number < 1:
                raise CommandError(errors.SYNTAX)
            count = number
        elif word == b"MATCH" and argument is not None:
            # The pattern that no empty name would match stands for all.
            matches = None if argument == b"*" else compile_glob(argument)
        elif word == b"TYPE" and argument is not None and keys:
            wanted = argument.lower()
            if wanted not in _TYPES:
                raise CommandError(b"ERR unknown type name '%b'" % errors.shown(argument))
        elif word == b"NOVALUES":
            if not fields:
                raise CommandError(b"ERR NOVALUES option can only be used in HSCAN")
            no_values = True
            place -= 1
        else:
            raise CommandError(errors.SYNTAX)
    return ScanOptions(matches, count, wanted, no_values)


@command(
    "SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]",
    READONLY,
    since="2.8.0",
    complexity="O(1) for every call. O(N) for a complete iteration, including enough command calls for the "
    "cursor to return back to 0. N is the number of elements inside the collection.",
    argument_since={"type": "6.0.0"},
    tips=["nondeterministic_output", "request_policy:special", "response_policy:special"],
    history=[("6.0.0", "Added the `TYPE` subcommand.")],
)
def scan(client: Client, cursor: bytes, *options: bytes) -> Reply:
    """Iterates over the key names in the database."""
    start = parse_cursor(cursor)
    asked = parse_scan_options(options, keys=True)
    database = client.db
    following, keys = database.dense().scan(start, asked.count)
    # Of expired keys, those that would be told are deleted.
    if asked.type is not None:
        values = database.values
        keys = [key for key in keys if type_name(values[key]) == asked.type]
    if asked.matches is not None:
        matches = asked.matches
        keys = [key for key in keys if matches(key)]
    if database.expires:
        keys = [key for key in keys if database.exists(key)]
    return [b"%d" % following, keys]


@command(
    "KEYS pattern",
    READONLY,
    since="1.0.0",
    complexity="O(N) with N being the number of keys in the database, under the assumption that the key "
    "names in the database and the given pattern have limited length.",
    acl=["dangerous"],
    tips=["request_policy:all_shards", "nondeterministic_output_order"],
)
def keys(client: Client, pattern: bytes) -> Reply:
    """Returns all key names that match a pattern."""
    database = client.db
    found = list(database.values)
    if pattern != b"*":
        matches = compile_glob(pattern)
        found = [key for key in found if matches(key)]
    if database.expires:
        found = [key for key in found if not database.is_past(key)]
    return found


@command(
    "RANDOMKEY",
    READONLY,
    since="1.0.0",
    complexity="O(1)",
    tips=["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
)
def randomkey(client: Client) -> Reply:
    """Returns a random key name from the database."""
    database = client.db
    dense = database.dense()
    draws = 0
    while len(database):
        key = dense.random(client.server.random)
        draws += 1
        if database.exists(key) or (database.keyspace.hold_expiry and draws >= _DRAWS):
            return key
    return None
