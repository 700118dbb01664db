"""INFO, of the server group: https://redis.io/docs/latest/commands/info/

A section is a function that answers its fields, in Redis' order and by Redis' names. What has no counterpart
in this server (an allocator's arenas, threads for I/O) is reported as what it amounts to here: none.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final, Union

from twisted_resp import __version__
from twisted_resp.acl.log import AUTH, CHANNEL, COMMAND, KEY
from twisted_resp.commands.table import LOADING, SENTINEL, STALE, command
from twisted_resp.resp import Reply, Verbatim
from twisted_resp.server.client import Client
from twisted_resp.server.memory import EMPTY
from twisted_resp.server.memory_report import memory_report
from twisted_resp.server.replication import Master
from twisted_resp.server.saving import Progress
from twisted_resp.server.server import LOADING as IS_LOADING
from twisted_resp.server.server import Server
from twisted_resp.text.memory_sizes import format_memory_size

try:
    import resource
except ImportError:  # there is none on Windows
    resource = None  # type: ignore[assignment]

GROUP = "server"

Field = tuple[str, Union[int, str, bytes]]

# avg_ttl is the mean of so many expiries: reading all would take as long as there are keys.
_TTL_SAMPLES: Final = 1000
_DENIALS: Final = {AUTH: "auth", COMMAND: "cmd", KEY: "key", CHANNEL: "channel"}
_UNSAFE: Final = bytes.maketrans(b"#:\r\n", b"____")


@command(
    "INFO [section [section ...]]",
    LOADING | STALE | SENTINEL,
    since="1.0.0",
    complexity="O(1)",
    acl=["dangerous"],
    tips=["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    history=[("7.0.0", "Added support for taking multiple section arguments.")],
)
def info(client: Client, *sections: bytes) -> Reply:
    """Returns information and statistics about the server."""
    wanted = {section.lower() for section in sections} or {b"default"}
    if wanted & {b"all", b"everything"}:
        wanted.update(_SECTIONS.keys() - _NAMED)
    elif b"default" in wanted:
        wanted.update(_DEFAULT)
    if b"module_list" in wanted:
        wanted.add(b"modules")
    parts = []
    for name, (title, section) in _SECTIONS.items():
        if name in wanted:
            lines = [b"# %b\r\n" % title]
            lines += [
                b"%b:%b\r\n" % (field.encode(), _printed(value)) for field, value in section(client.server)
            ]
            parts.append(b"".join(lines))
    return Verbatim(b"txt", b"\r\n".join(parts))


def _printed(value: int | str | bytes) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


# ------------------------------------------------------------------------------------------------- sections


def _server(server: Server) -> Iterable[Field]:
    configuration = server.configuration
    uptime = (server.now_ms - server.started) // 1000
    hz = configuration[b"hz"]
    yield "redis_version", server.flavour.redis_version
    if server.flavour.product == b"valkey":
        yield "server_name", server.flavour.product
        yield "valkey_version", server.flavour.version
        yield "valkey_release_stage", "ga"
    yield "redis_git_sha1", "00000000"
    yield "redis_git_dirty", 0
    yield "redis_build_id", 0
    yield "redis_mode", "standalone"
    yield "twisted_resp_version", __version__
    yield "python_version", platform.python_version()
    yield "python_implementation", platform.python_implementation()
    yield "os", f"{platform.system()} {platform.release()} {platform.machine()}"
    yield "arch_bits", 64 if sys.maxsize > 2**32 else 32
    yield "monotonic_clock", "POSIX clock_gettime"
    reactor = getattr(server.clock, "reactor", server.clock)  # a clock that tests turn has it within
    yield "multiplexing_api", type(reactor).__name__.lower().replace("reactor", "") or "reactor"
    yield "atomicvar_api", "none"  # there are no threads
    yield "gcc_version", re.sub("[^0-9.].*", "", platform.python_compiler().partition(" ")[2]) or "0.0.0"
    yield "process_id", server.pid
    yield "process_supervised", server.supervisor.decode() or "no"
    yield "run_id", server.run_id
    yield "tcp_port", server.port
    yield "server_time_usec", int(server.clock.seconds() * 1_000_000)
    yield "uptime_in_seconds", uptime
    yield "uptime_in_days", uptime // 86400
    yield "hz", hz
    yield "configured_hz", hz
    yield "lru_clock", server.now_ms // 1000 & 0xFFFFFF
    yield "executable", sys.executable
    yield "config_file", configuration.path
    yield "io_threads_active", 0
    if server.shutdown.until is not None:
        yield "shutdown_in_milliseconds", server.shutdown.milliseconds_left


def _clients(server: Server) -> Iterable[Field]:
    clients = server.clients.values()
    yield "connected_clients", len(clients) - len(server.replication.replicas)
    yield "cluster_connections", 0
    yield "maxclients", server.max_clients
    yield "client_recent_max_input_buffer", max((client.query_size() for client in clients), default=0)
    yield "client_recent_max_output_buffer", max((client.output_size() for client in clients), default=0)
    yield "blocked_clients", server.blocked_clients
    yield "tracking_clients", len(server.tracking.clients)
    yield "pubsub_clients", sum(client.subscriptions > 0 for client in clients)
    yield "watching_clients", sum(bool(client.watched) for client in clients)
    yield "clients_in_timeout_table", sum(_has_timeout(client) for client in clients)
    yield "total_watched_keys", server.watching.keys
    yield "total_blocking_keys", server.waiting.keys
    yield "total_blocking_keys_on_nokey", server.waiting.keys_on_deletion


def _has_timeout(client: Client) -> bool:
    return client.parked is not None and client.parked.timeout_call is not None


def _memory(server: Server) -> Iterable[Field]:
    report = memory_report(server)
    used = report.used
    resident = _resident_memory()
    total = _total_memory()
    limit = server.configuration[b"maxmemory"]
    yield "used_memory", used
    yield "used_memory_human", format_memory_size(used)
    yield "used_memory_rss", resident
    yield "used_memory_rss_human", format_memory_size(resident)
    yield "used_memory_peak", report.peak
    yield "used_memory_peak_human", format_memory_size(report.peak)
    yield "used_memory_peak_perc", _percent(used, report.peak)
    yield "used_memory_overhead", report.overhead
    yield "used_memory_startup", EMPTY
    yield "used_memory_dataset", report.dataset
    yield "used_memory_dataset_perc", _percent(report.dataset, used - EMPTY)
    yield "allocator_allocated", used
    yield "allocator_active", used
    yield "allocator_resident", used
    yield "allocator_muzzy", 0
    yield "total_system_memory", total
    yield "total_system_memory_human", format_memory_size(total)
    yield from _scripts(server)
    yield "maxmemory", limit
    yield "maxmemory_human", format_memory_size(limit)
    yield "maxmemory_policy", server.configuration[b"maxmemory-policy"]
    for name in ("allocator_frag", "allocator_rss", "rss_overhead", "mem_fragmentation"):
        yield f"{name}_ratio", "1.00"
        yield f"{name}_bytes", 0
    yield "mem_not_counted_for_evict", report.uncounted
    yield "mem_replication_backlog", report.backlog
    yield "mem_total_replication_buffers", report.backlog + report.replicas
    yield "mem_clients_slaves", report.replicas
    yield "mem_clients_normal", report.clients
    yield "mem_cluster_links", 0
    yield "mem_aof_buffer", report.append_only
    yield "mem_allocator", "libc"
    yield "mem_overhead_db_hashtable_rehashing", 0
    yield "active_defrag_running", 0
    yield "lazyfree_pending_objects", server.keyspace.lazy_free.pending
    yield "lazyfreed_objects", server.keyspace.lazy_free.freed


def _scripts(server: Server) -> Iterable[Field]:
    figures = server.scripting.figures()
    of_evals, of_functions = figures.get("vm_eval", 0), figures.get("vm_functions", 0)
    scripts = figures.get("scripts_eval", 0) + figures.get("functions", 0)
    yield "used_memory_lua", of_evals
    yield "used_memory_vm_eval", of_evals
    yield "used_memory_lua_human", format_memory_size(of_evals)
    yield "used_memory_scripts_eval", figures.get("scripts_eval", 0)
    for name in ("number_of_cached_scripts", "number_of_functions", "number_of_libraries"):
        yield name, figures.get(name, 0)
    yield "used_memory_vm_functions", of_functions
    yield "used_memory_vm_total", of_evals + of_functions
    yield "used_memory_vm_total_human", format_memory_size(of_evals + of_functions)
    yield "used_memory_functions", figures.get("functions", 0)
    yield "used_memory_scripts", scripts
    yield "used_memory_scripts_human", format_memory_size(scripts)


def _persistence(server: Server) -> Iterable[Field]:
    loading = server.loading
    yield "loading", int(bool(server.attention & IS_LOADING) and not loading.asynchronous)
    if loading.active:
        yield "loading_start_time", loading.started
        yield "loading_total_bytes", loading.total
        yield "loading_rdb_used_mem", 0
        yield "loading_loaded_bytes", loading.done
        yield "loading_loaded_perc", f"{loading.percentage:.2f}"
        yield "loading_eta_seconds", loading.seconds_left
    yield "async_loading", int(loading.active and loading.asynchronous)
    saving = server.saving
    under_way = saving.started is not None
    rewrites = server.append_only.rewrite_started is not None
    progress = (
        saving.progress if under_way else server.append_only.progress if rewrites else Progress(server.clock)
    )
    yield "current_cow_peak", progress.peak
    yield "current_cow_size", progress.memory
    yield "current_cow_size_age", server.now_ms // 1000 - progress.reported if progress.reported else 0
    yield "current_fork_perc", f"{100 * progress.processed / (progress.total or 1):.2f}"
    yield "current_save_keys_processed", progress.processed
    yield "current_save_keys_total", progress.total
    yield "rdb_changes_since_last_save", saving.changes
    yield "rdb_bgsave_in_progress", int(under_way)
    yield "rdb_last_save_time", saving.last_save
    yield "rdb_last_bgsave_status", "ok" if saving.last_ok else "err"
    yield "rdb_last_bgsave_time_sec", saving.last_seconds
    yield (
        "rdb_current_bgsave_time_sec",
        -1 if saving.started is None else server.now_ms // 1000 - saving.started,
    )
    yield "rdb_saves", saving.saves
    yield "rdb_last_cow_size", 0 if under_way else saving.progress.memory
    yield "rdb_last_load_keys_expired", saving.expired
    yield "rdb_last_load_keys_loaded", saving.loaded
    yield from _append_only(server)


def _append_only(server: Server) -> Iterable[Field]:
    file = server.append_only
    started = file.rewrite_started
    yield "aof_enabled", int(file.enabled)
    yield "aof_rewrite_in_progress", int(started is not None)
    yield "aof_rewrite_scheduled", int(file.rewrite_scheduled)
    yield "aof_last_rewrite_time_sec", file.rewrite_seconds
    yield "aof_current_rewrite_time_sec", -1 if started is None else server.now_ms // 1000 - started
    yield "aof_last_bgrewrite_status", "ok" if file.rewrite_ok else "err"
    yield "aof_rewrites", file.rewrites
    yield "aof_rewrites_consecutive_failures", file.failures
    yield "aof_last_write_status", "ok" if file.write_ok else "err"
    yield "aof_last_cow_size", 0 if started is not None else file.progress.memory
    for name in ("module_fork_in_progress", "module_fork_last_cow_size"):
        yield name, 0
    if file.enabled:
        yield "aof_current_size", file.size
        yield "aof_base_size", file.base_size
        yield "aof_pending_rewrite", 0
        yield "aof_buffer_length", file.unwritten
        yield "aof_pending_bio_fsync", 0
        yield "aof_delayed_fsync", file.delayed


def _stats(server: Server) -> Iterable[Field]:
    statistics, keyspace, channels = server.statistics, server.keyspace, server.channels
    commands = sum(entry.calls for entry in server.entries())
    received = statistics.input_bytes + sum(client.total_input for client in server.clients.values())
    sent = statistics.output_bytes + sum(client.total_output for client in server.clients.values())
    now = server.now_ms
    yield "total_connections_received", statistics.connections_received
    yield "total_commands_processed", commands
    yield "instantaneous_ops_per_sec", round(statistics.command_rate.sample(now, commands))
    yield "total_net_input_bytes", received
    yield "total_net_output_bytes", sent
    yield "total_net_repl_input_bytes", 0
    yield "total_net_repl_output_bytes", 0
    yield "instantaneous_input_kbps", f"{statistics.input_rate.sample(now, received) / 1024:.2f}"
    yield "instantaneous_output_kbps", f"{statistics.output_rate.sample(now, sent) / 1024:.2f}"
    yield "instantaneous_input_repl_kbps", "0.00"
    yield "instantaneous_output_repl_kbps", "0.00"
    yield "rejected_connections", statistics.rejected_connections
    yield "sync_full", server.replication.full_syncs
    yield "sync_partial_ok", server.replication.partial_syncs
    yield "sync_partial_err", server.replication.refused_partial_syncs
    yield "expired_subkeys", keyspace.expired_fields
    yield "expired_keys", keyspace.expired
    yield "expired_stale_perc", "0.00"
    yield "expired_time_cap_reached_count", 0
    yield "expire_cycle_cpu_milliseconds", 0
    yield "evicted_keys", keyspace.evicted
    yield "evicted_clients", statistics.evicted_clients
    yield "evicted_scripts", statistics.evicted_scripts
    yield "total_eviction_exceeded_time", statistics.excess.total(now)
    yield "current_eviction_exceeded_time", statistics.excess.current(now)
    yield "keyspace_hits", keyspace.hits
    yield "keyspace_misses", keyspace.misses
    yield "pubsub_channels", len(channels.channels)
    yield "pubsub_patterns", len(channels.patterns)
    yield "pubsubshard_channels", len(channels.shard_channels)
    yield "latest_fork_usec", statistics.last_fork
    yield "total_forks", statistics.forks
    yield "migrate_cached_sockets", len(server.peers)
    yield "slave_expires_tracked_keys", len(keyspace.own_expiring)
    for name in ("active_defrag_hits", "active_defrag_misses", "active_defrag_key_hits",
                 "active_defrag_key_misses", "total_active_defrag_time", "current_active_defrag_time"):  # fmt: skip
        yield name, 0
    yield "tracking_total_keys", server.tracking.keys
    yield "tracking_total_items", server.tracking.items
    yield "tracking_total_prefixes", server.tracking.prefixes
    yield "unexpected_error_replies", 0
    yield "total_error_replies", statistics.error_replies
    yield "dump_payload_sanitizations", 0
    yield "total_reads_processed", statistics.turns.reads
    yield "total_writes_processed", statistics.turns.writes
    yield "io_threaded_reads_processed", 0
    yield "io_threaded_writes_processed", 0
    yield "client_query_buffer_limit_disconnections", statistics.query_buffer_limit_disconnections
    yield "client_output_buffer_limit_disconnections", statistics.output_buffer_limit_disconnections
    for reason, count in server.access.log.denied.items():
        yield f"acl_access_denied_{_DENIALS[reason]}", count
    # Replies are collected anew each time: there is no buffer that would shrink or grow.
    yield "reply_buffer_shrinks", 0
    yield "reply_buffer_expands", 0
    turns = statistics.turns
    turn_rate = statistics.turn_rate.sample(now, turns.count)
    turn_time = statistics.turn_time.sample(now, int(turns.seconds * 1_000_000))
    yield "eventloop_cycles", turns.count
    yield "eventloop_duration_sum", int(turns.seconds * 1_000_000)
    yield "eventloop_duration_cmd_sum", int(sum(entry.seconds for entry in server.entries()) * 1_000_000)
    yield "instantaneous_eventloop_cycles_per_sec", round(turn_rate)
    yield "instantaneous_eventloop_duration_usec", round(turn_time / turn_rate) if turn_rate else 0


def _replication(server: Server) -> Iterable[Field]:
    replication, configuration, now = server.replication, server.configuration, server.now_ms
    if replication.master is None:
        yield "role", "master"
    else:
        yield from _master_link(server, replication.master)
    yield "connected_slaves", len(replication.replicas)
    if configuration[b"min-replicas-to-write"] and configuration[b"min-replicas-max-lag"]:
        yield "min_slaves_good_slaves", replication.good_replicas()
    for number, replica in enumerate(replication.replicas.values()):
        state, lag = replica.state.decode(), replica.lag(now) if replica.online else 0
        yield (
            f"slave{number}",
            f"ip={_safe(replica.host)},port={replica.port},state={state},offset={replica.offset},lag={lag}",
        )
    yield "master_failover_state", replication.failover_state
    yield "master_replid", replication.id
    yield "master_replid2", replication.second_id
    yield "master_repl_offset", replication.offset
    yield "second_repl_offset", replication.second_offset
    yield "repl_backlog_active", int(replication.backlog_active)
    yield "repl_backlog_size", configuration[b"repl-backlog-size"]
    yield "repl_backlog_first_byte_offset", replication.backlog_start
    yield "repl_backlog_histlen", replication.backlog_length


def _master_link(server: Server, master: Master) -> Iterable[Field]:
    configuration, now = server.configuration, server.now_ms
    offset = server.replication.offset
    yield "role", "slave"
    yield "master_host", master.host
    yield "master_port", master.port
    yield "master_link_status", "up" if master.connected else "down"
    yield "master_last_io_seconds_ago", (now - master.heard_of) // 1000 if master.connected else -1
    yield "master_sync_in_progress", int(master.state == b"sync")
    yield "slave_read_repl_offset", offset + master.unapplied
    yield "slave_repl_offset", offset
    if master.state == b"sync":
        yield "master_sync_total_bytes", master.sync_size
        yield "master_sync_read_bytes", master.sync_read
        yield "master_sync_left_bytes", master.sync_size - master.sync_read
        yield "master_sync_perc", _percent(master.sync_read, master.sync_size)[:-1]
        yield "master_sync_last_io_seconds_ago", (now - master.heard_of) // 1000
    if not master.connected:
        yield "master_link_down_since_seconds", (now - master.down_since) // 1000 if master.down_since else -1
    yield "slave_priority", configuration[b"replica-priority"]
    yield "slave_read_only", int(configuration[b"replica-read-only"])
    yield "replica_announced", int(configuration[b"replica-announced"])


def _cpu(server: Server) -> Iterable[Field]:
    if resource is None:
        user, system = os.times()[:2]
        yield "used_cpu_sys", f"{system:.6f}"
        yield "used_cpu_user", f"{user:.6f}"
        return
    whoms = [("", resource.RUSAGE_SELF), ("_children", resource.RUSAGE_CHILDREN)]
    if hasattr(resource, "RUSAGE_THREAD"):
        whoms.append(("_main_thread", resource.RUSAGE_THREAD))
    for suffix, whom in whoms:
        usage = resource.getrusage(whom)
        yield f"used_cpu_sys{suffix}", f"{usage.ru_stime:.6f}"
        yield f"used_cpu_user{suffix}", f"{usage.ru_utime:.6f}"


def _modules(server: Server) -> Iterable[Field]:
    return ()


def _commandstats(server: Server) -> Iterable[Field]:
    for entry in server.entries():
        calls = entry.calls
        if calls or entry.failed or entry.rejected:
            microseconds = int(entry.seconds * 1_000_000)
            yield (
                f"cmdstat_{_safe(entry.full_name)}",
                f"calls={calls},usec={microseconds},usec_per_call={microseconds / calls if calls else 0:.2f},"
                f"rejected_calls={entry.rejected},failed_calls={entry.failed}",
            )


def _errorstats(server: Server) -> Iterable[Field]:
    for code, count in sorted(server.statistics.errors.items()):
        yield f"errorstat_{_safe(code)}", f"count={count}"


def _latencystats(server: Server) -> Iterable[Field]:
    percentiles: tuple[float, ...] = server.configuration[b"latency-tracking-info-percentiles"]
    for entry in server.entries():
        histogram = entry.histogram
        if histogram.total:
            yield (
                f"latency_percentiles_usec_{_safe(entry.full_name)}",
                ",".join(f"p{percent:g}={histogram.percentile(percent):.3f}" for percent in percentiles),
            )


def _debug(server: Server) -> Iterable[Field]:
    statistics = server.statistics
    yield "eventloop_duration_aof_sum", int(statistics.append_only_seconds * 1_000_000)
    # There is no cron; what runs unasked is expiry, when there is something to expire.
    yield "eventloop_duration_cron_sum", int(statistics.expiry_seconds * 1_000_000)
    yield "eventloop_duration_max", int(statistics.turns.longest * 1_000_000)


def _safe(name: bytes) -> str:
    return name.translate(_UNSAFE).decode("utf-8", "surrogateescape")


def _cluster(server: Server) -> Iterable[Field]:
    yield "cluster_enabled", 0


def _keyspace(server: Server) -> Iterable[Field]:
    now = server.now_ms
    for database in server.keyspace.databases:
        if len(database):
            times = list(islice(database.expires.values(), _TTL_SAMPLES))
            average = max(0, sum(times) // len(times) - now) if times else 0
            yield (
                f"db{database.index}",
                f"keys={len(database)},expires={len(database.expires)},avg_ttl={average},"
                f"subexpiry={database.hashes_with_expiring_fields}",
            )


_SECTIONS: Final[dict[bytes, tuple[bytes, Callable[[Server], Iterable[Field]]]]] = {
    b"server": (b"Server", _server),
    b"clients": (b"Clients", _clients),
    b"memory": (b"Memory", _memory),
    b"persistence": (b"Persistence", _persistence),
    b"stats": (b"Stats", _stats),
    b"replication": (b"Replication", _replication),
    b"cpu": (b"CPU", _cpu),
    b"modules": (b"Modules", _modules),
    b"commandstats": (b"Commandstats", _commandstats),
    b"errorstats": (b"Errorstats", _errorstats),
    b"latencystats": (b"Latencystats", _latencystats),
    b"cluster": (b"Cluster", _cluster),
    b"keyspace": (b"Keyspace", _keyspace),
    b"debug": (b"Debug", _debug),
}
#: Shown only to those who ask for it by its name.
_NAMED: Final = frozenset((b"debug",))
_DEFAULT: Final = _SECTIONS.keys() - {b"commandstats", b"latencystats"} - _NAMED


# ------------------------------------------------------------------------------------------------- memory


def _resident_memory() -> int:
    """Bytes of memory that this process occupies."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        pass
    if resource is None:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _total_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole if whole else 0:.2f}%"
