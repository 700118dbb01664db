"""Kill a server at random moments, under load with ``appendfsync always``, and look for every acknowledged write.

    python benchmarks/kill_and_restart.py --times 200

Several connections write to keys of their own and note what was acknowledged. Then the server is killed (SIGKILL) and
started again on the same directory: a key must hold the last acknowledged value, or the one that was on its way.

Every other time it is told to rewrite its append-only file, or to save a snapshot, shortly before; where that was not
over yet the table in the end says so. Every fifth time a part of a command is put at the end of the file before the
server starts again, as a write leaves it that was cut off. The keys that no client writes to must all be there each
time.
"""

from __future__ import annotations

import argparse
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

CONNECTIONS = 4
# What there is beside the keys that are written to, so that a rewrite takes its time.
KEYS = 20_000
# A write that was cut off, and a transaction that was.
TAILS = (
    b"*3\r\n$3\r\nSET\r\n$5\r\nkey:0\r\n$12\r\n9999",
    b"*3\r\n$3\r",
    b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$5\r\nkey:1\r\n$4\r\n9999\r\n",
)


def start(directory: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A server on this directory, and the path of its socket, as soon as the data are there."""
    path = str(directory / "socket")
    Path(path).unlink(missing_ok=True)
    command = [sys.executable, "-m", "twisted_resp", "--no-tcp", "--unix", path, "--dir", str(directory)]
    command += ["--appendonly", "yes", "--appendfsync", "always"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(3000):
        try:
            # Not PING: that is answered while it loads.
            if ask(connect(path), b"EXISTS x").startswith(b":"):
                return process, path
        except OSError:
            pass
        time.sleep(0.01)
    raise SystemExit("the server does not start")


def cut_off(directory: Path, tail: bytes) -> None:
    """Let the last file of the append-only file end in the middle of a write."""
    parts = (directory / "appendonlydir").glob("*.incr.aof")
    newest = max(parts, key=lambda path: int(path.name.split(".")[2]))
    with open(newest, "ab") as file:
        file.write(tail)


def busy_with(path: str, chance: random.Random) -> str:
    """Let the server begin to write all it has, perhaps; answers with what."""
    word = chance.choice(("", "", "BGREWRITEAOF", "BGSAVE"))
    if word:
        connection = connect(path)
        ask(connection, word.encode())
        connection.close()
    return word


def connect(path: str) -> socket.socket:
    """A connection."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(30)
    connection.connect(path)
    return connection


def ask(connection: socket.socket, request: bytes) -> bytes:
    """The reply to one inline request; empty where the connection is lost."""
    try:
        connection.sendall(request + b"\r\n")
        reply = connection.recv(4096)
        while reply and not reply.endswith(b"\r\n"):
            reply += connection.recv(4096)
        return reply
    except OSError:
        return b""


class Writer(threading.Thread):
    """Writes ever greater numbers to one key until the connection is lost."""

    def __init__(self, key: bytes, path: str, number: int) -> None:
        super().__init__()
        self.key = key
        self.acknowledged = self.sent = number
        self._connection = connect(path)

    def run(self) -> None:
        """Write."""
        while True:
            self.sent = self.acknowledged + 1
            if ask(self._connection, b"SET %b %d" % (self.key, self.sent)) != b"+OK\r\n":
                self._connection.close()
                return
            self.acknowledged = self.sent


def main() -> None:
    """Kill, start again, compare; ends with 1 where a write is lost."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    numbers = [0] * CONNECTIONS
    lost = 0
    kinds: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        process, path = start(Path(name))
        ask(connect(path), b"DEBUG POPULATE %d filler 100" % KEYS)
        ask(connect(path), b"BGREWRITEAOF")
        time.sleep(2)
        for time_of in range(1, options.times + 1):
            writers = [Writer(b"key:%d" % index, path, number) for index, number in enumerate(numbers)]
            for writer in writers:
                writer.start()
            time.sleep(chance.uniform(0.01, 0.3))
            kind = busy_with(path, chance)
            time.sleep(chance.uniform(0.0, 0.4))
            process.kill()
            process.wait()
            for writer in writers:
                writer.join()
            unfinished = list(Path(name).glob("temp-*"))
            for leftover in unfinished:
                leftover.unlink()  # what the killed server's child had written so far
            if unfinished and kind:
                kind += " not over"
            if time_of % 5 == 0:
                cut_off(Path(name), chance.choice(TAILS))
                kind += " and a write cut off"
            kinds[kind.strip() or "only writes"] += 1
            process, path = start(Path(name))
            connection = connect(path)
            keys = int(ask(connection, b"DBSIZE")[1:])
            if keys != KEYS + CONNECTIONS:
                lost += 1
                print(f"kill {time_of} ({kind}): there are {keys} keys")
            for index, writer in enumerate(writers):
                reply = ask(connection, b"EXISTS " + writer.key)
                found = 0
                if reply == b":1\r\n":
                    found = int(ask(connection, b"INCRBY %b 0" % writer.key)[1:])
                if found not in (writer.acknowledged, writer.sent):
                    lost += 1
                    print(
                        f"kill {time_of} ({kind}): {writer.key!r} holds {found}, acknowledged was {writer.acknowledged}"
                    )
                numbers[index] = found
            connection.close()
        process.kill()
        process.wait()
    print(", ".join(f"{kind}: {count}" for kind, count in sorted(kinds.items())))
    print(f"{options.times} kills, {sum(numbers)} writes acknowledged, {lost} lost")
    sys.exit(bool(lost))


if __name__ == "__main__":
    main()
