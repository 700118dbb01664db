"""COMMAND, of the server group: https://redis.io/docs/latest/commands/?group=server

What is told of each command is made in :mod:`~twisted_resp.commands.documentation`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted_resp import errors
from twisted_resp.commands.documentation import acl_categories, command_docs, command_info, has_keys, keys_of
from twisted_resp.commands.helping import help_reply
from twisted_resp.commands.permissions import look_up
from twisted_resp.commands.table import LOADING, NO_MANDATORY_KEYS, SENTINEL, STALE, Command, command
from twisted_resp.errors import CommandError
from twisted_resp.resp import Map, Reply, Status
from twisted_resp.server.client import Client
from twisted_resp.server.server import Server
from twisted_resp.text.glob import compile_glob

GROUP = "server"

_FLAGS = LOADING | STALE | SENTINEL
_ANY_ORDER = ("nondeterministic_output_order",)
_EACH = "O(N) where N is the number of commands to look up"
_ALL = "O(N) where N is the total number of Redis commands"


def _commands(server: Server) -> list[Command]:
    """Every command, without those inside containers."""
    return [entry.command for entry in server.entries() if b"|" not in entry.full_name]


def _look_up(server: Server, name: bytes) -> Command | None:
    """A command by its full name: ``get``, ``config|set``."""
    container, _, subcommand = name.lower().partition(b"|")
    entry = server.commands.get(container)
    if entry is not None and b"|" in name:
        entry = (entry.subcommands or {}).get(subcommand)
    return None if entry is None else entry.command


@command("COMMAND", _FLAGS, since="2.8.13", complexity=_ALL, arity=-1, acl=["connection"], tips=_ANY_ORDER)
def command_(client: Client) -> Reply:
    """Returns detailed information about all commands."""
    return [command_info(one) for one in _commands(client.server)]


@command("COMMAND COUNT", _FLAGS, since="2.8.13", complexity="O(1)", acl=["connection"])
def command_count(client: Client) -> Reply:
    """Returns a count of commands."""
    return len(_commands(client.server))


@command(
    "COMMAND INFO [command-name [command-name ...]]",
    _FLAGS,
    since="2.8.13",
    complexity=_EACH,
    acl=["connection"],
    tips=_ANY_ORDER,
    history=[("7.0.0", "Allowed to be called with no argument to get info on all commands.")],
)
def command_info_(client: Client, *names: bytes) -> Reply:
    """Returns information about one, multiple or all commands."""
    if not names:
        return command_(client)
    found = [_look_up(client.server, name) for name in names]
    return [None if one is None else command_info(one) for one in found]


@command(
    "COMMAND DOCS [command-name [command-name ...]]",
    _FLAGS,
    since="7.0.0",
    complexity=_EACH,
    acl=["connection"],
    tips=_ANY_ORDER,
)
def command_docs_(client: Client, *names: bytes) -> Reply:
    """Returns documentary information about one, multiple or all commands."""
    server = client.server
    found = [_look_up(server, name) for name in names] if names else _commands(server)
    return Map([(one.full_name, command_docs(one)) for one in found if one is not None])


@command(
    "COMMAND LIST [FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
    _FLAGS,
    since="7.0.0",
    complexity=_ALL,
    acl=["connection"],
    tips=_ANY_ORDER,
)
def command_list(client: Client, *options: bytes) -> Reply:
    """Returns a list of command names."""
    chosen = [entry.command for entry in client.server.entries()]
    while options:
        if options[0].lower() != b"filterby" or len(options) != 3:
            raise CommandError(errors.SYNTAX)
        matches = _filter(options[1].lower(), options[2])
        chosen = [one for one in chosen if matches(one)]
        options = options[3:]
    return [one.full_name for one in chosen]


def _filter(kind: bytes, argument: bytes) -> Callable[[Command], bool]:
    if kind == b"module":
        return lambda one: False
    if kind == b"aclcat":
        category = argument.decode("latin-1").lower()
        return lambda one: category in acl_categories(one)
    if kind == b"pattern":
        matcher = compile_glob(argument, nocase=True)
        return lambda one: matcher(one.full_name)
    raise CommandError(errors.SYNTAX)


@command(
    "COMMAND GETKEYS command [arg [arg ...]]",
    _FLAGS,
    since="2.8.13",
    complexity="O(N) where N is the number of arguments to the command",
    acl=["connection"],
)
def command_getkeys(client: Client, *argv: bytes) -> Reply:
    """Extracts the key names from an arbitrary command."""
    return [key for key, _ in _keys(client, argv)]


@command(
    "COMMAND GETKEYSANDFLAGS command [arg [arg ...]]",
    _FLAGS,
    since="7.0.0",
    complexity="O(N) where N is the number of arguments to the command",
    acl=["connection"],
)
def command_getkeysandflags(client: Client, *argv: bytes) -> Reply:
    """Extracts the key names and access flags for an arbitrary command."""
    return [[key, [Status(flag.encode()) for flag in flags]] for key, flags in _keys(client, argv)]


def _keys(client: Client, argv: Sequence[bytes]) -> list[tuple[bytes, tuple[str, ...]]]:
    entry = look_up(client.server, argv)
    if entry is None:
        raise CommandError(b"ERR Invalid command specified")
    called: Command = entry.command
    if not has_keys(called):
        raise CommandError(b"ERR The command has no key arguments")
    if not entry.takes(len(argv)):
        raise CommandError(b"ERR Invalid number of arguments specified for command")
    found = keys_of(called, argv)
    if not found and not called.flags & NO_MANDATORY_KEYS:
        raise CommandError(b"ERR Invalid arguments specified for command")
    return [(one.key, one.flags) for one in found]


_HELP = b"""
(no subcommand)
    Return details about all Redis commands.
COUNT
    Return the total number of commands in this Redis server.
LIST
    Return a list of all commands in this Redis server.
INFO [<command-name> ...]
    Return details about multiple Redis commands.
    If no command names are given, documentation details for all
    commands are returned.
DOCS [<command-name> ...]
    Return documentation details about multiple Redis commands.
    If no command names are given, documentation details for all
    commands are returned.
GETKEYS <full-command>
    Return the keys from a full Redis command.
GETKEYSANDFLAGS <full-command>
    Return the keys and the access flags from a full Redis command.
"""


@command("COMMAND HELP", _FLAGS, since="5.0.0", complexity="O(1)", acl=["connection"])
def command_help(client: Client) -> Reply:
    """Returns helpful text about the different subcommands."""
    return help_reply(b"COMMAND", _HELP)
