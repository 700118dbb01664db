"""Which processors a process of ours may run on (``server-cpulist`` and its kin), where the system lets us say."""

from __future__ import annotations

import os
import re
from typing import Final

__all__ = ["parse_cpu_list", "run_on"]

_RANGE: Final = re.compile(rb"(\d+)(?:-(\d+)(?::(\d+))?)?")


def parse_cpu_list(text: bytes) -> set[int]:
    """Read a list as taskset has it: ``0,2,4-9`` or ``0-7:2`` (every second of them).

    :returns: the numbers of processors; none where it can't be read.
    """
    numbers: set[int] = set()
    for part in text.replace(b",", b" ").split():
        match = _RANGE.fullmatch(part)
        if match is None:
            return set()
        first, last, step = (int(number) if number else None for number in match.groups())
        assert first is not None
        numbers.update(range(first, (first if last is None else last) + 1, step or 1))
    return numbers


def run_on(text: bytes) -> None:
    """Keep this process to a list of processors; what the system does not grant is left, as in Redis."""
    numbers = parse_cpu_list(text)
    if numbers and hasattr(os, "sched_setaffinity"):
        try:
            os.sched_setaffinity(0, numbers)
        except (OSError, ValueError, OverflowError):
            pass
