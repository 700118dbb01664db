"""One command that a client has sent, and what can be asked of it: for rules, the journal and its findings."""

from __future__ import annotations

from twisted_resp.commands.documentation import acl_categories, keys_of
from twisted_resp.commands.table import Command
from twisted_resp.server.client import Client
from twisted_resp.server.server import Server
from twisted_resp.server.statistics import CommandEntry

__all__ = ["Call", "categories_of", "entry_of"]


class Call:
    """A command on its way.

    :ivar client: who sent it. Of a command inside a script, who called the script.
    :ivar args: all its words.
    :ivar entry: the command; None for one that does not exist.
    :ivar name: ``get``, ``client|list``; of an unknown command its first word, in lower case.
    """

    __slots__ = ("_keys", "args", "client", "entry", "name")

    def __init__(self, client: Client, args: list[bytes], entry: CommandEntry | None = None) -> None:
        self.client = client
        self.args = args
        self.entry = entry_of(client.server, args) if entry is None else entry
        self.name: bytes = args[0].lower() if self.entry is None else self.entry.full_name
        self._keys: list[bytes] | None = None

    def __repr__(self) -> str:
        words = b" ".join(self.args[:8]).decode("utf-8", "backslashreplace")
        return f"<Call {words} of {self.client!r}>"

    @property
    def keys(self) -> list[bytes]:
        """The keys that it names."""
        if self._keys is None:
            entry = self.entry
            fits = entry is not None and entry.least <= len(self.args) <= entry.most
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


def categories_of(entry: CommandEntry) -> tuple[str, ...]:
    """The ACL categories of a command, without the ``@``."""
    command: Command = entry.command
    return acl_categories(command)
