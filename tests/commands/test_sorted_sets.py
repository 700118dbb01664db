"""The sorted set commands that do not wait: replies, errors and their order, events, effects, encodings."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_resp.resp import NULL_ARRAY, encode

Engine = Any  # the fixture of conftest.py

WRONG_TYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_AN_INTEGER = b"ERR value is not an integer or out of range"
NOT_A_FLOAT = b"ERR value is not a valid float"
SYNTAX = b"ERR syntax error"


def ask(engine: Engine, protocol: int, line: str) -> bytes:
    """The reply to a line of words as it goes over the wire."""
    client = engine.factory.client().client
    client.protocol = protocol
    return encode(client.execute(client, line.encode().split()), protocol)


def members(engine: Engine, key: str) -> list[Any]:
    reply: list[Any] = engine.call("ZRANGE", key, 0, -1, "WITHSCORES")
    return reply


# ---------------------------------------------------------------- additions


def test_zadd_counts_what_is_new(engine: Engine) -> None:
    assert engine.call("ZADD", "z", 1, "a") == 1
    assert engine.call("ZADD", "z", 2, "a") == 0
    assert engine.call("ZADD", "z", "CH", 3, "a", 3, "b", 3, "c", 4, "c") == 4
    assert members(engine, "z") == [[b"a", 3.0], [b"b", 3.0], [b"c", 4.0]]


def test_conditions_of_zadd(engine: Engine) -> None:
    engine.call("ZADD", "z", 5, "a")
    assert engine.call("ZADD", "z", "XX", 1, "new") == 0
    assert engine.call("ZADD", "none", "XX", 1, "new") == engine.call("EXISTS", "none") == 0
    assert engine.call("ZADD", "z", "NX", "CH", 1, "a", 2, "b") == 1
    assert engine.call("ZADD", "z", "GT", "CH", 4, "a", 3, "b", 1, "c") == 2
    assert engine.call("ZADD", "z", "LT", "CH", 6, "a", 2, "b", 9, "c") == 1
    assert members(engine, "z") == [[b"c", 1.0], [b"b", 2.0], [b"a", 5.0]]


def test_increments(engine: Engine) -> None:
    assert engine.call("ZINCRBY", "z", 1.5, "a") == 1.5
    assert engine.call("ZADD", "z", "INCR", -2, "a") == -0.5
    assert engine.call("ZADD", "z", "NX", "INCR", 1, "a") is None
    assert engine.call("ZADD", "z", "XX", "INCR", 1, "b") is None
    assert engine.call("ZADD", "none", "XX", "INCR", 1, "b") is None
    assert engine.call("ZADD", "z", "GT", "INCR", -1, "a") is None
    assert engine.call("ZINCRBY", "z", "inf", "a") == float("inf")
    assert engine.error("ZINCRBY", "z", "-inf", "a") == b"ERR resulting score is not a number (NaN)"
    assert members(engine, "z") == [[b"a", float("inf")]]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("s NX", b"ERR wrong number of arguments for 'zadd' command"),
        ("s nx a", SYNTAX),
        ("s 1 a 2", SYNTAX),
        ("s x a", NOT_A_FLOAT),
        ("s 1 a x b", NOT_A_FLOAT),
        ("s nan a", NOT_A_FLOAT),
        ("s NX XX x", SYNTAX),
        ("s NX XX x a", b"ERR XX and NX options at the same time are not compatible"),
        ("s NX GT x a", b"ERR GT, LT, and/or NX options at the same time are not compatible"),
        ("s GT LT x a", b"ERR GT, LT, and/or NX options at the same time are not compatible"),
        ("s INCR x a y b", b"ERR INCR option supports a single increment-element pair"),
        ("s INCR x a", NOT_A_FLOAT),
        ("s 1 a", WRONG_TYPE),
        ("s 1 a 2 b", WRONG_TYPE),
        ("s XX 1 a", WRONG_TYPE),
        ("s INCR 1 a", WRONG_TYPE),
    ],
)
def test_errors_of_zadd_in_their_order(engine: Engine, words: str, error: bytes) -> None:
    engine.call("SET", "s", "x")
    assert engine.error("ZADD", *words.split()) == error


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("ZINCRBY s x a", NOT_A_FLOAT),
        ("ZPOPMIN s 1 2", SYNTAX),
        ("ZPOPMAX s -1", b"ERR value is out of range, must be positive"),
        ("ZPOPMIN s 0", WRONG_TYPE),
        ("ZRANK s a b c", b"ERR wrong number of arguments for 'zrank' command"),
        ("ZREVRANK s a b", SYNTAX),
        ("ZREVRANK s a WITHSCORE", WRONG_TYPE),
        ("ZRANDMEMBER s x y", NOT_AN_INTEGER),
        ("ZRANDMEMBER s 1 y", SYNTAX),
        ("ZRANDMEMBER s -9223372036854775807 WITHSCORES", b"ERR value is out of range"),
        ("ZMPOP 0 s MIN", b"ERR numkeys should be greater than 0"),
        ("ZMPOP 1 s MED", SYNTAX),
        ("ZMPOP 2 s MIN", SYNTAX),
        ("ZMPOP 1 s MIN COUNT 0", b"ERR count should be greater than 0"),
        ("ZMPOP 1 s MIN COUNT 1 COUNT 1", SYNTAX),
        ("ZMPOP 2 none s MIN", WRONG_TYPE),
        ("ZSCAN s x", b"ERR invalid cursor"),
        ("ZSCAN s 0 COUNT x", WRONG_TYPE),
        ("ZRANGE s a b", NOT_AN_INTEGER),
        ("ZRANGE s a b BYSCORE BYLEX", SYNTAX),
        ("ZRANGE s a b REV REV", SYNTAX),
        ("ZRANGE s a b LIMIT x 1", NOT_AN_INTEGER),
        (
            "ZRANGE s a b LIMIT 0 1",
            b"ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ),
        (
            "ZRANGE s a b BYLEX WITHSCORES",
            b"ERR syntax error, WITHSCORES not supported in combination with BYLEX",
        ),
        ("ZRANGE s a b BYLEX", b"ERR min or max not valid string range item"),
        ("ZRANGE s a b BYSCORE", b"ERR min or max is not a float"),
        ("ZRANGE s 0 1 BYSCORE", WRONG_TYPE),
        ("ZRANGEBYSCORE s 0 1 BYSCORE", SYNTAX),
        ("ZRANGESTORE d s 0 1 WITHSCORES", SYNTAX),
        ("ZRANGESTORE d s 0 1", WRONG_TYPE),
        ("ZCOUNT s 1 x", b"ERR min or max is not a float"),
        ("ZCOUNT s nan 1", b"ERR min or max is not a float"),
        ("ZLEXCOUNT s a [b", b"ERR min or max not valid string range item"),
        ("ZREMRANGEBYLEX s [a b", b"ERR min or max not valid string range item"),
        ("ZREMRANGEBYSCORE s 1 (2", WRONG_TYPE),
        ("ZUNION x s", NOT_AN_INTEGER),
        ("ZUNION 0 s", b"ERR at least 1 input key is needed for 'zunion' command"),
        ("ZINTERSTORE d -1 s", b"ERR at least 1 input key is needed for 'zinterstore' command"),
        ("ZDIFF 2 s", SYNTAX),
        ("ZDIFF 1 s nonsense", WRONG_TYPE),
        ("ZDIFF 1 none WEIGHTS 1", SYNTAX),
        ("ZUNION 1 none WEIGHTS x", b"ERR weight value is not a float"),
        ("ZUNION 1 none AGGREGATE AVG", SYNTAX),
        ("ZUNIONSTORE d 1 none WITHSCORES", SYNTAX),
        ("ZINTERCARD 1 none LIMIT -1", b"ERR LIMIT can't be negative"),
        ("ZINTERCARD 1 none WITHSCORES", SYNTAX),
    ],
)
def test_errors(engine: Engine, words: str, error: bytes) -> None:
    engine.call("SET", "s", "x")
    assert engine.error(*words.split()) == error


# ------------------------------------------------------------------ replies


@pytest.mark.parametrize(
    ("line", "resp2", "resp3"),
    [
        ("ZSCORE z a", b"$3\r\n1.5\r\n", b",1.5\r\n"),
        ("ZSCORE z x", b"$-1\r\n", b"_\r\n"),
        ("ZMSCORE z a x", b"*2\r\n$3\r\n1.5\r\n$-1\r\n", b"*2\r\n,1.5\r\n_\r\n"),
        ("ZRANK z x", b"$-1\r\n", b"_\r\n"),
        ("ZRANK z x WITHSCORE", b"*-1\r\n", b"_\r\n"),
        ("ZREVRANK z b WITHSCORE", b"*2\r\n:0\r\n$1\r\n2\r\n", b"*2\r\n:0\r\n,2\r\n"),
        ("ZRANGE z 0 0 WITHSCORES", b"*2\r\n$1\r\na\r\n$3\r\n1.5\r\n", b"*1\r\n*2\r\n$1\r\na\r\n,1.5\r\n"),
        ("ZUNION 1 z WITHSCORES LIMIT", b"-ERR syntax error\r\n", b"-ERR syntax error\r\n"),
        ("ZDIFF 2 z t WITHSCORES", b"*2\r\n$1\r\nb\r\n$1\r\n2\r\n", b"*1\r\n*2\r\n$1\r\nb\r\n,2\r\n"),
        ("ZRANDMEMBER t 1 WITHSCORES", b"*2\r\n$1\r\na\r\n$1\r\n1\r\n", b"*1\r\n*2\r\n$1\r\na\r\n,1\r\n"),
        ("ZPOPMIN z", b"*2\r\n$1\r\na\r\n$3\r\n1.5\r\n", b"*2\r\n$1\r\na\r\n,1.5\r\n"),
        ("ZPOPMAX z 1", b"*2\r\n$1\r\nb\r\n$1\r\n2\r\n", b"*1\r\n*2\r\n$1\r\nb\r\n,2\r\n"),
        ("ZPOPMIN none", b"*0\r\n", b"*0\r\n"),
        ("ZMPOP 1 none MIN", b"*-1\r\n", b"_\r\n"),
        (
            "ZMPOP 1 z MAX",
            b"*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n",
            b"*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\nb\r\n,2\r\n",
        ),
        (
            "BZPOPMIN z 0",
            b"*3\r\n$1\r\nz\r\n$1\r\na\r\n$3\r\n1.5\r\n",
            b"*3\r\n$1\r\nz\r\n$1\r\na\r\n,1.5\r\n",
        ),
        (
            "ZSCAN t 0",
            b"*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n",
            b"*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n",
        ),
    ],
)
@pytest.mark.parametrize("protocol", [2, 3])
def test_replies_in_both_protocols(
    engine: Engine, protocol: int, line: str, resp2: bytes, resp3: bytes
) -> None:
    engine.call("ZADD", "z", 1.5, "a", 2, "b")
    engine.call("ZADD", "t", 1, "a")
    assert ask(engine, protocol, line) == (resp2 if protocol == 2 else resp3)


def test_pops_take_the_whole_set_if_they_may(engine: Engine) -> None:
    engine.call("ZADD", "z", 1, "a", 2, "b", 3, "c")
    assert engine.call("ZPOPMAX", "z", 2) == [[b"c", 3.0], [b"b", 2.0]]
    assert engine.call("ZPOPMIN", "z", 0) == []
    assert engine.call("ZPOPMIN", "z", 9) == [[b"a", 1.0]]
    assert engine.call("EXISTS", "z") == 0


def test_draws(engine: Engine) -> None:
    pairs = {b"m%d" % n: float(n) for n in range(300)}
    engine.call("ZADD", "z", *(word for member, score in pairs.items() for word in (score, member)))
    assert engine.call("ZRANDMEMBER", "none") is None
    assert engine.call("ZRANDMEMBER", "none", 3) == engine.call("ZRANDMEMBER", "z", 0) == []
    assert engine.call("ZRANDMEMBER", "z") in pairs
    different = engine.call("ZRANDMEMBER", "z", 250)
    assert len(set(different)) == len(different) == 250
    assert len(engine.call("ZRANDMEMBER", "z", 1000)) == 300
    drawn = engine.call("ZRANDMEMBER", "z", -1000, "WITHSCORES")
    assert len(drawn) == 1000
    assert all(pairs[member] == score for member, score in drawn)


def test_scan_returns_everything_and_prints_as_the_encoding_does(engine: Engine) -> None:
    engine.call("ZADD", "small", 0.1, "a", 2, "b")
    assert engine.call("ZSCAN", "small", 0) == [b"0", [b"a", b"0.1", b"b", b"2"]]
    assert engine.call("ZSCAN", "small", 0, "MATCH", "b*") == [b"0", [b"b", b"2"]]
    assert engine.call("ZSCAN", "none", 0, "NONSENSE") == [b"0", []]
    engine.call("ZADD", "large", *(word for n in range(500) for word in (0.1, f"m{n}")))
    seen: set[bytes] = set()
    cursor = b"0"
    while True:
        cursor, found = engine.call("ZSCAN", "large", cursor, "COUNT", 50)
        seen.update(found[::2])
        assert set(found[1::2]) <= {b"0.10000000000000001"}
        if cursor == b"0":
            break
    assert len(seen) == 500


def test_negative_zero_lives_in_skip_lists_only(engine: Engine) -> None:
    assert ask(engine, 2, "ZINCRBY z -0 a") == b"$2\r\n-0\r\n"
    assert ask(engine, 2, "ZSCORE z a") == b"$1\r\n0\r\n"
    engine.call("ZADD", "z", "-0", b"x" * 65)
    assert ask(engine, 2, "ZSCORE z a") == b"$1\r\n0\r\n"
    engine.call("ZADD", "z", "-0", "b")
    assert ask(engine, 2, "ZSCORE z b") == b"$2\r\n-0\r\n"
    engine.call("ZRANGESTORE", "d", "z", 0, 1)
    assert ask(engine, 2, "ZSCORE d b") == b"$1\r\n0\r\n"


def test_encodings(engine: Engine) -> None:
    engine.server.keyspace.limits.zset_max_listpack_entries = 3
    engine.call("ZADD", "z", 1, "a", 1, "a", 1, "a", 1, "a")
    assert engine.call("OBJECT", "ENCODING", "z") == b"skiplist"
    engine.call("ZUNIONSTORE", "d", 1, "z")
    assert engine.call("OBJECT", "ENCODING", "d") == b"listpack"
    engine.call("ZADD", "d", 1, "b" * 65)
    assert engine.call("OBJECT", "ENCODING", "d") == b"skiplist"
    engine.server.keyspace.limits.zset_max_listpack_entries = 0
    engine.call("ZADD", "e", 1, "a")
    assert engine.call("OBJECT", "ENCODING", "e") == b"skiplist"


# ------------------------------------------------------------------- ranges


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        ("ZRANGE z 1 2", "b c"),
        ("ZRANGE z -2 -1 REV", "b a"),
        ("ZREVRANGE z 0 0", "d"),
        ("ZRANGE z (1 3 BYSCORE", "b c"),
        ("ZRANGE z 3 (1 BYSCORE REV", "c b"),
        ("ZRANGE z -inf +inf BYSCORE LIMIT 1 2", "b c"),
        ("ZRANGE z -inf +inf BYSCORE LIMIT -1 2", ""),
        ("ZRANGEBYSCORE z 2 9 LIMIT 1 -1", "c d"),
        ("ZREVRANGEBYSCORE z +inf -inf LIMIT 0 1", "d"),
        ("ZRANGE l [b + BYLEX", "b c"),
        ("ZRANGEBYLEX l - (c", "a b"),
        ("ZREVRANGEBYLEX l + - LIMIT 1 9", "b a"),
        ("ZRANGEBYLEX l + -", ""),
        ("ZRANGE none 0 -1", ""),
    ],
)
def test_ranges(engine: Engine, words: str, reply: str) -> None:
    engine.call("ZADD", "z", 1, "a", 2, "b", 3, "c", 4, "d")
    engine.call("ZADD", "l", 0, "a", 0, "b", 0, "c")
    assert engine.call(*words.split()) == reply.encode().split()


def test_ranges_are_counted_stored_and_removed(engine: Engine) -> None:
    engine.call("ZADD", "z", 1, "a", 2, "b", 3, "c", 4, "d")
    assert engine.call("ZCOUNT", "z", "(1", "inf") == 3
    assert engine.call("ZLEXCOUNT", "z", "-", "+") == 4
    assert engine.call("ZRANGESTORE", "d", "z", 3, 2, "BYSCORE", "REV") == 2
    assert members(engine, "d") == [[b"b", 2.0], [b"c", 3.0]]
    assert engine.call("ZRANGESTORE", "d", "z", 9, 9) == engine.call("EXISTS", "d") == 0
    assert engine.call("ZREMRANGEBYRANK", "z", 0, 0) == 1
    assert engine.call("ZREMRANGEBYSCORE", "z", 3, 3) == 1
    assert engine.call("ZREMRANGEBYLEX", "z", "[x", "[z") == 0
    assert members(engine, "z") == [[b"b", 2.0], [b"d", 4.0]]
    assert engine.call("ZREMRANGEBYRANK", "z", 0, -1) == 2
    assert engine.call("EXISTS", "z") == 0


# ------------------------------------------------------------------ algebra


def test_unions_and_intersections(engine: Engine) -> None:
    engine.call("ZADD", "y", 1, "a", 2, "b")
    engine.call("ZADD", "z", 10, "b", 20, "c")
    engine.call("SADD", "s", "b", "c")
    union = engine.call("ZUNION", 3, "y", "z", "s", "WEIGHTS", 2, 1, 0.5, "WITHSCORES")
    assert union == [[b"a", 2.0], [b"b", 14.5], [b"c", 20.5]]
    assert engine.call("ZUNION", 2, "y", "z", "AGGREGATE", "MIN", "WITHSCORES")[1] == [b"b", 2.0]
    assert engine.call("ZINTER", 2, "y", "z", "AGGREGATE", "MAX", "WITHSCORES") == [[b"b", 10.0]]
    assert engine.call("ZINTER", 2, "y", "none") == []
    assert engine.call("ZINTER", 2, "y", "y", "WITHSCORES") == [[b"a", 2.0], [b"b", 4.0]]
    assert engine.call("ZDIFF", 2, "y", "s") == [b"a"]
    assert engine.call("ZDIFF", 2, "y", "y") == engine.call("ZDIFF", 2, "none", "y") == []
    assert engine.call("ZDIFF", 1, "s", "WITHSCORES") == [[b"b", 1.0], [b"c", 1.0]]
    assert engine.call("ZINTERCARD", 2, "z", "s") == 2
    assert engine.call("ZINTERCARD", 2, "z", "s", "LIMIT", 1) == 1
    assert engine.call("ZINTERCARD", 2, "z", "none") == 0


def test_sums_that_are_no_numbers_are_zero(engine: Engine) -> None:
    engine.call("ZADD", "y", "inf", "a")
    engine.call("ZADD", "z", "-inf", "a")
    for name in ("ZUNION", "ZINTER"):
        assert engine.call(name, 2, "y", "z", "WITHSCORES") == [[b"a", 0.0]]
        assert engine.call(name, 1, "y", "WEIGHTS", 0, "WITHSCORES") == [[b"a", 0.0]]


def test_a_result_of_nothing_deletes(engine: Engine) -> None:
    engine.call("SET", "d", "x")
    events = engine.events()
    assert engine.call("ZINTERSTORE", "d", 1, "none") == 0
    assert engine.call("ZDIFFSTORE", "d", 1, "none") == 0
    assert [event for event in events if event[0] != b"keymiss"] == [(b"del", b"d")]


# ------------------------------------------------------- events and effects


def test_events(engine: Engine) -> None:
    engine.call("ZADD", "t", 1, "x")
    events = engine.events()
    for line in (
        "ZADD z 1 a",
        "ZADD z 1 a",
        "ZADD z XX 2 new",
        "ZADD z 1 b 1 c 1 d 1 e",
        "ZADD z INCR 1 a",
        "ZINCRBY z 1 a",
        "ZINCRBY z 0 a",
        "ZREM z a none",
        "ZREM z none",
        "ZPOPMIN z",
        "ZPOPMAX z 1",
        "ZREMRANGEBYRANK z 0 0",
        "ZREMRANGEBYRANK z 5 6",
        "ZMPOP 1 z MIN",
        "ZRANGESTORE d t 0 -1",
        "ZUNIONSTORE d 1 t",
        "ZINTERSTORE d 1 t",
        "ZDIFFSTORE d 1 t",
        "ZREMRANGEBYSCORE d 1 1",
    ):
        engine.call(*line.split())
    assert [event for event, _ in events if event != b"new"] == (
        b"zadd zadd zincr zincr zrem zpopmin zpopmax zremrangebyrank zpopmin del zrangestore "
        b"zunionstore zinterstore zdiffstore zremrangebyscore del"
    ).split()


def test_what_replicas_are_told(engine: Engine) -> None:
    engine.call("ZADD", "z", 1, "a", 2, "b", 3, "c", 4, "d")
    told = engine.effects()
    for line in ("ZADD z INCR 1 a", "ZPOPMIN z", "ZMPOP 2 n z MAX COUNT 9", "ZMPOP 1 z MAX", "ZADD z XX 1 a"):
        engine.call(*line.split())
    assert told == [
        [b"ZADD", b"z", b"INCR", b"1", b"a"],
        [b"ZPOPMIN", b"z"],
        [b"ZPOPMAX", b"z", b"3"],
    ]


def test_how_much_a_command_changes(engine: Engine) -> None:
    def changes(line: str) -> int:
        before: int = engine.server.keyspace.dirty
        engine.call(*line.split())
        now: int = engine.server.keyspace.dirty
        return now - before

    assert changes("ZADD z 1 a 1 b 1 c 2 a") == 4
    assert changes("ZADD z 1 b 3 c") == 1
    assert changes("ZPOPMAX z 2") == 2
    assert changes("ZUNIONSTORE d 1 z") == 1
    assert changes("ZREM z b none") == 1


def test_null_array(engine: Engine) -> None:
    client = engine.factory.client().client
    assert client.execute(client, [b"ZMPOP", b"1", b"none", b"MIN"]) is NULL_ARRAY
