"""PING, ECHO, SELECT, AUTH, HELLO, QUIT and RESET."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Engine = Any  # the fixtures of conftest.py
Connect = Callable[[], Any]


def test_ping(engine: Engine) -> None:
    assert engine.call("PING") == b"PONG"
    assert engine.call("PING", "hello") == b"hello"
    assert engine.error("PING", "a", "b") == b"ERR wrong number of arguments for 'ping' command"


def test_a_resp2_subscriber_gets_another_pong(connect: Connect) -> None:
    one = connect()
    one.send("SUBSCRIBE c")
    assert one.send("PING") == b"*2\r\n$4\r\npong\r\n$0\r\n\r\n"
    assert one.send("PING x") == b"*2\r\n$4\r\npong\r\n$1\r\nx\r\n"
    one.send("UNSUBSCRIBE")
    assert one.send("PING") == b"+PONG\r\n"
    one.send("HELLO 3", "SUBSCRIBE c")
    assert one.send("PING") == b"+PONG\r\n"


def test_echo(engine: Engine) -> None:
    assert engine.call("ECHO", b"\r\n\0") == b"\r\n\0"
    assert engine.error("ECHO") == b"ERR wrong number of arguments for 'echo' command"


def test_select(engine: Engine, connect: Connect) -> None:
    one, other = connect(), connect()
    assert one.send("SELECT 15", "SET k v") == b"+OK\r\n+OK\r\n"
    assert other.send("GET k", "SELECT 15", "GET k") == b"$-1\r\n+OK\r\n$1\r\nv\r\n"


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("x", b"ERR value is not an integer or out of range"),
        ("99999999999999999999", b"ERR value is not an integer or out of range"),
        ("99999999999", b"ERR value is out of range, value must between -2147483648 and 2147483647"),
        ("-1", b"ERR DB index is out of range"),
        ("16", b"ERR DB index is out of range"),
    ],
)
def test_select_what_is_not_there(engine: Engine, index: str, message: bytes) -> None:
    engine.call("SELECT", 3)
    assert engine.error("SELECT", index) == message
    engine.call("SET", "k", "v")
    assert engine.database(3).peek(b"k") == b"v"


# -- AUTH


def test_auth_where_no_password_is_set(engine: Engine) -> None:
    assert engine.error("AUTH", "x").startswith(b"ERR AUTH <password> called without any password configured")
    assert engine.call("AUTH", "default", "anything") == b"OK"
    assert (
        engine.error("AUTH", "nobody", "x")
        == b"WRONGPASS invalid username-password pair or user is disabled."
    )
    assert engine.error("AUTH", "a", "b", "c") == b"ERR syntax error"


def test_what_a_stranger_may_do(engine: Engine, connect: Connect) -> None:
    engine.server.set_password(b"secret")
    one = connect()
    for refused in ("PING", "GET k", "MULTI", "SUBSCRIBE c", "CLIENT ID"):
        assert one.send(refused) == b"-NOAUTH Authentication required.\r\n"
    # The command and its arity are looked at first.
    assert one.send("NOSUCH").startswith(b"-ERR unknown command 'NOSUCH'")
    assert one.send("GET") == b"-ERR wrong number of arguments for 'get' command\r\n"
    assert one.send("EXEC") == (
        b"-EXECABORT Transaction discarded because of: NOAUTH Authentication required.\r\n"
    )
    wrong = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    assert one.send("AUTH no") == wrong
    assert one.send("AUTH nobody secret") == wrong
    assert one.send("PING") == b"-NOAUTH Authentication required.\r\n"
    assert one.send("AUTH secret", "PING") == b"+OK\r\n+PONG\r\n"
    assert one.send("RESET", "PING") == b"+RESET\r\n-NOAUTH Authentication required.\r\n"
    assert one.send("AUTH default secret", "PING") == b"+OK\r\n+PONG\r\n"


def test_a_password_that_comes_or_goes(engine: Engine, connect: Connect) -> None:
    early = connect()
    engine.server.set_password(b"secret")
    late = connect()
    assert early.send("PING") == b"+PONG\r\n"
    assert late.send("PING") == b"-NOAUTH Authentication required.\r\n"
    engine.server.set_password(b"")
    assert late.send("MULTI", "PING", "EXEC") == b"+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n"


# -- HELLO


def test_hello_switches_the_protocol(connect: Connect) -> None:
    one = connect()
    number = b":%d\r\n" % one.client.id
    in_resp2 = one.send("HELLO")
    assert in_resp2.startswith(b"*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n")
    assert b"$5\r\nproto\r\n:2\r\n$2\r\nid\r\n" + number in in_resp2
    in_resp3 = one.send("HELLO 3")
    assert in_resp3.startswith(b"%7\r\n")
    assert b"$5\r\nproto\r\n:3\r\n" in in_resp3
    assert in_resp3.endswith(
        b"$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n"
    )
    assert one.send("GET missing") == b"_\r\n"
    assert one.send("HELLO 2").startswith(b"*14\r\n")
    assert one.send("GET missing") == b"$-1\r\n"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("HELLO x", b"ERR Protocol version is not an integer or out of range"),
        ("HELLO 1", b"NOPROTO unsupported protocol version"),
        ("HELLO 4", b"NOPROTO unsupported protocol version"),
        ("HELLO 3 AUTH default", b"ERR Syntax error in HELLO option 'AUTH'"),
        ("HELLO 3 SETNAME", b"ERR Syntax error in HELLO option 'SETNAME'"),
        ("HELLO 3 what", b"ERR Syntax error in HELLO option 'what'"),
        (
            "HELLO 3 SETNAME a\u00e9",
            b"ERR Client names cannot contain spaces, newlines or special characters.",
        ),
        (
            "HELLO 3 SETNAME me AUTH nobody x",
            b"WRONGPASS invalid username-password pair or user is disabled.",
        ),
    ],
)
def test_hello_that_fails_changes_nothing(connect: Connect, request_: str, message: bytes) -> None:
    one = connect()
    assert one.send(request_) == b"-" + message + b"\r\n"
    assert one.client.protocol == 2
    assert one.client.name == b""


def test_hello_logs_in_and_names(engine: Engine, connect: Connect) -> None:
    engine.server.set_password(b"secret")
    one = connect()
    assert one.send("HELLO 3").startswith(
        b"-NOAUTH HELLO must be called with the client already authenticated"
    )
    assert one.client.protocol == 2
    assert one.send("HELLO 3 setname me auth default secret").startswith(b"%7\r\n")
    assert one.send("CLIENT GETNAME") == b"$2\r\nme\r\n"


# -- QUIT and RESET


def test_quit(engine: Engine, connect: Connect) -> None:
    one = connect()
    assert one.send("QUIT", "SET k v") == b"+OK\r\n"
    assert one.closed
    assert engine.call("EXISTS", "k") == 0


def test_quit_inside_multi_is_not_queued(connect: Connect) -> None:
    one = connect()
    assert one.send("MULTI", "QUIT now") == b"+OK\r\n+OK\r\n"
    assert one.closed


def test_reset(engine: Engine, connect: Connect) -> None:
    one = connect()
    one.send(
        "HELLO 3", "SELECT 5", "CLIENT SETNAME me", "CLIENT SETINFO lib-name lib", "CLIENT NO-TOUCH on",
        "CLIENT NO-EVICT on", "WATCH k", "SUBSCRIBE a", "PSUBSCRIBE b", "SSUBSCRIBE c", "MULTI", "PING",
    )  # fmt: skip
    assert one.send("RESET") == b"+RESET\r\n"
    client = one.client
    assert (client.protocol, client.db.index, client.name, client.lib_name) == (2, 0, b"", b"lib")
    assert (client.subscriptions, client.transaction, client.watched) == (0, None, {})
    assert not client.no_touch
    assert not client.no_evict
    assert engine.call("PUBLISH", "a", "x") == 0
    assert one.send("EXEC", "GET k") == b"-ERR EXEC without MULTI\r\n$-1\r\n"


def test_reset_of_a_resp2_subscriber(connect: Connect) -> None:
    one = connect()
    one.send("SUBSCRIBE a")
    assert one.send("GET k").startswith(b"-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE")
    assert one.send("RESET", "GET k") == b"+RESET\r\n$-1\r\n"


def test_http_is_turned_away(connect: Connect) -> None:
    for request in ("POST / HTTP/1.1", "Host: localhost"):
        one = connect()
        assert one.send(request) == b""
        assert one.closed
