"""A real redis-server beside the values, for tests that compare bytes with bytes."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from twisted_resp.values.limits import Limits


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.fixture(scope="session")
def reference() -> Iterator[Any]:
    """Return a redis-py client of a fresh redis-server; skip where there is none."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("redis-server is not installed: nothing to compare with")
    redis = pytest.importorskip("redis", reason="redis-py is not installed: nothing to compare with")
    with tempfile.TemporaryDirectory(prefix="resp") as directory:
        path = directory + "/s"
        options = ["--port", "0", "--unixsocket", path, "--save", "", "--dir", directory]
        options += ["--enable-debug-command", "yes"]
        process = subprocess.Popen([binary, *options], stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            for line in process.stdout:
                # The last line before it serves; a server that gives up ends the loop.
                if b"eady to accept" in line:
                    break
            client = redis.Redis(unix_socket_path=path, protocol=2)
            # Replies as the server sends them.
            client.response_callbacks.clear()
            client.ping()
            yield client
            client.close()
        finally:
            process.terminate()
            process.communicate()
