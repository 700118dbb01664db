"""Shipped test support: a real server that synchronous code starts and stops."""

from __future__ import annotations

from twisted_resp.testing.thread import ServerThread

__all__ = ["ServerThread"]
