"""A server within the test, on a clock that stands still until the test moves it."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from twisted_resp import RespFactory
from twisted_resp.errors import CommandError
from twisted_resp.keyspace.database import Database


class Engine:
    """A server, what it is asked, and what it tells."""

    #: Unix time in seconds when a test begins.
    START = 1_700_000_000

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.advance(self.START)
        self.factory = RespFactory(clock=self.clock, seed=1)
        self.server = self.factory.server

    @property
    def now(self) -> int:
        """Unix time in milliseconds."""
        return int(self.clock.seconds() * 1000)

    def call(self, *args: object) -> Any:
        """Run a command and return its reply as plain Python; raises CommandError."""
        results: list[Any] = []
        errors: list[Any] = []
        self.factory.call(*args).addCallbacks(results.append, errors.append)
        if errors:
            errors[0].raiseException()
        assert results, f"{args[0]!r} blocks"
        return results[0]

    def error(self, *args: object) -> bytes:
        """Run a command that must fail and return the error."""
        with pytest.raises(CommandError) as raised:
            self.call(*args)
        return raised.value.message

    def database(self, index: int = 0) -> Database:
        return self.server.keyspace.databases[index]

    def events(self) -> list[tuple[bytes, bytes]]:
        """Start to collect keyspace events: (event, key)."""
        seen: list[tuple[bytes, bytes]] = []
        self.server.keyspace.on_event.append(lambda database, key, event, group: seen.append((event, key)))
        return seen

    def effects(self) -> list[list[bytes]]:
        """Start to collect what persistence and replicas would be told."""
        seen: list[list[bytes]] = []
        self.server.effects.add_listener(lambda unit: seen.extend(command for _, command in unit))
        return seen


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture(scope="session")
def engine_class() -> type[Engine]:
    """For tests which need several of them, as those with Hypothesis."""
    return Engine
