"""``resp-server`` and ``python -m twisted_resp``: the server in the foreground, for people who don't know twistd."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.base import BlockingResolver
from twisted.logger import Logger, globalLogBeginner
from twisted.python import usage

if TYPE_CHECKING:
    from twisted_resp.server.flavour import Flavour

__all__ = ["main"]

_starting = Logger("twisted_resp:starting")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the server until it is told to stop. Exits with 1 and the reason on stderr where it can't start.

    :param argv: the arguments, by default the process's.
    """
    from twisted_resp.crash_reports import report_crashes
    from twisted_resp.logs import LogFile
    from twisted_resp.persistence.tools import run_tool
    from twisted_resp.process import daemonize, remove_pid_file, take_signals, write_pid_file
    from twisted_resp.server.affinity import run_on
    from twisted_resp.server.configuration_file import ConfigurationError
    from twisted_resp.supervision import accept_supervision, announce, show_title
    from twisted_resp.tap import Options, make_service
    from twisted_resp.transports import reentrant_reactor

    arguments = list(sys.argv[1:] if argv is None else argv)
    status = run_tool(arguments)
    if status is not None:
        sys.exit(status)
    options = Options()
    try:
        options.parseOptions(arguments)
        service = make_service(options, own_process=True)
    except usage.UsageError as error:
        sys.stderr.write(f"resp-server: {error}\nTry 'resp-server --help'.\n")
        sys.exit(1)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    server = service.factory.server
    try:
        log = LogFile(server)
    except OSError as error:
        sys.stderr.write(f"\n*** FATAL CONFIG FILE ERROR ***\nCan't open the log file: {error.strerror}\n")
        sys.exit(1)
    globalLogBeginner.beginLoggingTo([log], redirectStandardIO=False)
    accept_supervision(server)
    # Whoever supervises a process wants to see it, not its child.
    if server.configuration[b"daemonize"] and not server.supervisor:
        daemonize(server)
    _tell_of_the_start(server.flavour, bool(options["config"]))
    reactor: Any
    from twisted.internet import reactor

    # Names are looked up as Redis does it, and not in another thread: a process with threads can't fork.
    reactor.installResolver(BlockingResolver())
    service.in_slices = True
    # A slow script in the append-only file lets others in too, before anybody has connected.
    server.scripting.reactor = reentrant_reactor(reactor)

    def ready() -> None:
        announce(server)
        run_on(server.configuration[b"server-cpulist"])

    service.on_ready = ready
    take_signals(server, reactor)
    report_crashes(server, reactor)
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)

    def listening() -> None:
        # Not before it listens: the file of a server that runs on the same port is its own.
        write_pid_file(server)
        show_title(server)

    service.on_listening = listening
    service.startService()
    reactor.run()
    remove_pid_file(server)
    if service.failure is not None:
        sys.exit(1)


def _tell_of_the_start(flavour: Flavour, configured: bool) -> None:
    from twisted_resp import __version__

    _starting.info(
        "twisted-resp {version} is starting, compatible with {product} {release}, PID: {pid}",
        version=__version__,
        product=flavour.product.decode().capitalize(),
        release=flavour.version.decode(),
        pid=os.getpid(),
    )
    if configured:
        _starting.info("Configuration loaded")


if __name__ == "__main__":
    main()
