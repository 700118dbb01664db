"""The errors that a Redis in trouble answers, by name: its sentences, and which commands it answers with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable, Final, NamedTuple

from twisted_resp import errors
from twisted_resp.commands import table
from twisted_resp.testing.calls import Call
from twisted_resp.text.crc import key_slot

__all__ = ["NAMED_ERRORS", "NamedError", "is_refusal", "redirection"]


class NamedError(NamedTuple):
    """An error of Redis's.

    :ivar sentence: as it goes over the wire, code first.
    :ivar concerns: whether a server in that state answers a command with it; None for any command.
    :ivar refusal: whether the command is not even queued after MULTI, so that EXEC fails too.
    """

    sentence: bytes
    concerns: Callable[[Call], bool] | None = None
    refusal: bool = True


def _with(flag: int) -> Callable[[Call], bool]:
    return lambda call: bool(_all_flags(call) & flag)


def _without(flag: int) -> Callable[[Call], bool]:
    return lambda call: bool(_all_missing(call) & flag)


def _all_flags(call: Call) -> int:
    transaction = call.client.transaction
    return call.flags | (transaction.flags if transaction is not None and call.name == b"exec" else 0)


def _all_missing(call: Call) -> int:
    transaction = call.client.transaction
    return ~call.flags | (transaction.missing if transaction is not None and call.name == b"exec" else 0)


def _has_keys(call: Call) -> bool:
    return bool(call.keys)


def _has_several_keys(call: Call) -> bool:
    return len(call.keys) > 1


def _writes_or_pings(call: Call) -> bool:
    return bool(_all_flags(call) & table.WRITE) or call.name == b"ping"


def _runs_by_digest(call: Call) -> bool:
    return call.name in (b"evalsha", b"evalsha_ro")


_BUSY: Final = b"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."

#: By their code.
NAMED_ERRORS: Final[Mapping[str, NamedError]] = {
    "LOADING": NamedError(errors.LOADING, _without(table.LOADING)),
    "BUSY": NamedError(_BUSY, _without(table.ALLOW_BUSY)),
    "READONLY": NamedError(errors.READ_ONLY_REPLICA, _with(table.WRITE)),
    "OOM": NamedError(errors.OUT_OF_MEMORY, _with(table.DENYOOM)),
    "NOAUTH": NamedError(errors.NOT_AUTHENTICATED, _without(table.NO_AUTH)),
    "MISCONF": NamedError(errors.CANNOT_SAVE, _writes_or_pings),
    "MASTERDOWN": NamedError(errors.MASTER_DOWN, _without(table.STALE)),
    "NOREPLICAS": NamedError(errors.NO_REPLICAS, _with(table.WRITE)),
    "CLUSTERDOWN": NamedError(b"CLUSTERDOWN The cluster is down", _has_keys),
    "CROSSSLOT": NamedError(b"CROSSSLOT Keys in request don't hash to the same slot", _has_several_keys),
    "TRYAGAIN": NamedError(
        b"TRYAGAIN Multiple keys request during rehashing of slot", _has_several_keys
    ),
    "MOVED": NamedError(b"MOVED", _has_keys),
    "ASK": NamedError(b"ASK", _has_keys),
    "NOSCRIPT": NamedError(b"NOSCRIPT No matching script. Please use EVAL.", _runs_by_digest, False),
    "WRONGTYPE": NamedError(errors.WRONG_TYPE, _has_keys, False),
}  # fmt: skip


def is_refusal(message: bytes) -> bool:
    """Whether a command that gets this error is refused before it is run, or queued."""
    named = NAMED_ERRORS.get(message.split(b" ", 1)[0].decode("ascii", "replace"))
    return named is not None and named.refusal


def redirection(code: bytes, call: Call, to: bytes) -> bytes:
    """``MOVED slot address`` or ``ASK slot address`` for the first key of a call; slot 0 where it has none."""
    slot = key_slot(call.keys[0]) if call.keys else 0
    return b"%b %d %b" % (code, slot, to)
