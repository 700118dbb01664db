"""The slow log: the last commands that took long.

https://redis.io/docs/latest/commands/slowlog-get/
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from twisted_resp.server.redaction import redacted

if TYPE_CHECKING:
    from twisted_resp.server.client import Client

__all__ = ["SlowCommand", "SlowLog"]

# What is kept of a command: so many arguments, and so many bytes of each.
_MOST_ARGUMENTS: Final = 32
_MOST_BYTES: Final = 128


class SlowCommand(NamedTuple):
    """An entry.

    :ivar time: when it was made, Unix time in seconds.
    :ivar microseconds: what the command took.
    """

    number: int
    time: int
    microseconds: int
    args: list[bytes]
    address: bytes
    name: bytes


class SlowLog:
    """Entries, the newest first. Their numbers go on over a reset.

    :ivar threshold: what a command must take to be noted, in seconds.
    """

    def __init__(self, most: int, threshold: float) -> None:
        self.threshold = threshold
        self._entries: deque[SlowCommand] = deque(maxlen=most)
        self._next = 0

    def __len__(self) -> int:
        return len(self._entries)

    def resize(self, most: int) -> None:
        """Keep at most so many entries from now on."""
        self._entries = deque(islice(self._entries, most), maxlen=most)

    def reset(self) -> None:
        """Forget all entries."""
        self._entries.clear()

    def newest(self, count: int) -> list[SlowCommand]:
        """The last entries, the newest first; all where ``count`` is negative."""
        return list(self._entries if count < 0 else islice(self._entries, count))

    def note(self, client: Client, args: list[bytes], seconds: float) -> None:
        """A command has taken too long."""
        if not self._entries.maxlen:
            return  # nothing is kept, nor numbered
        self._entries.appendleft(
            SlowCommand(
                self._next,
                client.server.now_ms // 1000,
                int(seconds * 1_000_000),
                _trimmed(redacted(args)),
                client.address,
                client.name,
            )
        )
        self._next += 1


def _trimmed(args: list[bytes]) -> list[bytes]:
    kept = args if len(args) <= _MOST_ARGUMENTS else args[: _MOST_ARGUMENTS - 1]
    shown = [
        arg
        if len(arg) <= _MOST_BYTES
        else b"%b... (%d more bytes)" % (arg[:_MOST_BYTES], len(arg) - _MOST_BYTES)
        for arg in kept
    ]
    if len(kept) < len(args):
        shown.append(b"... (%d more arguments)" % (len(args) - len(kept)))
    return shown
