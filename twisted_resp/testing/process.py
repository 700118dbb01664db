"""A server in a process of its own, for tests that kill it, stop it or start it again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

__all__ = ["ServerProcess"]


class ServerProcess:
    """``resp-server`` in a process, on a free port, with a directory of its own.

    It ends with this process, even if that is killed.

    >>> with ServerProcess(appendonly="yes", appendfsync="always") as server:
    ...     redis.Redis(port=server.port).set("key", "value")
    ...     server.kill()
    ...     server.start()  # on the same port, with the same files

    :param directory: where its files are; by default a new one, which goes with the server.
    :param options: those of ``resp-server`` without the dashes (``_`` for ``-``).
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None, **options: object) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        self._given = directory
        self.directory = Path(directory) if directory is not None else Path()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ServerProcess:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ServerProcess {self.url if self.running else 'not running'}>"

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The number of the process.

        :raises RuntimeError: it was not started.
        """
        if self._process is None:
            raise RuntimeError("the server is not running")
        return self._process.pid

    @property
    def url(self) -> str:
        """``redis://host:port``, with the password if there is one."""
        password = self._options.get("password") or self._options.get("requirepass")
        return f"redis://{f':{quote(str(password))}@' if password else ''}{self.host}:{self.port}"

    @property
    def log(self) -> str:
        """What the server has printed."""
        path = self.directory / "resp-server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self, timeout: float = 30.0) -> None:
        """Start it, and return when it answers; again on the port that it had.

        :param timeout: seconds.
        :raises RuntimeError: it does not start; with what it printed.
        """
        if self.running:
            return
        if self._given is None and self.directory == Path():
            self.directory = Path(tempfile.mkdtemp(prefix="twisted-resp-"))
        until = time.monotonic() + timeout
        known = self.port
        while True:
            # A port that was free a moment ago may be taken: then another one is.
            self.port = known or _free_port(self.host)
            self._launch()
            if self._answers(until):
                return
            if self.running or known or time.monotonic() > until or "Failed listening" not in self.log:
                self.kill()
                raise RuntimeError(f"resp-server did not start:\n{self.log}")

    def stop(self) -> int:
        """Ask it to end (SIGTERM), and wait; answers its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """Kill it (SIGKILL), and wait; answers its exit code. Its files are as it left them."""
        return self._end(signal.SIGKILL)

    def signal(self, number: int) -> None:
        """Send a signal: SIGSTOP makes a server that hangs, SIGCONT lets it go on."""
        os.kill(self.pid, number)

    def close(self) -> None:
        """Kill it, and remove the directory that was made for it."""
        if self.running:
            with contextlib.suppress(OSError):
                self.signal(signal.SIGCONT)
            self.kill()
        self._let_go()
        if self._given is None and self.directory != Path():
            shutil.rmtree(self.directory, ignore_errors=True)
            self.directory = Path()
        self.port = 0

    # -- within

    def _launch(self) -> None:
        self._let_go()
        words = [sys.executable, "-m", "twisted_resp.testing.leashed"]
        words += ["--port", str(self.port), "--dir", str(self.directory)]
        for name, value in self._options.items():
            words += [f"--{name.replace('_', '-')}", str(value)]
        with open(self.directory / "resp-server.log", "wb") as log:
            self._process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def _answers(self, until: float) -> bool:
        """Wait until it answers; answers whether it does. On a port that was taken somebody else might."""
        while self.running and time.monotonic() < until:
            with (
                contextlib.suppress(OSError),
                socket.create_connection((self.host, self.port), 1) as connection,
            ):
                connection.settimeout(max(0.1, until - time.monotonic()))
                connection.sendall(b"PING\r\n")
                if connection.recv(100)[:1] in (b"+", b"-") and self._listens():
                    return True
            time.sleep(0.01)
        return False

    def _listens(self) -> bool:
        return self.running and "Ready to accept" in self.log

    def _end(self, number: int) -> int:
        process = self._process
        if process is None:
            raise RuntimeError("the server is not running")
        if process.poll() is None:
            process.send_signal(number)
        code = process.wait()
        self._let_go()
        return code

    def _let_go(self) -> None:
        """Close our end of the leash of a process that has ended."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
