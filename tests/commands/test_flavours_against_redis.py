"""A server that passes for the installed redis-server, beside it."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ResponseError
from twisted.internet.task import Clock

from twisted_resp import RespFactory
from twisted_resp.errors import CommandError

#: What that server has and we do not, whatever we pass for.
MISSING = {"failover"}


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
    assert theirs.keys() - mine.keys() == MISSING
    assert mine.keys() - theirs.keys() == set()
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
