"""What a process of its own leaves in its log when it crashes or hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from twisted_resp import RespFactory
from twisted_resp.errors import CommandError

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="there are no such signals")

Start = Callable[..., tuple[Any, Any]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server, and returns its process and a client."""
    processes: list[Any] = []

    def start(*options: str) -> tuple[Any, Any]:
        path = str(tmp_path / "s")
        command = [sys.executable, "-m", "twisted_resp", "--no-tcp", "--unix", path, *options]
        process = subprocess.Popen(
            [*command, "--enable-debug-command", "yes"], stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        until(process, "Ready to accept")
        client = redis.Redis(unix_socket_path=path, protocol=2, retry=Retry(NoBackoff(), 0))
        client.ping()  # the reactor runs
        return process, client

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def until(process: Any, words: str) -> str:
    """What it logs until these words come."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return "".join(lines)
    raise AssertionError(f"{words!r} does not come in {''.join(lines)}")


def test_a_look_at_a_server_that_seems_to_hang_and_its_end(start: Start) -> None:
    process, client = start()
    os.kill(process.pid, signal.SIGALRM)
    assert "Received SIGALRM" in until(process, "STACK TRACE DONE")
    client.config_set("watchdog-period", 1)  # at least 200 ms
    client.execute_command("DEBUG", "SLEEP", "0.3")
    told = until(process, "STACK TRACE DONE")
    assert "WATCHDOG TIMER EXPIRED" in told
    assert "debug.py" in told
    client.config_set("watchdog-period", 0)
    assert client.ping()
    os.kill(process.pid, signal.SIGABRT)
    told = until(process, "BUG REPORT END")
    for words in ("crashed by signal: 6", "STACK TRACE", "MainThread", "# Replication"):
        assert words in told
    assert process.wait() == -signal.SIGABRT


def test_an_end_that_is_called_off(start: Start) -> None:
    process, client = start()
    client.execute_command("DEBUG", "PAUSE-CRON", "1")
    for _ in range(2):  # the second SIGINT is a first one again
        os.kill(process.pid, signal.SIGINT)
        until(process, "Received SIGINT scheduling shutdown")
        assert client.execute_command("SHUTDOWN", "ABORT")
    with pytest.raises(redis.ResponseError, match="No shutdown in progress"):
        client.execute_command("SHUTDOWN", "ABORT")
    os.kill(process.pid, signal.SIGTERM)
    until(process, "Received SIGTERM scheduling shutdown")
    client.execute_command("DEBUG", "PAUSE-CRON", "0")
    assert process.wait() == 0


def test_who_insists_leaves_no_half_of_a_snapshot(start: Start, tmp_path: Path) -> None:
    process, client = start("--dir", str(tmp_path), "--save", "900 1")
    client.set("a", 1)
    client.config_set("rdb-key-save-delay", 20_000_000)
    os.kill(process.pid, signal.SIGINT)
    until(process, "Saving the final RDB snapshot")
    os.kill(process.pid, signal.SIGINT)
    until(process, "You insist")
    assert process.wait() == 1
    assert not list(tmp_path.glob("*.rdb"))


@pytest.mark.parametrize(
    ("kind", "options", "status", "words"),
    [
        ("SEGFAULT", (), -signal.SIGSEGV, "crashed by signal: 11"),
        ("ASSERT", ("--use-exit-on-panic", "yes"), 1, "ASSERTION FAILED"),
    ],
)
def test_debug(start: Start, kind: str, options: tuple[str, ...], status: int, words: str) -> None:
    process, client = start(*options)
    with pytest.raises(redis.ConnectionError):
        client.execute_command("DEBUG", kind)
    assert words in until(process, "BUG REPORT END")
    assert process.wait() == status


def test_the_process_of_an_application_is_left_alone() -> None:
    failures: list[Any] = []
    RespFactory().call("DEBUG", "SEGFAULT").addErrback(failures.append)
    assert failures[0].check(CommandError)


def test_without_reports(start: Start) -> None:
    process, _ = start("--crash-log-enabled", "no")
    process.send_signal(signal.SIGABRT)
    assert process.wait() == -signal.SIGABRT
    assert "STACK TRACE" not in process.stdout.read()
