"""What systemd and those who list processes hear of a server."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from twisted_resp import RespFactory, supervision
from twisted_resp.server.server import Server
from twisted_resp.supervision import accept_supervision, announce, show_title


@pytest.fixture
def server() -> Server:
    return RespFactory(clock=Clock()).server


@pytest.fixture(params=["path", "abstract"])
def systemd(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    name = str(tmp_path / "notify") if request.param == "path" else f"\0{tmp_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name)
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", name.replace("\0", "@"))
        monkeypatch.delenv("UPSTART_JOB", raising=False)
        yield listener


def heard(listener: socket.socket) -> list[bytes]:
    messages = []
    while True:
        try:
            messages.append(listener.recv(1000))
        except BlockingIOError:
            return messages


@pytest.mark.parametrize("mode", [b"systemd", b"auto"])
def test_systemd_hears_of_start_and_end(server: Server, systemd: socket.socket, mode: bytes) -> None:
    server.configuration[b"supervised"] = mode
    server.on_shutdown = lambda: None
    accept_supervision(server)
    assert server.supervisor == b"systemd"
    announce(server)
    assert heard(systemd) == [
        b"STATUS=Redis is loading...\n",
        b"STATUS=Ready to accept connections\n",
        b"READY=1\n",
    ]
    server.shutdown.start(())
    assert heard(systemd) == [b"STOPPING=1\n"]


def test_nobody_is_told_unless_it_was_asked_for(server: Server, systemd: socket.socket) -> None:
    accept_supervision(server)
    announce(server)
    assert not server.supervisor
    assert heard(systemd) == []


def test_no_systemd(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    server.configuration[b"supervised"] = b"systemd"
    accept_supervision(server)
    assert not server.supervisor


def test_upstart_sees_it_stop(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setenv("UPSTART_JOB", "redis")
    monkeypatch.setattr(os, "kill", lambda *what: sent.append(what))
    server.configuration[b"supervised"] = b"auto"
    accept_supervision(server)
    assert sent == [(os.getpid(), signal.SIGSTOP)]
    assert server.supervisor == b"upstart"
    assert "UPSTART_JOB" not in os.environ


def test_the_title_follows_its_template(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    library = pytest.importorskip("setproctitle")
    titles: list[str] = []
    monkeypatch.setattr(library, "setproctitle", titles.append)
    monkeypatch.setattr("sys.argv", ["/bin/resp-server"])
    server.configuration[b"port"] = 7000
    server.configuration[b"bind"] = (b"127.0.0.1", b"-::1")
    show_title(server)
    server.show_title("redis-rdb-bgsave")
    assert titles == ["/bin/resp-server 127.0.0.1:7000", "redis-rdb-bgsave 127.0.0.1:7000"]


def test_no_title_where_none_is_wanted(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    library = pytest.importorskip("setproctitle")
    titles: list[str] = []
    monkeypatch.setattr(library, "setproctitle", titles.append)
    server.configuration[b"set-proc-title"] = False
    show_title(server)
    server.show_title("")
    assert titles == []


@pytest.mark.parametrize("asked", [True, False])
def test_a_title_without_the_library(server: Server, monkeypatch: pytest.MonkeyPatch, asked: bool) -> None:
    warnings: list[str] = []
    monkeypatch.setitem(sys.modules, "setproctitle", None)  # as if it were not installed
    monkeypatch.setattr(supervision._log, "warn", warnings.append)
    if asked:
        server.configuration.read(b"proc-title-template", [b"{title} x"])
    show_title(server)
    server.show_title("anything")
    assert len(warnings) == asked
