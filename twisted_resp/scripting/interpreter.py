"""Lua 5.1 in a sandbox: one runtime, the globals that Redis gives scripts, and calls into it.

The runtime is lupa's. What scripts see is made in ``sandbox.lua``; the functions there that scripts call end in a few
Python functions (the *host*), which never raise and never let a Python object into Lua. Strings are bytes on both
sides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from hashlib import sha1
from pathlib import Path
from random import Random
from typing import Any
from weakref import WeakMethod

from twisted.logger import Logger, LogLevel

from twisted_resp.errors import CommandError
from twisted_resp.resp import BigNumber, Map, Reply, SetReply, Status, Verbatim
from twisted_resp.scripting import bits, packing
from twisted_resp.scripting.brackets import without_nesting
from twisted_resp.scripting.bytecode import stripped, without_tail_calls

try:
    from lupa.lua51 import LuaError, LuaRuntime
except ImportError:  # no wheels for PyPy
    LuaError = LuaRuntime = None

__all__ = ["CountedError", "Failure", "Interpreter", "available"]

_log = Logger()
_LEVELS = (LogLevel.debug, LogLevel.debug, LogLevel.info, LogLevel.warn)
# Up to so many arguments are passed one by one; Lua has no room for thousands of them.
_FEW = 100
_INT64_MIN = -(2**63)


def available() -> bool:
    """Whether there is a Lua in this Python."""
    return LuaRuntime is not None


class Failure:
    """A script that ended with an error.

    :ivar sentence: what it says, code first.
    :ivar source: the chunk in which it happened, and ``line``; None where that is not known.
    :ivar counted: whether it is the error of a command, which has been counted already.
    """

    __slots__ = ("counted", "line", "sentence", "source")

    def __init__(self, sentence: bytes, source: bytes | None, line: int | None, counted: bool) -> None:
        self.sentence = sentence
        self.source = source
        self.line = line
        self.counted = counted


class Interpreter:
    """A Lua state that scripts share.

    :param call: runs a command, ``redis.call``: gets its arguments, answers what :mod:`.conversion` makes for Lua.
    :param may_run: the same for ``redis.acl_check_cmd``.
    :param pulse: called now and then while Lua runs; answers whether to kill the script.
    :param set_protocol: ``redis.setresp``, and ``set_replication`` is ``redis.set_repl``.
    :param register: ``redis.register_function``, with the name, the function, its description and its flags; answers
        what is wrong with them.
    :param debugger: what there is for sessions of the debugger, see ``debugger.lua``.
    :param version: the version of Redis that scripts are told.
    :param has_server: whether the table ``redis`` has Valkey's name, ``server``, too.
    """

    def __init__(
        self,
        *,
        call: Callable[..., Any],
        may_run: Callable[..., Any],
        pulse: Callable[[], bool],
        set_protocol: Callable[[int], None],
        set_replication: Callable[[int], None],
        register: Callable[..., bytes | None],
        debugger: Mapping[bytes, Callable[..., Any]],
        version: bytes,
        has_server: bool,
        random: Random,
    ) -> None:
        self._sunk: list[Any] = []
        lua = self._lua = LuaRuntime(
            encoding=None,
            source_encoding="latin-1",
            register_eval=False,
            register_builtins=False,
            unpack_returned_tuples=True,
            attribute_filter=_no_attributes,
        )
        self.table = lua.table_from
        major, minor, patch = map(int, version.split(b"."))
        host = {
            b"call": _weakly(call),
            b"may_run": _weakly(may_run),
            b"pulse": _weakly(pulse),
            b"set_protocol": _weakly(set_protocol),
            b"set_replication": _weakly(set_replication),
            b"library": _weakly(self._load),
            b"sink": _appender(self._sunk),
            b"register": _weakly(register),
            b"without_tail_calls": without_tail_calls,
            b"without_nesting": without_nesting,
            b"log": _write_log,
            b"sha1hex": lambda text: sha1(text).hexdigest().encode(),
            b"seed": lambda: (random.getrandbits(24), random.getrandbits(24)),
            b"version": version,
            b"has_server": has_server,
            b"version_number": major << 16 | minor << 8 | patch,
            b"bit": self.table(bits.FUNCTIONS),
            b"struct": self.table(packing.FUNCTIONS),
            b"pack_double": packing.pack_double,
            b"pack_float": packing.pack_float,
            b"unpack_double": packing.unpack_double,
            b"unpack_float": packing.unpack_float,
            **debugger,
        }
        self._loadstring = lua.globals()[b"loadstring"]
        self._dump = lua.globals()[b"string"][b"dump"]
        api = self._load(b"sandbox")(self.table(host))
        self._run_script = api[b"run_script"]
        self._run_function = api[b"run_function"]
        self._compile = api[b"compile_script"]
        self._load_library = api[b"load_library"]
        self._debug = api[b"debug"]
        self._memory = api[b"memory"]
        self.api: Mapping[bytes, Any] = api
        api[b"close"]()

    @property
    def memory(self) -> int:
        """Bytes that Lua has in use."""
        return int(self._memory() * 1024)

    def compile(self, source: bytes) -> Any:
        """Make a function of a script.

        :raises CommandError: with Lua's own words where it can't.
        """
        made = self._compile(source)
        if type(made) is tuple:
            raise CommandError(b"ERR Error compiling script (new function): " + made[1])
        return made

    def load_library(self, source: bytes) -> None:
        """Run a library, which registers its functions.

        :raises CommandError: with what is wrong.
        """
        problem = self._load_library(source)
        if problem is not None:
            raise CommandError(b"ERR " + problem)

    def debug(self, on: bool) -> None:
        """Let the debugger look at each line of the scripts that run from now on, or no more."""
        self._debug(on)

    def take_sunk(self) -> list[Any]:
        """Many values that Lua could not pass at once."""
        sunk = self._sunk[:]
        self._sunk.clear()
        return sunk

    def run_script(self, script: Any, keys: int, args: Sequence[bytes]) -> Reply | Failure:
        """Run a compiled script; the first ``keys`` of ``args`` are its KEYS."""
        if self._sunk:
            self._sunk.clear()  # what a script left that was killed while it sank something
        try:
            if len(args) <= _FEW:
                result = self._run_script(script, keys, None, *args)
            else:
                result = self._run_script(script, keys, self.table(args))
        except LuaError as error:
            return _stopped(error)
        kind = type(result)
        if kind is bytes or kind is int or result is None:
            return result
        return self._reply(result)

    def run_function(self, action: Any, keys: Sequence[bytes], args: Sequence[bytes]) -> Reply | Failure:
        """Run a function of a library."""
        try:
            result = self._run_function(action, self.table(keys), self.table(args))
        except LuaError as error:
            return _stopped(error)
        return self._reply(result)

    def _reply(self, result: Any) -> Reply | Failure:
        kind = type(result)
        if kind is bytes or kind is int or result is None:
            return result
        if kind is float:
            return _integer(result)
        how = result[1]
        if how == b"list":
            return [item if type(item) is not float else _integer(item) for item in result[2:]]
        if how == b"ok":
            return Status(_one_line(result[2]))
        if how == b"failed":
            _, _, sentence, source, line, counted = result
            return Failure(sentence, source, line, counted)
        if how == b"sunk":
            flat: Sequence[Any] = self.take_sunk()
        else:
            flat = result[1:]
        return _Builder(flat).build()

    def _load(self, name: bytes) -> Any:
        """One of our own files in Lua, compiled."""
        loadstring, dump = self._loadstring, self._dump
        return loadstring(stripped(dump(loadstring(_source(f"{name.decode()}.lua"), b"=redis"))))


def _stopped(error: Exception) -> Failure:
    """Where Lua fails to handle an error: out of memory, or of stack in the handler."""
    return Failure(b"ERR " + str(error).encode("latin-1", "replace"), None, None, False)


def _weakly(method: Callable[..., Any]) -> Callable[..., Any]:
    """What Lua may hold of us: Python can't see through Lua, so a cycle through it would stay for ever."""
    if not hasattr(method, "__self__"):
        return method
    reference = WeakMethod(method)

    def call(*args: Any) -> Any:
        target = reference()
        return None if target is None else target(*args)

    return call


def _appender(items: list[Any]) -> Callable[..., None]:
    def append(*more: Any) -> None:
        items.extend(more)

    return append


def _no_attributes(thing: object, name: object, setting: bool) -> str:
    raise AttributeError("not for scripts")


@cache
def _source(name: str) -> bytes:
    return Path(__file__).with_name(name).read_bytes()


def _write_log(level: int, message: bytes) -> None:
    try:
        _log.emit(_LEVELS[level], "{message}", message=message.decode("utf-8", "backslashreplace"))
    except Exception:
        pass


def _integer(number: float) -> int:
    """What C makes of a double where it wants an integer."""
    if type(number) is int:
        return number
    if -(2.0**63) <= number < 2.0**63:
        return int(number)
    return _INT64_MIN


class _Builder:
    """Makes a reply of the flat sequence that ``flatten`` in ``sandbox.lua`` makes of a value."""

    def __init__(self, flat: Sequence[Any]) -> None:
        self._next = iter(flat).__next__

    def build(self) -> Reply:
        """The next value."""
        take = self._next
        item = take()
        kind = type(item)
        if kind is bytes or kind is int:
            return item
        if kind is float:
            return _integer(item)
        what = take()
        if what == b"array":
            return [self.build() for _ in range(int(take()))]
        if what == b"null":
            return None
        if what == b"ok":
            return Status(_one_line(take()))
        if what == b"err":
            error = CommandError(take().partition(b"\0")[0])
            return CountedError(error.message) if take() else error
        if what == b"map":
            return Map([(self.build(), self.build()) for _ in range(int(take()))])
        if what == b"set":
            return SetReply([self.build() for _ in range(int(take()))])
        if what == b"double":
            return float(take())
        if what == b"big_number":
            return BigNumber(_one_line(take()))
        if what == b"verbatim":
            return Verbatim(take()[:3], take())
        return what == b"true"


class CountedError(CommandError):
    """An error that a command inside the script had, and that has been counted for it."""


def _one_line(text: bytes) -> bytes:
    return text.partition(b"\0")[0].replace(b"\r", b" ").replace(b"\n", b" ")
