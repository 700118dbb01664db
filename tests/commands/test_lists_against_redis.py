"""The list commands on the same random calls as a redis-server; with several clients that wait, too."""

from __future__ import annotations

import socket
from io import BytesIO
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from twisted_resp.resp import encode
from twisted_resp.server.client import Client
from twisted_resp.values.list import List

SideBySide = Any  # the fixture of conftest.py

key = st.sampled_from([b"a", b"b", b"c", b"s", b"none"])
element = st.sampled_from(
    [b"", b"x", b"y", b"12", b"-7", b"007", b"9" * 19, b"z" * 63, b"z" * 64, b"u" * 3000, b"u" * 9000]
)
# Redis 7.0 negates this integer without a look.
LEAST = b"-9223372036854775808"
index = st.one_of(
    st.integers(-12, 12).map(b"%d".__mod__),
    st.sampled_from([b"x", b"", b"01", b"9223372036854775807", LEAST, b"9" * 20]),
)
end = st.sampled_from([b"LEFT", b"RIGHT", b"left", b"Right", b"UP"])
side = st.sampled_from([b"BEFORE", b"AFTER", b"after", b"beside"])
timeout = st.sampled_from([b"0", b"0.1", b"-1", b"x", b"", b"-0.001", b"1e2", b"0x1p4", b"1 "])
negatable = index.filter(lambda number: number != LEAST)
position = st.lists(
    st.tuples(st.sampled_from([b"RANK", b"COUNT", b"maxlen", b"BEST"]), negatable), max_size=3
)
some_keys = st.lists(key, min_size=1, max_size=3)
counted_keys = st.one_of(some_keys.map(lambda keys: [b"%d" % len(keys), *keys]), st.tuples(index, some_keys))
count: st.SearchStrategy[Any] = st.one_of(
    st.just([]), index.map(lambda number: [b"COUNT", number]), st.lists(index, max_size=1)
)


def call(name: str, *arguments: Any) -> st.SearchStrategy[list[bytes]]:
    return st.tuples(*arguments).map(lambda words: [name.encode(), *flat(words)])


def flat(words: Any) -> list[bytes]:
    return [words] if isinstance(words, bytes) else [word for item in words for word in flat(item)]


pushes = [call(name, key, st.lists(element, min_size=1, max_size=5)) for name in ("LPUSH", "RPUSH")]
calls = st.one_of(
    *pushes,
    *pushes,
    call("LPUSHX", key, element),
    call("RPUSHX", key, st.lists(element, min_size=1, max_size=2)),
    call("LPOP", key, st.lists(index, max_size=2)),
    call("RPOP", key, st.lists(index, max_size=2)),
    call("LLEN", key),
    call("LRANGE", key, index, index),
    call("LINDEX", key, index),
    call("LSET", key, index, element),
    call("LINSERT", key, side, element, element),
    call("LREM", key, negatable, element),
    call("LTRIM", key, index, index),
    call("LPOS", key, element, position),
    call("LMOVE", key, key, end, end),
    call("RPOPLPUSH", key, key),
    call("LMPOP", counted_keys, end, count),
)


@settings(max_examples=100)
@given(st.sampled_from([0, 300]), st.lists(calls, min_size=1, max_size=30))
def test_replies(side_by_side: SideBySide, long: int, calls: list[list[bytes]]) -> None:
    side_by_side.start()
    side_by_side.check("SET", "s", "x")
    # With a long list, the middle and the ends of a quicklist with several nodes.
    side_by_side.put(b"a", List, [b"%d" % n * 20 for n in range(long)])
    for words in calls:
        side_by_side.check(*words)
    for name in (b"a", b"b", b"c"):
        side_by_side.check("LRANGE", name, 0, -1)


@settings(max_examples=100)
@given(
    st.lists(
        st.one_of(
            *pushes,
            call("BLPOP", some_keys, timeout),
            call("BRPOP", some_keys, timeout),
            call("BLMOVE", key, key, end, end, timeout),
            call("BRPOPLPUSH", key, key, timeout),
            call("BLMPOP", timeout, counted_keys, end, count),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_replies_of_those_that_may_not_wait(side_by_side: SideBySide, calls: list[list[bytes]]) -> None:
    side_by_side.start()
    side_by_side.check("SET", "s", "x")
    for words in calls:
        side_by_side.check("MULTI")
        side_by_side.check(*words)
        side_by_side.check("EXEC")
    for name in (b"a", b"b", b"c"):
        side_by_side.check("LRANGE", name, 0, -1)


# ------------------------------------------------------------ several clients

CLIENTS = 4


class Crowd:
    """Clients of both servers, of which some wait, and what each is told, in order."""

    def __init__(self, side_by_side: SideBySide, address: tuple[str, int]) -> None:
        self.both = side_by_side
        self.server = side_by_side.engine.server
        self.clients = [Client(self.server) for _ in range(CLIENTS)]
        self.ours: list[list[Any]] = [[] for _ in self.clients]
        self.theirs: list[list[Any]] = [[] for _ in self.clients]
        self.sockets = [socket.create_connection(address, timeout=30) for _ in self.clients]
        self.streams: list[Any] = [each.makefile("rwb") for each in self.sockets]
        self.ids = [self.ask(number, b"CLIENT", b"ID") for number in range(CLIENTS)]
        self.waiting = [False] * CLIENTS

    def ask(self, number: int, *words: bytes) -> Any:
        self.send(number, *words)
        return read_reply(self.streams[number])

    def send(self, number: int, *words: bytes) -> None:
        request = b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
        self.streams[number].write(b"*%d\r\n%b" % (len(words), request))
        self.streams[number].flush()

    def call(self, number: int, words: list[bytes]) -> None:
        """Let a client that does not wait run a command, and see who is told what."""
        client, told = self.clients[number], self.ours[number]
        self.server.keyspace.tick()
        reply = client.execute(client, words)
        if isinstance(reply, Deferred):
            reply.addCallback(lambda reply: told.append(plain(reply)))
        else:
            told.append(plain(reply))
        self.server.end_batch()
        self.send(number, *words)
        self.waiting[number] = True
        blocked = set(self.blocked_of_theirs(number))
        for each in range(CLIENTS):
            if self.waiting[each] and self.ids[each] not in blocked:
                self.theirs[each].append(read_reply(self.streams[each]))
                self.waiting[each] = False
        assert self.waiting == [each.parked is not None for each in self.clients], words

    def blocked_of_theirs(self, number: int) -> list[int]:
        """Who waits, as soon as the last command of a client has run: it waits then, or is told something."""
        while True:
            # Looked at before the list is asked for, which would be out of date otherwise.
            answered = self.has_reply(number)
            _, listed = self.both.ask("CLIENT", "LIST")
            lines = [dict(word.split(b"=", 1) for word in line.split()) for line in listed.splitlines()]
            blocked = [int(line[b"id"]) for line in lines if b"b" in line[b"flags"]]
            if answered or self.ids[number] in blocked:
                return blocked

    def has_reply(self, number: int) -> bool:
        each = self.sockets[number]
        each.setblocking(False)
        try:
            return bool(each.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False
        finally:
            each.settimeout(30)

    def close(self) -> None:
        for each, stream in zip(self.sockets, self.streams):
            stream.close()
            each.close()


def plain(reply: Any) -> Any:
    return read_reply(BytesIO(encode(reply, 2)))


def read_reply(stream: Any) -> Any:
    line = stream.readline()[:-2]
    mark, rest = line[:1], line[1:]
    if mark == b"$":
        return None if rest == b"-1" else stream.read(int(rest) + 2)[:-2]
    if mark == b"*":
        return None if rest == b"-1" else [read_reply(stream) for _ in range(int(rest))]
    return int(rest) if mark == b":" else line


list_key = st.sampled_from([b"a", b"b", b"c"])
any_key = st.one_of(list_key, list_key, list_key, st.just(b"s"))
list_keys = st.lists(list_key, min_size=1, max_size=3)
ends = st.sampled_from([b"LEFT", b"RIGHT"])
value = st.sampled_from([b"1", b"2", b"3", b"4", b"5"])
forever = st.just(b"0")
crowded = st.one_of(
    call("BLPOP", list_keys, forever),
    call("BRPOP", list_keys, forever),
    call("BLMOVE", list_key, any_key, ends, ends, forever),
    call("BRPOPLPUSH", list_key, any_key, forever),
    list_keys.flatmap(
        lambda keys: call(
            "BLMPOP",
            forever,
            st.just([b"%d" % len(keys), *keys]),
            ends,
            st.sampled_from([[], [b"COUNT", b"2"]]),
        )
    ),
    call("RPUSH", list_key, st.lists(value, min_size=1, max_size=3)),
    call("LPUSH", list_key, st.lists(value, min_size=1, max_size=3)),
    call("RPOPLPUSH", list_key, list_key),
    call("RENAME", list_key, list_key),
    call("SORT", list_key, st.just([b"STORE"]), list_key),
    call("DEL", list_key),
)


@settings(max_examples=80)
@given(st.lists(st.tuples(st.integers(0, CLIENTS - 1), crowded), min_size=4, max_size=25))
def test_the_order_of_service(
    side_by_side: SideBySide, redis_server: Any, calls: list[tuple[int, list[bytes]]]
) -> None:
    side_by_side.start()
    side_by_side.check("SET", "s", "x")
    crowd = Crowd(side_by_side, (redis_server.host, redis_server.port))
    try:
        for number, words in calls:
            # Somebody else, if this one waits; the last client of all never does.
            if crowd.waiting[number] or (number == CLIENTS - 1 and words[0][:1] == b"B"):
                continue
            crowd.call(number, words)
            assert crowd.ours == crowd.theirs, words
            for name in (b"a", b"b", b"c"):
                side_by_side.check("LRANGE", name, 0, -1)
    finally:
        crowd.close()
