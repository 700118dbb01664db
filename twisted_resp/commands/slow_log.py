"""SLOWLOG, of the server group: https://redis.io/docs/latest/commands/?group=server"""

from __future__ import annotations

from twisted_resp.commands.helping import help_reply
from twisted_resp.commands.numbers import at_least
from twisted_resp.commands.table import ADMIN, LOADING, STALE, command, container
from twisted_resp.errors import CommandError
from twisted_resp.resp import OK, Reply
from twisted_resp.server.client import Client

GROUP = "server"

_FLAGS = ADMIN | LOADING | STALE
_ALL_NODES = "request_policy:all_nodes"

container("SLOWLOG", "A container for slow log commands.", since="2.2.12", group=GROUP)


@command(
    "SLOWLOG GET [count]",
    _FLAGS,
    since="2.2.12",
    complexity="O(N) where N is the number of entries returned",
    tips=[_ALL_NODES, "nondeterministic_output"],
    history=[("4.0.0", "Added client IP address, port and name to the reply.")],
)
def slowlog_get(client: Client, *count: bytes) -> Reply:
    """Returns the slow log's entries."""
    if len(count) > 1:
        raise CommandError(
            b"ERR unknown subcommand or wrong number of arguments for '%b'. Try SLOWLOG HELP."
            % client.current[1]
        )
    wanted = at_least(-1, count[0], b"ERR count should be greater than or equal to -1") if count else 10
    return [
        [entry.number, entry.time, entry.microseconds, entry.args, entry.address, entry.name]
        for entry in client.server.slow_log.newest(wanted)
    ]


@command(
    "SLOWLOG LEN",
    _FLAGS,
    since="2.2.12",
    complexity="O(1)",
    tips=[_ALL_NODES, "response_policy:agg_sum", "nondeterministic_output"],
)
def slowlog_len(client: Client) -> Reply:
    """Returns the number of entries in the slow log."""
    return len(client.server.slow_log)


@command(
    "SLOWLOG RESET",
    _FLAGS,
    since="2.2.12",
    complexity="O(N) where N is the number of entries in the slowlog",
    tips=[_ALL_NODES, "response_policy:all_succeeded"],
)
def slowlog_reset(client: Client) -> Reply:
    """Clears all entries from the slow log."""
    client.server.slow_log.reset()
    return OK


_HELP = b"""
GET [<count>]
    Return top <count> entries from the slowlog (default: 10, -1 mean all).
    Entries are made of:
    id, timestamp, time in microseconds, arguments array, client IP and port,
    client name
LEN
    Return the length of the slowlog.
RESET
    Reset the slowlog.
"""


@command("SLOWLOG HELP", LOADING | STALE, since="6.2.0", complexity="O(1)")
def slowlog_help(client: Client) -> Reply:
    """Show helpful text about the different subcommands"""
    return help_reply(b"SLOWLOG", _HELP)
