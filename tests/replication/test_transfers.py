"""A child writes the data for new replicas, of a server that is a process of its own: they are played by sockets."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from twisted_resp import RespFactory
from twisted_resp.persistence.contents import load_data

# More than are written at once, without a child.
KEYS = 1500


class Peer:
    """A replica that says and reads what a test wants."""

    def __init__(self, path: str, *requests: bytes) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")
        for request in requests:
            self.say(request)

    def say(self, request: bytes) -> None:
        self.socket.sendall(request + b"\r\n")

    def line(self) -> bytes:
        """The next line that is not empty: those only show life."""
        while True:
            line = self.file.readline()
            assert line, "the connection was closed"
            if line.strip():
                return line.strip()

    def until(self, mark: bytes) -> bytes:
        data = b""
        while not data.endswith(mark):
            piece = self.file.read1(65536)
            assert piece, "the connection was closed"
            data += piece
        return data

    def commands(self, last: bytes) -> bytes:
        return b" ".join(re.findall(rb"\$\d+\r\n(.*?)\r\n", self.until(b"\r\n" + last + b"\r\n")))

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The socket of a server."""
    directory = tmp_path_factory.mktemp("server")
    path = str(directory / "s")
    words = ["--dir", str(directory), "--enable-debug-command", "yes"]
    with subprocess.Popen(
        [sys.executable, "-m", "twisted_resp", "--no-tcp", "--unix", path, *words],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Ready to accept" in line:
                break
        yield path
        process.kill()
        process.communicate()


@pytest.fixture
def client(path: str) -> Iterator[Any]:
    with redis.Redis(unix_socket_path=path, protocol=2) as client:
        client.execute_command("DEBUG", "POPULATE", KEYS)
        yield client
        client.config_set("rdb-key-save-delay", 0)
        client.execute_command("CLIENT", "KILL", "TYPE", "replica")
        client.flushall()
        client.config_resetstat()


@pytest.fixture
def connect(client: Any, path: str) -> Iterator[Callable[..., Peer]]:
    peers: list[Peer] = []

    def connect(*requests: bytes) -> Peer:
        peers.append(Peer(path, *requests))
        return peers[-1]

    yield connect
    for peer in peers:
        peer.close()


def state(client: Any, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """INFO, as soon as it says what is wanted."""
    for _ in range(5000):
        info: dict[str, Any] = client.info()
        if wanted(info):
            return info
    raise AssertionError("it does not come to that")


def keys_in(snapshot: bytes) -> int:
    server = RespFactory().server
    load_data(server, snapshot)
    return len(server.keyspace.databases[0])


def test_over_sockets_all_go_together(client: Any, connect: Callable[..., Peer]) -> None:
    client.config_set("repl-diskless-sync-delay", 3600)
    client.config_set("repl-diskless-sync-max-replicas", 2)
    peers = [connect(b"REPLCONF capa eof capa psync2", b"PSYNC ? -1") for _ in range(2)]
    marks = []
    for peer in peers:
        assert peer.line() == b"+OK"
        assert peer.line().startswith(b"+FULLRESYNC ")
        announced = peer.line()
        assert announced.startswith(b"$EOF:")
        marks.append(announced[5:])
    client.set("later", 1)
    for peer, mark in zip(peers, marks):
        snapshot = peer.until(mark)[: -len(mark)]
        assert keys_in(snapshot) == KEYS
        # There is no checksum, which would take as long as all the rest.
        assert snapshot[-8:] == bytes(8)
    info = state(client, lambda info: not info["rdb_bgsave_in_progress"])
    assert (info["sync_full"], info["total_forks"], info["slave0"]["state"]) == (2, 1, "online")
    # They get the stream when they say that they have loaded that.
    client.set("last", 2)
    for peer in peers:
        peer.say(b"REPLCONF ACK 0")
        assert peer.commands(b"2") == b"SELECT 0 SET later 1 SET last 2"


def test_over_the_disk_one_that_comes_later_gets_the_same(client: Any, connect: Callable[..., Peer]) -> None:
    client.config_set("rdb-key-save-delay", 100)
    first = connect(b"PSYNC ? -1")
    place = first.line()
    info = state(client, lambda info: info["rdb_bgsave_in_progress"])
    assert info["slave0"]["state"] == "wait_bgsave"
    client.set("later", 1)
    second = connect(b"PSYNC ? -1")
    assert second.line() == place
    for peer in (first, second):
        announced = peer.line()
        assert keys_in(peer.file.read(int(announced[1:]))) == KEYS
        assert peer.commands(b"1") == b"SELECT 0 SET later 1"
    info = state(client, lambda info: not info["rdb_bgsave_in_progress"])
    assert (info["sync_full"], info["total_forks"]) == (2, 1)


@pytest.mark.parametrize("capabilities", [b"eof", b"psync2"])
def test_without_replicas_the_child_is_of_no_use(
    client: Any, connect: Callable[..., Peer], capabilities: bytes
) -> None:
    client.config_set("rdb-key-save-delay", 1_000_000)
    client.config_set("repl-diskless-sync-delay", 0)
    peer = connect(b"REPLCONF capa " + capabilities, b"PSYNC ? -1")
    state(client, lambda info: info["rdb_bgsave_in_progress"])
    peer.close()
    state(client, lambda info: not info["rdb_bgsave_in_progress"] and not info["connected_slaves"])


def test_with_save_points_the_file_is_the_snapshot(
    client: Any, connect: Callable[..., Peer], path: str
) -> None:
    client.config_set("save", "3600 1000000")
    client.set("a", 1)
    peer = connect(b"PSYNC ? -1")
    state(client, lambda info: info["rdb_bgsave_in_progress"])
    peer.close()
    info = state(client, lambda info: not info["rdb_bgsave_in_progress"])
    assert info["rdb_changes_since_last_save"] == 0
    client.config_set("save", "")
    assert os.path.exists(os.path.join(os.path.dirname(path), "dump.rdb"))


def test_data_that_are_deleted_are_not_sent(client: Any, connect: Callable[..., Peer]) -> None:
    client.config_set("rdb-key-save-delay", 1_000_000)
    peer = connect(b"PSYNC ? -1")
    assert peer.line().startswith(b"+FULLRESYNC ")
    state(client, lambda info: info["rdb_bgsave_in_progress"])
    client.flushall()
    assert not peer.file.read()
    assert not client.info()["rdb_bgsave_in_progress"]


def test_little_is_sent_at_once(client: Any, connect: Callable[..., Peer]) -> None:
    client.flushall()
    client.set("a", 1)
    peer = connect(b"PSYNC ? -1")
    assert peer.line().startswith(b"+FULLRESYNC ")
    assert keys_in(peer.file.read(int(peer.line()[1:]))) == 1
    assert client.info()["total_forks"] == 0
