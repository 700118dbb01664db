"""The encodings of strings."""

from __future__ import annotations

import pytest

from twisted_resp.values.strings import Plain, encoding_of, grow


@pytest.mark.parametrize(
    ("value", "encoding"),
    [
        (b"0", b"int"),
        (b"-1", b"int"),
        (b"9223372036854775807", b"int"),
        (b"-9223372036854775808", b"int"),
        (b"9223372036854775808", b"embstr"),
        (b"007", b"embstr"),
        (b"+7", b"embstr"),
        (b"7 ", b"embstr"),
        (b"", b"embstr"),
        (b"x" * 44, b"embstr"),
        (b"x" * 45, b"raw"),
        (Plain(b"3"), b"embstr"),
        (Plain(b"3" * 45), b"raw"),
        (bytearray(b"3"), b"raw"),
        (bytearray(), b"raw"),
    ],
)
def test_encoding(value: bytes | bytearray, encoding: bytes) -> None:
    assert encoding_of(value) == encoding


def test_plain_is_the_same_string() -> None:
    assert Plain(b"3") == b"3"
    assert hash(Plain(b"3")) == hash(b"3")


def test_grow() -> None:
    buffer = bytearray(b"ab")
    grow(buffer, 4)
    assert buffer == b"ab\0\0"
    grow(buffer, 3)
    assert buffer == b"ab\0\0"
