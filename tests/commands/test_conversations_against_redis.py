"""Transactions, subscriptions, modes of replying: random conversations of three clients, also with Redis.

Every byte that a client gets, and when it gets it, has to be the same.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import needs_lua

Engine = Any  # of conftest.py

# What the first two clients say, theme by theme; of few words each, or else they would hardly ever meet.
# Requests with a bar between them follow each other.
TRANSACTIONS = (
    "WATCH a", "MULTI|GET a|EXEC", "SET a 1", "MULTI|SET a x", "DEL a", "INCR a", "EXEC", "MULTI|SET a 2|EXEC",
    "WATCH b", "RENAME a b", "PERSIST a", "GET a", "UNWATCH", "DISCARD", "EXEC x", "GET", "RESET", "MULTI",
)  # fmt: skip
DATABASES = (
    "WATCH a", "MULTI|GET a|EXEC", "SET a 1", "SWAPDB 0 1", "FLUSHDB", "SELECT 0", "SELECT 1", "SELECT x", "GET a",
)  # fmt: skip
SUBSCRIPTIONS = (
    "SUBSCRIBE c", "SUBSCRIBE c d", "UNSUBSCRIBE c d", "SSUBSCRIBE c", "SUNSUBSCRIBE", "PSUBSCRIBE c*",
    "PUNSUBSCRIBE", "PUNSUBSCRIBE c*", "GET a", "PING", "PING x", "MULTI", "EXEC", "RESET", "NOSUCH",
)  # fmt: skip
MODES = (
    "CLIENT REPLY ON", "CLIENT REPLY OFF", "CLIENT REPLY SKIP", "PING", "GET a", "MULTI", "EXEC", "RESET",
    "NOSUCH", "CLIENT GETNAME", "CLIENT SETNAME me", "CLIENT NOSUCH", "CLIENT UNBLOCK x", "CLIENT LIST ID x",
    "ECHO x",
)  # fmt: skip
# The first caches what it reads; the third hears of all events.
CACHE = (
    "CLIENT TRACKING ON", "CLIENT TRACKING ON NOLOOP", "CLIENT TRACKING ON OPTIN", "CLIENT TRACKING ON OPTOUT",
    "CLIENT TRACKING ON BCAST PREFIX a", "CLIENT TRACKING OFF", "CLIENT TRACKINGINFO", "CLIENT CACHING YES",
    "CLIENT CACHING NO", "GET a", "GET a", "MGET a b", "EXISTS b x", "XLEN x", "LRANGE b 0 -1", "WATCH x",
    "MULTI|GET a|EXEC", "SET a 1", "RENAME a b",
)  # fmt: skip
CHANGES = (
    "SET a 1", "SET b 1", "GET b", "RENAME a b", "RENAME b a", "DEL a b", "COPY a b REPLACE", "EXPIRE a 100",
    "MOVE a 1",
    "PERSIST a", "GETEX a EX 100", "GETSET a 2", "SETRANGE a 0 x", "APPEND a x", "MULTI|SET a 1|DEL a b|EXEC",
    "FLUSHDB",
    "XADD x 7-* f v", "XSETID x 9999999999999-1", "XGROUP CREATE x g $ MKSTREAM", "XGROUP CREATECONSUMER x g c",
    "XGROUP CREATECONSUMER x g c|XREADGROUP GROUP g c STREAMS x >", "XGROUP CREATECONSUMER x g c|XAUTOCLAIM x g c 0 0",
    "XGROUP SETID x g 0", "XACK x g 1-1",
    "XAUTOCLAIM b g c x 0",
    "XTRIM x MAXLEN 0", "XGROUP DESTROY x g", "LPUSH b 1 2", "LMOVE b a LEFT LEFT", "LTRIM b 9 9", "SORT b STORE a",
    "SADD b m", "SMOVE b a m", "SINTERSTORE a b", "ZADD a 1 m", "ZADD a 1 m", "ZRANGESTORE b a 0 -1", "ZPOPMIN a",
    "HSET b f v", "HDEL b f", "PFADD a x", "PFMERGE b a", "SELECT 1", "SELECT 0", "SWAPDB 0 1",
)  # fmt: skip

# The third only publishes: what a message to oneself follows has changed since Redis 7.0.
PUBLICATIONS = ("PUBLISH c hello", "PUBLISH d hello", "SPUBLISH c hello")


def conversations(*requests: str) -> st.SearchStrategy[list[tuple[int, str]]]:
    return st.lists(st.tuples(st.integers(0, 1), st.sampled_from(requests)), min_size=10, max_size=40)


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

    def ask(self, request: bytes) -> None:
        self._settle(request)

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


@pytest.fixture(scope="module")
def check(
    engine_class: Callable[[], Engine], connection_class: Callable[[Engine], Any], theirs: Theirs
) -> Callable[[int, list[tuple[int, str]]], None]:
    """Has a conversation, in which the first client speaks a certain protocol, here and there."""

    def check(protocol: int, steps: list[tuple[int, str]]) -> None:
        engine = engine_class()
        ours = [connection_class(engine) for _ in range(3)]
        theirs.start()
        if protocol == 3:
            ours[0].send("HELLO 3")
            theirs.send(0, "HELLO 3")
        for number, request in ((number, request) for number, step in steps for request in step.split("|")):
            client = ours[number].client
            if request.startswith("CLIENT REPLY") and client.transaction is not None:
                # Redis falls silent in the middle of the array that EXEC answers; we send all or nothing.
                continue
            reply = ours[number].send(request)
            mine = [reply if place == number else one.received() for place, one in enumerate(ours)]
            assert mine == theirs.send(number, request), request

    return check


@pytest.fixture(scope="module")
def events(theirs: Theirs) -> Iterator[None]:
    """The shared server tells of events meanwhile."""
    yield
    theirs.ask(b"CONFIG SET notify-keyspace-events ''\r\n")


PROTOCOLS = st.sampled_from((2, 3))


@given(PROTOCOLS, conversations(*TRANSACTIONS))
@settings(max_examples=80, deadline=None)
def test_transactions(check: Any, protocol: int, steps: list[tuple[int, str]]) -> None:
    check(protocol, steps)


@given(PROTOCOLS, conversations(*DATABASES))
@settings(max_examples=60, deadline=None)
def test_databases(check: Any, protocol: int, steps: list[tuple[int, str]]) -> None:
    check(protocol, steps)


@given(PROTOCOLS, conversations(*MODES))
@settings(max_examples=60, deadline=None)
def test_modes(check: Any, protocol: int, steps: list[tuple[int, str]]) -> None:
    check(protocol, steps)


@given(PROTOCOLS, conversations(*SUBSCRIPTIONS), st.lists(st.sampled_from(PUBLICATIONS), min_size=1))
@settings(max_examples=60, deadline=None)
def test_subscriptions(
    check: Any, protocol: int, steps: list[tuple[int, str]], publications: list[str]
) -> None:
    published = cycle(publications)
    check(protocol, [one for step in steps for one in (step, (2, next(published)))])


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just(0), st.sampled_from(CACHE)),
            st.tuples(st.just(1), st.sampled_from(CHANGES)),
        ),
        min_size=10,
        max_size=40,
    )
)
@settings(max_examples=60, deadline=None)
@needs_lua
def test_caches_and_events(check: Any, events: None, steps: list[tuple[int, str]]) -> None:
    listening = [(1, "CONFIG SET notify-keyspace-events KEAmn"), (2, "PSUBSCRIBE __key*")]
    check(3, [*listening, *steps])
