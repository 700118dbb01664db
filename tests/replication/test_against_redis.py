"""A redis-server as our replica, and as our master: after many writes both must hold the same."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from twisted_resp.testing import ServerThread

Client = Any  # redis.Redis, whose methods have hardly any types

# How long either side may take to catch up (seconds).
_PATIENCE = 30


@pytest.fixture
def theirs(redis_server: Any) -> Iterator[Client]:
    """A client of the redis-server, which is a master of its own before and after."""
    with closing(redis.Redis(port=redis_server.port)) as client:
        client.replicaof("NO", "ONE")
        client.flushall()
        # Others compare the defaults.
        delay: Any = client.config_get("repl-diskless-sync-delay")["repl-diskless-sync-delay"]
        client.config_set("repl-diskless-sync-delay", 0)
        yield client
        client.config_set("repl-diskless-sync-delay", delay)
        client.replicaof("NO", "ONE")
        client.flushall()


@pytest.fixture
def ours() -> Iterator[Client]:
    """A client of a server of ours, in a thread."""
    with ServerThread(port=0) as server, closing(redis.Redis(port=server.port)) as client:
        yield client


def port_of(client: Client) -> int:
    port: int = client.connection_pool.connection_kwargs["port"]
    return port


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for other threads and processes."""
    end = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"not within {_PATIENCE} s: {what}")
        time.sleep(0.02)


def write(client: Client, choose: random.Random, rounds: int) -> None:
    """Change data of all types, in ways whose effect is not the command as it was sent, too."""
    for _ in range(rounds):
        key = f"k{choose.randrange(20)}"
        some = [choose.randrange(100) for _ in range(5)]
        commands: list[tuple[Any, ...]] = [
            ("SET", f"s{key}", some[0]),
            ("SET", f"s{key}", some[0], "EX", 1000, "GET"),
            ("GETEX", f"s{key}", "PX", 500_000 + some[0]),
            ("SET", f"gone{key}", "x", "PX", 5),
            ("INCRBYFLOAT", f"f{key}", "0.1"),
            ("APPEND", f"a{key}", "x" * some[0]),
            ("SETBIT", f"a{key}", some[0] * 8, 1),
            ("RPUSH", f"l{key}", *some),
            ("LPOP", f"l{key}", 2),
            ("LMOVE", f"l{key}", "lother", "LEFT", "RIGHT"),
            ("SADD", f"S{key}", *some, f"m{some[0]}"),
            ("SPOP", f"S{key}", choose.randrange(4)),
            ("HSET", f"h{key}", *(word for each in some for word in (f"f{each}", each))),
            ("HINCRBYFLOAT", f"h{key}", "number", "0.5"),
            ("ZADD", f"z{key}", *(word for each in some for word in (each / 8, f"m{each}"))),
            ("ZPOPMAX", f"z{key}", 2),
            ("ZUNIONSTORE", "zunion", 2, f"z{key}", f"S{key}"),
            ("XADD", f"x{key}", "MAXLEN", "~", 50, "*", "field", some[0]),
            ("XGROUP", "CREATE", f"x{key}", "group", "0", "MKSTREAM"),
            ("XREADGROUP", "GROUP", "group", f"c{some[0] % 3}", "COUNT", 2, "STREAMS", f"x{key}", ">"),
            ("XAUTOCLAIM", f"x{key}", "group", "thief", 0, 0, "COUNT", 1),
            ("PFADD", f"p{key}", *some),
            ("PFCOUNT", f"p{key}"),
            ("GEOADD", f"g{key}", some[0], some[1] / 2, f"m{some[2]}"),
            ("SORT", f"l{key}", "STORE", f"sorted{key}"),
            ("RESTORE", f"restored{key}", 100_000, client.dump(f"z{key}") or b"", "REPLACE"),
            ("COPY", f"z{key}", f"z2{key}", "REPLACE"),
            ("RENAME", f"f{key}", f"F{key}"),
            ("UNLINK", f"F{key}"),
            ("PEXPIRE", f"h{key}", 600_000),
            ("PERSIST", f"h{key}"),
            ("MOVE", f"p{key}", 7),
            ("SWAPDB", 7, 8),
        ]
        with client.pipeline(transaction=choose.random() < 0.3) as pipeline:
            for command in choose.sample(commands, 8):
                pipeline.execute_command(*command)
            pipeline.execute(raise_on_error=False)


def catch_up(master: Client, replica: Client) -> None:
    """Wait until the replica has all, and compare."""
    # What is about to expire must be gone on both sides, by the master's word.
    until(lambda: not list(master.scan_iter("gone*")), "keys expire")
    offset = master.info("replication")["master_repl_offset"]

    def caught_up() -> bool:
        info = replica.info("replication")
        return bool(info["master_link_status"] == "up" and info["slave_repl_offset"] >= offset)

    until(caught_up, "the replica catches up")
    assert master.execute_command("DEBUG", "DIGEST") == replica.execute_command("DEBUG", "DIGEST")
    assert master.dbsize() == replica.dbsize() > 20


@pytest.mark.parametrize("direction", ["they follow us", "we follow them"])
def test_all_types(theirs: Client, ours: Client, direction: str) -> None:
    master, replica = (ours, theirs) if direction == "they follow us" else (theirs, ours)
    choose = random.Random(1)
    write(master, choose, 60)
    replica.set("of-its-own", "1")
    replica.replicaof("127.0.0.1", port_of(master))
    write(master, choose, 100)
    catch_up(master, replica)
    assert replica.get("of-its-own") is None
    # The link breaks; nothing is lost, and not all of it is sent again.
    full = master.info("stats")["sync_full"]
    master.execute_command("CLIENT", "KILL", "TYPE", "replica")
    write(master, choose, 30)
    catch_up(master, replica)
    stats = master.info("stats")
    assert (stats["sync_full"], stats["sync_partial_ok"]) == (full, 1)
    with pytest.raises(redis.ReadOnlyError):
        replica.set("a", "b")
    assert master.wait(1, 1000 * _PATIENCE) == 1


def test_redis_cli_takes_the_data_away(ours: Client, redis_cli: str, tmp_path: Path) -> None:
    write(ours, random.Random(2), 30)
    path = tmp_path / "copy.rdb"
    command = [redis_cli, "-p", str(port_of(ours)), "--rdb", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    assert path.read_bytes().startswith(b"REDIS0010")
