"""A process that is a server's own, as redis-server is one: in the background if asked for, found by its pid file,
ended by signals."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any, Final

from twisted.logger import Logger

from twisted_resp.server.server import Server

__all__ = ["daemonize", "may_give_up", "remove_pid_file", "take_signals", "write_pid_file"]

_log = Logger()

_DEFAULT_PID_FILE: Final = b"/var/run/redis.pid"
_SIGNALS: Final = {
    signal.SIGINT: ("SIGINT", b"shutdown-on-sigint"),
    signal.SIGTERM: ("SIGTERM", b"shutdown-on-sigterm"),
}


def daemonize(server: Server) -> None:
    """Go on in the background, without a terminal (``daemonize``)."""
    if os.fork():
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    if null > 2:
        os.close(null)
    server.pid = os.getpid()


def write_pid_file(server: Server) -> None:
    """Write ``pidfile``; by default there is one only where the process is a daemon."""
    configuration = server.configuration
    path = configuration[b"pidfile"]
    if not path and configuration[b"daemonize"] and not server.supervisor:
        path = configuration[b"pidfile"] = _DEFAULT_PID_FILE
    if not path:
        return
    try:
        with open(path, "wb") as file:
            file.write(b"%d\n" % os.getpid())
    except OSError as error:
        _log.warn("Failed to write PID file: {error}", error=error.strerror)


def remove_pid_file(server: Server) -> None:
    """Remove it, if it is ours still."""
    path = server.configuration[b"pidfile"]
    if not path:
        return
    with suppress(OSError, ValueError):
        with open(path, "rb") as file:
            ours = int(file.read()) == os.getpid()
        if ours:
            _log.info("Removing the pid file.")
            os.unlink(path)


def may_give_up(server: Server) -> None:
    """Let the server end the process where it can't keep what it promises (``appendfsync always``)."""
    server.append_only.give_up = partial(_end_at_once, server, 1)


def take_signals(server: Server, reactor: Any) -> None:
    """From now on SIGINT and SIGTERM shut the server down, as ``shutdown-on-sigint`` and ``-sigterm`` say.

    A second SIGINT ends the process at once.
    """
    shutdown = server.shutdown

    def shut_down(name: str, parameter: bytes) -> None:
        server.keyspace.tick()
        words = frozenset(server.configuration[parameter].split()) - {b"default"}
        if not shutdown.ask(words) and shutdown.until is None:
            shutdown.asked = False
            _log.warn(
                "{name} received but errors trying to shut down the server, check the logs for more information",
                name=name,
            )

    def receive(number: int, frame: FrameType | None) -> None:
        name, parameter = _SIGNALS[signal.Signals(number)]
        if shutdown.asked and number == signal.SIGINT:
            _log.warn("You insist... exiting now.")
            _end_at_once(server, 1)
        if server.loading.active:
            _log.warn("Received shutdown signal during loading, exiting now.")
            _end_at_once(server, 0)
        shutdown.asked = True
        _log.warn("Received {name} scheduling shutdown...", name=name)
        running = server.scripting.running
        if running is not None:
            running.unwanted = True
        reactor.callFromThread(shut_down, name, parameter)

    def install() -> None:
        for number in _SIGNALS:
            signal.signal(number, receive)
        for ignored in ("SIGHUP", "SIGPIPE"):
            if hasattr(signal, ignored):
                signal.signal(getattr(signal, ignored), signal.SIG_IGN)

    # The reactor sets handlers of its own when it starts; ours come after.
    reactor.callWhenRunning(install)


def _end_at_once(server: Server, status: int) -> None:
    remove_pid_file(server)
    server.saving.stop_child()
    server.saving.forget_unfinished()
    sys.stdout.flush()
    os._exit(status)
