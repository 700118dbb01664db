"""The sorted set and geo commands on the same random calls as a redis-server."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_resp.values.sorted_set import SortedSet

SideBySide = Any  # the fixture of conftest.py

key = st.sampled_from([b"a", b"b", b"c", b"s", b"t", b"none"])
# Long ones are too large for a listpack.
member = st.sampled_from([b"", b"x", b"y", b"z", b"aa", b"ab", b"12", b"-7", b"u" * 64, b"v" * 65])
# Of doubles, those that 7.0 prints as later versions do.
score = st.sampled_from(
    b"0|1|-1|2|3|1.5|-0.25|inf|-inf|+inf|100000|nan|x||1 |-0|0x10|1e3|9007199254740993".split(b"|")
)
integer = st.one_of(st.integers(-8, 8).map(b"%d".__mod__), st.sampled_from([b"x", b"", b"9" * 20, b"01"]))
bound = st.sampled_from(
    b"0|1|(1|-1|2|(1.5|-inf|+inf|(inf||(| 1|1 |nan|((1|1e400|-1e400|1e-400|0x2|x|infinity|1\0x|(\0| ".split(
        b"|"
    )
)
lex_bound = st.sampled_from(
    [b"-", b"+", b"[x", b"(x", b"[a", b"(aa", b"[z", b"(", b"[", b"x", b"", b"-x", b"+\0", b"[12"]
)
word = st.sampled_from([b"NX", b"XX", b"GT", b"LT", b"CH", b"INCR", b"nx", b"Gt"])
limit = st.tuples(st.sampled_from([b"LIMIT", b"limit"]), integer, integer)
with_scores = st.sampled_from([[], [b"WITHSCORES"], [b"withscores"]])
some_keys = st.lists(key, min_size=1, max_size=3)
counted_keys = st.one_of(
    some_keys.map(lambda keys: [b"%d" % len(keys), *keys]), st.tuples(integer, some_keys)
)
aggregate = st.tuples(
    st.sampled_from([b"AGGREGATE", b"aggregate"]), st.sampled_from([b"SUM", b"MIN", b"max", b"AVG"])
)
weights = st.tuples(st.just(b"WEIGHTS"), st.lists(score, min_size=1, max_size=3))


def call(name: str, *arguments: Any) -> st.SearchStrategy[list[bytes]]:
    return st.tuples(*arguments).map(lambda words: [name.encode(), *flat(words)])


def flat(words: Any) -> list[bytes]:
    return [words] if isinstance(words, bytes) else [word for item in words for word in flat(item)]


def some(*options: Any) -> st.SearchStrategy[list[Any]]:
    """A few of the options in any order."""
    return st.lists(st.one_of(*options), max_size=3)


additions = [
    call("ZADD", key, some(word), st.lists(st.tuples(score, member), min_size=1, max_size=4)),
    call("ZADD", key, st.lists(st.tuples(score, member), min_size=1, max_size=4)),
    call("ZADD", key, score, member),
]
calls = st.one_of(
    *additions,
    *additions,
    call("ZADD", key, st.lists(st.one_of(score, member, word), min_size=2, max_size=6)),
    call("ZINCRBY", key, score, member),
    call("ZREM", key, st.lists(member, min_size=1, max_size=3)),
    call("ZCARD", key),
    call("ZSCORE", key, member),
    call("ZMSCORE", key, st.lists(member, min_size=1, max_size=3)),
    call("ZRANK", key, member),
    call("ZREVRANK", key, member),
    call("ZCOUNT", key, bound, bound),
    call("ZLEXCOUNT", key, lex_bound, lex_bound),
    call(
        "ZRANGE",
        key,
        st.one_of(integer, bound),
        st.one_of(integer, bound),
        some(st.sampled_from([b"BYSCORE", b"REV", b"rev", b"byscore"]), limit, with_scores),
    ),
    call("ZRANGE", key, bound, bound, st.just(b"BYSCORE"), some(limit, with_scores)),
    call("ZRANGE", key, lex_bound, lex_bound, st.just(b"BYLEX"), some(st.just(b"REV"), limit, with_scores)),
    call("ZREVRANGE", key, integer, integer, some(with_scores, st.just(b"REV"))),
    call("ZRANGEBYSCORE", key, bound, bound, some(limit, with_scores)),
    call("ZREVRANGEBYSCORE", key, bound, bound, some(limit, with_scores)),
    call("ZRANGEBYLEX", key, lex_bound, lex_bound, some(limit)),
    call("ZREVRANGEBYLEX", key, lex_bound, lex_bound, some(limit)),
    call("ZRANGESTORE", key, key, integer, integer, some(st.just(b"REV"), with_scores)),
    call("ZRANGESTORE", key, key, bound, bound, st.just(b"BYSCORE"), some(limit)),
    call("ZRANGESTORE", key, key, lex_bound, lex_bound, st.just(b"BYLEX"), some(limit)),
    call("ZREMRANGEBYRANK", key, integer, integer),
    call("ZREMRANGEBYSCORE", key, bound, bound),
    call("ZREMRANGEBYLEX", key, lex_bound, lex_bound),
    call("ZPOPMIN", key, st.lists(integer, max_size=2)),
    call("ZPOPMAX", key, st.lists(integer, max_size=2)),
    call("ZMPOP", counted_keys, st.sampled_from([b"MIN", b"max", b"MED"]), some(integer, st.just(b"COUNT"))),
    call("ZRANDMEMBER", key, st.sampled_from([b"0", b"99", b"x"]), with_scores),
    call("ZUNION", counted_keys, some(aggregate, weights, with_scores, limit)),
    call("ZINTER", counted_keys, some(aggregate, weights, with_scores, limit)),
    call("ZDIFF", counted_keys, some(with_scores, weights)),
    call("ZINTERCARD", counted_keys, some(st.tuples(st.just(b"LIMIT"), integer), with_scores)),
    call("ZUNIONSTORE", key, counted_keys, some(aggregate, weights, with_scores)),
    call("ZINTERSTORE", key, counted_keys, some(aggregate, weights, with_scores)),
    call("ZDIFFSTORE", key, counted_keys, some(with_scores)),
    call("ZSCAN", key, st.sampled_from([b"0", b"x"]), some(integer, st.just(b"COUNT"))),
    call("BZPOPMIN", some_keys, st.sampled_from([b"-1", b"x", b""])),
    call("BZMPOP", st.sampled_from([b"-1", b"x", b""]), counted_keys, st.sampled_from([b"MIN", b"MED"])),
    call("SADD", key, st.lists(member, min_size=1, max_size=4)),
)


def is_left_open(side_by_side: SideBySide, words: list[bytes]) -> bool:
    """Whether the reply depends on more than what was asked: chance, hash tables, the towers of a skip list."""
    name, subject = words[0], words[1]
    if not (name in (b"ZSCAN", b"ZRANDMEMBER") or name.endswith((b"LEX", b"LEXCOUNT")) or b"BYLEX" in words):
        return False
    if name == b"ZRANGESTORE":
        subject = words[2]
    ours, theirs = side_by_side.ask("OBJECT", "ENCODING", subject)
    assert (ours == b"skiplist") == (theirs == b"skiplist")
    return bool(ours == b"skiplist")


@settings(max_examples=100)
@given(st.sampled_from([0, 0, 120, 700, 2500]), st.lists(calls, min_size=1, max_size=30))
def test_replies(side_by_side: SideBySide, large: int, calls: list[list[bytes]]) -> None:
    side_by_side.start()
    side_by_side.check("SET", "s", "x")
    side_by_side.check("SADD", "t", "x", "y", "12")
    # With many members: more than one of the pieces that the order is kept in.
    side_by_side.put(b"a", SortedSet, [(b"m%d" % (n * 7919 % 10007), float(n // 3)) for n in range(large)])
    for words in calls:
        if not is_left_open(side_by_side, words):
            side_by_side.check(*words)
    for name in (b"a", b"b", b"c"):
        if side_by_side.check("TYPE", name) == b"+zset":
            side_by_side.check("OBJECT", "ENCODING", name)
            side_by_side.check("ZRANGE", name, 0, -1, "WITHSCORES")
