"""What a process that is a server's own leaves in its log when it crashes, or hangs: where it was, and how it was.

- SIGABRT (and ``DEBUG SEGFAULT``, ``ASSERT``, ``PANIC``): the stacks of all threads and INFO; then the process ends by
  the signal.
- SIGALRM: the stacks, and it goes on: for a server that seems to hang.
- ``watchdog-period``: the same for each time that the reactor does not turn for so long.
- A fault of the machine (SIGSEGV, SIGBUS, SIGFPE, SIGILL) lets no Python run any more; the interpreter's
  ``faulthandler`` writes the stacks.

The words around them are those for which people look in Redis's logs.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from time import monotonic
from types import FrameType
from typing import IO, Any, Final

from twisted.logger import Logger

from twisted_resp import __version__
from twisted_resp.commands.debug import add_subcommand
from twisted_resp.commands.info import info
from twisted_resp.errors import CommandError
from twisted_resp.resp import OK, Reply, Verbatim
from twisted_resp.server.client import Client
from twisted_resp.server.server import Server

__all__ = ["report_crashes"]

_log = Logger()

#: The least that the watchdog waits (ms), as in Redis: twice the time between two looks at the clock there.
_SHORTEST_PERIOD: Final = 200


def report_crashes(server: Server, reactor: Any) -> None:
    """From now on leave a report in the log (``crash-log-enabled``).

    :param reactor: runs the server; handlers of signals are set when it starts.
    """
    if not (server.configuration[b"crash-log-enabled"] and hasattr(signal, "SIGALRM")):
        return
    reports = _Reports(server, reactor)
    server.on_crash = reports.crash
    server.on_watchdog = reports.watch
    reactor.callWhenRunning(reports.install)


class _Reports:
    def __init__(self, server: Server, reactor: Any) -> None:
        self._server = server
        self._reactor = reactor
        self._period = 0.0  # of the watchdog, in seconds; 0 for none
        self._fed = 0.0  # when it was last told that the reactor turns
        self._call: Any = None
        self._file: IO[bytes] | None = None

    def install(self) -> None:
        path = self._server.configuration[b"logfile"]
        with suppress(OSError, ValueError):  # ValueError: standard output is closed
            if path:
                # Open as long as the process lives: where nothing works any more it can't be opened.
                self._file = open(os.path.join(self._server.directory, path), "ab")  # noqa: SIM115
            faulthandler.enable(self._file or sys.__stdout__ or sys.stderr)
        signal.signal(signal.SIGABRT, self._aborted)
        signal.signal(signal.SIGALRM, self._alarmed)
        self.watch(self._server.configuration[b"watchdog-period"])

    # -- the end

    def _aborted(self, number: int, frame: FrameType | None) -> None:
        self._report(number, frame)
        self._die(number)

    def crash(self, kind: bytes) -> None:
        """Crash as DEBUG SEGFAULT, ASSERT or PANIC ask for; with ``use-exit-on-panic`` the last two only exit."""
        frame = sys._getframe(1)
        number: int = signal.SIGSEGV
        if kind == b"assert":
            _log.critical("=== ASSERTION FAILED ===\n==> DEBUG ASSERT '1 == 2' is not true")
            number = signal.SIGABRT
        elif kind == b"panic":
            _log.critical(
                "------------------------------------------------\n"
                "!!! Software Failure. Press left mouse button to continue\n"
                "Guru Meditation: called by DEBUG PANIC\n"
                "------------------------------------------------"
            )
            number = signal.SIGABRT
        exits = number == signal.SIGABRT and self._server.configuration[b"use-exit-on-panic"]
        self._report(0 if exits else number, frame)
        if exits:
            os._exit(1)
        self._die(number)

    def _report(self, number: int, frame: FrameType | None) -> None:
        _log.critical(
            "\n\n=== TWISTED-RESP BUG REPORT START: Cut & paste starting from here ===\n"
            "twisted-resp {version}, Python {python}{how}",
            version=__version__,
            python=sys.version.split()[0],
            how=f" crashed by signal: {number}" if number else "",
        )
        self._tell_stacks(frame)
        try:
            state = info(Client(self._server), b"everything")
            assert isinstance(state, Verbatim)
            _log.critical(
                "\n------ INFO OUTPUT ------\n{state}", state=state.value.decode("utf-8", "replace")
            )
        except Exception:  # that may be what is broken
            _log.failure("there is no INFO")
        _log.critical("=== TWISTED-RESP BUG REPORT END. Make sure to include from START to END. ===")

    def _die(self, number: int) -> None:
        with suppress(Exception):
            faulthandler.disable()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    # -- only a look

    def _alarmed(self, number: int, frame: FrameType | None) -> None:
        expired = self._period and monotonic() - self._fed >= 0.9 * self._period
        _log.critical("\n--- WATCHDOG TIMER EXPIRED ---" if expired else "\nReceived SIGALRM")
        self._tell_stacks(frame)
        _log.critical("--------\n")

    def _tell_stacks(self, frame: FrameType | None) -> None:
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        stacks = [("MainThread", frame)]
        stacks += [
            (names.get(ident, str(ident)), other)
            for ident, other in sys._current_frames().items()
            if ident != threading.get_ident()
        ]
        _log.critical("\n------ STACK TRACE ------")
        for name, top in stacks:
            _log.critical("{name}:\n{stack}", name=name, stack="".join(traceback.format_stack(top)).rstrip())
        _log.critical("------ STACK TRACE DONE ------")

    # -- the watchdog

    def watch(self, milliseconds: int) -> None:
        """Tell where the server is whenever the reactor does not turn for so long; 0 for never."""
        self._period = max(milliseconds, _SHORTEST_PERIOD) / 1000 if milliseconds > 0 else 0.0
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._feed_watchdog()

    def _feed_watchdog(self) -> None:
        self._call = None
        signal.setitimer(signal.ITIMER_REAL, self._period)
        if self._period:
            self._fed = monotonic()
            self._call = self._reactor.callLater(self._period / 2, self._feed_watchdog)


def _debug_crash(kind: bytes) -> Any:
    def crash(client: Client) -> Reply:
        crash = client.server.on_crash
        if crash is None:
            raise CommandError(
                b"ERR DEBUG %b would end a process that is not the server's own" % kind.upper()
            )
        crash(kind)
        return OK

    return crash


for _kind, _what in (
    (b"ASSERT", b"Crash by assertion failed."),
    (b"PANIC", b"Crash the server simulating a panic."),
    (b"SEGFAULT", b"Crash the server with sigsegv."),
):
    add_subcommand(_kind, 0, 0, _debug_crash(_kind.lower()), b"%b\n    %b\n" % (_kind, _what))
