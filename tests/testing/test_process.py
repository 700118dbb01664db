"""ServerProcess: a server that is killed, and one that must not stay."""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path

import pytest

from twisted_resp.testing import ServerProcess


@pytest.mark.skipif(sys.platform != "linux", reason="a pipe tells of its other end's closing on Linux")
def test_it_ends_with_who_has_started_it(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, databases=1) as server:
        with socket.create_connection((server.host, server.port), 5) as connection:
            connection.sendall(b"SELECT 1\r\n")
            assert connection.recv(100) == b"-ERR DB index is out of range\r\n"
        process = server._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()  # as the kernel does it at the end of a process
        assert process.wait(30) == -signal.SIGIO
        assert not server.running


def test_what_it_printed_is_told_where_it_does_not_start(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, databases="none")
    with pytest.raises(RuntimeError, match=r"(?s)resp-server did not start:\n.*databases"):
        server.start()
    server.close()


def test_one_that_was_not_started_says_so() -> None:
    server = ServerProcess()
    with pytest.raises(RuntimeError, match="not running"):
        server.kill()
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.pid
    assert "not running" in repr(server)
