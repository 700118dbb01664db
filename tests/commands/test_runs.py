"""A pipeline of one command takes a shorter way; what comes out must be what the long way gives."""

from __future__ import annotations

from hashlib import sha1
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from twisted_resp import RespFactory
from twisted_resp.protocol import connection
from twisted_resp.protocol.connection import RespProtocol
from twisted_resp.scripting.interpreter import available

# What scripts do, from writing over pushing to others to failing, within and by themselves.
SCRIPTS = (
    b"return redis.call('incr', KEYS[1])",
    b"redis.call('lpush', KEYS[1], 'x') return {redis.call('ttl', KEYS[1]), false}",
    b"return redis.pcall('get', KEYS[1])",
    b"redis.call('select', 1) redis.call('lpush', 'wanted', 'y') error('no')",
    b"#!lua flags=no-writes\nreturn redis.call('set', KEYS[1], 1)",
)
SHAS = st.sampled_from([*(sha1(script).hexdigest().encode() for script in SCRIPTS), b"f" * 40])
KEYS = st.sampled_from([b"a", b"b", b"c", b"list"])
WORDS = st.sampled_from([b"1", b"-2", b"x", b"", b"0", b"2.5", b"y" * 1500, b"z" * 20000])
COMMANDS: dict[bytes, st.SearchStrategy[tuple[bytes, ...]]] = {
    b"SET": st.tuples(KEYS, WORDS),
    b"get": st.tuples(KEYS),
    b"Get": st.tuples(KEYS),
    b"INCR": st.tuples(KEYS),
    b"LPUSH": st.tuples(st.sampled_from([b"a", b"list", b"wanted"]), WORDS),
    b"RPUSH": st.tuples(st.sampled_from([b"a", b"list"]), WORDS | st.just(b"1" * 30)),
    b"LPOP": st.tuples(KEYS),
    b"LMPOP": st.tuples(st.just(b"2"), KEYS, KEYS, st.just(b"LEFT")),
    b"RPOP": st.tuples(KEYS),
    b"MSET": st.tuples(KEYS, WORDS, KEYS, WORDS),
    b"MGET": st.tuples(KEYS, KEYS),
    b"SPOP": st.tuples(KEYS),
    b"LRANGE": st.tuples(KEYS, WORDS, WORDS),
    b"SADD": st.tuples(KEYS, WORDS, WORDS),
    b"sadd": st.tuples(KEYS, WORDS),
    b"HSET": st.tuples(KEYS, WORDS, WORDS),
    b"ZADD": st.tuples(KEYS, WORDS, WORDS),
    b"ZPOPMIN": st.tuples(KEYS),
    b"ZUNIONSTORE": st.tuples(KEYS, st.just(b"2"), KEYS, KEYS),
    b"TTL": st.tuples(KEYS),
    b"EXPIRE": st.tuples(KEYS, WORDS),
    b"EXISTS": st.tuples(KEYS, KEYS),
    b"PING": st.tuples() | st.tuples(WORDS),
    b"SETEX": st.tuples(KEYS, WORDS, WORDS),
    b"BLPOP": st.tuples(KEYS, st.just(b"0")),
    b"EVALSHA": st.tuples(SHAS, st.just(b"1"), KEYS) | st.tuples(SHAS, WORDS, KEYS),
    b"MULTI": st.tuples(),
    b"EXEC": st.tuples(),
    b"SUBSCRIBE": st.tuples(st.sampled_from([b"__keyevent@0__:set", b"c"])),
    b"HELLO": st.tuples(st.sampled_from([b"2", b"3", b"4"])),
    b"SELECT": st.tuples(st.sampled_from([b"0", b"1", b"77"])),
    b"SORT": st.tuples(KEYS, st.just(b"STORE"), KEYS),
    b"RESET": st.tuples(),
    b"QUIT": st.tuples(),
    b"NONSENSE": st.tuples(KEYS),
    b"CLIENT": st.sampled_from([(b"REPLY", b"SKIP"), (b"REPLY", b"OFF"), (b"REPLY", b"ON")]),
}

ON_A_KEY = [
    b"SET", b"get", b"INCR", b"LPUSH", b"RPUSH", b"LPOP", b"RPOP", b"HSET", b"ZADD", b"ZPOPMIN", b"SPOP", b"sadd"
]  # fmt: skip


@st.composite
def runs(draw: st.DrawFn) -> bytes:
    """A pipeline of several runs of a command each, all in one piece."""
    name = draw(st.sampled_from(sorted(COMMANDS)))
    return b"".join(encode(name, *args) for args in draw(st.lists(COMMANDS[name], min_size=1, max_size=40)))


@st.composite
def runs_on_one_key(draw: st.DrawFn) -> bytes:
    """A pipeline of one command which nearly always names the same key."""
    name = draw(st.sampled_from(ON_A_KEY))
    key = draw(KEYS)
    calls = draw(st.lists(COMMANDS[name], min_size=3, max_size=40))
    odd = draw(st.sampled_from([None, None, None, 0, 5]))
    return b"".join(
        encode(name, args[0] if place == odd else key, *args[1:]) for place, args in enumerate(calls)
    )


def encode(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


class Side:
    """A server, somebody whose pipelines are tried, and two that look on."""

    def __init__(self, observed: bool = True, **settings: object) -> None:
        clock = Clock()
        clock.advance(1_700_000_000)
        self.factory = RespFactory(clock=clock, random_seed=1)
        self.client, self.waiter, self.watcher = self.connect(), self.connect(), self.connect()
        if observed:
            self.send(self.client, b"CONFIG", b"SET", b"notify-keyspace-events", b"KEA")
            self.send(self.waiter, b"BLPOP", b"wanted", b"list", b"0")
            self.send(self.watcher, b"SUBSCRIBE", b"__keyevent@0__:lpush")
        if available():
            for script in SCRIPTS:
                self.factory.server.scripting.scripts.add(script, evictable=False)
        for name, value in settings.items():
            self.send(self.client, b"CONFIG", b"SET", name.replace("_", "-").encode(), str(value).encode())

    def connect(self) -> tuple[RespProtocol, StringTransport]:
        protocol: Any = self.factory.buildProtocol(None)
        transport = StringTransport()
        transport.abortConnection = transport.loseConnection  # type: ignore[method-assign]
        protocol.makeConnection(transport)
        return protocol, transport

    def send(self, client: tuple[RespProtocol, StringTransport], *words: bytes) -> None:
        client[0].dataReceived(encode(*words))

    def state(self) -> dict[str, Any]:
        server = self.factory.server
        keyspace = server.keyspace
        client = self.client[0].client
        assert client is not None
        return {
            "output": [transport.value() for _, transport in (self.client, self.waiter, self.watcher)],
            "values": self.factory.call("DEBUG", "DIGEST").result,
            "expires": [database.expires for database in keyspace.databases],
            "accessed": [database.accessed.copy() for database in keyspace.databases],
            "calls": {
                entry.full_name: (entry.calls, entry.failed, entry.rejected) for entry in server.entries()
            },
            "histograms": {entry.full_name: entry.histogram.total for entry in server.entries()},
            "errors": dict(server.statistics.errors),
            "slow": [note.args for note in server.slow_log.newest(-1)],
            "keyspace": (keyspace.dirty, keyspace.hits, keyspace.misses),
            "client": (client.total_commands, client.total_output, client.last_command, client.closing),
            "parked": client.parked is not None,
        }


def compare(short: Side, long: Side, pipelines: list[bytes]) -> None:
    for pipeline in pipelines:
        short.client[0].dataReceived(pipeline)
        with mock.patch.object(connection, "run", return_value=0):
            long.client[0].dataReceived(pipeline)
    assert short.state() == long.state()


@given(st.lists(runs(), max_size=4), st.booleans())
def test_replies_and_all_that_is_counted(pipelines: list[bytes], slow: bool) -> None:
    short, long = (Side(slowlog_log_slower_than=0 if slow else -1) for _ in range(2))
    for side in (short, long):
        side.send(side.client, b"SLOWLOG", b"RESET")
    compare(short, long, pipelines)


@settings(max_examples=60)
@given(
    st.lists(runs_on_one_key(), max_size=8),
    st.sampled_from([-2, -1, 3]),
    st.sampled_from([0, 5, 128]),
    st.booleans(),
)
def test_runs_that_nobody_listens_to(
    pipelines: list[bytes], list_limit: int, entries: int, expiring: bool
) -> None:
    short, long = (
        Side(
            observed=False,
            slowlog_log_slower_than=-1,
            list_max_listpack_size=list_limit,
            set_max_listpack_entries=entries,
            hash_max_listpack_entries=entries,
            zset_max_listpack_entries=entries,
        )
        for _ in range(2)
    )
    for side in (short, long):
        side.send(side.client, b"RPUSH", b"list", *[b"element %d" % number for number in range(60)])
        if expiring:
            side.send(side.client, b"SET", b"a", b"10", b"EX", b"5")
        side.send(side.client, b"HSETEX", b"b", b"EX", b"5", b"FIELDS", b"1", b"x", b"y")
        side.send(side.client, b"RANDOMKEY")
    compare(short, long, pipelines)
    for key in (b"a", b"b", b"c", b"list"):
        # What DUMP gives shows the encoding, the nodes of a list and the order of what has no order.
        assert short.factory.call("DUMP", key).result == long.factory.call("DUMP", key).result
        assert (
            short.factory.call("OBJECT", "ENCODING", key).result
            == long.factory.call("OBJECT", "ENCODING", key).result
        )


def test_what_waits_takes_the_long_way() -> None:
    entries = Side().factory.server.commands
    assert not any(entries[name].plain for name in (b"blpop", b"migrate", b"wait", b"exec", b"eval"))
