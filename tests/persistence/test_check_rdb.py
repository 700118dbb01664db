"""resp-server --check-rdb: what it finds in a snapshot, and where something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from twisted_resp import RespFactory
from twisted_resp.persistence.check_rdb import check_rdb
from twisted_resp.persistence.tools import run_tool

Check = Callable[[Path], "tuple[int, list[str]]"]


def check(path: Path) -> tuple[int, list[str]]:
    lines: list[str] = []
    return check_rdb(str(path), lines.append), lines


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    clock = Clock()
    clock.advance(1_700_000_000)
    factory = RespFactory(clock=clock)
    factory.server.directory = bytes(tmp_path)
    for words in (
        ["SET", "a", "1"],
        ["SET", "old", "1", "PX", 10],
        ["RPUSH", "list", "x"],
        ["SADD", "set", "x"],
        ["ZADD", "zset", 1, "x"],
        ["XADD", "stream", "1-1", "f", "v"],
        ["HSET", "hash", "f", "v"],
        ["SELECT", 3],
        ["SET", "long", "to be or not to be " * 10],
        ["SAVE"],
    ):
        factory.call(*words)
    return tmp_path / "dump.rdb"


def test_what_is_inside(snapshot: Path) -> None:
    status, lines = check(snapshot)
    size = snapshot.stat().st_size
    assert status == 0
    assert lines[0] == f"[offset 0] Checking RDB file {snapshot}"
    assert lines[1] == "[offset 26] AUX FIELD redis-ver = '7.4.1'"
    assert f"[offset {size}] Checksum OK" in lines
    assert f"[offset {size}] \\o/ RDB looks OK! \\o/" in lines
    assert lines[-6:] == [
        "[info] 8 keys read",
        "[info] 1 expires",
        "[info] 1 already expired",
        "[info] RDB version 10 (Redis)",
        "[info] db 0: 2 string, 1 list, 1 set, 1 zset, 1 hash, 1 stream; 1 expire",
        "[info] db 3: 1 string; 0 expire",
    ]


def test_every_cut_is_told_with_its_place(snapshot: Path, tmp_path: Path) -> None:
    data = snapshot.read_bytes()
    cut = tmp_path / "cut.rdb"
    for size in range(len(data)):
        cut.write_bytes(data[:size])
        status, lines = check(cut)
        assert status == 1
        assert "--- RDB ERROR DETECTED ---" in lines


def test_where_it_is_wrong(snapshot: Path) -> None:
    data = snapshot.read_bytes()
    place = data.index(b"\x04list") - 1
    snapshot.write_bytes(data[:place] + b"\x63" + data[place + 1 :])
    status, lines = check(snapshot)
    assert status == 1
    error = lines.index("--- RDB ERROR DETECTED ---")
    assert lines[error + 1 : error + 5] == [
        f"[offset {place + 6}] unknown type of value 99",
        f"[additional info] While reading what begins at offset {place}",
        "[additional info] Reading key 'list'",
        "[additional info] Reading type 99 (unknown)",
    ]


def test_a_wrong_checksum(snapshot: Path) -> None:
    data = snapshot.read_bytes()
    snapshot.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    status, lines = check(snapshot)
    assert status == 1
    assert any("RDB CRC error" in line for line in lines)


def test_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_tool(["--check-rdb", str(tmp_path / "none")]) == 1
    assert "No such file or directory" in capsys.readouterr().out
    assert run_tool(["--check-rdb"]) == 1
    assert "Usage: resp-server --check-rdb" in capsys.readouterr().err
    assert run_tool([]) is None
    assert run_tool(["--port", "0"]) is None
