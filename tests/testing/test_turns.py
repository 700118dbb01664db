"""Another thread in place of a reactor's own."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from twisted.internet.task import Clock

from twisted_resp.testing.thread import ServerThread
from twisted_resp.testing.turns import Turns, take_turns


class Reactor(Clock):
    """One that can be woken."""

    def __init__(self) -> None:
        super().__init__()
        self.woken = 0

    def wakeUp(self) -> None:  # noqa: N802
        self.woken += 1


class Poller:
    """One that does something while it waits."""

    def __init__(self) -> None:
        self.meanwhile: Any = None
        self.register = self.modify = self.unregister = self.close = None

    def poll(self, timeout: float, most: int) -> list[tuple[float, int]]:
        self.meanwhile()
        return [(timeout, most)]


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


@pytest.fixture
def poller() -> Poller:
    return Poller()


@pytest.fixture
def turns(reactor: Reactor, poller: Poller) -> Turns:
    return Turns(reactor, poller)


def test_the_turn_is_to_be_had_only_while_it_waits(turns: Turns, poller: Poller) -> None:
    def enter() -> None:
        assert turns.enter(0)
        assert turns.guest == threading.get_ident()
        assert not turns.enter(0)  # not again
        turns.leave()

    poller.meanwhile = enter
    assert not turns.enter(0)
    assert turns.poll(1.5, 3) == [(1.5, 3)]
    assert turns.guest is None
    assert not turns.enter(0)


def test_it_is_the_reactors_again_after_an_error(turns: Turns, poller: Poller) -> None:
    def fail() -> None:
        raise OSError

    poller.meanwhile = fail
    with pytest.raises(OSError):
        turns.poll(1, 1)
    assert not turns.enter(0)


def test_a_reactor_wakes_for_an_earlier_timer_only(turns: Turns, poller: Poller, reactor: Reactor) -> None:
    def visit(*delays: float) -> int:
        def enter() -> None:
            assert turns.enter(0)
            for delay in delays:
                reactor.callLater(delay, int)
            turns.leave()

        poller.meanwhile = enter
        before = reactor.woken
        turns.poll(1, 1)
        return reactor.woken - before

    assert visit() == 0
    assert visit(5) == 1
    assert visit(6) == 0
    assert visit() == 0
    assert visit(7, 4) == 1


def test_other_reactors_take_no_turns(reactor: Reactor) -> None:
    assert take_turns(reactor) is None


def test_a_reset_in_the_callers_thread_can_do_what_goes_to_the_servers() -> None:
    """It neither waits for the other thread, which waits for it, nor leaves it asleep."""
    seen: list[object] = []
    with ServerThread() as server:
        start = server.snapshot()

        def listen(*_: object) -> None:
            seen.append(threading.current_thread())
            server.journal.clear()
            with pytest.raises(RuntimeError, match="can't wait for itself"):
                server.call("PING")

        server.factory.clock.turned = listen
        server.clock.freeze()
        seen.clear()
        while (
            threading.current_thread() not in seen
        ):  # where it is busy for a moment, the other thread does it
            server.clock.freeze()
            server.reset(start)
        assert server.call("PING") == b"PONG"


def test_a_reset_of_a_reactor_that_takes_no_turns() -> None:
    with ServerThread() as server:
        start = server.snapshot()
        server._turns = None
        server.keys["key"] = 1
        server.reset(start)
        assert server.keys == {}
