"""What a server counts, for INFO."""

from __future__ import annotations

from collections import Counter
from typing import Any, Callable, Final

from twisted_resp.server.histogram import Histogram

__all__ = ["MOST_SAMPLES", "CommandEntry", "Rate", "Statistics", "Turns"]

#: So many durations of a command are kept before they are folded into its sums.
MOST_SAMPLES: Final = 512
# More words than a request can have.
_ANY_NUMBER: Final = 2**31


class CommandEntry:
    """One command in one server: what the dispatcher needs at hand, and what it counts.

    To record a call costs the dispatcher one ``append``: its duration goes to :attr:`samples`, from where
    :meth:`fold` takes it when there are many, or when somebody asks for a sum.

    :ivar least, most: how many words the command may have. A command's declaration is read when it is first called:
        until then no number is right, and whoever meets a wrong number asks :meth:`takes`.
    :ivar samples: what its last calls took, in seconds.
    :ivar folded: how many calls there were before those.
    :ivar tracked: whether a histogram of that is kept (``latency-tracking``).
    """

    __slots__ = (
        "_histogram", "_seconds", "command", "failed", "find_keys", "flags", "folded", "full_name", "handler", "least",
        "most", "plain", "refine", "rejected", "samples", "skip", "subcommands", "tracked",
    )  # fmt: skip

    def __init__(self, command: Any) -> None:
        self.command = command
        self.full_name: bytes = command.full_name
        self.handler: Callable[..., Any] = command.handler
        self.flags: int = command.flags
        self.least = _ANY_NUMBER
        self.most = 0
        #: How many words stand before the handler's arguments.
        self.skip = 1 if command.container is None else 2
        self.subcommands: dict[bytes, CommandEntry] | None = None
        #: What tells the keys of a call and what is needed of them; made when a restricted user first asks.
        self.find_keys: Callable[[list[bytes]], list[tuple[int, int]]] | None = None
        #: What tells the flags of one call, where those of the command are too coarse (EVAL).
        self.refine: Callable[[list[bytes]], int] | None = None
        #: Whether it does nothing but read and change keys, given its arguments alone.
        self.plain = False
        self.samples: list[float] = []
        self.folded = 0
        self._seconds = 0.0
        self._histogram = Histogram()
        self.tracked = True
        self.rejected = 0
        self.failed = 0

    def takes(self, count: int) -> bool:
        """Whether the command may have so many words, its name included."""
        if not self.most:
            arity: int = self.command.arity
            self.least = abs(arity)
            self.most = arity if arity >= 0 else _ANY_NUMBER
        return self.least <= count <= self.most

    def reset(self) -> None:
        """Start counting anew (CONFIG RESETSTAT)."""
        self.samples.clear()
        if self.folded:
            self.folded = 0
            self._seconds = 0.0
            self._histogram = Histogram()
        self.rejected = 0
        self.failed = 0

    def record(self, seconds: float) -> None:
        """Count a call and what it took."""
        self.samples.append(seconds)
        if len(self.samples) >= MOST_SAMPLES:
            self.fold()

    def record_alike(self, seconds: float, count: int) -> None:
        """Count so many calls which took so long together, each of them as much as any other."""
        self.folded += count
        self._seconds += seconds
        if self.tracked:
            self._histogram.add_alike(seconds / count, count)

    def fold(self) -> None:
        """Take the samples to the sums."""
        samples = self.samples
        self.folded += len(samples)
        self._seconds += sum(samples)
        if self.tracked:
            self._histogram.add(samples)
        samples.clear()

    @property
    def calls(self) -> int:
        """How often the command has run."""
        return self.folded + len(self.samples)

    @property
    def seconds(self) -> float:
        """The time spent in it."""
        return self._seconds + sum(self.samples)

    @property
    def histogram(self) -> Histogram:
        """How long its calls took, of those that ran while that was tracked."""
        self.fold()
        return self._histogram


class Rate:
    """How fast a counter grows: the mean since the last look at it.

    Nothing samples the counter meanwhile, so an idle server sleeps; who looks every five seconds sees what
    the last five seconds were like.
    """

    # A look that comes sooner (ms) gets the answer of the one before.
    _SHORTEST = 100

    def __init__(self) -> None:
        self._since: int | None = None
        self._total = 0
        self._rate = 0.0

    def sample(self, now: int, total: int) -> float:
        """The rate a second.

        :param now: Unix time in milliseconds.
        :param total: what the counter says now.
        """
        if self._since is None:
            self._since, self._total = now, total
        elif now - self._since >= self._SHORTEST:
            self._rate = max(0, total - self._total) * 1000 / (now - self._since)
            self._since, self._total = now, total
        return self._rate


class Turns:
    """The turns of the event loop in which clients were served.

    :ivar count: how many there were.
    :ivar seconds: what they took together, and ``longest`` one of them alone.
    :ivar reads: how often something was read from a client, and ``writes`` how often replies were written to one.
    """

    __slots__ = ("count", "longest", "reads", "seconds", "writes")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start counting anew (CONFIG RESETSTAT)."""
        self.count = self.reads = self.writes = 0
        self.seconds = 0.0
        self.longest = 0.0


class Excess:
    """For how long there was more in memory than ``maxmemory``, because nothing could be evicted, or not at once.

    :ivar since: since when there is (Unix time, ms); None while there is not.
    """

    __slots__ = ("_total", "since")

    def __init__(self) -> None:
        self.since: int | None = None
        self._total = 0

    def begin(self, now: int) -> None:
        """There is too much."""
        if self.since is None:
            self.since = now

    def end(self, now: int) -> None:
        """What there is fits again."""
        self._total, self.since = self.total(now), None

    def current(self, now: int) -> int:
        """For how long there has been too much (ms)."""
        return 0 if self.since is None else max(0, now - self.since)

    def total(self, now: int) -> int:
        """For how long there was, this time and before (ms)."""
        return self._total + self.current(now)


class Statistics:
    """Counters of one server. Keyspace hits and the like are counted by the keyspace itself."""

    def __init__(self) -> None:
        #: The most memory that INFO has seen in use (bytes).
        self.peak_memory = 0
        #: Counted by who reads from the clients' sockets.
        self.turns = Turns()
        self.reset()

    def reset(self) -> None:
        """Start counting anew (CONFIG RESETSTAT)."""
        self.command_rate = Rate()
        self.input_rate = Rate()
        self.output_rate = Rate()
        self.turns.reset()
        self.turn_rate = Rate()
        self.turn_time = Rate()
        self.excess = Excess()
        self.connections_received = 0
        self.rejected_connections = 0
        self.input_bytes = 0
        self.output_bytes = 0
        self.errors: Counter[bytes] = Counter()
        self.counts_errors = True
        self.error_replies = 0
        self.evicted_scripts = 0
        self.evicted_clients = 0
        self.forks = 0
        #: Microseconds that the last fork took.
        self.last_fork = 0
        self.output_buffer_limit_disconnections = 0
        #: What it took to write to the append-only file, and to expire keys unasked (seconds).
        self.append_only_seconds = 0.0
        self.expiry_seconds = 0.0
        self.query_buffer_limit_disconnections = 0
