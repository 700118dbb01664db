"""Fixtures for the whole suite: the programs of a real Redis, and an eye on what Twisted logs.

Tests that compare with Redis, or drive our server with its tools, skip where Redis is not installed. With
TWISTED_RESP_REQUIRE_REDIS set, as in CI, they fail instead: a comparison that is never made proves nothing.
"""

from __future__ import annotations

import collections
import gc
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from importlib.util import find_spec
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from twisted.logger import ILogObserver, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import provider

# The same examples every time and no time limits: whoever runs the suite gets the same answer.
# `pytest --hypothesis-profile=explore` looks for new trouble.
settings.register_profile(
    "steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", settings.get_profile("steady"), derandomize=False, max_examples=1000)
settings.load_profile("steady")

#: Seconds after which a test gives up waiting for what ought to come at once, which takes a while on a busy machine.
LONG = 60

#: For tests of scripts among others; files of nothing but scripts skip whole.
needs_lua = pytest.mark.skipif(find_spec("lupa") is None, reason="scripts need Lua (the package lupa)")

# Some tests start programs. These compile the package once, not once each, whatever the shell says.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_configure(config: pytest.Config) -> None:
    """Forgive PyPy, which finds what nobody has closed at some time, in another test."""
    if sys.implementation.name == "pypy":
        config.addinivalue_line("filterwarnings", "ignore::ResourceWarning")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let the garbage collector pass over thousands of tests, which stay: a fifth of all time went into that."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        if hasattr(gc, "freeze"):  # PyPy has no such thing, nor the need for it
            gc.freeze()


class RedisServer(NamedTuple):
    """A running redis-server. It keeps nothing on disk; a test that needs it empty flushes it."""

    host: str
    port: int
    version: tuple[int, ...]


def installed(program: str) -> str:
    """The path of a program of Redis's, or skip the test that asked."""
    path = shutil.which(program)
    if path is None:
        if os.environ.get("TWISTED_RESP_REQUIRE_REDIS"):
            pytest.fail(f"{program} is not installed, and TWISTED_RESP_REQUIRE_REDIS is set")
        pytest.skip(f"{program} is not installed (Debian: redis-server, redis-tools)")
    return path


@pytest.fixture(scope="session")
def redis_cli() -> str:
    """The path of redis-cli."""
    return installed("redis-cli")


@pytest.fixture(scope="session")
def redis_benchmark() -> str:
    """The path of redis-benchmark."""
    return installed("redis-benchmark")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The installed redis-server, on a free port of the loopback interface, for comparison with ours."""
    program = installed("redis-server")
    reported = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    version = tuple(int(part) for part in reported.split("v=")[1].split()[0].split("."))
    directory = str(tmp_path_factory.mktemp("redis-server"))
    for _ in range(5):  # a port that was free a moment ago can be taken
        port = free_port()
        arguments = {"port": port, "bind": "127.0.0.1", "dir": directory, "save": "", "appendonly": "no"}
        if version >= (7,):  # which asks before it lets anybody use DEBUG
            arguments["enable-debug-command"] = "local"
        command = [program, *(str(word) for name in arguments for word in (f"--{name}", arguments[name]))]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            log = []
            for line in process.stdout:
                log.append(line)
                if "Ready to accept connections" in line:
                    break
            else:
                continue
            # Read on, so that a talkative server never waits for a full pipe.
            drain = threading.Thread(target=collections.deque, args=(process.stdout, 0))
            drain.start()
            try:
                yield RedisServer("127.0.0.1", port, version)
            finally:
                process.kill()
                drain.join()
            return
    pytest.fail(f"{program} did not start:\n" + "".join(log))


def free_port() -> int:
    """A TCP port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(autouse=True)
def logged_failures() -> Iterator[list[Failure]]:
    """The failures that were logged during the test, an error in a Deferred that nobody handled among them.

    Each fails the test that it was logged in. A test that provokes one asks for this fixture, looks at it and
    clears it.
    """
    seen: list[Failure] = []

    @provider(ILogObserver)
    def observe(event: dict[str, Any]) -> None:
        failure = event.get("log_failure")
        if failure is not None:
            seen.append(failure)

    globalLogPublisher.addObserver(observe)
    yield seen
    globalLogPublisher.removeObserver(observe)
    if seen:
        pytest.fail("failures were logged:\n" + "\n".join(failure.getTraceback() for failure in seen))
