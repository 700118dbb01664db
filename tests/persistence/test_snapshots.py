"""Saving and loading: at once, in a child, at save points, at the start; beside a redis-server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from twisted.internet.task import Clock

from tests.persistence.servers import START, Server
from twisted_resp import RespFactory
from twisted_resp.errors import CommandError
from twisted_resp.persistence.contents import dump_bytes, load_data
from twisted_resp.persistence.loading import LoadInSlices, load_now
from twisted_resp.rdb.format import RdbError

FILL: list[tuple[Any, ...]] = [
    ("SET", "string", "value"),
    ("SET", "number", "-77"),
    ("SET", "expiring", "x", "PX", 10**12),
    ("RPUSH", "list", "a", 1, "b" * 100, *range(5000)),
    ("SADD", "numbers", 1, 2, 300000),
    ("SADD", "small", "a", 2),
    ("SADD", "large", *(f"m{number}" for number in range(600))),
    ("HSET", "hash", "a", 1, "b", "x" * 70),
    ("HSET", "small hash", "a", 1),
    ("ZADD", "zset", 1.5, "a", "-inf", "b", 3, "c"),
    ("ZADD", "large zset", *(word for number in range(300) for word in (number / 7, f"m{number}"))),
    ("XADD", "stream", "1-1", "f", "v", "g", "w"),
    ("XADD", "stream", "1-2", "f", "v"),
    ("XGROUP", "CREATE", "stream", "group", "0"),
    ("XREADGROUP", "GROUP", "group", "ann", "COUNT", 1, "STREAMS", "stream", ">"),
    ("PFADD", "hll", "a", "b"),
    ("SELECT", 9),
    ("SET", "other", "database"),
    ("SELECT", 0),
]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def test_nothing_is_written_or_read_unasked(server: Server, tmp_path: Path) -> None:
    server.file.write_bytes(b"nonsense")
    server.call("SET", "a", 1)
    server.clock.advance(100_000)
    server.factory.stopFactory()
    assert server.file.read_bytes() == b"nonsense"
    assert os.listdir(tmp_path) == ["dump.rdb"]


class TestSave:
    def test_there_and_back(self, server: Server, tmp_path: Path) -> None:
        server.fill(FILL)
        assert server.call("SAVE") == b"OK"
        assert os.listdir(tmp_path) == ["dump.rdb"]
        other = Server(tmp_path)
        load_now(other.saving.start())
        assert other.call("DEBUG", "DIGEST") == server.call("DEBUG", "DIGEST")
        assert other.call("PTTL", "expiring") == 10**12
        assert other.info("rdb_changes_since_last_save") == "0"
        assert other.info("rdb_last_load_keys_loaded") == "14"

    def test_what_is_known_of_it(self, server: Server) -> None:
        server.call("MSET", "a", 1, "b", 2)
        assert server.info("rdb_changes_since_last_save") == "2"
        server.clock.advance(50)
        assert server.call("LASTSAVE") == START
        server.call("SAVE")
        assert server.call("LASTSAVE") == START + 50
        assert server.info("rdb_changes_since_last_save") == "0"
        assert server.info("rdb_saves") == "1"

    def test_the_old_one_stays_where_there_is_no_room(self, server: Server, tmp_path: Path) -> None:
        server.call("SAVE")
        before = server.file.read_bytes()
        server.call("SET", "a", 1)
        server.server.directory = bytes(tmp_path / "gone")
        with pytest.raises(CommandError, match=r"^ERR$"):
            server.call("SAVE")
        assert server.info("rdb_changes_since_last_save") == "1"
        server.server.directory = bytes(tmp_path)
        assert server.file.read_bytes() == before

    def test_not_in_a_transaction(self, server: Server) -> None:
        server.call("MULTI")
        with pytest.raises(CommandError, match="not allowed inside a transaction"):
            server.call("SAVE")

    def test_redis_7_0_is_to_read_it(self, server: Server) -> None:
        server.fill(FILL)
        server.call("SAVE")
        assert server.file.read_bytes()[:9] == b"REDIS0010"
        server.call("HPEXPIRE", "hash", 10**10, "FIELDS", 1, "a")
        server.call("SAVE")
        assert server.file.read_bytes()[:9] == b"REDIS0012"
        server.call("HPERSIST", "hash", "FIELDS", 1, "a")
        server.call("SAVE")
        assert server.file.read_bytes()[:9] == b"REDIS0010"

    def test_use_is_kept(self, server: Server, tmp_path: Path) -> None:
        for policy, question, answer in (("allkeys-lru", "IDLETIME", 500), ("allkeys-lfu", "FREQ", 77)):
            server.call("CONFIG", "SET", "maxmemory-policy", policy)
            dumped = server.call("SET", "key", 1) and server.call("DUMP", "key")
            option = "IDLETIME" if question == "IDLETIME" else "FREQ"
            server.call("RESTORE", "key", 0, dumped, "REPLACE", option, answer)
            server.call("SAVE")
            other = Server(tmp_path)
            other.call("CONFIG", "SET", "maxmemory-policy", policy)
            load_now(other.saving.start())
            assert other.call("OBJECT", question, "key") == answer

    def test_functions_are_kept(self, server: Server, tmp_path: Path) -> None:
        pytest.importorskip("lupa")
        source = b"#!lua name=kept\nredis.register_function('f', function() return 'hello' end)"
        assert server.call("FUNCTION", "LOAD", source) == b"kept"
        server.call("SAVE")
        other = Server(tmp_path)
        load_now(other.saving.start())
        assert other.call("FCALL", "f", 0) == b"hello"
        assert other.saving.functions == [source]


class TestLoad:
    def test_keys_that_have_expired_are_left_out(self, server: Server, tmp_path: Path) -> None:
        server.call("SET", "a", 1, "PX", 1000)
        server.call("SET", "b", 1, "PX", 5000)
        server.call("SAVE")
        other = Server(tmp_path, START + 2)
        load_now(other.saving.start())
        assert other.call("KEYS", "*") == [b"b"]
        assert other.info("rdb_last_load_keys_expired") == "1"
        other.clock.advance(4)
        assert not other.server.keyspace.databases[0].values  # its timer was set

    def test_fields_that_expire_do_so(self, server: Server, tmp_path: Path) -> None:
        server.call("HSET", "h", "f", 1, "g", 2)
        server.call("HPEXPIRE", "h", 5000, "FIELDS", 1, "f")
        server.call("SAVE")
        other = Server(tmp_path)
        load_now(other.saving.start())
        other.clock.advance(6)
        assert other.call("HKEYS", "h") == [b"g"]

    def test_a_database_too_many(self, server: Server) -> None:
        server.call("SELECT", 9)
        server.call("SET", "a", 1)
        data = dump_bytes(server.server)
        small = RespFactory(clock=Clock(), databases=4).server
        with pytest.raises(RdbError, match="there is a database 9 in it, but there are only 4 here"):
            load_data(small, data)

    def test_keys_that_are_there(self, server: Server) -> None:
        server.call("SET", "a", "saved")
        data = dump_bytes(server.server)
        server.call("SET", "a", "now")
        with pytest.raises(RdbError, match="the key b'a' is there already"):
            load_data(server.server, data)
        assert load_data(server.server, data + b"tail", replace=True) == len(data)
        assert server.call("GET", "a") == b"saved"


class TestReload:
    def test_everything_is_as_before(self, server: Server) -> None:
        server.fill(FILL)
        server.call("HPEXPIRE", "hash", 10**10, "FIELDS", 1, "a")
        digest = server.call("DEBUG", "DIGEST")
        consumers = server.call("XINFO", "STREAM", "stream", "FULL")
        changes = server.server.keyspace.dirty
        assert server.call("DEBUG", "RELOAD") == b"OK"
        assert server.call("DEBUG", "DIGEST") == digest
        assert server.call("XINFO", "STREAM", "stream", "FULL") == consumers
        assert server.call("HPEXPIRETIME", "hash", "FIELDS", 1, "a") == [START * 1000 + 10**10]
        assert server.server.keyspace.dirty == changes

    def test_options(self, server: Server) -> None:
        server.call("SET", "a", 1)
        server.call("DEBUG", "RELOAD")
        server.call("SET", "a", 2)
        server.call("SET", "b", 2)
        with pytest.raises(
            CommandError, match=r"^ERR Error trying to load the RDB dump, check server logs.$"
        ):
            server.call("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH")
        assert server.call("DEBUG", "RELOAD", "nosave", "noflush", "merge") == b"OK"
        assert server.call("MGET", "a", "b") == [b"1", b"2"]
        server.call("DEBUG", "RELOAD", "NOSAVE")
        assert server.call("MGET", "a", "b") == [b"1", None]
        with pytest.raises(CommandError, match="DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE"):
            server.call("DEBUG", "RELOAD", "NOW")

    def test_it_is_in_the_help(self, server: Server) -> None:
        assert b"RELOAD [option ...]" in server.call("DEBUG", "HELP")


class TestInTheBackground:
    """Where there is no forking, as with a clock that somebody else moves, it is done at once."""

    def test_done_at_once(self, server: Server) -> None:
        server.call("SET", "a", 1)
        server.clock.advance(10)
        assert server.call("BGSAVE") == b"Background saving started"
        assert server.call("LASTSAVE") == START + 10
        assert server.info("rdb_last_bgsave_status") == "ok"
        assert server.call("BGSAVE", "SCHEDULE") == b"Background saving started"
        for options in (["now"], ["schedule", "schedule"]):
            with pytest.raises(CommandError, match=r"^ERR syntax error$"):
                server.call("BGSAVE", *options)

    def test_after_a_transaction(self, server: Server) -> None:
        server.call("MULTI")
        server.call("BGSAVE")
        server.call("SET", "a", 1)
        assert server.call("EXEC") == [b"Background saving scheduled", b"OK"]
        assert not server.file.exists()
        server.clock.advance(0)
        assert server.file.exists()

    def test_failure(self, server: Server, tmp_path: Path) -> None:
        server.server.directory = bytes(tmp_path / "nowhere")
        with pytest.raises(CommandError, match=r"^ERR$"):
            server.call("BGSAVE")
        assert server.info("rdb_last_bgsave_status") == "err"


class TestSavePoints:
    def test_after_enough_changes_and_time(self, server: Server) -> None:
        server.call("CONFIG", "SET", "save", "60 2")
        server.call("SET", "a", 1)
        server.clock.pump([1] * 100)
        assert not server.file.exists()
        server.call("SET", "a", 2)
        server.clock.pump([1] * 2)
        assert server.file.exists()
        assert server.info("rdb_changes_since_last_save") == "0"

    def test_taken_back(self, server: Server) -> None:
        server.call("CONFIG", "SET", "save", "1 1")
        server.call("CONFIG", "SET", "save", "")
        server.call("SET", "a", 1)
        server.clock.pump([1] * 10)
        assert not server.file.exists()
        assert not server.clock.getDelayedCalls()

    def test_a_failure_is_tried_again_later(self, server: Server, tmp_path: Path) -> None:
        server.server.directory = bytes(tmp_path / "later")
        server.call("CONFIG", "SET", "save", "1 1")
        server.call("SET", "a", 1)
        server.clock.pump([1] * 8)
        assert server.info("rdb_last_bgsave_status") == "err"
        assert int(server.info("rdb_saves")) <= 2
        (tmp_path / "later").mkdir()
        server.clock.pump([1] * 8)
        assert server.info("rdb_last_bgsave_status") == "ok"

    def test_writes_are_refused_while_it_fails(self, server: Server, tmp_path: Path) -> None:
        server.server.directory = bytes(tmp_path / "later")
        server.call("CONFIG", "SET", "save", "1 1")
        server.call("SET", "a", 1)
        server.clock.pump([1] * 3)
        for words in (["SET", "a", 2], ["PING"]):
            with pytest.raises(CommandError, match=r"^MISCONF Redis is configured to save RDB snapshots"):
                server.call(*words)
        assert server.call("GET", "a") == b"1"
        server.call("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
        server.call("SET", "a", 3)
        server.call("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes")
        with pytest.raises(CommandError, match=r"^MISCONF"):
            server.call("SET", "a", 4)
        (tmp_path / "later").mkdir()
        assert server.call("BGSAVE") == b"Background saving started"
        server.call("SET", "a", 5)

    def test_what_was_flushed_does_not_come_back(self, server: Server, tmp_path: Path) -> None:
        server.call("SET", "a", 1)
        server.call("FLUSHALL")
        assert not server.file.exists()
        server.call("CONFIG", "SET", "save", "1000 1")
        server.call("SET", "a", 1)
        server.call("SAVE")
        server.call("FLUSHALL")
        other = Server(tmp_path)
        load_now(other.saving.start())
        assert other.call("DBSIZE") == 0

    def test_at_the_end(self, server: Server) -> None:
        server.saving.save_at_end()
        assert not server.file.exists()
        server.call("CONFIG", "SET", "save", "1000 1")
        server.saving.save_at_end()
        assert server.file.exists()


# ------------------------------------------------------------------------------------------- other processes


def wait_until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., tuple[Any, Any]]]:
    """Starts our server as a process, and returns it and a client."""
    processes = []

    def start(*options: str) -> tuple[Any, Any]:
        socket = str(tmp_path / "s")
        words = ["--no-tcp", "--unix", socket, "--dir", str(tmp_path), *options]
        process = subprocess.Popen(
            [sys.executable, "-m", "twisted_resp", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if "Ready to accept" in line:
                return process, redis.Redis(unix_socket_path=socket, protocol=2)
        return process, None

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_a_child_saves(start: Callable[..., tuple[Any, Any]], tmp_path: Path) -> None:
    process, client = start()
    client.execute_command("DEBUG", "POPULATE", 3000)
    client.config_set("rdb-key-save-delay", 300)
    assert client.execute_command("BGSAVE")
    assert client.info("persistence")["rdb_bgsave_in_progress"] == 1
    client.set("while", "it saves")
    for command in ("BGSAVE", "SAVE"):
        with pytest.raises(redis.ResponseError, match="Background save already in progress"):
            client.execute_command(command)
    wait_until(lambda: not client.info("persistence")["rdb_bgsave_in_progress"])
    info = client.info("persistence")
    assert info["rdb_last_bgsave_status"] == "ok"
    assert info["rdb_changes_since_last_save"] == 1
    assert sorted(os.listdir(tmp_path)) == ["dump.rdb", "s"]
    client.close()
    process.kill()
    process.wait()
    (tmp_path / "s").unlink()
    _, client = start()
    # The data as they were when it began.
    assert client.dbsize() == 3000
    client.close()


def test_a_child_that_is_killed(start: Callable[..., tuple[Any, Any]], tmp_path: Path) -> None:
    process, client = start()
    client.execute_command("DEBUG", "POPULATE", 3000)
    client.config_set("rdb-key-save-delay", 10000)
    client.execute_command("BGSAVE")
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=True
    )
    os.kill(int(children.stdout), signal.SIGKILL)
    wait_until(lambda: not client.info("persistence")["rdb_bgsave_in_progress"])
    assert client.info("persistence")["rdb_last_bgsave_status"] == "err"
    assert sorted(os.listdir(tmp_path)) == ["s"]
    client.close()


def test_a_child_that_we_end(start: Callable[..., tuple[Any, Any]], tmp_path: Path) -> None:
    process, client = start()
    client.execute_command("DEBUG", "POPULATE", 3000)
    client.config_set("rdb-key-save-delay", 10000)
    client.execute_command("BGSAVE")
    client.flushall()
    info = client.info("persistence")
    assert (info["rdb_bgsave_in_progress"], info["rdb_last_bgsave_status"]) == (0, "ok")
    client.execute_command("DEBUG", "POPULATE", 3000)
    client.execute_command("BGSAVE")
    client.close()
    process.terminate()
    process.wait()
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".rdb")]


def test_save_points_and_sigterm(start: Callable[..., tuple[Any, Any]], tmp_path: Path) -> None:
    process, client = start("--save", "3600 1")
    assert client.config_get("save") == {"save": "3600 1"}
    client.set("a", 1)
    client.close()
    process.terminate()
    process.wait()
    assert (tmp_path / "dump.rdb").exists()


def test_a_damaged_file_is_one_line(start: Callable[..., tuple[Any, Any]], tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").write_bytes(b"REDIS0010\x00\x05key")
    process, client = start()
    assert client is None
    assert process.wait() == 1
    path = tmp_path / "dump.rdb"
    assert process.stderr.read() == (
        f"Fatal error loading the DB from {path}: at byte 10: the data end early, 2 bytes are missing. Exiting.\n"
    )


def test_beside_redis(redis_server: Any) -> None:
    """Our file in their hands, and theirs in ours."""
    with redis.Redis(redis_server.host, redis_server.port, protocol=2) as client:
        directory = Path(client.config_get("dir")["dir"])
        server = Server(directory)
        server.fill(FILL)
        server.call("SAVE")
        try:
            client.execute_command("DEBUG", "RELOAD", "NOSAVE")
            assert client.execute_command("DEBUG", "DIGEST") == server.call("DEBUG", "DIGEST")
            for key in server.call("KEYS", "*"):
                ours = server.call("OBJECT", "ENCODING", key)
                theirs = client.execute_command("OBJECT", "ENCODING", key)
                # 7.0 has no listpacks for sets and lists; what was loaded is not raw any more.
                assert ours == theirs or key in (b"small", b"hll"), key
            client.hset("theirs", mapping={f"field{number}": number for number in range(1000)})
            client.rpush("their list", *("x" * number for number in range(200)))
            client.set("compressible", "spam" * 1000)
            client.execute_command("SAVE")
            digest = client.execute_command("DEBUG", "DIGEST")
        finally:
            client.flushall()
        other = Server(directory)
        load_now(other.saving.start())
        assert other.call("DEBUG", "DIGEST") == digest
        os.unlink(other.file)


class TestLoadingInSlices:
    @pytest.fixture
    def saved(self, server: Server, tmp_path: Path) -> Server:
        for number in range(100):
            server.call("SET", f"key {number}", number)
        server.call("SAVE")
        return Server(tmp_path)

    def test_others_are_served_meanwhile(self, saved: Server) -> None:
        steps = saved.saving.start()
        next(steps)
        with pytest.raises(CommandError, match="LOADING Redis is loading the dataset in memory"):
            saved.call("GET", "key 1")
        with pytest.raises(CommandError, match="LOADING"):
            saved.call("CONFIG", "SET", "dir", "/")
        assert saved.call("CONFIG", "SET", "maxmemory", 0) == b"OK"
        assert saved.info("loading") == "1"
        assert saved.info("loading_total_bytes") == str(saved.file.stat().st_size)
        assert 0 < int(saved.info("loading_loaded_bytes")) < saved.file.stat().st_size
        assert 0 < float(saved.info("loading_loaded_perc")) < 100
        assert saved.info("loading_eta_seconds") == "1"
        saved.clock.advance(10)
        assert int(saved.info("loading_eta_seconds")) > 1
        load_now(steps)
        assert saved.info("loading") == "0"
        assert saved.call("GET", "key 99") == b"99"
        assert saved.info("rdb_changes_since_last_save") == "0"

    def test_in_turns(self, saved: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("twisted_resp.persistence.loading._SLICE", 0.0)
        loader = LoadInSlices(saved.saving.start(), saved.clock)
        assert not loader.finished.called
        saved.clock.advance(0)
        assert loader.finished.called
        assert saved.call("DBSIZE") == 100

    def test_what_is_wrong_further_on(self, saved: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("twisted_resp.persistence.loading._SLICE", 0.0)
        saved.file.write_bytes(saved.file.read_bytes()[:-9])
        loader = LoadInSlices(saved.saving.start(), saved.clock)
        failures: list[Any] = []
        loader.finished.addErrback(failures.append)
        saved.clock.advance(0)
        assert failures[0].check(RdbError)
        assert saved.info("loading") == "0"

    def test_a_loader_that_is_stopped(self, saved: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("twisted_resp.persistence.loading._SLICE", 0.0)
        loader = LoadInSlices(saved.saving.start(), saved.clock)
        loader.stop()
        assert saved.info("loading") == "0"
        assert not loader.finished.called
        assert not saved.clock.getDelayedCalls()
