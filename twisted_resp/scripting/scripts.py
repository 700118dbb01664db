"""The cache of scripts: EVAL and SCRIPT LOAD fill it, EVALSHA looks there.

Those that came by EVAL are kept as long as they are among the last 500 used; those that were loaded, until SCRIPT
FLUSH.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Any

from twisted_resp.resp import Reply
from twisted_resp.scripting.engine import Engine
from twisted_resp.scripting.flags import read_shebang
from twisted_resp.server.client import Client
from twisted_resp.server.server import Server

__all__ = ["Script", "Scripts"]

_MOST_EVALUATED = 500
# What a script takes beside its text, for INFO (bytes).
_OVERHEAD = 150


class Script:
    """A compiled script.

    :ivar evictable: whether it came by EVAL.
    """

    __slots__ = ("action", "evictable", "flags", "sha", "source")

    def __init__(self, sha: bytes, source: bytes, flags: int, action: Any, evictable: bool) -> None:
        self.sha = sha
        self.source = source
        self.flags = flags
        self.action = action
        self.evictable = evictable


class Scripts:
    """The scripts of a server, by digest and by text."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.engine = Engine(server)
        self._by_sha: dict[bytes, Script] = {}
        #: Another number whenever there are other scripts.
        self.revision = 0
        self._by_source: dict[bytes, Script] = {}
        #: Those that may go, the longest unused first.
        self._evictable: dict[bytes, Script] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._by_sha)

    @property
    def memory(self) -> int:
        """Bytes that the texts take."""
        return self._size

    def find(self, sha: bytes) -> Script | None:
        """The script with a digest, in lower case."""
        return self._by_sha.get(sha)

    def with_source(self, source: bytes) -> Script | None:
        """The script with a text, if it is here."""
        return self._by_source.get(source)

    def add(self, source: bytes, evictable: bool) -> Script:
        """Compile a script, unless it is here.

        :raises CommandError: where that can't be done.
        """
        script = self._by_source.get(source)
        if script is not None:
            return script
        flags, text = read_shebang(source)
        action = self.engine.interpreter.compile(text)
        script = Script(sha1(source).hexdigest().encode(), source, flags, action, evictable)
        if evictable:
            while len(self._evictable) >= _MOST_EVALUATED:
                self._remove(next(iter(self._evictable.values())))
                self._server.statistics.evicted_scripts += 1
            self._evictable[script.sha] = script
        self._by_sha[script.sha] = self._by_source[source] = script
        self.revision += 1
        self._size += len(source) + _OVERHEAD
        return script

    def run(
        self, client: Client, script: Script, keys: int, args: tuple[bytes, ...], read_only: bool
    ) -> Reply:
        """Run a script for a client.

        :param keys: how many of ``args`` are its keys.
        :param read_only: whether it may not write.
        :raises CommandError: where it may not run, or fails.
        """
        engine = self.engine
        running = engine.begin(client, script.sha, script.flags, read_only, False)
        if not script.evictable:
            return engine.run(running, script.action, keys, args)
        try:
            return engine.run(running, script.action, keys, args)
        finally:
            # It is the last to go now.
            if self._evictable.pop(script.sha, None) is not None:
                self._evictable[script.sha] = script

    def texts(self) -> dict[bytes, bool]:
        """The texts of all scripts, each with whether it may go."""
        return {script.source: script.evictable for script in self._by_sha.values()}

    def restore(self, texts: dict[bytes, bool]) -> None:
        """Have these scripts and no others.

        :param texts: from :meth:`texts`.
        """
        for script in list(self._by_sha.values()):
            if texts.get(script.source) is not script.evictable:
                self._remove(script)
        for source, evictable in texts.items():
            self.add(source, evictable)

    def flush(self) -> None:
        """Forget all scripts, and the Lua state with them."""
        self._by_sha.clear()
        self.revision += 1
        self._by_source.clear()
        self._evictable.clear()
        self._size = 0
        self.engine.reset()

    def _remove(self, script: Script) -> None:
        del self._by_sha[script.sha], self._by_source[script.source]
        self.revision += 1
        self._evictable.pop(script.sha, None)
        self._size -= len(script.source) + _OVERHEAD
