"""BGREWRITEAOF, of the server group, and DEBUG LOADAOF."""

from __future__ import annotations

from typing import Final, cast

from twisted.logger import Logger

from twisted_resp.commands.debug import add_subcommand
from twisted_resp.commands.numbers import integer
from twisted_resp.commands.table import ADMIN, NO_ASYNC_LOADING, NOSCRIPT, command
from twisted_resp.errors import CommandError
from twisted_resp.persistence.append_only import AppendOnlyFile
from twisted_resp.resp import OK, Reply, Status
from twisted_resp.server.client import Client

__all__: list[str] = []

GROUP = "server"

_log = Logger()

_IN_PROGRESS: Final = b"ERR Background append only file rewriting already in progress"
_FAILED: Final = (
    b"ERR Can't execute an AOF background rewriting. Please check the server logs for more information."
)
_STARTED: Final = Status(b"Background append only file rewriting started")
_SCHEDULED: Final = Status(b"Background append only file rewriting scheduled")


def _file(client: Client) -> AppendOnlyFile:
    return cast(AppendOnlyFile, client.server.append_only)


@command("BGREWRITEAOF", ADMIN | NOSCRIPT | NO_ASYNC_LOADING, since="1.0.0", complexity="O(1)")
def bgrewriteaof(client: Client) -> Reply:
    """Asynchronously rewrites the append-only file to disk."""
    file = _file(client)
    if file.in_progress:
        raise CommandError(_IN_PROGRESS)
    if client.server.saving.started is not None or client.in_exec:
        # One child at a time; and not in the middle of a transaction.
        file.schedule()
        return _SCHEDULED
    try:
        file.rewrite()
    except OSError:
        raise CommandError(_FAILED) from None
    return _STARTED


def _load_again(client: Client) -> Reply:
    """Write what waits, empty the databases, and load the file."""
    try:
        _file(client).load_again()
    except (OSError, ValueError) as error:
        _log.error("DEBUG LOADAOF: {error}", error=error)
        raise CommandError(b"ERR Error trying to load the AOF files, check server logs.") from None
    _log.info("Append Only File loaded by DEBUG LOADAOF")
    return OK


def _sleep_before_flush(client: Client, microseconds: bytes) -> Reply:
    _file(client).writing.delay = integer(microseconds) / 1_000_000
    return OK


add_subcommand(
    b"AOF-FLUSH-SLEEP",
    1,
    1,
    _sleep_before_flush,
    b"""AOF-FLUSH-SLEEP <microsec>
    Server will sleep before flushing the AOF, this is used for testing.
""",
)

add_subcommand(
    b"LOADAOF",
    0,
    0,
    _load_again,
    b"""LOADAOF
    Flush the AOF buffers on disk and reload the AOF in memory.
""",
)
