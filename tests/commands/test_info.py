"""INFO: its sections, and numbers that are true."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from twisted.internet.task import Clock

from tests.conftest import needs_lua
from twisted_resp import RespFactory
from twisted_resp.server.statistics import Rate

if TYPE_CHECKING:
    from tests.commands.conftest import Connection, Engine

DEFAULT = ["Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU", "Modules",
           "Errorstats", "Cluster", "Keyspace"]  # fmt: skip
ALL = [*DEFAULT[:8], "Commandstats", "Errorstats", "Latencystats", "Cluster", "Keyspace"]


def titles(text: bytes) -> list[str]:
    return [line[2:] for line in text.decode().split("\r\n") if line.startswith("# ")]


def fields(engine: Engine, *sections: str) -> dict[str, str]:
    text: bytes = engine.call("INFO", *sections)
    assert text.endswith(b"\r\n")
    lines = [line for line in text.decode().split("\r\n") if line and line[0] != "#"]
    return dict(line.split(":", 1) for line in lines)


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ([], DEFAULT),
        (["default"], DEFAULT),
        (["ALL"], ALL),
        (["everything"], ALL),
        (["cpu", "all"], ALL),
        (["commandstats", "default"], [title for title in ALL if title != "Latencystats"]),
        (["keyspace", "Server"], ["Server", "Keyspace"]),
        (["module_list"], ["Modules"]),
        (["sentinel"], []),
        (["sentinel", "cluster"], ["Cluster"]),
    ],
)
def test_sections(engine: Engine, sections: list[str], expected: list[str]) -> None:
    assert titles(engine.call("INFO", *sections)) == expected


def test_sections_are_apart_by_an_empty_line(engine: Engine) -> None:
    text = engine.call("INFO", "cluster", "keyspace")
    assert text == b"# Cluster\r\ncluster_enabled:0\r\n\r\n# Keyspace\r\n"


def test_no_field_twice(engine: Engine) -> None:
    text = engine.call("INFO", "everything").decode()
    names = [line.split(":")[0] for line in text.split("\r\n") if ":" in line]
    assert len(names) == len(set(names))


def test_keyspace(engine: Engine) -> None:
    engine.call("SET", "a", "1")
    engine.call("SET", "b", "1", "PX", "2000")
    engine.call("SET", "c", "1", "PX", "4000")
    assert fields(engine, "keyspace") == {"db0": "keys=3,expires=2,avg_ttl=3000,subexpiry=0"}


def test_server(engine: Engine) -> None:
    engine.clock.advance(86400 * 2 + 5)
    told = fields(engine, "server")
    assert told["uptime_in_seconds"] == str(86400 * 2 + 5)
    assert told["uptime_in_days"] == "2"
    assert told["redis_mode"] == "standalone"
    assert int(told["server_time_usec"]) == engine.now * 1000


def test_commands(engine: Engine) -> None:
    engine.call("SET", "a", "1")
    engine.call("GET", "a")
    engine.error("LPOP", "a")
    engine.error("SET", "a")
    engine.error("CLIENT", "KILL")
    told = fields(engine, "commandstats")
    assert told["cmdstat_set"].startswith("calls=1,usec=")
    assert told["cmdstat_set"].endswith("rejected_calls=1,failed_calls=0")
    assert told["cmdstat_lpop"].endswith("rejected_calls=0,failed_calls=1")
    assert told["cmdstat_client|kill"].startswith("calls=0,usec=0,usec_per_call=0.00,rejected_calls=1")
    assert "cmdstat_hget" not in told
    told = fields(engine, "stats", "errorstats")
    assert told["total_error_replies"] == "3"
    assert told["errorstat_ERR"] == "count=2"
    assert told["errorstat_WRONGTYPE"] == "count=1"
    assert told["keyspace_hits"] == "1"


def test_names_that_would_break_a_line(engine: Engine) -> None:
    engine.server.statistics.errors[b"A:B#\n"] += 1
    assert fields(engine, "errorstats") == {"errorstat_A_B__": "count=1"}


def test_clients(engine: Engine, connect: Callable[[], Connection]) -> None:
    subscriber, watcher, waiter, sleeper = connect(), connect(), connect(), connect()
    subscriber.send("SUBSCRIBE channel")
    watcher.send("WATCH a b")
    waiter.send("BLPOP x y 5")
    sleeper.send("BLPOP x 0")
    told = fields(engine, "clients")
    assert told["connected_clients"] == "4"
    assert told["pubsub_clients"] == "1"
    assert told["watching_clients"] == "1"
    assert told["total_watched_keys"] == "2"
    assert told["blocked_clients"] == "2"
    assert told["clients_in_timeout_table"] == "1"
    assert told["total_blocking_keys"] == "2"
    assert fields(engine, "stats")["pubsub_channels"] == "1"


def test_traffic(engine: Engine, connect: Callable[[], Connection]) -> None:
    connection = connect()
    connection.send("PING")
    told = fields(engine, "stats")
    assert told["total_net_input_bytes"] == str(len(b"*1\r\n$4\r\nPING\r\n"))
    assert told["total_net_output_bytes"] == str(len(b"+PONG\r\n"))
    assert told["total_connections_received"] == "1"
    engine.call("CONFIG", "RESETSTAT")
    connection.send("PING")
    connection.lose()
    told = fields(engine, "stats")
    assert told["total_net_input_bytes"] == str(len(b"*1\r\n$4\r\nPING\r\n"))
    assert told["total_connections_received"] == "0"


def test_the_port_of_the_first_connection(engine: Engine, connect: Callable[[], Connection]) -> None:
    assert fields(engine, "server")["tcp_port"] == "0"
    connect()
    assert fields(engine, "server")["tcp_port"] == "6379"
    assert engine.call("CONFIG", "GET", "port") == {b"port": b"6379"}


def test_changes_and_memory(engine: Engine) -> None:
    engine.call("RPUSH", "list", "a", "b")
    told = fields(engine, "persistence", "memory")
    assert told["rdb_changes_since_last_save"] == "2"
    assert int(told["used_memory_rss"]) > 1024 * 1024 > int(told["used_memory"]) > 0
    assert int(told["used_memory_peak"]) >= int(told["used_memory"])
    engine.call("CONFIG", "SET", "maxmemory", "1gb")
    assert fields(engine, "memory")["maxmemory_human"] == "1.00G"


def test_operations_a_second(engine: Engine) -> None:
    fields(engine, "stats")
    for _ in range(99):
        engine.call("PING")
    engine.clock.advance(2)
    assert fields(engine, "stats")["instantaneous_ops_per_sec"] == "50"


def test_turns_of_the_event_loop(engine: Engine) -> None:
    turns = engine.server.statistics.turns
    assert fields(engine, "stats")["eventloop_cycles"] == "0"
    turns.count, turns.seconds = 40, 0.002
    engine.clock.advance(2)
    told = fields(engine, "stats")
    assert (told["eventloop_cycles"], told["eventloop_duration_sum"]) == ("40", "2000")
    assert told["instantaneous_eventloop_cycles_per_sec"] == "20"
    assert told["instantaneous_eventloop_duration_usec"] == "50"
    engine.call("CONFIG", "RESETSTAT")
    assert fields(engine, "stats")["eventloop_cycles"] == "0"


def test_rate() -> None:
    rate = Rate()
    assert rate.sample(1000, 500) == 0
    assert rate.sample(1050, 600) == 0, "too soon to tell"
    assert rate.sample(2000, 700) == 200
    assert rate.sample(2000, 900) == 200
    assert rate.sample(3000, 100) == 0, "a counter that was reset"


def test_every_field_of_redis(redis_server: Any) -> None:
    """Whoever reads a field of Redis finds it here, but for how Redis was built and how it works."""
    import redis

    resource = pytest.importorskip("resource")
    client = redis.Redis(host=redis_server.host, port=redis_server.port)
    theirs = client.info("default")
    client.close()
    results: list[bytes] = []
    RespFactory(clock=Clock()).call("INFO").addCallback(results.append)
    ours = {line.split(":")[0] for line in results[0].decode().split("\r\n")}
    how = ["atomicvar_", "gcc_", "_processed", "reply_buffer_"]
    if not hasattr(resource, "RUSAGE_THREAD"):  # PyPy
        how.append("_main_thread")
    left_out = {name for name in theirs if name not in ours and not any(word in name for word in how)}
    assert {name for name in left_out if not name.startswith(("db", "errorstat_"))} == set()


@needs_lua
def test_kinds_of_errors_are_counted_up_to_a_number(engine: Engine) -> None:
    for number in range(200):
        engine.error("EVAL", f"return redis.error_reply('E{number} sorry')", 0)
    assert engine.call("INFO", "errorstats").split(b"\r\n")[1:] == [
        b"errorstat_ERRORSTATS_DISABLED:count=1",
        b"",
    ]
    assert b"total_error_replies:200" in engine.call("INFO", "stats")
    engine.call("CONFIG", "RESETSTAT")
    engine.error("GET")
    assert b"errorstat_ERR:count=1" in engine.call("INFO", "errorstats")


def test_reads_and_writes_are_counted(
    engine: Engine, connection_class: Callable[[Engine], Connection]
) -> None:
    connection = connection_class(engine)
    before = fields(engine, "stats")
    connection.send("PING")
    connection.send("GET")
    after = fields(engine, "stats")
    for name in ("total_reads_processed", "total_writes_processed"):
        assert int(after[name]) == int(before[name]) + 2, name
