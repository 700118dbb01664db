"""What a server knows of its append-only file: whether it writes one, how large it is, how that goes.

The work itself is in :mod:`twisted_resp.persistence`, whose class takes the place of this one in a server that can
write. https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted_resp.server.loading import Steps
from twisted_resp.server.saving import Progress

if TYPE_CHECKING:
    from twisted_resp.server.server import Server

__all__ = ["AppendOnly"]


class AppendOnly:
    """The append-only file of one server.

    :ivar enabled: whether changes are written (INFO's aof_enabled).
    :ivar rewrite_started: Unix time (s) since which a rewrite is under way, None if none is.
    :ivar rewrite_scheduled: whether one is to begin as soon as it can.
    :ivar progress: how far that is.
    :ivar rewrite_ok: whether the last one succeeded; ``rewrite_seconds`` is how long it took, -1 for none yet.
    :ivar rewrites: how many were begun, and how many failed one after the other (``failures``).
    :ivar write_ok: whether the last write to the file succeeded.
    :ivar size: bytes in all files together; ``base_size`` is what that was after the last rewrite.
    :ivar unwritten: bytes that wait to be written.
    :ivar give_up: ends the process at once, where it is the server's own; None where it is not.
    :ivar delayed: how often the disk was still busy with the last second's writes when their successors were due.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self.enabled = False
        self.rewrite_started: int | None = None
        self.rewrite_scheduled = False
        self.progress = Progress(server.clock)
        self.rewrite_ok = True
        self.rewrite_seconds = -1
        self.rewrites = 0
        self.failures = 0
        self.write_ok = True
        self.size = 0
        self.base_size = 0
        self.unwritten = 0
        self.delayed = 0
        self.give_up: Callable[[], None] | None = None

    @property
    def incomplete(self) -> bool:
        """Whether the files do not yet hold all data: the first rewrite is under way."""
        return False

    def enable(self) -> None:
        """Write from now on, beginning with all data as they are (``CONFIG SET appendonly yes``).

        :raises ValueError: it can't be done.
        """
        raise ValueError("Unable to turn on AOF. Check server logs.")

    def disable(self) -> None:
        """Write no more. The files stay."""

    def start(self) -> Steps:
        """When the server starts: load what is there, step by step, then write to it.

        :raises OSError, ValueError: it can't be read.
        """
        raise ValueError("this server can't write an append-only file")

    def data_replaced(self) -> None:
        """All data are others now, though nobody was told of changes: begin anew with them."""

    def before_disk(self) -> None:
        """Called before anything is done with the disk. A test that puts something else here raises what that says.

        :raises OSError: the disk fails.
        """

    def flush(self) -> None:
        """Write what is to be written now."""

    def delete_history(self) -> None:
        """Delete the files that are not needed any more, unless ``aof-disable-auto-gc`` keeps them."""

    def join(self) -> None:
        """Wait for what another thread does: a process with threads can't fork."""

    def close(self) -> None:
        """Write what is to be written, and end what is under way."""
