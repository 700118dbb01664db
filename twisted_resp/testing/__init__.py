"""Shipped test support: real servers that tests start, command and look into.

Everything is imported when asked for: pytest loads the plugin of this package in every session.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisted_resp.testing.cases import RespFactoryMixin, RespServerMixin
    from twisted_resp.testing.certificates import Certificates
    from twisted_resp.testing.cluster import ServerCluster
    from twisted_resp.testing.factory import ControlledFactory
    from twisted_resp.testing.process import ServerProcess
    from twisted_resp.testing.proxy import FaultProxy
    from twisted_resp.testing.thread import ServerThread

__all__ = [
    "Certificates",
    "ControlledFactory",
    "FaultProxy",
    "RespFactoryMixin",
    "RespServerMixin",
    "ServerCluster",
    "ServerProcess",
    "ServerThread",
]

_HOME = {
    "Certificates": "certificates",
    "ControlledFactory": "factory",
    "FaultProxy": "proxy",
    "RespFactoryMixin": "cases",
    "RespServerMixin": "cases",
    "ServerCluster": "cluster",
    "ServerProcess": "process",
    "ServerThread": "thread",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"twisted_resp.testing.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
