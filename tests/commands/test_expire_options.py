"""The options of SET, GETEX and their kin, and the arithmetic of expire times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_resp.commands.expire_options import (
    EX,
    EXAT,
    EXPIRATION,
    GET,
    GETEX_OPTIONS,
    KEEPTTL,
    NX,
    PERSIST,
    PX,
    PXAT,
    SET_OPTIONS,
    XX,
    deadline,
    parse_options,
)
from twisted_resp.errors import CommandError

NOW = 1_700_000_000_000
MOST = 2**63 - 1


@pytest.mark.parametrize(
    ("options", "flags", "amount"),
    [
        ([], 0, b""),
        ([b"NX", b"PX", b"12"], NX | PX, b"12"),
        ([b"px", b"x", b"Xx", b"get"], PX | XX | GET, b"x"),
        ([b"EX", b"1", b"EX", b"2"], EX, b"2"),
        ([b"KEEPTTL", b"keepttl"], KEEPTTL, b""),
        # What looks like an option is the number of the one before it.
        ([b"EXAT", b"NX"], EXAT, b"NX"),
    ],
)
def test_options_of_set(options: list[bytes], flags: int, amount: bytes) -> None:
    assert parse_options(options, SET_OPTIONS) == (flags, amount)


@pytest.mark.parametrize(
    "options",
    [
        [b"EX"],
        [b"NX", b"XX"],
        [b"EX", b"1", b"PX", b"1"],
        [b"KEEPTTL", b"EXAT", b"1"],
        [b"PXAT", b"1", b"KEEPTTL"],
        [b"PERSIST"],
        [b"EX", b"1", b"2"],
        [b""],
    ],
)
def test_options_that_set_refuses(options: list[bytes]) -> None:
    with pytest.raises(CommandError, match=r"^ERR syntax error$"):
        parse_options(options, SET_OPTIONS)


def test_options_of_getex() -> None:
    assert parse_options([b"persist"], GETEX_OPTIONS) == (PERSIST, b"")
    for refused in ([b"NX"], [b"KEEPTTL"], [b"PERSIST", b"EX", b"1"], [b"EX", b"1", b"PERSIST"]):
        with pytest.raises(CommandError, match=r"^ERR syntax error$"):
            parse_options(refused, GETEX_OPTIONS)


@given(st.sampled_from((EX, PX, EXAT, PXAT)), st.integers(-(2**63), 2**63 - 1), st.booleans())
def test_deadline(unit: int, amount: int, positive: bool) -> None:
    expected = amount * (1000 if unit & (EX | EXAT) else 1)
    fits = -MOST - 1 <= expected <= MOST
    expected += NOW if unit & (EX | PX) else 0
    if fits and expected <= MOST and (amount > 0 or not positive):
        assert deadline(unit | NX, b"%d" % amount, NOW, b"set", positive) == expected
    else:
        with pytest.raises(CommandError, match=r"^ERR invalid expire time in 'set' command$"):
            deadline(unit, b"%d" % amount, NOW, b"set", positive)


@pytest.mark.parametrize("amount", [b"", b"1.5", b"+1", b" 1", b"9223372036854775808"])
@pytest.mark.parametrize("unit", [EX, PX, EXAT, PXAT])
def test_deadline_that_is_no_integer(amount: bytes, unit: int) -> None:
    assert unit & EXPIRATION
    with pytest.raises(CommandError, match=r"^ERR value is not an integer or out of range$"):
        deadline(unit, amount, NOW, b"set")
