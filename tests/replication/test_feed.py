"""The master's side: who becomes a replica, and what it gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Node = Any
Peer = Any
Connect = Callable[[], Peer]


def acknowledgement(offset: int) -> str:
    return f"REPLCONF ACK {offset}"


class TestTheStream:
    def test_a_snapshot_and_then_what_changes(self, node: Node, connect: Connect) -> None:
        node.call("SET", "before", "1")
        replica = connect()
        reply = replica.send("SYNC")
        header, _, snapshot = reply.partition(b"\r\n")
        assert header == b"$%d" % len(snapshot)
        assert snapshot.startswith(b"REDIS00")
        assert b"before" in snapshot
        node.call("SET", "a", "1")
        node.call("GET", "a")
        node.call("INCR", "a")
        assert replica.commands() == ["SELECT 0", "SET a 1", "INCR a"]

    def test_select_comes_where_the_database_changes(self, node: Node, connect: Connect) -> None:
        replica = connect()
        replica.follow()
        other = connect()
        node.call("SET", "a", "1")
        other.send("SELECT 3", "SET a 1", "SET b 1")
        node.call("SET", "a", "2")
        assert replica.commands() == [
            "SELECT 0", "SET a 1", "SELECT 3", "SET a 1", "SET b 1", "SELECT 0", "SET a 2"
        ]  # fmt: skip

    def test_a_transaction_is_framed_only_if_it_writes_twice(self, node: Node, connect: Connect) -> None:
        replica, client = connect(), connect()
        replica.follow()
        client.send("MULTI", "SET a 1", "GET a", "EXEC", "MULTI", "SET a 1", "SELECT 2", "SET b 1", "EXEC")
        client.send("MULTI", "EXEC", "MULTI", "GET a", "EXEC")
        assert replica.commands() == [
            "SELECT 0", "SET a 1", "MULTI", "SET a 1", "SELECT 2", "SET b 1", "EXEC"
        ]  # fmt: skip

    def test_each_replica_begins_with_a_select(self, node: Node, connect: Connect) -> None:
        first, second = connect(), connect()
        first.follow()
        node.call("SET", "a", "1")
        second.follow()
        assert second.commands() == []
        node.call("SET", "a", "2")
        assert first.commands()[-2:] == second.commands() == ["SELECT 0", "SET a 2"]

    def test_keys_that_expire_are_deleted(self, node: Node, connect: Connect) -> None:
        replica = connect()
        replica.follow("CONFIG SET repl-ping-replica-period 3600")
        node.call("SET", "a", "1", "PX", "1500")
        at = node.server.now_ms + 1500
        node.reactor.advance(2)
        assert replica.commands() == ["SELECT 0", f"SET a 1 PXAT {at}", "DEL a"]

    def test_messages(self, node: Node, connect: Connect) -> None:
        replica, client = connect(), connect()
        client.send("PUBLISH c nobody-follows-yet")
        replica.follow()
        client.send("PUBLISH c m", "SPUBLISH c m", "MULTI", "PUBLISH c 1", "SET a 1", "EXEC")
        assert replica.commands() == [
            "SELECT 0", "PUBLISH c m", "SPUBLISH c m", "MULTI", "PUBLISH c 1", "SET a 1", "EXEC"
        ]  # fmt: skip

    def test_what_fails_or_changes_nothing_is_not_told(self, node: Node, connect: Connect) -> None:
        replica = connect()
        replica.follow()
        node.call("LPUSH", "l", "1")
        replica.received()
        node.error("INCR", "l")
        node.call("DEL", "nothing")
        node.call("SREM", "nothing", "x")
        assert replica.commands() == []

    def test_a_served_waiter_is_told_as_what_it_took(self, node: Node, connect: Connect) -> None:
        replica, waiter = connect(), connect()
        replica.follow()
        waiter.send("BLPOP l 0")
        node.call("RPUSH", "l", "1")
        assert replica.commands() == ["SELECT 0", "RPUSH l 1", "LPOP l"]

    def test_pings(self, node: Node, connect: Connect) -> None:
        replica = connect()
        replica.follow("CONFIG SET repl-ping-replica-period 3")
        node.reactor.pump([1] * 7)
        assert replica.commands() == ["PING", "PING"]


class TestWithoutReplicas:
    def test_nothing_is_listened_to(self, node: Node) -> None:
        node.call("SET", "a", "1")
        assert not node.server.effects.active
        assert node.server.attention == 0
        assert node.info()["master_repl_offset"] == "0"
        assert node.info()["repl_backlog_active"] == "0"

    def test_the_backlog_is_kept_for_a_while(self, node: Node, connect: Connect) -> None:
        node.call("CONFIG", "SET", "repl-backlog-ttl", "100")
        replica = connect()
        replica.follow()
        history = node.info()["master_replid"]
        replica.lose()
        node.call("SET", "a", "1")
        info = node.info()
        assert (info["connected_slaves"], info["repl_backlog_active"]) == ("0", "1")
        assert info["master_repl_offset"] == info["repl_backlog_histlen"] != "0"
        node.reactor.advance(99)
        assert node.server.effects.active
        node.reactor.advance(2)
        assert not node.server.effects.active
        assert node.server.attention == 0
        assert node.info()["master_replid"] != history
        assert not node.reactor.getDelayedCalls()

    def test_it_is_kept_as_long_as_there_are_replicas(self, node: Node, connect: Connect) -> None:
        node.call("CONFIG", "SET", "repl-backlog-ttl", "100")
        first, second = connect(), connect()
        first.follow()
        first.lose()
        node.reactor.advance(50)
        second.follow()
        node.reactor.advance(100)
        assert node.info()["repl_backlog_active"] == "1"


class TestPsync:
    def test_a_full_one_says_where_it_is(self, node: Node, connect: Connect) -> None:
        first, second = connect(), connect()
        first.follow()
        node.call("SET", "a", "1")
        info = node.info()
        reply = second.send("PSYNC ? -1")
        place = f"+FULLRESYNC {info['master_replid']} {info['master_repl_offset']}\r\n$"
        assert reply.startswith(place.encode())
        assert info["master_repl_offset"] == str(len("*2$6SELECT$10*3$3SET$1a$11") + 2 * 12)

    def test_going_on_where_it_was(self, node: Node, connect: Connect) -> None:
        replica = connect()
        replica.follow()
        node.call("SET", "a", "1")
        seen = len(replica.received())
        replica.lose()
        node.call("SET", "a", "22")
        history = node.info()["master_replid"]
        again = connect()
        reply = again.send("REPLCONF capa eof capa psync2", f"PSYNC {history.upper()} {seen + 1}")
        assert reply.startswith(f"+OK\r\n+CONTINUE {history}\r\n*3".encode())
        assert reply.endswith(b"$2\r\n22\r\n")
        node.call("SET", "a", "3")
        assert again.commands() == ["SET a 3"]
        assert node.info("stats")["sync_partial_ok"] == "1"

    def test_old_replicas_are_not_told_the_history(self, node: Node, connect: Connect) -> None:
        connect().follow()
        assert connect().send(f"PSYNC {node.info()['master_replid']} 1") == b"+CONTINUE\r\n"

    @pytest.mark.parametrize(("history", "offset"), [("x" * 40, 1), (None, 0), (None, 40), (None, -5)])
    def test_what_is_not_there(self, node: Node, connect: Connect, history: str | None, offset: int) -> None:
        connect().follow()
        reply = connect().send(f"PSYNC {history or node.info()['master_replid']} {offset}")
        assert reply.startswith(b"+FULLRESYNC ")
        stats = node.info("stats")
        assert (stats["sync_full"], stats["sync_partial_err"]) == ("2", "1")

    def test_the_backlog_has_a_size(self, node: Node, connect: Connect) -> None:
        node.call("CONFIG", "SET", "repl-backlog-size", "16384")
        connect().follow()
        for _ in range(50):
            node.call("SET", "a", "x" * 1000)
        info = node.info()
        end = int(info["master_repl_offset"])
        assert info["repl_backlog_histlen"] == "16384"
        assert int(info["repl_backlog_first_byte_offset"]) == end - 16384 + 1
        history = info["master_replid"]
        assert connect().send(f"PSYNC {history} {end - 16384}").startswith(b"+FULLRESYNC")
        reply = connect().send(f"PSYNC {history} {end - 16384 + 1}")
        assert reply.startswith(b"+CONTINUE")
        assert len(reply) == len(b"+CONTINUE\r\n") + 16384

    def test_no_offset(self, connect: Connect) -> None:
        assert connect().send("PSYNC ? x") == b"-ERR value is not an integer or out of range\r\n"


class TestReplconf:
    @pytest.mark.parametrize(
        ("request_", "reply"),
        [
            ("REPLCONF", b"+OK\r\n"),
            ("REPLCONF capa", b"-ERR syntax error\r\n"),
            ("REPLCONF listening-port x", b"-ERR value is not an integer or out of range\r\n"),
            ("REPLCONF speed 3", b"-ERR Unrecognized REPLCONF option: speed\r\n"),
            ("REPLCONF rdb-only 2", b"-ERR value is out of range, value must between 0 and 1\r\n"),
            ("REPLCONF rdb-filter-only keys", b"-ERR Unsupported rdb-filter-only option: keys\r\n"),
            ("REPLCONF VERSION 7.4.0 ip-address ::1", b"+OK\r\n"),
            ("REPLCONF ACK 10", b""),
            ("REPLCONF GETACK *", b""),
        ],
    )
    def test_replies(self, connect: Connect, request_: str, reply: bytes) -> None:
        assert connect().send(request_) == reply

    def test_only_the_snapshot(self, node: Node, connect: Connect) -> None:
        node.call("SET", "somekey", "1")
        peer = connect()
        assert b"somekey" in peer.send("REPLCONF rdb-only 1", "SYNC")
        assert peer.transport.disconnecting
        other = connect()
        assert b"somekey" not in other.send("REPLCONF rdb-filter-only functions", "SYNC")


class TestReplicas:
    def test_what_is_known_of_them(self, node: Node, connect: Connect) -> None:
        replica = connect()
        replica.send("REPLCONF listening-port 6380 ip-address 10.0.0.1", "PSYNC ? -1")
        assert node.info()["slave0"] == "ip=10.0.0.1,port=6380,state=online,offset=0,lag=0"
        node.call("SET", "a", "1")
        offset = node.call("ROLE")[1]
        assert replica.send(acknowledgement(offset)).endswith(b"$1\r\na\r\n$1\r\n1\r\n")
        node.reactor.advance(0.5)
        assert node.info()["slave0"] == f"ip=10.0.0.1,port=6380,state=online,offset={offset},lag=0"
        assert node.call("ROLE") == [b"master", offset, [[b"10.0.0.1", b"6380", b"%d" % offset]]]
        assert b" flags=S " in node.call("CLIENT", "LIST", "TYPE", "replica")
        assert node.info("clients")["connected_clients"] == "0"

    @pytest.mark.parametrize("request_", ["PING", "SET a 1", "GET a", "PUBLISH c m", "BLPOP l 0", "MULTI"])
    def test_they_are_not_to_be_answered(self, node: Node, connect: Connect, request_: str) -> None:
        replica = connect()
        replica.follow()
        assert replica.send("REPLCONF ACK 1", "SYNC", "PSYNC ? -1") == b""
        assert node.info()["connected_slaves"] == "1"
        assert replica.send(request_) == b""
        assert replica.transport.disconnected or replica.transport.disconnecting
        assert node.info()["connected_slaves"] == "0"
        assert node.call("EXISTS", "a") == 0
        assert node.server.blocked_clients == 0

    def test_one_that_is_silent_for_long(self, node: Node, connect: Connect) -> None:
        silent, speaking, old = connect(), connect(), connect()
        for peer in (silent, speaking):
            peer.send("PSYNC ? -1")
        old.follow()
        node.call("CONFIG", "SET", "repl-timeout", "10")
        for _ in range(12):
            node.reactor.advance(1)
            speaking.send(acknowledgement(0))
        assert silent.transport.disconnecting
        assert not speaking.transport.disconnecting
        assert not old.transport.disconnecting
        assert node.info()["connected_slaves"] == "2"

    def test_one_that_does_not_read(self, node: Node, connect: Connect) -> None:
        node.call("CONFIG", "SET", "client-output-buffer-limit", "replica 100k 0 0")
        # Below the backlog, which it may have at any time, the limit does not count.
        node.call("CONFIG", "SET", "repl-backlog-size", "16kb")
        node.call("SET", "large", "x" * 300_000)
        replica = connect()
        replica.protocol._output.pauseProducing()
        replica.send("PSYNC ? -1")
        # The snapshot is no offence.
        assert node.info()["slave0"].startswith("ip=127.0.0.1,port=0,state=send_bulk")
        node.call("SET", "a", "x" * 50_000)
        assert node.info()["connected_slaves"] == "1"
        node.call("SET", "a", "x" * 60_000)
        assert node.info()["connected_slaves"] == "0"

    def test_writes_may_depend_on_them(self, node: Node, connect: Connect) -> None:
        node.call("CONFIG", "SET", "min-replicas-to-write", "1", "min-replicas-max-lag", "5")
        refused = b"NOREPLICAS Not enough good replicas to write."
        assert node.error("SET", "a", "1") == refused
        replica = connect()
        replica.send("PSYNC ? -1")
        assert node.call("SET", "a", "1") == b"OK"
        assert node.info()["min_slaves_good_slaves"] == "1"
        node.reactor.advance(6)
        assert node.error("SET", "a", "1") == refused
        assert node.call("GET", "a") == b"1"
        replica.send(acknowledgement(1))
        assert node.call("SET", "a", "1") == b"OK"


class TestWait:
    def test_until_it_is_there(self, node: Node, connect: Connect) -> None:
        replica, client = connect(), connect()
        replica.send("PSYNC ? -1")
        client.send("SET a 1")
        assert client.send("WAIT 1 0") == b""
        assert replica.commands() == ["SELECT 0", "SET a 1", "REPLCONF GETACK *"]
        offset = client.client.write_offset
        replica.send(acknowledgement(offset - 1))
        assert client.received() == b""
        replica.send(acknowledgement(offset))
        assert client.received() == b":1\r\n"
        # That is known now; and who wrote nothing need not wait.
        assert client.send("WAIT 1 0") == connect().send("WAIT 1 0") == b":1\r\n"

    def test_until_time_is_up(self, node: Node, connect: Connect) -> None:
        first, second, client = connect(), connect(), connect()
        for replica in (first, second):
            replica.send("PSYNC ? -1")
        assert client.send("SET a 1", "WAIT 2 500") == b"+OK\r\n"
        first.send(acknowledgement(1000))
        assert client.received() == b""
        node.reactor.advance(0.6)
        assert client.received() == b":1\r\n"

    def test_inside_a_transaction(self, connect: Connect) -> None:
        replica, client = connect(), connect()
        replica.send("PSYNC ? -1")
        assert client.send("MULTI", "SET a 1", "WAIT 1 0", "EXEC").endswith(b"*2\r\n+OK\r\n:1\r\n")

    def test_until_it_is_on_disk(self, connect: Connect) -> None:
        replica, client = connect(), connect()
        replica.send("PSYNC ? -1")
        client.send("SET a 1")
        assert client.send("WAITAOF 0 1 0") == b""
        offset = client.client.write_offset
        replica.send(acknowledgement(offset))
        assert client.received() == b""
        replica.send(f"REPLCONF ACK {offset} FACK {offset}")
        assert client.received() == b"*2\r\n:0\r\n:1\r\n"

    def test_until_it_is_on_our_own_disk(self, node: Node, connect: Connect) -> None:
        # What an append-only file does.
        node.server.effects.add_listener(lambda unit: node.server.replication.count_unit())
        node.server.replication.synced(0, anew=True)
        client = connect()
        client.send("SET a 1", "SET a 2")
        assert client.send("WAITAOF 1 0 0") == b""
        node.server.replication.synced(1)
        assert client.received() == b""
        node.server.replication.synced(2)
        assert client.received() == b"*2\r\n:1\r\n:0\r\n"
        node.server.end_batch()
        assert client.send("SET a 3", "WAITAOF 1 0 0") == b"+OK\r\n"
        node.server.replication.synced(-1, anew=True)
        assert client.received().startswith(b"-ERR WAITAOF cannot be used when numlocal is set but")
