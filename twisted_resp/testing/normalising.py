"""What may differ between two servers that do the same: times, ids, random choices, orders."""

from __future__ import annotations

from typing import Any, Final

from twisted_resp.commands import load_all
from twisted_resp.commands.table import Command, all_commands
from twisted_resp.errors import CommandError
from twisted_resp.resp import QUEUED, Attributed, Map, Push, Reply, SetReply, Verbatim
from twisted_resp.testing.calls import Commands
from twisted_resp.testing.recording import RecordedCall

__all__ = ["Comparison"]

# Commands that tell of the server itself, whose replies need not be the same; more than their tips say.
_OF_THE_SERVER: Final = Commands(
    ["HELLO", "INFO", "CLIENT *", "COMMAND*", "CONFIG GET", "MEMORY", "OBJECT", "DEBUG", "SLOWLOG", "LATENCY", "ROLE",
     "LASTSAVE", "ACL LOG", "MODULE LIST", "LOLWUT", "PUBSUB", "FUNCTION STATS", "XINFO", "XPENDING", "DUMP"]
)  # fmt: skip
# What answers ids that later commands may use.
_IDS: Final = frozenset((b"xadd", b"client|id"))


class Comparison:
    """Compares the replies of one session, and remembers which ids stand for which."""

    def __init__(self) -> None:
        load_all()
        #: From a recorded id to the server's.
        self._ids: dict[bytes, bytes] = {}
        #: What each client has queued since MULTI.
        self._queued: dict[int, list[RecordedCall]] = {}

    def to_send(self, call: RecordedCall) -> list[bytes] | None:
        """The words to send for a call; None for one that is not to be sent: logging in is the connection's matter."""
        name = call.args[0].lower()
        if name == b"auth":
            return None
        args = call.args
        if name == b"hello":
            lowered = [arg.lower() for arg in args]
            if b"auth" in lowered:
                place = lowered.index(b"auth")
                args = args[:place] + args[place + 3 :]
        return [self._ids.get(arg, arg) for arg in args] if self._ids else args

    def named(self, commands: Commands, call: RecordedCall) -> bool:
        """Whether the command of a call is one of these."""
        return commands.include(_name(call.args), _command(call.args))

    def equal(self, call: RecordedCall, got: list[Reply]) -> bool:
        """Whether replies are the recorded ones, as far as they have to be."""
        name = _name(call.args)
        if name == b"exec":
            queued = self._queued.pop(call.client, [])
            if len(got) == len(call.replies) == 1 and _both_lists(got[0], call.replies[0], len(queued)):
                return all(map(self._same, queued, call.replies[0], got[0]))
        elif name in (b"discard", b"reset"):
            self._queued.pop(call.client, None)
        elif call.replies == [QUEUED]:
            self._queued.setdefault(call.client, []).append(call)
        return len(got) == len(call.replies) and all(
            self._same(call, recorded, reply) for recorded, reply in zip(call.replies, got)
        )

    def _same(self, call: RecordedCall, recorded: Reply, got: Reply) -> bool:
        name = _name(call.args)
        if name in _IDS:
            self._note_id(recorded, got)
        recorded = self._translated(recorded)
        if recorded == got:
            return True
        if isinstance(recorded, CommandError) or isinstance(got, CommandError):
            return False
        tips = _tips(name)
        if "nondeterministic_output" in tips or _OF_THE_SERVER.include(name, None):
            return bool(_kind(recorded) == _kind(got))
        if "nondeterministic_output_order" in tips:
            return bool(_unordered(recorded) == _unordered(got))
        return False

    def _note_id(self, recorded: Reply, got: Reply) -> None:
        if type(recorded) is type(got) and recorded != got:
            if isinstance(recorded, bytes):
                self._ids[recorded] = got
            elif isinstance(recorded, int) and recorded > 9:  # a small number may be anything
                self._ids[b"%d" % recorded] = b"%d" % got

    def _translated(self, reply: Reply) -> Reply:
        if not self._ids:
            return reply
        if isinstance(reply, bytes):
            return self._ids.get(reply, reply)
        if isinstance(reply, (list, tuple)):
            return type(reply)(self._translated(item) for item in reply)
        if isinstance(reply, (Map, SetReply, Push)):
            return type(reply)(self._translated(reply.value))
        return reply


def _both_lists(one: Reply, other: Reply, length: int) -> bool:
    return isinstance(one, list) and isinstance(other, list) and len(one) == len(other) == length


def _command(args: list[bytes]) -> Command | None:
    command = all_commands().get(args[0].lower())
    if command is not None and command.subcommands and len(args) > 1:
        return command.subcommands.get(args[1].lower())
    return command


def _name(args: list[bytes]) -> bytes:
    command = _command(args)
    return args[0].lower() if command is None else command.full_name


def _tips(name: bytes) -> tuple[str, ...]:
    container, _, subcommand = name.partition(b"|")
    command = all_commands().get(container)
    if command is not None and subcommand:
        command = command.subcommands.get(subcommand)
    return () if command is None else command.tips


def _kind(reply: Reply) -> Any:
    """What has to be the same of a reply that need not be."""
    if isinstance(reply, Verbatim):
        return bytes
    if isinstance(reply, Attributed):
        return _kind(reply.value[1])
    return type(reply)


def _unordered(reply: Reply) -> Any:
    if isinstance(reply, (SetReply, Map)):
        return (type(reply), sorted(map(repr, reply.value)))
    return sorted(map(repr, reply)) if isinstance(reply, list) else reply
