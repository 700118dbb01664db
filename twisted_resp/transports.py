"""What a connection has to know of, and say to, the transport that it runs over."""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.base import ReactorBase
from twisted.internet.interfaces import IAddress

__all__ = ["address_text", "conversation", "descriptor", "reentrant_reactor", "tune"]

# How long a peer may take to read what it is told in a conversation, and after how much silence the caller of
# ``receive`` may think of something else (seconds).
_PATIENCE = 5.0
_QUIET = 0.5
_PIECE = 16 * 1024


def address_text(address: IAddress) -> bytes:
    """An address as CLIENT LIST shows it."""
    if isinstance(address, IPv4Address):
        return b"%b:%d" % (address.host.encode(), address.port)
    if isinstance(address, IPv6Address):
        return b"[%b]:%d" % (address.host.encode(), address.port)
    if isinstance(address, UNIXAddress):
        name = address.name or b""
        return b"%b:0" % (name.encode() if isinstance(name, str) else name)
    return b"?:0"


def tune(transport: Any, keep_alive: int) -> None:
    """Set the options of a TCP connection as Redis does.

    :param keep_alive: after so many seconds of silence it is found out whether the peer is still there; 0 for never.
    """
    try:
        # Else a second message to a subscriber waits until the first is acknowledged, which may take 40 ms.
        transport.setTcpNoDelay(True)
        # A peer that is gone without a word is found out in the end.
        if keep_alive:
            transport.setTcpKeepAlive(True)
            for option, value in (
                ("TCP_KEEPIDLE", keep_alive),
                ("TCP_KEEPINTVL", max(1, keep_alive // 3)),
                ("TCP_KEEPCNT", 3),
            ):
                if hasattr(socket, option):
                    transport.getHandle().setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    except (AttributeError, OSError):
        pass  # a test transport; or the peer has hung up already


def reentrant_reactor(reactor: Any) -> Any:
    """A reactor, if it can look at its sockets while it serves one of them; None for others (asyncio's, say)."""
    look = getattr(type(reactor), "doIteration", None)
    return None if look is None or look is ReactorBase.doIteration else reactor


def descriptor(transport: Any) -> int:
    """The number of the socket's file descriptor, or -1."""
    try:
        return int(transport.fileno())
    except (AttributeError, TypeError, ValueError):
        return -1


def conversation(transport: Any) -> SocketConversation | None:
    """A way to speak with the peer in the middle of a command; None for a transport without a socket."""
    try:
        handle = transport.getHandle()
        if isinstance(handle, socket.socket):
            return SocketConversation(transport, None)
        return SocketConversation(transport.transport, handle) if hasattr(handle, "bio_read") else None
    except AttributeError:
        return None  # a test transport


class SocketConversation:
    """Reads from and writes to a connection's socket itself, and waits for it; the reactor knows nothing of that.

    :param transport: the one that has the socket.
    :param tls: what encrypts in memory; None for a plain connection.
    """

    def __init__(self, transport: Any, tls: Any) -> None:
        self._transport = transport
        self._socket: socket.socket = transport.getHandle()
        self._tls = tls
        self.descriptor = self._socket.fileno()
        if tls is not None:
            # What was encrypted before goes out before what is encrypted now.
            transport.doWrite()

    def send(self, data: bytes) -> None:
        """Send ``data``, unless the peer is gone or does not read."""
        self._socket.settimeout(_PATIENCE)
        try:
            if self._tls is None:
                self._socket.sendall(data)
            else:
                self._tls.sendall(data)
                self._send_encrypted()
        except OSError:
            pass
        finally:
            self._socket.settimeout(0)

    def receive(self) -> bytes | None:
        """What arrives next: nothing if that is the end, None if it is quiet for some time."""
        self._socket.settimeout(_QUIET)
        try:
            while True:
                data = self._socket.recv(_PIECE)
                if self._tls is None or not data:
                    return data
                self._tls.bio_write(data)
                data = self._decrypted()
                self._send_encrypted()
                if data:
                    return data
        except socket.timeout:
            return None
        except OSError:
            return b""
        finally:
            self._socket.settimeout(0)

    def give_away(self) -> None:
        """Leave the connection to a child: what is done to the transport from now on does not reach the peer."""
        # Else the reactor would go on to watch what the child reads.
        self._transport.stopReading()
        self._transport.stopWriting()
        ours, other = socket.socketpair()
        with ours, other:
            os.dup2(ours.fileno(), self.descriptor, inheritable=False)

    def _send_encrypted(self) -> None:
        try:
            while True:
                self._socket.sendall(self._tls.bio_read(_PIECE))
        except ssl_error():
            pass  # there is no more

    def _decrypted(self) -> bytes:
        parts = []
        try:
            while True:
                parts.append(self._tls.recv(_PIECE))
        except ssl_error():
            return b"".join(parts)


def ssl_error() -> type[Exception]:
    """What pyOpenSSL raises; asked for where there is TLS, so it is installed."""
    from OpenSSL.SSL import Error

    return Error
