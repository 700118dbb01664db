"""Numbers as a graph of characters, as LATENCY GRAPH shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["sparkline"]

# What one character shows: less or more of its height, and all of it where the graph goes on above.
_LEVELS: Final = "_o#"
_FULL: Final = "|"


def sparkline(samples: Sequence[tuple[int, str]], columns: int = 80, rows: int = 4) -> str:
    """Draw samples, a column each, with their labels downwards below.

    :param samples: values with their labels.
    :param columns: how many go beside each other; the others follow in graphs below.
    :param rows: how high each graph is, in lines.
    """
    parts = [samples[start : start + columns] for start in range(0, len(samples), columns)]
    values = [value for value, _ in samples]
    return "\n".join(_drawn(part, min(values), max(values), rows) for part in parts)


def _drawn(samples: Sequence[tuple[int, str]], low: int, high: int, rows: int) -> str:
    steps = len(_LEVELS) * rows
    heights = [min((value - low) * steps // (high - low or 1), steps - 1) for value, _ in samples]
    lines = [
        "".join(_character(height - row * len(_LEVELS)) for height in heights)
        for row in range(rows - 1, -1, -1)
    ]
    lines.append(" " * len(samples))
    longest = max(len(label) for _, label in samples)
    lines += ["".join(label[place : place + 1] or " " for _, label in samples) for place in range(longest)]
    return "".join(line + "\n" for line in lines)


def _character(height: int) -> str:
    """What a column shows in a row, at whose lower end it has a height."""
    if height < 0:
        return " "
    return _LEVELS[height] if height < len(_LEVELS) else _FULL
