"""FUNCTION and FCALL in process."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet import task

from twisted_resp.errors import CommandError
from twisted_resp.protocol import RespFactory
from twisted_resp.scripting.interpreter import available

pytestmark = pytest.mark.skipif(not available(), reason="there is no Lua here")

HELLO = "#!lua name=lib\nredis.register_function('hello', function(keys, args) return {keys[1], args[1]} end)"
NO_WRITES = (
    "#!lua name=safe\n"
    "redis.register_function{function_name='safe', callback=function() return redis.call('set', 'k', 1) end,\n"
    "flags={'no-writes'}, description='d'}"
)


class Engine:
    """A server and one client of it."""

    def __init__(self) -> None:
        self.factory = RespFactory(clock=task.Clock())

    def call(self, *args: object) -> Any:
        """Run a command; an error reply is answered, not raised."""
        results: list[Any] = []
        self.factory.call(*args).addBoth(results.append)
        (result,) = results
        return result.value if hasattr(result, "check") else result


@pytest.fixture
def engine() -> Engine:
    return Engine()


def test_load_call_list_delete(engine: Engine) -> None:
    assert engine.call("FUNCTION", "LOAD", HELLO) == b"lib"
    assert engine.call("FCALL", "HELLO", 1, "k", "a") == [b"k", b"a"]
    (listed,) = engine.call("FUNCTION", "LIST", "LIBRARYNAME", "l*", "WITHCODE")
    assert listed == {
        b"library_name": b"lib",
        b"engine": b"LUA",
        b"functions": [{b"name": b"hello", b"description": None, b"flags": []}],
        b"library_code": HELLO.encode(),
    }
    stats = engine.call("FUNCTION", "STATS")
    assert stats[b"engines"] == {b"LUA": {b"libraries_count": 1, b"functions_count": 1}}
    assert engine.call("FUNCTION", "DELETE", "lib") == b"OK"
    assert str(engine.call("FCALL", "hello", 0)) == "ERR Function not found"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("return 1", "ERR Missing library metadata"),
        ("#!lua\nreturn 1", "ERR Library name was not given"),
        ("#!js name=x\nreturn 1", "ERR Engine 'js' not found"),
        ("#!lua name=a-b\nreturn 1", "ERR Library names can only contain"),
        ("#!lua name=x\nreturn 1", "ERR No functions registered"),
        ("#!lua name=x\nreturn +", "ERR Error compiling function: user_function:2:"),
        (
            "#!lua name=x\nredis.call('ping')",
            "ERR Error registering functions: ERR user_function:2: Script attempted",
        ),
        (
            "#!lua name=x\nmath.random()",
            "ERR Error registering functions: ERR user_function:2: Script attempted",
        ),
        (
            "#!lua name=x\nredis.register_function('f', 1)",
            "ERR Error registering functions: ERR second argument",
        ),
        (HELLO, "ERR Library 'lib' already exists"),
        (HELLO.replace("=lib", "=other"), "ERR Function hello already exists"),
    ],
)
def test_what_can_not_be_loaded(engine: Engine, source: str, message: str) -> None:
    engine.call("FUNCTION", "LOAD", HELLO)
    error = engine.call("FUNCTION", "LOAD", source)
    assert isinstance(error, CommandError)
    assert str(error).startswith(message)
    assert engine.call("FCALL", "hello", 1, "k", "a") == [b"k", b"a"]


def test_flags(engine: Engine) -> None:
    engine.call("FUNCTION", "LOAD", HELLO)
    engine.call("FUNCTION", "LOAD", NO_WRITES)
    assert "Write commands are not allowed" in str(engine.call("FCALL", "safe", 0))
    assert "Can not execute a script with write flag" in str(engine.call("FCALL_RO", "hello", 0))


def test_dump_and_restore(engine: Engine) -> None:
    engine.call("FUNCTION", "LOAD", HELLO)
    payload = engine.call("FUNCTION", "DUMP")
    assert str(engine.call("FUNCTION", "RESTORE", payload)) == "ERR Library lib already exists"
    assert engine.call("FUNCTION", "RESTORE", payload, "REPLACE") == b"OK"
    assert engine.call("FUNCTION", "FLUSH") == b"OK"
    assert engine.call("FUNCTION", "LIST") == []
    assert engine.call("FUNCTION", "RESTORE", payload, "FLUSH") == b"OK"
    assert engine.call("FCALL", "hello", 1, "k", "a") == [b"k", b"a"]
    assert "payload version or checksum" in str(engine.call("FUNCTION", "RESTORE", payload[:-1] + b"x"))


def test_registration_belongs_to_loading(engine: Engine) -> None:
    inner = "r.register_function('g', function() end)"
    source = f"#!lua name=x\nlocal r = redis\nr.register_function('f', function() {inner} end)"
    assert engine.call("FUNCTION", "LOAD", source) == b"x"
    assert "can only be called on FUNCTION LOAD command" in str(engine.call("FCALL", "f", 0))
