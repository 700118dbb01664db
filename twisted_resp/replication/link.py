"""The link to a master, from a replica's side."""

from __future__ import annotations

from twisted_resp.replication.feed import Feed
from twisted_resp.server.replication import Master, new_id

__all__ = ["Link", "follow", "stop_following"]


class Link:
    """The connection to a master, or the attempts at one."""

    def acknowledge(self) -> None:
        """Tell the master how far we are."""


def follow(feed: Feed, host: bytes, port: int) -> None:
    """Become the replica of another server."""
    feed.master = Master(host, port)
    feed.server.keyspace.hold_expiry = True
    feed.attend()


def stop_following(feed: Feed) -> None:
    """Become a master."""
    feed.disconnect_replicas()
    feed.master = None
    feed.second_id, feed.second_offset, feed.id = feed.id, feed.offset + 1, new_id()
    feed.server.keyspace.hold_expiry = bool(feed.server.pause_until)
    feed.attend()
