"""How a command is declared: its syntax line and a few words, above its handler.

    @command("LLEN key", READONLY | FAST, since="1.0.0", complexity="O(1)", keys=["RO"])
    def llen(client: Client, key: bytes) -> Reply:
        \"\"\"Returns the length of a list.\"\"\"

Arity, key positions and argument docs follow from the line, ACL categories from flags and group, the summary from the
docstring; COMMAND, COMMAND DOCS, COMMAND GETKEYS and the dispatcher read them from here. The group is the name of
the module (``lists.py`` says so with ``GROUP = "list"``).

A line is read when something that follows from it is first asked for: to read all of them takes longer than to import
all commands, and most servers are asked for a few. That all of them can be read is checked by the tests.

A handler is called with the client and the arguments after the command's name (after the subcommand's, for two-word
commands). It may rely on the number of arguments being right. It returns a reply or raises ``CommandError``.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property
from typing import Any, Final, TypeVar

from twisted_resp.commands.keyspecs import KeySpec
from twisted_resp.commands.syntax import Syntax, names_of
from twisted_resp.resp import Reply

__all__ = [
    "ADMIN", "ALLOW_BUSY", "ASKING", "BLOCKING", "DENYOOM", "FAST", "FLAG_NAMES", "LOADING", "MAY_REPLICATE",
    "MOVABLE_KEYS", "NOSCRIPT", "NO_ASYNC_LOADING", "NO_AUTH", "NO_MANDATORY_KEYS", "NO_MULTI", "PROTECTED", "PUBSUB",
    "READONLY", "SENTINEL", "SKIP_MONITOR", "SKIP_SLOWLOG", "STALE", "WRITE", "ColumnForm", "Command", "all_commands",
    "column_form", "command", "container", "in_columns",
]  # fmt: skip

WRITE: Final = 1 << 0
READONLY: Final = 1 << 1
DENYOOM: Final = 1 << 2
ADMIN: Final = 1 << 3
PUBSUB: Final = 1 << 4
NOSCRIPT: Final = 1 << 5
BLOCKING: Final = 1 << 6
LOADING: Final = 1 << 7
STALE: Final = 1 << 8
SKIP_MONITOR: Final = 1 << 9
SKIP_SLOWLOG: Final = 1 << 10
ASKING: Final = 1 << 11
FAST: Final = 1 << 12
NO_AUTH: Final = 1 << 13
MAY_REPLICATE: Final = 1 << 14
SENTINEL: Final = 1 << 15
NO_MANDATORY_KEYS: Final = 1 << 16
PROTECTED: Final = 1 << 17
NO_ASYNC_LOADING: Final = 1 << 18
NO_MULTI: Final = 1 << 19
ALLOW_BUSY: Final = 1 << 20
MOVABLE_KEYS: Final = 1 << 21

#: Flags as COMMAND names them, in its order. (MAY_REPLICATE, PROTECTED and SENTINEL are not shown.)
FLAG_NAMES: Final = (
    (WRITE, b"write"),
    (READONLY, b"readonly"),
    (DENYOOM, b"denyoom"),
    (ADMIN, b"admin"),
    (PUBSUB, b"pubsub"),
    (NOSCRIPT, b"noscript"),
    (BLOCKING, b"blocking"),
    (LOADING, b"loading"),
    (STALE, b"stale"),
    (SKIP_MONITOR, b"skip_monitor"),
    (SKIP_SLOWLOG, b"skip_slowlog"),
    (ASKING, b"asking"),
    (FAST, b"fast"),
    (NO_AUTH, b"no_auth"),
    (NO_MANDATORY_KEYS, b"no_mandatory_keys"),
    (NO_ASYNC_LOADING, b"no_async_loading"),
    (NO_MULTI, b"no_multi"),
    (MOVABLE_KEYS, b"movablekeys"),
    (ALLOW_BUSY, b"allow_busy"),
)

Handler = Callable[..., Reply]
H = TypeVar("H", bound=Handler)
#: From a call (its name included) to the places of its keys and what happens to each ("RW", "access"...).
GetKeys = Callable[[Sequence[bytes]], list[tuple[int, tuple[str, ...]]]]


class Command:
    """A declared command, or a subcommand of one. Shared by all servers of a process, so never changed.

    :param line: its syntax line; ``read`` makes of it what :attr:`syntax` is, when that is first asked for.
    """

    def __init__(
        self,
        line: str,
        read: Callable[[], Syntax],
        handler: Handler | None,
        flags: int,
        *,
        group: str,
        summary: str,
        since: str,
        complexity: str,
        acl: Sequence[str] = (),
        tips: Sequence[str] = (),
        history: Sequence[tuple[str, str]] = (),
        deprecated: str = "",
        replaced_by: str = "",
        system: bool = False,
        get_keys: GetKeys | None = None,
    ) -> None:
        self._read = read
        self.handler = handler
        self.flags = flags
        self.group = group
        self.summary = summary
        self.since = since
        self.complexity = complexity
        #: ACL categories beyond those that follow from flags and group.
        self.acl = tuple(acl)
        self.tips = tuple(tips)
        self.history = tuple(history)
        #: The version that deprecated the command, and what to use instead.
        self.deprecated = deprecated
        self.replaced_by = replaced_by
        #: Whether it is not meant for users: COMMAND DOCS marks it ``syscmd``.
        self.system = system
        #: Where keys or their flags can't be told by key specifications (SORT, SET): see ``getkeys.py``.
        self.get_keys = get_keys
        name, subcommand = names_of(line)
        self.name = (subcommand or name).lower().encode()
        #: The command that it is a subcommand of, if it is one.
        self.container = name.lower().encode() if subcommand else None
        #: ``get``, ``client|list``: as INFO, ACL and COMMAND name it.
        self.full_name = self.name if self.container is None else self.container + b"|" + self.name
        self.subcommands: dict[bytes, Command] = {}

    def __repr__(self) -> str:
        return f"<Command {self.full_name.decode()}>"

    @cached_property
    def syntax(self) -> Syntax:
        """What its line says."""
        return self._read()

    def with_syntax(self, read: Callable[[], Syntax]) -> Command:
        """A copy that reads its syntax in another way."""
        other = copy(self)
        other._read = read
        other.__dict__.pop("syntax", None)
        return other

    @property
    def arity(self) -> int:
        """Redis' arity: the number of words, or minus the least number where it varies."""
        return self.syntax.arity

    @property
    def key_specs(self) -> tuple[KeySpec, ...]:
        """Where the keys stand."""
        return self.syntax.key_specs


_COMMANDS: Final[dict[bytes, Command]] = {}


def all_commands() -> Mapping[bytes, Command]:
    """Every declared command by its lower-case name; containers hold their subcommands."""
    return _COMMANDS


def command(
    line: str,
    flags: int = 0,
    *,
    since: str,
    complexity: str,
    group: str | None = None,
    arity: int | None = None,
    keys: Sequence[str | KeySpec] | None = None,
    types: Mapping[str, str] | None = None,
    argument_since: Mapping[str, str] | None = None,
    argument_deprecated: Mapping[str, str] | None = None,
    acl: Sequence[str] = (),
    tips: Sequence[str] = (),
    history: Iterable[tuple[str, str]] = (),
    deprecated: str = "",
    replaced_by: str = "",
    system: bool = False,
    get_keys: GetKeys | None = None,
) -> Callable[[H], H]:
    """Declare the function below as a command.

    :param line: the syntax line of redis.io. Two words in capitals are a subcommand of a :func:`container`.
    :param flags: the flags of this module, or-ed.
    :param keys: the flags of each key specification, such as ``"RW access update"``.
    :param arity: where it does not follow from the line. ``types``, ``argument_since``, ``argument_deprecated`` go
        with the line too, see :meth:`Syntax.parse`.
    :param acl: ACL categories that do not follow from flags and group (``dangerous``, ``keyspace``, ...);
        ``-keyspace`` takes away one that would.
    :param get_keys: a function of ``getkeys.py``, where key specifications don't tell.
    """

    def read() -> Syntax:
        return Syntax.parse(
            line, arity=arity, keys=keys, types=types, since=argument_since, deprecated=argument_deprecated
        )

    def declare(handler: H) -> H:
        declared = Command(
            line,
            read,
            handler,
            flags,
            group=group or _group_of(handler),
            summary=inspect.cleandoc(handler.__doc__ or "").split("\n\n", 1)[0].replace("\n", " "),
            since=since,
            complexity=complexity,
            acl=acl,
            tips=tips,
            history=tuple(history),
            deprecated=deprecated,
            replaced_by=replaced_by,
            system=system,
            get_keys=get_keys,
        )
        _register(declared)
        return handler

    return declare


#: What :func:`in_columns` declares.
ColumnForm = Callable[..., Sequence[Reply]]

_COLUMN_FORMS: Final[dict[tuple[Any, int], ColumnForm]] = {}


def in_columns(handler: Callable[..., Reply], words: int) -> Callable[[ColumnForm], ColumnForm]:
    """Declare the function below as what runs a whole pipeline of calls of a handler at once.

    It is called with the client and a column for each argument: the first arguments of all calls, their second ones,
    and so on. It does the first so many of the calls, all or none if it likes, and returns their replies; the rest is
    run one by one. So what is out of the ordinary it leaves alone, above all what is answered with an error. It is only
    asked where nobody listens to changes (:attr:`Keyspace.is_unobserved`) and accesses are noted as times.

    :param handler: that of a command which does nothing but read and change keys.
    :param words: how many words each of the calls has, with the name.
    """

    def declare(form: ColumnForm) -> ColumnForm:
        _COLUMN_FORMS[handler, words] = form
        return form

    return declare


#: The column form of a handler and a number of words, or None.
column_form: Final = _COLUMN_FORMS.get


def container(
    name: str,
    summary: str,
    *,
    since: str,
    group: str,
    flags: int = 0,
    acl: Sequence[str] = (),
) -> None:
    """Declare a command that is only a container of subcommands, such as CLIENT."""
    _register(
        Command(
            name,
            lambda: Syntax.parse(name, arity=-2),
            None,
            flags,
            group=group,
            summary=summary,
            since=since,
            complexity="Depends on subcommand.",
            acl=acl,
        )
    )


def _register(declared: Command) -> None:
    if declared.container is None:
        _COMMANDS[declared.name] = declared
    else:
        _COMMANDS[declared.container].subcommands[declared.name] = declared


def _group_of(handler: Any) -> str:
    group: str = sys.modules[handler.__module__].GROUP
    return group
