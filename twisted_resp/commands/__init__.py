"""The commands: one file a group of redis.io, a table that declares them, and one way in."""

from __future__ import annotations

from importlib import import_module

__all__ = ["load_all"]

_GROUPS = (
    "acl",
    "bitmaps",
    "blocking_lists",
    "blocking_sorted_sets",
    "client_commands",
    "client_tracking",
    "cluster",
    "command_info",
    "configuration",
    "connection",
    "counters",
    "debug",
    "dumping",
    "expiration",
    "generic",
    "geo",
    "hash_expiration",
    "hashes",
    "hyperloglog",
    "info",
    "latency",
    "lists",
    "memory",
    "migration",
    "modules",
    "pubsub",
    "scanning",
    "server",
    "sets",
    "slow_log",
    "sorted_set_algebra",
    "sorted_set_ranges",
    "sorted_sets",
    "sorting",
    "stream_claims",
    "stream_group_reading",
    "stream_groups",
    "stream_info",
    "stream_reading",
    "streams",
    "string_parts",
    "strings",
    "transactions",
)


def load_all() -> None:
    """Import every group, which declares its commands."""
    for group in _GROUPS:
        import_module(f"twisted_resp.commands.{group}")
