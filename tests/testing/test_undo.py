"""Going back: whatever is done to keys is undone, nested and across databases."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from twisted.internet.task import Clock

from twisted_resp.testing.factory import ControlledFactory, Mark

COMMANDS = """
SET {k} {v}
SET {k} {v} EX 1000
SETRANGE {k} 3 {v}
APPEND {k} {v}
INCR counter
GETDEL {k}
GETEX {k} PERSIST
SETBIT {k} 70 1
BITOP NOT {k} {l}
PFADD {k} {v} {n}
EXPIRE {k} 500
PERSIST {k}
DEL {k} {l}
UNLINK {k}
RENAME {k} {l}
COPY {k} {l} REPLACE
MOVE {k} 1
SELECT {d}
SWAPDB 0 1
FLUSHDB
FLUSHALL ASYNC
RPUSH {k} {v} {v} {n}
LPOP {k} 2
LSET {k} 0 {v}
LMOVE {k} {l} LEFT RIGHT
RPUSH list {v} {n}
SORT list ALPHA STORE {l}
SADD {k} {v} {n}
SPOP {k}
SMOVE {k} {l} {v}
SUNIONSTORE {k} {k} {l}
HSET {k} {v} {n}
HSET {k} a {n} b {v}
HDEL {k} {v}
HEXPIRE {k} 300 FIELDS 1 a
HINCRBY {k} {n} 3
ZADD {k} {n} {v}
ZINCRBY {k} 1.5 {v}
ZPOPMIN {k}
ZRANGESTORE {l} {k} 0 2
ZREMRANGEBYRANK {k} 0 1
XADD {k} * f {v}
XTRIM {k} MAXLEN 1
XGROUP CREATE {k} group 0 MKSTREAM
XREADGROUP GROUP group one COUNT 1 STREAMS {k} >
XACK {k} group 1700000000000-0
GEOADD {k} 13.361389 38.115556 {v}
MULTI
EXEC
DEBUG RELOAD
RESTORE {k} 0 bad
""".strip().splitlines()


class Server:
    """A factory under a clock that stands, and what one sees of its data."""

    def __init__(self, directory: Path) -> None:
        self.reactor = Clock()
        self.reactor.advance(1_700_000_000)
        self.factory = ControlledFactory(self.reactor, databases=3, random_seed=7)
        self.factory.server.directory = bytes(directory)  # where DEBUG RELOAD writes
        self.client = self.factory.client()

    def call(self, *words: object) -> Any:
        outcome: list[Any] = []
        self.client.call(*words).addBoth(outcome.append)
        return outcome[0]

    def picture(self) -> list[Any]:
        """All that clients could see of the keys, but for when they were used."""
        looker = self.factory.client()
        picture: list[Any] = []

        def call(*words: object) -> Any:
            outcome: list[Any] = []
            looker.call(*words).addCallback(outcome.append)
            return outcome[0]

        for database in range(3):
            call("SELECT", database)
            keys = sorted(call("KEYS", "*"))
            scanned = sorted(call("SCAN", 0, "COUNT", 1000)[1])
            assert keys == scanned
            picture.append(
                [(k, call("PEXPIRETIME", k), call("OBJECT", "ENCODING", k), call("DUMP", k)) for k in keys]
            )
        picture.append(call("DEBUG", "DIGEST"))
        looker.close()
        return picture


def step(server: Server, random: Random) -> None:
    template = random.choice(COMMANDS)
    words = template.format(
        k=random.choice("stuvwx"),
        l=random.choice("stuvwx"),
        v=f"value-{random.randrange(5)}",
        n=random.randrange(200),
        d=random.randrange(2),
    )
    server.call(*words.split())


@pytest.mark.parametrize("seed", range(12))
def test_whatever_was_done(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    server = Server(tmp_path)
    if seed % 3 == 0:
        server.call("CONFIG", "SET", "maxmemory", "100mb")
    for _ in range(60):
        step(server, random)
    marks: list[tuple[Mark, list[Any]]] = []
    for _ in range(40):
        what = random.random()
        if what < 0.4 or not marks:
            marks.append((server.factory.snapshot(), server.picture()))
        elif what < 0.55:
            server.factory.release(marks.pop(random.randrange(len(marks)))[0])
        else:
            del marks[random.randrange(len(marks)) + 1 :]
            mark, picture = marks[-1]
            server.factory.rollback(mark)
            assert server.picture() == picture
        for _ in range(random.randrange(12)):
            step(server, random)
    while marks:
        mark, picture = marks.pop()
        server.factory.rollback(mark)
        assert server.picture() == picture
        used = server.factory.server.memory.used()
        server.factory.release(mark)
    if seed % 3 == 0:  # the account of memory has followed
        server.call("CONFIG", "SET", "maxmemory", "0")
        server.call("CONFIG", "SET", "maxmemory", "100mb")
        assert server.factory.server.memory.used() == pytest.approx(used, rel=0.01)
    assert server.factory.server.keyspace.on_before == []
    assert server.factory.server.keyspace.on_flushed in ([], [server.factory.server.memory._flushed])


class TestAMark:
    @pytest.fixture
    def server(self, tmp_path: Path) -> Server:
        return Server(tmp_path)

    def test_that_is_gone(self, server: Server) -> None:
        first, second = server.factory.snapshot(), server.factory.snapshot()
        server.factory.rollback(first)
        with pytest.raises(ValueError, match="the mark is gone"):
            server.factory.rollback(second)
        server.factory.release(first)
        server.factory.release(first)
        with pytest.raises(ValueError, match="the mark is gone"):
            server.factory.reset(first)

    def test_expiry_goes_on(self, server: Server) -> None:
        server.call("SET", "k", "v", "EX", 10)
        mark = server.factory.snapshot()
        server.call("FLUSHALL")
        server.factory.rollback(mark)
        server.reactor.advance(9)
        assert server.call("GET", "k") == b"v"
        server.reactor.advance(2)
        assert server.factory.server.keyspace.expired == 1

    def test_a_waiting_client_is_served(self, server: Server) -> None:
        server.call("RPUSH", "l", "a")
        mark = server.factory.snapshot()
        server.call("DEL", "l")
        waits = server.factory.client().call("BLPOP", "l", 0)
        server.factory.rollback(mark)
        assert waits.result == [b"l", b"a"]

    def test_a_watching_client_fails(self, server: Server) -> None:
        mark = server.factory.snapshot()
        server.call("SET", "k", 1)
        other = server.factory.client()
        other.call("WATCH", "k")
        server.factory.rollback(mark)
        other.call("MULTI")
        assert other.call("EXEC").result is None

    def test_settings_scripts_and_functions(self, server: Server) -> None:
        pytest.importorskip("lupa")
        library = "#!lua name={0}\nredis.register_function('{0}', function() return 1 end)"
        server.call("FUNCTION", "LOAD", library.format("old"))
        server.call("SCRIPT", "LOAD", "return 'old'")
        old = server.call("SCRIPT", "EXISTS", "0" * 40)
        mark = server.factory.snapshot()
        before = server.call("CONFIG", "GET", "*"), server.call("FUNCTION", "LIST")
        server.call("CONFIG", "SET", "requirepass", "x", "notify-keyspace-events", "KEA", "maxmemory", "1gb")
        server.call("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        server.call("FUNCTION", "DELETE", "old")
        server.call("FUNCTION", "LOAD", library.format("new"))
        server.call("EVAL", "return 'new'", 0)
        server.call("REPLICAOF", "127.0.0.1", 1)
        server.call("CLIENT", "PAUSE", 100_000, "WRITE")
        server.factory.rollback(mark)
        assert (server.call("CONFIG", "GET", "*"), server.call("FUNCTION", "LIST")) == before
        assert old == [0]
        assert server.factory.server.scripting.figures()["number_of_cached_scripts"] == 1
        assert server.call("ROLE")[0] == b"master"
        assert server.call("SET", "k", 1) == b"OK"
        assert not server.factory.server.access.password_required
        assert server.factory.server.keyspace.expiry_timer.enabled

    def test_users(self, server: Server) -> None:
        server.call("ACL", "SETUSER", "old", "on", ">x", "+get")
        before = server.call("ACL", "LIST")
        mark = server.factory.snapshot()
        for _ in range(2):
            server.call("ACL", "SETUSER", "default", "-set")
            server.call("ACL", "SETUSER", "new")
            server.call("ACL", "DELUSER", "old")
            server.factory.rollback(mark)
            assert server.call("ACL", "LIST") == before

    def test_reset_counts_anew_and_closes_what_was_left(self, server: Server) -> None:
        mark = server.factory.snapshot()
        server.factory.call("MULTI")
        server.call("GET", "k")
        first = server.call("SRANDMEMBER", "s"), server.factory.server.random.random()
        server.factory.reset(mark)
        assert server.factory.call("GET", "k").result is None
        assert server.factory.server.keyspace.misses == 1
        assert b"cmdstat_srandmember" not in server.call("INFO", "commandstats")
        server.factory.reset(mark)
        assert (server.call("SRANDMEMBER", "s"), server.factory.server.random.random()) == first
