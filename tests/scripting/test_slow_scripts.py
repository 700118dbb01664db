"""What others may do while a script runs on and on. The reactor is one that does what the test wants meanwhile."""

from __future__ import annotations

import signal
from typing import Any, Callable

import pytest
from twisted.internet import task
from twisted.internet.testing import StringTransport

from twisted_resp.process import take_signals
from twisted_resp.protocol import RespFactory
from twisted_resp.scripting.interpreter import available
from twisted_resp.server.scripting import Scripting

pytestmark = pytest.mark.skipif(not available(), reason="there is no Lua here")

FOR_EVER = "while true do end"


class Reactor:
    """Whenever it is looked at, it does one thing more. After many looks in vain it ends the script, and the test."""

    running = True

    def __init__(self, scripting: Scripting) -> None:
        self.todo: list[Callable[[], object]] = []
        self._scripting = scripting
        self.idle = 0

    def doIteration(self, seconds: float) -> None:  # noqa: N802
        if self.todo:
            self.todo.pop(0)()
            return
        self.idle += 1
        if self.idle > 1000 and self._scripting.running is not None:
            self._scripting.running.killed = True

    def callWhenRunning(self, action: Callable[[], None]) -> None:  # noqa: N802
        action()

    def callFromThread(self, action: Callable[..., None], *args: Any) -> None:
        self.todo.append(lambda: action(*args))


class Connection:
    """A client over a transport of its own."""

    def __init__(self, factory: RespFactory) -> None:
        self.transport = StringTransport()
        protocol: Any = factory.buildProtocol(None)
        protocol.makeConnection(self.transport)
        self.receive = protocol.dataReceived

    def say(self, *words: str) -> bytes:
        request = b"*%d\r\n" % len(words)
        for word in words:
            request += b"$%d\r\n%b\r\n" % (len(word), word.encode())
        self.receive(request)
        answer: bytes = self.transport.value()
        self.transport.clear()
        return answer


class Busy:
    """A server whose scripts are slow after a millisecond, one who runs them, and others."""

    def __init__(self) -> None:
        self.factory = RespFactory(clock=task.Clock())
        self.server = self.factory.server
        self.caller, self.other = Connection(self.factory), Connection(self.factory)
        self.reactor = self.server.scripting.reactor = Reactor(self.server.scripting)
        self.answers: list[bytes] = []
        self.caller.say("CONFIG", "SET", "busy-reply-threshold", "1")

    def meanwhile(self, *words: str) -> None:
        """Let the other say something during the script."""
        self.reactor.todo.append(lambda: self.answers.append(self.other.say(*words)))


@pytest.fixture
def busy() -> Busy:
    return Busy()


BUSY_SCRIPT = b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n"
BUSY_FUNCTION = (
    b"-BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.\r\n"
)
# Enough for many a pulse.
A_WHILE = "for i = 1, 3000000 do end return 'done'"


def test_others_hear_that_it_is_busy_and_may_end_it(busy: Busy) -> None:
    busy.meanwhile("GET", "k")
    busy.meanwhile("FUNCTION", "KILL")
    busy.meanwhile("SHUTDOWN")
    busy.meanwhile("SCRIPT", "KILL")
    answer = busy.caller.say("EVAL", f"pcall(function() {FOR_EVER} end) {FOR_EVER}", "0")
    assert answer.startswith(b"-ERR Script killed by user with SCRIPT KILL... script: ")
    assert busy.answers[:2] == [BUSY_SCRIPT, BUSY_SCRIPT]
    assert busy.answers[3] == b"+OK\r\n"
    assert busy.other.say("GET", "k") == b"$-1\r\n"
    assert busy.other.say("SCRIPT", "KILL") == b"-NOTBUSY No scripts in execution right now.\r\n"


@pytest.mark.parametrize(
    "script",
    [
        f"coroutine.wrap(function() {FOR_EVER} end)()",
        "local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end",
        "while true do coroutine.resume(coroutine.create(function() for i = 1, 1000 do end end)) end",
        "local function f() local co = coroutine.create(function() pcall(f) while true do end end) "
        "coroutine.resume(co) end f() " + FOR_EVER,
    ],
)
def test_coroutines_are_ended_too(busy: Busy, script: str) -> None:
    busy.meanwhile("SCRIPT", "KILL")
    assert busy.caller.say("EVAL", script, "0").startswith(b"-ERR Script killed by user")
    assert busy.answers == [b"+OK\r\n"]
    assert busy.reactor.idle < 10


def test_functions_are_ended_by_another_name(busy: Busy) -> None:
    library = f"#!lua name=l\nredis.register_function('f', function() {FOR_EVER} end)"
    busy.caller.say("FUNCTION", "LOAD", library)
    busy.meanwhile("GET", "k")
    busy.meanwhile("SCRIPT", "KILL")
    busy.meanwhile("FUNCTION", "STATS")
    busy.meanwhile("FUNCTION", "KILL")
    answer = busy.caller.say("FCALL", "f", "0")
    assert answer.startswith(b"-ERR Script killed by user with SCRIPT KILL... script: f")
    assert busy.answers[:2] == [BUSY_FUNCTION, BUSY_FUNCTION]
    assert b"$4\r\nname\r\n$1\r\nf\r\n$7\r\ncommand\r\n*3\r\n$5\r\nFCALL\r\n" in busy.answers[2]


def test_what_has_written_goes_on(busy: Busy) -> None:
    busy.meanwhile("SCRIPT", "KILL")
    assert busy.caller.say("EVAL", "redis.call('set', 'k', 1) " + A_WHILE, "0") == b"$4\r\ndone\r\n"
    assert busy.answers[0].startswith(b"-UNKILLABLE Sorry the script already executed write commands")


def test_shutdown_ends_it(busy: Busy) -> None:
    ended: list[bool] = []
    busy.server.on_shutdown = lambda: ended.append(True)
    busy.meanwhile("SHUTDOWN", "NOSAVE")
    # Nobody is answered any more. Nor is a connection closed before those are that wait for new ones.
    assert busy.caller.say("EVAL", f"redis.call('set', 'k', 1) {FOR_EVER}", "0") == b""
    assert busy.answers == [b""]
    assert ended == [True]
    assert not busy.other.transport.disconnecting


class TestSignals:
    """SIGTERM is not to wait for what runs for ever; what has written is left to its end."""

    @pytest.fixture(autouse=True)
    def handler(self, busy: Busy) -> Any:
        former = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        former.update({number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGPIPE)})
        self.ended: list[bool] = []
        busy.server.on_shutdown = lambda: self.ended.append(True)
        take_signals(busy.server, busy.reactor)
        yield
        for number, handler in former.items():
            signal.signal(number, handler)

    def terminate(self) -> None:
        handler: Any = signal.getsignal(signal.SIGTERM)
        handler(signal.SIGTERM, None)

    def test_what_has_not_written_ends(self, busy: Busy) -> None:
        busy.server.shutdown.start = lambda words: True  # type: ignore[method-assign]
        unwanted: list[bool] = []

        def note() -> None:
            assert busy.server.scripting.running is not None
            unwanted.append(busy.server.scripting.running.unwanted)

        busy.reactor.todo += [note, self.terminate, note]
        answer = busy.caller.say("EVAL", f"redis.call('get', 'k') {FOR_EVER}", "0")
        assert answer.startswith(b"-ERR Script killed by user")
        assert unwanted == [False, True]
        # It has ended by that, not because the test has lost patience.
        assert busy.reactor.idle < 10

    def test_what_has_written_goes_on(self, busy: Busy) -> None:
        busy.server.shutdown.start = lambda words: True  # type: ignore[method-assign]
        busy.reactor.todo.append(self.terminate)
        assert busy.caller.say("EVAL", "redis.call('set', 'k', 1) " + A_WHILE, "0") == b"$4\r\ndone\r\n"
