"""Glob patterns: against examples, a slow and plain reading of the rules, and redis-server."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from twisted_resp.text.glob import compile_glob

COMPARISON = settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        (b"", [b""], [b"a"]),
        (b"abc", [b"abc"], [b"abcd", b"ab", b"ABC", b""]),
        (b"*", [b"a", b"\n\0\xff"], [b""]),
        (b"**", [b"a"], [b""]),
        (b"abc*", [b"abc", b"abcd"], [b"ab", b"xabc"]),
        (b"*abc", [b"abc", b"xabc", b"abcabc"], [b"abcx", b"bc"]),
        (b"*abc*", [b"abc", b"xabcx"], [b"ab", b"axbc"]),
        (b"a*a", [b"aa", b"aba"], [b"a", b"ab"]),
        (b"ab*bc*cd", [b"abbccd", b"ab-bc-cd"], [b"abcd", b"abbcd", b"abccd"]),
        (b"h?llo", [b"hello", b"h\nllo"], [b"hllo", b"heello"]),
        (b"h[ae]llo", [b"hello", b"hallo"], [b"hillo"]),
        (b"h[^e]llo", [b"hallo"], [b"hello", b"hllo"]),
        (b"h[!e]llo", [b"h!llo", b"hello"], [b"hallo"]),
        (b"h[a-c]llo", [b"hbllo"], [b"hdllo", b"h-llo"]),
        (b"h[c-a]llo", [b"hbllo"], [b"hdllo", b"h-llo"]),
        (b"[a\\-c]", [b"a", b"-", b"c"], [b"b"]),
        (b"[a-]", [b"]", b"a", b"_"], [b"-", b"b"]),
        (b"[-a]", [b"-", b"a"], [b"b"]),
        (b"[]", [], [b"", b"]", b"[]", b"a"]),
        (b"[]a]", [], [b"]", b"a", b"]a]"]),
        (b"[^]", [b"a", b"]"], [b""]),
        (b"[abc", [b"a", b"c"], [b"[abc", b"d"]),
        (b"[^abc", [b"d"], [b"a"]),
        (b"[", [], [b"[", b""]),
        (b"[^", [b"^", b"x"], [b""]),
        (b"[\\]", [b"]"], [b"\\"]),
        (b"[\\", [b"\\"], [b"["]),
        (b"[\xf0-\x10]", [b"\xf0", b"\xff", b"\0", b"\x10"], [b"\xef", b"a"]),
        (b"\\*", [b"*"], [b"\\*", b"a"]),
        (b"a\\", [b"a\\"], [b"a"]),
        (b"\\a\\", [b"a\\"], [b"a"]),
        (b"a?*", [b"ab", b"abc"], [b"a"]),
        (b"*?", [b"a", b"ab"], [b""]),
        (b"*[ab]*[cd]*", [b"xaxcx", b"ad"], [b"ca", b"a"]),
    ],
)
def test_examples(pattern: bytes, matching: list[bytes], other: list[bytes]) -> None:
    match = compile_glob(pattern)
    assert [text for text in matching if not match(text)] == []
    assert [text for text in other if match(text)] == []


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        (b"MaxMemory*", [b"maxmemory", b"MAXMEMORY-policy"], [b"maxmemor"]),
        (b"*-LOG-*", [b"a-log-b"], [b"alogb"]),
        (b"[a-c]x", [b"BX", b"bx"], [b"dx"]),
        (b"[X-Z]", [b"y", b"Y"], [b"w"]),
        (b"[Z-a]", [], [b"Z", b"a", b"z", b"_"]),
        (b"[\\a]", [b"a"], [b"A"]),
        (b"[^ab]", [b"c"], [b"A", b"b"]),
        (b"\xc0", [b"\xc0"], [b"\xe0"]),
        (b"1-2*", [b"1-2"], [b"1"]),
    ],
)
def test_examples_of_matching_in_either_case(
    pattern: bytes, matching: list[bytes], other: list[bytes]
) -> None:
    match = compile_glob(pattern, nocase=True)
    assert [text for text in matching if not match(text)] == []
    assert [text for text in other if match(text)] == []


@pytest.mark.parametrize("joint", [b"a*", b"[a]*", b"a?*", b"?*"])
def test_many_stars_take_no_exponential_time(joint: bytes) -> None:
    match = compile_glob(joint * 300 + b"b")
    started = time.process_time()
    assert not match(b"a" * 3000)
    assert match(b"a" * 3000 + b"b")
    assert time.process_time() - started < 2


def test_too_many_stars_match_nothing() -> None:
    assert compile_glob(b"*?" * 1000)(b"a" * 1000)
    assert compile_glob(b"?*" * 1001)(b"a" * 1001)
    assert not compile_glob(b"*?" * 1001)(b"a" * 1001)
    assert not compile_glob(b"*?" * 50000)(b"a" * 50)


def test_a_pattern_is_compiled_once() -> None:
    assert compile_glob(b"x[yz]*") is compile_glob(b"x[yz]*")
    assert compile_glob(b"x[yz]*") is not compile_glob(b"x[yz]*", nocase=True)


def signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


def consume(pattern: bytes, byte: int, nocase: bool) -> tuple[bool, bytes]:
    """Say whether the first element of a pattern takes the byte, and what is left of the pattern."""

    def fold(byte: int) -> int:
        return bytes([byte]).lower()[0] if nocase else byte

    head, rest = pattern[:1], pattern[1:]
    if head == b"?":
        return True, rest
    if head == b"\\" and rest:
        return fold(rest[0]) == fold(byte), rest[1:]
    if head != b"[":
        return fold(head[0]) == fold(byte), rest
    negated = rest.startswith(b"^")
    rest = rest[negated:]
    found = False
    while rest and not rest.startswith(b"]"):
        if rest.startswith(b"\\") and len(rest) > 1:
            found |= rest[1] == byte
            rest = rest[2:]
        elif len(rest) > 2 and rest[1:2] == b"-":
            low, high = sorted([rest[0], rest[2]], key=signed)
            found |= signed(fold(low)) <= signed(fold(byte)) <= signed(fold(high))
            rest = rest[3:]
        else:
            found |= fold(rest[0]) == fold(byte)
            rest = rest[1:]
    return found != negated, rest[1:]


def reference(pattern: bytes, text: bytes, nocase: bool) -> bool:
    """The rules, read plainly: follow every pattern that may be left after each byte."""
    left = {pattern}
    for byte in text:
        following = set()
        for rest in left:
            while rest.startswith(b"*"):
                following.add(rest)
                rest = rest[1:]
            if rest:
                taken, after = consume(rest, byte, nocase)
                if taken:
                    following.add(after)
        left = following
    return any(not rest.strip(b"*") for rest in left) if text else not pattern


bytes_of_note = st.sampled_from(b"*?[]^-\\abcABzZ_!\0\n\x7f\x80\xc3\xff").map(lambda byte: bytes([byte]))
patterns = st.lists(
    st.one_of(
        bytes_of_note, st.sampled_from([b"*", b"**", b"[a-c]", b"[^a]", b"[B-b]", b"\\*", b"[\\]]", b"ab"])
    ),
    max_size=12,
).map(b"".join)
texts = st.lists(bytes_of_note, max_size=10).map(b"".join)


@given(patterns, texts, st.booleans())
@settings(deadline=None, max_examples=400)
def test_matches_as_the_reference_does(pattern: bytes, text: bytes, nocase: bool) -> None:
    assert compile_glob(pattern, nocase)(text) == reference(pattern, text, nocase)


@given(texts, st.lists(st.integers(0, 10), max_size=4))
def test_a_text_matches_itself_escaped_and_with_stars(text: bytes, places: list[int]) -> None:
    pieces = [b"\\" + text[i : i + 1] for i in range(len(text))]
    for place in places:
        pieces.insert(place, b"*")
    assert compile_glob(b"".join(pieces))(text) == (bool(text) or not places)


@given(patterns, st.lists(texts, min_size=1, max_size=30))
@example(b"*", [b""])
@COMPARISON
def test_matches_as_redis_server_does(redis: Any, pattern: bytes, candidates: list[bytes]) -> None:
    redis(b"FLUSHALL")
    redis(b"MSET", *(argument for text in candidates for argument in (text, b"")))
    if pattern == b"*":
        pattern = b"**"  # KEYS takes the lone star apart
    match = compile_glob(pattern)
    assert sorted(redis(b"KEYS", pattern)) == sorted(text for text in set(candidates) if match(text))


@given(patterns, texts)
@COMPARISON
def test_matches_in_either_case_as_redis_server_does(redis: Any, pattern: bytes, text: bytes) -> None:
    match = compile_glob(pattern, nocase=True)
    commands = redis(b"COMMAND", b"LIST")
    listed = redis(b"COMMAND", b"LIST", b"FILTERBY", b"PATTERN", pattern)
    assert set(listed) == {name for name in commands if match(name)}
