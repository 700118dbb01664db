"""LATENCY, of the server group: https://redis.io/docs/latest/commands/?group=server"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from twisted_resp import errors
from twisted_resp.commands.helping import help_reply
from twisted_resp.commands.table import ADMIN, LOADING, NOSCRIPT, STALE, command, container
from twisted_resp.errors import CommandError
from twisted_resp.resp import Map, Reply, Verbatim
from twisted_resp.server.client import Client
from twisted_resp.server.latency import Series
from twisted_resp.server.server import Server
from twisted_resp.server.statistics import CommandEntry
from twisted_resp.text.sparkline import sparkline

GROUP = "server"

_FLAGS: Final = ADMIN | NOSCRIPT | LOADING | STALE
_TIPS: Final = ("nondeterministic_output", "request_policy:all_nodes", "response_policy:special")
_ONE_KIND: Final = 80

container("LATENCY", "A container for latency diagnostics commands.", since="2.8.13", group=GROUP)


@command(
    "LATENCY HISTOGRAM [command [command ...]]",
    _FLAGS,
    since="7.0.0",
    complexity="O(N) where N is the number of commands with latency information being retrieved.",
    tips=_TIPS,
)
def latency_histogram(client: Client, *names: bytes) -> Reply:
    """Returns the cumulative distribution of latencies of a subset or all commands."""
    server = client.server
    found = _named(server, names) if names else server.entries()
    return Map([
        (entry.full_name, Map([
            (b"calls", entry.histogram.total),
            (b"histogram_usec", Map(list(entry.histogram.cumulative().items()))),
        ]))
        for entry in found
        if entry.histogram.total
    ])  # fmt: skip


def _named(server: Server, names: tuple[bytes, ...]) -> Iterator[CommandEntry]:
    """Find commands, each with its subcommands; what there is not is left out."""
    for name in names:
        container, _, subname = name.lower().partition(b"|")
        entry = server.commands.get(container)
        if entry is not None and subname:
            entry = (entry.subcommands or {}).get(subname)
        if entry is not None:
            yield entry
            yield from (entry.subcommands or {}).values()


@command("LATENCY HISTORY event", _FLAGS, since="2.8.13", complexity="O(1)", tips=_TIPS)
def latency_history(client: Client, event: bytes) -> Reply:
    """Returns timestamp-latency samples for an event."""
    series = client.server.latency.events.get(event)
    return [] if series is None else [list(sample) for sample in series.samples]


@command("LATENCY LATEST", _FLAGS, since="2.8.13", complexity="O(1)", tips=_TIPS)
def latency_latest(client: Client) -> Reply:
    """Returns the latest latency samples for all events."""
    return [
        [event, *series.samples[-1], series.worst] for event, series in client.server.latency.events.items()
    ]


@command(
    "LATENCY RESET [event [event ...]]",
    _FLAGS,
    since="2.8.13",
    complexity="O(1)",
    tips=["request_policy:all_nodes", "response_policy:agg_sum"],
)
def latency_reset(client: Client, *events: bytes) -> Reply:
    """Resets the latency data for one or more events."""
    return client.server.latency.reset(events)


@command("LATENCY GRAPH event", _FLAGS, since="2.8.13", complexity="O(1)", tips=_TIPS)
def latency_graph(client: Client, event: bytes) -> Reply:
    """Returns a latency graph for an event."""
    series = client.server.latency.events.get(event)
    if series is None:
        raise CommandError(b"ERR No samples available for event '%b'" % errors.shown(event))
    latencies = [latency for _, latency in series.samples]
    heading = b"%b - high %d ms, low %d ms (all time high %d ms)\n" % (
        event,
        max(latencies),
        min(latencies),
        series.worst,
    )
    now = client.server.now_ms // 1000
    graph = sparkline([(latency, _age(now - time)) for time, latency in series.samples], _ONE_KIND)
    return Verbatim(b"txt", heading + b"-" * _ONE_KIND + b"\n" + graph.encode())


def _age(seconds: int) -> str:
    for unit, letter in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= unit:
            return f"{seconds // unit}{letter}"
    return f"{max(0, seconds)}s"


# ------------------------------------------------------------------------------------------------- the doctor

_OFF: Final = (
    "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this Redis instance. You may use "
    '"CONFIG SET latency-monitor-threshold <milliseconds>." in order to enable it. If we weren\'t in a deep space '
    "mission I'd suggest to take a look at https://redis.io/topics/latency-monitor.\n"
)
_HEALTHY: Final = (
    "Dave, no latency spike was observed during the lifetime of this Redis instance, not in the slightest bit. I "
    "honestly think you ought to sit down calmly, take a stress pill, and think things over.\n"
)
_SICK: Final = (
    "Dave, I have observed latency spikes in this Redis instance. You don't mind talking about it, "
    "do you Dave?\n\n"
)
_HELPLESS: Final = "\nWhile there are latency events logged, I'm not able to suggest any easy fix.\n"

_SLOW_LOG: Final = "SLOWLOG GET shows which commands they were."
_LARGE: Final = (
    "Deleting, expiring or evicting a large value takes time. Use UNLINK, set the lazyfree-lazy-* options, or make "
    "many small values of it."
)
_DISK: Final = "Use a local disk, an SSD if you can, and see what else keeps it busy."
_ADVICE: Final[Mapping[bytes, tuple[str, ...]]] = {
    b"command": (_SLOW_LOG, _LARGE),
    b"fast-command": (
        "Simple commands were slow: the process does not get the processor when it needs it. Lower the load of this "
        "machine, or look for a noisy neighbour.",
    ),
    b"fork": ("To fork takes the longer the more memory the process has. Save less often.",),
    b"expire-cycle": (_LARGE, "Do not let many keys expire at the same moment."),
    b"eviction-del": (_LARGE,),
    b"eviction-cycle": ("Raise maxmemory, or let the data grow less suddenly: much had to be evicted at once.",),
    b"aof-write-alone": (_DISK,),
    b"aof-write-active-child": (_DISK, "Consider no-appendfsync-on-rewrite, if your data may wait for the disk."),
    b"aof-write-pending-fsync": (_DISK,),
    b"aof-fsync-always": (_DISK, "With 'appendfsync everysec' no command waits for the disk."),
}  # fmt: skip


@command("LATENCY DOCTOR", _FLAGS, since="2.8.13", complexity="O(1)", tips=_TIPS)
def latency_doctor(client: Client) -> Reply:
    """Returns a human-readable latency analysis report."""
    return Verbatim(b"txt", _report(client.server).encode())


def _report(server: Server) -> str:
    monitor = server.latency
    if not monitor.events:
        return _HEALTHY if monitor.threshold else _OFF
    now = server.now_ms // 1000
    lines = [
        f"{number}. {_line(event, series, now)}\n"
        for number, (event, series) in enumerate(monitor.events.items(), 1)
    ]
    advice = [sentence for event in monitor.events for sentence in _ADVICE.get(event, ())]
    if b"command" in monitor.events and server.slow_log.threshold * 1000 > monitor.threshold:
        advice.insert(
            0,
            "The slow log does not show all of them. Use 'CONFIG SET slowlog-log-slower-than "
            f"{monitor.threshold * 1000}'.",
        )
    report = _SICK + "".join(lines)
    if not advice:
        return report + _HELPLESS
    sentences = "".join(f"- {sentence}\n" for sentence in dict.fromkeys(advice))
    return f"{report}\nI have a few advices for you:\n\n{sentences}"


def _line(event: bytes, series: Series, now: int) -> str:
    samples, average, deviation, period = series.analysis(now)
    return (
        f"{event.decode()}: {samples} latency spikes (average {average}ms, mean deviation {deviation}ms, "
        f"period {period / samples:.2f} sec). Worst all time event {series.worst}ms."
    )


@command("LATENCY HELP", LOADING | STALE, since="2.8.13", complexity="O(1)")
def latency_help(client: Client) -> Reply:
    """Returns helpful text about the different subcommands."""
    return help_reply(b"LATENCY", _HELP)


_HELP: Final = b"""
DOCTOR
    Return a report on what took long, for people.
GRAPH <event>
    Return a graph of the latencies of an event.
HISTORY <event>
    Return the last times and latencies of an event.
LATEST
    Return the last latency of each event.
RESET [<event> ...]
    Forget the latencies of some events, or of all.
HISTOGRAM [COMMAND ...]
    Return how the durations of some commands, or of all, are distributed.
"""
