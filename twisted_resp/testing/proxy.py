"""A proxy in front of any Redis, with the faults and the journal of our own servers.

It is one of our servers that runs no command: each goes to the server behind, over a connection of its own for each
client, and the reply comes back as it is, byte for byte. Faults and the journal stand before that, as layers, so they
see commands and replies as they do anywhere. A client's next command is sent when the one before it is answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.python.failure import Failure

from twisted_resp.resp import NO_REPLY, Encoded, Reply
from twisted_resp.server.client import Client
from twisted_resp.testing.replies import IncompleteReplyError, read_reply
from twisted_resp.testing.thread import ServerThread

if TYPE_CHECKING:
    import redis
    import redis.asyncio

    from twisted_resp.server.interception import Execute
    from twisted_resp.testing.control import ClockControl
    from twisted_resp.testing.factory import ControlledFactory
    from twisted_resp.testing.faults import Faults
    from twisted_resp.testing.journal import Journal

__all__ = ["FaultProxy"]

_MESSAGES: Final = frozenset((b"message", b"pmessage", b"smessage", b"invalidate"))
_SUBSCRIBING: Final = frozenset((b"subscribe", b"psubscribe", b"ssubscribe"))
_UNSUBSCRIBING: Final = {
    b"unsubscribe": b"subscribe",
    b"punsubscribe": b"psubscribe",
    b"sunsubscribe": b"ssubscribe",
}
_CONFIRMATIONS: Final = _SUBSCRIBING.union(_UNSUBSCRIBING)


class FaultProxy:
    """Faults for a server that is not ours.

    >>> with FaultProxy("redis://127.0.0.1:6379") as proxy:
    ...     client = redis.Redis.from_url(proxy.url)
    ...     with proxy.faults.drop("INCRBY", when="after", times=1):
    ...         client.incr("n")

    :param upstream: the server behind: its URL, ``redis://[user:password@]host[:port][/database]``, or one of ours.
        Credentials and database are the business of clients; :attr:`url` and :meth:`redis_client` hand them on.
    :param port: the proxy's, 0 for any free one.
    :param host: where it listens.
    :raises ValueError: it is no such URL. TLS is not spoken with the server behind.
    """

    def __init__(self, upstream: str | ServerThread, port: int = 0, host: str = "127.0.0.1") -> None:
        self._upstream = upstream
        self._target("")  # says what is wrong with it
        self._server = _Proxy(self, port, host)

    def __enter__(self) -> FaultProxy:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<FaultProxy {self.url if self._server.running else 'not running'}>"

    def start(self) -> None:
        """Listen. The server behind need not be there yet."""
        self._server.start()

    def stop(self) -> None:
        """Disconnect everybody, and listen no more."""
        self._server.stop()

    @property
    def host(self) -> str:
        """Where it listens."""
        return self._server.host

    @property
    def port(self) -> int:
        """On which port.

        :raises RuntimeError: it is not running.
        """
        return self._server.port

    @property
    def url(self) -> str:
        """The URL of the server behind, but for host and port."""
        return self._target(f"{self.host}:{self.port}")

    @property
    def faults(self) -> Faults:
        """What goes wrong; but for ``failed_disk`` and ``lose_messages``, which only servers of ours can do."""
        return self._server.faults

    @property
    def journal(self) -> Journal:
        """What was asked and answered."""
        return self._server.journal

    @property
    def clock(self) -> ClockControl:
        """The clock of delays. That of the server behind goes on as ever."""
        return self._server.clock

    def redis_client(self, **options: Any) -> redis.Redis:
        """A new client of redis-py; the caller closes it.

        :param options: what ``redis.Redis`` takes.
        """
        import redis

        client: redis.Redis = redis.Redis.from_url(self.url, **options)
        return client

    def async_client(self, **options: Any) -> redis.asyncio.Redis:
        """A new asyncio client of redis-py.

        :param options: what ``redis.asyncio.Redis`` takes.
        """
        import redis.asyncio

        client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(self.url, **options)
        return client

    def _target(self, address: str) -> str:
        """The URL of the server behind, with another address."""
        url = urlsplit(self._upstream if isinstance(self._upstream, str) else "redis://")
        if not isinstance(self._upstream, str) and self._upstream.running:
            url = urlsplit(self._upstream.url)
        if url.scheme != "redis":
            raise ValueError(
                f"not the URL of a server that this can talk to: {url.geturl()} (redis://host:port)"
            )
        login, at, _ = url.netloc.rpartition("@")
        return url._replace(netloc=f"{login}{at}{address}").geturl()

    def address(self) -> tuple[str, int]:
        """Host and port of the server behind."""
        if not isinstance(self._upstream, str):
            return self._upstream.host, self._upstream.port
        url = urlsplit(self._upstream)
        return url.hostname or "127.0.0.1", url.port or 6379


class _Proxy(ServerThread):
    """The server of ours that a proxy is."""

    def __init__(self, proxy: FaultProxy, port: int, host: str) -> None:
        super().__init__(port, host)
        self._proxy = proxy

    def _set_up(self, factory: ControlledFactory) -> None:
        forwarding = _Forwarding(factory, self._proxy)
        factory.server.interception.add(forwarding.meet, innermost=True)
        factory.server.on_gone.append(forwarding.gone)
        vars(factory.faults).update(failed_disk=_cannot, lose_messages=_cannot)


def _cannot(*arguments: Any, **options: Any) -> NoReturn:
    raise TypeError("a proxy can't do that to the server behind it")


class _Forwarding:
    """The layer that hands commands to the server behind."""

    def __init__(self, factory: ControlledFactory, proxy: FaultProxy) -> None:
        self._reactor = factory.clock.reactor
        self._proxy = proxy
        self._upstreams: dict[Client, _Upstream] = {}

    def meet(self, client: Client, args: list[bytes], go_on: Execute) -> Reply:
        """A layer: the last one, for nothing goes on."""
        upstream = self._upstreams.get(client)
        if upstream is None:
            upstream = self._upstreams[client] = _Upstream(client)
            self._reactor.connectTCP(*self._proxy.address(), _Connector(upstream))
        return upstream.ask(args)

    def gone(self, client: Client) -> None:
        """A client is gone, so its other half goes."""
        upstream = self._upstreams.pop(client, None)
        if upstream is not None:
            upstream.leave()


class _Connector(ClientFactory):
    noisy = False

    def __init__(self, upstream: _Upstream) -> None:
        self._upstream = upstream

    def buildProtocol(self, addr: object) -> _Upstream:
        return self._upstream

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        self._upstream.connectionLost(reason)


class _Upstream(Protocol):
    """The connection to the server behind, of one client."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._unsent: list[bytes] = []  # until it is connected
        self._buffer = b""
        self._args: list[bytes] = []  # the command that waits for its reply
        self._reply: Deferred[Reply] | None = None
        self._missing = 0  # how many replies it still is to have
        self._replies: list[bytes] = []
        self._channels: dict[bytes, set[bytes]] = {kind: set() for kind in _SUBSCRIBING}
        self._subscribed = False
        self._silent = self._silent_once = False  # CLIENT REPLY

    def ask(self, args: list[bytes]) -> Reply:
        """Send a command."""
        self._write(b"*%d\r\n%b" % (len(args), b"".join(b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args)))
        missing = self._replies_of(args)
        if not missing:
            return NO_REPLY
        self._args, self._missing, self._replies = args, missing, []
        self._reply = Deferred()
        return self._reply

    def leave(self) -> None:
        """The client is gone."""
        self._reply = None
        if self.transport is not None:
            transport: Any = self.transport
            transport.abortConnection()

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.setTcpNoDelay(True)
        unsent, self._unsent = self._unsent, []
        transport.write(b"".join(unsent))
        if self._client.closing:
            self.leave()

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        self._client.server.run_timer(self._read)

    def _read(self) -> None:
        place = 0
        while place < len(self._buffer):
            try:
                reply, end = read_reply(self._buffer, place)
            except IncompleteReplyError:
                break
            self._received(reply, self._buffer[place:end])
            place = end
        self._buffer = self._buffer[place:]

    def connectionLost(self, reason: object = None) -> None:
        reply, self._reply = self._reply, None
        self._client.close(False)
        if reply is not None:
            self._client.server.run_timer(lambda: reply.callback(NO_REPLY))

    # -- within

    def _write(self, data: bytes) -> None:
        if self.transport is None:
            self._unsent.append(data)
        else:
            self.transport.write(data)

    def _replies_of(self, args: list[bytes]) -> int:
        """How many replies a command will have."""
        name = args[0].lower()
        if name == b"client" and len(args) == 3 and args[1].lower() == b"reply":
            mode = args[2].lower()
            self._silent = mode == b"off"
            self._silent_once = mode == b"skip"
            return mode not in (b"off", b"skip")
        if self._silent or self._silent_once:
            self._silent_once = False
            return 0
        if name in _SUBSCRIBING and len(args) > 1:
            self._subscribed = True
            return len(args) - 1
        if name in _UNSUBSCRIBING:
            return max(1, len(args) - 1 if len(args) > 1 else len(self._channels[_UNSUBSCRIBING[name]]))
        return 1

    def _received(self, reply: Reply, data: bytes) -> None:
        items = getattr(reply, "value", reply)
        first = items[0] if type(items) is list and items else None
        kind = first if type(first) is bytes else None
        is_push = data[:1] == b">"
        if (
            self._reply is None
            or (is_push and kind not in _CONFIRMATIONS)
            or (self._subscribed and kind in _MESSAGES)
        ):
            self._client.push(Encoded(data))
            return
        if kind in _CONFIRMATIONS and type(items) is list and len(items) == 3:
            self._count(kind, items[1])
        self._replies.append(data)
        self._missing -= 1
        if self._missing and data[:1] != b"-":  # an error stands for all of them
            return
        waiting, self._reply = self._reply, None
        if data[:1] != b"-":
            self._learn(self._args)
        waiting.callback(Encoded(b"".join(self._replies)))

    def _count(self, kind: Any, channel: Any) -> None:
        if kind in _SUBSCRIBING:
            self._channels[kind].add(channel)
        else:
            self._channels[_UNSUBSCRIBING[kind]].discard(channel)

    def _learn(self, args: list[bytes]) -> None:
        """Keep in mind what the server behind now knows of the client: conditions of faults and the journal ask."""
        client = self._client
        name, words = args[0].lower(), args[1:]
        if name == b"hello" and words:
            client.protocol = int(words[0])
            lowered = [word.lower() for word in words]
            if b"setname" in lowered[:-1]:
                client.name = words[lowered.index(b"setname") + 1]
        elif name == b"select":
            index = int(words[0])
            databases = client.server.keyspace.databases
            if index < len(databases):
                client.db = databases[index]
        elif name == b"client" and len(words) == 2 and words[0].lower() == b"setname":
            client.name = words[1]
        elif name == b"client" and len(words) == 3 and words[0].lower() == b"setinfo":
            if words[1].lower() == b"lib-name":
                client.lib_name = words[2]
        elif name == b"reset":
            client.protocol, client.name, client.db = 2, b"", client.server.keyspace.databases[0]
            self._subscribed = False
