"""txredisapi against a server in the same reactor."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredQueue, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol

from twisted_resp import RespFactory

txredisapi = pytest.importorskip("txredisapi")

HOST = "127.0.0.1"
in_reactor: Any = pytest_twisted.ensureDeferred


class Listening:
    """A server in this reactor, and what was opened to it."""

    def __init__(self, **settings: Any) -> None:
        self.factory = RespFactory(**settings)
        tcp: Any = reactor
        self.listening = tcp.listenTCP(0, self.factory, interface=HOST)
        self.port: int = self.listening.getHost().port
        self.opened: list[Any] = []

    def open(self, kind: str, **settings: Any) -> Any:
        """Call one of txredisapi's functions that make connections."""
        connection = getattr(txredisapi, kind)(HOST, self.port, **settings)
        self.opened.append(connection)
        return connection

    async def connect(self, **settings: Any) -> Any:
        """One connection, connected."""
        connection = await self.open("Connection", reconnect=False, **settings)
        self.opened[-1] = connection
        return connection

    async def close(self) -> None:
        for connection in self.opened:
            if isinstance(connection, Deferred):
                connection = await connection
            await connection.disconnect()
        await self.listening.stopListening()


@pytest_twisted.async_yield_fixture  # type: ignore[untyped-decorator]
async def server() -> AsyncIterator[Listening]:
    server = Listening()
    yield server
    await server.close()


SubscriberProtocol: Any = txredisapi.SubscriberProtocol


class Listener(SubscriberProtocol):  # type: ignore[misc]
    """A subscriber whose messages can be waited for."""

    def __init__(self) -> None:
        super().__init__(charset=None)
        self.messages: DeferredQueue[tuple[Any, ...]] = DeferredQueue()
        self.gone: Deferred[None] = Deferred()

    def messageReceived(self, pattern: Any, channel: Any, message: Any) -> None:  # noqa: N802 (its name for it)
        self.messages.put((pattern, channel, message))

    def connectionLost(self, why: Any) -> None:
        super().connectionLost(why)
        self.gone.callback(None)


async def listener(server: Listening) -> Listener:
    endpoint = TCP4ClientEndpoint(reactor, HOST, server.port)
    subscriber: Listener = await connectProtocol(endpoint, Listener())
    return subscriber


async def blocked(db: Any, count: int) -> None:
    """Wait until so many clients are parked."""
    while int((await db.info("clients"))["blocked_clients"]) != count:
        pass


class TestCommands:
    @in_reactor  # type: ignore[untyped-decorator]
    async def test_all_sorts(self, server: Listening) -> None:
        db = await server.connect(dbid=4)
        assert await db.ping() == "PONG"
        assert await db.set("k", "v", expire=100) == "OK"
        assert await db.get("k") == "v"
        assert await db.get("none") is None
        assert await db.set("k", "w", only_if_not_exists=True) is None
        assert await db.incr("n") == 1
        assert await db.incrby("n", 5) == 6
        assert await db.get("n") == 6
        assert await db.mset({"a": 1, "b": 2}) == "OK"
        assert await db.mget(["a", "none", "b"]) == [1, None, 2]
        assert await db.rpush("l", ["x", "y", "z"]) == 3
        assert await db.lrange("l", 0, -1) == ["x", "y", "z"]
        assert await db.lpop("l") == "x"
        assert await db.llen("l") == 2
        assert sorted(await db.keys("?")) == ["a", "b", "k", "l", "n"]
        assert await db.type("l") == "list"
        assert await db.ttl("k") in (99, 100)
        assert await db.hmset("h", {"f": "v"}) == "OK"
        assert await db.hgetall("h") == {"f": "v"}
        assert await db.sadd("s", ["m"]) == 1
        assert await db.smembers("s") in ({"m"}, ["m"])
        assert await db.dbsize() == 7
        with pytest.raises(txredisapi.ResponseError, match="WRONGTYPE"):
            await db.get("l")
        assert await db.delete(["a", "b"]) == 2
        cursor, keys = await db.scan(count=100)
        assert (cursor, sorted(keys)) == (0, ["h", "k", "l", "n", "s"])
        assert await db.info("server")
        assert (await db.time())[0] > 0

    @in_reactor  # type: ignore[untyped-decorator]
    async def test_large_values(self, server: Listening) -> None:
        db = await server.connect(charset=None)
        value = bytes(range(256)) * 20_000
        await db.set("big", value)
        assert await db.get("big") == value
        assert await db.mget(["big"] * 3) == [value] * 3

    @in_reactor  # type: ignore[untyped-decorator]
    async def test_lazily(self, server: Listening) -> None:
        db = server.open("lazyConnection")
        assert await db.set("k", "v") == "OK"
        assert await db.get("k") == "v"

    @in_reactor  # type: ignore[untyped-decorator]
    async def test_pools(self, server: Listening) -> None:
        for kind in ("ConnectionPool", "lazyConnectionPool"):
            db = server.open(kind, poolsize=5, dbid=1)
            db = await db if isinstance(db, Deferred) else db
            server.opened[-1] = db
            answers = await gatherResults([db.incr(kind) for _ in range(200)])
            assert sorted(answers) == list(range(1, 201))

    @in_reactor  # type: ignore[untyped-decorator]
    async def test_a_password(self) -> None:
        server = Listening(password=b"sesame")
        try:
            db = await server.connect(password="sesame", dbid=2)
            assert await db.set("k", "v") == "OK"
            named = await server.connect(username="default", password="sesame")
            assert await named.ping() == "PONG"
            with pytest.raises(ValueError, match="could not auth"):
                await txredisapi.Connection(HOST, server.port, password="nonsense", reconnect=False)
            stranger = await server.connect()
            with pytest.raises(txredisapi.ResponseError, match="NOAUTH"):
                await stranger.get("k")
        finally:
            await server.close()

    @in_reactor  # type: ignore[untyped-decorator]
    async def test_a_unix_socket(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = str(Path(directory) / "s")
            unix: Any = reactor
            port = unix.listenUNIX(path, RespFactory())
            db = await txredisapi.UnixConnection(path, reconnect=False)
            assert await db.set("k", "v" * 1_000_000) == "OK"
            assert len(await db.get("k")) == 1_000_000
            await db.disconnect()
            await port.stopListening()


class TestTransactions:
    @in_reactor  # type: ignore[untyped-decorator]
    async def test_multi(self, server: Listening) -> None:
        db = await server.connect()
        transaction = await db.multi()
        assert await transaction.set("a", 1) == "QUEUED"
        assert await transaction.incr("a") == "QUEUED"
        assert await transaction.commit() == ["OK", 2]
        transaction = await db.multi()
        await transaction.set("a", 9)
        assert await transaction.discard() == "OK"
        assert await db.get("a") == 2

    @in_reactor  # type: ignore[untyped-decorator]
    async def test_watch(self, server: Listening) -> None:
        db, other = await server.connect(), await server.connect()
        transaction = await db.multi("k")
        await other.set("k", "meanwhile")
        await transaction.set("k", "mine")
        with pytest.raises(txredisapi.WatchError):
            await transaction.commit()
        assert await other.get("k") == "meanwhile"

    @in_reactor  # type: ignore[untyped-decorator]
    async def test_pipelines(self, server: Listening) -> None:
        db = await server.connect()
        pipeline = await db.pipeline()
        for _ in range(1000):
            pipeline.incr("n")
        assert await pipeline.execute_pipeline() == list(range(1, 1001))


class TestBlocking:
    @in_reactor  # type: ignore[untyped-decorator]
    async def test_blpop(self, server: Listening) -> None:
        db, other = await server.connect(), await server.connect()
        waiting = db.blpop(["a", "b"], timeout=20)
        await blocked(other, 1)
        assert await other.rpush("b", "x") == 1
        assert await waiting == ["b", "x"]
        assert await db.execute_command("BLPOP", "none", 0.01) is None

    @in_reactor  # type: ignore[untyped-decorator]
    async def test_whoever_disconnects_takes_nothing(self, server: Listening) -> None:
        db, other = await server.connect(), await server.connect()
        waiting = db.blpop("l", timeout=0)
        await blocked(other, 1)
        await db.disconnect()
        with pytest.raises(txredisapi.ConnectionError):
            await waiting
        await blocked(other, 0)
        assert await other.rpush("l", "x") == 1
        assert await other.llen("l") == 1


class TestSubscribers:
    @in_reactor  # type: ignore[untyped-decorator]
    async def test_messages(self, server: Listening) -> None:
        db, subscriber = await server.connect(), await listener(server)
        await subscriber.subscribe("a")
        await subscriber.psubscribe("p*")
        assert await db.publish("a", "one") == 1
        assert await db.publish("px", "two") == 1
        assert await db.publish("none", "3") == 0
        assert await subscriber.messages.get() == (None, b"a", b"one")
        assert await subscriber.messages.get() == (b"p*", b"px", b"two")
        await subscriber.unsubscribe("a")
        assert await db.publish("a", "4") == 0
        subscriber.transport.loseConnection()
        await subscriber.gone

    @in_reactor  # type: ignore[untyped-decorator]
    async def test_a_message_from_within_the_process(self, server: Listening) -> None:
        subscriber = await listener(server)
        await subscriber.subscribe("a")
        assert await server.factory.call("PUBLISH", "a", "x" * 300_000) == 1
        assert await subscriber.messages.get() == (None, b"a", b"x" * 300_000)
        subscriber.transport.loseConnection()
        await subscriber.gone

    @in_reactor  # type: ignore[untyped-decorator]
    async def test_the_server_ends_the_connection(self, server: Listening) -> None:
        db, subscriber = await server.connect(), await listener(server)
        await subscriber.subscribe("a")
        assert await db.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == 1
        await subscriber.gone
        assert await db.publish("a", "1") == 0


class TestEndings:
    @in_reactor  # type: ignore[untyped-decorator]
    async def test_quit(self, server: Listening) -> None:
        db = await server.connect()
        assert await db.quit() == "OK"

    @in_reactor  # type: ignore[untyped-decorator]
    async def test_stopping_the_port_disconnects_clients(self) -> None:
        server = Listening()
        subscriber = await listener(server)
        await subscriber.subscribe("a")
        await server.close()
        await subscriber.gone
