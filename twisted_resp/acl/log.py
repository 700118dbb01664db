"""The log of what users were refused: ACL LOG.

https://redis.io/docs/latest/commands/acl-log/
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Final

__all__ = ["AUTH", "CHANNEL", "COMMAND", "KEY", "AccessLog", "LogEntry"]

#: What was refused, as the log names it.
COMMAND: Final = b"command"
KEY: Final = b"key"
AUTH: Final = b"auth"
CHANNEL: Final = b"channel"

# Like entries within so many milliseconds are one, if they are among the newest.
_GROUPED: Final = 60_000
_LOOKED_AT: Final = 10


class LogEntry:
    """Something that was refused, once or several times.

    :ivar context: where the command stood: ``toplevel``, ``multi`` or ``lua``.
    :ivar what: the command, key or channel; for a failed login the command that tried it.
    :ivar client: who asked last, as CLIENT LIST shows it.
    :ivar created, updated: Unix time in milliseconds.
    """

    __slots__ = ("client", "context", "count", "created", "number", "reason", "updated", "user", "what")

    def __init__(
        self, number: int, now: int, reason: bytes, context: bytes, what: bytes, user: bytes, client: bytes
    ) -> None:
        self.number = number
        self.count = 1
        self.reason = reason
        self.context = context
        self.what = what
        self.user = user
        self.client = client
        self.created = self.updated = now


class AccessLog:
    """The entries, the newest first.

    :ivar denied: how often each reason was given, whatever is still in the log (INFO).
    """

    def __init__(self) -> None:
        self._entries: deque[LogEntry] = deque()
        self._next = 0
        self.denied = dict.fromkeys((AUTH, COMMAND, KEY, CHANNEL), 0)

    def note(
        self, most: int, now: int, reason: bytes, context: bytes, what: bytes, user: bytes, client: bytes
    ) -> None:
        """Something was refused.

        :param most: how many entries there may be.

        The others are those of :class:`LogEntry`.
        """
        self.denied[reason] += 1
        entries = self._entries
        if most:
            for entry in islice(entries, _LOOKED_AT):
                if (
                    (entry.reason, entry.context, entry.what, entry.user) == (reason, context, what, user)
                    and abs(now - entry.updated) <= _GROUPED
                ):  # fmt: skip
                    entries.remove(entry)
                    entries.appendleft(entry)
                    entry.count += 1
                    entry.updated = now
                    entry.client = client
                    return
            entries.appendleft(LogEntry(self._next, now, reason, context, what, user, client))
            self._next += 1
        while len(entries) > most:
            entries.pop()

    def newest(self, count: int) -> list[LogEntry]:
        """At most so many entries, the newest first."""
        return list(islice(self._entries, max(count, 0)))

    def reset(self) -> None:
        """Forget all entries."""
        self._entries.clear()
