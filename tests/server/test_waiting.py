"""Parked clients, whatever they wait for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from twisted_resp import RespFactory
from twisted_resp.resp import Reply
from twisted_resp.server.client import Client
from twisted_resp.server.waiting import NOT_READY
from twisted_resp.values.list import List
from twisted_resp.values.set import Set


class Room:
    """A server whose clients wait for keys; `replies` are what they were told."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.factory = RespFactory(clock=self.clock)
        self.server = self.factory.server
        self.waiting = self.server.waiting
        self.replies: list[tuple[str, Reply]] = []
        self.tried: list[str] = []

    def call(self, *words: object) -> Any:
        results: list[Any] = []
        self.factory.call(*words).addCallback(results.append)
        return results[0]

    def park(
        self,
        name: str,
        *keys: bytes,
        kind: type | None = None,
        retry: Callable[[], Reply] = lambda: NOT_READY,
        timeout: float = 0,
    ) -> Client:
        client = Client(self.server)
        client.current = [name.encode()]

        def attempt() -> Reply:
            self.tried.append(name)
            return retry()

        deferred = client.wait_for(list(keys), timeout, attempt, b"late", kind)
        assert isinstance(deferred, Deferred)
        deferred.addCallback(lambda reply: self.replies.append((name, reply)))
        return client


@pytest.fixture
def room() -> Room:
    return Room()


def test_a_client_is_woken_by_its_type_only(room: Room) -> None:
    room.park("list", b"k", kind=List)
    room.park("set", b"k", kind=Set)
    room.call("SET", "k", "x")
    assert room.tried == []
    room.call("DEL", "k")
    room.call("RPUSH", "k", 1)
    assert room.tried == ["list"]


def test_a_client_without_a_type_is_woken_by_anything(room: Room) -> None:
    room.park("any", b"k")
    room.park("list", b"k", kind=List)
    for call in (["SET", "k", "x"], ["DEL", "k"], ["SET", "k", "x"], ["FLUSHALL"], ["SWAPDB", 0, 1]):
        room.call(*call)
        assert room.tried == ["any"]
        room.tried.clear()
    assert room.waiting.keys_on_deletion == 1


def test_who_is_not_served_keeps_its_place(room: Room) -> None:
    ready: list[str] = []

    def attempt(name: str) -> Callable[[], Reply]:
        return lambda: name.encode() if name in ready else NOT_READY

    for name in "abc":
        room.park(name, b"k", kind=List, retry=attempt(name))
    room.call("RPUSH", "k", 1)
    assert room.tried == ["a", "b", "c"]
    room.tried.clear()
    ready += "ac"
    room.call("RPUSH", "k", 1)
    assert room.tried == ["a", "b", "c"]
    assert room.replies == [("a", b"a"), ("c", b"c")]
    assert room.waiting.waiters(room.server.keyspace.databases[0], b"k") == len(room.waiting) == 1


def test_the_retry_runs_as_the_command_in_its_database(room: Room) -> None:
    seen: list[object] = []
    client = Client(room.server)
    client.db = room.server.keyspace.databases[2]
    client.current = [b"XWAIT", b"k"]

    def retry() -> Reply:
        seen.append((client.current, client.db.index))
        return b"done"

    client.wait_for([b"k"], 0, retry, kind=List)
    # A client within the process may go on to other things.
    client.current = [b"PING"]
    client.db = room.server.keyspace.databases[0]
    room.call("SELECT", 2)
    room.call("RPUSH", "k", 1)
    assert seen == [([b"XWAIT", b"k"], 2)]
    assert (client.current, client.db.index) == ([b"PING"], 0)


def test_one_client_can_wait_several_times(room: Room) -> None:
    """All calls of a factory share one client."""
    replies: list[object] = []
    waits = [room.factory.call("BLPOP", key, 0).addBoth(replies.append) for key in "abc"]
    assert len(room.waiting) == 3
    room.call("RPUSH", "b", 1)
    room.call("RPUSH", "a", 2)
    assert replies == [[b"b", b"1"], [b"a", b"2"]]
    waits[2].cancel()
    assert len(room.waiting) == room.waiting.keys == 0
    assert isinstance(replies[2], Failure)


def test_a_client_that_goes_ends_all_its_waits(room: Room) -> None:
    caller = room.factory.client()
    for key in "abc":
        caller.call("BLPOP", key, 5)
    caller.close()
    assert len(room.waiting) == room.waiting.keys == 0
    assert room.clock.getDelayedCalls() == []


def test_nothing_listens_while_nobody_waits(room: Room) -> None:
    keyspace = room.server.keyspace
    quiet = (keyspace.on_modified, keyspace.on_flushed, keyspace.on_swapped)
    room.park("a", b"k", timeout=1)
    assert quiet != (keyspace.on_modified, keyspace.on_flushed, keyspace.on_swapped)
    room.clock.advance(1)
    assert quiet == (keyspace.on_modified, keyspace.on_flushed, keyspace.on_swapped)
    assert room.replies == [("a", b"late")]


def test_what_a_failing_retry_leaves(room: Room, logged_failures: list[Failure]) -> None:
    room.park("broken", b"k", kind=List, retry=lambda: 1 // 0)
    room.call("RPUSH", "k", 1)
    [(_, reply)] = room.replies
    assert reply.message == b"ERR internal error in 'broken'; the server's log has the details"
    assert [failure.type for failure in logged_failures] == [ZeroDivisionError]
    logged_failures.clear()


def test_time_spent_in_retries_counts(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    client = room.park("a", b"k", kind=List)
    times = iter([1.0, 1.5, 3.0, 3.25])
    monkeypatch.setattr("twisted_resp.server.waiting.perf_counter", lambda: next(times))
    room.call("RPUSH", "k", 1)
    room.call("RPUSH", "k", 1)
    assert client.parked is not None
    assert client.parked.seconds == 0.75


def test_end_all(room: Room) -> None:
    room.factory.client()
    clients = [room.park(name, b"k") for name in "ab"]
    room.server.clients.update((client.id, client) for client in clients)
    room.waiting.end_all(b"bye")
    assert room.replies == [("a", b"bye"), ("b", b"bye")]
