"""EVAL and SCRIPT in process."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet import task

from twisted_resp.errors import CommandError
from twisted_resp.protocol import RespFactory
from twisted_resp.scripting.interpreter import available
from twisted_resp.server.effects import APPEND_ONLY_FILE, REPLICAS

pytestmark = pytest.mark.skipif(not available(), reason="there is no Lua here")


class Engine:
    """A server and one client of it."""

    def __init__(self) -> None:
        self.factory = RespFactory(clock=task.Clock())
        self.server = self.factory.server

    def call(self, *args: object) -> Any:
        """Run a command; an error reply is answered, not raised."""
        results: list[Any] = []
        self.factory.call(*args).addBoth(results.append)
        (result,) = results
        if hasattr(result, "check"):
            assert result.check(CommandError), result
            return result.value
        return result

    def eval(self, script: str, *args: object) -> Any:
        """Run a script without keys."""
        return self.call("EVAL", script, 0, *args)

    def error(self, script: str) -> str:
        """Run a script that fails."""
        result = self.eval(script)
        assert isinstance(result, CommandError), result
        return str(result)


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture(scope="module")
def shared() -> Engine:
    """One for many scripts that leave nothing behind."""
    return Engine()


class TestReplies:
    @pytest.mark.parametrize(
        ("script", "reply"),
        [
            ("return 'hello'", b"hello"),
            ("return 3.99", 3),
            ("return -3.99", -3),
            ("return 1/0", -(2**63)),
            ("return true", 1),
            ("return false", None),
            ("return {1, 2, {3, 'x'}, false, nil, 9}", [1, 2, [3, b"x"], None]),
            ("return {ok='fine'}", b"fine"),
            ("return {ok='fine', 1}", b"fine"),
            ("return {'a', 2, 3.7, -3.7, 2^63}", [b"a", 2, 3, -3, -(2**63)]),
            ("local t = {[0]='z'} t[3] = 'c' t[1] = 'a' return t", [b"a"]),
            ("return {'a', nil, 'c', [0.5]='z'}", [b"a"]),
            ("return {'a', 'b', x='z'}", [b"a", b"b"]),
            ("return {'a', 'b', ok='z'}", b"z"),
            ("return setmetatable({'a'}, {__index=function() return 'more' end})", [b"a"]),
            (
                "local t = {} for i = 1, 500 do t[i] = i end return #t == 500 and {t[500], t}",
                [500, list(range(1, 501))],
            ),
            ("return {double=3.25}", 3.25),
            ("return {map={a=1}}", {b"a": 1}),
            ("return {big_number='12'}", b"12"),
            ("return {verbatim_string={format='txt', string='x'}}", b"x"),
            ("return function() end", None),
            ("return _G", []),
            ("return setmetatable({}, {__index=function() error('not raw') end})", []),
            ("redis.setresp(3) return true", True),
            ("redis.call('hset', 'h', 'f', 'v') return redis.call('hgetall', 'h')", [b"f", b"v"]),
            (
                "redis.call('hset', 'h', 'f', 'v') redis.setresp(3) return redis.call('hgetall', 'h')",
                {b"f": b"v"},
            ),
            ("redis.call('set', 'k', 0.5) return redis.call('get', 'k')", b"0.5"),
            ("redis.call('set', 'k', 2^40) return redis.call('get', 'k')", b"1099511627776"),
            ("redis.call('set', 'k', '\\0\\255\\r\\n') return redis.call('get', 'k')", b"\0\xff\r\n"),
        ],
    )
    def test_conversion(self, engine: Engine, script: str, reply: object) -> None:
        assert engine.eval(script) == reply

    def test_keys_and_arguments(self, engine: Engine) -> None:
        assert engine.call("EVAL", "return {KEYS[1], ARGV[1], #KEYS, #ARGV}", 1, "k", "a", "b") == [
            b"k",
            b"a",
            1,
            2,
        ]

    def test_thousands_of_arguments(self, engine: Engine) -> None:
        script = "local t = {} for i = 1, 7999 do t[i] = i end return redis.call('rpush', 'l', unpack(t))"
        assert engine.eval(script) == 7999
        assert engine.call("EVAL", "return #ARGV", 0, *range(9000)) == 9000

    def test_a_table_in_itself_ends(self, engine: Engine) -> None:
        reply = engine.eval("local a = {} a[1] = a return a")
        depth = 0
        while isinstance(reply, list):
            (reply,) = reply
            depth += 1
        assert depth > 100
        assert reply == CommandError(b"ERR reached lua stack limit")


class TestErrors:
    @pytest.mark.parametrize(
        ("script", "message"),
        [
            ("\nerror('boom')", "ERR user_script:2: boom script: "),
            ("error({err='MY own'})", "MY own script: "),
            (
                "return x",
                "ERR user_script:1: Script attempted to access nonexistent global variable 'x' script: ",
            ),
            ("return redis.call('incr', 's')", "ERR value is not an integer or out of range script: "),
            ("return redis.call('nosuch')", "ERR Unknown Redis command called from script script: "),
            ("redis.call('get')", "ERR Wrong number of args calling Redis command from script script: "),
            ("redis.call('multi')", "ERR This Redis command is not allowed from script script: "),
            ("redis.call({})", "ERR Lua redis lib command arguments must be strings or integers script: "),
            (
                "return cjson.decode('[')",
                "ERR user_script:1: Expected value but found T_END at character 2 script: ",
            ),
        ],
    )
    def test_sentences_say_where(self, engine: Engine, script: str, message: str) -> None:
        engine.call("SET", "s", "text")
        line = 2 if script.startswith("\n") else 1
        error = engine.error(script)
        assert error.startswith(message)
        assert error.endswith(f", on @user_script:{line}.")

    def test_of_the_call(self, engine: Engine) -> None:
        assert str(engine.call("EVAL", "return 1", "x")) == "ERR value is not an integer or out of range"
        assert (
            str(engine.call("EVAL", "return 1", 1))
            == "ERR Number of keys can't be greater than number of args"
        )
        assert str(engine.call("EVAL", "return 1", -1)) == "ERR Number of keys can't be negative"
        assert str(engine.call("EVALSHA", "x", 0)) == "NOSCRIPT No matching script. Please use EVAL."
        assert str(engine.eval("return +")).startswith(
            "ERR Error compiling script (new function): user_script:1:"
        )

    def test_each_is_counted_once(self, engine: Engine) -> None:
        engine.call("SET", "s", "text")
        engine.eval("return redis.call('incr', 's')")
        assert engine.server.statistics.errors[b"ERR"] == 1
        assert engine.server.commands[b"eval"].failed == 1
        assert engine.server.commands[b"incr"].failed == 1
        engine.eval("redis.pcall('incr', 's') return 1")
        assert engine.server.statistics.errors[b"ERR"] == 2
        assert engine.server.commands[b"eval"].failed == 1


class TestCache:
    def test_digest(self, engine: Engine) -> None:
        sha = engine.call("SCRIPT", "LOAD", "return 'loaded'")
        assert sha == b"b534286061d4b9e4026607613b95c06c06015ae8"
        assert engine.call("EVALSHA", sha.upper(), 0) == b"loaded"
        assert engine.call("SCRIPT", "EXISTS", sha, "0" * 40) == [1, 0]
        assert engine.call("SCRIPT", "SHOW", sha) == b"return 'loaded'"
        assert engine.call("SCRIPT", "FLUSH") == b"OK"
        assert engine.call("SCRIPT", "EXISTS", sha) == [0]

    def test_what_eval_leaves_is_bounded(self, engine: Engine) -> None:
        loaded = engine.call("SCRIPT", "LOAD", "return 'kept'")
        for number in range(600):
            assert engine.eval(f"return {number}") == number
        assert engine.server.scripting.figures()["number_of_cached_scripts"] == 501
        assert engine.server.statistics.evicted_scripts == 100
        assert engine.call("EVALSHA", loaded, 0) == b"kept"

    def test_flags(self, engine: Engine) -> None:
        assert engine.eval("#!lua flags=no-writes\nreturn 1") == 1
        assert "Write commands are not allowed" in engine.error(
            "#!lua flags=no-writes\nredis.call('set', 'k', 1)"
        )
        assert "Unexpected flag" in engine.error("#!lua flags=bad\nreturn 1")
        assert "Unexpected engine" in engine.error("#!python\nreturn 1")
        assert "Write commands" in str(engine.call("EVAL_RO", "redis.call('set', 'k', 1)", 0))


def test_effects_are_those_of_the_commands(engine: Engine) -> None:
    units: list[Any] = []
    engine.server.effects.add_listener(units.append)
    engine.eval("redis.call('set', 'a', 1) redis.call('get', 'a') redis.call('incr', 'a')")
    engine.eval("redis.set_repl(redis.REPL_NONE) redis.call('incr', 'a')")
    engine.eval("return redis.call('get', 'a')")
    assert [[command[0].upper() for _, command in unit] for unit in units] == [
        [b"MULTI", b"SET", b"INCR", b"EXEC"]
    ]


def test_effects_reach_those_that_the_script_has_chosen(engine: Engine) -> None:
    file: list[Any] = []
    replicas: list[Any] = []
    engine.server.effects.add_listener(file.extend, APPEND_ONLY_FILE)
    engine.server.effects.add_listener(replicas.extend, REPLICAS)
    engine.eval(
        "redis.call('incr', 'all') redis.set_repl(redis.REPL_AOF) redis.call('incr', 'file') "
        "redis.set_repl(redis.REPL_REPLICA) redis.call('incr', 'replicas') redis.call('spop', 'none') "
        "redis.set_repl(redis.REPL_NONE) redis.call('incr', 'none') "
        "redis.set_repl(redis.REPL_SLAVE) redis.call('incr', 'replicas') "
    )
    engine.eval("redis.call('incr', 'all')")
    assert [command[-1] for _, command in file] == [b"MULTI", b"all", b"file", b"EXEC", b"all"]
    assert [command[-1] for _, command in replicas] == [
        b"MULTI", b"all", b"replicas", b"replicas", b"EXEC", b"all",
    ]  # fmt: skip


def test_the_caller_keeps_its_database(engine: Engine) -> None:
    engine.eval("redis.call('select', 3) redis.call('set', 'k', 1)")
    assert engine.call("GET", "k") is None
    assert engine.call("SELECT", 3) == b"OK"
    assert engine.call("GET", "k") == b"1"


def test_what_waits_is_served_after_the_script(engine: Engine) -> None:
    waiting: list[Any] = []
    engine.factory.client().call("BLPOP", "l", 0).addCallback(waiting.append)
    engine.eval("redis.call('rpush', 'l', 'a') redis.call('lpush', 'l', 'b')")
    assert waiting == [[b"l", b"b"]]


class TestSandbox:
    @pytest.mark.parametrize(
        "name",
        [
            "python",
            "io",
            "package",
            "debug",
            "require",
            "module",
            "dofile",
            "loadfile",
            "print",
            "getfenv",
            "setfenv",
            "newproxy",
        ],
    )
    def test_what_is_not_there(self, engine: Engine, name: str) -> None:
        assert "nonexistent global variable" in engine.error(f"return {name}")

    @pytest.mark.parametrize(
        "script",
        [
            "x = 1",
            "_G.x = 1",
            "rawset(_G, 'x', 1)",
            "setmetatable(_G, {})",
            "getmetatable(_G).__index = {}",
            "redis.call = nil",
            "string.rep = nil",
            "table.insert(redis, 1)",
            "rawset(cjson, 'encode', nil)",
            "getmetatable('').__index = nil",
        ],
    )
    def test_what_is_shared_is_read_only(self, engine: Engine, script: str) -> None:
        assert "Attempt to modify a readonly table" in engine.error(script)

    def test_nothing_is_userdata_but_null(self, engine: Engine) -> None:
        script = """
            local seen, found = {}, {}
            local function look(value, path)
              if type(value) == 'userdata' then found[#found + 1] = path end
              if type(value) ~= 'table' or seen[value] then return end
              seen[value] = true
              for key, item in pairs(value) do look(item, path .. '.' .. tostring(key)) end
              look(getmetatable(value), path .. '/meta')
            end
            look(_G, '_G')
            look(getmetatable(''), 'string')
            return found
        """
        assert set(engine.eval(script)) == {b"_G.cjson.null"}

    def test_bytecode_is_refused(self, engine: Engine) -> None:
        assert engine.eval("return tostring(loadstring(string.dump(function() end)))") == b"nil"
        script = """
            local once = string.dump(function() end)
            return tostring(load(function() local piece = once once = nil return piece end))
        """
        assert engine.eval(script) == b"nil"

    def test_loaded_text_sees_the_same_globals(self, engine: Engine) -> None:
        assert engine.eval("return loadstring('return redis.call(\"ping\").ok')()") == b"PONG"
        assert "readonly" in engine.error("loadstring('x = 1')()")

    def test_long_patterns_are_refused(self, engine: Engine) -> None:
        assert "pattern too complex" in engine.error("string.find('a', string.rep('a?', 300000))")

    def test_calls_outside_of_a_script_find_nobody(self, engine: Engine) -> None:
        # A coroutine that outlives its script has no way to come back: there is nowhere to keep it.
        assert "readonly" in engine.error("_G.kept = coroutine.create(function() redis.call('ping') end)")


class TestLibraries:
    @pytest.mark.parametrize(
        ("script", "reply"),
        [
            ("return cjson.encode({1, 2, {a = cjson.null}})", b'[1,2,{"a":null}]'),
            ("return cjson.encode('a\"/\\n\\1')", b'"a\\"\\/\\n\\u0001"'),
            ('return cjson.decode(\'{"a":[1,{"b":"\\\\u00e9"}]}\').a[2].b', b"\xc3\xa9"),
            (
                "return cmsgpack.pack({1, -1, 0.1, 'x', {a=true}})",
                b"\x95\x01\xff\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a\xa1x\x81\xa1a\xc3",
            ),
            ("return {cmsgpack.unpack(cmsgpack.pack(1, 'a', {2, 3}))}", [1, b"a", [2, 3]]),
            ("return struct.pack('>I2<i4s', 258, -2, 'ab')", b"\x01\x02\xfe\xff\xff\xffab\0"),
            ("return {struct.unpack('>I2c3', '\\1\\2abc')}", [258, b"abc", 6]),
            ("return {bit.band(5, 3), bit.bnot(0), bit.lshift(1, 31)}", [1, -1, -(2**31)]),
            ("return bit.tohex(65535, -2147483648)", b"0000FFFF"),
            ("math.randomseed(42) return {math.random(1000), math.random(1000)}", [745, 343]),
        ],
    )
    def test_results(self, engine: Engine, script: str, reply: object) -> None:
        assert engine.eval(script) == reply


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("return ('a'):match('(')", "ERR user_script:1: unfinished capture"),
        ("return ('a'):find('%')", "ERR user_script:1: malformed pattern (ends with '%')"),
        ("return ('a'):rep({})", "ERR user_script:1: bad argument #1 to 'rep' (number expected, got table)"),
        (
            "return table.insert()",
            "ERR user_script:1: bad argument #1 to 'insert' (table expected, got no value)",
        ),
        ("coroutine.create(pcall)", "ERR user_script:1: bad argument #1 to 'create' (Lua function expected)"),
        (
            "coroutine.create(bit.rol)",
            "ERR user_script:1: bad argument #1 to 'create' (Lua function expected)",
        ),
        ("return xpcall('x')", "ERR user_script:1: bad argument #2 to 'xpcall' (value expected)"),
        (
            "return struct.pack('=i', 1)",
            "ERR user_script:1: bad argument #1 to 'pack' (invalid format option '=')",
        ),
        ("error(cjson.null)", "ERR userdata: (nil)"),
    ],
)
def test_errors_of_what_stands_for_functions_in_c(shared: Engine, script: str, problem: str) -> None:
    assert shared.error(script).startswith(problem)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("bit.tohex(bit.bxor(1e17, 2^32))", b"85d8a000"),
        ("bit.tohex(bit.bxor(-1/0, -1e300))", b"8800759c"),
        ("struct.pack('B', '0x1A')", b"\x1a"),
        ("struct.size('>hBz')", 3),
        ("redis.status_reply('a\\0b')", b"a"),
        ("redis.error_reply('x\\0y a')", CommandError(b"ERR x")),
        ("tostring(cjson.null)", b"userdata: (nil)"),
        ("select(2, pcall(error, cjson.null)) == cjson.null", 1),
        ("string.rep('a', 2^32 + 2)", b"aa"),
        ("string.rep('a', 2^31)", b""),
        ("struct.pack('>d', -0)", b"\x80" + bytes(7)),
        ("struct.pack('s', 0/0) == tostring(0/0) .. '\\0'", 1),
        ("bit.tobit('nan')", 0),
        ("struct.pack('L', 1/0)", bytes(8)),
        ("cjson.encode_max_depth(2^32 + 7)", 7),
        # What C says of its arguments goes by how it was called.
        ("select(2, pcall(struct.unpack))", b"bad argument #1 to '?' (string expected, got no value)"),
        ("select(2, pcall(cjson.encode))", b"bad argument #1 to '?' (expected 1 argument)"),
        ("select(2, pcall(bit.bnot, cjson.null))", b"bad argument #1 to '?' (number expected, got userdata)"),
        ("select(2, pcall(function() return ('x'):gsub('x', nil) end))",
         b"user_script:1: bad argument #2 to 'gsub' (string/function/table expected)"),
        ("select(2, pcall(function() return ('x'):rep({}) end))",
         b"user_script:1: bad argument #1 to 'rep' (number expected, got table)"),
        ("select(2, pcall(function() local f = bit.bor return f({}) end))",
         b"user_script:1: bad argument #1 to 'f' (number expected, got table)"),
        ("select(2, pcall(cjson.encode_keep_buffer, 'x\\0y'))", b"bad argument #1 to '?' (invalid option 'x')"),
        ("select(2, pcall(cjson.encode_sparse_array, 'on', 1, -1))",
         b"bad argument #1 to '?' (expected integer between 0 and 2147483647)"),
        # Nothing is read at an offset with no limit, all without either.
        ("{cmsgpack.unpack_limit('\\1\\2', 0, 0)}", [1, 2]),
        ("{cmsgpack.unpack_limit('\\1\\2', 0, 1)}", [1]),
        ("select(2, pcall(cmsgpack.unpack_one, 'a', {}))", b"bad argument #2 to '?' (number expected, got table)"),
        # Levels of the stack, ours not counted.
        ("select(2, pcall(function() error('x', 1) end))", b"user_script:1: x"),
        ("select(2, pcall(function() error('x', 2) end))", b"x"),
        ("select(2, pcall(function() error('x', 3) end))", b"user_script:1: x"),
        ("select(2, pcall(function() (function() error('x', 2) end)() end))", b"user_script:1: x"),
        ("select(2, pcall(string.gsub, 'a', 'a', function() error('x', 3.5) end))", b"x"),
        ("select(2, pcall(function() ('a'):gsub('a', function() error('x', 3) end) end))", b"user_script:1: x"),
        ("{xpcall(function() error({err='X y'}) end, function(problem) return problem end)}",
         [None, CommandError(b"X y")]),
    ],
)  # fmt: skip
def test_oddities_of_the_libraries(shared: Engine, expression: str, result: object) -> None:
    assert shared.eval(f"return {expression}") == result


@pytest.mark.parametrize(
    "bounds", ["2^31, 3", "-2^31, 2^31 - 1", "0, 2^31 - 1", "1, 1e7", "1, 8000", "2^53 + 2, 2^31 - 1"]
)
def test_unpack_can_not_overflow(shared: Engine, bounds: str) -> None:
    assert shared.error(f"return unpack({{1, 2}}, {bounds})").startswith(
        "ERR user_script:1: too many results to unpack"
    )


@pytest.mark.parametrize(
    ("script", "reply"),
    [
        ("--[[ see [[this]]\nreturn 5", 5),
        ("return [[a [[b]]", b"a [[b"),
        ("return [[[[]=]] .. [[x]]", b"[[]=x"),
        ("local t = {['a[['] = 1} --[[ [[ ]] return t[ [[a[[]] ]", 1),
        ('--[=[ [[ ]] ]=] return \'[[\' .. "[[\\"[[" .. [[ [[ ]] -- [[ [[', b'[[[["[[ [[ '),
    ],
)
def test_brackets_within_brackets(shared: Engine, script: str, reply: object) -> None:
    assert shared.eval(script) == reply


class TestIsolation:
    """What one script does, the next does not see."""

    @pytest.fixture
    def engine(self, shared: Engine) -> Engine:
        return shared

    @pytest.mark.parametrize(
        "mischief",
        [
            "error(redis)", "pcall(error, redis) error(string)", "error(_G)", "_G.source = 1",
            "rawset(redis, 'source', 1)",
            "table.insert(redis, 1)", "setmetatable(redis, {})", "getmetatable('').__index = {}", "string.source = 1",
            "getmetatable(_G).__index = {}", "redis.call = nil", "table.sort(redis, function() end) error(redis)",
            "KEYS = 1", "loadstring('source = 1')()", "load(function() return nil end)() source = 1",
            "xpcall(function() error(redis) end, function(e) rawset(e, 'source', 1) end) redis.source = 1",
            "for _, library in pairs(_G) do if type(library) == 'table' then library.source = 1 end end",
            "for _, library in pairs(_G) do if type(library) == 'table' then pcall(error, library) end end error(0)",
        ],
    )  # fmt: skip
    def test_shared_tables_stay_as_they_are(self, engine: Engine, mischief: str) -> None:
        assert isinstance(engine.eval(mischief), CommandError)
        assert engine.eval("return {redis.source, string.source, rawget(_G, 'source'), #redis}") == []
        assert engine.eval("return {('x'):upper(), redis.call('ping'), type(KEYS)}") == [
            b"X",
            b"PONG",
            b"table",
        ]

    @pytest.mark.parametrize(
        "name",
        [
            "debug", "io", "require", "package", "python", "getfenv", "setfenv", "newproxy", "dofile", "loadfile",
            "module", "print", "os.execute", "os.exit", "os.getenv", "os.remove", "os.tmpname", "string.python",
            "cjson.new", "coroutine.sethook",
        ],
    )  # fmt: skip
    def test_what_is_not_there(self, engine: Engine, name: str) -> None:
        reply = engine.eval(f"return type({name})")
        assert reply == b"nil" or "nonexistent global variable" in str(reply)

    @pytest.mark.parametrize(
        "script",
        [
            "return loadstring(string.dump(function() return 1 end))",
            "local n = 0 return load(function() n = n + 1 return ({'\\27', 'Lua'})[n] end)",
            "return loadstring('\\27Lua\\81\\0')",
        ],
    )
    def test_bytecode_is_not_loaded(self, engine: Engine, script: str) -> None:
        assert engine.eval(script) is None

    @pytest.mark.parametrize(
        "script",
        [
            "local function f() return coroutine.wrap(f)() end return f()",
            "local function f() return coroutine.resume(coroutine.create(function() f() end)) end return f()",
            "local function f() return pcall(f) end return f()",
            "local function f() return ('x'):gsub('x', f) end return f()",
            "local function f() return xpcall(f, f) end return f()",
            "local function f() f() end return {pcall(f)}",
            "local t = setmetatable({}, {__tostring = tostring}) return tostring(t)",
            "local t = setmetatable({}, {__call = function(self) return self() end}) return t()",
            "local t = {} t[1] = t return cjson.encode(t)",
            "local t = {} t[1] = t return #cmsgpack.pack(t)",
            "return {pcall(cjson.decode, ('['):rep(1e5))}",
            "cjson.decode_max_depth(1e9) return {pcall(cjson.decode, ('['):rep(1e6))}",
            "return {pcall(cmsgpack.unpack, ('\\145'):rep(1e6))}",
            "return {pcall(cmsgpack.unpack, '\\221\\255\\255\\255\\255')}",
            "return {pcall(struct.unpack, ('b'):rep(9000), ('x'):rep(9000))}",
            "return {pcall(struct.pack, 'i' .. ('9'):rep(1e6), 1)}",
            "return ('x'):match(('('):rep(1e6))",
            "return " + "(" * 10_000,
            "return " + "function() return " * 180 + "1" + " end" * 180,
            "return " + "{" * 150 + "}" * 150,
        ],
        ids=lambda script: script[:40],
    )
    def test_too_much_of_anything_is_survived(self, engine: Engine, script: str) -> None:
        engine.eval(script)
        assert engine.eval("return redis.call('ping')") == b"PONG"

    def test_nothing_of_a_call_is_left_for_the_next_script(self, engine: Engine) -> None:
        # As of a script that was killed while it passed many arguments.
        engine.server.scripting.scripts.engine.interpreter._sunk += [b"set", b"k", b"v"]
        assert "arguments must be strings" in engine.error("return redis.call(nil)")


def test_nothing_stays_of_coroutines(engine: Engine) -> None:
    script = """
        local kept = {}
        for i = 1, 3000 do
          kept[i] = coroutine.create(function() coroutine.yield() end)
          coroutine.resume(kept[i])
        end
        return collectgarbage('count')
    """
    interpreter = engine.server.scripting.scripts.engine.interpreter
    engine.eval("return coroutine.wrap(function() return 1 end)()")
    before = interpreter.memory
    engine.eval(script)
    engine.eval("collectgarbage() return 1")
    assert interpreter.memory < before + 10_000


def test_unpack(engine: Engine) -> None:
    assert engine.eval("return {unpack({1, 2, 3}, 2)}") == [2, 3]
    assert engine.eval("return {unpack({1, 2, 3}, 3, '2')}") == []
    assert engine.eval("local t = {} for i = 1, 7999 do t[i] = i end return #{unpack(t)}") == 7999
    # Bounds are taken as C takes them for an int.
    for bounds, count in (("1, 2^31", 0), ("0/0", 3), ("1, 1/0", 0), ("-1e300, 1e300", 1), ("2^53, 3", 4)):
        assert engine.eval(f"return select('#', unpack({{1, 2}}, {bounds}))") == count
