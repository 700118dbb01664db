"""Servers that pass for others: what these lack is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.conftest import needs_lua
from twisted_resp import RespFactory
from twisted_resp.commands import flavours, load_all
from twisted_resp.commands.table import all_commands
from twisted_resp.errors import CommandError
from twisted_resp.server.flavour import ALL, FLAVOURS, flavour_named
from twisted_resp.server.server import Server

SYNTAX = "ERR syntax error"
BAD_ID = "ERR Invalid stream ID specified as stream command argument"


def factory_of(name: str) -> RespFactory:
    return RespFactory(clock=Clock(), emulate=name)


@pytest.fixture(scope="module")
def answer() -> Callable[..., Any]:
    """Asks a server of a flavour; an error is answered as text."""
    factories: dict[str, RespFactory] = {}

    def ask(name: str, *words: object) -> Any:
        if name not in factories:
            factories[name] = factory_of(name)
            factories[name].call("HSET", "h", "f", "v")
        factory = factories[name]
        found: list[Any] = []
        factory.call(*words).addCallbacks(found.append, lambda failure: found.append(failure.value))
        return str(found[0]) if isinstance(found[0], CommandError) else found[0]

    return ask


def test_names() -> None:
    assert flavour_named("redis-7.0") is FLAVOURS["redis-7.0"]
    assert flavour_named("") is ALL
    with pytest.raises(ValueError, match=r"there is no flavour 'redis-5'; there are redis-6.2, .*valkey-8"):
        flavour_named("redis-5")


@pytest.mark.parametrize(
    ("name", "server", "version", "redis_version"),
    [
        ("", "redis", "7.4.1", "7.4.1"),
        ("redis-7.0", "redis", "7.0.15", "7.0.15"),
        ("valkey-8", "valkey", "8.0.2", "7.2.4"),
    ],
)
@needs_lua
def test_what_clients_are_told(
    answer: Callable[..., Any], name: str, server: str, version: str, redis_version: str
) -> None:
    hello = answer(name, "HELLO")
    assert (hello[b"server"], hello[b"version"]) == (server.encode(), version.encode())
    info = answer(name, "INFO", "server")
    assert b"\r\nredis_version:%b\r\n" % redis_version.encode() in info
    assert (b"valkey_version:8.0.2\r\n" in info) == (server == "valkey")
    assert answer(name, "LOLWUT") == f"{server.capitalize()} ver. {version}\n".encode()
    assert answer(name, "EVAL", "return redis.REDIS_VERSION", 0) == redis_version.encode()
    has_server = answer(name, "EVAL", "return rawget(_G, 'server') == nil and 0 or 1", 0)
    assert has_server == (name in ("", "valkey-8"))


@pytest.mark.parametrize(
    ("command", "since"),
    [
        ("SINTERCARD 1 k", "redis-7.0"),
        ("FUNCTION LIST", "redis-7.0"),
        ("COMMAND DOCS get", "redis-7.0"),
        ("CLIENT NO-TOUCH OFF", "redis-7.2"),
        ("CLIENT SETINFO LIB-NAME x", "redis-7.2"),
        ("HEXPIRE h 1 FIELDS 1 f", "redis-7.4"),
        ("HGETEX h FIELDS 1 f", "redis-8.0"),
        ("XDELEX s IDS 1 1-1", "redis-8.2"),
        ("MSETEX 1 a 1", "redis-8.4"),
    ],
)
def test_commands(answer: Callable[..., Any], command: str, since: str) -> None:
    names = [name for name in FLAVOURS if name.startswith("redis-")]
    for name in names:
        reply = answer(name, *command.split())
        unknown = isinstance(reply, str) and reply.startswith("ERR unknown ")
        assert unknown == (names.index(name) < names.index(since)), name
    known = since in ("redis-7.0", "redis-7.2")
    assert str(answer("valkey-8", *command.split())).startswith("ERR unknown ") != known


@pytest.mark.parametrize(
    ("command", "since", "error"),
    [
        ("ACL SETUSER u %R~a", "7.0", "ERR Error in ACL SETUSER modifier '%R~a': Syntax error"),
        ("BITCOUNT k 0 1 BYTE", "7.0", SYNTAX),
        ("BITPOS k 1 0 1 BIT", "7.0", SYNTAX),
        ("CONFIG GET a b", "7.0", "ERR wrong number of arguments for 'config|get' command"),
        ("CONFIG SET hz 10 timeout 0", "7.0", "ERR wrong number of arguments for 'config|set' command"),
        ("EXPIRE k 1 NX", "7.0", "ERR wrong number of arguments for 'expire' command"),
        ("INFO server clients", "7.0", SYNTAX),
        ("SET k v NX GET", "7.0", SYNTAX),
        ("SHUTDOWN ABORT", "7.0", SYNTAX),
        ("XADD s 5-* f v", "7.0", BAD_ID),
        ("XGROUP CREATE s g $ MKSTREAM ENTRIESREAD 1", "7.0", SYNTAX),
        ("XSETID s 9-9 ENTRIESADDED 9 MAXDELETEDID 0-0", "7.0", "ERR wrong number of arguments for 'xsetid' command"),
        ("ZRANK z m WITHSCORE", "7.2", "ERR wrong number of arguments for 'zrank' command"),
        ("CLIENT KILL MAXAGE 100", "7.4", SYNTAX),
        ("HSCAN h 0 COUNT 5 NOVALUES", "7.4", SYNTAX),
        ("XREAD STREAMS s +", "7.4", BAD_ID),
        ("BITOP DIFF d k k", "8.2", SYNTAX),
        ("XADD s KEEPREF * f v", "8.2", BAD_ID),
        ("XTRIM s MAXLEN 5 ACKED", "8.2", SYNTAX),
        ("SET k v EX 10 IFEQ x", "8.4", SYNTAX),
    ],
)  # fmt: skip
def test_options(answer: Callable[..., Any], command: str, since: str, error: str) -> None:
    names = [name for name in FLAVOURS if name.startswith("redis-")]
    for name in names:
        refused = answer(name, *command.split()) == error
        assert refused == (names.index(name) < names.index(f"redis-{since}")), name


@pytest.mark.parametrize(
    "command",
    ["XADD ids 7-1 acked 5-*", "XADD ids MAXLEN = 9 8-1 keepref x", "SET k IFEQ", "SET GET NX",
     "XADD s * KEEPREF ACKED", "BITCOUNT k 0 1", "EXPIRE k 1", "CLIENT KILL 1.2.3.4:5",
     "HSCAN h 0 MATCH NOVALUES", "INFO", "ACL SETUSER u ~a +get"],
)  # fmt: skip
def test_what_only_looks_like_a_new_option(answer: Callable[..., Any], command: str) -> None:
    assert answer("redis-6.2", *command.split()) not in (SYNTAX, BAD_ID)


def test_what_is_told_of_commands(answer: Callable[..., Any]) -> None:
    assert answer("redis-7.0", "COMMAND", "INFO", "zrank")[0][1] == 3
    assert answer("redis-7.2", "COMMAND", "INFO", "zrank")[0][1] == -3
    docs = answer("redis-8.2", "COMMAND", "DOCS", "set")[b"set"]
    assert not [change for change in docs[b"history"] if change[0] == b"8.4.0"]
    assert b"deprecated_since" not in answer("redis-7.0", "COMMAND", "DOCS", "quit")[b"quit"]
    assert answer("redis-6.2", "COMMAND", "COUNT") < answer("redis-8.4", "COMMAND", "COUNT")


def test_wording(answer: Callable[..., Any]) -> None:
    assert answer("redis-6.2", "NO", "a") == "ERR unknown command `NO`, with args beginning with: `a`, "
    assert answer("redis-7.0", "NO", "a") == "ERR unknown command 'NO', with args beginning with: 'a' "
    for name in ("redis-7.0", "redis-7.2"):
        answer(name, "ACL", "SETUSER", "u", "~a", "+set")
    assert answer("redis-7.0", "ACL", "DRYRUN", "u", "SET", "b", 1) == (
        b"This user has no permissions to access the 'b' key"
    )
    assert answer("redis-7.2", "ACL", "DRYRUN", "u", "SET", "b", 1) == (
        b"User u has no permissions to access the 'b' key"
    )


def test_parameters(answer: Callable[..., Any]) -> None:
    assert answer("redis-6.2", "CONFIG", "GET", "*listpack*") == {}
    assert b"hash-max-listpack-value" in answer("redis-7.0", "CONFIG", "GET", "*listpack*")
    assert answer("redis-7.0", "CONFIG", "GET", "set-max-listpack-entries") == {}
    assert answer("redis-7.0", "CONFIG", "SET", "set-max-listpack-entries", 1) == (
        "ERR Unknown option or number of arguments for CONFIG SET - 'set-max-listpack-entries'"
    )
    assert answer("redis-7.2", "CONFIG", "SET", "set-max-listpack-entries", 1) == b"OK"


def test_a_flavour_with_everything_has_the_very_table() -> None:
    load_all()
    assert flavours.commands_of(ALL) is all_commands()
    # Made once.
    assert flavours.commands_of(FLAVOURS["redis-7.2"]) is flavours.commands_of(FLAVOURS["redis-7.2"])


def test_every_rule_is_of_a_command() -> None:
    load_all()
    outer = all_commands().values()
    names = {one.full_name for container in outer for one in (container, *container.subcommands.values())}
    assert {name.encode() for name in flavours._LATER} <= names


def test_rules_of_access_know_what_is_there() -> None:
    factory = factory_of("redis-6.2")
    server: Server = factory.server
    assert server.access.catalogue.find(b"get") == b"get"
    assert server.access.catalogue.find(b"fcall") is None


@pytest.mark.parametrize(("name", "told"), [("redis-7.2", 7), ("", 7), ("redis-8.4", 1)])
def test_how_many_entries_a_group_can_have_read(answer: Callable[..., Any], name: str, told: int) -> None:
    stream = f"counted:{name}"
    answer(name, "XADD", stream, "1-1", "f", "v")
    answer(name, "XGROUP", "CREATE", stream, "g", 0, "ENTRIESREAD", 7)
    assert answer(name, "XINFO", "GROUPS", stream)[0][b"entries-read"] == told
    answer(name, "XGROUP", "SETID", stream, "g", 0, "ENTRIESREAD", -1)
    assert answer(name, "XINFO", "GROUPS", stream)[0][b"entries-read"] is None
    answer(name, "XGROUP", "SETID", stream, "g", 0, "ENTRIESREAD", 7)
    assert answer(name, "XINFO", "GROUPS", stream)[0][b"entries-read"] == told


@pytest.mark.parametrize(
    ("flavour", "missing"),
    [
        ("redis-6.2", {"ssub", "multi-mem", "rbs", "rbp", "resp", "lib-name", "lib-ver", "watch"}),
        ("redis-7.0", {"lib-name", "lib-ver", "watch"}),
        ("redis-7.2", {"watch"}),
        ("redis-7.4", set()),
    ],
)
def test_fields_of_clients(answer: Callable[..., Any], flavour: str, missing: set[str]) -> None:
    def fields(name: str) -> set[str]:
        return {field.split("=")[0] for field in answer(name, "CLIENT", "INFO").decode().split()}

    later = {"tot-net-in", "tot-net-out", "tot-cmds"}
    assert fields("") - fields(flavour) == missing | later
    assert fields("redis-8.0") == fields("")
