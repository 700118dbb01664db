from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_resp.values import score_order
from twisted_resp.values.limits import Limits
from twisted_resp.values.score_order import Pair, ScoreOrder
from twisted_resp.values.sorted_set import (
    ADDED,
    FIRST,
    GT,
    INCR,
    LAST,
    LT,
    NX,
    SKIPPED,
    UNCHANGED,
    UPDATED,
    XX,
    LexBound,
    LexRange,
    ScoreRange,
    SortedSet,
)

INF = math.inf


def set_of(*members: str, score: float = 0.0) -> SortedSet:
    return SortedSet.of(Limits(), [(member.encode(), score) for member in members])


def members_of(pairs: list[Pair]) -> str:
    return b"".join(member for member, _ in pairs).decode()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the chunks so small that a few members split and join them."""
    monkeypatch.setattr(score_order, "_LOAD", 4)
    monkeypatch.setattr(score_order, "_MAX_DIFFERENCES", 3)


def test_flags(limits: Limits) -> None:
    zset = SortedSet(limits)
    assert zset.put(b"a", 1.0, XX) == (SKIPPED, 1.0)
    assert b"a" not in zset
    assert zset.put(b"a", 1.0, NX) == (ADDED, 1.0)
    assert zset.put(b"a", 2.0, NX) == (SKIPPED, 1.0)
    assert zset.put(b"a", 2.0, XX) == (UPDATED, 2.0)
    assert zset.put(b"a", 2.0) == (UNCHANGED, 2.0)
    assert zset.put(b"a", 1.0, GT) == (SKIPPED, 2.0)
    assert zset.put(b"a", 3.0, GT) == (UPDATED, 3.0)
    assert zset.put(b"a", 4.0, LT) == (SKIPPED, 3.0)
    assert zset.put(b"a", 2.0, LT | XX) == (UPDATED, 2.0)
    assert zset.put(b"a", 5.0, INCR) == (UPDATED, 7.0)
    assert zset.put(b"a", 0.0, INCR) == (UNCHANGED, 7.0)
    assert zset.put(b"a", -1.0, INCR | GT) == (SKIPPED, 7.0)
    assert zset.put(b"b", 1.5, INCR) == (ADDED, 1.5)
    assert zset.put(b"c", 1.0, GT) == (ADDED, 1.0)
    assert list(zset) == [(b"c", 1.0), (b"b", 1.5), (b"a", 7.0)]


def test_scores_that_are_no_numbers(limits: Limits) -> None:
    zset = SortedSet(limits)
    for flags in (0, XX, NX):
        with pytest.raises(ValueError, match="not a number"):
            zset.put(b"a", math.nan, flags)
    zset.put(b"a", INF)
    with pytest.raises(ValueError, match="not a number"):
        zset.put(b"a", -INF, INCR)
    assert list(zset) == [(b"a", INF)]


def test_minus_zero_is_zero(limits: Limits) -> None:
    zset = set_of("b", score=0.0)
    zset.put(b"a", -0.0)
    zset.put(b"c", -0.0)
    assert members_of(list(zset)) == "abc"
    assert zset.put(b"b", -0.0) == (UNCHANGED, 0.0)
    assert zset.count_by_score(ScoreRange(0.0, 0.0)) == zset.count_by_score(ScoreRange(-0.0, -0.0)) == 3


def test_encodings(limits: Limits) -> None:
    limits.zset_max_listpack_entries, limits.zset_max_listpack_value = 3, 5
    zset = SortedSet(limits)
    for member in (b"1", b"2", b"12345"):
        zset.put(member, 1.0)
    assert zset.encoding == b"listpack"
    zset.put(b"4", 1.0, XX)
    assert zset.encoding == b"listpack"
    zset.put(b"4", 1.0)
    assert zset.encoding == b"skiplist"
    zset.remove(b"4")
    assert zset.encoding == zset.copy().encoding == b"skiplist"
    hinted = SortedSet(limits)
    hinted.expect(4)
    assert hinted.encoding == b"skiplist"


def test_popping(limits: Limits) -> None:
    zset = SortedSet.of(limits, [(b"%d" % number, float(number % 7)) for number in range(50)])
    in_order = list(zset)
    assert [zset.pop_min() for _ in range(20)] == in_order[:20]
    assert [zset.pop_max() for _ in range(30)] == in_order[:19:-1]
    assert len(zset) == 0
    with pytest.raises(IndexError):
        zset.pop_min()
    with pytest.raises(IndexError):
        zset.pop_max()


def test_ranges_by_member() -> None:
    zset = set_of(*"abcdefgh")

    def between(low: LexBound, high: LexBound, **options: Any) -> str:
        return members_of(zset.range_by_lex(LexRange(low, high), **options).pairs())

    c, f = LexBound(b"c"), LexBound(b"f")
    after_c, before_f = LexBound(b"c", True), LexBound(b"f", True)
    assert between(FIRST, LAST) == "abcdefgh"
    assert between(c, f) == "cdef"
    assert between(after_c, before_f) == "de"
    assert between(FIRST, before_f, reverse=True) == "edcba"
    assert between(c, LAST, offset=1, count=2) == "de"
    assert between(c, LAST, offset=1, count=2, reverse=True) == "gf"
    assert between(c, LAST, offset=-1) == between(c, LAST, offset=9) == between(c, LAST, count=0) == ""
    assert between(LAST, FIRST) == between(LAST, LAST) == between(FIRST, FIRST) == between(f, c) == ""
    assert between(c, after_c) == between(LAST, c) == between(c, FIRST) == ""
    assert zset.count_by_lex(LexRange(c, LAST)) == 6
    assert members_of(zset.remove_range_by_lex(LexRange(c, before_f))) == "cde"
    assert members_of(list(zset)) == "abfgh"


def test_ranges_by_member_with_mixed_scores_are_at_least_harmless(limits: Limits) -> None:
    zset = SortedSet.of(limits, [(b"%02d" % (number * 37 % 100), float(number)) for number in range(100)])
    for number in range(100):
        bounds = LexRange(LexBound(b"%02d" % number), LexBound(b"%02d" % (number + 20)))
        assert zset.count_by_lex(bounds) == len(zset.range_by_lex(bounds).members())
    assert len(zset) + len(zset.remove_range_by_lex(LexRange(LexBound(b"20"), LexBound(b"90")))) >= 100
    assert sorted(zset.scores) == sorted(member for member, _ in zset)


def test_random_members(limits: Limits) -> None:
    zset = set_of(*"abcdefghijklmnop")
    rng = Random(1)
    assert {zset.random_pair(rng)[0] for _ in range(2000)} == set(zset.scores)
    assert len(set(zset.random_pairs(rng, 10))) == 10
    assert len(zset.random_pairs(rng, 100)) == 16
    assert len(zset.random_pairs(rng, 100, repeat=True)) == 100
    assert set(zset.random_pairs(rng, 2000, repeat=True)) == set(zset)
    assert (
        zset.random_pairs(rng, 0)
        == SortedSet(limits).random_pairs(rng, 3)
        == SortedSet(limits).random_pairs(rng, 3, repeat=True)
        == []
    )


def test_small_sets_are_scanned_at_once() -> None:
    assert set_of(*"abc").scan(0, 1) == (0, [(b"a", 0.0), (b"b", 0.0), (b"c", 0.0)])


def test_a_scan_meets_all_that_stays(limits: Limits) -> None:
    zset = SortedSet.of(limits, [(b"stays%d" % number, 1.0) for number in range(300)])
    for number in range(300):
        zset.put(b"goes%d" % number, 0.0)
    seen: set[bytes] = set()
    cursor, pairs = zset.scan(0, 10)
    step = 0
    while cursor:
        seen.update(member for member, _ in pairs)
        step += 1
        zset.remove(b"goes%d" % step)
        zset.pop_min()
        zset.remove_range_by_rank(0, 1)
        zset.put(b"new%d" % step, -5.0)
        cursor, pairs = zset.scan(cursor, 10)
    seen.update(member for member, _ in pairs)
    assert seen >= {b"stays%d" % number for number in range(300)}
    assert set(zset.scores) == {member for member, _ in zset}


def test_clear_and_copy() -> None:
    zset = set_of(*"abc")
    twin = zset.copy()
    zset.clear()
    assert (len(zset), list(zset)) == (0, [])
    assert members_of(list(twin)) == "abc"
    twin.put(b"d", -1.0)
    assert members_of(list(twin)) == "dabc"


few_scores = st.sampled_from([-INF, -2.5, -1.0, 0.0, -0.0, 1.0, 1.5, 2.0, 3.0, 1e100, INF])
names = st.integers(0, 60).map(lambda number: b"%d" % number)
changes = st.lists(
    st.one_of(
        st.tuples(st.just("put"), names, few_scores),
        st.tuples(st.just("put"), names, few_scores),
        st.tuples(st.just("put"), names, few_scores),
        st.tuples(st.just("remove"), names, st.just(0.0)),
        st.tuples(st.just("rank"), names, st.just(0.0)),
        st.tuples(st.sampled_from(["pop_min", "pop_max"]), st.just(b""), st.just(0.0)),
        st.tuples(st.sampled_from(["by_score", "by_rank"]), names, few_scores),
    ),
    max_size=150,
)
score_ranges = st.builds(ScoreRange, few_scores, few_scores, st.booleans(), st.booleans())


def by_score(pair: Pair) -> tuple[float, bytes]:
    return pair[1], pair[0]


def is_within(score: float, bounds: ScoreRange) -> bool:
    above = score > bounds.low if bounds.low_exclusive else score >= bounds.low
    below = score < bounds.high if bounds.high_exclusive else score <= bounds.high
    return above and below


@settings(max_examples=300)
@given(
    changes, score_ranges, st.integers(-70, 70), st.integers(-70, 70), st.integers(0, 5), st.integers(-1, 20)
)
def test_a_sorted_set_behaves_like_a_sorted_list(
    script: list[tuple[str, bytes, float]], bounds: ScoreRange, start: int, stop: int, offset: int, count: int
) -> None:
    zset = SortedSet(Limits())
    model: dict[bytes, float] = {}
    for action, member, score in script:
        ordered = sorted(model.items(), key=by_score)
        if action == "put":
            zset.put(member, score)
            if model.get(member) != score:
                model[member] = score
        elif action == "remove":
            assert zset.remove(member) == (model.pop(member, None) is not None)
        elif action == "rank":
            expected = [known for known, _ in ordered].index(member) if member in model else None
            assert zset.rank(member) == expected
            back = None if expected is None else len(model) - 1 - expected
            assert zset.rank(member, reverse=True) == back
        elif action == "by_score":
            gone = [pair for pair in ordered if is_within(pair[1], ScoreRange(score, 1.0))]
            assert zset.remove_range_by_score(ScoreRange(score, 1.0)) == gone
            model = {known: value for known, value in model.items() if (known, value) not in gone}
        elif action == "by_rank":
            rank = int(member)
            assert zset.remove_range_by_rank(rank, rank + 9) == ordered[rank : rank + 10]
            model = dict(ordered[:rank] + ordered[rank + 10 :])
        elif model:
            expected_pair = ordered[0 if action == "pop_min" else -1]
            assert (zset.pop_min() if action == "pop_min" else zset.pop_max()) == expected_pair
            del model[expected_pair[0]]
        assert len(zset) == len(zset._order) == len(model)
    ordered = sorted(model.items(), key=by_score)
    assert list(zset) == ordered
    within = [pair for pair in ordered if is_within(pair[1], bounds)]
    assert zset.range_by_score(bounds).pairs() == within
    assert zset.range_by_score(bounds, reverse=True).pairs() == within[::-1]
    assert zset.count_by_score(bounds) == len(within)
    cut = within[offset:] if count < 0 else within[offset : offset + count]
    assert zset.range_by_score(bounds, offset=offset, count=count).pairs() == cut
    cut = within[::-1][offset:] if count < 0 else within[::-1][offset : offset + count]
    assert zset.range_by_score(bounds, offset=offset, count=count, reverse=True).pairs() == cut
    size = len(ordered)
    first, last = (start if start >= 0 else max(start + size, 0)), (stop if stop >= 0 else stop + size)
    assert zset.range_by_rank(start, stop).pairs() == (ordered[first : last + 1] if last >= 0 else [])
    assert zset.range_by_rank(start, stop, reverse=True).pairs() == (
        ordered[::-1][first : last + 1] if last >= 0 else []
    )
    assert list(ScoreOrder.of(model.items())) == ordered


@settings(max_examples=40)
@given(
    st.lists(st.tuples(names, few_scores), min_size=1, max_size=60),
    score_ranges,
    st.integers(0, 5),
    st.integers(-1, 9),
)
def test_ranges_are_as_in_redis(
    reference: Any, pairs: list[Pair], bounds: ScoreRange, offset: int, count: int
) -> None:
    zset = SortedSet(Limits())
    for member, score in pairs:
        zset.put(member, score)
    reference.execute_command("DEL", "z")
    reference.execute_command(
        "ZADD", "z", *[text for member, score in pairs for text in (repr(score), member)]
    )
    low, high = (
        ("(" if exclusive else "") + repr(score)
        for score, exclusive in ((bounds.low, bounds.low_exclusive), (bounds.high, bounds.high_exclusive))
    )
    expected = reference.execute_command("ZRANGEBYSCORE", "z", low, high, "LIMIT", offset, count)
    assert zset.range_by_score(bounds, offset=offset, count=count).members() == expected
    expected = reference.execute_command("ZREVRANGEBYSCORE", "z", high, low, "LIMIT", offset, count)
    assert zset.range_by_score(bounds, offset=offset, count=count, reverse=True).members() == expected
    assert zset.count_by_score(bounds) == reference.execute_command("ZCOUNT", "z", low, high)
    assert [member for member, _ in zset] == reference.execute_command("ZRANGE", "z", 0, -1)
