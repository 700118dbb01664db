"""How the values of configuration parameters are spelled: each kind reads and prints one sort of value.

The errors are worded as CONFIG SET and redis.conf word them. Kinds know no server and no names.
https://redis.io/docs/latest/operate/oss_and_stack/management/config/
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from twisted_resp.keyspace.events import flags_from_letters, letters_from_flags
from twisted_resp.text.floats import parse_double
from twisted_resp.text.integers import INT64_MAX, parse_integer, parse_octal
from twisted_resp.text.memory_sizes import as_signed, parse_memory_size, parse_memory_size_or_percent

__all__ = [
    "Choice", "Events", "FileName", "Flag", "Hostname", "Kind", "Memory", "Number", "Octal", "OomScores",
    "OutputLimits", "Percentiles", "SavePoints", "Several", "Text", "Words",
]  # fmt: skip

_WRONG_COUNT: Final = "wrong number of arguments"
_STRTOLL: Final = re.compile(rb"[ \t\n\v\f\r]*[+-]?[0-9]+")


class Kind(Protocol):
    """A sort of value."""

    #: Whether redis.conf may give several words; CONFIG SET splits its one argument at blanks.
    many: bool

    def parse(self, words: Sequence[bytes]) -> Any:
        """Read a value.

        :raises ValueError: with the words of Redis.
        """

    def format(self, value: Any) -> bytes:
        """Print a value as CONFIG GET does."""


class Flag:
    """``yes`` or ``no``."""

    many = False

    def parse(self, words: Sequence[bytes]) -> bool:
        """See :meth:`Kind.parse`."""
        word = words[0].lower()
        if word not in (b"yes", b"no"):
            raise ValueError("argument must be 'yes' or 'no'")
        return word == b"yes"

    def format(self, value: bool) -> bytes:
        """See :meth:`Kind.format`."""
        return b"yes" if value else b"no"


class Number:
    """An integer within bounds."""

    many = False

    def __init__(self, low: int, high: int) -> None:
        self._low = low
        self._high = high

    def parse(self, words: Sequence[bytes]) -> int:
        """See :meth:`Kind.parse`."""
        value = parse_integer(words[0])
        if value is None:
            raise ValueError("argument couldn't be parsed into an integer")
        return self._bounded(value)

    def _bounded(self, value: int) -> int:
        if not self._low <= value <= self._high:
            raise ValueError(f"argument must be between {self._low} and {self._high} inclusive")
        return value

    def format(self, value: int) -> bytes:
        """See :meth:`Kind.format`."""
        return b"%d" % value


class Octal(Number):
    """Permissions."""

    def parse(self, words: Sequence[bytes]) -> int:
        """See :meth:`Kind.parse`."""
        value = parse_octal(words[0])
        if value is None:
            raise ValueError("argument couldn't be parsed as an octal number")
        return self._bounded(value)

    def _bounded(self, value: int) -> int:
        if not self._low <= value <= self._high:
            raise ValueError(f"argument must be between {self._low:o} and {self._high:o} inclusive")
        return value

    def format(self, value: int) -> bytes:
        """See :meth:`Kind.format`."""
        return b"%o" % value


class Memory(Number):
    """An amount of memory in bytes, with a unit. Where ``percent``, also a percentage: a negative number."""

    def __init__(self, low: int, high: int, percent: bool = False) -> None:
        super().__init__(low, high)
        self._percent = percent

    def parse(self, words: Sequence[bytes]) -> int:
        """See :meth:`Kind.parse`."""
        if self._percent:
            value = parse_memory_size_or_percent(words[0])
            if value is None:
                raise ValueError("argument must be a memory or percent value")
            if value < self._low:
                raise ValueError(f"percentage argument must be less or equal to {-self._low}")
            return value
        value = parse_memory_size(words[0])
        if value is None:
            raise ValueError("argument must be a memory value")
        return self._bounded(value if self._high > INT64_MAX else as_signed(value))

    def format(self, value: int) -> bytes:
        """See :meth:`Kind.format`."""
        return b"%d%%" % -value if value < 0 else b"%d" % value


class Text:
    """Any string; ``check`` raises ValueError for one that will not do."""

    many = False

    def __init__(self, check: Callable[[bytes], None] | None = None) -> None:
        self._check = check

    def parse(self, words: Sequence[bytes]) -> bytes:
        """See :meth:`Kind.parse`."""
        if self._check is not None:
            self._check(words[0])
        return words[0]

    def format(self, value: bytes) -> bytes:
        """See :meth:`Kind.format`."""
        return value


class FileName(Text):
    """A file's name without a directory; ``name`` is what errors call it."""

    def __init__(self, name: str, what: str = "filename", empty: bool = False) -> None:
        super().__init__(self._check_name)
        self._name = name
        self._what = what
        self._empty = empty

    def _check_name(self, value: bytes) -> None:
        if not value and not self._empty:
            raise ValueError(f"{self._name} can't be empty")
        if b"/" in value or b"\\" in value or (os.sep.encode() in value):
            raise ValueError(f"{self._name} can't be a path, just a {self._what}")


class Hostname(Text):
    """A name that this server announces."""

    def __init__(self) -> None:
        super().__init__(self._check_name)

    @staticmethod
    def _check_name(value: bytes) -> None:
        if len(value) >= 256:
            raise ValueError("Hostnames must be less than 256 characters")
        if not re.fullmatch(rb"[A-Za-z0-9.-]*", value):
            raise ValueError("Hostnames may only contain alphanumeric characters, hyphens or dots")


class Choice:
    """One of some words; ``synonyms`` are others for the same."""

    many = False

    def __init__(self, words: Sequence[bytes], synonyms: Mapping[bytes, bytes] | None = None) -> None:
        self._words = {word: word for word in words}
        self._words.update(synonyms or {})

    def parse(self, words: Sequence[bytes]) -> bytes:
        """See :meth:`Kind.parse`."""
        value = self._words.get(words[0].lower())
        if value is None:
            raise _not_among(self._words)
        return value

    def format(self, value: bytes) -> bytes:
        """See :meth:`Kind.format`."""
        return value


class Several:
    """Several of some words; the first of them means none."""

    many = True

    def __init__(self, words: Sequence[bytes], exclusive: Sequence[bytes], error: str) -> None:
        self._words = tuple(words)
        self._exclusive = frozenset(exclusive)
        self._error = error

    def parse(self, words: Sequence[bytes]) -> bytes:
        """See :meth:`Kind.parse`."""
        chosen = {word.lower() for word in words}
        if not chosen or not chosen.issubset(self._words):
            raise _not_among(self._words)
        if self._exclusive <= chosen:
            raise ValueError(self._error)
        return b" ".join(word for word in self._words[1:] if word in chosen) or self._words[0]

    def format(self, value: bytes) -> bytes:
        """See :meth:`Kind.format`."""
        return value


def _not_among(words: Any) -> ValueError:
    listed = b", ".join(words).decode()
    return ValueError(f"argument(s) must be one of the following: {listed}"[:255])


class Words:
    """A list of words; a single empty one is none."""

    many = True

    def __init__(self, most: int, error: str) -> None:
        self._most = most
        self._error = error

    def parse(self, words: Sequence[bytes]) -> tuple[bytes, ...]:
        """See :meth:`Kind.parse`."""
        if len(words) > self._most:
            raise ValueError(self._error)
        return () if list(words) == [b""] else tuple(words)

    def format(self, value: tuple[bytes, ...]) -> bytes:
        """See :meth:`Kind.format`."""
        return b" ".join(value)


class SavePoints:
    """``save``: pairs of seconds and changes."""

    many = True

    def parse(self, words: Sequence[bytes]) -> tuple[tuple[int, int], ...]:
        """See :meth:`Kind.parse`."""
        if list(words) == [b""]:
            return ()
        numbers = [_as_strtoll(word) for word in words]
        seconds, changes = numbers[::2], numbers[1::2]
        if (
            len(numbers) % 2
            or any(number is None or number < 1 for number in seconds)
            or any(number is None or number < 0 for number in changes)
        ):
            raise ValueError("Invalid save parameters")
        return tuple(zip(seconds, changes))  # type: ignore[arg-type]

    def format(self, value: tuple[tuple[int, int], ...]) -> bytes:
        """See :meth:`Kind.format`."""
        return b" ".join(b"%d %d" % point for point in value)


class OutputLimits:
    """``client-output-buffer-limit``: for each class the hard and the soft limit (bytes) and seconds.

    A value has the classes that were named; CONFIG SET leaves the others as they are.
    """

    many = True
    _classes: Final = {b"normal": "normal", b"slave": "replica", b"replica": "replica", b"pubsub": "pubsub"}

    def parse(self, words: Sequence[bytes]) -> dict[str, tuple[int, int, int]]:
        """See :meth:`Kind.parse`."""
        if len(words) % 4:
            raise ValueError("Wrong number of arguments in buffer limit configuration.")
        limits = {}
        for index in range(0, len(words), 4):
            name = self._classes.get(words[index].lower())
            if name is None:
                raise ValueError("Invalid client class specified in buffer limit configuration.")
            hard, soft = parse_memory_size(words[index + 1]), parse_memory_size(words[index + 2])
            seconds = _as_strtoll(words[index + 3])
            if hard is None or soft is None or seconds is None or seconds < 0:
                raise ValueError("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
            limits[name] = (hard, soft, seconds)
        return limits

    def format(self, value: dict[str, tuple[int, int, int]]) -> bytes:
        """See :meth:`Kind.format`."""
        shown = ((b"normal", "normal"), (b"slave", "replica"), (b"pubsub", "pubsub"))
        return b" ".join(b"%b %d %d %d" % (name, *value[key]) for name, key in shown)


class OomScores:
    """``oom-score-adj-values``: three integers."""

    many = True

    def parse(self, words: Sequence[bytes]) -> tuple[int, ...]:
        """See :meth:`Kind.parse`."""
        if len(words) != 3:
            raise ValueError(_WRONG_COUNT)
        values = [_as_strtoll(word) for word in words]
        if any(value is None or not -2000 <= value <= 2000 for value in values):
            raise ValueError("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
        return tuple(values)  # type: ignore[arg-type]

    def format(self, value: tuple[int, ...]) -> bytes:
        """See :meth:`Kind.format`."""
        return b" ".join(b"%d" % one for one in value)


class Events:
    """``notify-keyspace-events``: letters for groups of events, kept as flags."""

    many = False

    def parse(self, words: Sequence[bytes]) -> int:
        """See :meth:`Kind.parse`."""
        flags = flags_from_letters(words[0].decode("latin-1"))
        if flags is None:
            raise ValueError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        return flags

    def format(self, value: int) -> bytes:
        """See :meth:`Kind.format`."""
        return letters_from_flags(value).encode()


class Percentiles:
    """``latency-tracking-info-percentiles``: numbers from 0 to 100."""

    many = True

    def parse(self, words: Sequence[bytes]) -> tuple[float, ...]:
        """See :meth:`Kind.parse`."""
        if list(words) == [b""]:
            return ()
        values = []
        for word in words:
            value = parse_double(word)
            if value is None:
                raise ValueError("Invalid latency-tracking-info-percentiles parameters")
            if not 0 <= value <= 100:
                raise ValueError(
                    "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
                )
            values.append(value)
        return tuple(values)

    def format(self, value: tuple[float, ...]) -> bytes:
        """See :meth:`Kind.format`."""
        return b" ".join(_trimmed(one) for one in value)


def _trimmed(value: float) -> bytes:
    return (b"%f" % value).rstrip(b"0").rstrip(b".")


def _as_strtoll(word: bytes) -> int | None:
    """Read an integer as C's ``strtoll`` followed by a check that nothing is left: no digits are 0."""
    if not word:
        return 0
    return int(word) if _STRTOLL.fullmatch(word) else None
