"""How durations are distributed, in little memory: the buckets of an HDR histogram.

Up to 255 ns each nanosecond is told from the next; above, durations are told apart by their eight leading bits, which
is better than one part in a hundred. That is how Redis counts, so percentiles and the buckets of LATENCY HISTOGRAM come
out as they do there. https://redis.io/docs/latest/commands/latency-histogram/
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["Histogram"]

_BITS: Final = 8
# Longer durations count as one second; of that magnitude is also the last bucket.
_LONGEST: Final = 1_000_000_000
_LAST_LEVEL: Final = 1 << 30
_FIRST_LEVEL: Final = 1 << 10


def _width(nanoseconds: int) -> int:
    """The binary logarithm of the width of the bucket that a duration is in."""
    return max(0, nanoseconds.bit_length() - _BITS)


class Histogram:
    """Durations, counted by bucket.

    :ivar total: how many there are.
    """

    __slots__ = ("_counts", "total")

    def __init__(self) -> None:
        # By the least duration (ns) of each bucket.
        self._counts: dict[int, int] = {}
        self.total = 0

    def add(self, durations: Iterable[float]) -> None:
        """Count durations, in seconds."""
        counts = self._counts
        for seconds in durations:
            nanoseconds = min(max(1, int(seconds * 1e9)), _LONGEST)
            width = max(0, nanoseconds.bit_length() - _BITS)
            bucket = nanoseconds >> width << width
            counts[bucket] = counts.get(bucket, 0) + 1
            self.total += 1

    def percentile(self, percent: float) -> float:
        """The duration, in microseconds, that so many of a hundred do not exceed; 0 where there are none."""
        wanted = max(1, int(percent / 100 * self.total + 0.5))
        found = 0
        for bucket in sorted(self._counts):
            found += self._counts[bucket]
            if found >= wanted:
                width = 1 << _width(bucket)
                return (bucket if percent == 0 else bucket + width - 1) / 1000
        return 0.0

    def cumulative(self) -> dict[int, int]:
        """For powers of two of microseconds, how many durations were at most as long; only where that changes."""
        levels: dict[int, int] = {}
        found = 0
        for bucket in sorted(self._counts):
            found += self._counts[bucket]
            level = max(_FIRST_LEVEL, 1 << (bucket - 1).bit_length())
            # The level stands for its whole bucket, but there is none beyond the longest duration.
            highest = level + (1 << _width(level)) - 1 if level < _LAST_LEVEL else _LAST_LEVEL - 1
            levels[highest // 1000] = found
        return levels
