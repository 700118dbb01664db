"""Reading a redis.conf, and options of the command line, as redis-server does.

Both are one text of directives, a line each. They are applied one after the other, so what stands further down has
the last word, and an ``include`` brings in its file at its place. What a directive means is the business of
:class:`~twisted_resp.server.configuration.Configuration`, but for the few that are no parameters, at the end of this
file. https://redis.io/docs/latest/operate/oss_and_stack/management/config/
"""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from twisted_resp.text.command_line import quote, split_arguments
from twisted_resp.text.integers import parse_integer

if TYPE_CHECKING:
    from twisted_resp.server.server import Server

__all__ = ["ConfigurationError", "load_configuration", "options_as_lines"]

_BLANKS: Final = b" \t\r\n"
#: Redis follows includes until its stack is used up.
_DEEPEST_INCLUDE: Final = 64


class ConfigurationError(Exception):
    """A configuration that can't be used. The message is for the operator, in Redis's words."""


class _KnownError(ConfigurationError):
    """What is wrong with a line is told already, with the line."""


def load_configuration(
    server: Server, path: str = "", options: bytes = b"", from_stdin: bool = False
) -> None:
    """Configure a server that is about to start.

    :param path: the file; empty for none.
    :param options: more lines, as :func:`options_as_lines` makes them.
    :param from_stdin: whether the lines of standard input stand between the two.
    :raises ConfigurationError: which and what is wrong.
    """
    text = b""
    if path:
        server.configuration.use_redis_defaults()
        server.configuration.path = os.fsencode(os.path.abspath(path))
        for name in _matching(path):
            text += _contents(name)
    if from_stdin:
        text += b"\n" + sys.stdin.buffer.read()
    if options:
        text += b"\n" + options
    _load(server, text, 0)


def options_as_lines(words: Sequence[str]) -> bytes:
    """The options of a command line as lines of a configuration: ``--port 6380 --save 900 1``.

    A word with two dashes begins a line, and may have its value within (``'--port 6380'``, ``--port=6380``); else the
    word after it is its value whatever it looks like, but for ``--save --port 6380``, where nothing is saved.
    """
    lines: list[bytes] = []
    value_follows = False
    for place, word in enumerate(words):
        if word.startswith("--") and not value_follows:
            name, equals, value = word[2:].partition("=")
            if equals and " " not in name:
                lines.append(name.encode() + b" " + quote(_bytes(value)))
                continue
            lines.append(_bytes(word[2:]))
            value_follows = len(word.split()) == 1
            if (
                name.lower() == "save"
                and value_follows
                and words[place + 1 : place + 2][:1] in _no_value(words, place)
            ):
                lines[-1] += b' ""'
                value_follows = False
        else:
            value_follows = False
            lines[-1:] = [(lines[-1] if lines else b"") + b" " + quote(_bytes(word))]
    return b"".join(line + b"\n" for line in lines)


def _no_value(words: Sequence[str], place: int) -> list[list[str]]:
    following = list(words[place + 1 : place + 2])
    return [following] if not following or following[0].startswith("--") else []


def _bytes(word: str) -> bytes:
    return word.encode("utf-8", "surrogateescape")


def _matching(path: str) -> list[str]:
    """The files of a name with wildcards, or the one of a plain name; Redis reads none where nothing matches."""
    if not glob.has_magic(path):
        return [path]
    return sorted(glob.glob(path)) or [path]


def _contents(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise _KnownError(f"Fatal error, can't open config file '{path}': {error.strerror}") from None


def _load(server: Server, text: bytes, depth: int) -> None:
    for number, raw in enumerate(text.split(b"\n"), 1):
        line = raw.strip(_BLANKS)
        if not line or line.startswith(b"#"):
            continue
        try:
            words = split_arguments(line)
            if words is None:
                raise ValueError("Unbalanced quotes in configuration line")
            if words:
                _apply(server, words[0].lower(), words[1:], depth)
        except _KnownError:
            raise
        except ValueError as error:
            raise _KnownError(
                f"\n*** FATAL CONFIG FILE ERROR (Redis {server.flavour.redis_version.decode()}) ***\n"
                f"Reading the configuration file, at line {number}\n"
                f">>> '{line.decode('utf-8', 'backslashreplace')}'\n"
                f"{error}"
            ) from None


def _apply(server: Server, name: bytes, words: list[bytes], depth: int) -> None:
    if name == b"include":
        if len(words) != 1:
            raise ValueError("Bad directive or wrong number of arguments")
        if depth == _DEEPEST_INCLUDE:
            raise ValueError("Too many includes within each other")
        for path in _matching(words[0].decode("utf-8", "surrogateescape")):
            _load(server, _contents(path), depth + 1)
        return
    special = _NO_PARAMETERS.get(name)
    if special is not None:
        special(server, words)
    elif not server.configuration.read(name, words):
        if b"." in name:
            raise ValueError(
                "Module configuration for a module that is not there: this server has no modules"
            )
        raise ValueError("Bad directive or wrong number of arguments")


# ------------------------------------------------------------------------------ directives that are no parameters


def _rename_command(server: Server, words: list[bytes]) -> None:
    if len(words) != 2:
        raise ValueError("Bad directive or wrong number of arguments")
    server.rename_command(*words)


def _user(server: Server, words: list[bytes]) -> None:
    server.access.declare([b"user", *words])


def _load_module(server: Server, words: list[bytes]) -> None:
    name = b" ".join(words[:1]).decode("utf-8", "backslashreplace")
    raise ValueError(f"Can't load module from {name}: this server has no modules")


def _replica_of(server: Server, words: list[bytes]) -> None:
    if len(words) == 1:
        words = words[0].split(b" ")
    if len(words) != 2:
        raise ValueError("wrong number of arguments")
    if [word.lower() for word in words] == [b"no", b"one"]:
        server.configuration[b"replicaof"] = b""
        return
    port = parse_integer(words[1])
    if port is None or not 0 <= port <= 65535:
        raise ValueError("Invalid master port")
    server.configuration[b"replicaof"] = b" ".join(words)


def _sentinel(server: Server, words: list[bytes]) -> None:
    raise ValueError("sentinel directive while not in sentinel mode")


def _nothing_any_more(server: Server, words: list[bytes]) -> None:
    """What Redis reads over as well, having done without it for long."""
    if len(words) != 1:
        raise ValueError("wrong number of arguments")


_NO_PARAMETERS: Final[Mapping[bytes, Callable[[Server, list[bytes]], None]]] = {
    b"rename-command": _rename_command,
    b"user": _user,
    b"loadmodule": _load_module,
    b"replicaof": _replica_of,
    b"slaveof": _replica_of,
    b"sentinel": _sentinel,
    b"list-max-ziplist-entries": _nothing_any_more,
    b"list-max-ziplist-value": _nothing_any_more,
    b"lua-replicate-commands": _nothing_any_more,
}
