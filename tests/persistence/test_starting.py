"""A service that loads in the turns of its reactor: what clients see meanwhile, and what a failed start leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.internet.testing import MemoryReactorClock

from tests.persistence.servers import Server
from twisted_resp.errors import CommandError
from twisted_resp.persistence import loading
from twisted_resp.service import LoadError, RespService

KEYS = 200
FILL = [("SET", f"key {number}", number) for number in range(KEYS)]


class Starting(Server):
    """A server that loads in the turns of its reactor."""

    def __init__(self, directory: Path, appendonly: bool = False) -> None:
        super().__init__(directory, clock=MemoryReactorClock())
        self.server.configuration[b"appendonly"] = appendonly
        self.service = RespService(self.factory, [], load=True)
        self.service.in_slices = True

    def turn(self) -> None:
        self.clock.advance(0)


@pytest.fixture(autouse=True)
def one_step_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_SLICE", 0.0)


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Starting]:
    """Starts servers in one directory, with as much data as takes several turns to load."""

    def start(appendonly: bool = False) -> Starting:
        starting = Starting(tmp_path, appendonly)
        starting.service.startService()
        return starting

    return start


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    server = Starting(tmp_path)
    server.fill(FILL)
    server.call("SAVE")
    return tmp_path / "dump.rdb"


def test_refused_until_the_data_are_there(start: Callable[..., Starting], snapshot: Path) -> None:
    starting = start()
    with pytest.raises(CommandError, match="LOADING"):
        starting.call("PING")
    starting.turn()
    assert starting.call("DBSIZE") == KEYS


def test_a_server_that_is_stopped_meanwhile_saves_nothing(
    start: Callable[..., Starting], snapshot: Path
) -> None:
    before = snapshot.read_bytes()
    starting = start()
    starting.server.saving.set_points(((1, 1),))
    starting.service.stopService()
    assert snapshot.read_bytes() == before
    assert not starting.clock.getDelayedCalls()


def test_what_is_wrong_further_on(
    start: Callable[..., Starting], snapshot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = snapshot.read_bytes()[:-20]
    snapshot.write_bytes(data)
    starting = start()
    starting.server.saving.set_points(((1, 1),))
    starting.turn()
    assert isinstance(starting.service.failure, LoadError)
    assert "Fatal error loading the DB" in str(starting.service.failure)
    with pytest.raises(CommandError, match="LOADING"):
        starting.call("GET", "key 1")
    starting.service.stopService()
    assert snapshot.read_bytes() == data


def test_appendonly_is_turned_off_meanwhile(start: Callable[..., Starting], tmp_path: Path) -> None:
    first = start(appendonly=True)
    first.turn()
    first.fill(FILL)
    first.service.stopService()
    starting = start(appendonly=True)
    assert starting.call("CONFIG", "SET", "appendonly", "no") == b"OK"
    starting.turn()
    assert starting.call("DBSIZE") == KEYS
    assert b"aof_enabled:0" in starting.call("INFO", "persistence")


def test_appendonly_is_turned_on_meanwhile(
    start: Callable[..., Starting], snapshot: Path, tmp_path: Path
) -> None:
    starting = start()
    assert starting.call("CONFIG", "SET", "appendonly", "yes") == b"OK"
    assert b"aof_enabled:0" in starting.call("INFO", "persistence")
    starting.turn()
    assert b"aof_enabled:1" in starting.call("INFO", "persistence")
    starting.call("SET", "more", 1)
    starting.clock.advance(1)
    starting.service.stopService()
    again = start(appendonly=True)
    again.turn()
    assert again.call("DBSIZE") == KEYS + 1
    again.service.stopService()


def test_no_command_of_an_append_only_file_runs_before_the_reactor(start: Callable[..., Starting]) -> None:
    """It may be a script that takes its time, and let others in by the reactor."""
    first = start(appendonly=True)
    first.turn()
    first.call("SET", "key", 1)
    first.service.stopService()
    again = start(appendonly=True)
    databases = again.server.keyspace.databases
    assert (again.server.loading.active, len(databases[0])) == (True, 0)
    again.turn()
    assert again.call("GET", "key") == b"1"
    again.service.stopService()
