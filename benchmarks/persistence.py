"""Saving and loading beside redis-server: how long it takes, how much memory, how long clients wait meanwhile.

    python benchmarks/persistence.py --keys 1000000

A redis-server is filled with keys of all types and encodings and saves them, as a snapshot and as an append-only file
of either form. Then both servers load and save the same files, in processes of their own. Beside the times:

- *memory*: what the process takes when all is loaded, and the most that it took until then (MB);
- *pause*: the longest time (ms) that a client in this process waited for the reply to a PING, while nothing happens and
  while a BGSAVE runs: in a child, and, for this server, in turns of the reactor, as within somebody else's process;
- *CPU*: the seconds of processor time, where others use the machine as well;
- with ``--digests``, whether what is loaded is the same: DEBUG DIGEST, libraries of functions, and of every fiftieth
  key the encoding and the time at which it expires. Also for what one writes and the other loads.

    python benchmarks/persistence.py --digests --beside valkey=/opt/valkey/bin/valkey-server

compares, beside that, with what other builds write and load.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import redis

EMBEDDED = """
import sys
from twisted.internet import reactor
from twisted_resp import RespFactory
factory = RespFactory()
factory.server.directory = sys.argv[2].encode()
factory.server.saving.load()
reactor.listenTCP(int(sys.argv[1]), factory, interface="127.0.0.1")
reactor.run()
"""
# Makes nine copies of every key of a database: quicker than to send them.
MULTIPLY = """
for _, key in ipairs(redis.call('KEYS', '*')) do
    for copy = 1, 9 do redis.call('COPY', key, key .. ':' .. copy) end
end
"""
LIBRARY = (
    "#!lua name=library\nredis.register_function('f', function(keys) return redis.call('GET', keys[1]) end)"
)


# ------------------------------------------------------------------------------------------------------ the data


def commands(keys: int) -> Iterator[list[object]]:
    """Commands that make so many keys, of all types and encodings, in three databases."""
    chance = random.Random(1)
    text = "the quick brown fox jumps over the lazy dog "

    def some(bits: int) -> int:
        return chance.getrandbits(bits)

    def long() -> str:
        return text * (1 + some(2)) + str(some(40)) * 2

    kinds: list[tuple[int, Callable[[str], list[list[object]]]]] = [
        (15, lambda key: [["SET", key, some(30)]]),
        (15, lambda key: [["SET", key, f"value {some(60)}"]]),
        (10, lambda key: [["SET", key, long()]]),
        (1, lambda key: [["SET", key, long() * 20]]),
        (2, lambda key: [["SETBIT", key, 100 + some(8), 1]]),
        (10, lambda key: [["HSET", key, *(word for n in range(4) for word in (f"field{n}", some(30)))]]),
        (2, lambda key: [["HSET", key, "a", long() * 2, "b", "x"]]),
        (8, lambda key: [["RPUSH", key, *(f"element {some(20)}" for _ in range(5))]]),
        (1, lambda key: [["RPUSH", key, *(long() for _ in range(100))]]),
        (8, lambda key: [["SADD", key, *(some(12) for _ in range(6))]]),
        (8, lambda key: [["SADD", key, *(f"member {some(20)}" for _ in range(4))]]),
        (10, lambda key: [["ZADD", key, *(word for n in range(4) for word in (some(20) / 8, f"m{n}"))]]),
        (1, lambda key: [["ZADD", key, *(word for n in range(150) for word in (some(30), f"m{n}"))]]),
        (1, lambda key: [["GEOADD", key, "13.36", "38.11", "Palermo", "15.08", "37.5", "Catania"]]),
        (1, lambda key: [["PFADD", key, *(some(30) for _ in range(5))]]),
        (
            4,
            lambda key: [
                ["XADD", key, "1-1", "sensor", some(8), "value", some(30)],
                ["XADD", key, "2-1", "sensor", some(8), "value", some(30)],
                ["XADD", key, "3-1", "other", "x"],
            ],
        ),
        (
            1,
            lambda key: [
                *(["XADD", key, f"{n}-1", "sensor", some(8)] for n in range(1, 9)),
                ["XDEL", key, "2-1"],
                ["XGROUP", "CREATE", key, "group", "1-1"],
                ["XREADGROUP", "GROUP", "group", "ann", "COUNT", 2, "STREAMS", key, ">"],
                ["XREADGROUP", "GROUP", "group", "bob", "COUNT", 1, "STREAMS", key, ">"],
            ],
        ),
    ]
    deck = [kind for weight, kind in kinds for _ in range(weight)]
    yield ["FUNCTION", "LOAD", LIBRARY]
    for number in range(keys):
        if number % (keys // 4 + 1) == 0:
            yield ["SELECT", (0, 3, 0, 9)[number // (keys // 4 + 1)]]
        key = f"key:{number:07}"
        yield from chance.choice(deck)(key)
        if number % 10 == 0:
            yield ["PEXPIREAT", key, 4_000_000_000_000 + number]
        elif number % 1000 == 1:
            yield ["TOUCH", key]


def fill(port: int, keys: int) -> None:
    """Send the commands, many at a time."""
    connection = socket.create_connection(("127.0.0.1", port))
    stream = connection.makefile("rb")
    batch: list[bytes] = []

    def send() -> None:
        connection.sendall(b"".join(batch) + b"*2\r\n$4\r\nECHO\r\n$3\r\nend\r\n")
        for line in iter(stream.readline, b"$3\r\n"):
            if line.startswith(b"-"):
                raise SystemExit(line.decode())
        stream.readline()
        batch.clear()

    for words in commands(keys):
        parts = [b"*%d\r\n" % len(words)]
        for word in words:
            data = str(word).encode()
            parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
        batch.append(b"".join(parts))
        if len(batch) == 1000:
            send()
    send()
    connection.close()


# ------------------------------------------------------------------------------------------------------ servers


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A running server that has loaded what is in its directory.

    :ivar seconds: how long it took from the start until the data were there, less what an empty one takes.
    """

    def __init__(self, command: list[str], directory: Path, *options: str) -> None:
        self.port = free_port()
        self.directory = directory
        begin = time.perf_counter()
        if command[-1] == EMBEDDED:
            command = [*command, str(self.port), str(directory)]
        else:
            command = [*command, "--port", str(self.port), "--dir", str(directory), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.client: Any = redis.Redis(port=self.port, socket_timeout=600)
        while True:
            try:
                self.client.dbsize()
                break
            except redis.ConnectionError:
                if self.process.poll() is not None:
                    raise SystemExit(f"{command} ended") from None
                time.sleep(0.01)
        self.seconds = time.perf_counter() - begin
        self.cpu = self.cpu_seconds()

    def cpu_seconds(self) -> float:
        """The processor time that it has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> tuple[int, int]:
        """What it takes now, and the most so far (MB)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return int(fields["VmRSS"].split()[0]) // 1024, int(fields["VmHWM"].split()[0]) // 1024

    def longest_pause(
        self, under_way: Callable[[], bool], begin_it: Callable[[], object] | None = None
    ) -> tuple[float, int]:
        """The longest time (ms) until a PING was answered, and how many were.

        :param begin_it: begins what is under way, in a thread: what that costs is part of it.
        """
        thread = threading.Thread(target=begin_it) if begin_it is not None else None
        connection = socket.create_connection(("127.0.0.1", self.port))
        longest, count = 0.0, 0
        while True:
            for _ in range(100):
                begin = time.perf_counter()
                connection.sendall(b"PING\r\n")
                connection.recv(64)
                longest = max(longest, time.perf_counter() - begin)
                count += 1
                time.sleep(0.0005)
            if thread is not None:
                if thread.ident is None:
                    thread.start()
                elif not thread.is_alive():
                    thread = None
            elif not under_way():
                connection.close()
                return longest * 1000, count

    def timed(self, *words: str) -> float:
        """Run a command and return how long it took (s)."""
        begin = time.perf_counter()
        self.client.execute_command(*words)
        return time.perf_counter() - begin

    def contents(self) -> tuple[object, ...]:
        """What there is, to be compared."""
        client = self.client
        functions = repr(client.function_list(withcode=True))
        details = []
        for database in (0, 3, 9):
            client.select(database)
            names = sorted(client.scan_iter(count=10000))[::50]
            pipeline = client.pipeline(transaction=False)
            for name in names:
                pipeline.execute_command("OBJECT", "ENCODING", name)
                pipeline.execute_command("PEXPIRETIME", name)
                pipeline.type(name)
            replies = pipeline.execute()
            for encoding, expires_at, kind in zip(*(replies[place::3] for place in range(3))):
                # Redis 7.0 has no listpacks of sets and lists; and at which length a string is raw has changed.
                other = kind in (b"set", b"list", b"string") and encoding not in (b"int", b"intset")
                encoding = kind if other else encoding
                details.append((encoding, expires_at))
        client.select(0)
        return self.digest(), functions, hash(tuple(details))

    def in_background(self, command: str, field: str) -> float:
        """Begin something; return how long it took until it was over (s)."""
        begin = time.perf_counter()
        self.client.execute_command(command)
        while self.client.info("persistence")[field]:
            time.sleep(0.02)
        return time.perf_counter() - begin

    def digest(self) -> bytes:
        """What DEBUG DIGEST answers."""
        return bytes(self.client.execute_command("DEBUG", "DIGEST"))

    def stop(self) -> None:
        """End it, with nothing saved."""
        self.process.kill()
        self.process.wait()


def in_directory(root: Path, name: str, *sources: Path) -> Path:
    """A directory of that name with copies of these files."""
    directory = root / name
    directory.mkdir()
    for source in sources:
        if source.is_dir():
            shutil.copytree(source, directory / source.name)
        else:
            shutil.copy(source, directory)
    return directory


# ---------------------------------------------------------------------------------------------------- measuring


class Run:
    """All measurements of one server.

    :param made: a directory with what the redis-server has written: ``dump.rdb``, ``rdb`` and ``commands``.
    """

    def __init__(self, name: str, command: list[str], root: Path, made: Path, expected: object) -> None:
        self.name = name
        self._command = command
        self._root = root
        self._made = made
        self.expected = expected
        self.rows: dict[str, str] = {}
        self.written = root / f"{name}-written"
        self.written.mkdir()
        empty = self._start("empty")
        self._start_seconds, self._start_cpu = empty.seconds, empty.cpu
        self._empty_memory = empty.memory()[0]
        empty.stop()

    def _start(self, name: str, *sources: Path, options: tuple[str, ...] = ()) -> Server:
        directory = in_directory(self._root, f"{self.name}-{name}", *sources)
        standard = ("--save", "", "--enable-debug-command", "local")
        return Server(self._command, directory, *standard, *options)

    def _loaded(self, what: str, server: Server) -> None:
        size = sum(path.stat().st_size for path in server.directory.rglob("*") if path.is_file()) / 1e6
        seconds = server.seconds - self._start_seconds
        now, most = server.memory()
        cpu = server.cpu - self._start_cpu
        self._note(f"load {what}", f"{seconds:.1f} s ({cpu:.1f} s CPU), {size / seconds:.1f} MB/s")
        self._note(f"memory, {what}", f"{now - self._empty_memory} MB, {most - self._empty_memory} at most")
        self._compare(f"digest, {what}", server)

    def _compare(self, what: str, server: Server) -> None:
        if self.expected is not None:
            self._note(what, "equal" if server.contents() == self.expected else "DIFFERENT")

    def _note(self, what: str, figure: str) -> None:
        self.rows[what] = figure
        print(f"{self.name}: {what}: {figure}", file=sys.stderr, flush=True)

    def measure(self) -> None:
        """Load and save everything."""
        server = self._start("snapshot", self._made / "dump.rdb")
        self._loaded("snapshot", server)
        pause, _ = server.longest_pause(iter([True] * 20 + [False]).__next__)
        self._note("pause, idle", f"{pause:.1f} ms")
        self._save(server)
        server.stop()
        for form in ("rdb", "commands"):
            server = self._start(form, self._made / form / "appendonlydir", options=("--appendonly", "yes"))
            self._loaded(f"append-only file ({form})", server)
            server.client.config_set("aof-use-rdb-preamble", "yes" if form == "rdb" else "no")
            seconds = server.in_background("BGREWRITEAOF", "aof_rewrite_in_progress")
            self._note(f"BGREWRITEAOF ({form})", f"{seconds:.1f} s")
            shutil.copytree(server.directory / "appendonlydir", self.written / form / "appendonlydir")
            server.stop()
            shutil.rmtree(server.directory)

    def _save(self, server: Server) -> None:
        for compression in ("no", "yes"):
            server.client.config_set("rdbcompression", compression)
            cpu = server.cpu_seconds()
            seconds = server.timed("SAVE")
            cpu = server.cpu_seconds() - cpu
            size = (server.directory / "dump.rdb").stat().st_size / 1e6
            word = "with LZF" if compression == "yes" else "without LZF"
            self._note(
                f"SAVE {word}",
                f"{seconds:.1f} s ({cpu:.1f} s CPU), {size / seconds:.1f} MB/s, {size:.0f} MB",
            )
        shutil.copy(server.directory / "dump.rdb", self.written)
        begin = time.perf_counter()
        pause, count = server.longest_pause(
            lambda: server.client.info("persistence")["rdb_bgsave_in_progress"], server.client.bgsave
        )
        seconds = time.perf_counter() - begin
        self._note("BGSAVE in a child", f"{seconds:.1f} s")
        fork = server.client.info("stats")["latest_fork_usec"] / 1000
        self._note("pause, BGSAVE in a child", f"{pause:.1f} ms of {count} PINGs (fork {fork:.1f} ms)")

    def measure_copy(self) -> None:
        """The pause where there is no child."""
        directory = in_directory(self._root, f"{self.name}-copy", self._made / "dump.rdb")
        server = Server([sys.executable, "-c", EMBEDDED], directory)
        pause, _ = server.longest_pause(iter([True] * 20 + [False]).__next__)
        self._note("pause, idle, within another process", f"{pause:.1f} ms")
        begin = time.perf_counter()
        pause, count = server.longest_pause(
            lambda: server.client.info("persistence")["rdb_bgsave_in_progress"], server.client.bgsave
        )
        self._note("BGSAVE in turns of the reactor", f"{time.perf_counter() - begin:.1f} s")
        self._note("pause, BGSAVE in turns of the reactor", f"{pause:.1f} ms of {count} PINGs")
        server.stop()

    def load_of(self, name: str, written: Path, snapshot: str = "dump.rdb") -> None:
        """Load what another server has written, and compare."""
        for what, source, options in (
            ("snapshot", written / snapshot, ()),
            ("append-only file (rdb)", written / "rdb" / "appendonlydir", ("--appendonly", "yes")),
            (
                "append-only file (commands)",
                written / "commands" / "appendonlydir",
                ("--appendonly", "yes"),
            ),
        ):
            server = self._start(f"of-{name}-{source.parent.name}-{source.name}", source, options=options)
            self._compare(f"digest, {what} of {name}", server)
            server.stop()


def make(root: Path, name: str, command: str, keys: int, digests: bool) -> tuple[Path, object]:
    """Let a redis-server write the files; answers where they are, and what is in them."""
    made = root / f"made-{name}"
    made.mkdir()
    server = Server([command], made, "--save", "", "--enable-debug-command", "local")
    fill(server.port, keys // 10)
    for database in (0, 3, 9):
        server.client.select(database)
        server.client.eval(MULTIPLY, 0)
    server.client.select(0)
    contents = server.contents() if digests else None
    server.client.save()
    for form in ("rdb", "commands"):
        server.client.config_set("aof-use-rdb-preamble", "yes" if form == "rdb" else "no")
        server.client.config_set("appendonly", "yes")
        server.in_background("PING", "aof_rewrite_in_progress")
        (made / form).mkdir()
        shutil.copytree(made / "appendonlydir", made / form / "appendonlydir")
        server.client.config_set("appendonly", "no")
        shutil.rmtree(made / "appendonlydir")
    server.stop()
    return made, contents


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument(
        "--digests", action="store_true", help="compare the data, which takes longer than all else"
    )
    parser.add_argument("--only", choices=("redis", "ours"))
    parser.add_argument("--beside", action="append", default=[], metavar="NAME=PROGRAM")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        made, expected = make(root, "redis", "redis-server", options.keys, options.digests)
        runs = [
            Run("redis", ["redis-server"], root, made, expected),
            Run("ours", [sys.executable, "-m", "twisted_resp"], root, made, expected),
        ]
        for run in runs:
            if options.only in (None, run.name):
                run.measure()
        runs[1].measure_copy()
        if options.digests and options.only is None:
            runs[0].load_of("ours", runs[1].written)
            for each in options.beside:
                name, program = each.split("=", 1)
                written, contents = make(root, name, program, options.keys, True)
                other = Run(name, [program], root, written, expected)
                other.load_of("ours", runs[1].written)
                runs[1].expected = contents
                runs[1].load_of(name, written)
                runs.append(other)
        width = max(map(len, runs[1].rows))
        print(f"{options.keys} keys")
        for what in dict.fromkeys(
            [*runs[1].rows, *runs[0].rows, *(row for run in runs[2:] for row in run.rows)]
        ):
            print(
                f"{what:{width}}",
                *(f"{run.name}: {run.rows[what]}" for run in runs if what in run.rows),
                sep="  ",
            )


if __name__ == "__main__":
    main()
