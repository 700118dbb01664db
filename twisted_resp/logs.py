"""The log of a server of its own process, in the format that people and programs know from Redis.

``pid:role day month year time mark message``: the role is M for a master, S for a replica and C for a child or for
what happens before there is a server; the mark tells the level, from ``.`` (debug) to ``#`` (warning).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent
from zope.interface import implementer

from twisted_resp.server.server import Server

__all__ = ["LogFile"]

_MARKS: Final = ".-*#"
#: What ``loglevel`` lets through.
_THRESHOLDS: Final[Mapping[bytes, int]] = {
    b"debug": 0,
    b"verbose": 1,
    b"notice": 2,
    b"warning": 3,
    b"nothing": 4,
}
_LEVELS: Final = {LogLevel.debug: 1, LogLevel.info: 2}
_MONTHS: Final = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@implementer(ILogObserver)
class LogFile:
    """Writes what is logged as Redis does, to ``logfile`` or standard output.

    Our own modules' ``debug`` is Redis's verbose, their ``info`` its notice. What Twisted has to tell below a
    warning is debug. The file is opened for each line, as Redis does it, so it may be moved away at any time.

    :param server: whose ``loglevel``, ``logfile`` and role they are.
    :raises OSError: the file can't be written.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._path = os.path.join(server.directory, server.configuration[b"logfile"] or b"")
        self._to_file = bool(server.configuration[b"logfile"])
        if self._to_file:
            open(self._path, "ab").close()  # whether that can be done is told at once
        self._syslog = _syslog(server)

    def __call__(self, event: LogEvent) -> None:
        """Write one event."""
        level = _level(event)
        configuration = self._server.configuration
        if level < _THRESHOLDS[configuration[b"loglevel"]]:
            return
        text = formatEvent(event)
        failure = event.get("log_failure")
        if failure is not None:
            text += "\n" + failure.getTraceback().rstrip()
        if self._syslog is not None:
            self._syslog(level, text)
        moment = event.get("log_time", time.time())
        line = f"{os.getpid()}:{self._role(event)} {_date(moment)} {_MARKS[level]} {text}\n"
        data = line.encode("utf-8", "backslashreplace")
        try:
            if self._to_file:
                with open(self._path, "ab", 0) as file:
                    file.write(data)
            else:
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
        except (OSError, ValueError):
            pass  # there is nowhere to tell it

    def _role(self, event: LogEvent) -> str:
        if event.get("log_namespace", "").endswith(":starting") or os.getpid() != self._server.pid:
            return "C"
        return "M" if self._server.replication.master is None else "S"


def _level(event: Mapping[str, Any]) -> int:
    level = _LEVELS.get(event.get("log_level", LogLevel.info), 3)
    if level < 3 and not event.get("log_namespace", "").startswith("twisted_resp"):
        return 0
    return level


def _date(moment: float) -> str:
    parts = time.localtime(moment)
    # strftime would name the month in the language of the locale.
    return (
        f"{parts.tm_mday:02d} {_MONTHS[parts.tm_mon - 1]} {parts.tm_year} "
        f"{parts.tm_hour:02d}:{parts.tm_min:02d}:{parts.tm_sec:02d}.{int(moment * 1000) % 1000:03d}"
    )


def _syslog(server: Server) -> Any:
    """What also tells the system's log (``syslog-enabled``), or None."""
    configuration = server.configuration
    if not configuration[b"syslog-enabled"]:
        return None
    try:
        import syslog
    except ImportError:
        return None
    facility = getattr(syslog, "LOG_" + configuration[b"syslog-facility"].decode().upper())
    syslog.openlog(configuration[b"syslog-ident"].decode(), syslog.LOG_PID | syslog.LOG_NDELAY, facility)
    priorities = (syslog.LOG_DEBUG, syslog.LOG_INFO, syslog.LOG_NOTICE, syslog.LOG_WARNING)
    return lambda level, text: syslog.syslog(priorities[level], text)
