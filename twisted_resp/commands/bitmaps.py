"""The bitmap group: https://redis.io/docs/latest/commands/?group=bitmap"""

from __future__ import annotations

from typing import Final, NamedTuple

from twisted_resp import errors
from twisted_resp.commands.getkeys import bitfield_keys
from twisted_resp.commands.table import DENYOOM, FAST, READONLY, WRITE, command
from twisted_resp.errors import CommandError
from twisted_resp.keyspace.events import STRING
from twisted_resp.resp import Reply
from twisted_resp.server.client import Client
from twisted_resp.text.integers import INT64_MAX, parse_integer
from twisted_resp.values import bitmap

__all__ = ["GROUP"]

GROUP = "bitmap"

_BAD_OFFSET: Final = b"ERR bit offset is not an integer or out of range"
_BAD_BIT: Final = b"ERR bit is not an integer or out of range"
_BAD_TYPE: Final = (
    b"ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
)
_UNITS: Final = {b"BIT": True, b"BYTE": False}
# The operations that compare the first string with the others.
_COMPARING: Final = frozenset((b"DIFF", b"DIFF1", b"ANDOR"))


@command(
    "SETBIT key offset value",
    WRITE | DENYOOM,
    since="2.2.0",
    complexity="O(1)",
    keys=["RW access update"],
    types={"value": "integer"},
)
def setbit(client: Client, key: bytes, offset: bytes, value: bytes) -> Reply:
    """Sets or clears the bit at offset of the string value. Creates the key if it doesn't exist."""
    place = _offset(client, offset)
    bit = parse_integer(value)
    if bit != 0 and bit != 1:
        raise CommandError(_BAD_BIT)
    db = client.db
    buffer = db.edit_buffer(key)
    if buffer is None:
        buffer = bytearray()
        old = bitmap.set_bit(buffer, place, bit)
        db.store(key, buffer, b"setbit", STRING)
        return old
    length = len(buffer)
    old = bitmap.set_bit(buffer, place, bit)
    if old != bit or len(buffer) != length:
        db.grown(key, b"setbit", STRING)
    return old


@command("GETBIT key offset", READONLY | FAST, since="2.2.0", complexity="O(1)", keys=["RO access"])
def getbit(client: Client, key: bytes, offset: bytes) -> Reply:
    """Returns a bit value by offset."""
    place = _offset(client, offset)
    return bitmap.get_bit(client.db.read_buffer(key) or b"", place)


def _offset(client: Client, text: bytes, width: int = 1) -> int:
    """Read the offset of a bit, or of a field that is so many bits wide, within what a string may hold."""
    place = parse_integer(text)
    if place is None:
        raise CommandError(_BAD_OFFSET)
    place *= width
    if not 0 <= place <= INT64_MAX or place >> 3 >= client.server.max_bulk:
        raise CommandError(_BAD_OFFSET)
    return place


@command(
    "BITCOUNT key [range: start end [BYTE | BIT]]",
    READONLY,
    since="2.6.0",
    complexity="O(N)",
    keys=["RO access"],
    argument_since={"unit": "7.0.0"},
    history=[("7.0.0", "Added the `BYTE|BIT` option.")],
)
def bitcount(client: Client, key: bytes, *span: bytes) -> Reply:
    """Counts the number of set bits (population counting) in a string."""
    if not span:
        return bitmap.count(client.db.read_buffer(key) or b"")
    if len(span) not in (2, 3):
        raise CommandError(errors.SYNTAX)
    start, end = _integer(span[0]), _integer(span[1])
    by_bit = _unit(span[2]) if len(span) == 3 else False
    return bitmap.count(client.db.read_buffer(key) or b"", start, end, by_bit=by_bit)


@command(
    "BITPOS key bit [range: start [end-unit-block: end [BYTE | BIT]]]",
    READONLY,
    since="2.8.7",
    complexity="O(N)",
    keys=["RO access"],
    argument_since={"unit": "7.0.0"},
    history=[("7.0.0", "Added the `BYTE|BIT` option.")],
)
def bitpos(client: Client, key: bytes, bit: bytes, *span: bytes) -> Reply:
    """Finds the first set (1) or clear (0) bit in a string."""
    wanted = _integer(bit)
    if wanted not in (0, 1):
        raise CommandError(b"ERR The bit argument must be 1 or 0.")
    if len(span) > 3:
        raise CommandError(errors.SYNTAX)
    start = _integer(span[0]) if span else 0
    by_bit = _unit(span[2]) if len(span) == 3 else False
    end = _integer(span[1]) if len(span) > 1 else None
    data = client.db.read_buffer(key)
    if data is None:
        return -wanted  # nothing but zeros, the first of them at 0
    return bitmap.position(data, wanted, start, end, by_bit=by_bit)


def _integer(text: bytes) -> int:
    number = parse_integer(text)
    if number is None:
        raise CommandError(errors.NOT_AN_INTEGER)
    return number


def _unit(word: bytes) -> bool:
    by_bit = _UNITS.get(word.upper())
    if by_bit is None:
        raise CommandError(errors.SYNTAX)
    return by_bit


@command(
    "BITOP <operation: AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE> destkey key [key ...]",
    WRITE | DENYOOM,
    since="2.6.0",
    complexity="O(N)",
    keys=["OW update", "RO access"],
)
def bitop(client: Client, operation: bytes, destkey: bytes, *keys: bytes) -> Reply:
    """Performs bitwise operations on multiple strings, and stores the result."""
    name = operation.upper()
    if name not in bitmap.OPERATIONS:
        raise CommandError(errors.SYNTAX)
    if name == b"NOT" and len(keys) > 1:
        raise CommandError(b"ERR BITOP NOT must be called with a single source key.")
    if name in _COMPARING and len(keys) < 2:
        raise CommandError(b"ERR BITOP %b must be called with at least two source keys." % name)
    db = client.db
    result = bitmap.combine(name, [db.read_buffer(key) or b"" for key in keys])
    if result:
        db.store(destkey, bytearray(result), b"set", STRING)
    else:
        db.remove(destkey)
    return len(result)


# ------------------------------------------------------------------ fields

_OVERFLOWS: Final = {b"WRAP": bitmap.WRAP, b"SAT": bitmap.SAT, b"FAIL": bitmap.FAIL}
_GET, _SET, _INCRBY = range(3)
# The subcommands, each with the number of its arguments.
_SUBCOMMANDS: Final = {b"GET": (_GET, 2), b"SET": (_SET, 3), b"INCRBY": (_INCRBY, 3)}


class _Step(NamedTuple):
    """One subcommand of BITFIELD."""

    kind: int
    offset: int
    bits: int
    signed: bool
    number: int
    overflow: int


@command(
    "BITFIELD key [operation: get-block: GET encoding offset | write: [overflow-block: OVERFLOW "
    "<WRAP | SAT | FAIL>] <write-operation: set-block: SET encoding offset value | "
    "incrby-block: INCRBY encoding offset increment> ...]",
    WRITE | DENYOOM,
    since="3.2.0",
    complexity="O(1) for each subcommand specified",
    keys=["RW access update variable_flags # This command allows both access and modification of the key"],
    types={"value": "integer"},
    get_keys=bitfield_keys,
)
def bitfield(client: Client, key: bytes, *words: bytes) -> Reply:
    """Performs arbitrary bitfield integer operations on strings."""
    steps = _read_steps(client, words)
    ends = [step.offset + step.bits for step in steps if step.kind != _GET]
    if not ends:
        return _get_fields(client, key, steps)
    db = client.db
    stored = db.edit_buffer(key)
    buffer = bytearray() if stored is None else stored
    grown = bitmap.grow(buffer, max(ends))
    replies: list[Reply] = []
    changes = 0
    for step in steps:
        _, offset, bits, signed, number, overflow = step
        old = bitmap.get_field(buffer, offset, bits, signed=signed)
        if step.kind == _GET:
            replies.append(old)
            continue
        if step.kind == _INCRBY:
            number += old
        else:
            number = bitmap.in_64_bits(number, bits, signed=signed)
        new = bitmap.fit(number, bits, signed=signed, overflow=overflow)
        if new is None:
            replies.append(None)
            continue
        bitmap.set_field(buffer, offset, bits, new)
        replies.append(new if step.kind == _INCRBY else old)
        if grown or old != new:
            changes += 1
    if stored is None:
        db.store(key, buffer, b"setbit", STRING, dirty=changes)
    elif changes:
        db.grown(key, b"setbit", STRING, changes)
    return replies


@command(
    "BITFIELD_RO key [get-block: GET encoding offset [GET encoding offset ...]]",
    READONLY | FAST,
    since="6.0.0",
    complexity="O(1) for each subcommand specified",
    keys=["RO access"],
)
def bitfield_ro(client: Client, key: bytes, *words: bytes) -> Reply:
    """Performs arbitrary read-only bitfield integer operations on strings."""
    steps = _read_steps(client, words)
    if any(step.kind != _GET for step in steps):
        raise CommandError(b"ERR BITFIELD_RO only supports the GET subcommand")
    return _get_fields(client, key, steps)


def _get_fields(client: Client, key: bytes, steps: list[_Step]) -> Reply:
    data = client.db.read_buffer(key) or b""
    return [bitmap.get_field(data, step.offset, step.bits, signed=step.signed) for step in steps]


def _read_steps(client: Client, words: tuple[bytes, ...]) -> list[_Step]:
    """Read the subcommands. OVERFLOW is none of its own; it holds for those behind it."""
    steps: list[_Step] = []
    overflow = bitmap.WRAP
    place = 0
    while place < len(words):
        name = words[place].upper()
        behind = len(words) - place - 1
        if name == b"OVERFLOW" and behind:
            found = _OVERFLOWS.get(words[place + 1].upper())
            if found is None:
                raise CommandError(b"ERR Invalid OVERFLOW type specified")
            overflow = found
            place += 2
            continue
        kind, count = _SUBCOMMANDS.get(name, (0, len(words)))
        if behind < count:
            raise CommandError(errors.SYNTAX)
        signed, bits = _field_type(words[place + 1])
        where = words[place + 2]
        offset = _offset(client, where[1:], bits) if where[:1] == b"#" else _offset(client, where)
        number = _integer(words[place + 3]) if count == 3 else 0
        steps.append(_Step(kind, offset, bits, signed, number, overflow))
        place += 1 + count
    return steps


def _field_type(text: bytes) -> tuple[bool, int]:
    """Read ``i16`` or ``u8``; return whether it is signed, and the number of bits."""
    sign = text[:1]
    bits = parse_integer(text[1:])
    most = 64 if sign == b"i" else 63
    if sign not in (b"i", b"u") or bits is None or not 1 <= bits <= most:
        raise CommandError(_BAD_TYPE)
    return sign == b"i", bits
