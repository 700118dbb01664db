"""The debugger for scripts, LDB: https://redis.io/docs/latest/develop/interact/programmability/lua-debugging/

A session lasts as long as one EVAL. It has the connection for itself: what it says are arrays of simple strings, what
it is told are requests of its own language. Nothing else happens in the process meanwhile, so it has a process of its
own, a fork, whose changes nobody sees (``SCRIPT DEBUG YES``); or everybody waits (``SCRIPT DEBUG SYNC``).

What looks into Lua is in ``debugger.lua``.
"""

from __future__ import annotations

import re
from time import perf_counter
from typing import Final

from twisted_resp.errors import CommandError
from twisted_resp.resp import (
    NULL_ARRAY,
    BigNumber,
    LongDouble,
    Map,
    Push,
    Reply,
    SetReply,
    Several,
    Status,
    Verbatim,
)
from twisted_resp.server.client import Conversation
from twisted_resp.server.server import Server
from twisted_resp.text.command_line import quote
from twisted_resp.text.floats import format_double, format_for_people
from twisted_resp.text.integers import parse_integer

__all__ = ["Session", "readable"]

_MOST_BREAKPOINTS: Final = 64
_LONGEST: Final = 256  # bytes of a value that are shown, unless told otherwise
_SHORTEST: Final = 60
# Where there is no busy-reply-threshold, a script that does not stop anywhere is stopped after so long (ms).
_TIMEOUT: Final = 5000
_LINES: Final = 1000  # after so many the time is looked at
_MOST_BYTES: Final = 1 << 20  # that are not a request yet
_MOST_WORDS: Final = 1024
_LONGEST_WORD: Final = 1024
_NUMBER: Final = re.compile(rb"[ \t\n\v\f\r]*([+-]?\d+)")
_UNKNOWN: Final = b"<error> Unknown Redis Lua debugger command or wrong number of arguments."
_HINT: Final = b"<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming."
_HELP: Final = b"""\
Redis Lua debugger help:
[h]elp               Show this help.
[s]tep               Run current line and stop again.
[n]ext               Alias for step.
[c]ontinue           Run till next breakpoint.
[l]ist               List source code around current line.
[l]ist [line]        List source code around [line].
                     line = 0 means: current position.
[l]ist [line] [ctx]  In this form [ctx] specifies how many lines
                     to show before/after [line].
[w]hole              List all source code. Alias for 'list 1 1000000'.
[p]rint              Show all the local variables.
[p]rint <var>        Show the value of the specified variable.
                     Can also show global vars KEYS and ARGV.
[b]reak              Show all breakpoints.
[b]reak <line>       Add a breakpoint to the specified line.
[b]reak -<line>      Remove breakpoint from the specified line.
[b]reak 0            Remove all breakpoints.
[t]race              Show a backtrace.
[e]val <code>        Execute some Lua code (in a different callframe).
[r]edis <cmd>        Execute a Redis command.
[m]axlen [len]       Trim logged Redis replies and Lua var dumps to len.
                     Specifying zero as <len> means unlimited.
[a]bort              Stop the execution of the script. In sync
                     mode dataset changes will be retained.

Debugger functions you can call from Lua scripts:
redis.debug()        Produce logs in the debugger console.
redis.breakpoint()   Stop execution like if there was a breakpoint in the
                     next line of code.""".split(b"\n")

# What Lua is told to do: what it is, and a word that goes with it.
_Order = tuple[bytes, "bytes | None"]
_GO_ON: Final[_Order] = (b"go on", None)


class _ProtocolError(Exception):
    pass


class Session:
    """One EVAL that is debugged.

    :param source: the script.
    :param conversation: the connection of the one who debugs.
    :ivar stepping: whether it is to stop at the next line; what the script calls meanwhile is shown.
    """

    def __init__(self, server: Server, source: bytes, conversation: Conversation) -> None:
        self._server = server
        self._conversation = conversation
        self._lines = source.rstrip(b"\r\n").split(b"\n")
        self._log: list[bytes] = []
        self._breakpoints: list[int] = []
        self._called = False  # redis.breakpoint()
        self._line = 0
        self._longest = _LONGEST
        self._hinted = False
        self._received = b""
        self._timed_out = False
        self._passed = 0  # lines since somebody looked at the time
        self.stepping = True

    # -- what is said

    def log(self, text: bytes) -> None:
        """Say something, when it is next the session's turn."""
        self._log.append(text)

    def log_value(self, prefix: bytes, text: bytes) -> None:
        """Say what a value is, as far as it is wanted."""
        text = prefix + text
        if not self._longest or len(text) <= self._longest:
            self._log.append(text)
            return
        self._log.append(text[: self._longest] + b" ...")
        if not self._hinted:
            self._hinted = True
            self._log.append(_HINT)

    def send(self) -> None:
        """Send what was said."""
        parts = [b"*%d\r\n" % len(self._log)]
        parts += [b"+%b\r\n" % text.replace(b"\r", b" ").replace(b"\n", b" ") for text in self._log]
        self._log.clear()
        self._conversation.send(b"".join(parts))

    def end(self) -> None:
        """Say that the session is over."""
        self.log(b"<endsession>")
        self.send()

    # -- what the script does

    def call(self, words: list[bytes]) -> None:
        """The script calls a command."""
        shown = b" ".join(words[:10])
        if len(words) > 10:
            shown += b" ... (%d more)" % (len(words) - 11)
        self.log(b"<redis> " + shown)

    def failed(self, message: bytes) -> None:
        """The script gets an error, which is shown as C has it: with ``-`` before the code of a command's error."""
        if self.stepping:
            self.log(b"<error> " + message)

    def reply(self, reply: Reply, protocol: int) -> None:
        """A command has answered."""
        self.log_value(b"<reply> ", readable(reply, protocol))

    def breakpoint(self) -> None:
        """``redis.breakpoint()``: stop at the next line."""
        self._called = True

    def debug(self, text: bytes) -> None:
        """``redis.debug()``."""
        self.log(b"<debug> line %d: %b" % (self._line, text))

    def at_line(self, line: int, inside: bool) -> bool:
        """Lua is about to run a line.

        :param inside: whether it is one of the script's.
        :return: whether it stops there; then :meth:`command` says what is to be done.
        """
        self._line = line
        if not inside:
            return False
        stops = line in self._breakpoints or self._called
        self._timed_out = False
        running = self._server.scripting.running
        self._passed += 1
        if self._passed >= _LINES and running is not None and not (self.stepping or stops):
            self._passed = 0
            limit = self._server.configuration[b"busy-reply-threshold"] or _TIMEOUT
            self._timed_out = self.stepping = (perf_counter() - running.started) * 1000 >= limit
        if not (self.stepping or stops):
            return False
        reason = b"step over"
        if stops:
            reason = b"redis.breakpoint() called" if self._called else b"break point"
        elif self._timed_out:
            reason = b"timeout reached, infinite loop?"
        self.stepping = self._called = False
        self.log(b"* Stopped at %d, stop reason = %b" % (line, reason))
        self.log_line(line)
        self.send()
        return True

    # -- what it is told

    def command(self) -> _Order:
        """What Lua is to do now: go on, fail, or tell something that only it knows."""
        if self._log:
            # The answer to the command before, which Lua has carried out.
            self.send()
        while True:
            try:
                words = self._read()
            except _ProtocolError as error:
                return b"error", str(error).encode()
            if words is None:
                self.stepping = False
                self._breakpoints.clear()
                if self._timed_out:
                    return b"error", b"timeout during Lua debugging with client closing connection"
                return self._go_on()
            order = self._obey(words)
            if order is not None:
                return order
            self.send()

    def _go_on(self) -> _Order:
        running = self._server.scripting.running
        if running is not None:
            running.started = perf_counter()
        return _GO_ON

    def _obey(self, words: list[bytes]) -> _Order | None:
        """Carry out a command; what Lua has to do with it is returned."""
        name = words[0].lower()
        if name in (b"s", b"step", b"n", b"next"):
            self.stepping = True
            return self._go_on()
        if name in (b"c", b"continue"):
            return self._go_on()
        if name in (b"a", b"abort"):
            return b"error", b"script aborted for user request"
        if name in (b"t", b"trace"):
            return b"trace", None
        if name in (b"p", b"print"):
            return b"print", words[1] if len(words) == 2 else None
        if name in (b"e", b"eval"):
            return b"eval", b" ".join(words[1:])
        if name in (b"r", b"redis") and len(words) > 1:
            self._call(words[1:])
        elif name in (b"h", b"help"):
            self._log += _HELP
        elif name in (b"m", b"maxlen"):
            self._limit(words)
        elif name in (b"b", b"break"):
            self._break(words[1:])
        elif name in (b"l", b"list"):
            around = _number(words[1]) if len(words) > 1 else 0
            self._list(around if around > 0 else self._line, _number(words[2]) if len(words) > 2 else 5)
        elif name in (b"w", b"whole"):
            self._list(1, 1_000_000)
        else:
            self.log(_UNKNOWN)
        return None

    def _call(self, words: list[bytes]) -> None:
        self.stepping = True
        self._server.scripting.scripts.engine.call_debugged(words)
        self.stepping = False

    def _limit(self, words: list[bytes]) -> None:
        if len(words) == 2:
            self._hinted = True
            longest = _number(words[1])
            self._longest = max(longest, _SHORTEST) if longest else 0
        if self._longest:
            self.log(b"<value> replies are truncated at %d bytes." % self._longest)
        else:
            self.log(b"<value> replies are unlimited.")

    def _break(self, words: list[bytes]) -> None:
        breakpoints = self._breakpoints
        if not words:
            if not breakpoints:
                self.log(b"No breakpoints set. Use 'b <line>' to add one.")
                return
            self.log(b"%d breakpoints set:" % len(breakpoints))
            for line in breakpoints:
                self.log_line(line)
        for word in words:
            number = parse_integer(word)
            if number is None:
                self.log(b"Invalid argument:'%b'" % word)
            elif number == 0:
                breakpoints.clear()
                self.log(b"All breakpoints removed.")
            elif number < 0:
                if -number in breakpoints:
                    breakpoints.remove(-number)
                    self.log(b"Breakpoint removed.")
                else:
                    self.log(b"No breakpoint in the specified line.")
            elif len(breakpoints) == _MOST_BREAKPOINTS:
                self.log(b"Too many breakpoints set.")
            elif number > len(self._lines) or number in breakpoints:
                self.log(b"Wrong line number.")
            else:
                breakpoints.append(number)
                self._list(number, 1)

    def _list(self, around: int, context: int) -> None:
        for line in range(1, len(self._lines) + 1):
            if abs(around - line) <= context:
                self.log_line(line)

    def log_line(self, line: int) -> None:
        """Say what stands in a line."""
        mark = b"->" if line == self._line else b"  "
        mark += b"#" if line in self._breakpoints else b" "
        known = 0 < line <= len(self._lines)
        text = self._lines[line - 1] if known else b"<out of range source code line>"
        self.log(b"%b%-3d %b" % (mark, line, text))

    def _read(self) -> list[bytes] | None:
        """The next command; None if there will be none."""
        while True:
            words = _parse(self._received)
            if words is not None:
                # Whoever debugs waits for the answer: anything more is dropped, as in Redis.
                self._received = b""
                return words
            data = self._conversation.receive()
            while data is None:
                running = self._server.scripting.running
                if self._server.ending or running is None or running.unwanted:
                    return None
                data = self._conversation.receive()
            if not data:
                return None
            self._received += data
            if len(self._received) > _MOST_BYTES:
                self._received = b""
                raise _ProtocolError("max client buffer reached")


def _parse(data: bytes) -> list[bytes] | None:
    """A request of the debugger's language; None where it is not all there.

    :raises _ProtocolError: it is none.
    """
    if not data:
        return None
    count, position = _header(data, data.find(b"*"), b"*", _MOST_WORDS)
    words: list[bytes] = []
    while position >= 0 and len(words) < count:
        if position == len(data):
            return None
        size, position = _header(data, position, b"$", _LONGEST_WORD)
        end = position + size
        if position < 0 or end + 2 > len(data):
            return None
        if data[end : end + 2] != b"\r\n":
            raise _ProtocolError("protocol error")
        words.append(data[position:end])
        position = end + 2
    return words if position >= 0 else None


def _header(data: bytes, start: int, mark: bytes, most: int) -> tuple[int, int]:
    """A number after a mark, and where the line after it begins; -1 where the line is not all there."""
    if start < 0 or data[start : start + 1] != mark:
        raise _ProtocolError("protocol error")
    end = data.find(b"\r\n", start)
    if end < 0:
        return 0, -1
    number = _number(data[start + 1 : end])
    if not 0 < number <= most:
        raise _ProtocolError("protocol error")
    return number, end + 2


def _number(word: bytes) -> int:
    """What C's ``atoi`` makes of a word."""
    found = _NUMBER.match(word)
    return int(found[1]) if found is not None else 0


def readable(reply: Reply, protocol: int) -> bytes:
    """A reply as the debugger shows it.

    :param protocol: the RESP version that it was made for.
    """
    kind = type(reply)
    if kind is bytes:
        return quote(reply)
    if kind is bool and protocol == 3:
        return b"#true" if reply else b"#false"
    if kind is int or kind is bool:
        return b"%d" % reply
    if reply is None or reply is NULL_ARRAY:
        return b"NULL" if protocol == 2 else b"(null)"
    if kind is float or kind is LongDouble:
        text = format_double(reply) if kind is float else format_for_people(reply)
        return quote(text) if protocol == 2 else b"(double) " + text
    if kind is Status:
        return quote(b"+" + reply.value)
    if isinstance(reply, CommandError):
        return quote(b"-" + reply.message)
    if kind is list or kind is tuple:
        return b"[%b]" % b",".join(readable(item, protocol) for item in reply)
    if kind is Push or kind is Several:
        return readable(list(reply.value), protocol)
    if kind is SetReply:
        items = b",".join(readable(item, protocol) for item in reply.value)
        return b"[%b]" % items if protocol == 2 else b"~(%b)" % items
    if kind is dict or kind is Map:
        pairs = reply if kind is dict else reply.value
        pairs = pairs.items() if isinstance(pairs, dict) else pairs
        parts = [(readable(key, protocol), readable(value, protocol)) for key, value in pairs]
        if protocol == 2:
            return b"[%b]" % b",".join(part for pair in parts for part in pair)
        return b"{%b}" % b",".join(b" => ".join(pair) for pair in parts)
    if kind is Verbatim or kind is BigNumber:
        return quote(reply.value)
    return quote(bytes(reply))
