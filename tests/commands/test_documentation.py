"""What COMMAND tells of hand-made declarations, and the keys that it finds in calls."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis, ResponseError

from twisted_resp.acl.catalogue import CATEGORIES
from twisted_resp.commands import getkeys
from twisted_resp.commands.documentation import (
    acl_categories,
    command_docs,
    command_info,
    has_keys,
    keys_of,
)
from twisted_resp.commands.syntax import Syntax
from twisted_resp.commands.table import (
    ADMIN,
    BLOCKING,
    FAST,
    LOADING,
    MAY_REPLICATE,
    PUBSUB,
    READONLY,
    WRITE,
    Command,
)
from twisted_resp.resp import Map, Push, SetReply, Status


def declared(
    line: str, flags: int = 0, *, group: str = "string", handled: bool = True, **more: Any
) -> Command:
    """Declare a command beside the table."""
    of_syntax = {name: more.pop(name) for name in ("arity", "keys", "types", "since") if name in more}
    of_command: dict[str, Any] = {"summary": "Does it.", "since": "1.0.0", "complexity": "O(1)", **more}
    handler = (lambda client: None) if handled else None
    return Command(line, lambda: Syntax.parse(line, **of_syntax), handler, flags, group=group, **of_command)


def plain(reply: Any) -> Any:
    """Return a reply in lists and dicts."""
    if isinstance(reply, Map):
        return {plain(name): plain(value) for name, value in reply.value}
    if isinstance(reply, (SetReply, Push)):
        return [plain(item) for item in reply.value]
    if isinstance(reply, list):
        return [plain(item) for item in reply]
    return reply.value if isinstance(reply, Status) else reply


def test_command_info() -> None:
    command = declared("GET key", READONLY | FAST | MAY_REPLICATE, keys=["RO access"], tips=["some_tip"])
    assert plain(command_info(command)) == [
        b"get",
        2,
        [b"readonly", b"fast"],
        1,
        1,
        1,
        [b"@read", b"@string", b"@fast"],
        [b"some_tip"],
        [
            {
                b"flags": [b"RO", b"access"],
                b"begin_search": {b"type": b"index", b"spec": {b"index": 1}},
                b"find_keys": {b"type": b"range", b"spec": {b"lastkey": 0, b"keystep": 1, b"limit": 0}},
            }
        ],
        [],
    ]


def test_flags_and_categories_are_sets_of_statuses() -> None:
    info = command_info(declared("GET key", READONLY | FAST))
    assert info[2] == SetReply([Status(b"readonly"), Status(b"fast")])
    assert info[6] == SetReply([Status(b"@read"), Status(b"@string"), Status(b"@fast")])


def test_command_info_of_a_container() -> None:
    container = declared("XINFO", arity=-2, group="stream", handled=False)
    container.subcommands[b"groups"] = declared("XINFO GROUPS key", READONLY, group="stream")
    info = plain(command_info(container))
    assert info[:7] == [b"xinfo", -2, [], 0, 0, 0, [b"@slow"]]
    assert [subcommand[:6] for subcommand in info[9]] == [[b"xinfo|groups", 3, [b"readonly"], 2, 2, 1]]


@pytest.mark.parametrize(
    ("line", "notes", "begin", "find"),
    [
        (
            "XREAD [COUNT count] STREAMS key [key ...] id [id ...]",
            None,
            {b"type": b"keyword", b"spec": {b"keyword": b"STREAMS", b"startfrom": 1}},
            {b"type": b"range", b"spec": {b"lastkey": -1, b"keystep": 1, b"limit": 2}},
        ),
        (
            "LMPOP numkeys key [key ...] <LEFT | RIGHT>",
            b"a note",
            {b"type": b"index", b"spec": {b"index": 1}},
            {b"type": b"keynum", b"spec": {b"keynumidx": 0, b"firstkey": 1, b"keystep": 1}},
        ),
        (
            "SORT [by-pattern: BY pattern]",
            None,
            {b"type": b"unknown", b"spec": {}},
            {b"type": b"unknown", b"spec": {}},
        ),
    ],
)
def test_key_specifications(line: str, notes: bytes | None, begin: Any, find: Any) -> None:
    flags = f"RO access # {notes.decode()}" if notes else "RO access"
    command = declared(line, keys=[flags])
    expected = {b"flags": [b"RO", b"access"], b"begin_search": begin, b"find_keys": find}
    if notes:
        expected[b"notes"] = notes
    assert plain(command_info(command))[8] == [expected]
    assert b"movablekeys" in plain(command_info(command))[2]


@pytest.mark.parametrize(
    ("group", "flags", "acl", "expected"),
    [
        ("string", READONLY | FAST, (), "read string fast"),
        ("sorted-set", WRITE, (), "write sortedset slow"),
        ("generic", READONLY, ("dangerous",), "keyspace read slow dangerous"),
        ("server", ADMIN, (), "admin slow dangerous"),
        ("list", WRITE | BLOCKING, (), "write list slow blocking"),
        ("pubsub", PUBSUB | FAST | LOADING, (), "pubsub fast"),
        ("transactions", FAST, (), "fast transaction"),
        # Scripts that only read are not in the category that lets a user read.
        ("scripting", READONLY, (), "slow scripting"),
        ("generic", WRITE, ("-keyspace", "set", "list"), "write set list slow"),
        ("cluster", FAST, ("connection",), "fast connection"),
    ],
)
def test_acl_categories(group: str, flags: int, acl: tuple[str, ...], expected: str) -> None:
    found = acl_categories(declared("CALL", flags, group=group, acl=acl))
    assert found == tuple(expected.split())
    assert sorted(found, key=CATEGORIES.index) == list(found)


def test_command_docs() -> None:
    command = declared(
        "SUBSTR key start [mode: NX | XX ...]",
        since={"mode": "7.0.0"},
        deprecated="2.0.0",
        replaced_by="`GETRANGE`",
        system=True,
        history=[("6.0.0", "Changed.")],
    )
    docs = plain(command_docs(command))
    assert docs == {
        b"summary": b"Does it.",
        b"since": b"1.0.0",
        b"group": b"string",
        b"complexity": b"O(1)",
        b"doc_flags": [b"deprecated", b"syscmd"],
        b"deprecated_since": b"2.0.0",
        b"replaced_by": b"`GETRANGE`",
        b"history": [[b"6.0.0", b"Changed."]],
        b"arguments": [
            {b"name": b"key", b"type": b"key", b"display_text": b"key", b"key_spec_index": 0},
            {b"name": b"start", b"type": b"integer", b"display_text": b"start"},
            {
                b"name": b"mode",
                b"type": b"oneof",
                b"since": b"7.0.0",
                b"flags": [b"optional", b"multiple"],
                b"arguments": [
                    {b"name": b"nx", b"type": b"pure-token", b"display_text": b"nx", b"token": b"NX"},
                    {b"name": b"xx", b"type": b"pure-token", b"display_text": b"xx", b"token": b"XX"},
                ],
            },
        ],
    }
    assert list(docs)[:4] == [b"summary", b"since", b"group", b"complexity"]


def test_command_docs_leaves_out_what_there_is_not() -> None:
    assert plain(command_docs(declared("SYNC", group="server", complexity=""))) == {
        b"summary": b"Does it.",
        b"since": b"1.0.0",
        b"group": b"server",
    }


def test_command_docs_of_a_container() -> None:
    container = declared("CONFIG", arity=-2, group="server", handled=False)
    container.subcommands[b"get"] = declared("CONFIG GET parameter [parameter ...]", group="server")
    assert list(plain(command_docs(container))[b"subcommands"]) == [b"config|get"]


COMMANDS = {
    command.name: command
    for command in (
        declared("GET key", READONLY, keys=["RO access"]),
        declared("PING [message]"),
        declared("DEL key [key ...]", WRITE, keys=["RM delete"]),
        declared("MSET key value [key value ...]", WRITE, keys=["OW update"]),
        declared("BLPOP key [key ...] timeout", WRITE, keys=["RW access delete"]),
        declared("COPY source destination [DB destination-db]", WRITE, keys=["RO access", "OW update"]),
        declared("LCS key1 key2 [LEN]", READONLY, keys=["RO access"]),
        declared("LMPOP numkeys key [key ...] <LEFT | RIGHT>", WRITE, keys=["RW access delete"]),
        declared("ZUNIONSTORE destination numkeys key [key ...]", WRITE, keys=["OW update", "RO access"]),
        declared("XREAD [COUNT count] STREAMS key [key ...] id [id ...]", READONLY, keys=["RO access"]),
        declared(
            "GEORADIUS key longitude latitude radius <M | KM> [COUNT count] [STORE key | STOREDIST key]",
            WRITE,
            keys=["RO access", "OW update", "OW update"],
        ),
        declared("SSUBSCRIBE shardchannel [shardchannel ...]"),
        declared("OBJECT ENCODING key", READONLY, keys=["RO"]),
        declared(
            "SET key value [GET]", WRITE, keys=["RW access update variable_flags"], get_keys=getkeys.set_keys
        ),
        declared(
            "BITFIELD key [arg [arg ...]]",
            WRITE,
            keys=["RW access update variable_flags"],
            get_keys=getkeys.bitfield_keys,
        ),
        declared(
            "SORT key [by-pattern: BY pattern] [LIMIT offset count] [STORE destination]",
            WRITE,
            keys=["RO access", "RO access", "OW update"],
            get_keys=getkeys.sort_keys,
        ),
        declared(
            "SORT_RO key [by-pattern: BY pattern]",
            READONLY,
            keys=["RO access", "RO access"],
            get_keys=getkeys.sort_ro_keys,
        ),
        declared(
            'MIGRATE host port <which: key | ""> destination-db timeout [KEYS key [key ...]]',
            WRITE,
            keys=["RW access delete incomplete", "RW access delete incomplete"],
            types={"timeout": "integer"},
            get_keys=getkeys.migrate_keys,
        ),
    )
}

CALLS = {
    "get k": "k=RO,access",
    "del a b c": "a=RM,delete b=RM,delete c=RM,delete",
    "mset a 1 b 2": "a=OW,update b=OW,update",
    "blpop a b 0": "a=RW,access,delete b=RW,access,delete",
    "copy a b DB 1": "a=RO,access b=OW,update",
    "lcs a b LEN": "a=RO,access b=RO,access",
    "lmpop 2 a b LEFT": "a=RW,access,delete b=RW,access,delete",
    "lmpop 0 a b LEFT": "",
    "lmpop 9 a b LEFT": "",
    "lmpop -1 a b LEFT": "",
    "lmpop x a b LEFT": "",
    "zunionstore d 2 a b": "d=OW,update a=RO,access b=RO,access",
    "zunionstore d 3 a b": "",
    "xread COUNT 1 streams a b 0 0": "a=RO,access b=RO,access",
    "xread COUNT 1 a 0": "",
    "georadius a 1 2 3 M": "a=RO,access",
    "georadius a 1 2 3 M COUNT 1 StoreDist b": "a=RO,access b=OW,update",
    "set a b": "a=OW,update",
    "set a b get": "a=RW,access,update",
    "bitfield a": "a=RO,access",
    "bitfield a GET u8 0": "a=RO,access",
    "bitfield a GET u8 0 OVERFLOW SAT": "a=RO,access",
    "bitfield a GET u8 0 INCRBY u8 0 1": "a=RW,access,update",
    "bitfield a GET u8": "a=RW,access,update",
    "bitfield a BY": "a=RW,access,update",
    "sort a": "a=RO,access",
    "sort a BY STORE": "a=RO,access",
    "sort a BY x STORE b": "a=RO,access b=OW,update",
    "sort a STORE b LIMIT 0 1 STORE c": "a=RO,access c=OW,update",
    "sort a STORE": "a=RO,access",
    "sort_ro a BY b": "a=RO,access",
    "migrate h 1 k 0 1": "k=RW,access,delete",
    "migrate h 1 k 0 1 AUTH KEYS": "k=RW,access,delete",
    "migrate h 1 - 0 1 KEYS a b": "a=RW,access,delete b=RW,access,delete",
    "migrate h 1 k 0 1 KEYS a b": "",
}


def words(call: str) -> list[bytes]:
    return [b"" if word == "-" else word.encode() for word in call.split()]


@pytest.mark.parametrize("call", CALLS)
def test_keys_of(call: str) -> None:
    argv = words(call)
    found = keys_of(COMMANDS[argv[0]], argv)
    assert " ".join(f"{key.decode()}={','.join(flags)}" for _, key, flags in found) == CALLS[call]
    assert all(argv[position] == key for position, key, _ in found)


@pytest.mark.parametrize("call", CALLS)
def test_keys_of_as_redis(call: str, redis_server: Any) -> None:
    argv = words(call)
    with Redis.from_url(f"redis://{redis_server.host}:{redis_server.port}?protocol=3") as client:
        client.response_callbacks.clear()
        if CALLS[call]:
            reply = client.execute_command("COMMAND", "GETKEYSANDFLAGS", *argv)
        else:
            with pytest.raises(ResponseError, match="Invalid arguments"):
                client.execute_command("COMMAND", "GETKEYSANDFLAGS", *argv)
            reply = []
    found = keys_of(COMMANDS[argv[0]], argv)
    assert [(key, [flag.encode() for flag in flags]) for _, key, flags in found] == [
        (key, list(flags)) for key, flags in reply
    ]


def test_keys_of_a_subcommand() -> None:
    command = COMMANDS[b"encoding"]
    assert keys_of(command, [b"OBJECT", b"ENCODING", b"k"]) == [(2, b"k", ("RO",))]


def test_sharded_channels_are_keys_only_for_their_slot() -> None:
    command = COMMANDS[b"ssubscribe"]
    call = [b"SSUBSCRIBE", b"a", b"b"]
    assert not has_keys(command)
    assert keys_of(command, call) == []
    assert [found.key for found in keys_of(command, call, not_keys=True)] == [b"a", b"b"]


def test_flags_that_are_not_declared() -> None:
    assert keys_of(declared("READ key", READONLY), [b"READ", b"k"]) == [(1, b"k", ("RO", "access"))]
    assert keys_of(declared("CHANGE key", WRITE), [b"CHANGE", b"k"]) == [(1, b"k", ("RW", "update"))]


def test_has_keys() -> None:
    assert has_keys(COMMANDS[b"get"])
    assert has_keys(COMMANDS[b"sort"])
    assert not has_keys(COMMANDS[b"ping"])
