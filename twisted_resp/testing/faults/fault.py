"""What all faults have in common: when they strike, who they hold, and how they end."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

from twisted.internet.defer import Deferred

from twisted_resp.resp import NO_REPLY, Reply
from twisted_resp.server.client import Client
from twisted_resp.testing.calls import Call
from twisted_resp.testing.faults.conditions import Frequency, Selection

if TYPE_CHECKING:
    from twisted_resp.testing.faults.registry import Faults

__all__ = ["CommandFault", "Fault", "GoOn"]

#: Hands a call on to the next fault, or to the server.
GoOn = Callable[[], Reply]


class Fault:
    """Something that goes wrong, until it is removed: at the end of ``with``, or by :meth:`remove`.

    :ivar name: what the registry calls it.
    """

    name = "fault"

    def __init__(self, registry: Faults, frequency: Frequency) -> None:
        self._registry = registry
        self._frequency = frequency
        self._struck = threading.Condition()
        self.active = False

    def __enter__(self) -> Fault:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()

    def __repr__(self) -> str:
        state = "" if self.active else ", removed"
        return f"<{self.describe()}: {self.hits} of {self.seen}{state}>"

    @property
    def hits(self) -> int:
        """How often it has struck."""
        return self._frequency.hits

    @property
    def seen(self) -> int:
        """How often it could have: what its conditions fit, whether or not it was its turn."""
        return self._frequency.seen

    def describe(self) -> str:
        """What it does, in a few words."""
        return self.name

    def remove(self) -> None:
        """End it, and let go what it holds. Twice does no harm."""
        self._registry.remove(self)

    def wait(self, hits: int = 1, timeout: float = 5.0) -> None:
        """Wait, in another thread than the server's, until it has struck so often.

        :param timeout: seconds of real time.
        :raises TimeoutError: it has not.
        """
        with self._struck:
            if not self._struck.wait_for(lambda: self.hits >= hits, timeout):
                raise TimeoutError(
                    f"{self.describe()} has struck {self.hits} times in {timeout} s, not {hits}"
                )

    # -- for the registry, in the server's thread

    def begin(self) -> None:
        """It is added."""

    def end(self) -> None:
        """It is removed."""

    def gone(self, client: Client) -> None:
        """A client is gone."""

    def _strikes(self) -> bool:
        if not self._frequency.strikes():
            return False
        with self._struck:
            self._struck.notify_all()
        return True


class CommandFault(Fault):
    """A fault of commands.

    :cvar stage: faults of the same command act in this order. Those of an earlier stage see what comes of the
        later ones.
    """

    stage = 0

    def __init__(self, registry: Faults, selection: Selection, frequency: Frequency) -> None:
        super().__init__(registry, frequency)
        self.selection = selection
        self._held: dict[Deferred[None], tuple[Client, Any]] = {}

    def describe(self) -> str:
        """See :meth:`Fault.describe`."""
        return f"{self.name} of {self.selection.commands}"

    def strikes(self, call: Call) -> bool:
        """Whether it acts on this call; counts it."""
        return self.selection.includes(call) and self._strikes()

    def act(self, call: Call, go_on: GoOn) -> Reply:
        """Do it.

        :return: the reply, or a Deferred of it.
        """
        raise NotImplementedError

    def hold(self, client: Client, seconds: float | None, action: Callable[[], Reply]) -> Deferred[Reply]:
        """Let a client wait, by the server's clock, before something is done for it.

        :param seconds: None for until this fault is removed.
        """
        server = self._registry.server
        gate: Deferred[None] = Deferred()
        timer = None
        if seconds is not None:
            timer = server.clock.callLater(seconds, server.run_timer, partial(self._let_go, gate))
        self._held[gate] = (client, timer)
        return gate.addCallback(
            # One that was let go before it may have disconnected it.
            lambda _: NO_REPLY if client.closing else client.run_apart(action)
        )

    def _let_go(self, gate: Deferred[None]) -> None:
        # One that went before may have taken this one's connection down.
        if self._held.pop(gate, None) is not None:
            gate.callback(None)

    def end(self) -> None:
        """Let everybody go on, in the order in which they came."""
        server = self._registry.server
        for gate, (_, timer) in self._held.items():
            if timer is not None and timer.active():
                timer.cancel()
            server.resume(partial(self._let_go, gate))
        if self._held:
            server.run_timer(lambda: None)

    def gone(self, client: Client) -> None:
        """Nothing is to be done for it any more."""
        for gate in [gate for gate, (holder, _) in self._held.items() if holder is client]:
            _, timer = self._held.pop(gate)
            if timer is not None and timer.active():
                timer.cancel()
