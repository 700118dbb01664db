"""Files that were damaged at random: they load, or there is one clear error with a place; nothing else happens."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.persistence.servers import Server
from twisted_resp.persistence.append_only_loading import AppendOnlyError
from twisted_resp.persistence.check_append_only import check_append_only
from twisted_resp.persistence.check_rdb import check_rdb
from twisted_resp.persistence.contents import dump_bytes, load_steps
from twisted_resp.persistence.loading import load_now
from twisted_resp.persistence.manifest import ManifestError
from twisted_resp.rdb.format import NEWEST, RdbError
from twisted_resp.text.crc import crc64

FILL: list[tuple[Any, ...]] = [
    ("SET", "string", "value" * 20),
    ("SET", "number", 12345, "PX", 10**12),
    ("RPUSH", "list", "a", 1, "b" * 100, -70000),
    ("SADD", "numbers", 1, 300000),
    ("SADD", "set", "a", "b" * 65),
    ("HSET", "hash", "a", 1, "b", "x" * 70),
    ("HSET", "small hash", "a", 1),
    ("ZADD", "zset", 1.5, "a", 3, "c" * 65),
    ("ZADD", "small zset", 1.5, "a", 3, "c"),
    ("XADD", "stream", "1-1", "f", "v", "g", 1),
    ("XADD", "stream", "2-1", "f", "v", "g", 2),
    ("XGROUP", "CREATE", "stream", "group", "0"),
    ("XREADGROUP", "GROUP", "group", "ann", "COUNT", 1, "STREAMS", "stream", ">"),
    ("MULTI",),
    ("INCR", "number"),
    ("EXEC",),
]
# Bytes that mean something in one format or the other.
TELLING = b"\x00\x01\x7f\x80\x81\xc0\xc3\xc4\xe0\xf0\xf5\xf7\xfa\xfb\xfc\xff*$#\r\n0129-"


def damaged(data: bytes, chance: Random) -> bytes:
    """The data with some bytes changed, added or missing."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        place = chance.randrange(len(out) or 1)
        kind = chance.randrange(4)
        if kind == 0:
            out[place : place + 1] = bytes([chance.choice(TELLING)])
        elif kind == 1:
            del out[place : place + chance.choice((1, 2, 40))]
        elif kind == 2:
            start = chance.randrange(len(out) or 1)
            out[place:place] = out[start : start + chance.randrange(40)]
        else:
            out[place : place + 1] = bytes([chance.randrange(256)])
    return bytes(out)


def refusal(load: Callable[[], object]) -> str:
    """What a file is refused with; empty if it is loaded."""
    try:
        load()
    except (RdbError, AppendOnlyError, ManifestError) as error:
        return str(error)
    return ""


def test_snapshots(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.fill(FILL)
    files = [dump_bytes(server.server), dump_bytes(server.server, NEWEST)]
    chance = Random(1)
    outcomes = []
    for _ in range(150):
        data = damaged(chance.choice(files), chance)
        data = data[:-8] + crc64(data[:-8]).to_bytes(8, "little")
        server.file.write_bytes(data)
        lines: list[str] = []
        status = check_rdb(str(server.file), lines.append)
        steps = load_steps(server.server, data, into=server.server.keyspace.apart())
        refused = refusal(partial(load_now, steps))
        assert not refused or re.search(r"at byte \d+|signature|version|too short", refused)
        # The tool knows of no server that has fewer databases; and does not look whether a key is there twice.
        assert bool(refused) == bool(status) or "there is a database" in refused or "already" in refused
        assert lines
        outcomes.append(bool(refused))
    assert set(outcomes) == {False, True}


@pytest.mark.parametrize("name", ["appendonly.aof.1.incr.aof", "appendonly.aof.manifest"])
def test_append_only_files(tmp_path: Path, name: str) -> None:
    server = Server(tmp_path).start()
    server.fill(FILL)
    server.server.close()
    whole = {file: (server.directory / file).read_bytes() for file in server.files}
    chance = Random(2)
    outcomes = []
    there = Server(tmp_path)
    for _ in range(40):
        for file in server.files:
            (server.directory / file).unlink()
        for file, data in whole.items():
            (server.directory / file).write_bytes(data)
        (server.directory / name).write_bytes(damaged(whole[name], chance))
        lines: list[str] = []
        status = check_append_only(
            str(server.directory / "appendonly.aof.manifest"), False, None, lines.append
        )
        assert lines
        there.call("FLUSHALL")
        refused = refusal(there.start)
        assert "\n" not in refused
        # The tool knows no commands.
        assert status == 1 or not refused or "Unknown command" in refused
        outcomes.append(bool(refused))
        there.server.append_only.disable()
    assert any(outcomes)
