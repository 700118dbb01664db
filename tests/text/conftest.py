"""A real redis-server beside the functions under test: the judge of the differential tests here."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable, Union

import pytest

from tests.conftest import LONG

Reply = Union[bytes, int, None, list["Reply"], Exception]


class RealRedis:
    """A connection to a redis-server; errors are returned, not raised."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(LONG)
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise
        self._file = self._socket.makefile("rb")

    def __call__(self, *arguments: bytes) -> Reply:
        return self.pipeline([arguments])[0]

    def pipeline(self, commands: list[tuple[bytes, ...]]) -> list[Reply]:
        request = bytearray()
        for arguments in commands:
            request += b"*%d\r\n" % len(arguments)
            for argument in arguments:
                request += b"$%d\r\n%b\r\n" % (len(argument), argument)
        self._socket.sendall(request)
        return [self.read() for _ in commands]

    def inline(self, line: bytes) -> Reply:
        self._socket.sendall(line + b"\n")
        return self.read()

    def read(self) -> Reply:
        line = self._file.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            return ValueError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._file.read(int(rest) + 2)[:-2]
        assert kind == b"*", line
        return None if rest == b"-1" else [self.read() for _ in range(int(rest))]

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def _connect(path: str, process: subprocess.Popen[bytes]) -> RealRedis:
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return RealRedis(path)
        except OSError:
            time.sleep(0.01)  # another program is starting: there is no clock of ours to turn
    raise RuntimeError("redis-server did not start")


@pytest.fixture(scope="session")
def redis_path() -> Iterator[str]:
    """The path of the unix socket of an empty redis-server."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed, so there is nothing to compare with")
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory, "redis.sock"))
        process = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", path, "--save", "", "--dir", directory],
            stdout=subprocess.DEVNULL,
        )
        try:
            _connect(path, process).close()
            yield path
        finally:
            process.terminate()
            process.wait(LONG)


@pytest.fixture
def redis(redis_path: str) -> Iterator[RealRedis]:
    """A connection to the real redis-server, whose database is empty."""
    connection = RealRedis(redis_path)
    connection(b"FLUSHALL")
    yield connection
    connection.close()


@pytest.fixture
def connect(redis_path: str) -> Callable[[], RealRedis]:
    """Makes further connections to the same server; the caller closes them."""
    return lambda: RealRedis(redis_path)


@pytest.fixture
def monitor(redis: RealRedis, redis_path: str) -> Iterator[RealRedis]:
    """A connection that hears what the others do, from `redis` having been set up on."""
    connection = RealRedis(redis_path)
    assert connection(b"MONITOR") == b"OK"
    yield connection
    connection.close()
