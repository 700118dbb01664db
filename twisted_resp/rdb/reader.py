"""RDB type and payload to a value. Streams are in ``stream_reader``, whole files in ``file_reader``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted_resp.rdb import format as rdb
from twisted_resp.rdb.cursor import Cursor
from twisted_resp.rdb.encodings import (
    Element,
    as_bytes,
    unpack_intset,
    unpack_listpack,
    unpack_listpack_as_bytes,
    unpack_ziplist,
    unpack_zipmap,
)
from twisted_resp.rdb.format import EmptyValueError, RdbError
from twisted_resp.rdb.stream_reader import read_stream
from twisted_resp.text.floats import parse_double
from twisted_resp.values.hash import Hash
from twisted_resp.values.limits import Limits
from twisted_resp.values.list import List
from twisted_resp.values.set import Set
from twisted_resp.values.sorted_set import SortedSet

__all__ = ["read_value"]

_Reader = Callable[[Cursor, int, Limits], Any]
_Unpack = Callable[[bytes], "list[Element]"]

# The greatest time that Redis lets a field have.
_LATEST: Final = (1 << 48) - 2
# Fields that don't expire have this time in Valkey's hashes.
_NO_TIME: Final = -1
_SPECIAL_SCORES: Final = {254: float("inf"), 255: float("-inf")}


def read_value(cursor: Cursor, kind: int, limits: Limits) -> Any:
    """Read one value: bytes for a string, else an object of ``twisted_resp.values``.

    Redis may have been configured otherwise when the value was saved; its encoding fits ``limits`` afterwards.

    :param kind: the RDB type.
    :raises RdbError: the data make no sense; :class:`EmptyValueError` where Redis leaves out the key.
    """
    reader = _READERS.get(kind)
    if reader is None:
        # Also what only versions have that are newer than all that we know.
        raise RdbError(f"unknown type of value {kind}")
    try:
        return reader(cursor, kind, limits)
    except EmptyValueError:
        raise
    except RdbError as error:
        packed = _PACKED.get(kind)
        if packed is None:
            raise
        raise RdbError(f"{packed} integrity check failed: {error}") from None


def _no_empty(elements: Sequence[Any]) -> None:
    if not elements:
        raise EmptyValueError("a collection has no elements")


def _read_string(cursor: Cursor, kind: int, limits: Limits) -> bytes:
    return cursor.string()


def _read_module(cursor: Cursor, kind: int, limits: Limits) -> Any:
    raise RdbError("a value belongs to a module, and there are no modules here")


# --------------------------------------------------------------------------------------------- lists and sets


def _read_list(cursor: Cursor, kind: int, limits: Limits) -> List:
    elements = [cursor.string() for _ in range(cursor.count())]
    _no_empty(elements)
    return List.of(limits, elements)


def _read_ziplist_list(cursor: Cursor, kind: int, limits: Limits) -> List:
    elements = as_bytes(unpack_ziplist(cursor.string()))
    _no_empty(elements)
    return List.from_nodes(limits, [(False, elements)])


def _read_quicklist(cursor: Cursor, kind: int, limits: Limits) -> List:
    nodes: list[tuple[bool, list[bytes]]] = []
    for _ in range(cursor.count()):
        container = cursor.length() if kind == rdb.LIST_QUICKLIST_2 else 0
        data = cursor.string()
        if container == rdb.PLAIN:
            if not data:
                raise RdbError("a node of its own holds an empty element")
            nodes.append((True, [data]))
        elif container == rdb.PACKED:
            nodes.append((False, unpack_listpack_as_bytes(data)))
        elif kind == rdb.LIST_QUICKLIST:
            nodes.append((False, as_bytes(unpack_ziplist(data))))
        else:
            raise RdbError(f"unknown container {container} of a list's node")
    _no_empty([1 for _, elements in nodes if elements])
    return List.from_nodes(limits, nodes)


def _read_set(cursor: Cursor, kind: int, limits: Limits) -> Set:
    return _set(limits, [cursor.string() for _ in range(cursor.count())], b"hashtable")


def _read_intset(cursor: Cursor, kind: int, limits: Limits) -> Set:
    return _set(limits, as_bytes(unpack_intset(cursor.string())), b"intset")


def _read_listpack_set(cursor: Cursor, kind: int, limits: Limits) -> Set:
    return _set(limits, unpack_listpack_as_bytes(cursor.string()), b"listpack")


def _set(limits: Limits, members: list[bytes], encoding: bytes) -> Set:
    _no_empty(members)
    made = Set.load(limits, members, encoding)
    if len(made) != len(members):
        raise RdbError("a set has a member twice")
    return made


# ------------------------------------------------------------------------------------------------ sorted sets


def _read_zset(cursor: Cursor, kind: int, limits: Limits) -> SortedSet:
    count = cursor.count(2)
    if kind == rdb.ZSET_2:
        pairs = [(cursor.string(), cursor.double()) for _ in range(count)]
    else:
        pairs = [(cursor.string(), _text_score(cursor)) for _ in range(count)]
    return _sorted_set(limits, pairs)


def _text_score(cursor: Cursor) -> float:
    length = cursor.byte()
    if length > 252:
        if length in _SPECIAL_SCORES:
            return _SPECIAL_SCORES[length]
        raise RdbError("a score is not a number")
    return _score(cursor.take(length))


def _score(text: Element) -> float:
    if type(text) is not bytes:
        return float(text)
    score = parse_double(text)
    if score is None:
        raise RdbError("a score is not a number")
    return score


def _read_packed_zset(cursor: Cursor, kind: int, limits: Limits) -> SortedSet:
    elements = (unpack_listpack if kind == rdb.ZSET_LISTPACK else unpack_ziplist)(cursor.string())
    if len(elements) % 2:
        raise RdbError("a sorted set has a member without a score")
    made = _sorted_set(limits, list(zip(as_bytes(elements[::2]), map(_score, elements[1::2]))))
    if len(made) <= limits.zset_max_listpack_entries:
        # However long the members are.
        made.encoding = b"listpack"
    return made


def _sorted_set(limits: Limits, pairs: list[tuple[bytes, float]]) -> SortedSet:
    _no_empty(pairs)
    for _, score in pairs:
        if score != score:
            raise RdbError("a score is not a number")
    made = SortedSet.of(limits, pairs)
    if len(made) != len(pairs):
        raise RdbError("a sorted set has a member twice")
    return made


# ----------------------------------------------------------------------------------------------------- hashes


def _read_hash(cursor: Cursor, kind: int, limits: Limits) -> Hash:
    elements = [cursor.string() for _ in range(2 * cursor.count(2))]
    return _hash(limits, elements[::2], elements[1::2], b"hashtable")


def _read_packed_hash(cursor: Cursor, kind: int, limits: Limits) -> Hash:
    if kind == rdb.HASH_LISTPACK:
        elements = unpack_listpack_as_bytes(cursor.string())
    elif kind == rdb.HASH_ZIPLIST:
        elements = as_bytes(unpack_ziplist(cursor.string()))
    else:
        elements = unpack_zipmap(cursor.string())
        if not elements:
            raise RdbError("it is empty")
    fields, values = elements[::2], elements[1::2]
    # A zipmap is converted with a look at the lengths; the others stay what they are.
    encoding = b"hashtable" if kind == rdb.HASH_ZIPMAP else b"listpack"
    return _hash(limits, fields, values, encoding)


def _read_expiring_hash(cursor: Cursor, kind: int, limits: Limits) -> Hash:
    earliest = _earliest(cursor) if kind == rdb.HASH_METADATA else 1
    fields: list[bytes] = []
    values: list[bytes] = []
    expiries: dict[bytes, int] = {}
    for _ in range(cursor.count(3)):
        at_ms = cursor.length()
        fields.append(cursor.string())
        values.append(cursor.string())
        if at_ms:
            # Counted from the earliest one, where that is known; 0 is taken for fields that stay.
            expiries[fields[-1]] = _time(at_ms + earliest - 1)
    made = _hash(limits, fields, values, b"hashtable", expiries)
    if made.encoding == b"listpack":
        made.prepare_expiry()
    return made


def _read_packed_expiring_hash(cursor: Cursor, kind: int, limits: Limits) -> Hash:
    if kind == rdb.HASH_LISTPACK_EX:
        _earliest(cursor)
    elements = unpack_listpack(cursor.string())
    times = elements[2::3]
    if len(elements) % 3:
        raise RdbError("a hash has a field without a value or time")
    fields = as_bytes(elements[::3])
    expiries = {}
    for field, at_ms in zip(fields, times):
        if type(at_ms) is not int:
            raise RdbError("a field's time is not a number")
        if at_ms:
            expiries[field] = _time(at_ms)
    ordered = [at_ms or _LATEST + 1 for at_ms in times if type(at_ms) is int]
    if any(map(int.__gt__, ordered, ordered[1:])):
        raise RdbError("the fields of a hash are not in the order of their times")
    # Of equal times the newest is the first one.
    newest_last = dict(reversed(expiries.items()))
    return _hash(limits, fields, as_bytes(elements[1::3]), b"listpackex", newest_last)


def _read_valkey_hash(cursor: Cursor, kind: int, limits: Limits) -> Hash:
    fields: list[bytes] = []
    values: list[bytes] = []
    expiries: dict[bytes, int] = {}
    for _ in range(cursor.count(10)):
        fields.append(cursor.string())
        values.append(cursor.string())
        at_ms = cursor.milliseconds()
        if at_ms != _NO_TIME:
            expiries[fields[-1]] = _time(at_ms)
    made = _hash(limits, fields, values, b"hashtable", expiries)
    if made.encoding == b"listpack":
        made.prepare_expiry()
    return made


def _earliest(cursor: Cursor) -> int:
    at_ms = cursor.milliseconds()
    if not 0 <= at_ms <= _LATEST + 1:
        raise RdbError("the earliest time of a hash's fields is out of range")
    return at_ms


def _time(at_ms: int) -> int:
    if not 0 < at_ms <= _LATEST:
        raise RdbError("a field's time is out of range")
    return at_ms


def _hash(
    limits: Limits,
    fields: list[bytes],
    values: list[bytes],
    encoding: bytes,
    expiries: dict[bytes, int] | None = None,
) -> Hash:
    _no_empty(fields)
    if len(fields) != len(values):
        raise RdbError("a hash has a field without a value")
    items = dict(zip(fields, values))
    if len(items) != len(fields):
        raise RdbError("a hash has a field twice")
    return Hash.load(limits, items, encoding, expiries)


# What is damaged, in the words of Redis' log, where a value is packed into one string.
_PACKED: Final = {
    rdb.HASH_ZIPMAP: "Zipmap",
    rdb.LIST_ZIPLIST: "List ziplist",
    rdb.SET_INTSET: "Intset",
    rdb.ZSET_ZIPLIST: "Zset ziplist",
    rdb.HASH_ZIPLIST: "Hash ziplist",
    rdb.LIST_QUICKLIST: "Ziplist",
    rdb.HASH_LISTPACK: "Hash listpack",
    rdb.ZSET_LISTPACK: "Zset listpack",
    rdb.LIST_QUICKLIST_2: "Listpack",
    rdb.SET_LISTPACK: "Set listpack",
    rdb.HASH_LISTPACK_EX_PRE_GA: "Hash listpack",
    rdb.HASH_LISTPACK_EX: "Hash listpack",
}

_READERS: Final[dict[int, _Reader]] = {
    rdb.STRING: _read_string,
    rdb.LIST: _read_list,
    rdb.SET: _read_set,
    rdb.ZSET: _read_zset,
    rdb.HASH: _read_hash,
    rdb.ZSET_2: _read_zset,
    rdb.MODULE_PRE_GA: _read_module,
    rdb.MODULE_2: _read_module,
    rdb.HASH_ZIPMAP: _read_packed_hash,
    rdb.LIST_ZIPLIST: _read_ziplist_list,
    rdb.SET_INTSET: _read_intset,
    rdb.ZSET_ZIPLIST: _read_packed_zset,
    rdb.HASH_ZIPLIST: _read_packed_hash,
    rdb.LIST_QUICKLIST: _read_quicklist,
    rdb.STREAM: read_stream,
    rdb.HASH_LISTPACK: _read_packed_hash,
    rdb.ZSET_LISTPACK: _read_packed_zset,
    rdb.LIST_QUICKLIST_2: _read_quicklist,
    rdb.STREAM_2: read_stream,
    rdb.SET_LISTPACK: _read_listpack_set,
    rdb.STREAM_3: read_stream,
    rdb.HASH_METADATA_PRE_GA: _read_expiring_hash,
    rdb.HASH_LISTPACK_EX_PRE_GA: _read_packed_expiring_hash,
    rdb.HASH_METADATA: _read_expiring_hash,
    rdb.HASH_LISTPACK_EX: _read_packed_expiring_hash,
    rdb.STREAM_4: read_stream,
    rdb.VALKEY_HASH_2: _read_valkey_hash,
}
