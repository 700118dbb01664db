"""redis-cli: one command a call, its interactive line, mass insertion, scanning, subscribing."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from tests.conftest import LONG
from twisted_resp.testing import ServerThread

Cli = Callable[..., str]


@pytest.fixture
def cli(redis_cli: str, server: ServerThread) -> Cli:
    """Run redis-cli and answer what it prints."""

    def cli(*args: str, given: str | bytes = "", status: int = 0) -> str:
        command = [redis_cli, "-h", server.host, "-p", str(server.port), *args]
        data = given.encode() if isinstance(given, str) else given
        done = subprocess.run(command, input=data, capture_output=True, timeout=LONG)
        assert done.returncode == status, done.stderr
        return (done.stdout + done.stderr).decode()

    return cli


def test_the_debugger(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("lupa", reason="scripts need Lua")
    script = tmp_path / "script.lua"
    script.write_text("local x = redis.call('incr', KEYS[1])\nredis.debug('now', x)\nreturn x + ARGV[1]\n")
    shown = cli(
        "--ldb-sync-mode", "--eval", str(script), "k", ",", "5", given="s\np x\nrestart\nb 3\nc\nr get k\nc\n"
    )
    lines = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in shown.splitlines()]
    assert [line for line in lines if line[:2] in ("* ", "->", "  ") or line[:1] == "<"] == [
        "* Stopped at 1, stop reason = step over",
        "-> 1   local x = redis.call('incr', KEYS[1])",
        "<redis> incr k",
        "<reply> 1",
        "* Stopped at 2, stop reason = step over",
        "-> 2   redis.debug('now', x)",
        "<value> 1",
        # Once more from the start. What was changed stays changed.
        "* Stopped at 1, stop reason = step over",
        "-> 1   local x = redis.call('incr', KEYS[1])",
        "   2   redis.debug('now', x)",
        "  #3   return x + ARGV[1]",
        '<debug> line 2: "now", 2',
        "* Stopped at 3, stop reason = break point",
        "->#3   return x + ARGV[1]",
        "<redis> get k",
        '<reply> "2"',
    ]
    assert "(integer) 7" in lines
    assert "(Lua debugging session ended)" in lines
    assert cli("GET", "k") == "2\n"


class TestOneCommand:
    def test_each_kind_of_reply(self, cli: Cli) -> None:
        assert cli("SET", "k", "v") == "OK\n"
        assert cli("GET", "k") == "v\n"
        assert cli("--no-raw", "GET", "k") == '"v"\n'
        assert cli("--no-raw", "GET", "none") == "(nil)\n"
        assert cli("--no-raw", "RPUSH", "l", "a", "b\n", "c") == "(integer) 3\n"
        assert cli("--no-raw", "LRANGE", "l", "0", "-1") == '1) "a"\n2) "b\\n"\n3) "c"\n'
        assert cli("--no-raw", "LRANGE", "none", "0", "-1") == "(empty array)\n"
        assert cli("--csv", "LRANGE", "l", "0", "-1") == '"a","b\\n","c"\n'
        assert cli("--raw", "LRANGE", "l", "0", "0") == "a\n"
        assert cli("NOPE", "a") == "ERR unknown command 'NOPE', with args beginning with: 'a' \n\n"
        assert cli("-e", "LPUSH", "k", "x", status=1).startswith("WRONGTYPE")

    def test_resp3(self, cli: Cli) -> None:
        cli("HSET", "h", "f", "v")
        assert cli("-3", "--no-raw", "HGETALL", "h") == '1# "f" => "v"\n'
        assert cli("-3", "--no-raw", "SMEMBERS", "none") == "(empty set)\n"
        assert cli("-3", "--no-raw", "GET", "none") == "(nil)\n"
        assert json.loads(cli("--json", "HGETALL", "h")) == {"f": "v"}
        assert "redis_version:" in cli("-3", "INFO", "server")

    def test_options(self, cli: Cli, server: ServerThread) -> None:
        assert cli("-n", "3", "SET", "k", "in 3") == "OK\n"
        assert cli("-n", "3", "GET", "k") == "in 3\n"
        assert cli("-u", f"{server.url}/3", "GET", "k") == "in 3\n"
        assert cli("-x", "SET", "k", given=b"a\0b\n") == "OK\n"
        assert cli("--no-raw", "GET", "k") == '"a\\x00b\\n"\n'
        assert cli("--quoted-input", "GET", '"\\x6b"') == "a\0b\n\n"
        assert cli("-r", "3", "INCR", "n") == "1\n2\n3\n"
        assert "AUTH failed" in cli("-a", "nonsense", "--no-auth-warning", "PING")

    def test_a_password(self, redis_cli: str) -> None:
        with ServerThread(password=b"sesame") as server:
            command = [redis_cli, "-p", str(server.port), "--no-auth-warning"]
            for more, answer in (
                (["PING"], "NOAUTH Authentication required.\n\n"),
                (["-a", "sesame", "PING"], "PONG\n"),
                (["--user", "default", "--pass", "sesame", "-3", "PING"], "PONG\n"),
            ):
                done = subprocess.run([*command, *more], capture_output=True, text=True, timeout=LONG)
                assert done.stdout == answer

    def test_a_unix_socket(self, cli: Cli, server: ServerThread) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = str(Path(directory) / "s")

            def listen() -> Any:
                reactor: Any = server.factory.server.clock
                return reactor.listenUNIX(path, server.factory)

            port = server.run(listen)
            assert cli("-s", path, "PING") == "PONG\n"
            server.run(port.stopListening)


class TestTheInteractiveLine:
    def test_lines(self, cli: Cli) -> None:
        lines = [
            'SET a "quoted \\x41\\n"',
            "GET a",
            "MULTI",
            "INCR n",
            "GET none",
            "EXEC",
            "2 INCR n",
            "HELLO 3",
            "SELECT 2",
            "DBSIZE",
            "BLPOP none 0.01",
            "SET 'unbalanced",
            "CONFIG GET databases",
        ]
        answer = cli(given="\n".join(lines) + "\n")
        # Every line is answered, in this order.
        position = 0
        for part in ("OK", "quoted A\n", "OK", "QUEUED", "QUEUED", "1", "2", "3", "OK", "0", "Invalid", "16"):
            position = answer.index(part, position) + len(part)


class TestMassInsertion:
    def test_resp(self, cli: Cli) -> None:
        data = b"".join(
            b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$1\r\nv\r\n" % (len(key), key)
            for key in (b"key:%d" % number for number in range(20_000))
        )
        assert "errors: 0, replies: 20000\n" in cli("--pipe", given=data)
        assert cli("DBSIZE") == "20000\n"

    def test_inline(self, cli: Cli) -> None:
        data = b"".join(b"RPUSH l %d\r\n" % number for number in range(20_000))
        assert "errors: 0, replies: 20000\n" in cli("--pipe", given=data)
        assert cli("LINDEX", "l", "-1") == "19999\n"

    def test_errors_are_counted(self, cli: Cli) -> None:
        answer = cli("--pipe", given=b"SET a b\r\nNOPE\r\nGET\r\nGET a\r\n", status=1)
        assert "errors: 2, replies: 4\n" in answer


class TestLookingAround:
    def test_scan(self, cli: Cli, server: ServerThread) -> None:
        server.call("MSET", *[word for number in range(500) for word in (f"key:{number}", number)])
        assert len(set(cli("--scan").split())) == 500
        assert sorted(cli("--scan", "--pattern", "key:49?").split()) == [f"key:49{n}" for n in range(10)]

    def test_big_keys(self, cli: Cli, server: ServerThread) -> None:
        server.call("SET", "long", "x" * 1000)
        server.call("RPUSH", "list", *range(50))
        server.call("XADD", "stream", "*", "f", "v")
        answer = cli("--bigkeys")
        assert re.search("Biggest string found .*long.* has 1000 bytes", answer)
        assert re.search("Biggest +list found .*list.* has 50 items", answer)
        assert re.search("Biggest stream found .*stream.* has 1 entries", answer)
        assert "Sampled 3 keys in the keyspace!" in answer

    def test_memory_of_keys(self, cli: Cli, server: ServerThread) -> None:
        server.call("SET", "long", "x" * 1000)
        assert "Sampled 1 keys in the keyspace!" in cli("--memkeys")

    def test_statistics(self, redis_cli: str, server: ServerThread) -> None:
        command = [redis_cli, "-p", str(server.port), "-i", "0.01", "--stat"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert read_until(process, "requests").count("keys") == 1
            process.kill()

    def test_latency(self, cli: Cli) -> None:
        least, most, average, samples = map(float, cli("-i", "0.05", "--latency").split())
        assert 0 <= least <= average <= most
        assert samples >= 1


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """What a program prints, up to this."""
    assert process.stdout is not None
    found = ""
    while text not in found:
        character = process.stdout.read(1)
        assert character, f"it printed no more than {found!r}"
        found += character
    return found


class TestSubscribing:
    @pytest.fixture
    def subscriber(self, redis_cli: str, server: ServerThread) -> Iterator[subprocess.Popen[str]]:
        command = [redis_cli, "-p", str(server.port), "--csv", "SUBSCRIBE", "a", "b"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            yield process
            process.kill()

    def test_it_hears_and_is_forgotten_when_killed(
        self, subscriber: subprocess.Popen[str], server: ServerThread
    ) -> None:
        read_until(subscriber, '"subscribe","b",2')
        assert server.call("PUBLISH", "a", "one") == 1
        read_until(subscriber, '"message","a","one"')
        subscriber.kill()
        while server.call("PUBSUB", "NUMSUB", "a") != [b"a", 0]:
            pass
        assert server.call("PUBLISH", "a", "nobody") == 0

    def test_killed_by_the_server_it_stops(
        self, subscriber: subprocess.Popen[str], server: ServerThread
    ) -> None:
        read_until(subscriber, '"subscribe","b",2')
        assert server.call("CLIENT", "KILL", "TYPE", "pubsub") == 1
        assert subscriber.wait(LONG) != 0


def test_shutdown(cli: Cli, server: ServerThread) -> None:
    cli("SHUTDOWN", "NOSAVE")
    while (
        server.running
    ):  # redis-cli leaves as soon as it is disconnected; the thread has a little more to do
        pass
