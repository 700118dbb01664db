"""Whether a value is what a test expects in plain Python, and where it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted_resp.in_process import as_argument
from twisted_resp.keyspace.database import Value, type_name
from twisted_resp.values.hash import Hash
from twisted_resp.values.list import List
from twisted_resp.values.set import Set
from twisted_resp.values.sorted_set import SortedSet
from twisted_resp.values.stream import Stream

__all__ = ["described", "matches", "parts", "short"]

_MOST = 200  # characters of a value in a message


def matches(value: Value, expected: Any) -> bool:
    """Whether a value is what a test expects."""
    try:
        if isinstance(value, (bytes, bytearray)):
            return not isinstance(expected, bool) and as_argument(expected) == value
        if isinstance(value, List):
            return isinstance(expected, (list, tuple)) and list(map(as_argument, expected)) == list(value)
        if isinstance(value, Set):
            return isinstance(expected, (set, frozenset)) and set(map(as_argument, expected)) == set(value)
        if isinstance(value, SortedSet):
            pairs = expected.items() if isinstance(expected, Mapping) else expected
            wanted = [(as_argument(member), float(score)) for member, score in pairs]
            return list(value) == wanted if not isinstance(expected, Mapping) else dict(value) == dict(wanted)
        if isinstance(value, Hash):
            wanted_fields = {as_argument(field): as_argument(content) for field, content in expected.items()}
            return dict(value.items()) == wanted_fields
        return _stream_matches(value, expected)
    except (TypeError, ValueError, AttributeError):
        return False


def _stream_matches(stream: Stream, expected: Any) -> bool:
    entries = [(b"%d-%d" % tuple(entry_id), list(fields)) for entry_id, fields in stream]
    if len(entries) != len(expected):
        return False
    for (entry_id, fields), wanted in zip(entries, expected):
        wanted_id, wanted_fields = (entry_id, wanted) if isinstance(wanted, Mapping) else wanted
        words = [as_argument(word) for pair in wanted_fields.items() for word in pair]
        if as_argument(wanted_id) != entry_id or words != fields:
            return False
    return True


def short(value: Any) -> str:
    """A value for a message."""
    text = repr(value)
    return text if len(text) <= _MOST else f"{text[:_MOST]}... ({len(text)} characters)"


def described(value: Value, plain: Any) -> str:
    """A value with its type, for a message."""
    return f"the {type_name(value).decode()} {short(plain)}"


def parts(plain: Any, value: Value, expected: Any) -> list[str]:
    """Where two collections differ, where that can be said of a part."""
    lines = []
    if isinstance(plain, dict) and isinstance(expected, Mapping):
        wanted = {_plain_text(name): content for name, content in expected.items()}
        have = {_plain_text(name): content for name, content in plain.items()}
        for name in sorted(have.keys() | wanted.keys()):
            if name not in wanted:
                lines.append(f"{name!r} is not expected: {short(have[name])}")
            elif name not in have:
                lines.append(f"{name!r} is missing: {short(wanted[name])}")
            elif _plain_text(have[name]) != _plain_text(wanted[name]):
                lines.append(f"{name!r} is {short(have[name])}, not {short(wanted[name])}")
    elif isinstance(plain, list) and isinstance(expected, (list, tuple)) and isinstance(value, List):
        if len(plain) != len(expected):
            lines.append(f"it has {len(plain)} elements, not {len(expected)}")
        for index, (have_it, want_it) in enumerate(zip(plain, expected)):
            if _plain_text(have_it) != _plain_text(want_it):
                lines.append(f"element {index} is {short(have_it)}, not {short(want_it)}")
                break
    elif isinstance(plain, set) and isinstance(expected, (set, frozenset)):
        have_members = {_plain_text(member) for member in plain}
        want_members = {_plain_text(member) for member in expected}
        if have_members - want_members:
            lines.append(f"not expected: {short(sorted(have_members - want_members))}")
        if want_members - have_members:
            lines.append(f"missing: {short(sorted(want_members - have_members))}")
    return lines


def _plain_text(value: Any) -> str:
    if isinstance(value, float) and value == int(value):
        value = int(value)
    return (
        as_argument(value).decode("utf-8", "backslashreplace")
        if not isinstance(value, (list, dict))
        else repr(value)
    )
