"""A few thousand random commands of all kinds beside a redis-server; ``python -m tests.differential`` asks more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.differential.runner import Runner
from tests.differential.wire import Connection
from twisted_resp.testing.thread import ServerThread


@pytest.mark.parametrize("protocol", [2, 3])
def test_nothing_differs(redis_server: Any, protocol: int) -> None:
    server = ServerThread()
    server.start()
    ours = Connection("127.0.0.1", server.port)
    theirs = Connection(redis_server.host, redis_server.port)
    try:
        # What depends on a draw or on the time in one run is not there in another; what is wrong is there in all.
        for _ in range(3):
            runner = Runner(ours, theirs, 17, protocol)
            runner.check_every = 1000
            differences = list(runner.run(2000))
            if not differences:
                break
        assert differences == []
        runner.start()  # it is not ours alone
    finally:
        ours.close()
        theirs.close()
        server.stop()
    assert len(runner.asked) > 100
