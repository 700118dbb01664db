"""Strict mode: each rule finds what it is for, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twisted_resp.testing import ServerThread
from twisted_resp.testing.factory import ControlledFactory
from twisted_resp.testing.strict import Rules, Strict


@pytest.fixture
def found(factory: ControlledFactory) -> Callable[..., list[tuple[str, str]]]:
    """What is found while some requests are sent: rule and sentence."""

    def find(wire: Any, *requests: str, **rules: Any) -> list[tuple[str, str]]:
        strict = Strict(factory.journal, **rules)
        for request in requests:
            wire.send(request)
        return [(finding.rule, finding.text) for finding in strict.findings()]

    return find


Found = Callable[..., list[tuple[str, str]]]


def test_good_manners(found: Found, wire: Any) -> None:
    assert (
        found(wire, "SET k v", "GET k", "WATCH k", "MULTI", "GET k", "EXEC", "SUBSCRIBE c", "UNSUBSCRIBE")
        == []
    )


@pytest.mark.parametrize(
    ("request_", "rule", "text"),
    [
        ("NoSuch x", "unknown_commands", "there is no command NOSUCH"),
        ("CLIENT NoSuch", "unknown_commands", "there is no command CLIENT NOSUCH"),
        ("GET", "wrong_arity", "GET had a wrong number of arguments"),
        ("LPOP string", "errors", "LPOP was answered with an error"),
        ("GETSET string v", "deprecated", "GETSET is deprecated since 6.2.0: `SET` with the `GET` argument"),
        ("SUBSCRIBE c", "subscriptions", "client 1 (127.0.0.1:50000) is still subscribed"),
        ("WATCH k", "unfinished", "WATCH without EXEC, DISCARD or UNWATCH"),
        ("MULTI", "unfinished", "MULTI without EXEC or DISCARD"),
    ],
)
def test_each_rule(
    factory: ControlledFactory, found: Found, wire: Any, request_: str, rule: str, text: str
) -> None:
    factory.call("SET", "string", "v")
    assert found(wire, request_, **{rule: False}) == []
    wire.send("RESET")
    assert found(wire, request_) == [(rule, text)]


def test_expected_and_injected_errors_are_none(factory: ControlledFactory, found: Found, wire: Any) -> None:
    factory.journal.expect_error("^WRONGTYPE")
    factory.journal.expect_error("unknown command")
    factory.faults.error("DEL", reply="LOADING")
    assert found(wire, "SET k v", "LPOP k", "NoSuch", "DEL k") == []


@pytest.mark.parametrize(
    "request_", ["KEYS none", "FLUSHDB", "FLUSHALL", "SMEMBERS s", "HGETALL h", "LRANGE l 0 -1", "SORT l"]
)
def test_large_collections(factory: ControlledFactory, found: Found, wire: Any, request_: str) -> None:
    for n in range(12):
        factory.call("SADD", "s", n)
        factory.call("HSET", "h", n, n)
        factory.call("RPUSH", "l", n)
        factory.call("SET", n, n)
    wire.send("HELLO 3")
    assert found(wire, "KEYS *", large=15) == []
    ((rule, text),) = found(wire, request_, large=11)
    assert rule == "large"
    assert "took 1" in text


def test_keys_without_a_time_to_live(factory: ControlledFactory, found: Found, wire: Any) -> None:
    factory.call("SET", "old", 1)
    requests = ["SET old 2", "SET new 1", "SET short 1 EX 10", "SET config:a 1", "SELECT 3", "SET new 1"]
    assert found(wire, "FLUSHALL", *requests) == []
    factory.call("FLUSHALL")
    factory.call("SET", "old", 1)
    assert found(wire, "SELECT 0", *requests, persistent_keys=["config:*"]) == [
        ("persistent_keys", "the key 'new' of database 0 has no time to live"),
        ("persistent_keys", "the key 'new' of database 3 has no time to live"),
    ]


def test_n_plus_one(found: Found, wire: Any) -> None:
    wire.send("PING")
    requests = [f"GET {n}" for n in range(5)]
    assert found(wire, *requests) == []
    assert found(wire, *requests, repeated=5) == []
    assert (
        found(wire, *requests, "SET k v", *requests, repeated=4)
        == [("repeated", "GET made 5 round trips in a row, where a pipeline makes one")] * 2
    )


def test_connections(found: Found, connect: Callable[[], Any], factory: ControlledFactory) -> None:
    one = connect()
    strict = Strict(factory.journal, connections=True)
    other = connect()
    assert [finding.text for finding in strict.findings()] == [
        "client 2 (127.0.0.1:50001) is still connected"
    ]
    other.lose()
    assert strict.findings() == []
    assert one.send("PING") == b"+PONG\r\n"


def test_as_a_context_manager(factory: ControlledFactory, wire: Any) -> None:
    with (
        pytest.raises(
            AssertionError, match=r"strict mode objects:\n  there is no command NOSUCH .*\n    #1 "
        ),
        Strict(factory.journal),
    ):
        wire.send("NOSUCH")
    with Strict(factory.journal):
        wire.send("PING")
    with pytest.raises(KeyError), Strict(factory.journal):  # not hidden behind what else was wrong
        {}[wire.send("NOSUCH")]


def test_rules_in_words() -> None:
    assert Rules.parse(["yes"]) == Rules.parse([]) == Rules()
    assert Rules.parse(
        ["-deprecated", "connections", "large=5", "persistent-keys=a*, b", "repeated"]
    ) == Rules(deprecated=False, connections=True, large=5, persistent_keys=["a*", "b"], repeated=10)
    assert Rules.parse(["-large", "errors=no", "persistent_keys"]) == Rules(
        large=None, errors=False, persistent_keys=True
    )
    for wrong, message in (
        ("nonsense", "there is no rule 'nonsense', but unknown_commands"),
        ("large=x", "number"),
    ):
        with pytest.raises(ValueError, match=message):
            Rules.parse([wrong])


def test_what_is_being_closed_is_waited_for() -> None:
    redis = pytest.importorskip("redis")
    with ServerThread() as server:
        strict = Strict(server.journal, connections=True)
        for _ in range(20):
            client = redis.Redis(port=server.port)
            client.ping()
            client.close()
            strict.check()
