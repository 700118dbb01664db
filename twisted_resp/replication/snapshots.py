"""The snapshot that a new replica begins with."""

from __future__ import annotations

from twisted_resp.persistence.contents import dump_bytes, load_data
from twisted_resp.rdb.file_writer import FileWriter
from twisted_resp.server.server import Server

__all__ = ["empty_snapshot", "load_snapshot", "snapshot"]


def empty_snapshot() -> bytes:
    """An RDB file with nothing in it."""
    pieces: list[bytes] = []
    FileWriter(pieces.append).finish()
    return b"".join(pieces)


def snapshot(server: Server) -> bytes:
    """All data of a server as an RDB file: the oldest version that does, so that older replicas can read it."""
    return dump_bytes(server)


def load_snapshot(server: Server, data: bytes) -> None:
    """Replace all data of a server by those of an RDB file.

    :raises RdbError: it can't be read. The data may be gone, or partly there.
    """
    server.keyspace.flush()
    server.scripting.flush_libraries()
    load_data(server, data)
    server.append_only.data_replaced()
