"""redis-py's PubSub: channels, patterns, shard channels, threads, reconnecting."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any, Callable

import pytest

from tests.conftest import LONG

redis = pytest.importorskip("redis")

Connect = Callable[..., Any]


def messages(subscriber: Any, count: int) -> list[tuple[Any, ...]]:
    """The next messages, as (type, pattern, channel, data)."""
    found: list[tuple[Any, ...]] = []
    while len(found) < count:
        message = subscriber.get_message(timeout=LONG)
        assert message is not None, f"no more than {found}"
        found.append((message["type"], message["pattern"], message["channel"], message["data"]))
    return found


@pytest.fixture
def subscriber(client: Any) -> Iterator[Any]:
    with client.pubsub() as subscriber:
        yield subscriber


class TestChannels:
    def test_channels_and_patterns(self, client: Any, subscriber: Any) -> None:
        subscriber.subscribe("a", "b")
        subscriber.psubscribe("a*", "?")
        assert messages(subscriber, 4) == [
            ("subscribe", None, "a", 1),
            ("subscribe", None, "b", 2),
            ("psubscribe", None, "a*", 3),
            ("psubscribe", None, "?", 4),
        ]
        assert client.publish("a", "1") == 3
        assert client.publish("abc", "2") == 1
        assert client.publish("none", "3") == 0
        assert sorted(messages(subscriber, 4), key=str) == sorted(
            [
                ("message", None, "a", "1"),
                ("pmessage", "a*", "a", "1"),
                ("pmessage", "?", "a", "1"),
                ("pmessage", "a*", "abc", "2"),
            ],
            key=str,
        )
        assert client.pubsub_channels() == ["a", "b"]
        assert client.pubsub_channels("b*") == ["b"]
        assert client.pubsub_numsub("a", "none") == [("a", 1), ("none", 0)]
        assert client.pubsub_numpat() == 2
        subscriber.unsubscribe("b")
        subscriber.punsubscribe()
        subscriber.unsubscribe()
        types = [message[0] for message in messages(subscriber, 4)]
        assert sorted(types) == ["punsubscribe"] * 2 + ["unsubscribe"] * 2
        assert subscriber.subscribed is False

    def test_shard_channels(self, client: Any, subscriber: Any) -> None:
        subscriber.ssubscribe("s")
        assert messages(subscriber, 1) == [("ssubscribe", None, "s", 1)]
        assert client.spublish("s", "m") == 1
        assert client.publish("s", "not for shards") == 0
        assert messages(subscriber, 1) == [("smessage", None, "s", "m")]
        assert client.pubsub_shardchannels() == ["s"]
        assert client.pubsub_shardnumsub("s") == [("s", 1)]
        subscriber.sunsubscribe("s")
        assert messages(subscriber, 1) == [("sunsubscribe", None, "s", 0)]

    def test_bytes_are_not_touched(self, connect: Connect) -> None:
        client = connect()
        with client.pubsub(ignore_subscribe_messages=True) as subscriber:
            name, data = bytes(range(256)), bytes(range(256)) * 400
            subscriber.subscribe(name)
            while subscriber.get_message(timeout=0.01) is not None:
                pass
            while client.publish(name, data) == 0:
                pass
            message = None
            while message is None:
                message = subscriber.get_message(timeout=LONG)
            assert (message["channel"], message["data"]) == (name, data)

    def test_ping_and_a_quiet_channel(self, subscriber: Any, client: Any) -> None:
        subscriber.subscribe("a")
        messages(subscriber, 1)
        assert subscriber.get_message(timeout=0.01) is None
        if client.connection_pool.connection_kwargs["protocol"] == 3:
            return  # there PONG is no push, and PubSub does not know what to do with it
        subscriber.ping()
        assert messages(subscriber, 1)[0][0] == "pong"
        subscriber.ping("hello")
        assert messages(subscriber, 1)[0][3] == "hello"

    def test_many_messages_keep_their_order(self, client: Any, subscriber: Any) -> None:
        subscriber.subscribe("a")
        messages(subscriber, 1)
        pipeline = client.pipeline(transaction=False)
        for number in range(5000):
            pipeline.publish("a", number)
        assert pipeline.execute() == [1] * 5000
        assert [int(message[3]) for message in messages(subscriber, 5000)] == list(range(5000))

    def test_keyspace_events(self, client: Any, subscriber: Any) -> None:
        client.config_set("notify-keyspace-events", "KEA")
        subscriber.psubscribe("__key*@0__:*")
        messages(subscriber, 1)
        client.set("k", "v")
        client.lpush("l", "x")
        assert [message[2:] for message in messages(subscriber, 4)] == [
            ("__keyspace@0__:k", "set"),
            ("__keyevent@0__:set", "k"),
            ("__keyspace@0__:l", "lpush"),
            ("__keyevent@0__:lpush", "l"),
        ]


class TestHandlers:
    def test_a_thread_calls_handlers(self, client: Any) -> None:
        heard: queue.Queue[tuple[str, str]] = queue.Queue()
        subscriber = client.pubsub(ignore_subscribe_messages=True)
        subscriber.subscribe(a=lambda message: heard.put(("a", message["data"])))
        subscriber.psubscribe(**{"p*": lambda message: heard.put(("p*", message["data"]))})
        thread = subscriber.run_in_thread(sleep_time=0.01)
        try:
            while client.pubsub_numpat() == 0:
                pass
            client.publish("a", "1")
            client.publish("pq", "2")
            assert [heard.get(timeout=LONG), heard.get(timeout=LONG)] == [("a", "1"), ("p*", "2")]
        finally:
            thread.stop()
            thread.join(LONG)
        assert not thread.is_alive()

    def test_listen(self, client: Any, subscriber: Any) -> None:
        subscriber.subscribe("a")
        listening = subscriber.listen()
        assert next(listening)["type"] == "subscribe"
        client.publish("a", "1")
        assert next(listening)["data"] == "1"


class TestEndings:
    def test_a_subscriber_that_is_killed_subscribes_again(self, client: Any, subscriber: Any) -> None:
        subscriber.subscribe("a")
        subscriber.psubscribe("b*")
        messages(subscriber, 2)
        assert client.client_kill_filter(_type="pubsub") == 1
        assert client.pubsub_numsub("a") == [("a", 0)]
        assert sorted(messages(subscriber, 2)) == [
            ("psubscribe", None, "b*", 2),
            ("subscribe", None, "a", 1),
        ]
        client.publish("a", "still there")
        assert messages(subscriber, 1) == [("message", None, "a", "still there")]

    def test_a_closed_subscriber_is_forgotten(self, client: Any) -> None:
        subscriber = client.pubsub()
        subscriber.subscribe("a")
        messages(subscriber, 1)
        subscriber.close()
        while client.pubsub_channels():
            pass
        assert client.publish("a", "nobody") == 0
