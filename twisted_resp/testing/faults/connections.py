"""What can go wrong besides commands: connections, messages, the disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Callable, NoReturn

from twisted.internet.defer import Deferred, gatherResults, maybeDeferred

from twisted_resp.server.client import Client
from twisted_resp.testing.calls import Call
from twisted_resp.testing.faults.commands import ErrorReply
from twisted_resp.testing.faults.conditions import Frequency, Selection
from twisted_resp.testing.faults.fault import Fault

if TYPE_CHECKING:
    from twisted_resp.testing.faults.registry import Faults

__all__ = ["Down", "FailedDisk", "LostMessages", "Refusal"]


class Refusal(Fault):
    """A new connection is closed at once.

    :ivar reply: an error that it is told first, if any.
    """

    name = "refuse"

    def __init__(self, registry: Faults, frequency: Frequency, reply: bytes | None = None) -> None:
        super().__init__(registry, frequency)
        self.reply = reply

    @property
    def at_once(self) -> bool:
        """Whether nothing is said."""
        return self.reply is None

    def strikes(self) -> bool:
        """Whether the connection that is just made is refused; counts it."""
        return self._strikes()


class Down(Fault):
    """Nobody listens, and nobody is connected; the data are there again when it ends.

    :param ports: the listening ports.
    """

    name = "down"

    def __init__(self, registry: Faults, frequency: Frequency, ports: Sequence[Any]) -> None:
        super().__init__(registry, frequency)
        self._ports = list(ports)

    def begin(self) -> Deferred[Any]:  # type: ignore[override]
        """See :meth:`Fault.begin`."""
        self._strikes()
        for port in self._ports:
            port.port = port.getHost().port  # it is to be the same again, where it was any
        self._closed = gatherResults([maybeDeferred(port.stopListening) for port in self._ports])
        return self._closed

    def end(self) -> None:
        """Listen again."""
        # When they are closed, which takes a turn of the reactor.
        self._closed.addCallback(lambda _: [port.startListening() for port in self._ports])


class LostMessages(Fault):
    """Messages of pub/sub do not arrive, though the publisher is told that they did.

    :param channels: says which; None for all.
    :param disconnect: whether the subscriber's connection is lost with them.
    """

    name = "lose messages"

    def __init__(
        self,
        registry: Faults,
        frequency: Frequency,
        selection: Selection,
        channels: Callable[[bytes], bool] | None = None,
        disconnect: bool = False,
    ) -> None:
        super().__init__(registry, frequency)
        self._selection = selection
        self._matches = channels
        self._disconnect = disconnect

    def losers(self, channel: bytes, clients: Iterable[Client]) -> list[Client]:
        """Those of the receivers of a message whom it does not reach; counts each."""
        if self._matches is not None and not self._matches(channel):
            return []
        return [each for each in clients if self._selection.includes_client(each) and self._strikes()]

    def lost(self, client: Client) -> None:
        """A message did not reach a client."""
        if self._disconnect:
            client.kill()


class FailedDisk(ErrorReply):
    """Nothing can be written to disk: SAVE, BGSAVE and BGREWRITEAOF fail, and writes get a MISCONF error.

    With an append-only file the server itself finds out, at the next write, and says what it always says.
    """

    name = "failed disk"

    def __init__(self, registry: Faults, selection: Selection, frequency: Frequency) -> None:
        super().__init__(registry, selection, frequency, "MISCONF")

    def begin(self) -> None:
        """See :meth:`Fault.begin`."""
        saving: Any = self._registry.server.saving
        self._was_ok = saving.last_ok
        saving.last_ok = False
        saving.save = saving.save_in_background = _no_space
        vars(self._registry.server.append_only)["before_disk"] = self._before_disk

    def end(self) -> None:
        """See :meth:`Fault.end`."""
        super().end()
        saving: Any = self._registry.server.saving
        for name in ("save", "save_in_background"):
            vars(saving).pop(name, None)
        saving.last_ok = self._was_ok
        append_only: Any = self._registry.server.append_only
        del vars(append_only)["before_disk"]
        append_only.flush()  # what could not be written; without it that happens within a second

    def strikes(self, call: Call) -> bool:
        """See :meth:`ErrorReply.strikes`."""
        return not self._registry.server.append_only.enabled and super().strikes(call)

    def strikes_inside(self, client: Client, call: Call) -> bool:
        """See :meth:`ErrorReply.strikes_inside`."""
        return not self._registry.server.append_only.enabled and super().strikes_inside(client, call)

    def _before_disk(self) -> None:
        if self._strikes():
            _no_space()


def _no_space(*arguments: Any, **options: Any) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
