"""SUBSCRIBE, PUBLISH and PUBSUB; and keyspace notifications."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twisted_resp.keyspace.events import flags_from_letters

Engine = Any  # the fixtures of conftest.py
Connect = Callable[[], Any]


def array(*items: bytes | int | None, mark: bytes = b"*") -> bytes:
    """Encode what a subscriber gets."""
    null = b"_\r\n" if mark == b">" else b"$-1\r\n"
    return (mark + b"%d\r\n" % len(items)) + b"".join(
        b":%d\r\n" % item
        if isinstance(item, int)
        else null
        if item is None
        else b"$%d\r\n%b\r\n" % (len(item), item)
        for item in items
    )


def push(*items: bytes | int | None) -> bytes:
    """The same in RESP3."""
    return array(*items, mark=b">")


def test_subscribe_and_publish(engine: Engine, connect: Connect) -> None:
    one, other = connect(), connect()
    assert one.send("SUBSCRIBE a b a") == (
        array(b"subscribe", b"a", 1) + array(b"subscribe", b"b", 2) + array(b"subscribe", b"a", 2)
    )
    assert other.send("PUBLISH a hello", "PUBLISH c hello") == b":1\r\n:0\r\n"
    assert one.received() == array(b"message", b"a", b"hello")
    assert one.send("UNSUBSCRIBE a x") == (array(b"unsubscribe", b"a", 1) + array(b"unsubscribe", b"x", 1))
    assert other.send("PUBLISH a hello") == b":0\r\n"
    assert one.send("UNSUBSCRIBE", "UNSUBSCRIBE") == (
        array(b"unsubscribe", b"b", 0) + array(b"unsubscribe", None, 0)
    )
    assert one.send("GET k") == b"$-1\r\n"


def test_patterns(connect: Connect) -> None:
    one, other = connect(), connect()
    assert one.send("PSUBSCRIBE news.* n*", "SUBSCRIBE news.art") == (
        array(b"psubscribe", b"news.*", 1)
        + array(b"psubscribe", b"n*", 2)
        + array(b"subscribe", b"news.art", 3)
    )
    assert other.send("PUBLISH news.art x") == b":3\r\n"
    assert one.received() == (
        array(b"message", b"news.art", b"x")
        + array(b"pmessage", b"news.*", b"news.art", b"x")
        + array(b"pmessage", b"n*", b"news.art", b"x")
    )
    assert one.send("PUNSUBSCRIBE news.*", "PUNSUBSCRIBE", "PUNSUBSCRIBE") == (
        array(b"punsubscribe", b"news.*", 2)
        + array(b"punsubscribe", b"n*", 1)
        + array(b"punsubscribe", None, 1)
    )


def test_shard_channels_are_a_world_of_their_own(connect: Connect) -> None:
    one, other = connect(), connect()
    assert one.send("SSUBSCRIBE a", "SUBSCRIBE a", "PSUBSCRIBE *") == (
        array(b"ssubscribe", b"a", 1) + array(b"subscribe", b"a", 1) + array(b"psubscribe", b"*", 2)
    )
    assert other.send("SPUBLISH a x") == b":1\r\n"
    assert one.received() == array(b"smessage", b"a", b"x")
    assert one.send("SUNSUBSCRIBE", "SUNSUBSCRIBE") == (
        array(b"sunsubscribe", b"a", 0) + array(b"sunsubscribe", None, 0)
    )
    assert other.send("SPUBLISH a x", "PUBLISH a x") == b":0\r\n:2\r\n"


def test_resp3_pushes(connect: Connect) -> None:
    one, other = connect(), connect()
    one.send("HELLO 3")
    assert one.send("SUBSCRIBE a", "GET k") == push(b"subscribe", b"a", 1) + b"_\r\n"
    other.send("PUBLISH a x")
    assert one.received() == push(b"message", b"a", b"x")
    assert one.send("UNSUBSCRIBE a", "UNSUBSCRIBE") == (
        push(b"unsubscribe", b"a", 0) + push(b"unsubscribe", None, 0)
    )


@pytest.mark.parametrize("command", ["GET k", "MULTI", "PUBLISH a x", "HELLO 3", "CLIENT ID"])
def test_a_resp2_subscriber_may_do_little_else(connect: Connect, command: str) -> None:
    one = connect()
    one.send("SSUBSCRIBE a")
    name = "client|id" if command == "CLIENT ID" else command.split()[0].lower()
    assert one.send(command) == (
        b"-ERR Can't execute '%b': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed "
        b"in this context\r\n" % name.encode()
    )
    assert one.send("NOSUCH").startswith(b"-ERR unknown command")
    assert one.send("QUIT") == b"+OK\r\n"


def test_a_message_to_oneself_follows_the_reply(connect: Connect) -> None:
    one = connect()
    one.send("HELLO 3", "SUBSCRIBE a")
    message = push(b"message", b"a", b"x")
    assert one.send("PUBLISH a x") == b":1\r\n" + message
    # And it comes before the reply to what was pipelined behind.
    assert one.send("PUBLISH a x", "PING", "PUBLISH a x", "PING") == 2 * (b":1\r\n" + message + b"+PONG\r\n")
    assert one.send("MULTI", "PUBLISH a x", "PING", "EXEC", "PING") == (
        b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n+PONG\r\n" + message + b"+PONG\r\n"
    )


def test_a_message_to_oneself_when_a_wait_ends(engine: Engine, connect: Connect) -> None:
    one = connect()
    one.send("HELLO 3", "SUBSCRIBE a")
    parked = engine.server.commands[b"echo"]

    def retry() -> bytes:
        engine.server.channels.publish(b"a", b"x")
        return b"done"

    parked.handler = lambda client, key: client.wait_for([key], 0, retry)
    assert one.send("ECHO k") == b""
    engine.call("SET", "k", "v")
    assert one.received() == b"$4\r\ndone\r\n" + push(b"message", b"a", b"x")
    assert one.send("PING") == b"+PONG\r\n"


def test_subscribing_inside_multi(connect: Connect) -> None:
    one = connect()
    # Several channels break the frame of the array; so they do in Redis.
    assert one.send("MULTI", "SUBSCRIBE a b", "SSUBSCRIBE c", "PING", "EXEC") == (
        b"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n"
        + array(b"subscribe", b"a", 1)
        + array(b"subscribe", b"b", 2)
        + b"-ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n"
        + array(b"pong", b"")
    )
    assert one.send("GET k").startswith(b"-ERR Can't execute 'get'")


def test_pubsub(engine: Engine, connect: Connect) -> None:
    one, other = connect(), connect()
    one.send("SUBSCRIBE a ab", "PSUBSCRIBE *", "SSUBSCRIBE s1 t")
    other.send("SUBSCRIBE a", "PSUBSCRIBE *", "SSUBSCRIBE s1")
    assert sorted(engine.call("PUBSUB", "CHANNELS")) == [b"a", b"ab"]
    assert engine.call("PUBSUB", "CHANNELS", "?") == [b"a"]
    assert engine.call("PUBSUB", "NUMSUB", "a", "x", "ab") == [b"a", 2, b"x", 0, b"ab", 1]
    assert engine.call("PUBSUB", "NUMSUB") == []
    assert engine.call("PUBSUB", "NUMPAT") == 1
    assert engine.call("PUBSUB", "SHARDCHANNELS", "s*") == [b"s1"]
    assert engine.call("PUBSUB", "SHARDNUMSUB", "s1", "a") == [b"s1", 2, b"a", 0]
    assert (
        engine.call("PUBSUB", "HELP")[0] == b"PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    )
    assert engine.error("PUBSUB", "CHANNELS", "a", "b") == (
        b"ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP."
    )
    one.lose()
    other.lose()
    assert engine.call("PUBSUB", "CHANNELS") == engine.call("PUBSUB", "SHARDCHANNELS") == []
    assert engine.call("PUBSUB", "NUMPAT") == 0


def test_a_subscriber_that_is_dropped_while_a_message_goes_round(engine: Engine, connect: Connect) -> None:
    one, other, publisher = connect(), connect(), connect()
    one.send("PSUBSCRIBE * a*", "SUBSCRIBE a")
    other.send("PSUBSCRIBE a*")
    one.client.deliver = lambda data: one.client.kill()
    assert publisher.send("PUBLISH a x") == b":2\r\n"
    assert other.received() == array(b"pmessage", b"a*", b"a", b"x")


# -- keyspace notifications


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("", []),
        ("K", []),
        ("A", []),
        ("KA", [array(b"pmessage", b"*", b"__keyspace@0__:k", b"set")]),
        ("E$", [array(b"pmessage", b"*", b"__keyevent@0__:set", b"k")]),
        ("El", []),
        (
            "KEA",
            [
                array(b"pmessage", b"*", b"__keyspace@0__:k", b"set"),
                array(b"pmessage", b"*", b"__keyevent@0__:set", b"k"),
            ],
        ),
        ("En", [array(b"pmessage", b"*", b"__keyevent@0__:new", b"k")]),
    ],
)
def test_notifications(engine: Engine, connect: Connect, letters: str, expected: list[bytes]) -> None:
    one = connect()
    one.send("PSUBSCRIBE *")
    flags = flags_from_letters(letters)
    engine.server.notifications.configure(flags)
    assert engine.server.notifications.flags == flags
    engine.call("SET", "k", "v")
    assert one.received() == b"".join(expected)
    engine.server.notifications.configure(0)
    engine.call("SET", "k", "v")
    assert one.received() == b""
    assert not engine.server.keyspace.on_event


def test_misses_are_no_part_of_all(engine: Engine, connect: Connect) -> None:
    one = connect()
    one.send("PSUBSCRIBE *")
    engine.server.notifications.configure(flags_from_letters("EA"))
    engine.call("GET", "missing")
    assert one.received() == b""
    engine.server.notifications.configure(flags_from_letters("Em"))
    engine.call("SELECT", 3)
    engine.call("GET", "missing")
    assert one.received() == array(b"pmessage", b"*", b"__keyevent@3__:keymiss", b"missing")


def test_a_notification_of_ones_own_follows_the_reply(engine: Engine, connect: Connect) -> None:
    engine.server.notifications.configure(flags_from_letters("E$"))
    one = connect()
    one.send("HELLO 3", "SUBSCRIBE __keyevent@0__:set")
    assert one.send("SET k v") == b"+OK\r\n" + push(b"message", b"__keyevent@0__:set", b"k")
