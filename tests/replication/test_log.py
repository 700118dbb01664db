"""What replication writes to the log: operators, and tools that read logs, look for Redis's words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.logger import ILogObserver, formatEvent, globalLogPublisher
from zope.interface import provider

Node = Any
Tie = Any


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What was logged by the rooms of replication."""
    lines: list[str] = []

    @provider(ILogObserver)
    def observe(event: dict[str, Any]) -> None:
        if event["log_namespace"].startswith("twisted_resp.replication"):
            lines.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)


def taken(lines: list[str]) -> list[str]:
    found = lines[:]
    lines.clear()
    return found


def test_both_sides(node: Node, other: Node, tie_class: type[Tie], told: list[str]) -> None:
    first, before = (one.server.replication.id.decode() for one in (other, node))
    other.server.port = 6380
    other.call("REPLICAOF", "master", "6379")
    tie = tie_class(other, node)
    history = node.server.replication.id.decode()
    replica = "127.0.0.1:6380"
    size = other.server.replication.master.sync_size
    user = told[2].partition("(")[2]
    assert user.startswith("user request from ")
    assert taken(told) == [
        "Connecting to MASTER master:6379",
        "MASTER <-> REPLICA sync started",
        f"REPLICAOF master:6379 enabled ({user}",
        "Non blocking connect for SYNC fired the event.",
        "Master replied to PING, replication can continue...",
        f"Trying a partial resynchronization (request {first}:1).",
        f"Replica {replica} asks for synchronization",
        f"Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '{first}', "
        f"my replication IDs are '{before}' and '{'0' * 40}')",
        f"Replication backlog created, my new replication IDs are '{history}' and '{'0' * 40}'",
        f"Synchronization with replica {replica} succeeded",
        f"Full resync from master: {history}:0",
        f"MASTER <-> REPLICA sync: receiving {size} bytes from master to parser",
        "MASTER <-> REPLICA sync: Loading DB in memory",
        "MASTER <-> REPLICA sync: Finished with success",
    ]
    tie.lose()
    node.call("SET", "a", "1")
    other.reactor.advance(1)
    tie_class(other, node)
    missed = node.server.replication.offset
    assert taken(told) == [
        "Connection with master lost.",
        "Caching the disconnected master state.",
        f"Connection with replica {replica} lost.",
        "Connecting to MASTER master:6379",
        "MASTER <-> REPLICA sync started",
        "Non blocking connect for SYNC fired the event.",
        "Master replied to PING, replication can continue...",
        f"Trying a partial resynchronization (request {history}:1).",
        f"Replica {replica} asks for synchronization",
        f"Partial resynchronization request from {replica} accepted. Sending {missed} bytes of backlog starting from "
        "offset 1.",
        "Successful partial resynchronization with master.",
        "MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.",
    ]
    other.call("REPLICAOF", "NO", "ONE")
    now = other.server.replication.id.decode()
    assert [line.partition(" (")[0] for line in taken(told)] == [
        f"Setting secondary replication ID to {history}, valid up to offset: {missed + 1}. New replication ID is {now}",
        "MASTER MODE enabled",
    ]
