"""The whole table against what an installed redis-server answers to COMMAND and COMMAND DOCS.

Ours follows the current release; the server may be as old as 7.0. What came later, by its ``since``, is left
out, and what later releases changed without saying so is listed in `CHANGED`. In 7.2 summaries were reworded,
complexities and histories mended and arguments renamed: with 7.0, only the form of the arguments is compared.
"""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis

from twisted_resp.commands import load_all
from twisted_resp.commands.documentation import command_docs, command_info
from twisted_resp.commands.table import Command, all_commands
from twisted_resp.resp import Map, SetReply, Status

FIELDS = (
    "name",
    "arity",
    "flags",
    "first key",
    "last key",
    "step",
    "categories",
    "tips",
    "key specifications",
)

#: What 7.0 said differently: command -> fields.
CHANGED = {
    "acl|deluser": {"tips"},
    "acl|save": {"tips"},
    "acl|setuser": {"tips"},
    "bitop": {"arguments"},
    "blmove": {"flags"},
    "blpop": {"flags"},
    "brpop": {"flags"},
    "brpoplpush": {"flags"},
    "bzpopmax": {"flags"},
    "bzpopmin": {"flags"},
    "client|kill": {"arguments"},
    "client|list": {"arguments"},
    "client|pause": {"since"},
    "client|setname": {"tips"},
    "cluster|shards": {"flags"},
    "cluster|slots": {"flags"},
    "command|getkeys": {"arguments", "arity"},
    "command|getkeysandflags": {"arguments", "arity"},
    "config|get": {"arguments"},
    "config|resetstat": {"tips"},
    "config|rewrite": {"tips"},
    "geohash": {"arguments"},
    "geopos": {"arguments"},
    "georadius": {"arguments"},
    "georadiusbymember": {"arguments"},
    "hscan": {"arguments"},
    "latency|reset": {"tips"},
    "migrate": {"arguments"},
    "module|loadex": {"arguments"},
    "msetnx": {"tips"},
    "pfmerge": {"arguments"},
    "psetex": {"deprecated_since", "doc_flags", "replaced_by"},
    "psubscribe": {"arguments"},
    "randomkey": {"tips"},
    "scan": {"tips"},
    "setex": {"deprecated_since", "doc_flags", "replaced_by"},
    "setnx": {"deprecated_since", "doc_flags", "replaced_by"},
    "sinterstore": {"key specifications"},
    "wait": {"categories", "flags"},
    "xinfo|stream": {"arguments"},
    "zrank": {"arguments", "arity"},
    "zrevrank": {"arguments", "arity"},
}

Version = tuple[int, ...]


def version_of(text: str | bytes) -> Version:
    return tuple(int(part) for part in (text.decode() if isinstance(text, bytes) else text).split("."))


@pytest.fixture(scope="module")
def declared() -> dict[bytes, Command]:
    """Every declared command and subcommand by its full name."""
    load_all()
    return {
        command.full_name: command
        for outer in all_commands().values()
        for command in (outer, *outer.subcommands.values())
    }


class Reference:
    """What the redis-server says: of each command, by its full name."""

    def __init__(self, server: Any) -> None:
        self.version: Version = server.version
        with Redis.from_url(f"redis://{server.host}:{server.port}?protocol=3") as client:
            client.response_callbacks.clear()
            infos = client.execute_command("COMMAND")
            docs = client.execute_command("COMMAND", "DOCS")
        self.info = {info[0]: info for outer in infos for info in (outer, *outer[9])}
        self.docs = dict(docs)
        for of_command in docs.values():
            self.docs.update(of_command.get(b"subcommands", {}))

    def has(self, command: Command) -> bool:
        """Whether the server knows a command, or is too old for it."""
        return command.full_name in self.info or version_of(command.since) > self.version

    def known(self, declared: dict[bytes, Command]) -> list[Command]:
        """Return those of our commands that the server knows as well."""
        return [declared[name] for name in sorted(declared) if name in self.info]


@pytest.fixture(scope="module")
def reference(redis_server: Any) -> Reference:
    """What the installed redis-server says."""
    return Reference(redis_server)


def plain(reply: Any) -> Any:
    """Return one of our replies as the client library gives it."""
    if isinstance(reply, Map):
        return {plain(name): plain(value) for name, value in reply.value}
    if isinstance(reply, SetReply):
        return [plain(item) for item in reply.value]
    if isinstance(reply, (list, tuple)):
        return [plain(item) for item in reply]
    return reply.value if isinstance(reply, Status) else reply


def difference(command: Command, field: str, ours: Any, theirs: Any, version: Version) -> list[str]:
    """Return a line where a field differs that should not, or should and doesn't."""
    name = command.full_name.decode()
    changed = field in CHANGED.get(name, ()) and version < (7, 2)
    if ours != theirs and not changed:
        return [f"{name}: {field}\n    ours   {ours}\n    theirs {theirs}"]
    if ours == theirs and changed:
        return [f"{name}: {field} is as in 7.0, though CHANGED says that it is not: {ours}"]
    return []


def test_every_command_is_one_of_redis(declared: dict[bytes, Command], reference: Reference) -> None:
    assert [command.full_name for command in declared.values() if not reference.has(command)] == []


def test_command(declared: dict[bytes, Command], reference: Reference) -> None:
    differences: list[str] = []
    for command in reference.known(declared):
        theirs = reference.info[command.full_name]
        for field, mine, other in zip(FIELDS, plain(command_info(command)), theirs):
            differences += difference(command, field, mine, other, reference.version)
    assert not differences, "\n".join(differences)


def test_command_docs(declared: dict[bytes, Command], reference: Reference) -> None:
    differences: list[str] = []
    old = reference.version < (7, 2)
    for command in reference.known(declared):
        ours = without_later(plain(command_docs(command)), reference.version)
        theirs = without_later(reference.docs[command.full_name], reference.version)
        for field in sorted(ours.keys() | theirs.keys()):
            if field == b"subcommands" or (old and field in (b"summary", b"complexity", b"history")):
                continue
            mine, other = ours.get(field), theirs.get(field)
            if field == b"arguments" and old:
                mine, other = form(mine), form(other)
            differences += difference(command, field.decode(), mine, other, reference.version)
    assert not differences, "\n".join(differences)


def without_later(docs: dict[bytes, Any], version: Version) -> dict[bytes, Any]:
    """Leave out deprecation, history and arguments that are newer than a version."""
    docs = dict(docs)
    if version_of(docs.get(b"deprecated_since", b"0")) > version:
        del docs[b"deprecated_since"], docs[b"replaced_by"]
        docs[b"doc_flags"] = [flag for flag in docs[b"doc_flags"] if flag != b"deprecated"]
        if not docs[b"doc_flags"]:
            del docs[b"doc_flags"]
    if b"history" in docs:
        docs[b"history"] = [change for change in docs[b"history"] if version_of(change[0]) <= version]
        if not docs[b"history"]:
            del docs[b"history"]
    if b"arguments" in docs:
        docs[b"arguments"] = [
            without_later(argument, version)
            for argument in docs[b"arguments"]
            if version_of(argument.get(b"since", b"0")) <= version
        ]
        if not docs[b"arguments"]:
            del docs[b"arguments"]
    return docs


def form(arguments: list[dict[bytes, Any]] | None) -> list[dict[bytes, Any]]:
    """Leave out the names of arguments."""
    return [
        {
            field: form(value) if field == b"arguments" else value
            for field, value in argument.items()
            if field not in (b"name", b"display_text")
        }
        for argument in arguments or ()
    ]
