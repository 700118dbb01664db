"""RESP on Twisted: :class:`RespProtocol` carries requests and replies, :class:`RespFactory` holds the server."""

from __future__ import annotations

from twisted_resp.protocol.connection import RespProtocol
from twisted_resp.protocol.factory import RespFactory

__all__ = ["RespFactory", "RespProtocol"]
