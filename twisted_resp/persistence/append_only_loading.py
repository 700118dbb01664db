"""Loading an append-only file: the base, which may be an RDB file, then the commands of the increments.

A file is a sequence of multibulk requests, among which lines that begin with ``#`` are annotations. What was cut off
at the end of the last file (the machine stopped in the middle of a write) can be repaired: everything up to there is
good, and the rest is cut off, a transaction that is not complete among it. Anything else that is wrong is fatal,
for nobody can tell what should be there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator
from mmap import ACCESS_READ, mmap
from typing import Final

from twisted.logger import Logger

from twisted_resp.commands.dispatch import find
from twisted_resp.errors import CommandError
from twisted_resp.persistence.contents import load_steps
from twisted_resp.persistence.loading import without_collector
from twisted_resp.persistence.manifest import Manifest, Part
from twisted_resp.rdb.cursor import Data
from twisted_resp.rdb.format import RdbError
from twisted_resp.server.client import Client
from twisted_resp.server.loading import Steps
from twisted_resp.server.server import Server

__all__ = ["AppendOnlyError", "CutShortError", "FormatError", "commands_in", "load_parts"]

_log = Logger()

# What a base begins with that is an RDB file: Redis's, and Valkey's of version 9 and later.
_SIGNATURES: Final = (b"REDIS", b"VALKE")
# Others may be served before one of so many commands, the first among them (a mask).
_STEP: Final = 0x3F
# The longest line with a number in it that makes sense.
_LONGEST_HEADER: Final = 32
# Lines with a number in them: of four bytes, and of five.
_COUNTS: Final = {b"*%d\r\n" % number: number for number in range(1, 10)}
_SHORT_LENGTHS: Final = {b"$%d\r\n" % number: number for number in range(10)}
_MEDIUM_LENGTHS: Final = {b"$%d\r\n" % number: number for number in range(10, 100)}
_MAKE_A_COPY: Final = "make a backup of your AOF file, then use redis-check-aof --fix <filename.manifest>"


class AppendOnlyError(ValueError):
    """An append-only file that can't be loaded; the message is one line for the operator."""


class CutShortError(Exception):
    """The data end in the middle of a command."""


class FormatError(Exception):
    """The data are no commands; the argument is where."""


def commands_in(
    data: Data, position: int = 0, annotated: Callable[[bytes, int], None] | None = None
) -> Iterator[tuple[list[bytes], int, int]]:
    """The commands in an append-only file, each with where it begins and ends.

    :param position: where to begin.
    :param annotated: is called for each annotation with its line and where that begins.
    :raises CutShortError: the data end in the middle of a command.
    """
    size = len(data)
    short, medium = _SHORT_LENGTHS, _MEDIUM_LENGTHS
    while position < size:
        start = position
        if data[position] == 35:  # an annotation
            end = data.find(b"\n", position)
            if end < 0:
                raise CutShortError
            if annotated is not None:
                annotated(bytes(data[position:end]), position)
            position = end + 1
            continue
        count = _COUNTS.get(data[position : position + 4], 0)
        if count:
            position += 4
        else:
            count, position = _number(data, position, b"*")
            if count < 1:
                raise FormatError(start)
        command = []
        for _ in range(count):
            # The lengths that nearly all have; a look into a table is cheaper than a call.
            length = short.get(data[position : position + 4], -1)
            if length >= 0:
                position += 4
            else:
                length = medium.get(data[position : position + 5], -1)
                if length >= 0:
                    position += 5
                else:
                    length, position = _number(data, position, b"$")
            end = position + length
            if end + 2 > size:
                if end < size and data[end] != 13:
                    raise FormatError(end)
                raise CutShortError
            if data[end : end + 2] != b"\r\n":
                raise FormatError(end)
            command.append(bytes(data[position:end]))
            position = end + 2
        yield command, start, position


def _number(data: Data, position: int, kind: bytes) -> tuple[int, int]:
    """Read a line that says how much follows; answers that and where the line ends."""
    end = data.find(b"\r\n", position, position + _LONGEST_HEADER)
    if end < 0:
        rest = data[position : position + _LONGEST_HEADER]
        if len(rest) == _LONGEST_HEADER or rest[:1] not in (b"", kind):
            raise FormatError(position)
        digits = rest[1:-1] if rest.endswith(b"\r") else rest[1:]
        if digits and not digits.isdigit():
            raise FormatError(position)
        raise CutShortError
    digits = data[position + 1 : end]
    if data[position : position + 1] != kind or not digits.isdigit():
        raise FormatError(position)
    return int(digits), end + 2


def load_parts(server: Server, manifest: Manifest) -> Steps:
    """Add what the files hold to the data, of which nobody is told, step by step.

    :raises AppendOnlyError: something is wrong with them. What came before that has been loaded.
    """
    keyspace, effects = server.keyspace, server.effects
    dirty, active = keyspace.dirty, effects.active
    hold_expiry, sees_expired = keyspace.hold_expiry, keyspace.sees_expired
    # Nothing expires meanwhile: what did expire is deleted by commands that follow.
    keyspace.hold_expiry = keyspace.sees_expired = True
    effects.active = False
    effects.changed_active()
    began = time.monotonic()
    parts = manifest.parts
    server.loading.begin(sum(map(manifest.size_of, parts)))
    loader = _Loader(server)
    try:
        with without_collector(server):
            for part in parts:
                yield from loader.load(manifest, part, part is parts[-1])
    finally:
        server.loading.end()
        effects.active = active
        effects.changed_active()
        keyspace.hold_expiry, keyspace.sees_expired = hold_expiry, sees_expired
        # The data are what was written down.
        keyspace.dirty = dirty
    _log.info("DB loaded from append only file: {seconds:.3f} seconds", seconds=time.monotonic() - began)


class _Loader:
    def __init__(self, server: Server) -> None:
        self._server = server
        client = self._client = Client(server, b"append-only-file:0")
        client.is_master = True
        client.can_block = False
        self._before = 0  # bytes of the files before this one
        client.log_in(server.access.superuser)

    def load(self, manifest: Manifest, part: Part, is_last: bool) -> Steps:
        path = manifest.path_of(part)
        name = part.name.decode("utf-8", "replace")
        # Each file selects its databases for itself.
        self._client.db = self._server.keyspace.databases[0]
        try:
            with open(path, "rb") as file:
                if not os.fstat(file.fileno()).st_size:
                    return
                with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
                    good = yield from self._load(data, name)
                    rest = len(data) - good
                    self._before += len(data)
        except OSError as error:
            raise AppendOnlyError(
                f"Fatal error: can't open the append log file {name} for reading: {error.strerror}"
            ) from None
        except RdbError as error:
            raise AppendOnlyError(
                f"Error reading the RDB preamble of the AOF file {name}, AOF loading aborted: {error}"
            ) from None
        if rest:
            self._repair(path, name, good, rest, is_last)

    def _load(self, data: mmap, name: str) -> Generator[None, None, int]:
        """Load a file; answers how much of it is good."""
        good = 0
        if data[:5] in _SIGNATURES:
            good = yield from load_steps(self._server, data, before=self._before)
        loading, configuration = self._server.loading, self._server.configuration
        number = delay = 0
        transaction: list[list[bytes]] | None = None
        started = 0
        failed = 0
        reason = b""
        try:
            for command, start, end in commands_in(data, good):
                number += 1
                if delay > 0 or number & _STEP == 1:
                    delay = configuration[b"key-load-delay"]
                    if delay > 0:
                        time.sleep(delay / 1_000_000)
                    loading.done = self._before + start
                    yield
                word = command[0].lower()
                if word == b"multi":
                    transaction, started = [], start
                elif transaction is None:
                    error = self._run(command, name)
                elif word == b"exec":
                    for each in transaction:
                        error = self._run(each, name)
                    transaction = None
                else:
                    transaction.append(command)
                    continue
                if word != b"multi" and error is not None:
                    failed += 1
                    reason = reason or error.message
                if transaction is None:
                    good = end
        except CutShortError:
            _log.warn("!!! Warning: short read while loading the AOF file {name}!!!", name=name)
        except FormatError as error:
            raise AppendOnlyError(
                f"Bad file format reading the append only file {name} at byte {error.args[0]}: {_MAKE_A_COPY}"
            ) from None
        if transaction is not None:
            _log.warn(
                "Revert incomplete MULTI/EXEC transaction from AOF file {name} at byte {start}",
                name=name,
                start=started,
            )
        elif good < len(data) and data[good] == 35 and data[-1] == 10:
            good = len(data)  # it ends with an annotation
        if failed:
            _log.warn(
                "{count} commands of the AOF file {name} failed, the first with: {reason}",
                count=failed,
                name=name,
                reason=reason,
            )
        return good

    def _run(self, command: list[bytes], name: str) -> CommandError | None:
        entry = find(self._server, command)
        if isinstance(entry, CommandError):
            if command[0].lower() in self._server.commands:
                return entry
            raise AppendOnlyError(
                f"Unknown command '{command[0][:128].decode('utf-8', 'replace')}' reading the append only file {name}"
            )
        client = self._client
        client.current = command
        try:
            reply = entry.handler(client, *command[entry.skip :])
        except CommandError as error:
            return error
        return reply if isinstance(reply, CommandError) else None

    def _repair(self, path: bytes, name: str, good: int, rest: int, is_last: bool) -> None:
        if not is_last:
            raise AppendOnlyError(f"Fatal error: the truncated file {name} is not the last file")
        if not self._server.configuration[b"aof-load-truncated"]:
            raise AppendOnlyError(
                f"Unexpected end of file reading the append only file {name}. You can: 1) {_MAKE_A_COPY}. "
                "2) Alternatively you can set the 'aof-load-truncated' configuration option to yes and restart the "
                "server."
            )
        try:
            os.truncate(path, good)
        except OSError as error:
            raise AppendOnlyError(f"Error truncating the AOF file {name}: {error.strerror}") from None
        _log.warn(
            "AOF {name} loaded anyway because aof-load-truncated is enabled: the last {rest} bytes were cut off",
            name=name,
            rest=rest,
        )
