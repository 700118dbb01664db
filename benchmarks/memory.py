"""What a million small elements take, beside redis-server.

For each kind of value both servers are started anew and filled over a socket; the figure is by how much their resident
memory (RSS) grew, which is what an operator sees. Linux only; redis-server must be installed.

    python benchmarks/memory.py [--count 1000000] [--only strings,hash,zset]
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

BATCH = 500
#: Multiples of redis-server's memory that must not be exceeded.
LIMITS = {"strings": 2.5, "hash": 2.5, "zset": 2.5}

Words = tuple[bytes, ...]

KINDS: dict[str, Callable[[int], Words]] = {
    "strings": lambda i: (b"SET", b"key:%012d" % i, b"value:%d" % i),
    "hash": lambda i: (b"HSET", b"hash", b"field:%d" % i, b"value:%d" % i),
    "zset": lambda i: (b"ZADD", b"zset", b"%d.5" % (i * 7919 % 1_000_003), b"member:%d" % i),
    "set": lambda i: (b"SADD", b"set", b"member:%d" % i),
    "list": lambda i: (b"RPUSH", b"list", b"element:%d" % i),
    "stream": lambda i: (b"XADD", b"stream", b"*", b"field", b"value:%d" % i),
}


def resident(pid: int) -> int:
    """The resident memory of a process, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the server has ended")


@contextlib.contextmanager
def running(command: list[str]) -> Iterator[tuple[int, socket.socket]]:
    """A server, started on a free port: its pid and a connection."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--dir", directory], stdout=subprocess.DEVNULL
        )
        try:
            for _ in range(300):
                time.sleep(0.1)
                try:
                    connection = socket.create_connection(("127.0.0.1", port), timeout=120)
                    break
                except OSError:
                    if process.poll() is not None:
                        break
            else:
                process.kill()
            if process.poll() is not None:
                raise SystemExit(f"{command[0]} does not listen")
            with connection:
                yield process.pid, connection
        finally:
            process.kill()
            process.wait()


def encoded(words: Words) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def ask(connection: socket.socket, requests: bytes, count: int) -> None:
    """Send requests, and wait for as many replies, each a line or (of XADD) two."""
    connection.sendall(requests)
    received, lines = b"", 0
    while lines < count:
        data = connection.recv(1 << 16)
        if not data or data[:1] == b"-":
            raise SystemExit(f"refused: {data!r}")
        received = data
        lines += data.count(b"\r\n")
    assert received.endswith(b"\r\n")


def grown(command: list[str], make: Callable[[int], Words], count: int) -> int:
    """By how many bytes a server grows with so many elements."""
    lines = 2 if make(0)[0] == b"XADD" else 1
    with running(command) as (pid, connection):
        ask(connection, encoded((b"PING",)), 1)
        before = resident(pid)
        for start in range(0, count, BATCH):
            size = min(BATCH, count - start)
            ask(connection, b"".join(encoded(make(i)) for i in range(start, start + size)), lines * size)
        time.sleep(0.5)
        return resident(pid) - before


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--count", type=int, default=1_000_000, help="elements (default: %(default)s)")
    parser.add_argument("--only", default=",".join(KINDS), help="kinds (default: %(default)s)")
    options = parser.parse_args()
    redis = shutil.which("redis-server")
    if redis is None:
        parser.error("redis-server is not installed")
    theirs = [redis, "--save", ""]
    ours = [sys.executable, "-m", "twisted_resp"]
    too_much = False
    print(f"{'':10}{'redis MB':>10}{'ours MB':>10}{'bytes each':>12}{'ratio':>8}")
    for kind in options.only.split(","):
        base, mine = (grown(command, KINDS[kind], options.count) for command in (theirs, ours))
        ratio = mine / base
        too_much = too_much or ratio > LIMITS.get(kind, ratio)
        print(
            f"{kind:10}{base / 1e6:>10.1f}{mine / 1e6:>10.1f}{mine / options.count:>12.0f}{ratio:>8.2f}",
            flush=True,
        )
    return 1 if too_much else 0


if __name__ == "__main__":
    sys.exit(main())
