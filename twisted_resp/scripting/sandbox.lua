-- The world that scripts live in. Called once, with the functions that Python provides; answers those that Python calls.
--
-- Stock Lua has no read-only tables, so what is shared between scripts is shown through empty tables ("proxies") whose
-- metatables lead to the real ones and refuse to be written to. The few functions that look past metatables are replaced
-- by ones that know the proxies. Nothing of Python is in reach: its functions are upvalues of functions here, and values
-- of type userdata, which only Python makes, are never handed to a script.

local host = ...
local error, type, tostring, tonumber, select, unpack = error, type, tostring, tonumber, select, unpack
local next, pairs, rawget, rawset, pcall, xpcall = next, pairs, rawget, rawset, pcall, xpcall
local setmetatable, setfenv, loadstring = setmetatable, setfenv, loadstring
local collectgarbage = collectgarbage
local getinfo, sethook, metatable_of = debug.getinfo, debug.sethook, debug.getmetatable
local floor, concat = math.floor, table.concat
local byte, dump, find, match = string.byte, string.dump, string.find, string.match

-- Python's objects: they can be called from here, and that is all that anybody can do with them.
do
  local meta = metatable_of(host.call)
  meta.__index, meta.__newindex, meta.__tostring = nil, nil, nil
  meta.__metatable = false
end
local host_call, host_sink, host_pulse, host_log = host.call, host.sink, host.pulse, host.log
local host_sha1hex, host_set_replication, host_set_protocol = host.sha1hex, host.set_replication, host.set_protocol
local host_library = host.library
local host_may_run, host_without_tail_calls = host.may_run, host.without_tail_calls
local host_without_nesting = host.without_nesting

---------------------------------------------------------------------------------------------------- read-only tables

local READ_ONLY = "Attempt to modify a readonly table"
local shown = setmetatable({}, {__mode = "k"}) -- what each proxy shows

local function copy(library)
  local result = {}
  for name, value in pairs(library) do result[name] = value end
  return result
end

local function refuse()
  error(READ_ONLY, 2)
end

local function protect(table, metatable)
  local proxy = {}
  shown[proxy] = table
  return setmetatable(proxy, {__index = table, __newindex = refuse, __metatable = metatable or false})
end

-- What a function in C says of an argument, with its name as its caller has it.
local function bad_argument(number, expected, ...)
  local got = select("#", ...) == 0 and "no value" or type((...))
  local called = getinfo(2, "n")
  local name = called.name or "?"
  if called.namewhat == "method" then
    number = number - 1
    if number == 0 then
      error("calling '" .. name .. "' on bad self (" .. expected .. " expected, got " .. got .. ")", 3)
    end
  end
  error("bad argument #" .. number .. " to '" .. name .. "' (" .. expected .. " expected, got " .. got .. ")", 3)
end

-- What C makes of a number where it wants an int: its lowest 32 bits.
local function int(number)
  if number ~= number or number < -9223372036854775808 or number >= 9223372036854775808 then return 0 end
  number = (number < 0 and -floor(-number) or floor(number)) % 4294967296
  return number < 2147483648 and number or number - 4294967296
end
host.int = int

-- What a function in C would say of an argument, had its caller called it and not us: with the name that the caller has
-- for it, and not counting the object of a method.
local function reworded(problem, caller)
  local number, detail = match(problem, "^bad argument #(%d+) to '[^']*' %((.*)%)$")
  if not number then return problem end
  local info = getinfo(caller + 1, "n")
  local name = info.name or "?"
  if info.namewhat == "method" then
    number = number - 1
    if number == 0 then return "calling '" .. name .. "' on bad self (" .. detail .. ")" end
  end
  return "bad argument #" .. number .. " to '" .. name .. "' (" .. detail .. ")"
end
host.reworded = reworded
-- Blame an argument of the function that calls this.
local function complain(number, detail)
  error(reworded("bad argument #" .. number .. " to '?' (" .. detail .. ")", 2), 3)
end

--------------------------------------------------------------------------------------------- errors, and being killed

local loading = false -- whether a library is being loaded
local killed = false -- the error that ends the script that runs, whatever it does

local function clean(problem)
  -- (Scripts have one userdata, cjson.null, which has no metatable.)
  if type(problem) == "userdata" and metatable_of(problem) then return "internal error" end
  return problem
end
local function text_of(value)
  return type(value) == "userdata" and "userdata: (nil)" or tostring(value)
end

-- What pcall says of an error: the sentence, as it was before Redis 7 made errors tables.
local function caught(ok, ...)
  if ok then return true, ... end
  if killed then error(killed, 0) end
  local problem = clean((...))
  if type(problem) == "table" then
    local sentence = problem.err
    if type(sentence) == "string" or type(sentence) == "number" then return false, sentence end
  end
  return false, problem
end

local debugged = false -- whether there is a session of the debugger
local host_failed = host.debug_failed

local function caught_as_is(ok, ...)
  if ok then return true, ... end
  if killed then error(killed, 0) end
  return false, clean((...))
end

local function raise(sentence)
  if debugged then host_failed(sentence) end
  error({err = "ERR " .. sentence}, 0)
end

-- Where an error happened: the innermost function that is the script's own.
local OURS = "=redis"
local function locate(problem)
  problem = clean(problem)
  if type(problem) ~= "table" then
    problem = {err = "ERR " .. text_of(problem)}
  elseif shown[problem] then
    problem = {err = "ERR " .. READ_ONLY} -- which is what to note the place in it would come to
  end
  local level = 2
  local info = getinfo(level, "Sl")
  while info and (info.what == "C" or info.what == "tail" or info.source == OURS) do
    level = level + 1
    info = getinfo(level, "Sl")
  end
  if info and info.source then
    rawset(problem, "source", info.source)
    rawset(problem, "line", info.currentline)
  end
  return problem
end

local PULSE = 100000 -- instructions

local function hook()
  if killed or host_pulse() then
    killed = killed or {err = loading and "ERR FUNCTION LOAD timeout" or "ERR Script killed by user with SCRIPT KILL..."}
    error(killed, 0)
  end
end

-- What each Lua thread is hooked with: the debugger sees every line.
local current_hook, hooked_events = hook, ""
sethook(hook, "", PULSE)

-- Lua remembers hooks by the addresses of threads, and never forgets one. So a coroutine is hooked when it is resumed, and
-- its hook is removed again some time after it has yielded or ended.
local status = coroutine.status
local MOST_HOOKED = 100
local hooked, hooked_count = {}, 0
local function unhook_idle()
  for thread in next, hooked do
    local state = status(thread)
    if state == "dead" or state == "suspended" then
      sethook(thread)
      hooked[thread], hooked_count = nil, hooked_count - 1
    end
  end
end
local function hook_thread(thread)
  if hooked[thread] then return end
  if hooked_count >= MOST_HOOKED then unhook_idle() end
  sethook(thread, current_hook, hooked_events, PULSE)
  hooked[thread], hooked_count = true, hooked_count + 1
end

---------------------------------------------------------------------------------------------------------- the globals

local visible = {}

-- Libraries that take much memory and are seldom used are loaded when they are first asked for.
local LATE = {cjson = true, cmsgpack = true}
local for_libraries = {
  error = error, math = math, newproxy = newproxy, next = next, pcall = pcall, rawget = rawget, select = select,
  string = string, table = table, tonumber = tonumber, tostring = tostring, type = type, unpack = unpack,
}
local function load_late(name)
  LATE[name] = nil
  visible[name] = protect(setfenv(host_library(name), for_libraries)(host))
  return visible[name]
end

local function nonexistent(_, name)
  if LATE[name] then return load_late(name) end
  if type(name) ~= "string" and type(name) ~= "number" then
    error("Second argument to luaProtectedTableError must be a string or number", 2)
  end
  error("Script attempted to access nonexistent global variable '" .. match(name, "^%Z*") .. "'", 2)
end

setmetatable(visible, {__index = nonexistent})
local globals = protect(visible, protect({__index = nonexistent}))
visible._G = globals
visible._VERSION = _VERSION

for _, name in ipairs {
  "assert", "gcinfo", "getmetatable", "ipairs", "rawequal", "select", "tonumber", "tostring", "type", "unpack",
} do
  visible[name] = _G[name]
end

-- What a table shows, for those who look at all of it.
local function seen(table)
  if table == globals then
    for name in pairs(copy(LATE)) do load_late(name) end
  end
  return shown[table] or table
end

-- Levels of the stack are counted as if each of our functions were the one in C that it stands for.
function visible.error(problem, level)
  if level ~= nil then
    local number = tonumber(level)
    if not number then complain(2, "number expected, got " .. type(level)) end
    level = int(number)
  end
  if level == nil or level <= 0 or type(problem) ~= "string" then error(problem, level == nil and 2 or 0) end
  local place, wanted, functions_in_c = 1, level, 0
  while wanted > 0 do
    place = place + 1
    local info = getinfo(place, "S")
    if not info then break end
    if info.source == OURS then
      wanted = wanted + (functions_in_c > 0 and functions_in_c - 1 or -1)
      functions_in_c = 0
    else
      wanted = wanted - 1
      functions_in_c = info.what == "C" and functions_in_c + 1 or 0
    end
  end
  error(problem, place)
end

function visible.tostring(...)
  local value = ...
  if type(value) == "userdata" then return text_of(value) end
  if select("#", ...) == 0 then
    complain(1, "value expected")
  end
  return tostring(value)
end

function visible.next(...)
  local table, key = ...
  local real = seen(table)
  if type(real) ~= "table" then bad_argument(1, "table", ...) end
  return next(real, key)
end

function visible.pairs(...)
  local real = seen((...))
  if type(real) ~= "table" then bad_argument(1, "table", ...) end
  return next, real, nil
end

function visible.rawget(...)
  local table, key = ...
  local real = shown[table] or table
  if type(real) ~= "table" then bad_argument(1, "table", ...) end
  if select("#", ...) < 2 then complain(2, "value expected") end
  return rawget(real, key)
end

function visible.rawset(...)
  local table, key, value = ...
  if type(table) ~= "table" then bad_argument(1, "table", ...) end
  if select("#", ...) < 3 then complain(select("#", ...) < 2 and 2 or 3, "value expected") end
  if shown[table] then error(READ_ONLY, 0) end
  if key == nil then error("table index is nil", 0) end
  if key ~= key then error("table index is NaN", 0) end
  return rawset(table, key, value)
end

-- Lua 5.1's own counts with 32 bits, and ends the process where they overflow.
local MOST_UNPACKED = 8000 -- the arguments of unpack included
function visible.unpack(...)
  local list, first, last = ...
  if type(list) ~= "table" then bad_argument(1, "table", ...) end
  if first ~= nil then
    first = tonumber(first)
    if not first then bad_argument(2, "number", select(2, ...)) end
  end
  if last ~= nil then
    last = tonumber(last)
    if not last then bad_argument(3, "number", select(3, ...)) end
  end
  local from, to = first and int(first) or 1, last and int(last) or #list
  if from > to then return end
  if to - from + 1 + select("#", ...) > MOST_UNPACKED then error("too many results to unpack", 2) end
  if last then return unpack(list, from, to) end
  if first then return unpack(list, from) end
  return unpack(list)
end

function visible.setmetatable(...)
  local table, metatable = ...
  if type(table) ~= "table" then bad_argument(1, "table", ...) end
  if select("#", ...) < 2 or (metatable ~= nil and type(metatable) ~= "table") then
    complain(2, "nil or table expected")
  end
  if shown[table] then error(READ_ONLY, 0) end
  local old = metatable_of(table)
  if old and rawget(old, "__metatable") ~= nil then error("cannot change a protected metatable", 2) end
  return setmetatable(table, metatable)
end

function visible.pcall(...)
  return caught(pcall(...))
end

function visible.xpcall(...)
  local action, handler = ...
  if select("#", ...) < 2 then complain(2, "value expected") end
  return caught_as_is(xpcall(action, function(problem)
    if killed then return killed end
    return handler(clean(problem))
  end))
end

-- Text only: bytecode is not checked by Lua and could do anything.
local function compile(source, name, environment)
  if byte(source, 1) == 27 then return nil, "bytecode can't be loaded" end
  local made, problem = loadstring(source, name)
  if not made and find(problem, "nesting of [[...]] is deprecated", 1, true) then
    made, problem = loadstring(host_without_nesting(source), name)
  end
  if not made then return nil, problem end
  local changed = host_without_tail_calls(dump(made))
  if changed then made = loadstring(changed) end
  return setfenv(made, environment or globals)
end

function visible.loadstring(...)
  local source, name = ...
  if type(source) == "number" then source = tostring(source) end
  if type(source) ~= "string" then bad_argument(1, "string", ...) end
  if name ~= nil and type(name) ~= "string" and type(name) ~= "number" then bad_argument(2, "string", name) end
  return compile(source, name)
end

function visible.load(...)
  local reader, name = ...
  if name ~= nil and type(name) ~= "string" and type(name) ~= "number" then bad_argument(2, "string", name) end
  if type(reader) ~= "function" then bad_argument(1, "function", ...) end
  local pieces = {}
  while true do
    local piece = reader()
    if piece == nil or piece == "" then break end
    if type(piece) ~= "string" then return nil, "reader function must return a string" end
    pieces[#pieces + 1] = piece
  end
  return compile(concat(pieces), name or "=(load)")
end

function visible.collectgarbage(option, ...)
  if option == nil or option == "collect" or option == "count" or option == "step" then
    return collectgarbage(option, ...)
  end
  if type(option) == "number" then option = tostring(option) end
  if type(option) ~= "string" then complain(1, "string expected, got " .. type(option)) end
  -- The rest is for all scripts, so it is not theirs to choose: they hear what is usual.
  if option == "stop" or option == "restart" then return 0 end
  if option == "setpause" or option == "setstepmul" then return 200 end
  complain(1, "invalid option '" .. match(option, "^%Z*") .. "'")
end

host_library("lua_libraries")(host, {
  OURS = OURS, READ_ONLY = READ_ONLY, bad_argument = bad_argument, clean = clean, complain = complain, copy = copy,
  int = int, protect = protect, reworded = reworded, shown = shown, visible = visible,
  end_if_killed = function()
    if killed then error(killed, 0) end
  end,
  hook_thread = hook_thread,
})

-------------------------------------------------------------------------------------------------------- the Redis API

local redis = {}

-- A reply that is no plain value comes as nil, what it is, and the parts.
local function special(kind, ...)
  if kind == "ok" then return {ok = (...)} end
  if kind == "array" then return {...} end
  if kind == "table" then return (...) end
  if kind == "nil" then return nil end
  return {err = (...), ignore_error_stats_update = true}
end

local function answered(plain, kind, ...)
  if kind == nil then return plain end
  if kind == "err" then error({err = (...), ignore_error_stats_update = true}, 0) end
  if kind == "misuse" then error({err = (...)}, 0) end
  return special(kind, ...)
end

local function answered_safely(plain, kind, ...)
  if kind == nil then return plain end
  if kind == "misuse" then return {err = (...)} end
  return special(kind, ...)
end

-- Lua has no room to pass on thousands of arguments at once: these are sunk, and nil stands for them.
local CHUNK = 150
local function sink(items, size)
  for place = 1, size, CHUNK do
    host_sink(unpack(items, place, place + CHUNK - 1 < size and place + CHUNK - 1 or size))
  end
end

function redis.call(...)
  local count = select("#", ...)
  if count > CHUNK then
    sink({...}, count)
    return answered(host_call(nil))
  end
  return answered(host_call(...))
end

function redis.pcall(...)
  local count = select("#", ...)
  if count > CHUNK then
    sink({...}, count)
    return answered_safely(host_call(nil))
  end
  return answered_safely(host_call(...))
end

function redis.acl_check_cmd(...)
  return answered(host_may_run(...))
end

function redis.sha1hex(...)
  if select("#", ...) ~= 1 then raise("wrong number of arguments") end
  local text = ...
  if type(text) == "number" then text = tostring(text) end
  return host_sha1hex(type(text) == "string" and text or "")
end

local function misused()
  local sentence = "wrong number or type of arguments"
  if debugged then host_failed(sentence) end
  return {err = "ERR " .. sentence}
end

function redis.error_reply(...)
  local text = ...
  if select("#", ...) ~= 1 or type(text) ~= "string" then return misused() end
  text = match(text, "^%Z*")
  if byte(text, 1) == 45 then text = text:sub(2) end
  if debugged then host_failed("-" .. text) end
  local code, message = text:match("^([^ ]*) (.*)$")
  if not code then code, message = "ERR", text end
  return {err = code .. " " .. message:gsub("^[\r\n]+", ""):gsub("[\r\n]+$", "")}
end

function redis.status_reply(...)
  local text = ...
  if select("#", ...) ~= 1 or type(text) ~= "string" then return misused() end
  return {ok = text}
end

local protocol = 2
function redis.setresp(...)
  if select("#", ...) ~= 1 then raise("redis.setresp() requires one argument.") end
  local version = tonumber((...)) or 0
  version = floor(version)
  if version ~= 2 and version ~= 3 then raise("RESP version must be 2 or 3.") end
  protocol = version
  host_set_protocol(version)
end

function redis.set_repl(...)
  if select("#", ...) ~= 1 then raise("redis.set_repl() requires one argument.") end
  local flags = floor(tonumber((...)) or 0)
  if flags < 0 or flags > 3 then
    raise("Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
  end
  host_set_replication(flags)
end
redis.REPL_NONE, redis.REPL_AOF, redis.REPL_SLAVE, redis.REPL_REPLICA, redis.REPL_ALL = 0, 1, 2, 2, 3

function redis.log(...)
  local count = select("#", ...)
  if count < 2 then raise("redis.log() requires two arguments or more.") end
  local level = tonumber((...))
  if not level then raise("First argument must be a number (log level).") end
  level = floor(level)
  if not (level >= 0 and level <= 3) then raise("Invalid log level.") end
  local words = {}
  for place = 2, count do
    local word = select(place, ...)
    if type(word) == "string" or type(word) == "number" then words[#words + 1] = word end
  end
  host_log(level, concat(words, " "))
end
redis.LOG_DEBUG, redis.LOG_VERBOSE, redis.LOG_NOTICE, redis.LOG_WARNING = 0, 1, 2, 3

local debugger_hook, described
local host_breakpoint, host_message = host.debug_breakpoint, host.debug_message
function redis.breakpoint()
  if debugged then host_breakpoint() end
  return debugged
end
function redis.debug(...)
  if not debugged then return end
  local values = {}
  for place = 1, select("#", ...) do values[place] = described((select(place, ...)), 0) end
  host_message(concat(values, ", "))
end
function redis.replicate_commands() return true end
redis.REDIS_VERSION, redis.REDIS_VERSION_NUM = host.version, host.version_number

visible.redis = protect(redis)
if host.has_server then visible.server = visible.redis end

------------------------------------------------------------------------------------------------------ scripts that run

local result_of = host_library("results")(shown, sink, CHUNK, function() return protocol end)

-- Run a script with its keys and arguments as globals.
local function run_script(script, key_count, arguments, ...)
  killed, protocol = false, 2
  if hooked_count > 0 then unhook_idle() end
  local keys, rest
  if arguments then
    keys, rest = {}, {}
    for place = 1, key_count do keys[place] = arguments[place] end
    for place = key_count + 1, #arguments do rest[place - key_count] = arguments[place] end
  elseif key_count == 0 then
    keys, rest = {}, {...}
  elseif key_count == 1 then
    keys, rest = {(...)}, {select(2, ...)}
  else
    keys, rest = {...}, {select(key_count + 1, ...)}
    for place = #keys, key_count + 1, -1 do keys[place] = nil end
  end
  visible.KEYS, visible.ARGV = keys, rest
  return result_of(xpcall(script, locate))
end

-- Run a function of a library, which gets them as arguments.
local function run_function(action, keys, arguments)
  killed, protocol = false, 2
  if hooked_count > 0 then unhook_idle() end
  return result_of(xpcall(function()
    return action(keys, arguments)
  end, locate))
end

-- What only libraries of functions need is loaded with the first of them.
local load_first
local function load_library(source)
  load_first = load_first or setfenv(host_library("libraries"), for_libraries)(host, {
    clean = clean, collectgarbage = collectgarbage, compile = compile, globals = globals, protect = protect, raise = raise,
    redis = redis, refuse = refuse, setmetatable = setmetatable, shown = shown, visible = visible,
    shown_metatable = metatable_of(globals).__metatable,
    is_loading = function() return loading end,
    set_loading = function(now) loading, killed = now, false end,
  })
  return load_first(source)
end

-- The debugger is loaded when it is first used.
local debug_library = {getinfo = getinfo, getlocal = debug.getlocal}
local plain_call, debugged_call = host_call, host.debugged_call
local function set_debugged(on)
  if on and not debugger_hook then
    local environment = copy(for_libraries)
    environment.debug = debug_library
    debugger_hook, described = setfenv(host_library("debugger"), environment)(host, compile, clean, shown, function()
      return rawget(visible, "KEYS"), rawget(visible, "ARGV")
    end, OURS)
  end
  unhook_idle()
  debugged = on
  host_call = on and debugged_call or plain_call
  current_hook, hooked_events = on and debugger_hook or hook, on and "l" or ""
  sethook(current_hook, hooked_events, PULSE)
end

local function compile_script(source)
  return compile(source, "@user_script")
end

return {
  run_script = run_script,
  run_function = run_function,
  compile_script = compile_script,
  load_library = load_library,
  debug = set_debugged,
  memory = function()
    if collectgarbage("count") < 1024 then collectgarbage() end
    return collectgarbage("count")
  end,
  -- From here on there is nothing to see in the real globals. (They stay what they are for lupa, which looks there for
  -- ``debug`` before each call, and would not expect an error.)
  close = function()
    local real, loaded = _G, package.loaded
    for name in pairs(copy(real)) do real[name] = nil end
    for name in pairs(copy(loaded)) do loaded[name] = nil end
    collectgarbage()
    collectgarbage("setpause", 150)
    collectgarbage("setstepmul", 1000)
  end,
}
