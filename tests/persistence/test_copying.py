"""Copies that are written in turns: they hold what was there at their beginning, whatever changes meanwhile."""

from __future__ import annotations

import errno
import io
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.persistence.servers import Server
from twisted_resp.errors import CommandError
from twisted_resp.persistence import append_only_rewriting, copying, snapshots
from twisted_resp.persistence.append_only_loading import commands_in
from twisted_resp.persistence.contents import load_data
from twisted_resp.persistence.copying import KeyspaceCopy
from twisted_resp.persistence.loading import load_now
from twisted_resp.persistence.sinks import CommandSink, RdbSink
from twisted_resp.rdb.format import NEWEST


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def change(server: Server, random: Random) -> None:
    """Do something to one of a few keys, in one of three databases."""

    def key() -> str:
        return f"key {random.randrange(40)}"

    number = random.randrange(1000)
    words: tuple[object, ...] = random.choice(
        [
            ("SET", key(), number),
            ("APPEND", key(), "x"),
            ("SETRANGE", key(), 2, "yy"),
            ("INCR", key()),
            ("DEL", key()),
            ("UNLINK", key()),
            ("EXPIRE", key(), 1000 + number),
            ("PERSIST", key()),
            ("RENAME", key(), key()),
            ("COPY", key(), key(), "REPLACE"),
            ("MOVE", key(), random.randrange(3)),
            ("RPUSH", key(), number, "b" * 100),
            ("LPOP", key()),
            ("LMOVE", key(), key(), "LEFT", "RIGHT"),
            ("SADD", key(), number, "m"),
            ("SPOP", key()),
            ("SUNIONSTORE", key(), key(), key()),
            ("ZADD", key(), number, f"m{number % 7}"),
            ("ZPOPMIN", key()),
            ("HSET", key(), f"f{number % 5}", number),
            ("HDEL", key(), f"f{number % 5}"),
            ("HPEXPIREAT", key(), 1_800_000_000_000 + number, "FIELDS", 1, f"f{number % 5}"),
            ("XADD", key(), "*", "f", number),
            ("XTRIM", key(), "MAXLEN", 2),
            ("XGROUP", "CREATE", key(), "g", 0),
            ("XREADGROUP", "GROUP", "g", f"c{number % 3}", "COUNT", 1, "STREAMS", key(), ">"),
            ("SETBIT", key(), number, 1),
            ("PFADD", key(), number),
            ("SORT", key(), "ALPHA", "STORE", key()),
            ("SELECT", random.randrange(3)),
            ("SWAPDB", random.randrange(3), random.randrange(3)),
            *([("FLUSHDB",)] if not random.randrange(10) else []),
        ]
    )
    try:
        server.call(*words)
    except CommandError:
        pass  # a wrong type, a key that is not there: the others are many enough


@pytest.mark.parametrize("seed", range(12))
def test_a_copy_is_of_its_beginning(server: Server, tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    for _ in range(400):
        change(server, random)
    before = server.digest()
    parts: list[bytes] = []
    copy = KeyspaceCopy(server.server.keyspace, RdbSink(server.server, parts.append, NEWEST))
    for _ in copy.steps():
        for _ in range(20):
            change(server, random)
    copy.close()
    assert copy.written == copy.total
    assert not server.server.keyspace.on_before
    other = Server(tmp_path)
    load_data(other.server, b"".join(parts))
    assert other.digest() == before
    assert server.digest() != before


def test_as_commands(server: Server, tmp_path: Path) -> None:
    server.call("MSET", "a", 1, "b", 2)
    server.call("SET", "c", 3, "EX", 100)
    server.call("SELECT", 2)
    server.call("SET", "d", 4)
    parts: list[bytes] = []
    copy = KeyspaceCopy(server.server.keyspace, CommandSink(server.server, parts.append))
    server.call("SET", "d", "changed")
    server.call("SELECT", 0)
    server.call("DEL", "a")
    for _ in copy.steps():
        pass
    copy.close()
    assert [command for command, _, _ in commands_in(b"".join(parts))] == [
        [b"SELECT", b"2"],
        [b"SET", b"d", b"4"],
        [b"SELECT", b"0"],
        [b"SET", b"a", b"1"],
        [b"SET", b"c", b"3"],
        [b"PEXPIREAT", b"c", b"1700000100000"],
        [b"SET", b"b", b"2"],
    ]


class TestInTurns:
    """BGSAVE and BGREWRITEAOF where there is a reactor but no forking."""

    @pytest.fixture(autouse=True)
    def turns(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(copying, "_SLICE", 0.0)
        monkeypatch.setattr(snapshots, "can_copy", lambda server: True)
        monkeypatch.setattr(append_only_rewriting, "can_copy", lambda server: True)

    @pytest.fixture
    def filled(self, server: Server) -> Server:
        for number in range(100):
            server.call("SET", f"key {number}", number)
        server.server.configuration[b"rdb-key-save-delay"] = 1000
        return server

    def test_bgsave(self, filled: Server, tmp_path: Path) -> None:
        before = filled.digest()
        assert filled.call("BGSAVE") == b"Background saving started"
        assert filled.info("rdb_bgsave_in_progress") == "1"
        filled.clock.advance(0)
        assert 0 < int(filled.info("current_save_keys_processed")) < 100
        assert filled.info("current_save_keys_total") == "100"
        filled.call("SET", "key 99", "changed")
        filled.call("SET", "key 0", "changed")
        with pytest.raises(CommandError, match="Background save already in progress"):
            filled.call("BGSAVE")
        filled.clock.pump([0.1] * 20)
        assert filled.info("rdb_bgsave_in_progress") == "0"
        assert filled.info("rdb_last_bgsave_status") == "ok"
        # What changed meanwhile is not in it.
        assert filled.info("rdb_changes_since_last_save") == "2"
        assert [path.name for path in tmp_path.iterdir()] == ["dump.rdb"]
        other = Server(tmp_path)
        load_now(other.server.saving.start())
        assert other.digest() == before

    def test_flushall_ends_it(self, filled: Server, tmp_path: Path) -> None:
        filled.call("BGSAVE")
        filled.clock.advance(0)
        filled.call("FLUSHALL")
        assert filled.info("rdb_bgsave_in_progress") == "0"
        assert not list(tmp_path.iterdir())
        assert not filled.clock.getDelayedCalls()

    def test_a_server_that_closes_meanwhile(self, filled: Server, tmp_path: Path) -> None:
        filled.call("BGSAVE")
        filled.clock.advance(0)
        filled.server.close()
        assert not list(tmp_path.iterdir())
        assert not filled.clock.getDelayedCalls()

    def test_a_full_disk(self, filled: Server, tmp_path: Path) -> None:
        class Full(io.BytesIO):
            def write(self, data: Any) -> int:
                raise OSError(errno.ENOSPC, "No space left on device")

        filled.call("CONFIG", "SET", "save", "900 1")
        filled.call("BGSAVE")
        saving: Any = filled.server.saving
        saving._child._file.close()
        saving._child._file = Full()
        filled.clock.pump([0.1] * 20)
        assert filled.info("rdb_last_bgsave_status") == "err"
        with pytest.raises(CommandError, match="MISCONF Redis is configured to save RDB snapshots"):
            filled.call("SET", "a", 1)
        assert not list(tmp_path.iterdir())
        filled.call("BGSAVE")
        filled.clock.pump([0.1] * 20)
        assert filled.info("rdb_last_bgsave_status") == "ok"
        assert filled.call("SET", "a", 1) == b"OK"
        filled.server.close()

    @pytest.mark.parametrize("preamble", ["yes", "no"])
    def test_bgrewriteaof(self, filled: Server, tmp_path: Path, preamble: str) -> None:
        filled.call("CONFIG", "SET", "aof-use-rdb-preamble", preamble)
        filled.call("CONFIG", "SET", "appendonly", "yes")
        assert filled.info("aof_rewrite_in_progress") == "1"
        filled.clock.advance(0)
        filled.call("SET", "key 99", "changed")
        filled.clock.pump([0.1] * 20)
        assert filled.info("aof_rewrite_in_progress") == "0"
        filled.call("BGREWRITEAOF")
        filled.clock.advance(0)
        filled.call("DEL", "key 0")
        filled.clock.pump([0.1] * 20)
        assert filled.info("aof_rewrite_in_progress") == "0"
        assert filled.info("aof_last_bgrewrite_status") == "ok"
        before = filled.digest()
        filled.server.close()
        other = Server(tmp_path)
        other.server.configuration[b"appendonly"] = True
        load_now(other.server.append_only.start())
        assert other.digest() == before
        other.server.close()
