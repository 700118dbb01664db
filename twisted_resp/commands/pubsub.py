"""The pubsub group: https://redis.io/docs/latest/develop/interact/pubsub/"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable, Final

from twisted_resp import errors
from twisted_resp.commands.helping import help_reply
from twisted_resp.commands.table import (
    FAST,
    LOADING,
    MAY_REPLICATE,
    NOSCRIPT,
    PUBSUB,
    SENTINEL,
    STALE,
    command,
    container,
)
from twisted_resp.resp import Push, Reply, Several
from twisted_resp.server.client import Client
from twisted_resp.text.glob import compile_glob

GROUP = "pubsub"

_LISTEN: Final = PUBSUB | NOSCRIPT | LOADING | STALE
_PUBLISH: Final = PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE
_ASK: Final = PUBSUB | LOADING | STALE


def _count(client: Client) -> int:
    return len(client.channels) + len(client.patterns)


def _shard_count(client: Client) -> int:
    return len(client.shard_channels)


def _subscribe(
    client: Client,
    kind: bytes,
    names: Iterable[bytes],
    subscribe: Callable[[Client, bytes], None],
    count: Callable[[Client], int],
) -> Reply:
    """Subscribe to each of ``names``; one reply each, pushed in RESP3."""
    replies = []
    for name in names:
        subscribe(client, name)
        replies.append(Push([kind, name, count(client)]))
    client.choose_state()
    return Several(replies)


def _unsubscribe(
    client: Client,
    kind: bytes,
    names: Iterable[bytes],
    mine: Iterable[bytes],
    unsubscribe: Callable[[Client, bytes], None],
    count: Callable[[Client], int],
) -> Reply:
    """Leave each of ``names``, or all of ``mine`` if none are given; without any there is one reply."""
    replies = []
    for name in names or list(mine):
        unsubscribe(client, name)
        replies.append(Push([kind, name, count(client)]))
    client.choose_state()
    return Several(replies or [Push([kind, None, count(client)])])


def _check_pushes_allowed(client: Client, command_name: bytes) -> None:
    # Inside MULTI it is allowed for the sake of old clients, though its replies break the array's frame.
    if not client.can_block and client.transaction is None:
        raise errors.not_while_blocking_is_denied(command_name)


@command(
    "SUBSCRIBE channel [channel ...]",
    _LISTEN | SENTINEL,
    since="2.0.0",
    complexity="O(N) where N is the number of channels to subscribe to.",
)
def subscribe(client: Client, *channels: bytes) -> Reply:
    """Listens for messages published to channels."""
    _check_pushes_allowed(client, b"SUBSCRIBE")
    return _subscribe(client, b"subscribe", channels, client.server.channels.subscribe, _count)


@command(
    "UNSUBSCRIBE [channel [channel ...]]",
    _LISTEN | SENTINEL,
    since="2.0.0",
    complexity="O(N) where N is the number of channels to unsubscribe.",
)
def unsubscribe(client: Client, *channels: bytes) -> Reply:
    """Stops listening to messages posted to channels."""
    leave = client.server.channels.unsubscribe
    return _unsubscribe(client, b"unsubscribe", channels, client.channels, leave, _count)


@command(
    "PSUBSCRIBE pattern [pattern ...]",
    _LISTEN | SENTINEL,
    since="2.0.0",
    complexity="O(N) where N is the number of patterns to subscribe to.",
)
def psubscribe(client: Client, *patterns: bytes) -> Reply:
    """Listens for messages published to channels that match one or more patterns."""
    _check_pushes_allowed(client, b"PSUBSCRIBE")
    return _subscribe(client, b"psubscribe", patterns, client.server.channels.subscribe_pattern, _count)


@command(
    "PUNSUBSCRIBE [pattern [pattern ...]]",
    _LISTEN | SENTINEL,
    since="2.0.0",
    complexity="O(N) where N is the number of patterns to unsubscribe.",
)
def punsubscribe(client: Client, *patterns: bytes) -> Reply:
    """Stops listening to messages published to channels that match one or more patterns."""
    leave = client.server.channels.unsubscribe_pattern
    return _unsubscribe(client, b"punsubscribe", patterns, client.patterns, leave, _count)


@command(
    "SSUBSCRIBE shardchannel [shardchannel ...]",
    _LISTEN,
    since="7.0.0",
    complexity="O(N) where N is the number of shard channels to subscribe to.",
)
def ssubscribe(client: Client, *shardchannels: bytes) -> Reply:
    """Listens for messages published to shard channels."""
    if not client.can_block:
        raise errors.not_while_blocking_is_denied(b"SSUBSCRIBE")
    channels = client.server.channels
    return _subscribe(client, b"ssubscribe", shardchannels, channels.subscribe_shard, _shard_count)


@command(
    "SUNSUBSCRIBE [shardchannel [shardchannel ...]]",
    _LISTEN,
    since="7.0.0",
    complexity="O(N) where N is the number of shard channels to unsubscribe.",
)
def sunsubscribe(client: Client, *shardchannels: bytes) -> Reply:
    """Stops listening to messages posted to shard channels."""
    leave = client.server.channels.unsubscribe_shard
    return _unsubscribe(client, b"sunsubscribe", shardchannels, client.shard_channels, leave, _shard_count)


@command(
    "PUBLISH channel message",
    _PUBLISH | SENTINEL,
    since="2.0.0",
    complexity="O(N+M) where N is the number of clients subscribed to the receiving channel and M is the "
    "total number of subscribed patterns (by any client).",
)
def publish(client: Client, channel: bytes, message: bytes) -> Reply:
    """Posts a message to a channel."""
    client.server.effects.force()
    return client.server.channels.publish(channel, message)


@command(
    "SPUBLISH shardchannel message",
    _PUBLISH,
    since="7.0.0",
    complexity="O(N) where N is the number of clients subscribed to the receiving shard channel.",
)
def spublish(client: Client, shardchannel: bytes, message: bytes) -> Reply:
    """Post a message to a shard channel"""
    client.server.effects.force()
    return client.server.channels.publish_shard(shardchannel, message)


container("PUBSUB", "A container for Pub/Sub commands.", since="2.8.0", group=GROUP)

_HELP: Final = b"""
CHANNELS [<pattern>]
    Return the channels that somebody is subscribed to, those matching <pattern> (default: all).
NUMPAT
    Return the number of patterns that somebody is subscribed to.
NUMSUB [<channel> ...]
    Return the number of subscribers of each channel, not counting those of matching patterns.
SHARDCHANNELS [<pattern>]
    Return the shard channels that somebody is subscribed to, those matching <pattern> (default: all).
SHARDNUMSUB [<shardchannel> ...]
    Return the number of subscribers of each shard channel.
"""


def _matching(names: Iterable[bytes], pattern: bytes | None) -> Reply:
    return list(names) if pattern is None else list(filter(compile_glob(pattern), names))


@command(
    "PUBSUB CHANNELS [pattern]",
    _ASK,
    since="2.8.0",
    complexity="O(N) where N is the number of active channels, and assuming constant time pattern matching "
    "(relatively short channels and patterns)",
)
def pubsub_channels(client: Client, pattern: bytes | None = None, *rest: bytes) -> Reply:
    """Returns the active channels."""
    if rest:
        raise errors.subcommand_syntax(b"PUBSUB", client.current[1])
    return _matching(client.server.channels.channels, pattern)


@command(
    "PUBSUB SHARDCHANNELS [pattern]",
    _ASK,
    since="7.0.0",
    complexity="O(N) where N is the number of active shard channels, and assuming constant time pattern "
    "matching (relatively short shard channels).",
)
def pubsub_shardchannels(client: Client, pattern: bytes | None = None, *rest: bytes) -> Reply:
    """Returns the active shard channels."""
    if rest:
        raise errors.subcommand_syntax(b"PUBSUB", client.current[1])
    return _matching(client.server.channels.shard_channels, pattern)


@command("PUBSUB NUMPAT", _ASK, since="2.8.0", complexity="O(1)")
def pubsub_numpat(client: Client) -> Reply:
    """Returns a count of unique pattern subscriptions."""
    return len(client.server.channels.patterns)


@command(
    "PUBSUB NUMSUB [channel [channel ...]]",
    _ASK,
    since="2.8.0",
    complexity="O(N) for the NUMSUB subcommand, where N is the number of requested channels",
)
def pubsub_numsub(client: Client, *channels: bytes) -> Reply:
    """Returns a count of subscribers to channels."""
    registry = client.server.channels.channels
    return [item for channel in channels for item in (channel, len(registry.get(channel, ())))]


@command(
    "PUBSUB SHARDNUMSUB [shardchannel [shardchannel ...]]",
    _ASK,
    since="7.0.0",
    complexity="O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
    keys=[],
)
def pubsub_shardnumsub(client: Client, *shardchannels: bytes) -> Reply:
    """Returns the count of subscribers of shard channels."""
    registry = client.server.channels.shard_channels
    return [item for channel in shardchannels for item in (channel, len(registry.get(channel, ())))]


@command("PUBSUB HELP", LOADING | STALE, since="6.2.0", complexity="O(1)")
def pubsub_help(client: Client) -> Reply:
    """Returns helpful text about the different subcommands."""
    return help_reply(b"PUBSUB", _HELP)
