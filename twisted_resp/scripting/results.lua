-- What a script returns, for Python. Called once with the sandbox's own means; answers the function that Python gets its
-- results from.

local shown, sink, CHUNK, get_protocol = ...
local next, rawget, tostring, type, unpack = next, rawget, tostring, type, unpack

local DEEPEST = 150

-- A value as a flat sequence: strings and numbers as they are; anything else as true, what it is, and its parts.
local function flatten(value, out, depth, protocol)
  local kind = type(value)
  local size = #out
  if kind == "string" or kind == "number" then
    out[size + 1] = value
    return
  end
  out[size + 1] = true
  if kind == "boolean" then
    if protocol == 3 then
      out[size + 2] = value and "true" or "false"
    elseif value then
      out[size + 1] = 1
    else
      out[size + 2] = "null"
    end
    return
  elseif kind ~= "table" then
    out[size + 2] = "null"
    return
  end
  if depth > DEEPEST then
    out[size + 2], out[size + 3], out[size + 4] = "err", "ERR reached lua stack limit", 0
    return
  end
  value = shown[value] or value
  local part = rawget(value, "err")
  if type(part) == "string" then
    out[size + 2], out[size + 3] = "err", part
    out[size + 4] = rawget(value, "ignore_error_stats_update") and 1 or 0
    return
  end
  part = rawget(value, "ok")
  if type(part) == "string" then
    out[size + 2], out[size + 3] = "ok", part
    return
  end
  part = rawget(value, "double")
  if type(part) == "number" then
    -- (Python gets the number 0 without its sign.)
    out[size + 2], out[size + 3] = "double", (part == 0 and 1 / part < 0) and "-0" or part
    return
  end
  part = rawget(value, "big_number")
  if type(part) == "string" then
    out[size + 2], out[size + 3] = "big_number", part
    return
  end
  part = rawget(value, "verbatim_string")
  if type(part) == "table" then
    local form, text = rawget(part, "format"), rawget(part, "string")
    if type(form) == "string" and type(text) == "string" then
      out[size + 2], out[size + 3], out[size + 4] = "verbatim", form, text
      return
    end
  end
  part = rawget(value, "map")
  if type(part) == "table" then
    out[size + 2], out[size + 3] = "map", 0
    local count = 0
    for key, item in next, part do
      count = count + 1
      flatten(key, out, depth + 1, protocol)
      flatten(item, out, depth + 1, protocol)
    end
    out[size + 3] = count
    return
  end
  part = rawget(value, "set")
  if type(part) == "table" then
    out[size + 2], out[size + 3] = "set", 0
    local count = 0
    for key in next, part do
      count = count + 1
      flatten(key, out, depth + 1, protocol)
    end
    out[size + 3] = count
    return
  end
  out[size + 2], out[size + 3] = "array", 0
  local count = 0
  while true do
    local item = rawget(value, count + 1)
    if item == nil then break end
    count = count + 1
    flatten(item, out, depth + 1, protocol)
  end
  out[size + 3] = count
end

return function(ok, result)
  if not ok then
    local sentence, source, line = "ERR execution failure", nil, nil
    local counted = false
    if type(result) == "table" then
      sentence = rawget(result, "err")
      sentence = (type(sentence) == "string" or type(sentence) == "number") and tostring(sentence) or "(null)"
      source, line = rawget(result, "source"), rawget(result, "line")
      counted = rawget(result, "ignore_error_stats_update") == true
    end
    return nil, "failed", sentence, source, line, counted
  end
  local kind = type(result)
  if kind == "string" or kind == "number" then return result end
  local protocol = get_protocol()
  if kind == "boolean" and protocol == 2 then return result and 1 or nil end
  if kind == "table" or kind == "boolean" then
    -- What most scripts return, tables of strings and numbers and what SET answers, goes as it is.
    if kind == "table" and not shown[result] then
      local size, last = #result, nil
      if size > 0 and size <= CHUNK then
        local places = 0
        for place, value in next, result do
          kind = type(value)
          if type(place) ~= "number" or place < 1 or place > size or place % 1 ~= 0
            or (kind ~= "string" and kind ~= "number") then
            break
          end
          places, last = places + 1, place
        end
        if places == size and next(result, last) == nil then return nil, "list", unpack(result, 1, size) end
      elseif size == 0 then
        local name, text = next(result)
        if name == "ok" and type(text) == "string" and next(result, name) == nil then return nil, "ok", text end
      end
    end
    local out = {}
    flatten(result, out, 1, protocol)
    local size = #out
    if size <= CHUNK then return nil, unpack(out, 1, size) end
    sink(out, size)
    return nil, "sunk"
  end
  return nil
end
