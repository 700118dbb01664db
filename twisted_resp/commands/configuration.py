"""CONFIG, of the server group: https://redis.io/docs/latest/commands/?group=server"""

from __future__ import annotations

from twisted.logger import Logger

from twisted_resp import errors
from twisted_resp.commands.helping import help_reply
from twisted_resp.commands.table import ADMIN, LOADING, NOSCRIPT, STALE, command, container
from twisted_resp.errors import CommandError
from twisted_resp.resp import OK, Map, Reply
from twisted_resp.server.client import Client
from twisted_resp.server.configuration_rewriting import rewrite

GROUP = "server"

_log = Logger()

_FLAGS = ADMIN | NOSCRIPT | LOADING | STALE
_EVERYWHERE = ("request_policy:all_nodes", "response_policy:all_succeeded")

container("CONFIG", "A container for server configuration commands.", since="2.0.0", group=GROUP)


@command(
    "CONFIG GET parameter [parameter ...]",
    _FLAGS,
    since="2.0.0",
    complexity="O(N) when N is the number of configuration parameters provided",
    history=[("7.0.0", "Added the ability to pass multiple pattern parameters in one call")],
)
def config_get(client: Client, *patterns: bytes) -> Reply:
    """Returns the effective values of configuration parameters."""
    return Map(client.server.configuration.matching(patterns))


@command(
    "CONFIG SET parameter value [parameter value ...]",
    _FLAGS,
    since="2.0.0",
    complexity="O(N) when N is the number of configuration parameters provided",
    tips=_EVERYWHERE,
    history=[("7.0.0", "Added the ability to set multiple parameters in one call.")],
)
def config_set(client: Client, *words: bytes) -> Reply:
    """Sets configuration parameters in-flight."""
    server = client.server
    if server.loading.active and any(name.lower() == b"dir" for name in words[::2]):
        raise CommandError(errors.LOADING)
    server.configuration.set(words, client)
    return OK


@command("CONFIG RESETSTAT", _FLAGS, since="2.0.0", complexity="O(1)", tips=_EVERYWHERE)
def config_resetstat(client: Client) -> Reply:
    """Resets the server's statistics."""
    client.server.count_anew()
    return OK


@command("CONFIG REWRITE", _FLAGS, since="2.8.0", complexity="O(1)", tips=_EVERYWHERE)
def config_rewrite(client: Client) -> Reply:
    """Persists the effective configuration to file."""
    server = client.server
    if not server.configuration.path:
        raise CommandError(b"ERR The server is running without a config file")
    try:
        rewrite(server)
    except OSError as error:
        _log.warn("CONFIG REWRITE failed: {error}", error=error.strerror)
        raise CommandError(f"ERR Rewriting config file: {error.strerror}") from None
    _log.info("CONFIG REWRITE executed with success.")
    return OK


_HELP = b"""
GET <pattern>
    Return parameters matching the glob-like <pattern> and their values.
SET <directive> <value>
    Set the configuration <directive> to <value>.
RESETSTAT
    Reset statistics reported by the INFO command.
REWRITE
    Rewrite the configuration file.
"""


@command("CONFIG HELP", LOADING | STALE, since="5.0.0", complexity="O(1)")
def config_help(client: Client) -> Reply:
    """Returns helpful text about the different subcommands."""
    return help_reply(b"CONFIG", _HELP)
