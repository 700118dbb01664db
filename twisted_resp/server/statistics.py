"""What a server counts, for INFO."""

from __future__ import annotations

from collections import Counter
from typing import Any, Callable, Optional

__all__ = ["CommandEntry", "Statistics"]


class CommandEntry:
    """One command in one server: what the dispatcher needs at hand, and what it counts.

    :ivar least, most: how many words the command may have.
    :ivar seconds: time spent in it.
    """

    __slots__ = (
        "calls", "command", "failed", "flags", "full_name", "handler", "histogram", "least", "most", "rejected",
        "seconds", "skip", "subcommands",
    )  # fmt: skip

    def __init__(self, command: Any) -> None:
        self.command = command
        self.full_name: bytes = command.full_name
        self.handler: Callable[..., Any] = command.handler
        self.flags: int = command.flags
        arity: int = command.arity
        self.least = abs(arity)
        self.most = arity if arity >= 0 else 2**31
        #: How many words stand before the handler's arguments.
        self.skip = 2 if command.syntax.subcommand else 1
        self.subcommands: Optional[dict[bytes, CommandEntry]] = None
        self.reset()

    def reset(self) -> None:
        """Start counting anew (CONFIG RESETSTAT)."""
        self.calls = 0
        self.seconds = 0.0
        self.rejected = 0
        self.failed = 0
        self.histogram: Any = None


class Statistics:
    """Counters of one server. Keyspace hits and the like are counted by the keyspace itself."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start counting anew (CONFIG RESETSTAT)."""
        self.connections_received = 0
        self.rejected_connections = 0
        self.commands_processed = 0
        self.input_bytes = 0
        self.output_bytes = 0
        self.errors: Counter[bytes] = Counter()
        self.error_replies = 0
        self.output_buffer_limit_disconnections = 0
        self.query_buffer_limit_disconnections = 0
