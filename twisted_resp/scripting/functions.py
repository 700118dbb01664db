"""Libraries of functions: https://redis.io/docs/latest/develop/interact/programmability/functions-intro/

A library is a text that registers functions when it is loaded. Texts are what is saved, replicated and dumped. All
libraries share a Lua state, which is not that of scripts.
"""

from __future__ import annotations

import re
from time import perf_counter
from typing import Any, Final

from twisted_resp.errors import CommandError
from twisted_resp.scripting.engine import Engine
from twisted_resp.scripting.flags import FLAG_NAMES
from twisted_resp.scripting.interpreter import available
from twisted_resp.server.server import Server
from twisted_resp.text.command_line import split_arguments

__all__ = ["Function", "Libraries", "Library"]

_NAME: Final = re.compile(rb"[A-Za-z0-9_]+")
_BAD_NAME: Final = (
    b"Library names can only contain letters, numbers, or underscores(_) and must be at least one character "
    b"long"
)
_LOAD_TIMEOUT: Final = 0.5  # seconds
# What a library and a function take beside text and names, for INFO (bytes).
_OVERHEAD: Final = 100


class Function:
    """A function of a library."""

    __slots__ = ("action", "description", "flags", "name")

    def __init__(self, name: bytes, action: Any, description: bytes | None, flags: int) -> None:
        self.name = name
        self.action = action
        self.description = description
        self.flags = flags


class Library:
    """A library: its text, and what that registers."""

    __slots__ = ("functions", "name", "source")

    def __init__(self, name: bytes, source: bytes) -> None:
        self.name = name
        self.source = source
        self.functions: dict[bytes, Function] = {}


class Libraries:
    """The libraries of a server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.engine = Engine(server, self._register)
        self.libraries: dict[bytes, Library] = {}
        #: Functions of all of them, by their names in lower case.
        self.functions: dict[bytes, Function] = {}
        #: Those that came with a snapshot and go with the next, where there is no Lua to load them.
        self._unread: list[bytes] = []
        self._loading: Library | None = None

    @property
    def memory(self) -> int:
        """Bytes that texts and names take."""
        return sum(
            len(library.source) + len(library.name) + _OVERHEAD * (1 + len(library.functions))
            for library in self.libraries.values()
        )

    def sources(self) -> list[bytes]:
        """The text of each library."""
        return [library.source for library in self.libraries.values()] + self._unread

    def load(self, source: bytes, replace: bool, in_time: bool = True) -> Library:
        """Add a library.

        :param replace: whether it may take the place of one with the same name.
        :param in_time: whether loading may take half a second at most.
        :raises CommandError: where something is wrong; all is as before then.
        """
        name, text = read_metadata(source)
        old = self.libraries.get(name)
        if old is not None and not replace:
            raise CommandError(b"ERR Library '%b' already exists" % name)
        library = self._prepare(name, source, text, in_time)
        if old is not None:
            self._unlink(old)
        try:
            self._check_names(library)
        except CommandError:
            if old is not None:
                self._link(old)
            raise
        self._link(library)
        return library

    def restore(self, sources: list[bytes], replace: bool, flush: bool = False, in_time: bool = True) -> None:
        """Add many libraries, or none if something is wrong.

        :param flush: whether they take the place of all that there are.
        """
        new: dict[bytes, Library] = {}
        names: set[bytes] = set()
        for source in sources:
            name, text = read_metadata(source)
            if name in new:
                raise CommandError(b"ERR Library '%b' already exists" % name)
            library = new[name] = self._prepare(name, source, text, in_time)
            for function in library.functions:
                if function.lower() in names:
                    raise CommandError(b"ERR Function %b already exists" % function)
                names.add(function.lower())
        old = [library for name, library in self.libraries.items() if flush or name in new]
        if old and not (replace or flush):
            raise CommandError(b"ERR Library %b already exists" % old[0].name)
        for library in old:
            self._unlink(library)
        try:
            for library in new.values():
                self._check_names(library)
        except CommandError:
            for library in old:
                self._link(library)
            raise
        for library in new.values():
            self._link(library)

    def delete(self, name: bytes) -> bool:
        """Remove a library.

        :return: whether it was there.
        """
        library = self.libraries.get(name)
        if library is None:
            return False
        self._unlink(library)
        return True

    def flush(self) -> None:
        """Remove all of them, and the Lua state with them."""
        self.libraries.clear()
        self.functions.clear()
        self._unread.clear()
        self.engine.reset()

    def load_sources(self, sources: list[bytes], replace: bool) -> None:
        """Add libraries that come with a snapshot.

        :raises CommandError: where one of them can't be added.
        """
        if available():
            self.restore(sources, replace, in_time=False)
        else:
            self._unread += [source for source in sources if source not in self._unread]

    # -- within

    def _prepare(self, name: bytes, source: bytes, text: bytes, in_time: bool) -> Library:
        """Run the text of a library."""
        library = self._loading = Library(name, source)
        engine = self.engine
        if in_time:
            engine.deadline = perf_counter() + _LOAD_TIMEOUT
        try:
            engine.interpreter.load_library(text)
        finally:
            self._loading = None
            engine.deadline = None
        if not library.functions:
            raise CommandError(b"ERR No functions registered")
        return library

    def _register(self, name: bytes, action: Any, description: bytes | None, flags: bytes) -> bytes | None:
        """``redis.register_function``: called by Lua, so it answers what is wrong."""
        library = self._loading
        if library is None:
            return b"redis.register_function can only be called on FUNCTION LOAD command"
        flag_bits = 0
        for flag in flags.split(b",") if flags else ():
            bit = FLAG_NAMES.get(flag.lower())
            if bit is None:
                return b"unknown flag given"
            flag_bits |= bit
        if _NAME.fullmatch(name) is None:
            return _BAD_NAME
        if name in library.functions:
            return b"Function already exists in the library"
        library.functions[name] = Function(name, action, description, flag_bits)
        return None

    def _check_names(self, library: Library) -> None:
        for name in library.functions:
            if name.lower() in self.functions:
                raise CommandError(b"ERR Function %b already exists" % name)

    def _link(self, library: Library) -> None:
        self.libraries[library.name] = library
        for function in library.functions.values():
            self.functions[function.name.lower()] = function

    def _unlink(self, library: Library) -> None:
        del self.libraries[library.name]
        for name in library.functions:
            self.functions.pop(name.lower(), None)


def read_metadata(source: bytes) -> tuple[bytes, bytes]:
    """The name in the first line of a library, and the text after the line (with its line end).

    :raises CommandError: where the line is wrong.
    """
    if not source.startswith(b"#!"):
        raise CommandError(b"ERR Missing library metadata")
    end = source.find(b"\n")
    words = split_arguments(source[:end]) if end >= 0 else None
    if not words:
        raise CommandError(b"ERR Invalid library metadata")
    name: bytes | None = None
    for word in words[1:]:
        if word[:5].lower() != b"name=":
            raise CommandError(b"ERR Invalid metadata value given: " + word)
        if name is not None:
            raise CommandError(b"ERR Invalid metadata value, name argument was given multiple times")
        name = word[5:]
    if name is None:
        raise CommandError(b"ERR Library name was not given")
    if _NAME.fullmatch(name) is None:
        raise CommandError(b"ERR " + _BAD_NAME)
    if words[0][2:].lower() != b"lua":
        raise CommandError(b"ERR Engine '%b' not found" % words[0][2:])
    return name, source[end:]
