"""One command that a client has sent, and what can be asked of it: for rules, the journal and its findings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable, Union

from twisted_resp.acl.catalogue import CATEGORIES
from twisted_resp.commands.documentation import acl_categories, keys_of
from twisted_resp.commands.table import Command
from twisted_resp.server.client import Client
from twisted_resp.server.server import Server
from twisted_resp.server.statistics import CommandEntry
from twisted_resp.text.glob import compile_glob

__all__ = ["Call", "Commands", "Pattern", "entry_of", "matcher"]


class Call:
    """A command on its way.

    :ivar client: who sent it. Of a command inside a script, who called the script.
    :ivar args: all its words.
    :ivar entry: the command; None for one that does not exist.
    :ivar name: ``get``, ``client|list``; of an unknown command what was sent for it, in lower case.
    """

    __slots__ = ("_keys", "args", "client", "entry", "name")

    def __init__(self, client: Client, args: list[bytes], entry: CommandEntry | None = None) -> None:
        self.client = client
        self.args = args
        self.entry = entry_of(client.server, args) if entry is None else entry
        self.name: bytes = _unknown_name(client.server, args) if self.entry is None else self.entry.full_name
        self._keys: list[bytes] | None = None

    def __repr__(self) -> str:
        words = b" ".join(self.args[:8]).decode("utf-8", "backslashreplace")
        return f"<Call {words} of {self.client!r}>"

    @property
    def keys(self) -> list[bytes]:
        """The keys that it names."""
        if self._keys is None:
            entry = self.entry
            fits = entry is not None and entry.takes(len(self.args))
            self._keys = [found.key for found in keys_of(entry.command, self.args)] if fits else []  # type: ignore[union-attr]
        return self._keys

    @property
    def flags(self) -> int:
        """The command's flags, as :mod:`twisted_resp.commands.table` has them; 0 for an unknown one."""
        entry = self.entry
        if entry is None:
            return 0
        return entry.flags if entry.refine is None else entry.refine(self.args)


def entry_of(server: Server, args: list[bytes]) -> CommandEntry | None:
    """The command, or subcommand, that some words call; None where there is none."""
    entry = server.commands.get(args[0]) or server.commands.get(args[0].lower())
    if entry is not None and entry.subcommands is not None and len(args) > 1:
        return entry.subcommands.get(args[1]) or entry.subcommands.get(args[1].lower())
    return entry


def _unknown_name(server: Server, args: list[bytes]) -> bytes:
    name = args[0].lower()
    container = server.commands.get(name)
    if container is not None and container.subcommands is not None and len(args) > 1:
        return b"%b|%b" % (name, args[1].lower())
    return name


class Commands:
    """Some commands, by name.

    :param names: names (``GET``, ``CONFIG SET``, ``config|set``), globs (``H*``), a container (``CONFIG``) for all its
        subcommands, or categories (``@write``). None at all means every command.
    :raises ValueError: there is no such category.
    """

    def __init__(self, names: Iterable[str | bytes] = ()) -> None:
        self._names = tuple(map(_name, names))
        self._globs = [compile_glob(name) for name in self._names if name[:1] != b"@"]
        self._categories = {name[1:].decode() for name in self._names if name[:1] == b"@"}
        for category in self._categories.difference(CATEGORIES):
            raise ValueError(f"there is no category @{category}")
        self._known: dict[bytes, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._names)

    def __str__(self) -> str:
        """The names as they are typed, ``any command`` for all."""
        text = b", ".join(self._names).replace(b"|", b" ").upper().decode("utf-8", "replace")
        return text or "any command"

    def include(self, name: bytes, entry: CommandEntry | Command | None) -> bool:
        """Whether a command is one of them.

        :param name: ``get``, ``config|set``; of an unknown command what was sent, in lower case.
        :param entry: the command: a server's entry of it, or its declaration; None for an unknown one.
        """
        if not self._names:
            return True
        known = self._known.get(name)
        if known is None:
            container = name.partition(b"|")[0]
            known = any(matches(name) or matches(container) for matches in self._globs)
            if not known and entry is not None:
                command = entry if isinstance(entry, Command) else entry.command
                known = not self._categories.isdisjoint(acl_categories(command))
            if len(self._known) < 1000:  # what clients make up as commands is no reason to grow
                self._known[name] = known
        return known


#: A glob as in Redis (``*``, ``?``, ``[abc]``), or several of which one has to match.
Pattern = Union[str, bytes, "Iterable[str | bytes]"]


def matcher(pattern: Pattern | None) -> Callable[[bytes], bool] | None:
    """What says whether a text matches one of the globs; None for no pattern."""
    if pattern is None:
        return None
    globs = [pattern] if isinstance(pattern, (str, bytes)) else list(pattern)
    texts = [glob.encode() if isinstance(glob, str) else glob for glob in globs]
    if b"*" in texts:  # which a glob of Redis' does not let match the empty text
        return lambda text: True
    if len(texts) == 1:
        return compile_glob(texts[0])
    matchers = [compile_glob(text) for text in texts]
    return lambda text: any(matches(text) for matches in matchers)


def _name(name: str | bytes) -> bytes:
    text = name.encode() if isinstance(name, str) else name
    return b"|".join(text.lower().split())
