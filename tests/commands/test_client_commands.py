"""CLIENT and its subcommands, but for the pause (test_pause.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import needs_lua

Engine = Any  # the fixtures of conftest.py
Connect = Callable[[], Any]


def fields(line: bytes) -> dict[str, str]:
    """A line of CLIENT LIST."""
    return dict(word.split("=", 1) for word in line.decode().split(" "))


def listed(one: Any, *options: str) -> dict[str, dict[str, str]]:
    """What CLIENT LIST says, by id."""
    reply = one.send(" ".join(("CLIENT LIST", *options)))
    header, text = reply.split(b"\r\n", 1)
    assert header[:1] == b"$", reply
    lines = [fields(line) for line in text[:-2].split(b"\n") if line]
    return {line["id"]: line for line in lines}


def info(one: Any) -> dict[str, str]:
    return fields(one.send("CLIENT INFO").split(b"\r\n")[1].rstrip(b"\n"))


def test_ids_grow(connect: Connect) -> None:
    one, other = connect(), connect()
    assert one.send("CLIENT ID") == b":%d\r\n" % one.client.id
    assert other.client.id > one.client.id


def test_the_fields(engine: Engine, connect: Connect) -> None:
    one = connect()
    one.client.fd = 9
    engine.clock.advance(12.5)
    one.send("SELECT 3")
    engine.clock.advance(2.6)
    line = info(one)
    counted = {name: line.pop(name) for name in ("tot-mem", "tot-net-in", "tot-net-out", "tot-cmds")}
    assert all(int(value) > 0 for value in counted.values())
    assert line == {
        "id": str(one.client.id), "addr": "127.0.0.1:50000", "laddr": "127.0.0.1:6379", "fd": "9", "name": "",
        "age": "15", "idle": "0", "flags": "N", "db": "3", "sub": "0", "psub": "0", "ssub": "0",
        "multi": "-1", "watch": "0", "qbuf": "26", "qbuf-free": "0", "argv-mem": "10", "multi-mem": "0",
        "rbs": "0", "rbp": "0", "obl": "0", "oll": "0", "omem": "0", "events": "r", "cmd": "client|info",
        "user": "default", "redir": "-1", "resp": "2", "lib-name": "", "lib-ver": "",
    }  # fmt: skip


def test_counters(connect: Connect) -> None:
    one = connect()
    before = info(one)
    sent = one.send("PING", "SET k v")
    after = info(one)
    assert int(after["tot-cmds"]) - int(before["tot-cmds"]) == 3
    assert int(after["tot-net-in"]) - int(before["tot-net-in"]) == 14 + 27 + 26
    assert int(after["tot-net-out"]) > int(before["tot-net-out"]) + len(sent)


def test_what_others_do(engine: Engine, connect: Connect) -> None:
    one, other = connect(), connect()
    number = str(other.client.id)
    engine.clock.advance(7)
    other.send("HELLO 3", "CLIENT SETNAME me", "SELECT 2", "SUBSCRIBE a b", "PSUBSCRIBE p", "SSUBSCRIBE s")
    other.send("CLIENT SETINFO LIB-NAME lib", "client setinfo lib-ver 1.0", "WATCH k l")
    other.send("MULTI", "SET key value", "PING", "CLIENT NO-EVICT on")
    engine.clock.advance(5)
    other.client.no_touch = True
    line = listed(one)[number]
    expected = {
        "name": "me", "age": "12", "idle": "5", "flags": "PxT", "db": "2", "sub": "2", "psub": "1",
        "ssub": "1", "multi": "3", "watch": "2", "argv-mem": "0", "multi-mem": "31",
        "cmd": "client|no-evict", "resp": "3", "lib-name": "lib", "lib-ver": "1.0",
    }  # fmt: skip
    assert {name: line[name] for name in expected} == expected
    one.send("SELECT 2", "SET k v")
    assert listed(one)[number]["flags"] == "PxdT"
    assert listed(one)[number]["watch"] == "0"


def test_list_by_type_and_id(connect: Connect) -> None:
    one, other = connect(), connect()
    other.send("SUBSCRIBE a")
    mine, theirs = str(one.client.id), str(other.client.id)
    assert set(listed(one)) == {mine, theirs}
    assert set(listed(one, "type", "NORMAL")) == {mine}
    assert set(listed(one, "TYPE pubsub")) == {theirs}
    assert listed(one, "TYPE replica") == listed(one, "TYPE slave") == listed(one, "TYPE master") == {}
    assert list(listed(one, "ID", theirs, "999", mine)) == [theirs, mine]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("LIST TYPE what", b"ERR Unknown client type 'what'"),
        ("LIST TYPE", b"ERR syntax error"),
        ("LIST TYPE normal x", b"ERR syntax error"),
        ("LIST ID", b"ERR syntax error"),
        ("LIST ID 1 x", b"ERR Invalid client ID"),
        ("KILL 1.2.3.4:5", b"ERR No such client"),
        ("KILL ID", b"ERR No such client"),
        ("KILL ID x", b"ERR client-id should be greater than 0"),
        ("KILL ID 0", b"ERR client-id should be greater than 0"),
        ("KILL ID 1 TYPE", b"ERR syntax error"),
        ("KILL ID 0 TYPE", b"ERR client-id should be greater than 0"),
        ("KILL TYPE what", b"ERR Unknown client type 'what'"),
        ("KILL USER nobody", b"ERR No such user 'nobody'"),
        ("KILL SKIPME maybe", b"ERR syntax error"),
        ("KILL WHAT 1", b"ERR syntax error"),
        ("KILL MAXAGE x", b"ERR maxage is not an integer or out of range"),
        ("KILL MAXAGE 0", b"ERR maxage should be greater than 0"),
        ("REPLY maybe", b"ERR syntax error"),
        ("NO-EVICT maybe", b"ERR syntax error"),
        ("NO-TOUCH maybe", b"ERR syntax error"),
        ("UNBLOCK x", b"ERR value is not an integer or out of range"),
        ("UNBLOCK x what", b"ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
        (
            "UNBLOCK 1 ERROR x",
            b"ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP.",
        ),
        ("SETINFO what 1", b"ERR Unrecognized option 'what'"),
        ("WHAT", b"ERR unknown subcommand 'WHAT'. Try CLIENT HELP."),
        ("ID x", b"ERR wrong number of arguments for 'client|id' command"),
    ],
)
def test_errors(engine: Engine, request_: str, message: bytes) -> None:
    assert engine.error("CLIENT", *request_.split()) == message


# -- names


def test_names(engine: Engine) -> None:
    assert engine.call("CLIENT", "GETNAME") is None
    assert engine.call("CLIENT", "SETNAME", "me") == b"OK"
    assert engine.call("CLIENT", "GETNAME") == b"me"
    for bad in ("a b", "a\n", "a\x7f", "a\0", "\u00e9"):
        assert engine.error("CLIENT", "SETNAME", bad) == (
            b"ERR Client names cannot contain spaces, newlines or special characters."
        )
        assert engine.error("CLIENT", "SETINFO", "Lib-Name", bad) == (
            b"ERR Lib-Name cannot contain spaces, newlines or special characters."
        )
    assert engine.call("CLIENT", "GETNAME") == b"me"
    engine.call("CLIENT", "SETNAME", "")
    assert engine.call("CLIENT", "GETNAME") is None


# -- KILL


def test_the_old_form_of_kill(connect: Connect) -> None:
    one, other = connect(), connect()
    assert one.send("CLIENT KILL 127.0.0.1:50001") == b"+OK\r\n"
    assert other.closed
    assert not one.closed
    assert one.send("CLIENT KILL 127.0.0.1:50001") == b"-ERR No such client\r\n"
    assert one.send("CLIENT KILL 127.0.0.1:50000", "SET k v") == b"+OK\r\n"
    assert one.closed


@pytest.mark.parametrize(
    ("options", "killed"),
    [
        ("ADDR 127.0.0.1:50001", [1]),
        ("LADDR 127.0.0.1:6379", [1, 2]),
        ("LADDR 127.0.0.1:6379 SKIPME no", [0, 1, 2]),
        ("TYPE pubsub", [2]),
        ("TYPE normal", [1]),
        ("TYPE normal SKIPME NO", [0, 1]),
        ("USER default", [1, 2]),
        ("SKIPME yes", [1, 2]),
        ("MAXAGE 10", [1]),
        ("MAXAGE 5", [1, 2]),
        ("MAXAGE 11", []),
        ("TYPE pubsub MAXAGE 10", []),
        ("TYPE pubsub TYPE normal", [1]),
        ("ID 999", []),
    ],
)
def test_kill(engine: Engine, connect: Connect, options: str, killed: list[int]) -> None:
    clients = [connect(), connect()]
    engine.clock.advance(5)
    clients.append(connect())
    clients[2].send("SUBSCRIBE a")
    engine.clock.advance(5)
    assert clients[0].send("CLIENT KILL " + options) == b":%d\r\n" % len(killed)
    assert [number for number, one in enumerate(clients) if one.closed] == killed


def test_kill_by_id(connect: Connect) -> None:
    one, other = connect(), connect()
    assert one.send(f"CLIENT KILL ID {one.client.id}") == b":0\r\n"
    assert one.send(f"CLIENT KILL ID {other.client.id}") == b":1\r\n"
    assert other.closed


def test_who_is_killed_is_forgotten_at_once(engine: Engine, connect: Connect) -> None:
    one, other = connect(), connect()
    other.send("SUBSCRIBE a", "RESET", "HELLO 3", "WATCH k", "SUBSCRIBE a")
    one.send("CLIENT KILL TYPE pubsub")
    assert engine.call("PUBLISH", "a", "x") == 0
    assert engine.server.watching.keys == 0
    assert str(other.client.id) not in listed(one)
    other.received()
    assert other.send("SET k v") == b""
    assert engine.call("EXISTS", "k") == 0


# -- REPLY


def test_reply_off_and_on(connect: Connect) -> None:
    one = connect()
    assert one.send("CLIENT REPLY OFF", "PING", "GET k", "NOSUCH", "CLIENT REPLY SKIP", "PING") == b""
    assert one.send("CLIENT REPLY ON", "PING") == b"+OK\r\n+PONG\r\n"


def test_reply_skip(connect: Connect) -> None:
    one = connect()
    assert one.send("CLIENT REPLY SKIP", "SET k v", "GET k") == b"$1\r\nv\r\n"
    assert one.send("CLIENT REPLY SKIP", "CLIENT REPLY SKIP", "PING", "ECHO x") == b"$1\r\nx\r\n"


def test_pushes_come_also_with_replies_off(engine: Engine, connect: Connect) -> None:
    one = connect()
    subscribed = b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
    assert one.send("HELLO 3", "CLIENT REPLY OFF", "SUBSCRIBE a").endswith(b"*0\r\n" + subscribed)
    engine.call("PUBLISH", "a", "x")
    assert one.received() == b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n"
    assert one.send("CLIENT REPLY ON", "CLIENT REPLY SKIP", "SUBSCRIBE a", "PING") == (
        b"+OK\r\n" + subscribed + b"+PONG\r\n"
    )
    assert one.send("CLIENT REPLY OFF", "RESET", "PING") == b"+RESET\r\n+PONG\r\n"


# -- NO-TOUCH


def test_no_touch(engine: Engine, connect: Connect) -> None:
    one = connect()
    one.send("SET k v", "CLIENT NO-TOUCH on")
    accessed = engine.database().accessed
    was = accessed[b"k"]
    engine.clock.advance(10)
    one.send("GET k", "MULTI", "GET k", "EXEC")
    assert accessed[b"k"] == was
    one.send("TOUCH k")
    assert accessed[b"k"] == was + 10_000
    engine.clock.advance(10)
    one.send("MULTI", "TOUCH k", "EXEC")
    assert accessed[b"k"] == was + 20_000
    engine.clock.advance(10)
    one.send("CLIENT NO-TOUCH off", "GET k")
    assert accessed[b"k"] == was + 30_000


@needs_lua
def test_no_touch_in_scripts(engine: Engine, connect: Connect) -> None:
    one = connect()
    one.send("SET k v", "CLIENT NO-TOUCH on")
    accessed = engine.database().accessed
    was = accessed[b"k"]
    engine.clock.advance(10)
    one.send("EVAL redis.call('get','k') 0")
    assert accessed[b"k"] == was
    one.send("EVAL redis.call('touch','k') 0")
    assert accessed[b"k"] == was + 10_000


# -- UNBLOCK


def blocked(engine: Engine, connect: Connect) -> Any:
    one = connect()
    engine.server.commands[b"echo"].handler = lambda client, key: client.wait_for([key], 0, lambda: b"?")
    assert one.send("ECHO k") == b""
    return one


def test_unblock(engine: Engine, connect: Connect) -> None:
    one = blocked(engine, connect)
    asking = connect()
    assert listed(asking)[str(one.client.id)]["flags"] == "b"
    assert listed(asking)[str(one.client.id)]["cmd"] == "echo"
    assert engine.call("CLIENT", "UNBLOCK", one.client.id) == 1
    assert one.received() == b"*-1\r\n"
    assert engine.call("CLIENT", "UNBLOCK", one.client.id) == 0
    assert engine.call("CLIENT", "UNBLOCK", 999) == 0
    one.send("ECHO k")
    assert engine.call("CLIENT", "UNBLOCK", one.client.id, "error") == 1
    assert one.received() == b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"
    one.send("ECHO k")
    assert engine.call("CLIENT", "UNBLOCK", one.client.id, "timeout") == 1
    assert one.received() == b"*-1\r\n"


def test_kill_who_is_blocked(engine: Engine, connect: Connect) -> None:
    one = blocked(engine, connect)
    assert engine.server.blocked_clients == 1
    assert engine.call("CLIENT", "KILL", "ID", one.client.id) == 1
    assert engine.server.blocked_clients == 0
    engine.call("SET", "k", "v")
    assert one.received() == b""


def test_help(engine: Engine) -> None:
    lines = engine.call("CLIENT", "HELP")
    assert lines[0] == b"CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    named = {line.split()[0] for line in lines[1:] if not line.startswith(b" ")}
    declared = {name.upper() for name in engine.server.commands[b"client"].subcommands}
    assert named == declared
