"""A controlled factory under a task.Clock, and connections to it without a network."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from twisted.internet.task import Clock

from tests.wire import Wire
from twisted_resp.testing.factory import ControlledFactory

START = 1_700_000_000


@pytest.fixture
def reactor() -> Clock:
    """The time, which stands still until a test advances it."""
    clock = Clock()
    clock.advance(START)
    return clock


@pytest.fixture
def factory(reactor: Clock) -> ControlledFactory:
    return ControlledFactory(reactor)


@pytest.fixture
def connect(factory: ControlledFactory) -> Callable[[], Wire]:
    """Opens connections, from ports 50000, 50001, ..."""
    ports = count(50000)
    return lambda: Wire(factory, next(ports))


@pytest.fixture
def wire(connect: Callable[[], Wire]) -> Wire:
    """A connection."""
    return connect()


@pytest.fixture(scope="session")
def wire_class() -> type[Wire]:
    """For tests with factories of their own."""
    return Wire
