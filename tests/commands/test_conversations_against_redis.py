"""Transactions, subscriptions, modes of replying: random conversations of three clients, also with Redis.

Every byte that a client gets, and when it gets it, has to be the same.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

Engine = Any  # of conftest.py

KEYS = ("a", "b")
REQUESTS = st.one_of(
    st.sampled_from(
        (
            "MULTI", "MULTI", "EXEC", "EXEC", "DISCARD", "EXEC x", "UNWATCH", "WATCH", "WATCH a", "WATCH b",
            "WATCH a b", "SELECT 0", "SELECT 1", "SELECT x", "SWAPDB 0 1", "FLUSHDB", "RESET", "PING",
            "PING x", "NOSUCH", "GET", "RENAME a b", "CLIENT REPLY ON", "CLIENT REPLY OFF",
            "CLIENT REPLY SKIP", "CLIENT GETNAME", "CLIENT SETNAME me", "CLIENT NOSUCH", "CLIENT UNBLOCK x",
            "CLIENT LIST ID x", "ECHO x",
        )
    ),
    st.builds("{} {}".format, st.sampled_from(("GET", "DEL", "INCR", "PERSIST")), st.sampled_from(KEYS)),
    st.builds("SET {} {}".format, st.sampled_from(KEYS), st.sampled_from(("1", "x"))),
    st.builds(
        "{} {}".format,
        st.sampled_from(("SUBSCRIBE", "UNSUBSCRIBE", "SSUBSCRIBE", "SUNSUBSCRIBE")),
        st.sampled_from(("c", "d", "c d")),
    ),
    # One pattern only: of several that match, Redis chooses the order.
    st.sampled_from(("PSUBSCRIBE c*", "PUNSUBSCRIBE c*", "PUNSUBSCRIBE")),
)  # fmt: skip
# The third only publishes: what a message to oneself follows has changed since Redis 7.0.
PUBLICATIONS = st.builds(
    "{} {} {}".format,
    st.sampled_from(("PUBLISH", "SPUBLISH")),
    st.sampled_from(("c", "d", "e")),
    st.just("hello"),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 1), REQUESTS),
        st.tuples(st.integers(0, 1), REQUESTS),
        st.tuples(st.just(2), PUBLICATIONS),
    ),
    max_size=30,
)


class Theirs:
    """Three connections to redis-server, and one to tell when it has nothing more to say."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._control = self._connect()
        self._clients: list[socket.socket] = []

    def start(self) -> None:
        self._settle(b"FLUSHALL\r\n")
        for client in self._clients:
            client.close()
        self._clients = [self._connect() for _ in range(3)]

    def send(self, number: int, request: str) -> list[bytes]:
        """What each of the clients gets because of this."""
        self._clients[number].sendall(request.encode() + b"\r\n")
        # Whoever is served in the same turn as the first PING is so at the latest before the second.
        self._settle(b"PING\r\n")
        self._settle(b"PING\r\n")
        return [received(client) for client in self._clients]

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(self._address, 30)
        # Or else what is sent without a reply to the last would wait.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _settle(self, request: bytes) -> None:
        self._control.sendall(request)
        assert self._control.recv(100)

    def close(self) -> None:
        for client in (self._control, *self._clients):
            client.close()


def received(client: socket.socket) -> bytes:
    data = b""
    client.setblocking(False)
    try:
        while True:
            data += client.recv(65536)
    except BlockingIOError:
        return data
    finally:
        client.setblocking(True)


@pytest.fixture(scope="module")
def theirs(redis_server: Any) -> Iterator[Theirs]:
    connections = Theirs(redis_server.host, redis_server.port)
    yield connections
    connections.close()


@given(protocol=st.sampled_from((2, 3)), steps=STEPS)
@settings(max_examples=150, deadline=None)
def test_conversations(
    engine_class: Callable[[], Engine],
    connection_class: Callable[[Engine], Any],
    theirs: Theirs,
    protocol: int,
    steps: list[tuple[int, str]],
) -> None:
    engine = engine_class()
    ours = [connection_class(engine) for _ in range(3)]
    theirs.start()
    if protocol == 3:
        ours[0].send("HELLO 3")
        theirs.send(0, "HELLO 3")
    for number, request in steps:
        client = ours[number].client
        if request.startswith("CLIENT REPLY") and client.transaction is not None:
            # Redis falls silent in the middle of the array that EXEC answers; we send all of it or nothing.
            continue
        if "SUBSCRIBE" in request and client.reply_mode:
            # The answer is sent all the same, as a push, but only since Redis 7.2.
            continue
        reply = ours[number].send(request)
        mine = [reply if place == number else one.received() for place, one in enumerate(ours)]
        assert mine == theirs.send(number, request), request
