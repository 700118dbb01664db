r"""Redis' glob patterns (``stringmatchlen``), compiled once per pattern.

Theory of operation. Everything in a pattern but ``*`` consumes exactly one byte, so the stars cut a pattern
into segments of fixed width. The first segment is anchored at the start of the text, the last one at the end,
and those between may each be taken at the leftmost place where they fit: what fits behind a predecessor also
fits behind one that ends earlier. So nothing is ever taken back, and matching costs at most the width of the
pattern times the length of the text, whatever the number of stars.

Where all segments are plain bytes (nearly always) that is ``startswith``, ``find`` and ``endswith``;
otherwise it is a regular expression in which each segment is atomic.

What is peculiar to Redis, and kept: no star matches in an empty text (KEYS and SCAN treat the pattern ``*``
apart); a class that is not closed ends with the pattern; ``[]`` matches nothing and ``[^]`` anything; a
reversed range is turned round; bytes in ranges are signed; with `nocase` an escaped byte in a class must
match exactly; more than a thousand stars match nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import groupby
from typing import Callable

__all__ = ["Matcher", "compile_glob"]

Matcher = Callable[[bytes], bool]

# What may stand at one place of a text: the set of bytes, for ?, classes and (with nocase) letters.
_Bytes = frozenset[int]
_Segment = list[_Bytes]

_ANY: _Bytes = frozenset(range(256))
_EXACTLY: tuple[_Bytes, ...] = tuple(frozenset([byte]) for byte in range(256))
_EITHER_CASE: tuple[_Bytes, ...] = tuple(
    frozenset(bytes([byte]).lower() + bytes([byte]).upper()) for byte in range(256)
)
_LOWER = bytes(range(256)).lower()

_STAR, _QUESTION, _OPEN, _CLOSE, _DASH, _BACKSLASH = b"*?[]-\\"

# Redis gives up at this depth of recursion, which grows by one with every star that something follows.
_DEEPEST = 1000

_CACHED_PATTERNS = 1024
_LONGEST_CACHED = 1024


def compile_glob(pattern: bytes, nocase: bool = False) -> Matcher:
    """Return the function that says whether a text matches the pattern, as Redis' ``stringmatchlen`` does.

    Args:
        pattern: a glob of ``*``, ``?``, ``[abc]``, ``[a-z]``, ``[^x]`` and backslash escapes.
        nocase: whether ASCII letters match in either case (CONFIG GET, COMMAND LIST FILTERBY, FUNCTION LIST).

    As in Redis even ``*`` does not match the empty text: KEYS and SCAN must not ask about ``*`` at all.
    See https://redis.io/docs/latest/commands/keys/.
    """
    if len(pattern) > _LONGEST_CACHED:
        return _compile(pattern, nocase)
    return _compile_cached(pattern, nocase)


def _compile(pattern: bytes, nocase: bool) -> Matcher:
    segments = _parse(pattern, nocase)
    stars_followed = len(segments) - (1 if segments[-1] else 2)
    if stars_followed > _DEEPEST:
        return _never
    if any(not choice for segment in segments for choice in segment):
        return _never
    literals = [_as_literal(segment, nocase) for segment in segments]
    plain = [literal for literal in literals if literal is not None]
    if len(plain) < len(literals):
        return _match_expression(segments)
    matcher = _match_literals(plain)
    if nocase and any(literal.upper() != literal for literal in plain):
        return lambda text: matcher(text.lower())
    return matcher


_compile_cached = lru_cache(maxsize=_CACHED_PATTERNS)(_compile)


def _never(text: bytes) -> bool:
    return False


def _as_literal(segment: _Segment, nocase: bool) -> bytes | None:
    """Return the one text (in lower case with nocase) that a segment stands for, or None for several."""
    spelled = _EITHER_CASE if nocase else _EXACTLY
    literal = bytearray()
    for choice in segment:
        byte = max(choice)  # of the two cases of a letter, the lower one
        if choice != spelled[byte]:
            return None
        literal.append(byte)
    return bytes(literal)


def _match_literals(segments: list[bytes]) -> Matcher:
    first, last = segments[0], segments[-1]
    if len(segments) == 1:
        return lambda text: text == first
    middle = segments[1:-1]
    if not middle:
        if not last:
            # The lone star: b"" has no place for it.
            return (lambda text: text.startswith(first)) if first else bool
        if not first:
            return lambda text: text.endswith(last)
    elif len(middle) == 1 and not first and not last:
        infix = middle[0]
        return lambda text: infix in text
    width = sum(map(len, segments))

    def match(text: bytes) -> bool:
        if len(text) < width or not text.startswith(first) or not text.endswith(last):
            return False
        position = len(first)
        stop = len(text) - len(last)
        for segment in middle:
            position = text.find(segment, position, stop)
            if position < 0:
                return False
            position += len(segment)
        return True

    return match


def _match_expression(segments: list[_Segment]) -> Matcher:
    parts = [_expression(segments[0])]
    # A group in a lookahead is atomic: once found, it is not given up for a longer one.
    # (Python 3.9 has no (?>...).)
    for number, segment in enumerate(segments[1:-1]):
        parts.append(b"(?=(?P<s%d>.*?%s))(?P=s%d)" % (number, _expression(segment), number))
    if len(segments) > 1:
        parts.append(b".*" + _expression(segments[-1]))
    fullmatch = re.compile(b"".join(parts), re.DOTALL).fullmatch
    width = sum(map(len, segments))

    def match(text: bytes) -> bool:
        return len(text) >= width and fullmatch(text) is not None

    return match


def _expression(segment: _Segment) -> bytes:
    parts = []
    for choice, places in groupby(segment):
        count = len(list(places))
        parts.append(_byte_expression(choice) + (b"{%d}" % count if count > 1 else b""))
    return b"".join(parts)


@lru_cache(maxsize=512)
def _byte_expression(choice: _Bytes) -> bytes:
    if len(choice) == 256:
        return b"."
    if len(choice) == 1:
        return b"\\x%02x" % min(choice)
    return b"[" + b"".join(b"\\x%02x" % byte for byte in sorted(choice)) + b"]"


def _parse(pattern: bytes, nocase: bool) -> list[_Segment]:
    """Cut the pattern at its stars; neighbouring stars are one. There is always at least one segment."""
    spelled = _EITHER_CASE if nocase else _EXACTLY
    segments: list[_Segment] = [[]]
    after_star = False
    end = len(pattern)
    position = 0
    while position < end:
        byte = pattern[position]
        position += 1
        if byte == _STAR:
            if not after_star:
                segments.append([])
            after_star = True
            continue
        after_star = False
        if byte == _QUESTION:
            segments[-1].append(_ANY)
        elif byte == _OPEN:
            choice, position = _parse_class(pattern, position, nocase)
            segments[-1].append(choice)
        else:
            if byte == _BACKSLASH and position < end:
                byte = pattern[position]
                position += 1
            segments[-1].append(spelled[byte])
    return segments


def _parse_class(pattern: bytes, position: int, nocase: bool) -> tuple[_Bytes, int]:
    """Read a class from behind its ``[``; return its bytes and the position behind its ``]`` (or the end)."""
    spelled = _EITHER_CASE if nocase else _EXACTLY
    end = len(pattern)
    negated = pattern[position : position + 1] == b"^"
    if negated:
        position += 1
    chosen = set()
    while position < end:
        byte = pattern[position]
        if byte == _BACKSLASH and position + 1 < end:
            chosen.add(pattern[position + 1])
            position += 2
        elif byte == _CLOSE:
            position += 1
            break
        elif position + 2 < end and pattern[position + 1] == _DASH:
            chosen.update(_range(byte, pattern[position + 2], nocase))
            position += 3
        else:
            chosen.update(spelled[byte])
            position += 1
    return (_ANY - chosen if negated else frozenset(chosen)), position


def _range(start: int, end: int, nocase: bool) -> _Bytes:
    """Return the bytes between two ends, in either order, compared as C compares signed characters."""
    low, high = sorted((_signed(start), _signed(end)))
    if not nocase:
        return frozenset(byte & 0xFF for byte in range(low, high + 1))
    # The ends are folded after they were put in order, so that [Z-a] is empty.
    low, high = _signed(_LOWER[low & 0xFF]), _signed(_LOWER[high & 0xFF])
    return frozenset(byte for byte in range(256) if low <= _signed(_LOWER[byte]) <= high)


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte
