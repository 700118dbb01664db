"""The protocol that carries requests and replies.

:class:`RespProtocol` is a ``LineReceiver``: multibulk requests come in raw mode, whole batches at a time, and go
through the sans-IO decoder of :mod:`twisted_resp.resp`; inline requests are lines in line mode. It stays in the mode
that the client uses until the client uses the other. All replies of one ``dataReceived`` leave together, through
:mod:`twisted_resp.output`.

A blocking command answers a Deferred. Until it fires nothing more is run for this connection, so replies keep their
order; what arrives meanwhile is kept, up to a limit beyond which reading pauses. The same happens to a client that
sends requests but does not read replies.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from twisted_resp.commands.pipelines import run
from twisted_resp.errors import CommandError, internal_error
from twisted_resp.output import LARGE, Output, output_for
from twisted_resp.resp import (
    BULK_HEADERS,
    BURSTS,
    NO_REPLY,
    OK,
    SHORT,
    SMALL_INTEGERS,
    Encoded,
    Push,
    Reply,
    RequestDecoder,
    Several,
    decode_burst,
    encode_alike,
    encode_into,
)
from twisted_resp.server.client import REPLY_ON, REPLY_SKIP, Client, Conversation
from twisted_resp.text.command_line import split_arguments
from twisted_resp.text.integers import INT64_MAX
from twisted_resp.transports import address_text, conversation, descriptor, reentrant_reactor, tune

if TYPE_CHECKING:
    from twisted_resp.protocol.factory import RespFactory

__all__ = ["RespProtocol"]

# How much a client may send while it is parked, before we stop reading from it.
_HELD_LIMIT = 1024 * 1024
# Of a pipeline of one command so many are run before their replies are encoded.
_RUN = 32
# Lines are taken from so much at a time: LineReceiver copies what is left for each of them.
_LINES = 4096
# A batch with more pieces than this is sent before it is over.
_MANY_PIECES = 32768
# Where what a client may owe us is limited, the replies to so many bytes of requests are held against that together.
_LIMITED = 16 * 1024
# So much may always be answered, as in Redis, where it has its place in the client: the way back from a low limit.
_UNCOUNTED = 16 * 1024


class RespProtocol(LineReceiver):
    """One client's connection.

    :ivar client: what the server knows of it; None for a connection that was turned away.
    """

    delimiter = b"\n"
    MAX_LENGTH = 64 * 1024
    factory: RespFactory
    client: Client | None = None
    log = Logger()

    def __init__(self) -> None:
        self.line_mode = 0
        #: Raw mode, at a request's boundary, authenticated, nothing held back: the hot path may be taken.
        self._plain = False
        self._decoder = RequestDecoder()
        self._requests: list[list[bytes]] = []  # decoded, still to run
        self._waiting: Deferred[Reply] | None = None  # what the client is parked on
        self._choked = False  # the client does not read its replies
        self._held: list[bytes] = []  # arrived while nothing is run (while ``paused``, LineReceiver's word)
        self._held_size = 0
        self._out: list[bytes] | None = None  # replies of the batch that runs now
        self._replies: list[Reply] | None = (
            None  # those of the run of requests that is under way, not encoded yet
        )
        self._large = False  # whether one of them is not worth copying
        self._weight = 0  # bytes of those in ``_out`` that are no short ones, where they are limited
        self._closing = False
        self._soft_limit_call: IDelayedCall | None = None

    # -- the life of a connection

    def connectionMade(self) -> None:
        """Make the client, or turn it away."""
        transport: Any = self.transport
        server = self._server = self.factory.server
        self._keyspace = server.keyspace
        self._output: Output = output_for(transport, self.factory.turn)
        self._output.drained = self._output_drained
        self._output.kept = self._check_output
        server.statistics.connections_received += 1
        refusal = self.factory.refusal() or self.factory.protection(transport)
        if refusal is not None:
            server.statistics.rejected_connections += 1
            self._closing = True
            self._output.write(b"-%b\r\n" % refusal)
            self._output.close()
            return
        server.keyspace.tick()
        peer, local = transport.getPeer(), transport.getHost()
        if isinstance(local, (IPv4Address, IPv6Address)):
            tune(transport, server.configuration[b"tcp-keepalive"])
        if not server.port and isinstance(local, (IPv4Address, IPv6Address)):
            server.port = local.port
        client = self.client = Client(
            server,
            # The peer of a unix socket has no name: Redis shows the path.
            address_text(peer if not isinstance(peer, UNIXAddress) else local),
            address_text(local),
            descriptor(transport),
        )
        client.write = self.write
        client.deliver = self.deliver
        client.close = self.close
        client.hold = self.hold
        client.converse = self._converse
        client.owes_replies = self._owes_replies
        if server.scripting.reactor is None:
            server.scripting.reactor = reentrant_reactor(getattr(transport, "reactor", None))
        client.query_size = self._query_size
        client.request_sizes = self._request_sizes
        client.output_size = self._output_size
        client.longest_reply = self._longest_reply
        client.watch_limits = self._watch_limits
        self._decoder.authenticated = client.authenticated
        self._choose_path()
        server.clients[client.id] = client
        if not self.factory.poller.adopt(transport):
            self.dataReceived = self._count_and_receive  # type: ignore[method-assign]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget the client; what its commands waited for is dropped."""
        self._stop_running()
        vars(self).pop("dataReceived", None)  # it refers to this object
        self.factory.poller.release(self.transport)
        self._output.lost()
        self._forget_soft_limit()
        if self.client is not None:
            self.client.disconnected()

    def close(self, when_flushed: bool) -> None:
        """End the connection.

        :param when_flushed: first send what was answered so far; else drop it.
        """
        self._stop_running()
        if self.client is not None:
            self.client.closing = True
        if not when_flushed:
            self._out = None
            if self.client is not None:
                self.client.disconnected()
            self._output.abort()
        elif self._out is None and not (self.client is not None and self.client.runs_apart):
            self._output.close()
        # else: at the end of the batch that runs now, or after the reply that is under way

    def hold(self, held: bool) -> None:
        """Read nothing for a while, or go on reading."""
        transport: Any = self.transport
        if held:
            transport.pauseProducing()
        elif not self._closing and self._held_size < _HELD_LIMIT:
            transport.resumeProducing()

    def _owes_replies(self) -> bool:
        return bool(self._out) or self._output.size > 0

    def _converse(self) -> Conversation | None:
        if self._out:
            self._flush()
        self._output.send()
        return None if self._output.size else conversation(self.transport)

    def _stop_running(self) -> None:
        self._closing = True
        self._plain = False
        self._requests.clear()  # a loop over them ends with that
        self._held, self._held_size = [], 0
        self._waiting = None

    # -- what arrives

    @property
    def expected_size(self) -> int:
        """The bytes of a large argument that are still to come."""
        return self._decoder.expected_size

    def _count_and_receive(self, data: bytes) -> None:
        self._server.statistics.turns.reads += 1
        type(self).dataReceived(self, data)

    def dataReceived(self, data: bytes) -> None:
        """Run what has arrived as one batch."""
        if not self._plain or data[:1] != b"*":
            self._receive_carefully(data)
            return
        # The hot path. All that is unusual about it ends in one test, and goes on elsewhere.
        client = self.client
        client.total_input += len(data)  # type: ignore[union-attr]
        client.last_interaction = self._keyspace.tick()  # type: ignore[union-attr]
        words: list[list[bytes]] = []
        decoded = decode_burst(data, self._requests, words)
        out = self._out = []
        if words:
            self._run_alike(words)
        else:
            self._run()
        if decoded != len(data) or not self._plain or not out or self._server.resumable:
            try:
                if decoded != len(data):
                    self._take(data[decoded:])
            finally:
                self._end_batch()
            return
        self._out = None
        data = b"".join(out) if len(out) > 1 else out[0]
        client.total_output += len(data)  # type: ignore[union-attr]
        output = self._output
        output.write(data)
        if output.size:
            self._check_output()

    def _receive_carefully(self, data: bytes) -> None:
        """Run what has arrived as one batch, whatever state the connection is in."""
        if self._closing or self.client is None:
            return
        self.client.total_input += len(data)
        if self.paused:
            self._take(data)
            return
        self.client.last_interaction = self._keyspace.tick()
        self._out = []
        try:
            self._take_in_parts(data)
        finally:
            self._end_batch()

    def _take_in_parts(self, data: bytes) -> None:
        """Run what is in ``data``: where replies are limited, so much at a time as is limited together."""
        if len(data) <= _LIMITED or not self._server.output_limits["normal"][0]:
            self._take(data)
            return
        for start in range(0, len(data), _LIMITED):
            self._take(data[start : start + _LIMITED])
            self._flush()

    def _take(self, data: bytes) -> None:
        """Run what is in ``data``, or hold it while nothing is run."""
        if self._closing:
            return
        if self.paused:
            self._hold(data)
        elif self.line_mode:
            self._take_lines(data)
        else:
            self.rawDataReceived(data)

    def _take_lines(self, data: bytes) -> None:
        """Run inline requests, and multibulk ones between them."""
        for start in range(0, len(data) or 1, _LINES):
            if self._closing:
                return
            if self.paused:
                self._hold(data[start:])
                return
            part = data[start : start + _LINES]
            if self.line_mode:
                LineReceiver.dataReceived(self, part)
            else:
                self.rawDataReceived(part)

    def _hold(self, data: bytes) -> None:
        """Keep what arrives while nothing is run; read no more of it if that is much."""
        self._held.append(data)
        self._held_size += len(data)
        if self._held_size >= _HELD_LIMIT:
            self._hold_more()

    def rawDataReceived(self, data: bytes) -> None:
        """Decode multibulk requests and run them."""
        decoder = self._decoder
        decoder.max_bulk = self._server.max_bulk
        incomplete = decoder.incomplete
        if (
            incomplete
            and decoder.arguments_size + decoder.unread_size + len(data) > self._server.query_buffer_limit
        ):
            self._drop_long_query()
            return
        while True:
            requests = decoder.feed(data)
            decoded = len(requests)
            if requests:
                if incomplete:
                    self._note_memory()
                self._requests = requests
                self._run()
            if self.paused or self._closing:
                return
            if decoder.error is not None:
                self._refuse(decoder.error.message)
                return
            if decoder.inline:
                self.line_mode = 1
                self._take_lines(decoder.take_rest())
                return
            if decoder.authenticated or not decoded:
                break
            # A stranger's requests are decoded one at a time, for the first may make it a friend.
            decoder.authenticated = self.client is not None and self.client.authenticated
            data = b""
        if decoder.incomplete:
            self._note_memory()

    def lineReceived(self, line: bytes) -> None:
        """Run an inline request; at a multibulk request go back to raw mode."""
        if self._closing:
            return
        if line[:1] == b"*":
            self._decoder.unread(line + b"\n")
            self.line_mode = 0
            # LineReceiver hands what follows to rawDataReceived. Where nothing does, look at the header all the same.
            if not self._buffer:
                self.rawDataReceived(b"")
            return
        args = split_arguments(line[:-1] if line[-1:] == b"\r" else line)
        if args is None:
            self._refuse(b"ERR Protocol error: unbalanced quotes in request")
        elif args:
            self._requests = [args]
            self._run()

    def lineLengthExceeded(self, line: bytes) -> None:
        """An inline request that does not end."""
        kind = b"mbulk count string" if line[:1] == b"*" else b"inline request"
        self._refuse(b"ERR Protocol error: too big " + kind)

    def _refuse(self, message: bytes) -> None:
        """Tell the client why it is disconnected."""
        self.log.info("Protocol error from {client}: {message}", client=self.client, message=message)
        if self._out is not None:
            self._out.append(b"-%b\r\n" % message)
        self.close(True)

    # -- running

    def _run(self) -> None:
        """Run the decoded requests, to the last or to one that parks the client."""
        client, requests, out = self.client, self._requests, self._out
        assert client is not None
        assert out is not None
        append = out.append
        quiet, null = self._manner(client)
        done = 0
        for args in requests:
            done += 1
            reply = client.execute(client, args)
            kind = type(reply)
            if kind is bytes and len(reply) < SHORT and not quiet:
                out += (BULK_HEADERS[len(reply)], reply, b"\r\n")
            elif reply is OK and not quiet:
                append(b"+OK\r\n")
            elif kind is int and -1 < reply < SHORT and not quiet:
                append(SMALL_INTEGERS[reply])
            elif reply is None and not quiet:
                append(null)
            elif kind is Deferred:
                del requests[:done]
                client.total_commands += done
                self._park(reply)
                return
            else:
                self._add(reply)
                if self._large or len(out) > _MANY_PIECES:
                    self._flush()
                    if self.paused:
                        del requests[:done]
                        client.total_commands += done
                        return
                # What changes these answers with something that is not among the usual replies.
                quiet, null = self._manner(client)
        client.total_commands += done
        requests.clear()

    @staticmethod
    def _manner(client: Client) -> tuple[bool, bytes]:
        """How the client is answered: whether it hears nothing, and what says null to it."""
        return client.reply_mode != REPLY_ON, b"$-1\r\n" if client.protocol == 2 else b"_\r\n"

    def _run_alike(self, words: list[list[bytes]]) -> None:
        """Run a pipeline of requests of one command, given word by word (see :func:`run`)."""
        client, out = self.client, self._out
        assert client is not None
        assert out is not None
        count = len(words[0])
        done = 0
        while done < count and not self.paused and not self._closing and client.reply_mode == REPLY_ON:
            part = words if count <= _RUN else [column[done : done + _RUN] for column in words]
            replies: list[Reply] = []
            self._replies = replies
            try:
                ran = run(client, part, replies)
            finally:
                self._replies = None
            done += ran
            client.total_commands += ran
            if replies and self._out is not None and not encode_alike(out, replies, client.protocol):
                for reply in replies:
                    self._add(reply)
                    if self._large:
                        self._flush()
            if len(out) > _MANY_PIECES:
                self._flush()
            if ran < len(part[0]):
                break
        if done < count and not self._closing:
            self._requests = [list(args) for args in zip(*[column[done:] for column in words])]
            if not self.paused:
                self._run()

    def _add(self, reply: Reply) -> None:
        """Append any reply to those of this batch, as the client's reply mode has it."""
        client = self.client
        if client is None or self._out is None or reply is NO_REPLY:
            return
        # With replies switched off pushes are still sent, and the answers of SUBSCRIBE, which are like them.
        if client.reply_mode != REPLY_ON:
            if client.reply_mode == REPLY_SKIP:
                client.reply_mode = REPLY_ON
            if not isinstance(reply, (Push, Several)):
                return
        out = self._out
        length = len(out)
        try:
            encode_into(out, reply, client.protocol)
        except Exception:
            # What a handler should not return. Half a reply would end the conversation.
            self.log.failure("{client} can't be sent the reply to its command", client=client)
            del out[length:]
            encode_into(out, internal_error(client.last_command), client.protocol)
        # Where there is a limit the replies of a batch count together, read or not; else only what is not read counts.
        hard = self._server.output_limits["normal"][0]
        if hard:
            self._weight += sum(map(len, islice(out, length, None)))
            self._large = self._weight >= hard and self._weight > _UNCOUNTED
        elif type(reply) is bytes and len(reply) >= LARGE:
            self._large = True

    def _end_batch(self) -> None:
        """Send the replies of the batch, then let others go on whom it has woken."""
        self._flush()
        self._out = None
        if self.client is not None and self.client.closing:
            self._output.close()
        self._choose_path()
        self._server.end_batch()

    def _choose_path(self) -> None:
        decoder = self._decoder
        self._plain = (
            BURSTS
            and decoder.authenticated
            and not (self.line_mode or self.paused or self._closing or decoder.incomplete)
            and not self._server.output_limits["normal"][0]
        )

    def _flush(self) -> None:
        if self._server.commit is not None:
            self._server.commit()
        out, client = self._out, self.client
        if not out or client is None:
            return
        output = self._output
        if self._large or self._server.output_limits["normal"][0]:
            self._large = False
            self._weight = 0
            if self._is_too_much(sum(map(len, out))):
                return
            client.total_output += sum(map(len, out))
            output.write_pieces(out)
        else:
            data = b"".join(out) if len(out) > 1 else out[0]
            client.total_output += len(data)
            output.write(data)
        out.clear()
        if output.size:
            self._check_output()

    def write(self, data: bytes) -> None:
        """Send what is no reply: in a batch of this client's own it takes its place among the replies."""
        if self._replies is not None:
            self._replies.append(Encoded(data))
        elif self._out is not None:
            self._out.append(data)
        elif not self._closing and self.client is not None:
            if len(data) >= LARGE and self._is_too_much(len(data)):
                return
            self.client.total_output += len(data)
            self._output.write(data)
            if self._output.size:
                self._check_output()

    def deliver(self, data: bytes) -> None:
        """Send a message; one that a command of this client's own causes follows the reply to that command."""
        if self._out is None:
            self.write(data)
        elif self.client is not None:
            self.client.keep(data)

    # -- stopping and going on

    def _park(self, reply: Deferred[Reply]) -> None:
        """Run nothing more until ``reply`` fires."""
        self.paused = True
        self._plain = False
        self._waiting = reply
        reply.addCallbacks(self._served, self._not_served)

    def _served(self, reply: Reply) -> None:
        self._waiting = None
        if self._closing and not (self.client is not None and self.client.closing):
            return
        if self._out is not None:
            self._add(reply)
        else:
            self._out = []
            self._add(reply)
            self._flush()
            self._out = None
        self._server.resume(self._go_on)

    def _not_served(self, failure: Failure) -> None:
        # No handler should let its Deferred fail. Who waits for a reply is to get one all the same.
        error = failure.value
        if not isinstance(error, CommandError):
            self.log.failure("{client} waited for a command that failed", failure, client=self.client)
            error = internal_error(self.client.last_command if self.client is not None else b"")
        self._served(error)

    def _output_drained(self) -> None:
        self._note_memory()
        self._forget_soft_limit()
        replica = None if self.client is None else self.client.replica
        if replica is not None and replica.drained is not None:
            replica.drained()
        if self._choked:
            self._choked = False
            self._keyspace.tick()
            self._server.resume(self._go_on)
            self._server.end_batch()

    def _go_on(self) -> None:
        """Run what has been held back."""
        if self._closing:
            if self._out is None and self.client is not None and self.client.closing:
                self._output.close()
            return
        if self._waiting is not None or self._choked:
            return
        self.paused = False
        self._out = []
        try:
            if self._requests:
                self._run()
            if not self.paused:
                self._take_held()
        finally:
            self._end_batch()
        if not self._closing and self._held_size < _HELD_LIMIT:
            transport: Any = self.transport
            transport.resumeProducing()

    def _take_held(self) -> None:
        """Run what has arrived meanwhile, as far as that goes."""
        held, self._held, self._held_size = self._held, [], 0
        # With no data as well: an error or an inline request may have stopped the decoder.
        for place, data in enumerate(held or (b"",)):
            if self.paused:
                self._held += held[place:]
                self._held_size = sum(map(len, self._held))
                return
            self._take_in_parts(data)
            self._flush()  # which may find that the client owes too much again

    # -- limits

    def _hold_more(self) -> None:
        """A client sends on while nothing is run for it: read no more, unless it reads only after it has sent all.

        Most clients send the whole of a pipeline before they read the first reply. Where the replies are large, to
        stop reading from such a client is to wait for each other for ever.
        """
        if not self._choked:
            transport: Any = self.transport
            transport.pauseProducing()
        elif self._held_size > self._server.query_buffer_limit:
            self._drop_long_query()

    def _drop_long_query(self) -> None:
        self._server.statistics.query_buffer_limit_disconnections += 1
        self.log.warn("Closing client that reached max query buffer length: {client}", client=self.client)
        self.close(False)

    def _is_too_much(self, size: int) -> bool:
        """Drop a client that is to get more at once than it may owe us, however fast it would read it."""
        client = self.client
        if client is None or self._closing:
            return True
        hard, _, _ = self._server.output_limit(client)
        owed = self._output.size + size
        if not hard or owed < hard or owed <= _UNCOUNTED:
            return False
        self._drop_slow_reader()
        return True

    def _longest_reply(self) -> int:
        client = self.client
        hard = 0 if client is None else self._server.output_limit(client)[0]
        return max(hard, _UNCOUNTED + 1) if hard else INT64_MAX

    def _watch_limits(self) -> None:
        self._plain = False  # the end of the next batch sees whether it may be so again

    def _note_memory(self) -> None:
        """What waits here has become more or less."""
        if self.client is not None:
            self._server.client_memory.changed(self.client)

    def _check_output(self) -> None:
        """Replies wait: drop a client over its limit (``client-output-buffer-limit``), or run nothing for it."""
        client, server = self.client, self._server
        if client is None or self._closing:
            return
        self._note_memory()
        hard, soft, seconds = server.output_limit(client)
        size = self._output.size
        if hard and size >= hard:
            self._drop_slow_reader()
        elif not soft or size < soft:
            self._forget_soft_limit()
        elif self._soft_limit_call is None:
            self._soft_limit_call = server.clock.callLater(seconds, self._soft_limit_passed)
        if size > self.factory.high_water_mark and not self._closing:
            self._choked = True
            self.paused = True
            self._plain = False

    def _soft_limit_passed(self) -> None:
        self._soft_limit_call = None
        client = self.client
        if client is None or self._closing:
            return
        _, soft, _ = self._server.output_limit(client)
        if soft and self._output.size >= soft:
            self._drop_slow_reader()

    def _forget_soft_limit(self) -> None:
        if self._soft_limit_call is not None:
            self._soft_limit_call.cancel()
            self._soft_limit_call = None

    def _drop_slow_reader(self) -> None:
        self._server.statistics.output_buffer_limit_disconnections += 1
        self.log.warn(
            "Client {client} scheduled to be closed ASAP for overcoming of output buffer limits.",
            client=self.client,
        )
        self.close(False)

    def _query_size(self) -> int:
        return self._held_size + self._decoder.unread_size + len(self._buffer)

    def _request_sizes(self) -> tuple[int, int]:
        return self._decoder.arguments_size, self._decoder.expected_size

    def _output_size(self) -> int:
        return self._output.size
