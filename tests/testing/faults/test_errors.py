"""Commands that are answered with an error: which ones, how often, and inside what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import needs_lua
from twisted_resp.testing.factory import ControlledFactory
from twisted_resp.testing.faults import Faults


@pytest.fixture
def faults(factory: ControlledFactory) -> Faults:
    return factory.faults


def test_an_error_instead_of_a_command(faults: Faults, wire: Any) -> None:
    with faults.error("SET", reply="ERR no") as fault:
        assert wire.send("SET k v", "GET k") == b"-ERR no\r\n$-1\r\n"
        assert wire.send("set k v") == b"-ERR no\r\n"
    assert wire.send("SET k v") == b"+OK\r\n"
    assert (fault.hits, fault.seen, fault.active) == (2, 2, False)


def test_without_faults_nothing_is_in_the_way(factory: ControlledFactory, wire: Any) -> None:
    server, faults = factory.server, factory.faults
    factory.journal.stop()
    get = server.commands[b"get"]
    states, execute, handler, gone = server.states, wire.client.execute, get.handler, list(server.on_gone)
    fault = faults.error("GET")
    assert wire.client.execute is not execute
    fault.remove()
    fault.remove()
    assert server.states is states
    assert wire.client.execute is execute
    assert get.handler is handler
    assert server.on_gone == gone
    assert not {"buildProtocol", "refusal"} & vars(factory).keys()


def test_what_the_test_itself_does_goes_through(factory: ControlledFactory, wire: Any) -> None:
    factory.faults.error()
    assert factory.call("PING").result == b"PONG"
    assert wire.send("PING") == b"-ERR fault injected by a test\r\n"


class TestConditions:
    @pytest.mark.parametrize(
        ("commands", "struck", "spared"),
        [
            (["GET"], "get k", "GETEX k"),
            (["CONFIG SET"], "CONFIG SET port 1", "CONFIG GET port"),
            (["config|set"], "CONFIG SET port 1", "CONFIG GET port"),
            (["CONFIG"], "CONFIG GET port", "GET k"),
            (["H*"], "HGET h f", "GET k"),
            (["@write"], "DEL k", "GET k"),
            (["GET", "@hash"], "HLEN h", "LLEN l"),
            ([], "PING", None),
            (["JSON.GET"], "json.get x", "PING"),  # of a module
        ],
    )
    def test_commands(
        self, faults: Faults, wire: Any, commands: list[str], struck: str, spared: str | None
    ) -> None:
        with faults.error(*commands, reply="ERR hit"):
            assert wire.send(struck) == b"-ERR hit\r\n"
            assert spared is None or b"-ERR hit" not in wire.send(spared)

    @pytest.mark.parametrize(
        ("name", "said"),
        [("GTE", "there is no command GTE; is it GET"), ("CONFIG STE", "there is no command CONFIG STE")],
    )
    def test_a_name_that_nothing_has(self, faults: Faults, name: str, said: str) -> None:
        with pytest.raises(ValueError, match=said):
            faults.error(name)
        assert len(faults) == 0

    def test_keys(self, faults: Faults, wire: Any) -> None:
        with faults.error("GET", "MSET", keys=["user:*", b"x"], reply="ERR hit"):
            assert wire.send("GET user:1", "GET x", "MSET a 1 user:2 2") == 3 * b"-ERR hit\r\n"
            assert wire.send("GET k", "MSET a user:1", "GET") == (
                b"$-1\r\n+OK\r\n-ERR wrong number of arguments for 'get' command\r\n"
            )

    def test_clients(self, faults: Faults, connect: Callable[[], Any]) -> None:
        one, other = connect(), connect()
        one.send("CLIENT SETNAME worker-1", "CLIENT SETINFO lib-name celery", "SELECT 2")
        for condition in (
            {"client": "worker-*"},
            {"client": one.client.id},
            {"address": "*:50000"},
            {"library": "cel*"},
            {"database": 2},
            {"where": lambda call: call.client is one.client},
        ):
            with faults.error("PING", reply="ERR hit", **condition):
                assert one.send("PING") == b"-ERR hit\r\n", condition
                assert other.send("PING") == b"+PONG\r\n", condition
        with faults.error("PING", user="default", reply="ERR hit"):
            assert other.send("PING") == b"-ERR hit\r\n"

    @pytest.mark.parametrize(
        ("frequency", "hits"),
        [
            ({"times": 2}, "110000"),
            ({"skip": 2}, "001111"),
            ({"every": 2}, "010101"),
            ({"skip": 1, "every": 2, "times": 2}, "001010"),
            ({"probability": 0.0}, "000000"),
            ({"probability": 1.0}, "111111"),
        ],
    )
    def test_how_often(self, faults: Faults, wire: Any, frequency: dict[str, Any], hits: str) -> None:
        with faults.error("PING", reply="ERR hit", **frequency) as fault:
            seen = "".join("1" if wire.send("PING") == b"-ERR hit\r\n" else "0" for _ in range(6))
        assert (seen, fault.hits, fault.seen) == (hits, hits.count("1"), 6)

    def test_chance_repeats(self, faults: Faults, wire: Any) -> None:
        def round_of() -> list[bytes]:
            with faults.error("PING", probability=0.5):
                return [wire.send("PING") for _ in range(20)]

        first = round_of()
        assert len(set(first)) == 2
        assert round_of() != first
        faults.clear()
        assert round_of() == first
        faults.seed(1)
        assert round_of() != first

    @pytest.mark.parametrize(
        "wrong",
        [{"every": 0}, {"probability": 2}, {"reply": "MOVED"}, {"nonsense": 1}],
    )
    def test_what_makes_no_sense(self, faults: Faults, wrong: dict[str, Any]) -> None:
        with pytest.raises((ValueError, TypeError)):
            faults.error("GET", **wrong)
        with pytest.raises(ValueError, match="@wriet"):
            faults.error("@wriet")
        assert len(faults) == 0


class TestErrorsOfRedis:
    @pytest.mark.parametrize(
        ("name", "refused", "served", "sentence"),
        [
            ("LOADING", "GET k", "INFO server", "LOADING Redis is loading the dataset in memory"),
            ("BUSY", "GET k", "MULTI", "BUSY Redis is busy running a script. You can only call SCRIPT KILL"),
            ("READONLY", "SET k v", "GET k", "READONLY You can't write against a read only replica."),
            ("OOM", "SET k v", "DEL k", "OOM command not allowed when used memory > 'maxmemory'."),
            ("NOAUTH", "GET k", "HELLO", "NOAUTH Authentication required."),
            ("MISCONF", "SET k v", "GET k", "MISCONF Redis is configured to save RDB snapshots, but"),
            ("MASTERDOWN", "GET k", "INFO server", "MASTERDOWN Link with MASTER is down and replica-serve-"),
            ("NOREPLICAS", "SET k v", "GET k", "NOREPLICAS Not enough good replicas to write."),
            ("CLUSTERDOWN", "GET k", "PING", "CLUSTERDOWN The cluster is down"),
            ("CROSSSLOT", "MGET a b", "GET a", "CROSSSLOT Keys in request don't hash to the same slot"),
            ("TRYAGAIN", "MGET a b", "GET a", "TRYAGAIN Multiple keys request during rehashing of slot"),
            ("NOSCRIPT", "EVALSHA 0 0", "EVAL return 0", "NOSCRIPT No matching script. Please use EVAL."),
            ("WRONGTYPE", "GET a", "PING", "WRONGTYPE Operation against a key holding the wrong kind"),
        ],
    )
    def test_by_name(
        self, faults: Faults, wire: Any, name: str, refused: str, served: str, sentence: str
    ) -> None:
        with faults.error(reply=name):
            assert wire.send(refused).startswith(b"-" + sentence.encode())
            assert not wire.send(served).startswith(b"-" + name.encode())

    def test_a_named_command_gets_it_in_any_case(self, faults: Faults, wire: Any) -> None:
        with faults.error("GET", reply="READONLY"):
            assert wire.send("GET k").startswith(b"-READONLY")

    def test_redirections(self, faults: Faults, wire: Any) -> None:
        with faults.error("GET", reply="MOVED", to="127.0.0.1:7001", times=1):
            assert wire.send("GET foo", "GET foo") == b"-MOVED 12182 127.0.0.1:7001\r\n$-1\r\n"
        with faults.error(reply="ASK", to="127.0.0.1:7001"):
            assert wire.send("GET {foo}bar", "PING") == b"-ASK 12182 127.0.0.1:7001\r\n+PONG\r\n"

    def test_a_function_of_the_call(self, faults: Faults, wire: Any) -> None:
        with faults.error(reply=lambda call: b"ERR no " + call.name + b" of " + call.keys[0]):
            assert wire.send("HGET h f") == b"-ERR no hget of h\r\n"

    def test_shorthands(self, faults: Faults, wire: Any) -> None:
        with faults.loading():
            assert wire.send("GET k").startswith(b"-LOADING")
        with faults.out_of_memory(keys="big:*"):
            assert wire.send("SET big:1 v", "SET k v").startswith(b"-OOM")
        with faults.read_only():
            assert wire.send("SET k v").startswith(b"-READONLY")
        assert len(faults) == 0


class TestInside:
    def test_a_refused_command_is_not_queued(self, faults: Faults, wire: Any) -> None:
        with faults.error("SET", reply="LOADING"):
            replies = wire.send("MULTI", "SET k v", "GET k", "EXEC").split(b"\r\n")
        assert replies[1].startswith(b"-LOADING")
        assert replies[2:4] == [
            b"+QUEUED",
            b"-EXECABORT Transaction discarded because of previous errors.",
        ]
        assert wire.send("PING") == b"+PONG\r\n"

    def test_another_error_comes_with_exec(self, faults: Faults, wire: Any) -> None:
        with faults.error("INCR", reply="ERR overflow", times=1) as fault:
            replies = wire.send("MULTI", "SET k 1", "INCR k", "INCR k", "EXEC")
            assert replies == b"+OK\r\n" + 3 * b"+QUEUED\r\n" + b"*3\r\n+OK\r\n-ERR overflow\r\n:2\r\n"
        assert (fault.hits, fault.seen) == (1, 2)

    def test_exec_itself(self, faults: Faults, wire: Any) -> None:
        with faults.error("EXEC", reply="LOADING"):
            replies = wire.send("MULTI", "SET k v", "EXEC")
            assert replies.endswith(
                b"-EXECABORT Transaction discarded because of: LOADING Redis is loading the dataset in memory\r\n"
            )
        with faults.error("EXEC", reply="ERR lost"):
            assert wire.send("MULTI", "SET k v", "EXEC", "GET k").endswith(b"-ERR lost\r\n$-1\r\n")

    def test_a_transaction_that_writes_is_refused_by_exec(self, faults: Faults, wire: Any) -> None:
        wire.send("MULTI", "SET k v")
        with faults.read_only():
            assert wire.send("EXEC").startswith(b"-EXECABORT Transaction discarded because of: READONLY")
        wire.send("MULTI", "GET k")
        with faults.read_only():
            assert wire.send("EXEC") == b"*1\r\n$-1\r\n"

    @needs_lua
    def test_scripts(self, faults: Faults, factory: ControlledFactory, wire: Any) -> None:
        request = [b"EVAL", b"return redis.pcall('INCR', 'k')['err'] or 'ran'", b"0"]
        raw = b"*3\r\n" + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in request)
        with faults.error("INCR", reply="OOM", client="") as fault:
            assert wire.send_raw(raw) == b"$55\r\nOOM command not allowed when used memory > 'maxmemory'.\r\n"
            assert fault.hits == 1
            assert factory.call("EVAL", "return redis.call('INCR', 'k')", 0).result == 1
