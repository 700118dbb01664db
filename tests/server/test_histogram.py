"""Histograms of durations."""

from __future__ import annotations

import pytest

from twisted_resp.server.histogram import Histogram


def filled(*nanoseconds: int) -> Histogram:
    histogram = Histogram()
    histogram.add([duration / 1e9 for duration in nanoseconds])
    return histogram


def test_an_empty_one() -> None:
    assert Histogram().total == 0
    assert Histogram().percentile(50) == 0
    assert Histogram().cumulative() == {}


@pytest.mark.parametrize(
    ("nanoseconds", "microseconds"),
    [(1, 1), (1024, 1), (1032, 2), (20_000, 33), (10**9, 1073741), (10**10, 1073741)],
)
def test_levels_are_powers_of_two(nanoseconds: int, microseconds: int) -> None:
    assert filled(nanoseconds).cumulative() == {microseconds: 1}


def test_levels_add_up() -> None:
    assert filled(500, 900, 3_000, 70_000, 71_000).cumulative() == {1: 2, 4: 3, 132: 5}


def test_percentiles_are_the_ends_of_buckets() -> None:
    histogram = filled(*[100] * 9, 5_000)
    assert histogram.percentile(0) == 0.1
    assert histogram.percentile(50) == 0.1
    assert histogram.percentile(99) == 5.023
    assert histogram.percentile(100) == 5.023
