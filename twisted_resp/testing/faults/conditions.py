"""When a fault strikes: which commands, of whom, and how often."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from random import Random
from typing import Callable, Final, TypedDict

from twisted_resp.commands import load_all
from twisted_resp.commands.table import all_commands
from twisted_resp.server.client import Client
from twisted_resp.testing.calls import Call, Commands, Pattern, matcher

# What makes a name a glob, or a category.
_PATTERN: Final = frozenset("*?[\\@")

__all__ = ["ClientConditions", "Conditions", "Frequency", "Selection"]


class ClientConditions(TypedDict, total=False):
    """What limits a fault of connections; all that is given has to hold.

    ``client``: a glob for the name that the client gave itself, or its id. ``address``: a glob for its ``ip:port``.
    ``user``: a glob. ``library``: a glob for the name of its library (CLIENT SETINFO). ``database``: the one that it
    has selected.

    ``times``: strike so often, then never more. ``skip``: let so many pass first. ``every``: strike each n-th.
    ``probability``: from 0 to 1; the choices are those of the registry's seed, so they repeat.
    """

    client: str | bytes | int | None
    address: Pattern | None
    user: Pattern | None
    library: Pattern | None
    database: int | None
    times: int | None
    skip: int
    every: int
    probability: float


class Conditions(ClientConditions, total=False):
    """What limits a fault of commands: :class:`ClientConditions`, and what the command says.

    ``keys``: a glob, or several; one of the command's keys matches one of them. ``where``: a function of the call that
    is asked in the server's thread, last of all.
    """

    keys: Pattern | None
    where: Callable[[Call], bool] | None


class Frequency:
    """How often something strikes of all the times that it could.

    :ivar seen: how often it could have.
    :ivar hits: how often it did.
    """

    def __init__(
        self,
        random: Random,
        times: int | None = None,
        skip: int = 0,
        every: int = 1,
        probability: float = 1.0,
    ) -> None:
        if every < 1:
            raise ValueError("every is at least 1")
        if not 0 <= probability <= 1:
            raise ValueError("a probability is between 0 and 1")
        self._random = random
        self._times = times
        self._skip = skip
        self._every = every
        self._probability = probability
        self.seen = 0
        self.hits = 0

    def strikes(self) -> bool:
        """Whether this time is one of them."""
        self.seen += 1
        if self._times is not None and self.hits >= self._times:
            return False
        if self.seen <= self._skip or (self.seen - self._skip) % self._every:
            return False
        if self._probability < 1 and self._random.random() >= self._probability:
            return False
        self.hits += 1
        return True


class Selection:
    """Which commands, of which clients.

    :param commands: see :class:`~twisted_resp.testing.calls.Commands`; the other conditions are :class:`Conditions`.
    :raises ValueError: there is no such command. Those of modules (``JSON.GET``) are not known here, and are taken.
    """

    def __init__(
        self,
        commands: Iterable[str | bytes] = (),
        keys: Pattern | None = None,
        client: str | bytes | int | None = None,
        address: Pattern | None = None,
        user: Pattern | None = None,
        library: Pattern | None = None,
        database: int | None = None,
        where: Callable[[Call], bool] | None = None,
    ) -> None:
        self.commands = Commands(commands)
        _check(commands)
        self._key_matches = matcher(keys)
        self._id = client if isinstance(client, int) else None
        self._name_matches = None if isinstance(client, int) else matcher(client)
        self._address_matches = matcher(address)
        self._user_matches = matcher(user)
        self._library_matches = matcher(library)
        self._database = database
        self._where = where

    def includes(self, call: Call) -> bool:
        """Whether this call is meant."""
        return (
            self.commands.include(call.name, call.entry)
            and self.includes_client(call.client)
            and (self._key_matches is None or any(map(self._key_matches, call.keys)))
            and (self._where is None or self._where(call))
        )

    def includes_client(self, client: Client) -> bool:
        """Whether this client is meant."""
        return (
            (self._id is None or client.id == self._id)
            and (self._name_matches is None or self._name_matches(client.name))
            and (self._address_matches is None or self._address_matches(client.address))
            and (self._user_matches is None or self._user_matches(client.user.name))
            and (self._library_matches is None or self._library_matches(client.lib_name))
            and (self._database is None or client.db.index == self._database)
        )


def _check(commands: Iterable[str | bytes]) -> None:
    """Find names that nothing is called by: a fault that never strikes lets a test pass for no reason."""
    load_all()
    known = all_commands()
    for given in commands:
        name, *rest = (
            (given.decode() if isinstance(given, bytes) else given).lower().replace("|", " ").split()
        )
        if _PATTERN.intersection("".join([name, *rest])) or "." in name:
            continue
        command = known.get(name.encode())
        if command is None or (rest and rest[0].encode() not in command.subcommands):
            near = get_close_matches(name, [one.decode() for one in known])
            hint = f"; is it {' or '.join(near).upper()}?" if near and command is None else ""
            raise ValueError(f"there is no command {' '.join([name, *rest]).upper()}{hint}")
