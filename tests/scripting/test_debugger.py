"""Sessions of the debugger. What is expected was taken from redis-server 7.0.15."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet import task

from twisted_resp.errors import CommandError
from twisted_resp.protocol import RespFactory
from twisted_resp.resp import NULL_ARRAY, BigNumber, Map, SetReply, Status, Verbatim
from twisted_resp.scripting.debugger import readable
from twisted_resp.scripting.interpreter import available

pytestmark = pytest.mark.skipif(not available(), reason="there is no Lua here")

SCRIPT = """local a = 1
local t = {1, {x=1}, 'three'}
local function f(x)
  local y = x * 2
  redis.debug('in f', x, {a=1}, nil, true, 1.5)
  return y
end
local g = redis.pcall('incr', KEYS[1])
for i = 1, 2 do
  a = a + f(i)
end
redis.breakpoint()
redis.call('rpush', 'l', ARGV[1], 'b')
return a

"""
LINES = SCRIPT.rstrip().split("\n")


class Conversation:
    """Somebody who debugs: says what was written down before, and hears the answers."""

    descriptor = -1

    def __init__(self, commands: Sequence[str | bytes]) -> None:
        self._said = [self._request(line) if isinstance(line, str) else line for line in commands]
        self.heard: list[list[str]] = []

    @staticmethod
    def _request(line: str) -> bytes:
        words = line.encode().split(b" ")
        return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)

    def send(self, data: bytes) -> None:
        count, *lines = data.decode().split("\r\n")[:-1]
        assert count == f"*{len(lines)}"
        assert all(line[0] == "+" for line in lines)
        self.heard.append([line[1:] for line in lines])

    def receive(self) -> bytes | None:
        return self._said.pop(0) if self._said else b""

    def give_away(self) -> None:
        raise AssertionError("there is no fork in these tests")


class Debugger:
    """A server, and one who debugs its scripts in sync."""

    def __init__(self) -> None:
        self.factory = RespFactory(clock=task.Clock())
        self.server = self.factory.server
        self.reply: Any = None

    def call(self, *args: object) -> Any:
        client = self.factory.client()
        results: list[Any] = []
        client.call(*args).addBoth(results.append)
        return results[0].value if hasattr(results[0], "check") else results[0]

    def debug(self, script: str, *commands: str | bytes, command: str = "EVAL") -> list[list[str]]:
        """What is heard in a session of these commands; ``reply`` is EVAL's then."""
        client = self.factory.client()
        conversation = Conversation(commands)
        closed: list[bool] = []
        client.client.converse = lambda: conversation
        client.client.close = closed.append
        results: list[Any] = []
        client.call("SCRIPT", "DEBUG", "SYNC")
        client.call(command, script, 1, "k", "v", "w").addBoth(results.append)
        self.reply = results[0].value if hasattr(results[0], "check") else results[0]
        assert closed == [True]
        return conversation.heard


@pytest.fixture
def debugger() -> Debugger:
    return Debugger()


def test_from_line_to_line(debugger: Debugger) -> None:
    debugger.call("SET", "k", "v")
    heard = debugger.debug(SCRIPT, "s", "n", "step", "NEXT", "s", "s", "c")
    assert heard == [
        ["* Stopped at 1, stop reason = step over", "-> 1   local a = 1"],
        ["* Stopped at 2, stop reason = step over", "-> 2   local t = {1, {x=1}, 'three'}"],
        ["* Stopped at 7, stop reason = step over", "-> 7   end"],
        ["* Stopped at 8, stop reason = step over", "-> 8   local g = redis.pcall('incr', KEYS[1])"],
        [
            "<redis> incr k",
            "<error> -ERR value is not an integer or out of range",
            '<reply> "-ERR value is not an integer or out of range"',
            "* Stopped at 9, stop reason = step over",
            "-> 9   for i = 1, 2 do",
        ],
        ["* Stopped at 10, stop reason = step over", "-> 10    a = a + f(i)"],
        ["* Stopped at 4, stop reason = step over", "-> 4     local y = x * 2"],
        [
            '<debug> line 5: "in f", 1, {["a"]=1}, nil, true, 1.5',
            '<debug> line 5: "in f", 2, {["a"]=1}, nil, true, 1.5',
            "* Stopped at 13, stop reason = redis.breakpoint() called",
            "-> 13  redis.call('rpush', 'l', ARGV[1], 'b')",
        ],
        ["<endsession>"],
    ]
    assert debugger.reply == 7
    assert debugger.call("LRANGE", "l", 0, -1) == [b"v", b"b"]


def test_breakpoints(debugger: Debugger) -> None:
    commands = ["b", "b 6", "b 5 6 99 x", "b", "c", "c", "b -5", "b -5", "c", "b 0", "c", "c"]
    heard = debugger.debug(SCRIPT, *commands)
    five, six = LINES[4], LINES[5]
    assert heard[1:-1] == [
        ["No breakpoints set. Use 'b <line>' to add one."],
        [f"   5   {five}", f"  #6   {six}", "   7   end"],
        [
            f"   4   {LINES[3]}", f"  #5   {five}", f"  #6   {six}", "Wrong line number.", "Wrong line number.",
            "Invalid argument:'x'",
        ],
        ["2 breakpoints set:", f"  #6   {six}", f"  #5   {five}"],
        ["* Stopped at 5, stop reason = break point", f"->#5   {five}"],
        [
            '<debug> line 5: "in f", 1, {["a"]=1}, nil, true, 1.5', "* Stopped at 6, stop reason = break point",
            f"->#6   {six}",
        ],
        ["Breakpoint removed."],
        ["No breakpoint in the specified line."],
        [
            '<debug> line 5: "in f", 2, {["a"]=1}, nil, true, 1.5', "* Stopped at 6, stop reason = break point",
            f"->#6   {six}",
        ],
        ["All breakpoints removed."],
        ["* Stopped at 13, stop reason = redis.breakpoint() called", f"-> 13  {LINES[12]}"],
    ]  # fmt: skip
    heard = debugger.debug("local x\n" * 70, "b " + " ".join(map(str, range(1, 67))), "a")
    assert heard[1][-2:] == ["Too many breakpoints set."] * 2


def test_variables_and_the_stack(debugger: Debugger) -> None:
    heard = debugger.debug(
        SCRIPT, "b 6", "c", "p", "p x", "p a", "p KEYS", "p ARGV", "p none", "p x y", "t", "a"
    )
    assert heard[3:-1] == [
        ["<value> x = 1", "<value> y = 2"],
        ["<value> 1"],
        ["<value> 1"],
        ['<value> {"k"}'],
        ['<value> {"v"; "w"}'],
        ["No such variable."],
        ["<value> x = 1", "<value> y = 2"],
        ["In f:", f"->#6   {LINES[5]}", "From top level:", f"   10  {LINES[9]}"],
    ]
    heard = debugger.debug("\nlocal x = 0\nfor i = 1, 1 do\n x = 1\nend", "p", "b 4", "c", "p", "c")
    assert heard[1] == ["No local variables in the current context."]
    assert heard[4] == [
        "<value> x = 0", "<value> (for index) = 1", "<value> (for limit) = 1", "<value> (for step) = 1",
        "<value> i = 1",
    ]  # fmt: skip


def test_values(debugger: Debugger) -> None:
    heard = debugger.debug(
        "return 1", "e {1,{x={}}}", r"e 'a\r\n\0'", "e 2^60", "e -0.1", "e print", "e cjson.null", "e redis == server",
        "e local t = {} t[1] = t return t", "e function() end", "e coroutine.create(function() end)", "e 1 +",
        "e error('no')", "e error({err='yes'})", "e redis.call('nosuch')", "e local x = 1", "a",
    )  # fmt: skip
    texts = ["\n".join(lines) for lines in heard[1:-1]]
    function, thread = texts.pop(8), texts.pop(8)
    assert function.startswith('<retval> "function@0x')
    assert thread.startswith('<retval> "thread@0x')
    assert texts == [
        '<retval> {1; {["x"]={}}}',
        r'<retval> "a\r\n\x00"',
        "<retval> 1.15292e+18",
        "<retval> -0.1",
        "<error> ldb_eval:1: Script attempted to access nonexistent global variable 'print'",
        '<retval> "light-userdata@(nil)"',
        "<retval> true",
        "<retval> " + "{" * 10 + "<max recursion level reached! Nested table?>" + "}" * 10,
        "<error> ldb_eval:1: unexpected symbol near '1'",
        "<error> ldb_eval:1: no",
        "<error> yes",
        "<error> ERR Unknown Redis command called from script",  # (where Redis 7.0 crashes)
        "<retval> nil",
    ]


def test_lists_of_lines(debugger: Debugger) -> None:
    heard = debugger.debug(
        "\n".join(["local a = 1"] * 12), "l", "l 10 1", "l 0 2", "l 99", "w", "list 3 0", "a"
    )
    shown = [[int(line[3:6]) for line in lines] for lines in heard[1:-1]]
    assert shown == [
        [1, 2, 3, 4, 5, 6], [9, 10, 11], [1, 2, 3], [], list(range(1, 13)), [3],
    ]  # fmt: skip
    assert heard[1][0] == "-> 1   local a = 1"


def test_commands_of_the_server(debugger: Debugger) -> None:
    heard = debugger.debug(
        "return 1", "r set k v", "redis get k", "r lrange l 0 -1", "r get none", "r nosuch", "r config get x", "r get",
        "r incr k", "r", "r del 1 2 3 4 5 6 7 8 9 10 11 12", "c",
    )  # fmt: skip
    assert heard[1:-1] == [
        ["<redis> set k v", '<reply> "+OK"'],
        ["<redis> get k", '<reply> "v"'],
        ["<redis> lrange l 0 -1", "<reply> []"],
        ["<redis> get none", "<reply> NULL"],
        ["<redis> nosuch", "<error> Unknown Redis command called from script"],
        ["<redis> config get x", "<error> This Redis command is not allowed from script"],
        ["<redis> get", "<error> Wrong number of args calling Redis command from script"],
        [
            "<redis> incr k", "<error> -ERR value is not an integer or out of range",
            '<reply> "-ERR value is not an integer or out of range"',
        ],
        ["<error> Unknown Redis Lua debugger command or wrong number of arguments."],
        ["<redis> del 1 2 3 4 5 6 7 8 9 ... (2 more)", "<reply> 0"],
    ]  # fmt: skip


def test_long_values_are_trimmed(debugger: Debugger) -> None:
    heard = debugger.debug(
        "return 1",
        "m",
        "e ('x'):rep(300)",
        "e ('x'):rep(300)",
        "m 5",
        "e ('x'):rep(300)",
        "m 0",
        "e ('x'):rep(300)",
        "a",
    )
    hint = "<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming."
    full = '<retval> "' + "x" * 300 + '"'
    assert heard[1:-1] == [
        ["<value> replies are truncated at 256 bytes."],
        [full[:256] + " ...", hint],
        [full[:256] + " ..."],
        ["<value> replies are truncated at 60 bytes."],
        [full[:60] + " ..."],
        ["<value> replies are unlimited."],
        [full],
    ]


class TestTheEnd:
    def test_abort(self, debugger: Debugger) -> None:
        heard = debugger.debug("redis.call('set', 'a', 1)\nreturn 1", "s", "abort")
        assert heard[-1] == ["<endsession>"]
        assert str(debugger.reply).startswith("ERR script aborted for user request script: ")
        assert str(debugger.reply).endswith(", on @user_script:2.")
        assert debugger.call("GET", "a") == b"1"

    def test_whoever_hangs_up_lets_the_script_run(self, debugger: Debugger) -> None:
        debugger.debug("redis.call('incr', 'a')\nredis.call('incr', 'a')\nreturn 1", "b 2")
        assert debugger.call("GET", "a") == b"2"

    def test_scripts_that_do_not_run(self, debugger: Debugger) -> None:
        assert debugger.debug("no script", "c") == [["<endsession>"]]
        assert "ERR Error compiling script" in str(debugger.reply)
        heard = debugger.debug("redis.call('set', 'a', 1)", "s", command="EVAL_RO")
        assert heard[1] == [
            "<redis> set a 1", "<error> Write commands are not allowed from read-only scripts.", "<endsession>",
        ]  # fmt: skip

    def test_a_loop_without_end_stops_after_the_threshold(self, debugger: Debugger) -> None:
        debugger.call("CONFIG", "SET", "busy-reply-threshold", 1)
        loop = "local i = 0\nwhile true do i = i + 1 end"
        assert (
            debugger.debug(loop, "c", "a")[1][0]
            == "* Stopped at 2, stop reason = timeout reached, infinite loop?"
        )
        debugger.debug(loop, "c")
        assert "timeout during Lua debugging with client closing connection" in str(debugger.reply)

    def test_nothing_is_left_of_a_session(self, debugger: Debugger) -> None:
        debugger.debug("return 1", "b 1", "c")
        assert debugger.call("EVAL", "redis.debug(1) return redis.breakpoint()", 0) is None

    @pytest.mark.parametrize(
        ("data", "problem"),
        [
            (b"PING\r\n", "protocol error"),
            (b"*0\r\n", "protocol error"),
            (b"*1025\r\n", "protocol error"),
            (b"*1\r\n:1\r\n", "protocol error"),
            (b"*1\r\n$0\r\n\r\n", "protocol error"),
            (b"*1\r\n$1025\r\n", "protocol error"),
            (b"*1\r\n$1\r\nhelp\r\n", "protocol error"),
            (b"*1\r\n$" + b"1" * (1 << 20), "max client buffer reached"),
        ],
    )
    def test_what_is_no_command_ends_it(self, debugger: Debugger, data: bytes, problem: str) -> None:
        debugger.debug("return 1", data)
        assert f"ERR {problem} script: " in str(debugger.reply)

    def test_commands_in_pieces(self, debugger: Debugger) -> None:
        data = b"*2\r\n$1\r\np\r\n$4\r\nKEYS\r\n"
        pieces = [data[place : place + 1] for place in range(len(data))]
        assert debugger.debug("return 1", *pieces, "c")[1] == ['<value> {"k"}']
        assert debugger.debug("return 1", b"*1\r\n$7\r\nhel\0lo!\r\n", "c")[1] == [
            "<error> Unknown Redis Lua debugger command or wrong number of arguments."
        ]


class TestSettings:
    def test_modes(self, debugger: Debugger) -> None:
        client = debugger.factory.client()
        answers: list[Any] = []
        for words in (["MAYBE"], ["yes"], ["SYNC"], ["no"]):
            client.call("SCRIPT", "DEBUG", *words).addBoth(answers.append)
        assert answers[0].value == CommandError(b"ERR Use SCRIPT DEBUG YES/SYNC/NO")
        assert answers[1:] == [b"OK"] * 3
        client.call("EVAL", "return 1", 0).addBoth(answers.append)
        assert answers[-1] == 1

    def test_only_eval_can_be_debugged(self, debugger: Debugger) -> None:
        client = debugger.factory.client()
        client.call("SCRIPT", "DEBUG", "YES")
        answers: list[Any] = []
        client.call("EVALSHA", "0" * 40, 0).addBoth(answers.append)
        client.call("EVALSHA", "0", 0).addBoth(answers.append)
        client.call("EVAL", "return 1", 0).addBoth(answers.append)
        assert [str(answer.value) for answer in answers] == [
            "ERR Please use EVAL instead of EVALSHA for debugging",
            "NOSCRIPT No matching script. Please use EVAL.",
            "ERR There is no connection over which this script could be debugged",
        ]

    def test_a_fork_is_only_for_a_process_of_our_own(self, debugger: Debugger) -> None:
        client = debugger.factory.client()
        client.client.converse = lambda: Conversation([])
        client.call("SCRIPT", "DEBUG", "YES")
        answers: list[Any] = []
        client.call("EVAL", "return 1", 0).addBoth(answers.append)
        client.call("EVAL", "return 1", 0).addBoth(answers.append)
        assert str(answers[0].value).startswith("ERR Fork() failed: can't run EVAL in debugging mode: ")
        assert answers[1] == 1

    def test_it_is_no_part_of_a_pipeline(self, debugger: Debugger) -> None:
        client = debugger.factory.client()
        client.client.owes_replies = lambda: True
        answers: list[Any] = []
        client.call("SCRIPT", "DEBUG", "SYNC").addBoth(answers.append)
        assert str(answers[0].value) == "ERR SCRIPT DEBUG must be called outside a pipeline"


def test_replies_for_people() -> None:
    pairs = [(b"a", 1), (b"b", [2.5, None])]
    reply = [b"x\n", 1, Status(b"OK"), None, NULL_ARRAY, Map(pairs), SetReply([b"m"]), True, BigNumber(b"12")]
    assert readable(reply, 2) == rb'["x\n",1,"+OK",NULL,NULL,["a",1,"b",["2.5",NULL]],["m"],1,"12"]'
    assert readable([*reply, Verbatim(b"txt", b"v")], 3) == (
        rb'["x\n",1,"+OK",(null),(null),{"a" => 1,"b" => [(double) 2.5,(null)]},~("m"),#true,"12","v"]'
    )
    assert readable(CommandError(b"ERR no"), 2) == b'"-ERR no"'
