"""Files that end early, at each byte: what was whole is loaded, or there is one clear error."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.persistence.servers import Server
from twisted_resp.persistence.append_only_loading import AppendOnlyError
from twisted_resp.persistence.contents import dump_bytes, load_steps
from twisted_resp.persistence.loading import load_now
from twisted_resp.persistence.manifest import ManifestError
from twisted_resp.rdb import file_reader
from twisted_resp.rdb.format import NEWEST, RdbError

FILL: list[tuple[Any, ...]] = [
    ("SET", "string", "value" * 20),
    ("SET", "expiring", "x", "PX", 10**12),
    ("RPUSH", "list", "a", 1, "b" * 100),
    ("SADD", "numbers", 1, 300000),
    ("SADD", "set", "a", "b" * 65),
    ("HSET", "hash", "a", 1, "b", "x" * 70),
    ("HSET", "small hash", "a", 1),
    ("HPEXPIRE", "small hash", 10**6, "FIELDS", 1, "a"),
    ("ZADD", "zset", 1.5, "a", 3, "c" * 65),
    ("XADD", "stream", "1-1", "f", "v"),
    ("XGROUP", "CREATE", "stream", "group", "0"),
    ("XREADGROUP", "GROUP", "group", "ann", "COUNT", 1, "STREAMS", "stream", ">"),
]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


@pytest.mark.parametrize("version", [0, NEWEST])
def test_a_snapshot(server: Server, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    server.fill(FILL)
    data = dump_bytes(server.server, version)
    for size in range(len(data)):
        into = server.server.keyspace.apart()
        with pytest.raises(RdbError, match=r"at byte \d+: |too short for an RDB file") as raised:
            load_now(load_steps(server.server, data[:size], into=into))
        place = re.search(r"at byte (\d+)", str(raised.value))
        assert place is None or int(place[1]) <= size
    # The checksum takes the data in as they are read, piece by piece.
    monkeypatch.setattr(file_reader, "_CHUNK", 16)
    damaged = data.replace(b"small hash", b"small hush")
    for each, outcome in ((data, nullcontext()), (damaged, pytest.raises(RdbError, match="RDB CRC error"))):
        with outcome:
            load_now(load_steps(server.server, each, into=server.server.keyspace.apart()))


@pytest.mark.parametrize("as_rdb", [True, False])
def test_the_base_of_an_append_only_file(server: Server, tmp_path: Path, as_rdb: bool) -> None:
    server.fill(FILL[:4])
    server.call("CONFIG", "SET", "aof-use-rdb-preamble", "yes" if as_rdb else "no", "appendonly", "yes")
    server.server.close()
    path = server.directory / f"appendonly.aof.1.base.{'rdb' if as_rdb else 'aof'}"
    data = path.read_bytes()
    whole = {end for end in range(len(data)) if not as_rdb and data[end : end + 1] == b"*"}
    there = Server(tmp_path)
    for size in range(1, len(data)):
        path.write_bytes(data[:size])
        there.call("FLUSHALL")
        if size in whole:
            # It is not to be seen that something is missing: the base is written beside, and never cut off.
            there.start().server.append_only.disable()
            continue
        with pytest.raises(AppendOnlyError, match=re.escape(path.name)):
            there.start()
        assert path.stat().st_size == size


def test_the_manifest(server: Server, tmp_path: Path) -> None:
    server.start()
    server.call("SET", "a", 1)
    server.server.close()
    path = server.directory / "appendonly.aof.manifest"
    text = path.read_bytes()
    there = Server(tmp_path)
    for size in range(len(text)):
        path.write_bytes(text[:size])
        if text[:size].endswith(b"\n"):
            continue  # with a line less it is another one, and whole
        with pytest.raises(ManifestError, match=r"empty AOF manifest|Reading the manifest file"):
            there.start()
    path.write_bytes(text)
    assert there.start().call("GET", "a") == b"1"
    there.server.close()
