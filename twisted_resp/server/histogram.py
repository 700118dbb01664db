"""How durations are distributed, in little memory: the buckets of an HDR histogram.

Up to 255 ns each nanosecond is told from the next; above, durations are told apart by their eight leading bits, which
is better than one part in a hundred. That is how Redis counts, so percentiles and the buckets of LATENCY HISTOGRAM come
out as they do there. https://redis.io/docs/latest/commands/latency-histogram/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import repeat
from operator import mul
from typing import Final

__all__ = ["Histogram"]

_BITS: Final = 8
# Longer durations count as one second; of that magnitude is also the last bucket.
_LONGEST: Final = 1_000_000_000
_LAST_LEVEL: Final = 1 << 30
_FIRST_LEVEL: Final = 1 << 10
_MOST_FRESH: Final = 4096


def _width(nanoseconds: int) -> int:
    """The binary logarithm of the width of the bucket that a duration is in."""
    return max(0, nanoseconds.bit_length() - _BITS)


class Histogram:
    """Durations, counted by bucket.

    :ivar total: how many there are.
    """

    __slots__ = ("_counts", "_fresh", "total")

    def __init__(self) -> None:
        # By the least duration (ns) of each bucket; and those by nanosecond that are not yet sorted into them.
        self._counts: dict[int, int] = {}
        self._fresh: Counter[int] = Counter()
        self.total = 0

    def add(self, durations: Sequence[float]) -> None:
        """Count durations, in seconds."""
        self.total += len(durations)
        # Every command comes by here, so there is no loop; and most durations are among few thousand.
        self._fresh.update(map(int, map(mul, durations, repeat(1e9))))
        if len(self._fresh) > _MOST_FRESH:
            self._sort()

    def add_alike(self, duration: float, count: int) -> None:
        """Count one duration, in seconds, so many times."""
        self.total += count
        fresh, nanoseconds = self._fresh, int(duration * 1e9)
        fresh[nanoseconds] = fresh.get(nanoseconds, 0) + count
        if len(fresh) > _MOST_FRESH:
            self._sort()

    def _sort(self) -> dict[int, int]:
        """Sort the fresh ones into the buckets, which are returned."""
        counts = self._counts
        for nanoseconds, count in self._fresh.items():
            nanoseconds = min(max(1, nanoseconds), _LONGEST)
            width = _width(nanoseconds)
            bucket = nanoseconds >> width << width
            counts[bucket] = counts.get(bucket, 0) + count
        self._fresh.clear()
        return counts

    def percentile(self, percent: float) -> float:
        """The duration, in microseconds, that so many of a hundred do not exceed; 0 where there are none."""
        wanted = max(1, int(percent / 100 * self.total + 0.5))
        found = 0
        counts = self._sort()
        for bucket in sorted(counts):
            found += counts[bucket]
            if found >= wanted:
                width = 1 << _width(bucket)
                return (bucket if percent == 0 else bucket + width - 1) / 1000
        return 0.0

    def cumulative(self) -> dict[int, int]:
        """For powers of two of microseconds, how many durations were at most as long; only where that changes."""
        levels: dict[int, int] = {}
        found = 0
        counts = self._sort()
        for bucket in sorted(counts):
            found += counts[bucket]
            level = max(_FIRST_LEVEL, 1 << (bucket - 1).bit_length())
            # The level stands for its whole bucket, but there is none beyond the longest duration.
            highest = level + (1 << _width(level)) - 1 if level < _LAST_LEVEL else _LAST_LEVEL - 1
            levels[highest // 1000] = found
        return levels
