"""Seeds from files of every kind and from Python, and what is exported again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from twisted_resp import RespFactory
from twisted_resp.seeds import SeedError, export, plain_data, seed

NOW = 1_700_000_000

# Every type, with what has no plain form among it.
COMMANDS = rb"""
# a comment, and an empty line

SET text "hello world"
SET number 12 EX 100
set bytes "\x80\xff\x00"
SET "$base64:x" "$base64:y"
HSET hash name Ada "f\xf0" 1
HSET $hash $field v
HSET fields a 1 b 2
HPEXPIREAT fields 1700000050000 FIELDS 1 a
RPUSH list a 'b c' a
SADD set x y 3
ZADD zset 1 a 1.5 b -inf c
XADD stream 5-1 f 1 f 2
XADD stream 6-0 g 1
XGROUP CREATE stream group 0
XREADGROUP GROUP group reader COUNT 1 STREAMS stream >
XADD trimmed 9-9 f v
XTRIM trimmed MAXLEN 0
PFADD counter a b c
FUNCTION LOAD "#!lua name=lib\nredis.register_function('f', function() return 'f' end)"
SELECT 3
SET elsewhere 1
PEXPIRE elsewhere 5000
"""
if find_spec("lupa") is None:  # functions need Lua
    COMMANDS = re.sub(rb"(?m)^FUNCTION.*\n", b"", COMMANDS)


Make = Callable[..., RespFactory]


@pytest.fixture
def make() -> Make:
    def make_factory(*seeds: object) -> RespFactory:
        clock = Clock()
        clock.advance(NOW)
        return RespFactory(clock=clock, seed=seeds)

    return make_factory


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    path = tmp_path / "seed.redis"
    path.write_bytes(COMMANDS)
    return path


def call(factory: RespFactory, *words: object) -> Any:
    outcome: list[Any] = []
    factory.call(*words).addBoth(outcome.append)
    return outcome[0]


def picture(factory: RespFactory) -> Any:
    server = factory.server
    expiries = [dict(sorted(database.expires.items())) for database in server.keyspace.databases]
    return call(factory, "DEBUG", "DIGEST"), expiries, call(factory, "FUNCTION", "LIST"), plain_data(server)


@pytest.mark.parametrize("suffix", [".json", ".yaml", ".rdb", ".aof", ".txt"])
def test_what_is_exported_can_be_loaded(make: Make, commands: Path, tmp_path: Path, suffix: str) -> None:
    if suffix == ".yaml":
        pytest.importorskip("yaml")
    first = make(commands)
    path = tmp_path / f"data{suffix}"
    export(first.server, path)
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([path.name, commands.name])
    again = make(path)
    assert picture(again) == picture(first)
    if b"FUNCTION" in COMMANDS:
        assert call(again, "FCALL", "f", 0) == b"f"
    if suffix not in (".aof", ".txt"):  # what is at a key is replaced, but for commands, which are just run
        seed(again.server, path)
        assert picture(again) == picture(first)


def test_plain_data(make: Make, commands: Path) -> None:
    data = plain_data(make(commands).server)
    assert json.loads(json.dumps(data)) == data
    assert data["text"] == "hello world"
    assert data["number"] == {"$value": "12", "$expires_at": NOW + 100}
    assert data["list"] == ["a", "b c", "a"]
    assert data["set"] == {"$set": ["3", "x", "y"]}
    assert data["zset"] == {"$zset": {"c": "-inf", "a": 1, "b": 1.5}}
    assert data["bytes"] == {"$base64": "gP8A"}
    assert data["$databases"] == {"3": {"elsewhere": {"$value": "1", "$expires_at": NOW + 5}}}
    stream = data["stream"]
    assert stream["$stream"] == [["5-1", ["f", "1", "f", "2"]], ["6-0", {"g": "1"}]]
    assert stream["$groups"]["group"]["consumers"] == {"reader": [["5-1", NOW, 1]]}


def test_python_has_sets_and_bytes(make: Make) -> None:
    factory = make(
        {"set": {"a", b"b"}, "tuple": (1, 2.5), b"\xff": b"\xfe", "hash": {b"f": 1}},
        {"hash": {"g": 2}, "mail": {"$stream": [{"to": "x"}]}, "short": {"$list": ["x"], "$ttl": 0.5}},
    )
    assert set(call(factory, "SMEMBERS", "set")) == {b"a", b"b"}
    assert call(factory, "LRANGE", "tuple", 0, -1) == [b"1", b"2.5"]
    assert call(factory, "GET", b"\xff") == b"\xfe"
    assert call(factory, "HGETALL", "hash") == {b"g": b"2"}
    assert call(factory, "XLEN", "mail") == 1
    assert call(factory, "PTTL", "short") == 500


def test_requests_as_redis_cli_pipe_takes_them(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    path.write_bytes(
        b"SET a 1\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$3\r\n2\n2\r\n*2\r\n$4\r\nINCR\r\n$1\r\na\r\n#TS:1\r\nINCR a\n"
        b"MULTI\nINCR a\nEXEC"
    )
    factory = make(path)
    assert call(factory, "MGET", "a", "b") == [b"4", b"2\n2"]


def test_an_append_only_file_with_a_manifest(make: Make, commands: Path, tmp_path: Path) -> None:
    directory = tmp_path / "appendonlydir"
    directory.mkdir()
    export(make(commands).server, directory / "dump.rdb")
    # A snapshot, and commands after it.
    (directory / "base").write_bytes((directory / "dump.rdb").read_bytes() + b"*1\r\n$4\r\nPING\r\n")
    (directory / "incr").write_bytes(b"#TS:1\r\n*3\r\n$3\r\nSET\r\n$4\r\ntext\r\n$1\r\nx\r\n")
    manifest = directory / "appendonly.aof.manifest"
    manifest.write_text("file base seq 1 type b\nfile incr seq 1 type i\n")
    for path in directory, manifest:
        factory = make(path)
        assert call(factory, "GET", "text") == b"x"
        assert call(factory, "ZSCORE", "zset", "b") == 1.5


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"SET a 1\nHGET a b c\n", "line 2: HGET: ERR wrong number of arguments for 'hget' command"),
        ("a.txt", b"SET a 1\n\nINCR 'b\n", "line 3: unbalanced quotes"),
        ("a.txt", b"BLPOP a 0\n", "line 1: BLPOP: ERR this command waits"),
        ("a.aof", b"*1\r\n$4\r\nPI", "it ends in the middle of a command"),
        ("a.aof", b"*1\r\n$4\r\nPING\r\n*x\r\n", "line 4: .*Protocol error: invalid multibulk length"),
        ("a.rdb", b"REDIS0003x", "unexpected end|wrong|bad|short|ends"),
        ("a.json", b"{", r"line 1 column 2 \(char 1\)"),
        ("a.json", b"[]", "a mapping of keys is needed, not list"),
        ("a.json", b'{"k": null}', "k: None has no form in a database"),
        ("a.json", b'{"k": []}', "k: there is no empty list"),
        ("a.json", b'{"k": {"$zset": {"a": "x"}}}', "k: ZADD .*not a valid float"),
        ("a.json", b'{"k": {"$set": ["a"], "$tll": 1}}', r"k: \$tll makes no sense beside \$set"),
        ("a.json", b'{"k": {"$ttl": 1}}', r"k: one of \$string, .* is needed, not nothing"),
        ("a.json", b'{"k": {"$set": ["a"], "f": 1}}', r"k: fields that begin with \$ are meant for a \$hash"),
        ("a.json", b'{"k": [[1]]}', "k: a command's arguments are bytes, str, int or float, not list"),
        ("a.json", b'{"k": {"$zset": [1]}}', "k: 'list' object has no attribute"),
        ("a.json", b'{"$dbs": {}}', r"there is no \$dbs at the top"),
        ("a.json", b'{"$databases": {"99": {"a": 1}}}', "SELECT 99: ERR DB index is out of range"),
        ("a.json", b'{"$databases": {"1": 2}}', "database 1 is to be a mapping, not int"),
        ("x.manifest", b"bad\n", "Invalid AOF manifest file format"),
    ],
)
def test_what_is_wrong_is_said(make: Make, tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SeedError, match=message) as raised:
        make(tmp_path / name)
    assert str(raised.value).startswith(str(tmp_path / name))
    assert "\n" not in str(raised.value)


def test_files_that_are_not_there(make: Make, tmp_path: Path) -> None:
    with pytest.raises(SeedError, match="No such file"):
        make(tmp_path / "none.json")
    with pytest.raises(SeedError, match=r"one manifest .* is needed there, not 0"):
        make(tmp_path)
    with pytest.raises(TypeError, match="a seed is a mapping or the path of a file, not int"):
        make(7)
    with pytest.raises(SeedError, match="what kind of file is it to be"):
        export(make().server, tmp_path / "data")
    with pytest.raises(SeedError, match="No such file"):
        export(make().server, tmp_path / "none" / "data.json")


def test_yaml(make: Make, tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    path = tmp_path / "seed.yml"
    path.write_text("user:1: {name: Ada}\ntags: !!set {a, b}\nqueue:\n  - 1\n  - two\n")
    factory = make(path)
    assert set(call(factory, "SMEMBERS", "tags")) == {b"a", b"b"}
    assert call(factory, "LRANGE", "queue", 0, -1) == [b"1", b"two"]
    path.write_text("a: [")
    with pytest.raises(SeedError, match="expected the node content"):
        make(path)
