"""What COMMAND tells of the declared commands: their properties, their documentation, and the keys of a call.

https://redis.io/docs/latest/commands/command/
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from twisted_resp.acl.catalogue import CATEGORIES
from twisted_resp.commands.arguments import Argument
from twisted_resp.commands.keyspecs import Index, KeyNum, KeySpec, Keyword, Range
from twisted_resp.commands.table import (
    ADMIN,
    BLOCKING,
    FAST,
    FLAG_NAMES,
    MOVABLE_KEYS,
    PUBSUB,
    READONLY,
    WRITE,
    Command,
)
from twisted_resp.resp import Map, Reply, SetReply, Status
from twisted_resp.text.integers import parse_integer

__all__ = [
    "FoundKey",
    "acl_categories",
    "command_docs",
    "command_info",
    "has_keys",
    "key_flags",
    "keys_of",
]

# Groups whose commands have a category of their own.
_GROUP_CATEGORIES = {
    "generic": "keyspace",
    "sorted-set": "sortedset",
    "transactions": "transaction",
    "bitmap": "bitmap",
    "connection": "connection",
    "geo": "geo",
    "hash": "hash",
    "hyperloglog": "hyperloglog",
    "list": "list",
    "scripting": "scripting",
    "set": "set",
    "stream": "stream",
    "string": "string",
}


def acl_categories(command: Command) -> tuple[str, ...]:
    """Return the ACL categories of a command: those of its flags and group, and what its declaration adds.

    A declared ``"-name"`` takes one away (SORT is not in ``keyspace``).
    """
    flags = command.flags
    found = {category for category in command.acl if category[0] != "-"}
    group = _GROUP_CATEGORIES.get(command.group)
    if group is not None and command.handler is not None:
        found.add(group)
    if flags & WRITE:
        found.add("write")
    if flags & READONLY and "scripting" not in found:
        found.add("read")
    if flags & ADMIN:
        found.update(("admin", "dangerous"))
    if flags & PUBSUB:
        found.add("pubsub")
    if flags & BLOCKING:
        found.add("blocking")
    found.add("fast" if flags & FAST else "slow")
    found.difference_update(category[1:] for category in command.acl if category[0] == "-")
    return tuple(category for category in CATEGORIES if category in found)


# COMMAND and COMMAND INFO


def command_info(command: Command) -> Reply:
    """Return what COMMAND and COMMAND INFO say of a command, its subcommands included."""
    first, last, step = command.syntax.legacy_range
    flags = command.flags | (MOVABLE_KEYS if command.syntax.movable_keys else 0)
    return [
        command.full_name,
        command.arity,
        _flags(name for flag, name in FLAG_NAMES if flags & flag),
        first,
        last,
        step,
        _flags(b"@" + category.encode() for category in acl_categories(command)),
        SetReply([tip.encode() for tip in command.tips]),
        SetReply([_key_spec(command, spec) for spec in command.key_specs]),
        [command_info(subcommand) for subcommand in command.subcommands.values()] or SetReply([]),
    ]


def _flags(names: Iterable[bytes]) -> Reply:
    return SetReply([Status(name) for name in names])


def key_flags(command: Command, spec: KeySpec) -> tuple[str, ...]:
    """Return what a command does to keys; where its declaration is silent, what its flags let one expect."""
    return spec.flags or (("RW", "update") if command.flags & WRITE else ("RO", "access"))


def _key_spec(command: Command, spec: KeySpec) -> Reply:
    pairs: list[tuple[bytes, Reply]] = []
    if spec.notes:
        pairs.append((b"notes", spec.notes.encode()))
    pairs.append((b"flags", _flags(flag.encode() for flag in key_flags(command, spec))))
    begin, find = spec.begin, spec.find
    if isinstance(begin, Index):
        pairs.append((b"begin_search", _step(b"index", index=begin.position)))
    elif isinstance(begin, Keyword):
        keyword = begin.keyword.encode()
        pairs.append((b"begin_search", _step(b"keyword", keyword=keyword, startfrom=begin.start_from)))
    else:
        pairs.append((b"begin_search", _step(b"unknown")))
    if isinstance(find, Range):
        pairs.append((b"find_keys", _step(b"range", lastkey=find.last, keystep=find.step, limit=find.limit)))
    elif isinstance(find, KeyNum):
        pairs.append(
            (b"find_keys", _step(b"keynum", keynumidx=find.counter, firstkey=find.first, keystep=find.step))
        )
    else:
        pairs.append((b"find_keys", _step(b"unknown")))
    return Map(pairs)


def _step(kind: bytes, **spec: Any) -> Reply:
    return Map([(b"type", kind), (b"spec", Map([(name.encode(), value) for name, value in spec.items()]))])


# COMMAND DOCS


def command_docs(command: Command) -> Reply:
    """Return what COMMAND DOCS says of a command, its subcommands included."""
    pairs: list[tuple[bytes, Reply]] = _texts(summary=command.summary, since=command.since)
    pairs.append((b"group", command.group.encode()))
    pairs += _texts(complexity=command.complexity)
    if command.deprecated or command.system:
        marks = ((command.deprecated, b"deprecated"), (command.system, b"syscmd"))
        pairs.append((b"doc_flags", _flags(mark for marked, mark in marks if marked)))
    pairs += _texts(deprecated_since=command.deprecated, replaced_by=command.replaced_by)
    if command.history:
        history = [[since.encode(), change.encode()] for since, change in command.history]
        pairs.append((b"history", SetReply(history)))
    if command.syntax.arguments:
        pairs.append((b"arguments", _arguments(command.syntax.arguments)))
    if command.subcommands:
        subcommands = [(sub.full_name, command_docs(sub)) for sub in command.subcommands.values()]
        pairs.append((b"subcommands", Map(subcommands)))
    return Map(pairs)


def _texts(**texts: str) -> list[tuple[bytes, Reply]]:
    return [(name.encode(), text.encode()) for name, text in texts.items() if text]


def _arguments(arguments: Sequence[Argument]) -> Reply:
    return [_argument(argument) for argument in arguments]


def _argument(argument: Argument) -> Reply:
    pairs = _texts(name=argument.name, type=argument.type)
    if not argument.children:
        pairs.append((b"display_text", argument.display.encode()))
    if argument.key_spec_index is not None:
        pairs.append((b"key_spec_index", argument.key_spec_index))
    pairs += _texts(
        token=argument.token or "", since=argument.since, deprecated_since=argument.deprecated_since
    )
    flags = [name for name in ("optional", "multiple", "multiple_token") if getattr(argument, name)]
    if flags:
        pairs.append((b"flags", _flags(flag.encode() for flag in flags)))
    if argument.children:
        pairs.append((b"arguments", _arguments(argument.children)))
    return Map(pairs)


# COMMAND GETKEYS


class FoundKey(NamedTuple):
    """A key of a call: where it stands (the command's name is 0), and what happens to it ("RO"...)."""

    position: int
    key: bytes
    flags: tuple[str, ...]


def has_keys(command: Command) -> bool:
    """Whether a command takes keys at all."""
    return command.get_keys is not None or any("not_key" not in spec.flags for spec in command.key_specs)


def keys_of(command: Command, argv: Sequence[bytes], *, not_keys: bool = False) -> list[FoundKey]:
    """Return the keys of a call; none where it has none or can't be read.

    Args:
        command: what is called.
        argv: the call, with the command's name (and the subcommand's).
        not_keys: whether to include what only counts as a key for its slot: the channels of sharded pub/sub.
    """
    specs = command.key_specs
    if command.get_keys is None or not any("variable_flags" in spec.flags for spec in specs):
        found = _by_specs(command, argv, not_keys)
        if found is not None:
            return found
    if command.get_keys is None:
        return []
    return [FoundKey(position, argv[position], flags) for position, flags in command.get_keys(argv)]


def _by_specs(command: Command, argv: Sequence[bytes], not_keys: bool) -> list[FoundKey] | None:
    """Find keys by the key specifications; None if these don't tell, or the call does not fit them."""
    found: list[FoundKey] = []
    for spec in command.key_specs:
        if "not_key" in spec.flags and not not_keys:
            continue
        if spec.begin is None or spec.find is None:
            return None
        first = spec.begin.position if isinstance(spec.begin, Index) else _behind(spec.begin, argv)
        if not first:
            continue
        bounds = _bounds(spec.find, first, argv)
        if bounds is None:
            return None
        first, last = bounds
        if not first <= last < len(argv):
            return None
        flags = key_flags(command, spec)
        found += [
            FoundKey(position, argv[position], flags) for position in range(first, last + 1, spec.find.step)
        ]
        if "incomplete" in flags:
            return None
    return found


def _behind(keyword: Keyword, argv: Sequence[bytes]) -> int:
    """Return the place behind a keyword, 0 if it isn't there."""
    if keyword.start_from > 0:
        places = range(keyword.start_from, len(argv) - 1)
    else:
        places = range(len(argv) + keyword.start_from, 1, -1)
    sought = keyword.keyword.lower().encode()
    for place in places:
        if argv[place].lower() == sought:
            return place + 1
    return 0


def _bounds(find: Range | KeyNum, first: int, argv: Sequence[bytes]) -> tuple[int, int] | None:
    """Return where the first and last key stand, counted from where the search begins."""
    if isinstance(find, KeyNum):
        place = first + find.counter
        count = parse_integer(argv[place]) if place < len(argv) else None
        if count is None:
            return None
        return first + find.first, first + find.first + count - 1
    if find.last >= 0:
        return first, first + find.last
    if find.limit:
        return first, first + (len(argv) - first) // find.limit + find.last
    return first, len(argv) + find.last
