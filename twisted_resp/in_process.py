"""Clients within the process: commands as calls, replies as Deferreds, without a socket."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from twisted_resp.errors import CommandError
from twisted_resp.resp import (
    NO_REPLY,
    NULL_ARRAY,
    Attributed,
    BigNumber,
    Map,
    Push,
    Reply,
    SetReply,
    Several,
    Status,
    Verbatim,
)
from twisted_resp.server.client import Client
from twisted_resp.server.server import Server

__all__ = ["InProcessClient", "as_argument", "as_python"]


class InProcessClient:
    """A client of a server in the same process.

    :ivar client: what the server knows of it. Pushed messages arrive, encoded, at ``client.write``.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self.client = Client(server, b"in-process:0")
        # Whoever calls from within the process is not kept out of it.
        self.client.user = server.access.superuser
        self.client.authenticated = True
        self.client.protocol = 3
        self.client.choose_state()

    def call(self, *args: object) -> Deferred[Any]:
        """Run a command.

        :param args: the command and its arguments: bytes, str (encoded as UTF-8), int or float.
        :return: a Deferred of the reply as plain Python (bytes, int, float, list, dict, None). It has fired already,
            unless the command blocks; cancelling it then ends the wait.
        :raises CommandError: (in the Deferred) for an error reply.
        """
        server = self._server
        words = [as_argument(arg) for arg in args]
        if not words:
            return fail(ValueError("no command"))
        server.keyspace.tick()
        reply = self.client.execute(self.client, words)
        if type(reply) is Deferred:
            reply.addCallback(_unwrap)
        else:
            try:
                reply = succeed(_unwrap(reply))
            except CommandError as error:
                reply = fail(error)
        server.end_batch()
        return reply

    def close(self) -> None:
        """Forget the client: its subscriptions, its transaction. Calls that wait are answered as if time were up."""
        client, server = self.client, self._server
        while client.parked is not None:
            server.waiting.finish(client.parked, client.parked.on_timeout)
        postponed = [gate for gate, owner in server.postponed.items() if owner is client]
        client.disconnected()
        for gate in postponed:
            gate.callback(None)


def as_argument(value: object) -> bytes:
    """What goes over the wire for a Python value.

    :raises TypeError: for one that has no obvious form.
    """
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return repr(value).encode()
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"a command's arguments are bytes, str, int or float, not {type(value).__name__}")


def as_python(reply: Reply) -> Any:
    """A reply without its marker types. Errors inside arrays stay CommandError objects."""
    if isinstance(reply, (Status, BigNumber, Verbatim)):
        return reply.value
    if reply is NULL_ARRAY or reply is NO_REPLY:
        return None
    if isinstance(reply, (list, tuple)):
        return [as_python(item) for item in reply]
    if isinstance(reply, (SetReply, Push, Several)):
        return [as_python(item) for item in reply.value]
    if isinstance(reply, Map):
        reply = dict(reply.value)
    if isinstance(reply, dict):
        return {as_python(key): as_python(value) for key, value in reply.items()}
    if isinstance(reply, Attributed):
        return as_python(reply.value[1])
    if isinstance(reply, (bytearray, memoryview)):
        return bytes(reply)
    return reply


def _unwrap(reply: Reply) -> Any:
    if isinstance(reply, CommandError):
        raise reply
    return as_python(reply)
