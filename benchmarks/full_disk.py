"""What happens on a disk that is full, and when there is room again: this server beside redis-server, line by line.

    sudo python benchmarks/full_disk.py

Each server gets a small file system in memory, which only root may mount. It is filled but for half a megabyte; then
the server writes until that is full as well. Where both answer the same the line is printed once.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import redis

VALUE = "v" * 10_000


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Disk:
    """A file system of some megabytes."""

    def __init__(self, megabytes: int) -> None:
        self.path = Path(tempfile.mkdtemp())
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", self.path], check=True)

    def fill(self, left: int) -> None:
        """Leave so many bytes."""
        state = os.statvfs(self.path)
        (self.path / "ballast").write_bytes(bytes(state.f_bavail * state.f_frsize - left))

    def make_room(self) -> None:
        """Let there be room again."""
        (self.path / "ballast").unlink()

    def close(self) -> None:
        """Take it away."""
        subprocess.run(["umount", self.path], check=True)
        self.path.rmdir()


class Server:
    """A server on such a disk."""

    def __init__(self, command: list[str], disk: Disk, *options: str) -> None:
        self.port = free_port()
        command = [
            *command,
            "--port",
            str(self.port),
            "--dir",
            str(disk.path),
            "--rdbcompression",
            "no",
            *options,
        ]
        command += ["--enable-debug-command", "local"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.client: Any = redis.Redis(port=self.port, socket_timeout=30)
        for _ in range(600):
            try:
                self.client.dbsize()
                return
            except redis.ConnectionError:
                time.sleep(0.05)
        raise SystemExit("the server does not start")

    def ask(self, *words: object) -> str:
        """The reply, or the error, in short."""
        try:
            return str(self.client.execute_command(*words))[:60]
        except redis.RedisError as error:
            # Of a connection that is lost only that it is.
            return type(error).__name__ if isinstance(error, redis.ConnectionError) else str(error)[:60]

    def fill(self, most: int = 1000) -> list[str]:
        """Write keys until one is refused; answers those that were not."""
        written: list[str] = []
        while len(written) < most and self.ask("SET", f"key:{len(written)}", VALUE) == "True":
            written.append(f"key:{len(written)}")
        return written

    def fact(self, name: str) -> object:
        """A field of INFO persistence."""
        return self.client.info("persistence")[name]

    def wait_for(self, field: str) -> None:
        """Wait until something in the background is over."""
        while self.fact(field):
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a loss of power does, for the process."""
        self.process.kill()
        self.process.wait()


def append_only_file(command: list[str], policy: str) -> list[str]:
    """Writes that do not fit into the append-only file."""
    disk = Disk(8)
    options = ("--appendonly", "yes", "--appendfsync", policy, "--save", "")
    server = Server(command, disk, *options)
    disk.fill(500_000)
    written = server.fill()
    lines = [f"acknowledged before the first error: {len(written)}", f"then SET: {server.ask('SET', 'x', 1)}"]
    time.sleep(0.5)
    ended = server.process.poll()
    lines.append(f"the process: {'runs' if ended is None else f'has ended with {ended}'}")
    if ended is None:
        lines += [
            f"{word}: {server.ask(*word.split())[:50]}" for word in ("PING", "EXISTS key:1", "DEL key:0")
        ]
        lines.append(f"aof_last_write_status: {server.fact('aof_last_write_status')}")
    disk.make_room()
    if ended is None:
        time.sleep(1.5)
        lines.append(f"with room again, SET: {server.ask('SET', 'after', 1)}")
        lines.append(f"aof_last_write_status: {server.fact('aof_last_write_status')}")
        time.sleep(1.5)
    server.kill()
    server = Server(command, disk, *options)
    lost = [key for key in written if not server.client.exists(key)]
    lines.append(f"after another start acknowledged keys are missing: {len(lost)}")
    server.kill()
    disk.close()
    return lines


def snapshot(command: list[str]) -> list[str]:
    """A snapshot that does not fit."""
    disk = Disk(8)
    server = Server(command, disk, "--save", "3600 1000000")
    server.fill(50)
    server.client.save()
    before = (disk.path / "dump.rdb").read_bytes()
    server.fill(300)
    disk.fill(500_000)
    lines = [
        f"SAVE: {server.ask('SAVE')!r}",
        f"then SET: {server.ask('SET', 'x', 1)}",
        f"BGSAVE: {server.ask('BGSAVE')}",
    ]
    server.wait_for("rdb_bgsave_in_progress")
    lines += [f"{word}: {server.ask(*word.split())}" for word in ("SET x 2", "PING", "GET x")]
    lines.append(f"rdb_last_bgsave_status: {server.fact('rdb_last_bgsave_status')}")
    lines.append(
        f"the old snapshot: {'as it was' if (disk.path / 'dump.rdb').read_bytes() == before else 'gone'}"
    )
    lines.append(f"files: {sorted(path.name for path in disk.path.iterdir())}")
    disk.make_room()
    server.ask("BGSAVE")
    server.wait_for("rdb_bgsave_in_progress")
    time.sleep(0.3)
    lines.append(f"with room again, after BGSAVE, SET: {server.ask('SET', 'x', 3)}")
    server.kill()
    disk.close()
    return lines


def rewrite(command: list[str], preamble: str) -> list[str]:
    """A rewrite of the append-only file that does not fit."""
    disk = Disk(16)
    options = ("--appendonly", "yes", "--save", "", "--aof-use-rdb-preamble", preamble)
    server = Server(command, disk, *options)
    server.fill(300)
    disk.fill(500_000)
    lines = [f"BGREWRITEAOF: {server.ask('BGREWRITEAOF')}"]
    server.wait_for("aof_rewrite_in_progress")
    lines.append(f"aof_last_bgrewrite_status: {server.fact('aof_last_bgrewrite_status')}")
    lines.append(f"SET: {server.ask('SET', 'y', 1)}")
    lines.append(f"files: {sorted(path.name for path in (disk.path / 'appendonlydir').iterdir())}")
    disk.make_room()
    server.ask("BGREWRITEAOF")
    time.sleep(0.3)
    server.wait_for("aof_rewrite_in_progress")
    lines.append(f"with room again: {server.fact('aof_last_bgrewrite_status')}")
    lines.append(f"files: {sorted(path.name for path in (disk.path / 'appendonlydir').iterdir())}")
    server.ask("SET", "z", 1)
    digest = server.client.execute_command("DEBUG", "DIGEST")
    time.sleep(1.5)
    server.kill()
    server = Server(command, disk, *options)
    same = server.client.execute_command("DEBUG", "DIGEST") == digest
    lines.append(f"after another start the data are {'the same' if same else 'others'}")
    server.kill()
    disk.close()
    return lines


def main() -> None:
    """Compare; ends with 1 where the two differ."""
    ours = [sys.executable, "-m", "twisted_resp"]
    different = 0
    scenes: list[tuple[str, Any, tuple[str, ...]]] = [
        *(
            (f"append-only file, appendfsync {policy}", append_only_file, (policy,))
            for policy in ("always", "everysec", "no")
        ),
        ("snapshot", snapshot, ()),
        *((f"BGREWRITEAOF, aof-use-rdb-preamble {word}", rewrite, (word,)) for word in ("yes", "no")),
    ]
    for title, scene, arguments in scenes:
        print(f"\n{title}")
        for theirs, mine in zip(scene(["redis-server"], *arguments), scene(ours, *arguments)):
            if theirs == mine:
                print(f"  {mine}")
            else:
                different += 1
                print(f"  redis-server: {theirs}\n  resp-server:  {mine}")
    print(f"\n{different} differences")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
