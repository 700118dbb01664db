-- MessagePack as lua-cmsgpack 0.4 reads and writes it.

local host = ...
local pack_double, pack_float, unpack_double, unpack_float = host.pack_double, host.pack_float, host.unpack_double, host.unpack_float
local reworded, int = host.reworded, host.int
local byte, char, concat, floor, sub = string.byte, string.char, table.concat, math.floor, string.sub
local error, next, pcall, select, tonumber, tostring, type, unpack = error, next, pcall, select, tonumber, tostring, type, unpack

local DEEPEST = 16

-------------------------------------------------------------------------------------------------------------- packing

-- A number below 2^32 in two or four bytes.
local function two(number)
  return char(floor(number / 256), number % 256)
end
local function four(number)
  return char(floor(number / 16777216), floor(number / 65536) % 256, floor(number / 256) % 256, number % 256)
end

local function packed_integer(number)
  if number >= 0 then
    if number <= 127 then return char(number) end
    if number <= 0xFF then return char(0xCC, number) end
    if number <= 0xFFFF then return "\205" .. two(number) end
    if number <= 0xFFFFFFFF then return "\206" .. four(number) end
    return "\207" .. four(floor(number / 4294967296)) .. four(number % 4294967296)
  end
  if number >= -32 then return char(256 + number) end
  if number >= -128 then return char(0xD0, 256 + number) end
  if number >= -32768 then return "\209" .. two(65536 + number) end
  if number >= -2147483648 then return "\210" .. four(4294967296 + number) end
  local high = floor(number / 4294967296)
  return "\211" .. four(4294967296 + high) .. four(number - high * 4294967296)
end

local function packed_number(number)
  if floor(number) == number and number >= -9223372036854775808 and number < 9223372036854775808 then
    return packed_integer(number)
  end
  return pack_float(number) or pack_double(number)
end

local function header(size, fixed, fixed_most, eight, sixteen)
  if size <= fixed_most then return char(fixed + size) end
  if eight and size <= 0xFF then return char(eight, size) end
  if size <= 0xFFFF then return char(sixteen) .. two(size) end
  return char(sixteen + 1) .. four(size)
end

-- Whether the keys are 1 to n; and how many there are.
local function measure(value)
  local most, count, is_array = 0, 0, true
  for key in next, value do
    if type(key) ~= "number" or key < 1 or floor(key) ~= key then
      is_array = false
    elseif key > most then
      most = key
    end
    count = count + 1
  end
  return is_array and most == count, count
end

local function append(out, value, depth)
  local kind = type(value)
  if kind == "string" then
    out[#out + 1] = header(#value, 0xA0, 31, 0xD9, 0xDA)
    out[#out + 1] = value
  elseif kind == "number" then
    out[#out + 1] = packed_number(value)
  elseif kind == "boolean" then
    out[#out + 1] = value and "\195" or "\194"
  elseif kind == "table" and depth < DEEPEST then
    local is_array, count = measure(value)
    if is_array then
      out[#out + 1] = header(count, 0x90, 15, nil, 0xDC)
      for place = 1, count do append(out, value[place], depth + 1) end
    else
      out[#out + 1] = header(count, 0x80, 15, nil, 0xDE)
      for key, item in next, value do
        append(out, key, depth + 1)
        append(out, item, depth + 1)
      end
    end
  else
    out[#out + 1] = "\192"
  end
end

------------------------------------------------------------------------------------------------------------ unpacking

local MISSING, BAD = "Missing bytes in input.", "Bad data format in input."

local function unsigned(source, place, size)
  if place + size - 1 > #source then error(MISSING, 0) end
  local number = 0
  for index = place, place + size - 1 do number = number * 256 + byte(source, index) end
  return number, place + size
end

local function signed(source, place, size)
  local high = unsigned(source, place, size > 4 and 4 or size)
  if size == 8 then
    local low = unsigned(source, place + 4, 4)
    if high >= 2147483648 then high = high - 4294967296 end
    return high * 4294967296 + low, place + 8
  end
  if high >= 256 ^ size / 2 then high = high - 256 ^ size end
  return high, place + size
end

local function text(source, place, size)
  if place + size - 1 > #source then error(MISSING, 0) end
  return sub(source, place, place + size - 1), place + size
end

local read

local function read_array(source, place, count)
  local result = {}
  for index = 1, count do result[index], place = read(source, place) end
  return result, place
end

local function read_map(source, place, count)
  local result = {}
  for _ = 1, count do
    local key, value
    key, place = read(source, place)
    value, place = read(source, place)
    if key == nil then error("table index is nil", 0) end
    result[key] = value
  end
  return result, place
end

function read(source, place)
  local code = byte(source, place)
  if not code then error(MISSING, 0) end
  place = place + 1
  if code <= 0x7F then return code, place end
  if code >= 0xE0 then return code - 256, place end
  if code <= 0x8F then return read_map(source, place, code - 0x80) end
  if code <= 0x9F then return read_array(source, place, code - 0x90) end
  if code <= 0xBF then return text(source, place, code - 0xA0) end
  if code == 0xC0 then return nil, place end
  if code == 0xC2 then return false, place end
  if code == 0xC3 then return true, place end
  if code == 0xCA then
    local data
    data, place = text(source, place, 4)
    return unpack_float(data), place
  end
  if code == 0xCB then
    local data
    data, place = text(source, place, 8)
    return unpack_double(data), place
  end
  if code == 0xCF then return signed(source, place, 8) end -- as Redis, which has no unsigned numbers in Lua
  if code >= 0xCC and code <= 0xCE then return unsigned(source, place, 2 ^ (code - 0xCC)) end
  if code >= 0xD0 and code <= 0xD3 then return signed(source, place, 2 ^ (code - 0xD0)) end
  local size
  if code >= 0xC4 and code <= 0xC6 then
    size, place = unsigned(source, place, 2 ^ (code - 0xC4))
    return text(source, place, size)
  end
  if code >= 0xD9 and code <= 0xDB then
    size, place = unsigned(source, place, 2 ^ (code - 0xD9))
    return text(source, place, size)
  end
  if code == 0xDC or code == 0xDD then
    size, place = unsigned(source, place, code == 0xDC and 2 or 4)
    return read_array(source, place, size)
  end
  if code == 0xDE or code == 0xDF then
    size, place = unsigned(source, place, code == 0xDE and 2 or 4)
    return read_map(source, place, size)
  end
  error(BAD, 0)
end

local function read_all(source, limit, offset, tell_offset)
  local results, count = {}, 0
  if tell_offset then count = 1 end
  local place = offset + 1
  local read_count = 0
  while place <= #source and read_count < limit do
    count = count + 1
    read_count = read_count + 1
    results[count], place = read(source, place)
  end
  if tell_offset then results[1] = place > #source and -1 or place - 1 end
  return results, count
end

-- What C makes of a number where it wants a long integer.
local function long(number)
  if number ~= number or number < -9223372036854775808 or number >= 9223372036854775808 then
    return -9223372036854775808
  end
  return number < 0 and -floor(-number) or floor(number)
end

local function unpack_from(name, limit, offset, tell_offset, ...)
  local source = ...
  if type(source) == "number" then source = tostring(source) end
  if type(source) ~= "string" then
    error(reworded("bad argument #1 to '" .. name .. "' (string expected, got " .. (select("#", ...) == 0 and "no value" or type(source)) .. ")", 2), 3)
  end
  if offset < 0 or limit < 0 then
    error("Invalid request to unpack with offset of " .. int(offset) .. " and limit of " .. #source .. ".", 3)
  elseif offset > #source then
    error("Start offset " .. int(offset) .. " greater than input length " .. #source .. ".", 3)
  end
  local ok, results, count = pcall(read_all, source, limit == 0 and offset == 0 and 2147483647 or limit, offset, tell_offset)
  if not ok then error(results, 3) end
  return results, count
end

-------------------------------------------------------------------------------------------------------------- the API

local cmsgpack = {
  _NAME = "cmsgpack", _VERSION = "lua-cmsgpack 0.4.0",
  _COPYRIGHT = "Copyright (C) 2012, Salvatore Sanfilippo", _DESCRIPTION = "MessagePack C implementation for Lua",
}

function cmsgpack.pack(...)
  local count = select("#", ...)
  if count == 0 then error(reworded("bad argument #0 to 'pack' (MessagePack pack needs input.)", 1), 2) end
  local out = {}
  for place = 1, count do append(out, (select(place, ...)), 0) end
  return concat(out)
end

function cmsgpack.unpack(...)
  local results, count = unpack_from("unpack", 0, 0, false, ...)
  return unpack(results, 1, count)
end

local function offset_of(place, ...)
  local offset = select(place, ...)
  local number = tonumber(offset == nil and 0 or offset)
  if not number then error(reworded("bad argument #" .. place .. " to '?' (number expected, got " .. type(offset) .. ")", 2), 3) end
  return long(number)
end

function cmsgpack.unpack_one(...)
  local offset = offset_of(2, ...)
  local results, count = unpack_from("unpack_one", 1, offset, true, ...)
  return unpack(results, 1, count)
end

function cmsgpack.unpack_limit(...)
  local _, limit = ...
  local number = tonumber(limit)
  if not number then
    error(reworded("bad argument #2 to 'unpack_limit' (number expected, got " .. (limit == nil and "no value" or type(limit)) .. ")", 1), 2)
  end
  local offset = offset_of(3, ...)
  limit = long(number)
  local results, count = unpack_from("unpack_limit", limit, offset, limit ~= 0 or offset ~= 0, ...)
  return unpack(results, 1, count)
end

return cmsgpack
