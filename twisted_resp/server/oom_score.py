"""How likely the kernel is to end this process when memory is short (``oom-score-adj``), on Linux."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

if TYPE_CHECKING:
    from twisted_resp.server.server import Server

__all__ = ["OomScore"]

_log = Logger()

_FILE: Final = "/proc/self/oom_score_adj"
_LEAST, _MOST = -1000, 1000


class OomScore:
    """The score of the process of one server, where the process is its own."""

    def __init__(self, server: Server) -> None:
        self._server = server
        #: What it was before we changed it.
        self._base: int | None = None

    def adjust(self, child: bool = False) -> None:
        """Set the score that the configuration and the role of the process ask for.

        :param child: whether this process is a child that saves.
        :raises ValueError: it can't be set.
        """
        configuration = self._server.configuration
        mode: bytes = configuration[b"oom-score-adj"]
        if not self._server.saving.may_fork or (mode == b"no" and self._base is None):
            return
        base = self._base
        try:
            if self._base is None:
                with open(_FILE, "rb") as file:
                    self._base = int(file.read())
            if mode == b"no":
                score, self._base = self._base, None
            else:
                place = 2 if child else int(self._server.replication.master is not None)
                score = configuration[b"oom-score-adj-values"][place] + (self._base if mode == b"yes" else 0)
            with open(_FILE, "wb", 0) as file:
                file.write(b"%d" % min(max(score, _LEAST), _MOST))
        except OSError as error:
            self._base = base
            _log.warn("Unable to write oom_score_adj: {error}", error=error.strerror)
            raise ValueError("Failed to set current oom_score_adj. Check server logs.") from None
