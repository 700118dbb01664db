"""Random Lua: calls of everything that scripts may use, with arguments that fit and ones that don't.

What differs by design, or crashes Redis 7.0, is not made: addresses of tables and functions, the order of a table's fields, clocks, and the few
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
    "pcall", "setmetatable", "getmetatable", "loadstring", "string.len", "string.sub", "string.rep", "string.byte",
    "string.char", "string.upper", "string.lower", "string.reverse", "string.format", "string.find", "string.match",
    "string.gsub", "string.gmatch", "table.concat", "table.insert", "table.remove", "table.sort", "table.maxn", "math.floor",
    "math.ceil", "math.abs", "math.max", "math.min", "math.fmod", "math.modf", "math.sqrt", "math.pow", "math.huge", "math.exp",
    "math.log", "math.log10", "math.frexp", "math.ldexp", "math.deg", "math.rad", "math.sin", "cjson.encode", "cjson.decode",
    "cmsgpack.pack", "cmsgpack.unpack", "cmsgpack.unpack_one", "cmsgpack.unpack_limit", "struct.pack", "struct.unpack",
    "struct.size", "bit.band", "bit.bor", "bit.bxor", "bit.bnot", "bit.lshift", "bit.rshift", "bit.arshift", "bit.rol", "bit.ror",
    "bit.bswap", "bit.tohex", "bit.tobit", "redis.call", "redis.pcall", "redis.sha1hex", "redis.error_reply",
    "redis.status_reply", "redis.setresp", "redis.log", "redis.set_repl", "redis.acl_check_cmd", "redis.replicate_commands",
    "cjson.encode_sparse_array", "cjson.encode_max_depth", "cjson.decode_max_depth", "cjson.encode_number_precision",
    "cjson.encode_keep_buffer", "cjson.encode_invalid_numbers", "cjson.decode_invalid_numbers", "string.dump",
    "io.open", "require", "dofile", "load", "print", "nosuch", "redis.nosuch", "coroutine.create", "xpcall",
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
    "'DEL','k','l','h','s','z','n'", "'EXISTS','k'", "'ZINCRBY','z',1,'a'", "'INCRBYFLOAT','n',0.5", "'SET','k',3.5",
    "'SET','k',1e20", "'SET','k',true", "'SET','k',{}", "'DEBUG','SLEEP',0", "'SELECT','1'", "'DBSIZE'", "'LPOS','l','a'",
    "'DEBUG','PROTOCOL','MAP'", "'DEBUG','PROTOCOL','SET'", "'DEBUG','PROTOCOL','BIGNUM'", "'DEBUG','PROTOCOL','VERBATIM'",
    "'DEBUG','PROTOCOL','TRUE'", "'DEBUG','PROTOCOL','NULL'", "'DEBUG','PROTOCOL','ATTRIB'", "KEYS[1]", "unpack(KEYS)", "unpack(ARGV)",
    "'SET','k',cjson.encode({1,{a=2}})", "'SET','k',cmsgpack.pack({1,2})", "'SET','k',('x'):rep(3)", "'ZADD','z',ARGV[2],'b'",
    "'GETRANGE','k',0,1", "'MGET','k','none'", "'CONFIG','GET','maxmemory'", "'SPOP','s'", "'OBJECT','ENCODING','k'",
    "'XADD','x','1-1','a','b'", "'XRANGE','x','-','+'", "'HINCRBYFLOAT','h','f',1.5", "'DEBUG','PROTOCOL','DOUBLE'",
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
    # Errors in errors
    "return {{pcall(function() error({t}) end)}}", "error({te})", "local ok, e = pcall(error, {t}) return {{tostring(ok), e}}",
    "local ok, e = pcall(function() return redis.call({c}) end) return type(e) == 'table' and {{e.err, e.source, e.line}} or tostring(e)",
    "return {{xpcall(function() return {v}.x end, function(e) return {{e}} end)}}", "return {{xpcall(function() error({t}) end, function(e) return e end)}}",
    "local ok, e = pcall(function() local ok, e = pcall(redis.call, {c}) error(e) end) return {{tostring(ok), type(e) == 'table' and e.err or e}}",
    "local e = redis.pcall({c}) if type(e) == 'table' and e.err then error(e) end return e", "return {{err={v}}}", "return redis.error_reply({t})",
    "local e = redis.error_reply('{word}') return {{e.err, e.ok, type(e)}}", "local e = redis.status_reply({v}) return {{e.err, e.ok}}",
    "return redis.error_reply('{word} {word}')", "return redis.error_reply('-{word} {word}')", "return assert({v}, {v})", "assert(false, {t})",
    # What the libraries write and read
    "local x = {{{v}, {v}, a={v}}} return cmsgpack.pack(x[1], x[2], x.a)", "return {{cmsgpack.unpack(cmsgpack.pack({v}, {v}))}}",
    "return {{pcall(cmsgpack.unpack, '{bytes}')}}", "return {{pcall(cmsgpack.unpack_limit, '{bytes}', {n}, {n})}}",
    "return {{pcall(cmsgpack.unpack_one, cmsgpack.pack({v}, {v}), {n})}}", "return {{pcall(struct.unpack, '{s}{s}', '{bytes}')}}",
    "return {{pcall(struct.unpack, '{s}', '{bytes}{bytes}', {n})}}", "return {{pcall(struct.pack, '{s}', {n}, {v})}}",
    "return {{cjson.{setting}({v}), cjson.{setting}({n})}}, cjson.{setting}()", "return {{pcall(cjson.{setting}, {v}, {v})}}",
    "return {{pcall(cjson.encode, {{{v}, {v}, x={v}}})}}", "return cjson.encode({{{n}, {n}, {n}}})", "return cjson.encode({n})",
    "return {{pcall(cjson.decode, '[' .. ('{j}'):rep(3, ',') .. ']')}}", "local x = cjson.decode('[{j},{j}]') return cjson.encode(x)",
    "local t = {{}} for i = 1, {n} % 40 do t = {{t}} end return {{pcall(cmsgpack.pack, t)}}", "return cjson.encode(({n}) / 3)",
    "local t = {{}} for i = 1, ({n}) % 2000 do t = {{t}} end return #cjson.encode(t)", "return cjson.decode(('['):rep(({n}) % 1500))",
    "return {{bit.{b}({n}, {n}), bit.tobit({n}), bit.tohex({n}, {n}), bit.bnot({n}), bit.bswap({n})}}", "return bit.{b}({n}, {n}, {n})",
    "return {{pcall(bit.tohex, {v}, {v})}}", "return redis.sha1hex({v})", "return {{pcall(redis.sha1hex, {v}, {v})}}", "return redis.sha1hex()",
    "return {{pcall(redis.log, {v}, {v})}}", "redis.log(redis.LOG_WARNING, {v}, {v})", "return redis.log({n}, 'x')", "redis.log('x')",
    "redis.setresp({n})", "redis.setresp({v})", "redis.setresp(3) redis.setresp(2) return redis.call({c})", "redis.setresp(3) return redis.pcall({c})",
    "redis.setresp(3) local r = redis.call({c}) return type(r) == 'table' and cjson.encode(r) or tostring(r)",
    "local r = redis.call({c}) return type(r) == 'table' and cjson.encode(r) or tostring(r)", "redis.setresp(3) return {{true, false, {v}}}",
    # Numbers as text, and text as numbers
    "return tostring({n} * {n})", "return tostring({n} / {n})", "return {n} % {n}", "return ({n}) ^ 2", "return {{tostring({n}), {n} .. 'x'}}",
    "return tonumber('{digits}')", "return tonumber('{digits}', 16)", "return '{digits}' + 1", "return tostring({digits})", "return {digits}",
    "redis.call('SET', 'n', {digits}) return redis.call('GET', 'n')", "return redis.call('INCRBY', 'n', {digits})", "return string.format('{fmt}', {digits})",
    # Keys and arguments
    "return KEYS[{v}]", "return ARGV[{n}]", "KEYS[1] = {n} return KEYS", "KEYS.x = 1 return KEYS.x", "ARGV = nil return ARGV", "return {{KEYS, ARGV}}",
    "table.insert(ARGV, {v}) return ARGV", "return redis.call('SET', KEYS[1], ARGV[1])", "return redis.call('SET', KEYS[2], ARGV[3])", "local KEYS = {v} return KEYS",
    "return redis.call('MGET', unpack(KEYS))", "return redis.call(unpack(ARGV))", "for k, v in pairs(KEYS) do return {{k, v}} end", "return #KEYS + #ARGV",
    # Calls by other names
    "local f = {f} return f({v}, {v})", "local t = {{f={f}}} return t.f({v})", "local t = {{f={f}}} return t:f({v})", "return ({v}):{method}({v})",
    "return ('a b'):{method}({v}, {v}, {v})", "return string.{method}({v}, {v}, {v})", "return {{pcall(string.{method}, {v}, {v})}}",
    "return coroutine.{co}({v})", "return coroutine.{co}(function(...) return ... end, {v})", "return math.max({n}, {v})", "return math.floor({v})",
    "return select('#', {v}, {v})", "return {{select({n}, 1, 2, 3)}}", "return table.concat({{{n}, {n}}}, {v}, {n})", "return table.remove({v}, {v})",
    "local t = {{3, 1, 2}} table.sort(t, function(a, b) return {v} end) return #t", "return next({v}, {v})", "return tostring(nil) .. tostring()",
    "#!lua flags={flag}\nreturn redis.call({c})", "#!lua\nreturn {v}", "#!{v}\nreturn 1",
)  # fmt: skip
_TABLES = (
    "{err='My error'}", "{err='ERR x'}", "{err=5}", "{err={}}", "{}", "{ok='fine'}", "{err='a\\nb'}", "{err=''}", "{err='-x'}", "'text'", "5", "nil",
    "{err='x', source='s', line='l'}", "setmetatable({}, {__tostring = function() return 'told' end})", "redis.error_reply('Oh no')",
)  # fmt: skip
_WORDS = ("ERR", "WRONGTYPE", "", " ", "a", "My", "e\\nr", "\\r\\n", "x\\0y", "-", "--")
_BYTES = (
    "\\0", "\\1", "\\127", "\\128", "\\129", "\\144", "\\145\\1", "\\146\\1", "\\160", "\\161a", "\\162a", "\\192", "\\193", "\\194",
    "\\195", "\\202\\63\\128\\0\\0", "\\203\\63", "\\204\\255", "\\205\\1", "\\207\\255\\255\\255\\255\\255\\255\\255\\255", "\\208\\128",
    "\\211\\128\\0\\0\\0\\0\\0\\0\\0", "\\212\\1\\2", "\\217\\1a", "\\220\\0\\1\\1", "\\221\\255\\255\\255\\255", "\\222\\0\\1", "\\255", "abc", "",
)  # fmt: skip
_DIGITS = (
    "0", "1", "-1", "00012", "1e3", "1e-3", "0.1", "1e100", "1e308", "1e309", "-1e309", "0x10", "0xFFFFFFFFF", "9007199254740993", "1e15", "1e16",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "5e-324", "3.14159", "1e21", "100000000000000",
)  # fmt: skip
_METHODS = (
    "len",
    "sub",
    "rep",
    "byte",
    "upper",
    "lower",
    "reverse",
    "format",
    "find",
    "match",
    "gsub",
    "gmatch",
    "nosuch",
    "char",
)
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
    if random.random() < 0.1:
        text = f"local ok, result = pcall(function() {text}\nend) return {{{{tostring(ok), result}}}}"
    choices = {
        "{v}": _VALUES, "{f}": [name for name in _FUNCTIONS if not name.startswith(_LASTING)], "{c}": _COMMANDS, "{fmt}": _FORMATS,
        "{j}": _JSON, "{s}": _STRUCT, "{pat}": _PATTERNS, "{n}": [value for value in _VALUES if value[0] in "-0123456789"],
        "{b}": ("band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror"), "{m}": ("floor", "ceil", "abs", "sqrt", "modf", "frexp"),
        "{t}": _TABLES, "{te}": [table for table in _TABLES if "err='" in table or "{" not in table], "{word}": _WORDS, "{bytes}": _BYTES, "{digits}": _DIGITS, "{method}": _METHODS,
        "{co}": ("create", "resume", "wrap", "status", "running", "yield"),
        "{setting}": ("encode_max_depth", "decode_max_depth", "encode_number_precision", "encode_keep_buffer", "encode_sparse_array",
                      "encode_invalid_numbers", "decode_invalid_numbers"),
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
