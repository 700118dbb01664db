"""Strict mode: what a test did not look for but should not have happened.

:class:`Strict` looks at the journal, and at what is left in the server, when a test ends. Each rule can be switched;
those that fit any code are on by default.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted_resp.testing.calls import matcher
from twisted_resp.testing.entry import JournalEntry

if TYPE_CHECKING:
    from twisted_resp.server.client import Client
    from twisted_resp.testing.journal import Journal

__all__ = ["Finding", "Rules", "Strict"]

# How long a connection that is being closed may take (seconds).
_PATIENCE = 1.0
# Commands that answer a whole collection, or a part as large as they are asked for.
_WHOLE = frozenset(
    ("smembers", "hgetall", "hkeys", "hvals", "lrange", "zrange", "zrangebyscore", "zrangebylex", "zrevrange",
     "zrevrangebyscore", "zrevrangebylex", "sort", "sort_ro", "sinter", "sunion", "sdiff", "zinter", "zunion", "zdiff",
     "xrange", "xrevrange")
)  # fmt: skip
_BEGIN = {"watch": "WATCH", "multi": "MULTI"}
_END = frozenset(("exec", "discard", "unwatch", "reset", "quit"))
_YES = frozenset(("1", "yes", "true", "on"))
_NO = frozenset(("0", "no", "false", "off"))


class Finding(NamedTuple):
    """Something that strict mode objects to.

    :ivar rule: the rule's name.
    :ivar text: what happened, in a sentence.
    :ivar entry: the command, where it is one.
    """

    rule: str
    text: str
    entry: JournalEntry | None = None

    def __str__(self) -> str:
        where = "" if self.entry is None else f"\n    {self.entry}"
        return f"{self.text} [{self.rule}]{where}"


@dataclass(frozen=True)
class Rules:
    """Which rules there are; None or False switches one off.

    :ivar unknown_commands: commands that do not exist.
    :ivar wrong_arity: commands with too few or too many arguments.
    :ivar deprecated: commands that Redis's documentation calls deprecated.
    :ivar errors: error replies that neither a fault has made nor ``journal.expect_error()`` expects.
    :ivar large: a collection with more elements that is read as a whole (SMEMBERS, HGETALL, LRANGE...), or KEYS,
        FLUSHDB or FLUSHALL with more keys.
    :ivar unfinished: WATCH or MULTI with no EXEC, DISCARD or UNWATCH.
    :ivar subscriptions: connections that are still subscribed.
    :ivar connections: connections that were made and are still open.
    :ivar persistent_keys: new keys without a time to live. Globs say which are meant to be so.
    :ivar repeated: the same command so often in a row, each in a round trip of its own (N+1).
    """

    unknown_commands: bool = True
    wrong_arity: bool = True
    deprecated: bool = True
    errors: bool = True
    large: int | None = 1000
    unfinished: bool = True
    subscriptions: bool = True
    connections: bool = False
    persistent_keys: bool | Sequence[str] = False
    repeated: int | None = None

    @classmethod
    def parse(cls, words: Iterable[str]) -> Rules:
        """Read rules as a configuration file has them.

        ``yes`` for the usual ones; ``name`` or ``-name`` to switch one; ``large=5000``;
        ``persistent_keys=config:*,lock:*``.

        :raises ValueError: there is no such rule, or its value makes no sense.
        """
        rules = cls()
        for word in words:
            name, _, value = word.partition("=")
            name = name.strip().replace("-", "_")
            if not value and name.lower() in _YES:
                continue
            if name.startswith("_"):
                name, value = name[1:], "no"
            rules = rules.with_rules(**{name: _value(name, value.strip())})
        return rules

    def with_rules(self, **rules: Any) -> Rules:
        """The same but for these.

        :raises ValueError: there is no such rule.
        """
        for name in rules.keys() - {field.name for field in fields(self)}:
            known = ", ".join(field.name for field in fields(self))
            raise ValueError(f"there is no rule {name!r}, but {known}")
        return replace(self, **rules)


def _value(name: str, text: str) -> Any:
    if text.lower() in _NO:
        return None if name in ("large", "repeated") else False
    if name in ("large", "repeated"):
        if text.isdigit():
            return int(text)
        if text:
            raise ValueError(f"{name} is a number, not {text!r}")
        return 1000 if name == "large" else 10
    if name == "persistent_keys" and text.lower() not in _YES and text:
        return [glob.strip() for glob in text.split(",")]
    return True


class Strict:
    """Looks at what happens from now on, and says what is wrong with it.

    >>> with Strict(server.journal, large=100):
    ...     handle(request)

    At the end of ``with`` it raises an AssertionError that tells of all findings; :meth:`findings` answers them.

    :param journal: of the server.
    :param rules: a :class:`Rules`, and single rules by keyword.
    :raises ValueError: there is no such rule.
    """

    def __init__(self, journal: Journal, rules: Rules | None = None, **changes: Any) -> None:
        self.rules = (rules or Rules()).with_rules(**changes)
        self._journal = journal
        self._section = journal.section()
        self._clients: set[int] = journal.run(lambda: set(journal.server.clients))
        self._keys: set[tuple[int, bytes]] = set()
        if self.rules.persistent_keys:
            self._keys = journal.run(lambda: set(self._without_ttl()))

    def __enter__(self) -> Strict:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        if kind is None:
            self.check()

    def check(self) -> None:
        """Raise an AssertionError that tells of all findings, if there are any."""
        findings = self.findings()
        if findings:
            raise AssertionError(
                "\n".join(["strict mode objects:", *(f"  {finding}" for finding in findings)])
            )

    def findings(self) -> list[Finding]:
        """What is wrong so far. Connections that are being closed are waited for."""
        found = list(self._of_commands(self._section.commands))
        until = time.monotonic() + _PATIENCE
        while True:
            left: list[Finding] = self._journal.run(lambda: list(self._of_clients()))
            if not left or time.monotonic() > until or not self._can_wait:
                break
            time.sleep(0.005)
        keys: list[Finding] = self._journal.run(lambda: list(self._of_keys()))
        return found + left + keys

    @property
    def _can_wait(self) -> bool:
        """Whether this is not the server's own thread, which would wait for itself."""
        return self._journal.in_other_thread

    # -- commands

    def _of_commands(self, commands: list[JournalEntry]) -> Iterator[Finding]:
        rules = self.rules
        surprising = {entry.number for entry in self._unexpected_errors()}
        deprecated: set[str] = set()
        for entry in commands:
            words = entry.name.replace("|", " ").upper()
            if entry.entry is None:
                if entry.number in surprising and rules.unknown_commands:
                    yield Finding("unknown_commands", f"there is no command {words}", entry)
                continue
            if not entry.entry.takes(len(entry.args)):
                if entry.number in surprising and rules.wrong_arity:
                    yield Finding("wrong_arity", f"{words} had a wrong number of arguments", entry)
                continue
            if rules.errors and entry.number in surprising:
                yield Finding("errors", f"{words} was answered with an error", entry)
            since = entry.entry.command.deprecated
            if rules.deprecated and since and words not in deprecated:
                deprecated.add(words)
                advice = entry.entry.command.replaced_by.replace("`!", "`")
                yield Finding(
                    "deprecated",
                    f"{words} is deprecated since {since}" + (f": {advice}" if advice else ""),
                    entry,
                )
            if rules.large is not None and (size := _size(entry)) > rules.large:
                yield Finding("large", f"{words} took {size} elements at once", entry)
        if rules.unfinished:
            yield from _unfinished(commands)
        if rules.repeated is not None:
            yield from _repeated(commands, rules.repeated)

    def _unexpected_errors(self) -> list[JournalEntry]:
        expected = self._journal.expected
        return [
            entry
            for entry in self._section.unexpected_errors()
            if not any(error.fits(entry) for error in expected)
        ]

    # -- what is left

    def _of_clients(self) -> Iterator[Finding]:
        for client in self._journal.server.clients.values():
            if self.rules.subscriptions and client.subscriptions:
                yield Finding("subscriptions", f"{_named(client)} is still subscribed")
            elif self.rules.connections and client.id not in self._clients:
                yield Finding("connections", f"{_named(client)} is still connected")

    def _of_keys(self) -> Iterator[Finding]:
        allowed = self.rules.persistent_keys
        if not allowed:
            return
        matches = matcher(None if allowed is True else allowed)
        for database, key in self._without_ttl():
            if (database, key) not in self._keys and (matches is None or not matches(key)):
                name = key.decode("utf-8", "backslashreplace")
                yield Finding(
                    "persistent_keys", f"the key {name!r} of database {database} has no time to live"
                )

    def _without_ttl(self) -> Iterator[tuple[int, bytes]]:
        for database in self._journal.server.keyspace.databases:
            for key in database.values:
                if key not in database.expires:
                    yield database.index, key


def _size(entry: JournalEntry) -> int:
    """How many elements a command has read, or deleted, as a whole."""
    if entry.keys_there is not None:
        return entry.keys_there
    if entry.name not in _WHOLE or entry.wire is None or entry.wire[:1] not in b"*%~":
        return 0
    return int(entry.wire[1 : entry.wire.index(b"\r\n")])


def _unfinished(commands: list[JournalEntry]) -> Iterator[Finding]:
    begun: dict[int, JournalEntry] = {}
    for entry in commands:
        if entry.error is None and entry.name in _BEGIN:
            begun[entry.client_id] = entry
        elif entry.name in _END:
            begun.pop(entry.client_id, None)
    for entry in begun.values():
        ends = "EXEC, DISCARD or UNWATCH" if entry.name == "watch" else "EXEC or DISCARD"
        yield Finding("unfinished", f"{_BEGIN[entry.name]} without {ends}", entry)


def _repeated(commands: list[JournalEntry], most: int) -> Iterator[Finding]:
    by_client: dict[int, list[JournalEntry]] = {}
    for entry in commands:
        by_client.setdefault(entry.client_id, []).append(entry)
    for entries in by_client.values():
        for name, run in groupby(entries, lambda entry: entry.name):
            group = list(run)
            trips = len({entry.batch for entry in group})
            if trips > most:
                words = name.replace("|", " ").upper()
                yield Finding(
                    "repeated",
                    f"{words} made {trips} round trips in a row, where a pipeline makes one",
                    group[0],
                )


def _named(client: Client) -> str:
    name = client.name.decode("utf-8", "backslashreplace") or client.address.decode(
        "utf-8", "backslashreplace"
    )
    return f"client {client.id} ({name})"
