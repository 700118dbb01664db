"""FaultProxy, in front of a server of ours and of a redis-server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from twisted_resp.testing import FaultProxy, ServerThread


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with ServerThread(password="secret") as server:
        yield server


@pytest.fixture(scope="module")
def shared(server: ServerThread) -> Iterator[FaultProxy]:
    with FaultProxy(server) as proxy:
        yield proxy


@pytest.fixture
def proxy(shared: FaultProxy, server: ServerThread) -> Iterator[FaultProxy]:
    shared.journal.clear()
    with server.snapshot():
        yield shared
    shared.faults.clear()


@pytest.fixture(params=[2, 3])
def client(proxy: FaultProxy, request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    options: dict[str, Any] = {"protocol": request.param, "retry": Retry(NoBackoff(), 0)}
    with proxy.redis_client(decode_responses=True, **options) as client:
        yield client


def test_what_goes_through(client: redis.Redis, proxy: FaultProxy, server: ServerThread) -> None:
    client.hset("h", mapping={"f": "v"})
    assert client.hgetall("h") == {"f": "v"}
    client.zadd("z", {"a": 0.1, "b": 1e30})
    assert client.zrange("z", 0, -1, withscores=True)
    client.set("large", "x" * 1_000_000)
    assert client.strlen("large") == len(client.get("large") or "") == 1_000_000
    with client.pipeline() as pipeline:
        pipeline.incr("n")
        pipeline.incr("n")
        assert pipeline.execute() == [1, 2]
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.lpush("h", "x")
    assert server.keys["h"] == {"f": "v"}
    assert proxy.journal.count("HSET") == 1
    assert proxy.journal.errors


def test_subscriptions(client: redis.Redis, proxy: FaultProxy, server: ServerThread) -> None:
    messages = client.pubsub()  # type: ignore[no-untyped-call]
    messages.subscribe("a", "b")
    messages.psubscribe("p*")
    assert [messages.get_message(timeout=5)["type"] for _ in range(3)] == ["subscribe"] * 2 + ["psubscribe"]
    assert server.call("PUBLISH", "a", "x") == 1
    assert messages.get_message(timeout=5)["data"] == "x"
    messages.unsubscribe()
    assert [messages.get_message(timeout=5)["type"] for _ in range(2)] == ["unsubscribe"] * 2
    messages.close()


def test_faults(client: redis.Redis, proxy: FaultProxy, server: ServerThread) -> None:
    client.client_setname("worker")
    faults = proxy.faults
    with faults.error("GET", keys="user:*", client="work*", reply="LOADING", times=1) as fault:
        assert client.get("other") is None
        with pytest.raises(redis.exceptions.BusyLoadingError):
            client.get("user:1")
        assert client.get("user:1") is None
        assert fault.hits == 1
    with faults.drop("INCRBY", when="after"), pytest.raises(redis.ConnectionError):
        client.incr("n")
    assert server.keys["n"] == "1"
    with faults.drop("INCRBY"), pytest.raises(redis.ConnectionError):
        client.incr("n")
    assert server.keys["n"] == "1"
    with faults.cut("GET", at=3), pytest.raises(redis.ConnectionError):
        client.get("n")
    with faults.dribble("GET"):
        assert client.get("n") == "1"
    client.connection_pool.disconnect()
    with faults.refuse(), pytest.raises(redis.ConnectionError):
        client.ping()
    with faults.down(), pytest.raises(redis.ConnectionError):
        client.ping()
    with proxy.clock.freeze() as clock, faults.delay(60, "GET"):
        client.connection_pool.connection_kwargs["socket_timeout"] = None

        async def late() -> Any:
            reply = asyncio.get_running_loop().run_in_executor(None, client.get, "n")
            while not faults.hits:
                await asyncio.sleep(0)
            clock.advance(60)
            return await reply

        assert asyncio.run(late()) == "1"


def test_what_a_proxy_can_not_do(proxy: FaultProxy) -> None:
    for fault in (proxy.faults.failed_disk, proxy.faults.lose_messages):
        with pytest.raises(TypeError, match="a proxy can't"):
            fault()
    with pytest.raises(ValueError, match="not the URL of a server"):
        FaultProxy("rediss://localhost")


def test_a_server_that_is_not_there() -> None:
    server = ServerThread()
    with FaultProxy(f"redis://127.0.0.1:{_closed_port()}/3") as proxy:
        assert proxy.url.endswith("/3")
        with proxy.redis_client(retry=Retry(NoBackoff(), 0)) as client, pytest.raises(redis.ConnectionError):
            client.ping()
    assert not server.running
    assert "not running" in repr(proxy)


def _closed_port() -> int:
    with ServerThread() as server:
        return server.port


def test_before_a_redis_server(redis_server: Any) -> None:
    with (
        FaultProxy(f"redis://{redis_server.host}:{redis_server.port}/9") as proxy,
        proxy.redis_client(decode_responses=True) as client,
    ):
        client.flushdb()
        client.rpush("l", "a", "b")
        with proxy.faults.error("LPOP", reply="READONLY"), pytest.raises(redis.exceptions.ReadOnlyError):
            client.lpop("l")
        assert client.lrange("l", 0, -1) == ["a", "b"]
        client.flushdb()
