"""A server in a thread of its own, with a reactor of its own, for synchronous code.

The reactor that the process has installed is left alone, running or not, so this works beside a Twisted application
and in a process that has never heard of Twisted; and because a reactor can't run twice, each start makes a new one.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import quote

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from twisted_resp.in_process import as_argument
from twisted_resp.testing.certificates import Certificates, certificates
from twisted_resp.testing.control import ClockControl
from twisted_resp.testing.factory import ControlledFactory, Mark
from twisted_resp.testing.faults import Faults
from twisted_resp.testing.journal import Journal
from twisted_resp.testing.keys import Keys
from twisted_resp.testing.turns import Turns, take_turns

if TYPE_CHECKING:
    import redis
    import redis.asyncio

    from twisted_resp.seeds.files import Seed

__all__ = ["ServerThread"]

# How long a caller waits for the reactor to have nothing to do, before it asks to be called (seconds).
_MOMENT = 0.001

# How long a replica may take to have its primary's data (seconds).
_PATIENCE = 10.0


class ServerThread:
    """A real server, on a real socket.

    >>> with ServerThread(port=0) as server:
    ...     client = redis.Redis(port=server.port)

    It listens before ``start`` returns. Each start begins with empty databases. All methods may be called from any
    thread.

    :param port: 0 for any free one; :attr:`port` then tells which.
    :param host: the address to listen on.
    :param replica_of: a server that this one is a replica of, read only, from the start.
    :param settings: what :class:`ControlledFactory` and :class:`RespFactory` take: ``databases``, ``password``,
        ``tls``, ``random_seed``, ...
    """

    def __init__(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        replica_of: ServerThread | None = None,
        **settings: Any,
    ) -> None:
        self.host = host
        self._primary = replica_of
        self._asked_port = port
        self._settings = settings
        self._lock = threading.RLock()  # one start or stop at a time
        self._ending = threading.Lock()  # no call is begun that nobody would answer
        self._thread: threading.Thread | None = None
        self._reactor: Any = None
        self._turns: Turns | None = None
        self._listening: Any = None  # the port
        self._port = 0
        self._journal: Journal | None = None
        self._factory: ControlledFactory | None = None
        self._outcomes: set[Future[Any]] = set()  # of calls that are under way

    def __enter__(self) -> ServerThread:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<ServerThread {self.url if self.running else 'not running'}>"

    @property
    def running(self) -> bool:
        """Whether it has been started and not been stopped."""
        return self._thread is not None and self._listening is not None

    @property
    def port(self) -> int:
        """The port that it listens on.

        :raises RuntimeError: it is not running.
        """
        if self._listening is None:
            raise RuntimeError("the server is not running")
        return self._port

    @property
    def url(self) -> str:
        """``redis://host:port``, with the password if there is one. Add ``/1`` for another database.

        With TLS ``rediss://``: clients need to be told of the authority too, see :attr:`connection_options`.
        """
        password = f":{quote(self._password)}@" if self._password else ""
        return f"redis{'s' if self.certificates else ''}://{password}{self.host}:{self.port}"

    @property
    def certificates(self) -> Certificates | None:
        """The files of TLS, and what clients make of them; None without TLS."""
        tls = self._settings.get("tls", False)
        return certificates() if tls is True else tls or None

    @property
    def connection_options(self) -> dict[str, Any]:
        """What ``redis.Redis``, ``redis.asyncio.Redis`` and their pools take to connect: host, port, password, TLS.

        :raises RuntimeError: it is not running.
        """
        known: dict[str, Any] = {"host": self.host, "port": self.port, "password": self._password or None}
        files = self.certificates
        return {**known, **files.redis_options()} if files is not None else known

    @property
    def _password(self) -> str:
        return str(as_argument(self._settings.get("password", b"")), "utf-8")

    def redis_client(self, **options: Any) -> redis.Redis:
        """A new client of redis-py; the caller closes it.

        :param options: what ``redis.Redis`` takes: ``decode_responses``, ``db``, ``protocol``, ...
        :raises RuntimeError: redis-py is not installed.
        """
        client: redis.Redis = _redis().Redis(**self._connection(options))
        return client

    def async_client(self, **options: Any) -> redis.asyncio.Redis:
        """A new asyncio client of redis-py.

        >>> async with server.async_client() as client:
        ...     await client.get("key")

        :param options: what ``redis.asyncio.Redis`` takes.
        :raises RuntimeError: redis-py is not installed.
        """
        _redis()
        import redis.asyncio

        return redis.asyncio.Redis(**self._connection(options))

    def _connection(self, options: dict[str, Any]) -> dict[str, Any]:
        return {**self.connection_options, **options}

    @property
    def factory(self) -> ControlledFactory:
        """The server itself. It lives in the other thread: touch it by way of :meth:`run`.

        :raises RuntimeError: it is not running.
        """
        if self._factory is None:
            raise RuntimeError("the server is not running")
        return self._factory

    def start(self) -> None:
        """Start, and return once it listens. Starting a server that runs does nothing.

        One that a client has shut down starts again.

        :raises twisted.internet.error.CannotListenError: the port is taken.
        """
        with self._lock:
            if self.running:
                return
            self.stop()
            ready: Future[None] = Future()
            thread = threading.Thread(target=self._main, args=(ready,), name="twisted-resp", daemon=True)
            thread.start()
            try:
                ready.result()
            except BaseException:
                thread.join()
                raise
            self._thread = thread
            if self._primary is not None:
                self._follow(self._primary)

    def stop(self) -> None:
        """Disconnect clients, release the port, and return when the thread has ended. Twice does no harm."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is None:
                return
            # It may be ending of its own accord (SHUTDOWN), its reactor closed already.
            with contextlib.suppress(AttributeError, OSError):
                self._reactor.callFromThread(self._shut_down)
            if thread is not threading.current_thread():
                thread.join()

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function in the server's thread and answer what it answers, waiting for a Deferred.

        :raises RuntimeError: it is not running, or was stopped meanwhile; or this is its own thread.
        """
        if threading.current_thread() is self._thread or self._is_guest():
            raise RuntimeError("the server's own thread can't wait for itself")
        outcome: Future[Any] = Future()

        def succeed(result: Any) -> None:
            self._outcomes.discard(outcome)
            outcome.set_result(result)

        def fail(failure: Failure) -> None:
            self._outcomes.discard(outcome)
            outcome.set_exception(failure.value)

        def call() -> None:
            maybeDeferred(function, *args, **kwargs).addCallbacks(succeed, fail)

        with self._ending:
            if not self.running:
                raise RuntimeError("the server is not running")
            self._outcomes.add(outcome)
            self._reactor.callFromThread(call)
        return outcome.result()

    def _run_here(self, function: Callable[[Mark], None], mark: Mark) -> None:
        """Call a function in this thread, in place of the server's, which waits for sockets; or else :meth:`run` it.

        To go to the other thread and back takes longer than what is to be done there between two tests.
        """
        turns = self._turns
        if turns is None or threading.current_thread() is self._thread or not turns.enter(_MOMENT):
            self.run(function, mark)
            return
        try:
            if not self.running:
                raise RuntimeError("the server is not running")
            function(mark)
        finally:
            turns.leave()

    def _is_guest(self) -> bool:
        return self._turns is not None and self._turns.guest == threading.get_ident()

    def call(self, *args: object) -> Any:
        """Run a command in the server and answer its reply as plain Python.

        :raises CommandError: for an error reply.
        """
        return self.run(self.factory.call, *args)

    # -- time and contents

    @property
    def clock(self) -> ClockControl:
        """The server's time: ``freeze()``, ``advance(seconds)``, ``travel_to(when)``."""
        return ClockControl(self)

    def snapshot(self) -> Snapshot:
        """Remember how things are, to go back there with :meth:`rollback`. They nest.

        >>> with server.snapshot():
        ...     client.flushall()
        >>> # all is there again

        See :meth:`ControlledFactory.snapshot`.
        """
        return Snapshot(self, self.run(self.factory.snapshot))

    def rollback(self, snapshot: Snapshot) -> None:
        """Let things be as they were, at a cost that goes by the keys changed since.

        See :meth:`ControlledFactory.rollback`.

        :raises ValueError: the snapshot is gone.
        """
        self.run(self.factory.rollback, snapshot.mark)

    def release(self, snapshot: Snapshot) -> None:
        """Forget a snapshot; things stay as they are."""
        self.run(self.factory.release, snapshot.mark)

    def reset(self, snapshot: Snapshot) -> None:
        """What is to be done between two tests; see :meth:`ControlledFactory.reset`."""
        self._run_here(self.factory.reset, snapshot.mark)

    @property
    def keys(self) -> Keys:
        """The keys of database 0 as a mapping, to be read, compared and changed without a client.

        >>> assert server.keys == {"queue": ["a", "b"], "tags": {"x"}}
        >>> server.keys["user:1"] = {"name": "Ada"}

        See :mod:`twisted_resp.testing.keys`.
        """
        return self.database(0)

    def database(self, index: int) -> Keys:
        """The keys of another database."""
        return Keys(lambda look: self.run(look, self.factory), index)

    def seed(self, *sources: Seed) -> None:
        """Put data in: mappings, or paths of files; see :mod:`twisted_resp.seeds`.

        :raises twisted_resp.seeds.SeedError: a file can't be read, or makes no sense.
        """
        self.run(self.factory.seed, *sources)

    def dump(self) -> dict[str, Any]:
        """All data as :meth:`seed` takes them, with nothing in them that JSON does not have."""
        data: dict[str, Any] = self.run(self.factory.dump)
        return data

    def dump_text(self) -> str:
        """All data as commands, a line each: for people, and for redis-cli."""
        return str(self.run(self.factory.dump_text))

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write all data to a file, of the kind that its name ends in (``.json``, ``.yaml``, ``.rdb``, ...)."""
        self.run(self.factory.export, path)

    def wait_for_blocked(self, count: int = 1, timeout: float = 5.0) -> None:
        """Wait until so many clients are blocked: then a test may advance the clock, or push what they wait for.

        :param timeout: seconds of real time.
        :raises TimeoutError: they were fewer.
        """
        self.run(self.factory.wait_for_blocked, count, timeout)

    # -- what goes wrong, and what was seen

    @property
    def faults(self) -> Faults:
        """What goes wrong: ``faults.error("GET", reply="LOADING")``, ``faults.drop("SET")``, ``faults.down()``..."""
        return self.factory.faults

    @property
    def journal(self) -> Journal:
        """What connections asked, and were answered; also after the server has stopped.

        :raises RuntimeError: it has never run.
        """
        if self._journal is None:
            raise RuntimeError("the server is not running")
        return self._journal

    def _follow(self, primary: ServerThread) -> None:
        if primary._password:
            self.call("CONFIG", "SET", "masterauth", primary._password)
        if primary.certificates is not None:
            self.run(self.factory.follow_by_tls, primary.certificates)
        self.call("REPLICAOF", primary.host, primary.port)
        until = time.monotonic() + _PATIENCE
        while b"master_link_status:up" not in self.call("INFO", "replication"):
            if time.monotonic() > until:
                raise RuntimeError(f"{primary!r} can't be followed")
            time.sleep(0.001)

    # -- in the other thread

    def _main(self, ready: Future[None]) -> None:
        reactor = self._reactor = _new_reactor()
        self._turns = take_turns(reactor)
        try:
            factory = ControlledFactory(reactor, **self._settings)
            self._set_up(factory)
            self._port = factory.listen(self._asked_port, self.host)
            self._listening = factory.listening
            factory.faults.run = factory.journal.run = self._run_anywhere(threading.current_thread())
            factory.journal.in_other_thread = True
            self._journal = factory.journal
            self._factory = factory
        except BaseException as error:
            _close_reactor(reactor)
            ready.set_exception(error)
            return
        factory.server.on_shutdown = self._shut_down
        reactor.callWhenRunning(ready.set_result, None)
        try:
            reactor.run(installSignalHandlers=False)
        finally:
            with self._ending:
                self._listening = self._factory = None
                outcomes, self._outcomes = self._outcomes, set()
            for outcome in outcomes:
                outcome.set_exception(RuntimeError("the server was stopped"))
            _close_reactor(reactor)

    def _set_up(self, factory: ControlledFactory) -> None:
        """The factory is made, and does not listen yet: for subclasses."""

    def _run_anywhere(self, own_thread: threading.Thread) -> Callable[..., Any]:
        """What calls a function in the server's thread, which may be the caller's."""

        def run(function: Callable[..., Any], *args: Any) -> Any:
            if threading.current_thread() is own_thread or self._is_guest() or not own_thread.is_alive():
                return function(*args)
            return self.run(function, *args)

        return run

    def _shut_down(self) -> None:
        listening, reactor = self._listening, self._reactor
        self._listening = None
        if listening is None:  # asked for twice: by SHUTDOWN, and by stop()
            return
        self.factory.faults.clear()
        stopped: Deferred[Any] = maybeDeferred(listening.stopListening)
        # stopListening has called stopFactory, which closes the connections: in the next turn of the reactor.
        stopped.addBoth(lambda _: reactor.callLater(0, reactor.stop))


def _redis() -> Any:
    try:
        import redis
    except ImportError:
        raise RuntimeError("this needs redis-py: pip install redis") from None
    return redis


class Snapshot:
    """A moment of a server to go back to. As a context manager it goes back at its end, and is gone then.

    :ivar mark: what the server knows it by.
    """

    def __init__(self, server: ServerThread, mark: Mark) -> None:
        self._server = server
        self.mark = mark

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._server.running:
            self._server.rollback(self)
            self._server.release(self)


def _new_reactor() -> Any:
    """A reactor that is not the process's: it must not claim to be the thread that does I/O."""
    reactor: Any
    try:
        from twisted.internet.epollreactor import EPollReactor

        reactor = EPollReactor()
    except ImportError:
        from twisted.internet.selectreactor import SelectReactor

        reactor = SelectReactor()
    reactor._registerAsIOThread = False
    return reactor


def _close_reactor(reactor: Any) -> None:
    """Give back the descriptors that a reactor keeps for itself: the process's own reactor never has to."""
    for reader in list(reactor.removeAll()) + list(reactor._internalReaders):
        with contextlib.suppress(Exception):
            reader.connectionLost(None)
    poller = getattr(reactor, "_poller", None)
    if poller is not None:
        with contextlib.suppress(Exception):
            poller.close()
