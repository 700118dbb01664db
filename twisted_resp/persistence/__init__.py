"""The data on disk: snapshots, and the append-only file.

https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/
"""

from __future__ import annotations

import twisted_resp.persistence.append_only_requests
import twisted_resp.persistence.commands  # noqa: F401 - declares them
from twisted_resp.persistence.append_only import AppendOnlyFile
from twisted_resp.persistence.snapshots import Snapshots
from twisted_resp.server.server import Server

__all__ = ["install"]


def install(server: Server) -> None:
    """Let a server save and load. It does neither before it is asked to."""
    server.saving = Snapshots(server)
    server.append_only = AppendOnlyFile(server)
