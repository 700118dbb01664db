"""MULTI, EXEC, DISCARD, WATCH and UNWATCH."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twisted_resp.errors import CommandError
from twisted_resp.keyspace.events import STRING

Engine = Any  # the fixtures of conftest.py
Connect = Callable[[], Any]

ABORTED = b"-EXECABORT Transaction discarded because of previous errors.\r\n"


def test_exec_runs_what_was_queued(engine: Engine) -> None:
    assert engine.call("MULTI") == b"OK"
    assert engine.call("SET", "k", "v") == b"QUEUED"
    assert engine.call("GET", "k") == b"QUEUED"
    assert engine.database().peek(b"k") is None
    assert engine.call("EXEC") == [b"OK", b"v"]
    assert engine.error("EXEC") == b"ERR EXEC without MULTI"
    engine.call("MULTI")
    assert engine.call("EXEC") == []


def test_discard(engine: Engine) -> None:
    assert engine.error("DISCARD") == b"ERR DISCARD without MULTI"
    engine.call("MULTI")
    engine.call("SET", "k", "v")
    assert engine.call("DISCARD") == b"OK"
    assert engine.call("EXISTS", "k") == 0


def test_an_error_inside_is_a_value(engine: Engine) -> None:
    engine.call("SET", "text", "x")
    engine.call("MULTI")
    engine.call("INCR", "text")
    engine.call("SET", "k", "v")
    assert engine.call("EXEC") == [CommandError(b"ERR value is not an integer or out of range"), b"OK"]


@pytest.mark.parametrize("wrong", ["NOSUCH", "GET", "CLIENT NOSUCH", "WATCH"])
def test_what_can_not_be_queued_spoils_it(connect: Connect, wrong: str) -> None:
    one = connect()
    assert one.send("MULTI", "SET k v", wrong, "SET k w", "EXEC", "GET k").endswith(
        b"+QUEUED\r\n" + ABORTED + b"$-1\r\n"
    )


def test_multi_and_watch_inside_do_not_spoil_it(connect: Connect) -> None:
    one = connect()
    assert one.send("MULTI", "MULTI", "WATCH k", "PING", "EXEC") == (
        b"+OK\r\n"
        b"-ERR MULTI calls can not be nested\r\n"
        b"-ERR WATCH inside MULTI is not allowed\r\n"
        b"+QUEUED\r\n"
        b"*1\r\n+PONG\r\n"
    )


def test_exec_with_arguments_ends_the_transaction(connect: Connect) -> None:
    one = connect()
    refused = b"-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command\r\n"
    assert one.send("MULTI", "EXEC now", "EXEC") == b"+OK\r\n" + refused + b"-ERR EXEC without MULTI\r\n"
    assert one.send("EXEC now") == refused


def test_blocking_commands_do_not_block_inside(engine: Engine) -> None:
    client = engine.factory.client().client

    def wait(client: Any, args: list[bytes]) -> Any:
        return client.wait_for([b"k"], 0, lambda: pytest.fail("never asked"), on_timeout=b"at once")

    entry = engine.server.commands[b"echo"]
    entry.handler = wait
    run = client.execute
    run(client, [b"MULTI"])
    client.execute(client, [b"ECHO", b"x"])
    assert client.execute(client, [b"EXEC"]) == [b"at once"]
    assert client.can_block


def test_effects_come_as_one_unit(engine: Engine) -> None:
    units: list[Any] = []
    engine.server.effects.add_listener(units.append)
    engine.call("MULTI")
    engine.call("SET", "a", "1")
    engine.call("GET", "a")
    engine.call("INCR", "a")
    engine.call("EXEC")
    assert units == [
        [
            (0, [b"MULTI"]),
            (0, [b"SET", b"a", b"1"]),
            (0, [b"INCR", b"a"]),
            (0, [b"EXEC"]),
        ]
    ]


def test_commands_count_as_their_own(engine: Engine) -> None:
    commands = engine.server.commands
    engine.call("MULTI")
    engine.call("SET", "a", "x")
    engine.call("INCR", "a")
    assert commands[b"set"].calls == 0
    engine.call("EXEC")
    assert (commands[b"set"].calls, commands[b"incr"].failed, commands[b"exec"].calls) == (1, 1, 1)


def test_resp3_inside(connect: Connect) -> None:
    one = connect()
    one.send("HELLO 3", "MULTI", "GET k", "CLIENT INFO")
    assert one.send("EXEC").startswith(b"*2\r\n_\r\n=")


# -- WATCH


def dirty(engine: Engine, *changes: tuple[object, ...], before: tuple[tuple[object, ...], ...] = ()) -> bool:
    """Whether EXEC gives up when, after WATCH k, another client makes changes."""
    other = engine.factory.client()
    for change in before:
        other.call(*change)
    engine.call("WATCH", "k")
    for change in changes:
        other.call(*change)
    engine.call("MULTI")
    engine.call("PING")
    return engine.call("EXEC") is None


@pytest.mark.parametrize(
    ("before", "change", "expected"),
    [
        ((), ("GET", "k"), False),
        ((), ("SET", "other", "v"), False),
        ((), ("SET", "k", "v"), True),
        ((), ("DEL", "k"), False),
        ((("SET", "k", "v"),), ("SET", "k", "v"), True),
        ((("SET", "k", "v"),), ("DEL", "k"), True),
        ((("SET", "k", "v"),), ("EXPIRE", "k", 100), True),
        ((("SET", "k", "v"),), ("RENAME", "k", "other"), True),
        ((("SET", "other", "v"),), ("RENAME", "other", "k"), True),
        ((("SET", "k", "v"), ("SELECT", 1)), ("SET", "k", "v"), False),
    ],
)
def test_watch(engine: Engine, before: Any, change: Any, expected: bool) -> None:
    assert dirty(engine, change, before=before) is expected
    # Either way it is over.
    engine.call("MULTI")
    assert engine.call("EXEC") == []


def test_own_changes_count_as_well(engine: Engine) -> None:
    engine.call("WATCH", "k")
    engine.call("SET", "k", "v")
    engine.call("MULTI")
    assert engine.call("EXEC") is None


def test_unwatch_discard_and_exec_forget(engine: Engine) -> None:
    for last in ("UNWATCH", "DISCARD", "EXEC"):
        engine.call("WATCH", "k")
        engine.call("SET", "k", "v")
        if last != "UNWATCH":
            engine.call("MULTI")
        engine.call(last)
        assert engine.server.watching.keys == 0
        engine.call("MULTI")
        assert engine.call("EXEC") == []


def test_a_dirty_client_watches_no_more(engine: Engine) -> None:
    engine.call("WATCH", "k", "l")
    engine.call("SET", "k", "v")
    assert engine.server.watching.keys == 0
    engine.call("WATCH", "m")
    assert engine.server.watching.keys == 0
    engine.call("MULTI")
    assert engine.call("EXEC") is None


def test_listeners_are_there_only_while_they_are_needed(engine: Engine) -> None:
    keyspace = engine.server.keyspace
    before = len(keyspace.on_modified)
    engine.call("WATCH", "k")
    assert len(keyspace.on_modified) == before + 1
    engine.call("UNWATCH")
    assert len(keyspace.on_modified) == before


def test_a_listener_that_leaves_does_not_hide_the_next(engine: Engine) -> None:
    engine.call("WATCH", "k")
    seen = []
    engine.server.keyspace.on_modified.append(lambda database, key: seen.append(key))
    engine.call("SET", "k", "v")
    assert seen == [b"k"]


def test_a_key_that_expires_while_it_is_watched(engine: Engine) -> None:
    engine.call("SET", "k", "v", "PX", 100)
    engine.server.keyspace.expiry_timer.enabled = False
    engine.call("WATCH", "k")
    engine.clock.advance(0.2)
    engine.call("MULTI")
    assert engine.call("EXEC") is None


def stale(engine: Engine, key: str = "k") -> None:
    """Make a key whose time is past, but which is still there."""
    engine.server.keyspace.expiry_timer.enabled = False
    engine.call("SET", key, "v", "PX", 1)
    engine.clock.advance(0.1)


def test_a_key_that_had_expired_before(engine: Engine) -> None:
    stale(engine)
    engine.call("WATCH", "k")
    engine.call("GET", "k")  # which deletes it
    assert engine.database().values == {}
    engine.call("MULTI")
    assert engine.call("EXEC") == []
    stale(engine)
    assert dirty(engine, ("SET", "k", "v"))


def test_flushing(engine: Engine) -> None:
    database = engine.database()
    for make, expected in (
        (lambda: None, False),
        (lambda: database.store(b"k", b"v", b"set", STRING), True),
        (lambda: stale(engine), False),
    ):
        make()
        engine.call("WATCH", "k")
        database.flush()
        engine.call("MULTI")
        assert (engine.call("EXEC") is None) is expected


@pytest.mark.parametrize(
    ("here", "there", "expected"),
    [
        ("nothing", "nothing", False),
        ("value", "nothing", True),
        ("nothing", "value", True),
        ("value", "value", True),
        ("stale", "nothing", False),
        ("nothing", "stale", False),
        ("stale", "stale", False),
        ("stale", "value", True),
        ("value", "stale", True),
    ],
)
def test_swapping(engine: Engine, here: str, there: str, expected: bool) -> None:
    for index, what in enumerate((here, there)):
        engine.call("SELECT", index)
        if what == "value":
            engine.call("SET", "k", "v")
        elif what == "stale":
            stale(engine)
    engine.call("SELECT", 0)
    engine.call("WATCH", "k")
    engine.server.keyspace.swap(0, 1)
    engine.call("MULTI")
    assert (engine.call("EXEC") is None) is expected


def test_who_is_gone_watches_nothing(engine: Engine, connect: Connect) -> None:
    one = connect()
    one.send("WATCH k", "MULTI", "SET a b")
    one.lose()
    assert engine.server.watching.keys == 0
    assert engine.call("EXISTS", "a") == 0


def test_a_state_of_the_server_that_forbids_writes(engine: Engine, connect: Connect) -> None:
    refusal = b"NOREPLICAS Not enough good replicas to write."
    one, other = connect(), connect()
    one.send("MULTI", "SET k v")
    other.send("MULTI", "GET k")
    engine.call("CONFIG", "SET", "min-replicas-to-write", "2")
    assert engine.error("SET", "k", "v") == refusal
    assert engine.call("GET", "k") is None
    assert one.send("EXEC") == b"-EXECABORT Transaction discarded because of: %b\r\n" % refusal
    assert one.send("EXEC") == b"-ERR EXEC without MULTI\r\n"
    assert one.send("MULTI", "SET k v", "EXEC") == b"+OK\r\n-%b\r\n" % refusal + ABORTED
    assert other.send("EXEC") == b"*1\r\n$-1\r\n"
    engine.call("CONFIG", "SET", "min-replicas-to-write", "0")
    assert engine.call("SET", "k", "v") == b"OK"
