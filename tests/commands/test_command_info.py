"""COMMAND and its subcommands. What they tell of each command is tested with the table of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.commands.conftest import Engine


def test_all(engine: Engine) -> None:
    told = engine.call("COMMAND")
    names = {one[0] for one in told}
    assert {b"get", b"config", b"command"} <= names
    assert not any(b"|" in name for name in names)
    assert engine.call("COMMAND", "COUNT") == len(told) == len(names)
    assert engine.call("COMMAND", "INFO") == told
    assert set(engine.call("COMMAND", "DOCS")) == names


def test_a_declaration_is_read_when_its_command_is_first_called(engine: Engine) -> None:
    assert not any(entry.most for entry in engine.server.entries())
    engine.call("CLIENT", "GETNAME")
    engine.call("LPUSH", "key", "value")
    read = {entry.full_name for entry in engine.server.entries() if entry.most}
    assert read == {b"client|getname", b"lpush"}


def test_some(engine: Engine) -> None:
    get, none, subcommand, not_there = engine.call(
        "COMMAND", "INFO", "GET", "nonsense", "config|Get", "get|x"
    )
    assert get[:3] == [b"get", 2, [b"readonly", b"fast"]]
    assert subcommand[0] == b"config|get"
    assert none is None
    assert not_there is None
    assert list(engine.call("COMMAND", "DOCS", "Get", "nonsense", "CONFIG|SET")) == [b"get", b"config|set"]


class TestList:
    def test_all(self, engine: Engine) -> None:
        listed = engine.call("COMMAND", "LIST")
        assert {b"get", b"config", b"config|get"} <= set(listed)
        assert len(listed) == len(set(listed))

    def test_by_pattern(self, engine: Engine) -> None:
        listed = engine.call("COMMAND", "LIST", "FILTERBY", "PATTERN", "CONFIG|R*")
        assert sorted(listed) == [b"config|resetstat", b"config|rewrite"]

    def test_by_category(self, engine: Engine) -> None:
        listed = engine.call("COMMAND", "LIST", "filterby", "aclcat", "TRANSACTION")
        assert sorted(listed) == [b"discard", b"exec", b"multi", b"unwatch", b"watch"]
        assert engine.call("COMMAND", "LIST", "FILTERBY", "ACLCAT", "nonsense") == []

    def test_by_module(self, engine: Engine) -> None:
        assert engine.call("COMMAND", "LIST", "FILTERBY", "MODULE", "any") == []

    @pytest.mark.parametrize(
        "options", ["x", "FILTERBY", "FILTERBY PATTERN", "FILTERBY X y", "FILTERBY PATTERN a b"]
    )
    def test_errors(self, engine: Engine, options: str) -> None:
        assert engine.error("COMMAND", "LIST", *options.split()) == b"ERR syntax error"


class TestGetKeys:
    def test_keys(self, engine: Engine) -> None:
        assert engine.call("COMMAND", "GETKEYS", "mset", "a", "1", "b", "2") == [b"a", b"b"]
        assert engine.call("COMMAND", "GETKEYS", "OBJECT", "encoding", "a") == [b"a"]

    def test_flags(self, engine: Engine) -> None:
        assert engine.call("COMMAND", "GETKEYSANDFLAGS", "LMOVE", "a", "b", "LEFT", "LEFT") == [
            [b"a", [b"RW", b"access", b"delete"]],
            [b"b", [b"RW", b"insert"]],
        ]

    @pytest.mark.parametrize(
        ("call", "error"),
        [
            ("nonsense", b"ERR Invalid command specified"),
            ("config nonsense", b"ERR Invalid command specified"),
            ("ping", b"ERR The command has no key arguments"),
            ("config get x", b"ERR The command has no key arguments"),
            ("get", b"ERR Invalid number of arguments specified for command"),
            ("get a b", b"ERR Invalid number of arguments specified for command"),
            ("lmpop x a LEFT", b"ERR Invalid arguments specified for command"),
        ],
    )
    def test_errors(self, engine: Engine, call: str, error: bytes) -> None:
        assert engine.error("COMMAND", "GETKEYS", *call.split()) == error


def test_others(engine: Engine) -> None:
    assert engine.error("COMMAND", "nonsense") == b"ERR unknown subcommand 'nonsense'. Try COMMAND HELP."
    assert engine.call("COMMAND", "HELP")[1] == b"(no subcommand)"
