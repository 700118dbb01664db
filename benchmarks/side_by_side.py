"""Server CPU for each command, twisted-resp beside its peers in one run.

The load is redis-benchmark's (Debian: redis-tools): 50 connections over loopback. What is measured is CPU
time, user and system, of the server's process while a load runs, divided by the number of commands. Unlike
throughput it holds on a busy machine, where client and server share cores. Servers take turns, round by
round, so that slow drift of the machine meets all of them alike; a figure is the median of the rounds.
Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import math
import os
import random
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

TESTS = "ping_mbulk,set,get,incr,lpush,rpush,lpop,lrange_100,mset"
CONNECTIONS = 50
KEYS = 100_000

# What redis-benchmark sends in these tests, for `plain_load`.
REQUESTS = {
    "ping_mbulk": "PING",
    "set": "SET key:{random} xxx",
    "get": "GET key:{random}",
    "incr": "INCR counter:{random}",
    "lpush": "LPUSH mylist xxx",
    "rpush": "RPUSH mylist xxx",
    "lpop": "LPOP mylist",
}

FAKEREDIS = "import fakeredis; fakeredis.TcpFakeServer(('127.0.0.1', {port})).serve_forever()"


class Peer(NamedTuple):
    """A server that takes part; {port} in its command becomes a free port."""

    name: str
    command: list[str]
    missing: str | None = None
    """Why it can't take part."""
    plain: bool = False
    """Whether `plain_load` is its load: redis-benchmark opens with two commands in one packet."""


class LoadError(Exception):
    """An error from the server, no answer in time, or a load that can't be made for it."""


def peers() -> list[Peer]:
    """The baseline, ours, and the others."""
    redis_server = shutil.which("redis-server")
    version = "redis-server"
    if redis_server is not None:
        reported = subprocess.run([redis_server, "--version"], check=True, capture_output=True, text=True)
        version += " " + reported.stdout.split("v=")[1].split()[0]
    return [
        Peer(
            version,
            [
                redis_server or "",
                "--port",
                "{port}",
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ],
            None if redis_server else "is not installed",
        ),
        python_peer("twisted-resp", ["-m", "twisted_resp", "--port", "{port}"]),
        python_peer("fakeredis", ["-c", FAKEREDIS]),
        python_peer("resp-server", ["-m", "resp_server.main", "--port", "{port}"], plain=True),
    ]


def python_peer(distribution: str, arguments: list[str], plain: bool = False) -> Peer:
    command = [sys.executable, *arguments]
    try:
        return Peer(f"{distribution} {importlib.metadata.version(distribution)}", command, plain=plain)
    except importlib.metadata.PackageNotFoundError:
        return Peer(distribution, command, f"is not installed beside {sys.executable}")


class Server:
    """A peer that runs, in an empty directory of its own."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.rates: dict[tuple[str, int], float] = {}
        self.start()

    def start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.directory = tempfile.TemporaryDirectory(prefix="side-by-side-")
        self.process = subprocess.Popen(
            [word.replace("{port}", str(self.port)) for word in self.peer.command],
            cwd=self.directory.name,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            time.sleep(0.05)
        self.stop()
        raise SystemExit(f"{self.peer.name} did not start: {shlex.join(self.peer.command)}")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.directory.cleanup()

    def cpu_seconds(self) -> float:
        """CPU time of the process and all its threads, those that ended included, to the nanosecond.

        The clock of another process has the id ``~pid << 3 | 2``, which is Linux's ABI (glibc's
        clock_getcpuclockid computes the same). /proc would count in steps of 10 ms.
        """
        return time.clock_gettime(~self.process.pid << 3 | 2)

    def measure(self, test: str, pipeline: int, seconds: float) -> float:
        """Microseconds of CPU for each command of a load that takes about so many seconds."""
        if self.peer.plain and (pipeline > 1 or test not in REQUESTS):
            raise LoadError("the plain load can't do that")
        if (test, pipeline) not in self.rates:  # the first, short load also warms the server up
            start = time.monotonic()
            self.load(test, pipeline, 2000, limit=30)
            self.rates[test, pipeline] = 2000 / (time.monotonic() - start)
        requests = max(2000, int(self.rates[test, pipeline] * seconds))
        cpu, start = self.cpu_seconds(), time.monotonic()
        self.load(test, pipeline, requests, limit=30 + 10 * seconds)
        self.rates[test, pipeline] = requests / (time.monotonic() - start)
        return (self.cpu_seconds() - cpu) / requests * 1e6

    def load(self, test: str, pipeline: int, requests: int, limit: float) -> None:
        try:
            if self.peer.plain:
                plain_load(self.port, test, requests, limit)
            else:
                command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(self.port), "-q", "-r", str(KEYS)]
                command += ["-c", str(CONNECTIONS), "-P", str(pipeline), "-n", str(requests), "-t", test]
                subprocess.run(command, check=True, timeout=limit, capture_output=True)
        except (OSError, subprocess.SubprocessError) as error:
            # What the failed load left behind, half a request or a busy thread, must not burden the next.
            self.stop()
            self.start()
            raise LoadError from error


def plain_load(port: int, test: str, requests: int, limit: float) -> None:
    """As redis-benchmark without pipelining: a command on each connection, then the reply of each."""
    words = REQUESTS[test].split()
    with contextlib.ExitStack() as cleanup:
        connections = []
        for _ in range(CONNECTIONS):
            connection = cleanup.enter_context(socket.create_connection(("127.0.0.1", port), limit))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connections.append((connection, cleanup.enter_context(connection.makefile("rb"))))
        for _ in range(requests // CONNECTIONS):
            for connection, _replies in connections:
                key = f"{random.randrange(KEYS):012}"
                request = [f"*{len(words)}"]
                for word in words:
                    word = word.replace("{random}", key)
                    request += [f"${len(word)}", word]
                connection.sendall("\r\n".join([*request, ""]).encode())
            for _connection, replies in connections:
                line = replies.readline()
                if line[:1] in (b"-", b""):
                    raise OSError(f"answered {line!r}")
                if line[:1] == b"$" and int(line[1:]) >= 0:
                    replies.read(int(line[1:]) + 2)


def measure_all(
    servers: list[Server], tests: list[str], pipelines: list[int], rounds: int, seconds: float
) -> Iterator[dict[str, Any]]:
    """A row for each test and pipeline: microseconds by server, NaN where there is no figure."""
    for pipeline in pipelines:
        for test in tests:
            figures: dict[str, list[float]] = {server.peer.name: [] for server in servers}
            for _ in range(rounds):
                for server in servers:
                    mine = figures[server.peer.name]
                    if not any(map(math.isnan, mine)):
                        try:
                            mine.append(server.measure(test, pipeline, seconds))
                        except LoadError:
                            mine.append(math.nan)
            medians = {
                name: math.nan if any(map(math.isnan, mine)) else statistics.median(mine)
                for name, mine in figures.items()
            }
            yield {"test": test, "pipeline": pipeline, "microseconds": medians}


def cell(microseconds: float, baseline: float) -> str:
    if math.isnan(microseconds):
        return "-"
    return f"{microseconds:.1f} ({microseconds / baseline:.1f}x)"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tests", default=TESTS, help="names as redis-benchmark -t takes them (%(default)s)")
    parser.add_argument(
        "--pipelines", default="1,16", help="commands that a client sends at a time (%(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="(%(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="how long a load takes, about (%(default)s)"
    )
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    parser.add_argument(
        "also",
        nargs="*",
        metavar="NAME=COMMAND",
        help="a further server, such as 'PyPy=pypy3 -m twisted_resp --port {port}'",
    )
    options = parser.parse_args()
    if shutil.which("redis-benchmark") is None:
        parser.error("redis-benchmark is not installed (Debian: redis-tools)")
    taking_part = peers()
    for further in options.also:
        name, _, command = further.partition("=")
        taking_part.append(Peer(name, shlex.split(command)))
    for peer in taking_part:
        if peer.missing:
            print(f"{peer.name} is left out: it {peer.missing}.", file=sys.stderr)
    present = [peer for peer in taking_part if not peer.missing]

    with contextlib.ExitStack() as cleanup:
        servers = []
        for peer in present:
            server = Server(peer)
            cleanup.callback(server.stop)
            servers.append(server)
        names = [server.peer.name for server in servers]
        print(f"Microseconds of server CPU for each command; in brackets, how many times that of {names[0]}.")
        print(f"Python {sys.version.split()[0]}, {CONNECTIONS} connections, {os.cpu_count()} cores.")
        for server in servers:
            if server.peer.plain:
                print(
                    f"{server.peer.name} can't take redis-benchmark's load, and gets single commands instead."
                )
        print()
        print("| test | pipeline | " + " | ".join(names) + " |")
        print("|---|--:|" + "--:|" * len(names), flush=True)
        rows = []
        tests, pipelines = options.tests.split(","), [int(depth) for depth in options.pipelines.split(",")]
        for row in measure_all(servers, tests, pipelines, options.rounds, options.seconds):
            rows.append(row)
            figures = row["microseconds"]
            cells = " | ".join(cell(figures[name], figures[names[0]]) for name in names)
            print(f"| {row['test']} | {row['pipeline']} | {cells} |", flush=True)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
