"""Going on where one was after a restart, by what the snapshot tells; and with another master of the same history."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from twisted_resp.persistence.loading import load_now

Node = Any
Peer = Any
Tie = Any
Wire = Any
Connect = Callable[[], Peer]


def restart(node: Node, directory: Path, *, master: bytes = b"", later: float = 0) -> Node:
    """Save, and start anew with the file."""
    node.server.directory = bytes(directory)
    node.call("SAVE")
    fresh = type(node)()
    fresh.reactor.advance(node.reactor.seconds() - fresh.reactor.seconds() + later)
    fresh.server.keyspace.tick()
    fresh.server.directory = bytes(directory)
    fresh.server.configuration[b"replicaof"] = master
    load_now(fresh.server.saving.start())
    return fresh


class TestAMaster:
    def test_its_replicas_go_on(self, node: Node, connect: Connect, tmp_path: Path) -> None:
        connect().follow()
        node.call("SET", "a", "1")
        node.call("SET", "b", "1", "PX", "10")
        before = node.info()
        fresh = restart(node, tmp_path, later=1)
        info = fresh.info()
        end = int(before["master_repl_offset"])
        assert info["master_replid"] != before["master_replid"] == info["master_replid2"]
        assert int(info["second_repl_offset"]) == end + 1 == int(info["repl_backlog_first_byte_offset"])
        assert int(info["master_repl_offset"]) == end + int(info["repl_backlog_histlen"])
        fresh.call("SET", "c", "1")
        peer = type(connect())(fresh)
        peer.send("REPLCONF capa psync2")
        answer, _, stream = peer.send(f"PSYNC {before['master_replid']} {end + 1}").partition(b"\r\n")
        assert answer == b"+CONTINUE " + info["master_replid"].encode()
        # What has expired meanwhile is told as well.
        words = [word for word in stream.split(b"\r\n") if word and word[:1] not in b"*$"]
        assert words == [b"SELECT", b"0", b"DEL", b"b", b"SET", b"c", b"1"]

    def test_without_replicas_there_is_nothing_to_go_on_with(self, node: Node, tmp_path: Path) -> None:
        node.call("SET", "a", "1")
        info = restart(node, tmp_path).info()
        assert (info["master_replid2"], info["repl_backlog_active"]) == ("0" * 40, "0")


class TestAReplica:
    def test_it_goes_on(
        self, node: Node, other: Node, tie_class: type[Tie], wire_class: type[Wire], tmp_path: Path
    ) -> None:
        other.call("REPLICAOF", "master", "6379")
        tie = tie_class(other, node)
        peer = type(tie.peer)(node, 1234)
        peer.send("SELECT 5", "SET a 1 PX 10")
        tie.carry()
        tie.lose()
        info = other.info()
        fresh = restart(other, tmp_path, master=b"master 6379", later=1)
        # What expires is the master's to say.
        assert fresh.server.keyspace.databases[5].values
        fresh.call("REPLICAOF", "master", "6379")
        wire = wire_class(fresh)
        assert wire.said().startswith(b"*1\r\n$4\r\nPING")
        for _ in range(3):
            wire.hear(b"+OK\r\n")
        asked = wire.said()
        assert info["master_replid"].encode() in asked
        assert b"%d" % (int(info["slave_repl_offset"]) + 1) in asked
        wire.hear(b"+CONTINUE\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n1\r\n")
        assert b"b" in fresh.server.keyspace.databases[5].values


def test_another_master_goes_on_in_the_same_database(
    node: Node, other: Node, third: Node, tie_class: type[Tie]
) -> None:
    for one in (other, third):
        one.call("REPLICAOF", "master", "6379")
    ties = [tie_class(one, node) for one in (other, third)]
    peer = type(ties[0].peer)(node, 1234)
    peer.send("SELECT 5", "SET a 1")
    for tie in ties:
        tie.carry()
    third.call("REPLICAOF", "other", "6379")
    ties[1].lose()
    last = tie_class(third, other)
    assert other.info("stats")["sync_partial_ok"] == "1"
    peer.send("SET b 1")
    ties[0].carry()
    last.carry()
    assert set(third.server.keyspace.databases[5].values) == {b"a", b"b"}


@pytest.mark.parametrize("counter", ["sync_full", "sync_partial_ok", "sync_partial_err"])
def test_counters_begin_anew(node: Node, connect: Connect, counter: str) -> None:
    connect().send("PSYNC ? -1")
    history = node.info()["master_replid"]
    connect().send(f"PSYNC {history} 1")
    connect().send(f"PSYNC {history} 7")
    assert node.info("stats")[counter] != "0"
    node.call("CONFIG", "RESETSTAT")
    assert node.info("stats")[counter] == "0"
