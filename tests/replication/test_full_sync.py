"""A snapshot of a master takes the place of a replica's data, in turns of the reactor."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from twisted_resp.replication.full_sync import Snapshot
from twisted_resp.replication.snapshots import snapshot

Node = Any
Tie = Any
Wire = Any

# How long a turn of the reactor takes (seconds).
TURN = 0.25
LIBRARY = b"""#!lua name=%b
redis.register_function{function_name='%b', callback=function() return %d end, flags={'no-writes'}}"""
LOADING = b"LOADING Redis is loading the dataset in memory"


def fill(node: Node, keys: int = 500, value: str = "new") -> None:
    for number in range(keys):
        node.call("SET", f"key:{number}", value)


def end_of_loading(node: Node) -> None:
    for _ in range(1000):
        if not node.server.loading.active:
            return
        node.reactor.advance(TURN)
    raise AssertionError("it does not end")


@pytest.fixture
def slow(other: Node, monkeypatch: pytest.MonkeyPatch) -> Node:
    """A replica that takes one step in each turn, and whose turns take their time."""
    monkeypatch.setattr("twisted_resp.persistence.loading._SLICE", 0.0)
    call_later = other.reactor.callLater
    monkeypatch.setattr(
        other.reactor, "callLater", lambda delay, *rest: call_later(max(delay, TURN), *rest), raising=False
    )
    return other


def begin(replica: Node, tie_class: type[Tie], master: Node) -> Tie:
    replica.call("REPLICAOF", "master", "6379")
    return tie_class(replica, master)


class TestLoading:
    def test_others_are_refused_what_looks_at_data(
        self, node: Node, slow: Node, tie_class: type[Tie]
    ) -> None:
        fill(node)
        slow.call("SET", "old", "1")
        tie = begin(slow, tie_class, node)
        assert slow.error("GET", "old") == LOADING
        assert slow.error("REPLICAOF", "NO", "ONE") == LOADING
        slow.reactor.advance(TURN)
        facts = slow.info("persistence")
        assert facts["loading"] == "1"
        assert facts["async_loading"] == "0"
        assert 0 < int(facts["loading_loaded_bytes"]) < int(facts["loading_total_bytes"])
        assert slow.info()["master_link_status"] == "down"
        assert slow.info()["master_sync_in_progress"] == "1"
        assert tie.transport.producerState == "paused"
        end_of_loading(slow)
        assert tie.transport.producerState == "producing"
        assert slow.info()["master_link_status"] == "up"
        assert slow.call("GET", "old") is None
        assert slow.call("DEBUG", "DIGEST") == node.call("DEBUG", "DIGEST")

    def test_stale_data_are_refused_first(self, node: Node, slow: Node, tie_class: type[Tie]) -> None:
        fill(node)
        slow.call("CONFIG", "SET", "replica-serve-stale-data", "no")
        begin(slow, tie_class, node)
        assert slow.error("GET", "a").startswith(b"MASTERDOWN")
        end_of_loading(slow)
        assert slow.call("GET", "key:1") == b"new"

    def test_the_stream_waits(self, node: Node, slow: Node, tie_class: type[Tie]) -> None:
        fill(node)
        tie = begin(slow, tie_class, node)
        node.call("SET", "key:1", "newer")
        node.call("DEL", "key:2")
        tie.hear(tie.peer.received())
        assert slow.server.loading.active
        end_of_loading(slow)
        assert slow.call("MGET", "key:1", "key:2") == [b"newer", None]
        tie.carry()
        assert slow.info()["master_repl_offset"] == node.info()["master_repl_offset"]

    def test_both_stay_connected_though_it_takes_long(
        self, node: Node, slow: Node, tie_class: type[Tie]
    ) -> None:
        for each in (node, slow):
            each.call("CONFIG", "SET", "repl-timeout", "3")
        fill(node, 1000)
        tie = begin(slow, tie_class, node)
        slow.reactor.advance(TURN)
        said = tie.said()
        for _ in range(24):
            said += tie.said()
            slow.reactor.advance(TURN)
            node.reactor.advance(TURN)
            tie.peer.protocol.dataReceived(tie.transport.value())
        assert said == b"\n" * 6
        assert slow.server.loading.active
        assert not tie.transport.disconnecting
        assert not tie.peer.transport.disconnecting

    def test_a_link_that_is_lost_meanwhile(self, node: Node, slow: Node, tie_class: type[Tie]) -> None:
        fill(node)
        tie = begin(slow, tie_class, node)
        tie.lose()
        node.call("SET", "key:1", "newer")
        end_of_loading(slow)
        assert slow.info()["master_link_status"] == "down"
        assert slow.call("GET", "key:1") == b"new"
        slow.reactor.advance(1)
        tie_class(slow, node)
        assert node.info("stats")["sync_partial_ok"] == "1"
        assert slow.call("GET", "key:1") == b"newer"

    def test_a_damaged_snapshot_leaves_nothing(
        self, node: Node, slow: Node, wire_class: type[Wire], logged_errors: list[str]
    ) -> None:
        fill(node)
        slow.call("SET", "old", "1")
        slow.call("REPLICAOF", "master", "6379")
        wire = wire_class(slow)
        announce(wire, b"a" * 40)
        data = snapshot(node.server)
        wire.hear(b"$%d\r\n%b" % (len(data), data[:-1] + bytes([data[-1] ^ 1])))
        end_of_loading(slow)
        assert "CRC" in logged_errors[0]
        assert wire.transport.disconnecting
        assert slow.call("DBSIZE") == 0

    def test_a_server_that_stops_saves_nothing_of_it(
        self, node: Node, slow: Node, tie_class: type[Tie], tmp_path: Path
    ) -> None:
        slow.server.directory = bytes(tmp_path)
        slow.call("CONFIG", "SET", "save", "1 1")
        fill(node, 1000)
        begin(slow, tie_class, node)
        slow.reactor.advance(TURN)
        # Neither at a save point nor in the end.
        slow.server.keyspace.dirty += 1000
        for _ in range(16):
            slow.reactor.advance(TURN)
        assert slow.server.loading.active
        slow.factory.stopFactory()
        slow.server.close()
        assert os.listdir(tmp_path) == []


class TestBesideTheOldData:
    """``repl-diskless-load swapdb``."""

    @pytest.fixture
    def again(self, node: Node, slow: Node, tie_class: type[Tie]) -> Node:
        """A replica of some time ago."""
        pytest.importorskip("lupa", reason="functions need Lua")
        slow.call("CONFIG", "SET", "repl-diskless-load", "swapdb")
        node.call("CONFIG", "SET", "repl-backlog-size", "16kb")
        node.call("FUNCTION", "LOAD", LIBRARY % (b"one", b"f", 1))
        fill(node, 20, "old")
        tie = begin(slow, tie_class, node)
        end_of_loading(slow)
        tie.lose()
        fill(node, 2000)
        node.call("FUNCTION", "FLUSH")
        node.call("FUNCTION", "LOAD", LIBRARY % (b"two", b"g", 2))
        slow.reactor.advance(1)
        return slow

    def test_data_of_the_same_history_are_served(self, node: Node, again: Node, tie_class: type[Tie]) -> None:
        tie = tie_class(again, node)
        facts = again.info("persistence")
        assert facts["loading"] == "0"
        assert facts["async_loading"] == "1"
        again.reactor.advance(TURN)
        assert again.call("GET", "key:1") == b"old"
        assert again.call("FCALL", "f", 0) == 1
        assert again.error("REPLICAOF", "NO", "ONE") == LOADING
        watching = again.factory.client()
        watching.call("WATCH", "key:1999")
        watching.call("MULTI")
        watching.call("GET", "key:1999")
        end_of_loading(again)
        assert again.info("persistence")["async_loading"] == "0"
        assert again.call("DEBUG", "DIGEST") == node.call("DEBUG", "DIGEST")
        assert again.call("FCALL", "g", 0) == 2
        assert b"Function not found" in again.error("FCALL", "f", 0)
        assert watching.call("EXEC").result is None
        tie.carry()
        node.call("SET", "key:1", "newer")
        tie.carry()
        assert again.call("GET", "key:1") == b"newer"

    def test_they_stay_if_it_fails(
        self, node: Node, again: Node, wire_class: type[Wire], logged_errors: list[str]
    ) -> None:
        wire = wire_class(again)
        announce(wire, again.info()["master_replid"].encode())
        data = snapshot(node.server)
        wire.hear(b"$%d\r\n%b" % (len(data), data[:-1] + bytes([data[-1] ^ 1])))
        assert again.info("persistence")["async_loading"] == "1"
        end_of_loading(again)
        assert logged_errors
        assert again.call("GET", "key:1") == b"old"
        assert again.call("FCALL", "f", 0) == 1

    def test_those_of_another_history_are_not_served_but_stay(
        self, node: Node, again: Node, wire_class: type[Wire], logged_errors: list[str]
    ) -> None:
        wire = wire_class(again)
        announce(wire, b"b" * 40)
        data = snapshot(node.server)
        wire.hear(b"$%d\r\n%b" % (len(data), data[:-1] + bytes([data[-1] ^ 1])))
        assert again.info("persistence")["loading"] == "1"
        assert again.error("GET", "key:1") == LOADING
        end_of_loading(again)
        assert logged_errors
        assert again.call("GET", "key:1") == b"old"

    def test_keys_expire_after_it(self, node: Node, slow: Node, tie_class: type[Tie]) -> None:
        slow.call("CONFIG", "SET", "repl-diskless-load", "swapdb")
        fill(node, 100)
        node.call("SET", "short", "1", "PX", "5000")
        begin(slow, tie_class, node)
        end_of_loading(slow)
        slow.call("REPLICAOF", "NO", "ONE")
        assert slow.call("PEXPIRETIME", "short") == node.call("PEXPIRETIME", "short")
        slow.reactor.advance(6)
        assert slow.info("stats")["expired_keys"] == "1"


def announce(wire: Wire, history: bytes) -> None:
    """Be a master that sends all data."""
    for _ in range(3):
        wire.hear(b"+OK\r\n")
    wire.hear(b"+FULLRESYNC %b 100\r\n" % history)


class TestOnDisk:
    """``repl-diskless-load disabled``, in a process of our own."""

    @pytest.fixture
    def own(self, other: Node, tmp_path: Path) -> Node:
        other.server.directory = bytes(tmp_path)
        other.server.saving.may_fork = True
        return other

    def test_it_becomes_our_file(self, node: Node, own: Node, tie_class: type[Tie], tmp_path: Path) -> None:
        fill(node)
        begin(own, tie_class, node)
        assert [path.name for path in tmp_path.iterdir()] == ["dump.rdb"]
        end_of_loading(own)
        assert (tmp_path / "dump.rdb").read_bytes()[:5] == b"REDIS"
        assert own.call("DEBUG", "DIGEST") == node.call("DEBUG", "DIGEST")

    @pytest.mark.parametrize(("setting", "stays"), [("", False), ("save", True), ("appendonly", True)])
    def test_it_is_deleted_where_nothing_is_to_be_on_disk(
        self, node: Node, own: Node, tie_class: type[Tie], tmp_path: Path, setting: str, stays: bool
    ) -> None:
        own.call("CONFIG", "SET", "rdb-del-sync-files", "yes")
        if setting:
            own.call("CONFIG", "SET", setting, {"save": "100 1", "appendonly": "yes"}[setting])
        fill(node)
        begin(own, tie_class, node)
        end_of_loading(own)
        assert own.call("GET", "key:1") == b"new"
        assert (tmp_path / "dump.rdb").exists() == stays
        own.call("CONFIG", "SET", "appendonly", "no", "save", "")

    def test_one_that_does_not_come_to_an_end_leaves_nothing(
        self, node: Node, own: Node, wire_class: type[Wire], tmp_path: Path
    ) -> None:
        own.call("REPLICAOF", "master", "6379")
        wire = wire_class(own)
        announce(wire, b"a" * 40)
        wire.hear(b"$1000\r\nREDIS")
        assert len(list(tmp_path.iterdir())) == 1
        wire.lose()
        assert list(tmp_path.iterdir()) == []

    def test_a_disk_that_takes_no_more(
        self, node: Node, own: Node, wire_class: type[Wire], logged_errors: list[str]
    ) -> None:
        own.call("SET", "old", "1")
        own.call("REPLICAOF", "master", "6379")
        wire = wire_class(own)
        announce(wire, b"a" * 40)
        wire.hear(b"$1000\r\n")
        wire.protocol._snapshot._keeper._file.close()
        full = open("/dev/full", "wb", buffering=0)  # noqa: SIM115 - closed with the snapshot
        wire.protocol._snapshot._keeper._file = full
        wire.hear(b"REDIS0010")
        assert "No space left on device" in logged_errors[0]
        assert wire.transport.disconnecting
        assert own.call("GET", "old") == b"1"


class TestComingIn:
    @pytest.mark.parametrize("header", [b"$9", b"$EOF:" + b"m" * 40])
    def test_in_pieces(self, node: Node, header: bytes) -> None:
        data = b"REDIS0010" + (b"m" * 40 if header.startswith(b"$EOF") else b"*1\r\n")
        coming = Snapshot(node.server, header)
        for start in range(0, 9, 2):
            rest = coming.add(data[start : start + 2])
            if rest is not None:
                break
        if header.startswith(b"$EOF"):
            rest = coming.add(data[10:])
        assert rest == (b"" if header.startswith(b"$EOF") else b"*")
        with coming._keeper as kept:
            assert kept == b"REDIS0010"
