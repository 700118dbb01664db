"""Loading step by step: all at once, or in the turns of a reactor, which serves others in between."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_resp.server.loading import Steps
from twisted_resp.server.server import Server

__all__ = ["LoadInSlices", "load_now", "without_collector"]

# How long nobody else is served (seconds).
_SLICE: Final = 0.01


def load_now(steps: Steps) -> None:
    """Take all steps.

    :raises OSError, ValueError: as the steps do.
    """
    for _ in steps:
        pass


@contextmanager
def without_collector(server: Server) -> Iterator[None]:
    """Let nothing look for garbage meanwhile: what is loaded is none, and would be looked at again and again.

    In a process of our own it is not looked at afterwards either. The first look alone would stop everybody for half a
    second a million keys; what is deleted goes at once, without the collector.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            if server.saving.may_fork and hasattr(gc, "freeze"):  # PyPy's collector is another one
                gc.freeze()
            gc.enable()


class LoadInSlices:
    """Takes steps for a short time in every turn of the reactor, but the first one at once.

    :param steps: what to do.
    :param clock: an ``IReactorTime``.
    :param held: whether nothing may change just now, though the reactor runs: somebody is in the middle of something.
    :raises OSError, ValueError: the first step fails.

    :ivar finished: fires when all is done, or with what failed.
    """

    def __init__(self, steps: Steps, clock: Any, held: Callable[[], bool] = lambda: False) -> None:
        self._steps = steps
        self._held = held
        self._clock = clock
        self._call: Any = None
        self.finished: Deferred[None] = Deferred()
        # No more than that: the reactor may not run yet, and then a step that takes its time can't let it look around.
        if self._take_steps(0.0):
            self.finished.callback(None)
        else:
            self._call = clock.callLater(0, self._go_on)

    def stop(self) -> None:
        """Leave it as it is; nobody will hear of the end."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
            self._steps.close()  # type: ignore[attr-defined]

    def _go_on(self) -> None:
        self._call = None
        if self._held():
            self._call = self._clock.callLater(_SLICE, self._go_on)
            return
        try:
            done = self._take_steps(perf_counter() + _SLICE)
        except Exception:
            self.finished.errback(Failure())
            return
        if done:
            self.finished.callback(None)
        else:
            self._call = self._clock.callLater(0, self._go_on)

    def _take_steps(self, until: float) -> bool:
        """Take one at least; answers whether that was all."""
        return all(perf_counter() < until for _ in self._steps)
