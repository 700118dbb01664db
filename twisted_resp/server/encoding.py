"""Commands as they stand in what replicas are sent, and in the append-only file."""

from __future__ import annotations

from collections.abc import Sequence

from twisted_resp.resp import BULK_HEADERS, SHORT

__all__ = ["encode_command"]


def encode_command(command: Sequence[bytes]) -> bytes:
    """A command as a multibulk request."""
    pieces = [b"*%d\r\n" % len(command)]
    for word in command:
        size = len(word)
        pieces += (BULK_HEADERS[size] if size < SHORT else b"$%d\r\n" % size, word, b"\r\n")
    return b"".join(pieces)
