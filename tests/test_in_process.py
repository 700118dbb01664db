"""Commands as calls within the process."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from twisted_resp import RespFactory
from twisted_resp.errors import CommandError
from twisted_resp.in_process import as_argument, as_python
from twisted_resp.resp import NULL_ARRAY, OK, Map, Push, SetReply, Several, Verbatim


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def factory(clock: Clock) -> RespFactory:
    return RespFactory(clock=clock)


def result(deferred: Deferred[Any]) -> Any:
    """What a Deferred has fired with."""
    results: list[Any] = []
    deferred.addBoth(results.append)
    assert results, "it has not fired"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


def test_arguments_and_replies_are_plain_python(factory: RespFactory) -> None:
    assert result(factory.call("SET", "key", 10)) == b"OK"
    assert result(factory.call(b"INCRBYFLOAT", b"key", 0.5)) == b"10.5"
    assert result(factory.call("APPEND", "key", bytearray(b"x"))) == 5
    assert result(factory.call("GET", "none")) is None
    assert result(factory.call("MGET", "key", "none")) == [b"10.5x", None]


def test_an_error_reply_is_a_failure(factory: RespFactory) -> None:
    with pytest.raises(CommandError, match="not an integer"):
        result(factory.call("SET", "k", "v", "EX", "soon"))
    with pytest.raises(CommandError, match="unknown command 'NOPE'"):
        result(factory.call("NOPE"))


def test_what_is_no_argument_is_refused(factory: RespFactory) -> None:
    for nonsense in (None, True, [b"a"], object()):
        with pytest.raises(TypeError, match="bytes, str, int or float"):
            factory.call("SET", "k", nonsense)
    with pytest.raises(ValueError, match="no command"):
        result(factory.call())


def test_a_blocking_command_answers_later(factory: RespFactory) -> None:
    waiting = factory.client().call("BLPOP", "l", 0)
    assert not waiting.called
    result(factory.call("RPUSH", "l", "x"))
    assert result(waiting) == [b"l", b"x"]


def test_a_blocking_command_times_out_on_the_clock(factory: RespFactory, clock: Clock) -> None:
    waiting = factory.client().call("BLPOP", "l", 2)
    clock.advance(1.9)
    assert not waiting.called
    clock.advance(0.2)
    assert result(waiting) is None


def test_cancelling_ends_the_wait(factory: RespFactory, clock: Clock) -> None:
    waiting = factory.client().call("BLPOP", "l", 5)
    waiting.cancel()
    with pytest.raises(CancelledError):
        result(waiting)
    assert len(factory.server.waiting) == 0
    assert clock.getDelayedCalls() == []
    result(factory.call("RPUSH", "l", "x"))
    assert result(factory.call("LLEN", "l")) == 1


def test_each_client_has_a_state_of_its_own(factory: RespFactory) -> None:
    one, other = factory.client(), factory.client()
    result(one.call("SELECT", 3))
    result(one.call("SET", "k", "three"))
    assert result(other.call("GET", "k")) is None
    result(one.call("MULTI"))
    assert result(one.call("GET", "k")) == b"QUEUED"
    assert result(other.call("PING")) == b"PONG"
    assert result(one.call("EXEC")) == [b"three"]


def test_a_closed_client_leaves_no_trace(factory: RespFactory) -> None:
    client = factory.client()
    result(client.call("SUBSCRIBE", "c"))
    result(client.call("WATCH", "k"))
    assert result(factory.call("PUBLISH", "c", "m")) == 1
    client.close()
    assert result(factory.call("PUBLISH", "c", "m")) == 0
    assert factory.server.watching.keys == 0


def test_a_client_that_closes_answers_what_waits(factory: RespFactory, clock: Clock) -> None:
    client = factory.client()
    waits = [client.call("BLPOP", key, 5) for key in "ab"]
    result(factory.call("CLIENT", "PAUSE", 1000))
    waits.append(client.call("SET", "k", "v"))
    client.close()
    assert [result(wait) for wait in waits] == [None, None, None]
    clock.advance(10)
    assert result(factory.call("EXISTS", "k")) == 0


def test_a_call_inside_the_callback_of_another(factory: RespFactory) -> None:
    """It runs at once, whoever it wakes is served afterwards: nothing nests."""
    order: list[object] = []

    def pass_on(reply: list[bytes]) -> None:
        order.append(reply)
        factory.call("RPUSH", "b", *reply).addCallback(order.append)
        order.append("pushed")

    factory.client().call("BLPOP", "a", 0).addCallback(pass_on)
    factory.client().call("BLPOP", "b", 0).addCallback(order.append)
    factory.call("RPUSH", "a", "x").addCallback(order.append)
    assert order == [[b"a", b"x"], 2, "pushed", [b"b", b"a"], 1]


def test_messages_arrive_encoded(factory: RespFactory) -> None:
    client = factory.client()
    messages: list[bytes] = []
    client.client.write = messages.append
    assert result(client.call("SUBSCRIBE", "c", "d")) == [[b"subscribe", b"c", 1], [b"subscribe", b"d", 2]]
    assert result(factory.call("PUBLISH", "c", "m")) == 1
    assert messages == [b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n"]
    assert result(client.call("PING")) == b"PONG"


def test_no_password_is_asked_for_within_the_process(clock: Clock) -> None:
    assert result(RespFactory(clock=clock, password=b"sesame").call("PING")) == b"PONG"


def test_as_python_unwraps_every_marker() -> None:
    assert as_python([OK, NULL_ARRAY, Verbatim(b"txt", b"t"), SetReply([b"a"]), Push([1]), Several([2])]) == [
        b"OK",
        None,
        b"t",
        [b"a"],
        [1],
        [2],
    ]
    assert as_python(Map([(b"a", SetReply([1]))])) == {b"a": [1]}
    assert as_argument(1.5) == b"1.5"
