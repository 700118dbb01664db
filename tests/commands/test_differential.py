"""A few thousand random commands of all kinds beside a redis-server; ``python -m tests.differential`` asks more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import needs_lua
from tests.differential.runner import Runner
from tests.differential.wire import Connection
from twisted_resp.testing.thread import ServerThread


@pytest.mark.parametrize("protocol", [2, 3])
@needs_lua
def test_nothing_differs(redis_server: Any, protocol: int) -> None:
    server = ServerThread()
    server.start()
    ours = Connection("127.0.0.1", server.port)
    theirs = Connection(redis_server.host, redis_server.port)
    try:
        runner = Runner(ours, theirs, 17, protocol)
        runner.check_every = 1000
        assert list(runner.run(2000)) == []
        runner.start()  # it is not ours alone
    finally:
        ours.close()
        theirs.close()
        server.stop()
    assert len(runner.asked) > 100
