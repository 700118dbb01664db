-- JSON as lua-cjson 2.1 reads and writes it.

local reworded, int = (...).reworded, (...).int
local concat, floor, format, type, next, rawget = table.concat, math.floor, string.format, type, next, rawget
local byte, char, find, gsub, match, sub = string.byte, string.char, string.find, string.gsub, string.match, string.sub
local error, pcall, tonumber, tostring, select = error, pcall, tonumber, tostring, select

local null = newproxy(false)

local settings = {
  convert_sparse = false, sparse_ratio = 2, sparse_safe = 10,
  encode_max_depth = 1000, decode_max_depth = 1000,
  encode_invalid = false, decode_invalid = true,
  keep_buffer = true, precision = 14,
}
local number_format = "%.14g"

------------------------------------------------------------------------------------------------------------- encoding

local escapes = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["/"] = "\\/",
  ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
}
for code = 0, 127 do
  local letter = char(code)
  if (code < 32 or code == 127) and not escapes[letter] then escapes[letter] = format("\\u%04x", code) end
end

local function quoted(text)
  if find(text, '[%c"\\/]') then text = gsub(text, '[%c"\\/]', escapes) end
  return '"' .. text .. '"'
end

local function number_text(number)
  if number ~= number or number == 1 / 0 or number == -1 / 0 then
    if settings.encode_invalid == "null" then return "null" end
    if not settings.encode_invalid then error("Cannot serialise number: must not be NaN or Inf", 0) end
    if number ~= number then return "nan" end
  end
  return format(number_format, number)
end

-- The length of a table that is to be an array; nil for an object.
local function array_length(value)
  local most, count = 0, 0
  for key in next, value do
    if type(key) ~= "number" or key < 1 or floor(key) ~= key then return nil end
    if key > most then most = key end
    count = count + 1
  end
  if count == 0 then return nil end
  if settings.sparse_ratio > 0 and most > count * settings.sparse_ratio and most > settings.sparse_safe then
    if not settings.convert_sparse then error("Cannot serialise table: excessively sparse array", 0) end
    return nil
  end
  return most
end

local append

local function append_table(out, value, depth)
  if depth > settings.encode_max_depth then
    error("Cannot serialise, excessive nesting (" .. depth .. ")", 0)
  end
  local length = array_length(value)
  local separator = ""
  if length then
    out[#out + 1] = "["
    for place = 1, length do
      if place > 1 then out[#out + 1] = "," end
      append(out, rawget(value, place), depth)
    end
    out[#out + 1] = "]"
    return
  end
  out[#out + 1] = "{"
  for key, item in next, value do
    if type(key) == "string" then
      out[#out + 1] = separator .. quoted(key) .. ":"
    elseif type(key) == "number" then
      out[#out + 1] = separator .. '"' .. number_text(key) .. '":'
    else
      error("Cannot serialise " .. type(key) .. ": table key must be a number or string", 0)
    end
    separator = ","
    append(out, item, depth)
  end
  out[#out + 1] = "}"
end

function append(out, value, depth)
  local kind = type(value)
  if kind == "string" then
    out[#out + 1] = quoted(value)
  elseif kind == "number" then
    out[#out + 1] = number_text(value)
  elseif kind == "boolean" then
    out[#out + 1] = value and "true" or "false"
  elseif kind == "table" then
    append_table(out, value, depth + 1)
  elseif value == nil or value == null then
    out[#out + 1] = "null"
  else
    error("Cannot serialise " .. kind .. ": type not supported", 0)
  end
end

------------------------------------------------------------------------------------------------------------- decoding

local function fail(expected, found, place)
  error("Expected " .. expected .. " but found " .. found .. " at character " .. place, 0)
end

local PUNCTUATION = {
  ["{"] = "T_OBJ_BEGIN", ["}"] = "T_OBJ_END", ["["] = "T_ARR_BEGIN", ["]"] = "T_ARR_END", [":"] = "T_COLON",
  [","] = "T_COMMA",
}
local UNESCAPED = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}

local function utf8(code)
  if code < 0x80 then return char(code) end
  if code < 0x800 then return char(0xC0 + floor(code / 64), 0x80 + code % 64) end
  if code < 0x10000 then
    return char(0xE0 + floor(code / 4096), 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
  end
  return char(0xF0 + floor(code / 262144), 0x80 + floor(code / 4096) % 64, 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
end

-- A string from the place after its quote: the text and the place after it, or nil, what is wrong and where.
local function read_string(source, place)
  local stop = find(source, '["\\%z]', place)
  if stop and byte(source, stop) == 34 then return sub(source, place, stop - 1), stop + 1 end
  local pieces = {}
  while true do
    stop = find(source, '["\\%z]', place)
    if not stop then return nil, "unexpected end of string", #source + 1 end
    pieces[#pieces + 1] = sub(source, place, stop - 1)
    local code = byte(source, stop)
    if code == 34 then return concat(pieces), stop + 1 end
    if code == 0 then return nil, "unexpected end of string", stop end
    local letter = sub(source, stop + 1, stop + 1)
    if letter == "u" then
      local unit = find(source, "^%x%x%x%x", stop + 2) and tonumber(sub(source, stop + 2, stop + 5), 16)
      if not unit then return nil, "invalid unicode escape code", stop end
      place = stop + 6
      if unit >= 0xD800 and unit < 0xE000 then
        local second = unit < 0xDC00 and find(source, "^\\u%x%x%x%x", place) and tonumber(sub(source, place + 2, place + 5), 16)
        if not second or second < 0xDC00 or second > 0xDFFF then
          return nil, "invalid unicode escape code", stop
        end
        unit = 0x10000 + (unit - 0xD800) * 0x400 + second - 0xDC00
        place = place + 6
      end
      pieces[#pieces + 1] = utf8(unit)
    elseif UNESCAPED[letter] then
      pieces[#pieces + 1] = UNESCAPED[letter]
      place = stop + 2
    else
      return nil, "invalid escape code", stop
    end
  end
end

-- A number as strtod reads it: its value and the place after it; nil if there is none.
local function read_number(source, place)
  local _, stop = find(source, "^[+-]?0[xX]%x+", place)
  if stop then
    local sign = sub(source, place, place)
    local value = tonumber((gsub(sub(source, place, stop), "^[+-]", "")))
    return sign == "-" and -value or value, stop + 1
  end
  _, stop = find(source, "^[+-]?%d+%.?%d*", place)
  if not stop then _, stop = find(source, "^[+-]?%.%d+", place) end
  if stop then
    local _, exponent = find(source, "^[eE][+-]?%d+", stop + 1)
    stop = exponent or stop
    return tonumber((gsub(sub(source, place, stop), "^%+", ""))), stop + 1
  end
  local word = sub(source, place, place + 8):lower()
  local sign, rest = word:match("^([+-]?)(.*)$")
  if find(rest, "^infinity") then return sign == "-" and -1 / 0 or 1 / 0, place + #sign + 8 end
  if find(rest, "^inf") then return sign == "-" and -1 / 0 or 1 / 0, place + #sign + 3 end
  if find(rest, "^nan") then return sign == "-" and 0 / 0 or -(0 / 0), place + #sign + 3 end
  return nil
end

-- Whether what begins here is a number that JSON does not have: hexadecimal, infinite, or with a zero in front.
local function is_invalid_number(source, place)
  local text = sub(source, place, place + 4):lower()
  if find(text, "^%+") then return true end
  text = gsub(text, "^%-", "")
  if find(text, "^0[x%d]") then return true end
  return find(text, "^inf") ~= nil or find(text, "^nan") ~= nil
end

-- The token at a place: its type, its value, the place after it, and its own place.
local function token(source, place)
  place = find(source, "[^ \t\r\n]", place) or #source + 1
  local letter = sub(source, place, place)
  if letter == "" then return "T_END", nil, place, place end
  if PUNCTUATION[letter] then return PUNCTUATION[letter], nil, place + 1, place end
  if letter == '"' then
    local text, after, where = read_string(source, place + 1)
    if text then return "T_STRING", text, after, place end
    return "T_ERROR", after, where, where
  end
  if find(letter, "[%d%-]") then
    if not settings.decode_invalid and is_invalid_number(source, place) then
      return "T_ERROR", "invalid number", place, place
    end
    local value, after = read_number(source, place)
    if not value then return "T_ERROR", "invalid number", place, place end
    return "T_NUMBER", value, after, place
  end
  if sub(source, place, place + 3) == "true" then return "T_BOOLEAN", true, place + 4, place end
  if sub(source, place, place + 4) == "false" then return "T_BOOLEAN", false, place + 5, place end
  if sub(source, place, place + 3) == "null" then return "T_NULL", null, place + 4, place end
  if settings.decode_invalid and is_invalid_number(source, place) then
    local value, after = read_number(source, place)
    if value then return "T_NUMBER", value, after, place end
  end
  return "T_ERROR", "invalid token", place, place
end

local function unexpected(expected, kind, value, place)
  fail(expected, kind == "T_ERROR" and value or kind, place)
end

local function read_value(source, kind, value, after, place, depth)
  if kind == "T_STRING" or kind == "T_NUMBER" or kind == "T_BOOLEAN" or kind == "T_NULL" then
    return value, after
  elseif kind == "T_OBJ_BEGIN" or kind == "T_ARR_BEGIN" then
    depth = depth + 1
    if depth > settings.decode_max_depth then
      error("Found too many nested data structures (" .. depth .. ") at character " .. place, 0)
    end
    local result = {}
    local first, first_value, first_after, first_place = token(source, after)
    if kind == "T_ARR_BEGIN" then
      if first == "T_ARR_END" then return result, first_after end
      local count = 0
      while true do
        count = count + 1
        result[count], after = read_value(source, first, first_value, first_after, first_place, depth)
        local mark, mark_value, mark_after, mark_place = token(source, after)
        if mark == "T_ARR_END" then return result, mark_after end
        if mark ~= "T_COMMA" then unexpected("comma or array end", mark, mark_value, mark_place) end
        first, first_value, first_after, first_place = token(source, mark_after)
      end
    end
    if first == "T_OBJ_END" then return result, first_after end
    while true do
      if first ~= "T_STRING" then unexpected("object key string", first, first_value, first_place) end
      local mark, mark_value, mark_after, mark_place = token(source, first_after)
      if mark ~= "T_COLON" then unexpected("colon", mark, mark_value, mark_place) end
      local item, item_value, item_after, item_place = token(source, mark_after)
      result[first_value], after = read_value(source, item, item_value, item_after, item_place, depth)
      mark, mark_value, mark_after, mark_place = token(source, after)
      if mark == "T_OBJ_END" then return result, mark_after end
      if mark ~= "T_COMMA" then unexpected("comma or object end", mark, mark_value, mark_place) end
      first, first_value, first_after, first_place = token(source, mark_after)
    end
  end
  unexpected("value", kind, value, place)
end

-------------------------------------------------------------------------------------------------------------- the API

local cjson = {null = null, _NAME = "cjson", _VERSION = "2.1.0"}

-- Errors say where in the script the call stands, as luaL_error does.
local function guarded(ok, ...)
  if ok then return ... end
  error((...), 3)
end

function cjson.encode(...)
  if select("#", ...) ~= 1 then error(reworded("bad argument #1 to 'encode' (expected 1 argument)", 1), 2) end
  local out = {}
  guarded(pcall(append, out, (...), 0))
  return concat(out)
end

local function decode(source)
  local kind, value, after, place = token(source, 1)
  local result
  result, after = read_value(source, kind, value, after, place, 0)
  kind, value, after, place = token(source, after)
  if kind ~= "T_END" then unexpected("the end", kind, value, place) end
  return result
end

function cjson.decode(...)
  if select("#", ...) ~= 1 then error(reworded("bad argument #1 to 'decode' (expected 1 argument)", 1), 2) end
  local source = ...
  if type(source) == "number" then source = tostring(source) end
  if type(source) ~= "string" then
    error(reworded("bad argument #1 to 'decode' (string expected, got " .. type(source) .. ")", 1), 2)
  end
  if #source >= 2 and (byte(source, 1) == 0 or byte(source, 2) == 0) then
    error("JSON parser does not support UTF-16 or UTF-32", 2)
  end
  local ok, result = pcall(decode, source)
  if not ok then error(result, 2) end
  return result
end

-- Settings: with no argument, or nil, one is only told. A problem is one with the argument ``place`` of the function that
-- calls the function that looks at it.
local function complain(place, problem)
  error(reworded("bad argument #" .. place .. " to '?' (" .. problem .. ")", 3), 4)
end
local function check_count(most, ...)
  if select("#", ...) > most then complain(most + 1, "found too many arguments") end
end
local function set_integer(place, value, setting, least, most)
  if value ~= nil then
    local number = tonumber(value)
    if not number then complain(place, "number expected, got " .. type(value)) end
    number = int(number)
    if number < least or number > most then
      complain(1, "expected integer between " .. least .. " and " .. most)
    end
    settings[setting] = number
  end
  return settings[setting]
end
local function set_choice(place, value, setting, with_null)
  if type(value) == "boolean" then
    settings[setting] = value
  elseif value ~= nil then
    if type(value) == "number" then value = tostring(value) end
    if type(value) ~= "string" then complain(place, "string expected, got " .. type(value)) end
    if value ~= "on" and value ~= "off" and not (with_null and value == "null") then
      complain(place, "invalid option '" .. match(value, "^%Z*") .. "'")
    end
    if value == "null" then settings[setting] = value else settings[setting] = value == "on" end
  end
  return settings[setting]
end

local LARGEST = 2147483647
function cjson.encode_max_depth(...)
  check_count(1, ...)
  local result = set_integer(1, (...), "encode_max_depth", 1, LARGEST)
  return result
end
function cjson.decode_max_depth(...)
  check_count(1, ...)
  local result = set_integer(1, (...), "decode_max_depth", 1, LARGEST)
  return result
end
function cjson.encode_number_precision(...)
  check_count(1, ...)
  local result = set_integer(1, (...), "precision", 1, 14)
  number_format = "%." .. result .. "g"
  return result
end
function cjson.encode_keep_buffer(...)
  check_count(1, ...)
  local result = set_choice(1, (...), "keep_buffer")
  return result
end
function cjson.encode_invalid_numbers(...)
  check_count(1, ...)
  local result = set_choice(1, (...), "encode_invalid", true)
  return result
end
function cjson.decode_invalid_numbers(...)
  check_count(1, ...)
  local result = set_choice(1, (...), "decode_invalid")
  return result
end
function cjson.encode_sparse_array(...)
  check_count(3, ...)
  local convert, ratio, safe = ...
  convert = set_choice(1, convert, "convert_sparse")
  ratio = set_integer(2, ratio, "sparse_ratio", 0, LARGEST)
  safe = set_integer(3, safe, "sparse_safe", 0, LARGEST)
  return convert, ratio, safe
end

return cjson
