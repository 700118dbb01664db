"""All data on their way to new replicas, from the master's side, without stopping for it.

Where the process is the server's own, a forked child writes the data as they are at the moment of the fork, and
replicas get the stream from there on as soon as they have them. What the stream brings meanwhile is kept in the
backlog, once for all. There are two ways (``repl-diskless-sync``):

- over **sockets**: what the child writes to a pipe is passed on to all replicas at once, at the pace of the slowest;
  all that want the data within ``repl-diskless-sync-delay`` seconds go together;
- over the **disk**: the child writes a file, which is then sent to each, and to those that have come meanwhile.

Where there can't be a child, or so little data that it is not worth one, they are written and sent at once.
https://redis.io/docs/latest/operate/oss_and_stack/management/replication/#diskless-replication
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_resp.persistence.child import Child, can_fork
from twisted_resp.persistence.files import DataFile
from twisted_resp.persistence.sinks import RdbSink, Sink, slowed, write_all
from twisted_resp.persistence.snapshots import Snapshots
from twisted_resp.server.memory import EMPTY
from twisted_resp.server.replication import LOADING, SENDING, WAITING, WRITING, Replica

if TYPE_CHECKING:
    from twisted_resp.replication.feed import Feed

__all__ = ["Transfers"]

_log = Logger()

# So many keys, and so many bytes by the estimate, are sooner written than a process is forked.
_FEW: Final = 1000
_LITTLE: Final = 1024 * 1024
_PIECE: Final = 64 * 1024


class Transfers:
    """The replicas that have yet to get all data, and how they do.

    :param feed: the stream that they get afterwards.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._waiting: list[Replica] = []
        self._under_way: _Transfer | None = None

    # -- who wants the data

    def take(self, replica: Replica) -> bool:
        """Let a new replica have the data in a while; False where it should get them at once."""
        feed = self._feed
        server = feed.server
        saving = server.saving
        if replica.without_data or not (saving.may_fork and isinstance(saving, Snapshots)):
            return False
        under_way = self._under_way
        over_sockets = self._goes_over_sockets(replica)
        if under_way is not None and not over_sockets and under_way.admits(replica):
            _log.info("Waiting for end of BGSAVE for SYNC")
            return True
        delay = server.configuration[b"repl-diskless-sync-delay"] if over_sockets else 0
        if under_way is None and not delay and not self._is_worth_a_child():
            return False
        replica.stage = WAITING
        self._waiting.append(replica)
        if under_way is not None:
            _log.info("Can't attach the replica to the current BGSAVE. Waiting for next BGSAVE for SYNC")
        elif delay:
            _log.info("Delay next BGSAVE for diskless SYNC")
        elif self._others_are_busy():
            _log.info(
                "No BGSAVE in progress, but another BG operation is active. BGSAVE for replication delayed"
            )
        else:
            # Not in the middle of the command that asks for it.
            server.resume(self.consider)
        return True

    def _goes_over_sockets(self, replica: Replica) -> bool:
        return replica.eof and bool(self._feed.server.configuration[b"repl-diskless-sync"])

    def _is_worth_a_child(self) -> bool:
        server = self._feed.server
        if not can_fork(server):
            return False
        return (
            server.configuration[b"rdb-key-save-delay"] > 0
            or sum(map(len, server.keyspace.databases)) > _FEW
            or server.memory.used() - EMPTY > _LITTLE
        )

    def _others_are_busy(self) -> bool:
        server = self._feed.server
        return server.saving.started is not None or server.append_only.rewrite_started is not None

    @property
    def earliest(self) -> int | None:
        """The offset from which on somebody still needs the stream."""
        begins = [replica.begins for replica in self._feed.replicas.values() if replica.stage >= WRITING]
        return min(begins) if begins else None

    # -- begin

    def consider(self) -> None:
        """See whether it is time to begin with those that wait."""
        waiting = self._waiting
        if not waiting or self._under_way is not None or self._others_are_busy():
            return
        configuration, now = self._feed.server.configuration, self._feed.server.now_ms
        over_sockets = self._goes_over_sockets(waiting[0])
        group = [replica for replica in waiting if self._goes_over_sockets(replica) == over_sockets]
        if over_sockets:
            longest = max(now - replica.waits_since for replica in group)
            enough = configuration[b"repl-diskless-sync-max-replicas"]
            if longest < 1000 * configuration[b"repl-diskless-sync-delay"] and not 0 < enough <= len(group):
                return
        self._waiting = [replica for replica in waiting if replica not in group]
        feed = self._feed
        feed.begin_with(group)
        if not self._is_worth_a_child():
            feed.send_snapshot(group)
            return
        target = "replicas sockets" if over_sockets else "disk"
        _log.info("Starting BGSAVE for SYNC with target: {target}", target=target)
        try:
            kind = _OverSockets if over_sockets else _OverDisk
            self._under_way = kind(feed, group, self._ended)
        except OSError as error:
            _log.warn("BGSAVE for replication failed: {error}", error=error)
            for replica in group:
                replica.client.kill()

    def _ended(self) -> None:
        self._under_way = None
        self._feed.server.resume(self.consider)
        self._feed.server.end_batch()

    # -- as time goes by

    def look_after(self, now: int) -> None:
        """Once a second: begin what is due, show those that wait that we are there, drop those that do not read."""
        self.consider()
        under_way = self._under_way
        for replica in [*self._waiting, *(under_way.silent if under_way is not None else ())]:
            replica.client.write(b"\n")
        if under_way is not None:
            longest = 1000 * self._feed.server.configuration[b"repl-timeout"]
            for replica in under_way.stuck(now - longest):
                _log.warn("Disconnecting timedout replica (full sync): {replica}", replica=replica)
                replica.client.kill()

    def forget(self, replica: Replica) -> None:
        """It is gone."""
        if replica in self._waiting:
            self._waiting.remove(replica)
        if self._under_way is not None:
            self._under_way.forget(replica)

    def close(self) -> None:
        """The server ends."""
        self._waiting.clear()
        if self._under_way is not None:
            self._under_way.abort()


class _Transfer:
    """One child that writes the data for some replicas."""

    #: Whether what is written may stay as a file.
    keeps = False
    title = "redis-rdb-to-slaves"
    cpu_list = b"bgsave-cpulist"

    def __init__(self, feed: Feed, replicas: list[Replica], ended: Callable[[], None]) -> None:
        saving = feed.server.saving
        assert isinstance(saving, Snapshots)
        self._feed = feed
        self._saving = saving
        self._ended = ended
        self._child: Child | None = None
        self.pid = 0
        self.replicas = replicas
        self.progress = saving.progress
        self.progress.begin(sum(map(len, feed.server.keyspace.databases)))

    def _begin(self, keep: tuple[int, ...] = ()) -> None:
        self._child = Child(self, self._feed.server, keep)
        self.pid = self._child.pid
        self._saving.transfer_begun(self)

    @property
    def silent(self) -> Sequence[Replica]:
        """Replicas that hear nothing of it while it is written."""
        return ()

    def admits(self, replica: Replica) -> bool:
        """Let one more have these data, if it can be."""
        return False

    def stuck(self, since: int) -> list[Replica]:
        """Those that have read nothing since then (Unix time, ms)."""
        return []

    def forget(self, replica: Replica) -> None:
        """A replica is gone."""
        if replica in self.replicas:
            self.replicas.remove(replica)

    def abort(self) -> None:
        """End it; nobody gets the data."""
        self.kill()
        self.wait()

    def kill(self) -> None:
        """End the child at once; :meth:`wait` tells so."""
        if self._child is not None:
            self._child.kill()

    def wait(self) -> None:
        """Wait until the child has ended. What it has written and nobody has read is dropped."""
        if self._child is not None:
            self._child.wait()

    def write_as_child(self, report: Callable[[int], None]) -> None:
        """See :class:`~twisted_resp.persistence.child.Work`."""
        raise NotImplementedError

    def child_ended(self, done: bool, killed: bool) -> None:
        """See :class:`~twisted_resp.persistence.child.Work`."""
        raise NotImplementedError

    def _write(self, write: Callable[[bytes], Any], report: Callable[[int], None]) -> None:
        server = self._feed.server
        # Over a socket TCP looks after the data, and a checksum costs as much as all other work.
        checksum = None if self.keeps else False
        sink: Sink = RdbSink(server, write, compress=False, checksum=checksum)
        sink = slowed(sink, server.configuration[b"rdb-key-save-delay"], report)
        write_all(server.keyspace.databases, sink, report)

    def _give_up(self) -> None:
        """They are to come again."""
        for replica in list(self.replicas):
            _log.warn("SYNC failed. BGSAVE child returned an error: {replica}", replica=replica)
            replica.client.kill()
        self.replicas.clear()

    def _over(self) -> None:
        self._saving.transfer_ended()
        self._ended()


class _OverDisk(_Transfer):
    """The child writes a file."""

    keeps = True

    def __init__(self, feed: Feed, replicas: list[Replica], ended: Callable[[], None]) -> None:
        super().__init__(feed, replicas, ended)
        self._dirty = feed.server.keyspace.dirty
        self._begin()
        _log.info("Background saving started by pid {pid}", pid=self.pid)

    def _path(self, pid: int) -> bytes:
        return os.path.join(self._feed.server.directory, b"temp-%d.rdb" % pid)

    @property
    def silent(self) -> Sequence[Replica]:
        """See :attr:`_Transfer.silent`."""
        return self.replicas

    def admits(self, replica: Replica) -> bool:
        """It gets the same file, and the stream from the same place on."""
        if not self.replicas:
            return False
        self._feed.begin_with([replica], self.replicas[0].begins)
        self.replicas.append(replica)
        return True

    def forget(self, replica: Replica) -> None:
        """A replica is gone. Without one the file is of no use, unless it is to be our own snapshot as well."""
        there = len(self.replicas)
        super().forget(replica)
        if there and not self.replicas and not self._saving.points:
            self.abort()

    def write_as_child(self, report: Callable[[int], None]) -> None:
        """See :class:`~twisted_resp.persistence.child.Work`."""
        with DataFile(self._path(os.getpid())) as file:
            self._write(file.write, report)

    def child_ended(self, done: bool, killed: bool) -> None:
        """See :class:`~twisted_resp.persistence.child.Work`."""
        self._child = None
        path = self._path(self.pid)
        try:
            if done:
                _log.info("Background saving terminated with success")
                for replica in list(self.replicas):
                    _File(self._feed, replica, path)
            elif not killed:
                _log.warn("Background saving error")
        except OSError as error:
            _log.warn("SYNC failed. Can't open/stat DB after BGSAVE: {error}", error=error)
            done = False
        with suppress(OSError):
            if done and self._saving.points:
                self._saving.keep(path, self._dirty)
            else:
                os.unlink(path)
        if not done:
            self._give_up()
        self._over()


class _File:
    """The file on its way to one replica, piece by piece as it reads."""

    def __init__(self, feed: Feed, replica: Replica, path: bytes) -> None:
        self._feed = feed
        self._replica = replica
        self._file = open(path, "rb")  # noqa: SIM115 - it is closed in the end
        replica.stage = SENDING
        replica.drained = self._go_on
        replica.client.write(b"$%d\r\n" % os.fstat(self._file.fileno()).st_size)
        feed.server.clock.callLater(0, self._go_on)

    def _go_on(self) -> None:
        replica = self._replica
        client = replica.client
        if client not in self._feed.replicas or self._file.closed:
            self._file.close()
            return
        piece = self._file.read(_PIECE)
        if not piece:
            self._file.close()
            replica.drained = None
            self._feed.put_online(replica)
            return
        client.write(piece)
        if not client.output_size():
            self._feed.server.clock.callLater(0, self._go_on)


@implementer(IReadDescriptor)
class _OverSockets(_Transfer):
    """The child writes to a pipe, and what comes out of it goes to all replicas."""

    def __init__(self, feed: Feed, replicas: list[Replica], ended: Callable[[], None]) -> None:
        super().__init__(feed, replicas, ended)
        reactor: Any = feed.server.clock
        self._reactor = reactor
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        self._mark = secrets.token_hex(20).encode()
        self._slow: set[Replica] = set()
        self._complete = False
        try:
            self._begin(keep=(self._writing,))
        except OSError:
            os.close(self._reading)
            raise
        finally:
            os.close(self._writing)
        _log.info("Background RDB transfer started by pid {pid}", pid=self.pid)
        for replica in replicas:
            replica.progressed = feed.server.now_ms
        self._reactor.addReader(self)

    def stuck(self, since: int) -> list[Replica]:
        """See :meth:`_Transfer.stuck`."""
        return [replica for replica in self._slow if replica.progressed < since]

    def forget(self, replica: Replica) -> None:
        """A replica is gone."""
        there = len(self.replicas)
        super().forget(replica)
        if there and not self.replicas and not self._complete:
            _log.info("Diskless rdb transfer, last replica dropped, killing fork child.")
            self.abort()
        elif replica in self._slow:
            self._has_read(replica)

    def write_as_child(self, report: Callable[[int], None]) -> None:
        """See :class:`~twisted_resp.persistence.child.Work`."""
        with os.fdopen(self._writing, "wb", _PIECE) as file:
            file.write(b"$EOF:%b\r\n" % self._mark)
            self._write(file.write, report)
            file.write(self._mark)

    def child_ended(self, done: bool, killed: bool) -> None:
        """See :class:`~twisted_resp.persistence.child.Work`."""
        self._child = None
        if done:
            _log.info("Background RDB transfer terminated with success")
            # What it has written last may still be in the pipe.
            if self._complete:
                self._finish()
            return
        if not killed:
            _log.warn("Background transfer error")
        self._fail()

    def wait(self) -> None:
        """See :meth:`_Transfer.wait`."""
        if self._child is not None:
            super().wait()
        else:
            self._fail()

    def _fail(self) -> None:
        self._close()
        self._give_up()
        self._over()

    def _finish(self) -> None:
        _log.info(
            "Diskless rdb transfer, done reading from pipe, {count} replicas still up.",
            count=len(self.replicas),
        )
        # A copy: one that does not read is dropped while we write.
        for replica in list(self.replicas):
            _log.info(
                "Streamed RDB transfer with replica {replica} succeeded (socket). Waiting for REPLCONF ACK from "
                "replica to enable streaming",
                replica=replica,
            )
            replica.drained = None
            # When it has loaded the data it says how far it is, and gets the stream.
            replica.stage = LOADING
            if replica.rdb_only or not replica.acknowledges:
                self._feed.put_online(replica)
        self._over()

    def _close(self) -> None:
        if self._reading >= 0:
            self._reactor.removeReader(self)
            os.close(self._reading)
            self._reading = -1

    def _has_read(self, replica: Replica) -> None:
        """A replica has room again, or is gone."""
        replica.progressed = self._feed.server.now_ms
        self._slow.discard(replica)
        if not self._slow and self._reading >= 0:
            self._reactor.addReader(self)

    # -- for the reactor

    def fileno(self) -> int:
        """The pipe's descriptor."""
        return self._reading

    def logPrefix(self) -> str:
        """What logs call it."""
        return "transfer"

    def connectionLost(self, reason: Failure) -> None:
        """Some reactors tell the end of the pipe in this way."""
        self.doRead()

    def doRead(self) -> None:
        """Pass on what the child has written."""
        if self._reading < 0 or self._slow:
            return
        try:
            data = os.read(self._reading, _PIECE)
        except BlockingIOError:
            return
        if not data:
            self._end_of_data()
            return
        now = self._feed.server.keyspace.tick()
        for replica in list(self.replicas):
            client = replica.client
            client.write(data)
            if client.output_size():
                self._slow.add(replica)
                replica.drained = lambda replica=replica: self._has_read(replica)
            else:
                replica.progressed = now
        if self._slow and self._reading >= 0:
            self._reactor.removeReader(self)

    def _end_of_data(self) -> None:
        self._complete = True
        self._close()
        if self._child is None:
            self._finish()
