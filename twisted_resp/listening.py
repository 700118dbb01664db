"""Where a server of its own process listens: what ``bind``, ``port``, ``unixsocket`` and ``tls-port`` say.

The sockets are made here and handed to the reactor. Twisted's ``listenTCP`` would do for most of it, but not for
``*`` and ``::`` on one port, which takes a socket that leaves IPv4 alone.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.internet.protocol import Factory, connectionDone
from twisted.logger import Logger

from twisted_resp.protocol import RespFactory
from twisted_resp.server.server import Server
from twisted_resp.tls import ServerContext, TlsError, encrypted

__all__ = ["ListenError", "Listeners"]

_log = Logger()

# A kind of address that this machine does not have at all is left out, as in Redis.
_NOT_HERE: Final = frozenset(
    getattr(errno, name)
    for name in ("ENOPROTOOPT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EPFNOSUPPORT", "EAFNOSUPPORT")
    if hasattr(errno, name)
)
#: What Redis writes for all addresses.
_ANY: Final = {"*": "", "::*": "::"}


class ListenError(Exception):
    """An address that can't be listened on; the message is one line for the operator."""


class _Door(Factory):
    """Lets connections in. Other than the factory behind it, it may close while clients stay."""

    noisy = False

    def __init__(self, factory: Factory) -> None:
        self._factory = factory

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """See ``IProtocolFactory``."""
        return self._factory.buildProtocol(addr)


class Listeners:
    """The ports of one server.

    :param factory: who serves those who come in.
    :param reactor: the reactor.
    :param any_port: which of ``port`` and ``tls-port`` take a free port where they are 0, which else means none.
    """

    def __init__(self, factory: RespFactory, reactor: Any, any_port: frozenset[bytes] = frozenset()) -> None:
        self._factory: Any = factory
        self._server: Server = factory.server
        self._reactor = reactor
        self._any_port = any_port
        self._ports: dict[bytes, list[IListeningPort]] = {}
        self._context: ServerContext | None = None

    @property
    def ports(self) -> list[IListeningPort]:
        """All that is open."""
        return [port for kind in (b"port", b"tls-port", b"unixsocket") for port in self._ports.get(kind, ())]

    def open(self) -> None:
        """Listen on all that the configuration names.

        :raises ListenError: it can't be done; nothing is open then.
        """
        self._factory.doStart()
        try:
            for kind in (b"port", b"tls-port", b"unixsocket"):
                self._ports[kind] = list(self._opened(kind))
            if self._speaks_tls():
                self._encrypted(_Door(self._factory))  # whether that can be done is told now
        except ListenError:
            self.close()
            raise
        self._server.configuration.relisten = self.relisten

    def relisten(self, parameter: bytes) -> None:
        """A parameter has another value: listen accordingly.

        :param parameter: ``port``, ``tls-port``, ``bind``, or one that concerns certificates.
        :raises OSError: it can't be done. What is open then is as before, if the parameter gets its former value and
            this is called again.
        """
        if parameter.startswith(b"tls-") and parameter != b"tls-port":
            self._reload_certificates()
            return
        self._any_port = frozenset()
        for kind in (b"port", b"tls-port") if parameter == b"bind" else (parameter,):
            self._close(kind)
            try:
                self._ports[kind] = list(self._opened(kind))
            except ListenError as error:
                self._close(kind)
                _log.warn("{error}", error=error)
                raise OSError(str(error)) from None

    def close(self) -> None:
        """Let nobody in any more."""
        self._server.configuration.relisten = None
        for kind in list(self._ports):
            self._close(kind)
        self._factory.doStop()

    # -- within

    def _close(self, kind: bytes) -> None:
        for port in self._ports.pop(kind, []):
            # At once: stopListening takes until the reactor's next turn, and the address may be wanted before.
            port.stopReading()  # type: ignore[attr-defined]
            port.connectionLost(connectionDone)  # type: ignore[attr-defined]

    def _opened(self, kind: bytes) -> Iterator[IListeningPort]:
        configuration = self._server.configuration
        if kind == b"unixsocket":
            path = configuration[b"unixsocket"]
            if path:
                yield self._unix(os.fsdecode(path), configuration[b"unixsocketperm"])
            return
        port: int = configuration[kind]
        if not port and kind not in self._any_port:
            return
        factory: Any = _Door(self._factory)
        name = "tcp"
        if kind == b"tls-port":
            name = "tls"
            factory = self._encrypted(factory)
        opened: list[IListeningPort] = []
        try:
            for address in configuration[b"bind"]:
                listening = self._tcp(address, port, name)
                if listening is None:
                    continue
                opened.append(self._reactor.adoptStreamPort(listening.fileno(), listening.family, factory))
                port = port or listening.getsockname()[1]
                listening.close()
        except ListenError:
            self._ports[kind] = opened
            self._close(kind)
            raise
        configuration[kind] = port
        yield from opened

    def _tcp(self, address: bytes, port: int, name: str) -> socket.socket | None:
        """A socket that listens; None where that does not matter."""
        optional = address.startswith(b"-")
        host = address[optional:].decode("ascii", "replace")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        configuration = self._server.configuration
        try:
            listening = socket.socket(family, socket.SOCK_STREAM)
            try:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                mark = configuration[b"socket-mark-id"]
                if mark:
                    listening.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
                listening.bind((_ANY.get(host, host), port))
                listening.listen(configuration[b"tcp-backlog"])
                listening.setblocking(False)
            except BaseException:
                listening.close()
                raise
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno in _NOT_HERE or (optional and error.errno == errno.EADDRNOTAVAIL):
                return None
            _log.warn(
                "Warning: Could not create server TCP listening socket {host}:{port}: bind: {reason}",
                host=host,
                port=port,
                reason=reason,
            )
            where = port if host in ("*", "127.0.0.1") else f"{host}:{port}"
            raise ListenError(f"Failed listening on port {where} ({name}), aborting: {reason}") from None
        return listening

    def _unix(self, path: str, mode: int) -> IListeningPort:
        # A socket that somebody left behind; anything else is not ours to remove.
        with suppress(OSError):
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                os.unlink(path)
        try:
            port: IListeningPort = self._reactor.listenUNIX(
                path, _Door(self._factory), self._server.configuration[b"tcp-backlog"], mode or _usual_mode()
            )
        except CannotListenError as error:
            reason = getattr(error.socketError, "strerror", None) or str(error.socketError)
            raise ListenError(f"Failed opening Unix socket: bind: {reason}") from None
        return port

    # -- TLS

    def _encrypted(self, factory: Factory) -> Any:
        try:
            return encrypted(factory, self._made_context(), self._reactor)
        except TlsError as error:
            _log.warn("{error}", error=error)
            raise ListenError(f"Failed to configure TLS: {error}") from None

    def _made_context(self) -> ServerContext:
        if self._context is None:
            self._context = ServerContext(self._server.configuration)
        return self._context

    def _speaks_tls(self) -> bool:
        """Whether others are spoken to by TLS, so that the certificates must be there even if nobody comes in by it."""
        configuration = self._server.configuration
        return bool(configuration[b"tls-replication"] or configuration[b"tls-cluster"])

    def _reload_certificates(self) -> None:
        if self._context is not None or self._speaks_tls():
            try:
                self._made_context().reload()
            except TlsError as error:
                _log.warn("{error}", error=error)
                raise OSError(str(error)) from None


def _usual_mode() -> int:
    """What the process's umask leaves of all permissions; there is no asking for it without setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o777 & ~mask
