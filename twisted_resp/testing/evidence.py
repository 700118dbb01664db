"""Questions and assertions about the commands in a journal, or in a part of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Union

from twisted_resp.in_process import as_argument
from twisted_resp.testing.calls import Commands, matcher
from twisted_resp.testing.entry import JournalEntry, shown
from twisted_resp.testing.recording import save

__all__ = ["Evidence", "ExpectedError"]

#: A client: its id, or a glob for its name or its ``ip:port``.
Who = Union[int, str, None]

# How many entries a failure shows.
_MOST_SHOWN = 10


class ExpectedError(NamedTuple):
    """Errors that are no surprise: whose text a regular expression finds, of some commands."""

    pattern: re.Pattern[str]
    commands: Commands

    def fits(self, entry: JournalEntry) -> bool:
        """Whether an entry has such an error."""
        error = entry.error
        return (
            error is not None
            and self.pattern.search(error) is not None
            and self.commands.include(entry.name.encode(), entry.entry)
        )


class Evidence:
    """What can be asked of entries.

    Where a method takes ``words``, the first says which command, as in
    :class:`~twisted_resp.testing.calls.Commands`: ``"SET"``, ``"CONFIG SET"``, ``"H*"``, ``"@write"``. Alone it means
    any arguments. Else the others have to equal the arguments: bytes, str and numbers as they go over the wire, a
    compiled regular expression where it finds something, ``unittest.mock.ANY`` or any other object by its ``==``;
    ``...`` at the end stands for any number of further arguments.
    """

    def __init__(self) -> None:
        #: The errors that are expected.
        self.expected: list[ExpectedError] = []

    def entries(self) -> list[JournalEntry]:
        """Every entry, also of what libraries say to introduce themselves."""
        raise NotImplementedError

    def __iter__(self) -> Any:
        return iter(self.commands)

    def __len__(self) -> int:
        return len(self.commands)

    def __bool__(self) -> bool:
        return True

    def __str__(self) -> str:
        """All entries, a line each."""
        return "\n".join(map(str, self.entries()))

    # -- questions

    @property
    def commands(self) -> list[JournalEntry]:
        """The commands but for what libraries say to introduce themselves (HELLO, CLIENT SETINFO...)."""
        return [entry for entry in self.entries() if not entry.is_setup]

    @property
    def errors(self) -> list[JournalEntry]:
        """Those that were answered with an error."""
        return [entry for entry in self.entries() if entry.error is not None]

    def commands_of(self, client: int | str) -> list[JournalEntry]:
        """The commands of a client: by its id, or a glob for its name or its ``ip:port``."""
        return [entry for entry in self.commands if _is_of(entry, client)]

    def calls(self, *words: Any, client: Who = None) -> list[JournalEntry]:
        """The entries of a command; see the class for ``words``."""
        commands = Commands(words[:1])
        return [
            entry
            for entry in self.entries()
            if commands.include(entry.name.encode(), entry.entry)
            and _is_of(entry, client)
            and (len(words) < 2 or _fit(words[1:], entry.arguments))
        ]

    def count(self, *words: Any, client: Who = None) -> int:
        """How often a command was called; see the class for ``words``."""
        return len(self.calls(*words, client=client))

    def counts(self, client: Who = None) -> Counter[str]:
        """How often each command was called, by its name in capitals: ``counts()["GET"]``."""
        return Counter(
            entry.name.replace("|", " ").upper() for entry in self.commands if _is_of(entry, client)
        )

    def round_trips(self, client: Who = None) -> int:
        """How often somebody sent commands: those that came together, as a pipeline, count once."""
        return len({(entry.client_id, entry.batch) for entry in self.commands if _is_of(entry, client)})

    def unexpected(self, *allowed: str) -> list[JournalEntry]:
        """The commands that are none of these (names, globs, categories)."""
        commands = Commands(allowed)
        return [
            entry
            for entry in self.commands
            if not allowed or not commands.include(entry.name.encode(), entry.entry)
        ]

    def save(self, path: str | Path) -> int:
        """Write the session to a file, which ``resp-replay`` sends to another server; answers how many commands.

        See :mod:`twisted_resp.testing.recording`.

        :raises OSError: it can't be written.
        """
        return save(self.entries(), path)

    # -- assertions

    def assert_called(self, *words: Any, times: int | None = None, client: Who = None) -> None:
        """Fail unless a command was called (so often); see the class for ``words``."""
        calls = self.calls(*words, client=client)
        if times is None and calls:
            return
        if times is not None and len(calls) == times:
            return
        wanted = "" if times is None else f", not {_so_often(times)}"
        self._fail(f"{_call_text(words)} was called {_so_often(len(calls))}{wanted}{_by(client)}", words)

    def assert_called_once(self, *words: Any, client: Who = None) -> None:
        """Fail unless a command was called exactly once."""
        self.assert_called(*words, times=1, client=client)

    def assert_not_called(self, *words: Any, client: Who = None) -> None:
        """Fail if a command was called."""
        self.assert_called(*words, times=0, client=client)

    def assert_called_in_order(self, *calls: Sequence[Any], client: Who = None) -> None:
        """Fail unless these calls came one after the other; others may have come between them.

        :param calls: each a tuple of ``words``, or the name of a command.
        """
        after = 0
        for place, call in enumerate(calls):
            words = (call,) if isinstance(call, (str, bytes)) else tuple(call)
            found = [entry.number for entry in self.calls(*words, client=client) if entry.number > after]
            if not found:
                behind = f" after {_call_text(calls[place - 1])}" if place else ""
                self._fail(f"{_call_text(words)} was not called{behind}{_by(client)}", words)
            after = found[0]

    def assert_only(self, *allowed: str) -> None:
        """Fail if a command was called that is none of these (names, globs, categories)."""
        surprises = self.unexpected(*allowed)
        if surprises:
            raise AssertionError("\n".join(["these were not to be called:", *_lines(surprises)]))

    def assert_no_errors(self) -> None:
        """Fail if a command was answered with an error that was not expected, nor made by a fault."""
        surprises = self.unexpected_errors()
        if surprises:
            raise AssertionError("\n".join(["these were answered with errors:", *_lines(surprises)]))

    # -- errors

    def expect_error(self, match: str = "", *commands: str) -> None:
        """Take no offence at errors, before or after this, whose text this regular expression finds.

        :param commands: only of these (names, globs, categories).
        """
        self.expected.append(ExpectedError(re.compile(match), Commands(commands)))

    def unexpected_errors(self) -> list[JournalEntry]:
        """The commands that were answered with an error that nobody expects and no fault has made.

        What libraries ask of a server to introduce themselves may fail: they try what newer servers have.
        """
        return [
            entry
            for entry in self.errors
            if not (entry.injected or entry.is_setup)
            and not any(expected.fits(entry) for expected in self.expected)
        ]

    # -- what a failure shows

    def _fail(self, message: str, words: Sequence[Any]) -> None:
        entries = self.entries()
        similar = self.calls(*words[:1])
        lines = [message]
        if len(words) > 1 and similar:
            lines += [f"calls of {_call_text(words[:1])}:", *_lines(similar)]
        else:
            commands = [entry for entry in entries if not entry.is_setup]
            lines += (
                ["the last commands:", *_lines(commands[-_MOST_SHOWN:])] if commands else ["no command came"]
            )
        raise AssertionError("\n".join(lines))


def _fit(expected: Sequence[Any], arguments: Sequence[bytes]) -> bool:
    if expected and expected[-1] is ...:
        expected = expected[:-1]
        arguments = arguments[: len(expected)]
    return len(expected) == len(arguments) and all(map(_equals, expected, arguments))


def _equals(expected: Any, argument: bytes) -> bool:
    if isinstance(expected, re.Pattern):
        text = (
            argument if isinstance(expected.pattern, bytes) else argument.decode("utf-8", "backslashreplace")
        )
        return expected.search(text) is not None
    try:
        return as_argument(expected) == argument
    except TypeError:
        return bool(expected == argument)


def _is_of(entry: JournalEntry, client: Who) -> bool:
    if client is None:
        return True
    if isinstance(client, int):
        return entry.client_id == client
    matches = matcher(client)
    assert matches is not None
    return matches(entry.client_name.encode()) or matches(entry.address.encode())


def _call_text(words: Any) -> str:
    if isinstance(words, (str, bytes)):
        words = (words,)
    name, *arguments = words
    name = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else str(name)
    return " ".join([name.upper(), *map(_word_text, arguments)])


def _word_text(word: Any) -> str:
    if word is ...:
        return "..."
    try:
        return shown(as_argument(word))
    except TypeError:
        return repr(word)


def _so_often(times: int) -> str:
    return {0: "not at all", 1: "once"}.get(times, f"{times} times")


def _by(client: Who) -> str:
    return "" if client is None else f" by client {client}"


def _lines(entries: Iterable[JournalEntry]) -> list[str]:
    entries = list(entries)
    lines = [f"  {entry}" for entry in islice(entries, _MOST_SHOWN)]
    if len(entries) > _MOST_SHOWN:
        lines.append(f"  and {len(entries) - _MOST_SHOWN} more")
    return lines
