"""Consumer groups in process. What redis-server can be asked is in test_streams_against_redis.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Engine = Any  # the fixtures of conftest.py
Connection = Any
Connect = Callable[[], Connection]

KEY_REQUIRED = (
    b"ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM "
    b"option to create an empty stream automatically."
)
NO_GROUP = b"NOGROUP No such key 's' or consumer group 'x'"
SUBCOMMAND = b"ERR unknown subcommand or wrong number of arguments for '%b'. Try %b HELP."


@pytest.fixture
def group(engine: Engine) -> Engine:
    """An engine with five entries in ``s``, and a group ``g`` that has read none."""
    for number in range(1, 6):
        engine.call("XADD", "s", f"{number}-0", "f", number)
    engine.call("XGROUP", "CREATE", "s", "g", "0")
    return engine


def read(engine: Engine, consumer: str = "ann", *options: object, key: str = "s") -> list[bytes]:
    reply = engine.call("XREADGROUP", "GROUP", "g", consumer, *options, "STREAMS", key, ">")
    return [] if reply is None else [entry[0] for entry in reply[key.encode()]]


def pending(engine: Engine) -> list[list[Any]]:
    found: list[list[Any]] = engine.call("XPENDING", "s", "g", "-", "+", 100)
    return found


# ------------------------------------------------------------------ XGROUP


def test_creating_groups(engine: Engine) -> None:
    assert engine.error("XGROUP", "CREATE", "s", "g", "$") == KEY_REQUIRED
    assert engine.error("XGROUP", "CREATE", "s", "g", "x", "MKSTREAM").startswith(b"ERR Invalid stream ID")
    assert engine.call("EXISTS", "s") == 0
    assert engine.call("XGROUP", "CREATE", "s", "g", "$", "mkstream") == b"OK"
    assert engine.error("XGROUP", "CREATE", "s", "g", "$") == b"BUSYGROUP Consumer Group name already exists"
    assert engine.call("XGROUP", "CREATE", "s", "h", "5", "ENTRIESREAD", "3", "MKSTREAM") == b"OK"
    groups = engine.call("XINFO", "GROUPS", "s")
    assert [(each[b"name"], each[b"last-delivered-id"], each[b"entries-read"]) for each in groups] == [
        (b"g", b"0-0", None),
        (b"h", b"5-0", 3),
    ]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["CREATE", "s", "h", "0", "x"], SUBCOMMAND % (b"CREATE", b"XGROUP")),
        (["cReate", "s", "h", "0", "ENTRIESREAD"], SUBCOMMAND % (b"cReate", b"XGROUP")),
        (
            ["CREATE", "s", "h", "0", "ENTRIESREAD", "-2"],
            b"ERR value for ENTRIESREAD must be positive or -1",
        ),
        (["SETID", "s", "g", "0", "MKSTREAM"], SUBCOMMAND % (b"SETID", b"XGROUP")),
        (
            ["SETID", "s", "g", "0", "ENTRIESREAD", "1", "ENTRIESREAD", "1"],
            SUBCOMMAND % (b"SETID", b"XGROUP"),
        ),
        (["SETID", "s", "x", "0"], b"NOGROUP No such consumer group 'x' for key name 's'"),
        (["SETID", "none", "g", "0"], KEY_REQUIRED),
        (["DESTROY", "none", "g"], KEY_REQUIRED),
        (["CREATECONSUMER", "s", "x", "c"], b"NOGROUP No such consumer group 'x' for key name 's'"),
        (["DELCONSUMER", "s", "x", "c"], b"NOGROUP No such consumer group 'x' for key name 's'"),
        (["x", "s"], b"ERR unknown subcommand 'x'. Try XGROUP HELP."),
    ],
)
def test_what_xgroup_refuses(group: Engine, words: list[str], error: bytes) -> None:
    assert group.error("XGROUP", *words) == error


def test_consumers_come_and_go(group: Engine) -> None:
    events = group.events()
    assert group.call("XGROUP", "CREATECONSUMER", "s", "g", "ann") == 1
    assert group.call("XGROUP", "CREATECONSUMER", "s", "g", "ann") == 0
    assert read(group, "ann", "COUNT", 2) == [b"1-0", b"2-0"]
    assert group.call("XGROUP", "DELCONSUMER", "s", "g", "ann") == 2
    assert group.call("XGROUP", "DELCONSUMER", "s", "g", "ann") == 0
    assert group.call("XGROUP", "SETID", "s", "g", "+") == b"OK"
    assert group.call("XGROUP", "DESTROY", "s", "g") == 1
    assert group.call("XGROUP", "DESTROY", "s", "g") == 0
    assert [event for event, _ in events] == [
        *(b"xgroup-createconsumer", b"xgroup-delconsumer", b"xgroup-setid", b"xgroup-destroy"),
    ]


def test_help(engine: Engine) -> None:
    for container in ("XGROUP", "XINFO"):
        lines = engine.call(container, "HELP")
        assert lines[0].startswith(container.encode() + b" <subcommand>")
        assert lines[-2:] == [b"HELP", b"    Print this help."]
        assert engine.error(container, "HELP", "me").startswith(b"ERR wrong number of arguments")


def test_groups_are_no_change_for_those_who_watch(group: Engine, connect: Connect) -> None:
    client, other = connect(), connect()
    client.send("WATCH s", "MULTI", "PING")
    other.send("XREADGROUP GROUP g ann STREAMS s >", "XACK s g 1", "XCLAIM s g bob 0 2", "XGROUP SETID s g 0")
    other.send("XGROUP CREATE s h 0", "XGROUP DESTROY s h", "XGROUP CREATECONSUMER s g carl")
    assert client.send("EXEC") == b"*1\r\n+PONG\r\n"


# -------------------------------------------------------------- XREADGROUP


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["COUNT", "1", "STREAMS", "s", ">", "s", ">"], b"ERR Missing GROUP option for XREADGROUP"),
        (
            ["GROUP", "g", "c", "STREAMS", "s", ">", "t"],
            b"ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.",
        ),
        (
            ["GROUP", "x", "c", "STREAMS", "s", "y"],
            NO_GROUP + b" in XREADGROUP with GROUP option",
        ),
        (["GROUP", "g", "c", "STREAMS", "text", ">"], b"WRONGTYPE Operation against a key holding the wrong "
                                                       b"kind of value"),
        (["GROUP", "g", "c", "STREAMS", "s", "y"], b"ERR Invalid stream ID specified as stream command argument"),
        (["GROUP", "g", "c", "CLAIM", "1.5", "STREAMS", "s", ">"], b"ERR min-idle-time is not an integer"),
        (["GROUP", "g", "c", "CLAIM", "-1", "STREAMS", "s", ">"], b"ERR min-idle-time must be a positive integer"),
    ],
)  # fmt: skip
def test_what_xreadgroup_refuses(group: Engine, words: list[str], error: bytes) -> None:
    group.call("SET", "text", "v")
    assert group.error("XREADGROUP", *words) == error


@pytest.mark.parametrize("entry_id", ["$", "+"])
def test_ids_without_meaning(group: Engine, entry_id: str) -> None:
    error = group.error("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", entry_id)
    assert error.startswith(b"ERR The %b ID is meaningless in the context of XREADGROUP" % entry_id.encode())
    assert error.endswith(b"The %b ID would just return an empty result set." % entry_id.encode())


def test_effects_of_reading(group: Engine) -> None:
    effects = group.effects()
    now = b"%d" % group.now
    assert read(group, "ann", "COUNT", 1) == [b"1-0"]
    claim = [
        b"XCLAIM",
        b"s",
        b"g",
        b"ann",
        b"0",
        b"1-0",
        b"TIME",
        now,
        b"RETRYCOUNT",
        b"1",
        b"FORCE",
        b"JUSTID",
    ]
    position = [b"XGROUP", b"SETID", b"s", b"g", b"1-0", b"ENTRIESREAD", b"1"]
    assert effects == [[b"MULTI"], [*claim, b"LASTID", b"1-0"], position, [b"EXEC"]]
    effects.clear()
    assert read(group, "bob", "COUNT", 1, "NOACK") == [b"2-0"]
    assert effects[1:-1] == [
        [b"XGROUP", b"CREATECONSUMER", b"s", b"g", b"bob"],
        [b"XGROUP", b"SETID", b"s", b"g", b"2-0", b"ENTRIESREAD", b"2"],
    ]
    effects.clear()
    dirty = group.server.keyspace.dirty
    assert group.call("XREADGROUP", "GROUP", "g", "ann", "STREAMS", "s", "0")
    assert group.server.keyspace.dirty == dirty
    assert effects == []


def test_the_effects_rebuild_the_group(group: Engine, engine_class: type[Engine]) -> None:
    copy = engine_class()
    told = group.effects()
    group.call("XADD", "s", "6-0", "f", "v")
    for number in range(1, 6):
        copy.call("XADD", "s", f"{number}-0", "f", number)
    copy.call("XGROUP", "CREATE", "s", "g", "0")
    read(group, "ann", "COUNT", 4)
    read(group, "bob", "NOACK")
    group.clock.advance(1)
    copy.clock.advance(1)
    group.call("XCLAIM", "s", "g", "carl", 1000, 1, 2, 17, "RETRYCOUNT", 9)
    group.call("XDEL", "s", 3)
    group.call("XAUTOCLAIM", "s", "g", "dora", 0, 2, "JUSTID")
    group.call("XCLAIM", "s", "g", "carl", 0, 17, "LASTID", "7-0")
    group.call("XACK", "s", "g", 1)
    for command in told:
        if command[0] not in (b"MULTI", b"EXEC"):
            copy.call(*command)
    for words in (["XPENDING", "s", "g", "-", "+", 10], ["XINFO", "GROUPS", "s"]):
        assert copy.call(*words) == group.call(*words)


def test_history(group: Engine) -> None:
    assert read(group, "ann", "COUNT", 3) == [b"1-0", b"2-0", b"3-0"]
    group.call("XDEL", "s", 2)
    assert group.call("XREADGROUP", "GROUP", "g", "ann", "BLOCK", 0, "STREAMS", "s", "1") == {
        b"s": [[b"2-0", None], [b"3-0", [b"f", b"3"]]]
    }
    assert [entry[3] for entry in pending(group)] == [1, 1, 2]
    assert group.call("XREADGROUP", "GROUP", "g", "bob", "BLOCK", 0, "STREAMS", "s", "0") == {b"s": []}


def test_one_entry_serves_one_member_of_each_group(connect: Connect) -> None:
    writer = connect()
    writer.send("XGROUP CREATE s g $ MKSTREAM", "XGROUP CREATE s h $")
    first, second, elsewhere = connect(), connect(), connect()
    for client, words in ((first, "g ann"), (second, "g bob"), (elsewhere, "h ann")):
        assert client.send(f"XREADGROUP GROUP {words} BLOCK 0 STREAMS s >") == b""
    writer.send("XADD s 1-0 f v")
    assert b"1-0" in first.received()
    assert second.received() == b""
    assert b"1-0" in elsewhere.received()
    writer.send("XADD s 2-0 f v")
    assert b"2-0" in second.received()


@pytest.mark.parametrize(
    ("deed", "error"),
    [
        ("DEL s", b"-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n"),
        ("XGROUP DESTROY s g", b"-NOGROUP No such key 's'"),
        ("FLUSHALL", b"-NOGROUP No such key 's'"),
        ("RENAME s t", b"-NOGROUP No such key 's'"),
        ("SET s v", b"-WRONGTYPE "),
        ("PEXPIRE s -1", b"-NOGROUP No such key 's'"),
    ],
)
def test_whose_group_is_gone_is_told(connect: Connect, deed: str, error: bytes) -> None:
    client, other = connect(), connect()
    other.send("XGROUP CREATE s g $ MKSTREAM")
    assert client.send("XREADGROUP GROUP g ann BLOCK 0 STREAMS s >") == b""
    other.send("XGROUP CREATE s h $", "XADD other 1-0 f v", "XACK s g 1")
    assert client.received() == b""
    other.send(deed)
    assert client.received().startswith(error)


def test_a_consumer_is_there_while_it_waits(engine: Engine, connect: Connect) -> None:
    client, other = connect(), connect()
    other.send("XGROUP CREATE s g $ MKSTREAM")
    effects = engine.effects()
    client.send("XREADGROUP GROUP g ann BLOCK 0 NOACK STREAMS s >")
    assert effects == [[b"XGROUP", b"CREATECONSUMER", b"s", b"g", b"ann"]]
    engine.clock.advance(2)
    consumer = engine.call("XINFO", "CONSUMERS", "s", "g")[0]
    assert consumer == {b"name": b"ann", b"pending": 0, b"idle": 2000, b"inactive": -1}
    other.send("XADD s 1-0 f v")
    assert b"1-0" in client.received()
    assert engine.call("XINFO", "CONSUMERS", "s", "g")[0][b"idle"] == 0


# ------------------------------------------------------- XREADGROUP's CLAIM


def test_claiming_while_reading(group: Engine) -> None:
    assert read(group, "ann", "COUNT", 3) == [b"1-0", b"2-0", b"3-0"]
    group.call("XCLAIM", "s", "g", "ann", 0, 2, "IDLE", 500, "RETRYCOUNT", 7)
    group.clock.advance(0.1)
    group.call("XDEL", "s", 3)
    dirty = group.server.keyspace.dirty
    words = ["XREADGROUP", "GROUP", "g", "bob", "CLAIM", 100, "NOACK"]
    # Who waits for longest comes first; what is new has waited for nothing.
    assert group.call(*words, "COUNT", 3, "STREAMS", "s", ">") == {
        b"s": [
            [b"2-0", [b"f", b"2"], 600, 7],
            [b"1-0", [b"f", b"1"], 100, 1],
            [b"4-0", [b"f", b"4"], 0, 0],
        ]
    }
    assert group.server.keyspace.dirty == dirty + 2  # the consumer, and what it got
    assert pending(group) == [[b"1-0", b"bob", 0, 2], [b"2-0", b"bob", 0, 8], [b"3-0", b"ann", 100, 1]]
    assert group.call(*words, "STREAMS", "s", ">") == {b"s": [[b"5-0", [b"f", b"5"], 0, 0]]}
    assert group.call(*words, "STREAMS", "s", ">") is None
    assert group.call(*words, "STREAMS", "s", "1") == {b"s": [[b"2-0", [b"f", b"2"]]]}


def test_time_brings_something_to_claim(engine: Engine, connect: Connect) -> None:
    first, second, writer = connect(), connect(), connect()
    writer.send("XGROUP CREATE s g $ MKSTREAM")
    for client, name in ((first, "ann"), (second, "bob")):
        assert client.send(f"XREADGROUP GROUP g {name} BLOCK 0 CLAIM 100 STREAMS s >") == b""
    writer.send("XADD s 1-0 f v")
    assert b"1-0" in first.received()
    engine.clock.advance(0.099)
    assert second.received() == b""
    # Who claims in between starts the time anew.
    writer.send("XCLAIM s g carl 0 1-0")
    engine.clock.advance(0.001)
    assert second.received() == b""
    engine.clock.advance(0.099)
    assert second.received().endswith(b":100\r\n:2\r\n")
    assert engine.clock.getDelayedCalls() == []


def test_waiting_for_time_ends_with_the_connection(engine: Engine, connect: Connect) -> None:
    client, writer = connect(), connect()
    writer.send("XGROUP CREATE s g $ MKSTREAM", "XADD s 1-0 f v", "XREADGROUP GROUP g ann STREAMS s >")
    client.send("XREADGROUP GROUP g bob BLOCK 5000 CLAIM 1000 STREAMS s >")
    client.lose()
    engine.clock.advance(10)
    assert pending(engine) == [[b"1-0", b"ann", 10000, 1]]
    assert engine.clock.getDelayedCalls() == []


# ------------------------------------------------- XACK, XACKDEL, XPENDING


def test_acknowledging(group: Engine) -> None:
    read(group)
    assert group.call("XACK", "none", "g", "1") == group.call("XACK", "s", "x", "not an id") == 0
    assert group.error("XACK", "s", "g", "1", "x").startswith(b"ERR Invalid stream ID")
    assert len(pending(group)) == 5
    assert group.call("XACK", "s", "g", "1", "1", "9", "2-0") == 2
    assert len(pending(group)) == 3


def test_xackdel(group: Engine) -> None:
    assert group.call("XACKDEL", "none", "g", "IDS", 1, "x") == [-1]
    assert group.call("XACKDEL", "s", "x", "IDS", 2, 1, 2) == [-1, -1]
    group.call("XGROUP", "CREATE", "s", "h", "0")
    read(group)
    events = group.events()
    assert group.call("XACKDEL", "s", "g", "ACKED", "IDS", 2, 1, 9) == [2, -1]
    assert events == []
    assert group.call("XACKDEL", "s", "g", "IDS", 2, 2, 1) == [1, -1]
    assert events == [(b"xdel", b"s")]
    group.call("XREADGROUP", "GROUP", "h", "c", "STREAMS", "s", ">")
    assert group.call("XACKDEL", "s", "g", "DELREF", "IDS", 1, 3) == [1]
    assert [entry[0] for entry in group.call("XPENDING", "s", "h", "-", "+", 9)] == [b"1-0", b"4-0", b"5-0"]


def test_pending(group: Engine) -> None:
    assert group.call("XPENDING", "s", "g") == [0, None, None, None]
    read(group, "bob", "COUNT", 1)
    group.clock.advance(0.25)
    read(group, "ann", "COUNT", 2)
    group.call("XGROUP", "CREATECONSUMER", "s", "g", "carl")
    assert group.call("XPENDING", "s", "g") == [3, b"1-0", b"3-0", [[b"ann", b"2"], [b"bob", b"1"]]]
    words = ["XPENDING", "s", "g"]
    assert group.call(*words, "idle", 250, "-", "+", 9) == [[b"1-0", b"bob", 250, 1]]
    assert [entry[0] for entry in group.call(*words, "(1", "+", 9, "ann")] == [b"2-0", b"3-0"]
    assert group.call(*words, "-", "+", 9, "nobody") == group.call(*words, "-", "+", -1) == []
    assert group.error("XPENDING", "s", "x") == NO_GROUP
    for bad in (["-"], ["-", "+"], ["IDLE", 1, "-", "+"], ["-", "+", 1, 2, 3, 4, 5]):
        assert group.error(*words, *bad) == b"ERR syntax error"
    assert group.error(*words, "IDLE", "x", "-", "+") == b"ERR value is not an integer or out of range"
    greatest = "18446744073709551615-18446744073709551615"
    assert group.error(*words, "(" + greatest, "+", 9) == b"ERR invalid start ID for the interval"
    assert group.error(*words, "-", "(0-0", 9) == b"ERR invalid end ID for the interval"


# ------------------------------------------------------ XCLAIM, XAUTOCLAIM


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["XCLAIM", "s", "x", "c", "y", "1"], NO_GROUP),
        (["XCLAIM", "s", "g", "c", "y", "1"], b"ERR Invalid min-idle-time argument for XCLAIM"),
        (["XCLAIM", "s", "g", "c", "0", "1", "x"], b"ERR Unrecognized XCLAIM option 'x'"),
        (["XCLAIM", "s", "g", "c", "0", "1", "IDLE"], b"ERR Unrecognized XCLAIM option 'IDLE'"),
        (["XCLAIM", "s", "g", "c", "0", "1", "FORCE", "2"], b"ERR Unrecognized XCLAIM option '2'"),
        (["XCLAIM", "s", "g", "c", "0", "1", "idle", "x"], b"ERR Invalid IDLE option argument for XCLAIM"),
        (["XCLAIM", "s", "g", "c", "0", "1", "TIME", "x"], b"ERR Invalid TIME option argument for XCLAIM"),
        (
            ["XCLAIM", "s", "g", "c", "0", "1", "RETRYCOUNT", "x"],
            b"ERR Invalid RETRYCOUNT option argument for XCLAIM",
        ),
        (
            ["XCLAIM", "s", "g", "c", "0", "1", "LASTID", "x"],
            b"ERR Invalid stream ID specified as stream command argument",
        ),
        (["XAUTOCLAIM", "s", "x", "c", "y", "-"], b"ERR Invalid min-idle-time argument for XAUTOCLAIM"),
        (
            ["XAUTOCLAIM", "s", "x", "c", "0", "y"],
            b"ERR Invalid stream ID specified as stream command argument",
        ),
        (["XAUTOCLAIM", "s", "x", "c", "0", "-", "COUNT", "0"], b"ERR COUNT must be > 0"),
        (["XAUTOCLAIM", "s", "x", "c", "0", "-", "COUNT", "x"], b"ERR COUNT must be > 0"),
        (["XAUTOCLAIM", "s", "x", "c", "0", "-", "COUNT", "9223372036854775807"], b"ERR COUNT must be > 0"),
        (["XAUTOCLAIM", "s", "x", "c", "0", "-", "COUNT"], b"ERR syntax error"),
        (["XAUTOCLAIM", "s", "x", "c", "0", "-"], NO_GROUP),
    ],
)
def test_what_claiming_refuses(group: Engine, words: list[str], error: bytes) -> None:
    assert group.error(*words) == error


def test_xclaim(group: Engine) -> None:
    read(group, "ann", "COUNT", 3)
    group.clock.advance(1)
    assert group.call("XCLAIM", "s", "g", "bob", 1001, 1) == []
    assert group.call("XCLAIM", "s", "g", "bob", 1000, 1, 9) == [[b"1-0", [b"f", b"1"]]]
    assert group.call("XCLAIM", "s", "g", "bob", 0, 2, "JUSTID", "IDLE", 300) == [b"2-0"]
    assert group.call("XCLAIM", "s", "g", "bob", 0, 3, "TIME", group.now + 5, "RETRYCOUNT", 5) != []
    assert group.call("XCLAIM", "s", "g", "bob", 0, 4) == []
    assert group.call("XCLAIM", "s", "g", "bob", 10**9, 4, "FORCE", "JUSTID", "LASTID", "4-0") == [b"4-0"]
    assert pending(group) == [
        [b"1-0", b"bob", 0, 2],
        [b"2-0", b"bob", 300, 1],
        [b"3-0", b"bob", 0, 5],
        [b"4-0", b"bob", 0, 1],
    ]
    assert read(group) == [b"5-0"]
    group.call("XDEL", "s", 1)
    assert group.call("XCLAIM", "s", "g", "ann", 0, 1) == []
    assert pending(group)[0][0] == b"2-0"


def test_xautoclaim(group: Engine) -> None:
    read(group)
    group.call("XDEL", "s", 2, 4)
    claim = ["XAUTOCLAIM", "s", "g", "bob", 0]
    assert group.call(*claim, "-", "COUNT", 2) == [b"3-0", [[b"1-0", [b"f", b"1"]]], [b"2-0"]]
    assert group.call(*claim, "(3", "JUSTID") == [b"0-0", [b"5-0"], [b"4-0"]]
    assert pending(group) == [[b"1-0", b"bob", 0, 2], [b"3-0", b"ann", 0, 1], [b"5-0", b"bob", 0, 1]]


# ------------------------------------------------------------------- XINFO


def test_xinfo(group: Engine) -> None:
    read(group, "ann", "COUNT", 2)
    group.clock.advance(0.5)
    group.call("XGROUP", "CREATECONSUMER", "s", "g", "bob")
    now = group.now
    assert group.call("XINFO", "CONSUMERS", "s", "g") == [
        {b"name": b"ann", b"pending": 2, b"idle": 500, b"inactive": 500},
        {b"name": b"bob", b"pending": 0, b"idle": 0, b"inactive": -1},
    ]
    assert group.call("XINFO", "GROUPS", "s") == [
        {
            b"name": b"g",
            b"consumers": 2,
            b"pending": 2,
            b"last-delivered-id": b"2-0",
            b"entries-read": 2,
            b"lag": 3,
        }
    ]
    full = group.call("XINFO", "STREAM", "s", "full", "count", 1)
    assert full == {
        b"length": 5,
        b"radix-tree-keys": 1,
        b"radix-tree-nodes": 2,
        b"last-generated-id": b"5-0",
        b"max-deleted-entry-id": b"0-0",
        b"entries-added": 5,
        b"recorded-first-entry-id": b"1-0",
        b"entries": [[b"1-0", [b"f", b"1"]]],
        b"groups": [
            {
                b"name": b"g",
                b"last-delivered-id": b"2-0",
                b"entries-read": 2,
                b"lag": 3,
                b"pel-count": 2,
                b"pending": [[b"1-0", b"ann", now - 500, 1]],
                b"consumers": [
                    {
                        b"name": b"ann",
                        b"seen-time": now - 500,
                        b"active-time": now - 500,
                        b"pel-count": 2,
                        b"pending": [[b"1-0", now - 500, 1]],
                    },
                    {b"name": b"bob", b"seen-time": now, b"active-time": -1, b"pel-count": 0, b"pending": []},
                ],
            }
        ],
    }
    short = group.call("XINFO", "STREAM", "s")
    assert short[b"groups"] == 1
    assert (short[b"first-entry"], short[b"last-entry"]) == ([b"1-0", [b"f", b"1"]], [b"5-0", [b"f", b"5"]])
    assert len(group.call("XINFO", "STREAM", "s", "FULL", "COUNT", 0)[b"groups"][0][b"pending"]) == 2


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["STREAM", "none", "x"], b"ERR no such key"),
        (["STREAM", "s", "x"], SUBCOMMAND % (b"STREAM", b"XINFO")),
        (["STREAM", "s", "FULL", "COUNT"], SUBCOMMAND % (b"STREAM", b"XINFO")),
        (["STREAM", "s", "FULL", "x", "1"], SUBCOMMAND % (b"STREAM", b"XINFO")),
        (["STREAM", "s", "FULL", "COUNT", "x"], b"ERR value is not an integer or out of range"),
        (["GROUPS", "none"], b"ERR no such key"),
        (["CONSUMERS", "none", "g"], b"ERR no such key"),
        (["CONSUMERS", "s", "x"], b"NOGROUP No such consumer group 'x' for key name 's'"),
    ],
)
def test_what_xinfo_refuses(group: Engine, words: list[str], error: bytes) -> None:
    assert group.error("XINFO", *words) == error
