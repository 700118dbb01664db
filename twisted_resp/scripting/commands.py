"""EVAL and its kin, and SCRIPT: https://redis.io/docs/latest/develop/interact/programmability/eval-intro/"""

from __future__ import annotations

from functools import partial
from typing import Final

from twisted_resp import errors
from twisted_resp.commands.helping import help_reply
from twisted_resp.commands.table import (
    ALLOW_BUSY,
    LOADING,
    MAY_REPLICATE,
    NO_MANDATORY_KEYS,
    NOSCRIPT,
    READONLY,
    SKIP_MONITOR,
    STALE,
    command,
    container,
)
from twisted_resp.errors import CommandError
from twisted_resp.resp import OK, Reply
from twisted_resp.scripting.debugging import DEBUGGED, IN_SYNC, debug
from twisted_resp.scripting.engine import Engine
from twisted_resp.scripting.flags import command_flags, read_shebang
from twisted_resp.scripting.scripts import Scripts
from twisted_resp.server.client import Client
from twisted_resp.server.server import MONITORED, Server
from twisted_resp.text.integers import parse_integer

__all__ = ["install", "key_count"]

GROUP = "scripting"

_EVAL: Final = NOSCRIPT | SKIP_MONITOR | MAY_REPLICATE | NO_MANDATORY_KEYS | STALE
_EVAL_RO: Final = NOSCRIPT | SKIP_MONITOR | NO_MANDATORY_KEYS | STALE | READONLY
_KEYS: Final = [
    "RW access update # We cannot tell how the keys will be used so we assume the worst, RW and UPDATE"
]
_COMPLEXITY: Final = "Depends on the script that is executed."
# Numbers of keys, as they are usually written.
_COUNTS: Final = {b"%d" % count: count for count in range(10)}
_NO_SCRIPT: Final = b"NOSCRIPT No matching script. Please use EVAL."


def install(server: Server) -> Scripts:
    """Give a server its cache of scripts."""
    scripts = server.scripting.scripts = Scripts(server)
    for name, flags in (
        (b"eval", _EVAL),
        (b"evalsha", _EVAL),
        (b"eval_ro", _EVAL_RO),
        (b"evalsha_ro", _EVAL_RO),
    ):
        if name in server.commands:
            server.commands[name].refine = _Refine(scripts, flags, name.startswith(b"evalsha"))
    return scripts


def _scripts_of(server: Server) -> Scripts:
    mine: Scripts = server.scripting.scripts
    return mine


class _Refine:
    """Tells the flags of one call by what its script declares."""

    def __init__(self, scripts: Scripts, flags: int, by_sha: bool) -> None:
        self._scripts = scripts
        self._flags = flags
        self._by_sha = by_sha

    def __call__(self, args: list[bytes]) -> int:
        script = self._scripts.find(args[1].lower()) if self._by_sha else self._scripts.with_source(args[1])
        if script is not None:
            return command_flags(self._flags, script.flags)
        if self._by_sha or not args[1].startswith(b"#!"):
            return self._flags
        try:
            return command_flags(self._flags, read_shebang(args[1])[0])
        except CommandError:
            return self._flags


def key_count(number: bytes, args: tuple[bytes, ...]) -> int:
    """How many of ``args`` are keys."""
    count = _COUNTS.get(number)
    if count is None:
        count = parse_integer(number)
    if count is None:
        raise CommandError(errors.NOT_AN_INTEGER)
    if count > len(args):
        raise CommandError(errors.TOO_MANY_KEYS)
    if count < 0:
        raise CommandError(b"ERR Number of keys can't be negative")
    return count


def _eval(client: Client, source: bytes, numkeys: bytes, args: tuple[bytes, ...], read_only: bool) -> Reply:
    server = client.server
    if server.attention & MONITORED:
        # Before the commands inside.
        server.on_monitor(client, client.current)
    if client.script_debugging:
        engine: Engine = server.scripting.scripts.engine
        return debug(client, engine, source, partial(_evaluate, client, source, numkeys, args, read_only))
    return _evaluate(client, source, numkeys, args, read_only)


def _evaluate(
    client: Client, source: bytes, numkeys: bytes, args: tuple[bytes, ...], read_only: bool
) -> Reply:
    server = client.server
    keys = key_count(numkeys, args)
    scripts: Scripts = server.scripting.scripts
    return scripts.run(
        client, scripts.with_source(source) or scripts.add(source, True), keys, args, read_only
    )


def _evalsha(client: Client, sha: bytes, numkeys: bytes, args: tuple[bytes, ...], read_only: bool) -> Reply:
    server = client.server
    if server.attention & MONITORED:
        server.on_monitor(client, client.current)
    if len(sha) != 40:
        raise CommandError(_NO_SCRIPT)
    if client.script_debugging:
        raise CommandError(b"ERR Please use EVAL instead of EVALSHA for debugging")
    keys = key_count(numkeys, args)
    scripts: Scripts = server.scripting.scripts
    script = scripts.find(sha) or scripts.find(sha.lower())
    if script is None:
        raise CommandError(_NO_SCRIPT)
    return scripts.run(client, script, keys, args, read_only)


@command(
    "EVAL script numkeys [key [key ...]] [arg [arg ...]]",
    _EVAL,
    since="2.6.0",
    complexity=_COMPLEXITY,
    keys=_KEYS,
)
def eval_(client: Client, script: bytes, numkeys: bytes, *args: bytes) -> Reply:
    """Executes a server-side Lua script."""
    return _eval(client, script, numkeys, args, False)


@command(
    "EVAL_RO script numkeys [key [key ...]] [arg [arg ...]]",
    _EVAL_RO,
    since="7.0.0",
    complexity=_COMPLEXITY,
    keys=["RO access # We cannot tell how the keys will be used so we assume the worst, RO and ACCESS"],
)
def eval_ro(client: Client, script: bytes, numkeys: bytes, *args: bytes) -> Reply:
    """Executes a read-only server-side Lua script."""
    return _eval(client, script, numkeys, args, True)


@command(
    "EVALSHA sha1 numkeys [key [key ...]] [arg [arg ...]]",
    _EVAL,
    since="2.6.0",
    complexity=_COMPLEXITY,
    keys=["RW access update"],
)
def evalsha(client: Client, sha1: bytes, numkeys: bytes, *args: bytes) -> Reply:
    """Executes a server-side Lua script by SHA1 digest."""
    return _evalsha(client, sha1, numkeys, args, False)


@command(
    "EVALSHA_RO sha1 numkeys [key [key ...]] [arg [arg ...]]",
    _EVAL_RO,
    since="7.0.0",
    complexity=_COMPLEXITY,
    keys=["RO access"],
)
def evalsha_ro(client: Client, sha1: bytes, numkeys: bytes, *args: bytes) -> Reply:
    """Executes a read-only server-side Lua script by SHA1 digest."""
    return _evalsha(client, sha1, numkeys, args, True)


# ---------------------------------------------------------------------------------------------------------- SCRIPT

container("SCRIPT", "A container for Lua scripts management commands.", since="2.6.0", group=GROUP)


@command(
    "SCRIPT LOAD script",
    NOSCRIPT | STALE,
    since="2.6.0",
    complexity="O(N) with N being the length in bytes of the script body.",
    tips=["request_policy:all_nodes", "response_policy:all_succeeded"],
)
def script_load(client: Client, script: bytes) -> Reply:
    """Loads a server-side Lua script to the script cache."""
    return _scripts_of(client.server).add(script, False).sha


@command(
    "SCRIPT EXISTS sha1 [sha1 ...]",
    NOSCRIPT,
    since="2.6.0",
    complexity="O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).",
    tips=["request_policy:all_shards", "response_policy:agg_logical_and"],
)
def script_exists(client: Client, *shas: bytes) -> Reply:
    """Determines whether server-side Lua scripts exist in the script cache."""
    scripts = _scripts_of(client.server)
    return [int(scripts.find(sha.lower()) is not None) for sha in shas]


@command(
    "SCRIPT FLUSH [flush-type: ASYNC | SYNC]",
    NOSCRIPT,
    since="2.6.0",
    complexity="O(N) with N being the number of scripts in cache",
    argument_since={"flush-type": "6.2.0"},
    history=[("6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers.")],
    tips=["request_policy:all_nodes", "response_policy:all_succeeded"],
)
def script_flush(client: Client, *mode: bytes) -> Reply:
    """Removes all server-side Lua scripts from the script cache."""
    if mode and (len(mode) > 1 or mode[0].lower() not in (b"async", b"sync")):
        raise CommandError(b"ERR SCRIPT FLUSH only support SYNC|ASYNC option")
    _scripts_of(client.server).flush()
    return OK


@command(
    "SCRIPT KILL",
    NOSCRIPT | ALLOW_BUSY,
    since="2.6.0",
    complexity="O(1)",
    tips=["request_policy:all_shards", "response_policy:one_succeeded"],
)
def script_kill(client: Client) -> Reply:
    """Terminates a server-side Lua script during execution."""
    refusal = client.server.scripting.kill(False)
    if refusal is not None:
        raise refusal
    return OK


@command("SCRIPT DEBUG <mode: YES | SYNC | NO>", NOSCRIPT, since="3.2.0", complexity="O(1)")
def script_debug(client: Client, mode: bytes) -> Reply:
    """Sets the debug mode of server-side Lua scripts."""
    if client.owes_replies():
        raise CommandError(b"ERR SCRIPT DEBUG must be called outside a pipeline")
    mode = mode.lower()
    if mode == b"no":
        client.script_debugging = 0
    elif mode == b"yes":
        # As in Redis: who has said SYNC before stays with that.
        client.script_debugging |= DEBUGGED
    elif mode == b"sync":
        client.script_debugging |= DEBUGGED | IN_SYNC
    else:
        raise CommandError(b"ERR Use SCRIPT DEBUG YES/SYNC/NO")
    return OK


@command("SCRIPT SHOW sha1", NOSCRIPT, since="8.0.0", complexity="O(1).")
def script_show(client: Client, sha1: bytes) -> Reply:
    """Shows the source of a script in the script cache."""
    script = _scripts_of(client.server).find(sha1.lower())
    if script is None:
        raise CommandError(_NO_SCRIPT)
    return script.source


_HELP = b"""
DEBUG (YES|SYNC|NO)
    Set the debug mode for subsequent scripts executed.
EXISTS <sha1> [<sha1> ...]
    Return information about the existence of the scripts in the script cache.
FLUSH [ASYNC|SYNC]
    Flush the Lua scripts cache. Very dangerous on replicas.
    When called without the optional mode argument, the behavior is determined by the
    lazyfree-lazy-user-flush configuration directive. Valid modes are:
    * ASYNC: Asynchronously flush the scripts cache.
    * SYNC: Synchronously flush the scripts cache.
KILL
    Kill the currently executing Lua script.
LOAD <script>
    Load a script into the scripts cache without executing it.
"""


@command("SCRIPT HELP", LOADING | STALE, since="5.0.0", complexity="O(1)")
def script_help(client: Client) -> Reply:
    """Returns helpful text about the different subcommands."""
    return help_reply(b"SCRIPT", _HELP)
