"""Bad input and bad manners over real sockets: whatever one client does, the next one is served."""

from __future__ import annotations

import contextlib
import os
import random
import re
import resource
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import LONG
from tests.wire import request
from twisted_resp.testing import ServerThread

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def server() -> Iterator[ServerThread]:
    with ServerThread(port=0) as server:
        yield server
        with connect(server) as client:
            client.sendall(b"PING\r\n")
            assert client.recv(100) == b"+PONG\r\n"


def connect(server: ServerThread) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=LONG)


def read(client: socket.socket, size: int) -> bytes:
    """So many bytes."""
    received = bytearray()
    while len(received) < size:
        data = client.recv(min(size - len(received), 1 << 20))
        assert data, f"the connection ended after {bytes(received[-100:])!r}"
        received += data
    return bytes(received)


def read_all(client: socket.socket) -> bytes:
    """Everything until the connection ends, by FIN or by RST."""
    received = bytearray()
    try:
        while data := client.recv(1 << 16):
            received += data
    except ConnectionResetError:
        pass
    return bytes(received)


def until(condition: object) -> None:
    """Ask until it is so."""
    assert callable(condition)
    pause = threading.Event()
    for _ in range(LONG * 100):
        if condition():
            return
        pause.wait(0.01)
    pytest.fail("it never came to that")


def vanish(client: socket.socket) -> None:
    """Be gone without a farewell: RST instead of FIN."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def connected(server: ServerThread) -> int:
    count: int = server.run(lambda: len(server.factory.server.clients))
    return count


def waiting(server: ServerThread) -> int:
    count: int = server.run(lambda: len(server.factory.server.waiting))
    return count


class TestNonsense:
    def test_random_bytes(self, server: ServerThread) -> None:
        chance = random.Random(7)
        for round_ in range(150):
            data = chance.randbytes(chance.choice((1, 20, 300, 5000, 100_000)))
            if round_ % 3 == 1:
                data = b"*" + data
            elif round_ % 3 == 2:
                data = b"*2\r\n$" + data
            with connect(server) as client:
                try:
                    client.sendall(data)
                    client.shutdown(socket.SHUT_WR)
                except OSError:
                    continue  # refused in the middle of it
                read_all(client)
        until(lambda: connected(server) == 0)

    def test_mangled_requests(self, server: ServerThread) -> None:
        """Almost right is harder than nonsense."""
        chance = random.Random(8)
        good = b"".join(
            request(b"SET", b"key:%d" % number, b"value\r\n" * number)
            + request(b"GET", b"key:1")
            + b"PING\r\n"
            for number in range(10)
        )
        for _ in range(300):
            data = bytearray(good)
            for _ in range(chance.randint(1, 4)):
                place = chance.randrange(len(data))
                action = chance.randrange(4)
                if action == 0:
                    data[place] = chance.randrange(256)
                elif action == 1:
                    del data[place : place + chance.randint(1, 5)]
                elif action == 2:
                    data[place:place] = chance.randbytes(chance.randint(1, 5))
                else:
                    data[place:place] = chance.choice((b"\r\n", b"*", b"$", b"-1", b"0", b"9999999999", b'"'))
            with connect(server) as client:
                try:
                    client.sendall(data)
                    client.shutdown(socket.SHUT_WR)
                except OSError:
                    continue
                # Replies, each of a kind that there is; at most one of them names a protocol error, the last.
                answer = read_all(client)
                assert not answer or answer[:1] in b"+-$:*"
                assert answer.count(b"-ERR Protocol error") <= 1

    @pytest.mark.parametrize(
        ("data", "answer"),
        [
            (b"*1000000000000\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
            (b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
            (b"*1\r\n$536870913\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
            (b"*1\r\n$-5\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
            (b"*1\r\nPING\r\n", b"-ERR Protocol error: expected '$', got 'P'\r\n"),
            (b'GET "unbalanced\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n"),
            (b"PING\r\n" + b"a" * 70_000, b"+PONG\r\n-ERR Protocol error: too big inline request\r\n"),
            (b"*" + b"1" * 70_000, b"-ERR Protocol error: too big mbulk count string\r\n"),
            (b"*1\r\n$" + b"1" * 70_000, b"-ERR Protocol error: too big bulk count string\r\n"),
        ],
    )
    def test_what_can_not_be_is_told(self, server: ServerThread, data: bytes, answer: bytes) -> None:
        with connect(server) as client:
            with contextlib.suppress(OSError):  # it hangs up as soon as it has seen enough
                client.sendall(data)
            assert read_all(client) == answer

    def test_requests_that_are_empty(self, server: ServerThread) -> None:
        with connect(server) as client:
            client.sendall(b"*0\r\n\r\n*-1\r\n   \r\n*-100\r\n" + request(b"PING"))
            assert client.recv(100) == b"+PONG\r\n"

    def test_a_request_cut_short(self, server: ServerThread) -> None:
        whole = request(b"SET", b"key", b"value")
        for size in range(1, len(whole)):
            with connect(server) as client:
                client.sendall(whole[:size])
                client.shutdown(socket.SHUT_WR)
                assert read_all(client) == b""
        assert server.call("DBSIZE") == 0

    def test_requests_from_other_worlds(self, server: ServerThread) -> None:
        """Redis drops whoever speaks HTTP to it: somebody's browser may have been talked into that."""
        http = b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET k v\r\n"
        tls = bytes.fromhex("16030100c8010000c40303") + bytes(200)
        for data in (http, tls):
            with connect(server) as client:
                client.sendall(data)
                with contextlib.suppress(OSError):  # it may be gone already
                    client.shutdown(socket.SHUT_WR)
                read_all(client)
        assert server.call("EXISTS", "k") == 0

    def test_one_byte_at_a_time(self, server: ServerThread) -> None:
        with connect(server) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            data = request(b"SET", b"k", b"a\r\nb") + b"ECHO inline\r\n" + request(b"GET", b"k") + b"PING\n"
            for place in range(len(data)):
                client.sendall(data[place : place + 1])
            answer = b"+OK\r\n$6\r\ninline\r\n$4\r\na\r\nb\r\n+PONG\r\n"
            assert read(client, len(answer)) == answer

    def test_both_kinds_of_request_by_turns(self, server: ServerThread) -> None:
        with connect(server) as client:
            data = b"".join(b"INCR n\r\n" + request(b"INCR", b"n") for _ in range(1000))
            answer = b"".join(b":%d\r\n" % number for number in range(1, 2001))
            sender = threading.Thread(target=client.sendall, args=(data,))
            sender.start()
            assert read(client, len(answer)) == answer
            sender.join(LONG)


class TestBadManners:
    def test_whoever_vanishes_while_blocked_takes_nothing(self, server: ServerThread) -> None:
        with connect(server) as gone:
            gone.sendall(request(b"BLPOP", b"l", b"0") + request(b"SET", b"later", b"1"))
            until(lambda: waiting(server) == 1)
            vanish(gone)
        until(lambda: waiting(server) == 0)
        assert server.call("RPUSH", "l", "x") == 1
        assert server.call("LPOP", "l") == b"x"
        assert server.call("EXISTS", "later") == 0
        assert connected(server) == 0

    def test_many_that_vanish_at_the_same_time(self, server: ServerThread) -> None:
        clients = [connect(server) for _ in range(200)]
        for number, client in enumerate(clients):
            kind = number % 5
            if kind == 0:
                client.sendall(request(b"BLPOP", b"l", b"0"))
            elif kind == 1:
                client.sendall(request(b"SUBSCRIBE", b"c") + request(b"PSUBSCRIBE", b"*"))
            elif kind == 2:
                client.sendall(request(b"WATCH", b"k") + request(b"MULTI") + request(b"SET", b"k", b"v"))
            elif kind == 3:
                client.sendall(request(b"XREAD", b"BLOCK", b"0", b"STREAMS", b"s", b"$"))
            else:
                client.sendall(request(b"SET", b"partial", b"v" * 1000)[:-500])
        until(lambda: waiting(server) == 80)
        until(lambda: server.call("PUBSUB", "NUMSUB", "c") == [b"c", 40])
        for client in clients:
            vanish(client)
        until(lambda: connected(server) == 0)
        assert waiting(server) == 0
        assert server.call("PUBLISH", "c", "nobody") == 0
        assert server.call("RPUSH", "l", "x") == 1
        assert server.call("DBSIZE") == 1

    def test_a_subscriber_that_never_reads_is_dropped(self, server: ServerThread) -> None:
        server.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 4mb 0 0")
        with connect(server) as deaf, connect(server) as listener:
            for client in (deaf, listener):
                client.sendall(request(b"SUBSCRIBE", b"c"))
                assert read(client, 26) == b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n"
                assert read(client, 4) == b":1\r\n"
            message = b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$100000\r\n" + b"m" * 100_000 + b"\r\n"
            receivers, sent = 2, 0
            while receivers == 2:
                receivers = server.call("PUBLISH", "c", "m" * 100_000)
                assert read(listener, len(message)) == message
                sent += 1
                assert sent < 1000
            assert receivers == 1
            assert read_all(deaf)[:3] == b"*3\r"
        assert server.call("INFO", "stats").count(b"client_output_buffer_limit_disconnections:1") == 1
        assert sent * 100_000 > 4_000_000

    def test_a_client_that_never_reads_its_replies(self) -> None:
        """Nothing more is run for it, so what it asks for can't fill our memory; when it reads, it gets all."""
        with ServerThread(high_water_mark=1_000_000) as server:
            server.call("SET", "big", "x" * 100_000)
            with connect(server) as slow, connect(server) as other:
                asked = 300
                slow.sendall(request(b"GET", b"big") * asked + request(b"SET", b"done", b"1"))
                until(lambda: re.search(rb" omem=[1-9]", server.call("CLIENT", "LIST")) is not None)
                other.sendall(request(b"EXISTS", b"done"))
                assert other.recv(100) == b":0\r\n"
                found = re.search(rb" omem=([1-9]\d*)", server.call("CLIENT", "LIST"))
                assert found is not None
                assert int(found[1]) < 2_000_000
                reply = b"$100000\r\n" + b"x" * 100_000 + b"\r\n"
                for _ in range(asked):
                    assert read(slow, len(reply)) == reply
                assert read(slow, 5) == b"+OK\r\n"
                assert server.call("GET", "done") == b"1"

    def test_a_client_that_sends_on_while_it_is_blocked(self, server: ServerThread) -> None:
        """What it sends is not read without end, and is run in order when its turn comes."""
        with connect(server) as eager:
            eager.sendall(request(b"BLPOP", b"l", b"0"))
            until(lambda: waiting(server) == 1)
            block = request(b"ECHO", b"y" * 50_000)
            count = 400

            def send() -> None:
                for _ in range(count):
                    eager.sendall(block)

            sender = threading.Thread(target=send)
            sender.start()
            until(lambda: re.search(rb" qbuf=[1-9]\d{6}", server.call("CLIENT", "LIST")) is not None)
            sender.join(0.05)
            assert sender.is_alive()  # 20 MB are more than we hold and the kernel buffers
            found = re.search(rb" qbuf=([1-9]\d{6,}) ", server.call("CLIENT", "LIST"))
            assert found is not None
            assert int(found[1]) < 3_000_000
            server.call("RPUSH", "l", "x")
            assert read(eager, 18) == b"*2\r\n$1\r\nl\r\n$1\r\nx\r\n"
            reply = b"$50000\r\n" + b"y" * 50_000 + b"\r\n"
            for _ in range(count):
                assert read(eager, len(reply)) == reply
            sender.join(LONG)

    def test_a_client_that_hangs_up_in_the_middle_of_everything(self, server: ServerThread) -> None:
        server.call("SET", "big", "x" * 5_000_000)
        for _ in range(20):
            client = connect(server)
            client.sendall(request(b"GET", b"big") * 5 + request(b"SET", b"k", b"v" * 100_000)[:-7])
            client.recv(1000)
            vanish(client)
        until(lambda: connected(server) == 0)

    def test_half_closed(self, server: ServerThread) -> None:
        """A client that has no more to say still hears the answers to what it said: `printf ... | nc`."""
        with connect(server) as client:
            client.sendall(request(b"SET", b"k", b"v") + request(b"GET", b"k"))
            client.shutdown(socket.SHUT_WR)
            assert read_all(client) == b"+OK\r\n$1\r\nv\r\n"


class Process:
    """A server in a process of its own, so that its memory can be seen."""

    def __init__(self, *options: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "twisted_resp", "--port", "0", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        output = self.process.stdout
        assert output is not None
        while "Ready" not in (line := output.readline()):
            assert line, "it did not start"
            if "Listening on " in line:
                self.port = int(line.rpartition(":")[2])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=LONG)

    def memory(self, field: str = "VmHWM") -> int:
        """Its peak resident memory so far, in bytes (VmRSS: the current one)."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
        raise AssertionError(field)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    if not Path("/proc/self/status").exists():
        pytest.skip("how much memory a process takes is read in /proc, which this system does not have")
    process = Process("--dir", str(tmp_path))
    yield process
    process.process.terminate()
    assert process.process.wait(LONG) is not None
    assert process.process.stdout is not None
    process.process.stdout.close()


class TestMemory:
    def test_nothing_is_allocated_for_a_promise(self, process: Process) -> None:
        with process.connect() as client:
            client.sendall(b"PING\r\n")
            assert client.recv(100) == b"+PONG\r\n"
        before = process.memory()
        promises = [
            b"*1000000000\r\n$3\r\nSET\r\n",
            b"*2147483647\r\n",
            b"*2\r\n$3\r\nGET\r\n$536870912\r\nabc",
        ]
        clients = []
        for number in range(90):
            client = process.connect()
            client.sendall(promises[number % 3])
            clients.append(client)
        with process.connect() as client:
            client.sendall(b"INFO clients\r\n")
            assert b"connected_clients:91" in client.recv(10_000)
        for client in clients:
            client.close()
        assert process.memory() - before < 5_000_000

    def test_a_large_value_costs_about_twice_its_size(self, process: Process) -> None:
        """96 MiB here; 512 MiB behave the same, but take their time on a busy machine."""
        megabytes = 96
        size, piece = megabytes << 20, os.urandom(1 << 20)
        with process.connect() as client:
            client.sendall(b"PING\r\n")
            assert client.recv(100) == b"+PONG\r\n"
            before = process.memory()
            client.sendall(b"*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%d\r\n" % size)
            for _ in range(megabytes):
                client.sendall(piece)
            client.sendall(b"\r\n")
            assert client.recv(100) == b"+OK\r\n"
            client.sendall(request(b"GET", b"big"))
            header = b"$%d\r\n" % size
            assert read(client, len(header)) == header
            for _ in range(megabytes):
                assert read(client, 1 << 20) == piece
            assert read(client, 2) == b"\r\n"
        assert process.memory() - before < 2.2 * size

    def test_ten_thousand_idle_connections(self, process: Process) -> None:
        count = 10_000
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        # The server inherited our limit: what it is without asking. Both ends need a descriptor, each in its process.
        if hard != resource.RLIM_INFINITY and hard < count + 200:
            count = hard - 200
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        resource.prlimit(process.process.pid, resource.RLIMIT_NOFILE, (hard, hard))
        clients: list[socket.socket] = []
        try:
            with process.connect() as first:
                first.sendall(request(b"CONFIG", b"SET", b"maxclients", b"%d" % (count + 100)))
                assert first.recv(1000) == b"+OK\r\n"
                before = process.memory()
                while len(clients) < count - 1:
                    # So many that the queue of connections to accept is never full.
                    clients += [process.connect() for _ in range(min(300, count - 1 - len(clients)))]
                    first.sendall(b"PING\r\n")
                    assert first.recv(100) == b"+PONG\r\n"
                for client in clients[:: count // 50]:
                    client.sendall(request(b"PING"))
                    assert client.recv(100) == b"+PONG\r\n"
                first.sendall(b"INFO clients\r\n")
                assert b"connected_clients:%d\r\n" % count in first.recv(10_000)
                # Less than 6 KB each.
                assert process.memory() - before < 6000 * count
        finally:
            for client in clients:
                client.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        with process.connect() as client:
            client.sendall(request(b"PING"))
            assert client.recv(100) == b"+PONG\r\n"
