"""The link to a master, from a replica's side.

:class:`Link` connects, and connects again a second after the connection was lost or refused, for as long as the
server is to follow. :class:`MasterProtocol` is one such connection: it shakes hands line by line, takes in a
snapshot if the master sends one, and hands on what comes then to a :class:`MasterStream`, which applies it. Where we
are in the master's history is the server's own place in it (``Feed.id``, ``Feed.offset``), so the next connection can
go on there, and replicas of ours as well.
https://redis.io/docs/latest/operate/oss_and_stack/management/replication/
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks
from twisted.internet.interfaces import IAddress, IConnector, IDelayedCall
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_resp.errors import CommandError
from twisted_resp.persistence.loading import LoadInSlices
from twisted_resp.rdb.format import RdbError
from twisted_resp.replication.full_sync import Snapshot
from twisted_resp.replication.master_stream import MasterStream, text_of
from twisted_resp.replication.snapshots import database_of_stream
from twisted_resp.server.encoding import encode_command
from twisted_resp.server.replication import NO_ID, Master
from twisted_resp.tls import TlsError, encrypted_client

if TYPE_CHECKING:
    from twisted_resp.replication.feed import Feed

__all__ = ["Link", "follow", "stop_following"]

_log = Logger()

# What systemd shows of it.
_SYNC: Final = "STATUS=MASTER <-> REPLICA sync"
_READY: Final = "Ready to accept connections in read-write mode.\n"

#: Seconds between attempts, and between acknowledgements.
_PAUSE: Final = 1
# What a master may answer to PING before we have logged in.
_NOT_LOGGED_IN: Final = (b"-NOAUTH", b"-NOPERM", b"-ERR operation not permitted")
# Operators know these words, and look for them in logs.
_TIMEOUTS: Final = {
    b"handshake": "Timeout connecting to the MASTER...",
    b"sync": "Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' "
    "parameter in redis.conf to a larger value.",
    b"connected": "MASTER timeout: no data nor PING received...",
}
_FORCED_OUT: Final = (
    b"UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
)


class HandshakeError(Exception):
    """The master does not want us, or not now; the message says what it said."""


class RefusedFailoverError(HandshakeError):
    """The replica that is to change places with us does not want to."""


class Link:
    """The connection to a master, or the attempts at one.

    :param feed: the replication of the server that follows.
    :param master: whom it follows.
    """

    def __init__(self, feed: Feed, master: Master) -> None:
        self.feed = feed
        self.master = master
        self.server = feed.server
        #: Whether what we have is worth nothing, so that we must ask for all of it.
        self.spoilt = False
        self._clock = feed.server.clock
        self._connector: IConnector | None = None
        self._protocol: MasterProtocol | None = None
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Connect now, and look after the connection from now on."""
        self._call = self._clock.callLater(_PAUSE, self._beat)
        self._connect()

    def stop(self) -> None:
        """Follow no more."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self.drop()

    def acknowledge(self) -> None:
        """Tell the master how far we are."""
        if self._protocol is None or not self.master.connected:
            return
        words = [b"REPLCONF", b"ACK", b"%d" % self.feed.offset]
        if self.feed.fsynced >= 0:
            words += [b"FACK", b"%d" % self.feed.fsynced]
        self._protocol.send(*words)

    def drop(self) -> None:
        """End this connection; another follows."""
        if self._protocol is not None:
            self._protocol.end()
        if self._connector is not None:
            self._connector.disconnect()

    # -- what the factory tells

    def connected(self, protocol: MasterProtocol) -> None:
        """There is a connection."""
        _log.info("Non blocking connect for SYNC fired the event.")
        self._protocol = protocol
        self.master.state = b"handshake"
        self.master.heard_of = self.server.now_ms

    def lost(self) -> None:
        """There is none any more, or there never was."""
        self._connector = self._protocol = None
        master = self.master
        if master.connected:
            master.down_since = self.server.now_ms
            _log.info("Connection with master lost.")
            _log.info("Caching the disconnected master state.")
        master.state = b"connect"

    # -- within

    def _connect(self) -> None:
        # A clock that tests move has no network, nor has this server then.
        connect = getattr(self._clock, "connectTCP", None)
        if connect is None:
            return
        master = self.master
        _log.info("Connecting to MASTER {host}:{port}", host=master.host.decode("latin-1"), port=master.port)
        master.state = b"connecting"
        source: bytes = self.server.configuration[b"bind-source-addr"]
        factory: Any = _Factory(self)
        if self.server.configuration[b"tls-replication"]:
            try:
                factory = encrypted_client(factory, self.server.configuration, self._clock)
            except TlsError as error:
                _log.warn("Unable to connect to MASTER: {error}", error=error)
                self.lost()
                return
        self._connector = connect(
            master.host.decode("latin-1"),
            master.port,
            factory,
            timeout=self.server.configuration[b"repl-timeout"],
            bindAddress=(source.decode("latin-1"), 0) if source else None,
        )
        _log.info("MASTER <-> REPLICA sync started")

    def _beat(self) -> None:
        """Once a second."""
        self._call = self._clock.callLater(_PAUSE, self._beat)
        now = self.server.keyspace.tick()
        master = self.master
        if self._connector is None:
            self._connect()
        elif self._protocol is not None and self._protocol.is_loading:
            # Neither of us hears of the other meanwhile but for this.
            master.heard_of = now
            self._protocol.show_life()
        elif (
            self._protocol is not None
            and now - master.heard_of > 1000 * self.server.configuration[b"repl-timeout"]
        ):
            _log.warn(_TIMEOUTS[master.state])
            self.drop()
        else:
            self.acknowledge()


class _Factory(ClientFactory):
    """Makes the one protocol of a connection, and tells the link of its end."""

    noisy = False

    def __init__(self, link: Link) -> None:
        self._link = link

    def buildProtocol(self, addr: IAddress | None) -> MasterProtocol:
        return MasterProtocol(self._link)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        _log.warn("Error condition on socket for SYNC: {error}", error=reason.getErrorMessage())
        self._link.lost()


class MasterProtocol(Protocol):
    """One connection to a master.

    What arrives is first lines (the handshake), then perhaps a snapshot, then the stream.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._server = link.server
        self._feed = link.feed
        self._master = link.master
        self._receive: Callable[[bytes], None] = self._receive_lines
        self._buffer = b""
        self._line: Deferred[bytes] | None = None
        self._handshake: Deferred[None] | None = None
        self._snapshot: Snapshot | None = None
        self._loading: LoadInSlices | None = None
        self._early: list[bytes] = []  # what comes while the snapshot is loaded
        self._lost = False  # whether the connection was lost meanwhile
        self._new_place = (b"", 0)  # the id and offset of the snapshot that comes
        self._asynchronous = False  # whether the old data are served until it is loaded
        self._stream: MasterStream | None = None
        self._ended = False

    def send(self, *words: bytes) -> None:
        """Send a command."""
        transport: Any = self.transport
        transport.write(encode_command(words))

    def show_life(self) -> None:
        """Send what is no command: we are busy."""
        transport: Any = self.transport
        transport.write(b"\n")

    def connectionMade(self) -> None:
        """Introduce ourselves."""
        self._link.connected(self)
        self._handshake = self._shake_hands()
        self._handshake.addErrback(self._failed)

    @property
    def is_loading(self) -> bool:
        """Whether the snapshot has come and is being loaded."""
        return self._loading is not None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the link; but a snapshot that is all there is loaded first, and is where the next connection goes on."""
        if self._loading is not None:
            self._lost = True
            return
        self.end()
        self._link.lost()

    def end(self) -> None:
        """Take in no more; of what was applied we keep where we are."""
        self._ended = True
        if self._handshake is not None:
            self._handshake.cancel()
        if self._loading is not None:
            self._loading.stop()
            self._loading = None
            self._link.spoilt = True
        elif self._snapshot is not None and self._snapshot.diskless:
            self._server.loading.end()
            _log.error(
                "Internal error in RDB reading offset {offset}: unexpected end of the stream",
                offset=self._master.sync_read,
            )
        if self._snapshot is not None:
            self._snapshot.discard()
            self._snapshot = None
        if self._stream is not None:
            self._stream.end()
            self._stream = None

    def dataReceived(self, data: bytes) -> None:
        """Take in what the master sends."""
        if not self._ended:
            self._master.heard_of = self._server.keyspace.tick()
            self._receive(data)

    # -- the handshake

    def _ask(self, *words: bytes) -> Deferred[bytes]:
        self.send(*words)
        return self._next_line()

    def _next_line(self) -> Deferred[bytes]:
        line = self._line = Deferred()
        return line

    def _receive_lines(self, data: bytes) -> None:
        self._buffer += data
        while self._line is not None:
            line, end, rest = self._buffer.partition(b"\n")
            if not end:
                return
            self._buffer = rest
            line = line.rstrip(b"\r")
            # The master may send empty lines to show that it is there.
            if line:
                waiting, self._line = self._line, None
                waiting.callback(line)
        if self._receive != self._receive_lines and self._buffer:
            data, self._buffer = self._buffer, b""
            self._receive(data)
        # The end of a failover lets clients go on.
        self._server.end_batch()

    @inlineCallbacks
    def _shake_hands(self) -> Generator[Deferred[bytes], bytes, None]:
        configuration = self._server.configuration
        reply = yield self._ask(b"PING")
        if reply.startswith(b"-") and not reply.startswith(_NOT_LOGGED_IN):
            raise HandshakeError(f"Error reply to PING from master: '{text_of(reply)}'")
        _log.info("Master replied to PING, replication can continue...")
        password, user = configuration[b"masterauth"], configuration[b"masteruser"]
        if password:
            reply = yield self._ask(b"AUTH", *([user] if user else []), password)
            if reply.startswith(b"-"):
                raise HandshakeError(f"Unable to AUTH to MASTER: {text_of(reply)}")
        port = configuration[b"replica-announce-port"] or self._server.port
        yield self._ask(b"REPLCONF", b"listening-port", b"%d" % port)
        host = configuration[b"replica-announce-ip"]
        if host:
            yield self._ask(b"REPLCONF", b"ip-address", host)
        yield self._ask(b"REPLCONF", b"capa", b"eof", b"capa", b"psync2")
        yield from self._synchronize()

    def _synchronize(self) -> Generator[Deferred[bytes], bytes, None]:
        feed = self._feed
        if self._link.spoilt:
            _log.info("Partial resynchronization not possible (no cached master)")
            reply = yield self._ask(b"PSYNC", b"?", b"-1")
        else:
            place = [feed.id, b"%d" % (feed.offset + 1)]
            _log.info(
                "Trying a partial resynchronization (request {place}).", place=text_of(b":".join(place))
            )
            reply = yield self._ask(b"PSYNC", *place, *([b"FAILOVER"] if feed.failover.in_progress else []))
        words = reply.split()
        if feed.failover.in_progress:
            if words[0] not in (b"+CONTINUE", b"+FULLRESYNC"):
                raise RefusedFailoverError("Failover target rejected psync request")
            feed.failover.done()
        if words[0] == b"+CONTINUE":
            _log.info("Successful partial resynchronization with master.")
            if len(words) > 1 and words[1] != feed.id:
                _log.info("Master replication ID changed to {id}", id=text_of(words[1]))
            _log.info("MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.")
            self._server.tell_supervisor(f"{_SYNC}: Partial Resynchronization accepted. {_READY}")
            self._go_on(words[1] if len(words) > 1 else feed.id)
            return
        if words[0] == b"+FULLRESYNC" and len(words) == 3:
            self._new_place = words[1], int(words[2])
            _log.info("Full resync from master: {place}", place=text_of(b":".join(words[1:])))
        elif reply.startswith((b"-NOMASTERLINK", b"-LOADING")):
            raise HandshakeError(f"Master is currently unable to PSYNC: {text_of(reply)}")
        else:
            # It does not know PSYNC. Nobody will be able to go on from here.
            _log.info("Retrying with SYNC...")
            self.send(b"SYNC")
            self._new_place = NO_ID, 0
        self._master.state = b"sync"
        header = yield self._next_line()
        if not header.startswith(b"$"):
            raise HandshakeError(f"MASTER aborted replication with an error: {text_of(header)}")
        try:
            self._snapshot = Snapshot(self._server, header)
        except OSError as error:
            raise HandshakeError(
                f"Opening the temp file needed for MASTER <-> REPLICA synchronization: {error.strerror}"
            ) from None
        self._master.sync_size = self._snapshot.size
        self._master.sync_read = 0
        # Those of the same history are only older: good enough to be served meanwhile.
        same_history = self._new_place[0] == self._feed.id and not self._link.spoilt
        self._asynchronous = self._snapshot.beside and same_history
        size, where = self._snapshot.size, "to disk" if self._snapshot.on_disk else "to parser"
        what = f"{size} bytes from master {where}" if size else f"streamed RDB from master with EOF {where}"
        _log.info("MASTER <-> REPLICA sync: receiving {what}", what=what)
        if self._snapshot.diskless:
            self._server.loading.begin(self._snapshot.size, self._asynchronous)
            _log.info("MASTER <-> REPLICA sync: Loading DB in memory")
        self._receive = self._receive_snapshot

    def _failed(self, failure: Failure) -> None:
        if failure.check(RefusedFailoverError) is not None:
            # We are a master again, and this link is no more.
            self._feed.failover.abort(failure.getErrorMessage())
            return
        if failure.check(CancelledError) is None:
            if failure.check(HandshakeError, ValueError) is None:
                _log.failure("the handshake with the master failed", failure)
            else:
                _log.warn("{error}", error=failure.getErrorMessage())
            self._link.drop()

    # -- the snapshot

    def _receive_snapshot(self, data: bytes) -> None:
        snapshot = self._snapshot
        assert snapshot is not None
        self._master.sync_read += len(data)
        if snapshot.diskless:
            self._server.loading.done += len(data)
        try:
            rest = snapshot.add(data)
            if rest is not None:
                self._load(snapshot, rest)
        except (OSError, RdbError) as error:
            self._spoilt(str(error))

    def _load(self, snapshot: Snapshot, rest: bytes) -> None:
        """Load it in the turns of the reactor; what the master sends meanwhile waits."""
        history, offset = self._new_place
        self._receive = self._early.append
        if rest:
            self._early.append(rest)
        if not snapshot.beside:
            # There is no way back from here.
            self._link.spoilt = True
            self._feed.begin_history(history, offset)
        if not snapshot.diskless:
            _log.info("MASTER <-> REPLICA sync: Loading DB in memory")
        self._pause(True)
        steps = snapshot.steps(self._replaced, self._asynchronous)
        # A script that lets the reactor run sees the old data to its end.
        self._loading = loading = LoadInSlices(
            steps, self._server.clock, lambda: self._server.scripting.running is not None
        )
        loading.finished.addCallbacks(self._loaded, self._not_loaded)

    def _replaced(self) -> None:
        """The new data have taken their place."""
        snapshot, self._snapshot = self._snapshot, None
        assert snapshot is not None
        history, offset = self._new_place
        if snapshot.beside:
            self._feed.begin_history(history, offset)
        self._link.spoilt = history == NO_ID

    def _pause(self, paused: bool) -> None:
        transport: Any = self.transport
        (transport.pauseProducing if paused else transport.resumeProducing)()

    def _loaded(self, _: None) -> None:
        self._loading = None
        server = self._server
        # Waiters may find their keys.
        server.settle()
        server.end_batch()
        _log.info("MASTER <-> REPLICA sync: Finished with success")
        self._server.tell_supervisor(f"{_SYNC}: Finished with success. {_READY}")
        # The stream of a replica begins within that of its master.
        self._feed.master_database = database_of_stream(server) or 0
        if self._lost:
            self.end()
            self._link.lost()
            return
        self._start_stream(self._feed.master_database)
        self._pause(False)
        early = b"".join(self._early)
        self._early.clear()
        if early:
            self._receive(early)

    def _not_loaded(self, failure: Failure) -> None:
        self._loading = None
        if failure.check(OSError, RdbError) is None:
            _log.failure("loading the master's snapshot failed", failure)
        if self._snapshot is not None:
            self._snapshot.discard()
            self._snapshot = None
        self._spoilt(failure.getErrorMessage())
        if self._lost:
            self._link.lost()

    def _spoilt(self, error: str) -> None:
        self._link.spoilt = True
        _log.error("Failed trying to load the MASTER synchronization DB: {error}", error=error)
        self._link.drop()

    # -- the stream

    def _go_on(self, history: bytes) -> None:
        self._feed.continue_history(history)
        self._start_stream(self._feed.master_database)

    def _start_stream(self, database: int) -> None:
        transport: Any = self.transport
        self._stream = MasterStream(
            self._feed,
            self._master,
            getattr(transport, "fileno", lambda: -1)(),
            database,
            self._link.drop,
            self._spoil,
        )
        self._receive = self._stream.receive
        self._link.acknowledge()

    def _spoil(self) -> None:
        """What comes is no stream: only all data help."""
        self._link.spoilt = True
        self._link.drop()


# ------------------------------------------------------------------------------------------ changing the role


def follow(feed: Feed, host: bytes, port: int) -> None:
    """Become the replica of another server (REPLICAOF). What was written here until now may be gone soon."""
    server = feed.server
    if feed.link is not None:
        feed.link.stop()
    for client in list(server.clients.values()):
        if client.parked is not None:
            server.waiting.finish(client.parked, CommandError(_FORCED_OUT))
            client.close(True)
    # What was written so far is still ours to tell.
    feed.send()
    master = feed.master = Master(host, port)
    master.down_since = server.now_ms
    feed.link = Link(feed, master)
    server.configuration[b"replicaof"] = b"%b %d" % (host, port)
    server.keyspace.hold_expiry = True
    with suppress(ValueError):  # it was logged
        server.oom_score.adjust()
    feed.make_backlog()
    feed.attend()
    feed.link.start()


def stop_following(feed: Feed) -> None:
    """Become a master (REPLICAOF NO ONE): a history of our own begins where the master's ends."""
    server = feed.server
    if feed.link is not None:
        feed.link.stop()
        feed.link = None
    feed.master = None
    server.configuration[b"replicaof"] = b""
    with suppress(ValueError):
        server.oom_score.adjust()
    feed.promote()
    if server.configuration[b"appendonly"] and not server.append_only.enabled:
        # A synchronization that failed has left it off.
        server.append_only.data_replaced()
    server.keyspace.hold_expiry = bool(server.pause_until)
    server.keyspace.expiry_timer.reschedule()
