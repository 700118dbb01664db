"""The ways in from outside: options, the service, the processes that people start."""

from __future__ import annotations

import os
import re
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

from tests.conftest import LONG
from twisted_resp import RespFactory
from twisted_resp.server.configuration_file import ConfigurationError
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
        assert options().lines() == b"bind 127.0.0.1\n"
        assert options().endpoints() == []

    def test_many_places_to_listen(self, tmp_path: Path) -> None:
        path = tmp_path / "a:b.sock"
        lines = options(
            "--port", "7000", "--interface", "127.0.0.1", "--interface", "::1", "--unix", str(path)
        ).lines()
        assert lines.decode().splitlines() == [
            'bind "127.0.0.1" "::1"',
            f'unixsocket "{path}"',
            "unixsocketperm 700",
            'port "7000"',
        ]
        listening = options("--listen", "tcp:1", "--listen", "tcp:2", "--port", "3")
        assert [name for _, name in listening.endpoints()] == ["tcp:1", "tcp:2"]
        assert listening.lines().endswith(b"port 0\n")

    @pytest.mark.parametrize(
        ("argv", "directives", "config"),
        [
            (["-p", "7000"], ["--port", "7000"], None),
            (
                ["/x.conf", "loglevel", "verbose", "--port", "1"],
                ["loglevel", "verbose", "--port", "1"],
                "/x.conf",
            ),
            (["--port=7000", "--unix", "u"], ["--port=7000"], None),
            (
                ["--save", "3600", "1", "60", "100", "-p", "1"],
                ["--save", "3600", "1", "60", "100", "--port", "1"],
                None,
            ),
            (["--save", "--port", "1"], ["--save", "--port", "1"], None),
            (["--requirepass", "--odd--"], ["--requirepass", "--odd--"], None),
            (["/x.conf", "--maxmemory", "1mb"], ["--maxmemory", "1mb"], "/x.conf"),
            (["--config", "/x.conf", "--maxmemory 1mb"], ["--maxmemory 1mb"], "/x.conf"),
        ],
    )
    def test_what_is_said_in_the_way_of_redis(
        self, argv: list[str], directives: list[str], config: str | None
    ) -> None:
        parsed = options(*argv)
        assert parsed.directives == directives
        assert parsed["config"] == config

    @pytest.mark.parametrize(
        ("argv", "any_port"),
        [
            (["--port", "0"], {b"port"}),
            (["--tls-port=0"], {b"tls-port"}),
            (["--no-tcp", "--unix", "u"], set()),
            (["/x.conf", "--port", "0"], set()),
            (["--port", "0", "--unixsocket", "u"], set()),
        ],
    )
    def test_port_0_is_any_port_unless_there_is_a_file(self, argv: list[str], any_port: set[bytes]) -> None:
        assert options(*argv).any_port == any_port

    @pytest.mark.parametrize(
        ("argv", "message"),
        [
            (["--unix-mode", "9"], "--unix-mode must be octal"),
            (["--no-tcp"], "nothing to listen on"),
            (["--listen", "nonsense"], "nonsense"),
            (["--port", "1", "-z"], "-z"),
            (["a.conf", "--config", "b.conf"], "Unexpected argument: a.conf"),
        ],
    )
    def test_what_makes_no_sense_is_one_clear_line(self, argv: list[str], message: str) -> None:
        with pytest.raises(usage.UsageError) as raised:
            options(*argv)
        assert message in str(raised.value)
        assert "\n" not in str(raised.value)

    @pytest.mark.parametrize(
        ("argv", "message"),
        [
            (["--nonsense"], "Bad directive or wrong number of arguments"),
            (["--port", "x"], "argument couldn't be parsed into an integer"),
            (["--port", "70000"], "argument must be between 0 and 65535 inclusive"),
            (["--databases", "0"], "argument must be between 1 and"),
            (["--dir", "/no/such/directory"], "No such file or directory"),
            (["--dbfilename", "a/b"], "dbfilename can't be a path"),
            (["/no/such.conf"], "can't open config file '/no/such.conf': No such file or directory"),
        ],
    )
    def test_a_directive_that_will_not_do(self, argv: list[str], message: str) -> None:
        with pytest.raises(ConfigurationError, match=re.escape(message)):
            make_service(options(*argv))

    def test_nowhere_to_listen(self) -> None:
        service = make_service(options("--bind", "-192.0.2.1", "--port", "6379"), exit_on_error=False)
        with pytest.raises(ListenError, match=r"Configured to not listen anywhere, exiting\."):
            service.startService()

    def test_emulate(self) -> None:
        assert make_service(options("--emulate", "valkey-8")).factory.server.flavour.name == "valkey-8"
        assert make_service(options()).factory.server.flavour.name == ""
        with pytest.raises(usage.UsageError, match="there is no flavour 'redis-5'"):
            options("--emulate", "redis-5")

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


def read_until_ready(process: subprocess.Popen[str]) -> str:
    """What a server logs until it has started."""
    text = ""
    assert process.stdout is not None
    while "Ready to accept connections" not in text:
        line = process.stdout.readline()
        assert line, f"it did not start: {text}"
        text += line
    return text


def listening_on(log: str) -> int:
    """The port that a server says it listens on."""
    found = re.search(r"Listening on .*?:(\d+)", log)
    assert found is not None, log
    return int(found[1])


class TestProcesses:
    def test_resp_server(self, tmp_path: Path) -> None:
        """It says that it is ready, serves, and ends with SHUTDOWN."""
        with start("-m", "twisted_resp", "--port", "0", "--dir", str(tmp_path)) as process:
            assert process.stdout is not None
            text = read_until_ready(process)
            assert re.search(f" PID: {process.pid}.*Server initialized", text, re.DOTALL)
            assert re.match(rf"{process.pid}:C \d\d \w{{3}} \d{{4}} \d\d:\d\d:\d\d\.\d{{3}} \* ", text)
            port = listening_on(text)
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"PING\r\n")
                assert client.recv(100) == b"+PONG\r\n"
                client.sendall(b"SHUTDOWN NOSAVE\r\n")
                assert client.recv(100) == b""
            assert process.wait(LONG) == 0

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_signals_end_it_cleanly(self, number: signal.Signals) -> None:
        with start("-m", "twisted_resp", "--port", "0") as process:
            assert process.stdout is not None
            port = listening_on(read_until_ready(process))
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"PING\r\n")
                assert client.recv(100) == b"+PONG\r\n"
                process.send_signal(number)
                assert client.recv(100) == b""
            assert process.wait(LONG) in (0, -number, 128 + number)

    def test_a_signal_under_twistd_saves_as_redis_does(self, tmp_path: Path) -> None:
        twistd = "import sys; from twisted.scripts.twistd import run; sys.argv[0] = 'twistd'; run()"
        options = ("--port", "0", "--dir", str(tmp_path), "--save", "3600 1")
        with start("-c", twistd, "-n", "--pidfile=", "resp", *options) as process:
            port = listening_on(read_until_ready(process))
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"SET a b\r\n")
                assert client.recv(100) == b"+OK\r\n"
                process.send_signal(signal.SIGTERM)
                assert client.recv(100) == b""
            assert process.stdout is not None
            log = process.stdout.read()
            assert process.wait(LONG) == 0
        assert "Received SIGTERM scheduling shutdown..." in log
        assert "Saving the final RDB snapshot before exiting." in log
        assert (tmp_path / "dump.rdb").exists()

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
            output, _ = process.communicate(timeout=LONG)
        assert process.returncode == 1
        assert f"Failed listening on port {taken_port} (tcp), aborting: Addr" in output
        assert "Traceback" not in output

    def test_a_bad_option_ends_it_with_a_clear_line(self) -> None:
        with start("-m", "twisted_resp", "--port", "x") as process:
            output, _ = process.communicate(timeout=LONG)
        assert process.returncode == 1
        assert output.splitlines() == [
            "",
            "*** FATAL CONFIG FILE ERROR (Redis 7.4.1) ***",
            "Reading the configuration file, at line 3",
            ">>> 'port \"x\"'",
            "argument couldn't be parsed into an integer",
        ]
        assert "Traceback" not in output
