"""CONFIG, as clients use it; what its parameters do is tested with the table of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.commands.conftest import Engine


def test_get_answers_a_map(engine: Engine) -> None:
    assert engine.call("CONFIG", "GET", "hz", "*ax-intset*") == {
        b"hz": b"10",
        b"set-max-intset-entries": b"512",
    }
    assert engine.call("CONFIG", "GET", "nonsense") == {}


def test_set(engine: Engine) -> None:
    assert engine.call("CONFIG", "SET", "hz", "20", "timeout", "5") == b"OK"
    assert engine.call("CONFIG", "GET", "hz", "timeout") == {b"hz": b"20", b"timeout": b"5"}
    assert engine.error("CONFIG", "SET", "hz", "20", "timeout") == b"ERR syntax error"
    assert engine.error("CONFIG", "SET", "hz").startswith(b"ERR wrong number of arguments for 'config|set'")


def test_rewrite_needs_a_file(engine: Engine) -> None:
    assert engine.error("CONFIG", "REWRITE") == b"ERR The server is running without a config file"


def test_help(engine: Engine) -> None:
    assert engine.call("CONFIG", "HELP")[1] == b"GET <pattern>"


def test_resetstat_forgets_every_count(engine: Engine) -> None:
    engine.call("SET", "key", "value", "PX", "1")
    engine.call("GET", "key")
    engine.call("CONFIG", "GET", "hz")
    engine.error("LPOP", "key")
    engine.clock.advance(1)
    engine.call("GET", "key")
    assert engine.call("CONFIG", "RESETSTAT") == b"OK"
    server = engine.server
    assert (server.keyspace.hits, server.keyspace.misses, server.keyspace.expired) == (0, 0, 0)
    assert server.statistics.error_replies == 0
    assert not server.statistics.errors
    commands = server.commands
    assert commands[b"get"].calls == 0
    assert commands[b"config"].subcommands is not None
    assert commands[b"config"].subcommands[b"get"].calls == 0
    assert b"cmdstat_config|resetstat:calls=1," in engine.call("INFO", "commandstats")


def test_the_title_changes_with_its_template_and_not_with_a_bad_one(engine: Engine) -> None:
    shown: list[str] = []
    engine.server.show_title = shown.append
    template = "X {title} {port} {config-file}"
    assert engine.call("CONFIG", "SET", "proc-title-template", template) == b"OK"
    assert shown == [""]
    for bad in ("{nothing}", "{port", ""):
        assert engine.error("CONFIG", "SET", "proc-title-template", bad) == (
            b"ERR CONFIG SET failed (possibly related to argument 'proc-title-template') - template format is invalid "
            b"or contains unknown variables"
        )
    assert engine.call("CONFIG", "GET", "proc-title-template") == {b"proc-title-template": template.encode()}
