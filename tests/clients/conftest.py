"""A fresh server in a thread for each test, and redis-py clients that are closed when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

import pytest

from twisted_resp.testing import ServerThread


@pytest.fixture
def server() -> Iterator[ServerThread]:
    """A server that listens on a free port."""
    with ServerThread(port=0) as server:
        yield server


@pytest.fixture(params=[3, 2], ids=["resp3", "resp2"])
def connect(server: ServerThread, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Make redis-py clients, with ``redis.Redis``' own keywords, in one RESP version and the other."""
    redis = pytest.importorskip("redis")
    opened: list[Any] = []

    def connect(**settings: Any) -> Any:
        client = redis.Redis(**{"port": server.port, "protocol": request.param, **settings})
        opened.append(client)
        return client

    yield connect
    for client in opened:
        client.close()
        client.connection_pool.disconnect()


@pytest.fixture
def client(connect: Callable[..., Any]) -> Any:
    """A redis-py client that answers str."""
    return connect(decode_responses=True)
