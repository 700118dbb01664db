"""DEBUG."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from twisted.internet.interfaces import IReactorCore
from zope.interface import alsoProvides

from twisted_resp.server.client import Client

if TYPE_CHECKING:
    from tests.commands.conftest import Connection, Engine


class TestWho:
    def test_a_client_on_another_machine(self, engine: Engine) -> None:
        client = Client(engine.server, b"192.0.2.1:50000")
        refused = client.execute(client, [b"DEBUG", b"HELP"])
        assert str(refused).startswith("ERR DEBUG command not allowed. If the enable-debug-command option")
        engine.server.configuration[b"enable-debug-command"] = b"yes"
        assert isinstance(client.execute(client, [b"DEBUG", b"HELP"]), list)

    def test_when_it_is_turned_off(self, engine: Engine) -> None:
        engine.server.configuration[b"enable-debug-command"] = b"no"
        assert engine.error("DEBUG", "HELP").startswith(b"ERR DEBUG command not allowed.")


@pytest.mark.parametrize("words", ["nonsense", "sleep", "sleep 1 2", "object", "set-active-expire"])
def test_what_it_does_not_know(engine: Engine, words: str) -> None:
    word = words.split()[0].encode()
    assert engine.error("DEBUG", *words.split()) == (
        b"ERR unknown subcommand or wrong number of arguments for '%b'. Try DEBUG HELP." % word
    )


class TestSleep:
    @pytest.fixture
    def slept(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        slept: list[float] = []
        monkeypatch.setattr(time, "sleep", slept.append)
        return slept

    def test_under_a_reactor(self, engine: Engine, slept: list[float]) -> None:
        alsoProvides(engine.clock, IReactorCore)
        assert engine.call("DEBUG", "SLEEP", "0.25") == b"OK"
        assert engine.call("DEBUG", "SLEEP", "-1") == b"OK"
        assert engine.call("DEBUG", "SLEEP", "x") == b"OK"
        assert slept == [0.25, 0, 0]

    def test_under_a_clock_that_a_test_moves(self, engine: Engine, slept: list[float]) -> None:
        before = engine.now
        assert engine.call("DEBUG", "SLEEP", "1000") == b"OK"
        assert slept == []
        assert engine.now == before


def test_set_active_expire(engine: Engine) -> None:
    assert engine.call("DEBUG", "SET-ACTIVE-EXPIRE", "0") == b"OK"
    engine.call("SET", "key", "value", "PX", "10")
    engine.clock.advance(1)
    assert engine.call("DBSIZE") == 1
    engine.call("DEBUG", "SET-ACTIVE-EXPIRE", "1")
    engine.clock.advance(0)
    assert engine.call("DBSIZE") == 0


def test_quicklist_packed_threshold(engine: Engine) -> None:
    limits = engine.server.keyspace.limits
    assert engine.call("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "1kb") == b"OK"
    assert limits.quicklist_packed_threshold == 1024
    for size in ("5gb", "-1", "x"):
        assert engine.error("DEBUG", "QUICKLIST-PACKED-THRESHOLD", size) == (
            b"ERR argument must be a memory value bigger than 1 and smaller than 4gb"
        )
    engine.call("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "0")
    assert limits.quicklist_packed_threshold == 0


class TestObject:
    def test_fields(self, engine: Engine) -> None:
        engine.call("SET", "key", "value")
        engine.clock.advance(3)
        words = engine.call("DEBUG", "OBJECT", "key").split()
        told = dict(word.split(b":", 1) for word in words[1:])
        assert list(told) == [
            b"at",
            b"refcount",
            b"encoding",
            b"serializedlength",
            b"lru",
            b"lru_seconds_idle",
        ]
        assert told[b"encoding"] == b"embstr"
        assert told[b"serializedlength"] == b"6"
        assert told[b"lru_seconds_idle"] == b"3"
        assert int(told[b"lru"]) == (engine.START) & 0xFFFFFF

    def test_looking_is_no_access(self, engine: Engine) -> None:
        engine.call("SET", "key", "value")
        engine.clock.advance(5)
        engine.call("DEBUG", "OBJECT", "key")
        assert engine.call("OBJECT", "IDLETIME", "key") == 5

    def test_the_nodes_of_a_list(self, engine: Engine) -> None:
        engine.call("CONFIG", "SET", "list-max-listpack-size", "2")
        engine.call("RPUSH", "key", *"abcde")
        told = engine.call("DEBUG", "OBJECT", "key")
        assert b"encoding:quicklist" in told
        assert b" ql_nodes:3 ql_avg_node:1.67 ql_listpack_max:2 ql_compressed:0" in told

    @pytest.mark.parametrize(
        "words",
        [
            "SADD k a b",
            "SADD k 1 2",
            "HSET k f v g 2",
            "ZADD k 1 a 2 b",
            "XADD k 1-1 f v",
            "RPUSH k a",
            "SET k 12",
        ],
    )
    def test_every_type(self, engine: Engine, words: str) -> None:
        engine.call(*words.split())
        assert engine.call("DEBUG", "OBJECT", "k").startswith(b"Value at:0x")

    @pytest.mark.parametrize("subcommand", ["OBJECT", "LISTPACK", "QUICKLIST"])
    def test_no_such_key(self, engine: Engine, subcommand: str) -> None:
        assert engine.error("DEBUG", subcommand, "key") == b"ERR no such key"

    def test_of_another_encoding(self, engine: Engine) -> None:
        engine.call("SET", "string", "1")
        assert engine.error("DEBUG", "LISTPACK", "string") == b"ERR Not a listpack encoded object."
        assert engine.error("DEBUG", "QUICKLIST", "string") == b"ERR Not a quicklist encoded object."


def test_populate(engine: Engine) -> None:
    engine.call("SET", "key:1", "mine")
    dirty = engine.server.keyspace.dirty
    assert engine.call("DEBUG", "POPULATE", "3") == b"OK"
    assert engine.call("MGET", "key:0", "key:1", "key:2") == [b"value:0", b"mine", b"value:2"]
    engine.call("DEBUG", "POPULATE", "2", "other", "3")
    assert engine.call("MGET", "other:0", "other:1") == [b"val", b"val"]
    engine.call("DEBUG", "POPULATE", "1", "long", "9")
    assert engine.call("GET", "long:0") == b"value:0\0\0"
    assert engine.server.keyspace.dirty == dirty
    assert engine.error("DEBUG", "POPULATE", "-1") == b"ERR value is out of range, must be positive"
    assert engine.error("DEBUG", "POPULATE", "x") == b"ERR value is not an integer or out of range"


@pytest.mark.parametrize(
    ("kind", "resp2", "resp3"),
    [
        ("string", b"$11\r\nHello World\r\n", None),
        ("integer", b":12345\r\n", None),
        ("double", b"$5\r\n3.141\r\n", b",3.141\r\n"),
        ("null", b"$-1\r\n", b"_\r\n"),
        ("array", b"*3\r\n:0\r\n:1\r\n:2\r\n", None),
        ("set", b"*3\r\n:0\r\n:1\r\n:2\r\n", b"~3\r\n:0\r\n:1\r\n:2\r\n"),
        ("MAP", b"*6\r\n:0\r\n:0\r\n:1\r\n:1\r\n:2\r\n:0\r\n", b"%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n"),
        (
            "attrib",
            b"$39\r\nSome real reply following the attribute\r\n",
            b"|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n"
            b"$39\r\nSome real reply following the attribute\r\n",
        ),
        (
            "push",
            b"-ERR RESP2 is not supported by this command\r\n",
            b">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n$40\r\nSome real reply following the push reply\r\n",
        ),
        ("verbatim", b"$25\r\nThis is a verbatim\nstring\r\n", b"=29\r\ntxt:This is a verbatim\nstring\r\n"),
        ("true", b":1\r\n", b"#t\r\n"),
        ("false", b":0\r\n", b"#f\r\n"),
        (
            "bignum",
            b"$37\r\n1234567999999999999999999999999999999\r\n",
            b"(1234567999999999999999999999999999999\r\n",
        ),
    ],
)
def test_protocol(connect: Callable[[], Connection], kind: str, resp2: bytes, resp3: bytes | None) -> None:
    connection = connect()
    assert connection.send(f"DEBUG PROTOCOL {kind}") == resp2
    connection.send("HELLO 3")
    assert connection.send(f"DEBUG PROTOCOL {kind}") == (resp2 if resp3 is None else resp3)


def test_an_unknown_protocol_type(engine: Engine) -> None:
    assert engine.error("DEBUG", "PROTOCOL", "x").startswith(b"ERR Wrong protocol type name.")


def test_error(engine: Engine) -> None:
    assert engine.error("DEBUG", "ERROR", "CODE of\r\nmine") == b"CODE of\r\nmine"


def test_an_error_of_several_lines_stays_one(connect: Callable[[], Connection]) -> None:
    connection = connect()
    assert connection.send(b"DEBUG ERROR CODE") == b"-CODE\r\n"


def test_change_repl_id(engine: Engine) -> None:
    before = engine.server.replication.id
    assert engine.call("DEBUG", "CHANGE-REPL-ID") == b"OK"
    assert engine.server.replication.id != before
    assert b"master_replid:%b\r\n" % engine.server.replication.id in engine.call("INFO", "replication")


def test_the_tables_of_a_database(engine: Engine) -> None:
    engine.call("SET", "a", "1")
    text = engine.call("DEBUG", "HTSTATS", "0").decode()
    main, expires = text.split("[Expires HT]\n")
    assert main == (
        "[Dictionary HT]\nHash table 0 stats (main hash table):\n table size: 8\n number of elements: 1\n"
    )
    assert expires == "Hash table 0 stats (main hash table):\nNo stats available for empty dictionaries\n"
    assert dict(engine.call("MEMORY", "STATS"))[b"overhead.db.hashtable.lut"] == 8
    assert engine.error("DEBUG", "HTSTATS", "16") == b"ERR Out of range database"
    assert engine.error("DEBUG", "HTSTATS", "x") == b"ERR value is not an integer or out of range"
