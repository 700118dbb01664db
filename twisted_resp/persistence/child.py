"""A forked child, which writes the data to a file as they are at the moment of the fork.

Forking is only for a process that is the server's own and has no other threads: the child would have a copy of
whatever else is in the process, with locks that nobody will ever release. The child reports on a pipe how many keys
it has written; the end of the pipe is the end of the child.
"""

from __future__ import annotations

import gc
import os
import signal
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Protocol

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_resp.server.affinity import run_on
from twisted_resp.server.saving import Progress

if TYPE_CHECKING:
    from twisted_resp.server.server import Server

__all__ = ["Child", "Work", "can_fork"]

_log = Logger()

# How many keys were written, and how many bytes of memory the child has of its own.
_REPORT: Final = struct.Struct("<qq")
_DONE: Final = -1
# How often to look at the memory (seconds), which takes a millisecond.
_LOOK_AT_MEMORY: Final = 1.0
# How many to close where there is no telling which there are.
_MOST_DESCRIPTORS: Final = 65536


class Work(Protocol):
    """What a child does, and who hears of it.

    :ivar progress: how far it is.
    :ivar title: what its process is called in lists of processes.
    :ivar cpu_list: the parameter that says which processors it may run on.
    """

    progress: Progress
    title: str
    cpu_list: bytes

    def write_as_child(self, report: Callable[[int], None]) -> None:
        """For the child: do it, and tell how many keys were written."""

    def child_ended(self, done: bool, killed: bool) -> None:
        """The child has written all and is ``done``, or failed; or we have ``killed`` it."""


def can_fork(server: Server) -> bool:
    """Whether there can be a child; else the work is done at once."""
    server.append_only.join()
    return (
        server.saving.may_fork
        and hasattr(os, "fork")
        and threading.active_count() == 1
        and IReactorFDSet.providedBy(server.clock)
    )


def _private_memory() -> int:
    """The bytes of memory that this process does not share with its parent; 0 where there is no telling."""
    try:
        with open("/proc/self/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Private_Dirty:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return 0


def _close_all_but(kept: set[int]) -> None:
    """Close all descriptors but these, and those of standard input and output."""
    try:
        descriptors = [int(name) for name in os.listdir("/dev/fd")]
    except (OSError, ValueError):
        descriptors = list(range(_MOST_DESCRIPTORS))
    for descriptor in descriptors:
        if descriptor > 2 and descriptor not in kept:
            with suppress(OSError):
                os.close(descriptor)


@implementer(IReadDescriptor)
class Child:
    """The forked child, and the pipe on which it reports.

    :param work: what it is to do.
    :param server: whose clock is the reactor.
    :param keep: descriptors that it needs; all others are closed there.
    :raises OSError: there can't be one.
    """

    def __init__(self, work: Work, server: Server, keep: tuple[int, ...] = ()) -> None:
        self._work = work
        reactor: Any = server.clock
        self._reactor = reactor
        self._received = b""
        self._done = self._killed = False
        self._reading, writing = os.pipe()
        os.set_blocking(self._reading, False)
        start = perf_counter()
        try:
            self.pid = os.fork()
        except OSError:
            os.close(self._reading)
            os.close(writing)
            raise
        if not self.pid:
            self._run(writing, server, keep)
        server.note_fork(perf_counter() - start)
        os.close(writing)
        self._reactor.addReader(self)

    def _run(self, writing: int, server: Server, keep: tuple[int, ...]) -> None:
        """Be the child. Nothing of the reactor may happen here; it never returns."""
        status = 1
        try:
            # What else the server has open would stay open as long as the child lives.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.set_wakeup_fd(-1)
            _close_all_but({writing, *keep})
            server.show_title(self._work.title)
            run_on(server.configuration[self._work.cpu_list])
            with suppress(ValueError):  # it was logged
                server.oom_score.adjust(child=True)
            os.set_blocking(writing, False)
            # Collecting would touch, and so copy, every object.
            gc.disable()

            memory = 0
            looked = 0.0

            def report(number: int) -> None:
                nonlocal memory, looked
                now = perf_counter()
                if now - looked >= _LOOK_AT_MEMORY:
                    memory, looked = _private_memory(), now
                with suppress(BlockingIOError):
                    os.write(writing, _REPORT.pack(number, memory))

            self._work.write_as_child(report)
            os.set_blocking(writing, True)
            os.write(writing, _REPORT.pack(_DONE, _private_memory()))
            status = 0
        except OSError as error:
            # What the log is written to may be closed.
            with suppress(Exception):
                _log.error("Write error saving DB on disk: {reason}", reason=error.strerror or str(error))
        finally:
            os._exit(status)

    def kill(self) -> None:
        """End the child at once."""
        self._killed = True
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        """Wait until it has ended, and tell so: nothing else happens meanwhile."""
        os.set_blocking(self._reading, True)
        while self._read():
            pass
        self._reactor.removeReader(self)
        self._ended()

    # -- for the reactor

    def fileno(self) -> int:
        """The pipe's descriptor."""
        return self._reading

    def logPrefix(self) -> str:
        """What logs call it."""
        return "snapshot"

    def doRead(self) -> None:
        """The child has reported, or ended."""
        if not self._read():
            self._reactor.removeReader(self)
            self._ended()

    def _read(self) -> bool:
        """Read what there is; False at the end.

        :raises BlockingIOError: there is nothing to read.
        """
        data = os.read(self._reading, 65536)
        self._received += data
        whole = len(self._received) // _REPORT.size * _REPORT.size
        for number, memory in _REPORT.iter_unpack(self._received[:whole]):
            if number == _DONE:
                self._done = True
                number = self._work.progress.total
            self._work.progress.report(number, memory)
        self._received = self._received[whole:]
        return bool(data)

    def connectionLost(self, reason: Failure) -> None:
        """Some reactors tell the end of the pipe in this way. Or the reactor is closed while the child is at work."""
        try:
            while self._read():
                pass
        except BlockingIOError:
            self.kill()
        self._ended()

    def _ended(self) -> None:
        os.close(self._reading)
        with suppress(ChildProcessError):
            _, status = os.waitpid(self.pid, 0)
            if os.WIFSIGNALED(status) and not self._killed:
                _log.warn("The child was terminated by signal {signal}", signal=os.WTERMSIG(status))
        self._work.child_ended(self._done, self._killed)
