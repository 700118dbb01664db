"""A whole server, put together from its rooms: the one place that knows them all."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from twisted_resp.commands import load_all
from twisted_resp.commands.dispatch import STATES, install
from twisted_resp.persistence import install as install_persistence
from twisted_resp.replication import install as install_replication
from twisted_resp.scripting import install as install_scripting
from twisted_resp.server.flavour import ALL, Flavour
from twisted_resp.server.server import Server

__all__ = ["assemble"]


def assemble(
    clock: IReactorTime, databases: int = 16, random_seed: int | None = None, flavour: Flavour = ALL
) -> Server:
    """A server with its commands, that nobody is connected to yet. Parameters are those of :class:`Server`."""
    load_all()
    server = Server(clock, STATES, databases, random_seed, flavour)
    install(server)
    install_persistence(server)
    install_replication(server)
    install_scripting(server)
    return server
