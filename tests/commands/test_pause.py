"""CLIENT PAUSE and UNPAUSE."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twisted_resp.commands.table import MAY_REPLICATE

Engine = Any  # the fixtures of conftest.py
Connect = Callable[[], Any]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("x", b"ERR timeout is not an integer or out of range"),
        ("1.5", b"ERR timeout is not an integer or out of range"),
        ("-1", b"ERR timeout is negative"),
        ("9223372036854775807", b"ERR timeout is out of range"),
        ("x what", b"ERR CLIENT PAUSE mode must be WRITE or ALL"),
        ("1 ALL x", b"ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP."),
    ],
)
def test_errors(engine: Engine, request_: str, message: bytes) -> None:
    assert engine.error("CLIENT", "PAUSE", *request_.split()) == message


def test_all_commands_wait_for_the_end(engine: Engine, connect: Connect) -> None:
    one, other = connect(), connect()
    assert one.send("CLIENT PAUSE 500") == b"+OK\r\n"
    assert one.send("GET k", "SET k 1") == b""
    assert other.send("CLIENT UNPAUSE") == b""
    # What can't run anyhow is refused at once; but not by a client that waits.
    third = connect()
    assert third.send("GET") == b"-ERR wrong number of arguments for 'get' command\r\n"
    assert engine.server.blocked_clients == 2
    engine.clock.advance(0.498)
    assert one.received() == other.received() == b""
    engine.clock.advance(0.003)
    assert one.received() == b"$-1\r\n+OK\r\n"
    assert other.received() == b"+OK\r\n"
    assert engine.server.blocked_clients == 0
    assert not engine.clock.getDelayedCalls()


def test_writes_wait(engine: Engine, connect: Connect) -> None:
    one, other = connect(), connect()
    one.send("CLIENT PAUSE 500 write")
    assert one.send("GET k", "PING", "CLIENT ID")
    assert one.send("SET k v") == b""
    assert other.send("PUBLISH a x") == b""
    assert engine.server.commands[b"publish"].flags & MAY_REPLICATE
    assert engine.call("CLIENT", "UNPAUSE") == b"OK"
    assert one.received() == b"+OK\r\n"
    assert other.received() == b":0\r\n"


def test_they_go_on_in_the_order_in_which_they_came(engine: Engine, connect: Connect) -> None:
    engine.call("CLIENT", "PAUSE", 100, "WRITE")
    clients = [connect() for _ in range(3)]
    for number, one in enumerate(clients):
        one.send(f"APPEND k {number}")
    engine.clock.advance(0.101)
    assert engine.call("GET", "k") == b"012"


def test_the_longer_and_the_stricter_pause_count(engine: Engine, connect: Connect) -> None:
    one = connect()
    engine.call("MULTI")
    engine.call("CLIENT", "PAUSE", 200, "ALL")
    engine.call("CLIENT", "PAUSE", 20, "WRITE")
    engine.call("EXEC")
    one.send("GET k")
    engine.clock.advance(0.198)
    assert one.received() == b""
    engine.clock.advance(0.003)
    assert one.received() == b"$-1\r\n"
    # Over: the next one begins anew.
    engine.call("CLIENT", "PAUSE", 100, "WRITE")
    assert one.send("GET k") == b"$-1\r\n"
    engine.call("CLIENT", "PAUSE", 300, "WRITE")
    one.send("SET k v")
    engine.clock.advance(0.298)
    assert one.received() == b""
    engine.clock.advance(0.003)
    assert one.received() == b"+OK\r\n"


def test_a_pause_of_no_time(engine: Engine, connect: Connect) -> None:
    assert engine.call("CLIENT", "PAUSE", 0) == b"OK"
    assert engine.call("PING") == b"PONG"


def test_a_pause_of_centuries(engine: Engine) -> None:
    assert engine.call("CLIENT", "PAUSE", 2**62, "WRITE") == b"OK"
    assert engine.call("CLIENT", "UNPAUSE") == b"OK"


def test_transactions(engine: Engine, connect: Connect) -> None:
    reader, writer, late = connect(), connect(), connect()
    reader.send("MULTI", "GET k")
    writer.send("MULTI", "SET k v")
    late.send("MULTI")
    engine.call("CLIENT", "PAUSE", 1000, "WRITE")
    assert reader.send("EXEC") == b"*1\r\n$-1\r\n"
    assert writer.send("EXEC") == b""
    assert late.send("SET k w") == b""  # not even queued
    assert late.client.transaction.queue == []
    engine.call("CLIENT", "UNPAUSE")
    assert writer.received() == b"*1\r\n+OK\r\n"
    assert late.received() == b"+QUEUED\r\n"
    assert late.send("EXEC") == b"*1\r\n+OK\r\n"


def test_a_pause_inside_exec_begins_behind_it(engine: Engine, connect: Connect) -> None:
    one = connect()
    assert one.send("MULTI", "SET a 1", "CLIENT PAUSE 1000 ALL", "SET b 2", "EXEC", "PING") == (
        b"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n+OK\r\n+OK\r\n"
    )
    engine.clock.advance(1.001)
    assert one.received() == b"+PONG\r\n"


def test_nothing_expires_meanwhile(engine: Engine) -> None:
    engine.call("SET", "k", "v", "PX", 10)
    engine.call("CLIENT", "PAUSE", 1000, "WRITE")
    engine.clock.advance(0.5)
    assert engine.call("GET", "k") is None
    assert engine.server.keyspace.expired == 0
    engine.call("CLIENT", "UNPAUSE")
    assert engine.call("GET", "k") is None
    assert engine.server.keyspace.expired == 1


def test_client_unblock_does_not_reach_who_is_paused(engine: Engine, connect: Connect) -> None:
    one = connect()
    engine.call("CLIENT", "PAUSE", 1000, "WRITE")
    one.send("SET k v")
    assert engine.call("CLIENT", "UNBLOCK", one.client.id) == 0
    assert b" flags=b " in engine_list(engine)
    assert b" cmd=set " in engine_list(engine)


def engine_list(engine: Engine) -> bytes:
    listing: bytes = engine.call("CLIENT", "LIST")
    return listing


def test_who_is_gone_does_nothing_afterwards(engine: Engine, connect: Connect) -> None:
    one, other = connect(), connect()
    engine.call("CLIENT", "PAUSE", 1000, "WRITE")
    one.send("SET k v")
    other.send("SET k w")
    one.lose()
    engine.call("CLIENT", "KILL", "ID", other.client.id)
    assert engine.server.blocked_clients == 0
    engine.call("CLIENT", "UNPAUSE")
    assert engine.call("EXISTS", "k") == 0


def test_a_command_that_blocks_after_the_pause(engine: Engine, connect: Connect) -> None:
    one = connect()
    engine.server.commands[b"echo"].handler = lambda client, key: client.wait_for([key], 0, lambda: b"now")
    engine.call("CLIENT", "PAUSE", 100)
    one.send("ECHO k", "PING")
    engine.clock.advance(0.101)
    assert one.received() == b""
    assert engine.server.blocked_clients == 1
    engine.call("SET", "k", "v")
    assert one.received() == b"$3\r\nnow\r\n+PONG\r\n"


def test_several_calls_in_process(engine: Engine) -> None:
    engine.call("CLIENT", "PAUSE", 100)
    replies: list[Any] = []
    for text in "abc":
        engine.factory.call("APPEND", "k", text).addCallback(replies.append)
    assert replies == []
    engine.clock.advance(0.101)
    assert replies == [1, 2, 3]
