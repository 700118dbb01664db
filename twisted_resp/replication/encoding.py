"""Commands as they stand in the stream."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["encode_command"]


def encode_command(command: Sequence[bytes]) -> bytes:
    """A command as a multibulk request."""
    pieces = [b"*%d\r\n" % len(command)]
    for word in command:
        pieces += (b"$%d\r\n" % len(word), word, b"\r\n")
    return b"".join(pieces)
