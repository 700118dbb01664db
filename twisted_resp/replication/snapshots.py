"""The snapshot that a new replica begins with."""

from __future__ import annotations

from struct import pack

from twisted_resp.server.server import Server
from twisted_resp.text.crc import crc64

__all__ = ["empty_snapshot", "snapshot"]


def empty_snapshot() -> bytes:
    """An RDB file with nothing in it, in a version that every Redis since 7.0 reads."""
    content = b"REDIS0010\xff"
    return content + pack("<Q", crc64(content))


def snapshot(server: Server) -> bytes:
    """All data of a server as an RDB file."""
    return empty_snapshot()
