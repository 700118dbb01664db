"""``resp-server`` and ``python -m twisted_resp``: the server in the foreground, for people who don't know twistd."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)
from twisted.python import usage

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the server until it is told to stop. Exits with 1 and one line on stderr where it can't start.

    :param argv: the arguments, by default the process's.
    """
    from twisted_resp import __version__
    from twisted_resp.persistence.tools import run_tool
    from twisted_resp.tap import Options, make_service

    arguments = list(sys.argv[1:] if argv is None else argv)
    status = run_tool(arguments)
    if status is not None:
        sys.exit(status)
    options = Options()
    try:
        options.parseOptions(arguments)
    except usage.UsageError as error:
        sys.stderr.write(f"resp-server: {error}\nTry 'resp-server --help'.\n")
        sys.exit(1)
    quiet = LogLevelFilterPredicate(defaultLogLevel=LogLevel.warn)
    globalLogBeginner.beginLoggingTo(
        [FilteringLogObserver(textFileLogObserver(sys.stderr), [quiet])], redirectStandardIO=False
    )
    from twisted.internet import reactor

    service = make_service(options)
    service.startService()

    def stop() -> Deferred[None]:
        return service.stopService()

    reactor.addSystemEventTrigger("before", "shutdown", stop)
    print(f"twisted-resp {__version__}, PID: {os.getpid()}, on {', '.join(service.addresses)}")
    print("Server initialized")
    print("Ready to accept connections. Ctrl-C stops.", flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
