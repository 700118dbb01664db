"""The command table of a flavour: without the commands, subcommands and options that came later.

Whole commands are told by their ``since``. For options the declaration says what COMMAND DOCS leaves out; how the
older version refuses them, by the number of arguments or with an error of the command's own, stands here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Callable, Final, NamedTuple, Union

from twisted_resp import errors
from twisted_resp.commands.arguments import Argument
from twisted_resp.commands.syntax import Syntax
from twisted_resp.commands.table import Command, all_commands
from twisted_resp.errors import CommandError
from twisted_resp.resp import Reply
from twisted_resp.server.client import Client
from twisted_resp.server.flavour import ALL, Flavour

__all__ = ["commands_of"]

#: Whether arguments (those of the handler) use what came later.
Uses = Callable[[Sequence[bytes]], bool]
#: The error that they get.
Error = Union[bytes, Callable[[Sequence[bytes]], bytes]]


class _Later(NamedTuple):
    """What a version added to a command.

    :ivar arity: what it was before, if that says it all.
    :ivar uses: tells a call that needs the new version, which gets ``error``.
    :ivar of_key: whether the older version, too, looks at the arguments only where there is such a key.
    """

    since: str
    arity: int | None = None
    uses: Uses | None = None
    error: Error = errors.SYNTAX
    of_key: bool = False


def _options(words: str, start: int, takes: str = "", end: str = "") -> Uses:
    """Whether one of some options stands among the others.

    :param words: the new ones.
    :param start: where options begin.
    :param takes: other options, each with the number of words that belong to it: ``"EX:1 LIMIT:2"``.
    :param end: a word after which there are no options any more.
    """
    new = frozenset(words.lower().encode().split())
    lengths = {
        option.lower().encode(): int(count)
        for option, _, count in (item.partition(":") for item in takes.split())
    }
    last = end.lower().encode()

    def uses(args: Sequence[bytes]) -> bool:
        place = start
        while place < len(args):
            word = args[place].lower()
            if word in new:
                return True
            if word == last and last:
                return False
            place += 1 + lengths.get(word, 0)
        return False

    return uses


def _more_than(most: int) -> Uses:
    return lambda args: len(args) > most


def _anywhere(words: str) -> Uses:
    new = frozenset(words.lower().encode().split())
    return lambda args: any(arg.lower() in new for arg in args)


def _kill_filters(args: Sequence[bytes]) -> bool:
    return len(args) > 1 and any(arg.lower() == b"maxage" for arg in args[::2])


def _last_entry(args: Sequence[bytes]) -> bool:
    """XREAD's ``+``, for the last entry of a stream."""
    lower = [arg.lower() for arg in args]
    if b"streams" not in lower:
        return False
    streams = args[lower.index(b"streams") + 1 :]
    return b"+" in streams[len(streams) // 2 :]


def _before_id(args: Sequence[bytes]) -> list[bytes]:
    """The options of XADD, in lower case: all that stands between the key and the id."""
    place = 1
    while place < len(args):
        word = args[place].lower()
        if word in (b"maxlen", b"minid"):
            place += 3 if tuple(args[place + 1 : place + 2]) in ((b"=",), (b"~",)) else 2
        elif word == b"limit":
            place += 2
        elif word in _XADD_OPTIONS:
            place += 1
        else:
            break
    return [arg.lower() for arg in args[1:place]]


_XADD_OPTIONS: Final = frozenset((b"nomkstream", b"keepref", b"delref", b"acked"))


def _entries_of_groups(args: Sequence[bytes]) -> bool:
    """XADD's policies for entries that consumer groups know."""
    return not {b"keepref", b"delref", b"acked"}.isdisjoint(_before_id(args))


def _millisecond_id(args: Sequence[bytes]) -> bool:
    """XADD's ``<ms>-*``."""
    place = 1 + len(_before_id(args))
    return place < len(args) and args[place].endswith(b"-*") and args[place][:-2].isdigit()


def _get_if_new(args: Sequence[bytes]) -> bool:
    """SET's ``NX`` and ``GET`` together."""
    words = {arg.lower() for arg in args[2:]}
    return {b"nx", b"get"} <= words


def _key_permissions(args: Sequence[bytes]) -> bool:
    """Rules of ACL SETUSER on reading and writing, and selectors."""
    return any(map(_is_key_permission, args[1:]))


def _is_key_permission(rule: bytes) -> bool:
    return rule[:1] in (b"%", b"(") or rule.lower() == b"clearselectors"


def _bad_rule(args: Sequence[bytes]) -> bytes:
    rule = next(filter(_is_key_permission, args[1:]))
    return b"ERR Error in ACL SETUSER modifier '%b': Syntax error" % rule


_CONDITION: Final = _Later("7.0.0", arity=3)
_BAD_ID: Final = b"ERR Invalid stream ID specified as stream command argument"

_LATER: Final[Mapping[str, tuple[_Later, ...]]] = {
    "acl|setuser": (_Later("7.0.0", uses=_key_permissions, error=_bad_rule),),
    "bitcount": (_Later("7.0.0", uses=_more_than(3)),),
    "bitop": (_Later("8.2.0", uses=lambda args: args[0].lower() in (b"diff", b"diff1", b"andor", b"one")),),
    "bitpos": (_Later("7.0.0", uses=_more_than(4)),),
    "client|kill": (_Later("7.4.0", uses=_kill_filters),),
    "config|get": (_Later("7.0.0", arity=3),),
    "config|set": (_Later("7.0.0", arity=4),),
    "expire": (_CONDITION,),
    "expireat": (_CONDITION,),
    "hscan": (_Later("7.4.0", uses=_options("NOVALUES", 2, "MATCH:1 COUNT:1"), of_key=True),),
    "info": (_Later("7.0.0", uses=_more_than(1)),),
    "pexpire": (_CONDITION,),
    "pexpireat": (_CONDITION,),
    "set": (
        _Later("7.0.0", uses=_get_if_new),
        _Later("8.4.0", uses=_options("IFEQ IFNE IFDEQ IFDNE", 2, "EX:1 PX:1 EXAT:1 PXAT:1")),
    ),
    "shutdown": (_Later("7.0.0", uses=_anywhere("NOW FORCE ABORT")),),
    "xadd": (
        _Later("7.0.0", uses=_millisecond_id, error=_BAD_ID),
        # To the older version the word is an id, and not a good one.
        _Later("8.2.0", uses=_entries_of_groups, error=_BAD_ID),
    ),
    "xgroup|create": (_Later("7.0.0", uses=_options("ENTRIESREAD", 3)),),
    "xgroup|setid": (_Later("7.0.0", uses=_options("ENTRIESREAD", 3)),),
    "xread": (_Later("7.4.0", uses=_last_entry, error=_BAD_ID),),
    "xreadgroup": (_Later("8.4.0", uses=_options("CLAIM", 0, "GROUP:2 COUNT:1 BLOCK:1", end="STREAMS")),),
    "xsetid": (_Later("7.0.0", arity=3),),
    "xtrim": (_Later("8.2.0", uses=_options("KEEPREF DELREF ACKED", 1, "MAXLEN:1 MINID:1 LIMIT:1")),),
    "zrank": (_Later("7.2.0", arity=3),),
    "zrevrank": (_Later("7.2.0", arity=3),),
}  # fmt: skip


@cache
def commands_of(flavour: Flavour) -> Mapping[bytes, Command]:
    """The commands of a flavour by their lower-case names; containers hold their subcommands."""
    if flavour is ALL:
        return all_commands()
    return {
        name: _of_flavour(command, flavour)
        for name, command in all_commands().items()
        if flavour.has(command.since)
    }


def _of_flavour(command: Command, flavour: Flavour) -> Command:
    """A command as it was then."""
    older = command.with_syntax(lambda: _syntax_of(command, flavour))
    older.subcommands = {
        name: _of_flavour(subcommand, flavour)
        for name, subcommand in command.subcommands.items()
        if flavour.has(subcommand.since)
    }
    older.history = tuple(change for change in command.history if flavour.has(change[0]))
    if command.deprecated and not flavour.has(command.deprecated):
        older.deprecated = older.replaced_by = ""
    for later in _missing(command, flavour):
        if later.uses is not None and older.handler is not None:
            older.handler = _refusing(older.handler, later.uses, later.error, later.of_key)
    return older


def _missing(command: Command, flavour: Flavour) -> list[_Later]:
    """What came to a command later than the flavour."""
    return [later for later in _LATER.get(command.full_name.decode(), ()) if not flavour.has(later.since)]


def _syntax_of(command: Command, flavour: Flavour) -> Syntax:
    """The syntax of a command as it was then."""
    arity = command.arity
    for later in _missing(command, flavour):
        if later.arity is not None:
            arity = later.arity
    return replace(command.syntax, arity=arity, arguments=_arguments_of(command.syntax.arguments, flavour))


def _arguments_of(arguments: Sequence[Argument], flavour: Flavour) -> tuple[Argument, ...]:
    return tuple(
        replace(argument, children=_arguments_of(argument.children, flavour))
        if argument.children
        else argument
        for argument in arguments
        if not argument.since or flavour.has(argument.since)
    )


def _refusing(
    handler: Callable[..., Reply],
    uses: Uses,
    error: Error,
    of_key: bool,
) -> Callable[..., Reply]:
    """A handler that refuses what came later."""

    def refuse_or_handle(client: Client, *args: bytes) -> Reply:
        if uses(args) and not (of_key and client.db.peek(args[0]) is None):
            raise CommandError(error(args) if callable(error) else error)
        return handler(client, *args)

    return refuse_or_handle
