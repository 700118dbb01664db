"""ServerThread, as synchronous code uses it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import redis
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


class TestTime:
    def test_timeouts_and_expiry_over_a_socket(self) -> None:
        # Other than redis-py would, it does not send a command again that takes more than 5 s of real time.
        options = {"decode_responses": True, "socket_timeout": None}
        with ServerThread() as server, server.redis_client(**options) as client:
            replies: list[Any] = []
            with server.clock.freeze() as clock:
                client.set("key", "value", px=2500)
                stands = client.time()
                waits = threading.Thread(target=lambda: replies.append(client.blpop("list", 100)))
                waits.start()
                server.wait_for_blocked()
                clock.advance(2.4)
                assert client.pttl("key") == 100
                clock.advance(0.1)
                assert server.call("EXISTS", "key") == 0
                clock.advance(97)
                assert not replies
                clock.advance(0.5)
                waits.join(10)
                assert replies == [None]
                assert client.time()[0] - stands[0] == 100
                assert client.time()[1] == stands[1]
            assert client.time()[0] < stands[0] + 50

    def test_travelling(self) -> None:
        noon = datetime(2040, 5, 1, 12, tzinfo=timezone.utc)
        with ServerThread() as server:
            with server.clock.freeze(noon):
                assert server.call("XADD", "s", "*", "f", "v") == b"%d-0" % (noon.timestamp() * 1000)
                assert server.clock.now() == noon
                assert server.clock.is_frozen
            with server.clock.travel_to(noon):
                assert int(server.call("TIME")[0]) >= noon.timestamp()
                server.clock.freeze()
                server.clock.unfreeze()
            assert int(server.call("TIME")[0]) < noon.timestamp()
            server.clock.travel_to(0)
            server.clock.reset()
            assert int(server.call("TIME")[0]) > 1_700_000_000

    def test_clients_that_do_not_come(self) -> None:
        with ServerThread() as server, pytest.raises(TimeoutError, match="0 of 1 clients are blocked"):
            server.wait_for_blocked(timeout=0.01)


class TestSnapshots:
    def test_going_back(self) -> None:
        with ServerThread() as server:
            server.call("SET", "key", "old")
            with server.snapshot() as outer:
                server.call("SET", "key", "new")
                inner = server.snapshot()
                server.call("FLUSHALL")
                server.rollback(inner)
                assert server.call("GET", "key") == b"new"
                server.release(inner)
                server.reset(outer)
                assert server.call("GET", "key") == b"old"
            assert server.call("GET", "key") == b"old"
            assert server.factory.server.keyspace.on_before == []

    def test_a_reset_closes_what_was_left_unfinished(self) -> None:
        with ServerThread() as server:
            mark = server.snapshot()
            idle, subscribed = redis.Redis(port=server.port), redis.Redis(port=server.port)
            idle.ping()
            messages = subscribed.pubsub()  # type: ignore[no-untyped-call]
            messages.subscribe("channel")
            messages.get_message(timeout=5)
            server.reset(mark)
            assert server.call("PUBSUB", "CHANNELS") == []
            assert len(server.factory.server.clients) == 1
            idle.close()
            messages.close()
            subscribed.close()
