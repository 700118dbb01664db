"""One entry of a journal: a command, who sent it, and what it was answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from twisted_resp.errors import CommandError
from twisted_resp.in_process import as_python
from twisted_resp.resp import Reply
from twisted_resp.server.redaction import redacted
from twisted_resp.testing.calls import Call
from twisted_resp.testing.replies import read_replies

__all__ = ["InjectedError", "JournalEntry", "shown"]

# What libraries send before anything that they are asked for.
_INTRODUCTIONS: Final = frozenset(
    ("hello", "auth", "select", "readonly", "client|setname", "client|setinfo", "client|maint_notifications",
     "client|no-evict", "client|no-touch", "client|id")
)  # fmt: skip
# How much of a word, and of a reply, is shown.
_MOST_SHOWN: Final = 64


class InjectedError(CommandError):
    """An error that a test has made up."""


class JournalEntry:
    """A command that a connection has sent.

    :ivar number: it counts on from entry to entry.
    :ivar time: when it came: Unix time in seconds, by the server's clock.
    :ivar client_id, client_name, library, address, user: who sent it.
    :ivar database: the number of the one that it was sent to.
    :ivar protocol: the RESP version.
    :ivar args: all its words, as bytes.
    :ivar name: the command: ``get``, ``config|set``; in lower case.
    :ivar entry: the server's entry of the command; None where there is no such command.
    :ivar batch: commands of one client with the same ``batch`` came together, as a pipeline.
    :ivar wire: the reply as it was sent; None where there is none (yet), or it was too long to keep.
    :ivar reply_size: the bytes of the reply.
    :ivar seconds: what it took: of the processor, or, where it had to wait, on the server's clock.
    :ivar transaction: the number of the EXEC that ran it, for a command that was queued.
    :ivar injected: whether its reply was made up by a fault.
    :ivar is_setup: whether a library said it to introduce itself (HELLO, CLIENT SETINFO), before anything else.
    :ivar keys_there: how many keys there were, for KEYS, FLUSHDB and FLUSHALL.
    :ivar later: how many commands had come after it when it was answered; 0 for one that was answered at once.
    """

    __slots__ = (
        "address", "args", "batch", "client_id", "client_name", "database", "entry", "injected", "is_setup",
        "keys_there", "later", "library", "name", "number", "protocol", "reply_size", "seconds", "time", "transaction",
        "user", "wire",
    )  # fmt: skip

    def __init__(self, call: Call, number: int, time: float) -> None:
        client = call.client
        self.number = number
        self.time = time
        self.client_id = client.id
        self.client_name = client.name.decode("utf-8", "backslashreplace")
        self.library = client.lib_name.decode("utf-8", "backslashreplace")
        self.address = client.address.decode("utf-8", "backslashreplace")
        self.user = client.user.name.decode("utf-8", "backslashreplace")
        self.database = client.db.index
        self.protocol = client.protocol
        self.args = call.args
        self.name = call.name.decode("utf-8", "backslashreplace")
        self.entry = call.entry
        self.batch = client.total_input
        self.wire: bytes | None = None
        self.reply_size = 0
        self.seconds: float | None = None
        self.transaction: int | None = None
        self.injected = False
        self.is_setup = False
        self.later = 0
        self.keys_there: int | None = None

    def __repr__(self) -> str:
        return f"<{self}>"

    def __str__(self) -> str:
        """A line: number, time, client, database, the command, its reply and duration."""
        moment = datetime.fromtimestamp(self.time).strftime("%H:%M:%S.%f")[:-3]
        who = f"client {self.client_id}" + (f" ({self.client_name})" if self.client_name else "")
        duration = "" if self.seconds is None else f" in {self.seconds * 1000:.2f} ms"
        return f"#{self.number} {moment} {who} db{self.database}: {self.text} -> {self.reply_text}{duration}"

    @property
    def introduces(self) -> bool:
        """Whether it is something that libraries say to introduce themselves."""
        return self.name in _INTRODUCTIONS

    @property
    def text(self) -> str:
        """The command as one would type it, without passwords; long words are cut."""
        return " ".join(shown(arg) for arg in redacted(self.args))

    @property
    def reply(self) -> Any:
        """The reply as plain Python: bytes, int, float, bool, list, dict, None; an error as ``CommandError``.

        A client of RESP2 gets lists in place of dicts. None too while there is no reply.
        """
        if self.wire is None:
            return None
        replies = [as_python(reply) for reply in read_replies(self.wire)]
        return replies[0] if len(replies) == 1 else replies

    @property
    def reply_text(self) -> str:
        """The reply in a few words."""
        if self.wire is None:
            return f"({self.reply_size} bytes)" if self.reply_size else "no reply"
        if self.wire[:1] == b"-":
            return self.wire[1:-2].decode("utf-8", "backslashreplace")
        text = repr(self.reply)
        return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 3] + "..."

    @property
    def error(self) -> str | None:
        """The error that it was answered with, code first; None for any other reply."""
        if self.wire is None or self.wire[:1] != b"-":
            return None
        return self.wire[1:-2].decode("utf-8", "backslashreplace")

    @property
    def arguments(self) -> list[bytes]:
        """The words behind the command's name (and subcommand)."""
        return self.args[1 if self.entry is None else self.entry.skip :]

    def answered(self, reply: Reply, last: int) -> None:
        """There is a reply.

        :param last: the number of the last command that has come.
        """
        self.later = last - self.number
        self.injected = isinstance(reply, InjectedError) or (
            type(reply) is list and any(isinstance(item, InjectedError) for item in reply)
        )


def shown(word: bytes) -> str:
    """A word of a command for people: between quotes where it has to be."""
    text = word[:_MOST_SHOWN].decode("utf-8", "backslashreplace")
    if not text or not text.isprintable() or " " in text or "'" in text:
        text = repr(text)
    return text if len(word) <= _MOST_SHOWN else f"{text}...({len(word)} bytes)"
