"""The snapshot that a new replica begins with."""

from __future__ import annotations

from twisted_resp.persistence.contents import dump_bytes
from twisted_resp.rdb.file_writer import FileWriter
from twisted_resp.server.server import Server

__all__ = ["empty_snapshot", "snapshot"]


def empty_snapshot() -> bytes:
    """An RDB file with nothing in it."""
    pieces: list[bytes] = []
    FileWriter(pieces.append).finish()
    return b"".join(pieces)


def snapshot(server: Server) -> bytes:
    """All data of a server as an RDB file: the oldest version that does, so that older replicas can read it."""
    return dump_bytes(server)
