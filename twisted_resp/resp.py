"""The wire, sans-IO: decode requests, encode replies for RESP2 and RESP3.

Theory of operation. Bytes come in through :meth:`RequestDecoder.feed`, requests come out as lists of ``bytes``.
The decoder has two gaits:

- *burst*: what starts at a request boundary is cut with one ``bytes.split(b"\\r\\n")``; while headers and lengths
  agree, a request costs a few slices. Most traffic is decoded here. (On PyPy the careful gait is faster.)
- *careful*: a state machine that walks token by token, for whatever the burst does not like: a request that is not
  all there, a value that holds a line end, a large value, a limit to enforce or an error to name.

A large value is collected in a list of chunks and joined once, so it costs linear time, and nothing is allocated
for an announced length. An inline request is not decoded here: the decoder stops in front of it and says so
(:attr:`RequestDecoder.inline`), for the line mode of the protocol.

Replies are plain Python values (see :data:`Reply`) and a few marker types; :func:`encode_into` writes them.
https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from typing import Any, Final

from twisted_resp.errors import CommandError, ProtocolError
from twisted_resp.text.floats import format_double

__all__ = [
    "BULK_HEADERS",
    "BURSTS",
    "NO_REPLY",
    "NULL_ARRAY",
    "OK",
    "PONG",
    "QUEUED",
    "SHORT",
    "SMALL_INTEGERS",
    "Attributed",
    "BigNumber",
    "Map",
    "Push",
    "Reply",
    "RequestDecoder",
    "SetReply",
    "Several",
    "Status",
    "Verbatim",
    "decode_burst",
    "encode",
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


class Attributed(_Marker):
    """A reply with attributes before it in RESP3: ``value`` is (attributes, reply)."""

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


# ------------------------------------------------------------------ replies

#: A bulk string shorter than this has its header ready: appending header, value and line end is twice as fast as
#: formatting them.
SHORT: Final = 1024
BULK_HEADERS: Final = [b"$%d\r\n" % n for n in range(SHORT)]
#: The same headers with the line end of what stands before them.
_header_behind_value: Final = [b"\r\n" + header for header in BULK_HEADERS].__getitem__
SMALL_INTEGERS: Final = [b":%d\r\n" % n for n in range(SHORT)]


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


def _encode_items(out: list[bytes], header: bytes, items: Iterable[Reply], protocol: int) -> None:
    items = items if isinstance(items, (list, tuple)) else list(items)
    count = len(items)
    if count > 3 and set(map(type, items)) == {bytes}:
        # Arrays of short strings are what LRANGE, SMEMBERS and the like return: no loop here for those.
        pieces: list[bytes] = [b""] * (2 * count)
        try:
            pieces[::2] = map(_header_behind_value, map(len, items))
        except IndexError:
            pass
        else:
            pieces[1::2] = items
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
    text = format_double(reply)
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
    bool: _encode_bool,
    Verbatim: _encode_verbatim,
    BigNumber: _encode_big_number,
    Several: _encode_several,
    Attributed: _encode_attributed,
}


def _encoder_of_base(kind: type) -> Any:
    # bytes has no encoder in the table: its subclasses are strings, encoded as such.
    if issubclass(kind, bytes):
        return _encode_bulk
    for base in kind.__mro__:
        if base in _ENCODERS:
            return _ENCODERS[base]
    raise TypeError(f"no RESP encoding for {kind.__name__}")


# ----------------------------------------------------------------- requests

_MAX_HEADER: Final = 64 * 1024  # Redis' PROTO_INLINE_MAX_SIZE: also the longest header line
_MAX_MULTIBULK: Final = 2**31 - 1
_CHUNKED_FROM: Final = 32 * 1024  # a value at least this long that is not all there is collected in chunks
_UNAUTHENTICATED_MULTIBULK: Final = 10
_UNAUTHENTICATED_BULK: Final = 16384

#: How many tokens a request has, by its first: header and value of each argument, and that first itself.
_STRIDES: Final = {b"*%d" % n: 2 * n + 1 for n in range(1, 1025)}
# Longer values are no matter for the burst: they take the careful gait, whose cost their own length dwarfs.
_LENGTHS: Final = [b"$%d" % n for n in range(4096)]
_length_header: Final = _LENGTHS.__getitem__

#: Whether bursts are worth it here.
BURSTS: Final = platform.python_implementation() != "PyPy"


def decode_burst(data: bytes, requests: list[list[bytes]]) -> int:
    """Decode while all is plain: whole multibulk requests from the start of ``data``, appended to ``requests``.

    :return: the offset at which it is no longer plain; the rest is for a :class:`RequestDecoder`.
    """
    tokens = data.split(b"\r\n")
    last = len(tokens) - 1  # what follows the last line end: not a token yet
    index = 0
    try:
        # One command of two or three words, the most usual thing of all: no loop, no slices.
        if last == 5:
            count, header, name, header_1, arg_1, rest = tokens
            if (
                count == b"*2"
                and header == _LENGTHS[len(name)]
                and header_1 == _LENGTHS[len(arg_1)]
                and not rest
            ):
                requests.append([name, arg_1])
                return len(data)
        elif last == 7:
            count, header, name, header_1, arg_1, header_2, arg_2, rest = tokens
            if (
                count == b"*3"
                and header == _LENGTHS[len(name)]
                and header_1 == _LENGTHS[len(arg_1)]
                and header_2 == _LENGTHS[len(arg_2)]
                and not rest
            ):
                requests.append([name, arg_1, arg_2])
                return len(data)
        stride = _STRIDES[tokens[0]]
        if (
            last > 2 * stride
            and not last % stride
            and tokens[0:last:stride].count(tokens[0]) * stride == last
        ):
            # A pipeline of commands of one length: check and cut it column by column, which needs no loop here.
            columns = []
            for column in range(2, stride, 2):
                values = tokens[column:last:stride]
                if list(map(_length_header, map(len, values))) != tokens[column - 1 : last : stride]:
                    raise LookupError
                columns.append(values)
            requests += map(list, zip(*columns))
            index = last
        while index < last:
            end = index + _STRIDES[tokens[index]]
            if end > last:
                break
            args = tokens[index + 2 : end : 2]
            for header, arg in zip(tokens[index + 1 : end : 2], args):
                if header != _LENGTHS[len(arg)]:
                    raise LookupError
            requests.append(args)
            index = end
    except LookupError:
        pass  # a header that is not in the tables, or a value with a line end: leave it to the careful gait
    if index == last and not tokens[last]:
        return len(data)
    return sum(map(len, tokens[:index])) + 2 * index


class RequestDecoder:
    """Cut a stream of bytes into multibulk requests.

    >>> decoder = RequestDecoder()
    >>> decoder.feed(b"*1\\r\\n$4\\r\\nPI")
    []
    >>> decoder.feed(b"NG\\r\\nPING\\r\\n")
    [[b'PING']]
    >>> decoder.inline, decoder.take_rest()
    (True, b'PING\\r\\n')

    :param max_bulk: the longest value, in bytes (``proto-max-bulk-len``).
    """

    __slots__ = (
        "_args",
        "_bulk",
        "_chunked",
        "_chunks",
        "_missing",
        "_remaining",
        "_tail",
        "authenticated",
        "error",
        "inline",
        "max_bulk",
    )

    def __init__(self, max_bulk: int = 512 * 1024 * 1024) -> None:
        self.max_bulk = max_bulk
        #: While False, Redis' small limits for strangers hold and :meth:`feed` stops after each request.
        self.authenticated = True
        #: Set when the stream can't be decoded any further.
        self.error: ProtocolError | None = None
        #: Set when what comes next is not a multibulk request; see :meth:`take_rest`.
        self.inline = False
        self._tail = b""  # bytes not decoded yet
        self._args: list[bytes] = []  # the request under way ...
        self._remaining = 0  # ... how many of its arguments are still to come ...
        self._bulk = -1  # ... the announced length of the next one, or -1 ...
        self._chunks: list[bytes] = []  # ... and what there is of it, if it is large
        self._chunked = False
        self._missing = 0

    @property
    def incomplete(self) -> bool:
        """Whether a part of a request is held here."""
        return bool(self._remaining or self._tail)

    def unread(self, data: bytes) -> None:
        """Put bytes back in front of what is fed next; only at a request's boundary."""
        self._tail = data

    def take_rest(self) -> bytes:
        """Hand over what is not decoded (an inline request and what follows), and start afresh."""
        rest, self._tail, self.inline = self._tail, b"", False
        return rest

    def feed(self, data: bytes) -> list[list[bytes]]:
        """Take more of the stream; answer the requests that are complete now.

        An error does not take back the requests before it: they are answered, and :attr:`error` is set.
        """
        requests: list[list[bytes]] = []
        if self.error is not None:
            return requests
        if self._chunked:
            data = self._collect(data)
            if self._chunked:
                return requests
            if not self._remaining:
                self._finish(requests)
        elif self._tail:
            data = self._tail + data
            self._tail = b""
        if not data:
            return requests
        start = 0
        if BURSTS and self.authenticated and not self._remaining and self._bulk < 0 and data[0] == 42:
            start = decode_burst(data, requests)
            if start == len(data):
                return requests
        try:
            self._careful(data, start, requests)
        except ProtocolError as error:
            self.error = error
            self._tail = b""
        return requests

    # -- the careful gait

    def _careful(self, data: bytes, start: int, requests: list[list[bytes]]) -> None:
        size = len(data)
        while True:
            if not self._remaining:
                if start == size:
                    return
                if data[start] != 42:  # '*'
                    self.inline = True
                    self._tail = data[start:]
                    return
                end = data.find(b"\r", start)
                if end < 0 or end + 1 >= size:
                    self._wait(data, start, b"ERR Protocol error: too big mbulk count string")
                    return
                count = _parse_header(data[start + 1 : end])
                if count is None or count > _MAX_MULTIBULK:
                    raise ProtocolError(b"ERR Protocol error: invalid multibulk length")
                if count > _UNAUTHENTICATED_MULTIBULK and not self.authenticated:
                    raise ProtocolError(b"ERR Protocol error: unauthenticated multibulk length")
                start = end + 2
                if count <= 0:
                    continue
                self._remaining = count
            if self._bulk < 0:
                end = data.find(b"\r", start)
                if end < 0 or end + 1 >= size:
                    self._wait(data, start, b"ERR Protocol error: too big bulk count string")
                    return
                if data[start] != 36:  # '$'
                    # Redis prints the character as it is; a line end would break the reply.
                    got = data[start : start + 1]
                    raise ProtocolError(b"ERR Protocol error: expected '$', got '%b'" % got)
                length = _parse_header(data[start + 1 : end])
                if length is None or length < 0 or length > self.max_bulk:
                    raise ProtocolError(b"ERR Protocol error: invalid bulk length")
                if length > _UNAUTHENTICATED_BULK and not self.authenticated:
                    raise ProtocolError(b"ERR Protocol error: unauthenticated bulk length")
                start = end + 2
                self._bulk = length
            end = start + self._bulk
            if end + 2 <= size:
                # Redis does not look at the two bytes that end a value, so neither do we.
                self._args.append(data[start:end])
                start = end + 2
                self._bulk = -1
                self._remaining -= 1
            elif self._bulk >= _CHUNKED_FROM:
                self._chunked = True
                self._chunks = [data[start:]]
                self._missing = self._bulk + 2 - (size - start)
                return
            else:
                self._tail = data[start:]
                return
            if not self._remaining:
                self._finish(requests)
                if not self.authenticated:
                    self._tail = data[start:]
                    return

    def _finish(self, requests: list[list[bytes]]) -> None:
        requests.append(self._args)
        self._args = []

    def _wait(self, data: bytes, start: int, too_big: bytes) -> None:
        if len(data) - start > _MAX_HEADER:
            raise ProtocolError(too_big)
        self._tail = data[start:]

    def _collect(self, data: bytes) -> bytes:
        """Add to the large value under way; answer what follows it."""
        if len(data) < self._missing:
            self._chunks.append(data)
            self._missing -= len(data)
            return b""
        self._chunks.append(data[: self._missing])
        rest = data[self._missing :]
        # The two bytes that end the value may stand in the last chunk, or one in each of the last two: cut them off
        # before joining, for a slice of the joined value would be one more copy of it.
        surplus = 2
        while surplus:
            final = self._chunks.pop()
            if len(final) > surplus:
                self._chunks.append(final[:-surplus])
                break
            surplus -= len(final)
        self._args.append(b"".join(self._chunks))
        self._chunks = []
        self._chunked = False
        self._bulk = -1
        self._remaining -= 1
        return rest


def _parse_header(digits: bytes) -> int | None:
    """A length as Redis' string2ll reads it, or None."""
    if digits.isdigit():
        return int(digits) if len(digits) == 1 or (digits[0] != 48 and len(digits) < 20) else None
    if digits[:1] == b"-" and digits[1:].isdigit() and len(digits) < 20 and digits[1] != 48:
        return int(digits)
    return None
