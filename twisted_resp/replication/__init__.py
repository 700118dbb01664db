"""Replication: the stream of changes to those who follow, and the link to a server that is followed.

https://redis.io/docs/latest/operate/oss_and_stack/management/replication/
"""

from __future__ import annotations

import twisted_resp.replication.commands  # noqa: F401 - declares them
from twisted_resp.replication.feed import Feed
from twisted_resp.server.server import Server

__all__ = ["install"]


def install(server: Server) -> None:
    """Let a server have replicas, and be one."""
    server.replication = Feed(server)
