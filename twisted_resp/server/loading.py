"""What a server knows of the loading of its data: whether it is under way, and how far it is.

While it is, commands are refused but for those that do not look at the data. The work itself is in
:mod:`twisted_resp.persistence`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted_resp.server.server import Server

__all__ = ["Loading", "Steps"]

#: The loading of something, to be exhausted; between two steps of it others may be served.
Steps = Iterator[None]


class Loading:
    """How far a server is with loading.

    :ivar active: whether it is under way.
    :ivar asynchronous: whether the data that were there before are served meanwhile (a replica's with
        ``repl-diskless-load swapdb``); only commands that would change the course of it are refused then.
    :ivar started: Unix time (s) since which it is.
    :ivar total: the bytes of all files; ``done`` of them were read.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self.active = False
        self.asynchronous = False
        self.started = 0
        self.total = 0
        self.done = 0

    def begin(self, total: int, asynchronous: bool = False) -> None:
        """Refuse commands from now on; there are so many bytes to read."""
        self.active = True
        self.asynchronous = asynchronous
        self.started = int(self._server.clock.seconds())
        self.total = total
        self.done = 0
        self._server.refuse_while_loading(True)

    def end(self) -> None:
        """The data are there, or can't be had."""
        self.active = False
        self._server.refuse_while_loading(False)

    @property
    def percentage(self) -> float:
        """The part that is done."""
        return 100 * self.done / self.total if self.total else 100.0

    @property
    def seconds_left(self) -> int:
        """How long it will still take, if it goes on as until now."""
        elapsed = int(self._server.clock.seconds()) - self.started
        if not elapsed or not self.done:
            return 1
        return elapsed * (self.total - self.done) // self.done
