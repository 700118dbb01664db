"""A master and its replica change places."""

from __future__ import annotations

from typing import Any

import pytest

Node = Any
Tie = Any


@pytest.fixture
def tie(node: Node, other: Node, tie_class: type[Tie]) -> Tie:
    """``other`` follows ``node``, and has all that it has."""
    other.call("CONFIG", "SET", "replica-announce-port", "6380")
    other.call("REPLICAOF", "master", "6379")
    tie = tie_class(other, node)
    node.call("SET", "k", "1")
    tie.carry()
    return tie


def acknowledge(tie: Tie) -> None:
    """The replica gets all there is, and says so."""
    tie.carry()
    tie.replica.reactor.advance(1)
    tie.carry()


def state(node: Node) -> str:
    found: str = node.info()["master_failover_state"]
    return found


def test_they_change_places(node: Node, other: Node, tie: Tie, tie_class: type[Tie]) -> None:
    node.call("SET", "k", "2")
    assert node.call("FAILOVER", "TO", "127.0.0.1", "6380") == b"OK"
    assert state(node) == "waiting-for-sync"
    writing = node.factory.client()
    replies: list[Any] = []
    writing.call("SET", "k", "3").addBoth(replies.append)
    assert node.call("GET", "k") == b"2"
    acknowledge(tie)
    assert state(node) == "failover-in-progress"
    assert node.attempts == [("127.0.0.1", 6380)]
    assert node.error("REPLICAOF", "NO", "ONE") == b"ERR REPLICAOF not allowed while failing over."
    back = tie_class(node, other, 40001)
    assert state(node) == "no-failover"
    assert (node.info()["role"], other.info()["role"]) == ("slave", "master")
    assert other.info("stats")["sync_partial_ok"] == "1"
    # What was held back is refused: this is a replica now.
    assert replies[0].value.message.startswith(b"READONLY ")
    other.call("SET", "k", "4")
    back.carry()
    assert node.call("GET", "k") == b"4"
    assert node.info()["master_replid2"] == other.info()["master_replid2"]


def test_any_replica_will_do(node: Node, other: Node, tie: Tie, tie_class: type[Tie]) -> None:
    acknowledge(tie)
    # It has everything already.
    node.call("FAILOVER")
    tie_class(node, other, 40001)
    assert other.info()["role"] == "master"


def test_one_that_does_not_catch_up_in_time(node: Node, tie: Tie) -> None:
    node.call("SET", "k", "2")
    node.call("FAILOVER", "TIMEOUT", "500")
    node.reactor.advance(0.5)
    assert state(node) == "no-failover"
    assert node.info()["role"] == "master"
    assert node.call("SET", "k", "3") == b"OK"


def test_force(node: Node, other: Node, tie: Tie, tie_class: type[Tie]) -> None:
    node.call("SET", "k", "2")
    node.call("FAILOVER", "TO", "127.0.0.1", "6380", "FORCE", "TIMEOUT", "100")
    node.reactor.advance(0.1)
    assert state(node) == "failover-in-progress"
    tie.carry()
    tie_class(node, other, 40001)
    assert other.info()["role"] == "master"
    assert other.call("GET", "k") == b"2"


def test_abort(node: Node, tie: Tie) -> None:
    assert node.error("FAILOVER", "ABORT") == b"ERR No failover in progress."
    node.call("SET", "k", "2")
    node.call("FAILOVER")
    assert node.error("FAILOVER") == b"ERR FAILOVER already in progress."
    writing = node.factory.client()
    replies: list[Any] = []
    writing.call("SET", "k", "3").addBoth(replies.append)
    node.call("FAILOVER", "ABORT")
    assert replies == [b"OK"]
    acknowledge(tie)
    assert node.attempts == []


def test_a_replica_that_does_not_want_to(node: Node, other: Node, tie: Tie, tie_class: type[Tie]) -> None:
    acknowledge(tie)
    node.call("FAILOVER")
    assert node.error("PSYNC", "?", "-1") == b"NOMASTERLINK Can't SYNC while failing over"
    other.call("ACL", "SETUSER", "default", "-psync")
    tie_class(node, other, 40001)
    assert state(node) == "no-failover"
    assert (node.info()["role"], other.info()["role"]) == ("master", "slave")
    assert node.call("SET", "k", "2") == b"OK"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("TO 127.0.0.1", "syntax error"),
        ("TO 127.0.0.1 x", "value is not an integer or out of range"),
        ("TIMEOUT 0", "FAILOVER timeout must be greater than 0"),
        ("NOW", "syntax error"),
        ("FORCE TIMEOUT 100", "FAILOVER with force option requires both a timeout and target HOST and IP."),
        ("TO 127.0.0.1 1", "FAILOVER target HOST and PORT is not a replica."),
    ],
)
def test_errors(node: Node, tie: Tie, options: str, error: str) -> None:
    assert node.error("FAILOVER", *options.split()) == b"ERR " + error.encode()


def test_who_can_not(node: Node, other: Node) -> None:
    assert node.error("FAILOVER") == b"ERR FAILOVER requires connected replicas."
    other.call("REPLICAOF", "master", "6379")
    assert other.error("FAILOVER") == b"ERR FAILOVER is not valid when server is a replica."
