"""SCRIPT DEBUG: who gets a session of the debugger, and in which process it is held."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Final

from twisted.logger import Logger

from twisted_resp.errors import CommandError
from twisted_resp.persistence.child import Child, can_fork
from twisted_resp.resp import NO_REPLY, Reply, encode
from twisted_resp.scripting.debugger import Session
from twisted_resp.scripting.engine import Engine
from twisted_resp.server.client import Client, Conversation
from twisted_resp.server.saving import Progress

__all__ = ["DEBUGGED", "IN_SYNC", "debug"]

_log = Logger()

#: Client.script_debugging: whether EVAL begins a session, and whether all wait for it.
DEBUGGED: Final = 1
IN_SYNC: Final = 2

_NO_FORK: Final = b"ERR Fork() failed: can't run EVAL in debugging mode: %b"
_NOT_OURS: Final = b"this process is not the server's own; SCRIPT DEBUG SYNC needs none of its own"


def debug(client: Client, engine: Engine, source: bytes, evaluate: Callable[[], Reply]) -> Reply:
    """Run an EVAL in a session.

    :param evaluate: what EVAL does.
    :raises CommandError: what it raises, or why there can be no session.
    """
    conversation = client.converse()
    if conversation is None:
        client.script_debugging = 0
        raise CommandError(b"ERR There is no connection over which this script could be debugged")
    session = Session(client.server, source, conversation)
    if not client.script_debugging & IN_SYNC:
        return _debug_in_child(client, engine, session, conversation, evaluate)
    _log.info("Redis synchronous debugging eval session started")
    try:
        with engine.debugged(session):
            return evaluate()
    finally:
        session.end()
        _log.info("Redis synchronous debugging eval session ended")
        client.close(True)


def _debug_in_child(
    client: Client,
    engine: Engine,
    session: Session,
    conversation: Conversation,
    evaluate: Callable[[], Reply],
) -> Reply:
    server = client.server
    client.script_debugging = 0
    if not can_fork(server):
        raise CommandError(_NO_FORK % _NOT_OURS)
    work = _Debugging(client, engine, session, conversation, evaluate)
    try:
        Child(work, server, keep=(conversation.descriptor,))
    except OSError as error:
        raise CommandError(_NO_FORK % (error.strerror or str(error)).encode()) from None
    # The connection is the child's from now on.
    conversation.give_away()
    client.close(False)
    return NO_REPLY


class _Debugging:
    """What the child does: the session and then the end. What it changes is its own."""

    title = "redis-ldb"
    cpu_list = b"server-cpulist"

    def __init__(
        self,
        client: Client,
        engine: Engine,
        session: Session,
        conversation: Conversation,
        evaluate: Callable[[], Reply],
    ) -> None:
        self.progress = Progress(client.server.clock)
        self._client = client
        self._engine = engine
        self._session = session
        self._conversation = conversation
        self._evaluate = evaluate

    def write_as_child(self, report: Callable[[int], None]) -> None:
        """Hold the session."""
        # The parent ends us when it ends.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        client = self._client
        server = client.server
        # Nobody hears of what happens here: no file, no replica, no other client.
        server.effects.active = False
        server.commit = None
        for other in server.clients.values():
            other.write = other.deliver = lambda data: None
            other.close = lambda when_flushed: None
        _log.info("Redis forked for debugging eval")
        reply: Reply
        try:
            with self._engine.debugged(self._session):
                reply = self._evaluate()
        except CommandError as error:
            reply = error
        self._session.end()
        self._conversation.send(encode(reply, client.protocol))
        _log.info("Lua debugging session child exiting")

    def child_ended(self, done: bool, killed: bool) -> None:
        """There is nothing to be done."""
