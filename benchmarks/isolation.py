"""What a test pays for a server of its own: twisted-resp's fixtures beside fakeredis and pytest-redis.

Three figures, each a median: from nothing to the first reply (after the imports); getting back to the seed after a
test that touched ten keys, in a keyspace of 100,000; and a test of a whole pytest session that uses the fixture and
three commands. ``--soak N`` runs N tests in one session instead, and counts what they leave behind.

twisted-resp's reset is measured twice: in the server's thread, which is what its work costs, and as a fixture calls it,
from the test's thread and back. pytest-redis drives a redis-server, which must be installed; it resets with FLUSHALL,
so the seed has to be put in again.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import redis

KEYS = 100_000
TOUCHED = 10

TEST = """
import pytest

@pytest.mark.parametrize("n", range({count}))
def test_it({fixture}, n):
    client = {fixture}
    assert client.get("key") is None
    client.set("key", n)
    assert client.get("key") == str(n).encode()
"""

FAKE_FIXTURE = """
import fakeredis
import pytest

@pytest.fixture
def client():
    with fakeredis.FakeRedis(server=fakeredis.FakeServer()) as client:
        yield client
"""


def median(action: Callable[[], float], rounds: int) -> float:
    """The median of what an action measures, in microseconds."""
    return statistics.median(action() for _ in range(rounds)) * 1e6


def elapsed(action: Callable[[], Any]) -> float:
    """How long an action takes, in seconds."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def seed(client: Any) -> None:
    """Fill a server anew."""
    client.flushall()
    for start in range(0, KEYS, 1000):
        client.mset({f"key:{number}": "value" for number in range(start, start + 1000)})


def touch(client: Any) -> None:
    """What a test does."""
    for number in range(TOUCHED):
        client.set(f"key:{number}", "other")


# ----------------------------------------------------------------------------------------------- the figures


def start_ours() -> float:
    """Start a server in a thread, connect, PING."""
    from twisted_resp.testing import ServerThread

    began = time.perf_counter()
    with ServerThread() as server, server.redis_client() as client:
        client.ping()
        return time.perf_counter() - began


def start_fake() -> float:
    """Make a fake, PING."""
    import fakeredis

    began = time.perf_counter()
    with fakeredis.FakeRedis(server=fakeredis.FakeServer()) as client:
        client.ping()
        return time.perf_counter() - began


@contextlib.contextmanager
def redis_server() -> Iterator[redis.Redis]:
    """A redis-server of its own, as pytest-redis starts one, and a client that it answers."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "socket")
        words = ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", directory]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
            try:
                with redis.Redis(unix_socket_path=path) as client:
                    while True:
                        try:
                            client.ping()
                            break
                        except redis.ConnectionError:
                            time.sleep(0.001)
                    yield client
            finally:
                process.kill()


def start_redis() -> float:
    """Start redis-server until it answers."""
    began = time.perf_counter()
    with redis_server():
        return time.perf_counter() - began


def reset_ours() -> tuple[float, float]:
    """Go back to the seed after a test: seconds in the server's thread, and as the fixture does it."""
    from twisted_resp.testing import ServerThread

    with ServerThread() as server, server.redis_client() as client:
        seed(client)
        start = server.snapshot()
        mark, factory = start.mark, server.factory

        def within() -> float:
            touch(client)
            return float(server.run(elapsed, lambda: factory.reset(mark)))

        def outside() -> float:
            touch(client)
            return elapsed(lambda: server.reset(start))

        return median(within, 300), median(outside, 300)


def reset_fake() -> float:
    """Empty a fake, and put the seed in again."""
    import fakeredis

    with fakeredis.FakeRedis(server=fakeredis.FakeServer()) as client:
        return median(lambda: elapsed(lambda: seed(client)), 3)


def reset_redis() -> float:
    """Empty a redis-server, and put the seed in again."""
    with redis_server() as client:
        return median(lambda: elapsed(lambda: seed(client)), 3)


def session(fixture: str, count: int, *options: str, conftest: str = "") -> float:
    """The seconds that a test takes in a session of many, that of the same session without tests left out."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "conftest.py").write_text(conftest)
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *options]
        spent = []
        for number in (1, count):
            Path(directory, "test_it.py").write_text(TEST.format(fixture=fixture, count=number))
            began = time.perf_counter()
            subprocess.run(words, cwd=directory, check=True, stdout=subprocess.DEVNULL)
            spent.append(time.perf_counter() - began)
        return (spent[1] - spent[0]) / (count - 1)


def show(name: str, unit: str, measure: Callable[[], float]) -> None:
    """Print a figure, or why there is none."""
    try:
        print(f"  {name:<34}{measure():>12,.0f} {unit}", flush=True)
    except (ImportError, OSError, subprocess.CalledProcessError) as error:
        print(f"  {name:<34} not measured: {error}")


# ------------------------------------------------------------------------------------------------- the soak


def left_behind() -> tuple[int, int, int, int]:
    """Threads, descriptors, kilobytes of memory, objects."""
    gc.collect()
    memory = int(Path("/proc/self/statm").read_text().split()[1]) * 4
    return threading.active_count(), len(os.listdir("/proc/self/fd")), memory, len(gc.get_objects())


def soak(count: int) -> None:
    """Run tests with one server, and every hundredth with a server of its own; print what is left now and then."""
    from twisted_resp.testing import ServerThread

    print(f"{'tests':>8}{'threads':>9}{'files':>7}{'kB':>9}{'objects':>9}{'clients':>9}")
    with ServerThread(seed={"seed": "value"}) as server:
        start = server.snapshot()
        for number in range(count + 1):
            if number % (count // 10) == 0:
                clients = len(server.factory.server.clients)
                print(f"{number:>8}{''.join(f'{n:>9}' for n in left_behind())}{clients:>9}", flush=True)
            with server.redis_client() as client, server.clock.freeze():
                client.set("key", number, ex=5)
                client.eval("return redis.call('INCR', KEYS[1])", 1, "key")
                client.config_set("maxmemory", 10**9 + number)
                client.rpush("list", *range(200))
                messages = client.pubsub()
                messages.subscribe("channel")
                server.clock.advance(6)
                assert client.get("key") is None
                messages.close()
            server.reset(start)
            if number % 100 == 0:
                with ServerThread() as other:
                    other.call("PING")
    print(f"threads at the end: {threading.active_count()}")


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--soak", type=int, metavar="N", help="run N tests in a row and look at what they leave"
    )
    parser.add_argument("--tests", type=int, default=1000, help="how many a session runs")
    arguments = parser.parse_args()
    if arguments.soak:
        soak(arguments.soak)
        return
    import twisted_resp.testing.thread  # noqa: F401 - not to be measured

    print("start to first reply")
    show("twisted-resp", "us", lambda: median(start_ours, 30))
    show("fakeredis", "us", lambda: median(start_fake, 30))
    show("redis-server (pytest-redis)", "us", lambda: median(start_redis, 10))
    print(f"back to a seed of {KEYS:,} keys after {TOUCHED} were touched")
    within, outside = reset_ours()
    show("twisted-resp, in the server", "us", lambda: within)
    show("twisted-resp, as the fixture", "us", lambda: outside)
    show("fakeredis, emptied and filled", "us", reset_fake)
    show("redis-server, emptied and filled", "us", reset_redis)
    print(f"a test of three commands, in a session of {arguments.tests}")
    count = arguments.tests
    show("twisted-resp", "us", lambda: session("resp_client", count) * 1e6)
    show("fakeredis", "us", lambda: session("client", count, conftest=FAKE_FIXTURE) * 1e6)
    show("pytest-redis", "us", lambda: session("redisdb", count) * 1e6)


if __name__ == "__main__":
    main()
