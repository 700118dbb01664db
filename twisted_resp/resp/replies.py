"""Replies to bytes: plain Python values (see :data:`Reply`) and a few marker types, in RESP2 and RESP3.

https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from twisted_resp.errors import CommandError
from twisted_resp.text.floats import format_double, format_for_people

__all__ = [
    "BULK_HEADERS",
    "NO_REPLY",
    "NULL_ARRAY",
    "OK",
    "PONG",
    "QUEUED",
    "SHORT",
    "SMALL_INTEGERS",
    "Attributed",
    "BigNumber",
    "Encoded",
    "LongDouble",
    "Map",
    "Push",
    "Reply",
    "SetReply",
    "Several",
    "Status",
    "Verbatim",
    "encode",
    "encode_alike",
    "encode_into",
]

#: What a handler may return. None is null, bytes a bulk string, int an integer, list an array, float a double,
#: bool a boolean, dict a map, CommandError an error; else one of the marker types below.
Reply = Any


class _Marker:
    """A reply that a plain Python value can't say; equal by type and content."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.value == self.value

    def __hash__(self) -> int:
        return hash((type(self), str(self.value)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"


class Status(_Marker):
    """A simple string such as ``+OK``."""

    __slots__ = ()


class SetReply(_Marker):
    """A set: an array in RESP2. ``value`` is a list or another sized iterable."""

    __slots__ = ()


class Map(_Marker):
    """A map from a list of pairs (a dict will do where no key comes twice): a flat array in RESP2."""

    __slots__ = ()


class Push(_Marker):
    """An out-of-band message: an array in RESP2. ``value`` is a list."""

    __slots__ = ()


class BigNumber(_Marker):
    """A big number, given as its digits: a bulk string in RESP2."""

    __slots__ = ()


class Several(_Marker):
    """Several replies to one command, one after the other. ``value`` is a list of them."""

    __slots__ = ()


class Encoded(_Marker):
    """Bytes that go out as they are: a message between replies."""

    __slots__ = ()


class Attributed(_Marker):
    """A reply with attributes before it in RESP3: ``value`` is (attributes, reply)."""

    __slots__ = ()


class LongDouble(float):
    """A double that is printed as Redis prints its long doubles: without an exponent, with up to 17 places."""

    __slots__ = ()


class Verbatim:
    """Text with a three-letter format: a bulk string in RESP2."""

    __slots__ = ("format", "value")

    def __init__(self, format: bytes, value: bytes) -> None:
        self.format = format
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verbatim) and (other.format, other.value) == (self.format, self.value)

    def __hash__(self) -> int:
        return hash((self.format, self.value))

    def __repr__(self) -> str:
        return f"Verbatim({self.format!r}, {self.value!r})"


class _Singleton:
    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


OK: Final = Status(b"OK")
QUEUED: Final = Status(b"QUEUED")
PONG: Final = Status(b"PONG")
#: A null where RESP2 says ``*-1`` (an array that is not there); in RESP3 there is one null.
NULL_ARRAY: Final = _Singleton("NULL_ARRAY")
#: Nothing is sent.
NO_REPLY: Final = _Singleton("NO_REPLY")


#: A bulk string shorter than this has its header ready: appending header, value and line end is twice as fast as
#: formatting them.
SHORT: Final = 1024
BULK_HEADERS: Final = [b"$%d\r\n" % n for n in range(SHORT)]
#: The same headers with the line end of what stands before them.
_header_behind_value: Final = [b"\r\n" + header for header in BULK_HEADERS].__getitem__
SMALL_INTEGERS: Final = [b":%d\r\n" % n for n in range(SHORT)]

# What many replies to one command, and the items of many an array, are.
_STRINGS: Final = frozenset((bytes,))
_STRINGS_AND_NULLS: Final = frozenset((bytes, type(None)))
_INTEGERS: Final = frozenset((int,))
_NULLS: Final = frozenset((type(None),))
_ARRAYS: Final = frozenset((list,))


def encode(reply: Reply, protocol: int = 2) -> bytes:
    """Encode one reply.

    :param protocol: 2 or 3, the RESP version.
    """
    out: list[bytes] = []
    encode_into(out, reply, protocol)
    return b"".join(out)


def encode_into(out: list[bytes], reply: Reply, protocol: int) -> None:
    """Append the encoding of ``reply`` to ``out``; a large bulk string is appended as it is, not copied."""
    kind = type(reply)
    if kind is bytes:
        size = len(reply)
        out += (BULK_HEADERS[size] if size < SHORT else b"$%d\r\n" % size, reply, b"\r\n")
    elif reply is OK:
        out.append(b"+OK\r\n")
    elif kind is int:
        out.append(SMALL_INTEGERS[reply] if 0 <= reply < SHORT else b":%d\r\n" % reply)
    elif reply is None:
        out.append(b"$-1\r\n" if protocol == 2 else b"_\r\n")
    elif kind is list:
        _encode_items(out, b"*%d\r\n", reply, protocol)
    else:
        encoder = _ENCODERS.get(kind) or _encoder_of_base(kind)
        encoder(out, reply, protocol)


def encode_alike(out: list[bytes], replies: list[Reply], protocol: int) -> bool:
    """Append the encodings of replies of one simple kind; answer False, with nothing done, where they are not."""
    first = replies[0]
    if type(first) is Status:
        if replies.count(first) == len(replies):
            out.append(b"+%b\r\n" % first.value * len(replies))
            return True
        return False
    kinds = set(map(type, replies))
    if kinds == _INTEGERS:
        out.append((b":%d\r\n" * len(replies)) % tuple(replies))
        return True
    if kinds == _STRINGS:
        pieces = _bulks(replies)
        if pieces is not None:
            pieces[0] = pieces[0][2:]
            out += pieces
            out.append(b"\r\n")
            return True
    elif kinds == _STRINGS_AND_NULLS:
        null = b"$-1\r\n" if protocol == 2 else b"_\r\n"
        try:
            out += [null if one is None else b"%b%b\r\n" % (BULK_HEADERS[len(one)], one) for one in replies]
            return True
        except IndexError:
            pass
    elif kinds == _NULLS:
        out.append((b"$-1\r\n" if protocol == 2 else b"_\r\n") * len(replies))
        return True
    elif kinds == _ARRAYS:
        if not any(replies):
            out.append(b"*0\r\n" * len(replies))
            return True
        length = len(out)
        try:
            for one in replies:
                _encode_items(out, b"*%d\r\n", one, protocol)
            return True
        except Exception:  # what should not be in a reply: whose it is, is told one by one
            del out[length:]
    return False


def _bulks(items: Sequence[bytes]) -> list[bytes] | None:
    """Headers and values of short strings, each header with the line end of the value before it; None for longer."""
    pieces: list[bytes] = [b""] * (2 * len(items))
    try:
        pieces[::2] = map(_header_behind_value, map(len, items))
    except IndexError:
        return None
    pieces[1::2] = items
    return pieces


def _encode_items(out: list[bytes], header: bytes, items: Iterable[Reply], protocol: int) -> None:
    items = items if isinstance(items, (list, tuple)) else list(items)
    count = len(items)
    if count > 3 and set(map(type, items)) == _STRINGS:
        # Arrays of short strings are what LRANGE, SMEMBERS and the like return: no loop here for those.
        pieces = _bulks(items)
        if pieces is not None:
            out.append(header[:-2] % count)
            out += pieces
            out.append(b"\r\n")
            return
    out.append(header % count)
    for item in items:
        if type(item) is bytes and len(item) < SHORT:
            out += (BULK_HEADERS[len(item)], item, b"\r\n")
        else:
            encode_into(out, item, protocol)


def _encode_bulk(out: list[bytes], reply: Any, protocol: int) -> None:
    encode_into(out, bytes(reply), protocol)


def _encode_status(out: list[bytes], reply: Status, protocol: int) -> None:
    out.append(b"+%b\r\n" % reply.value)


def _encode_error(out: list[bytes], reply: CommandError, protocol: int) -> None:
    message = reply.message
    if b"\n" in message or b"\r" in message:
        message = message.replace(b"\r", b" ").replace(b"\n", b" ")
    out.append(b"-%b\r\n" % message)


def _encode_tuple(out: list[bytes], reply: tuple[Reply, ...], protocol: int) -> None:
    _encode_items(out, b"*%d\r\n", reply, protocol)


def _encode_null_array(out: list[bytes], reply: object, protocol: int) -> None:
    if reply is NULL_ARRAY:
        out.append(b"*-1\r\n" if protocol == 2 else b"_\r\n")


def _encode_pairs(out: list[bytes], pairs: Any, protocol: int, resp3_header: bytes) -> None:
    pairs = list(pairs.items() if isinstance(pairs, dict) else pairs)
    out.append(resp3_header % len(pairs) if protocol == 3 else b"*%d\r\n" % (2 * len(pairs)))
    for key, value in pairs:
        encode_into(out, key, protocol)
        encode_into(out, value, protocol)


def _encode_map(out: list[bytes], reply: Map, protocol: int) -> None:
    _encode_pairs(out, reply.value, protocol, b"%%%d\r\n")


def _encode_dict(out: list[bytes], reply: dict[Reply, Reply], protocol: int) -> None:
    _encode_pairs(out, reply, protocol, b"%%%d\r\n")


def _encode_set(out: list[bytes], reply: SetReply, protocol: int) -> None:
    _encode_items(out, b"*%d\r\n" if protocol == 2 else b"~%d\r\n", reply.value, protocol)


def _encode_push(out: list[bytes], reply: Push, protocol: int) -> None:
    _encode_items(out, b"*%d\r\n" if protocol == 2 else b">%d\r\n", reply.value, protocol)


def _encode_double(out: list[bytes], reply: float, protocol: int) -> None:
    text = format_for_people(reply) if type(reply) is LongDouble else format_double(reply)
    out.append(b",%b\r\n" % text if protocol == 3 else b"$%d\r\n%b\r\n" % (len(text), text))


def _encode_bool(out: list[bytes], reply: bool, protocol: int) -> None:
    if protocol == 3:
        out.append(b"#t\r\n" if reply else b"#f\r\n")
    else:
        out.append(b":1\r\n" if reply else b":0\r\n")


def _encode_verbatim(out: list[bytes], reply: Verbatim, protocol: int) -> None:
    if protocol == 3:
        out.append(b"=%d\r\n%b:%b\r\n" % (len(reply.value) + 4, reply.format, reply.value))
    else:
        encode_into(out, reply.value, protocol)


def _encode_big_number(out: list[bytes], reply: BigNumber, protocol: int) -> None:
    if protocol == 3:
        out.append(b"(%b\r\n" % reply.value)
    else:
        encode_into(out, reply.value, protocol)


def _encode_several(out: list[bytes], reply: Several, protocol: int) -> None:
    for one in reply.value:
        encode_into(out, one, protocol)


def _encode_encoded(out: list[bytes], reply: Encoded, protocol: int) -> None:
    out.append(reply.value)


def _encode_attributed(out: list[bytes], reply: Attributed, protocol: int) -> None:
    attributes, value = reply.value
    if protocol == 3:
        _encode_pairs(out, attributes, protocol, b"|%d\r\n")
    encode_into(out, value, protocol)


_ENCODERS: Final[dict[type, Any]] = {
    Status: _encode_status,
    CommandError: _encode_error,
    bytearray: _encode_bulk,
    memoryview: _encode_bulk,
    tuple: _encode_tuple,
    _Singleton: _encode_null_array,
    dict: _encode_dict,
    Map: _encode_map,
    SetReply: _encode_set,
    Push: _encode_push,
    float: _encode_double,
    LongDouble: _encode_double,
    bool: _encode_bool,
    Verbatim: _encode_verbatim,
    BigNumber: _encode_big_number,
    Several: _encode_several,
    Attributed: _encode_attributed,
    Encoded: _encode_encoded,
}


def _encoder_of_base(kind: type) -> Any:
    # bytes has no encoder in the table: its subclasses are strings, encoded as such.
    if issubclass(kind, bytes):
        return _encode_bulk
    for base in kind.__mro__:
        if base in _ENCODERS:
            return _ENCODERS[base]
    raise TypeError(f"no RESP encoding for {kind.__name__}")
