"""A connection to a Redis of any make: requests in a pipeline, replies with their types."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ["Connection", "Item", "Request"]

Request = Sequence[bytes]


class Item(NamedTuple):
    """A reply, or a part of one: its RESP type and what it holds (None for a null)."""

    mark: bytes
    value: Any

    @property
    def is_error(self) -> bool:
        return self.mark == b"-"


class Connection:
    """A client of one server.

    :param timeout: how long to wait for a reply, in seconds.
    """

    def __init__(self, host: str, port: int, timeout: float = 30) -> None:
        self._socket = socket.create_connection((host, port), timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._replies = self._socket.makefile("rb")

    def close(self) -> None:
        self._replies.close()
        self._socket.close()

    def send(self, requests: Sequence[Request]) -> None:
        """Send requests in one go."""
        self._socket.sendall(
            b"".join(
                b"*%d\r\n%b" % (len(words), b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words))
                for words in requests
            )
        )

    def receive(self) -> Item:
        """Read one reply.

        :raises EOFError: the server has closed the connection.
        """
        line = self._replies.readline()
        if not line:
            raise EOFError("the server closed the connection")
        mark, rest = line[:1], line[1:-2]
        if mark in b"$=":
            length = int(rest)
            return Item(mark, None if length < 0 else self._replies.read(length + 2)[:-2])
        if mark in b"*~>%":
            count = int(rest)
            if count < 0:
                return Item(mark, None)
            return Item(mark, [self.receive() for _ in range(2 * count if mark == b"%" else count)])
        return Item(mark, rest)

    def ask(self, *words: bytes) -> Item:
        """Run one command."""
        self.send([words])
        return self.receive()
