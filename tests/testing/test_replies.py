"""Replies that are read back are those that were written."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_resp.errors import CommandError
from twisted_resp.resp import NULL_ARRAY, Attributed, BigNumber, Map, Push, SetReply, Status, Verbatim, encode
from twisted_resp.testing.replies import IncompleteReplyError, items_of, read_replies, read_reply


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize(
    "reply",
    [b"a\r\nb", b"", 7, -7, None, Status(b"OK"), CommandError(b"ERR no"), [1, [b"x", None], []]],
)
def test_in_both_versions(reply: Any, protocol: int) -> None:
    data = encode(reply, protocol)
    assert read_reply(b"+\r\n" + data, 3) == (reply, 3 + len(data))
    for end in range(len(data)):
        with pytest.raises(IncompleteReplyError):
            read_reply(data[:end])


@pytest.mark.parametrize(
    "reply",
    [
        True,
        1.5,
        float("inf"),
        Map([(b"k", 1), (b"l", [])]),
        SetReply([b"a", b"b"]),
        Push([b"message", b"c", b"x"]),
        BigNumber(b"12345678901234567890"),
        Verbatim(b"txt", b"hello"),
        Attributed(([(b"ttl", 1)], b"v")),
    ],
)
def test_resp3(reply: Any) -> None:
    data = encode(reply, 3)
    assert read_replies(data + data) == [reply, reply]


def test_null_arrays_and_errors_with_a_length() -> None:
    assert read_reply(b"*-1\r\n")[0] is NULL_ARRAY
    assert read_reply(b"!6\r\nERR no\r\n")[0] == CommandError(b"ERR no")


def test_items() -> None:
    assert items_of(encode([b"x", [1, 2]])) == [b"$1\r\nx\r\n", b"*2\r\n:1\r\n:2\r\n"]
    assert items_of(b":1\r\n") == items_of(b"*-1\r\n") == []


def test_what_is_no_reply() -> None:
    with pytest.raises(ValueError, match="no"):
        read_reply(b"hello\r\n")
