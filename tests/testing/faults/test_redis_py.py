"""Faults as redis-py meets them, over real sockets: what it raises, and when it tries again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.conftest import LONG
from twisted_resp.testing import ServerThread


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with ServerThread() as server:
        yield server


@pytest.fixture
def client(server: ServerThread) -> Iterator[redis.Redis]:
    """A client that does not try again."""
    with redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0), decode_responses=True) as client:
        client.flushall()
        yield client
    server.faults.clear()


@pytest.fixture
def stubborn(server: ServerThread) -> Iterator[redis.Redis]:
    """A client that tries again."""
    with redis.Redis(port=server.port, retry=Retry(NoBackoff(), 3), decode_responses=True) as client:
        yield client


def test_errors_become_exceptions(server: ServerThread, client: redis.Redis) -> None:
    with server.faults.error("GET", reply="LOADING"), pytest.raises(redis.exceptions.BusyLoadingError):
        client.get("k")
    with server.faults.read_only(), pytest.raises(redis.ReadOnlyError):
        client.set("k", "v")
    with server.faults.out_of_memory(), pytest.raises(redis.exceptions.OutOfMemoryError):
        client.set("k", "v")
    assert client.get("k") is None


def test_a_dropped_connection_is_tried_again(
    server: ServerThread, client: redis.Redis, stubborn: redis.Redis
) -> None:
    for when, counted in (("before", 1), ("after", 3)):
        with server.faults.drop("INCRBY", when=when, times=1) as fault:
            stubborn.incr("n")
        assert fault.hits == 1
        assert client.get("n") == str(counted)  # what ran without an answer ran twice
    with server.faults.drop("INCRBY", reset=True), pytest.raises(redis.ConnectionError):
        client.incr("n")
    with server.faults.cut("GET", at=3), pytest.raises(redis.ConnectionError):
        client.get("n")


def fill(pipeline: Any) -> Any:
    pipeline.set("a", 1)
    pipeline.incr("a")
    pipeline.get("a")
    return pipeline


def test_a_pipeline(server: ServerThread, client: redis.Redis) -> None:
    with server.faults.error("INCRBY", reply="ERR no", times=1):
        replies = fill(client.pipeline(transaction=False)).execute(raise_on_error=False)
    assert [str(reply) for reply in replies] == ["True", "no", "1"]
    with server.faults.error("INCRBY", reply="OOM"), pytest.raises(redis.exceptions.OutOfMemoryError):
        fill(client.pipeline()).execute()
    assert client.get("a") == "1"


def test_a_dribbled_reply_arrives(server: ServerThread, client: redis.Redis) -> None:
    client.rpush("l", *range(50))
    with server.faults.dribble("LRANGE", size=7) as fault:
        assert client.lrange("l", 0, -1) == [str(n) for n in range(50)]
    assert fault.hits == 1


def test_a_server_that_hangs(server: ServerThread, client: redis.Redis) -> None:
    with (
        redis.Redis(port=server.port, socket_timeout=0.05, retry=Retry(NoBackoff(), 0)) as hasty,
        server.faults.hang("SET", "GET"),
    ):
        with pytest.raises(redis.TimeoutError):
            hasty.set("k", "v")
        assert client.ping()
    answers: list[object] = []
    fault = server.faults.hang("GET")
    asker = threading.Thread(target=lambda: answers.append(client.get("k")))
    asker.start()
    fault.wait()
    assert answers == []
    fault.remove()
    asker.join()
    assert len(answers) == 1
    with pytest.raises(TimeoutError, match="hang of GET has struck 1 times"):
        fault.wait(hits=2, timeout=0.01)


def test_a_server_that_is_down(server: ServerThread, client: redis.Redis) -> None:
    client.set("k", "v")
    port = server.port
    with server.faults.down():
        assert server.port == port
        for _ in range(2):  # the connection that it had, and a new one
            with pytest.raises(redis.ConnectionError):
                client.get("k")
    assert client.get("k") == "v"
    server.faults.down()
    server.faults.clear()
    assert client.get("k") == "v"


def test_a_stop_while_it_is_down() -> None:
    with ServerThread() as server:
        server.faults.down()
        server.faults.error()
    with server:
        assert len(server.faults) == 0


def test_new_connections_are_refused(server: ServerThread, client: redis.Redis) -> None:
    client.ping()
    with server.faults.refuse(), redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)) as late:
        with pytest.raises(redis.ConnectionError):
            late.ping()
        assert client.ping()
    with (
        server.faults.refuse(reply="ERR max number of clients reached"),
        redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)) as late,
        pytest.raises(redis.ConnectionError, match="max number of clients reached"),
    ):
        late.ping()


def test_a_subscriber_is_disconnected(
    server: ServerThread, client: redis.Redis, stubborn: redis.Redis
) -> None:
    with stubborn.pubsub(ignore_subscribe_messages=True) as pubsub:  # type: ignore[no-untyped-call]
        pubsub.subscribe("c")
        while client.publish("c", "x") == 0 or pubsub.get_message(timeout=LONG) is None:
            pass
        assert server.faults.disconnect(subscribers=True) == 1
        # It reconnects, and subscribes again.
        while client.publish("c", "y") == 0:
            pubsub.get_message(timeout=0.01)
        message = pubsub.get_message(timeout=LONG)
        while message is None or message["data"] != "y":
            message = pubsub.get_message(timeout=LONG)


def test_asyncio(server: ServerThread) -> None:
    async def main() -> None:
        settings: dict[str, Any] = {"port": server.port, "retry": redis.asyncio.retry.Retry(NoBackoff(), 2)}
        async with (
            redis.asyncio.Redis(**settings) as client,
            redis.asyncio.Redis(**settings, socket_timeout=0.2) as hasty,
        ):
            with server.faults.drop("GET", times=1) as fault:
                assert await hasty.get("no such key") is None
            assert fault.hits == 1
            with server.faults.cut("GET", times=3), pytest.raises(redis.ConnectionError):
                await client.get("no such key")
            assert await client.ping()

    asyncio.run(main())
