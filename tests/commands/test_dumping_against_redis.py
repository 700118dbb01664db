"""Payloads of DUMP go both ways between us and a redis-server, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SideBySide = Any  # the fixture of conftest.py

TEXT = st.one_of(
    st.binary(max_size=10),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: b"%d" % number),
    st.integers(-5000, 5000).map(lambda number: b"%d" % number),
    st.binary(min_size=50, max_size=150),
    st.builds(lambda byte, size: byte * size, st.sampled_from([b"x", b"yz"]), st.integers(2000, 9000)),
)
SCORE = st.one_of(st.floats(allow_nan=False), st.integers(-10, 10).map(float))


def pairs(items: Any) -> list[bytes]:
    return [word for pair in items for word in pair]


COMMAND = st.one_of(
    TEXT.map(lambda text: [[b"SET", b"k", text]]),
    TEXT.map(lambda text: [[b"APPEND", b"k", text]]),
    st.lists(TEXT, min_size=1, max_size=30).map(lambda items: [[b"RPUSH", b"k", *items]]),
    st.sets(TEXT, min_size=1, max_size=30).map(lambda items: [[b"SADD", b"k", *sorted(items)]]),
    st.sets(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=30).map(
        lambda items: [[b"SADD", b"k", *(b"%d" % item for item in sorted(items))]]
    ),
    st.integers(150, 700).map(lambda count: [[b"SADD", b"k", *(b"m%d" % item for item in range(count))]]),
    st.integers(150, 700).map(lambda count: [[b"HSET", b"k", *pairs((b"m%d" % item, b"x") for item in range(count))]]),
    st.dictionaries(TEXT, TEXT, min_size=1, max_size=30).map(lambda items: [[b"HSET", b"k", *pairs(items.items())]]),
    st.dictionaries(TEXT, SCORE, min_size=1, max_size=30).map(
        lambda items: [[b"ZADD", b"k", *pairs((repr(score).encode(), member) for member, score in items.items())]]
    ),
    st.integers(1, 30).map(
        lambda count: [
            *([b"XADD", b"k", b"%d-%d" % (item // 3 + 1, item), b"f", b"%d" % item] for item in range(count)),
            [b"XADD", b"k", b"100-1", b"other", b"1", b"fields", b"2"],
            [b"XDEL", b"k", b"2-4"],
            [b"XGROUP", b"CREATE", b"k", b"group", b"1-1"],
            [b"XREADGROUP", b"GROUP", b"group", b"ann", b"COUNT", b"5", b"STREAMS", b"k", b">"],
            [b"XREADGROUP", b"GROUP", b"group", b"bob", b"COUNT", b"2", b"STREAMS", b"k", b">"],
            [b"XGROUP", b"CREATE", b"k", b"late", b"$", b"ENTRIESREAD", b"3"],
        ]
    ),
)  # fmt: skip


@settings(max_examples=80)
@given(commands=COMMAND)
def test_both_ways(side_by_side: SideBySide, commands: list[list[bytes]]) -> None:
    side_by_side.start()
    for command in commands:
        side_by_side.check(*command)
    ours, theirs = side_by_side.ask(b"DUMP", b"k")
    assert ours is not None
    for name, payload in ((b"ours", ours), (b"theirs", theirs)):
        assert side_by_side.check(b"RESTORE", name, 0, payload) == b"+OK"
        digests = side_by_side.check(b"DEBUG", b"DIGEST-VALUE", b"k", name)
        assert digests[0] == digests[1]
    if commands[0][0] == b"XADD":
        for name in (b"k", b"ours", b"theirs"):
            assert side_by_side.check(b"XPENDING", name, b"group")
            for what in (b"GROUPS", b"STREAM"):
                our_info, their_info = side_by_side.ask(b"XINFO", what, name)
                # Radix trees are Redis' own.
                assert our_info[4:] == their_info[4:]


@pytest.mark.parametrize("place", range(40))
def test_damage(side_by_side: SideBySide, place: int) -> None:
    side_by_side.start()
    side_by_side.check(b"SADD", b"k", b"1", b"2", b"300000")
    side_by_side.check(b"RPUSH", b"l", b"a", b"b" * 50, b"12")
    for key in (b"k", b"l"):
        payload, _ = side_by_side.ask(b"DUMP", key)
        damaged = bytearray(payload)
        damaged[place % len(damaged)] ^= 1 << place % 8
        assert side_by_side.check(b"RESTORE", b"copy", 0, bytes(damaged)).startswith(b"-ERR DUMP payload")
