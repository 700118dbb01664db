"""The set and hash commands on the same random calls as a redis-server, in both versions of the protocol.

Redis' hash tables have an order of no meaning, and draws have none at all: where that shows, replies are compared as
what they are, and a draw that changes something is made good on the other side.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

SideBySide = Any  # the fixture of conftest.py

key = st.sampled_from([b"a", b"b", b"b", b"c", b"c", b"s", b"none"])
member = st.sampled_from(
    [
        b"",
        b"x",
        b"y",
        b"1",
        b"2",
        b"-7",
        b"007",
        b"9" * 18,
        b"9" * 19,
        b"z" * 63,
        b"z" * 64,
        b"z" * 65,
        b"1.5",
    ]
)
members = st.lists(member, min_size=1, max_size=6)
keys = st.lists(key, min_size=1, max_size=3)
pairs = st.lists(st.tuples(member, member), min_size=1, max_size=4)
count = st.one_of(st.integers(-8, 8).map(b"%d".__mod__), st.sampled_from([b"x", b"", b"01", b"9" * 20]))
# What is mostly right.
filled = st.sampled_from([b"a", b"b", b"c"])
valid = st.sampled_from([b"2", b"1", b"3", b"7", b"-3", b"4611686018427387904"])
number = st.one_of(
    count, st.sampled_from([b"1.5", b"inf", b"nan", b"1e3", b"9223372036854775807", b"-0x1p3"])
)
protocol = st.sampled_from([2, 3])
scanning = st.lists(
    st.one_of(
        st.tuples(st.just(b"COUNT"), st.sampled_from([b"5", b"0", b"x", b"-1"])),
        st.tuples(st.just(b"match"), st.sampled_from([b"*", b"z*", b"?", b"[0-9]*", b""])),
        st.tuples(st.just(b"COUNT")),
    ),
    max_size=2,
)


def call(name: str, *arguments: Any) -> st.SearchStrategy[list[bytes]]:
    return st.tuples(*arguments).map(lambda words: [name.encode(), *flat(words)])


def flat(words: Any) -> list[bytes]:
    return [words] if isinstance(words, bytes) else [word for item in words for word in flat(item)]


def is_error(reply: Any) -> bool:
    """Whether a reply is an error (and not the member ``-7``)."""
    return isinstance(reply, bytes) and reply.startswith((b"-ERR ", b"-WRONGTYPE "))


def without_order(reply: Any) -> Any:
    """A reply with the order taken out of it, but for that of pairs."""
    if isinstance(reply, dict):
        return {mark: without_order(items) for mark, items in reply.items()}
    return sorted(reply, key=repr) if isinstance(reply, list) else reply


def in_pairs(reply: Any) -> Any:
    """A flat list of pairs as such, in no order."""
    if isinstance(reply, list) and (not reply or isinstance(reply[0], bytes)):
        return sorted(zip(reply[::2], reply[1::2]))
    return without_order(reply)


# --------------------------------------------------------------------------------- sets

numbered_keys = st.one_of(keys.map(lambda some: [b"%d" % len(some), *some]), st.tuples(count, keys))
limit = st.lists(st.tuples(st.sampled_from([b"LIMIT", b"limit", b"MOST"]), count), max_size=2)
set_calls = st.one_of(
    call("SADD", key, members),
    call("SADD", key, members),
    call("SADD", key, members),
    call("SREM", key, members),
    call("SMOVE", key, key, member),
    call("SCARD", key),
    call("SISMEMBER", key, member),
    call("SMISMEMBER", key, members),
    call("SMEMBERS", key),
    call("SSCAN", key, st.sampled_from([b"0", b"x"]), scanning),
    call("SPOP", key),
    call("SPOP", key, count),
    call("SPOP", filled, valid),
    call("SRANDMEMBER", filled, valid),
    call("SPOP", key, count, count),
    call("SRANDMEMBER", key),
    call("SRANDMEMBER", key, count),
    call("SRANDMEMBER", key, count, count),
    call("SINTER", keys),
    call("SUNION", keys),
    call("SDIFF", keys),
    call("SINTERCARD", numbered_keys, limit),
    call("SINTERSTORE", key, keys),
    call("SUNIONSTORE", key, keys),
    call("SDIFFSTORE", key, keys),
    call("HSET", key, member, member),
    call("TYPE", key),
    call("DEL", key),
)
UNORDERED = {b"SMEMBERS", b"SINTER", b"SUNION", b"SDIFF"}


def all_of(reply: Any) -> list[bytes]:
    """The members in a reply of one or several."""
    if isinstance(reply, dict):
        (reply,) = reply.values()
    return reply if isinstance(reply, list) else [] if reply is None else [reply]


def draw(side_by_side: SideBySide, words: list[bytes]) -> None:
    """SPOP and SRANDMEMBER: as many, and only what is there; then both sets are what ours is."""
    before = set(all_of(side_by_side.ask("SMEMBERS", words[1])[1]))
    ours, theirs = side_by_side.ask(*words)
    assert type(ours) is type(theirs), words
    if is_error(theirs):
        assert ours == theirs, words
        return
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
    drawn, other = all_of(ours), all_of(theirs)
    assert len(drawn) == len(other), words
    assert set(drawn) <= before, words
    if len(set(other)) == len(other) > 1 and not words[-1].startswith(b"-"):
        assert len(set(drawn)) == len(drawn), words
    if words[0] == b"SPOP":
        for change, some in (("SADD", other), ("SREM", drawn)):
            if some:
                side_by_side.tell_redis(change, words[1], *some)


@settings(max_examples=100)
@given(protocol, st.booleans(), st.lists(set_calls, min_size=10, max_size=40))
def test_sets(side_by_side: SideBySide, protocol: int, large: bool, calls: list[list[bytes]]) -> None:
    side_by_side.start(protocol)
    side_by_side.check("SET", "s", "x")
    side_by_side.check("SADD", "b", "1", "2", "-7")
    side_by_side.check("SADD", "c", "", "x", "y", "1", "z" * 64)
    if large:
        side_by_side.check("SADD", "a", *[b"m%d" % n for n in range(300)])
    for words in calls:
        if words[0] in (b"SPOP", b"SRANDMEMBER"):
            draw(side_by_side, words)
        else:
            ours, theirs = side_by_side.ask(*words)
            if words[0] == b"SSCAN" and isinstance(theirs, list):
                if ours[0] != b"0" or theirs[0] != b"0":
                    continue  # what comes first is Redis' own
                ours[1].sort()
                theirs[1].sort()
            if words[0] in UNORDERED:
                ours, theirs = without_order(ours), without_order(theirs)
            assert ours == theirs, words
    for name in "abc":
        ours, theirs = side_by_side.ask("SMEMBERS", name)
        assert without_order(ours) == without_order(theirs)


# ------------------------------------------------------------------------------- hashes

hash_calls = st.one_of(
    call("HSET", key, pairs),
    call("HSET", key, pairs),
    call("HSET", key, members),
    call("HMSET", key, pairs),
    call("HMSET", key, members),
    call("HSETNX", key, member, member),
    call("HGET", key, member),
    call("HMGET", key, members),
    call("HGETALL", key),
    call("HKEYS", key),
    call("HVALS", key),
    call("HDEL", key, members),
    call("HLEN", key),
    call("HSTRLEN", key, member),
    call("HEXISTS", key, member),
    call("HINCRBY", key, member, number),
    call("HINCRBY", filled, st.sampled_from([b"x", b"1"]), valid),
    call("HINCRBYFLOAT", key, member, number),
    call("HSCAN", key, st.sampled_from([b"0", b"x"]), scanning),
    call("HRANDFIELD", key),
    call("HRANDFIELD", key, count),
    call("HRANDFIELD", filled, valid),
    call("HRANDFIELD", filled, valid, st.just(b"WITHVALUES")),
    call("HRANDFIELD", key, count, st.lists(st.sampled_from([b"WITHVALUES", b"values"]), max_size=2)),
    call("SADD", key, member),
    call("TYPE", key),
    call("DEL", key),
)


@settings(max_examples=100)
@given(protocol, st.booleans(), st.lists(hash_calls, min_size=10, max_size=40))
def test_hashes(side_by_side: SideBySide, protocol: int, large: bool, calls: list[list[bytes]]) -> None:
    side_by_side.start(protocol)
    side_by_side.check("SET", "s", "x")
    side_by_side.check("HSET", "b", "x", "1", "y", "2.5", "1", "9223372036854775806")
    side_by_side.check("HSET", "c", "", "", "x", "0", "y", "z" * 64)
    if large:
        side_by_side.check("HSET", "a", *[b"%d" % n for n in range(1200)])
    for words in calls:
        name = words[0]
        ours, theirs = side_by_side.ask(*words)
        if name == b"HRANDFIELD" and not is_error(theirs):
            there = all_of(side_by_side.ask("HKEYS", words[1])[1])
            assert len(all_of(ours)) == len(all_of(theirs)), words
            drawn = [pair[0] if isinstance(pair, list) else pair for pair in all_of(ours)]
            if len(words) == 4 and protocol == 2:
                drawn = drawn[::2]
            assert set(drawn) <= set(there), words
            continue
        if name in (b"HGETALL", b"HSCAN"):
            if name == b"HSCAN" and isinstance(theirs, list):
                if ours[0] != b"0" or theirs[0] != b"0":
                    continue  # what comes first is Redis' own
                ours, theirs = ours[1], theirs[1]
            ours, theirs = in_pairs(ours), in_pairs(theirs)
        elif name in (b"HKEYS", b"HVALS"):
            ours, theirs = without_order(ours), without_order(theirs)
        assert ours == theirs, words
    for name in (b"a", b"b", b"c"):
        ours, theirs = side_by_side.ask("HGETALL", name)
        assert in_pairs(ours) == in_pairs(theirs)
        if side_by_side.check("TYPE", name) == b"+hash":
            side_by_side.check("OBJECT", "ENCODING", name)
