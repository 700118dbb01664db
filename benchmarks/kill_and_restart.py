"""Kill a server at random moments, under load with ``appendfsync always``, and look for every acknowledged write.

    python benchmarks/kill_and_restart.py --times 200

Several connections write to keys of their own and note what was acknowledged. Then the server is killed (SIGKILL) and
started again on the same directory: a key must hold the last acknowledged value, or the one that was on its way.
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
from pathlib import Path

CONNECTIONS = 4


def start(directory: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A server on this directory, and the path of its socket, as soon as the data are there."""
    path = str(directory / "socket")
    Path(path).unlink(missing_ok=True)
    command = [sys.executable, "-m", "twisted_resp", "--no-tcp", "--unix", path, "--dir", str(directory)]
    command += ["--appendonly", "yes", "--appendfsync", "always"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(3000):
        try:
            if ask(connect(path), b"PING") == b"+PONG\r\n":
                return process, path
        except OSError:
            pass
        time.sleep(0.01)
    raise SystemExit("the server does not start")


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
    with tempfile.TemporaryDirectory() as name:
        process, path = start(Path(name))
        for time_of in range(1, options.times + 1):
            writers = [Writer(b"key:%d" % index, path, number) for index, number in enumerate(numbers)]
            for writer in writers:
                writer.start()
            time.sleep(chance.uniform(0.01, 0.5))
            process.kill()
            process.wait()
            for writer in writers:
                writer.join()
            process, path = start(Path(name))
            connection = connect(path)
            for index, writer in enumerate(writers):
                reply = ask(connection, b"EXISTS " + writer.key)
                found = 0
                if reply == b":1\r\n":
                    found = int(ask(connection, b"INCRBY %b 0" % writer.key)[1:])
                if found not in (writer.acknowledged, writer.sent):
                    lost += 1
                    print(
                        f"kill {time_of}: {writer.key!r} holds {found}, acknowledged was {writer.acknowledged}"
                    )
                numbers[index] = found
            connection.close()
        process.kill()
        process.wait()
    print(f"{options.times} kills, {sum(numbers)} writes acknowledged, {lost} lost")
    sys.exit(bool(lost))


if __name__ == "__main__":
    main()
