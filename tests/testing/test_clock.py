"""A clock that is stopped, advanced and set, over a reactor's."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from twisted_resp.testing.clock import ControlledClock


@pytest.fixture
def reactor() -> Clock:
    reactor = Clock()
    reactor.advance(1000)
    return reactor


@pytest.fixture
def clock(reactor: Clock) -> ControlledClock:
    return ControlledClock(reactor)


class Calls:
    """Delayed calls note when they are made."""

    def __init__(self, clock: ControlledClock) -> None:
        self.clock = clock
        self.made: list[tuple[float, str]] = []

    def after(self, delay: float, name: str) -> None:
        self.clock.callLater(delay, self.note, name)

    def note(self, name: str) -> None:
        self.made.append((self.clock.seconds(), name))


@pytest.fixture
def calls(clock: ControlledClock) -> Calls:
    return Calls(clock)


def test_it_is_the_reactor_for_all_but_time(clock: ControlledClock, reactor: Clock) -> None:
    assert verifyObject(IReactorTime, clock)
    assert clock.seconds == reactor.seconds
    assert clock.rightNow == 1000
    with pytest.raises(AttributeError):
        clock.connectTCP  # noqa: B018


def test_running_freely(clock: ControlledClock, reactor: Clock, calls: Calls) -> None:
    calls.after(5, "five")
    calls.after(2, "two")
    calls.after(0, "at once")
    reactor.advance(0)
    reactor.pump([2, 2, 2])
    assert calls.made == [(1000, "at once"), (1002, "two"), (1006, "five")]
    assert reactor.getDelayedCalls() == clock.getDelayedCalls() == []


def test_delayed_calls_can_be_cancelled_and_moved(
    clock: ControlledClock, reactor: Clock, calls: Calls
) -> None:
    cancelled, moved, delayed = [clock.callLater(5, calls.note, name) for name in ("no", "moved", "delayed")]
    cancelled.cancel()
    moved.reset(1)
    delayed.delay(2)
    assert clock.getDelayedCalls() == [moved, delayed]
    reactor.pump([1] * 8)
    assert calls.made == [(1001, "moved"), (1007, "delayed")]
    with pytest.raises(AlreadyCancelled):
        cancelled.cancel()
    with pytest.raises(AlreadyCalled):
        moved.cancel()


def test_cancelled_calls_do_not_pile_up(clock: ControlledClock) -> None:
    for _ in range(1000):
        clock.callLater(1000, int).cancel()
    assert len(clock._calls) < 200


def test_frozen_it_stands_but_what_is_due_happens(
    clock: ControlledClock, reactor: Clock, calls: Calls
) -> None:
    calls.after(1, "later")
    clock.freeze()
    calls.after(0, "at once")
    reactor.advance(50)
    assert clock.is_frozen
    assert calls.made == [(1000, "at once")]
    clock.reset()
    assert clock.seconds() == 1050
    reactor.advance(1)
    assert calls.made[1:] == [(1051, "later")]  # it waited for what was left


def test_advancing_goes_from_call_to_call(clock: ControlledClock, reactor: Clock, calls: Calls) -> None:
    clock.freeze()
    calls.after(3, "three")
    clock.callLater(1, calls.after, 1, "two")
    clock.callLater(1, calls.after, 0, "one")
    sent = clock.advance(2.5)
    assert calls.made == [(1001, "one"), (1002, "two")]
    assert clock.seconds() == 1002.5
    assert not sent.called
    reactor.pump([0, 0])
    assert sent.called
    clock.advance(0.5)
    assert calls.made[2:] == [(1003, "three")]


def test_advancing_a_clock_that_runs(clock: ControlledClock, reactor: Clock, calls: Calls) -> None:
    calls.after(30, "on the way")
    calls.after(70, "later")
    clock.advance(60)
    assert calls.made == [(1030, "on the way")]
    assert clock.seconds() == 1060
    reactor.advance(10)
    assert calls.made[1:] == [(1070, "later")]
    assert not clock.is_real
    clock.reset()
    assert clock.is_real
    assert clock.seconds() == 1010


def test_travelling(clock: ControlledClock, reactor: Clock, calls: Calls) -> None:
    calls.after(10, "ten seconds on")
    moment = datetime(2031, 1, 1, tzinfo=timezone.utc)
    clock.freeze()
    clock.travel_to(500)
    assert (clock.seconds(), calls.made) == (500, [])
    clock.advance(10)
    assert calls.made == [(510, "ten seconds on")]
    clock.unfreeze()
    clock.travel_to(moment)
    reactor.advance(1)
    assert clock.seconds() == moment.timestamp() + 1
    clock.travel_to(700)
    assert clock.seconds() == 700


def test_a_former_state_comes_back(clock: ControlledClock, reactor: Clock) -> None:
    clock.travel_to(2000)
    former = clock.state
    clock.freeze()
    clock.advance(5)
    nested = clock.state
    clock.advance(5)
    clock.restore(nested)
    assert clock.seconds() == 2010
    assert clock.is_frozen
    reactor.advance(7)
    clock.restore(former)
    assert clock.seconds() == 2007
    assert not clock.is_frozen


def test_time_does_not_advance_backward(clock: ControlledClock) -> None:
    with pytest.raises(ValueError, match="goes forward"):
        clock.advance(-1)


def test_a_call_that_fails_is_logged(
    clock: ControlledClock, calls: Calls, logged_failures: list[Failure]
) -> None:
    clock.callLater(1, lambda: 1 / 0)
    calls.after(1, "the next")
    clock.advance(1)
    assert [failure.type for failure in logged_failures] == [ZeroDivisionError]
    logged_failures.clear()
    assert len(calls.made) == 1


def test_a_call_that_asks_for_itself_at_once_lets_others_on(clock: ControlledClock) -> None:
    count = 0

    def again() -> None:
        nonlocal count
        count += 1
        clock.callLater(0, again)

    again()
    clock.advance(1)
    assert count <= 100_002


def test_turning_is_told(clock: ControlledClock) -> None:
    told: list[float] = []
    clock.turned = lambda: told.append(clock.seconds())
    clock.freeze()
    clock.freeze()
    clock.advance(3)
    clock.travel_to(900)
    clock.unfreeze()
    clock.unfreeze()
    assert told == [1000, 1003, 900, 900]


@pytest.mark.parametrize("start", [0.0, 0.123, 0.777])
def test_steps_add_up(reactor: Clock, clock: ControlledClock, calls: Calls, start: float) -> None:
    reactor.advance(1_800_000_000 + start)  # where a float has less than a microsecond to spare
    clock.freeze()
    calls.after(1, "one")
    calls.after(0.3, "a third")
    for _ in range(3):
        clock.advance(0.1)
    assert [name for _, name in calls.made] == ["a third"]
    for _ in range(6):
        clock.advance(0.1)
    assert len(calls.made) == 1
    clock.advance(0.1)
    assert [name for _, name in calls.made] == ["a third", "one"]
