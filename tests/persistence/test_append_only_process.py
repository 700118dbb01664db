"""The append-only file of a server that is a process of its own: killed, rewriting, and beside redis-server."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.conftest import installed

# A server that was killed stays away: to wait for it would be all that these tests do.
NO_RETRY = Retry(NoBackoff(), 0)

Start = Callable[..., tuple[Any, Any]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server as a process, ours or another, and returns it and a client; None for one that ends."""
    processes = []

    def start(*options: str, program: str = "", directory: Path = tmp_path) -> tuple[Any, Any]:
        socket = str(tmp_path / "s")
        Path(socket).unlink(missing_ok=True)
        if program:
            command = [
                program,
                "--port",
                "0",
                "--unixsocket",
                socket,
                "--save",
                "",
                "--enable-debug-command",
                "yes",
            ]
        else:
            command = [sys.executable, "-m", "twisted_resp", "--no-tcp", "--unix", socket]
        command += ["--dir", str(directory), "--appendonly", "yes", *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if "ready to accept" in line.lower():
                return process, redis.Redis(unix_socket_path=socket, protocol=2, retry=NO_RETRY)
        return process, None

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def kill(process: Any) -> None:
    process.kill()
    process.wait()


def wait_for_rewrite(client: Any) -> None:
    end = time.monotonic() + 30
    while client.info("persistence")["aof_rewrite_in_progress"]:
        assert time.monotonic() < end, "the rewrite does not end"
        time.sleep(0.02)
    assert client.info("persistence")["aof_last_bgrewrite_status"] == "ok"


def fill(client: Any, seed: int) -> None:
    """Commands of all types, many of which fail, and many of which leave to chance what they do."""
    chance = random.Random(seed)
    for database in (0, 3):
        pipe = client.pipeline(transaction=False)
        pipe.execute_command("SELECT", database)
        for number in range(600):
            kind = chance.randrange(8)
            key = f"key:{chance.randrange(60)}:{kind}"
            if kind == 0:
                pipe.set(
                    key, chance.choice([number, "x" * chance.randrange(100)]), ex=chance.choice([None, 1000])
                )
            elif kind == 1:
                pipe.rpush(key, *[chance.randrange(1000) for _ in range(chance.randrange(1, 30))])
                pipe.lpop(key)
            elif kind == 2:
                pipe.sadd(key, *[chance.choice([str(chance.randrange(99)), f"m{number}"]) for _ in range(9)])
                pipe.spop(key, 2)
            elif kind == 3:
                pipe.hset(key, mapping={f"f{chance.randrange(200)}": number for _ in range(20)})
                pipe.hincrbyfloat(key, "n", 0.1)
            elif kind == 4:
                pipe.zadd(key, {f"m{chance.randrange(100)}": chance.random() * 100 for _ in range(9)})
                pipe.zpopmin(key)
            elif kind == 5:
                pipe.xadd(key, {"a": number, "b": "c"}, maxlen=20, approximate=False)
                pipe.execute_command("XGROUP", "CREATE", key, "g", "0")
                pipe.xreadgroup("g", f"c{number % 3}", {key: ">"}, count=2)
            elif kind == 6:
                pipe.incr(key)
                pipe.expire(key, 500)
            else:
                pipe.append(key, "tail")
                pipe.setrange(key, 3, b"\x00\r\n")
            pipe.delete(f"key:{chance.randrange(60)}:0")
        pipe.eval("redis.call('set', KEYS[1], 1) redis.call('incrby', KEYS[1], 5)", 1, "script")
        pipe.execute_command("MULTI")
        pipe.execute_command("INCR", "t")
        pipe.execute_command("EXEC")
        pipe.execute_command("SELECT", 0)
        pipe.execute(raise_on_error=False)


def test_what_was_acknowledged_survives_a_kill(start: Start, tmp_path: Path) -> None:
    process, client = start("--appendfsync", "always")
    acknowledged: list[list[int]] = [[] for _ in range(4)]

    def write(which: int) -> None:
        own = redis.Redis(unix_socket_path=str(tmp_path / "s"), protocol=2, retry=NO_RETRY)
        try:
            for number in range(1_000_000):
                own.set(f"{which}:{number}", number)
                own.rpush(f"list{which}", number)
                acknowledged[which].append(number)
        except redis.RedisError:
            pass
        finally:
            own.close()

    writers = [threading.Thread(target=write, args=(which,)) for which in range(4)]
    for writer in writers:
        writer.start()
    end = time.monotonic() + 30
    while min(map(len, acknowledged)) < 100:
        assert time.monotonic() < end
        time.sleep(0.01)
    client.bgrewriteaof()  # a kill in the middle of it is no excuse
    time.sleep(random.random() / 10)
    kill(process)
    for writer in writers:
        writer.join()
    _, client = start("--appendfsync", "always")
    for which, numbers in enumerate(acknowledged):
        values = client.mget([f"{which}:{number}" for number in numbers])
        assert values == [b"%d" % number for number in numbers]
        there = client.lrange(f"list{which}", 0, -1)
        assert there[: len(numbers)] == values
        assert len(there) <= len(numbers) + 1  # the last one may be there without its reply


def test_a_child_rewrites_while_others_write(start: Start) -> None:
    process, client = start()
    fill(client, 1)
    assert client.execute_command("BGREWRITEAOF")
    fill(client, 2)
    wait_for_rewrite(client)
    fill(client, 3)
    before = client.execute_command("DEBUG", "DIGEST")
    assert client.execute_command("DEBUG", "LOADAOF") == b"OK"
    assert client.execute_command("DEBUG", "DIGEST") == before
    kill(process)
    _, client = start()
    assert client.execute_command("DEBUG", "DIGEST") == before


def test_shutdown_leaves_everything_on_disk(start: Start) -> None:
    process, client = start("--appendfsync", "no")
    client.set("a", 1)
    client.shutdown()
    assert process.wait(20) == 0
    _, client = start()
    assert client.get("a") == b"1"


def test_damage_is_one_line_and_an_exit(start: Start, tmp_path: Path) -> None:
    process, client = start()
    client.set("a", 1)
    kill(process)
    file = tmp_path / "appendonlydir" / "appendonly.aof.1.incr.aof"
    file.write_bytes(b"!" + file.read_bytes())
    process, client = start()
    assert client is None
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert errors.splitlines() == [
        "Fatal error loading the append only file: Bad file format reading the append only file "
        "appendonly.aof.1.incr.aof at byte 0: make a backup of your AOF file, then use redis-check-aof --fix "
        "<filename.manifest>. Exiting."
    ]


@pytest.mark.parametrize("as_rdb", ["yes", "no"])
@pytest.mark.parametrize("ours_first", [True, False])
def test_beside_redis(start: Start, tmp_path: Path, as_rdb: str, ours_first: bool) -> None:
    programs = ["", installed("redis-server")] if ours_first else [installed("redis-server"), ""]
    process, client = start(program=programs[0])
    client.config_set("aof-use-rdb-preamble", as_rdb)
    fill(client, 5)
    half = tmp_path / "half"  # without a rewrite
    before_half = client.execute_command("DEBUG", "DIGEST")
    shutil.copytree(tmp_path / "appendonlydir", half / "appendonlydir")
    client.execute_command("BGREWRITEAOF")
    wait_for_rewrite(client)
    fill(client, 6)
    before = client.execute_command("DEBUG", "DIGEST")
    kill(process)
    for directory, expected in ((tmp_path, before), (half, before_half)):
        process, client = start(program=programs[1], directory=directory)
        assert client.execute_command("DEBUG", "DIGEST") == expected
        kill(process)
