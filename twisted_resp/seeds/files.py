"""Seeds: what a server is to hold at the start, from files of several kinds and from Python; and back into files.

=========================== ======================================================================
``.json``, ``.yaml`` (yml)  plain data, see :mod:`twisted_resp.seeds.data`
``.rdb``                    a snapshot of any version
``.aof``, ``.manifest``     an append-only file, with a snapshot before the commands or without; or
                            all files of a manifest, which a directory may stand for
anything else               commands as ``redis-cli --pipe`` takes them, in RESP, or a line each with the
                            quotes of redis-cli; empty lines and those that begin with ``#`` are skipped
=========================== ======================================================================

A file that begins as a snapshot does is one, whatever its name. What is exported is of the kind that the name says.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Union

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_resp.errors import CommandError
from twisted_resp.in_process import InProcessClient
from twisted_resp.persistence.append_only_commands import commands_for
from twisted_resp.persistence.contents import load_data as load_rdb
from twisted_resp.persistence.contents import write_contents
from twisted_resp.persistence.manifest import Manifest, ManifestError
from twisted_resp.persistence.sinks import CommandSink, write_all
from twisted_resp.rdb.format import RdbError
from twisted_resp.resp import RequestDecoder
from twisted_resp.seeds.data import DataError, load_data, plain_data
from twisted_resp.server.server import Server
from twisted_resp.text.command_line import quote, split_arguments

__all__ = ["Seed", "SeedError", "as_text", "export", "seed"]

#: Plain data, the path of a file, or several of them.
Seed = Union[Mapping[Any, Any], str, "os.PathLike[str]", Iterable[Any]]

_SIGNATURES: Final = (b"REDIS0", b"VALKEY")
_BARE: Final = re.compile(rb"[A-Za-z0-9_:.@/+,=-]+")
_YAML: Final = (".yaml", ".yml")
_COMMANDS: Final = (".redis", ".txt", ".commands")
_NO_YAML: Final = "YAML needs PyYAML: pip install 'twisted-resp[yaml]'"


class SeedError(Exception):
    """A seed that can't be read, or written; the message is one line for people, with the file's name."""


def seed(server: Server, source: Seed) -> None:
    """Put data into a server, in place of what is at their keys; commands in files are run as they are.

    :param source: a mapping (see :mod:`twisted_resp.seeds.data`), the path of a file (see this module), or several
        of them, in their order.
    :raises SeedError: one of them can't be read. What came before it is loaded.
    """
    if isinstance(source, Mapping):
        _load(server, source, "seed")
    elif isinstance(source, (str, os.PathLike)):
        _load_file(server, Path(source))
    elif isinstance(source, Iterable) and not isinstance(source, (bytes, bytearray)):
        for each in source:
            seed(server, each)
    else:
        raise TypeError(f"a seed is a mapping or the path of a file, not {type(source).__name__}")


def export(server: Server, path: str | os.PathLike[str]) -> None:
    """Write all data of a server to a file, of the kind that its name ends in, at once or not at all.

    :raises SeedError: the name ends in nothing known, or the file can't be written.
    """
    target = Path(path)
    data = b"".join(_exported(server, target))
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, target)
    except OSError as error:
        raise SeedError(f"{target}: {error.strerror}") from None


def as_text(server: Server) -> str:
    """All data of a server as commands, a line each, that people can read and :func:`seed` reads as well."""
    return b"".join(_lines(server)).decode("ascii")


# ------------------------------------------------------------------------------------------------- reading


def _load(server: Server, data: Any, name: str) -> None:
    if not isinstance(data, Mapping):
        raise SeedError(f"{name}: a mapping of keys is needed, not {type(data).__name__}")
    client = InProcessClient(server)

    def run(*words: object) -> Any:
        return _outcome(client.call(*words))

    try:
        load_data(run, data)
    except (DataError, CommandError) as error:
        raise SeedError(f"{name}: {error}") from None
    finally:
        client.close()


def _outcome(reply: Deferred[Any]) -> Any:
    outcome: list[Any] = []
    reply.addBoth(outcome.append)
    if not outcome:
        raise CommandError(b"ERR this command waits, and a seed can't")
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    return outcome[0]


def _load_file(server: Server, path: Path) -> None:
    try:
        if path.is_dir() or path.suffix == ".manifest":
            for part in _parts(path):
                _load_file(server, part)
            return
        data = path.read_bytes()
    except OSError as error:
        raise SeedError(f"{path}: {error.strerror}") from None
    suffix = path.suffix.lower()
    if suffix == ".json":
        try:
            _load(server, json.loads(data), str(path))
        except ValueError as error:
            raise SeedError(f"{path}: {error}") from None
    elif suffix in _YAML:
        _load(server, _from_yaml(data, path), str(path))
    else:
        if data.startswith(_SIGNATURES) or suffix == ".rdb":
            try:
                data = data[load_rdb(server, data, replace=True) :]
            except RdbError as error:
                raise SeedError(f"{path}: {error}") from None
        if suffix != ".rdb":
            _run_commands(server, data, path)


def _from_yaml(data: bytes, path: Path) -> Any:
    try:
        import yaml
    except ImportError:
        raise SeedError(f"{path}: {_NO_YAML}") from None
    try:
        return yaml.safe_load(data)
    except yaml.YAMLError as error:
        raise SeedError(f"{path}: {' '.join(str(error).split())}") from None


def _parts(path: Path) -> Iterator[Path]:
    """The files of an append-only file with a manifest."""
    if path.is_dir():
        manifests = sorted(path.glob("*.manifest"))
        if len(manifests) != 1:
            raise SeedError(
                f"{path}: one manifest of an append-only file is needed there, not {len(manifests)}"
            )
        (path,) = manifests
    try:
        manifest = Manifest.load(os.fsencode(path.parent), os.fsencode(path.stem))
    except ManifestError as error:
        raise SeedError(f"{path}: {error}") from None
    for part in manifest.parts if manifest is not None else ():
        yield path.parent / os.fsdecode(part.name)


def _run_commands(server: Server, data: bytes, path: Path) -> None:
    client = InProcessClient(server)
    try:
        for number, words in _requests(data, path):
            try:
                _outcome(client.call(*words))
            except CommandError as error:
                name = words[0].decode("utf-8", "replace")
                raise SeedError(f"{path}: line {number}: {name}: {error}") from None
    finally:
        client.close()


def _requests(data: bytes, path: Path) -> Iterator[tuple[int, list[bytes]]]:
    """The commands in a file, each with the number of the line that it begins in."""
    decoder = RequestDecoder()
    line = 1
    position, size = 0, len(data)
    while position < size:
        if data[position : position + 1] != b"*":
            end = data.find(b"\n", position)
            end = size if end < 0 else end
            text = data[position:end].rstrip(b"\r")
            words = [] if text[:1] == b"#" else split_arguments(text)
            if words is None:
                raise SeedError(f"{path}: line {line}: unbalanced quotes")
            if words:
                yield line, words
            line += 1
            position = end + 1
            continue
        for request in decoder.feed(data[position:]):
            yield line, request
            line += 1 + sum(2 + word.count(b"\n") for word in request)
        if decoder.error is not None:
            raise SeedError(f"{path}: line {line}: {decoder.error}")
        if not decoder.inline:
            if decoder.incomplete:
                raise SeedError(f"{path}: it ends in the middle of a command")
            return
        position = size - len(decoder.take_rest())


# ------------------------------------------------------------------------------------------------- writing


def _exported(server: Server, path: Path) -> Iterable[bytes]:
    suffix = path.suffix.lower()
    parts: list[bytes] = []
    if suffix == ".rdb":
        write_contents(server, parts.append)
    elif suffix == ".aof":
        write_all(server.keyspace.databases, CommandSink(server, parts.append))
    elif suffix == ".json":
        parts.append(
            json.dumps(plain_data(server), indent=2, ensure_ascii=False).encode("utf-8", "surrogateescape")
        )
        parts.append(b"\n")
    elif suffix in _YAML:
        try:
            import yaml
        except ImportError:
            raise SeedError(f"{path}: {_NO_YAML}") from None
        parts.append(yaml.safe_dump(plain_data(server), sort_keys=False, allow_unicode=True).encode())
    elif suffix in _COMMANDS:
        return _lines(server)
    else:
        known = ", ".join((".rdb", ".aof", ".json", *_YAML, *_COMMANDS))
        raise SeedError(f"{path}: what kind of file is it to be? Names may end in {known}")
    return parts


def _lines(server: Server) -> Iterator[bytes]:
    for command in _all_commands(server):
        words = [word if _BARE.fullmatch(word) else quote(word) for word in command]
        yield b" ".join(words) + b"\n"


def _all_commands(server: Server) -> Iterator[Sequence[bytes]]:
    for source in server.scripting.sources():
        yield b"FUNCTION", b"LOAD", b"REPLACE", source
    for database in server.keyspace.databases:
        keys = sorted(key for key in database.values if not database.is_past(key))
        if keys and database.index:
            yield b"SELECT", b"%d" % database.index
        for key in keys:
            yield from commands_for(key, database.values[key])
            expires_at = database.expires.get(key)
            if expires_at is not None:
                yield b"PEXPIREAT", key, b"%d" % expires_at
