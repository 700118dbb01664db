"""redis-benchmark: all tests that it runs when nobody says which."""

from __future__ import annotations

import csv
import subprocess

import pytest

from tests.conftest import LONG
from twisted_resp.testing import ServerThread

# What it runs when nobody says which, in its order. Newer ones than 7.0 run XADD as well.
DEFAULT = [
    "ping_inline", "ping_mbulk", "set", "get", "incr", "lpush", "rpush", "lpop", "rpop", "sadd", "hset", "spop", "zadd",
    "zpopmin", "lpush", "lrange_100", "lrange_300", "lrange_500", "lrange_600", "mset",
]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "tests"),
    [
        ("", DEFAULT),
        ("-P 16", DEFAULT),
        ("-3 -r 1000", DEFAULT),
        ("--threads 2 -t set,get", ["set", "get"]),
        ("-k 0 -t ping_inline", ["ping_inline"]),
    ],
)
def test_default_tests(redis_benchmark: str, server: ServerThread, more: str, tests: list[str]) -> None:
    command = [redis_benchmark, "-p", str(server.port), "-n", "500", "--csv", *more.split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONG)
    assert "rror" not in done.stdout + done.stderr
    assert done.returncode == 0
    header, *rows = csv.reader(done.stdout.splitlines())
    assert header[0] == "test"
    assert [row[0].partition(" ")[0].lower() for row in rows][: len(tests)] == tests
    assert all(float(row[1]) > 0 for row in rows)


def test_a_command_of_ones_own(redis_benchmark: str, server: ServerThread) -> None:
    command = [redis_benchmark, "-p", str(server.port), "-n", "500", "-q", "-r", "100"]
    subprocess.run([*command, "XADD", "stream", "*", "f", "__rand_int__"], check=True, timeout=LONG)
    assert server.call("XLEN", "stream") == 500
