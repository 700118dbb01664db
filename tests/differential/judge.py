"""Whether two replies are the same, but for what is random, measured in time, or newer than the other server.

Replies are compared to the byte, with their types. The exceptions, all of them:

- draws (SRANDMEMBER, ...): as many elements of the same kind; SPOP is made good by the caller;
- what hash tables give in an order of their own (SMEMBERS, KEYS, ...): sorted;
- scans that did not end at once: each server cuts them as it likes;
- times to live, idle times, and the ``DEBUG`` of them: within some seconds;
- scores: Redis 7.2 prints the shortest digits that read back, 7.0 seventeen digits of the same double;
- encodings and fields of XINFO that came with 7.2; ZADD and SADD, which since then leave the compact encoding for
  as many members as they are given, also if they add none; XCLAIM and XAUTOCLAIM, which make the consumer in any case;
- the order of what compares as equal, where a part is asked for (GEOSEARCH with COUNT): Redis' own quicksort decides;
- SORT's complaint about weights that are numbers: it looks at an ``errno`` that an earlier command may have left.
"""

from __future__ import annotations

from typing import Any

from tests.differential.wire import Item
from twisted_resp.text.floats import format_double_17g

__all__ = ["DRAWS_AND_CHANGES", "equal", "same"]

DRAWS_AND_CHANGES = frozenset((b"SPOP",))
_DRAWS = frozenset((b"SRANDMEMBER", b"HRANDFIELD", b"ZRANDMEMBER", b"RANDOMKEY"))
_UNORDERED = frozenset(
    (b"SMEMBERS", b"SINTER", b"SUNION", b"SDIFF", b"KEYS", b"HKEYS", b"HVALS", b"SORT", b"SORT_RO")
)
_PAIRS = frozenset((b"HGETALL",))
_SCANS = frozenset((b"SCAN", b"SSCAN", b"HSCAN", b"ZSCAN"))
_TIMES = frozenset(
    (b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME", b"XPENDING", b"XINFO", b"OBJECT", b"XCLAIM")
)
# (The lag of a group was counted wrong in 7.0 after deletions and XSETID.)
_NEWER_FIELDS = frozenset((b"active-time", b"inactive", b"lag"))
#: Errors that have other words, or are new, since 7.2: ours, and theirs (None: no error).
_NEWER_ERRORS = (
    (rb"ERR Unbalanced 'x", rb"ERR Unbalanced XREAD list"),
    (rb"ERR unknown type name ", None),
    (
        rb"ERR The ID specified in XSETID is smaller than current",
        rb"ERR The ID specified in XSETID is smaller",
    ),
    (
        rb"ERR Invalid number of arguments specified for command",
        rb"ERR wrong number of arguments for 'command",
    ),
    (rb"ERR wrong number of arguments for 'zrevrank'", rb"ERR Wrong number of args"),
    (rb"ERR wrong number of arguments for 'zrank'", rb"ERR Wrong number of args"),
    (rb"ERR syntax error", rb"ERR Wrong number of args calling Redis command from script"),  # ZRANK WITHSCORE
    (rb"ERR timeout is out of range", rb"ERR timeout is negative"),
    (rb"ERR timeout is out of range", None),
    (rb"ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807", None),
)
#: And what a command answers otherwise: ours, and a part of theirs (or a single byte).
_NEWER_REPLIES = (
    (b"GETRANGE", b"", b"^"),  # an end before the beginning was taken for the beginning
    (b"BITPOS", b"ERR value is not an integer", b"-1"),  # arguments are read before the key
    (b"BITPOS", b"ERR value is not an integer", b"WRONGTYPE"),
    (b"BITPOS", b"ERR syntax error", b"WRONGTYPE"),
    (b"BITPOS", b"ERR syntax error", b"-1"),
    (b"BITPOS", b"ERR syntax error", b"0"),
    (b"BITCOUNT", b"ERR value is not an integer", b"0"),
    (b"BITCOUNT", b"ERR value is not an integer", b"WRONGTYPE"),
    (b"BITCOUNT", b"ERR syntax error", b"WRONGTYPE"),
    (b"BITCOUNT", b"ERR syntax error", b"0"),
    # Where the sequence number is the last one, 7.0 leaves what it says to chance.
    (b"XADD", b"ERR The ID specified in XADD is equal or smaller", b"Elements are too large to be stored"),
    (b"ZRANK", b"ERR syntax error", b"wrong number of arguments"),  # WITHSCORE
    (b"ZREVRANK", b"ERR syntax error", b"wrong number of arguments"),
)
_SLACK = 10_000
_NEWER_ENCODINGS = frozenset(
    (
        (b"listpack", b"hashtable"),
        (b"listpack", b"quicklist"),
        (b"skiplist", b"listpack"),
        (b"hashtable", b"intset"),
    )
)
_GEO = (b"GEOSEARCH", b"GEORADIUS", b"GEORADIUS_RO", b"GEORADIUSBYMEMBER", b"GEORADIUSBYMEMBER_RO")


def same(words: list[bytes], ours: Item, theirs: Item) -> bool:
    """Whether our reply to a command is right, given theirs."""
    if ours == theirs:
        return True
    if b"with BLOCK option" in _text(theirs) or b"not allowed from script" in _text(theirs):
        return True  # scripts may use blocking commands since 7.2; these find nothing and change nothing
    if not words:
        return False
    name = words[0].upper()
    if name in (b"EVAL", b"EVAL_RO") and len(words) > 4:
        # The command stands after the script and the number of keys.
        if b"setresp" in words[1]:  # maps and sets were tables of Lua
            return same(words[3:], _reordered(ours), _reordered(theirs))
        if b"{redis" in words[1] and ours.value and theirs.value:
            return same(words[3:], ours.value[0], theirs.value[0])
        return same(words[3:], ours, theirs)
    return _alike(words, ours, theirs)


def _alike(words: list[bytes], ours: Item, theirs: Item) -> bool:
    name = words[0].upper()
    if any(
        name == of and _text(ours).startswith(mine) and (len(_text(theirs)) == 1 or wording in _text(theirs))
        for of, mine, wording in _NEWER_REPLIES
    ):
        return True
    if any(
        _text(ours).startswith(mine) and (_text(theirs).startswith(other or b"") or not theirs.is_error)
        for mine, other in _NEWER_ERRORS
    ):
        return True
    if ours.is_error or theirs.is_error:
        return name == b"SORT" and _text(theirs) == b"ERR One or more scores can't be converted into double"
    if name in _DRAWS:
        return _shape(ours) == _shape(theirs)
    if name in _SCANS and _is_scan(ours) and _is_scan(theirs):
        cursors = {ours.value[0].value, theirs.value[0].value}
        if cursors != {b"0"} or words[1 if name == b"SCAN" else 2] != b"0":
            return True
        pairs = name in (b"HSCAN", b"ZSCAN")
        return equal(_ordered(ours.value[1], pairs), _ordered(theirs.value[1], pairs), 0)
    if name.startswith(b"SORT") and {b"LIMIT", b"BY"} <= {word.upper() for word in words}:
        # Which part of a set it is depends on the order.
        return _shape(ours) == _shape(theirs)
    if name in _GEO and b"COUNT" in {word.upper() for word in words}:
        return _shape(ours) == _shape(theirs)
    if name == b"XGROUP" and words[1].upper() == b"CREATECONSUMER" and ours.value == b"0":
        return bool(theirs.value == b"1")
    if name in _UNORDERED:
        ours, theirs = _ordered(ours), _ordered(theirs)
    elif name in _PAIRS:
        ours, theirs = _ordered(ours, True), _ordered(theirs, True)
    if name == b"XINFO":
        ours = _without_idlers(ours, theirs)
        if ours.value and words[1].upper() == b"CONSUMERS":
            ours = _consumers(ours, theirs)
        ours, theirs = _without(ours), _without(theirs)
    return equal(ours, theirs, _SLACK if name in _TIMES else 0)


def _text(item: Item) -> bytes:
    """The text of a reply, or of the first part of one."""
    value: Any = item.value
    while isinstance(value, list):
        value = value[0].value if value else b""
    return bytes(value or b"")


def _shape(item: Item) -> tuple[object, ...]:
    if isinstance(item.value, list):
        return (
            item.mark,
            len(item.value),
            [_shape(part) if isinstance(part.value, list) else 0 for part in item.value],
        )
    return item.mark, item.value is None


def _is_scan(item: Item) -> bool:
    return isinstance(item.value, list) and len(item.value) == 2 and isinstance(item.value[0].value, bytes)


def _reordered(item: Item) -> Item:
    """A reply with all maps and sets in it in order."""
    if not isinstance(item.value, list):
        return item
    item = Item(item.mark, [_reordered(part) for part in item.value])
    return _ordered(item, item.mark == b"%") if item.mark in b"%~" else item


def _ordered(item: Item, pairs: bool = False) -> Item:
    """A reply with its elements, or its pairs, in order."""
    items = item.value
    if not isinstance(items, list):
        return item
    if pairs and not (items and isinstance(items[0].value, list)):
        return Item(
            item.mark, [part for pair in sorted(zip(items[::2], items[1::2]), key=repr) for part in pair]
        )
    return Item(item.mark, sorted(items, key=repr))


def _without_idlers(ours: Item, theirs: Item) -> Item:
    """Our reply of XINFO without consumers that have never got anything and that the other server does not know."""
    if not isinstance(ours.value, list) or not isinstance(theirs.value, list):
        return ours
    parts = list(ours.value)
    others = {part.value: place for place, part in enumerate(theirs.value) if part.value == b"consumers"}
    for place, part in enumerate(parts):
        if place and parts[place - 1].value == b"consumers" and others:
            other = theirs.value[others[b"consumers"] + 1]
            if part.mark == b":":
                parts[place] = other if int(part.value) > int(other.value) else part
            else:
                parts[place] = _consumers(part, other)
        elif place < len(theirs.value):
            parts[place] = _without_idlers(part, theirs.value[place])
    return Item(ours.mark, parts)


def _consumers(ours: Item, theirs: Item) -> Item:
    """Our list of consumers, without those."""
    names = [consumer.value[1].value for consumer in theirs.value]
    return Item(
        ours.mark,
        [
            consumer
            for consumer in ours.value
            if consumer.value[1].value in names
            or not any(
                field.value in (b"active-time", b"inactive") and consumer.value[place + 1].value == b"-1"
                for place, field in enumerate(consumer.value)
                if not isinstance(field.value, list)
            )
        ],
    )


def _without(item: Item) -> Item:
    """A reply of XINFO without the fields that 7.0 does not have."""
    if not isinstance(item.value, list):
        return item
    parts: list[Item] = []
    skip = False
    for part in item.value:
        if skip:
            skip = False
        elif part.value in _NEWER_FIELDS if not isinstance(part.value, list) else False:
            skip = True
        else:
            parts.append(_without(part))
    return Item(item.mark, parts)


def equal(ours: Item, theirs: Item, slack: int) -> bool:
    """Whether replies are the same but for how doubles are printed, and for integers by so much."""
    if ours.mark != theirs.mark:
        return False
    a, b = ours.value, theirs.value
    if a == b:
        return True
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(equal(x, y, slack) for x, y in zip(a, b))
    if a is None or b is None or isinstance(a, list) or isinstance(b, list):
        return False
    if ours.mark == b":":
        return bool(slack) and abs(int(a) - int(b)) <= slack
    if (a, b) in _NEWER_ENCODINGS:
        return True
    try:
        return bool(a.strip() == a and format_double_17g(float(a)) == b)
    except ValueError:
        return False
