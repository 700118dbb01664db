"""The server: what all its clients share. It knows no commands and no connections; both are given to it."""

from __future__ import annotations

import os
import secrets
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from random import Random
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twisted_resp.keyspace.keyspace import Keyspace
from twisted_resp.server.access import Access
from twisted_resp.server.append_only import AppendOnly
from twisted_resp.server.channels import Channels
from twisted_resp.server.client import Client, Execute
from twisted_resp.server.client_memory import ClientMemory
from twisted_resp.server.configuration import Configuration
from twisted_resp.server.effects import Effects
from twisted_resp.server.eviction import make_room
from twisted_resp.server.flavour import ALL, Flavour
from twisted_resp.server.idle import IdleClients
from twisted_resp.server.interception import Interception
from twisted_resp.server.latency import LatencyMonitor
from twisted_resp.server.loading import Loading
from twisted_resp.server.memory import MemoryAccount
from twisted_resp.server.monitoring import Monitors
from twisted_resp.server.notifications import Notifications
from twisted_resp.server.oom_score import OomScore
from twisted_resp.server.peers import Peers
from twisted_resp.server.replication import Replication
from twisted_resp.server.saving import Saving
from twisted_resp.server.scripting import Scripting
from twisted_resp.server.shutting_down import Shutdown
from twisted_resp.server.slow_log import SlowLog
from twisted_resp.server.statistics import CommandEntry, Statistics
from twisted_resp.server.tracking import TrackingTable
from twisted_resp.server.waiting import WaitingRoom
from twisted_resp.server.watching import WatchList

__all__ = [
    "BUSY",
    "EFFECTS",
    "LIMITED_CLIENTS",
    "LIMITED_MEMORY",
    "LOADING",
    "MONITORED",
    "PAUSED",
    "REPLICA",
    "TRACKED",
    "UNWRITABLE",
    "WITHOUT_REPLICAS",
    "Server",
    "States",
]

# Reasons for the dispatcher to look more closely at each command (Server.attention).
PAUSED = 1 << 0
LOADING = 1 << 1
MONITORED = 1 << 2
EFFECTS = 1 << 3
BUSY = 1 << 7  # a script has taken its time
REPLICA = 1 << 6  # this server follows another
LIMITED_MEMORY = 1 << 5  # there is a limit to what the data may take
WITHOUT_REPLICAS = 1 << 4  # too few of them to write
TRACKED = 1 << 9  # the client whose command runs tracks what it reads
LIMITED_CLIENTS = 1 << 10  # there is a limit to what the clients may take
UNWRITABLE = 1 << 8  # what is written can't be brought to disk

_log = Logger()

_MOST_ERRORS = 128
_LONGEST_DELAY = 86400.0 * 36500


class States(NamedTuple):
    """The ways in that a client's request can take; the dispatcher provides them."""

    normal: Execute
    queueing: Execute
    subscribed: Execute
    unauthenticated: Execute
    guarded: Execute
    delivering: Execute
    tracking: Execute


class Server:
    """Databases, clock, registries, counters and settings of one Redis server.

    :param clock: an ``IReactorTime``: the reactor, or a ``task.Clock`` that a test advances.
    :param states: the dispatcher's ways in.
    :param databases: how many.
    :param random_seed: for repeatable randomness; None takes it from the system.
    """

    def __init__(
        self,
        clock: IReactorTime,
        states: States,
        databases: int = 16,
        random_seed: int | None = None,
        flavour: Flavour = ALL,
    ) -> None:
        self.clock = clock
        self.flavour = flavour
        self.states = states
        #: Who sees, and may change, what connections ask and are answered: tests.
        self.interception = Interception(self)
        self.random = Random(random_seed)
        self.keyspace = Keyspace(clock, databases, self.random)
        self.waiting = WaitingRoom(self)
        self.watching = WatchList(self.keyspace)
        self.channels = Channels()
        self.notifications = Notifications(self.keyspace, self.channels)
        self.tracking = TrackingTable(self)
        self.peers = Peers(self)
        self.effects = Effects()
        self.memory = MemoryAccount(self)
        self.client_memory = ClientMemory(self)
        self.statistics = Statistics()
        #: Commands by every spelling that clients use, filled by the dispatcher.
        self.commands: dict[bytes, CommandEntry] = {}
        #: Connected clients by id; and what is called when one of them is gone.
        self.clients: dict[int, Client] = {}
        self.on_gone: list[Callable[[Client], None]] = []
        #: Where files are, and the snapshot's name.
        self.directory = os.getcwdb()
        self.dbfilename = b"dump.rdb"
        self.password = b""
        #: The TCP port that clients come in by, as soon as we know it; 0 while there is none.
        self.port = 0
        self.max_clients = 10000
        #: The longest bulk string, and the most that an incomplete request may take (bytes).
        self.max_bulk = 512 * 1024 * 1024
        self.query_buffer_limit = 1024 * 1024 * 1024
        #: client-output-buffer-limit: (hard limit, soft limit, seconds over the soft limit), 0 for none.
        self.output_limits = {
            "normal": (0, 0, 0),
            "replica": (256 * 1024 * 1024, 64 * 1024 * 1024, 60),
            "pubsub": (32 * 1024 * 1024, 8 * 1024 * 1024, 60),
        }
        self.configuration = Configuration(self)
        #: The users, and what they are refused.
        self.access = Access(self)
        self.run_id = secrets.token_hex(20).encode()
        #: Who follows this server, and whom it follows.
        self.replication = Replication(self)
        #: How far the loading of data is.
        self.loading = Loading(self)
        #: The snapshots of the data.
        self.saving = Saving(self)
        #: The append-only file.
        self.append_only = AppendOnly(self)
        #: Called before replies are sent, while there are changes that must be written first. Whoever sets it asks
        #: for the end of the batch too (:meth:`resume`).
        self.commit: Callable[[], None] | None = None
        #: The error that writes get because they can't be brought to disk.
        self.disk_error = b""
        self._disk_errors = [b"", b""]
        #: The script that runs, and facts about all of them.
        self.scripting = Scripting()
        self.pid = os.getpid()
        self.started: int = self.keyspace.now
        #: Set when something is to be done after the outermost command: see :meth:`settle`.
        self.pending = False
        #: Whether a transaction runs: what must not be done in the middle of one has to wait.
        self.in_exec = False
        #: Reasons to look more closely at each command; 0 almost always.
        self.attention = 0
        #: Send the replies that wait for the end of the reactor's turn; for whoever lets it not end for long.
        self.send_replies: Callable[[], None] = lambda: None
        self.slow_log = SlowLog(128, 0.01)
        self.latency = LatencyMonitor(self)
        #: A command that takes at least as long (seconds) concerns the slow log or the latency monitor.
        self.slow_threshold = 0.01
        #: Who is shown every command; and what is called for each that has run while MONITORED.
        self.monitors = Monitors(self)
        self.on_monitor: Callable[[Client, list[bytes]], None] = self.monitors.show
        #: What SHUTDOWN does in the end; whoever runs the server says. None: its clients can't stop it.
        self.on_shutdown: Callable[[], None] | None = None
        self.shutdown = Shutdown(self)
        #: Tell whoever looks after this process how it is; and who that is (``systemd``), empty for nobody.
        self.tell_supervisor: Callable[[str], object] = lambda message: None
        self.supervisor = b""
        #: Crash (``segfault``, ``assert``, ``panic``), as DEBUG asks; None where the process is not the server's own.
        self.on_crash: Callable[[bytes], None] | None = None
        #: ``watchdog-period`` (ms) was set.
        self.on_watchdog: Callable[[int], None] = lambda period: None
        #: Show what the process is in lists of processes; an empty string is the program's name.
        self.show_title: Callable[[str], None] = lambda title: None
        #: Clients that say nothing; and how the kernel sees this process.
        self.idle_clients = IdleClients(self)
        self.oom_score = OomScore(self)
        #: Whether SHUTDOWN has been heard: a script that runs now ends.
        self.ending = False
        #: Connections that may go on at the end of the batch that runs now.
        self.resumable: deque[Callable[[], None]] = deque()
        #: Whether keys are to be evicted on the reactor's next turn.
        self.evicting = False
        self._settling = False
        self._resuming = False
        self._last_client_id = 0
        #: CLIENT PAUSE: until when (Unix time, ms), and whether it holds back all commands or only writes.
        self.pause_until = 0
        self.pause_all = False
        #: What lets the commands go on that the pause holds back, in their order, and whose they are.
        self.postponed: dict[Deferred[None], Client] = {}
        self._pause_call: Any = None
        self.keyspace.expiry_timer.settled = self._timer_settled
        self.keyspace.expiry_timer.took = self._expiry_took
        self.keyspace.on_deleted.append(self.effects.deleted)
        self.keyspace.on_fields_deleted.append(self.effects.fields_deleted)
        self.effects.changed_active = self._effects_changed

    @property
    def now_ms(self) -> int:
        """Unix time in milliseconds, the same for a whole batch of commands."""
        return self.keyspace.now

    def next_client_id(self) -> int:
        """Ids grow and are never used twice."""
        self._last_client_id += 1
        return self._last_client_id

    def output_limit(self, client: Client) -> tuple[int, int, int]:
        """The output buffer limit that holds for a client: see :attr:`output_limits`."""
        if client.subscriptions:
            return self.output_limits["pubsub"]
        replica = client.replica
        if replica is not None and replica.attached:
            if replica.stage:
                return 0, 0, 0  # it gets its snapshot piece by piece, as it reads
            hard, soft, seconds = self.output_limits["replica"]
            # Else one that goes on with what is in the backlog would be dropped again and again.
            hard = hard and max(hard, self.configuration[b"repl-backlog-size"])
            # The snapshot may be as large as it is.
            extra = 0 if replica.online else replica.snapshot_size
            return hard and hard + extra, soft and soft + extra, seconds
        return self.output_limits["replica" if client.monitoring else "normal"]

    def forget(self, client: Client) -> None:
        """A client is gone: leave no trace of it in any registry."""
        if self.clients.pop(client.id, None) is not None:
            self.statistics.input_bytes += client.total_input
            self.statistics.output_bytes += client.total_output
            for gone in self.on_gone:
                gone(client)
        while client.parked is not None:
            self.waiting.leave(client.parked)
        if self.postponed:
            self.postponed = {gate: owner for gate, owner in self.postponed.items() if owner is not client}
        self.watching.unwatch(client)
        if client.subscriptions:
            self.channels.forget(client)
        if client.replica is not None:
            self.replication.forget(client)
        if client.monitoring:
            self.monitors.remove(client)
        self.tracking.disable(client)
        self.client_memory.forget(client)

    def entries(self) -> Iterator[CommandEntry]:
        """Every command and subcommand once, containers before their contents."""
        for entry in dict.fromkeys(self.commands.values()):  # it is there in several spellings
            yield entry
            if entry.subcommands:
                yield from entry.subcommands.values()

    @property
    def blocked_clients(self) -> int:
        """How many clients wait for a key, or for the end of a pause (INFO's blocked_clients)."""
        return len(self.waiting) + len(self.postponed)

    def limit_memory(self, limit: int) -> None:
        """Set ``maxmemory`` (bytes; 0 for none)."""
        self.memory.set_limit(limit)
        if limit:
            self.attention |= LIMITED_MEMORY
        else:
            self.attention &= ~LIMITED_MEMORY
            self.statistics.excess.end(self.now_ms)
        self.limit_clients(self.configuration[b"maxmemory-clients"])

    def evict(self) -> None:
        """Evict keys, if there is too much of them, and tell so."""
        if self.memory.limit:
            make_room(self)
            self.pending = True
            self.settle()

    def go_on_evicting(self) -> None:
        """Evict what time did not allow before."""
        self.evicting = False
        if self.memory.limit:
            make_room(self)

    def count_error(self, code: bytes) -> None:
        """Count an error reply by its first word. There are only so many of these: scripts could make up any."""
        statistics = self.statistics
        statistics.error_replies += 1
        errors = statistics.errors
        if code in errors or len(errors) < _MOST_ERRORS:
            if statistics.counts_errors:
                errors[code] += 1
            return
        _log.warn(
            "Errorstats stopped adding new errors because the number of errors reached the limit, may be misuse of "
            "lua error_reply, please check INFO ERRORSTATS, this can be re-enabled via CONFIG RESETSTAT."
        )
        _log.warn("Current errors code list: {codes}", codes=b", ".join(sorted(errors)).decode("latin-1"))
        statistics.counts_errors = False
        statistics.errors = Counter({b"ERRORSTATS_DISABLED": 1})
        self.keyspace.lazy_free.add_parts([errors], len(errors))

    def limit_clients(self, limit: int) -> None:
        """Set ``maxmemory-clients``: bytes, a negative percentage of ``maxmemory``, or 0 for none."""
        if limit < 0:
            limit = self.memory.limit * -limit // 100
        # Keys are evicted for what clients take, too.
        self.client_memory.configure(limit, active=self.memory.limit > 0)
        if limit:
            self.attention |= LIMITED_CLIENTS
        else:
            self.attention &= ~LIMITED_CLIENTS

    def refuse_writes(self, error: bytes, of_snapshot: bool = False) -> None:
        """Answer writes with this error from now on; with nothing, do them again.

        :param of_snapshot: whether it is a snapshot that can't be written; else it is the append-only file.
        """
        self._disk_errors[not of_snapshot] = error
        # That of a snapshot comes first.
        self.disk_error = self._disk_errors[0] or self._disk_errors[1]
        if self.disk_error:
            self.attention |= UNWRITABLE
        else:
            self.attention &= ~UNWRITABLE

    def watch_latency(self) -> None:
        """Find commands that take as long as the slow log, or the latency monitor, wants to know."""
        self.slow_threshold = self.slow_log.threshold
        if self.latency.threshold:
            self.slow_threshold = min(self.slow_threshold, self.latency.threshold / 1000)

    def note_fork(self, seconds: float) -> None:
        """There is a child now; the fork took so long."""
        self.statistics.forks += 1
        self.statistics.last_fork = int(seconds * 1_000_000)
        self.latency.note(b"fork", seconds)

    def refuse_while_loading(self, refused: bool) -> None:
        """Refuse commands that look at the data, or do no longer."""
        if refused:
            self.attention |= LOADING
        else:
            self.attention &= ~LOADING

    def need_replicas(self, count: int) -> None:
        """Refuse writes while fewer replicas than this follow (``min-replicas-to-write``)."""
        if count:
            self.attention |= WITHOUT_REPLICAS
        else:
            self.attention &= ~WITHOUT_REPLICAS

    def show_commands(self, shown: bool) -> None:
        """Have every command shown to :attr:`on_monitor`, or none."""
        if shown:
            self.attention |= MONITORED
        else:
            self.attention &= ~MONITORED

    def count_anew(self, entries: Iterable[CommandEntry] | None = None) -> None:
        """Reset the statistics (CONFIG RESETSTAT).

        :param entries: those that have something to forget, where the caller knows; else all.
        """
        statistics, keyspace = self.statistics, self.keyspace
        statistics.reset()
        # Traffic is counted by the clients until they go: what they have counted so far is not to be in the sum.
        statistics.input_bytes = -sum(one.total_input for one in self.clients.values())
        statistics.output_bytes = -sum(one.total_output for one in self.clients.values())
        for entry in self.entries() if entries is None else entries:
            entry.reset()
        keyspace.hits = keyspace.misses = keyspace.expired = keyspace.expired_fields = keyspace.evicted = 0
        keyspace.lazy_free.freed = 0
        replication, file = self.replication, self.append_only
        replication.full_syncs = replication.partial_syncs = replication.refused_partial_syncs = 0
        file.rewrites = file.failures = file.delayed = self.saving.saves = 0

    def rename_command(self, name: bytes, new_name: bytes) -> None:
        """Let a command go by another name, or, with an empty one, by none (``rename-command``).

        :raises ValueError: there is no such command, or there is one by the new name.
        """
        name, new_name = name.lower(), new_name.lower()
        entry = self.commands.get(name)
        if entry is None:
            raise ValueError("No such command in rename-command")
        if new_name in self.commands:
            raise ValueError("Target command name already exists")
        for spelling in (name, name.upper(), name.title()):
            del self.commands[spelling]
        if new_name:
            for spelling in (new_name, new_name.upper(), new_name.title()):
                self.commands[spelling] = entry

    # -- who may come in

    def set_password(self, password: bytes) -> None:
        """Ask for a password from now on, or for none (``requirepass``). Who is in stays in."""
        self.password = password
        self.access.set_default_password(password)

    # -- after commands

    def settle(self) -> None:
        """After an outermost command that left something to do: serve waiters, tell effects."""
        if self._settling:
            return
        self._settling = True
        try:
            while self.pending:
                self.pending = False
                self.effects.flush()
                self.waiting.serve()
            self.effects.flush()
        finally:
            self._settling = False

    def interrupt(self, take_turn: Callable[[], None]) -> None:
        """Answer others in the middle of a command that takes its time: nearly all get a BUSY error.

        For the command no time passes meanwhile, and nobody is served who waits for a key.
        """
        keyspace = self.keyspace
        now, keyspace_touching = keyspace.now, keyspace.touching
        settling, self._settling = self._settling, True
        self.attention |= BUSY
        try:
            take_turn()
        finally:
            self.attention &= ~BUSY
            self._settling = settling
            keyspace.now, keyspace.touching = now, keyspace_touching

    def resume(self, drain: Callable[[], None]) -> None:
        """A connection may go on with its buffer: ``drain`` is called at the end of the batch that runs now."""
        self.resumable.append(drain)

    def end_batch(self) -> None:
        """The last command of a batch has run: let the connections that were served meanwhile go on.

        They run commands themselves; what those wake up is appended to the same list, so nothing nests.
        """
        # Not while waiters are served: a callback of theirs that calls commands is no batch of its own.
        if self._resuming or self._settling:
            return
        self._resuming = True
        try:
            while self.resumable:
                try:
                    self.resumable.popleft()()
                except Exception:
                    # The connection whose batch it was must not pay for another one's trouble.
                    _log.failure("A connection can't go on")
        finally:
            self._resuming = False

    def run_timer(self, action: Callable[[], None]) -> None:
        """Run what a timer brings as if it were a batch of its own."""
        self.keyspace.tick()
        action()
        self.settle()
        self.end_batch()

    def _expiry_took(self, seconds: float) -> None:
        self.statistics.expiry_seconds += seconds
        self.latency.note(b"expire-cycle", seconds)

    def _timer_settled(self) -> None:
        self.settle()
        self.end_batch()

    def _effects_changed(self) -> None:
        if self.effects.active:
            self.attention |= EFFECTS
        else:
            self.attention &= ~EFFECTS

    # -- CLIENT PAUSE

    def pause(self, until: int, all_commands: bool) -> None:
        """Hold back clients: all their commands, or those that may write.

        :param until: Unix time in milliseconds. A pause that is on is only ever made longer and stricter.
        """
        self.pause_until = max(self.pause_until, until)
        if self.pause_until <= self.keyspace.now:
            return
        self.pause_all = self.pause_all or all_commands
        self.attention |= PAUSED
        self.keyspace.hold_expiry = True
        self._cancel_pause_call()
        delay = self.pause_until / 1000 - self.clock.seconds()
        # No timer counts in centuries.
        self._pause_call = self.clock.callLater(min(delay, _LONGEST_DELAY), self.run_timer, self.unpause)

    def unpause(self) -> None:
        """Let everybody go on, in the order in which they were held back."""
        self._cancel_pause_call()
        self.attention &= ~PAUSED
        self.pause_until = 0
        self.pause_all = False
        self.keyspace.hold_expiry = self.replication.master is not None
        # For those whose keys were signalled during the pause.
        self.pending = True
        postponed, self.postponed = self.postponed, {}
        for gate in postponed:
            self.resume(partial(gate.callback, None))

    def _cancel_pause_call(self) -> None:
        if self._pause_call is not None and self._pause_call.active():
            self._pause_call.cancel()
        self._pause_call = None

    # -- the end

    def close(self) -> None:
        """Disconnect every client and cancel every timer; the data stay.

        Calls within the process that wait are answered: with None, or, where a pause held them back, by running them.
        """
        for client in list(self.clients.values()):
            # Only a client that does not read what it was sent is cut off.
            client.close(client.output_size() == 0)
            client.disconnected()
        self.unpause()
        self.settle()
        self.end_batch()
        self.replication.close()
        self.idle_clients.close()
        self.saving.close()
        self.append_only.close()
        self.peers.close()
        self.waiting.end_all(None)
        self.keyspace.expiry_timer.stop()
        self.keyspace.lazy_free.stop()
