"""A server within the test's process that has files, and a clock that the test moves."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock

from twisted_resp import RespFactory
from twisted_resp.errors import CommandError
from twisted_resp.persistence.append_only_loading import commands_in
from twisted_resp.persistence.loading import load_now
from twisted_resp.scripting.interpreter import available

__all__ = ["START", "Server"]

#: What the clock shows in the beginning: Unix time (s).
START = 1_700_000_000


class Server:
    """One server.

    :param directory: where its files are.
    :param start: what the clock shows.
    :param clock: another one than a ``task.Clock``, at zero.
    """

    def __init__(self, directory: Path, start: float = START, clock: Any = None) -> None:
        self.clock = clock or Clock()
        self.clock.advance(start)
        self.factory = RespFactory(clock=self.clock, random_seed=1)
        self.server = self.factory.server
        self.server.directory = bytes(directory)
        self.saving: Any = self.server.saving
        self.file = directory / "dump.rdb"
        self.directory = directory / "appendonlydir"

    def call(self, *args: object) -> Any:
        """Run a command and return its reply as plain Python; raises CommandError."""
        results: list[Any] = []
        self.factory.call(*args).addBoth(results.append)
        if isinstance(getattr(results[0], "value", None), CommandError):
            raise results[0].value
        return results[0]

    def fill(self, commands: Iterable[Sequence[object]]) -> None:
        """Run commands; scripts where there is Lua."""
        for words in commands:
            if words[0] != "EVAL" or available():
                self.call(*words)

    def digest(self) -> bytes:
        """What DEBUG DIGEST answers."""
        return bytes(self.call("DEBUG", "DIGEST"))

    def info(self, name: str) -> str:
        """A field of INFO persistence."""
        text: str = self.call("INFO", "persistence").decode()
        return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)[name]

    # -- the append-only file

    @property
    def files(self) -> list[str]:
        """The names of its files."""
        return sorted(os.listdir(self.directory))

    def written(self, name: str = "appendonly.aof.1.incr.aof") -> list[list[bytes]]:
        """The commands in one of them."""
        return [command for command, _, _ in commands_in((self.directory / name).read_bytes())]

    def start(self) -> Server:
        """Load the append-only file, and write to it from now on."""
        self.server.configuration[b"appendonly"] = True
        load_now(self.server.append_only.start())
        return self
