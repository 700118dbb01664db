"""Who is subscribed to what, and the fan-out of messages.

A message is encoded once a RESP version, not once a subscriber, and handed to each subscriber at once.
https://redis.io/docs/latest/develop/interact/pubsub/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from twisted_resp.resp import Push, encode
from twisted_resp.text.glob import compile_glob

if TYPE_CHECKING:
    from twisted_resp.server.client import Client

__all__ = ["Channels"]


class Channels:
    """The channels, patterns and shard channels of a server. Dicts keep subscribers in order of arrival."""

    def __init__(self) -> None:
        self.channels: dict[bytes, dict[Client, None]] = {}
        self.patterns: dict[bytes, dict[Client, None]] = {}
        self.shard_channels: dict[bytes, dict[Client, None]] = {}
        self._matchers: dict[bytes, Callable[[bytes], bool]] = {}

    def subscribe(self, client: Client, channel: bytes) -> None:
        """Subscribe to a channel."""
        if channel not in client.channels:
            client.channels[channel] = None
            self.channels.setdefault(channel, {})[client] = None

    def unsubscribe(self, client: Client, channel: bytes) -> None:
        """Leave a channel."""
        if channel in client.channels:
            del client.channels[channel]
            _remove(self.channels, channel, client)

    def subscribe_pattern(self, client: Client, pattern: bytes) -> None:
        """Subscribe to every channel that a glob matches."""
        if pattern not in client.patterns:
            client.patterns[pattern] = None
            self.patterns.setdefault(pattern, {})[client] = None
            self._matchers[pattern] = compile_glob(pattern)

    def unsubscribe_pattern(self, client: Client, pattern: bytes) -> None:
        """Leave a pattern."""
        if pattern in client.patterns:
            del client.patterns[pattern]
            _remove(self.patterns, pattern, client)
            if pattern not in self.patterns:
                del self._matchers[pattern]

    def subscribe_shard(self, client: Client, channel: bytes) -> None:
        """Subscribe to a shard channel."""
        if channel not in client.shard_channels:
            client.shard_channels[channel] = None
            self.shard_channels.setdefault(channel, {})[client] = None

    def unsubscribe_shard(self, client: Client, channel: bytes) -> None:
        """Leave a shard channel."""
        if channel in client.shard_channels:
            del client.shard_channels[channel]
            _remove(self.shard_channels, channel, client)

    def forget(self, client: Client) -> None:
        """Leave everything."""
        for channel in list(client.channels):
            self.unsubscribe(client, channel)
        for pattern in list(client.patterns):
            self.unsubscribe_pattern(client, pattern)
        for channel in list(client.shard_channels):
            self.unsubscribe_shard(client, channel)

    def publish(self, channel: bytes, message: bytes) -> int:
        """Send a message to the channel's subscribers and to those of matching patterns; answers how many."""
        receivers = 0
        if channel in self.channels:
            receivers += _fan_out(self.channels[channel], [b"message", channel, message])
        # Copies, here and below: a subscriber over its limit is dropped while we write.
        for pattern, clients in list(self.patterns.items()) if self.patterns else ():
            matches = self._matchers.get(pattern)
            if matches is not None and matches(channel):
                receivers += _fan_out(clients, [b"pmessage", pattern, channel, message])
        return receivers

    def publish_shard(self, channel: bytes, message: bytes) -> int:
        """Send a message to the subscribers of a shard channel; answers how many."""
        clients = self.shard_channels.get(channel)
        return _fan_out(clients, [b"smessage", channel, message]) if clients else 0


def _remove(registry: dict[bytes, dict[Client, None]], name: bytes, client: Client) -> None:
    clients = registry[name]
    del clients[client]
    if not clients:
        del registry[name]


def _fan_out(clients: dict[Client, None], message: list[bytes]) -> int:
    encoded: dict[int, bytes] = {}
    receivers = len(clients)
    for client in list(clients):
        data = encoded.get(client.protocol)
        if data is None:
            data = encoded[client.protocol] = encode(Push(message), client.protocol)
        client.deliver(data)
    return receivers
