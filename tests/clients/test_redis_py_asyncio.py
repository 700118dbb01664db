"""redis.asyncio against our server. The event loop runs in a thread of its own, away from pytest-twisted's reactor."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

import pytest

from tests.conftest import LONG
from twisted_resp.testing import ServerThread

redis = pytest.importorskip("redis")
redis_asyncio = pytest.importorskip("redis.asyncio")

Play = Callable[[Callable[[Callable[..., Any]], Coroutine[Any, Any, None]]], None]


@pytest.fixture(params=[3, 2], ids=["resp3", "resp2"])
def play(server: ServerThread, request: pytest.FixtureRequest) -> Play:
    """Run a coroutine function in an event loop, with a maker of clients as its argument."""

    def play(scene: Callable[[Callable[..., Any]], Coroutine[Any, Any, None]]) -> None:
        async def act() -> None:
            opened: list[Any] = []

            def connect(**settings: Any) -> Any:
                client = redis_asyncio.Redis(**{"port": server.port, "protocol": request.param, **settings})
                opened.append(client)
                return client

            try:
                await asyncio.wait_for(scene(connect), 30)
            finally:
                for client in opened:
                    await client.aclose()

        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, act()).result()

    return play


def test_commands_and_pipelines(play: Play) -> None:
    async def scene(connect: Callable[..., Any]) -> None:
        client = connect(decode_responses=True, client_name="me")
        assert await client.set("k", "v", px=100_000)
        assert await client.get("k") == "v"
        assert await client.client_getname() == "me"
        assert await client.hset("h", mapping={"a": 1}) == 1
        assert await client.hgetall("h") == {"a": "1"}
        for transaction in (True, False):
            async with client.pipeline(transaction=transaction) as pipeline:
                for _ in range(1000):
                    pipeline.incr("n")
                pipeline.lpush("n", "x")
                replies = await pipeline.execute(raise_on_error=False)
            assert replies[999] == replies[0] + 999
            assert isinstance(replies[1000], redis.ResponseError)
        assert {key async for key in client.scan_iter("?", count=1)} == {"k", "h", "n"}
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            await client.lpush("k", "x")

    play(scene)


def test_many_at_once(play: Play) -> None:
    async def scene(connect: Callable[..., Any]) -> None:
        client = connect(max_connections=100)
        numbers = await asyncio.gather(*[client.incr("n") for _ in range(100)])
        assert sorted(numbers) == list(range(1, 101))

    play(scene)


def test_blocking(play: Play) -> None:
    async def scene(connect: Callable[..., Any]) -> None:
        client = connect(decode_responses=True)
        assert await client.blpop("none", timeout=0.01) is None
        waiting = asyncio.ensure_future(client.blpop(["a", "b"], timeout=LONG))
        while (await client.info("clients"))["blocked_clients"] == 0:
            pass
        assert await client.rpush("b", "x") == 1
        assert list(await waiting) == ["b", "x"]

    play(scene)


def test_whoever_cancels_takes_nothing(play: Play) -> None:
    async def scene(connect: Callable[..., Any]) -> None:
        client = connect(decode_responses=True)
        waiting = asyncio.ensure_future(client.blpop("l", timeout=0))
        while (await client.info("clients"))["blocked_clients"] == 0:
            pass
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        while (await client.info("clients"))["blocked_clients"] == 1:
            pass
        assert await client.rpush("l", "x") == 1
        assert await client.lrange("l", 0, -1) == ["x"]

    play(scene)


def test_watch(play: Play) -> None:
    async def scene(connect: Callable[..., Any]) -> None:
        client = connect(decode_responses=True)
        async with client.pipeline() as pipeline:
            await pipeline.watch("k")
            await client.set("k", "meanwhile")
            pipeline.multi()
            pipeline.set("k", "mine")
            with pytest.raises(redis.WatchError):
                await pipeline.execute()
        assert await client.get("k") == "meanwhile"

    play(scene)


def test_pubsub(play: Play) -> None:
    async def scene(connect: Callable[..., Any]) -> None:
        client = connect(decode_responses=True)
        async with client.pubsub() as subscriber:
            await subscriber.subscribe("c")
            await subscriber.psubscribe("p*")
            for expected in ("subscribe", "psubscribe"):
                assert (await subscriber.get_message(timeout=LONG))["type"] == expected
            assert await client.publish("c", "1") == 1
            assert await client.publish("px", "2") == 1
            assert (await subscriber.get_message(timeout=LONG))["data"] == "1"
            assert (await subscriber.get_message(timeout=LONG))["pattern"] == "p*"
            # Killed, it connects and subscribes again.
            assert await client.client_kill_filter(_type="pubsub") == 1
            for _ in range(2):
                assert "subscribe" in (await subscriber.get_message(timeout=LONG))["type"]
            assert await client.publish("c", "3") == 1
            assert (await subscriber.get_message(timeout=LONG))["data"] == "3"

    play(scene)
