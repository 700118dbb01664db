"""What rules need to know of the commands: their names, and the categories that they are in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Callable, Final

__all__ = ["CATEGORIES", "Catalogue"]

#: The categories, in the order in which COMMAND and ACL CAT list them.
CATEGORIES: Final = (
    "keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog",
    "geo", "stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction",
    "scripting",
)  # fmt: skip


class Catalogue:
    """The commands of a server, for rules to choose from.

    :param commands: answers the categories of every command and subcommand, by its full name (``config|get``) in
        lower case. It is asked once, and not before a rule names a command: most servers have no such rules.
    """

    def __init__(self, commands: Callable[[], Mapping[bytes, Iterable[str]]]) -> None:
        self._commands = commands
        self._names: set[bytes] = set()
        self._subcommands: dict[bytes, set[bytes]] = {}
        self._by_category: dict[bytes, set[bytes]] = {}

    def _read(self) -> None:
        if self._names:
            return
        self._by_category = {category.encode(): set() for category in CATEGORIES}
        for name, categories in self._commands().items():
            self._names.add(name)
            container, bar, _ = name.partition(b"|")
            if bar:
                self._subcommands.setdefault(container, set()).add(name)
            for category in categories:
                self._by_category[category.encode()].add(name)

    @property
    def names(self) -> set[bytes]:
        """Every full name."""
        self._read()
        return self._names

    def find(self, name: bytes) -> bytes | None:
        """The full name of a command that a rule names, in any case; None if there is none."""
        name = name.lower()
        return name if name in self.names else None

    def is_container(self, full_name: bytes) -> bool:
        """Whether a command is one with subcommands."""
        self._read()
        return full_name in self._subcommands

    def together(self, full_name: bytes) -> set[bytes]:
        """A command and all its subcommands."""
        self._read()
        return self._subcommands.get(full_name, set()) | {full_name}

    def members(self, category: bytes) -> set[bytes] | None:
        """The full names in a category (its name in any case, without the ``@``); None if there is none such."""
        self._read()
        return self._by_category.get(category.lower())
