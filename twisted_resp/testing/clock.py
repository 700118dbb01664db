"""A clock that a test stops, advances and sets, while connections are served by a real reactor.

It is the ``IReactorTime`` of a server. While it runs freely ``seconds`` is the reactor's own function, so it costs
nothing. Delayed calls are kept here, by the time of this clock; one timer of the reactor stands for the earliest of
them, and where the clock stands still there is none. To advance is to go from one due call to the next, each at its
very time, so what expires, what times out and what is told of it come in the order in which they would have come.

For anything but time the clock is the reactor: it provides the same interfaces and hands on what it is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from heapq import heapify, heappop, heappush
from typing import Any, Final, Union

from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from zope.interface import directlyProvides, implementer, providedBy

__all__ = ["ControlledClock", "Moment", "timestamp"]

#: A time of day: Unix time in seconds, or a datetime (one without a zone is local time), or that as ISO 8601 has it.
Moment = Union[float, datetime, str]

# Less than a microsecond (in seconds): what sums of floats differ by.
_NOTHING: Final = 5e-7
# Calls that may fall due at one and the same time before the reactor gets its turn.
_MOST_AT_ONCE: Final = 100_000


def timestamp(moment: Moment) -> float:
    """Unix time in seconds.

    :raises ValueError: a text that is no date.
    """
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)


@implementer(IReactorTime)
class ControlledClock:
    """The time of one server. Everything here is to be called in the reactor's thread.

    :param reactor: the reactor that serves the connections.
    :ivar turned: called after the clock was stopped, set or started: whoever has kept ``seconds`` asks for it again.
    """

    log = Logger()

    def __init__(self, reactor: Any) -> None:
        directlyProvides(self, providedBy(reactor))
        self.reactor = reactor
        self.seconds: Callable[[], float] = reactor.seconds
        self.turned: Callable[[], None] = lambda: None
        self._offset = 0.0  # how far this clock is ahead of the reactor's
        self._stopped_at: float | None = None
        self._calls: list[DelayedCall] = []  # a heap
        self._idle = 0  # how many of them are cancelled
        self._timer: IDelayedCall | None = None
        self._timer_at = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reactor, name)

    def __repr__(self) -> str:
        return f"<ControlledClock {self.seconds()} {'stopped' if self.is_frozen else 'running'}>"

    # -- IReactorTime

    def callLater(
        self, delay: float, callable: Callable[..., Any], *args: object, **kw: object
    ) -> DelayedCall:
        """Call a function when so many seconds have passed on this clock."""
        call = DelayedCall(
            self.seconds() + delay, callable, args, kw, self._cancelled, self._moved, self._now
        )
        heappush(self._calls, call)
        if self._calls[0] is call:
            self._set_timer()
        return call

    def getDelayedCalls(self) -> list[IDelayedCall]:
        """The calls that are still to come."""
        return [call for call in self._calls if call.active()]

    def stop(self) -> None:
        """Leave nothing behind in the reactor: what was to come does not."""
        self._calls.clear()
        self._idle = 0
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    # -- turning it

    @property
    def is_frozen(self) -> bool:
        """Whether it stands still."""
        return self._stopped_at is not None

    @property
    def is_real(self) -> bool:
        """Whether it shows the reactor's time."""
        return self._stopped_at is None and not self._offset

    def freeze(self) -> None:
        """Stand still from now on. What is due already still happens."""
        if self._stopped_at is None:
            # At a whole millisecond, as the server counts: what is to last 2.5 s is over when 2.5 s have passed.
            self._stop(round(self.seconds(), 3))
            self.turned()
            self._set_timer()

    def unfreeze(self) -> None:
        """Go on from the time that it shows."""
        if self._stopped_at is not None:
            self._run(self._stopped_at - self.reactor.seconds())
            self.turned()
            self._set_timer()

    def reset(self) -> None:
        """Show real time again. Who waits for so many seconds waits on for what was left of them."""
        if not self.is_real:
            self._shift(self.reactor.seconds() - self.seconds())
            self._run(0.0)
            self.turned()
            self._set_timer()

    def restore(self, state: tuple[float | None, float]) -> None:
        """Go on as the clock did when :attr:`state` was read: from then, or by real time."""
        stopped_at, offset = state
        if stopped_at is None:
            self._shift(self.reactor.seconds() + offset - self.seconds())
            self._run(offset)
            self.turned()
            self._set_timer()
        else:
            self.freeze()

    @property
    def state(self) -> tuple[float | None, float]:
        """For :meth:`restore`."""
        return self._stopped_at, self._offset

    def advance(self, seconds: float) -> Deferred[None]:
        """Let time pass: all that falls due happens, in its order and at its time.

        :param seconds: how much; not negative.
        :return: a Deferred that fires as soon as what was answered meanwhile is sent.
        """
        if seconds < 0:
            raise ValueError("time that advances goes forward; travel_to() goes anywhere")
        # To the microsecond: ten times a tenth of a second is one, for who waits for that.
        return self._advance_to(round(self.seconds() + seconds, 6))

    def travel_to(self, when: Moment) -> Deferred[None]:
        """Set the clock. Forward is to :meth:`advance`; backward nothing happens but that it is earlier.

        :param when: Unix time in seconds, or a datetime.
        :return: as :meth:`advance`.
        """
        target = timestamp(when)
        ahead = target - self.seconds()
        if ahead >= 0:
            return self._advance_to(target)
        self._shift(ahead)
        if self._stopped_at is not None:
            self._stop(target)
        else:
            self._run(self._offset + ahead)
        self.turned()
        self._set_timer()
        return self._sent()

    # -- within

    def _now(self) -> float:
        return self.seconds()

    def _stop(self, at: float) -> None:
        self._stopped_at = at
        self.seconds = self._stopped_seconds

    def _stopped_seconds(self) -> float:
        return self._stopped_at  # type: ignore[return-value]

    def _run(self, offset: float) -> None:
        self._stopped_at = None
        self._offset = offset
        self.seconds = self._shifted_seconds if offset else self.reactor.seconds

    def _shifted_seconds(self) -> float:
        now: float = self.reactor.seconds()
        return now + self._offset

    def _shift(self, seconds: float) -> None:
        """Move what is to come along with a clock that is set: the order stays."""
        for call in self._calls:
            call.time += seconds

    def _advance_to(self, target: float) -> Deferred[None]:
        was_stopped = self._stopped_at is not None
        self.freeze()
        calls = self._calls
        left = _MOST_AT_ONCE
        while self._first() is not None and calls[0].time - _NOTHING <= target and left:
            call = heappop(calls)
            if call.time > self.seconds():
                self._stopped_at = min(call.time, target)
                left = _MOST_AT_ONCE
            left -= 1
            self._make(call)
        self._stopped_at = target
        if was_stopped:
            self.turned()
            self._set_timer()
        else:
            self.unfreeze()
        return self._sent()

    def _sent(self) -> Deferred[None]:
        # The reactor looks at calls, then at sockets: after two turns what waited for either has gone.
        sent: Deferred[None] = deferLater(self.reactor, 0)
        return sent.addCallback(lambda _: deferLater(self.reactor, 0))

    def _first(self) -> DelayedCall | None:
        """The next call, at the top of the heap."""
        calls = self._calls
        while calls:
            call = calls[0]
            if call.cancelled:
                heappop(calls)
                self._idle -= 1
            elif call.delayed_time > 0:
                heappop(calls)
                call.activate_delay()
                heappush(calls, call)
            else:
                return call
        return None

    def _set_timer(self) -> None:
        """See that the reactor wakes us for the next call; while the clock stands still only for what is due."""
        call = self._first()
        if call is None:
            return
        now = self.seconds()
        if self._stopped_at is not None and call.time > now:
            return
        delay = max(0.0, call.time - now)
        at = self.reactor.seconds() + delay
        if self._timer is not None and self._timer.active():
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = self.reactor.callLater(delay, self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = self.seconds()
        # What is called may ask for a call at once: that one is for the next turn.
        for _ in range(len(self._calls)):
            call = self._first()
            if call is None or call.time > now:
                break
            heappop(self._calls)
            self._make(call)
        self._set_timer()

    def _make(self, call: DelayedCall) -> None:
        call.called = 1
        try:
            call.func(*call.args, **call.kw)
        except Exception:
            self.log.failure("a delayed call failed: {call}", call=call)

    def _cancelled(self, call: DelayedCall) -> None:
        # It is dropped when it comes to the top. Many that wait long for nothing must not pile up.
        self._idle += 1
        if self._idle > 64 and self._idle * 2 > len(self._calls):
            self._calls[:] = [one for one in self._calls if one.active()]
            heapify(self._calls)
            self._idle = 0

    def _moved(self, call: DelayedCall) -> None:
        heapify(self._calls)
        self._set_timer()
