"""What a connection has to know of, and say to, the transport that it runs over."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.base import ReactorBase
from twisted.internet.interfaces import IAddress

__all__ = ["address_text", "descriptor", "reentrant_reactor", "tune"]


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
