"""Whether a user may run a call: its command, the keys that it names and the channels.

Where keys stand, and what happens to them, is read from the command table once for each command; nearly always the
answer is a range of places, so that a check costs little.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Callable, Final, NamedTuple

from twisted_resp.acl.log import AUTH, CHANNEL, COMMAND, KEY
from twisted_resp.acl.selectors import READ, WRITE
from twisted_resp.acl.users import User
from twisted_resp.commands.client_info import client_line
from twisted_resp.commands.documentation import acl_categories, has_keys, key_flags, keys_of
from twisted_resp.commands.flavours import commands_of
from twisted_resp.commands.keyspecs import Index, Range
from twisted_resp.commands.table import NO_AUTH, Command
from twisted_resp.errors import CommandError, RefusalError
from twisted_resp.server.client import Client
from twisted_resp.server.server import Server
from twisted_resp.server.statistics import CommandEntry

__all__ = [
    "Denial", "categories", "denial", "look_up", "may_read_all_keys", "note_denial", "note_failed_login", "recheck",
    "refusal",
]  # fmt: skip

_NEEDS: Final = {"access": READ, "insert": WRITE, "delete": WRITE, "update": WRITE}
#: Where channels begin and end, and whether they are patterns.
_CHANNELS: Final = {
    b"publish": (1, 2, False),
    b"spublish": (1, 2, False),
    b"subscribe": (1, None, False),
    b"ssubscribe": (1, None, False),
    b"psubscribe": (1, None, True),
}
# Of several denials the one is told that comes latest here, and of two alike the one that stands later in the call.
_ORDER: Final = {COMMAND: 0, KEY: 1, CHANNEL: 2}

# How versions before 7.2 said it.
_BEFORE_7_2: Final = {
    COMMAND: b"run the '%b' command",
    KEY: b"access one of the keys used as arguments",
    CHANNEL: b"access one of the channels used as arguments",
}
_SCRIPTS_BEFORE_7_2: Final = {
    COMMAND: b"run this command or subcommand",
    KEY: b"access at least one of the keys mentioned in the command arguments",
    CHANNEL: b"publish to the channel mentioned in the command",
}

#: Places of keys, and what is needed of them.
Keys = list[tuple[int, int]]


class Denial(NamedTuple):
    """Why a call is not allowed.

    :ivar reason: ``COMMAND``, ``KEY`` or ``CHANNEL`` of :mod:`twisted_resp.acl.log`.
    :ivar place: where the key or channel stands in the call.
    """

    reason: bytes
    place: int

    def what(self, entry: CommandEntry, args: list[bytes]) -> bytes:
        """The command, key or channel that is not allowed."""
        return entry.full_name if self.reason == COMMAND else args[self.place]

    def sentence(self, server: Server, user: User, entry: CommandEntry, args: list[bytes]) -> bytes:
        """The denial as the client hears it."""
        if not server.flavour.has("7.2.0"):
            return b"this user has no permissions to " + _BEFORE_7_2[self.reason].replace(
                b"%b", entry.full_name
            )
        if self.reason == COMMAND:
            return b"User %b has no permissions to run the '%b' command" % (user.name, entry.full_name)
        return b"No permissions to access a " + self.reason

    def sentence_in_script(self, server: Server, user: User, entry: CommandEntry, args: list[bytes]) -> bytes:
        """The denial as a script hears it."""
        if not server.flavour.has("7.2.0"):
            return b"The user executing the script can't " + _SCRIPTS_BEFORE_7_2[self.reason]
        return b"ACL failure in script: " + self.sentence(server, user, entry, args)

    def verdict(self, server: Server, user: User, entry: CommandEntry, args: list[bytes]) -> bytes:
        """The denial as somebody else is told of it, with the name of the key or channel (ACL DRYRUN)."""
        who = b"User " + user.name if server.flavour.has("7.2.0") else b"This user"
        if self.reason == COMMAND:
            return b"%b has no permissions to run the '%b' command" % (who, entry.full_name)
        return b"%b has no permissions to access the '%b' %b" % (who, args[self.place], self.reason)


def denial(user: User, entry: CommandEntry, args: list[bytes]) -> Denial | None:
    """Why a user may not run a call; None if it may."""
    name = entry.full_name
    anybody = entry.flags & NO_AUTH
    keys: Keys | None = None
    told = Denial(COMMAND, 0)
    for selector in user.selectors:
        if not (anybody or selector.all_commands or name in selector.allowed or selector.may_run(name, args)):
            continue
        found = None
        if not selector.all_keys:
            if keys is None:
                keys = (entry.find_keys or _finder(entry))(args)
            for place, needed in keys:
                if not selector.may_touch(args[place], needed):
                    found = Denial(KEY, place)
                    break
        if found is None and not selector.all_channels and name in _CHANNELS:
            first, end, is_pattern = _CHANNELS[name]
            for place in range(first, end or len(args)):
                if not selector.may_use(args[place], is_pattern):
                    found = Denial(CHANNEL, place)
                    break
        if found is None:
            return None
        if (_ORDER[found.reason], found.place) > (_ORDER[told.reason], told.place):
            told = found
    return told


def may_read_all_keys(user: User, entry: CommandEntry, args: list[bytes]) -> bool:
    """Whether a user may run a call that also reads keys which are not in it (SORT)."""
    keys = _finder(entry)(args)
    return any(
        selector.may_run(entry.full_name, args)
        and all(selector.may_touch(args[place], needed) for place, needed in keys)
        and selector.may_touch_any(READ)
        for selector in user.selectors
    )


def _finder(entry: CommandEntry) -> Callable[[list[bytes]], Keys]:
    """What tells the keys of a call; none where they can't be told."""
    if entry.find_keys is None:
        entry.find_keys = _new_finder(entry.command)
    return entry.find_keys


def _new_finder(command: Command) -> Callable[[list[bytes]], Keys]:
    if not has_keys(command):
        return lambda args: []
    specs = command.key_specs
    get_keys = command.get_keys
    if get_keys is not None and any("variable_flags" in spec.flags for spec in specs):
        return lambda args: [(place, _needed(flags)) for place, flags in get_keys(args)]
    if get_keys is None and len(specs) == 1:
        (spec,) = specs
        flags = key_flags(command, spec)
        if (
            isinstance(spec.begin, Index)
            and isinstance(spec.find, Range)
            and not spec.find.limit
            and not {"not_key", "incomplete", "variable_flags"}.intersection(flags)
        ):
            first, last, step = spec.begin.position, spec.find.last, spec.find.step
            needed = _needed(flags)
            if not last:
                return lambda args: [(first, needed)]
            if last > 0:
                only = [(place, needed) for place in range(first, first + last + 1, step)]
                return lambda args: only
            return lambda args: [(place, needed) for place in range(first, len(args) + last + 1, step)]
    return lambda args: [(key.position, _needed(key.flags)) for key in keys_of(command, args)]


@cache
def _needed(flags: tuple[str, ...]) -> int:
    needed = 0
    for flag in flags:
        needed |= _NEEDS.get(flag, 0)
    return needed


def look_up(server: Server, args: Sequence[bytes]) -> CommandEntry | None:
    """The command or subcommand of a call; None if there is none."""
    entry = server.commands.get(args[0].lower())
    if entry is not None and entry.subcommands is not None and len(args) > 1:
        entry = entry.subcommands.get(args[1].lower())
    return entry


def categories(server: Server) -> dict[bytes, tuple[str, ...]]:
    """The categories of every command and subcommand of a server, by their names before any ``rename-command``."""
    commands = commands_of(server.flavour).values()
    return {
        command.full_name: acl_categories(command)
        for outer in commands
        for command in (outer, *outer.subcommands.values())
    }


# ------------------------------------------------------------------------------------------------ what is refused


def refusal(client: Client, denied: Denial, entry: CommandEntry, args: list[bytes]) -> CommandError:
    """Note a denial, and answer what the client hears in place of a reply."""
    note_denial(client, denied, entry, args, b"toplevel" if client.transaction is None else b"multi")
    return RefusalError(b"NOPERM " + denied.sentence(client.server, client.user, entry, args))


def recheck(client: Client, args: list[bytes]) -> CommandError | None:
    """Why a command that has waited may not go on, since its user has changed meanwhile; or None."""
    entry = look_up(client.server, args)
    assert entry is not None  # it has run already
    denied = denial(client.user, entry, args)
    return None if denied is None else refusal(client, denied, entry, args)


def note_denial(
    client: Client, denied: Denial, entry: CommandEntry, args: list[bytes], context: bytes
) -> None:
    """Write a denial to the log.

    :param client: who asked; for a script who called it.
    :param context: ``toplevel``, ``multi`` or ``lua``.
    """
    _note(client, denied.reason, context, denied.what(entry, args), client.user.name)


def note_failed_login(client: Client, user: bytes) -> None:
    """Write a failed login to the log."""
    context = b"toplevel" if client.transaction is None else b"multi"
    if not client.in_exec:
        client.last_command = client.current[0].lower()
    _note(client, AUTH, context, client.current[0], user)


def _note(client: Client, reason: bytes, context: bytes, what: bytes, user: bytes) -> None:
    server = client.server
    server.access.log.note(
        server.configuration[b"acllog-max-len"],
        server.now_ms,
        reason,
        context,
        what,
        user,
        client_line(client, client),
    )
