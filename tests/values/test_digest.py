"""Digests: of what they depend, and that they are those of Redis."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_resp.values.digest import digest_of_database, digest_of_value, in_hex
from twisted_resp.values.hash import Hash
from twisted_resp.values.limits import Limits
from twisted_resp.values.list import List
from twisted_resp.values.set import Set
from twisted_resp.values.sorted_set import SortedSet
from twisted_resp.values.stream import Stream

LIMITS = Limits()
INFINITY = float("inf")


def make_stream() -> Stream:
    made = Stream(LIMITS)
    made.append((1, 2), (b"f", b"v"))
    return made


#: How Redis is told to make a value, and the value.
VALUES: dict[str, tuple[str, Any]] = {
    "string": ("SET string v", b"v"),
    "list": ("RPUSH list a 1 a", List.of(LIMITS, [b"a", b"1", b"a"])),
    "set": ("SADD set 1 a", Set.of(LIMITS, [b"a", b"1"])),
    "zset": ("ZADD zset 1.1 a inf b", SortedSet.of(LIMITS, [(b"b", INFINITY), (b"a", 1.1)])),
    "hash": ("HSET hash f v g 1", Hash.load(LIMITS, {b"g": b"1", b"f": b"v"}, b"listpack")),
    "stream": ("XADD stream 1-2 f v", make_stream()),
}


def test_as_redis(reference: Any) -> None:
    reference.flushall()
    items = []
    for number, (key, (command, value)) in enumerate(VALUES.items()):
        reference.execute_command(*command.split())
        expires = number % 2 == 1
        if expires:
            reference.execute_command("EXPIRE", key, 1000)
        items.append((key.encode(), value, expires))
        shown = in_hex(digest_of_value(value, expires))
        assert reference.execute_command("DEBUG", "DIGEST-VALUE", key) == [shown]
    shown = in_hex(digest_of_database(0, reversed(items)))
    assert reference.execute_command("DEBUG", "DIGEST") == shown


@pytest.mark.parametrize(("kind", "equal"), [(List, False), (Set, True)])
def test_an_order_matters_where_there_is_one(kind: Any, equal: bool) -> None:
    one, other = kind.of(LIMITS, [b"a", b"b"]), kind.of(LIMITS, [b"b", b"a"])
    assert (digest_of_value(one, False) == digest_of_value(other, False)) is equal


def test_expiry_matters() -> None:
    assert digest_of_value(b"v", True) != digest_of_value(b"v", False)
    lasting = Hash.load(LIMITS, {b"f": b"v"}, b"listpack")
    passing = Hash.load(LIMITS, {b"f": b"v"}, b"listpack", {b"f": 10**13})
    assert digest_of_value(lasting, False) != digest_of_value(passing, False)


def test_the_form_of_a_string_does_not() -> None:
    assert digest_of_value(bytearray(b"12"), False) == digest_of_value(b"12", False)


@pytest.mark.parametrize("digest", [0, 2**160 - 1])
def test_in_hex(digest: int) -> None:
    assert len(in_hex(digest)) == 40
