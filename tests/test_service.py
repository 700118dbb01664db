"""The ways in from outside: options, the service, the processes that people start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.internet.task import Clock
from twisted.python import usage
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_resp import RespFactory
from twisted_resp.service import ListenError, RespService
from twisted_resp.tap import Options, make_service

ROOT = Path(__file__).resolve().parent.parent


def options(*argv: str) -> Options:
    parsed = Options()
    parsed.parseOptions(list(argv))
    return parsed


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


class TestOptions:
    def test_defaults(self) -> None:
        assert [name for _, name in options().endpoints()] == ["port 6379 (tcp)"]

    def test_many_places_to_listen(self, tmp_path: Path) -> None:
        path = tmp_path / "a:b.sock"
        names = [
            name
            for _, name in options(
                "--port", "7000", "--interface", "127.0.0.1", "--interface", "::1", "--unix", str(path)
            ).endpoints()
        ]
        assert names == ["port 127.0.0.1:7000 (tcp)", "port ::1:7000 (tcp)", f"socket {path}"]
        assert [name for _, name in options("--listen", "tcp:1", "--listen", "tcp:2").endpoints()] == [
            "tcp:1",
            "tcp:2",
        ]

    @pytest.mark.parametrize(
        ("argv", "message"),
        [
            (["--port", "x"], "--port must be a whole number from 0 to 65535"),
            (["--port", "70000"], "--port must be a whole number from 0 to 65535"),
            (["--databases", "0"], "--databases must be a whole number"),
            (["--tls-port", "1"], "--tls-port needs --tls-cert and --tls-key"),
            (["--tls-cert", "x"], "--tls-cert and --tls-key need --tls-port"),
            (["--dir", "/no/such/directory"], "Can't chdir to '/no/such/directory'"),
            (["--dbfilename", "a/b"], "dbfilename can't be a path"),
            (["--no-tcp"], "nothing to listen on"),
            (["--listen", "nonsense"], "nonsense"),
            (["--nonsense"], "--nonsense"),
            (["extra"], "Unexpected argument: extra"),
        ],
    )
    def test_what_makes_no_sense_is_one_clear_line(self, argv: list[str], message: str) -> None:
        with pytest.raises(usage.UsageError) as raised:
            options(*argv)
        assert message in str(raised.value)
        assert "\n" not in str(raised.value)

    def test_what_the_command_line_says_is_what_config_answers(self, tmp_path: Path) -> None:
        service = make_service(
            options("--dir", str(tmp_path), "--dbfilename", "x.rdb", "--databases", "3", "--password", "pw")
        )
        answers: list[object] = []
        service.factory.call("CONFIG", "GET", "dir", "dbfilename", "databases").addCallback(answers.append)
        assert answers == [{b"dir": str(tmp_path).encode(), b"dbfilename": b"x.rdb", b"databases": b"3"}]
        assert service.factory.server.access.password_required


@implementer(IListeningPort)
class StringPort:
    """A port that is none."""

    def __init__(self, host: str, port: int) -> None:
        self.address = IPv4Address("TCP", host, port)
        self.stopped = False

    def startListening(self) -> None:  # noqa: N802
        """It does already."""

    def stopListening(self) -> None:  # noqa: N802
        self.stopped = True

    def getHost(self) -> IPv4Address:
        return self.address


class TestService:
    @pytest_twisted.ensureDeferred  # type: ignore[untyped-decorator]
    async def test_listens_and_stops(self) -> None:
        service = RespService(
            RespFactory(clock=Clock()), [(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"), "port")]
        )
        service.startService()
        (address,) = service.addresses
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)):
            await service.stopService()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))

    @pytest_twisted.ensureDeferred  # type: ignore[untyped-decorator]
    async def test_can_be_started_again(self) -> None:
        service = RespService(
            RespFactory(clock=Clock()), [(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"), "port")]
        )
        for _ in range(2):
            service.privilegedStartService()
            service.startService()
            (address,) = service.addresses
            socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))).close()
            await service.stopService()
            assert service.addresses == []

    def test_an_endpoint_that_takes_its_time(self, logged_failures: list[Failure]) -> None:
        """None of Twisted's own does, but others may."""
        asked: list[Deferred[IListeningPort]] = []

        @implementer(IStreamServerEndpoint)
        class Slow:
            def listen(self, protocolFactory: object) -> Deferred[IListeningPort]:  # noqa: N803
                asked.append(Deferred())
                return asked[-1]

        service = RespService(RespFactory(clock=Clock()), [(Slow(), "one"), (Slow(), "other")])
        service.startService()
        assert service.addresses == []
        asked[0].callback(StringPort("192.0.2.1", 7))
        assert service.addresses == ["192.0.2.1:7"]
        asked[1].errback(OSError("no"))
        assert [failure.type for failure in logged_failures] == [OSError]
        logged_failures.clear()
        service.stopService()
        service.startService()
        service.stopService()
        late = StringPort("192.0.2.1", 8)
        asked[2].callback(late)
        assert service.addresses == []
        assert late.stopped

    def test_a_taken_port_is_an_error_that_names_it(self, taken_port: int) -> None:
        service = RespService(
            RespFactory(clock=Clock()),
            [(TCP4ServerEndpoint(reactor, taken_port, interface="127.0.0.1"), f"port {taken_port} (tcp)")],
        )
        with pytest.raises(
            ListenError, match=rf"Failed listening on port {taken_port} \(tcp\), aborting: Address"
        ):
            service.startService()
        assert service.addresses == []


def start(*command: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=environment,
    )


class TestProcesses:
    def test_resp_server(self, tmp_path: Path) -> None:
        """It says that it is ready, serves, and ends with SHUTDOWN."""
        with start("-m", "twisted_resp", "--port", "0", "--dir", str(tmp_path)) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert "PID: " in first
            port = int(first.rpartition(":")[2])
            assert process.stdout.readline() == "Server initialized\n"
            assert process.stdout.readline().startswith("Ready to accept connections")
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"PING\r\n")
                assert client.recv(100) == b"+PONG\r\n"
                client.sendall(b"SHUTDOWN NOSAVE\r\n")
                assert client.recv(100) == b""
            assert process.wait(10) == 0

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_signals_end_it_cleanly(self, number: signal.Signals) -> None:
        with start("-m", "twisted_resp", "--port", "0") as process:
            assert process.stdout is not None
            port = int(process.stdout.readline().rpartition(":")[2])
            while "Ready" not in process.stdout.readline():
                pass
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"PING\r\n")
                assert client.recv(100) == b"+PONG\r\n"
                process.send_signal(number)
                assert client.recv(100) == b""
            assert process.wait(10) in (0, -number, 128 + number)

    @pytest.mark.parametrize(
        "command",
        [("-m", "twisted_resp"), ("-m", "twisted", "-n"), ("-m", "twisted")],
        ids=["resp", "n", "daemon"],
    )
    def test_a_taken_port_ends_it_with_one_clear_line(
        self, command: tuple[str, ...], taken_port: int, tmp_path: Path
    ) -> None:
        if command[1] == "twisted":
            # What the script twistd does.
            twistd = "import sys; from twisted.scripts.twistd import run; sys.argv[0] = 'twistd'; run()"
            files = ("--pidfile", str(tmp_path / "pid"), "--logfile", str(tmp_path / "log"))
            command = (
                "-c",
                twistd,
                *(command[2:] or files),
                *(("--pidfile=",) if command[2:] else ()),
                "resp",
            )
        with start(*command, "--port", str(taken_port)) as process:
            output, _ = process.communicate(timeout=20)
        assert process.returncode == 1
        assert f"Failed listening on port {taken_port} (tcp), aborting: Address already" in output
        assert "Traceback" not in output

    def test_a_bad_option_ends_it_with_a_clear_line(self) -> None:
        with start("-m", "twisted_resp", "--port", "x") as process:
            output, _ = process.communicate(timeout=20)
        assert process.returncode == 1
        assert output.splitlines()[0].endswith("--port must be a whole number from 0 to 65535")
        assert "Traceback" not in output
