"""Sessions that are written, read, and replayed against this server and a real one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.conftest import LONG, needs_lua
from twisted_resp.errors import CommandError
from twisted_resp.resp import (
    NULL_ARRAY,
    OK,
    QUEUED,
    Attributed,
    BigNumber,
    Map,
    Push,
    SetReply,
    Verbatim,
)
from twisted_resp.testing import ServerThread
from twisted_resp.testing.factory import ControlledFactory
from twisted_resp.testing.normalising import Comparison
from twisted_resp.testing.recording import RecordedCall, RecordingError, from_json, load, to_json
from twisted_resp.testing.replay import ReplayError, main, replay


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with ServerThread() as server:
        yield server


@pytest.fixture
def session(factory: ControlledFactory, connect: Callable[[], Any], reactor: Clock, tmp_path: Path) -> Path:
    """Three clients that do a bit of everything."""
    one, two, three = connect(), connect(), connect()
    one.send(
        "CLIENT SETNAME one", "SET k v", "HSET h f 1 g 2", "HGETALL h", "SADD s a b c d e f", "SMEMBERS s"
    )
    two.send("HELLO 3", "HGETALL h", "ZADD z 1.5 a", "ZSCORE z a", "SPOP s", "TIME", "CLIENT ID")
    three.send("BLPOP l 0", "LPOP k")
    one.send("RPUSH l x")
    one.send("MULTI", "INCR n", "LPOP k", "HGETALL h", "EXEC")
    two.send("SUBSCRIBE c d")
    one.send("PUBLISH c hello")
    two.send("GET k", "UNSUBSCRIBE c d")
    three.send("SUBSCRIBE c")
    one.send("PUBLISH c hello")
    three.send("UNSUBSCRIBE c", "GET k")
    entry_id = one.send("XADD st * f v").split(b"\r\n")[1].decode()
    one.send(
        f"XRANGE st {entry_id} +", f"XDEL st {entry_id}", "CLIENT REPLY OFF", "SET quiet 1", "CLIENT REPLY ON"
    )
    one.send("EVAL return{1,'two'} 0", "AUTH default secret", "EXPIRE k 100", "PTTL k")
    three.send_raw(
        b"*3\r\n$3\r\nSET\r\n$2\r\n\xff\x00\r\n$1\r\n\xfe\r\n*2\r\n$3\r\nGET\r\n$2\r\n\xff\x00\r\n"
    )
    path = tmp_path / "session.jsonl"
    assert factory.journal.save(path) == len(factory.journal.entries())
    return path


def test_the_file(session: Path) -> None:
    calls = load(session)
    lines = [json.loads(line) for line in session.read_text("utf-8").splitlines()]
    assert lines[0] == {
        "format": "twisted-resp session",
        "version": 1,
        "recorded": "2023-11-14T22:13:20+00:00",
    }
    assert lines[2] == {
        "client": 1,
        "at": 0,
        "args": ["SET", "k", "v"],
        "replies": [{"status": "OK"}],
        "name": "one",
    }
    assert lines[-1]["args"] == ["GET", {"base64": "/wA="}]
    assert lines[-1]["replies"] == [{"base64": "/g=="}]
    assert "secret" not in session.read_text("utf-8")
    by_name = {call.args[0]: call for call in calls}
    assert by_name[b"BLPOP"].later == 1
    assert by_name[b"INCR"].replies == [QUEUED]
    assert len(by_name[b"SUBSCRIBE"].replies) == 1
    assert [call.replies for call in calls if call.args[1:2] == [b"quiet"]] == [[]]


def test_against_our_own_server(session: Path, server: ServerThread) -> None:
    assert replay(load(session), server.url, flush=True, timeout=LONG) == []
    assert server.call("GET", "k") == b"v"
    assert server.call("XLEN", "st") == 0
    assert server.call("GET", b"\xff\x00") == b"\xfe"


@needs_lua
def test_against_redis(session: Path, redis_server: Any) -> None:
    url = f"redis://{redis_server.host}:{redis_server.port}"
    assert replay(load(session), url, flush=True, timeout=LONG) == []


def test_differences(session: Path, server: ServerThread) -> None:
    server.call("FLUSHALL")
    server.call("SET", "n", 5)
    server.call("HSET", "h", "other", 1)
    calls = load(session)
    found = replay(calls, server.url)
    assert [difference.call.args for difference in found] == [
        [b"HGETALL", b"h"],
        [b"HGETALL", b"h"],
        [b"EXEC"],
    ]
    assert str(found[-1]).splitlines()[1].startswith("  - [1, CommandError(")
    assert str(found[-1]).splitlines()[2].startswith("  + [6, CommandError(")
    for ignored in ("EXEC", "@transaction"):
        server.call("FLUSHALL")
        server.call("SET", "n", 5)
        assert replay(calls, server.url, ignore=[ignored]) == []
    with pytest.raises(ValueError, match="there is no category @transactions"):
        replay(calls, server.url, ignore=["@transactions"])


def test_the_console_command(session: Path, server: ServerThread, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(session), "--to", server.url, "--flush"]) == 0
    assert capsys.readouterr().out == f"{len(load(session))} commands of 3 clients, 0 replies differ\n"
    assert main([str(session), "--to", server.url]) == 1
    assert "command 3, of client 1: HSET h f 1 g 2\n  - 2\n  + 0\n" in capsys.readouterr().out
    assert main([str(session) + "x", "--to", server.url]) == 2
    assert main([str(session), "--to", "redis://127.0.0.1:1"]) == 2
    assert main([str(session), "--to", "http://127.0.0.1:1"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3
    assert errors[1].startswith("resp-replay: can't connect to redis://127.0.0.1:1: ")
    # A server of its own has no data.
    subprocess.run([sys.executable, "-m", "twisted_resp.testing.replay", str(session)], check=True)


def test_a_password(session: Path) -> None:
    with ServerThread(password="p@ss") as server:
        assert replay(load(session), f"redis://:p%40ss@127.0.0.1:{server.port}") == []
        with pytest.raises(ReplayError, match="can't log in: WRONGPASS"):
            replay([], f"redis://:wrong@127.0.0.1:{server.port}")


def test_a_server_that_does_not_answer(session: Path, server: ServerThread) -> None:
    with (
        server.faults.drop("HSET"),
        pytest.raises(ReplayError, match="no reply to command 3, HSET h f 1 g 2"),
    ):
        replay(load(session), server.url)


@pytest.mark.parametrize(
    "reply",
    [
        None, True, 7, 1.5, float("inf"), b"text", b"\xff", OK, CommandError(b"ERR no"), NULL_ARRAY, [1, [b"x"], None],
        Map([(b"k", [1])]), SetReply([b"a"]), Push([b"message", b"c", b"x"]), BigNumber(b"123"), Verbatim(b"txt", b"t"),
        Attributed(([(b"ttl", 1)], b"v")),
    ],
)  # fmt: skip
def test_replies_survive(reply: Any) -> None:
    again = from_json(json.loads(json.dumps(to_json(reply))))
    assert again == reply
    assert type(again) is type(reply)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no recorded session"),
        ("hello", "is no recorded session"),
        ('{"format": "twisted-resp session", "version": 2}', "of version 2"),
        ('{"format": "twisted-resp session", "version": 1}\n{"client": 1}', "line 2: KeyError"),
        ('{"format": "twisted-resp session", "version": 1}\n{"client": 1, "args": []}', "line 2: ValueError"),
        (
            '{"format": "twisted-resp session", "version": 1}\n{"client": 1, "args": ["X"], "replies": [{"a": 1}]}',
            "line 2: KeyError",
        ),
    ],
)
def test_what_is_no_session(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(RecordingError, match=message):
        load(path)


def test_what_may_differ() -> None:
    def equal(line: str, recorded: Any, got: Any) -> bool:
        return Comparison().equal(RecordedCall(1, 0, line.encode().split(), [recorded]), [got])

    assert equal("TTL k", 10, 9)
    assert not equal("TTL k", 10, b"9")
    assert not equal("TTL k", 10, CommandError(b"ERR no"))
    assert equal("SMEMBERS s", [b"a", b"b"], [b"b", b"a"])
    assert equal("HGETALL h", Map([(b"a", b"1"), (b"b", b"2")]), Map([(b"b", b"2"), (b"a", b"1")]))
    assert not equal("SMEMBERS s", [b"a"], [b"b"])
    assert not equal("LRANGE l 0 -1", [b"a", b"b"], [b"b", b"a"])
    assert equal("INFO", b"a", Verbatim(b"txt", b"b"))
    assert not equal("GET k", b"a", b"b")
    assert not Comparison().equal(RecordedCall(1, 0, [b"GET", b"k"], []), [b"a"])
    comparison = Comparison()
    add = RecordedCall(1, 0, [b"XADD", b"s", b"*", b"f", b"v"], [b"1-1"])
    assert comparison.equal(add, [b"2-7"])
    assert comparison.to_send(RecordedCall(1, 0, [b"XDEL", b"s", b"1-1"], [1])) == [b"XDEL", b"s", b"2-7"]
    read = RecordedCall(1, 0, [b"XRANGE", b"s", b"-", b"+"], [[[b"1-1", [b"f", b"v"]]]])
    assert comparison.equal(read, [[[b"2-7", [b"f", b"v"]]]])
    assert comparison.to_send(RecordedCall(1, 0, [b"AUTH", b"x"], [])) is None
    hello = [b"HELLO", b"3", b"AUTH", b"(hidden)", b"(hidden)", b"SETNAME", b"x"]
    assert comparison.to_send(RecordedCall(1, 0, hello, [])) == [b"HELLO", b"3", b"SETNAME", b"x"]
