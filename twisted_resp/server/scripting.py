"""What a server knows of its scripts: the figures that INFO tells, and the one that runs.

The scripts themselves, and the Lua that runs them, are the business of :mod:`twisted_resp.scripting`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted_resp.errors import CommandError

if TYPE_CHECKING:
    from twisted_resp.server.client import Client

__all__ = ["RunningScript", "Scripting"]

_BUSY_SCRIPT = b"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
_BUSY_FUNCTION = b"BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
_NOT_BUSY = b"NOTBUSY No scripts in execution right now."
_FROM_MASTER = (
    b"UNKILLABLE The busy script was sent by a master instance in the context of replication and cannot be "
    b"killed."
)
_HAS_WRITTEN = (
    b"UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait "
    b"the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command."
)


class RunningScript:
    """A script or function while it runs.

    :ivar name: its digest, or the function's name.
    :ivar command: the call, as received.
    :ivar is_function: whether FCALL runs it.
    :ivar started: when, by ``time.perf_counter``.
    :ivar read_only: whether it may write nothing.
    :ivar allow_oom: whether it may take memory where there is too little.
    :ivar protocol: the RESP version that the script wants replies in.
    :ivar no_room: whether there was too little memory when it began.
    :ivar timed_out: whether it has run for so long that others are answered.
    :ivar unwanted: whether a signal came that ends the server.
    """

    # What most scripts leave as it is: there is one of these for each call.
    allow_oom = no_room = written = timed_out = killed = unwanted = False
    protocol = 2

    def __init__(
        self, caller: Client, name: bytes, started: float, is_function: bool, read_only: bool
    ) -> None:
        self.caller = caller
        self.name = name
        self.command = caller.current
        self.is_function = is_function
        self.read_only = read_only
        self.started = started

    def busy(self) -> CommandError:
        """What others hear."""
        return CommandError(_BUSY_FUNCTION if self.is_function else _BUSY_SCRIPT)


class Scripting:
    """Facts about the scripts of one server."""

    def __init__(self) -> None:
        self.running: RunningScript | None = None
        #: The scripts and the libraries of functions themselves.
        self.scripts: Any = None
        self.libraries: Any = None
        #: DEBUG SET-DISABLE-DENY-SCRIPTS: whether scripts may run what is not meant for scripts.
        self.anything_goes = False
        #: The reactor that serves the connections, if it can look at them in the middle of a script.
        self.reactor: Any = None
        #: For INFO: counts and bytes by the names of its fields, without those that are 0.
        self.figures: Callable[[], dict[str, int]] = dict

        #: The sources of libraries of functions; what adds such sources to them (with True in the place of those of
        #: the same name); and what removes them all.
        self.sources: Callable[[], list[bytes]] = list
        self.load_sources: Callable[[list[bytes], bool], None] = lambda sources, replace: None
        self.flush_libraries: Callable[[], None] = lambda: None

    def kill(self, function: bool) -> CommandError | None:
        """SCRIPT KILL, FUNCTION KILL: end the script at its next pulse; or say why not.

        :param function: which of the two it is.
        """
        running = self.running
        if running is None:
            return CommandError(_NOT_BUSY)
        if running.caller.is_master:
            return CommandError(_FROM_MASTER)
        if running.written:
            return CommandError(_HAS_WRITTEN)
        if running.is_function != function:
            return running.busy()
        running.killed = True
        return None
