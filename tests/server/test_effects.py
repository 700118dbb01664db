"""What persistence and replicas are told, unit by unit."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from twisted_resp import RespFactory
from twisted_resp.server.effects import Effects


class Engine:
    """A server in process, and what it has told of writes."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.factory = RespFactory(clock=self.clock)
        self.server = self.factory.server
        self.units: list[Any] = []
        self.server.effects.add_listener(self.units.append)

    def call(self, *words: object) -> Any:
        answers: list[Any] = []
        self.factory.call(*words).addBoth(answers.append)
        return answers[0] if answers else None

    def told(self, *words: object) -> list[str]:
        """Run a command; answer what was told, each command with its database, `|` between units."""
        self.units.clear()
        self.call(*words)
        return self.take()

    def take(self) -> list[str]:
        units, self.units[:] = list(self.units), []
        lines: list[str] = []
        for unit in units:
            if lines:
                lines.append("|")
            lines += [f"{database} " + b" ".join(command).decode() for database, command in unit]
        return lines


@pytest.fixture
def engine() -> Engine:
    return Engine()


class TestCommands:
    def test_a_write_is_told_as_received(self, engine: Engine) -> None:
        assert engine.told("set", "k", "v") == ["0 set k v"]

    def test_what_changes_nothing_is_not_told(self, engine: Engine) -> None:
        for command in (["GET", "k"], ["DEL", "k"], ["SET", "k", "v", "XX"], ["LPUSH", "k"], ["NOPE"]):
            assert engine.told(*command) == []

    def test_an_error_is_not_told(self, engine: Engine) -> None:
        engine.call("SET", "k", "v")
        assert engine.told("LPUSH", "k", "a") == []
        assert engine.told("SET", "k", "v2") == ["0 SET k v2"]

    def test_chance_and_time_are_told_as_they_came_out(self, engine: Engine) -> None:
        engine.call("SADD", "s", "a")
        assert engine.told("SPOP", "s") == ["0 SREM s a"]
        assert engine.told("SET", "k", "v", "EX", 10) == ["0 SET k v PXAT 1700000010000"]
        assert engine.told("PEXPIRE", "k", 5) == ["0 PEXPIREAT k 1700000000005"]
        assert engine.told("XADD", "x", "*", "f", "v") == ["0 XADD x 1700000000000-0 f v"]

    def test_of_a_transaction_all_is_told_at_once(self, engine: Engine) -> None:
        engine.call("SELECT", 2)
        engine.call("MULTI")
        for words in (["SET", "a", 1], ["GET", "a"], ["LPUSH", "a", "x"], ["INCR", "a"]):
            engine.call(*words)
        assert engine.told("EXEC") == ["2 MULTI", "2 SET a 1", "2 INCR a", "2 EXEC"]
        engine.call("MULTI")
        engine.call("SET", "a", 5)
        assert engine.told("EXEC") == ["2 SET a 5"]  # one command is whole without

    def test_who_is_served_is_a_unit_of_its_own(self, engine: Engine) -> None:
        engine.factory.client().call("BLPOP", "l", 0)
        engine.factory.client().call("BLMOVE", "l", "other", "LEFT", "RIGHT", 0)
        assert engine.told("RPUSH", "l", "a", "b") == [
            "0 RPUSH l a b", "|", "0 LPOP l", "|", "0 LMOVE l other LEFT RIGHT",
        ]  # fmt: skip

    def test_whoever_listens_no_more_hears_no_more(self, engine: Engine) -> None:
        engine.server.effects.remove_listener(engine.units.append)
        assert not engine.server.effects.active
        assert engine.told("SET", "k", "v") == []
        assert engine.server.attention == 0


class TestDeletions:
    def test_lazy_expiry_comes_before_the_command_that_met_it(self, engine: Engine) -> None:
        engine.server.keyspace.expiry_timer.enabled = False
        engine.call("SET", "k", "v", "PX", 10)
        engine.clock.advance(1)
        assert engine.told("GET", "k") == ["0 DEL k"]
        engine.call("SET", "k", "v", "PX", 10)
        engine.clock.advance(1)
        assert engine.told("APPEND", "k", "new") == ["0 MULTI", "0 DEL k", "0 APPEND k new", "0 EXEC"]

    def test_active_expiry_is_told_too(self, engine: Engine) -> None:
        engine.call("SET", "a", "v", "PX", 10)
        engine.call("SELECT", 1)
        engine.call("SET", "b", "v", "PX", 10)
        engine.units.clear()
        engine.clock.advance(1)
        assert engine.take() == ["0 DEL a", "1 DEL b"]

    def test_deletions_alone_are_no_transaction(self, engine: Engine) -> None:
        engine.server.keyspace.expiry_timer.enabled = False
        for number in range(3):
            engine.call("SET", number, "v", "PX", 10)
        engine.clock.advance(1)
        assert engine.told("EXISTS", 0, 1, 2) == ["0 DEL 0", "0 DEL 1", "0 DEL 2"]


class TestUnits:
    def collect(self) -> tuple[Effects, list[Any]]:
        effects = Effects()
        units: list[Any] = []
        effects.add_listener(units.append)
        return effects, units

    def test_several_in_place_of_one(self) -> None:
        effects, units = self.collect()
        effects.replace(b"SREM", b"s", b"a")
        effects.replace(b"SREM", b"t", b"b")
        effects.record(3, [b"SPOP"])
        effects.flush()
        assert units == [
            [(3, [b"MULTI"]), (3, [b"SREM", b"s", b"a"]), (3, [b"SREM", b"t", b"b"]), (3, [b"EXEC"])]
        ]

    def test_suppressed_and_abandoned(self) -> None:
        effects, units = self.collect()
        effects.suppress()
        effects.record(0, [b"A"])
        effects.replace(b"X")
        effects.suppress()  # says nothing against what was said before
        effects.record(0, [b"B"])
        effects.replace(b"Y")
        effects.abandon()
        effects.record(0, [b"C"])
        effects.flush()
        assert [command for _, command in units[0]] == [[b"MULTI"], [b"X"], [b"C"], [b"EXEC"]]

    def test_nothing_is_collected_while_nobody_listens(self) -> None:
        effects = Effects()
        changes: list[bool] = []
        effects.changed_active = lambda: changes.append(effects.active)
        effects.replace(b"X")
        effects.suppress()
        units: list[Any] = []
        effects.add_listener(units.append)
        effects.record(0, [b"A"])
        effects.flush()
        effects.flush()
        assert units == [[(0, [b"A"])]]
        effects.remove_listener(units.append)
        assert changes == [True, False]

    def test_a_listener_may_go_while_it_is_told(self) -> None:
        effects, units = self.collect()

        def once(unit: Any) -> None:
            units.append("once")
            effects.remove_listener(once)

        effects.add_listener(once)
        effects.add_listener(units.append)
        for _ in range(2):
            effects.record(0, [b"A"])
            effects.flush()
        assert units == [[(0, [b"A"])], "once", [(0, [b"A"])], [(0, [b"A"])], [(0, [b"A"])]]
