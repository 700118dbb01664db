"""A server within the test, on a clock that the test moves; alone or beside a redis-server."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from itertools import count
from typing import Any, BinaryIO

import pytest
from twisted.internet.task import Clock

from tests.conftest import LONG
from tests.wire import Wire, request
from twisted_resp import RespFactory
from twisted_resp.errors import CommandError
from twisted_resp.in_process import as_argument
from twisted_resp.keyspace.database import Database
from twisted_resp.keyspace.events import GENERIC
from twisted_resp.resp import encode
from twisted_resp.server.client import Client
from twisted_resp.values.hash import Hash
from twisted_resp.values.list import List
from twisted_resp.values.set import Set
from twisted_resp.values.sorted_set import SortedSet


class Engine:
    """A server, what it is asked, and what it tells."""

    #: Unix time in seconds when a test begins.
    START = 1_700_000_000

    def __init__(self, start: float = START) -> None:
        self.clock = Clock()
        self.clock.advance(start)
        self.factory = RespFactory(clock=self.clock, random_seed=1)
        self.server = self.factory.server

    @property
    def now(self) -> int:
        """Unix time in milliseconds."""
        return self.server.keyspace.tick()

    def call(self, *args: object) -> Any:
        """Run a command and return its reply as plain Python; raises CommandError."""
        results: list[Any] = []
        errors: list[Any] = []
        self.factory.call(*args).addCallbacks(results.append, errors.append)
        if errors:
            errors[0].raiseException()
        assert results, f"{args[0]!r} blocks"
        return results[0]

    def error(self, *args: object) -> bytes:
        """Run a command that must fail and return the error."""
        with pytest.raises(CommandError) as raised:
            self.call(*args)
        return raised.value.message

    def database(self, index: int = 0) -> Database:
        return self.server.keyspace.databases[index]

    def events(self) -> list[tuple[bytes, bytes]]:
        """Start to collect keyspace events: (event, key)."""
        seen: list[tuple[bytes, bytes]] = []
        self.server.keyspace.on_event.append(lambda database, key, event, group: seen.append((event, key)))
        return seen

    def effects(self) -> list[list[bytes]]:
        """Start to collect what persistence and replicas would be told."""
        seen: list[list[bytes]] = []
        self.server.effects.add_listener(lambda unit: seen.extend(command for _, command in unit))
        return seen


class Connection(Wire):
    """A client that talks to an engine over the wire, but for the network."""

    def __init__(self, engine: Engine, port: int = 50000, peer: str = "127.0.0.1") -> None:
        super().__init__(engine.factory, port, peer)

    def feed(self, data: bytes) -> None:
        """Send bytes as they are, and leave what comes back where it is."""
        self.protocol.dataReceived(data)


class SideBySide:
    """Our engine and a redis-server, which are asked the same and should answer the same.

    :param requests: where to write to redis-server, and ``replies`` where to read.
    """

    def __init__(self, requests: BinaryIO, replies: BinaryIO) -> None:
        self._requests = requests
        self._replies = replies
        self.start()

    def start(self, protocol: int = 2) -> None:
        """Begin with empty servers, whose clocks agree (but ours stands still then).

        :param protocol: the RESP version to talk.
        """
        for words in ([b"HELLO", b"%d" % protocol], [b"FLUSHALL"], [b"SELECT", b"0"]):
            self._send(words)
        self.engine = Engine(time.time())
        self._client = Client(self.engine.server)
        self._client.protocol = protocol
        for _ in range(3):
            read_reply(self._replies)

    def ask(self, *args: object) -> tuple[Any, Any]:
        """Run one command on both and return both replies, ours first.

        They come as RESP2 has them: bytes (a status with ``+``, an error with ``-``), int, list or None. In RESP3
        a map is ``{"map": pairs}`` and a set ``{"set": members}``.
        """
        words = [as_argument(arg) for arg in args]
        self._send(words)  # it works while we do
        server = self.engine.server
        server.keyspace.tick()
        ours = read_reply(BytesIO(encode(self._client.execute(self._client, words), self._client.protocol)))
        server.end_batch()
        return ours, read_reply(self._replies)

    def tell_redis(self, *args: object) -> Any:
        """Run one command on redis-server only; return its reply."""
        return self._ask_theirs([as_argument(arg) for arg in args])

    def check(self, *args: object) -> Any:
        """Run one command on both, and return the reply on which they agree; see :meth:`agree`."""
        ours, theirs = self.ask(*args)
        self.agree(args, ours, theirs)
        return ours

    @staticmethod
    def agree(args: Sequence[object], ours: object, theirs: object) -> None:
        """Fail if two replies to a command differ.

        Of seconds it is enough that they are close: our clock stands still, theirs does not.
        """
        if ours != theirs and isinstance(ours, int) and isinstance(theirs, int):
            name = b" ".join(map(as_argument, args[:2])).upper()
            if name.startswith((b"TTL ", b"EXPIRETIME ", b"OBJECT IDLETIME")) and ours >= 0 and theirs >= 0:
                assert abs(ours - theirs) <= LONG, args
                return
        assert ours == theirs, args

    def put(self, key: bytes, kind: type, items: Sequence[Any]) -> None:
        """Make a value of one of the classes on both sides, from elements, or pairs where it has them."""
        if not items:
            return
        limits = self.engine.server.keyspace.limits
        value: Any
        if kind is List or kind is Set:
            value = kind.of(limits, items)
            command = [b"RPUSH" if kind is List else b"SADD", key, *items]
        elif kind is SortedSet:
            value = SortedSet.of(limits, items)
            command = [
                b"ZADD",
                key,
                *(word for member, score in items for word in (repr(score).encode(), member)),
            ]
        else:
            value = Hash(limits)
            command = [b"HSET", key, *(word for pair in items for word in pair)]
            value.set_many(command[2:])
        self.engine.database().store(key, value, b"test", GENERIC)
        self._ask_theirs([b"DEL", key])
        self._ask_theirs(command)

    def _ask_theirs(self, words: Sequence[bytes]) -> Any:
        self._send(words)
        return read_reply(self._replies)

    def _send(self, words: Sequence[bytes]) -> None:
        self._requests.write(request(*words))
        self._requests.flush()


def read_reply(stream: BinaryIO) -> Any:
    """Read one reply."""
    line = stream.readline()[:-2]
    mark, rest = line[:1], line[1:]
    if mark == b"$":
        length = int(rest)
        return None if length < 0 else stream.read(length + 2)[:-2]
    if mark == b"*":
        return None if rest == b"-1" else [read_reply(stream) for _ in range(int(rest))]
    if mark == b"%":
        return {"map": [[read_reply(stream), read_reply(stream)] for _ in range(int(rest))]}
    if mark == b"~":
        return {"set": [read_reply(stream) for _ in range(int(rest))]}
    if mark == b"_":
        return None
    return int(rest) if mark == b":" else line


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def connect(engine: Engine) -> Callable[[], Connection]:
    """Opens connections to the engine, from ports 50000, 50001, ..."""
    ports = count(50000)
    return lambda: Connection(engine, next(ports))


@pytest.fixture(scope="session")
def connection_class() -> type[Connection]:
    """For tests with engines of their own."""
    return Connection


@pytest.fixture(scope="session")
def engine_class() -> type[Engine]:
    """For tests which need several of them, as those with Hypothesis."""
    return Engine


@pytest.fixture(scope="session")
def side_by_side(redis_server: Any) -> Iterator[SideBySide]:
    """Our engine beside a redis-server; call its ``start()`` first of all (in each example of Hypothesis)."""
    with socket.create_connection((redis_server.host, redis_server.port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection.makefile("wb") as requests, connection.makefile("rb") as replies:
            yield SideBySide(requests, replies)
