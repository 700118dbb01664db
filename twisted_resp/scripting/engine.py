"""Running scripts: the commands that they call, and how long they may take.

A script runs on behalf of the client that called it, but through a client of its own, so that SELECT and the RESP
version in it are its own matter. Its commands go through ``dispatch.call``, as those of EXEC do: each is counted,
shown and recorded as itself, and the whole is one unit of effects. The script is never recorded.

While Lua runs it gives a pulse every so many instructions. Past ``busy-reply-threshold`` each pulse lets the reactor
look at its sockets once, which is what makes BUSY errors and SCRIPT KILL possible; timers stay where they are, and
the connection of the caller is not read from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import Any
from weakref import ref

from twisted.logger import Logger

from twisted_resp import errors
from twisted_resp.commands import dispatch
from twisted_resp.commands.permissions import denial, look_up, note_denial
from twisted_resp.commands.table import DENYOOM, MAY_REPLICATE, NOSCRIPT, STALE, WRITE
from twisted_resp.errors import CommandError
from twisted_resp.resp import NO_REPLY, Map, Reply, SetReply
from twisted_resp.scripting import flags as script_flags
from twisted_resp.scripting.conversion import argument, for_lua
from twisted_resp.scripting.debugger import Session
from twisted_resp.scripting.interpreter import CountedError, Failure, Interpreter, available
from twisted_resp.server.client import Client
from twisted_resp.server.effects import ALL
from twisted_resp.server.eviction import make_room
from twisted_resp.server.monitoring import SCRIPT
from twisted_resp.server.scripting import RunningScript
from twisted_resp.server.server import LIMITED_MEMORY, UNWRITABLE, WITHOUT_REPLICAS, Server
from twisted_resp.server.statistics import CommandEntry
from twisted_resp.text.command_line import quote

__all__ = ["Engine"]

_log = Logger()

# The kind of answer to Lua that says that there was no call, see ``answered`` in sandbox.lua.
_MISUSE = b"misuse"
_WRITES = WRITE | MAY_REPLICATE
# Where a command has none of these, its script need not be looked at.
_LOOKED_AT = _WRITES | DENYOOM
_REFUSING_WRITES = UNWRITABLE | WITHOUT_REPLICAS
# How often the reactor looks at its sockets in one turn: to accept, read and answer.
_LOOKS = 3


class _RefusedError(CommandError):
    """The error of a command that was not run."""


def _not_here(*args: object) -> bytes | None:
    """What registers functions where there are none."""
    return b"functions are registered elsewhere"


class Engine:
    """One Lua state of a server, and what runs in it.

    :param register: see :class:`Interpreter`.
    """

    def __init__(self, server: Server, register: Callable[..., bytes | None] = _not_here) -> None:
        self._server = server
        self._register = register
        #: Until when a library may take to load (``time.perf_counter``); None while none is loaded.
        self.deadline: float | None = None
        #: The debugger's, while there is one.
        self.session: Session | None = None
        self._client: Client | None = None
        self._interpreter: Interpreter | None = None

    @property
    def interpreter(self) -> Interpreter:
        """The Lua state, made when it is first asked for.

        :raises CommandError: where there is no Lua.
        """
        if self._interpreter is None:
            if not available():
                raise CommandError(b"ERR Scripts need Lua, which is not installed here (the package lupa)")
            self._interpreter = Interpreter(
                call=_caller(self),
                may_run=self._may_run,
                pulse=self._pulse,
                set_protocol=self._set_protocol,
                set_replication=self._set_replication,
                register=self._register,
                debugger=_debugger(self),
                version=self._server.flavour.redis_version,
                has_server=self._server.flavour.has_valkey_names,
                random=self._server.random,
            )
        return self._interpreter

    @property
    def memory(self) -> int:
        """Bytes that Lua has in use."""
        return 0 if self._interpreter is None else self._interpreter.memory

    def reset(self) -> None:
        """Begin with a new Lua state."""
        self._interpreter = None

    # -- runs

    def begin(
        self, caller: Client, name: bytes, flags: int, read_only: bool, is_function: bool
    ) -> RunningScript:
        """Prepare a run.

        :param flags: those of the script, see ``flags.py``.
        :param read_only: whether the command that calls it is one of the ``_RO`` commands.
        :raises CommandError: where the state of the server forbids it.
        """
        server = self._server
        replication = server.replication
        if not server.attention and replication.master is None and flags & script_flags.NO_FLAGS_DECLARED:
            return RunningScript(caller, name, perf_counter(), is_function, read_only)
        master = None if caller.is_master else replication.master
        stale = (
            master is not None
            and not master.connected
            and not server.configuration[b"replica-serve-stale-data"]
        )
        no_room = bool(server.attention & LIMITED_MEMORY) and not caller.is_master and not make_room(server)
        declared = not flags & script_flags.NO_FLAGS_DECLARED
        if not declared:
            if stale:
                raise CommandError(errors.MASTER_DOWN)
        else:
            if stale and not flags & script_flags.ALLOW_STALE:
                raise CommandError(
                    b"MASTERDOWN Link with MASTER is down, replica-serve-stale-data is set to 'no' and "
                    b"'allow-stale' flag is not set on the script."
                )
            if not flags & script_flags.NO_WRITES:
                if master is not None and server.configuration[b"replica-read-only"]:
                    raise CommandError(b"READONLY Can not run script with write flag on readonly replica")
                if read_only:
                    raise CommandError(b"ERR Can not execute a script with write flag using *_ro command.")
                if server.attention & UNWRITABLE and replication.master is None:
                    raise CommandError(server.disk_error)
                if server.attention & WITHOUT_REPLICAS and replication.refuses_to_write():
                    raise CommandError(errors.NO_REPLICAS)
                if no_room and not flags & script_flags.ALLOW_OOM:
                    raise CommandError(
                        b"OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'"
                    )
        running = RunningScript(
            caller,
            name,
            perf_counter(),
            is_function,
            read_only or (declared and bool(flags & script_flags.NO_WRITES)),
        )
        running.allow_oom = declared and bool(flags & script_flags.ALLOW_OOM)
        running.no_room = no_room
        return running

    def run(
        self, running: RunningScript, action: Any, keys: int, args: list[bytes] | tuple[bytes, ...]
    ) -> Reply:
        """Run a script that has begun.

        :param keys: how many of ``args`` are keys.
        :return: its reply; an error reply is returned, not raised, where it has been counted already.
        """
        server = self._server
        caller = running.caller
        client = self._client
        if client is None:
            client = self._client = Client(server, b"lua", SCRIPT)
            client.can_block = False
            client.authenticated = True
        client.address = caller.address  # whose rights are the caller's
        client.db = caller.db
        client.user = caller.user
        client.protocol = 2
        client.is_master = caller.is_master
        client.no_touch = caller.no_touch
        scripting = server.scripting
        scripting.running = running
        interpreter = self._interpreter or self.interpreter
        try:
            if running.is_function:
                reply = interpreter.run_function(action, args[:keys], args[keys:])
            else:
                reply = interpreter.run_script(action, keys, args)
        finally:
            scripting.running = None
            if running.timed_out:
                caller.hold(False)
                server.pending = True  # others have run: nothing is as it was for a pipeline of such calls
            effects = server.effects
            effects.audience = ALL
            if effects.active:
                # What the script has changed is recorded, command by command.
                effects.suppress()
        kind = type(reply)
        if kind is bytes or kind is int:
            return reply
        if server.ending and running.timed_out and not caller.in_exec:
            # SHUTDOWN has ended it; nobody waits for the end of what is no more.
            return NO_REPLY
        if kind is Failure:
            return self._failed(running, reply)
        if kind is list or kind is CommandError or isinstance(reply, (CommandError, Map, SetReply)):
            self._count_errors(running, reply)
        return reply

    def _failed(self, running: RunningScript, failure: Failure) -> Reply:
        message = failure.sentence
        if failure.source is not None and failure.line is not None:
            message += b" script: %b, on %b:%d." % (running.name, failure.source, failure.line)
        error = CommandError(message)
        if not failure.counted:
            raise error
        self._entry_of(running).failed += 1
        return error

    def _count_errors(self, running: RunningScript, reply: Reply) -> None:
        """Count the error replies in what a script returns as if its command had failed."""
        found = list(_errors_in(reply))
        if found:
            self._entry_of(running).failed += 1
            for error in found:
                if type(error) is not CountedError:
                    self._count(error.code)

    def _entry_of(self, running: RunningScript) -> CommandEntry:
        return self._server.commands[running.command[0].lower()]

    def _count(self, code: bytes) -> None:
        self._server.count_error(code)

    # -- what Lua calls; none of these may raise

    def _call(self, args: tuple[Any, ...]) -> Any:
        """What :func:`_caller` does not see at once."""
        server = self._server
        running, client = server.scripting.running, self._client
        if running is None or client is None:
            return None, _MISUSE, b"ERR redis.call can only be called inside a script"
        words = self._words(args)
        if isinstance(words, bytes):
            return None, _MISUSE, b"ERR " + words
        return for_lua(self._run_command(running, client, words), running.protocol, self.interpreter.table)

    def call_debugged(self, args: tuple[Any, ...] | list[bytes]) -> Any:
        """``redis.call`` while there is a session, which shows it."""
        session, running, client = self.session, self._server.scripting.running, self._client
        if session is None or not session.stepping or running is None or client is None:
            return self._call(tuple(args))
        words = self._words(tuple(args))
        if isinstance(words, bytes):
            session.failed(words)
            return None, _MISUSE, b"ERR " + words
        session.call(words)
        reply = self._run_command(running, client, words)
        if isinstance(reply, _RefusedError) and reply.message.startswith(b"ERR "):
            session.failed(reply.message[4:])
        elif isinstance(reply, CommandError):
            session.failed(b"-" + reply.message)
        if not isinstance(reply, _RefusedError):
            session.reply(reply, running.protocol)
        return for_lua(reply, running.protocol, self.interpreter.table)

    @contextmanager
    def debugged(self, session: Session) -> Iterator[None]:
        """Have the script that runs meanwhile debugged."""
        self.session = session
        self.interpreter.debug(True)
        try:
            yield
        finally:
            self.session = None
            self.interpreter.debug(False)

    def _words(self, args: tuple[Any, ...]) -> list[bytes] | bytes:
        """The words of a command, or what is wrong with them."""
        if len(args) == 1 and args[0] is None:
            args = tuple(self.interpreter.take_sunk()) or args
        words: list[bytes] = []
        for arg in args:
            if type(arg) is bytes:
                words.append(arg)
            else:
                word = argument(arg)
                if word is None:
                    return b"Lua redis lib command arguments must be strings or integers"
                words.append(word)
        return words or b"Please specify at least one argument for this redis lib call"

    def _run_command(self, running: RunningScript, client: Client, words: list[bytes]) -> Reply:
        server = self._server
        entry = server.commands.get(words[0])
        if entry is None or entry.subcommands is not None or not entry.least <= len(words) <= entry.most:
            found = dispatch.find(server, words)
            if isinstance(found, CommandError):
                known = b"wrong number of arguments" in found.message
                return self._refused(
                    None,
                    b"ERR Wrong number of args calling Redis command from script"
                    if known
                    else b"ERR Unknown Redis command called from script",
                )
            entry = found
        refusal = self._refusal(running, client, entry, words)
        if refusal is not None:
            return self._refused(entry, refusal)
        if entry.flags & WRITE:
            running.written = True
        return dispatch.call(client, entry, words)

    def _refusal(
        self, running: RunningScript, client: Client, entry: CommandEntry, words: list[bytes]
    ) -> bytes | None:
        """Why a command is not to run, in Redis' order of checks; None if it is."""
        server = self._server
        flags = entry.flags
        if flags & NOSCRIPT and not server.scripting.anything_goes:
            return b"ERR This Redis command is not allowed from script"
        if client.user.restricted and (denied := denial(client.user, entry, words)) is not None:
            running.caller.last_command = self._entry_of(running).full_name
            note_denial(running.caller, denied, entry, words, b"lua")
            return b"ERR " + denied.sentence_in_script(server, client.user, entry, words)
        master = server.replication.master
        if (
            master is not None
            and not running.caller.is_master
            and not flags & STALE
            and not master.connected
            and not server.configuration[b"replica-serve-stale-data"]
        ):
            return b"ERR Can not execute the command on a stale replica"
        if flags & _WRITES and (refusal := self._write_refusal(running, flags)) is not None:
            return refusal
        if running.no_room and flags & DENYOOM and not running.allow_oom and not running.written:
            return errors.OUT_OF_MEMORY
        return None

    def _write_refusal(self, running: RunningScript, flags: int) -> bytes | None:
        """Why a command that may write is not to run; None if it is."""
        server = self._server
        if running.read_only:
            return b"ERR Write commands are not allowed from read-only scripts."
        if not flags & WRITE or running.written:
            return None
        replication = server.replication
        if (
            replication.master is not None
            and not running.caller.is_master
            and server.configuration[b"replica-read-only"]
        ):
            return errors.READ_ONLY_REPLICA
        if server.attention & UNWRITABLE and replication.master is None:
            return server.disk_error
        if server.attention & WITHOUT_REPLICAS and replication.refuses_to_write():
            return errors.NO_REPLICAS
        return None

    def _refused(self, entry: CommandEntry | None, message: bytes) -> CommandError:
        if entry is not None:
            entry.rejected += 1
        self._count(message.split(b" ", 1)[0])
        return _RefusedError(message)

    def _may_run(self, *args: Any) -> Any:
        """``redis.acl_check_cmd``."""
        try:
            words = [word for arg in args if (word := argument(arg)) is not None]
            if not args:
                return None, _MISUSE, b"ERR Please specify at least one argument for this redis lib call"
            if len(words) < len(args):
                return None, _MISUSE, b"ERR Lua redis lib command arguments must be strings or integers"
            entry = look_up(self._server, words)
            if entry is None:
                return None, _MISUSE, b"ERR Invalid command passed to redis.acl_check_cmd()"
            user = self._client.user if self._client is not None else None
            return user is None or not user.restricted or denial(user, entry, words) is None
        except Exception:
            _log.failure("redis.acl_check_cmd failed")
            return None, _MISUSE, b"ERR internal error"

    def _set_protocol(self, version: int) -> None:
        running = self._server.scripting.running
        if running is not None and self._client is not None:
            running.protocol = self._client.protocol = version

    def _set_replication(self, which: int) -> None:
        if self._server.scripting.running is not None:
            self._server.effects.audience = which

    def _pulse(self) -> bool:
        """Look at the time, and perhaps at other clients.

        :return: whether the script is to end here.
        """
        try:
            server = self._server
            running = server.scripting.running
            if running is None:
                return self.deadline is not None and perf_counter() > self.deadline
            reactor = server.scripting.reactor
            if reactor is None or not reactor.running:
                return running.killed
            if not running.timed_out:
                threshold: int = server.configuration[b"busy-reply-threshold"]
                elapsed = (perf_counter() - running.started) * 1000
                if not threshold or elapsed < threshold:
                    return running.killed
                _log.warn(
                    "Slow script detected: still in execution after {elapsed} milliseconds. You can try killing the "
                    "script using the {command} command. Script name is: {name}.",
                    elapsed=int(elapsed),
                    command="FUNCTION KILL" if running.is_function else "SCRIPT KILL",
                    name=running.name.decode("utf-8", "backslashreplace"),
                )
                running.timed_out = True
                running.caller.hold(True)
            server.interrupt(partial(_look_at_sockets, reactor, server.send_replies))
            if running.killed:
                _log.info("Lua script killed by user with SCRIPT KILL.")
            # What has written is left to its end, as SCRIPT KILL leaves it: nobody shall find half of it on disk.
            return running.killed or server.ending or (running.unwanted and not running.written)
        except Exception:
            _log.failure("a pulse of a script failed")
            return False


def _caller(engine: Engine) -> Callable[..., Any]:
    """``redis.call`` for Lua, which may not hold the engine: nobody would see the cycle.

    Most calls are of commands that nothing can be said against, in the words that they are sent in: these are run at
    once.
    """
    reference = ref(engine)
    server = engine._server
    commands, scripting = server.commands, server.scripting

    def call(*args: Any) -> Any:
        engine = reference()
        if engine is None:
            return None, _MISUSE, b"ERR the server is gone"
        try:
            for arg in args:
                if type(arg) is not bytes:
                    return engine._call(args)
            entry = commands.get(args[0]) if args else None
            client, running = engine._client, scripting.running
            if (
                entry is None
                or entry.flags & NOSCRIPT
                or not entry.least <= len(args) <= entry.most
                or entry.subcommands is not None
                or running is None
                or client is None
                or client.user.restricted
                or server.replication.master is not None
            ):
                return engine._call(args)
            if entry.flags & _LOOKED_AT:
                if (
                    running.read_only
                    or running.no_room
                    or (server.attention & _REFUSING_WRITES and not running.written)
                ):
                    return engine._call(args)
                if entry.flags & WRITE:
                    running.written = True
            reply = dispatch.call(client, entry, list(args))
            if type(reply) is bytes or type(reply) is int:
                return reply
            return for_lua(reply, running.protocol, engine.interpreter.table)
        except Exception:
            _log.failure("redis.call failed")
            return None, _MISUSE, b"ERR internal error"

    return call


def _debugger(engine: Engine) -> dict[bytes, Callable[..., Any]]:
    """What Lua calls of a session: the functions by their names in Lua."""
    reference = ref(engine)

    def function(name: str) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            engine = reference()
            session = None if engine is None else engine.session
            try:
                return None if session is None else getattr(session, name)(*args)
            except Exception:
                _log.failure("the debugger failed")
                return None

        return call

    def call_debugged(*args: Any) -> Any:
        engine = reference()
        try:
            return None if engine is None else engine.call_debugged(args)
        except Exception:
            _log.failure("redis.call failed")
            return None, _MISUSE, b"ERR internal error"

    return {
        b"debugged_call": call_debugged,
        b"debug_line": function("at_line"),
        b"debug_log": function("log"),
        b"debug_value": function("log_value"),
        b"debug_command": function("command"),
        b"debug_source": function("log_line"),
        b"debug_breakpoint": function("breakpoint"),
        b"debug_message": function("debug"),
        b"debug_failed": function("failed"),
        b"quote": quote,
    }


def _look_at_sockets(reactor: Any, send_replies: Callable[[], None]) -> None:
    """Let a reactor read, write and accept what it can right now; its timers and threads wait."""
    for _ in range(_LOOKS):
        reactor.doIteration(0)
        send_replies()


def _errors_in(reply: Reply) -> Any:
    if isinstance(reply, CommandError):
        yield reply
    elif isinstance(reply, list):
        for item in reply:
            if isinstance(item, (CommandError, list, Map, SetReply)):
                yield from _errors_in(item)
    elif isinstance(reply, Map):
        for pair in reply.value:
            yield from _errors_in(list(pair))
    elif isinstance(reply, SetReply):
        yield from _errors_in(reply.value)
