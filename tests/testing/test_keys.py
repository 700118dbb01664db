"""The keys of a server as a mapping: types, comparisons, and what a difference looks like."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from twisted_resp.testing.factory import ControlledFactory

DATA: dict[str, Any] = {
    "text": "a",
    "number": 12,
    "list": ["a", 1],
    "set": {"a", "b"},
    "hash": {"f": 1},
    "zset": {"$zset": {"m": 1.5, "n": 2}},
    "stream": {"$stream": [["1-1", {"f": "v"}]]},
}


@pytest.fixture
def factory() -> ControlledFactory:
    reactor = Clock()
    reactor.advance(1000)
    factory = ControlledFactory(reactor, seed=DATA)
    factory.call("APPEND", "text", "b")  # in a buffer from now on
    return factory


def test_values_have_types(factory: ControlledFactory) -> None:
    keys = factory.keys
    assert keys["text"] == "ab"
    assert keys["list"] == ["a", "1"]
    assert keys["set"] == {"a", "b"}
    assert keys["hash"] == {"f": "1"}
    assert keys["zset"] == {"m": 1.5, "n": 2.0}
    assert keys["stream"] == [("1-1", {"f": "v"})]
    assert keys.as_bytes["list"] == [b"a", b"1"]
    assert keys.as_bytes["zset"] == {b"m": 1.5, b"n": 2.0}
    assert keys.get("none") is None
    assert list(keys) == sorted(DATA)
    assert len(keys) == 7
    assert repr(keys).startswith("<keys of database 0: {'hash': {'f': '1'}, ")
    with pytest.raises(KeyError, match="none"):
        keys["none"]


def test_comparison_is_by_what_commands_would_say(factory: ControlledFactory) -> None:
    expected = {
        "text": b"ab",
        b"number": "12",
        "list": ("a", "1"),
        "set": frozenset([b"a", "b"]),
        "hash": {b"f": "1"},
        "zset": [("m", 1.5), ("n", 2)],
        "stream": [{"f": "v"}],
    }
    assert factory.keys == expected
    assert factory.keys == {**expected, "zset": {"m": "1.5", "n": 2}, "stream": [("1-1", {"f": "v"})]}
    assert factory.keys == factory.keys.as_bytes
    assert factory.keys != {}
    assert factory.keys != 7
    assert factory.database(1) == {}


@pytest.mark.parametrize(
    ("key", "expected", "message"),
    [
        ("text", "b", ["'text' is the string 'ab', not 'b'"]),
        ("text", ["ab"], ["'text' is the string 'ab', not ['ab']"]),
        ("number", True, ["'number' is the string '12', not True"]),
        ("list", ["a"], ["'list' is the list ['a', '1'], not ['a']", "    it has 2 elements, not 1"]),
        ("list", ["a", 2], ["'list' is the list ['a', '1'], not ['a', 2]", "    element 1 is '1', not 2"]),
        ("set", {"a", "c"}, [None, "    not expected: ['b']", "    missing: ['c']"]),
        ("set", ["a", "b"], [None]),
        ("hash", {"f": 2, "g": 1}, [None, "    'f' is '1', not 2", "    'g' is missing: 1"]),
        ("zset", {"m": 1.5}, [None, "    'n' is not expected: 2.0"]),
        ("zset", [("n", 2), ("m", 1.5)], [None]),
        (
            "stream",
            [("1-2", {"f": "v"})],
            ["'stream' is the stream [('1-1', {'f': 'v'})], not [('1-2', {'f': 'v'})]"],
        ),
        ("stream", [], ["'stream' is the stream [('1-1', {'f': 'v'})], not []"]),
        ("none", 1, ["'none' is missing: 1"]),
        ("none", "x" * 300, [f"'none' is missing: '{'x' * 199}... (302 characters)"]),
    ],
)
def test_differences(
    factory: ControlledFactory, key: str, expected: object, message: list[str | None]
) -> None:
    factory.seed({"zset": {"$zset": {"m": 1.5, "n": 2}}})
    found = factory.keys.differences({**factory.keys.as_dict(), key: expected})
    assert len(found) == len(message)
    assert [line for line, wanted in zip(found, message) if wanted is not None] == list(filter(None, message))
    assert found[0].startswith(f"{key!r} is ")


def test_a_key_too_many(factory: ControlledFactory) -> None:
    everything = factory.keys.as_dict()
    factory.keys["more"] = b"\xff"
    assert factory.keys.differences(everything) == ["'more' is not expected: the string b'\\xff'"]


def test_changing(factory: ControlledFactory) -> None:
    keys = factory.keys
    keys["list"] = ["x"]
    keys.update({"new": {"$value": "y", "$ttl": 10}})
    factory.database(3)["elsewhere"] = 1
    assert factory.dump()["$databases"] == {"3": {"elsewhere": "1"}}
    assert keys["list"] == ["x"]
    assert keys.ttl("new") == 10
    assert keys.ttl("list") is None
    assert (keys.type("zset"), keys.encoding("zset"), keys.encoding("number")) == ("zset", "listpack", "int")
    factory.clock.advance(11)
    assert "new" not in keys
    del keys["list"]
    with pytest.raises(KeyError):
        del keys["list"]
    keys.clear()
    assert keys == {}
    assert factory.dump_text() == "SELECT 3\nSET elsewhere 1\n"


def test_looking_leaves_no_trace(factory: ControlledFactory) -> None:
    keyspace = factory.server.keyspace
    before = keyspace.hits, keyspace.misses, dict(keyspace.databases[0].accessed)
    factory.clock.advance(100)
    factory.keys.as_dict()
    assert factory.keys["text"] == "ab"
    assert (keyspace.hits, keyspace.misses, keyspace.databases[0].accessed) == before
