"""MODULE, of the server group: https://redis.io/docs/latest/commands/?group=server

Modules are shared libraries for the C program; none can be loaded here, so none ever is.
"""

from __future__ import annotations

from typing import Final

from twisted.logger import Logger

from twisted_resp import errors
from twisted_resp.commands.helping import help_reply
from twisted_resp.commands.table import (
    ADMIN,
    LOADING,
    NO_ASYNC_LOADING,
    NOSCRIPT,
    PROTECTED,
    STALE,
    command,
    container,
)
from twisted_resp.errors import CommandError
from twisted_resp.resp import Reply
from twisted_resp.server.client import Client

GROUP = "server"

_log = Logger()

_CHANGE: Final = NO_ASYNC_LOADING | ADMIN | NOSCRIPT | PROTECTED
_NOT_LOADED: Final = b"ERR Error loading the extension. Please check the server logs."

container("MODULE", "A container for module commands.", since="4.0.0", group=GROUP)


@command(
    "MODULE LIST",
    ADMIN | NOSCRIPT,
    since="4.0.0",
    complexity="O(N) where N is the number of loaded modules.",
    tips=["nondeterministic_output_order"],
)
def module_list(client: Client) -> Reply:
    """Returns all loaded modules."""
    return []


@command("MODULE LOAD path [arg [arg ...]]", _CHANGE, since="4.0.0", complexity="O(1)")
def module_load(client: Client, path: bytes, *args: bytes) -> Reply:
    """Loads a module."""
    raise _cannot_load(client, path)


@command(
    "MODULE LOADEX path [configs: CONFIG name value [CONFIG name value ...]] [ARGS args [args ...]]",
    _CHANGE,
    since="7.0.0",
    complexity="O(1)",
)
def module_loadex(client: Client, path: bytes, *args: bytes) -> Reply:
    """Loads a module using extended parameters."""
    raise _cannot_load(client, path)


def _cannot_load(client: Client, path: bytes) -> CommandError:
    _check(client)
    _log.warn(
        "Module {path} failed to load: this server is not the C program that modules are made for.", path=path
    )
    return CommandError(_NOT_LOADED)


@command("MODULE UNLOAD name", _CHANGE, since="4.0.0", complexity="O(1)")
def module_unload(client: Client, name: bytes) -> Reply:
    """Unloads a module."""
    _check(client)
    raise CommandError(b"ERR Error unloading module: no such module with that name")


def _check(client: Client) -> None:
    if not client.server.configuration.allows(b"enable-module-command", client):
        raise errors.not_allowed(b"MODULE", b"enable-module-command")


@command("MODULE HELP", LOADING | STALE, since="5.0.0", complexity="O(1)")
def module_help(client: Client) -> Reply:
    """Returns helpful text about the different subcommands."""
    return help_reply(b"MODULE", _HELP)


_HELP: Final = b"""
LIST
    Return the modules that are loaded: there are none.
LOAD <path> [<arg> ...]
    Fail to load a module: this server has no use for them.
LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]
    Fail to load a module with a configuration.
UNLOAD <name>
    Fail to unload a module: none is loaded.
"""
