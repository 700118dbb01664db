"""MEMORY: what keys and the server take. https://redis.io/docs/latest/commands/?group=server"""

from __future__ import annotations

import gc
from itertools import islice

from twisted_resp.commands.helping import help_reply
from twisted_resp.commands.numbers import integer
from twisted_resp.commands.table import LOADING, READONLY, STALE, command, container
from twisted_resp.errors import SYNTAX, CommandError
from twisted_resp.resp import OK, Map, Reply, Verbatim
from twisted_resp.server.client import Client
from twisted_resp.server.memory import EMPTY, key_size
from twisted_resp.server.memory_report import memory_report

GROUP = "server"

container("MEMORY", "A container for memory diagnostics commands.", since="4.0.0", group=GROUP)

_ANYWHERE = ("nondeterministic_output", "request_policy:all_shards", "response_policy:special")
_SAMPLES = 5
# Below this there is nothing for the doctor to look at.
_LITTLE = 5 * 1024 * 1024


@command(
    "MEMORY USAGE key [SAMPLES count]",
    READONLY,
    since="4.0.0",
    complexity="O(N) where N is the number of samples.",
    keys=["RO"],
)
def memory_usage(client: Client, key: bytes, *options: bytes) -> Reply:
    """Estimates the memory usage of a key."""
    samples = _SAMPLES
    for index in range(0, len(options), 2):
        if options[index].lower() != b"samples" or index + 1 == len(options):
            raise CommandError(SYNTAX)
        samples = integer(options[index + 1])
        if samples < 0:
            raise CommandError(SYNTAX)
    if client.db.peek(key) is None:
        return None
    return key_size(client.db, key, samples)


@command("MEMORY STATS", since="4.0.0", complexity="O(1)", tips=_ANYWHERE)
def memory_stats(client: Client) -> Reply:
    """Returns details about memory usage."""
    report = memory_report(client.server)
    used, data = report.used, report.dataset
    beyond = max(1, used - EMPTY)
    pairs: list[tuple[bytes, Reply]] = [
        (b"peak.allocated", report.peak),
        (b"total.allocated", used),
        (b"startup.allocated", EMPTY),
        (b"replication.backlog", report.backlog),
        (b"clients.slaves", report.replicas),
        (b"clients.normal", report.clients),
        (b"cluster.links", 0),
        (b"aof.buffer", report.append_only),
        (b"lua.caches", report.scripts),
        (b"functions.caches", report.functions),
    ]
    for index, keys, expiries in report.databases:
        tables = Map([(b"overhead.hashtable.main", keys), (b"overhead.hashtable.expires", expiries)])
        pairs.append((b"db.%d" % index, tables))
    pairs += [
        (b"overhead.db.hashtable.lut", report.look_up),
        (b"overhead.db.hashtable.rehashing", 0),
        (b"overhead.total", report.overhead),
        (b"db.dict.rehashing.count", 0),
        (b"keys.count", report.keys),
        (b"keys.bytes-per-key", data // report.keys if report.keys else 0),
        (b"dataset.bytes", data),
        (b"dataset.percentage", 100.0 * data / beyond),
        (b"peak.percentage", 100.0 * used / report.peak),
        (b"allocator.allocated", used),
        (b"allocator.active", used),
        (b"allocator.resident", used),
        (b"allocator.muzzy", 0),
    ]
    for name in (b"allocator-fragmentation", b"allocator-rss", b"rss-overhead"):
        pairs += [(name + b".ratio", 1.0), (name + b".bytes", 0)]
    pairs += [(b"fragmentation", 1.0), (b"fragmentation.bytes", 0)]
    return Map(pairs)


@command("MEMORY DOCTOR", since="4.0.0", complexity="O(1)", tips=_ANYWHERE)
def memory_doctor(client: Client) -> Reply:
    """Outputs a memory problems report."""
    if client.server.memory.used() < _LITTLE:
        return Verbatim(
            b"txt",
            b"Hi Sam, this instance is empty or is using very little memory, my issues detector can't be used in these "
            b"conditions. Please, leave for your mission on Earth and fill it with some data. The new Sam and I will "
            b"be back to our programming as soon as I finished rebooting.\n",
        )
    largest = sorted(
        (
            (key_size(database, key), database.index, key)
            for database in client.server.keyspace.databases
            for key in islice(database.values, 1000)
        ),
        reverse=True,
    )[:3]
    lines = b"".join(
        b" * %b in db%d takes about %d bytes\n" % (key, index, size) for size, index, key in largest
    )
    return Verbatim(
        b"txt",
        b"Hi Sam, I can't find any memory issue in your instance. I can only account for what occurs on this base.\n"
        b"The largest of the first thousand keys of each database:\n" + lines,
    )


@command(
    "MEMORY PURGE",
    since="4.0.0",
    complexity="Depends on how much memory is allocated, could be slow",
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
)
def memory_purge(client: Client) -> Reply:
    """Asks the allocator to release memory."""
    gc.collect()
    return OK


@command(
    "MEMORY MALLOC-STATS",
    since="4.0.0",
    complexity="Depends on how much memory is allocated, could be slow",
    tips=_ANYWHERE,
)
def memory_malloc_stats(client: Client) -> Reply:
    """Returns the allocator statistics."""
    return Verbatim(b"txt", b"Stats not supported for the current allocator")


@command("MEMORY HELP", LOADING | STALE, since="4.0.0", complexity="O(1)")
def memory_help(client: Client) -> Reply:
    """Returns helpful text about the different subcommands."""
    return help_reply(b"MEMORY", _HELP)


_HELP = b"""
DOCTOR
    Return memory problems reports.
MALLOC-STATS
    Return internal statistics report from the memory allocator.
PURGE
    Attempt to purge dirty pages for reclamation by the allocator.
STATS
    Return information about the memory usage of the server.
USAGE <key> [SAMPLES <count>]
    Return memory in bytes used by <key> and its value. Nested values are
    sampled up to <count> times (default: 5, 0 means sample all).
"""
