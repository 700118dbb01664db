"""What a process tells those who look after it: systemd or upstart (``supervised``), and who lists processes."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Final

from twisted.logger import Logger

from twisted_resp.server.server import Server
from twisted_resp.text.template import expand

__all__ = ["accept_supervision", "announce", "show_title"]

_log = Logger()

_SUPERVISED: Final = (
    "Supervised by systemd. Please make sure you set appropriate values for TimeoutStartSec and TimeoutStopSec in "
    "your service unit."
)


def accept_supervision(server: Server) -> None:
    """Find out who looks after this process, as ``supervised`` says, and tell them that it starts.

    From now on :attr:`Server.tell_supervisor` tells systemd how we are. Upstart has stopped the process when this
    returns, and let it go on.
    """
    mode: bytes = server.configuration[b"supervised"]
    if mode == b"auto":
        mode = (
            b"upstart"
            if "UPSTART_JOB" in os.environ
            else b"systemd"
            if "NOTIFY_SOCKET" in os.environ
            else b""
        )
        if mode:
            _log.debug("{name} supervision detected.", name=mode.decode().capitalize())
    if mode == b"upstart":
        if "UPSTART_JOB" not in os.environ:
            _log.warn("upstart supervision requested, but UPSTART_JOB not found!")
            return
        _log.info("supervised by upstart, will stop to signal readiness.")
        os.kill(os.getpid(), signal.SIGSTOP)
        del os.environ["UPSTART_JOB"]
    elif mode == b"systemd":
        if not _notify("STATUS=Redis is loading...\n"):
            return
        _log.info(_SUPERVISED)
        server.tell_supervisor = _notify
    else:
        return
    server.supervisor = mode


def announce(server: Server) -> None:
    """Tell that all is there, and clients may come."""
    following = server.replication.master is not None
    more = " in read-only mode. Waiting for MASTER <-> REPLICA sync" if following else ""
    server.tell_supervisor(f"STATUS=Ready to accept connections{more}\n")
    server.tell_supervisor("READY=1\n")


def _notify(message: str) -> bool:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        _log.warn("systemd supervision error: NOTIFY_SOCKET not found!")
        return False
    if address.startswith("@"):  # it is in the abstract namespace
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(message.encode(), address)
    except OSError as error:
        _log.warn("systemd supervision error: sd_notify: {error}", error=error.strerror or str(error))
        return False
    return True


def show_title(server: Server) -> None:
    """Give the process its title in lists of processes (``set-proc-title``), and again when that changes.

    That takes the extra ``title``: what Python has of its own does not reach the memory where a title stands.
    """
    if not server.configuration[b"set-proc-title"]:
        return
    try:
        from setproctitle import setproctitle
    except ImportError:
        if server.configuration.was_read(b"proc-title-template"):
            _log.warn("proc-title-template needs setproctitle: pip install 'twisted-resp[title]'")
        return
    set_title: Callable[[str], None] = setproctitle

    def show(title: str) -> None:
        values = server.configuration.title_values(os.fsencode(title or sys.argv[0]))
        try:
            text = expand(server.configuration[b"proc-title-template"], values)
        except ValueError:  # can't be: it was looked at when it was set
            return
        set_title(os.fsdecode(text.strip(b" ")))

    server.show_title = show
    show("")
