"""When a fault strikes: which commands, of whom, and how often."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING, Callable, TypedDict, Union

from twisted_resp.acl.catalogue import CATEGORIES
from twisted_resp.server.client import Client
from twisted_resp.testing.calls import Call, categories_of
from twisted_resp.text.glob import compile_glob

if TYPE_CHECKING:
    from twisted_resp.server.statistics import CommandEntry

__all__ = ["Conditions", "Frequency", "Pattern", "Selection", "matcher"]

#: A glob as in Redis (``*``, ``?``, ``[abc]``), or several of which one has to match.
Pattern = Union[str, bytes, "Iterable[str | bytes]"]


class Conditions(TypedDict, total=False):
    """What limits a fault; all that is given has to hold.

    ``keys``: a glob, or several; one of the command's keys matches one of them. ``client``: a glob for the name that
    the client gave itself, or its id. ``address``: a glob for its ``ip:port``. ``user``: a glob. ``library``: a glob
    for the name of its library (CLIENT SETINFO). ``database``: the one that it has selected. ``where``: a function
    that is asked in the server's thread, last of all.

    ``times``: strike so often, then never more. ``skip``: let so many pass first. ``every``: strike each n-th.
    ``probability``: from 0 to 1; the choices are those of the registry's seed, so they repeat.
    """

    keys: Pattern | None
    client: str | bytes | int | None
    address: Pattern | None
    user: Pattern | None
    library: Pattern | None
    database: int | None
    where: Callable[[Call], bool] | None
    times: int | None
    skip: int
    every: int
    probability: float


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

    :param commands: names (``GET``, ``CONFIG SET``, ``config|set``), globs (``H*``), a container (``CONFIG``) for all
        its subcommands, or categories (``@write``). None of them means every command.
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
        self.commands = tuple(map(_command_name, commands))
        self._globs = [compile_glob(name) for name in self.commands if name[:1] != b"@"]
        self._categories = {name[1:].decode() for name in self.commands if name[:1] == b"@"}
        for category in self._categories.difference(CATEGORIES):
            raise ValueError(f"there is no category @{category}")
        self._known: dict[bytes, bool] = {}
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
            (not self.commands or self._names(call.name, call.entry))
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

    def _names(self, name: bytes, entry: CommandEntry | None) -> bool:
        known = self._known.get(name)
        if known is None:
            container = name.partition(b"|")[0]
            known = any(matches(name) or matches(container) for matches in self._globs) or (
                entry is not None and not self._categories.isdisjoint(categories_of(entry))
            )
            if len(self._known) < 1000:  # what clients make up as commands is no reason to grow
                self._known[name] = known
        return known


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


def _command_name(name: str | bytes) -> bytes:
    text = name.encode() if isinstance(name, str) else name
    return b"|".join(text.lower().split())
