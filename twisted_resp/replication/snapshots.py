"""The snapshot that a new replica begins with, and what a snapshot says of the stream that follows it."""

from __future__ import annotations

from typing import Final

from twisted_resp.persistence.contents import dump_bytes
from twisted_resp.rdb.file_writer import FileWriter
from twisted_resp.server.server import Server
from twisted_resp.text.integers import parse_integer

__all__ = ["database_of_stream", "functions_snapshot", "place_in_history", "snapshot"]

_ID_LENGTH: Final = 40


def functions_snapshot(server: Server) -> bytes:
    """An RDB file with the libraries of functions alone (``REPLCONF rdb-filter-only functions``)."""
    pieces: list[bytes] = []
    writer = FileWriter(pieces.append)
    for code in server.scripting.sources():
        writer.function(code)
    writer.finish()
    return b"".join(pieces)


def snapshot(server: Server) -> bytes:
    """All data of a server as an RDB file: the oldest version that does, so that older replicas can read it."""
    return dump_bytes(server)


def database_of_stream(server: Server) -> int | None:
    """The database that the stream has selected where the snapshot that was loaded last stands in it, if it says so."""
    number = parse_integer(server.saving.facts.get(b"repl-stream-db", b""))
    return number if number is not None and 0 <= number < len(server.keyspace.databases) else None


def place_in_history(server: Server) -> tuple[bytes, int] | None:
    """The id and offset of the history in which the snapshot that was loaded last stands, if it says so."""
    facts = server.saving.facts
    history, offset = facts.get(b"repl-id", b""), parse_integer(facts.get(b"repl-offset", b""))
    return (history, offset) if len(history) == _ID_LENGTH and offset is not None and offset >= 0 else None
