"""The replica's side: connecting, the snapshot, the stream, and what a replica is."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_resp.replication.snapshots import functions_snapshot, snapshot

Node = Any
Tie = Any
Wire = Any

HISTORY = b"a" * 40


def follow(replica: Node, tie_class: type[Tie], master: Node, port: int = 40000) -> Tie:
    replica.call("REPLICAOF", "master", "6379")
    return tie_class(replica, master, port)


def digest(node: Node) -> bytes:
    result: bytes = node.call("DEBUG", "DIGEST")
    return result


class TestWithAMaster:
    def test_all_data_and_what_changes(self, node: Node, other: Node, tie_class: type[Tie]) -> None:
        node.call("SET", "a", "1", "PX", "100000")
        node.call("RPUSH", "l", "1", "two")
        node.call("SELECT", "3")
        node.call("HSET", "h", "f", "v")
        other.call("SET", "of-my-own", "1")
        tie = follow(other, tie_class, node)
        assert digest(other) == digest(node)
        assert other.info()["master_link_status"] == "up"
        node.call("ZADD", "z", "1.5", "m")
        node.call("SADD", "s", "1", "2", "3")
        node.call("SPOP", "s")
        node.call("MULTI")
        node.call("SELECT", "0")
        node.call("APPEND", "a", "x")
        node.call("XADD", "x", "*", "f", "v")
        node.call("EXEC")
        tie.carry()
        assert digest(other) == digest(node)
        assert other.info()["master_repl_offset"] == node.info()["master_repl_offset"]
        assert other.info()["master_replid"] == node.info()["master_replid"]

    def test_it_says_how_far_it_is(self, node: Node, other: Node, tie_class: type[Tie]) -> None:
        tie = follow(other, tie_class, node)
        node.call("SET", "a", "1")
        tie.carry()
        other.reactor.advance(1)
        tie.carry()
        offset = node.info()["master_repl_offset"]
        assert f"offset={offset}," in node.info()["slave0"]
        waiting = node.factory.client()
        waiting.call("SET", "b", "1")
        replies: list[Any] = []
        waiting.call("WAIT", "1", "0").addCallback(replies.append)
        assert replies == []
        tie.carry()
        assert replies == [1]

    def test_a_pause_of_writes_holds_the_stream_back(
        self, node: Node, other: Node, tie_class: type[Tie]
    ) -> None:
        tie = follow(other, tie_class, node)
        node.call("SET", "b", "1")  # before it SELECT, which no pause holds back
        tie.carry()
        before = other.info()["slave_repl_offset"]
        other.call("CLIENT", "PAUSE", "100000", "WRITE")
        node.call("SET", "a", "1")
        node.call("SET", "a", "2")
        tie.carry()
        assert other.call("GET", "a") is None
        assert other.info()["slave_repl_offset"] == before
        assert other.info()["slave_read_repl_offset"] == node.info()["master_repl_offset"]
        other.call("CLIENT", "UNPAUSE")
        assert other.call("GET", "a") == b"2"
        assert other.info()["slave_repl_offset"] == node.info()["master_repl_offset"]

    def test_what_a_pause_held_back_is_asked_for_again(
        self, node: Node, other: Node, tie_class: type[Tie]
    ) -> None:
        tie = follow(other, tie_class, node)
        other.call("CLIENT", "PAUSE", "100000", "WRITE")
        node.call("SET", "a", "1")
        tie.carry()
        tie.lose()
        other.call("CLIENT", "UNPAUSE")
        assert other.call("GET", "a") is None
        other.reactor.advance(1)
        tie_class(other, node)
        assert other.call("GET", "a") == b"1"

    def test_a_lost_link(self, node: Node, other: Node, tie_class: type[Tie]) -> None:
        tie = follow(other, tie_class, node)
        node.call("SELECT", "5")
        node.call("SET", "a", "1")
        tie.carry()
        tie.lose()
        assert other.info()["master_link_status"] == "down"
        node.call("SET", "b", "2")
        other.reactor.advance(3)
        assert other.info()["master_link_down_since_seconds"] == "3"
        assert len(other.attempts) == 2
        tie = tie_class(other, node)
        assert node.info("stats")["sync_partial_ok"] == "1"
        node.call("SET", "c", "3")
        tie.carry()
        assert digest(other) == digest(node)

    def test_a_link_lost_within_a_transaction(
        self, node: Node, other: Node, wire_class: type[Wire], tie_class: type[Tie]
    ) -> None:
        tie = follow(other, tie_class, node)
        node.call("SET", "a", "1")
        tie.carry()
        before = other.info()["master_repl_offset"]
        tie.hear(b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n2\r\n")
        assert other.info()["master_repl_offset"] == before
        tie.lose()
        assert other.call("GET", "a") == b"1"

    def test_a_replica_of_a_replica(self, node: Node, other: Node, third: Node, tie_class: type[Tie]) -> None:
        upper = follow(other, tie_class, node)
        lower = follow(third, tie_class, other)
        for command in (["SET", "a", "1"], ["SPOP", "none"], ["MSET", "b", "1", "c", "2"]):
            node.call(*command)
        upper.carry()
        lower.carry()
        assert digest(third) == digest(node)
        offsets = {each.info()["master_repl_offset"] for each in (node, other, third)}
        assert len(offsets) == 1
        # Its master is promoted: the history goes on under another name.
        other.call("REPLICAOF", "NO", "ONE")
        assert lower.peer.transport.disconnecting
        lower.lose()
        third.reactor.advance(1)
        lower = tie_class(third, other)
        assert other.info("stats")["sync_partial_ok"] == "1"
        other.call("SET", "mine", "1")
        lower.carry()
        assert third.call("GET", "mine") == b"1"
        assert third.info()["master_replid"] == other.info()["master_replid"] != node.info()["master_replid"]
        assert other.info()["master_replid2"] == node.info()["master_replid"]

    def test_a_replica_of_a_replica_comes_in_the_middle_of_the_stream(
        self, node: Node, other: Node, third: Node, tie_class: type[Tie]
    ) -> None:
        upper = follow(other, tie_class, node)
        node.call("SELECT", "3")
        node.call("SET", "a", "1")
        upper.carry()
        lower = follow(third, tie_class, other)
        node.call("SET", "b", "1")
        upper.carry()
        lower.carry()
        assert digest(third) == digest(other) == digest(node)
        third.call("SELECT", "3")
        assert third.call("MGET", "a", "b") == [b"1", b"1"]

    def test_a_replica_that_gets_all_anew_sends_its_own_away(
        self, node: Node, other: Node, third: Node, tie_class: type[Tie]
    ) -> None:
        lower = follow(third, tie_class, other)
        follow(other, tie_class, node)
        assert lower.peer.transport.disconnecting

    def test_a_password(self, node: Node, other: Node, tie_class: type[Tie]) -> None:
        node.call("CONFIG", "SET", "requirepass", "secret")
        tie = follow(other, tie_class, node)
        assert tie.transport.disconnecting
        tie.lose()
        other.call("CONFIG", "SET", "masterauth", "secret")
        other.reactor.advance(1)
        tie_class(other, node)
        assert other.info()["master_link_status"] == "up"

    def test_keys_expire_where_the_master_says_so(
        self, node: Node, other: Node, tie_class: type[Tie]
    ) -> None:
        tie = follow(other, tie_class, node)
        node.call("SET", "a", "1", "PX", "1000")
        node.call("SET", "b", "1", "PX", "1000")
        tie.carry()
        other.reactor.advance(1.5)
        assert other.call("GET", "a") is None
        assert other.call("EXISTS", "a") == 0
        assert other.call("DBSIZE") == 2
        # To the master it has not expired, who says when.
        node.call("APPEND", "a", "2")
        node.call("PERSIST", "a")
        tie.carry()
        assert other.call("GET", "a") == b"12"
        node.reactor.advance(1.5)
        tie.carry()
        assert other.call("DBSIZE") == 1

    def test_waiters_for_keys_are_sent_away(self, node: Node, other: Node) -> None:
        replies: list[Any] = []
        client = other.factory.client()
        other.server.clients[client.client.id] = client.client
        client.call("BLPOP", "l", "0").addErrback(replies.append)
        other.call("REPLICAOF", "master", "6379")
        assert replies[0].value.code == b"UNBLOCKED"


class TestBeingAReplica:
    def test_without_a_link(self, node: Node) -> None:
        node.call("SET", "a", "1")
        assert node.call("REPLICAOF", "some.host", "1234") == b"OK"
        assert node.attempts == [("some.host", 1234)]
        info = node.info()
        assert (info["role"], info["master_host"], info["master_port"]) == ("slave", "some.host", "1234")
        assert info["master_link_status"] == "down"
        assert node.call("ROLE") == [b"slave", b"some.host", 1234, b"connecting", -1]
        node.refuse()
        assert node.call("ROLE")[3] == b"connect"
        node.reactor.advance(1)
        assert len(node.attempts) == 2
        assert node.call("CONFIG", "GET", "replicaof") == {b"replicaof": b"some.host 1234"}
        assert node.call("REPLICAOF", "SOME.host", "1234") == b"OK Already connected to specified master"

    def test_it_is_read_only(self, node: Node) -> None:
        node.call("SET", "a", "1")
        node.call("REPLICAOF", "h", "1")
        assert node.error("SET", "a", "2") == b"READONLY You can't write against a read only replica."
        assert node.call("GET", "a") == b"1"
        node.call("CONFIG", "SET", "replica-read-only", "no")
        assert node.call("SET", "a", "2") == b"OK"
        assert node.error("WAIT", "0", "0").startswith(b"ERR WAIT cannot be used with replica instances.")

    def test_a_writable_one_expires_what_was_written_there(self, node: Node) -> None:
        node.call("SET", "of-the-master", "1", "PX", "100")
        node.call("REPLICAOF", "h", "1")
        node.call("CONFIG", "SET", "replica-read-only", "no")
        for key in ("a", "b", "c"):
            node.call("SET", key, "1", "PX", "100")
        node.call("PERSIST", "b")
        assert node.info("stats")["slave_expires_tracked_keys"] == "3"
        node.reactor.pump([0.1] * 3)
        assert set(node.server.keyspace.databases[0].values) == {b"of-the-master", b"b"}
        assert node.info("stats")["slave_expires_tracked_keys"] == "0"
        assert node.call("GET", "of-the-master") is None

    def test_it_may_refuse_to_serve_old_data(self, node: Node) -> None:
        node.call("CONFIG", "SET", "replica-serve-stale-data", "no")
        node.call("REPLICAOF", "h", "1")
        assert node.error("GET", "a").startswith(b"MASTERDOWN Link with MASTER is down")
        assert node.error("PING").startswith(b"MASTERDOWN")
        assert node.info()["role"] == "slave"
        assert node.call("REPLICAOF", "NO", "ONE") == b"OK"
        assert node.call("GET", "a") is None

    def test_it_has_no_data_for_replicas_of_its_own(self, node: Node, connect: Any) -> None:
        node.call("REPLICAOF", "h", "1")
        assert connect().send("SYNC") == b"-NOMASTERLINK Can't SYNC while not connected with my master\r\n"

    def test_promotion(self, node: Node) -> None:
        before = node.info()["master_replid"]
        node.call("SET", "a", "1", "PX", "100")
        node.call("REPLICAOF", "h", "1")
        node.reactor.advance(5)
        assert node.call("DBSIZE") == 1
        node.call("REPLICAOF", "NO", "ONE")
        node.reactor.advance(0.2)
        assert node.call("DBSIZE") == 0
        info = node.info()
        assert (info["role"], info["master_replid2"]) == ("master", before)
        assert info["master_replid"] != before
        attempts = len(node.attempts)
        node.reactor.pump([1] * 5)
        assert len(node.attempts) == attempts

    def test_within_a_transaction_nothing_of_it_is_told(self, node: Node, connect: Any) -> None:
        replica = connect()
        replica.follow()
        for command in (["MULTI"], ["SET", "a", "1"], ["REPLICAOF", "h", "1"], ["SET", "b", "1"], ["EXEC"]):
            node.call(*command)
        assert replica.commands() == []


class TestTheProtocol:
    """What is said to a master that the test plays."""

    @pytest.fixture
    def wire(self, node: Node, wire_class: type[Wire]) -> Wire:
        node.call("REPLICAOF", "h", "1")
        return wire_class(node)

    def shake_hands(self, wire: Wire) -> bytes:
        """Everything up to PSYNC, which is returned."""
        assert wire.said() == b"*1\r\n$4\r\nPING\r\n"
        wire.hear(b"+PONG\r\n")
        assert wire.said().startswith(b"*3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n")
        wire.hear(b"+OK\r\n")
        assert b"psync2" in wire.said()
        wire.hear(b"-ERR what?\r\n")  # old ones do not know
        said: bytes = wire.said()
        return said

    def test_a_snapshot_with_an_end_mark_byte_by_byte(self, node: Node, wire: Wire, other: Node) -> None:
        other.call("SET", "a", "1")
        self.shake_hands(wire)
        mark = b"m" * 40
        data = b"+FULLRESYNC %b 100\r\n\n\n$EOF:%b\r\n%b%b" % (HISTORY, mark, snapshot(other.server), mark)
        for byte in data:
            assert node.info()["master_link_status"] == "down"
            wire.hear(bytes((byte,)))
        assert node.call("GET", "a") == b"1"
        assert node.call("ROLE") == [b"slave", b"h", 1, b"connected", 100]
        assert b"ACK" in wire.said()

    def test_all_at_once(self, node: Node, wire: Wire) -> None:
        self.shake_hands(wire)
        data = functions_snapshot(node.server)
        stream = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\n1\r\n"
        wire.hear(b"+FULLRESYNC %b 7\r\n$%d\r\n%b%b" % (HISTORY, len(data), data, stream))
        assert node.call("GET", "a") == b"1"
        assert node.info()["slave_repl_offset"] == str(7 + len(stream))
        wire.said()
        wire.hear(b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n")
        assert b"$3\r\nACK\r\n$2\r\n%d\r\n" % (7 + len(stream)) in wire.said()

    def test_while_the_snapshot_comes(self, node: Node, wire: Wire) -> None:
        self.shake_hands(wire)
        node.server.configuration[b"repl-timeout"] = 5
        wire.hear(b"+FULLRESYNC %b 7\r\n$1000\r\n" % HISTORY)
        wire.hear(b"REDIS")
        info = node.info()
        assert (info["master_sync_in_progress"], info["master_sync_left_bytes"]) == ("1", "995")
        node.reactor.pump([1] * 7)
        assert wire.transport.disconnecting

    def test_a_snapshot_that_makes_no_sense(self, node: Node, wire: Wire, wire_class: type[Wire]) -> None:
        asked = self.shake_hands(wire)
        assert node.server.replication.id in asked
        wire.hear(b"+FULLRESYNC %b 7\r\n$20\r\n%b" % (HISTORY, b"?" * 20))
        assert wire.transport.disconnecting
        wire.lose()
        node.reactor.advance(1)
        # What is there by now is worth nothing.
        assert b"$1\r\n?\r\n$2\r\n-1\r\n" in self.shake_hands(wire_class(node))

    @pytest.mark.parametrize("mode", ["swapdb", "on-empty-db", "disabled"])
    def test_without_a_disk_it_loads_while_the_snapshot_comes(
        self, node: Node, wire: Wire, mode: str, logged_errors: list[str]
    ) -> None:
        node.call("CONFIG", "SET", "repl-diskless-load", mode)
        node.call("CONFIG", "SET", "replica-read-only", "no")
        if mode == "swapdb":
            node.call("SET", "a", "1")
        self.shake_hands(wire)
        wire.hear(b"+FULLRESYNC %b 7\r\n$1000\r\nREDIS" % HISTORY)
        info = node.info("persistence")
        if mode == "disabled":
            assert info["loading"] == "0"
            return
        assert (info["loading"], info["loading_total_bytes"], info["loading_loaded_bytes"]) == (
            "1",
            "1000",
            "5",
        )
        assert node.error("GET", "a") == b"LOADING Redis is loading the dataset in memory"
        wire.lose()
        assert logged_errors == ["Internal error in RDB reading offset 5: unexpected end of the stream"]
        assert node.info("persistence")["loading"] == "0"
        assert node.call("GET", "a") == (b"1" if mode == "swapdb" else None)

    def test_a_master_that_is_not_ready(self, node: Node, wire: Wire) -> None:
        self.shake_hands(wire)
        wire.hear(b"-NOMASTERLINK Can't SYNC while not connected with my master\r\n")
        assert wire.transport.disconnecting

    def test_a_master_that_knows_no_psync(self, node: Node, wire: Wire) -> None:
        self.shake_hands(wire)
        wire.hear(b"-ERR unknown command\r\n")
        assert wire.said() == b"*1\r\n$4\r\nSYNC\r\n"
        data = functions_snapshot(node.server)
        wire.hear(b"$%d\r\n%b" % (len(data), data))
        assert node.info()["master_link_status"] == "up"

    def test_a_master_that_says_nothing(self, node: Node, wire: Wire) -> None:
        node.server.configuration[b"repl-timeout"] = 5
        node.reactor.pump([1] * 7)
        assert wire.transport.disconnecting

    def test_an_error_to_ping(self, wire: Wire) -> None:
        wire.said()
        wire.hear(b"-ERR max number of clients reached\r\n")
        assert wire.transport.disconnecting

    def test_what_follows_the_end_of_the_link_is_not_applied(self, node: Node, wire: Wire) -> None:
        self.shake_hands(wire)
        data = functions_snapshot(node.server)
        wire.hear(b"+FULLRESYNC %b 7\r\n$%d\r\n%b" % (HISTORY, len(data), data))
        assert b"flags=M" in node.call("CLIENT", "LIST", "TYPE", "master")
        node.call("REPLICAOF", "NO", "ONE")
        wire.hear(b"*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\n1\r\n")
        wire.lose()
        assert node.call("GET", "a") is None
        assert node.call("ROLE")[0] == b"master"
        assert node.call("CLIENT", "LIST", "TYPE", "master") == b""


def test_a_replica_goes_on_after_a_command_that_fails(
    node: Node, other: Node, tie_class: type[Tie], logged_errors: list[str]
) -> None:
    tie = follow(other, tie_class, node)
    node.call("DEBUG", "REPLICATE", "NO-SUCH-COMMAND", "x")
    node.call("DEBUG", "REPLICATE", "LPUSH", "a", "1")
    node.call("SET", "b", "1")
    node.call("INCR", "b")
    tie.carry()
    assert len(logged_errors) == 1
    assert "== CRITICAL ==" in logged_errors[0]
    assert "NO-SUCH-COMMAND" in logged_errors[0]
    assert other.call("MGET", "a", "b") == [None, b"2"]
    assert other.call("TYPE", "a") == b"list"
    assert other.info()["master_repl_offset"] == node.info()["master_repl_offset"]
