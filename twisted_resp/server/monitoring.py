"""MONITOR: clients that are shown every command as it has run.

A line is made once, whoever many look on, and pushed to each as a simple string. While nobody does, the dispatcher
does not even ask (``Server.attention``). https://redis.io/docs/latest/commands/monitor/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted_resp.server.redaction import redacted
from twisted_resp.text.command_line import quote

if TYPE_CHECKING:
    from twisted_resp.server.client import Client
    from twisted_resp.server.server import Server

__all__ = ["SCRIPT", "Monitors", "line"]

#: Our end of the connection of a client that runs the commands of a script: there is none.
SCRIPT: Final = b"lua"


def line(client: Client, args: list[bytes]) -> bytes:
    """What is shown of a command, without the frame: when, in which database, from where, and its words.

    :param client: who sent it; a script has a client of its own, which is shown as ``lua``.
    :param args: the command as received; secrets in it are not shown.
    """
    address = client.address
    if client.local_address == SCRIPT:
        address = SCRIPT
    elif address and address == client.local_address:
        # Both ends of a unix socket are its path.
        address = b"unix:" + address.rpartition(b":")[0]
    seconds, microseconds = divmod(round(client.server.clock.seconds() * 1_000_000), 1_000_000)
    words = b" ".join(map(quote, redacted(args)))
    return b"%d.%06d [%d %b] %b" % (seconds, microseconds, client.db.index, address, words)


class Monitors:
    """The clients of a server that said MONITOR, in that order."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._clients: dict[Client, None] = {}

    def __len__(self) -> int:
        return len(self._clients)

    def add(self, client: Client) -> None:
        """Show a client every command from now on."""
        client.monitoring = True
        self._clients[client] = None
        self._server.show_commands(True)

    def remove(self, client: Client) -> None:
        """Show it no more."""
        client.monitoring = False
        self._clients.pop(client, None)
        self._server.show_commands(bool(self._clients))

    def show(self, client: Client, args: list[bytes]) -> None:
        """Show everybody what a client has sent."""
        data = b"+%b\r\n" % line(client, args)
        # A copy: a client that is over its output limit goes while we write.
        for monitor in list(self._clients):
            monitor.deliver(data)
