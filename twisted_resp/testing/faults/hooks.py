"""Where connections and messages meet faults: hooks that are there only while there is a fault for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable

from twisted.internet.protocol import Protocol

from twisted_resp.protocol import RespFactory
from twisted_resp.server.client import Client
from twisted_resp.testing.faults.connections import LostMessages, Refusal
from twisted_resp.text.glob import compile_glob

__all__ = ["ConnectionHook", "MessageHook"]


class ConnectionHook:
    """In the way of new connections to a factory."""

    def __init__(self, factory: RespFactory) -> None:
        self._factory = factory
        self._faults: list[Refusal] = []

    def arrange(self, faults: list[Refusal]) -> None:
        """Be there for these faults, or not at all."""
        self._faults = faults
        # Upon the methods of the class, which come back when these are gone.
        own: dict[str, Any] = vars(self._factory)
        for name, method in (("buildProtocol", self._build_protocol), ("refusal", self._refusal)):
            own.pop(name, None)
            if faults:
                own[name] = method

    def _build_protocol(self, address: Any) -> Any:
        if any(fault.at_once and fault.strikes() for fault in self._faults):
            return _Hangup()
        return type(self._factory).buildProtocol(self._factory, address)

    def _refusal(self) -> bytes | None:
        for fault in self._faults:
            if not fault.at_once and fault.strikes():
                return fault.reply
        return type(self._factory).refusal(self._factory)


class _Hangup(Protocol):
    """A connection that is closed as soon as it is made."""

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.loseConnection()


class MessageHook:
    """In the way of messages to the subscribers of a server."""

    def __init__(self, channels: Any) -> None:
        self._channels = channels
        self._faults: list[LostMessages] = []

    def arrange(self, faults: list[LostMessages]) -> None:
        """Be there for these faults, or not at all."""
        self._faults = faults
        own: dict[str, Any] = vars(self._channels)
        for name, method in (("publish", self._publish), ("publish_shard", self._publish_shard)):
            own.pop(name, None)
            if faults:
                own[name] = method

    def _publish(self, channel: bytes, message: bytes) -> int:
        channels = self._channels
        reached: dict[Client, None] = dict(channels.channels.get(channel, ()))
        for pattern, clients in channels.patterns.items():
            if compile_glob(pattern)(channel):
                reached.update(clients)
        return self._without(
            channel, list(reached), lambda: type(channels).publish(channels, channel, message)
        )

    def _publish_shard(self, channel: bytes, message: bytes) -> int:
        channels = self._channels
        reached = list(channels.shard_channels.get(channel, ()))
        return self._without(
            channel, reached, lambda: type(channels).publish_shard(channels, channel, message)
        )

    def _without(self, channel: bytes, clients: Sequence[Client], publish: Callable[[], int]) -> int:
        """Publish to all but those whom a fault strikes."""
        struck: dict[Client, LostMessages] = {}
        for fault in self._faults:
            for client in fault.losers(channel, [each for each in clients if each not in struck]):
                struck[client] = fault
        deliveries = [client.deliver for client in struck]
        for client in struck:
            client.deliver = _lose
        try:
            return publish()
        finally:
            for (client, fault), deliver in zip(struck.items(), deliveries):
                if not client.closing:
                    client.deliver = deliver
                    fault.lost(client)


def _lose(data: bytes) -> None:
    """Where a message goes that is lost."""
