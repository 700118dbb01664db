"""The longest common subsequence."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted_resp.values.subsequence import Match, common_length, common_matches

texts = st.binary(max_size=20) | st.lists(st.sampled_from(b"ab"), max_size=30).map(bytes)


def table_of(a: bytes, b: bytes) -> list[list[int]]:
    """Compute the lengths for all pairs of prefixes, in the obvious way."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(len(a)):
        for j in range(len(b)):
            table[i + 1][j + 1] = table[i][j] + 1 if a[i] == b[j] else max(table[i][j + 1], table[i + 1][j])
    return table


def pairs_of(a: bytes, b: bytes) -> list[tuple[int, int]]:
    """Walk the table back, as Redis does: up only where that is longer."""
    table = table_of(a, b)
    i, j = len(a), len(b)
    pairs = []
    while i and j:
        if a[i - 1] == b[j - 1]:
            i -= 1
            j -= 1
            pairs.append((i, j))
        elif table[i - 1][j] > table[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return pairs


@given(texts, texts)
def test_length(a: bytes, b: bytes) -> None:
    assert common_length(a, b) == table_of(a, b)[-1][-1]


@given(texts, texts)
def test_matches(a: bytes, b: bytes) -> None:
    matches = common_matches(a, b)
    pairs = [(match.first + n, match.second + n) for match in matches for n in reversed(range(match.length))]
    assert pairs == pairs_of(a, b)
    for later, earlier in zip(matches, matches[1:]):
        ends = (earlier.first + earlier.length, earlier.second + earlier.length)
        assert ends != (later.first, later.second), "two adjoining runs are one"


def test_the_example_of_redis_io() -> None:
    a, b = b"ohmytext", b"mynewtext"
    assert common_length(a, b) == 6
    assert common_matches(a, b) == [Match(4, 5, 4), Match(2, 0, 2)]


def test_long_texts_take_little_time() -> None:
    # The obvious table would have a hundred million cells.
    a, b = b"abc" * 3333, b"acb" * 3333
    matches = common_matches(a, b)
    assert sum(match.length for match in matches) == common_length(a, b)
