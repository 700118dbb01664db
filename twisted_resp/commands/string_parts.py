"""The string group, parts of values: APPEND, SETRANGE, GETRANGE, LCS.

https://redis.io/docs/latest/commands/?group=string
"""

from __future__ import annotations

from typing import Final

from twisted_resp import errors
from twisted_resp.commands.table import DENYOOM, FAST, READONLY, WRITE, command
from twisted_resp.errors import CommandError
from twisted_resp.keyspace.events import STRING
from twisted_resp.resp import Reply
from twisted_resp.server.client import Client
from twisted_resp.text.integers import parse_integer
from twisted_resp.values.strings import grow
from twisted_resp.values.subsequence import common_length, common_matches

__all__ = ["GROUP"]

GROUP = "string"

# What a cell of the table takes in Redis, which refuses tables of more than proto-max-bulk-len.
_LCS_CELL: Final = 4

_COST_OF_PART: Final = (
    "O(N) where N is the length of the returned string. The complexity is ultimately determined by the "
    "returned length, but because creating a substring from an existing string is very cheap, it can be "
    "considered O(1) for small strings."
)


@command(
    "APPEND key value",
    WRITE | DENYOOM | FAST,
    since="2.0.0",
    complexity="O(1). The amortized time complexity is O(1) assuming the appended value is small and the "
    "already present value is of any size, since the dynamic string library used by Redis will double the "
    "free space available on every reallocation.",
    keys=["RW insert"],
)
def append(client: Client, key: bytes, value: bytes) -> Reply:
    """Appends a string to the value of a key. Creates the key if it doesn't exist."""
    db = client.db
    present = db.edit_string(key)
    if present is None:
        db.store(key, value, b"append", STRING)
        return len(value)
    length = len(present) + len(value)
    if length > client.server.max_bulk:
        raise CommandError(errors.STRING_TOO_LONG)
    buffer = present if type(present) is bytearray else db.edit_buffer(key)
    assert buffer is not None
    buffer += value
    db.grown(key, b"append", STRING)
    return length


@command("STRLEN key", READONLY | FAST, since="2.2.0", complexity="O(1)", keys=["RO"])
def strlen(client: Client, key: bytes) -> Reply:
    """Returns the length of a string value."""
    return len(client.db.read_buffer(key) or b"")


@command(
    "SETRANGE key offset value",
    WRITE | DENYOOM,
    since="2.2.0",
    complexity="O(1), not counting the time taken to copy the new string in place. Usually, this string is "
    "very small so the amortized complexity is O(1). Otherwise, complexity is O(M) with M being the length "
    "of the value argument.",
    keys=["RW update"],
)
def setrange(client: Client, key: bytes, offset: bytes, value: bytes) -> Reply:
    """Overwrites a part of a string value with another by an offset.
    Creates the key if it doesn't exist.
    """
    start = parse_integer(offset)
    if start is None:
        raise CommandError(errors.NOT_AN_INTEGER)
    if start < 0:
        raise CommandError(errors.OFFSET_OUT_OF_RANGE)
    db = client.db
    present = db.edit_string(key)
    if not value:
        return len(present or b"")
    end = start + len(value)
    if end > client.server.max_bulk:
        raise CommandError(errors.STRING_TOO_LONG)
    buffer = db.edit_buffer(key)
    if buffer is None:
        db.store(key, bytearray(start) + value, b"setrange", STRING)
        return end
    grow(buffer, end)
    buffer[start:end] = value
    db.grown(key, b"setrange", STRING)
    return len(buffer)


@command(
    "GETRANGE key start end",
    READONLY,
    since="2.4.0",
    complexity=_COST_OF_PART,
    keys=["RO access"],
)
def getrange(client: Client, key: bytes, start: bytes, end: bytes) -> Reply:
    """Returns a substring of the string stored at a key."""
    return _part(client, key, start, end)


@command(
    "SUBSTR key start end",
    READONLY,
    since="1.0.0",
    complexity=_COST_OF_PART,
    keys=["RO access"],
    deprecated="2.0.0",
    replaced_by="`GETRANGE`",
)
def substr(client: Client, key: bytes, start: bytes, end: bytes) -> Reply:
    """Returns a substring from a string value."""
    return _part(client, key, start, end)


def _part(client: Client, key: bytes, start: bytes, end: bytes) -> bytes:
    first = parse_integer(start)
    last = parse_integer(end)
    if first is None or last is None:
        raise CommandError(errors.NOT_AN_INTEGER)
    buffer = client.db.read_buffer(key)
    if not buffer:
        return b""
    length = len(buffer)
    if first < 0:
        first = max(first + length, 0)
    if last < 0:
        last += length
        if last < 0:
            return b""
    return bytes(buffer[first : last + 1])


@command(
    "LCS key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
    READONLY,
    since="7.0.0",
    complexity="O(N*M) where N and M are the lengths of s1 and s2, respectively",
    keys=["RO access"],
)
def lcs(client: Client, key1: bytes, key2: bytes, *options: bytes) -> Reply:
    """Finds the longest common substring."""
    first, second = client.db.read(key1), client.db.read(key2)
    for value in (first, second):
        if value is not None and not isinstance(value, (bytes, bytearray)):
            raise CommandError(b"ERR The specified keys must contain string values")
    a, b = bytes(first or b""), bytes(second or b"")
    only_length = indexes = with_length = False
    least = 0
    words = iter(options)
    for word in words:
        name = word.upper()
        if name == b"IDX":
            indexes = True
        elif name == b"LEN":
            only_length = True
        elif name == b"WITHMATCHLEN":
            with_length = True
        elif name == b"MINMATCHLEN" and (text := next(words, None)) is not None:
            number = parse_integer(text)
            if number is None:
                raise CommandError(errors.NOT_AN_INTEGER)
            least = number
        else:
            raise CommandError(errors.SYNTAX)
    if only_length and indexes:
        raise CommandError(b"ERR If you want both the length and indexes, please just use IDX.")
    if (len(a) + 1) * (len(b) + 1) * _LCS_CELL > client.server.max_bulk:
        raise CommandError(b"ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
    if only_length:
        return common_length(a, b)
    matches = common_matches(a, b)
    if not indexes:
        return b"".join([a[match.first : match.first + match.length] for match in reversed(matches)])
    shown: list[Reply] = []
    for match in matches:
        if match.length >= least:
            ranges: list[Reply] = [
                [match.first, match.first + match.length - 1],
                [match.second, match.second + match.length - 1],
            ]
            shown.append([*ranges, match.length] if with_length else ranges)
    return {b"matches": shown, b"len": sum(match.length for match in matches)}
