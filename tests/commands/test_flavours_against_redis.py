"""A server that passes for the installed redis-server, beside it."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ResponseError
from twisted.internet.task import Clock

from tests.conftest import needs_lua
from twisted_resp import RespFactory
from twisted_resp.errors import CommandError


@pytest.fixture(scope="module")
def ours(redis_server: Any) -> RespFactory:
    name = "redis-{}.{}".format(*redis_server.version)
    try:
        return RespFactory(clock=Clock(), emulate=name)
    except ValueError:
        pytest.skip(f"there is no flavour {name}")


def test_commands_and_subcommands(ours: RespFactory, redis_server: Any) -> None:
    with Redis(redis_server.host, redis_server.port, protocol=3) as client:
        client.response_callbacks.clear()
        infos = client.execute_command("COMMAND")
    theirs = {info[0].decode(): info[1] for outer in infos for info in (outer, *outer[9])}
    mine = {entry.full_name.decode(): entry.command.arity for entry in ours.server.entries()}
    assert mine.keys() == theirs.keys()
    # 7.2 mended two arities.
    differing = {name for name in mine if mine[name] != theirs[name]}
    assert differing <= {"command|getkeys", "command|getkeysandflags"}


@pytest.mark.parametrize(
    "call",
    ["ZRANK z m WITHSCORE", "CLIENT KILL MAXAGE 100000", "HSCAN flavoured 0 NOVALUES", "XREAD STREAMS s +",
     "BITOP DIFF d k k", "XADD s KEEPREF * f v", "XTRIM s MAXLEN 5 ACKED", "SET k v IFEQ x", "HEXPIRE h 1 FIELDS 1 f",
     "CLIENT NO-TOUCH ON", "CLUSTER MYSHARDID", "XREADGROUP GROUP g c CLAIM 1 STREAMS s >"],
)  # fmt: skip
def test_what_it_does_not_know(ours: RespFactory, redis_server: Any, call: str) -> None:
    with Redis(redis_server.host, redis_server.port) as client:
        client.hset("flavoured", "f", "v")
        with pytest.raises(ResponseError) as theirs:
            client.execute_command(*call.split())
        client.delete("flavoured")
    ours.call("HSET", "flavoured", "f", "v")
    found: list[Any] = []
    ours.call(*call.split()).addErrback(lambda failure: found.append(failure.value))
    assert isinstance(found[0], CommandError)
    # The client library takes ERR off.
    assert str(found[0]).removeprefix("ERR ") == str(theirs.value).removeprefix("ERR ")


def test_parameters(ours: RespFactory, redis_server: Any) -> None:
    with Redis(redis_server.host, redis_server.port) as client:
        theirs = {name.encode() for name in client.config_get("*")}
    found: list[Any] = []
    ours.call("CONFIG", "GET", "*").addCallback(found.append)
    # Hidden since 7.2.
    assert found[0].keys() == theirs - {b"aof-disable-auto-gc"}


@needs_lua
def test_denials(ours: RespFactory, redis_server: Any) -> None:
    """In words, and as the log shows them."""
    rules = ["reset", "on", "nopass", "~a", "+set", "+eval", "+publish", "&a"]
    calls = [
        ["GET", "a"], ["SET", "b", "1"], ["PUBLISH", "b", "x"], ["EVAL", "return redis.pcall('get', 'a').err", "0"],
        ["EVAL", "return redis.pcall('set', 'b', '1').err", "0"],
        ["EVAL", "return redis.pcall('publish', 'b', '1').err", "0"],
    ]  # fmt: skip
    mine: list[Any] = []

    def ask(own: Any, *words: str) -> None:
        own.call(*words).addCallbacks(mine.append, lambda failure: mine.append(failure.value.message))

    ours.call("ACL", "SETUSER", "flavoured", *rules)
    own = ours.client()
    own.call("AUTH", "flavoured", "x")
    for call in calls:
        ask(own, *call)
    ask(ours, "ACL", "LOG")
    address = redis_server.host, redis_server.port
    with Redis(*address) as admin, Redis(*address, username="flavoured", password="x") as client:
        admin.response_callbacks.clear()
        admin.execute_command("ACL", "SETUSER", "flavoured", *rules)
        admin.execute_command("ACL", "LOG", "RESET")
        for call, answer in zip(calls, mine):
            try:
                reply = client.execute_command(*call)
            except ResponseError as error:
                reply = (b"NOPERM " if "permission" in str(error) else b"") + str(error).encode()
            assert answer == reply
        log = admin.execute_command("ACL", "LOG")
        admin.execute_command("ACL", "DELUSER", "flavoured")
    wanted = [dict(zip(entry[::2], entry[1::2])) if isinstance(entry, list) else entry for entry in log]
    assert [list(entry) for entry in mine[-1]] == [list(entry) for entry in wanted]
    for field in (b"count", b"reason", b"context", b"object", b"username"):
        assert [entry[field] for entry in mine[-1]] == [entry[field] for entry in wanted]
