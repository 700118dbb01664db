"""ServerThread, as synchronous code uses it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError

from twisted_resp.errors import CommandError
from twisted_resp.testing import ServerThread


def ping(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"PING\r\n")
        return client.recv(100)


def test_it_listens_before_it_returns() -> None:
    with ServerThread(port=0) as server:
        assert ping(server.port) == b"+PONG\r\n"
        port = server.port
    with pytest.raises(ConnectionRefusedError):
        ping(port)


def test_a_second_start_begins_afresh() -> None:
    server = ServerThread()
    for _ in range(3):
        server.start()
        assert server.call("DBSIZE") == 0
        server.call("SET", "k", "v")
        assert ping(server.port) == b"+PONG\r\n"
        server.stop()
    assert not server.running


def test_starting_and_stopping_twice_does_no_harm() -> None:
    server = ServerThread()
    server.stop()
    server.start()
    port = server.port
    server.start()
    assert server.port == port
    server.stop()
    server.stop()


def test_two_at_once_know_nothing_of_each_other() -> None:
    with ServerThread() as one, ServerThread() as other:
        one.call("SET", "k", 1)
        assert other.call("GET", "k") is None
        assert one.port != other.port


def test_any_thread_may_start_and_stop_it() -> None:
    server = ServerThread()
    starter = threading.Thread(target=server.start)
    starter.start()
    starter.join()
    assert ping(server.port) == b"+PONG\r\n"
    stopper = threading.Thread(target=server.stop)
    stopper.start()
    stopper.join()
    assert not server.running


def test_a_taken_port_is_an_error() -> None:
    with ServerThread() as server:
        second = ServerThread(port=server.port)
        with pytest.raises(CannotListenError):
            second.start()
        assert not second.running
        assert ping(server.port) == b"+PONG\r\n"
    with second:  # now the port is free
        assert ping(second.port) == b"+PONG\r\n"


def test_errors_and_replies_cross_the_thread() -> None:
    with ServerThread(databases=2, password=b"pw") as server:
        assert server.call("ECHO", "x") == b"x"
        with pytest.raises(CommandError, match="DB index is out of range"):
            server.call("SELECT", 5)
        assert server.run(lambda: 42) == 42


def test_what_needs_a_running_server_says_so() -> None:
    server = ServerThread()
    for use in (lambda: server.port, lambda: server.url, lambda: server.factory, lambda: server.call("PING")):
        with pytest.raises(RuntimeError, match="not running"):
            use()
    assert "not running" in repr(server)


def test_shutdown_from_a_client_ends_it() -> None:
    server = ServerThread()
    server.start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(b"SHUTDOWN NOSAVE\r\n")
        assert client.recv(100) == b""
    server.stop()


def test_one_that_was_shut_down_starts_again() -> None:
    with ServerThread() as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
            client.sendall(b"SHUTDOWN NOSAVE\r\n")
            assert client.recv(100) == b""
        server.start()
        assert ping(server.port) == b"+PONG\r\n"


def test_a_call_that_waits_when_the_server_stops_is_answered() -> None:
    server = ServerThread()
    server.start()
    outcomes: list[object] = []

    def wait(call: Callable[[], object]) -> None:
        try:
            outcomes.append(call())
        except RuntimeError as error:
            outcomes.append(str(error))

    calls = [lambda: server.call("BLPOP", "l", 0), lambda: server.run(Deferred[None])]
    threads = [threading.Thread(target=wait, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    while server.call("INFO", "clients").count(b"blocked_clients:1") < 1 or len(server._outcomes) < 2:
        pass
    server.stop()
    for thread in threads:
        thread.join(5)
    assert sorted(map(str, outcomes)) == ["None", "the server was stopped"]


def test_its_own_thread_can_not_wait_for_itself() -> None:
    with ServerThread() as server, pytest.raises(RuntimeError, match="own thread"):
        server.run(lambda: server.call("PING"))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc, which Linux has")
def test_nothing_is_left_behind() -> None:
    def descriptors() -> set[str]:
        return set(os.listdir("/proc/self/fd"))

    with ServerThread() as server:
        ping(server.port)
    before, threads = descriptors(), threading.active_count()
    for _ in range(20):
        with ServerThread() as server, socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"PING\r\n")
            client.recv(100)
    assert len(descriptors()) <= len(before)
    assert threading.active_count() == threads
