"""A journal of what connections have asked and were answered: the evidence of what code under test did."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any, Callable

from twisted.internet.defer import Deferred

from twisted_resp.resp import NO_REPLY, Push, Reply, Several, encode
from twisted_resp.server.client import REPLY_ON, Client
from twisted_resp.server.server import Server
from twisted_resp.testing.calls import Call
from twisted_resp.testing.entry import JournalEntry
from twisted_resp.testing.evidence import Evidence
from twisted_resp.testing.replies import items_of

if TYPE_CHECKING:
    from twisted_resp.server.interception import Execute

__all__ = ["Journal", "Section"]

# What an entry takes besides its words and its reply (bytes).
_ENTRY_SIZE = 600
# Commands that go through all keys, so that it matters how many there are.
_ALL_KEYS = frozenset((b"keys", b"flushdb", b"flushall"))


class Journal(Evidence):
    """The commands of all connections, the oldest first, with their replies.

    >>> server.journal.assert_called("SET", "user:1", ANY)
    >>> assert server.journal.round_trips() == 1

    Commands inside scripts are not in it, those inside a transaction are, with the replies that EXEC brought them.
    What a test does by ``server.call`` is not. Beyond the limits the oldest entries go.

    :param most: how many entries it keeps, and ``most_bytes`` how many bytes of them.
    :param most_reply: a longer reply (bytes) is not kept: such an entry has no ``reply``.
    :ivar run: calls a function in the server's thread, and waits for what it answers; by default this is the thread.
    :ivar in_other_thread: whether the server runs in a thread of its own.
    :ivar dropped: how many entries had to go.
    :ivar server: whose journal it is. It is to be touched in its own thread.
    """

    def __init__(
        self,
        server: Server,
        most: int = 100_000,
        most_bytes: int = 64 * 1024 * 1024,
        most_reply: int = 1024 * 1024,
    ) -> None:
        super().__init__()
        self.run: Callable[..., Any] = _call
        self.in_other_thread = False
        self.dropped = 0
        self.server = server
        self._most = most
        self._most_bytes = most_bytes
        self._most_reply = most_reply
        self._kept: deque[JournalEntry] = deque()
        self._size = 0
        self._count = 0
        #: What each client has queued since MULTI.
        self._queued: dict[int, list[JournalEntry]] = {}
        #: Who has done more than to introduce itself.
        self._at_work: set[int] = set()
        self._recording = False

    # -- from any thread

    @property
    def recording(self) -> bool:
        """Whether it takes down what comes."""
        return self._recording

    def start(self) -> None:
        """Take down what comes from now on."""
        self.run(self._start)

    def stop(self) -> None:
        """Take down nothing more. What is there stays."""
        self.run(self._stop)

    def clear(self) -> None:
        """Begin anew: forget all entries, and which errors were expected."""
        self.run(self.reset)

    def section(self) -> Section:
        """What happens from now on, until the end of a ``with`` statement, with the same questions to ask.

        >>> with server.journal.section() as section:
        ...     handle(request)
        >>> section.assert_called_once("INCR", "hits")
        """
        return Section(self)

    def entries(self) -> list[JournalEntry]:
        """See :meth:`Evidence.entries`."""
        entries: list[JournalEntry] = self.run(list, self._kept)
        return entries

    # -- in the server's thread

    def _start(self) -> None:
        if not self._recording:
            self._recording = True
            self._at_work.update(self.server.clients)
            self.server.interception.add(self._see, outermost=True)
            self.server.on_gone.append(self._gone)

    def _stop(self) -> None:
        if self._recording:
            self._recording = False
            self.server.interception.remove(self._see)
            self.server.on_gone.remove(self._gone)
            self._queued.clear()
            self._at_work.clear()

    def reset(self) -> None:
        """:meth:`clear`, in the server's thread."""
        self._kept.clear()
        self._queued.clear()
        self.expected.clear()
        self._size = self.dropped = 0

    def _see(self, client: Client, args: list[bytes], go_on: Execute) -> Reply:
        call = Call(client, args)
        self._count += 1
        entry = JournalEntry(call, self._count, self.server.clock.seconds())
        entry.is_setup = self._is_setup(entry)
        if call.name in _ALL_KEYS:
            databases = self.server.keyspace.databases if call.name == b"flushall" else [client.db]
            entry.keys_there = sum(map(len, databases))
        self._keep(entry)
        queues = client.transaction
        start = perf_counter()
        reply = go_on(client, args)
        if type(reply) is Deferred:
            return reply.addCallback(self._answered_later, entry, client)
        entry.seconds = perf_counter() - start
        self._answered(entry, client, reply)
        if queues is not None or client.transaction is not None:
            self._note_transaction(entry, client)
        return reply

    def _is_setup(self, entry: JournalEntry) -> bool:
        client = entry.client_id
        if client in self._at_work:
            return False
        if entry.introduces:
            return True
        self._at_work.add(client)
        return False

    def _keep(self, entry: JournalEntry) -> None:
        kept = self._kept
        kept.append(entry)
        self._size += _ENTRY_SIZE + sum(map(len, entry.args))
        while len(kept) > self._most or (self._size > self._most_bytes and len(kept) > 1):
            old = kept.popleft()
            self._size -= _ENTRY_SIZE + sum(map(len, old.args)) + len(old.wire or b"")
            self.dropped += 1

    def _answered_later(self, reply: Reply, entry: JournalEntry, client: Client) -> Reply:
        entry.seconds = self.server.clock.seconds() - entry.time
        self._answered(entry, client, reply)
        if client.transaction is not None or client.id in self._queued:
            self._note_transaction(entry, client)
        return reply

    def _answered(self, entry: JournalEntry, client: Client, reply: Reply) -> None:
        entry.answered(reply, self._count)
        silent = client.reply_mode != REPLY_ON and not isinstance(reply, (Push, Several))
        if reply is NO_REPLY or silent:
            return
        try:
            wire = encode(reply, client.protocol)
        except Exception:  # a reply that can't be sent: the protocol says so in the log
            return
        entry.reply_size = len(wire)
        if len(wire) <= self._most_reply:
            entry.wire = wire
            self._size += len(wire)

    def _note_transaction(self, entry: JournalEntry, client: Client) -> None:
        """Commands that were queued get their replies when EXEC has run them."""
        if client.transaction is not None:
            if entry.wire == b"+QUEUED\r\n":
                self._queued.setdefault(client.id, []).append(entry)
            return
        queued = self._queued.pop(client.id, [])
        replies = items_of(entry.wire) if entry.name == "exec" and entry.wire else []
        for one, wire in zip(queued, replies):
            self._size += len(wire) - len(one.wire or b"")
            one.wire = wire
            one.transaction = entry.number

    def _gone(self, client: Client) -> None:
        self._queued.pop(client.id, None)
        self._at_work.discard(client.id)


class Section(Evidence):
    """A part of a journal: what came while its ``with`` statement ran."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal
        self._from = self._last()
        self._until: int | None = None

    def __enter__(self) -> Section:
        self._from = self._last()
        return self

    def __exit__(self, *exception: object) -> None:
        self._until = self._last()

    def entries(self) -> list[JournalEntry]:
        """See :meth:`Evidence.entries`."""
        return list(self._chosen())

    def _chosen(self) -> Iterator[JournalEntry]:
        for entry in self._journal.entries():
            if entry.number > self._from and (self._until is None or entry.number <= self._until):
                yield entry

    def _last(self) -> int:
        last: int = self._journal.run(lambda: self._journal._count)
        return last


def _call(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)
