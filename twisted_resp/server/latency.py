"""The latency monitor: when something took the server long, for each kind of event.

https://redis.io/docs/latest/operate/oss_and_stack/management/optimization/latency-monitor/
"""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from twisted_resp.server.server import Server

__all__ = ["Analysis", "LatencyMonitor", "Series"]

# How many samples of an event are kept.
_LENGTH: Final = 160


class Analysis(NamedTuple):
    """What LATENCY DOCTOR says of an event: times in milliseconds, ``period`` in seconds."""

    samples: int
    average: int
    deviation: int
    period: int


class Series:
    """The last samples of one event.

    :ivar samples: (Unix time in seconds, latency in milliseconds), the oldest first; the worst of each second.
    :ivar worst: the highest latency since the series began, in milliseconds.
    """

    def __init__(self) -> None:
        self.samples: deque[tuple[int, int]] = deque(maxlen=_LENGTH)
        self.worst = 0

    def add(self, now: int, latency: int) -> None:
        """Note a latency (ms)."""
        self.worst = max(self.worst, latency)
        if self.samples and self.samples[-1][0] == now:
            latency = max(latency, self.samples.pop()[1])
        self.samples.append((now, latency))

    def analysis(self, now: int) -> Analysis:
        """The samples in a few numbers."""
        latencies = [latency for _, latency in self.samples]
        count = len(latencies)
        average = sum(latencies) // count
        deviation = sum(abs(average - latency) for latency in latencies) // count
        oldest = min(time for time, _ in self.samples)
        return Analysis(count, average, deviation, now - oldest or 1)


class LatencyMonitor:
    """The events of one server that took at least ``latency-monitor-threshold``.

    :ivar threshold: in milliseconds; 0 switches the monitor off.
    :ivar events: the series, by the name of the event.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self.threshold = 0
        self.events: dict[bytes, Series] = {}

    def note(self, event: bytes, seconds: float) -> None:
        """Something took so long; whether that is too long is seen here."""
        milliseconds = int(seconds * 1000)
        if self.threshold and milliseconds >= self.threshold:
            self.events.setdefault(event, Series()).add(int(self._server.clock.seconds()), milliseconds)

    def note_since(self, event: bytes, start: float) -> None:
        """Something is over that began at ``start``, as :func:`time.perf_counter` counts."""
        if self.threshold:
            self.note(event, perf_counter() - start)

    def reset(self, names: tuple[bytes, ...] = ()) -> int:
        """Forget events; answers how many of them there were.

        :param names: in any spelling; none for all events.
        """
        wanted = {name.lower() for name in names} if names else set(self.events)
        found = [event for event in self.events if event.lower() in wanted]
        for event in found:
            del self.events[event]
        return len(found)
