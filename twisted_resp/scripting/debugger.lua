-- What the debugger does inside Lua: it stops at lines, and looks at variables and the stack. What it says, and what it is
-- told, is Python's business. Called once with the sandbox's own means; answers the hook.

local host, compile, clean, shown, keys_and_arguments, OURS = ...
local error, type, tostring, next, pcall, rawget = error, type, tostring, next, pcall, rawget
local getinfo, getlocal, format, find, match = debug.getinfo, debug.getlocal, string.format, string.find, string.match
local concat = table.concat
local at_line, log, log_value, quote, command = host.debug_line, host.debug_log, host.debug_value, host.quote, host.debug_command

local DEEPEST = 10

local function described(value, depth)
  if depth == DEEPEST then return "<max recursion level reached! Nested table?>" end
  local kind = type(value)
  if kind == "string" then return quote(value) end
  if kind == "number" then return format("%g", value) end
  if kind == "boolean" or kind == "nil" then return tostring(value) end
  if kind == "userdata" then return '"light-userdata@(nil)"' end -- of which a script has only one: cjson.null
  if kind ~= "table" then return '"' .. kind .. "@" .. match(tostring(value), "0x%x+") .. '"' end
  -- Both what it is as an array and what it is as a table: only at the end is it known which of them it is.
  local items, pairs, is_array = {}, {}, true
  for key, item in next, shown[value] or value do
    local text = described(item, depth + 1)
    if key ~= #items + 1 then is_array = false end
    items[#items + 1] = text
    pairs[#pairs + 1] = "[" .. described(key, depth + 1) .. "]=" .. text
  end
  return "{" .. concat(is_array and items or pairs, "; ") .. "}"
end

-- The levels of the stack are counted from the function that stopped, which is so far away from what looks at it.
local FIRST = 3

local function print_variable(name)
  local level = FIRST
  while getinfo(level, "l") do
    local place = 1
    while true do
      local variable, value = getlocal(level, place)
      if not variable then break end
      if variable == name then return log_value("<value> ", described(value, 0)) end
      place = place + 1
    end
    level = level + 1
  end
  local keys, arguments = keys_and_arguments()
  if name == "KEYS" then return log_value("<value> ", described(keys, 0)) end
  if name == "ARGV" then return log_value("<value> ", described(arguments, 0)) end
  log("No such variable.")
end

local function print_variables()
  local place, found = 1, false
  while true do
    local variable, value = getlocal(FIRST, place)
    if not variable then break end
    if variable ~= "(*temporary)" then
      found = true
      log_value("<value> " .. variable .. " = ", described(value, 0))
    end
    place = place + 1
  end
  if not found then log("No local variables in the current context.") end
end

local function trace(line_shown)
  local level = FIRST
  while true do
    local info = getinfo(level, "Snl")
    if not info then break end
    if info.source ~= OURS and find(info.short_src, "user_script", 1, true) then
      log((level == FIRST and "In " or "From ") .. (info.name or "top level") .. ":")
      host.debug_source(info.currentline)
    end
    level = level + 1
  end
end

local function evaluate(code)
  local made, problem = compile("return " .. code, "@ldb_eval")
  if not made then made, problem = compile(code, "@ldb_eval") end
  if not made then return log("<error> " .. problem) end
  local ok, result = pcall(made)
  if ok then return log_value("<retval> ", described(result, 0)) end
  result = clean(result)
  if type(result) == "table" then result = rawget(result, "err") end
  log("<error> " .. tostring(result))
end

-- (Instructions are not counted for it: nearly all are its own.)
local function hook()
  local info = getinfo(2, "Sl")
  if info.source == OURS then return end
  local stops = at_line(info.currentline, find(info.short_src, "user_script", 1, true) ~= nil)
  while stops do
    local what, argument = command()
    if what == "go on" or what == nil then
      return
    elseif what == "error" then
      error({err = "ERR " .. argument}, 0)
    elseif what == "print" then
      if argument then print_variable(argument) else print_variables() end
    elseif what == "trace" then
      trace()
    elseif what == "eval" then
      evaluate(argument)
    end
  end
end

return hook, described
