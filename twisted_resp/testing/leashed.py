"""``resp-server`` that ends when the process that has started it is gone, however that ended.

Its standard input is a pipe whose other end only that process holds. When the last holder is gone the kernel sends
SIGIO, which ends a process that does not ask otherwise: this takes no thread, with which a server would not fork.
"""

from __future__ import annotations

import os
import select
import sys

__all__ = ["main"]


def main() -> None:
    """Be on the leash, and be ``resp-server``."""
    try:
        import fcntl

        fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
    except (ImportError, AttributeError, OSError):
        pass  # not on this system
    if select.select([0], [], [], 0)[0]:  # it was gone before
        sys.exit(1)
    sys.argv[0] = "resp-server"
    from twisted_resp.__main__ import main as serve

    serve()


if __name__ == "__main__":
    main()
