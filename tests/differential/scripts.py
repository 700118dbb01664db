"""Random Lua: calls of everything that scripts may use, with arguments that fit and ones that don't.

What differs by design is not made: addresses of tables and functions, the order of a table's fields, clocks, and the few
functions in which Redis lets C print a number that Lua 5.1 prints too.
"""

# ruff: noqa: E501

from __future__ import annotations

from random import Random

__all__ = ["script"]

_VALUES = (
    "nil", "true", "false", "0", "1", "-1", "2", "3.5", "-0", "10", "255", "256", "-2.25", "1e15", "1e17", "-1e300", "2^31",
    "2^32", "2^53", "2^63", "-2^63", "1/0", "-1/0", "0/0", "0.1", "100/3", "''", "'a'", "'abc'", "'hello world'", "'10'",
    "'0x1A'", "' 5 '", "'1e3'", "'\\0\\1\\255'", "'%d'", "'%s'", "'*'", "{}", "{1,2,3}", "{'a','b'}", "{1,nil,3}", "{a=1}",
    "{ok='fine'}", "{err='My error'}", "{err='ERR x', extra=1}", "{double=1.5}", "{double=3}", "{map={a=1}}", "{set={a=true}}",
    "{big_number='123'}", "{verbatim_string={string='text',format='txt'}}", "{1,{2,{3}}}", "{false,true}", "KEYS[1]",
    "ARGV[1]", "ARGV", "#ARGV", "KEYS", "function() return 1 end", "redis.error_reply('x y')", "redis.status_reply('st')",
    "cjson.null", "{1.5, 2.9, -2.9}", "('x'):rep(70)", "{[1]='a',[3]='c'}", "{{}}", "{[0]=1}", "{1,a=2}",
)  # fmt: skip
_FUNCTIONS = (
    "tostring", "tonumber", "type", "select", "unpack", "rawlen", "rawequal", "rawget", "rawset", "next", "ipairs", "assert",
    "error", "pcall", "setmetatable", "getmetatable", "loadstring", "string.len", "string.sub", "string.rep", "string.byte",
    "string.char", "string.upper", "string.lower", "string.reverse", "string.format", "string.find", "string.match",
    "string.gsub", "string.gmatch", "table.concat", "table.insert", "table.remove", "table.sort", "table.maxn", "math.floor",
    "math.ceil", "math.abs", "math.max", "math.min", "math.fmod", "math.modf", "math.sqrt", "math.pow", "math.huge", "math.exp",
    "math.log", "math.log10", "math.frexp", "math.ldexp", "math.deg", "math.rad", "math.sin", "cjson.encode", "cjson.decode",
    "cmsgpack.pack", "cmsgpack.unpack", "cmsgpack.unpack_one", "cmsgpack.unpack_limit", "struct.pack", "struct.unpack",
    "struct.size", "bit.band", "bit.bor", "bit.bxor", "bit.bnot", "bit.lshift", "bit.rshift", "bit.arshift", "bit.rol", "bit.ror",
    "bit.bswap", "bit.tohex", "bit.tobit", "redis.call", "redis.pcall", "redis.sha1hex", "redis.error_reply",
    "redis.status_reply", "redis.setresp", "redis.log", "redis.set_repl", "redis.acl_check_cmd", "redis.replicate_commands",
    "cjson.encode_sparse_array", "cjson.encode_max_depth", "cjson.decode_max_depth", "cjson.encode_number_precision",
    "cjson.encode_keep_buffer", "cjson.encode_invalid_numbers", "cjson.decode_invalid_numbers", "string.dump", "os.time",
    "os.execute", "io.open", "require", "dofile", "load", "print", "nosuch", "redis.nosuch", "coroutine.create", "xpcall",
)  # fmt: skip
# Settings that stay: what is changed must be changed for one script only.
_LASTING = ("cjson.encode_", "cjson.decode_")
_FORMATS = (
    "%d", "%5d", "%-5d|", "%05d", "%+d", "%x", "%X", "%#x", "%o", "%u", "%c", "%e", "%E", "%f", "%.3f", "%10.2f", "%g", "%G",
    "%.14g", "%.17g", "%q", "%s", "%10s", "%-10s|", "%.2s", "%i", "%a", "%%", "%", "%y", "%123d", "%.100f", "%5", "%ld", "% d",
)  # fmt: skip
_JSON = (
    "[]", "{}", "[1,2,3]", '{"a":1}', '{"a":[1,{"b":null}]}', "1", "-1.5e3", '"x"', "null", "true", "[1,]", "{", "", "nul",
    '"\\\\u00e9"', '"\\\\ud83d\\\\ude00"', '"\\\\ud83d"', "[1 2]", "0x10", "NaN", "Infinity", "[1e400]", " [1] ", "[1] x",
    '{"a":1,"a":2}', "{1:2}", '"\\\\q"', "01", "1.", ".5", "[[[[[[1]]]]]]", "'a'", '{"":1}', "9007199254740993", "-0",
)  # fmt: skip
_STRUCT = (
    "b", "B", "h", "H", "i", "I", "l", "L", "f", "d", "s", "c3", "c0", "i4", "I8", "i2", ">I4", "<I2", "=i8", "!4bi", "x",
    ">hB", "c", "i33", "i0", "z", "!3i", "!", "Bc0", "  i", "T", "i16",
)  # fmt: skip
_COMMANDS = (
    "'GET','k'", "'SET','k','v'", "'INCR','n'", "'INCR','k'", "'LPUSH','l','a',1,2.5", "'LRANGE','l',0,-1", "'HSET','h','a',1",
    "'HGETALL','h'", "'SADD','s','a'", "'SMEMBERS','s'", "'ZADD','z',1.5,'a'", "'ZSCORE','z','a'", "'ZRANGE','z',0,-1,'WITHSCORES'",
    "'PING'", "'ECHO','x'", "'TYPE','k'", "'nosuch'", "'GET'", "'SET','k'", "'EVAL','x',0", "'MULTI'", "'SUBSCRIBE','c'",
    "'DEL','k','l','h','s','z','n'", "'EXISTS','k'", "'ZINCRBY','z',1,'a'", "'INCRBYFLOAT','n',0.5", "'SET','k',3.7",
    "'SET','k',1e20", "'SET','k',true", "'SET','k',{}", "'DEBUG','SLEEP',0", "'SELECT','1'", "'DBSIZE'", "'LPOS','l','a'",
    "'GETRANGE','k',0,1", "'MGET','k','none'", "'CONFIG','GET','maxmemory'", "'SPOP','s'", "'OBJECT','ENCODING','k'",
    "'XADD','x','1-1','a','b'", "'XRANGE','x','-','+'", "'HINCRBYFLOAT','h','f',1.1", "'BLPOP','none',1", "'DEBUG','PROTOCOL','DOUBLE'",
)  # fmt: skip
_TEMPLATES = (
    "return {v}", "return {v}", "return {f}({v})", "return {f}({v}, {v})", "return {f}({v}, {v}, {v})", "return {f}()",
    "local a, b, c = {f}({v}, {v}) return {{a, b, c}}", "return {{pcall({f}, {v}, {v})}}", "return {{pcall({f}, {v})}}",
    "return tostring({n})", "return {n} + {n}", "return {n} .. ''", "return {v} == {v}", "return {v} < {v}", "return #{v}",
    "return {v} .. {v}", "return -{v}", "return {v}.x", "return {v}[1]", "return {v}()", "local x = {v}; x.y = 1; return x.y",
    "return redis.call({c})", "return redis.pcall({c})", "local r = redis.pcall({c}) return type(r)", "redis.setresp(3) return redis.call({c})",
    "redis.setresp(3) return {v}", "return {{redis.pcall({c}), redis.pcall({c})}}", "return redis.pcall({c}).err",
    "local ok, e = pcall(redis.call, {c}) return {{tostring(ok), type(e), type(e) == 'table' and e.err or e}}",
    "local ok, e = pcall(function() error({v}) end) return {{tostring(ok), type(e)}}", "error({n})", "error('x', {n})", "error('y')",
    "return string.format('{fmt}', {v})", "return string.format('{fmt}', {n})", "return string.format('{fmt}{fmt}', {v}, {v})",
    "local x = cjson.decode('{j}') return type(x) == 'table' and cjson.encode(x) or tostring(x)", "return cjson.encode({v})",
    "return {{pcall(cjson.decode, '{j}')}}", "local x = cmsgpack.unpack(cmsgpack.pack({v})) return x",
    "return redis.sha1hex(cmsgpack.pack({v}, {v}))", "return cmsgpack.pack({v})", "return struct.pack('{s}', {v})",
    "return struct.pack('{s}{s}', {n}, {n})", "return {{struct.unpack('{s}', struct.pack('{s}', {n}))}}", "return struct.size('{s}{s}')",
    "return bit.tohex(bit.bxor({n}, {n}))", "return bit.{b}({n}, {n})", "return tonumber({v}, {n})", "return tonumber('{n}')",
    "\n\nreturn {f}({v})\n", "x = 1", "return x", "local function f() return f2() end\nreturn f()", "return {v} end", "return return", "if",
    "local t = {v} table.insert(t, {v}) return t", "local t = {v} table.sort(t) return t", "return table.concat({v}, {v})",
    "return redis.error_reply({v})", "return redis.status_reply({v})", "return {{ok={v}}}", "return {{err={v}}}",
    "return {{double={v}}}", "return {{{v}, {v}, {v}}}", "return {v}, {v}", "return cjson.encode({{{v}, {v}}})",
    "return ('{fmt}abc'):gsub('{pat}', {v})", "return {{('hello world'):find('{pat}')}}", "return ('a,b,,c'):match('{pat}')",
    "for i = 1, {n} do if i > 5 then return i end end return 'none'", "local t = setmetatable({{}}, {{__index = function(_, k) return k end}}) return t[{v}]",
    "return select({v}, {v}, {v})", "return {{unpack({v}, {n}, 3)}}", "goto x", "return math.{m}({v})", "return KEYS[{n}]", "return _G[{v}]",
    "local f = loadstring('return {n}') return f()", "return loadstring({v})", "return getmetatable({v})", "setmetatable({v}, {{}})",
    "return rawget(_G, {v})", "string.x = 1", "redis.x = 1", "KEYS = 1", "_G.x = 1", "local y = {v} return y:len()", "return #ARGV .. #KEYS",
    "local co = coroutine.wrap(function(a) local b = coroutine.yield(a) return b end) return {{co({v}), co({v})}}",
    "return coroutine.resume(coroutine.create({f}), {v})", "redis.call({c}) redis.call({c}) return redis.call({c})",
    "#!lua flags={flag}\nreturn redis.call({c})", "#!lua\nreturn {v}", "#!{v}\nreturn 1",
)  # fmt: skip
_PATTERNS = (
    "l+",
    "(h)(e)",
    "%w+",
    "[a-c]",
    "^h",
    "d$",
    "%",
    "(",
    "[",
    "%f[%w]",
    "()",
    "%b()",
    "o-",
    ".",
    "",
    "%1",
    "(a*(.)%w(%s*))",
    "[^,]*",
)


def script(random: Random) -> tuple[bytes, list[bytes]]:
    """A script, and its numkeys, keys and arguments."""
    text = random.choice(_TEMPLATES)
    choices = {
        "{v}": _VALUES, "{f}": [name for name in _FUNCTIONS if not name.startswith(_LASTING)], "{c}": _COMMANDS, "{fmt}": _FORMATS,
        "{j}": _JSON, "{s}": _STRUCT, "{pat}": _PATTERNS, "{n}": [value for value in _VALUES if value[0] in "-0123456789"],
        "{b}": ("band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror"), "{m}": ("floor", "ceil", "abs", "sqrt", "modf", "frexp"),
        "{flag}": ("no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys", "nosuch", "no-writes,allow-oom"),
    }  # fmt: skip
    for mark, values in choices.items():
        while mark in text:
            text = text.replace(mark, random.choice(values), 1)
    text = text.replace("{{", "{").replace("}}", "}")
    arguments = random.choice(
        [[b"0"], [b"0", b"arg"], [b"1", b"key"], [b"1", b"key", b"arg", b"5"], [b"2", b"k", b"l", b"3.5"]]
    )
    return text.encode(), arguments
