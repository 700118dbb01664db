"""Entries of streams, and XREAD, in process. What redis-server can be asked is in test_streams_against_redis.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Engine = Any  # the fixtures of conftest.py
Connection = Any
Connect = Callable[[], Connection]

INVALID = b"ERR Invalid stream ID specified as stream command argument"
ARITY = b"ERR wrong number of arguments for 'xadd' command"


def ids(engine: Engine, key: str = "s") -> list[bytes]:
    return [entry_id for entry_id, _ in engine.call("XRANGE", key, "-", "+")]


def fill(engine: Engine, count: int, key: str = "s") -> None:
    for number in range(1, count + 1):
        engine.call("XADD", key, f"{number}-0", "f", number)


def set_limit(engine: Engine, entries: int) -> None:
    engine.server.keyspace.limits.stream_node_max_entries = entries


# -------------------------------------------------------------------- XADD


def test_automatic_ids(engine: Engine) -> None:
    now = engine.now
    assert engine.call("XADD", "s", "*", "f", "v") == b"%d-0" % now
    assert engine.call("XADD", "s", "*", "f", "v") == b"%d-1" % now
    engine.clock.advance(0.5)
    assert engine.call("XADD", "s", "NOMKSTREAM", "*", "f", "v") == b"%d-0" % (now + 500)
    assert engine.call("XADD", "s", b"%d-*" % (now + 500), "f", "v") == b"%d-1" % (now + 500)
    assert engine.call("XADD", "s", b"%d" % (now + 501), "f", "v") == b"%d-0" % (now + 501)
    # The clock may be behind the ids.
    assert engine.call("XADD", "s", "*", "f", "v") == b"%d-1" % (now + 501)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["*", "f", "v", "g"], ARITY),
        (["5-1", "f", "v", "g"], ARITY),
        (["MAXLEN", "5", "*"], ARITY),
        (["NOMKSTREAM", "MAXLEN", "5"], ARITY),
        (["x", "f", "v"], INVALID),
        (["-", "f", "v"], INVALID),
        (["0-0", "f", "v"], b"ERR The ID specified in XADD must be greater than 0-0"),
        (["0", "f", "v"], b"ERR The ID specified in XADD must be greater than 0-0"),
        (["5-0", "f"], ARITY),
        (["MAXLEN", "x", "*", "f", "v"], b"ERR value is not an integer or out of range"),
        (["MAXLEN", "-1", "*", "f", "v"], b"ERR The MAXLEN argument must be >= 0."),
        (["MINID", "x", "*", "f", "v"], INVALID),
        (["MAXLEN", "~", "5", "LIMIT", "-1", "*", "f", "v"], b"ERR The LIMIT argument must be >= 0."),
        (
            ["MAXLEN", "5", "MINID", "5", "*", "f", "v"],
            b"ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
        ),
        (
            ["LIMIT", "5", "*", "f", "v"],
            b"ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
        ),
        (
            ["MAXLEN", "=", "5", "LIMIT", "5", "*", "f", "v"],
            b"ERR syntax error, LIMIT cannot be used without the special ~ option",
        ),
        (
            ["LIMIT", "0", "*", "f", "v"],
            b"ERR syntax error, LIMIT cannot be used without the special ~ option",
        ),
        # The id is read before the options are looked at together.
        (["LIMIT", "5", "x", "f", "v"], INVALID),
        # A second policy is no option any more.
        (["KEEPREF", "ACKED", "*", "f", "v"], INVALID),
    ],
)
def test_what_xadd_refuses(engine: Engine, words: list[str], error: bytes) -> None:
    assert engine.error("XADD", "s", *words) == error
    assert engine.call("EXISTS", "s") == 0


def test_ids_only_grow(engine: Engine) -> None:
    too_small = b"ERR The ID specified in XADD is equal or smaller than the target stream top item"
    engine.call("XADD", "s", "5-5", "f", "v")
    for entry_id in ("5-5", "5-4", "4-*", "4"):
        assert engine.error("XADD", "s", entry_id, "f", "v") == too_small
    engine.call("XADD", "s", "5-18446744073709551615", "f", "v")
    assert engine.error("XADD", "s", "5-*", "f", "v") == too_small
    engine.call("XADD", "s", "18446744073709551615-18446744073709551615", "f", "v")
    exhausted = b"ERR The stream has exhausted the last possible ID, unable to add more items"
    for entry_id in ("*", "1-1", "18446744073709551615-*"):
        assert engine.error("XADD", "s", entry_id, "f", "v") == exhausted


def test_no_stream_is_made_where_none_is_wanted(engine: Engine) -> None:
    assert engine.call("XADD", "s", "NOMKSTREAM", "*", "f", "v") is None
    assert engine.call("EXISTS", "s") == 0
    engine.call("SET", "text", "v")
    assert engine.error("XADD", "text", "*", "f", "v").startswith(b"WRONGTYPE")
    assert engine.error("XADD", "text", "NOMKSTREAM", "*", "f", "v").startswith(b"WRONGTYPE")


def test_events(engine: Engine) -> None:
    events = engine.events()
    engine.call("XADD", "s", "1", "f", "v")
    engine.call("XADD", "s", "MAXLEN", "1", "2", "f", "v")
    engine.call("XADD", "s", "MAXLEN", "5", "3", "f", "v")
    engine.call("XTRIM", "s", "MAXLEN", "0")
    engine.call("XTRIM", "s", "MAXLEN", "0")
    engine.call("XADD", "s", "4", "f", "v")
    engine.call("XDEL", "s", "4", "5")
    engine.call("XSETID", "s", "9")
    assert [event for event, _ in events] == [
        *(b"new", b"xadd", b"xadd", b"xtrim", b"xadd", b"xtrim", b"xadd", b"xdel", b"xsetid"),
    ]
    # An empty stream stays.
    assert engine.call("TYPE", "s") == b"stream"


def test_effects_carry_the_id_and_the_exact_trimming(engine: Engine) -> None:
    set_limit(engine, 3)
    fill(engine, 7)
    effects = engine.effects()
    entry_id = b"%d-0" % engine.now
    engine.call("XADD", "s", "*", "f", "v")
    engine.call("XADD", "s", "MAXLEN", "~", "4", "LIMIT", "100", b"%d-*" % engine.now, "f", "v")
    engine.call("XADD", "s", "NOMKSTREAM", "minid", "~", "8", b"%d-5" % engine.now, "f", "v")
    engine.call("XTRIM", "s", "MAXLEN", "~", "0")
    engine.call("XTRIM", "s", "MAXLEN", "~", "100")  # removes nothing
    engine.call("XADD", "s", "MAXLEN", "2", b"%d-6" % engine.now, "f", "v")
    now = entry_id[:-2]
    assert effects == [
        [b"XADD", b"s", entry_id, b"f", b"v"],
        [b"XADD", b"s", b"MAXLEN", b"=", b"6", now + b"-1", b"f", b"v"],
        [b"XADD", b"s", b"MINID", b"=", b"7-0", now + b"-5", b"f", b"v"],
        [b"XTRIM", b"s", b"MAXLEN", b"=", b"0"],
        [b"XADD", b"s", b"MAXLEN", b"=", b"2", now + b"-6", b"f", b"v"],
    ]


def test_effects_of_what_acked_spares(engine: Engine) -> None:
    """What is left at the front tells nothing of what was trimmed behind it."""
    set_limit(engine, 2)
    fill(engine, 5)
    engine.call("XGROUP", "CREATE", "s", "g", "0")
    engine.call("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
    engine.call("XACK", "s", "g", "2", "4")
    effects = engine.effects()
    assert engine.call("XTRIM", "s", "MINID", "~", "5", "ACKED") == 2
    assert ids(engine) == [b"1-0", b"3-0", b"5-0"]
    assert effects == [[b"XTRIM", b"s", b"MAXLEN", b"=", b"3", b"ACKED"]]


def test_the_usual_limit_of_approximate_trimming(engine: Engine) -> None:
    set_limit(engine, 2)
    fill(engine, 500)
    # A hundred nodes of two entries.
    assert engine.call("XTRIM", "s", "MAXLEN", "~", "0") == 200
    assert engine.call("XTRIM", "s", "MAXLEN", "~", "0", "LIMIT", "5") == 4
    assert engine.call("XTRIM", "s", "MAXLEN", "~", "0", "LIMIT", "0") == 296


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["LIMIT", "1"], b"ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"),
        (["LIMIT", "0"], b"ERR syntax error, XTRIM must be called with a trimming strategy"),
        (["MAXLEN", "1", "x"], b"ERR syntax error"),
        (["NOMKSTREAM", "MAXLEN", "1"], b"ERR syntax error"),
        (["MAXLEN", "1", "ACKED", "DELREF"], b"ERR syntax error"),
    ],
)
def test_what_xtrim_refuses(engine: Engine, words: list[str], error: bytes) -> None:
    assert engine.error("XTRIM", "s", *words) == error


# ------------------------------------------------------- XSETID and XDELEX


def test_xsetid(engine: Engine) -> None:
    assert engine.error("XSETID", "s", "1") == b"ERR no such key"
    fill(engine, 3)
    engine.call("XDEL", "s", "2")
    refused = "ERR The ID specified in XSETID is smaller than "
    for words, error in (
        (["1"], refused + "current max_deleted_entry_id"),
        (["2"], refused + "the target stream top item"),
        (["9", "MAXDELETEDID", "10"], refused + "the provided max_deleted_entry_id"),
        (["9", "ENTRIESADDED", "-1"], "ERR entries_added must be positive"),
        (["9", "ENTRIESADDED", "1"], "ERR The entries_added specified in XSETID is smaller than the target "
                                      "stream length"),
        (["9", "ENTRIESADDED"], "ERR syntax error"),
        (["+"], INVALID.decode()),
    ):  # fmt: skip
        assert engine.error("XSETID", "s", *words) == error.encode()
    assert engine.call("XSETID", "s", "9-9", "MAXDELETEDID", "4", "entriesadded", "7") == b"OK"
    stream = engine.call("XINFO", "STREAM", "s")
    assert (stream[b"last-generated-id"], stream[b"max-deleted-entry-id"]) == (b"9-9", b"4-0")
    assert stream[b"entries-added"] == 7


def test_xdelex(engine: Engine) -> None:
    assert engine.call("XDELEX", "s", "IDS", "2", "1", "x") == [-1, -1]
    fill(engine, 4)
    engine.call("XGROUP", "CREATE", "s", "g", "0")
    engine.call("XREADGROUP", "GROUP", "g", "c", "COUNT", "3", "STREAMS", "s", ">")
    engine.call("XACK", "s", "g", "1")
    assert engine.call("XDELEX", "s", "ACKED", "IDS", "4", "1", "2", "4", "7") == [1, 2, 2, -1]
    assert engine.call("XDELEX", "s", "IDS", "1", "2", "KEEPREF") == [1]
    assert engine.call("XPENDING", "s", "g")[0] == 2
    dirty = engine.server.keyspace.dirty
    assert engine.call("XDELEX", "s", "DELREF", "IDS", "1", "2") == [-1]
    assert engine.call("XPENDING", "s", "g")[0] == 1
    assert engine.server.keyspace.dirty == dirty + 1
    assert ids(engine) == [b"3-0", b"4-0"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["IDS", "x", "1"], b"ERR Number of IDs must be a positive integer"),
        (["IDS", "0", "1"], b"ERR Number of IDs must be a positive integer"),
        (["IDS", "2", "1"], b"ERR The `numids` parameter must match the number of arguments"),
        (["IDS", "1", "1", "2"], b"ERR syntax error"),
        (["ACKED", "DELREF", "IDS", "1", "1"], b"ERR syntax error"),
        (["IDS", "1", "x"], INVALID),
    ],
)
def test_what_xdelex_and_xackdel_refuse(engine: Engine, words: list[str], error: bytes) -> None:
    engine.call("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
    assert engine.error("XDELEX", "s", *words) == error
    assert engine.error("XACKDEL", "s", "g", *words) == error


# ------------------------------------------------------------------- XREAD


def test_replies_by_protocol(connect: Connect) -> None:
    client = connect()
    client.send("XADD s 1-1 f v")
    assert client.send("XREAD STREAMS s 0") == b"*1\r\n*2\r\n$1\r\ns\r\n" + (
        b"*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"
    )
    assert client.send("XREAD STREAMS s 1-1") == b"*-1\r\n"
    assert client.send("XRANGE s - + COUNT 0") == b"*-1\r\n"
    assert client.send("XRANGE none - + COUNT 0") == b"*0\r\n"
    client.send("HELLO 3")
    assert client.send("XREAD STREAMS s 0") == b"%1\r\n$1\r\ns\r\n" + (
        b"*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"
    )
    assert client.send("XREAD STREAMS s 1-1") == b"_\r\n"


def test_the_last_entry(engine: Engine) -> None:
    assert engine.call("XREAD", "STREAMS", "s", "+") is None
    fill(engine, 3)
    assert engine.call("XREAD", "COUNT", 10, "STREAMS", "s", "none", "+", "+") == {
        b"s": [[b"3-0", [b"f", b"3"]]]
    }
    engine.call("XGROUP", "CREATE", "empty", "g", "0", "MKSTREAM")
    assert engine.error("XREAD", "STREAMS", "empty", "+") == b"ERR the stream last element ID is 0-0"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["BLOCK", "1", "COUNT", "1"], b"ERR syntax error"),
        (["BLOCK", "x", "STREAMS", "s", "0"], b"ERR timeout is not an integer or out of range"),
        (["BLOCK", "-1", "STREAMS", "s", "0"], b"ERR timeout is negative"),
        (["BLOCK", "9223372036854775807", "STREAMS", "s", "0"], b"ERR timeout is out of range"),
        (
            ["COUNT", "1", "STREAMS", "s"],
            b"ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified.",
        ),
        (
            ["GROUP", "g", "c", "STREAMS", "s", "0"],
            b"ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
        ),
        (
            ["NOACK", "STREAMS", "s", "0"],
            b"ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
        ),
        (
            ["CLAIM", "1", "STREAMS", "s", "0"],
            b"ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead.",
        ),
        (
            ["STREAMS", "s", ">"],
            b"ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        ),
        (["STREAMS", "s", "-"], INVALID),
    ],
)
def test_what_xread_refuses(engine: Engine, words: list[str], error: bytes) -> None:
    assert engine.error("XREAD", *words) == error


def test_everybody_who_waits_is_served(engine: Engine, connect: Connect) -> None:
    waiting = [connect() for _ in range(3)]
    for client in waiting:
        assert client.send("XREAD BLOCK 0 STREAMS other s $ $") == b""
    writer = connect()
    assert writer.send("XADD s 1-1 f v") == b"$3\r\n1-1\r\n"
    for client in waiting:
        assert client.received() == (
            b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"
        )
    assert engine.server.blocked_clients == 0


def test_waiting_ends_with_null(engine: Engine, connect: Connect) -> None:
    client = connect()
    assert client.send("XREAD BLOCK 1500 STREAMS s 0") == b""
    engine.clock.advance(1.4)
    assert client.received() == b""
    engine.clock.advance(0.1)
    assert client.received() == b"*-1\r\n"


def test_nobody_waits_in_a_transaction(connect: Connect) -> None:
    client = connect()
    client.send("MULTI", "XREAD BLOCK 0 STREAMS s $")
    assert client.send("EXEC") == b"*1\r\n*-1\r\n"


def test_what_dollar_and_plus_mean_later(connect: Connect) -> None:
    writer = connect()
    writer.send("XADD s 5-0 f v")
    after, last = connect(), connect()
    assert after.send("XREAD BLOCK 0 STREAMS s $") == b""
    assert last.send("XREAD BLOCK 0 STREAMS fresh +") == b""
    # Served after the transaction, with all that is new, or with the last of it.
    writer.send(
        "MULTI", "XADD s 6-0 f v", "XADD s 7-0 f v", "XADD fresh 1-0 f v", "XADD fresh 2-0 f v", "EXEC"
    )
    reply = after.received()
    assert b"6-0" in reply
    assert b"7-0" in reply
    reply = last.received()
    assert b"1-0" not in reply
    assert b"2-0" in reply


def test_waiters_stay_through_deletion_and_other_types(connect: Connect) -> None:
    client, writer = connect(), connect()
    writer.send("XADD s 5-0 f v")
    client.send("XREAD BLOCK 0 STREAMS s $")
    writer.send("DEL s", "SET s v", "DEL s", "RPUSH s a", "DEL s", "XADD s 4-0 f v")
    assert client.received() == b""  # smaller than the last id when it began to wait
    writer.send("XADD s 6-0 f v")
    assert b"6-0" in client.received()


def test_a_second_key_of_another_type_is_an_error_then(connect: Connect) -> None:
    client, writer = connect(), connect()
    client.send("XREAD BLOCK 0 STREAMS s t $ $")
    writer.send("SET t v")
    assert client.received() == b""
    writer.send("XADD s 1-0 f v")
    assert client.received().startswith(b"-WRONGTYPE")
