"""DEBUG DIGEST: beside a redis-server, and what must and must not show in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.commands.conftest import Engine, SideBySide

VALUES = [
    "SET k hello",
    "SET k 12345",
    "SET k -7 EX 1000",
    "RPUSH k a b c 1 -2",
    "SADD k a b c",
    "SADD k 3 1 2",
    "HSET k f v g 12",
    "ZADD k 1 a -3 b 1000000 c",
    "XADD k 1-2 field value other 5",
]


@pytest.mark.parametrize("command", VALUES)
def test_beside_redis(side_by_side: SideBySide, command: str) -> None:
    side_by_side.start()
    allowed = side_by_side.ask("DEBUG", "HELP")[1]
    if isinstance(allowed, bytes):
        pytest.skip("this redis-server does not allow DEBUG")
    side_by_side.check(*command.split())
    side_by_side.check("DEBUG", "DIGEST-VALUE", "k", "none")
    side_by_side.check("DEBUG", "DIGEST")
    side_by_side.check("SELECT", "3")
    side_by_side.check("SET", "other", "value")
    side_by_side.check("DEBUG", "DIGEST")
    side_by_side.check("SELECT", "0")


def digest(engine: Engine, *commands: str) -> Any:
    engine.call("FLUSHALL")
    for command in commands:
        engine.call(*command.split())
    return engine.call("DEBUG", "DIGEST")


def test_nothing(engine: Engine) -> None:
    assert digest(engine) == b"0" * 40
    assert engine.call("DEBUG", "DIGEST-VALUE", "none") == [b"0" * 40]
    assert engine.call("DEBUG", "DIGEST-VALUE") == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SET k a", "SET k b"),
        ("SET k a", "SET j a"),
        ("SET k a", "RPUSH k a"),
        ("SET k a", "SET k a PX 1000"),
        ("RPUSH k a b", "RPUSH k b a"),
        ("HSET k f v", "HSET k v f"),
        ("HSET k a b c d", "HSET k a d c b"),
        ("XADD k 1-1 f v", "XADD k 1-2 f v"),
    ],
)
def test_what_shows(engine: Engine, one: str, other: str) -> None:
    assert digest(engine, one) != digest(engine, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["SET k a", "SET j b"], ["SET j b", "SET k a"]),
        (["SADD k a b"], ["SADD k b", "SADD k a"]),
        (["HSET k a 1 b 2"], ["HSET k b 2 a 1"]),
        (["SET k a", "APPEND k b"], ["SET k ab"]),
        (["SET k a PX 1000"], ["SET k a PX 2000"]),
    ],
)
def test_what_does_not_show(engine: Engine, one: list[str], other: list[str]) -> None:
    assert digest(engine, *one) == digest(engine, *other)
