"""FCALL and FUNCTION: https://redis.io/docs/latest/develop/interact/programmability/functions-intro/"""

from __future__ import annotations

from time import perf_counter
from typing import Final

from twisted_resp import errors
from twisted_resp.commands.helping import help_reply
from twisted_resp.commands.table import (
    ALLOW_BUSY,
    DENYOOM,
    LOADING,
    MAY_REPLICATE,
    NO_MANDATORY_KEYS,
    NOSCRIPT,
    READONLY,
    SKIP_MONITOR,
    STALE,
    WRITE,
    command,
    container,
)
from twisted_resp.errors import CommandError
from twisted_resp.rdb.format import RdbError
from twisted_resp.rdb.payload import dump_functions, is_intact, load_functions
from twisted_resp.resp import OK, Map, Reply, SetReply, Status
from twisted_resp.scripting.flags import FLAG_NAMES, command_flags
from twisted_resp.scripting.functions import Function, Libraries, Library
from twisted_resp.server.client import Client
from twisted_resp.server.server import MONITORED, Server
from twisted_resp.text.glob import compile_glob
from twisted_resp.text.integers import parse_integer

__all__ = ["install"]

GROUP = "scripting"

_FCALL: Final = NOSCRIPT | SKIP_MONITOR | MAY_REPLICATE | NO_MANDATORY_KEYS | STALE
_FCALL_RO: Final = NOSCRIPT | SKIP_MONITOR | NO_MANDATORY_KEYS | STALE | READONLY
# So few functions are nothing to free apart from the commands.
_FEW: Final = 64
_ASSUME: Final = "We cannot tell how the keys will be used so we assume the worst,"


def install(server: Server) -> Libraries:
    """Give a server its libraries."""
    libraries = server.scripting.libraries = Libraries(server)
    for name, flags in ((b"fcall", _FCALL), (b"fcall_ro", _FCALL_RO)):
        if name in server.commands:  # an older server has no functions
            server.commands[name].refine = _Refine(libraries, flags)
    return libraries


def _libraries_of(server: Server) -> Libraries:
    mine: Libraries = server.scripting.libraries
    return mine


class _Refine:
    """Tells the flags of one call by those of its function."""

    def __init__(self, libraries: Libraries, flags: int) -> None:
        self._libraries = libraries
        self._flags = flags

    def __call__(self, args: list[bytes]) -> int:
        function = self._libraries.functions.get(args[1].lower())
        return self._flags if function is None else command_flags(self._flags, function.flags)


def _fcall(client: Client, name: bytes, numkeys: bytes, args: tuple[bytes, ...], read_only: bool) -> Reply:
    server = client.server
    if server.attention & MONITORED:
        # Before the commands inside.
        server.on_monitor(client, client.current)
    libraries = _libraries_of(server)
    function = libraries.functions.get(name.lower())
    if function is None:
        raise CommandError(b"ERR Function not found")
    keys = parse_integer(numkeys)
    if keys is None:
        raise CommandError(b"ERR Bad number of keys provided")
    if keys > len(args):
        raise CommandError(errors.TOO_MANY_KEYS)
    if keys < 0:
        raise CommandError(b"ERR Number of keys can't be negative")
    running = libraries.engine.begin(client, function.name, function.flags, read_only, True)
    return libraries.engine.run(running, function.action, keys, args)


@command(
    "FCALL function numkeys [key [key ...]] [arg [arg ...]]",
    _FCALL,
    since="7.0.0",
    complexity="Depends on the function that is executed.",
    keys=[f"RW access update # {_ASSUME} RW and UPDATE"],
)
def fcall(client: Client, function: bytes, numkeys: bytes, *args: bytes) -> Reply:
    """Invokes a function."""
    return _fcall(client, function, numkeys, args, False)


@command(
    "FCALL_RO function numkeys [key [key ...]] [arg [arg ...]]",
    _FCALL_RO,
    since="7.0.0",
    complexity="Depends on the function that is executed.",
    keys=[f"RO access # {_ASSUME} RO and ACCESS"],
)
def fcall_ro(client: Client, function: bytes, numkeys: bytes, *args: bytes) -> Reply:
    """Invokes a read-only function."""
    return _fcall(client, function, numkeys, args, True)


# -------------------------------------------------------------------------------------------------------- FUNCTION

container("FUNCTION", "A container for function commands.", since="7.0.0", group=GROUP)

_TO_ALL: Final = ["request_policy:all_shards", "response_policy:all_succeeded"]


@command(
    "FUNCTION LOAD [REPLACE] function-code",
    NOSCRIPT | WRITE | DENYOOM,
    since="7.0.0",
    complexity="O(1) (considering compilation time is redundant)",
    tips=_TO_ALL,
)
def function_load(client: Client, *args: bytes) -> Reply:
    """Creates a library."""
    for option in args[:-1]:
        if option.lower() != b"replace":
            raise CommandError(b"ERR Unknown option given: " + option)
    library = _libraries_of(client.server).load(args[-1], len(args) > 1, not client.is_master)
    client.server.keyspace.dirty += 1
    return library.name


@command(
    "FUNCTION DELETE library-name",
    NOSCRIPT | WRITE,
    since="7.0.0",
    complexity="O(1)",
    tips=_TO_ALL,
)
def function_delete(client: Client, library: bytes) -> Reply:
    """Deletes a library and its functions."""
    if not _libraries_of(client.server).delete(library):
        raise CommandError(b"ERR Library not found")
    client.server.keyspace.dirty += 1
    return OK


@command(
    "FUNCTION FLUSH [flush-type: ASYNC | SYNC]",
    NOSCRIPT | WRITE,
    since="7.0.0",
    complexity="O(N) where N is the number of functions deleted",
    tips=_TO_ALL,
)
def function_flush(client: Client, *mode: bytes) -> Reply:
    """Deletes all libraries and functions."""
    if len(mode) > 1:
        raise errors.subcommand_syntax(b"FUNCTION", client.current[1])
    if mode and mode[0].lower() not in (b"async", b"sync"):
        raise CommandError(b"ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
    server = client.server
    libraries = _libraries_of(server)
    lazily = mode[0].lower() == b"async" if mode else server.configuration[b"lazyfree-lazy-user-flush"]
    if lazily and len(libraries.functions) > _FEW:
        # They are gone at once all the same; Redis counts the functions and the Lua state.
        server.keyspace.lazy_free.freed += len(libraries.functions) + 1
    libraries.flush()
    server.keyspace.dirty += 1
    return OK


def _described(function: Function) -> Reply:
    flags = [Status(name) for name, flag in FLAG_NAMES.items() if function.flags & flag]
    return {b"name": function.name, b"description": function.description, b"flags": SetReply(flags)}


def _listed(library: Library, with_code: bool) -> Reply:
    fields: dict[bytes, Reply] = {
        b"library_name": library.name,
        b"engine": b"LUA",
        b"functions": [_described(function) for function in library.functions.values()],
    }
    if with_code:
        fields[b"library_code"] = library.source
    return fields


@command(
    "FUNCTION LIST [LIBRARYNAME library-name-pattern] [WITHCODE]",
    NOSCRIPT,
    since="7.0.0",
    complexity="O(N) where N is the number of functions",
    tips=["nondeterministic_output_order"],
)
def function_list(client: Client, *options: bytes) -> Reply:
    """Returns information about all libraries."""
    pattern: bytes | None = None
    with_code = False
    words = iter(options)
    for word in words:
        if not with_code and word.lower() == b"withcode":
            with_code = True
        elif pattern is None and word.lower() == b"libraryname":
            pattern = next(words, None)
            if pattern is None:
                raise CommandError(b"ERR library name argument was not given")
        else:
            raise CommandError(b"ERR Unknown argument " + word)
    matches = None if pattern is None else compile_glob(pattern, nocase=True)
    return [
        _listed(library, with_code)
        for library in _libraries_of(client.server).libraries.values()
        if matches is None or matches(library.name)
    ]


@command(
    "FUNCTION STATS",
    NOSCRIPT | ALLOW_BUSY,
    since="7.0.0",
    complexity="O(1)",
    tips=["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
)
def function_stats(client: Client) -> Reply:
    """Returns information about a function during execution."""
    running = client.server.scripting.running
    if running is not None and not running.is_function:
        raise running.busy()
    libraries = _libraries_of(client.server)
    told: Reply = None
    if running is not None:
        told = {
            b"name": running.name,
            b"command": running.command,
            b"duration_ms": int((perf_counter() - running.started) * 1000),
        }
    counts = {b"libraries_count": len(libraries.libraries), b"functions_count": len(libraries.functions)}
    return Map([(b"running_script", told), (b"engines", {b"LUA": counts})])


@command(
    "FUNCTION KILL",
    NOSCRIPT | ALLOW_BUSY,
    since="7.0.0",
    complexity="O(1)",
    tips=["request_policy:all_shards", "response_policy:one_succeeded"],
)
def function_kill(client: Client) -> Reply:
    """Terminates a function during execution."""
    refusal = client.server.scripting.kill(True)
    if refusal is not None:
        raise refusal
    return OK


@command(
    "FUNCTION DUMP",
    NOSCRIPT,
    since="7.0.0",
    complexity="O(N) where N is the number of functions",
)
def function_dump(client: Client) -> Reply:
    """Dumps all libraries into a serialized binary payload."""
    return dump_functions(_libraries_of(client.server).sources())


@command(
    "FUNCTION RESTORE serialized-value [policy: FLUSH | APPEND | REPLACE]",
    NOSCRIPT | WRITE | DENYOOM,
    since="7.0.0",
    complexity="O(N) where N is the number of functions on the payload",
    tips=_TO_ALL,
)
def function_restore(client: Client, payload: bytes, *policy: bytes) -> Reply:
    """Restores all libraries from a payload."""
    if len(policy) > 1:
        raise errors.subcommand_syntax(b"FUNCTION", client.current[1])
    how = policy[0].lower() if policy else b"append"
    if how not in (b"append", b"replace", b"flush"):
        raise CommandError(
            b"ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE."
        )
    if not is_intact(payload):
        raise CommandError(b"ERR DUMP payload version or checksum are wrong")
    try:
        sources = load_functions(payload)
    except RdbError as error:
        raise CommandError(f"ERR {error}") from None
    _libraries_of(client.server).restore(sources, how == b"replace", how == b"flush", not client.is_master)
    client.server.keyspace.dirty += 1
    return OK


_HELP = b"""
LOAD [REPLACE] <FUNCTION CODE>
    Create a new library with the given library name and code.
DELETE <LIBRARY NAME>
    Delete the given library.
LIST [LIBRARYNAME PATTERN] [WITHCODE]
    Return general information on all the libraries:
    * Library name
    * The engine used to run the Library
    * Functions list
    * Library code (if WITHCODE is given)
    It also possible to get only function that matches a pattern using LIBRARYNAME argument.
STATS
    Return information about the current function running:
    * Function name
    * Command used to run the function
    * Duration in MS that the function is running
    If no function is running, return nil
    In addition, returns a list of available engines.
KILL
    Kill the current running function.
FLUSH [ASYNC|SYNC]
    Delete all the libraries.
    When called without the optional mode argument, the behavior is determined by the
    lazyfree-lazy-user-flush configuration directive. Valid modes are:
    * ASYNC: Asynchronously flush the libraries.
    * SYNC: Synchronously flush the libraries.
DUMP
    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command
RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]
    Restore the libraries represented by the given payload, it is possible to give a restore policy to
    control how to handle existing libraries (default APPEND):
    * FLUSH: delete all existing libraries.
    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.
    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old
      libraries with the new libraries (notice that even on this option there is a chance of failure
      in case of functions name collision with another library).
"""


@command("FUNCTION HELP", LOADING | STALE, since="7.0.0", complexity="O(1)")
def function_help(client: Client) -> Reply:
    """Returns helpful text about the different subcommands."""
    return help_reply(b"FUNCTION", _HELP)
