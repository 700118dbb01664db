"""The append-only file within the process: what is written, rewritten, repaired and refused."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.testing import StringTransport

from tests.persistence.servers import START, Server
from twisted_resp.errors import CommandError
from twisted_resp.persistence.append_only_loading import AppendOnlyError, commands_in
from twisted_resp.persistence.contents import dump_bytes
from twisted_resp.persistence.loading import load_now
from twisted_resp.replication.full_sync import Snapshot
from twisted_resp.replication.snapshots import snapshot
from twisted_resp.service import RespService
from twisted_resp.text.crc import crc64

FILL: list[tuple[Any, ...]] = [
    ("SET", "string", "value"),
    ("SET", "binary", b"\r\n\x00\xff"),
    ("INCR", "number"),
    ("APPEND", "string", "tail"),
    ("SET", "expiring", "x", "EX", 100),
    ("SET", "gone", "x", "PX", 100),
    ("RPUSH", "list", *range(200)),
    ("LPOP", "list"),
    ("SADD", "set", "a", 1, 2, 3),
    ("SPOP", "set"),
    ("HSET", "hash", "a", 1, "b", 2),
    ("HINCRBYFLOAT", "hash", "a", 0.1),
    ("HPEXPIRE", "hash", 10**6, "FIELDS", 1, "b"),
    ("ZADD", "zset", 1.5, "a", "-inf", "b", 3, "c"),
    ("ZPOPMIN", "zset"),
    ("XADD", "stream", "*", "f", "v"),
    ("XADD", "stream", "*", "f", "v"),
    ("XGROUP", "CREATE", "stream", "group", "0"),
    ("XREADGROUP", "GROUP", "group", "ann", "COUNT", 1, "STREAMS", "stream", ">"),
    ("XGROUP", "CREATECONSUMER", "stream", "group", "bob"),
    ("XADD", "empty stream", "5-5", "f", "v"),
    ("XDEL", "empty stream", "5-5"),
    ("SELECT", 9),
    ("MULTI",),
    ("SET", "other", "database"),
    ("INCRBY", "sum", 5),
    ("EXEC",),
    ("EVAL", "redis.call('incr', 'sum') redis.call('rpush', 'l', 'x')", 0),
    ("SELECT", 0),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.server.close()


def test_nothing_is_done_unasked(server: Server, tmp_path: Path) -> None:
    server.fill(FILL)
    assert not server.server.effects.active
    assert server.server.commit is None
    assert os.listdir(tmp_path) == []
    assert server.info("aof_enabled") == "0"


def half_a_write() -> Callable[[int, bytes], int]:
    """An ``os.write`` for a disk that is full after half of the data."""
    write = os.write
    written: list[int] = []

    def half(descriptor: int, data: bytes) -> int:
        if written:
            raise OSError(28, "No space left on device")
        written.append(write(descriptor, data[: len(data) // 2]))
        return written[0]

    return half


class TestWriting:
    def test_turning_it_on_writes_a_base(self, server: Server) -> None:
        server.call("SET", "a", 1)
        server.call("CONFIG", "SET", "appendonly", "yes")
        server.call("SET", "b", 2)
        assert server.files == [
            "appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof", "appendonly.aof.manifest",
        ]  # fmt: skip
        assert server.written() == [[b"SELECT", b"0"], [b"SET", b"b", b"2"]]
        assert server.info("aof_enabled") == "1"
        sizes = sum(os.path.getsize(server.directory / name) for name in server.files[:2])
        assert int(server.info("aof_current_size")) == sizes

    def test_turning_it_off_and_on(self, server: Server) -> None:
        server.call("CONFIG", "SET", "appendonly", "yes")
        server.call("SET", "a", 1)
        server.call("CONFIG", "SET", "appendonly", "no")
        server.call("SET", "b", 2)
        assert not server.server.effects.active
        server.call("CONFIG", "SET", "appendonly", "yes")
        assert server.files == [
            "appendonly.aof.2.base.rdb", "appendonly.aof.2.incr.aof", "appendonly.aof.manifest",
        ]  # fmt: skip
        assert server.server.saving.changes == 2
        server.call("DEBUG", "LOADAOF")
        assert server.call("MGET", "a", "b") == [b"1", b"2"]
        assert server.server.saving.changes == 0

    def test_it_can_not_be_turned_on(self, server: Server, tmp_path: Path) -> None:
        (tmp_path / "appendonlydir").write_bytes(b"in the way")
        with pytest.raises(CommandError, match=r"CONFIG SET failed .* Unable to turn on AOF"):
            server.call("CONFIG", "SET", "appendonly", "yes")
        assert server.call("CONFIG", "GET", "appendonly") == {b"appendonly": b"no"}
        assert server.info("aof_enabled") == "0"

    def test_effects_not_commands(self, server: Server) -> None:
        server.call("CONFIG", "SET", "appendonly", "yes")
        server.call("SET", "a", 1, "EX", 10)
        server.call("MULTI")
        server.call("INCR", "n")
        server.call("INCR", "m")
        server.call("EXEC")
        server.call("PUBLISH", "channel", "message")
        server.call("GET", "a")
        server.clock.advance(11)
        assert server.written() == [
            [b"SELECT", b"0"],
            [b"SET", b"a", b"1", b"PXAT", b"%d" % (START * 1000 + 10_000)],
            [b"MULTI"], [b"INCR", b"n"], [b"INCR", b"m"], [b"EXEC"],
            [b"DEL", b"a"],
        ]  # fmt: skip

    def test_timestamps(self, server: Server) -> None:
        server.call("CONFIG", "SET", "appendonly", "yes", "aof-timestamp-enabled", "yes")
        server.call("SET", "a", 1)
        server.call("SET", "b", 1)
        server.clock.advance(1)
        server.call("SET", "c", 1)
        data = (server.directory / "appendonly.aof.1.incr.aof").read_bytes()
        assert data.startswith(b"#TS:1700000000\r\n*2\r\n")
        assert data.count(b"#TS:") == 2
        server.call("DEBUG", "LOADAOF")
        assert server.call("DBSIZE") == 3

    @pytest.mark.parametrize(
        ("policy", "syncs"), [("always", [1, 2, 2]), ("everysec", [0, 0, 1]), ("no", [0, 0, 0])]
    )
    def test_when_it_is_on_disk(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, policy: str, syncs: list[int]
    ) -> None:
        server.call("CONFIG", "SET", "appendonly", "yes", "appendfsync", policy)
        called: list[int] = []
        monkeypatch.setattr(os, "fdatasync", called.append)
        seen = []
        for step in (lambda: server.call("SET", "a", 1), lambda: server.call("SET", "a", 1), lambda: None):
            step()
            seen.append(len(called))
        server.clock.advance(1)
        seen[2] = len(called)
        assert seen == syncs
        server.clock.advance(1)
        assert len(called) == syncs[2]  # nothing new

    def test_it_is_on_disk_before_the_reply_is_sent(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.call("CONFIG", "SET", "appendonly", "yes", "appendfsync", "always")
        order: list[str] = []

        class Transport(StringTransport):
            def write(self, data: bytes) -> None:
                order.append(data.decode())

        monkeypatch.setattr(os, "fdatasync", lambda _: order.append("disk"))
        protocols = []
        for _ in range(2):
            protocol: Any = server.factory.buildProtocol(None)
            transport: Any = Transport
            protocol.makeConnection(transport())
            protocols.append(protocol)
        protocols[0].dataReceived(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n" * 2)
        assert order == ["disk", "+OK\r\n+OK\r\n"]  # once for the batch
        order.clear()
        protocols[1].dataReceived(b"*3\r\n$5\r\nBLPOP\r\n$1\r\nl\r\n$1\r\n0\r\n")
        protocols[0].dataReceived(b"RPUSH l x\r\n")
        assert order == ["disk", "*2\r\n$1\r\nl\r\n$1\r\nx\r\n", ":1\r\n"]


class TestFailure:
    def test_writes_are_refused_until_it_works_again(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.call("CONFIG", "SET", "appendonly", "yes")
        write = os.write

        def full(descriptor: int, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        server.call("SET", "a", 1)  # Redis, too, finds out when it is over
        with pytest.raises(
            CommandError, match="MISCONF Errors writing to the AOF file: No space left on device"
        ):
            server.call("SET", "b", 1)
        with pytest.raises(CommandError, match="MISCONF"):
            server.call("PING")
        assert server.call("GET", "a") == b"1"
        assert server.info("aof_last_write_status") == "err"
        monkeypatch.setattr(os, "write", write)
        server.clock.advance(1)
        assert server.info("aof_last_write_status") == "ok"
        server.call("SET", "b", 2)
        assert server.written()[1:] == [[b"SET", b"a", b"1"], [b"SET", b"b", b"2"]]

    def test_half_a_write_leaves_no_trace(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        server.call("CONFIG", "SET", "appendonly", "yes")
        server.call("SET", "a", 1)
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", half_a_write())
            server.call("SET", "b", 1)
        assert server.written()[1:] == [[b"SET", b"a", b"1"]]
        server.clock.advance(1)
        assert server.written()[1:] == [[b"SET", b"a", b"1"], [b"SET", b"b", b"1"]]

    def test_half_a_write_that_can_not_be_taken_back_goes_on(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.call("CONFIG", "SET", "appendonly", "yes")
        server.call("SET", "a", 1)

        def broken(descriptor: int, length: int) -> None:
            raise OSError(5, "Input/output error")

        with monkeypatch.context() as patched:
            patched.setattr(os, "write", half_a_write())
            patched.setattr(os, "ftruncate", broken)
            server.call("SET", "b", 1)
        server.clock.advance(1)
        server.call("SET", "c", 1)
        assert server.written()[1:] == [[b"SET", key, b"1"] for key in (b"a", b"b", b"c")]

    def test_a_process_of_its_own_ends_with_always(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.call("CONFIG", "SET", "appendonly", "yes", "appendfsync", "always")

        def full(descriptor: int, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        class EndError(BaseException):
            pass

        def end() -> None:
            raise EndError

        server.server.append_only.give_up = end
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(EndError):
            server.call("SET", "a", 1)

    def test_with_always_nobody_is_told_that_it_was_done(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.call("CONFIG", "SET", "appendonly", "yes", "appendfsync", "always")
        transport = StringTransport()
        protocol: Any = server.factory.buildProtocol(None)
        protocol.makeConnection(transport)

        def broken(descriptor: int) -> None:
            raise OSError(5, "Input/output error")

        with monkeypatch.context() as patched:
            patched.setattr(os, "fdatasync", broken)
            protocol.dataReceived(b"SET a 1\r\n")
        assert transport.value() == b""
        assert transport.disconnected or transport.disconnecting
        with pytest.raises(CommandError, match="MISCONF"):
            server.call("SET", "b", 1)
        server.clock.pump([1, 1])
        assert server.call("SET", "b", 1) == b"OK"


class TestRewriting:
    @pytest.mark.parametrize("as_rdb", ["yes", "no"])
    def test_the_data_stay(self, server: Server, as_rdb: str) -> None:
        server.call("CONFIG", "SET", "appendonly", "yes", "aof-use-rdb-preamble", as_rdb)
        server.fill(FILL)
        before = server.call("DEBUG", "DIGEST")
        assert server.call("BGREWRITEAOF") == b"Background append only file rewriting started"
        base = "appendonly.aof.2.base." + ("rdb" if as_rdb == "yes" else "aof")
        assert server.files == [base, "appendonly.aof.2.incr.aof", "appendonly.aof.manifest"]
        server.call("DEBUG", "LOADAOF")
        assert server.call("DEBUG", "DIGEST") == before
        server.call("INCR", "number")
        server.call("DEBUG", "LOADAOF")
        assert server.call("GET", "number") == b"2"
        assert [item[b"name"] for item in server.call("XINFO", "CONSUMERS", "stream", "group")] == [
            b"ann",
            b"bob",
        ]
        assert server.call("XPENDING", "stream", "group")[0] == 1

    def test_without_the_file(self, server: Server) -> None:
        server.fill(FILL)
        server.call("BGREWRITEAOF")
        assert server.files == ["appendonly.aof.1.base.rdb", "appendonly.aof.manifest"]
        before = server.call("DEBUG", "DIGEST")
        server.call("DEBUG", "LOADAOF")
        assert server.call("DEBUG", "DIGEST") == before

    def test_inside_a_transaction_it_waits(self, server: Server) -> None:
        server.call("CONFIG", "SET", "appendonly", "yes")
        server.call("MULTI")
        server.call("INCR", "n")
        server.call("BGREWRITEAOF")
        server.call("INCR", "n")
        assert server.call("EXEC")[1] == b"Background append only file rewriting scheduled"
        assert server.info("aof_rewrite_scheduled") == "1"
        server.clock.advance(0)
        assert server.info("aof_rewrite_scheduled") == "0"
        server.call("DEBUG", "LOADAOF")
        assert server.call("GET", "n") == b"2"

    def test_turned_on_inside_a_transaction_it_waits(self, server: Server) -> None:
        server.call("INCR", "n")
        server.call("MULTI")
        server.call("INCR", "n")
        server.call("CONFIG", "SET", "appendonly", "yes")
        server.call("INCR", "n")
        server.call("EXEC")
        assert server.info("aof_rewrite_scheduled") == "1"
        server.clock.advance(0)
        assert server.info("aof_rewrite_scheduled") == "0"
        server.call("INCR", "n")
        server.call("DEBUG", "LOADAOF")
        assert server.call("GET", "n") == b"4"

    def test_of_its_own_accord(self, server: Server) -> None:
        server.call(
            "CONFIG", "SET", "appendonly", "yes", "auto-aof-rewrite-min-size", "1000",
            "auto-aof-rewrite-percentage", "100",
        )  # fmt: skip
        server.call("SET", "a", "x" * 100)
        server.clock.advance(1)
        assert server.info("aof_rewrites") == "1"
        for _ in range(20):
            server.call("SET", "a", "x" * 100)
        server.clock.advance(1)
        assert server.info("aof_rewrites") == "2"
        assert "appendonly.aof.2.incr.aof" in server.files
        assert int(server.info("aof_base_size")) < 500

    def test_a_failure_leaves_what_was_there(self, server: Server, tmp_path: Path) -> None:
        server.call("CONFIG", "SET", "appendonly", "yes")
        server.fill(FILL)
        before = server.call("DEBUG", "DIGEST")
        # Where the base is to be written there is something else.
        (tmp_path / f"temp-rewriteaof-bg-{os.getpid()}.aof").mkdir()
        with pytest.raises(CommandError, match="Can't execute an AOF background rewriting"):
            server.call("BGREWRITEAOF")
        assert server.info("aof_last_bgrewrite_status") == "err"
        server.call("SET", "more", 1)
        server.call("DEL", "more")
        server.call("DEBUG", "LOADAOF")
        assert server.call("DEBUG", "DIGEST") == before

    @pytest.mark.parametrize("first", [False, True])
    @pytest.mark.parametrize("broken", ["manifest", "base"])
    def test_a_manifest_or_base_that_can_not_be_put_in_its_place(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, first: bool, broken: str
    ) -> None:
        if not first:
            server.call("CONFIG", "SET", "appendonly", "yes")
        server.call("SET", "a", 1)
        replace = os.replace

        def refuse(source: bytes, target: bytes) -> None:
            if target.endswith(b".manifest") if broken == "manifest" else b".base." in target:
                raise OSError(28, "No space left on device")
            replace(source, target)

        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", refuse)
            with pytest.raises(CommandError):
                server.call(*(("CONFIG", "SET", "appendonly", "yes") if first else ("BGREWRITEAOF",)))
            if not first:
                # What is written now is in a file that the manifest names.
                server.call("SET", "b", 2)
        if first:
            assert [name for name in server.files if not name.startswith("temp-")] == []
            server.call("CONFIG", "SET", "appendonly", "yes")
            server.call("SET", "b", 2)
        server.call("DEBUG", "LOADAOF")
        assert server.call("MGET", "a", "b") == [b"1", b"2"]
        server.call("BGREWRITEAOF")
        server.call("SET", "c", 3)
        server.server.close()
        assert sum(".base." in name for name in server.files) == 1
        assert Server(server.directory.parent).start().call("MGET", "a", "b", "c") == [b"1", b"2", b"3"]


class TestStarting:
    def test_from_nothing(self, server: Server) -> None:
        server.start()
        assert server.files == [
            "appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof", "appendonly.aof.manifest",
        ]  # fmt: skip
        server.call("SET", "a", 1)
        assert server.written() == [[b"SELECT", b"0"], [b"SET", b"a", b"1"]]

    def test_with_what_another_has_written(self, server: Server, tmp_path: Path) -> None:
        server.start().fill(FILL)
        before = server.call("DEBUG", "DIGEST")
        server.server.close()
        other = Server(tmp_path).start()
        assert other.call("DEBUG", "DIGEST") == before
        other.call("SET", "more", 1)
        other.server.close()
        assert Server(tmp_path).start().call("GET", "more") == b"1"

    def test_with_a_base_of_valkey_9(self, server: Server) -> None:
        server.start()
        server.server.close()
        other = Server(server.directory)
        other.call("SET", "a", 1)
        data = b"VALKEY080" + dump_bytes(other.server)[9:-8]
        data += crc64(data).to_bytes(8, "little")
        (server.directory / "appendonly.aof.1.base.rdb").write_bytes(data)
        assert server.start().call("GET", "a") == b"1"

    def test_what_has_expired_meanwhile(self, server: Server, tmp_path: Path) -> None:
        server.start()
        server.call("SET", "a", 1, "EX", 10)
        server.call("SET", "b", 1, "EX", 10)
        server.call("PERSIST", "b")
        server.server.close()
        other = Server(tmp_path, START + 1000).start()
        assert other.call("MGET", "a", "b") == [None, b"1"]

    def test_with_a_file_of_the_time_before_manifests(self, server: Server, tmp_path: Path) -> None:
        (tmp_path / "appendonly.aof").write_bytes(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n")
        server.start()
        assert server.call("GET", "a") == b"1"
        assert server.files == ["appendonly.aof", "appendonly.aof.1.incr.aof", "appendonly.aof.manifest"]
        assert not (tmp_path / "appendonly.aof").exists()
        server.call("BGREWRITEAOF")
        assert server.files == [
            "appendonly.aof.2.base.rdb", "appendonly.aof.2.incr.aof", "appendonly.aof.manifest",
        ]  # fmt: skip

    def test_cut_off_at_each_byte(self, server: Server, tmp_path: Path) -> None:
        server.start()
        server.call("SET", "a", 1)
        server.call("MULTI")
        server.call("SET", "b", 22)
        server.call("SET", "c", 3)
        server.call("EXEC")
        server.call("SET", "d", "x" * 12)
        server.server.close()
        file = server.directory / "appendonly.aof.1.incr.aof"
        data = file.read_bytes()
        ends = [end for command, _, end in commands_in(data) if command[0] in (b"EXEC", b"SET")]
        after_a, after_exec = ends[0], ends[3]
        for size in range(len(data) + 1):
            file.write_bytes(data[:size])
            there = Server(tmp_path).start()
            values = there.call("MGET", "a", "b", "c", "d")
            expected: list[bytes | None] = [b"1"] if size >= after_a else [None]
            expected += [b"22", b"3"] if size >= after_exec else [None, None]
            expected += [b"x" * 12] if size == len(data) else [None]
            assert values == expected, size
            # What is written now can be read as well.
            there.call("SET", "e", size)
            there.server.close()
            again = Server(tmp_path).start()
            assert again.call("MGET", "a", "b", "c", "d", "e") == [*expected, b"%d" % size]
            again.server.close()

    def test_cut_off_but_not_to_be_repaired(self, server: Server) -> None:
        server.start()
        server.call("SET", "a", 1)
        server.server.close()
        file = server.directory / "appendonly.aof.1.incr.aof"
        data = file.read_bytes()
        file.write_bytes(data[:-3])
        server.server.configuration[b"aof-load-truncated"] = False
        with pytest.raises(AppendOnlyError, match="Unexpected end of file reading the append only file"):
            server.start()
        assert file.read_bytes() == data[:-3]

    @pytest.mark.parametrize(
        ("damage", "reason"),
        [
            (b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$9\r\n1\r\n", "Bad file format .* at byte 35"),
            (b"*x\r\n", "Bad file format .* at byte 0"),
            (b"$3\r\nSET\r\n", "Bad file format .* at byte 0"),
            (b"*1\r\n*1\r\n", "Bad file format .* at byte 4"),
            (b"*2\r\n$6\r\nUNHEARD\r\n", "Bad file format"),
            (b"*2\r\n$7\r\nUNHEARD\r\n$1\r\na\r\n", "Unknown command 'UNHEARD' reading the append only file"),
        ],
    )
    def test_damage(self, server: Server, damage: bytes, reason: str) -> None:
        server.start()
        server.server.close()
        good = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
        (server.directory / "appendonly.aof.1.incr.aof").write_bytes(damage + good)
        with pytest.raises(AppendOnlyError, match=reason):
            server.start()

    def test_only_the_last_file_may_be_cut_off(self, server: Server) -> None:
        server.start()
        server.server.close()
        with open(server.directory / "appendonly.aof.manifest", "a") as file:
            file.write("file appendonly.aof.2.incr.aof seq 2 type i\n")
        (server.directory / "appendonly.aof.2.incr.aof").write_bytes(b"")
        (server.directory / "appendonly.aof.1.incr.aof").write_bytes(b"*1\r\n$4\r\nPI")
        with pytest.raises(AppendOnlyError, match=r"appendonly.aof.1.incr.aof is not the last file"):
            server.start()

    def test_a_part_is_missing(self, server: Server) -> None:
        server.start()
        server.server.close()
        (server.directory / "appendonly.aof.1.incr.aof").unlink()
        with pytest.raises(AppendOnlyError, match=r"appendonly.aof.1.incr.aof .*: No such file or directory"):
            server.start()

    def test_a_service_that_starts_again(self, server: Server) -> None:
        server.server.configuration[b"appendonly"] = True
        service = RespService(server.factory, [], load=True)
        service.startService()
        server.call("SET", "a", 1)
        service.stopService()
        assert server.info("aof_enabled") == "0"
        service.startService()
        server.call("SET", "b", 2)
        server.call("DEBUG", "LOADAOF")
        assert server.call("MGET", "a", "b") == [b"1", b"2"]

    def test_a_replica_begins_anew_with_its_masters_data(self, server: Server) -> None:
        server.start()
        server.call("SET", "a", 1)
        master = Server(server.directory)
        master.call("SET", "b", 2)
        data = snapshot(master.server)
        coming = Snapshot(server.server, b"$%d" % len(data))
        coming.add(data)
        load_now(coming.steps(lambda: None))
        assert "appendonly.aof.2.base.rdb" in server.files
        server.call("DEBUG", "LOADAOF")
        assert server.call("KEYS", "*") == [b"b"]

    def test_loading_again_needs_files(self, server: Server) -> None:
        server.call("SET", "a", 1)
        with pytest.raises(CommandError, match="Error trying to load the AOF files"):
            server.call("DEBUG", "LOADAOF")
        assert server.call("GET", "a") == b"1"
