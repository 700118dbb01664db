"""Replay a recorded session against a server, and say where its replies differ.

``resp-replay session.jsonl --to redis://127.0.0.1:6379`` (or ``python -m twisted_resp.testing.replay``) connects as
often as there were clients, sends their commands in the recorded order, each when those before it are answered that
were answered then, and compares. Without ``--to`` it starts a server of our own.
"""

from __future__ import annotations

import argparse
import socket
import ssl
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from twisted_resp.errors import CommandError
from twisted_resp.resp import Push, Reply
from twisted_resp.testing.calls import Commands
from twisted_resp.testing.entry import shown
from twisted_resp.testing.normalising import Comparison
from twisted_resp.testing.recording import RecordedCall, RecordingError, load
from twisted_resp.testing.replies import IncompleteReplyError, read_reply

__all__ = ["Difference", "ReplayError", "main", "replay"]

_MESSAGES: Final = frozenset((b"message", b"pmessage", b"smessage", b"invalidate"))
_SUBSCRIBING: Final = frozenset((b"subscribe", b"psubscribe", b"ssubscribe"))
# How long a client may take to be blocked, before the next one's command is sent (seconds).
_PATIENCE: Final = 0.25


class ReplayError(Exception):
    """The server can't be talked to; the message is for the operator."""


class Difference(NamedTuple):
    """A command that was answered otherwise than when it was recorded.

    :ivar line: its place in the session, from 1.
    """

    line: int
    call: RecordedCall
    got: list[Reply]

    def __str__(self) -> str:
        words = " ".join(map(shown, self.call.args))
        return (
            f"command {self.line}, of client {self.call.client}: {words}\n"
            f"  - {_text(self.call.replies)}\n  + {_text(self.got)}"
        )


def replay(
    calls: Iterable[RecordedCall],
    url: str,
    *,
    ignore: Sequence[str] = (),
    timeout: float = 10.0,
    flush: bool = False,
    tls: ssl.SSLContext | None = None,
) -> list[Difference]:
    """Send a recorded session to a server.

    :param url: ``redis://[user:password@]host[:port]``, ``rediss://`` for TLS, or ``unix:///path``.
    :param ignore: commands whose replies are not compared: names, globs, categories (``@fast``).
    :param timeout: how long a reply may take, in seconds.
    :param flush: whether to delete all data of the server first.
    :param tls: for ``rediss://``: whom to trust, and what certificate to show; by default as the system does it.
    :return: where the replies differ. What can't be the same, is not compared but for its kind: times, random choices,
        the order of sets. Ids of stream entries and clients that differ are translated in later commands.
    :raises ReplayError: the server can't be reached, or does not answer.
    """
    with _Replay(urlsplit(url), Commands(ignore) if ignore else None, timeout, tls) as session:
        if flush:
            session.flush()
        return session.run(list(calls))


class _Connection:
    """A client of the session."""

    def __init__(self, url: SplitResult, timeout: float, tls: ssl.SSLContext | None) -> None:
        self._buffer = b""
        self._subscribed = False
        try:
            self.socket = _connect(url, timeout, tls)
        except OSError as error:
            raise ReplayError(f"can't connect to {url.geturl()}: {error}") from error
        if url.password is not None:
            words = [unquote(part).encode() for part in (url.username, url.password) if part]
            self.send([b"AUTH", *words])
            reply = self.read()
            if isinstance(reply, CommandError):
                self.socket.close()
                raise ReplayError(f"can't log in: {reply}")

    def send(self, args: Sequence[bytes]) -> None:
        """Send a command."""
        words = b"".join(b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args)
        self._subscribed = self._subscribed or args[0].lower() in _SUBSCRIBING
        self.socket.sendall(b"*%d\r\n%b" % (len(args), words))

    def read(self) -> Reply:
        """Read a reply; messages that come before it are passed over.

        :raises OSError: the connection is lost, or there was none in time.
        """
        while True:
            try:
                reply, end = read_reply(self._buffer)
            except IncompleteReplyError:
                data = self.socket.recv(1 << 20)
                if not data:
                    raise ConnectionError("the server has closed the connection") from None
                self._buffer += data
                continue
            self._buffer = self._buffer[end:]
            if not self._is_message(reply):
                return reply

    def _is_message(self, reply: Reply) -> bool:
        items = reply.value if isinstance(reply, Push) else reply if self._subscribed else None
        return isinstance(items, list) and bool(items) and items[0] in _MESSAGES


class _Replay(ExitStack):
    """One run of a session."""

    def __init__(
        self, url: SplitResult, ignored: Commands | None, timeout: float, tls: ssl.SSLContext | None
    ) -> None:
        super().__init__()
        self._url = url
        self._ignored = ignored
        self._timeout = timeout
        self._tls = tls
        self._connections: dict[int, _Connection] = {}
        self._comparison = Comparison()
        self._differences: list[Difference] = []
        self._control = self._connect()

    def flush(self) -> None:
        """Delete all data."""
        self._control.send([b"FLUSHALL"])
        reply = self._control.read()
        if isinstance(reply, CommandError):
            raise ReplayError(f"can't delete the data: {reply}")

    def run(self, calls: list[RecordedCall]) -> list[Difference]:
        """Send all commands; answers the differences in their order."""
        waiting: list[tuple[int, int]] = []  # when it was answered, and its place
        for place, call in enumerate(calls):
            for due, blocked in [one for one in waiting if one[0] <= place]:
                waiting.remove((due, blocked))
                self._receive(blocked, calls[blocked])
            self._send(call)
            if call.later and call.replies:
                waiting.append((place + call.later + 1, place))
                self._wait_for_blocked(len(waiting))
            else:
                self._receive(place, call)
        for _, blocked in sorted(waiting):
            self._receive(blocked, calls[blocked])
        return sorted(self._differences, key=lambda difference: difference.line)

    def _connect(self) -> _Connection:
        connection = _Connection(self._url, self._timeout, self._tls)
        self.callback(connection.socket.close)
        return connection

    def _send(self, call: RecordedCall) -> None:
        args = self._comparison.to_send(call)
        if args is None:
            return
        connection = self._connections.get(call.client)
        if connection is None:
            connection = self._connections[call.client] = self._connect()
        try:
            connection.send(args)
        except OSError as error:
            raise ReplayError(f"the connection of client {call.client} is lost: {error}") from error

    def _receive(self, place: int, call: RecordedCall) -> None:
        if self._comparison.to_send(call) is None:
            return
        got: list[Reply] = []
        for _ in call.replies:
            try:
                got.append(self._connections[call.client].read())
            except OSError as error:
                words = " ".join(map(shown, call.args))
                raise ReplayError(f"no reply to command {place + 1}, {words}: {error}") from error
        ignored = self._ignored is not None and self._comparison.named(self._ignored, call)
        if not self._comparison.equal(call, got) and not ignored:
            self._differences.append(Difference(place + 1, call, got))

    def _wait_for_blocked(self, count: int) -> None:
        """Give a command that has to wait the time to do so before the next one is sent."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            self._control.send([b"INFO", b"clients"])
            reply: Any = self._control.read()
            text = getattr(reply, "value", reply)
            blocked = (
                text.partition(b"blocked_clients:")[2].split(b"\r\n")[0] if isinstance(text, bytes) else b""
            )
            if blocked.isdigit() and int(blocked) >= count:
                return


def _connect(url: SplitResult, timeout: float, tls: ssl.SSLContext | None) -> socket.socket:
    if url.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        connection.connect(url.path)
        return connection
    if url.scheme not in ("redis", "rediss"):
        raise ReplayError(f"not a URL of a server: {url.geturl()}")
    connection = socket.create_connection((url.hostname or "127.0.0.1", url.port or 6379), timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if url.scheme == "rediss":
        context = tls or ssl.create_default_context()
        return context.wrap_socket(connection, server_hostname=url.hostname or "127.0.0.1")
    return connection


def _text(replies: list[Reply]) -> str:
    text = ", ".join(repr(reply) for reply in replies) or "no reply"
    return text if len(text) <= 500 else text[:497] + "..."


def main(arguments: Sequence[str] | None = None) -> int:
    """The console command. The exit code is 0 where all replies are the same, 1 where some differ, 2 for an error."""
    parser = argparse.ArgumentParser("resp-replay", description="Replay a recorded session against a server.")
    parser.add_argument("file", help="a session that journal.save() has written")
    parser.add_argument(
        "--to", metavar="URL", help="redis://[user:password@]host:port; default: a server of our own"
    )
    parser.add_argument("--flush", action="store_true", help="delete all data of the server first")
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="COMMAND",
        help="do not compare the replies to these commands: a name, a glob or a @category",
    )
    parser.add_argument(
        "--timeout", type=float, default=10.0, metavar="SECONDS", help="how long a reply may take"
    )
    parser.add_argument("--cacert", metavar="FILE", help="for rediss://: the authority to trust, PEM")
    parser.add_argument("--cert", metavar="FILE", help="for rediss://: the certificate to show, PEM")
    parser.add_argument("--key", metavar="FILE", help="its private key, PEM")
    options = parser.parse_args(arguments)
    try:
        calls = load(options.file)
        tls = ssl.create_default_context(cafile=options.cacert)
        if options.cert:
            tls.load_cert_chain(options.cert, options.key)
        with ExitStack() as stack:
            url = options.to or _own_server(stack)
            differences = replay(
                calls, url, ignore=options.ignore, timeout=options.timeout, flush=options.flush, tls=tls
            )
    except (OSError, RecordingError, ReplayError, ValueError) as error:
        sys.stderr.write(f"resp-replay: {error}\n")
        return 2
    for difference in differences:
        sys.stdout.write(f"{difference}\n")
    clients = len({call.client for call in calls})
    sys.stdout.write(f"{len(calls)} commands of {clients} clients, {len(differences)} replies differ\n")
    return 1 if differences else 0


def _own_server(stack: ExitStack) -> str:
    from twisted_resp.testing.thread import ServerThread

    return stack.enter_context(ServerThread(journal=False)).url


if __name__ == "__main__":
    sys.exit(main())
