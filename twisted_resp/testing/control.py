"""The clock of a server in another thread."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from twisted_resp.testing.clock import Moment

if TYPE_CHECKING:
    from twisted_resp.testing.thread import ServerThread

__all__ = ["ClockControl", "Turned"]


class ClockControl:
    """What a test does to the time of a :class:`~twisted_resp.testing.ServerThread`.

    >>> with server.clock.freeze():
    ...     client.set("session", "x", ex=60)
    ...     server.clock.advance(61)
    ...     assert client.get("session") is None

    Each call returns as soon as all that fell due has happened and its replies are sent.
    """

    def __init__(self, server: ServerThread) -> None:
        self._server = server

    def __repr__(self) -> str:
        return f"<ClockControl {self.now().isoformat()} {'stopped' if self.is_frozen else 'running'}>"

    @property
    def is_frozen(self) -> bool:
        """Whether it stands still."""
        return self._server.factory.clock.is_frozen

    def seconds(self) -> float:
        """Unix time of the server, in seconds."""
        return self._server.factory.clock.seconds()

    def now(self) -> datetime:
        """The server's time, as a datetime in the local zone."""
        return datetime.fromtimestamp(self.seconds()).astimezone()

    def freeze(self, at: Moment | None = None) -> Turned:
        """Stop the clock.

        :param at: first travel there.
        :return: a context manager at whose end the clock runs again, by the time that it had then. To use it as one
            is not necessary: :meth:`reset` brings back real time as well.
        """
        return self._turn("freeze", at)

    def travel_to(self, when: Moment) -> Turned:
        """Set the clock; it runs on from there, or stands there, as it did before.

        :param when: Unix time in seconds, or a datetime (one without a zone is local time). Forward all that is due
            by then happens on the way.
        :return: a context manager at whose end it goes back.
        """
        return self._turn("", when)

    def advance(self, seconds: float) -> None:
        """Let time pass: all that falls due happens, in its order and at its time.

        A client that reacts to what happens does so when all has happened. Where its commands are to count, advance
        in steps.

        :param seconds: how much, not negative.
        """
        self._server.run(self._server.factory.clock.advance, seconds)

    def unfreeze(self) -> None:
        """Go on from the time that it shows."""
        self._server.run(self._server.factory.clock.unfreeze)

    def reset(self) -> None:
        """Show real time again. Who waits for so many seconds waits on for what was left of them."""
        self._server.run(self._server.factory.clock.reset)

    def _turn(self, how: str, when: Moment | None) -> Turned:
        clock = self._server.factory.clock

        def turn() -> Any:
            former = clock.state
            if how == "freeze":
                clock.freeze()
            if when is None:
                return former
            return clock.travel_to(when).addCallback(lambda _: former)

        return Turned(self._server, self._server.run(turn))


class Turned:
    """A clock that was turned, until the end of the ``with`` statement."""

    def __init__(self, server: ServerThread, former: tuple[float | None, float]) -> None:
        self._server = server
        self._former = former

    def __enter__(self) -> ClockControl:
        return self._server.clock

    def __exit__(self, *exception: object) -> None:
        if self._server.running:
            self._server.run(self._server.factory.clock.restore, self._former)
