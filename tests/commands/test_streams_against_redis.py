"""The stream commands on the same random calls as a redis-server, 7.0 or later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_resp.commands.stream_options import INVALID_ID

SideBySide = Any  # the fixture of conftest.py

MAX = b"18446744073709551615"

key = st.sampled_from([b"s", b"s", b"s", b"s", b"t", b"none", b"text"])
group = st.sampled_from([b"g", b"g", b"g", b"h", b"nobody"])
consumer = st.sampled_from([b"ann", b"bob"])
plain_id = st.one_of(
    st.integers(1, 12).map(lambda ms: b"%d-1" % ms),
    st.tuples(st.integers(0, 40), st.integers(0, 3)).map(lambda pair: b"%d-%d" % pair),
    st.integers(0, 40).map(lambda ms: b"%d" % ms),
)
odd_id = st.sampled_from(
    [
        *(
            b"-",
            b"+",
            b"*",
            b"$",
            b">",
            b"x",
            b"",
            b"-1",
            b"1-",
            b"1-*",
            b"1-1-1",
            b"+1-1",
            b" 1",
            b"01-001",
            b"1-x",
        ),
        *(MAX, MAX + b"-" + MAX, b"18446744073709551616-0", b"1" * 128, b"(1"),
    ]
)
any_id = st.one_of(plain_id, plain_id, plain_id, plain_id, plain_id, odd_id)
end = st.one_of(
    plain_id,
    plain_id.map(lambda text: b"(" + text),
    st.sampled_from([b"-", b"+", b"(-", b"(" + MAX, b"(" + MAX + b"-" + MAX, b"(0-0", b"(", b"x", MAX]),
)
number = st.one_of(
    st.integers(0, 12).map(lambda integer: b"%d" % integer),
    st.integers(0, 12).map(lambda integer: b"%d" % integer),
    st.sampled_from([b"-1", b"x", b"", b"1.5", b"9223372036854775807", b"9223372036854775808"]),
)
# Far from what passes while a test runs, in either direction.
idle = st.sampled_from([b"0", b"100000", b"300000", b"-5", b"x", b"9223372036854775807"])


def case(word: bytes) -> st.SearchStrategy[list[bytes]]:
    return st.sampled_from([[word], [word], [word.lower()]])


def option(word: bytes, *arguments: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[bytes]]:
    return st.tuples(case(word), *arguments).map(lambda words: [*words[0], *words[1:]])


def some(*options: st.SearchStrategy[list[bytes]], at_most: int = 3) -> st.SearchStrategy[list[bytes]]:
    return st.lists(st.one_of(*options), max_size=at_most).map(
        lambda found: [w for words in found for w in words]
    )


def call(name: bytes, *arguments: Any) -> st.SearchStrategy[list[bytes]]:
    return st.tuples(*arguments).map(
        lambda words: [
            *name.split(),
            *(word for item in words for word in (item if isinstance(item, list) else [item])),
        ]
    )


# From 7.2 on no id may be set that is smaller than one that was deleted.
last_id = st.one_of(
    st.integers(41, 60).map(lambda ms: b"%d-1" % ms), st.sampled_from([b"x", b"+", b"-", b"$", MAX])
)
trim = st.one_of(
    st.tuples(case(b"MAXLEN"), st.sampled_from([[], [b"~"], [b"="], [b"~"]]), number),
    st.tuples(case(b"MINID"), st.sampled_from([[], [b"~"], [b"="], [b"~"]]), any_id),
).map(lambda parts: [*parts[0], *parts[1], parts[2]])
trimming = st.one_of(
    trim,
    trim,
    st.tuples(trim, option(b"LIMIT", number)).map(lambda parts: parts[0] + parts[1]),
    some(trim, option(b"LIMIT", number), st.just([b"NOMKSTREAM"]), st.just([b"x"])),
)
fields = st.one_of(
    st.lists(st.sampled_from([b"f", b"g", b"12", b"", b"x" * 70]), min_size=1, max_size=3).map(
        lambda words: words + [b"value"] * (len(words))
    ),
    st.lists(st.just(b"f"), max_size=3),
)
new_id = st.one_of(
    st.integers(1, 40).map(lambda ms: b"%d-*" % ms),
    st.integers(1, 40).map(lambda ms: b"%d-*" % ms),
    plain_id,
    odd_id.filter(lambda text: text != b"*"),
)
ids = st.lists(any_id, min_size=1, max_size=4)
good_ids = st.lists(plain_id, min_size=1, max_size=6)
streams = st.one_of(
    st.tuples(st.just([b"STREAMS"]), key.map(lambda name: [name]), any_id.map(lambda text: [text])),
    st.tuples(
        st.just([b"streams"]), st.lists(key, min_size=2, max_size=2), st.lists(any_id, min_size=2, max_size=2)
    ),
    st.tuples(
        st.just([b"STREAMS"]),
        st.lists(st.sampled_from([b"s", b"t"]), min_size=1, max_size=2),
        st.just([b">", b">"]),
    ).map(lambda parts: (parts[0], parts[1], parts[2][: len(parts[1])])),
).map(lambda parts: [word for part in parts for word in part])
reading = some(option(b"COUNT", number), st.sampled_from([[b"BLOCK", b"x"], [b"BLOCK", b"-1"], [b"NOACK"]]))

ON_ENTRIES = st.one_of(
    call(b"XADD", key, new_id, fields),
    call(b"XADD", key, new_id, fields),
    call(b"XADD", key, trimming, new_id, fields),
    call(b"XLEN", key),
    call(b"XRANGE", key, end, end, some(option(b"COUNT", number), st.just([b"x"]))),
    call(b"XREVRANGE", key, end, end, some(option(b"COUNT", number), st.just([b"COUNT"]))),
    call(b"XDEL", key, good_ids),
    call(b"XDEL", key, ids),
    call(b"XTRIM", key, trimming),
    call(b"XREAD", reading, streams),
    call(
        b"XSETID",
        key,
        last_id,
        some(option(b"ENTRIESADDED", number), option(b"MAXDELETEDID", any_id), at_most=2),
    ),
    call(b"XINFO STREAM", key),
)
ON_GROUPS = st.one_of(
    call(b"XADD", key, new_id, fields),
    call(b"XDEL", key, good_ids),
    call(
        b"XGROUP CREATE",
        key,
        group,
        any_id,
        some(st.just([b"MKSTREAM"]), option(b"ENTRIESREAD", number), st.just([b"x"])),
    ),
    call(b"XGROUP SETID", key, group, any_id, some(option(b"ENTRIESREAD", number), at_most=2)),
    call(b"XGROUP DESTROY", key, st.sampled_from([b"h", b"h", b"nobody"])),
    call(b"XGROUP CREATECONSUMER", key, group, consumer),
    call(b"XGROUP DELCONSUMER", key, group, consumer),
    call(b"XREADGROUP", option(b"GROUP", group, consumer), reading, streams),
    call(b"XREADGROUP", option(b"GROUP", group, consumer), reading, streams),
    call(b"XREADGROUP", option(b"GROUP", group, consumer), st.just([b"STREAMS", b"s", b">"])),
    call(b"XACK", key, group, ids),
    call(b"XACK", key, group, good_ids),
    call(b"XPENDING", key, group),
    call(b"XPENDING", key, group, end, end, number),
    call(b"XPENDING", key, group, option(b"IDLE", idle), end, end, number, st.lists(consumer, max_size=2)),
    call(b"XPENDING", key, group, st.lists(number, max_size=2)),
    call(
        b"XCLAIM",
        key,
        group,
        consumer,
        idle,
        good_ids,
        some(
            st.sampled_from([[b"FORCE"], [b"justid"], [b"JUSTID"], [b"x"], [b"TIME"]]),
            option(b"IDLE", idle),
            option(b"RETRYCOUNT", number),
            option(b"TIME", st.sampled_from([b"1", b"x", b"-1", b"99999999999999"])),
            option(b"LASTID", any_id),
        ),
    ),
    call(
        b"XAUTOCLAIM",
        key,
        group,
        consumer,
        idle,
        end,
        some(option(b"COUNT", number), st.sampled_from([[b"JUSTID"], [b"x"]])),
    ),
    call(b"XINFO GROUPS", key),
    call(b"XINFO CONSUMERS", key, group),
    call(b"XINFO STREAM", key, st.just(b"FULL"), some(option(b"COUNT", number), at_most=1)),
)

# What 7.0 computed differently, did not have, or depends on the moment.
LATER = {b"lag", b"entries-read", b"inactive", b"active-time", b"idle", b"seen-time"}


def comparable(words: list[bytes], reply: Any, now: int) -> Any:
    """Leave out of a reply what is not the same in 7.0, and round times. `now` is unix time in ms."""
    if isinstance(reply, bytes) and reply.startswith(b"-ERR Unbalanced"):
        return b"unbalanced"
    if isinstance(reply, list):
        if words[0] == b"XINFO":
            return without_times(reply, now)
        if words[0] == b"XPENDING" and reply and isinstance(reply[0], list):
            return [[entry_id, name, rounded(ms), count] for entry_id, name, ms, count in reply]
    return reply


def without_times(reply: Any, now: int) -> Any:
    if not isinstance(reply, list):
        return reply
    if reply and reply[0] in (b"name", b"length"):
        found = dict(zip(reply[::2], reply[1::2]))
        if isinstance(found.get(b"pending"), list):
            found[b"pending"] = [
                [*item[:-2], rounded(now - item[-2]), item[-1]] for item in found[b"pending"]
            ]
        for name in LATER & found.keys():
            del found[name]
        return {name: without_times(value, now) for name, value in found.items()}
    return [without_times(item, now) for item in reply]


def rounded(milliseconds: int) -> int:
    """What passes during a test makes no difference."""
    return (milliseconds + 10_000) // 20_000


@pytest.fixture(scope="module")
def small_nodes(side_by_side: SideBySide) -> Iterator[SideBySide]:
    """Nodes of few entries, so that there are several of them."""
    yield side_by_side
    side_by_side.start()
    side_by_side.check("CONFIG", "SET", "stream-node-max-entries", 100)


def begin(side_by_side: SideBySide) -> None:
    side_by_side.start()
    side_by_side.check("CONFIG", "SET", "stream-node-max-entries", 3)
    side_by_side.check("SET", "text", "no stream")
    for number in range(1, 12):
        side_by_side.check("XADD", "s", f"{number}-1", "f", number, "g", "x" * number)
    side_by_side.check("XADD", "t", "3-3", "f", "1")


def compare(side_by_side: SideBySide, calls: list[list[bytes]]) -> None:
    for words in calls:
        check(side_by_side, words)
        if words[:2] in ([b"XGROUP", b"CREATE"], [b"XGROUP", b"DELCONSUMER"]):
            # From 7.2 on a consumer is there as soon as it asks, before it is in luck.
            for name in (b"ann", b"bob"):
                side_by_side.check(b"XGROUP", b"CREATECONSUMER", *words[2:4], name)
    for name in (b"s", b"t"):
        side_by_side.check("XRANGE", name, "-", "+")
        check(side_by_side, [b"XINFO", b"STREAM", name, b"FULL", b"COUNT", b"0"])


def check(side_by_side: SideBySide, words: list[bytes]) -> None:
    ours, theirs = side_by_side.ask(*words)
    if words[0] == b"XREAD" and b"+" in words and theirs == b"-" + INVALID_ID:
        return  # which 7.4 reads as the last entry
    now = side_by_side.engine.now
    assert comparable(words, ours, now) == comparable(words, theirs, now), words


@settings(max_examples=60)
@given(st.lists(ON_ENTRIES, min_size=5, max_size=40))
def test_entries(small_nodes: SideBySide, calls: list[list[bytes]]) -> None:
    begin(small_nodes)
    compare(small_nodes, calls)


@settings(max_examples=60)
@given(st.lists(ON_GROUPS, min_size=5, max_size=60))
def test_groups(small_nodes: SideBySide, calls: list[list[bytes]]) -> None:
    begin(small_nodes)
    for name in (b"s", b"t"):
        compare(small_nodes, [[b"XGROUP", b"CREATE", name, b"g", b"0"]])
    small_nodes.check("XREADGROUP", "GROUP", "g", "ann", "COUNT", 5, "STREAMS", "s", ">")
    compare(small_nodes, calls)
