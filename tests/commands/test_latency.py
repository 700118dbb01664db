"""LATENCY: histograms of durations, and events that took long."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from twisted_resp.commands import dispatch

if TYPE_CHECKING:
    from tests.commands.conftest import Engine


@pytest.fixture
def monitored(engine: Engine) -> Engine:
    """An event of three samples, one a minute, is known."""
    engine.call("CONFIG", "SET", "latency-monitor-threshold", "100")
    for milliseconds in (300, 500, 400):
        engine.server.latency.note(b"command", milliseconds / 1000)
        engine.clock.advance(60)
    engine.now  # noqa: B018  (reads the clock)
    return engine


def test_histograms(engine: Engine) -> None:
    engine.call("CONFIG", "RESETSTAT")
    for _ in range(3):
        engine.call("SET", "a", "b")
    engine.call("CLIENT", "ID")
    found = engine.call("LATENCY", "HISTOGRAM")
    assert set(found) == {b"set", b"client|id", b"config|resetstat"}
    assert found[b"set"][b"calls"] == 3
    levels = found[b"set"][b"histogram_usec"]
    assert list(levels) == sorted(levels)
    assert list(levels.values())[-1] == 3
    assert set(engine.call("LATENCY", "HISTOGRAM", "client", "nosuch", "get")) == {b"client|id"}
    assert set(engine.call("LATENCY", "HISTOGRAM", "CLIENT|ID", "set")) == {b"client|id", b"set"}


def test_many_calls_are_all_counted(engine: Engine) -> None:
    engine.call("CONFIG", "RESETSTAT")
    for _ in range(2000):
        engine.call("PING")
    assert engine.call("LATENCY", "HISTOGRAM", "ping")[b"ping"][b"calls"] == 2000
    assert engine.server.commands[b"ping"].calls == 2000
    assert engine.server.commands[b"ping"].seconds > 0
    assert len(engine.server.commands[b"ping"].samples) == 0


def test_without_latency_tracking(engine: Engine) -> None:
    engine.call("SET", "a", "b")
    engine.call("CONFIG", "SET", "latency-tracking", "no")
    engine.call("SET", "a", "b")
    assert engine.call("LATENCY", "HISTOGRAM", "set")[b"set"][b"calls"] == 1
    engine.call("CONFIG", "SET", "latency-tracking", "yes")
    engine.call("SET", "a", "b")
    assert engine.call("LATENCY", "HISTOGRAM", "set")[b"set"][b"calls"] == 2
    assert engine.server.commands[b"set"].calls == 3


def test_percentiles_in_info(engine: Engine) -> None:
    engine.call("SET", "a", "b")
    assert b"latency_percentiles_usec_set:p50=" in engine.call("INFO", "latencystats")
    engine.call("CONFIG", "SET", "latency-tracking-info-percentiles", "0 99.9")
    (line,) = [row for row in engine.call("INFO", "latencystats").split(b"\r\n") if b"_set:" in row]
    assert [field.split(b"=")[0] for field in line.split(b":")[1].split(b",")] == [b"p0", b"p99.9"]


def test_history_and_latest(monitored: Engine) -> None:
    start = monitored.START
    assert monitored.call("LATENCY", "HISTORY", "command") == [
        [start, 300],
        [start + 60, 500],
        [start + 120, 400],
    ]
    assert monitored.call("LATENCY", "HISTORY", "nosuch") == []
    assert monitored.call("LATENCY", "LATEST") == [[b"command", start + 120, 400, 500]]


def test_of_one_second_the_worst_is_kept(engine: Engine) -> None:
    engine.call("CONFIG", "SET", "latency-monitor-threshold", "1")
    for milliseconds in (30, 50, 40):
        engine.server.latency.note(b"fork", milliseconds / 1000)
    assert engine.call("LATENCY", "HISTORY", "fork") == [[engine.START, 50]]


def test_graph(monitored: Engine) -> None:
    heading, rule, *rows = monitored.call("LATENCY", "GRAPH", "command").decode().splitlines()
    assert heading == "command - high 500 ms, low 300 ms (all time high 500 ms)"
    assert rule == "-" * 80
    assert rows == [" # ", " |_", " ||", "_||", "   ", "321", "mmm"]
    assert monitored.error("LATENCY", "GRAPH", "nosuch") == b"ERR No samples available for event 'nosuch'"


def test_reset(monitored: Engine) -> None:
    monitored.server.latency.note(b"fork", 1)
    assert monitored.call("LATENCY", "RESET", "nosuch", "FORK") == 1
    assert monitored.call("LATENCY", "RESET") == 1
    assert monitored.call("LATENCY", "LATEST") == []


def test_the_doctor(engine: Engine) -> None:
    assert engine.call("LATENCY", "DOCTOR").startswith(b"I'm sorry, Dave")
    engine.call("CONFIG", "SET", "latency-monitor-threshold", "100")
    assert engine.call("LATENCY", "DOCTOR").startswith(b"Dave, no latency spike")
    engine.server.latency.note(b"command", 0.3)
    report = engine.call("LATENCY", "DOCTOR")
    assert b"1. command: 1 latency spikes (average 300ms, mean deviation 0ms, period 1.00 sec)" in report
    assert b"SLOWLOG GET" in report


def test_slow_commands_are_events(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "perf_counter", count(0, 0.0021).__next__)  # all take two milliseconds
    engine.call("DBSIZE")
    assert engine.call("LATENCY", "LATEST") == []  # the monitor is off
    engine.call("CONFIG", "SET", "latency-monitor-threshold", "1", "slowlog-log-slower-than", "-1")
    engine.call("DBSIZE")
    assert engine.call("LATENCY", "HISTORY", "fast-command") == [[engine.START, 2]]
    assert engine.call("LATENCY", "HISTORY", "command") == [[engine.START, 2]]
    assert engine.call("SLOWLOG", "LEN") == 0
    engine.server.keyspace.expiry_timer.took(0.005)
    assert engine.call("LATENCY", "HISTORY", "expire-cycle") == [[engine.START, 5]]
