from __future__ import annotations

import pytest

from twisted_resp.server.affinity import parse_cpu_list


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        (b"", set()),
        (b"3", {3}),
        (b"0,2 4-6", {0, 2, 4, 5, 6}),
        (b"1-9:3", {1, 4, 7}),
        (b"5-2", set()),
        (b"0,x", set()),
        (b"0-3:0", {0, 1, 2, 3}),
    ],
)
def test_lists_of_processors(text: bytes, numbers: set[int]) -> None:
    assert parse_cpu_list(text) == numbers
