"""Reading from many connections in one go.

A reactor spends some 8 microseconds of Python on each socket that has something to read (CPython): it looks the
descriptor up, makes a logging context and calls through four functions. That is as much as a command costs. So the
connections of a factory are watched by an ``epoll`` of our own, which is itself one descriptor in the reactor's: it
becomes readable when any of them does, and then all of them are served in one loop. What they have to say is sent at
the end of that loop, see :class:`~twisted_resp.output.Turn`.

Only plain sockets on Linux are read so. Whatever is not plain data (the end of a stream, an error) is not dealt with
here: the connection goes back to the reactor, which finds the same and knows what to do.
"""

from __future__ import annotations

import select
from functools import partial
from time import perf_counter
from typing import Any, Callable

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.tcp import Connection
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_resp.output import Turn
from twisted_resp.server.statistics import Turns

__all__ = ["Poller"]

# How much is read from a socket at a time, and from how many sockets in one go.
_READ = 64 * 1024
_LONG_READ = 1024 * 1024
_MOST = 1024

# How to read from a connection, who takes what was read, and its transport.
_Connection = tuple[Callable[[int], bytes], Callable[[bytes], None], Any]


@implementer(IReadDescriptor)
class Poller:
    """The connections of a factory, as one descriptor of the reactor.

    :param turn: what is told when all that was there has been read.
    :param turns: where that is counted.
    """

    log = Logger()

    def __init__(self, turn: Turn, turns: Turns) -> None:
        self._turn = turn
        self._turns = turns
        self._epoll: Any = None  # while there are connections
        self._reactor: Any = None
        self._connections: dict[int, _Connection] = {}

    def adopt(self, transport: Any) -> bool:
        """Read for a transport from now on, or leave it to the reactor where it is not of the kind that we read.

        :returns: whether we read.
        """
        if not isinstance(transport, Connection) or transport.TLS or not hasattr(select, "epoll"):
            return False
        reactor = transport.reactor
        if self._epoll is None:
            self._reactor = reactor
        if self._reactor is not reactor or transport.fileno() < 0:
            return False
        transport.stopReading()
        # Who pauses or closes the transport has it stop reading.
        vars(transport).update(
            startReading=partial(self._start, transport), stopReading=partial(self._stop, transport.fileno())
        )
        self._start(transport)
        return True

    def release(self, transport: Any) -> None:
        """Leave a transport to the reactor again."""
        overrides = vars(transport)
        if "startReading" in overrides:
            transport.stopReading()
            del overrides["startReading"], overrides["stopReading"]

    def _start(self, transport: Any) -> None:
        fd = transport.fileno()
        if fd in self._connections or fd < 0:
            return
        self._connections[fd] = (transport.getHandle().recv, transport.protocol.dataReceived, transport)
        if self._epoll is None:
            self._epoll = select.epoll()
            self._reactor.addReader(self)
        self._epoll.register(fd, select.EPOLLIN)

    def _stop(self, fd: int) -> None:
        if self._connections.pop(fd, None) is None:
            return
        self._epoll.unregister(fd)
        if not self._connections:
            # Nothing stays in the reactor, or open, that a test could find left over.
            self._reactor.removeReader(self)
            self._epoll.close()
            self._epoll = None

    def doRead(self) -> None:
        """Read from all that have something."""
        turn = self._turn
        connections = self._connections
        turn.open = True
        started = perf_counter()
        try:
            ready = self._epoll.poll(0, min(len(connections), _MOST) or 1)
            self._turns.reads += len(ready)
            for fd, _ in ready:
                try:
                    receive, received, transport = connections[fd]
                except KeyError:
                    continue  # one before it has closed it, or has it wait
                try:
                    data = receive(_READ)
                except BlockingIOError:
                    continue
                except OSError:
                    data = b""
                if not data:
                    self.release(transport)
                    transport.startReading()
                    continue
                try:
                    received(data)
                    if len(data) == _READ:
                        self._read_on(fd)
                except Exception:
                    self.log.failure("{transport} is given up", transport=transport)
                    transport.connectionLost(Failure())
        finally:
            turn.open = False
            turn.send()
            turns = self._turns
            turns.count += 1
            seconds = perf_counter() - started
            turns.seconds += seconds
            if seconds > turns.longest:
                turns.longest = seconds

    def _read_on(self, fd: int) -> None:
        """Read more of a large argument, if there is more: Redis takes all of it that is there in one go.

        So whoever asks afterwards finds the client's memory, or that it was too much of it.
        """
        connection = self._connections.get(fd)
        if connection is None:
            return  # it was closed, or has to wait
        receive, received, transport = connection
        expected: int = transport.protocol.expected_size
        if not expected:
            return
        try:
            data = receive(min(expected, _LONG_READ))
        except OSError:
            return  # what is wrong is seen when it is next read from
        if data:
            self._turns.reads += 1
            received(data)

    def fileno(self) -> int:
        """See ``IFileDescriptor``."""
        return -1 if self._epoll is None else int(self._epoll.fileno())

    def logPrefix(self) -> str:
        """See ``ILoggingContext``."""
        return "RespProtocol"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor stops: so do all connections."""
        for _, _, transport in list(self._connections.values()):
            transport.connectionLost(reason)
