"""The connection group: https://redis.io/docs/latest/commands/?group=connection"""

from __future__ import annotations

from twisted_resp.commands.table import FAST, LOADING, STALE, command
from twisted_resp.resp import PONG, Reply
from twisted_resp.server.client import Client

GROUP = "connection"


@command("PING [message]", FAST | LOADING | STALE, since="1.0.0", complexity="O(1)", arity=-1)
def ping(client: Client, *message: bytes) -> Reply:
    """Returns the server's liveliness response."""
    if message:
        return message[0]
    return PONG
