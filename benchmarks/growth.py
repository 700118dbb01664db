"""How the cost of an operation grows from a thousand elements to a million.

Each operation is called within this process (no sockets) on a value, or a keyspace, of each size, at places chosen at
random; the figure is the least mean of some rounds, in microseconds a call. What takes O(1) or O(log n) stays nearly
where it was: it may grow by what a larger value costs in cache misses, some two- to fourfold. The last column says by
how much it grew from the smallest to the largest size; ``--limit`` makes a greater growth an error.

    python benchmarks/growth.py [--sizes 1000,1000000] [--only ZRANK,SCAN] [--limit 8]
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from random import Random
from typing import NamedTuple

from twisted_resp import RespFactory
from twisted_resp.errors import CommandError

CALLS = 100
ROUNDS = 7
BATCH = 1000

Words = tuple[object, ...]


class Operation(NamedTuple):
    """What is measured: a name, what it is called on, and the commands of one call at a random element."""

    name: str
    on: str
    cost: str
    make: Callable[[int, int], list[Words]]


def member(number: int) -> bytes:
    return b"member:%08d" % number


# Each makes the commands of one call, given the size and a random number below it. What adds takes away again.
OPERATIONS = [
    Operation("GET", "keys", "O(1)", lambda n, i: [("GET", member(i))]),
    Operation("SET", "keys", "O(1)", lambda n, i: [("SET", member(i), "value")]),
    Operation("DEL, SET", "keys", "O(1)", lambda n, i: [("DEL", member(i)), ("SET", member(i), "v")]),
    Operation("EXPIRE", "keys", "O(log n)", lambda n, i: [("EXPIRE", member(i), 1000 + i)]),
    Operation("RANDOMKEY", "keys", "O(1)", lambda n, i: [("RANDOMKEY",)]),
    Operation("SCAN", "keys", "O(COUNT)", lambda n, i: [("SCAN", i)]),
    Operation("LPUSH, LPOP", "list", "O(1)", lambda n, i: [("LPUSH", "list", "x"), ("LPOP", "list")]),
    Operation("RPUSH, RPOP", "list", "O(1)", lambda n, i: [("RPUSH", "list", "x"), ("RPOP", "list")]),
    Operation("RPOPLPUSH", "list", "O(1)", lambda n, i: [("RPOPLPUSH", "list", "list")]),
    Operation("LINDEX 0", "list", "O(1)", lambda n, i: [("LINDEX", "list", 0)]),
    Operation("LINDEX -1", "list", "O(1)", lambda n, i: [("LINDEX", "list", -1)]),
    Operation("LRANGE -10 -1", "list", "O(1)", lambda n, i: [("LRANGE", "list", -10, -1)]),
    Operation("LLEN", "list", "O(1)", lambda n, i: [("LLEN", "list")]),
    Operation("SADD, SREM", "set", "O(1)", lambda n, i: [("SADD", "set", "x"), ("SREM", "set", "x")]),
    Operation("SISMEMBER", "set", "O(1)", lambda n, i: [("SISMEMBER", "set", member(i))]),
    Operation("SPOP, SADD", "set", "O(1)", lambda n, i: [("SPOP", "set"), ("SADD", "set", member(n + i))]),
    Operation("SRANDMEMBER", "set", "O(1)", lambda n, i: [("SRANDMEMBER", "set")]),
    Operation("SRANDMEMBER 10", "set", "O(10)", lambda n, i: [("SRANDMEMBER", "set", 10)]),
    Operation("SSCAN", "set", "O(COUNT)", lambda n, i: [("SSCAN", "set", i)]),
    Operation("HGET", "hash", "O(1)", lambda n, i: [("HGET", "hash", member(i))]),
    Operation("HSET", "hash", "O(1)", lambda n, i: [("HSET", "hash", member(i), "v")]),
    Operation(
        "HSET, HDEL", "hash", "O(1)", lambda n, i: [("HSET", "hash", "x", "y"), ("HDEL", "hash", "x")]
    ),
    Operation("HINCRBY", "hash", "O(1)", lambda n, i: [("HINCRBY", "hash", "counter", 1)]),
    Operation(
        "HEXPIRE", "hash", "O(log n)", lambda n, i: [("HEXPIRE", "hash", 1000, "FIELDS", 1, member(i))]
    ),
    Operation("HRANDFIELD", "hash", "O(1)", lambda n, i: [("HRANDFIELD", "hash")]),
    Operation("HSCAN", "hash", "O(COUNT)", lambda n, i: [("HSCAN", "hash", i)]),
    Operation("ZSCORE", "zset", "O(1)", lambda n, i: [("ZSCORE", "zset", member(i))]),
    Operation("ZRANK", "zset", "O(log n)", lambda n, i: [("ZRANK", "zset", member(i))]),
    Operation("ZADD: change, ZRANK", "zset", "O(log n)", lambda n, i: [
        ("ZADD", "zset", (i * 7919) % n, member(i)), ("ZRANK", "zset", member(n - 1 - i))]),
    Operation("ZADD, ZREM", "zset", "O(log n)", lambda n, i: [("ZADD", "zset", i, "x"), ("ZREM", "zset", "x")]),
    Operation("ZRANGE: 10 ranks", "zset", "O(log n)", lambda n, i: [("ZRANGE", "zset", i, i + 9)]),
    Operation("ZRANGE BYSCORE", "zset", "O(log n)", lambda n, i: [("ZRANGE", "zset", i, i + 10, "BYSCORE")]),
    Operation("ZRANGE ... LIMIT i 10", "zset", "O(log n)", lambda n, i: [
        ("ZRANGE", "zset", "-inf", "inf", "BYSCORE", "LIMIT", i, 10)]),
    Operation("ZCOUNT", "zset", "O(log n)", lambda n, i: [("ZCOUNT", "zset", i // 2, i)]),
    Operation("ZPOPMIN, ZADD", "zset", "O(log n)", lambda n, i: [
        ("ZPOPMIN", "zset"), ("ZADD", "zset", i, member(n + i))]),
    Operation("ZRANDMEMBER", "zset", "O(1)", lambda n, i: [("ZRANDMEMBER", "zset")]),
    Operation("ZSCAN", "zset", "O(COUNT)", lambda n, i: [("ZSCAN", "zset", i)]),
    Operation("ZRANGE BYLEX", "lex", "O(log n)", lambda n, i: [
        ("ZRANGE", "lex", b"[" + member(i), b"+", "BYLEX", "LIMIT", 0, 10)]),
    Operation("XRANGE: 10 from an id", "stream", "O(log n)", lambda n, i: [
        ("XRANGE", "stream", f"{i}-0", "+", "COUNT", 10)]),
    Operation("XREVRANGE: last 10", "stream", "O(1)", lambda n, i: [
        ("XREVRANGE", "stream", "+", "-", "COUNT", 10)]),
    Operation("XREAD: 10 from an id", "stream", "O(log n)", lambda n, i: [
        ("XREAD", "COUNT", 10, "STREAMS", "stream", f"{i}-0")]),
    Operation("XADD", "stream", "O(1)", lambda n, i: [("XADD", "stream", "*", "field", "value")]),
    Operation("XDEL", "stream", "O(log n)", lambda n, i: [("XDEL", "stream", f"{i}-0")]),
    Operation("SETRANGE", "string", "O(1)", lambda n, i: [("SETRANGE", "string", i, "x")]),
    Operation("GETRANGE", "string", "O(1)", lambda n, i: [("GETRANGE", "string", i, i + 9)]),
    Operation("APPEND", "string", "O(1)", lambda n, i: [("APPEND", "string", "x")]),
    Operation("SETBIT", "string", "O(1)", lambda n, i: [("SETBIT", "string", i, 1)]),
]  # fmt: skip


class Server:
    """A server in this process."""

    def __init__(self) -> None:
        self.client = RespFactory(random_seed=1).client().client

    def call(self, *words: object) -> None:
        """Run a command.

        :raises CommandError: it was answered with an error.
        """
        reply = self.client.execute(self.client, encoded(words))
        if isinstance(reply, CommandError):
            raise reply


def encoded(words: Words) -> list[bytes]:
    return [word if isinstance(word, bytes) else str(word).encode() for word in words]


def batches(words: Iterable[object], size: int) -> Iterator[list[object]]:
    iterator = iter(words)
    while batch := list(islice(iterator, size)):
        yield batch


def fill(server: Server, on: str, size: int) -> None:
    """Make what operations are called on, with so many elements."""
    if on == "keys":
        for words in batches((word for i in range(size) for word in (member(i), b"value")), 2 * BATCH):
            server.call("MSET", *words)
    elif on == "list":
        for words in batches(map(member, range(size)), BATCH):
            server.call("RPUSH", "list", *words)
    elif on == "set":
        for words in batches(map(member, range(size)), BATCH):
            server.call("SADD", "set", *words)
    elif on == "hash":
        for words in batches((word for i in range(size) for word in (member(i), b"value")), 2 * BATCH):
            server.call("HSET", "hash", *words)
    elif on == "zset":
        for words in batches((word for i in range(size) for word in (i, member(i))), 2 * BATCH):
            server.call("ZADD", "zset", *words)
    elif on == "lex":
        for words in batches((word for i in range(size) for word in (0, member(i))), 2 * BATCH):
            server.call("ZADD", "lex", *words)
    elif on == "stream":
        for i in range(1, size + 1):
            server.call("XADD", "stream", f"{i}-0", "field", "value")
    else:
        server.call("SET", "string", b"x" * size)
        server.call("APPEND", "string", b"x")  # what is changed by bytes is a buffer from then on


def measure(server: Server, operation: Operation, size: int, random: Random) -> float:
    """The cost of a call, in microseconds."""
    execute, client = server.client.execute, server.client
    least = float("inf")
    for turn in range(ROUNDS + 1):
        calls = [
            encoded(words) for _ in range(CALLS) for words in operation.make(size, random.randrange(1, size))
        ]
        start = time.perf_counter()
        replies = [execute(client, words) for words in calls]
        spent = time.perf_counter() - start
        failed = [reply for reply in replies if isinstance(reply, CommandError)]
        if failed:
            raise failed[0]
        if turn:  # the first makes what is only made when it is first needed
            least = min(least, spent / CALLS * 1e6)
    return least


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sizes", default="1000,10000,100000,1000000", help="default: %(default)s")
    parser.add_argument("--only", default="", help="operations whose names begin so, with commas between")
    parser.add_argument("--limit", type=float, default=0, help="the greatest growth allowed; 0 for any")
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    beginnings = tuple(options.only.split(","))
    chosen = [operation for operation in OPERATIONS if operation.name.startswith(beginnings)]
    table: dict[str, list[float]] = {operation.name: [] for operation in chosen}
    for on in dict.fromkeys(operation.on for operation in chosen):
        for size in sizes:
            server = Server()
            fill(server, on, size)
            gc.collect()
            gc.freeze()
            for operation in chosen:
                if operation.on == on:
                    table[operation.name].append(measure(server, operation, size, Random(size)))
            del server
            gc.unfreeze()
            gc.collect()
    print(f"{'us a call':24}{'':10}" + "".join(f"{size:>10}" for size in sizes) + f"{'growth':>8}")
    worst = 0.0
    for operation in chosen:
        figures = table[operation.name]
        growth = figures[-1] / figures[0]
        worst = max(worst, growth)
        print(
            f"{operation.name:24}{operation.cost:10}"
            + "".join(f"{figure:>10.2f}" for figure in figures)
            + f"{growth:>8.1f}"
        )
    return 1 if options.limit and worst > options.limit else 0


if __name__ == "__main__":
    sys.exit(main())
