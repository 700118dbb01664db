"""Layers between a server's connections and its dispatcher: they see each request, and may change what comes of it.

The way that a client's request takes is one attribute, ``client.execute``, picked from ``server.states``. While there
is a layer those are others, which go through the layers first; while there is none nothing is in the way.
Only connections are intercepted, not clients within the process nor the commands inside EXEC and scripts.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Callable
from weakref import WeakKeyDictionary

from twisted.internet.defer import Deferred

from twisted_resp.resp import Reply

if TYPE_CHECKING:
    from twisted_resp.server.client import Client
    from twisted_resp.server.server import Server

    Execute = Callable[[Client, list[bytes]], Reply]
    #: Answers a reply, or a Deferred of one, for a request; usually by handing it on.
    Layer = Callable[[Client, list[bytes], Execute], Reply]

__all__ = ["Interception"]

# It sends what was kept back and then executes the request anew, which is when the layers see it.
_PASSES_ON = "delivering"


class Interception:
    """The layers of one server.

    A layer that answers a Deferred may hand the request on later; it does so as an action of its own
    (``client.run_apart``).
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._states = server.states
        self._layers: list[Layer] = []
        self._at_the_end = 0  # how many of them are to stay the innermost ones
        #: The request of each client that is on its way through the layers, or beyond them.
        self._under_way: WeakKeyDictionary[Client, list[bytes]] = WeakKeyDictionary()

    def add(self, layer: Layer, outermost: bool = False, innermost: bool = False) -> None:
        """Put a layer next to the dispatcher, or next to the clients; it sees what arrives from now on.

        :param innermost: whether those that come later, next to the dispatcher, go before it.
        """
        self._layers.insert(
            0 if outermost else len(self._layers) - (0 if innermost else self._at_the_end), layer
        )
        self._at_the_end += innermost
        self._install()

    def remove(self, layer: Layer) -> None:
        """Take a layer away; what it holds goes on through it."""
        self._layers.remove(layer)
        self._install()

    def _install(self) -> None:
        states: Any = self._states
        if self._layers:
            wrapped = {
                name: partial(self._enter, getattr(states, name))
                for name in states._fields
                if name != _PASSES_ON
            }
            states = states._replace(**wrapped)
        self._server.states = states
        for client in self._server.clients.values():
            client.choose_state()

    def _enter(self, state: Execute, client: Client, args: list[bytes]) -> Reply:
        under_way = self._under_way
        # A request comes this way again when the layers have handed it on, or the dispatcher had it wait.
        if under_way.get(client) is args or client.id not in self._server.clients:
            return state(client, args)
        go_on: Execute = _execute
        for layer in reversed(self._layers):
            go_on = partial(_through, layer, go_on)
        under_way[client] = args
        reply = go_on(client, args)
        if type(reply) is Deferred:
            return reply.addBoth(self._done, client)
        under_way.pop(client, None)
        return reply

    def _done(self, result: Any, client: Client) -> Any:
        self._under_way.pop(client, None)
        return result


def _execute(client: Client, args: list[bytes]) -> Reply:
    return client.execute(client, args)


def _through(layer: Layer, go_on: Execute, client: Client, args: list[bytes]) -> Reply:
    return layer(client, args, go_on)
