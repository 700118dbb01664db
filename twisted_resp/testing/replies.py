"""Replies read back from the wire, RESP2 and RESP3, as the objects that :mod:`twisted_resp.resp` writes."""

from __future__ import annotations

from typing import Any, Final

from twisted_resp.errors import CommandError
from twisted_resp.resp import NULL_ARRAY, Attributed, BigNumber, Map, Push, Reply, SetReply, Status, Verbatim

__all__ = ["IncompleteReplyError", "items_of", "read_replies", "read_reply"]

_END: Final = b"\r\n"


class IncompleteReplyError(Exception):
    """The reply is not all there."""


def read_reply(data: bytes, place: int = 0) -> tuple[Reply, int]:
    """Read the reply that begins at ``place``; answers it and the place behind it.

    :raises IncompleteReplyError: there is more to come.
    :raises ValueError: this is no reply.
    """
    mark, line, place = _line(data, place)
    if mark in b"$=!":
        length = int(line)
        if length < 0:
            return None, place
        end = place + length
        if len(data) < end + 2:
            raise IncompleteReplyError
        return _of_text(mark, data[place:end]), end + 2
    if mark in b"*~>":
        count = int(line)
        if count < 0:
            return NULL_ARRAY, place
        items, place = _items(data, place, count)
        return items if mark == b"*" else (SetReply if mark == b"~" else Push)(items), place
    if mark in b"%|":
        words, place = _items(data, place, 2 * int(line))
        pairs = Map(list(zip(words[::2], words[1::2])))
        if mark == b"%":
            return pairs, place
        reply, place = read_reply(data, place)
        return Attributed((pairs.value, reply)), place
    return _of_line(mark, line), place


def read_replies(data: bytes) -> list[Reply]:
    """All replies in ``data``."""
    found = []
    place = 0
    while place < len(data):
        reply, place = read_reply(data, place)
        found.append(reply)
    return found


def items_of(data: bytes) -> list[bytes]:
    """The encodings of the items of an array; none for any other reply."""
    mark, line, place = _line(data, 0)
    found = []
    for _ in range(int(line) if mark == b"*" else 0):
        start = place
        _, place = read_reply(data, start)
        found.append(data[start:place])
    return found


def _line(data: bytes, place: int) -> tuple[bytes, bytes, int]:
    end = data.find(_END, place)
    if end < 0:
        raise IncompleteReplyError
    return data[place : place + 1], data[place + 1 : end], end + 2


def _items(data: bytes, place: int, count: int) -> tuple[list[Reply], int]:
    items: list[Reply] = []
    for _ in range(count):
        item, place = read_reply(data, place)
        items.append(item)
    return items, place


def _of_text(mark: bytes, text: bytes) -> Reply:
    if mark == b"$":
        return text
    return CommandError(text) if mark == b"!" else Verbatim(text[:3], text[4:])


def _of_line(mark: bytes, line: bytes) -> Any:
    if mark == b":":
        return int(line)
    if mark == b"+":
        return Status(line)
    if mark == b"-":
        return CommandError(line)
    if mark == b"_":
        return None
    if mark == b",":
        return float(line)
    if mark == b"#":
        return line == b"t"
    if mark == b"(":
        return BigNumber(line)
    raise ValueError(f"not a reply: {mark + line!r}")
