"""redis-benchmark: all tests that it runs when nobody says which."""

from __future__ import annotations

import csv
import subprocess

import pytest

from twisted_resp.testing import ServerThread

# Which of its tests need which command, but for those that every server has.
NEEDS = {"zadd": b"ZADD", "zpopmin": b"ZPOPMIN"}
TESTS = [
    "ping_inline", "ping_mbulk", "set", "get", "incr", "lpush", "rpush", "lpop", "rpop", "sadd", "hset", "spop", "zadd",
    "zpopmin", "lrange_100", "lrange_300", "lrange_500", "lrange_600", "mset",
]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "only"),
    [
        ("", TESTS),
        ("-P 16", TESTS),
        ("-3 -r 1000", TESTS),
        ("--threads 2", ["set", "get"]),
        ("-k 0", ["ping_inline"]),
    ],
)
def test_default_tests(redis_benchmark: str, server: ServerThread, more: str, only: list[str]) -> None:
    known = server.factory.server.commands
    tests = [test for test in only if NEEDS.get(test, b"PING") in known]
    command = [redis_benchmark, "-p", str(server.port), "-n", "500", "--csv", "-t", ",".join(tests)]
    done = subprocess.run([*command, *more.split()], capture_output=True, text=True, timeout=60)
    assert "rror" not in done.stdout + done.stderr
    assert done.returncode == 0
    header, *rows = csv.reader(done.stdout.splitlines())
    assert header[0] == "test"
    names = [row[0].partition(" ")[0].lower() for row in rows]
    assert set(tests) <= set(names)
    assert all(float(row[1]) > 0 for row in rows)


def test_a_command_of_ones_own(redis_benchmark: str, server: ServerThread) -> None:
    command = [redis_benchmark, "-p", str(server.port), "-n", "500", "-q", "-r", "100"]
    subprocess.run([*command, "XADD", "stream", "*", "f", "__rand_int__"], check=True, timeout=60)
    assert server.call("XLEN", "stream") == 500
