"""The generic commands on the same random calls as a redis-server."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_resp.values.hash import Hash
from twisted_resp.values.list import List
from twisted_resp.values.set import Set
from twisted_resp.values.sorted_set import SortedSet

SideBySide = Any  # the fixture of conftest.py

# ------------------------------------------------------------ keys as wholes

# A full second, so that what passes during the test makes no difference after rounding.
NOW = int(time.time()) + 1

key = st.sampled_from([b"a", b"b", b"c", b"d:1"])
value = st.sampled_from([b"", b"v", b"12", b"10000", b"-1", b"007", b"9" * 19, b"x" * 44, b"x" * 45])
database = st.sampled_from(
    [b"0", b"1", b"2", b"15", b"16", b"-1", b"x", b"2147483648", b"99999999999999999999"]
)
number = st.one_of(
    st.sampled_from(
        [b"100", b"2000", b"0", b"-1", b"x", b"1.5", b"", b"9223372036854775807", b"9223372036854775"]
    ),
    st.sampled_from([b"-9223372036854775808", b"-9223372036854776", b"9223370336829401"]),
)
# Not so few that they pass while the servers are asked.
milliseconds = number.map(lambda text: text + b"000" if text in (b"100", b"2000") else text)
moment = st.one_of(st.sampled_from([b"%d" % (NOW + 1000), b"%d" % (NOW + 5000), b"1"]), number)
condition = st.lists(st.sampled_from([b"NX", b"xx", b"GT", b"lt", b"Lt", b"zz"]), max_size=2)
copying = st.lists(
    st.one_of(
        st.just([b"REPLACE"]), database.map(lambda index: [b"DB", index]), st.just([b"db"]), st.just([b"x"])
    ),
    max_size=2,
).map(lambda options: [word for option in options for word in option])
pattern = st.sampled_from([b"*", b"?", b"[ab]", b"d*1", b"\\*", b"", b"[^a]*", b"**"])


def call(name: str, *arguments: Any) -> st.SearchStrategy[list[bytes]]:
    return st.tuples(*arguments).map(
        lambda words: [
            *(part.encode() for part in name.split()),
            *(word for item in words for word in (item if isinstance(item, list) else [item])),
        ]
    )


calls = st.one_of(
    call("SET", key, value),
    call("SET", key, value),
    call("SET", key, value),
    call("DEL", st.lists(key, min_size=1, max_size=3)),
    call("UNLINK", st.lists(key, min_size=1, max_size=3)),
    call("EXISTS", st.lists(key, min_size=1, max_size=3)),
    call("TOUCH", st.lists(key, min_size=1, max_size=3)),
    call("TYPE", key),
    call("RENAME", key, key),
    call("RENAMENX", key, key),
    call("MOVE", key, database),
    call("COPY", key, key, copying),
    call("OBJECT ENCODING", key),
    call("OBJECT REFCOUNT", key),
    call("OBJECT IDLETIME", key),
    call("OBJECT FREQ", key),
    call("EXPIRE", key, number, condition),
    call("PEXPIRE", key, milliseconds, condition),
    call("EXPIREAT", key, moment, condition),
    call("PEXPIREAT", key, moment.map(lambda text: text + b"000"), condition),
    call("TTL", key),
    call("EXPIRETIME", key),
    call("PERSIST", key),
    call("KEYS", pattern),
    call("SCAN", st.just(b"0"), st.just([b"COUNT", b"100", b"MATCH"]), pattern),
    call("SCAN", st.sampled_from([b"0", b"x", b"18446744073709551616", b"+0"])),
    call(
        "SCAN",
        st.just(b"0"),
        st.lists(st.sampled_from([b"COUNT", b"0", b"MATCH", b"type", b"-5"]), max_size=4),
    ),
)


def in_order(words: list[bytes], reply: Any) -> Any:
    """Sort what comes in no particular order."""
    if words[0] == b"KEYS" and isinstance(reply, list):
        return sorted(reply)
    if words[0] == b"SCAN" and isinstance(reply, list):
        return [reply[0], sorted(reply[1])]
    return reply


@given(st.lists(calls, min_size=5, max_size=40))
def test_keys(side_by_side: SideBySide, calls: list[list[bytes]]) -> None:
    side_by_side.start()
    for words in calls:
        ours, theirs = side_by_side.ask(*words)
        if words[:1] == [b"SCAN"] and isinstance(ours, bytes) and b"unknown type name" in ours:
            continue  # 7.0 finds nothing, where later versions complain
        side_by_side.agree(words, in_order(words, ours), in_order(words, theirs))
    for name in (b"a", b"b", b"c", b"d:1"):
        side_by_side.check("GET", name)
        side_by_side.check("EXPIRETIME", name)


# ---------------------------------------------------------------------- SORT

element = st.one_of(
    st.integers(-20, 20).map(lambda integer: b"%d" % integer),
    st.sampled_from(
        [b"1.5", b"-2.5e3", b"inf", b"-inf", b"0x10", b" 7", b"3.0", b"1e-3", b"007", b"+4", b"-0"]
    ),
)
odd_element = st.one_of(
    element,
    st.sampled_from([b"", b"nan", b"abc", b"1 ", b"1e400", b"\xff", b"B", b"a b", b"1.5x", b"infinit"]),
)
lookup = st.sampled_from([b"w_*", b"w_*", b"o_*->f", b"o_*->g", b"#", b"const", b"w_*->", b"*", b"o_*->f->x"])
limit = st.integers(-3, 12).map(lambda integer: b"%d" % integer) | st.sampled_from(
    [b"x", b"9223372036854775807"]
)


def options_of_sort(rest: st.SearchStrategy[list[bytes]]) -> st.SearchStrategy[list[bytes]]:
    option = st.one_of(
        st.sampled_from([[b"ASC"], [b"DESC"], [b"alpha"], [b"ALPHA"]]),
        lookup.map(lambda pattern: [b"BY", pattern]),
        lookup.map(lambda pattern: [b"GET", pattern]),
        st.tuples(limit, limit).map(lambda pair: [b"LIMIT", *pair]),
        rest,
    )
    return st.lists(option, max_size=5).map(lambda options: [word for words in options for word in words])


def unique(strategy: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[bytes]]:
    return st.lists(strategy, max_size=10, unique=True)


@given(
    st.sampled_from([List, Set, SortedSet, Hash, None]),
    st.one_of(unique(element), unique(odd_element)),
    st.dictionaries(element, odd_element, max_size=8),
    st.dictionaries(element, element, max_size=8),
    options_of_sort(st.just([b"STORE", b"stored"])),
    st.booleans(),
)
def test_sort(
    side_by_side: SideBySide,
    kind: Any,
    elements: list[bytes],
    weights: dict[bytes, bytes],
    fields: dict[bytes, bytes],
    options: list[bytes],
    read_only: bool,
) -> None:
    side_by_side.start()
    pairs = [(item, float(number)) for number, item in enumerate(reversed(elements))]
    if kind is not None:
        made: list[Any] = elements if kind in (List, Set) else pairs
        side_by_side.put(b"k", kind, [(member, b"v") for member, _ in made] if kind is Hash else made)
    for item, weight in weights.items():
        side_by_side.check("SET", b"w_" + item, weight)
    for item, weight in fields.items():
        side_by_side.put(b"o_" + item, Hash, [(b"f", weight)])
    side_by_side.check("SET", "stored", "before")
    forget_range_error(side_by_side)
    words = [b"SORT_RO" if read_only else b"SORT", b"k", *options]
    ours, theirs = side_by_side.ask(*words)
    if isinstance(ours, list) and has_free_order(kind, elements, options):
        ours, theirs = len(ours), len(theirs)
    assert ours == theirs
    side_by_side.check("TYPE", "stored")
    if side_by_side.engine.database().peek(b"stored") == b"before":
        side_by_side.check("GET", "stored")
    elif not has_free_order(kind, elements, options):
        stored = side_by_side.engine.database().peek(b"stored")
        _, theirs = side_by_side.ask("LRANGE", "stored", 0, -1)
        assert (list(stored) if stored is not None else []) == theirs


def has_free_order(kind: Any, elements: list[bytes], options: list[bytes]) -> bool:
    """Whether Redis promises no order: a set that isn't sorted, or equals in the order that qsort leaves."""
    words = [word.upper() for word in options]
    patterns = [words[place + 1] for place, word in enumerate(words[:-1]) if word == b"BY"]
    if any(b"*" not in pattern for pattern in patterns):
        return kind is Set
    return bool(patterns) and b"ALPHA" in words


def forget_range_error(side_by_side: SideBySide) -> None:
    """Clear C's errno, which SORT only reads: a number out of range fails later calls too. SCAN clears it."""
    side_by_side.ask("SCAN", "0")


@pytest.mark.parametrize(
    "weight", [b"1e-400", b"4.9e-324", b"1e309", b"\t1", b"1\0x", b"\0", b" ", b"0x", b"1e"]
)
def test_weights_at_the_edges(side_by_side: SideBySide, weight: bytes) -> None:
    side_by_side.start()
    side_by_side.put(b"k", List, [weight, b"0.5", b"-1"])
    for order in ("ASC", "DESC"):
        forget_range_error(side_by_side)
        side_by_side.check("SORT", "k", order)


def test_bytes_sort_by_their_value(side_by_side: SideBySide) -> None:
    side_by_side.start()
    side_by_side.put(b"k", Set, [bytes([byte]) for byte in range(1, 256)])
    side_by_side.check("SORT", "k", "ALPHA")
    side_by_side.check("SORT", "k", "ALPHA", "DESC", "LIMIT", 3, 5)


def test_large_list(side_by_side: SideBySide) -> None:
    side_by_side.start()
    side_by_side.put(b"k", List, [b"%d" % (number * 7919 % 1000) for number in range(1000)])
    for options in ([], ["DESC"], ["ALPHA"], ["LIMIT", 10, 20], ["BY", "nosort", "DESC"], ["BY", "w_*"]):
        side_by_side.check("SORT", "k", *options)
