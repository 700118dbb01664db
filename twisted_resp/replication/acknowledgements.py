"""WAIT and WAITAOF: clients that wait until replicas have what they wrote.

https://redis.io/docs/latest/commands/wait/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, NamedTuple

from twisted.internet.defer import Deferred

from twisted_resp.errors import CommandError
from twisted_resp.resp import Reply
from twisted_resp.server.client import Client
from twisted_resp.server.waiting import NOT_READY, Parked

if TYPE_CHECKING:
    from twisted_resp.replication.feed import Feed

__all__ = ["Acknowledgements"]


class _Waiting(NamedTuple):
    parked: Parked
    copies: Callable[[], Reply]
    enough: Callable[[Reply], bool]


class Acknowledgements:
    """The clients that wait for replicas.

    :param feed: the stream, which knows how far each replica is.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._waiting: list[_Waiting] = []

    def copies(self, offset: int) -> int:
        """How many replicas have got the stream up to ``offset``."""
        return sum(replica.online and replica.offset >= offset for replica in self._feed.replicas.values())

    def durable_copies(self, offset: int) -> int:
        """How many have it on disk."""
        return sum(replica.online and replica.fsynced >= offset for replica in self._feed.replicas.values())

    def wait(
        self, client: Client, seconds: float, count: Callable[[], Reply], enough: Callable[[Reply], bool]
    ) -> Reply | Deferred[Reply]:
        """What WAIT answers: at once, or when there are enough acknowledgements, or when time is up.

        :param count: what there is by now, which is the reply.
        :param enough: whether that will do.
        """
        now = count()
        if enough(now) or not client.can_block:
            return now
        reply = client.wait_for([], seconds, _not_ready, now)
        if client.parked is not None:
            self._waiting.append(_Waiting(client.parked, count, enough))
        self._feed.ask_for_acknowledgements()
        return reply

    def changed(self) -> None:
        """There is news of a replica."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if each.parked.over:
                continue
            try:
                now = each.parked.on_timeout = each.copies()
            except CommandError as error:
                self._feed.server.waiting.finish(each.parked, error)
                continue
            if each.enough(now):
                self._feed.server.waiting.finish(each.parked, now)
            else:
                self._waiting.append(each)


def _not_ready() -> Reply:
    return NOT_READY
