"""Faults of connections, of messages and of the disk; and the registry of them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.task import Clock

from twisted_resp.testing.factory import ControlledFactory
from twisted_resp.testing.faults import Faults

MESSAGE = b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\n%b\r\n"


@pytest.fixture
def faults(factory: ControlledFactory) -> Faults:
    return factory.faults


class TestRefuse:
    def test_new_connections_are_closed(self, faults: Faults, connect: Callable[[], Any]) -> None:
        old = connect()
        with faults.refuse(times=1) as fault:
            refused = connect()
            assert refused.closed
            assert refused.received() == b""
            assert connect().send("PING") == old.send("PING") == b"+PONG\r\n"
        assert fault.hits == 1

    def test_with_a_word(self, faults: Faults, connect: Callable[[], Any]) -> None:
        with faults.refuse(reply="ERR max number of clients reached"):
            refused = connect()
            assert refused.received() == b"-ERR max number of clients reached\r\n"
            assert refused.closed
        assert connect().send("PING") == b"+PONG\r\n"

    def test_several_end_in_any_order(self, faults: Faults, connect: Callable[[], Any]) -> None:
        first, second = faults.refuse(skip=1), faults.refuse(skip=1)
        first.remove()
        assert not connect().closed
        assert connect().closed
        second.remove()
        assert not connect().closed

    def test_which_ports_are_down_has_to_be_said(self, faults: Faults) -> None:
        with pytest.raises(ValueError, match="which ports"):
            faults.down()


class TestDisconnect:
    def test_those_who_are_meant(self, faults: Faults, connect: Callable[[], Any]) -> None:
        one, two, three = connect(), connect(), connect()
        one.send("CLIENT SETNAME worker")
        two.send("SUBSCRIBE c")
        assert faults.disconnect(client="work*") == 1
        assert (one.closed, two.closed, three.closed) == (True, False, False)
        assert faults.disconnect(subscribers=True) == 1
        assert (two.closed, three.closed) == (True, False)
        assert faults.disconnect(address="*:50002") == 1
        assert faults.disconnect() == 0


class TestMessages:
    def test_some_are_lost(self, faults: Faults, connect: Callable[[], Any]) -> None:
        one, other, publisher = connect(), connect(), connect()
        one.send("SUBSCRIBE c")
        other.send("SUBSCRIBE c")
        with faults.lose_messages("c*", client=one.client.id, times=1) as fault:
            assert publisher.send("PUBLISH c a", "PUBLISH c b") == 2 * b":2\r\n"
        publisher.send("PUBLISH c d")
        assert one.received() == MESSAGE % b"b" + MESSAGE % b"d"
        assert other.received() == MESSAGE % b"a" + MESSAGE % b"b" + MESSAGE % b"d"
        assert fault.hits == 1

    def test_patterns_and_shards(self, faults: Faults, connect: Callable[[], Any]) -> None:
        one, two, publisher = connect(), connect(), connect()
        one.send("PSUBSCRIBE n*")
        two.send("SSUBSCRIBE s")
        with faults.lose_messages("news"), faults.lose_messages("s"):
            assert publisher.send("PUBLISH news a", "SPUBLISH s a", "PUBLISH none a") == b":1\r\n:1\r\n:1\r\n"
        assert b"none" in one.received()
        assert two.received() == b""

    @pytest.mark.parametrize("condition", [{"keys": "k"}, {"where": bool}])
    def test_a_message_is_no_command(self, faults: Faults, condition: dict[str, Any]) -> None:
        with pytest.raises(TypeError, match="a message is no command"):
            faults.lose_messages(**condition)
        assert len(faults) == 0

    def test_the_subscriber_is_lost_too(self, faults: Faults, connect: Callable[[], Any]) -> None:
        one, publisher = connect(), connect()
        one.send("SUBSCRIBE c")
        with faults.lose_messages(disconnect=True):
            assert publisher.send("PUBLISH c a") == b":1\r\n"
            assert one.closed
            assert one.received() == b""
            assert publisher.send("PUBLISH c b") == b":0\r\n"


class TestDisk:
    def test_nothing_can_be_written(
        self, faults: Faults, factory: ControlledFactory, wire: Any, tmp_path: Any
    ) -> None:
        wire.send(f"CONFIG SET dir {tmp_path}")
        with faults.failed_disk() as fault:
            assert wire.send("SET k v").startswith(b"-MISCONF Redis is configured to save RDB snapshots")
            assert wire.send("GET k") == b"$-1\r\n"
            assert wire.send("SAVE", "BGSAVE").startswith(b"-ERR")
            assert b"rdb_last_bgsave_status:err" in wire.send("INFO persistence")
            assert list(tmp_path.iterdir()) == []
        assert fault.hits == 1
        assert wire.send("SET k v", "SAVE") == 2 * b"+OK\r\n"
        assert b"rdb_last_bgsave_status:ok" in wire.send("INFO persistence")
        assert [path.name for path in tmp_path.iterdir()] == ["dump.rdb"]

    def test_an_append_only_file_can_not_be_written(
        self, faults: Faults, factory: ControlledFactory, reactor: Clock, wire: Any, tmp_path: Any
    ) -> None:
        wire.send(f"CONFIG SET dir {tmp_path} appendonly yes", "SET before 1")
        written = tmp_path / "appendonlydir" / "appendonly.aof.1.incr.aof"
        size = written.stat().st_size
        with faults.failed_disk() as fault:
            assert wire.send("SET k v") == b"+OK\r\n"  # which is written a moment later
            assert fault.hits
            assert wire.send("SET k w") == (
                b"-MISCONF Errors writing to the AOF file: No space left on device\r\n"
            )
            assert wire.send("BGREWRITEAOF").startswith(b"-ERR")
            assert b"aof_last_write_status:err" in wire.send("INFO persistence")
            reactor.advance(2)
            assert written.stat().st_size == size
        assert wire.send("SET k w") == b"+OK\r\n"
        assert b"aof_last_write_status:ok" in wire.send("INFO persistence")
        assert written.read_bytes().count(b"\r\nk\r\n") == 2
        assert wire.send("BGREWRITEAOF").startswith(b"+Background")

    def test_a_disk_that_fails_once(
        self, faults: Faults, wire: Any, connect: Callable[[], Any], tmp_path: Any
    ) -> None:
        wire.send(f"CONFIG SET dir {tmp_path} appendonly yes appendfsync always")
        with faults.failed_disk(times=1):
            assert wire.send("SET k v") == b""  # nobody may believe that it was written
            assert wire.closed
            assert connect().send("SET k w") == b"+OK\r\n"


class TestRegistry:
    def test_they_are_listed_and_counted(self, faults: Faults, wire: Any) -> None:
        error = faults.error("GET", "CONFIG SET", reply="LOADING", times=1)
        drop = faults.drop("FLUSHALL")
        assert list(faults) == [error, drop]
        assert len(faults) == 2
        wire.send("GET k", "GET k", "PING")
        assert faults.hits == 1
        assert repr(error) == (
            "<error of GET, CONFIG SET (LOADING Redis is loading the dataset in memory): 1 of 2>"
        )
        assert repr(drop) == "<drop of FLUSHALL: 0 of 0>"
        assert repr(faults.hang()) == "<hang of any command: 0 of 0>"
        faults.clear()
        assert list(faults) == []
        assert repr(drop) == "<drop of FLUSHALL: 0 of 0, removed>"

    def test_a_reset_ends_them(self, factory: ControlledFactory, wire: Any) -> None:
        mark = factory.snapshot()
        factory.faults.hang()
        fault = factory.faults.error("PING")
        wire.send("SET k v")
        factory.reset(mark)
        assert not fault.active
        assert len(factory.faults) == 0
        assert wire.send("PING").endswith(b"+PONG\r\n")

    def test_a_fault_in_the_middle_of_a_session(self, faults: Faults, wire: Any) -> None:
        # In MULTI, and with messages kept back: states other than the usual.
        wire.send("HELLO 3", "SUBSCRIBE c", "MULTI")
        with faults.error("PING", times=1, reply="LOADING"):
            wire.send("PING", "PUBLISH c x")
        assert wire.send("EXEC", "PING").startswith(b"-EXECABORT")
        assert wire.send("PUBLISH c x").startswith(b":1\r\n>3")

    def test_an_unauthenticated_client(self, reactor: Clock, wire_class: Any) -> None:
        factory = ControlledFactory(reactor, password="secret")
        wire = wire_class(factory, 50000)
        with factory.faults.error("PING", reply="ERR hit") as fault:
            assert wire.send("PING") == b"-ERR hit\r\n"
            assert wire.send("AUTH secret", "PING") == b"+OK\r\n-ERR hit\r\n"
        assert fault.hits == 2
        factory.server.set_password(b"")
        late = wire_class(factory, 50001)
        with factory.faults.error("PING", reply="ERR hit") as fault:
            factory.server.set_password(b"other")
            latest = wire_class(factory, 50002)
            factory.server.set_password(b"")
            assert latest.send("PING") == late.send("PING") == b"-ERR hit\r\n"
        assert fault.hits == 2
