"""Run many scripts and watch the server's memory: does anything stay of them?

``same`` is one script again and again; ``different`` are texts of their own, of which the server keeps the last 500, as
Redis 7.4; ``evalsha`` is one that was loaded; ``functions`` calls a function; ``failing`` ends with an error each time;
``coroutines`` and ``tables`` make garbage in Lua and pass tables both ways. Ends with 1 where the second half of a run
has taken more memory than ``--allowed`` says.

    python benchmarks/script_memory.py --count 1000000 --kinds same different
"""

from __future__ import annotations

import argparse
import hashlib
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from twisted_resp.testing.process import ServerProcess

BATCH = 500
LOADED = "return redis.call('incr', KEYS[1])"
SHA = hashlib.sha1(LOADED.encode()).hexdigest()
LIBRARY = "#!lua name=l\nredis.register_function('f', function(keys) return redis.call('incr', keys[1]) end)"
COROUTINES = """
local co = coroutine.wrap(function(n) while true do n = coroutine.yield({n, tostring(n)}) end end)
local t = co(ARGV[1])
return cjson.encode({t, co(2), setmetatable({}, {__index = t})})
"""
TABLES = """
redis.call('rpush', KEYS[1], ARGV[1], 'b', 'c')
local items = redis.call('lrange', KEYS[1], -3, -1)
redis.call('del', KEYS[1])
return {items, {ok = 'fine'}, cmsgpack.unpack(cmsgpack.pack(items))}
"""

#: The words of the n-th call.
KINDS: dict[str, Callable[[int], list[str]]] = {
    "same": lambda number: ["EVAL", LOADED, "1", "n"],
    "different": lambda number: ["EVAL", f"return redis.call('incr', KEYS[1]) + {number}", "1", "n"],
    "evalsha": lambda number: ["EVALSHA", SHA, "1", "n"],
    "functions": lambda number: ["FCALL", "f", "1", "n"],
    "failing": lambda number: ["EVAL", "return redis.call('lpush', KEYS[1], 'x')", "1", "n"],
    "coroutines": lambda number: ["EVAL", COROUTINES, "1", "n", str(number)],
    "tables": lambda number: ["EVAL", TABLES, "1", "l", str(number)],
}


def encoded(words: list[str]) -> bytes:
    """A request."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word.encode()
        parts += [b"$%d\r\n" % len(data), data, b"\r\n"]
    return b"".join(parts)


class Load:
    """A connection that sends calls in pipelines and reads the replies, whatever they are."""

    def __init__(self, server: ServerProcess) -> None:
        self._socket = socket.create_connection((server.host, server.port))
        self._replies = self._socket.makefile("rb")

    def ask(self, *words: str) -> Any:
        """One command."""
        self._socket.sendall(encoded(list(words)))
        return self._reply()

    def run(self, calls: list[list[str]]) -> None:
        """Many in one go."""
        self._socket.sendall(b"".join(map(encoded, calls)))
        for _ in calls:
            self._reply()

    def close(self) -> None:
        """Hang up."""
        self._replies.close()
        self._socket.close()

    def _reply(self) -> Any:
        line = self._replies.readline()
        mark, rest = line[:1], line[1:-2]
        if mark == b"$":
            return self._replies.read(int(rest) + 2)[:-2] if rest != b"-1" else None
        if mark == b"*":
            return [self._reply() for _ in range(int(rest))]
        return rest


def resident(pid: int) -> float:
    """The memory of a process, in MiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


def lua(load: Load) -> str:
    """What INFO says of Lua's memory, and of the scripts that are kept."""
    info = dict(line.split(b":", 1) for line in load.ask("INFO", "memory").split(b"\r\n") if b":" in line)
    used = int(info[b"used_memory_vm_eval"]) + int(info[b"used_memory_vm_functions"])
    return f"Lua {used / 1024:.0f} KiB, {info[b'number_of_cached_scripts'].decode()} scripts"


def measured(kind: str, count: int) -> Iterator[float]:
    """Run scripts of a kind, and measure ten times on the way."""
    with ServerProcess() as server:
        load = Load(server)
        load.ask("SCRIPT", "LOAD", LOADED)
        load.ask("FUNCTION", "LOAD", LIBRARY)
        load.ask("SET", "n", "0")
        call, done, began = KINDS[kind], 0, time.perf_counter()
        for part in range(1, 11):
            while done < count * part // 10:
                size = min(BATCH, count * part // 10 - done)
                load.run([call(number) for number in range(done, done + size)])
                done += size
            used = resident(server.pid)
            rate = done / (time.perf_counter() - began)
            print(
                f"{kind:12}{done:>10} scripts{used:>9.2f} MiB  {lua(load)}, {rate:.0f} a second", flush=True
            )
            yield used
        load.close()


def main() -> int:
    """Run what the options ask for; 1 if memory grew."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--count", type=int, default=1_000_000, help="scripts of each kind (default: %(default)s)"
    )
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="(default: all)")
    parser.add_argument(
        "--allowed",
        type=float,
        default=1.0,
        help="MiB that the second half may take more (default: %(default)s)",
    )
    options = parser.parse_args()
    grown = []
    for kind in options.kinds:
        used = list(measured(kind, options.count))
        if used[-1] - used[4] > options.allowed:
            grown.append(kind)
    print("grown: " + ", ".join(grown) if grown else "nothing has grown")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
