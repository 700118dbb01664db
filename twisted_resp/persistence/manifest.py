"""The manifest of a multi-part append-only file: which files make it up, and in which order.

One line a file: ``file appendonly.aof.1.base.rdb seq 1 type b``. There is at most one base (``b``), which is loaded
first; then the increments (``i``) in the order of their numbers. What a rewrite has replaced is history (``h``) until
it is deleted. The manifest is written beside the one that is there and then put in its place, so that at any time a
whole one says what to load.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final, NamedTuple

from twisted_resp.persistence.files import sync_directory
from twisted_resp.text.command_line import quote, split_arguments

__all__ = ["Manifest", "ManifestError", "Part"]

_BASE: Final = b"b"
_HISTORY: Final = b"h"
_INCREMENT: Final = b"i"
_LONGEST_LINE: Final = 1024
_NEEDS_QUOTES: Final = frozenset(b" \\\"'\t\r\n") | frozenset(range(32)) | frozenset(range(127, 256))


class ManifestError(ValueError):
    """A manifest that makes no sense; the message says where."""


class Part(NamedTuple):
    """A file of the append-only file, by name and number."""

    name: bytes
    number: int


class Manifest:
    """The files that make up an append-only file.

    :param directory: where they are.
    :param name: what their names begin with (``appendfilename``).
    :ivar base: the file that is loaded first, if there is one.
    :ivar increments: those that follow.
    :ivar history: those that are not needed any more.
    """

    def __init__(self, directory: bytes, name: bytes) -> None:
        self.directory = directory
        self.name = name
        self.base: Part | None = None
        self.increments: list[Part] = []
        self.history: list[Part] = []
        self._last_base = 0
        self._last_increment = 0

    @property
    def path(self) -> bytes:
        """Where the manifest is."""
        return os.path.join(self.directory, self.name + b".manifest")

    def path_of(self, part: Part) -> bytes:
        """Where a file is."""
        return os.path.join(self.directory, part.name)

    @property
    def parts(self) -> list[Part]:
        """What is to be loaded, in order."""
        return ([] if self.base is None else [self.base]) + self.increments

    # -- on disk

    @classmethod
    def load(cls, directory: bytes, name: bytes) -> Manifest | None:
        """Read the manifest; None if there is none.

        :raises OSError: it can't be read.
        :raises ManifestError: it makes no sense.
        """
        manifest = cls(directory, name)
        try:
            with open(manifest.path, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return None
        manifest._parse(data)
        return manifest

    def _parse(self, data: bytes) -> None:
        if not data:
            raise ManifestError("Found an empty AOF manifest file")
        *lines, rest = data.split(b"\n")
        for number, line in enumerate(lines, 1):
            if line.startswith(b"#"):
                continue
            try:
                self._parse_line(line)
            except ManifestError as error:
                raise ManifestError(
                    f"Reading the manifest file, at line {number}: '{line.decode('utf-8', 'replace')}': {error}"
                ) from None
        if rest:
            # As in Redis: a number may be cut off, and would name another file then.
            raise ManifestError(
                f"Reading the manifest file: the last line '{rest.decode('utf-8', 'replace')}' does not end"
            )

    def _parse_line(self, line: bytes) -> None:
        if len(line) > _LONGEST_LINE:
            raise ManifestError("The AOF manifest file contains too long line")
        words = split_arguments(line.strip())
        if words is None or len(words) < 6 or len(words) % 2:
            raise ManifestError("Invalid AOF manifest file format")
        fields = {name.lower(): value for name, value in zip(words[::2], words[1::2])}
        name, number, kind = fields.get(b"file", b""), fields.get(b"seq", b""), fields.get(b"type", b"")
        if not name or not number.isdigit() or not int(number) or not kind:
            raise ManifestError("Invalid AOF manifest file format")
        if os.path.basename(name) != name:
            raise ManifestError("File can't be a path, just a filename")
        part = Part(name, int(number))
        if kind == _BASE:
            if self.base is not None:
                raise ManifestError("Found duplicate base file information")
            self.base = part
            self._last_base = part.number
        elif kind == _HISTORY:
            self.history.append(part)
        elif kind == _INCREMENT:
            if part.number <= self._last_increment:
                raise ManifestError("Found a non-monotonic sequence number")
            self.increments.append(part)
            self._last_increment = part.number
        else:
            raise ManifestError("Unknown AOF file type")

    def size_of(self, part: Part) -> int:
        """The bytes of a file; 0 where it can't be found."""
        try:
            return os.path.getsize(self.path_of(part))
        except OSError:
            return 0

    def save(self) -> None:
        """Put this in the place of the manifest that is there.

        :raises OSError: it could not be written; what was there before still is.
        """
        lines = [_line(part, _BASE) for part in (self.base,) if part is not None]
        lines += [_line(part, _HISTORY) for part in self.history]
        lines += [_line(part, _INCREMENT) for part in self.increments]
        temporary = os.path.join(self.directory, b"temp-" + self.name + b".manifest")
        try:
            with open(temporary, "wb") as file:
                file.write(b"".join(lines))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
            sync_directory(self.directory)
        except OSError:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    # -- changes, which nobody knows of before they are saved

    def copy(self) -> Manifest:
        """Another one with the same files, to be changed and saved."""
        other = Manifest(self.directory, self.name)
        other.base = self.base
        other.increments = list(self.increments)
        other.history = list(self.history)
        other._last_base, other._last_increment = self._last_base, self._last_increment
        return other

    def next_increment(self) -> Part:
        """The name of the next increment; see :meth:`add_increment`."""
        number = self._last_increment + 1
        return Part(b"%b.%d.incr.aof" % (self.name, number), number)

    def add_increment(self, part: Part) -> None:
        """Let an increment follow those that are there."""
        self.increments.append(part)
        self._last_increment = part.number

    def next_base(self, as_rdb: bool) -> Part:
        """The name of the next base; see :meth:`replace_base`."""
        number = self._last_base + 1
        return Part(b"%b.%d.base.%b" % (self.name, number, b"rdb" if as_rdb else b"aof"), number)

    def replace_base(self, part: Part, since: int) -> None:
        """Let a base take the place of the one that is there, and of the increments before the number ``since``."""
        if self.base is not None:
            self.history.insert(0, self.base)
        self.base = part
        self._last_base = part.number
        for old in self.increments:
            if old.number < since:
                self.history.insert(0, old)
        self.increments = [new for new in self.increments if new.number >= since]

    def use_as_base(self, name: bytes) -> None:
        """Let a file that has its name already be the base: one of a time when there were no parts."""
        self.base = Part(name, 1)
        self._last_base = 1

    def delete_history(self) -> None:
        """Delete the files that are not needed any more.

        :raises OSError: the manifest could not be written.
        """
        if not self.history:
            return
        for part in self.history:
            with suppress(OSError):
                os.unlink(self.path_of(part))
        self.history = []
        self.save()


def _line(part: Part, kind: bytes) -> bytes:
    name = part.name if _NEEDS_QUOTES.isdisjoint(part.name) else quote(part.name)
    return b"file %b seq %d type %b\n" % (name, part.number, kind)
