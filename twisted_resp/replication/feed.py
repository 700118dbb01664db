"""The stream of changes, from a master's side.

While nobody follows nothing is listened to. The first replica brings a backlog into being; from then on every
unit of effects is encoded once, counted in the offset, and at the end of the batch handed to the backlog and to
all replicas in one piece. The backlog outlives the last replica for ``repl-backlog-ttl`` seconds, so that one which
comes back can go on where it was.

A new replica gets a snapshot of this very moment and then the stream. Where that takes a while it is on its way until
the replica is online (:mod:`~twisted_resp.replication.transfers`).

On a server that is itself a replica the stream is its master's, passed on as it is (:meth:`Feed.pass_on`).
https://redis.io/docs/latest/operate/oss_and_stack/management/replication/#how-redis-replication-works
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from twisted_resp.errors import CommandError
from twisted_resp.replication.acknowledgements import Acknowledgements
from twisted_resp.replication.failover import Failover
from twisted_resp.replication.snapshots import (
    database_of_stream,
    functions_snapshot,
    place_in_history,
    snapshot,
)
from twisted_resp.replication.transfers import Transfers
from twisted_resp.resp import NO_REPLY, Reply
from twisted_resp.server.client import Client
from twisted_resp.server.effects import REPLICAS
from twisted_resp.server.encoding import encode_command
from twisted_resp.server.replication import LOADING, NO_ID, ONLINE, WRITING, Replica, Replication, new_id
from twisted_resp.server.server import REPLICA, Server

if TYPE_CHECKING:
    from twisted_resp.replication.link import Link

__all__ = ["Feed"]

_log = Logger()

_GETACK: Final = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n"
_PING: Final = b"*1\r\n$4\r\nPING\r\n"
# The frame of a unit, which belongs to no database.
_FRAME: Final = ([b"MULTI"], [b"EXEC"])


class Feed(Replication):
    """A server's replication, with the stream.

    :ivar acknowledgements: the clients that WAIT.
    :ivar failover: the change of places with a replica, if one goes on.
    :ivar link: the connection to the master, or the attempts at one; None for a master.
    :ivar master_database: the database that our master's stream had selected when we heard it last.
    """

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.acknowledgements = Acknowledgements(self)
        self.failover = Failover(self)
        self.transfers = Transfers(self)
        self.link: Link | None = None
        self.master_database = 0
        self._backlog: bytearray | None = None
        self._unsent: list[bytes] = []
        self._selected = -1
        self._listening = False
        self._beat_call: IDelayedCall | None = None
        self._beats = 0
        self._backlog_call: IDelayedCall | None = None

    @property
    def failover_state(self) -> bytes:
        """See :attr:`Replication.failover_state`."""
        return self.failover.state

    # -- the backlog

    @property
    def backlog_active(self) -> bool:
        """See :attr:`Replication.backlog_active`."""
        return self._backlog is not None

    @property
    def backlog_start(self) -> int:
        """See :attr:`Replication.backlog_start`."""
        return 0 if self._backlog is None else self.offset - self.backlog_length + 1

    @property
    def backlog_length(self) -> int:
        """See :attr:`Replication.backlog_length`."""
        if self._backlog is None:
            return 0
        return min(self._wanted, len(self._backlog) + sum(map(len, self._unsent)))

    @property
    def _wanted(self) -> int:
        """How much of the stream is kept: more than is asked for while a replica gets its snapshot."""
        size: int = self.server.configuration[b"repl-backlog-size"]
        earliest = self.transfers.earliest
        return size if earliest is None else max(size, self.offset - earliest)

    def make_backlog(self) -> None:
        """Keep the stream from now on."""
        if self._backlog is None:
            self._backlog = bytearray()
        if self._backlog_call is not None:
            self._backlog_call.cancel()
            self._backlog_call = None
        self.attend()

    # -- whose history it is

    def begin_history(self, history: bytes, offset: int) -> None:
        """A snapshot of a master has come: we are at this place in its history. Our replicas need it as well."""
        self.disconnect_replicas()
        self.id, self.second_id, self.second_offset = history, NO_ID, -1
        self.offset = offset
        self._backlog = bytearray()

    def continue_history(self, history: bytes) -> None:
        """A master lets us go on, perhaps under another id."""
        if history != self.id:
            self.second_id, self.second_offset = self.id, self.offset + 1
            self.id = history
            self.disconnect_replicas()

    def promote(self) -> None:
        """We are a master from now on: our history begins where that of our master ends."""
        self.second_id, self.second_offset = self.id, self.offset + 1
        self.id = new_id()
        self._selected = -1
        _log.info(
            "Setting secondary replication ID to {second}, valid up to offset: {offset}. New replication ID is {new}",
            second=self.second_id.decode(),
            offset=self.second_offset,
            new=self.id.decode(),
        )
        # They come back at once, and learn of the new id.
        self.disconnect_replicas()
        self.attend()
        self._expect_replicas()

    @property
    def stream_database(self) -> int | None:
        """See :attr:`Replication.stream_database`."""
        if self.master is None:
            # Before the first SELECT it does not matter which: there will be one.
            return max(0, self._selected) if self._backlog is not None else None
        if self.master.client is not None:
            return int(self.master.client.db.index)
        return None if self.link is None or self.link.spoilt else self.master_database

    def resume(self, expired: Sequence[tuple[int, bytes]]) -> None:
        """See :meth:`Replication.resume`."""
        server = self.server
        place, database = place_in_history(server), database_of_stream(server)
        if place is None or database is None:
            return
        if server.configuration[b"replicaof"]:
            self.id, self.offset = place
            self.master_database = database
            return
        # Replicas of that history may go on, and learn that it is ours from here.
        self.second_id, self.offset = place
        self.second_offset = self.offset + 1
        self.make_backlog()
        word = b"UNLINK" if server.keyspace.lazy_free.on_expire else b"DEL"
        self._tell([(index, [word, key]) for index, key in expired])
        self.send()
        self._expect_replicas()

    # -- feeding

    def attend(self) -> None:
        """Listen to what is needed, after who follows whom has changed."""
        listening = self._backlog is not None and self.master is None
        if listening != self._listening:
            self._listening = listening
            effects = self.server.effects
            if listening:
                effects.add_listener(self._tell, REPLICAS)
            else:
                effects.remove_listener(self._tell)
        if self.master is not None:
            self.server.attention |= REPLICA
        else:
            self.server.attention &= ~REPLICA

    def _tell(self, unit: list[tuple[int, list[bytes]]]) -> None:
        """A listener for effects."""
        for database, command in unit:
            if database != self._selected and command not in _FRAME:
                self._selected = database
                self.feed(encode_command((b"SELECT", b"%d" % database)))
            self.feed(encode_command(command))

    def feed(self, data: bytes) -> None:
        """Let the stream go on with ``data``; it is sent at the end of the batch."""
        if self._backlog is None:
            return
        if not self._unsent:
            self.server.resume(self.send)
        self._unsent.append(data)
        self.offset += len(data)

    def tell(self, command: Sequence[bytes]) -> None:
        """See :meth:`Replication.tell`."""
        if self.master is None:
            self.feed(encode_command(command))

    def pass_on(self, data: bytes) -> None:
        """Let the stream go on with what our master has sent."""
        if self._backlog is None:
            self.offset += len(data)
        else:
            self.feed(data)

    def send(self) -> None:
        """Send what the stream has gained to the replicas that are there."""
        backlog = self._backlog
        if not self._unsent or backlog is None:
            return
        data = b"".join(self._unsent)
        self._unsent.clear()
        backlog += data
        size = self._wanted
        if len(backlog) > size + self.server.configuration[b"repl-backlog-size"]:
            del backlog[:-size]
        # A copy: one that does not read is dropped while we write.
        for client, replica in list(self.replicas.items()):
            if replica.stage == ONLINE:
                client.write(data)
            elif replica.stage >= WRITING:
                self._check_size(replica)

    def _check_size(self, replica: Replica) -> None:
        """Drop a replica for which too much is kept while it gets its snapshot."""
        configuration = self.server.configuration
        hard, _, _ = self.server.output_limits["replica"]
        if hard and self.offset - replica.begins > max(hard, configuration[b"repl-backlog-size"]):
            self.server.statistics.output_buffer_limit_disconnections += 1
            _log.warn(
                "Client {client} scheduled to be closed ASAP for overcoming of output buffer limits.",
                client=replica.client,
            )
            replica.client.kill()

    def ask_for_acknowledgements(self) -> None:
        """Ask every replica how far it is."""
        if self.master is None:
            self.feed(_GETACK)

    # -- replicas come and go

    def start_afresh(self, client: Client, with_offset: bool) -> None:
        """Send a client a snapshot, and the stream that follows it.

        :param with_offset: tell it where in the history that is (PSYNC).
        """
        replica = self.known(client)
        self.send()
        if self._backlog is None:
            self.id, self.second_id, self.second_offset = new_id(), NO_ID, -1
            _log.info(
                "Replication backlog created, my new replication IDs are '{first}' and '{second}'",
                first=self.id.decode(),
                second=self.second_id.decode(),
            )
        self.make_backlog()
        self.full_syncs += 1
        replica.acknowledges = with_offset
        replica.waits_since = self.server.now_ms
        later = self.transfers.take(replica)
        self._attach(replica)
        if not later:
            self.begin_with([replica])
            self.send_snapshot([replica])

    def begin_with(self, replicas: list[Replica], offset: int | None = None) -> None:
        """A snapshot for some replicas is begun; they will need the stream from here on.

        :param offset: what a snapshot that was begun before is of.
        """
        if offset is None:
            self.send()
            offset = self.offset
            if self.master is None:
                self._selected = -1
        for replica in replicas:
            replica.begins = offset
            replica.stage = WRITING
            if replica.acknowledges:
                replica.client.write(b"+FULLRESYNC %b %d\r\n" % (self.id, offset))

    def send_snapshot(self, replicas: list[Replica]) -> None:
        """Send some replicas, with which was begun just now, all data at once."""
        for without_data in (False, True):
            group = [replica for replica in replicas if replica.without_data == without_data]
            data = (functions_snapshot if without_data else snapshot)(self.server) if group else b""
            for replica in group:
                replica.client.write(b"$%d\r\n%b" % (len(data), data))
                replica.snapshot_size = len(data) if replica.acknowledges else 0
                self.put_online(replica)

    def put_online(self, replica: Replica) -> None:
        """A replica has all data, or will read them first: let it have the stream."""
        self.send()
        client = replica.client
        replica.stage = ONLINE
        missed = self.offset - replica.begins
        if replica.rdb_only:
            client.close(True)
            return
        if missed:
            assert self._backlog is not None
            client.write(bytes(self._backlog[-missed:]))
        _log.info("Synchronization with replica {replica} succeeded", replica=replica)

    def go_on(self, client: Client, history: bytes, offset: int) -> bool:
        """Let a client go on where it was, if we still have what it missed.

        :param offset: the first byte that it wants.
        """
        history = history.lower()
        replica = self.known(client)
        if history != self.id and (history != self.second_id or offset > self.second_offset):
            self._tell_of_refusal(replica, history, offset)
            return False
        self.send()
        start = self.backlog_start
        if self._backlog is None or not start <= offset <= start + self.backlog_length:
            _log.info(
                "Unable to partial resync with replica {replica} for lack of backlog "
                "(Replica request was: {offset}).",
                replica=replica,
                offset=offset,
            )
            return False
        client.write(b"+CONTINUE %b\r\n" % self.id if replica.psync2 else b"+CONTINUE\r\n")
        missed = self.offset + 1 - offset
        if missed:
            client.write(bytes(self._backlog[-missed:]))
        self.partial_syncs += 1
        self._attach(replica)
        _log.info(
            "Partial resynchronization request from {replica} accepted. Sending {missed} bytes of backlog starting "
            "from offset {offset}.",
            replica=replica,
            missed=missed,
            offset=offset,
        )
        return True

    def _tell_of_refusal(self, replica: Replica, history: bytes, offset: int) -> None:
        if history == b"?":
            _log.info("Full resync requested by replica {replica}", replica=replica)
        elif history == self.second_id:
            _log.info(
                "Partial resynchronization not accepted: Requested offset for second ID was {offset}, but I can reply "
                "up to {end}",
                offset=offset,
                end=self.second_offset,
            )
        else:
            _log.info(
                "Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '{asked}', my "
                "replication IDs are '{first}' and '{second}')",
                asked=history.decode("utf-8", "backslashreplace"),
                first=self.id.decode(),
                second=self.second_id.decode(),
            )

    def known(self, client: Client) -> Replica:
        """What is known of a client as a replica, which it may be about to become."""
        if client.replica is None:
            client.replica = Replica(client)
        return client.replica

    def _attach(self, replica: Replica) -> None:
        replica.attached = True
        replica.client.execute = _following
        replica.heard_of = self.server.now_ms
        self.replicas[replica.client] = replica
        self.make_backlog()
        if self._beat_call is None:
            self._beats = 0
            self._beat_call = self.server.clock.callLater(1, self._beat)
        self.attend()

    def acknowledged(self, replica: Replica, offset: int, fsynced: int | None) -> None:
        """A replica tells how far it is."""
        replica.offset = max(replica.offset, offset)
        if fsynced is not None:
            replica.fsynced = max(replica.fsynced, fsynced)
        replica.heard_of = self.server.now_ms
        replica.snapshot_size = 0
        if replica.stage == LOADING:
            self.put_online(replica)
        self.acknowledgements.changed()
        self.failover.consider()

    def synced(self, offset: int, anew: bool = False) -> None:
        """See :meth:`Replication.synced`."""
        super().synced(offset, anew)
        self.acknowledgements.changed()

    def forget(self, client: Client) -> None:
        """See :meth:`Replication.forget`."""
        replica = self.replicas.pop(client, None)
        if replica is None:
            return
        _log.info("Connection with replica {replica} lost.", replica=replica)
        self.transfers.forget(replica)
        self.attend()
        self.acknowledgements.changed()
        if self.replicas:
            return
        if self._beat_call is not None:
            self._beat_call.cancel()
            self._beat_call = None
        self._expect_replicas()

    def _expect_replicas(self) -> None:
        """There are none: keep the backlog for them, but not for ever."""
        time_to_live = self.server.configuration[b"repl-backlog-ttl"]
        if time_to_live and self.master is None and self._backlog is not None and self._backlog_call is None:
            self._backlog_call = self.server.clock.callLater(time_to_live, self._backlog_unused)

    def disconnect_replicas(self) -> None:
        """The history has changed: let them all come anew."""
        self.send()
        for client in list(self.replicas):
            client.kill()

    def close(self) -> None:
        """See :meth:`Replication.close`."""
        self.failover.close()
        self.transfers.close()
        if self.link is not None:
            self.link.stop()
        for call in (self._beat_call, self._backlog_call):
            if call is not None and call.active():
                call.cancel()
        self._beat_call = self._backlog_call = None

    # -- as time goes by

    def _beat(self) -> None:
        """Once a second, while there are replicas."""
        self._beat_call = self.server.clock.callLater(1, self._beat)
        self._beats += 1
        self.server.run_timer(self._look_after_replicas)

    def _look_after_replicas(self) -> None:
        configuration, now = self.server.configuration, self.server.now_ms
        for client, replica in list(self.replicas.items()):
            # An empty line, while it loads its snapshot, is a sign of life as well.
            replica.heard_of = max(replica.heard_of, client.last_interaction)
            if (
                replica.stage == ONLINE
                and replica.acknowledges
                and replica.lag(now) > configuration[b"repl-timeout"]
            ):
                _log.warn("Disconnecting timedout replica (streaming sync): {replica}", replica=replica)
                client.kill()
        self.transfers.look_after(now)
        if (
            self.replicas
            and self.master is None
            and not self.failover.active  # a replica is to catch up
            and self._beats % configuration[b"repl-ping-replica-period"] == 0
        ):
            self.feed(_PING)

    def _backlog_unused(self) -> None:
        self._backlog_call = None
        # What happens from now on is not counted, so it must not pass for the same history.
        self.id, self.second_id, self.second_offset = new_id(), NO_ID, -1
        self._backlog = None
        self._unsent.clear()
        self.attend()
        _log.info("Replication backlog freed after {seconds} seconds without connected replicas.",
                  seconds=self.server.configuration[b"repl-backlog-ttl"])  # fmt: skip


def _following(client: Client, args: list[bytes]) -> Reply:
    """Run a request of a replica: a way in of its own. A reply would be taken for a part of the stream."""
    reply = client.server.states.normal(client, args)
    if reply is NO_REPLY:
        return reply
    name = client.last_command.decode("utf-8", "backslashreplace")
    if isinstance(reply, CommandError):
        _log.error(
            "== CRITICAL == This master is sending an error to its replica: '-{error}' after processing the "
            "command '{command}'",
            error=reply.message.decode("utf-8", "backslashreplace"),
            command=name,
        )
    _log.warn(
        "Replica generated a reply to command '{command}', disconnecting it: {client}",
        command=name,
        client=client,
    )
    client.close(False)
    return NO_REPLY
