"""Stream entry ids: how they are written, read and stepped.

An id is a plain tuple ``(milliseconds, sequence)``, both unsigned 64-bit integers, so that ids order, hash
and compare at the speed of tuples. The parse functions return None where Redis says "Invalid stream ID
specified as stream command argument"; the sentences themselves are the commands' business. See
https://redis.io/docs/latest/develop/data-types/streams/#entry-ids
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = [
    "MAX_ID",
    "MIN_ID",
    "Bound",
    "NewId",
    "StreamId",
    "format_id",
    "id_after",
    "id_before",
    "parse_bound",
    "parse_id",
    "parse_new_id",
    "parse_strict_id",
]

StreamId = tuple[int, int]

_MAX = 2**64 - 1
# Ids longer than this are refused unread.
_MAX_TEXT = 127
# What C's strtoull takes where the number is not in its shortest form: blanks and a sign in front, leading
# zeros.
_C_NUMBER = re.compile(rb"[ \t\n\v\f\r]*([+-]?)([0-9]+)")
_SHORTEST_NEGATIVE = re.compile(rb"-[1-9][0-9]{0,18}")

MIN_ID: StreamId = (0, 0)
MAX_ID: StreamId = (_MAX, _MAX)


class Bound(NamedTuple):
    """One end of a range: the id, and whether the range leaves the id itself out, as in ``(1-2``."""

    id: StreamId
    exclusive: bool


class NewId(NamedTuple):
    """The id that XADD asks for; with `sequence_given` false (``1-*``) only the milliseconds count."""

    id: StreamId
    sequence_given: bool


def format_id(entry_id: StreamId) -> bytes:
    """Return the id as clients see it: ``b"1526919030474-55"``."""
    return b"%d-%d" % entry_id


def id_after(entry_id: StreamId) -> StreamId | None:
    """Return the smallest greater id, or None after the greatest."""
    milliseconds, sequence = entry_id
    if sequence < _MAX:
        return (milliseconds, sequence + 1)
    return (milliseconds + 1, 0) if milliseconds < _MAX else None


def id_before(entry_id: StreamId) -> StreamId | None:
    """Return the greatest smaller id, or None before 0-0."""
    milliseconds, sequence = entry_id
    if sequence:
        return (milliseconds, sequence - 1)
    return (milliseconds - 1, _MAX) if milliseconds else None


def parse_id(text: bytes, missing_sequence: int = 0) -> StreamId | None:
    """Read ``1-2``, ``1`` (the sequence is then `missing_sequence`), ``-`` or ``+``; None on error."""
    if text == b"-":
        return MIN_ID
    if text == b"+":
        return MAX_ID
    return parse_strict_id(text, missing_sequence)


def parse_strict_id(text: bytes, missing_sequence: int = 0) -> StreamId | None:
    """Read ``1-2`` or ``1``, but neither ``-`` nor ``+``; None on error."""
    if len(text) > _MAX_TEXT:
        return None
    if b"\0" in text:  # where a text ends in C
        text = text[: text.index(b"\0")]
    before, dash, after = text.partition(b"-")
    milliseconds = _parse_unsigned(before)
    if milliseconds is None:
        return None
    if not dash:
        return (milliseconds, missing_sequence)
    sequence = _parse_unsigned(after)
    return None if sequence is None else (milliseconds, sequence)


def parse_new_id(text: bytes) -> NewId | None:
    """Read the id that XADD got, other than ``*``: ``1-2``, ``1`` (meaning 1-0) or ``1-*``; None on error."""
    if text[-2:] == b"-*":
        # A second dash must not be taken for part of the milliseconds.
        entry_id = None if b"-" in text[:-2] else parse_strict_id(text[:-2])
        return None if entry_id is None or len(text) > _MAX_TEXT else NewId(entry_id, False)
    entry_id = parse_strict_id(text)
    return None if entry_id is None else NewId(entry_id, True)


def parse_bound(text: bytes, missing_sequence: int = 0) -> Bound | None:
    """Read an end of a range: what `parse_id` takes, or ``(1-2`` for an end left out; None on error."""
    if text[:1] == b"(" and len(text) > 1:
        entry_id = parse_strict_id(text[1:], missing_sequence)
        return None if entry_id is None else Bound(entry_id, True)
    entry_id = parse_id(text, missing_sequence)
    return None if entry_id is None else Bound(entry_id, False)


def _parse_unsigned(text: bytes) -> int | None:
    if text.isdigit():
        value = int(text)
        return value if value <= _MAX else None
    # The rest is rare, and there for equality with C: "+1" and " 1" are numbers, and so is "-01", modulo
    # 2**64.
    match = _C_NUMBER.fullmatch(text)
    if match is None or _SHORTEST_NEGATIVE.fullmatch(text):
        return None
    value = int(match.group(2))
    if value > _MAX:
        return None
    return -value & _MAX if match.group(1) == b"-" else value
