"""The journal: what it takes down, what it answers, and how it fails."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from unittest.mock import ANY

import pytest
from twisted.internet.task import Clock

from twisted_resp.errors import CommandError
from twisted_resp.testing import ServerThread
from twisted_resp.testing.factory import ControlledFactory
from twisted_resp.testing.journal import Journal


@pytest.fixture
def journal(factory: ControlledFactory) -> Journal:
    return factory.journal


class TestEntries:
    def test_what_is_known_of_a_command(self, journal: Journal, wire: Any) -> None:
        wire.send("HELLO 3 SETNAME worker", "CLIENT SETINFO lib-name lib", "SELECT 2")
        wire.send("Set k v")
        (entry,) = journal.commands
        assert entry.args == [b"Set", b"k", b"v"]
        assert (entry.name, entry.arguments) == ("set", [b"k", b"v"])
        assert (entry.client_id, entry.client_name, entry.library) == (wire.client.id, "worker", "lib")
        assert (entry.address, entry.user, entry.database, entry.protocol) == (
            "127.0.0.1:50000",
            "default",
            2,
            3,
        )
        assert (entry.time, entry.reply, entry.error) == (1_700_000_000, b"OK", None)
        assert 0 <= (entry.seconds or 0) < 1
        assert len(journal.entries()) == 4
        assert str(entry).endswith(
            "client 1 (worker) db2: Set k v -> b'OK' in %.2f ms" % ((entry.seconds or 0) * 1000)
        )

    def test_replies_and_errors(self, journal: Journal, wire: Any) -> None:
        wire.send("RPUSH l a b", "LRANGE l 0 -1", "GET l", "NoSuch x", "CONFIG GET port")
        push, items, wrong, unknown, config = journal.commands
        assert push.reply == 2
        assert items.reply == [b"a", b"b"]
        assert isinstance(wrong.reply, CommandError)
        assert wrong.error is not None
        assert wrong.error.startswith("WRONGTYPE")
        assert (unknown.name, unknown.entry) == ("nosuch", None)
        assert config.name == "config|get"
        assert journal.errors == [wrong, unknown]

    def test_a_reply_is_as_it_was_then(self, journal: Journal, wire: Any) -> None:
        wire.send("HELLO 3", "HSET h f v", "HGETALL h", "HSET h f w", "SMEMBERS h")
        assert journal.calls("HGETALL")[0].reply == {b"f": b"v"}

    def test_what_waits(self, journal: Journal, connect: Callable[[], Any], reactor: Clock) -> None:
        one, other = connect(), connect()
        one.send("BLPOP l 0")
        assert (journal.commands[0].seconds, journal.commands[0].reply_text) == (None, "no reply")
        reactor.advance(2)
        other.send("RPUSH l a")
        assert journal.commands[0].reply == [b"l", b"a"]
        assert (journal.commands[0].seconds, journal.commands[0].later) == (2, 1)
        one.send("BLPOP l 0")
        one.lose()
        assert journal.commands[-1].seconds is None

    def test_transactions(self, journal: Journal, wire: Any) -> None:
        wire.send("MULTI", "SET k v", "INCR k", "EXEC", "MULTI", "SET k w", "DISCARD")
        multi, first, second, execute, _, discarded, _ = journal.commands
        assert (first.reply, first.transaction) == (b"OK", execute.number)
        assert second.error == "ERR value is not an integer or out of range"
        assert (discarded.reply, discarded.transaction) == (b"QUEUED", None)
        assert multi.reply == b"OK"

    def test_no_passwords_are_shown(self, journal: Journal, wire: Any) -> None:
        wire.send("AUTH default secret")
        assert "secret" not in str(journal)
        assert journal.count("AUTH", "default", "secret") == 1

    def test_words_are_readable(self, journal: Journal, wire: Any) -> None:
        wire.send("SET k " + 100 * "x")
        wire.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\n\xff\r\n$3\r\na b\r\n")
        assert journal.commands[0].text == "SET k " + 64 * "x" + "...(100 bytes)"
        assert journal.commands[1].text == "SET \\xff 'a b'"

    def test_it_forgets_the_oldest(self, factory: ControlledFactory, wire: Any) -> None:
        small = Journal(factory.server, most=3, most_bytes=3000, most_reply=100)
        small.start()
        for n in range(5):
            wire.send(f"SET k {n}")
        assert [entry.arguments[1] for entry in small.commands] == [b"2", b"3", b"4"]
        assert small.dropped == 2
        wire.send("SET k " + 3000 * "x", "GET k")
        assert [entry.name for entry in small.commands] == ["get"]
        assert small.commands[0].reply_text == "(3009 bytes)"
        small.stop()
        wire.send("PING")
        assert len(small) == 1

    def test_without_a_journal_nothing_is_in_the_way(self, reactor: Clock) -> None:
        factory = ControlledFactory(reactor, journal=False)
        states = factory.server.states
        assert not factory.journal.recording
        factory.journal.start()
        factory.journal.start()
        assert factory.server.states is not states
        factory.journal.stop()
        assert factory.server.states is states
        assert factory.server.on_gone == []

    def test_it_sees_what_faults_do(self, factory: ControlledFactory, wire: Any) -> None:
        with factory.faults.error("GET", reply="LOADING"), factory.faults.drop("DEL"):
            wire.send("GET k", "DEL k")
        get, delete = factory.journal.commands
        assert (get.error, get.injected) == ("LOADING Redis is loading the dataset in memory", True)
        assert delete.reply_text == "no reply"
        assert factory.journal.unexpected_errors() == []

    def test_a_reset_empties_it(self, factory: ControlledFactory, wire: Any) -> None:
        mark = factory.snapshot()
        wire.send("PING")
        factory.journal.expect_error("x")
        factory.reset(mark)
        assert factory.journal.entries() == []
        assert factory.journal.expected == []
        wire.send("PING")
        assert len(factory.journal) == 1


class TestQuestions:
    def test_by_words(self, journal: Journal, wire: Any) -> None:
        wire.send("SET user:1 ann", "SET user:2 bob EX 10", "CONFIG SET maxmemory 0", "INCRBY n 5")
        assert journal.count("SET") == journal.count("set") == 2
        assert journal.count("@write") == 3
        assert journal.count("SET", "user:1", "ann") == journal.count("SET", b"user:1", ANY) == 1
        assert journal.count("SET", "user:2", "bob") == 0
        assert journal.count("SET", "user:2", "bob", ...) == 1
        assert journal.count("SET", ...) == 2
        assert journal.count("SET", re.compile("^user:"), ...) == 2
        assert journal.count("INCRBY", "n", 5) == 1
        assert journal.count("CONFIG SET", "maxmemory", "0") == journal.count("CONFIG") == 1

    def test_by_client(self, journal: Journal, connect: Callable[[], Any]) -> None:
        one, other = connect(), connect()
        one.send("CLIENT SETNAME worker-1", "GET a")
        other.send("GET b")
        assert [entry.arguments for entry in journal.commands_of("worker-*")] == [[b"a"]]
        assert [entry.arguments for entry in journal.commands_of(other.client.id)] == [[b"b"]]
        assert journal.count("GET", client="127.0.0.1:50001") == 1
        assert journal.count("GET", "b", client="worker-1") == 0

    def test_counts_and_round_trips(self, journal: Journal, wire: Any) -> None:
        wire.send("HELLO 3", "CLIENT SETINFO lib-ver 1")
        wire.send("GET a", "GET b", "CLIENT LIST")
        wire.send("GET c")
        assert journal.counts() == {"GET": 3, "CLIENT LIST": 1}
        assert journal.round_trips() == 2
        assert len(journal) == 4
        assert [entry.name for entry in journal.unexpected("GET")] == ["client|list"]

    def test_a_section(self, journal: Journal, wire: Any) -> None:
        wire.send("SET before 1")
        with journal.section() as section:
            wire.send("SET within 1")
        wire.send("SET after 1")
        assert [entry.arguments[0] for entry in section] == [b"within"]
        section.assert_called_once("SET")
        journal.assert_called("SET", times=3)


class TestAssertions:
    def test_those_that_hold(self, journal: Journal, wire: Any) -> None:
        wire.send("GET a", "SET a 1", "GET a", "EXPIRE a 10")
        journal.assert_called("GET", "a")
        journal.assert_called("GET", "a", times=2)
        journal.assert_called_once("SET", "a", ANY)
        journal.assert_not_called("FLUSH*")
        journal.assert_called_in_order("GET", ("SET", "a", "1"), ("GET", ...), "EXPIRE")
        journal.assert_only("GET", "SET", "EXPIRE")
        journal.assert_no_errors()

    @pytest.mark.parametrize(
        ("check", "message"),
        [
            (lambda j: j.assert_called("DEL", "a"), "DEL a was called not at all\nthe last commands:\n  #"),
            (
                lambda j: j.assert_called("SET", "b", ANY),
                "SET b <ANY> was called not at all\ncalls of SET:\n  #",
            ),
            (lambda j: j.assert_called_once("GET"), "GET was called 2 times, not once\nthe last"),
            (lambda j: j.assert_not_called("SET", ...), "SET ... was called once, not not at all\ncalls of"),
            (lambda j: j.assert_called("PING", client="x"), "PING was called not at all by client x"),
            (
                lambda j: j.assert_called_in_order("SET", ("GET", "a"), "SET"),
                "SET was not called after GET a\n",
            ),
            (lambda j: j.assert_only("SET"), "these were not to be called:\n  #1 "),
            (lambda j: j.assert_no_errors(), "these were answered with errors:\n  #4 "),
        ],
    )
    def test_those_that_fail(
        self, journal: Journal, wire: Any, check: Callable[[Journal], None], message: str
    ) -> None:
        wire.send("GET a", "SET a 1", "GET a", "LPOP a")
        with pytest.raises(AssertionError) as raised:
            check(journal)
        assert str(raised.value).startswith(message)

    def test_nothing_came(self, journal: Journal) -> None:
        with pytest.raises(AssertionError, match="GET was called not at all\nno command came"):
            journal.assert_called("GET")

    def test_a_long_list_is_cut(self, journal: Journal, wire: Any) -> None:
        wire.send(*["PING"] * 25)
        with pytest.raises(AssertionError, match=r"and 15 more$"):
            journal.assert_only()

    def test_expected_errors(self, journal: Journal, wire: Any) -> None:
        wire.send("SET k v", "LPOP k", "GET")
        journal.expect_error("WRONGTYPE", "LPOP")
        assert [entry.name for entry in journal.unexpected_errors()] == ["get"]
        journal.expect_error("wrong number")
        journal.assert_no_errors()


def test_over_a_socket() -> None:
    redis = pytest.importorskip("redis")
    with ServerThread() as server:
        with redis.Redis(port=server.port) as client:
            client.set("k", "v")
            with client.pipeline(transaction=False) as pipeline:
                pipeline.get("k").get("k").execute()
        server.call("GET", "k")
        server.journal.assert_called_in_order(("SET", "k", "v"), ("GET", "k"))
        assert [entry.name for entry in server.journal] == ["set", "get", "get"]
        assert server.journal.round_trips() == 2
    server.journal.assert_called("GET", times=2)
    with pytest.raises(RuntimeError, match="not running"):
        _ = ServerThread().journal
