"""``resp-server --check-aof [--fix|--truncate-to-timestamp T] FILE``: what is in an append-only file, what is wrong.

FILE is a manifest, of whose files all are looked at, or a single file. The words are those of redis-check-aof.
Only the end of the last file is ever cut off.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from mmap import ACCESS_READ, mmap
from typing import Final, NamedTuple

from twisted_resp.persistence.append_only_loading import CutShortError, FormatError, commands_in
from twisted_resp.persistence.check_rdb import Print, check_rdb_data
from twisted_resp.persistence.manifest import Manifest, ManifestError
from twisted_resp.rdb.cursor import Data

__all__ = ["check_append_only"]

_SUFFIX: Final = ".manifest"
_TIMESTAMP: Final = b"#TS:"
_RDB_SIGNATURES: Final = (b"REDIS", b"VALKE")
# How often to tell how far it is (seconds), and after how many commands to look at the clock (a mask).
_TELL_AFTER: Final = 2.0
_LOOK: Final = 0x3FFF
_MOST_NAMES: Final = 8

Ask = Callable[[str], str]


class _WrongError(Exception):
    """Something is wrong, and was told."""


class _EnoughError(Exception):
    """The timestamp that is asked for is reached; the argument is where."""


class _Fault(NamedTuple):
    """Where the good part of a file ends, and what is wrong after it."""

    good: int
    line: int
    reason: str


def check_append_only(
    path: str, fix: bool = False, until: int | None = None, tell: Print = print, ask: Ask = input
) -> int:
    """Check an append-only file; answers the status to exit with.

    :param path: the manifest, or a single file.
    :param fix: cut off what is wrong at the end, if ``ask`` is answered with ``y``.
    :param until: cut off what was written later than this Unix time (seconds).
    """
    checker = _Checker(fix, until, tell, ask)
    try:
        if path.endswith(_SUFFIX):
            checker.check_manifest(path)
        else:
            checker.check_old_style(path)
    except _WrongError:
        return 1
    except OSError as error:
        tell(
            f"Cannot open file: {path if error.filename is None else os.fsdecode(error.filename)}: {error.strerror}"
        )
        return 1
    return 0


class _Checker:
    def __init__(self, fix: bool, until: int | None, tell: Print, ask: Ask) -> None:
        self._fix = fix
        self._until = until
        self._tell = tell
        self._ask = ask

    def check_old_style(self, path: str) -> None:
        self._tell("Start checking Old-Style AOF")
        if not os.path.getsize(path):
            self._tell(f"Empty file: {path}")
        elif self._check(path, path, True):
            self._tell(f"AOF {path} is valid")

    def check_manifest(self, path: str) -> None:
        tell = self._tell
        tell("Start checking Multi Part AOF")
        directory, name = os.path.split(path)
        try:
            manifest = Manifest.load(os.fsencode(directory or "."), os.fsencode(name[: -len(_SUFFIX)]))
        except ManifestError as error:
            tell(str(error))
            raise _WrongError from None
        if manifest is None:
            tell(f"Cannot open file {path}: No such file or directory")
            raise _WrongError
        parts = manifest.parts
        for number, part in enumerate(parts):
            where = os.fsdecode(manifest.path_of(part))
            is_base = part is manifest.base
            kind = "BASE AOF" if is_base else "INCR AOF"
            if is_base:
                tell(f"Start to check BASE AOF ({'RDB' if _is_rdb(where) else 'RESP'} format).")
            elif not number or parts[number - 1] is manifest.base:
                tell("Start to check INCR files.")
            name = os.fsdecode(part.name)
            if not os.path.getsize(where):
                tell(f"{kind} {name} is empty")
            elif self._check(where, name, part is parts[-1]):
                tell(f"{kind} {name} is valid")
        tell("All AOF files and manifest are valid")

    def _check(self, path: str, name: str, is_last: bool) -> bool:
        """Check one file; answers whether it was right as it is.

        :raises _WrongError: it is not, and it was not mended.
        """
        with open(path, "rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            size = len(data)
            start = 0
            if data[:5] in _RDB_SIGNATURES:
                end = check_rdb_data(data, name, self._tell)
                if end is None:
                    self._tell("RDB preamble of AOF file is not sane, aborting.")
                    raise _WrongError
                self._tell("RDB preamble is OK, proceeding with AOF tail...")
                start = end
            try:
                fault = self._read(data, name, start)
            except _EnoughError as enough:
                position = int(enough.args[0])
            else:
                position = -1
        if position >= 0:
            self._cut_to_time(path, name, position, is_last)
            return False
        if self._until is not None:
            self._tell(f"Truncate nothing in AOF {name} to timestamp {self._until}")
        if fault.reason:
            self._tell(fault.reason)
        self._tell(
            f"AOF analyzed: filename={name}, size={size}, ok_up_to={fault.good}, ok_up_to_line={fault.line}, "
            f"diff={size - fault.good}"
        )
        if fault.good == size:
            return True
        self._mend(path, name, size, fault.good, is_last)
        return False

    def _mend(self, path: str, name: str, size: int, good: int, is_last: bool) -> None:
        tell = self._tell
        if not self._fix:
            tell(f"AOF {name} is not valid. Use the --fix option to try fixing it.")
            raise _WrongError
        if not is_last:
            tell(f"Failed to truncate AOF {name} because it is not the last file")
            raise _WrongError
        tell(f"This will shrink the AOF {name} from {size} bytes, with {size - good} bytes, to {good} bytes")
        try:
            answer = self._ask("Continue? [y/N]: ")
        except EOFError:
            answer = ""
        if not answer.lower().startswith("y"):
            tell("Aborting...")
            raise _WrongError
        os.truncate(path, good)
        tell(f"Successfully truncated AOF {name}")

    def _cut_to_time(self, path: str, name: str, position: int, is_last: bool) -> None:
        tell = self._tell
        if not position:
            tell(f"AOF {name} has nothing before timestamp {self._until}, aborting...")
            raise _WrongError
        if not is_last:
            tell(
                f"Failed to truncate AOF {name} to timestamp {self._until} to offset {position} because it is not the "
                "last file."
            )
            tell(
                "If you insist, please delete all files after this file according to the manifest file and delete the "
                "corresponding records in manifest file manually. Then re-run the check."
            )
            raise _WrongError
        os.truncate(path, position)
        tell(f"Successfully truncated AOF {name} to timestamp {self._until}")

    def _read(self, data: mmap, name: str, start: int) -> _Fault:
        """Read the commands.

        :raises _EnoughError: there is a timestamp later than what is asked for.
        """
        counts: Counter[bytes] = Counter()
        lines = 1
        good, good_line = start, 1
        opened = False
        number = 0
        told = time.monotonic()
        reason = ""
        end = start

        def annotated(line: bytes, position: int) -> None:
            nonlocal good
            if self._until is not None and line.startswith(_TIMESTAMP):
                digits = line[len(_TIMESTAMP) :].strip()
                if digits.isdigit() and int(digits) > self._until:
                    raise _EnoughError(position)
            if not opened:
                good = position + len(line) + 1

        try:
            for command, begin, stop in commands_in(data, start, annotated):
                word = command[0].lower()
                if word == b"multi":
                    if opened:
                        reason = _at(begin, "Unexpected MULTI")
                        break
                    opened = True
                elif word == b"exec":
                    if not opened:
                        reason = _at(begin, "Unexpected EXEC")
                        break
                    opened = False
                lines += 1 + 2 * len(command)
                counts[word] += 1
                end = stop
                if not opened:
                    good, good_line = stop, lines
                number += 1
                if not number & _LOOK and time.monotonic() - told > _TELL_AFTER:
                    told = time.monotonic()
                    self._tell(
                        f"[offset {stop}] Read so far: {100 * stop / len(data):.0f}%, {number} commands"
                    )
            else:
                if opened:
                    reason = _at(len(data), "Reached EOF before reading EXEC for MULTI")
                    good_line = lines
                else:
                    good, good_line = len(data), lines
        except (CutShortError, FormatError):
            # Annotations are no part of what the command's end tells.
            while data[end : end + 1] == b"#" and (after := data.find(b"\n", end)) >= 0:
                end = after + 1
            reason, more = _explain(data, end)
            good_line = lines + more
            if data[end : end + 1] not in (b"*", b"#"):
                self._tell(f"AOF {name} format error")
        if counts:
            most = ", ".join(f"{count} {_text(word)}" for word, count in counts.most_common(_MOST_NAMES))
            rest = len(counts) - _MOST_NAMES
            others = f", and {rest} others" if rest > 0 else ""
            self._tell(f"[info] {sum(counts.values())} commands read: {most}{others}")
        return _Fault(good, good_line, reason)


def _explain(data: Data, position: int) -> tuple[str, int]:
    """What is wrong with the command that begins here, and in which of its lines."""
    lines = 0
    count = 0
    kind = b"*"
    size = len(data)
    while True:
        end = data.find(b"\n", position)
        line = data[position : end if end >= 0 else size]
        if line[:1] != kind:
            return _at(position, f"Expected prefix '{kind.decode()}', got: '{_text(line[:1])}'"), lines
        if end < 0 or not line.endswith(b"\r"):
            return _at(
                position + len(line), f"Expected \\r\\n, got: {_hex(data, position + len(line))}"
            ), lines
        number = line[1:-1]
        if not number.isdigit() or (kind == b"*" and not int(number)):
            return _at(position, f"Invalid number: '{_text(number[:32])}'"), lines
        lines += 1
        position = end + 1
        if kind == b"*":
            kind, count = b"$", int(number)
        else:
            length = int(number)
            if position + length > size:
                return _at(position, f"Expected to read {length} bytes, got {size - position} bytes"), lines
            position += length
            if data[position : position + 2] != b"\r\n":
                return _at(position, f"Expected \\r\\n, got: {_hex(data, position)}"), lines
            lines += 1
            position += 2
            count -= 1
            if not count:
                return "", lines


def _at(position: int, message: str) -> str:
    return f"0x{position:16x}: {message}"


def _hex(data: Data, position: int) -> str:
    return data[position : position + 2].ljust(2, b"\0").hex()


def _is_rdb(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(5) in _RDB_SIGNATURES


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
