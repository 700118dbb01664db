"""The places to listen, used: TLS, unix sockets, and sockets that systemd has opened."""

from __future__ import annotations

import datetime
import ipaddress
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import LONG

ROOT = Path(__file__).resolve().parent.parent


class Server:
    """resp-server in a process of its own."""

    def __init__(self, *options: str, pass_fds: Sequence[int] = (), prelude: str = "") -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        start = f"{prelude}\nfrom twisted_resp.__main__ import main\nmain({list(options)!r})"
        self.process = subprocess.Popen(
            [sys.executable, "-c", start],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            cwd=ROOT,
            pass_fds=pass_fds,
        )
        output = self.process.stdout
        assert output is not None
        #: Where it listens, as it says itself.
        self.addresses: list[str] = []
        while not (line := output.readline()).rstrip().endswith("Server initialized"):
            assert line, "it did not start"
            if "Listening on " in line:
                self.addresses = line.rpartition(" on ")[2].strip().split(", ")

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(LONG)
        assert self.process.stdout is not None
        rest = self.process.stdout.read()
        self.process.stdout.close()
        assert "Traceback" not in rest, rest

    def port(self, number: int = 0) -> int:
        return int(self.addresses[number].rpartition(":")[2])


class Certificate(NamedTuple):
    """A self-signed certificate for 127.0.0.1, and its key: both files of PEM."""

    certificate: str
    key: str


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    pytest.importorskip("OpenSSL", reason="TLS in Twisted needs pyOpenSSL")
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    directory = tmp_path_factory.mktemp("tls")
    (directory / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return Certificate(str(directory / "cert.pem"), str(directory / "key.pem"))


@pytest.fixture(scope="module")
def tls_server(certificate: Certificate) -> Iterator[Server]:
    """A server with TLS and nothing else, shared: starting one takes longer than most tests."""
    with Server(
        "--no-tcp", "--tls-port", "0", "--tls-cert", certificate.certificate, "--tls-key", certificate.key
    ) as server:
        yield server


def debug_a_script(debugger: socket.socket, other: socket.socket, mode: str) -> None:
    """Go through a session. In a fork it keeps nobody waiting, and changes nothing."""
    pytest.importorskip("lupa", reason="scripts need Lua")

    def ask(client: socket.socket, *words: str) -> str:
        request = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        client.sendall(request.encode())
        return client.recv(1000).decode()

    with debugger, other:
        assert ask(other, "DEL", "k")
        assert ask(debugger, "SCRIPT", "DEBUG", mode) == "+OK\r\n"
        stopped = ask(debugger, "EVAL", "redis.call('set', 'k', 'v')\nreturn 'done'", "0")
        assert stopped.startswith("*2\r\n+* Stopped at 1, stop reason = step over\r\n+-> 1   redis.call(")
        assert "+<redis> set k v\r\n" in ask(debugger, "step")
        if mode == "YES":
            assert ask(other, "GET", "k") == "$-1\r\n"
        rest = ask(debugger, "continue")
        while data := debugger.recv(1000):
            rest += data.decode()
        assert rest == "*1\r\n+<endsession>\r\n$4\r\ndone\r\n"
        assert ask(other, "GET", "k") == ("$-1\r\n" if mode == "YES" else "$1\r\nv\r\n")


class TestTls:
    @pytest.fixture
    def server(self, tls_server: Server) -> Server:
        return tls_server

    @pytest.fixture(params=[2, 3])
    def client(
        self, server: Server, certificate: Certificate, request: pytest.FixtureRequest
    ) -> Iterator[Any]:
        redis = pytest.importorskip("redis")
        with redis.Redis(
            host="127.0.0.1",
            port=server.port(),
            ssl=True,
            ssl_ca_certs=certificate.certificate,
            protocol=request.param,
        ) as client:
            client.flushall()
            yield client

    def connect(self, server: Server, certificate: Certificate) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=certificate.certificate)
        plain = socket.create_connection(("127.0.0.1", server.port()), timeout=LONG)
        return context.wrap_socket(plain, server_hostname="127.0.0.1")

    def test_small_and_large_values(self, client: Any) -> None:
        for size in (0, 1, 16_000, 16_384, 131_072, 131_073, 1_000_000, 20_000_000):
            value = os.urandom(min(size, 1 << 20)) * max(1, size >> 20)
            assert client.set("k", value)
            assert client.get("k") == value
        value = os.urandom(300_000)
        client.set("k", value)
        assert client.mget(["k", "none"] * 20) == [value, None] * 20

    def test_pipelines(self, client: Any) -> None:
        pipeline = client.pipeline(transaction=False)
        for number in range(5000):
            pipeline.rpush("l", number)
        pipeline.lrange("l", 0, -1)
        *numbers, everything = pipeline.execute()
        assert numbers == list(range(1, 5001))
        assert everything == [b"%d" % number for number in range(5000)]

    def test_blocking_and_subscribing(self, client: Any) -> None:
        assert client.blpop("none", timeout=0.01) is None
        with client.pubsub(ignore_subscribe_messages=True) as subscriber:
            subscriber.subscribe("c")
            while client.publish("c", "x" * 300_000) == 0:
                subscriber.get_message(timeout=0.01)
            message = None
            while message is None:
                message = subscriber.get_message(timeout=LONG)
            assert message["data"] == b"x" * 300_000

    def test_a_reader_that_takes_its_time(self, server: Server, certificate: Certificate) -> None:
        with self.connect(server, certificate) as slow, self.connect(server, certificate) as other:
            slow.sendall(b"SET k " + b"v" * 60_000 + b"\r\n" + b"GET k\r\n" * 500 + b"SET done 1\r\n")
            # All of it is asked for; much of it waits at the server.
            other.sendall(b"PING\r\n")
            assert other.recv(100) == b"+PONG\r\n"
            reply = b"$60000\r\n" + b"v" * 60_000 + b"\r\n"
            expected = b"+OK\r\n" + reply * 500 + b"+OK\r\n"
            received = bytearray()
            while len(received) < len(expected):
                data = slow.recv(1 << 16)
                assert data
                received += data
            assert received == expected

    def test_quit_is_answered(self, server: Server, certificate: Certificate) -> None:
        with self.connect(server, certificate) as client:
            client.sendall(b"SET k v\r\nQUIT\r\nSET k w\r\n")
            answer = b""
            while data := client.recv(100):
                answer += data
            assert answer == b"+OK\r\n+OK\r\n"

    @pytest.mark.parametrize("mode", ["YES", "SYNC"])
    def test_a_script_is_debugged(self, server: Server, certificate: Certificate, mode: str) -> None:
        debug_a_script(self.connect(server, certificate), self.connect(server, certificate), mode)

    def test_a_subscriber_that_never_reads_is_dropped(self, server: Server, certificate: Certificate) -> None:
        with self.connect(server, certificate) as deaf, self.connect(server, certificate) as other:
            other.sendall(b"CONFIG SET client-output-buffer-limit 'pubsub 2mb 0 0'\r\n")
            assert other.recv(100) == b"+OK\r\n"
            deaf.sendall(b"SUBSCRIBE c\r\n")
            assert deaf.recv(100)
            message = b"*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$500000\r\n" + b"m" * 500_000 + b"\r\n"
            answer, sent = b":1\r\n", 0
            while answer == b":1\r\n":
                other.sendall(message)
                answer = other.recv(100)
                sent += 1
                assert sent < 2000
            assert answer == b":0\r\n"

    def test_whoever_does_not_speak_tls_is_sent_away(self, server: Server, client: Any) -> None:
        with socket.create_connection(("127.0.0.1", server.port()), timeout=LONG) as stranger:
            stranger.sendall(b"*1\r\n$4\r\nPING\r\n")
            try:
                while stranger.recv(1000):
                    pass
            except ConnectionResetError:
                pass
        assert client.ping()

    def test_a_replica_comes_by_tls_with_a_key_that_needs_a_password(
        self, server: Server, certificate: Certificate, tmp_path: Path
    ) -> None:
        from cryptography.hazmat.primitives import serialization

        plain = serialization.load_pem_private_key(Path(certificate.key).read_bytes(), None)
        key = tmp_path / "key.pem"
        key.write_bytes(
            plain.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"secret"),
            )
        )
        context = ssl.create_default_context(cafile=certificate.certificate)
        options = {
            "port": "0",
            "dir": str(tmp_path),
            "replicaof": f"127.0.0.1 {server.port()}",
            "tls-replication": "yes",
            "tls-cert-file": certificate.certificate,
            "tls-key-file": str(key),
            "tls-key-file-pass": "secret",
            "tls-ca-cert-file": certificate.certificate,
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        with (
            Server(*words) as replica,
            socket.create_connection(("127.0.0.1", server.port()), timeout=LONG) as plain_socket,
            context.wrap_socket(plain_socket, server_hostname="127.0.0.1") as client,
        ):
            client.sendall(b"SET by-tls v\r\nWAIT 1 20000\r\n")
            answer = client.recv(100)
            while answer.count(b"\n") < 2:
                answer += client.recv(100)
            assert answer == b"+OK\r\n:1\r\n"
            with socket.create_connection(("127.0.0.1", replica.port()), timeout=LONG) as reader:
                reader.sendall(b"GET by-tls\r\n")
                assert reader.recv(100) == b"$1\r\nv\r\n"

    def test_redis_cli(self, server: Server, certificate: Certificate, redis_cli: str) -> None:
        command = [redis_cli, "-p", str(server.port()), "--tls", "--cacert", certificate.certificate]
        done = subprocess.run([*command, "SET", "k", "v"], capture_output=True, text=True, timeout=LONG)
        if "Unrecognized option" in done.stderr:
            pytest.skip("this redis-cli was built without TLS")
        assert done.stdout == "OK\n"


class TestUnixSockets:
    def test_beside_tcp(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = str(Path(directory) / "s")
            with Server("--port", "0", "--unix", path, "--unix-mode", "600") as server:
                assert server.addresses[1] == f"{path}:0"
                assert Path(path).stat().st_mode & 0o777 == 0o600
                with socket.socket(socket.AF_UNIX) as client:
                    client.settimeout(LONG)
                    client.connect(path)
                    client.sendall(b"SET k v\r\nCLIENT INFO\r\n")
                    answer = client.recv(10_000)
                    assert answer.startswith(b"+OK\r\n")
                    assert b" addr=%b:0 " % path.encode() in answer
                with socket.create_connection(("127.0.0.1", server.port()), timeout=LONG) as client:
                    client.sendall(b"GET k\r\n")
                    assert client.recv(100) == b"$1\r\nv\r\n"
                with socket.socket(socket.AF_UNIX) as debugger:
                    debugger.settimeout(LONG)
                    debugger.connect(path)
                    debug_a_script(
                        debugger, socket.create_connection(("127.0.0.1", server.port()), timeout=LONG), "YES"
                    )
            assert not Path(path).exists()

    def test_by_its_description(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = str(Path(directory) / "s")
            with Server("--listen", f"unix:{path}", "--listen", "tcp:0:interface=127.0.0.1") as server:
                assert len(server.addresses) == 2
                with socket.socket(socket.AF_UNIX) as client:
                    client.settimeout(LONG)
                    client.connect(path)
                    client.sendall(b"PING\r\n")
                    assert client.recv(100) == b"+PONG\r\n"


class TestSystemd:
    """systemd hands over sockets that it listens on: descriptors from 3, and two variables in the environment."""

    @pytest.mark.parametrize("described", ["index=0", "name=resp"])
    def test_a_socket_that_was_opened_before(self, described: str) -> None:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            # What systemd does between fork and exec.
            prelude = (
                "import os\n"
                f"os.dup2({listening.fileno()}, 3)\n"
                "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='resp')"
            )
            # A client may come before the server does.
            with socket.create_connection(listening.getsockname(), timeout=LONG) as early:
                early.sendall(b"PING\r\n")
                with Server(
                    "--listen",
                    f"systemd:domain=INET:{described}",
                    pass_fds=[listening.fileno()],
                    prelude=prelude,
                ) as server:
                    assert server.port() == listening.getsockname()[1]
                    assert early.recv(100) == b"+PONG\r\n"
                    with socket.create_connection(listening.getsockname(), timeout=LONG) as client:
                        client.sendall(b"CONFIG GET port\r\n")
                        assert b"$%d\r\n" % len(str(server.port())) in client.recv(100)


class TestOpenFiles:
    """A shell's usual limit of open files is lower than 10,000 clients need."""

    def test_the_limit_is_raised_as_far_as_it_may_be(self) -> None:
        pytest.importorskip("resource")
        prelude = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (60, 700))"
        with Server("--port", "0", prelude=prelude) as server:
            clients = [
                socket.create_connection(("127.0.0.1", server.port()), timeout=LONG) for _ in range(100)
            ]
            for client in clients:
                client.sendall(b"PING\r\n")
                assert client.recv(100) == b"+PONG\r\n"
            client.sendall(b"CONFIG GET maxclients\r\n")
            assert client.recv(100) == b"*2\r\n$10\r\nmaxclients\r\n$3\r\n668\r\n"
            for client in clients:
                client.close()


def test_the_way_in_makes_no_difference() -> None:
    """All places to listen lead to one server: what comes in by one is heard at the other."""
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "s")
        with Server("--port", "0", "--unix", path) as server, socket.socket(socket.AF_UNIX) as listener:
            listener.settimeout(LONG)
            listener.connect(path)
            listener.sendall(b"SUBSCRIBE c\r\n")
            assert listener.recv(100).endswith(b":1\r\n")
            heard: list[bytes] = []
            thread = threading.Thread(target=lambda: heard.append(listener.recv(100)))
            thread.start()
            with socket.create_connection(("127.0.0.1", server.port()), timeout=LONG) as client:
                client.sendall(b"PUBLISH c m\r\n")
                assert client.recv(100) == b":1\r\n"
            thread.join(LONG)
            assert heard == [b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n"]
