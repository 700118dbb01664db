"""What can go wrong with a command: an error, a delay, a lost connection, half a reply."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Callable

from twisted.internet.defer import Deferred

from twisted_resp.commands import dispatch
from twisted_resp.resp import NO_REPLY, Reply, encode
from twisted_resp.server.client import REPLY_ON, Client
from twisted_resp.testing.calls import Call
from twisted_resp.testing.entry import InjectedError
from twisted_resp.testing.faults.conditions import Frequency, Selection
from twisted_resp.testing.faults.errors import NAMED_ERRORS, is_refusal, redirection
from twisted_resp.testing.faults.fault import CommandFault, GoOn

if TYPE_CHECKING:
    from twisted_resp.testing.faults.registry import Faults

__all__ = ["Cut", "Delay", "Dribble", "Drop", "ErrorReply", "Hang", "SlowAccept"]

# What is run at once after MULTI, not queued.
_NOT_QUEUED = frozenset((b"exec", b"discard", b"multi", b"watch", b"quit", b"reset"))

_BEFORE, _ON_REPLY, _INSTEAD = range(3)


class ErrorReply(CommandFault):
    """A command is answered with an error and not run.

    :param reply: the name of one of Redis's own errors (``LOADING``), or any text; or a function of the call that
        answers one.
    :param to: where ``MOVED`` and ``ASK`` point to.
    """

    name = "error"
    stage = _INSTEAD

    def __init__(
        self,
        registry: Faults,
        selection: Selection,
        frequency: Frequency,
        reply: str | bytes | Callable[[Call], str | bytes],
        to: str | bytes | None = None,
    ) -> None:
        super().__init__(registry, selection, frequency)
        self._to = None if to is None else _as_bytes(to)
        self._reply: Callable[[Call], str | bytes] | None = None
        self._message = b""
        self._concerns: Callable[[Call], bool] | None = None
        if callable(reply):
            self._reply = reply
            return
        self._message = _as_bytes(reply)
        named = NAMED_ERRORS.get(self._message.decode("ascii", "replace"))
        if named is not None:
            if named.sentence in (b"MOVED", b"ASK") and to is None:
                raise ValueError(f"where is the key, with {reply!r}? Say to='host:port'")
            self._message = named.sentence
            # A command that is named gets it whatever the server's state would make of it.
            self._concerns = None if selection.commands else named.concerns

    def describe(self) -> str:
        """See :meth:`Fault.describe`."""
        text = self._message.decode("utf-8", "backslashreplace") if self._reply is None else repr(self._reply)
        return f"{super().describe()} ({text[:60]})"

    def message_for(self, call: Call) -> bytes:
        """The error that a call gets."""
        message = self._message if self._reply is None else _as_bytes(self._reply(call))
        if message in (b"MOVED", b"ASK") and self._to is not None:
            return redirection(message, call, self._to)
        return message

    def strikes(self, call: Call) -> bool:
        """Whether it acts on this call, which a client has just sent; counts it."""
        if call.client.transaction is not None and call.name not in _NOT_QUEUED and not self._refuses(call):
            return False  # but it may when it is run
        return self._strikes_call(call)

    def strikes_inside(self, client: Client, call: Call) -> bool:
        """Whether it acts on a call in a transaction or a script; counts it.

        :param client: who runs it there; of a script that is not who called the script.
        """
        if client.in_exec and self._refuses(call):
            return False  # it could have been refused when it was queued
        return self._strikes_call(call)

    def act(self, call: Call, go_on: GoOn) -> Reply:
        """See :meth:`CommandFault.act`."""
        error = InjectedError(self.message_for(call))
        if call.name == b"exec" and not is_refusal(error.message):
            # EXEC is not refused, which would be told in other words: it fails.
            call.client.discard_transaction()
            return error
        return dispatch.reject(call.client, call.args, error, call.entry)

    def _strikes_call(self, call: Call) -> bool:
        if self._concerns is not None and not self._concerns(call):
            return False
        return super().strikes(call)

    def _refuses(self, call: Call) -> bool:
        return is_refusal(self._message) if self._reply is None else False


class Delay(CommandFault):
    """A command, or its reply, takes its time, by the server's clock.

    :param when: ``"before"`` it is run, or ``"after"``: then the reply is late.
    """

    name = "delay"
    stage = _BEFORE

    def __init__(
        self,
        registry: Faults,
        selection: Selection,
        frequency: Frequency,
        seconds: float,
        when: str = "before",
    ) -> None:
        super().__init__(registry, selection, frequency)
        if seconds < 0:
            raise ValueError("a delay is not negative")
        if when not in ("before", "after"):
            raise ValueError(f"a delay is before or after a command, not {when!r}")
        self._seconds = seconds
        self._after = when == "after"

    def act(self, call: Call, go_on: GoOn) -> Reply:
        """See :meth:`CommandFault.act`."""
        if not self._after:
            return self.hold(call.client, self._seconds, go_on)
        return _on_reply(go_on(), lambda reply: self.hold(call.client, self._seconds, lambda: reply))


class Hang(CommandFault):
    """A command is read and not run until the fault is removed."""

    name = "hang"
    stage = _BEFORE

    def act(self, call: Call, go_on: GoOn) -> Reply:
        """See :meth:`CommandFault.act`."""
        return self.hold(call.client, None, go_on)


class SlowAccept(CommandFault):
    """A new connection is not served until so many seconds after it was made."""

    name = "slow accept"
    stage = _BEFORE

    def __init__(self, registry: Faults, selection: Selection, frequency: Frequency, seconds: float) -> None:
        super().__init__(registry, selection, frequency)
        self._seconds = seconds
        self._known = 0
        self._met: dict[int, bool] = {}

    def begin(self) -> None:
        """Those who are connected already are served."""
        self._known = max(self._registry.server.clients, default=0)

    def gone(self, client: Client) -> None:
        """See :meth:`Fault.gone`."""
        super().gone(client)
        self._met.pop(client.id, None)

    def strikes(self, call: Call) -> bool:
        """Whether this is the first command of a new connection."""
        client = call.client
        if client.id <= self._known or client.id in self._met:
            return False
        self._met[client.id] = True
        return super().strikes(call)

    def act(self, call: Call, go_on: GoOn) -> Reply:
        """See :meth:`CommandFault.act`."""
        waited = (self._registry.server.now_ms - call.client.created) / 1000
        return self.hold(call.client, max(0.0, self._seconds - waited), go_on)


class Drop(CommandFault):
    """The connection ends: before a command is run, after it was run but before its reply, or after the reply.

    :param when: ``"before"``, ``"after"`` or ``"replied"``.
    :param reset: whether with a reset (RST), which also takes the replies along that are not sent yet.
    """

    name = "drop"

    def __init__(
        self,
        registry: Faults,
        selection: Selection,
        frequency: Frequency,
        when: str = "before",
        reset: bool = False,
    ) -> None:
        super().__init__(registry, selection, frequency)
        if when not in ("before", "after", "replied"):
            raise ValueError(f"a connection is dropped before, after or replied, not {when!r}")
        self._when = when
        self._reset = reset
        self.stage = _INSTEAD if when == "before" else _ON_REPLY

    def act(self, call: Call, go_on: GoOn) -> Reply:
        """See :meth:`CommandFault.act`."""
        if self._when == "before":
            return self._close(call.client)
        return _on_reply(go_on(), lambda reply: self._ran(call.client, reply))

    def _ran(self, client: Client, reply: Reply) -> Reply:
        if client.closing:
            return reply
        if self._when == "replied" and client.reply_mode == REPLY_ON:
            client.write(encode(reply, client.protocol))
        return self._close(client)

    def _close(self, client: Client) -> Reply:
        client.close(not self._reset)
        return NO_REPLY


class Cut(CommandFault):
    """The connection ends in the middle of a reply.

    :param at: how many bytes of it arrive; negative to count from its end, None for the half.
    """

    name = "cut"
    stage = _ON_REPLY

    def __init__(
        self, registry: Faults, selection: Selection, frequency: Frequency, at: int | None = None
    ) -> None:
        super().__init__(registry, selection, frequency)
        self._at = at

    def act(self, call: Call, go_on: GoOn) -> Reply:
        """See :meth:`CommandFault.act`."""
        return _on_reply(go_on(), lambda reply: self._cut(call.client, reply))

    def _cut(self, client: Client, reply: Reply) -> Reply:
        if client.closing:
            return reply
        if client.reply_mode == REPLY_ON:
            data = encode(reply, client.protocol)
            part = data[: len(data) // 2 if self._at is None else self._at]
            if part:
                client.write(part)
        client.close(True)
        return NO_REPLY


class Dribble(CommandFault):
    """A reply arrives in small pieces.

    :param every: seconds between them, by the server's clock; with 0 each goes in a turn of the reactor of its own.
    :param size: bytes of a piece.
    """

    name = "dribble"
    stage = _ON_REPLY

    def __init__(
        self,
        registry: Faults,
        selection: Selection,
        frequency: Frequency,
        every: float = 0.0,
        size: int = 1,
    ) -> None:
        super().__init__(registry, selection, frequency)
        if size < 1 or every < 0:
            raise ValueError("a piece has at least one byte, and no negative pause before it")
        self._pause = every
        self._size = size
        self._streams: dict[_Stream, None] = {}

    def act(self, call: Call, go_on: GoOn) -> Reply:
        """See :meth:`CommandFault.act`."""
        return _on_reply(go_on(), lambda reply: self._begin(call.client, reply))

    def end(self) -> None:
        """Send the rest of what is under way."""
        streams, self._streams = self._streams, {}
        server = self._registry.server
        for stream in streams:
            stream.stop()
            server.run_timer(stream.finish)
        super().end()

    def gone(self, client: Client) -> None:
        """See :meth:`Fault.gone`."""
        super().gone(client)
        for stream in [stream for stream in self._streams if stream.client is client]:
            stream.stop()
            del self._streams[stream]

    def _begin(self, client: Client, reply: Reply) -> Reply:
        data = encode(reply, client.protocol)
        if client.closing or client.reply_mode != REPLY_ON or len(data) <= self._size:
            return reply
        stream = _Stream(client, data)
        self._streams[stream] = None
        self._send(stream)
        return stream.done

    def _send(self, stream: _Stream) -> None:
        server = self._registry.server
        if stream.send(self._size):
            stream.timer = server.clock.callLater(self._pause, server.run_timer, partial(self._send, stream))
        else:
            del self._streams[stream]


class _Stream:
    """A reply on its way in pieces; messages that are pushed to the client meanwhile follow it.

    :ivar done: fires, with no reply, when all is sent.
    """

    def __init__(self, client: Client, data: bytes) -> None:
        self.client = client
        self.done: Deferred[Reply] = Deferred()
        self.timer: Any = None
        self._data = data
        self._place = 0
        self._pushed, client.kept = client.kept, []
        client.choose_state()
        self._deliver, client.deliver = client.deliver, self._pushed.append

    def send(self, size: int | None) -> bool:
        """Send the next piece, or all that is left.

        :return: whether there is more.
        """
        end = len(self._data) if size is None else self._place + size
        self.client.write(self._data[self._place : end])
        self._place = end
        if end < len(self._data):
            return True
        self.client.deliver = self._deliver
        if self._pushed:
            self.client.write(b"".join(self._pushed))
        self.done.callback(NO_REPLY)
        return False

    def finish(self) -> None:
        """Send all that is left."""
        self.send(None)

    def stop(self) -> None:
        """Send no more by the clock."""
        if self.timer is not None and self.timer.active():
            self.timer.cancel()


def _on_reply(reply: Reply, action: Callable[[Reply], Reply]) -> Reply:
    """Do something with a reply as soon as it is there; one that is none is left alone."""

    def act(value: Reply) -> Reply:
        return value if value is NO_REPLY else action(value)

    return reply.addCallback(act) if type(reply) is Deferred else act(reply)


def _as_bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
