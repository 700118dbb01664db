"""Sessions in files: what a journal holds, a JSON object a line, to be replayed against this server or another.

The first line says what the file is::

    {"format": "twisted-resp session", "version": 1, "recorded": "2026-11-25T21:00:00+00:00"}

Each further line is a command, in the order in which they came::

    {"client": 3, "at": 0.012, "args": ["SET", "k", "v"], "replies": [{"status": "OK"}]}

``client`` tells connections apart; ``at`` is in seconds after the first command; ``name`` is the client's name, where
it has one. There may be several ``replies`` (SUBSCRIBE), or none (the connection was lost, or replies were off).
``later``: how many other commands had come before it was answered, where it had to wait.

A string is text, or ``{"base64": ...}`` where it is not UTF-8. Replies are: a string for a bulk string, a number, a
list, ``true``, ``false``, ``null``; ``{"status": s}``, ``{"error": s}``, ``{"map": [[k, v], ...]}``,
``{"set": [...]}``, ``{"push": [...]}``, ``{"double": s}``, ``{"big": s}``, ``{"verbatim": [format, s]}``,
``{"null_array": true}``, and ``{"attributes": [[k, v], ...], "reply": r}``. Passwords are not written.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final, NamedTuple

from twisted_resp.errors import CommandError
from twisted_resp.resp import (
    NULL_ARRAY,
    QUEUED,
    Attributed,
    BigNumber,
    Map,
    Push,
    Reply,
    SetReply,
    Status,
    Verbatim,
)
from twisted_resp.server.redaction import redacted
from twisted_resp.testing.entry import JournalEntry
from twisted_resp.testing.replies import read_replies
from twisted_resp.text.floats import format_double

__all__ = ["RecordedCall", "RecordingError", "load", "save"]

_FORMAT: Final = "twisted-resp session"
_VERSION: Final = 1


class RecordingError(Exception):
    """A file that is no recorded session; the message says where."""


class RecordedCall(NamedTuple):
    """A line of a recorded session; see the module."""

    client: int
    at: float
    args: list[bytes]
    replies: list[Reply]
    later: int = 0
    name: str = ""


def save(entries: Iterable[JournalEntry], path: str | Path) -> int:
    """Write entries of a journal to a file; answers how many.

    :raises OSError: it can't be written.
    """
    calls = [_recorded(entry) for entry in entries]
    begin = calls[0].at if calls else 0.0
    moment = datetime.fromtimestamp(begin, timezone.utc).isoformat()
    header = {
        "format": _FORMAT,
        "version": _VERSION,
        "recorded": moment,
    }
    with open(path, "w", encoding="utf-8") as file:
        for line in (header, *(_line(call, begin) for call in calls)):
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return len(calls)


def load(path: str | Path) -> list[RecordedCall]:
    """Read a recorded session.

    :raises OSError: it can't be read.
    :raises RecordingError: it is none.
    """
    with open(path, encoding="utf-8") as file:
        try:
            header = json.loads(file.readline() or "null")
        except ValueError:
            header = None
        if not isinstance(header, dict) or header.get("format") != _FORMAT:
            raise RecordingError(f"{path} is no recorded session")
        if header.get("version") != _VERSION:
            raise RecordingError(f"{path} is a recorded session of version {header.get('version')}")
        calls = []
        for number, line in enumerate(file, 2):
            try:
                calls.append(_call(json.loads(line)))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise RecordingError(f"{path}, line {number}: {error!r}") from error
        return calls


def _recorded(entry: JournalEntry) -> RecordedCall:
    # In a transaction it was answered QUEUED; what EXEC brought is in the reply to that.
    replies = [QUEUED] if entry.transaction is not None else read_replies(entry.wire or b"")
    return RecordedCall(
        entry.client_id, entry.time, redacted(entry.args), replies, entry.later, entry.client_name
    )


def _line(call: RecordedCall, begin: float) -> dict[str, Any]:
    line: dict[str, Any] = {
        "client": call.client,
        "at": round(call.at - begin, 6),
        "args": [_text(arg) for arg in call.args],
        "replies": [to_json(reply) for reply in call.replies],
    }
    if call.later:
        line["later"] = call.later
    if call.name:
        line["name"] = call.name
    return line


def _call(line: Any) -> RecordedCall:
    args = [_bytes(arg) for arg in line["args"]]
    if not args:
        raise ValueError("a command has a name")
    return RecordedCall(
        int(line["client"]),
        float(line.get("at", 0)),
        args,
        [from_json(reply) for reply in line.get("replies", ())],
        int(line.get("later", 0)),
        str(line.get("name", "")),
    )


def _text(data: bytes) -> Any:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode("ascii")}


def _bytes(text: Any) -> bytes:
    if isinstance(text, dict):
        return b64decode(text["base64"], validate=True)
    encoded: bytes = text.encode("utf-8")
    return encoded


def to_json(reply: Reply) -> Any:
    """A reply as the file has it."""
    if reply is None or isinstance(reply, (bool, int)):
        return reply
    if reply is NULL_ARRAY:
        return {"null_array": True}
    if isinstance(reply, bytes):
        return _text(reply)
    if isinstance(reply, float):
        return {"double": format_double(reply).decode()}
    if isinstance(reply, list):
        return [to_json(item) for item in reply]
    if isinstance(reply, Status):
        return {"status": _text(reply.value)}
    if isinstance(reply, CommandError):
        return {"error": _text(reply.message)}
    if isinstance(reply, Map):
        return {"map": _pairs(reply.value)}
    if isinstance(reply, SetReply):
        return {"set": [to_json(item) for item in reply.value]}
    if isinstance(reply, Push):
        return {"push": [to_json(item) for item in reply.value]}
    if isinstance(reply, BigNumber):
        return {"big": _text(reply.value)}
    if isinstance(reply, Verbatim):
        return {"verbatim": [_text(reply.format), _text(reply.value)]}
    if isinstance(reply, Attributed):
        return {"attributes": _pairs(reply.value[0]), "reply": to_json(reply.value[1])}
    raise TypeError(f"no reply: {reply!r}")


def from_json(value: Any) -> Reply:
    """A reply from what the file has.

    :raises ValueError, KeyError, TypeError: it is none.
    """
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return value.encode("utf-8")
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if "attributes" in value:
        pairs = [(from_json(key), from_json(one)) for key, one in value["attributes"]]
        return Attributed((pairs, from_json(value["reply"])))
    ((kind, content),) = value.items()
    if kind == "verbatim":
        return Verbatim(*map(_bytes, content))
    if kind == "map":
        return Map([(from_json(key), from_json(one)) for key, one in content])
    return _FROM[kind](content)


_FROM: Final[dict[str, Any]] = {
    "base64": lambda content: b64decode(content, validate=True),
    "null_array": lambda content: NULL_ARRAY,
    "status": lambda content: Status(_bytes(content)),
    "error": lambda content: CommandError(_bytes(content)),
    "set": lambda content: SetReply([from_json(item) for item in content]),
    "push": lambda content: Push([from_json(item) for item in content]),
    "double": float,
    "big": lambda content: BigNumber(_bytes(content)),
}


def _pairs(pairs: Any) -> list[list[Any]]:
    return [[to_json(key), to_json(value)] for key, value in pairs]
