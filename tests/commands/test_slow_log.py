"""SLOWLOG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.commands.conftest import Engine


@pytest.fixture
def log_all(engine: Engine) -> Engine:
    """Everything counts as slow, and nothing is logged yet."""
    engine.call("CONFIG", "SET", "slowlog-log-slower-than", "0")
    engine.call("SLOWLOG", "RESET")
    return engine


def commands(engine: Engine, *count: int) -> list[bytes]:
    return [b" ".join(entry[3]) for entry in engine.call("SLOWLOG", "GET", *count)]


def test_by_default_a_hundredth_of_a_second_is_slow(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine.server.slow_threshold == 0.01
    assert int(engine.call("CONFIG", "GET", "slowlog-log-slower-than")[b"slowlog-log-slower-than"]) == 10000
    assert int(engine.call("CONFIG", "GET", "slowlog-max-len")[b"slowlog-max-len"]) == 128


def test_entries(log_all: Engine) -> None:
    engine = log_all
    engine.call("CLIENT", "SETNAME", "me")
    newest, oldest = engine.call("SLOWLOG", "GET")[:2]
    assert newest[0] == oldest[0] + 1
    assert newest[1] == engine.START
    assert newest[2] >= 0
    assert newest[3] == [b"CLIENT", b"SETNAME", b"me"]
    assert newest[4:] == [b"in-process:0", b"me"]
    assert oldest[3] == [b"SLOWLOG", b"RESET"]


def test_count(log_all: Engine) -> None:
    for _ in range(20):
        log_all.call("PING")
    assert log_all.call("SLOWLOG", "LEN") == 21
    assert len(commands(log_all)) == 10
    assert len(commands(log_all, 0)) == 0
    assert len(commands(log_all, 3)) == 3
    assert len(commands(log_all, -1)) == 25
    for wrong in ("-2", "x"):
        assert log_all.error("SLOWLOG", "GET", wrong) == b"ERR count should be greater than or equal to -1"
    assert log_all.error("SLOWLOG", "GET", "1", "2").startswith(b"ERR unknown subcommand or wrong number")


def test_length(log_all: Engine) -> None:
    log_all.call("CONFIG", "SET", "slowlog-max-len", "2")
    log_all.call("PING", "1")
    log_all.call("PING", "2")
    assert commands(log_all) == [b"PING 2", b"PING 1"]
    log_all.call("CONFIG", "SET", "slowlog-max-len", "0")
    assert log_all.call("SLOWLOG", "LEN") == 0


def test_off(engine: Engine) -> None:
    engine.call("CONFIG", "SET", "slowlog-log-slower-than", "-1")
    engine.call("SLOWLOG", "RESET")
    engine.call("PING")
    assert engine.call("SLOWLOG", "LEN") == 0


def test_long_commands_are_cut(log_all: Engine) -> None:
    log_all.call("DEL", *map(str, range(31)))
    assert commands(log_all, 1) == [b"DEL " + b" ".join(b"%d" % n for n in range(31))]
    log_all.call("DEL", *map(str, range(32)))
    assert commands(log_all, 1)[0].endswith(b" 28 29 ... (2 more arguments)")
    log_all.call("PING", "A" * 130)
    assert commands(log_all, 1) == [b"PING " + b"A" * 128 + b"... (2 more bytes)"]


def test_secrets_are_not_logged(log_all: Engine) -> None:
    log_all.call("CONFIG", "SET", "masterauth", "secret")
    assert commands(log_all, 1) == [b"CONFIG SET masterauth (redacted)"]


def test_a_transaction_is_logged_by_its_commands(log_all: Engine) -> None:
    log_all.call("MULTI")
    log_all.call("PING", "inside")
    log_all.call("EXEC")
    assert commands(log_all, 2) == [b"PING inside", b"MULTI"]


def test_a_command_that_waited_is_logged_as_it_was_sent(log_all: Engine) -> None:
    replies: list[Any] = []
    log_all.factory.client().call("BLPOP", "list", "0").addCallback(replies.append)
    assert not any(b"BLPOP" in shown for shown in commands(log_all))
    log_all.call("RPUSH", "list", "a")
    assert replies == [[b"list", b"a"]]
    assert b"BLPOP list 0" in commands(log_all)


def test_help(engine: Engine) -> None:
    assert engine.call("SLOWLOG", "HELP")[1] == b"GET [<count>]"


def test_what_is_not_kept_has_no_number(log_all: Engine) -> None:
    (last,) = log_all.call("SLOWLOG", "GET", 1)
    log_all.call("CONFIG", "SET", "slowlog-max-len", "0")
    log_all.call("PING")
    log_all.call("CONFIG", "SET", "slowlog-max-len", "10")
    (newest,) = log_all.call("SLOWLOG", "GET", 1)
    assert newest[0] == last[0] + 2  # SLOWLOG GET itself, and the second CONFIG SET
