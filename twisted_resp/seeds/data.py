"""Keys as plain data: what Python, JSON and YAML have to say a database with.

A mapping of keys to values. A text or a number is a string, a list a list, a set a set, a mapping a hash::

    {"user:1": {"name": "Ada"}, "queue": ["a", "b"], "tags": {"x", "y"}, "visits": 12}

What has no plain form, or not in JSON, is a mapping whose names begin with ``$``:

========================= =============================================================================
``$string``, ``$list``,   the value, said outright (a hash whose fields begin with ``$`` needs it)
``$hash``
``$set``                  a list of members
``$zset``                 a mapping of members to scores
``$stream``               a list of entries: ``[id, {field: value}]``, or the fields alone (the server
                          gives ids), or ``[id, [field, value, ...]]`` where fields repeat
``$ttl``                  beside a value: how long it lives, in seconds
``$expires_at``           beside a value: when it expires, Unix time in seconds
``$groups``               beside ``$stream``: consumer groups, see :func:`plain_value`
``$last_id``              beside ``$stream``, where entries are gone: the last id ever given; and with it
                          ``$entries_added`` and ``$max_deleted_id``, as XSETID takes them
``$field_expires_at``     beside ``$hash``: when fields expire, Unix time in seconds by field
``$value``                beside ``$ttl`` or ``$expires_at``: a value in its plain form
``$base64``               bytes that are no text: ``{"$base64": "gAE="}``; as a key ``"$base64:gAE="``
========================= =============================================================================

At the top, ``$databases`` has more databases by number, and ``$functions`` a list of libraries.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Final

from twisted_resp.errors import CommandError
from twisted_resp.in_process import as_argument
from twisted_resp.keyspace.database import Database, Value
from twisted_resp.server.server import Server
from twisted_resp.values.hash import Hash
from twisted_resp.values.list import List
from twisted_resp.values.set import Set
from twisted_resp.values.sorted_set import SortedSet
from twisted_resp.values.stream import Stream
from twisted_resp.values.stream_id import StreamId

__all__ = ["DataError", "load_data", "plain_data", "plain_value"]

Run = Callable[..., Any]

_BASE64: Final = "$base64"
_MOST: Final = 1000  # words a command


class DataError(ValueError):
    """Plain data that say no database; the message is a sentence."""


# ------------------------------------------------------------------------------------------------- reading


def load_data(run: Run, data: Mapping[Any, Any]) -> None:
    """Put what plain data say into a server, in place of what is at their keys.

    :param run: runs a command in the database that is selected, with words as ``InProcessClient.call`` takes them,
        and answers or raises ``CommandError``.
    :raises DataError: it can't be understood. What came before it has been loaded.
    """
    for source in data.get("$functions", ()):
        run("FUNCTION", "LOAD", "REPLACE", source)
    databases: dict[Any, Mapping[Any, Any]] = {0: {k: v for k, v in data.items() if not _is_directive(k)}}
    for index, keys in _mapping(data.get("$databases", {}), "$databases").items():
        databases[index] = _mapping(keys, f"database {index}")
    for index, keys in databases.items():
        if keys:
            _run(run, "SELECT", str(index))
            for key, value in keys.items():
                _load_key(run, _bytes(key), value, key)
    run("SELECT", 0)


def _is_directive(key: object) -> bool:
    if isinstance(key, str) and key.startswith("$") and not key.startswith(_BASE64 + ":"):
        if key not in ("$databases", "$functions"):
            raise DataError(f"there is no {key} at the top")
        return True
    return False


def _mapping(value: Any, what: object) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise DataError(f"{what} is to be a mapping, not {type(value).__name__}")
    return value


def _run(run: Run, *words: object) -> Any:
    try:
        return run(*words)
    except CommandError as error:
        raise DataError(f"{' '.join(map(str, words[:2]))}: {error}") from None


def _load_key(run: Run, key: bytes, value: Any, name: object) -> None:
    tags = _tags(value, name)
    ttl, expires_at = tags.pop("$ttl", None), tags.pop("$expires_at", None)
    if "$value" in tags:
        plain = tags.pop("$value")
        tags[_kind_of(plain, name)] = plain
    kinds = tags.keys() & _LOADERS.keys()
    if len(kinds) != 1:
        raise DataError(f"{name}: one of {', '.join(_LOADERS)} is needed, not {', '.join(tags) or 'nothing'}")
    (kind,) = kinds
    content = tags.pop(kind)
    run("DEL", key)
    try:
        _LOADERS[kind](run, key, content, tags)
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{name}: {error}") from None
    if tags:
        raise DataError(f"{name}: {', '.join(tags)} makes no sense beside {kind}")
    if ttl is not None:
        _run(run, "PEXPIRE", key, round(float(ttl) * 1000))
    if expires_at is not None:
        _run(run, "PEXPIREAT", key, round(float(expires_at) * 1000))


def _tags(value: Any, name: object) -> dict[str, Any]:
    """What is said of a key, with names that begin with ``$``."""
    if not isinstance(value, Mapping):
        return {"$value": value}
    tags = [each for each in value if isinstance(each, str) and each[:1] == "$" and each[:8] != _BASE64 + ":"]
    if not tags or tags == [_BASE64]:
        return {"$value": value}
    if len(tags) < len(value):
        raise DataError(f"{name}: fields that begin with $ are meant for a $hash")
    return dict(value)


def _kind_of(value: Any, name: object) -> str:
    if isinstance(value, Mapping):
        return "$string" if _BASE64 in value else "$hash"
    if isinstance(value, (list, tuple)):
        return "$list"
    if isinstance(value, (set, frozenset)):
        return "$set"
    if value is None or isinstance(value, bool):
        raise DataError(f"{name}: {value} has no form in a database")
    return "$string"


def _bytes(value: Any) -> bytes:
    """The bytes that a text, a number or ``$base64`` stands for."""
    if isinstance(value, Mapping) and value.keys() == {_BASE64}:
        return b64decode(value[_BASE64], validate=True)
    if isinstance(value, str) and value.startswith(_BASE64 + ":"):
        return b64decode(value[len(_BASE64) + 1 :], validate=True)
    return as_argument(value)


def _load_string(run: Run, key: bytes, content: Any, tags: dict[str, Any]) -> None:
    run("SET", key, _bytes(content))


def _load_list(run: Run, key: bytes, content: Iterable[Any], tags: dict[str, Any]) -> None:
    _in_pieces(run, ("RPUSH", key), [_bytes(element) for element in content])


def _load_set(run: Run, key: bytes, content: Iterable[Any], tags: dict[str, Any]) -> None:
    _in_pieces(run, ("SADD", key), [_bytes(member) for member in content])


def _load_sorted_set(run: Run, key: bytes, content: Any, tags: dict[str, Any]) -> None:
    words: list[object] = []
    for member, score in content.items():
        words += (score, _bytes(member))
    _in_pieces(run, ("ZADD", key), words)


def _load_hash(run: Run, key: bytes, content: Any, tags: dict[str, Any]) -> None:
    words: list[object] = []
    for field, value in content.items():
        words += (_bytes(field), _bytes(value))
    _in_pieces(run, ("HSET", key), words)
    for field, at in tags.pop("$field_expires_at", {}).items():
        _run(run, "HPEXPIREAT", key, round(float(at) * 1000), "FIELDS", 1, _bytes(field))


def _load_stream(run: Run, key: bytes, content: Iterable[Any], tags: dict[str, Any]) -> None:
    last_id = tags.pop("$last_id", None)
    count = 0
    for entry in content:
        entry_id, fields = ("*", entry) if isinstance(entry, Mapping) else entry
        words = [word for pair in fields.items() for word in pair] if isinstance(fields, Mapping) else fields
        _run(run, "XADD", key, entry_id, *map(_bytes, words))
        count += 1
    groups = tags.pop("$groups", {})
    if not count:
        # There is no command for an empty stream: add an entry and let it go at once.
        _run(run, "XADD", key, "MAXLEN", 0, "0-1", "x", "y")
    added, deleted = tags.pop("$entries_added", None), tags.pop("$max_deleted_id", "0-0")
    if added is not None:
        _run(run, "XSETID", key, last_id or "0-0", "ENTRIESADDED", added, "MAXDELETEDID", deleted)
    elif last_id is not None:
        _run(run, "XSETID", key, last_id)
    for group, facts in groups.items():
        name = _bytes(group)
        _run(
            run,
            "XGROUP",
            "CREATE",
            key,
            name,
            facts.get("last_id", 0),
            "ENTRIESREAD",
            facts.get("entries_read", -1),
        )
        for consumer, pending in facts.get("consumers", {}).items():
            _run(run, "XGROUP", "CREATECONSUMER", key, name, _bytes(consumer))
            for entry_id, delivered_at, times in pending:
                _run(
                    run, "XCLAIM", key, name, _bytes(consumer), 0, entry_id, "TIME", round(delivered_at * 1000),
                    "RETRYCOUNT", times, "JUSTID", "FORCE",
                )  # fmt: skip


def _in_pieces(run: Run, start: tuple[object, ...], words: list[Any]) -> None:
    if not words:
        raise ValueError("there is no empty list, set, sorted set or hash")
    for place in range(0, len(words), _MOST):
        _run(run, *start, *words[place : place + _MOST])


_LOADERS: Final[dict[str, Callable[[Run, bytes, Any, dict[str, Any]], None]]] = {
    "$string": _load_string,
    "$list": _load_list,
    "$set": _load_set,
    "$zset": _load_sorted_set,
    "$hash": _load_hash,
    "$stream": _load_stream,
}


# ------------------------------------------------------------------------------------------------- printing


def plain_data(server: Server) -> dict[str, Any]:
    """All data of a server, as :func:`load_data` takes them, with nothing in them that JSON does not have.

    Keys stand in order of their names. That keys were used and streams were trimmed is left out.
    """
    data: dict[str, Any] = {}
    more: dict[str, Any] = {}
    for database in server.keyspace.databases:
        keys = {
            _text_key(key): plain_value(database, key)
            for key in sorted(database.values)
            if not database.is_past(key)
        }
        if database.index == 0:
            data = keys
        elif keys:
            more[str(database.index)] = keys
    functions = [source.decode("utf-8", "surrogateescape") for source in server.scripting.sources()]
    if functions:
        data["$functions"] = functions
    if more:
        data["$databases"] = more
    return data


def plain_value(database: Database, key: bytes) -> Any:
    """A key's value and expiry as :func:`load_data` takes them.

    A consumer group is a mapping of ``last_id``, ``entries_read`` and ``consumers``: lists of pending entries by
    consumer, each ``[id, delivered_at, times]``.
    """
    plain = _plain(database.values[key])
    expires_at = database.expires.get(key)
    if expires_at is None:
        return plain
    if not (isinstance(plain, dict) and any(name[:1] == "$" and name != _BASE64 for name in plain)):
        plain = {"$value": plain}
    return {**plain, "$expires_at": expires_at / 1000}


def _plain(value: Value) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return _text(bytes(value))
    if isinstance(value, List):
        return [_text(element) for element in value]
    if isinstance(value, Set):
        return {"$set": [_text(member) for member in sorted(value)]}
    if isinstance(value, SortedSet):
        return {"$zset": {_text_key(member): _score(score) for member, score in value}}
    if isinstance(value, Hash):
        return _plain_hash(value)
    if isinstance(value, Stream):
        return _plain_stream(value)
    raise TypeError(f"there is no plain form of a {type(value).__name__}")


def _plain_hash(value: Hash) -> Any:
    plain = {_text_key(field): _text(content) for field, content in value.items()}
    if value.has_expiries:
        expiries = {_text_key(field): at / 1000 for field, at in value.expiries().items()}
        return {"$hash": plain, "$field_expires_at": expiries}
    return {"$hash": plain} if any(field[:1] == "$" for field in plain) else plain


def _plain_stream(value: Stream) -> Any:
    plain: dict[str, Any] = {"$stream": [[_printed(entry_id), _fields(fields)] for entry_id, fields in value]}
    if value.entries_added != len(value) or value.last_id != value.last_entry_id:
        plain["$last_id"] = _printed(value.last_id)
        plain["$entries_added"] = value.entries_added
        plain["$max_deleted_id"] = _printed(value.max_deleted_id)
    groups = {}
    for group in value.sorted_groups():
        consumers = {}
        for consumer in group.sorted_consumers():
            consumers[_text_key(consumer.name)] = [
                [_printed(entry_id), nack.delivery_time / 1000, nack.delivery_count]
                for entry_id, nack in consumer.pending.walk()
            ]
        facts = {
            "last_id": _printed(group.last_id),
            "entries_read": group.entries_read,
            "consumers": consumers,
        }
        groups[_text_key(group.name)] = facts
    if groups:
        plain["$groups"] = groups
    return plain


def _fields(fields: Any) -> Any:
    words = list(fields)
    names = [_text_key(name) for name in words[::2]]
    if len(set(names)) == len(names):
        return dict(zip(names, map(_text, words[1::2])))
    return [_text(word) for word in words]


def _printed(entry_id: StreamId) -> str:
    return f"{entry_id[0]}-{entry_id[1]}"


def _score(score: float) -> Any:
    if abs(score) == float("inf"):  # which JSON has no number for
        return "inf" if score > 0 else "-inf"
    return int(score) if score == int(score) and abs(score) < 2**53 else score


def _text(data: bytes) -> Any:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return {_BASE64: b64encode(data).decode()}
    return {_BASE64: b64encode(data).decode()} if text.startswith(_BASE64 + ":") else text


def _text_key(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return f"{_BASE64}:{b64encode(data).decode()}"
    return f"{_BASE64}:{b64encode(data).decode()}" if text.startswith("$") else text
