-- What scripts find in ``string``, ``table``, ``coroutine``, ``math``, ``os``, ``bit`` and ``struct``. Called once with the
-- sandbox's own means; puts them among what scripts see.

local host, sandbox = ...
local error, ipairs, pairs, pcall, rawset, select = error, ipairs, pairs, pcall, rawset, select
local tonumber, tostring, type, unpack = tonumber, tostring, type, unpack
local getinfo, metatable_of = debug.getinfo, debug.getmetatable
local floor, find, rep, insert = math.floor, string.find, string.rep, table.insert
local create, resume = coroutine.create, coroutine.resume
local OURS, READ_ONLY = sandbox.OURS, sandbox.READ_ONLY
local bad_argument, clean, complain, copy, int = sandbox.bad_argument, sandbox.clean, sandbox.complain, sandbox.copy, sandbox.int
local protect, reworded, shown, visible = sandbox.protect, sandbox.reworded, sandbox.shown, sandbox.visible
local end_if_killed, hook_thread = sandbox.end_if_killed, sandbox.hook_thread

---------------------------------------------------------------------------------------------- libraries made in Lua

local string_shown = copy(string)
-- An error of a function in C tells where it was called from: here, if nothing were done about it. (Whoever calls this has
-- to be there still, so no tail call leads here: see ``select``.)
local function called(ok, ...)
  if ok then return ... end
  end_if_killed()
  local problem = clean((...))
  if type(problem) ~= "string" or find(problem, "^user_%l+:%d") then error(problem, 0) end
  error(reworded(problem, 2), 3)
end
-- A match takes the C stack as deep as its pattern is long: a long enough one would end the process.
local LONGEST_PATTERN = 2000
for _, name in ipairs {"find", "match", "gmatch", "gfind", "gsub"} do
  local action = string[name]
  if action then
    string_shown[name] = function(...)
      local text, pattern = ...
      local kind = type(text)
      if kind ~= "string" and kind ~= "number" then bad_argument(1, "string", ...) end
      kind = type(pattern)
      if kind ~= "string" then
        if kind ~= "number" then bad_argument(2, "string", select(2, ...)) end
      elseif #pattern > LONGEST_PATTERN and not (name == "find" and select(4, ...)) then
        error("pattern too complex", 2)
      end
      return select(1, called(pcall(action, ...)))
    end
  end
end
function string_shown.rep(...)
  local text, count = ...
  local kind = type(text)
  if kind ~= "string" and kind ~= "number" then bad_argument(1, "string", ...) end
  count = tonumber(count)
  if not count then bad_argument(2, "number", select(2, ...)) end
  count = int(count)
  if #tostring(text) * count > 2147483648 then error("resulting string too large", 2) end
  return rep(text, count)
end
local string_proxy = protect(string_shown)
visible.string = string_proxy
-- The metatable of all strings is one for all scripts.
do
  local meta = metatable_of("")
  meta.__index = string_shown
  meta.__metatable = protect({__index = string_proxy})
end

local table_shown = copy(table)
function table_shown.insert(...)
  local table, place = ...
  if type(table) ~= "table" then bad_argument(1, "table", ...) end
  if shown[table] then error(READ_ONLY, 0) end
  local count = select("#", ...)
  if count == 2 then
    rawset(table, #table + 1, place)
    return
  elseif count ~= 3 then
    error("wrong number of arguments to 'insert'", 2)
  end
  if not tonumber(place) then bad_argument(2, "number", place) end
  insert(...)
end
visible.table = protect(table_shown)

local coroutine_shown = copy(coroutine)
-- Ours stand for functions in C, which can't be the body of a coroutine.
local function is_script(body)
  if type(body) ~= "function" then return false end
  local info = getinfo(body, "S")
  return info.what ~= "C" and info.source ~= OURS
end
function coroutine_shown.create(body)
  if not is_script(body) then complain(1, "Lua function expected") end
  return create(body)
end
local function resumed(ok, ...)
  if ok then return true, ... end
  end_if_killed()
  return false, clean((...))
end
function coroutine_shown.resume(thread, ...)
  if type(thread) ~= "thread" then complain(1, "coroutine expected") end
  hook_thread(thread)
  return resumed(resume(thread, ...))
end
local function passed_on(ok, ...)
  if ok then return ... end
  end_if_killed()
  local problem = clean((...))
  error(problem, type(problem) == "string" and 3 or 0) -- which says where once more
end
function coroutine_shown.wrap(body)
  if not is_script(body) then complain(1, "Lua function expected") end
  local thread = create(body)
  return function(...)
    hook_thread(thread)
    return passed_on(resume(thread, ...))
  end
end
visible.coroutine = protect(coroutine_shown)

visible.os = protect({clock = os.clock})

-- The generator of POSIX' lrand48, whose numbers are the same everywhere. Its 48 bits are kept in two halves.
local high, low = host.seed()
local function lrand48()
  local product = low * 0xECE66D + 0xB
  high = (high * 0xECE66D + low * 0x5DE + floor(product / 0x1000000)) % 0x1000000
  low = product % 0x1000000
  return high * 128 + floor(low / 0x20000)
end
local function check_integer(number, value)
  local converted = tonumber(value)
  if not converted then
    local got = value == nil and "no value" or type(value)
    error(reworded("bad argument #" .. number .. " to '?' (number expected, got " .. got .. ")", 2), 3)
  end
  return int(converted)
end
local math_shown = copy(math)
function math_shown.random(...)
  local count = select("#", ...)
  local ratio = (lrand48() % 2147483647) / 2147483647
  if count == 0 then return ratio end
  if count > 2 then error("wrong number of arguments", 2) end
  local least, most = 1, check_integer(1, (...))
  if count == 2 then least, most = most, check_integer(2, (select(2, ...))) end
  if least > most then complain(count, "interval is empty") end
  return floor(ratio * (most - least + 1)) + least
end
function math_shown.randomseed(seed)
  seed = check_integer(1, seed) % 0x100000000
  high, low = floor(seed / 0x100), seed % 0x100 * 0x10000 + 0x330E
end
visible.math = protect(math_shown)

---------------------------------------------------------------------------------------------- libraries made in Python

-- Functions in Python answer true and their results, or false and what is wrong.
local function checked(ok, ...)
  if not ok then error(reworded((...), 2), 3) end
  return ...
end
for _, library in ipairs {"bit", "struct"} do
  local made = {}
  for name, action in pairs(host[library]) do
    made[name] = function(...)
      return select(1, checked(action(...)))
    end
  end
  if library == "struct" then
    -- Python gets the numbers 0 and NaN without their signs, but as text.
    local pack = host.struct.pack
    local function has_sign(value)
      return value == 0 and 1 / value < 0 or value ~= value
    end
    function made.pack(...)
      for place = 2, select("#", ...) do
        if has_sign((select(place, ...))) then
          local values = {...}
          for other = place, select("#", ...) do
            if has_sign(values[other]) then values[other] = tostring(values[other]) end
          end
          return select(1, checked(pack(unpack(values, 1, select("#", ...)))))
        end
      end
      return select(1, checked(pack(...)))
    end
  end
  visible[library] = protect(made)
end
