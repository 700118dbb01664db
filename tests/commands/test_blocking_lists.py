"""Waiting for an element of a list: who is served, in which order, with what, and when the wait ends."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from twisted_resp.errors import CommandError
from twisted_resp.resp import NULL_ARRAY

Engine = Any  # the fixture of conftest.py

WAITING = "waiting"


class Caller:
    """A client whose commands may wait: what became of its last one."""

    def __init__(self, engine: Engine) -> None:
        self._server = engine.server
        self.client = engine.factory.client().client
        engine.server.clients[self.client.id] = self.client
        self.outcome: Any = None

    def call(self, *words: object) -> Any:
        """Run a command: its reply as the handler gave it, or WAITING."""
        args = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self._server.keyspace.tick()
        self.outcome = WAITING
        reply = self.client.execute(self.client, args)
        if type(reply) is Deferred:
            reply.addCallback(self._end)
        else:
            self._end(reply)
        self._server.end_batch()
        return self.outcome

    def _end(self, reply: Any) -> None:
        self.outcome = reply


@pytest.fixture
def callers(engine: Engine) -> list[Caller]:
    return [Caller(engine) for _ in range(5)]


def blocked(engine: Engine) -> int:
    return len(engine.server.waiting)


# ------------------------------------------------------------------ service


@pytest.mark.parametrize(
    ("call", "reply"),
    [
        ("BLPOP k 0", [b"k", b"1"]),
        ("BRPOP k 0", [b"k", b"3"]),
        ("BLMOVE k d LEFT RIGHT 0", b"1"),
        ("BRPOPLPUSH k d 0", b"3"),
        ("BLMPOP 0 1 k LEFT", [b"k", [b"1"]]),
        ("BLMPOP 0 2 n k RIGHT COUNT 2", [b"k", [b"3", b"2"]]),
    ],
)
def test_the_reply_is_the_same_at_once_and_later(
    engine: Engine, callers: list[Caller], call: str, reply: object
) -> None:
    waiter, pusher, late = callers[:3]
    assert waiter.call(*call.split()) == WAITING
    assert pusher.call("RPUSH", "k", 1, 2, 3) == 3
    assert waiter.outcome == reply
    left = engine.call("LRANGE", "k", 0, -1), engine.call("LRANGE", "d", 0, -1)
    engine.call("DEL", "k", "d")
    engine.call("RPUSH", "k", 1, 2, 3)
    assert late.call(*call.split()) == reply
    assert left == (engine.call("LRANGE", "k", 0, -1), engine.call("LRANGE", "d", 0, -1))


def test_first_come_first_served(engine: Engine, callers: list[Caller]) -> None:
    a, b, c, d = callers[:4]
    a.call("BLPOP", "k", 0)
    b.call("BRPOP", "k", 0)
    c.call("BLPOP", "k", 0)
    assert d.call("RPUSH", "k", 1, 2) == 2
    assert (a.outcome, b.outcome, c.outcome) == ([b"k", b"1"], [b"k", b"2"], WAITING)
    a.call("BLPOP", "k", 0)
    d.call("RPUSH", "k", 3)
    assert (c.outcome, a.outcome) == ([b"k", b"3"], WAITING)
    assert engine.call("EXISTS", "k") == 0


def test_the_first_of_its_keys_serves_a_client(callers: list[Caller]) -> None:
    a, b, pusher = callers[:3]
    a.call("BLPOP", "x", "y", "z", 0)
    b.call("BLMPOP", 0, 3, "z", "y", "x", "LEFT", "COUNT", 9)
    pusher.call("MULTI")
    pusher.call("RPUSH", "z", 1)
    pusher.call("RPUSH", "y", 2, 3)
    pusher.call("EXEC")
    # z was changed first, so those who wait for it are first; but each looks at its keys in its order.
    assert a.outcome == [b"y", b"2"]
    assert b.outcome == [b"z", [b"1"]]


def test_a_key_that_is_named_twice(engine: Engine, callers: list[Caller]) -> None:
    a, pusher = callers[:2]
    a.call("BLPOP", "x", "y", "y", "x", 0)
    pusher.call("RPUSH", "y", 1, 2)
    assert a.outcome == [b"y", b"1"]
    assert engine.call("LLEN", "y") == 1
    assert engine.server.waiting.keys == 0


def test_the_push_is_answered_with_the_length_before_service(callers: list[Caller]) -> None:
    waiter, pusher = callers[:2]
    waiter.call("BLPOP", "k", 0)
    assert pusher.call("RPUSH", "k", 1, 2, 3) == 3
    assert pusher.call("LLEN", "k") == 2


def test_exec_serves_when_it_is_over(callers: list[Caller]) -> None:
    waiter, pusher = callers[:2]
    waiter.call("BLPOP", "k", 0)
    for words in (["MULTI"], ["RPUSH", "k", "1"], ["LPUSH", "k", "2"], ["LLEN", "k"]):
        pusher.call(*words)
    assert pusher.call("EXEC") == [1, 2, 2]
    assert waiter.outcome == [b"k", b"2"]


@pytest.mark.parametrize(
    "after",
    [
        [["DEL", "k"]],
        [["DEL", "k"], ["SET", "k", "x"]],
        [["SET", "k", "x"]],
        [["LPOP", "k"]],
        [["RENAME", "k", "o"]],
    ],
)
def test_what_is_gone_at_the_end_of_exec_wakes_nobody(
    engine: Engine, callers: list[Caller], after: list[list[str]]
) -> None:
    waiter, pusher = callers[:2]
    waiter.call("BLPOP", "k", 0)
    pusher.call("MULTI")
    for words in (["RPUSH", "k", "1"], *after):
        pusher.call(*words)
    pusher.call("EXEC")
    assert waiter.outcome == WAITING
    engine.call("DEL", "k")
    pusher.call("RPUSH", "k", "2")
    assert waiter.outcome == [b"k", b"2"]


@pytest.mark.parametrize(
    "call",
    [
        "RPUSH k 1",
        "LPUSH k 1",
        "LMOVE src k LEFT RIGHT",
        "RPOPLPUSH src k",
        "RENAME src k",
        "RENAMENX src k",
        "COPY src k",
        "SORT src STORE k",
        "BLMOVE src k LEFT LEFT 0",
    ],
)
def test_however_a_list_comes_to_a_key(callers: list[Caller], call: str) -> None:
    waiter, pusher = callers[:2]
    pusher.call("RPUSH", "src", 1)
    waiter.call("BLPOP", "k", 0)
    pusher.call(*call.split())
    assert waiter.outcome == [b"k", b"1"]


def test_a_list_from_another_database(callers: list[Caller]) -> None:
    waiter, mover = callers[:2]
    mover.call("SELECT", 1)
    mover.call("RPUSH", "k", 1)
    waiter.call("BLPOP", "k", 0)
    mover.call("MOVE", "k", 0)
    assert waiter.outcome == [b"k", b"1"]
    mover.call("RPUSH", "k", 2)
    waiter.call("BLPOP", "k", 0)
    mover.call("SWAPDB", 0, 1)
    assert waiter.outcome == [b"k", b"2"]


def test_other_databases_have_other_keys(callers: list[Caller]) -> None:
    waiter, pusher = callers[:2]
    waiter.call("BLPOP", "k", 0)
    pusher.call("SELECT", 1)
    pusher.call("RPUSH", "k", 1)
    assert waiter.outcome == WAITING


def test_other_types_leave_a_client_waiting(engine: Engine, callers: list[Caller]) -> None:
    waiter, other = callers[:2]
    waiter.call("BLPOP", "j", "k", 0)
    other.call("SET", "k", "x")
    assert waiter.outcome == WAITING
    # But when it is woken by one key, another one may be in its way.
    other.call("SET", "j", "x")
    other.call("DEL", "k")
    other.call("RPUSH", "k", 1)
    assert waiter.outcome == CommandError(
        b"WRONGTYPE Operation against a key holding the wrong kind of value"
    )
    assert engine.call("LLEN", "k") == 1


# ------------------------------------------------------------------- chains


def test_a_served_client_feeds_another(engine: Engine, callers: list[Caller]) -> None:
    a, b, c, pusher = callers[:4]
    c.call("BLPOP", "z", 0)
    b.call("BLMOVE", "y", "z", "LEFT", "LEFT", 0)
    a.call("BLMOVE", "x", "y", "LEFT", "LEFT", 0)
    pusher.call("RPUSH", "x", 1)
    assert (a.outcome, b.outcome, c.outcome) == (b"1", b"1", [b"z", b"1"])
    assert engine.call("DBSIZE") == 0
    assert blocked(engine) == 0


def test_a_circle(engine: Engine, callers: list[Caller]) -> None:
    a, b, pusher = callers[:3]
    a.call("BRPOPLPUSH", "x", "y", 0)
    b.call("BRPOPLPUSH", "y", "x", 0)
    pusher.call("RPUSH", "x", "foo")
    assert (a.outcome, b.outcome) == (b"foo", b"foo")
    assert engine.call("LRANGE", "x", 0, -1) == [b"foo"]
    assert engine.call("EXISTS", "y") == 0


def test_a_list_that_feeds_itself(engine: Engine, callers: list[Caller]) -> None:
    a, pusher = callers[:2]
    a.call("BRPOPLPUSH", "x", "x", 0)
    pusher.call("RPUSH", "x", "foo")
    assert a.outcome == b"foo"
    assert engine.call("LRANGE", "x", 0, -1) == [b"foo"]


def test_keys_are_served_in_the_order_of_their_changes(callers: list[Caller]) -> None:
    a, b, c, pusher = callers[:4]
    a.call("BRPOPLPUSH", "x", "z", 0)
    b.call("BLPOP", "y", 0)
    c.call("BLMPOP", 0, 2, "y", "z", "LEFT")
    for words in (["MULTI"], ["LPUSH", "x", "1"], ["LPUSH", "y", "2"], ["EXEC"]):
        pusher.call(*words)
    assert (a.outcome, b.outcome, c.outcome) == (b"1", [b"y", b"2"], [b"z", [b"1"]])


def test_a_destination_of_another_type(engine: Engine, callers: list[Caller]) -> None:
    a, b, pusher = callers[:3]
    engine.call("SET", "s", "x")
    a.call("BLMOVE", "k", "s", "LEFT", "LEFT", 0)
    b.call("BLPOP", "k", 0)
    pusher.call("RPUSH", "k", 1)
    assert a.outcome == CommandError(b"WRONGTYPE Operation against a key holding the wrong kind of value")
    assert b.outcome == [b"k", b"1"]


def test_watch_sees_what_a_served_client_did(callers: list[Caller]) -> None:
    waiter, watcher, pusher = callers[:3]
    waiter.call("BRPOPLPUSH", "src", "dst", 0)
    watcher.call("WATCH", "dst")
    watcher.call("MULTI")
    watcher.call("PING")
    pusher.call("RPUSH", "src", 1)
    assert watcher.call("EXEC") is NULL_ARRAY


# --------------------------------------------------------- the end of a wait


@pytest.mark.parametrize(
    ("timeout", "milliseconds"),
    [("1", 1000), ("0.5", 500), ("0.0001", 1), ("1e-3", 1), ("0x10", 16000), ("2.0000001", 2001)],
)
def test_timeout(engine: Engine, callers: list[Caller], timeout: str, milliseconds: int) -> None:
    a, b = callers[:2]
    a.call("BLPOP", "k", timeout)
    b.call("BLMOVE", "k", "d", "LEFT", "LEFT", timeout)
    engine.clock.advance((milliseconds - 0.5) / 1000)
    assert (a.outcome, b.outcome) == (WAITING, WAITING)
    engine.clock.advance(0.001)
    # Also for BLMOVE, whose null is another one where it does not wait.
    assert (a.outcome, b.outcome) == (NULL_ARRAY, NULL_ARRAY)
    assert blocked(engine) == 0


def test_no_timeout(engine: Engine, callers: list[Caller]) -> None:
    callers[0].call("BLPOP", "k", 0)
    engine.clock.advance(10**9)
    assert callers[0].outcome == WAITING


def test_service_calls_the_timeout_off(engine: Engine, callers: list[Caller]) -> None:
    callers[0].call("BLPOP", "k", 1)
    callers[1].call("RPUSH", "k", 1)
    assert engine.clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("timeout", "error"),
    [
        ("-1", b"ERR timeout is negative"),
        ("-0.0011", b"ERR timeout is negative"),  # but -0.001 is rounded up to nothing
        ("x", b"ERR timeout is not a float or out of range"),
        ("", b"ERR timeout is not a float or out of range"),
        ("nan", b"ERR timeout is not a float or out of range"),
        ("inf", b"ERR timeout is out of range"),
        ("9223372036854775807", b"ERR timeout is out of range"),
        ("9223372036854775", b"ERR timeout is out of range"),  # too far in the future
    ],
)
def test_wrong_timeouts(engine: Engine, timeout: str, error: bytes) -> None:
    engine.call("SET", "s", "x")
    for call in ("BLPOP s", "BRPOP s", "BRPOPLPUSH s d", "BLMOVE s d LEFT LEFT"):
        assert engine.error(*call.split(), timeout) == error
    assert engine.error("BLMPOP", timeout, 1, "s", "LEFT") == error
    # BLMOVE reads its directions first.
    assert engine.error("BLMOVE", "s", "d", "UP", "LEFT", timeout) == b"ERR syntax error"


def test_unblock(engine: Engine, callers: list[Caller]) -> None:
    a, b, c, other = callers[:4]
    for waiter in (a, b, c):
        waiter.call("BLMOVE", "k", "d", "LEFT", "LEFT", 10)
    assert other.call("CLIENT", "UNBLOCK", a.client.id) == 1
    assert other.call("CLIENT", "UNBLOCK", b.client.id, "timeout") == 1
    assert other.call("CLIENT", "UNBLOCK", c.client.id, "ERROR") == 1
    assert other.call("CLIENT", "UNBLOCK", c.client.id, "ERROR") == 0
    assert (a.outcome, b.outcome) == (NULL_ARRAY, NULL_ARRAY)
    assert c.outcome == CommandError(b"UNBLOCKED client unblocked via CLIENT UNBLOCK")
    assert engine.clock.getDelayedCalls() == []


def test_a_client_that_goes_leaves_no_trace(engine: Engine, callers: list[Caller]) -> None:
    a, b, pusher = callers[:3]
    a.call("BLPOP", "j", "k", 5)
    b.call("BLPOP", "k", 0)
    a.client.disconnected()
    assert engine.clock.getDelayedCalls() == []
    assert engine.server.waiting.keys == 1
    pusher.call("RPUSH", "k", 1)
    assert (a.outcome, b.outcome) == (WAITING, [b"k", b"1"])


def test_inside_multi_nobody_waits(callers: list[Caller]) -> None:
    client = callers[0]
    client.call("MULTI")
    for call in ("BLPOP k 0", "BLMPOP 0 1 k LEFT", "BLMOVE k d LEFT LEFT 0", "BRPOPLPUSH k d 0"):
        client.call(*call.split())
    assert client.call("EXEC") == [NULL_ARRAY, NULL_ARRAY, None, None]


# -------------------------------------------------------------- expiry, pause


def test_what_has_expired_serves_nobody(engine: Engine, callers: list[Caller]) -> None:
    waiter, other = callers[:2]
    engine.server.keyspace.expiry_timer.enabled = False
    other.call("SELECT", 1)
    other.call("RPUSH", "k", 1)
    other.call("PEXPIRE", "k", 100)
    waiter.call("BLPOP", "k", 0)
    engine.clock.advance(0.2)
    effects = engine.effects()
    other.call("SWAPDB", 0, 1)
    assert waiter.outcome == WAITING
    # It is still there, and goes when somebody asks for it.
    assert effects == [[b"SWAPDB", b"0", b"1"]]
    assert engine.call("EXISTS", "k") == 0
    assert effects[1:] == [[b"DEL", b"k"]]


def test_what_expires_while_exec_takes_its_time(engine: Engine, callers: list[Caller]) -> None:
    waiter, pusher = callers[:2]
    engine.server.keyspace.expiry_timer.enabled = False
    waiter.call("BLPOP", "k", 1)
    for words in (["MULTI"], ["RPUSH", "k", "1"], ["PEXPIRE", "k", "100"]):
        pusher.call(*words)
    engine.server.keyspace.on_modified = [
        *engine.server.keyspace.on_modified,
        lambda database, key: engine.clock.advance(0.2),
    ]
    pusher.call("EXEC")
    engine.server.keyspace.on_modified = engine.server.keyspace.on_modified[:-1]
    assert waiter.outcome == WAITING
    engine.clock.advance(0.6)
    assert waiter.outcome == NULL_ARRAY


def test_a_pause_postpones_service(engine: Engine, callers: list[Caller]) -> None:
    waiter, pusher = callers[:2]
    waiter.call("BLPOP", "k", 0)
    for words in (["MULTI"], ["RPUSH", "k", "1"], ["CLIENT", "PAUSE", "1000", "WRITE"], ["EXEC"]):
        pusher.call(*words)
    assert waiter.outcome == WAITING
    assert engine.call("LLEN", "k") == 1
    engine.clock.advance(1.001)
    assert waiter.outcome == [b"k", b"1"]


# ------------------------------------------------------ what others are told


def test_each_served_client_is_an_effect_of_its_own(engine: Engine, callers: list[Caller]) -> None:
    a, b, c, pusher = callers[:4]
    a.call("BLMOVE", "x", "y", "left", "RIGHT", 0)
    b.call("BLMOVE", "y", "x", "right", "left", 0)
    c.call("BLMPOP", 0, 1, "x", "LEFT", "COUNT", 5)
    units: list[list[list[bytes]]] = []
    engine.server.effects.add_listener(lambda unit: units.append([words for _, words in unit]))
    pusher.call("RPUSH", "x", "1")
    assert [b" ".join(*unit) for unit in units] == [
        b"RPUSH x 1",
        b"LMOVE x y left RIGHT",
        b"LMOVE y x right left",
        b"LPOP x 1",
    ]


def test_effects_name_the_database(engine: Engine, callers: list[Caller]) -> None:
    waiter, pusher = callers[:2]
    waiter.call("SELECT", 3)
    waiter.call("BLPOP", "k", 0)
    pusher.call("RPUSH", "k", 1)
    seen: list[tuple[int, list[bytes]]] = []
    engine.server.effects.add_listener(seen.extend)
    pusher.call("MOVE", "k", 3)
    assert seen == [(0, [b"MOVE", b"k", b"3"]), (3, [b"LPOP", b"k"])]


def test_events_and_changes_of_service(engine: Engine, callers: list[Caller]) -> None:
    waiter, pusher = callers[:2]
    waiter.call("BLPOP", "k", 0)
    seen = engine.events()
    before = engine.server.keyspace.dirty
    pusher.call("RPUSH", "k", 1)
    assert seen == [(b"new", b"k"), (b"rpush", b"k"), (b"lpop", b"k"), (b"del", b"k")]
    assert engine.server.keyspace.dirty - before == 2


def test_a_wait_counts_as_one_call(engine: Engine, callers: list[Caller]) -> None:
    a, b, c, other = callers[:4]
    entry = engine.server.commands[b"blmove"]
    engine.call("SET", "s", "x")
    a.call("BLMOVE", "k", "s", "LEFT", "LEFT", 0)
    b.call("BLMOVE", "k", "d", "LEFT", "LEFT", 0)
    c.call("BLMOVE", "k", "d", "LEFT", "LEFT", 0)
    assert (entry.calls, entry.failed) == (0, 0)
    other.call("RPUSH", "k", 1)
    other.call("CLIENT", "UNBLOCK", c.client.id)
    # The first was refused for its destination, the last ran out of time.
    assert (entry.calls, entry.failed, entry.rejected) == (3, 1, 0)
    assert entry.seconds > 0
