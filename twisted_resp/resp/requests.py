"""Requests from bytes.

Theory of operation. Bytes come in through :meth:`RequestDecoder.feed`, requests come out as lists of ``bytes``.
The decoder has two gaits:

- *burst*: what starts at a request boundary is cut with one ``bytes.split(b"\\r\\n")``; while headers and lengths
  agree, a request costs a few slices. Most traffic is decoded here. (On PyPy the careful gait is faster.)
- *careful*: a state machine that walks token by token, for whatever the burst does not like: a request that is not
  all there, a value that holds a line end, a large value, a limit to enforce or an error to name.

A large value is collected in a list of chunks and joined once, so it costs linear time, and nothing is allocated
for an announced length. An inline request is not decoded here: the decoder stops in front of it and says so
(:attr:`RequestDecoder.inline`), for the line mode of the protocol.
"""

from __future__ import annotations

import platform
from typing import Final

from twisted_resp.errors import ProtocolError

__all__ = ["BURSTS", "RequestDecoder", "decode_burst"]

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


def decode_burst(data: bytes, requests: list[list[bytes]], run: list[list[bytes]] | None = None) -> int:
    """Decode while all is plain: whole multibulk requests from the start of ``data``, appended to ``requests``.

    :param run: takes a pipeline of one and the same command instead, word by word: the names, the first arguments of
        all, their second arguments, and so on.
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
            number = last // stride
            for column in range(2, stride, 2):
                values = tokens[column:last:stride]
                headers = tokens[column - 1 : last : stride]
                lengths = set(map(len, values))
                if len(lengths) == 1:
                    if headers.count(_LENGTHS[lengths.pop()]) != number:
                        raise LookupError
                elif list(map(_length_header, map(len, values))) != headers:
                    raise LookupError
                columns.append(values)
            names = columns[0]
            if run is not None and names.count(names[0]) == number:
                run += columns
            else:
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

    @property
    def unread_size(self) -> int:
        """The bytes that are not part of a request's arguments yet."""
        return self._bulk + 2 - self._missing if self._chunked else len(self._tail)

    @property
    def arguments_size(self) -> int:
        """The bytes of the arguments that an incomplete request has so far."""
        return sum(map(len, self._args))

    @property
    def expected_size(self) -> int:
        """The bytes of a large value that were announced and are still to come."""
        return self._missing if self._chunked else 0

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
