"""maxmemory: the account of what the data take, and who goes when it is too much."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from twisted_resp import RespFactory
from twisted_resp.errors import CommandError
from twisted_resp.server.memory import EMPTY, key_size

OOM = "OOM command not allowed when used memory > 'maxmemory'."


class Engine:
    def __init__(self) -> None:
        self.clock = Clock()
        self.factory = RespFactory(clock=self.clock, random_seed=7)
        self.server = self.factory.server

    def call(self, *args: object) -> Any:
        results: list[Any] = []
        self.factory.call(*args).addBoth(results.append)
        if hasattr(results[0], "raiseException"):
            results[0].raiseException()
        return results[0]

    def fill(self, count: int, *options: object) -> None:
        for number in range(count):
            self.call("SET", f"key:{number}", "x" * 100, *options)
            self.clock.advance(0.01)

    def keys(self) -> set[int]:
        return {int(key.split(b":")[1]) for key in self.call("KEYS", "*")}


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def own_process(engine: Engine) -> Engine:
    engine.server.saving.may_fork = True
    return engine


def test_many_keys_are_evicted_in_several_turns(own_process: Engine) -> None:
    engine = own_process
    engine.fill(500)
    engine.call("CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory-eviction-tenacity", "0")
    engine.call("CONFIG", "SET", "maxmemory", EMPTY + 5000)
    values = engine.server.keyspace.databases[0].values
    assert len(values) == 500 - 16  # the time is looked at after so many
    assert engine.call("SET", "new", "v") == b"OK"  # who writes meanwhile may, and every command helps
    assert len(values) == 500 - 32 + 1
    assert engine.server.evicting
    engine.clock.advance(0)  # a Clock takes all turns that are due
    assert not engine.server.evicting
    assert engine.server.memory.used() <= EMPTY + 5000


def test_info_tells_for_how_long_there_was_too_much(engine: Engine) -> None:
    def told() -> tuple[bytes, ...]:
        lines = engine.call("INFO", "stats").split(b"\r\n")
        return tuple(line.partition(b":")[2] for line in lines if b"eviction_exceeded_time" in line)

    engine.fill(20)
    engine.call("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(CommandError, match="OOM"):
        engine.call("SET", "a", "b")
    engine.clock.advance(2)
    assert told() == (b"2000", b"2000")
    engine.call("CONFIG", "SET", "maxmemory", "100mb")
    engine.call("PING")
    engine.clock.advance(5)
    assert told() == (b"2000", b"0")


def test_with_the_greatest_tenacity_they_go_at_once(own_process: Engine) -> None:
    engine = own_process
    engine.fill(500)
    engine.call("CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory-eviction-tenacity", "100")
    engine.call("CONFIG", "SET", "maxmemory", EMPTY + 5000)
    assert engine.server.memory.used() <= EMPTY + 5000
    assert not engine.server.evicting


def recount(engine: Engine) -> int:
    return EMPTY + sum(
        key_size(database, key) for database in engine.server.keyspace.databases for key in database.values
    )


def test_the_account_follows_every_change(engine: Engine) -> None:
    engine.fill(20)
    engine.call("CONFIG", "SET", "maxmemory", "100mb")
    assert engine.server.memory.used() == recount(engine)
    engine.call("RPUSH", "list", *range(50))
    engine.call("HSET", "hash", "f", "v" * 500)
    engine.call("SADD", "set", "a", "b")
    engine.call("ZADD", "zset", 1, "a")
    engine.call("XADD", "stream", "*", "f", "v")
    engine.call("APPEND", "key:0", "y" * 1000)
    engine.call("PEXPIRE", "key:1", 100)
    engine.call("DEL", "key:2", "set")
    engine.call("ZREM", "zset", "a")
    engine.call("RENAME", "key:3", "key:4")
    engine.call("COPY", "list", "other", "DB", 1)
    assert engine.server.memory.used() == recount(engine)
    engine.clock.advance(1)
    engine.call("SWAPDB", 0, 1)
    engine.call("FLUSHDB")
    assert engine.server.memory.used() == recount(engine)
    engine.call("CONFIG", "SET", "maxmemory", 0)
    engine.call("SET", "unseen", "x")
    engine.call("CONFIG", "SET", "maxmemory", "100mb")
    assert engine.server.memory.used() == recount(engine)


def test_without_a_policy_writes_are_refused_and_reads_are_not(engine: Engine) -> None:
    engine.fill(1)
    engine.call("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(CommandError, match=OOM):
        engine.call("SET", "more", "x")
    assert engine.call("GET", "key:0") == b"x" * 100
    assert engine.call("DEL", "key:0") == 1
    engine.call("CONFIG", "SET", "maxmemory", 0)
    engine.call("SET", "more", "x")


def test_a_transaction_is_refused_as_a_whole(engine: Engine) -> None:
    engine.call("MULTI")
    engine.call("SET", "a", "x")
    engine.server.limit_memory(1)
    with pytest.raises(CommandError, match="EXECABORT Transaction discarded because of: OOM"):
        engine.call("EXEC")
    assert engine.call("EXISTS", "a") == 0


def limit_to(engine: Engine, keys: int) -> None:
    """Set a limit that leaves room for so many keys of those that `fill` makes."""
    size = key_size(engine.server.keyspace.databases[0], b"key:1")
    engine.call("CONFIG", "SET", "maxmemory", EMPTY + size * keys)


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
def test_as_many_go_as_must(engine: Engine, policy: str) -> None:
    engine.call("CONFIG", "SET", "maxmemory-policy", policy)
    engine.fill(100)
    limit_to(engine, 60)
    assert 50 <= len(engine.keys()) <= 60
    assert engine.server.memory.used() <= engine.server.memory.limit
    assert engine.server.keyspace.evicted == 100 - len(engine.keys())


def test_lru_spares_what_was_used(engine: Engine) -> None:
    engine.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "maxmemory-samples", 20)
    engine.fill(100)
    engine.clock.advance(10)
    for number in range(20):
        engine.call("GET", f"key:{number}")
    limit_to(engine, 50)
    assert set(range(20)) <= engine.keys()


def test_lfu_spares_what_is_used_often(engine: Engine) -> None:
    engine.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu", "maxmemory-samples", 20)
    engine.fill(100)
    for _ in range(50):
        for number in range(20):
            engine.call("GET", f"key:{number}")
    limit_to(engine, 50)
    assert set(range(20)) <= engine.keys()


@pytest.mark.parametrize("policy", ["volatile-lru", "volatile-random", "volatile-ttl", "volatile-lfu"])
def test_volatile_policies_take_only_what_expires(engine: Engine, policy: str) -> None:
    engine.call("CONFIG", "SET", "maxmemory-policy", policy)
    engine.fill(50)
    for number in range(0, 50, 2):
        engine.call("EXPIRE", f"key:{number}", 1000 + number)
    limit_to(engine, 40)
    assert set(range(1, 50, 2)) <= engine.keys()
    assert 25 < len(engine.keys()) <= 40


def test_volatile_policies_refuse_when_nothing_expires(engine: Engine) -> None:
    engine.call("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
    engine.fill(10)
    limit_to(engine, 5)
    with pytest.raises(CommandError, match=OOM):
        engine.call("SET", "more", "x")
    assert len(engine.keys()) == 10


def test_what_was_evicted_is_told(engine: Engine) -> None:
    events: list[tuple[bytes, bytes]] = []
    units: list[Any] = []
    engine.server.keyspace.on_event.append(lambda db, key, event, group: events.append((event, key)))
    engine.server.effects.add_listener(units.append)
    engine.call("SET", "a", "x")
    engine.call("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    engine.call("CONFIG", "SET", "maxmemory", 1)
    assert (b"evicted", b"a") in events
    assert units[-1] == [(0, [b"DEL", b"a"])]


def test_memory_usage(engine: Engine) -> None:
    engine.call("SET", "a", "x" * 1000)
    engine.call("RPUSH", "l", *["y" * 100] * 1000)
    assert 1000 < engine.call("MEMORY", "USAGE", "a") < 1400
    assert 100_000 < engine.call("MEMORY", "USAGE", "l") < 200_000
    assert engine.call("MEMORY", "USAGE", "l", "SAMPLES", 0) == engine.call("MEMORY", "USAGE", "l")
    assert engine.call("MEMORY", "USAGE", "none") is None
    for options in (("SAMPLES",), ("SAMPLES", -1), ("NONSENSE", 1)):
        with pytest.raises(CommandError, match="syntax error"):
            engine.call("MEMORY", "USAGE", "a", *options)
    assert engine.call("MEMORY", "STATS")[b"keys.count"] == 2
    assert b"Hi Sam" in engine.call("MEMORY", "DOCTOR")
    assert engine.call("MEMORY", "PURGE") == b"OK"
