"""The connection group: https://redis.io/docs/latest/commands/?group=connection"""

from __future__ import annotations

from twisted_resp.commands.table import FAST, SENTINEL, command
from twisted_resp.resp import PONG, Reply
from twisted_resp.server.client import Client

GROUP = "connection"


@command(
    "PING [message]",
    FAST | SENTINEL,
    since="1.0.0",
    complexity="O(1)",
    tips=["request_policy:all_shards", "response_policy:all_succeeded"],
)
def ping(client: Client, *message: bytes) -> Reply:
    """Returns the server's liveliness response."""
    if message:
        return message[0]
    return PONG
