"""Splitting a line into arguments, and quoting bytes for people: Redis' ``sdssplitargs`` and ``sdscatrepr``.

The line is read piece by piece with regular expressions that have one way to match only, so that a long line
with a missing quote costs linear time.
"""

from __future__ import annotations

import re
from re import Match

__all__ = ["quote", "split_arguments"]

_BLANKS = re.compile(rb"[ \t\n\v\f\r]*")
_BLANK = b" \t\n\v\f\r"
# Vertical tab and form feed are blanks between arguments, but don't end an argument.
_BARE = re.compile(rb"[^ \t\n\r\"']*")
_DOUBLE_QUOTED = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_SINGLE_QUOTED = re.compile(rb"'([^'\\]*(?:(?:\\'|\\(?!'))[^'\\]*)*)'")
_NEEDS_CARE = re.compile(rb"[\"'\v\f]")

_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_CONTROL = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}

_UNPRINTABLE = re.compile(rb"[^ !#-\[\]-~]")
_QUOTED = {bytes([byte]): b"\\x%02x" % byte for byte in range(256)}
_QUOTED.update({control: b"\\" + letter for letter, control in _CONTROL.items()})
_QUOTED.update({b"\\": b"\\\\", b'"': b'\\"'})


def split_arguments(line: bytes) -> list[bytes] | None:
    r"""Split a line as Redis splits inline commands and the lines of redis.conf (``sdssplitargs``).

    Arguments are separated by blanks. Between double quotes ``\n``, ``\r``, ``\t``, ``\b``, ``\a`` and
    ``\xHH`` have their usual meaning and a backslash before anything else is dropped; between single quotes
    only ``\'`` is special. A quoted part ends its argument: a blank or the end of the line must follow. As in
    C, a NUL ends the line.

    Returns None when quotes are unbalanced or something follows a closing quote.
    """
    if b"\0" in line:
        line = line[: line.index(b"\0")]
    if _NEEDS_CARE.search(line) is None:
        return line.split()
    arguments = []
    end = len(line)
    position = _skip_blanks(line, 0)
    while position < end:
        bare_end = _end(_BARE, line, position)
        argument = line[position:bare_end]
        position = bare_end
        mark = line[position : position + 1]
        if mark in (b'"', b"'"):
            quoted = (_DOUBLE_QUOTED if mark == b'"' else _SINGLE_QUOTED).match(line, position)
            if quoted is None:
                return None
            position = quoted.end()
            if position < end and line[position] not in _BLANK:
                return None
            text: bytes = quoted[1]
            argument += _ESCAPE.sub(_unescape, text) if mark == b'"' else text.replace(b"\\'", b"'")
        arguments.append(argument)
        position = _skip_blanks(line, position)
    return arguments


def quote(data: bytes) -> bytes:
    r"""Print bytes between double quotes as MONITOR, CONFIG REWRITE and redis-cli do (``sdscatrepr``).

    Printable ASCII stands for itself; other bytes become ``\n``, ``\r``, ``\t``, ``\a``, ``\b`` or ``\xHH``.
    ``split_arguments`` reads the result back.
    """
    return b'"' + _UNPRINTABLE.sub(_escape, data) + b'"'


def _end(pattern: re.Pattern[bytes], line: bytes, position: int) -> int:
    match = pattern.match(line, position)
    return position if match is None else match.end()


def _skip_blanks(line: bytes, position: int) -> int:
    return _end(_BLANKS, line, position)


def _unescape(match: Match[bytes]) -> bytes:
    code, letter = match.groups()
    if code is not None:
        return bytes.fromhex(code.decode("ascii"))
    return _CONTROL.get(letter, letter)


def _escape(match: Match[bytes]) -> bytes:
    return _QUOTED[match[0]]
