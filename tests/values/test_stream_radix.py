from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_resp.values.stream_id import MAX_ID, StreamId
from twisted_resp.values.stream_radix import radix_nodes


@pytest.mark.parametrize(
    ("starts", "nodes"),
    [
        ([], 1),
        ([(1, 0)], 2),  # the key, and its end
        ([(1, 0), (1, 1)], 4),  # what they share, the last byte, two ends
        ([(1, 0), (2, 0)], 6),  # what they share, a byte, twice the rest and its end
        ([(0, 0), MAX_ID], 5),
    ],
)
def test_small_trees(starts: list[StreamId], nodes: int) -> None:
    assert radix_nodes(starts) == nodes


word = st.one_of(st.integers(0, 3), st.integers(0, 2**64 - 1), st.integers(250, 260))


@given(st.sets(st.tuples(word, word), max_size=12))
def test_against_a_tree(starts: set[StreamId]) -> None:
    tree: dict[int, Any] = {}
    for ms, sequence in starts:
        branch = tree
        for byte in ms.to_bytes(8, "big") + sequence.to_bytes(8, "big"):
            branch = branch.setdefault(byte, {})
    assert radix_nodes(sorted(starts)) == (nodes_of(tree) if tree else 1)


def nodes_of(branch: dict[int, Any]) -> int:
    """Count as Redis' tree would be: bytes in a row that have no alternative are one node."""
    if not branch:
        return 1
    count = 1
    if len(branch) == 1:
        while len(branch) == 1:
            (branch,) = branch.values()
        return count + nodes_of(branch)
    return count + sum(map(nodes_of, branch.values()))
