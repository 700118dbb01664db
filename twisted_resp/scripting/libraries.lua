-- Libraries of functions. Called once with the sandbox's own means; answers what loads a library.

local host, sandbox = ...
local error, next, pcall, rawget, select, tostring, type = error, next, pcall, rawget, select, tostring, type
local concat = table.concat
local clean, collectgarbage, compile, protect, raise = sandbox.clean, sandbox.collectgarbage, sandbox.compile, sandbox.protect, sandbox.raise
local redis, refuse, setmetatable, shown, visible = sandbox.redis, sandbox.refuse, sandbox.setmetatable, sandbox.shown, sandbox.visible
local is_loading, set_loading = sandbox.is_loading, sandbox.set_loading

-- Libraries stay, and their texts are garbage: many of them should not take half as much again.
collectgarbage("setpause", 105)

-- They see the same globals as scripts when their functions run, and next to nothing while they are loaded.
local library_redis = {}
local function not_while_loading(_, name)
  error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end
for _, name in next, {
  "log", "LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING", "REDIS_VERSION", "REDIS_VERSION_NUM",
} do
  library_redis[name] = redis[name]
end
local library_visible = setmetatable({}, {__index = not_while_loading})
library_visible.redis = protect(setmetatable(library_redis, {__index = not_while_loading}))
if host.has_server then library_visible.server = library_visible.redis end
local library_metatable = {__index = visible, __newindex = refuse, __metatable = sandbox.shown_metatable}
local library_globals = setmetatable({}, library_metatable)
shown[library_globals] = visible

local host_register = host.register
local function checked_flags(flags)
  local names = {}
  while true do
    local name = flags[#names + 1]
    if name == nil then return names end
    if type(name) ~= "string" and type(name) ~= "number" then return nil end
    names[#names + 1] = tostring(name)
  end
end

function library_redis.register_function(...)
  if not is_loading() then raise("redis.register_function can only be called on FUNCTION LOAD command") end
  local count = select("#", ...)
  if count < 1 or count > 2 then raise("wrong number of arguments to redis.register_function") end
  local name, callback = ...
  local description, flags = nil, {}
  if count == 1 then
    local named = name
    if type(named) ~= "table" then
      raise("calling redis.register_function with a single argument is only applicable to Lua table " ..
        "(representing named arguments).")
    end
    name, callback = nil, nil
    for key, value in next, named do
      if type(key) ~= "string" then raise("named argument key given to redis.register_function is not a string") end
      key = key:lower()
      if key == "function_name" then
        if type(value) ~= "string" and type(value) ~= "number" then
          raise("function_name argument given to redis.register_function must be a string")
        end
        name = tostring(value)
      elseif key == "description" then
        if type(value) ~= "string" and type(value) ~= "number" then
          raise("description argument given to redis.register_function must be a string")
        end
        description = tostring(value)
      elseif key == "callback" then
        if type(value) ~= "function" then
          raise("callback argument given to redis.register_function must be a function")
        end
        callback = value
      elseif key == "flags" then
        if type(value) ~= "table" then
          raise("flags argument to redis.register_function must be a table representing function flags")
        end
        flags = checked_flags(value)
        if not flags then raise("unknown flag given") end
      else
        raise("unknown argument given to redis.register_function")
      end
    end
    if not name then raise("redis.register_function must get a function name argument") end
    if not callback then raise("redis.register_function must get a callback argument") end
  elseif type(name) ~= "string" and type(name) ~= "number" then
    raise("first argument to redis.register_function must be a string")
  elseif type(callback) ~= "function" then
    raise("second argument to redis.register_function must be a function")
  end
  local problem = host_register(tostring(name), callback, description, concat(flags, ","))
  if problem then raise(problem) end
end

-- Load a library, which registers its functions. Answers what is wrong, or nil.
return function(source)
  local made, problem = compile(source, "@user_function", library_globals)
  if not made then return "Error compiling function: " .. problem end
  set_loading(true)
  library_metatable.__index = library_visible
  local ok
  ok, problem = pcall(made)
  library_metatable.__index = visible
  set_loading(false)
  if ok then return nil end
  problem = clean(problem)
  if type(problem) == "table" then
    problem = rawget(problem, "err")
  else
    problem = "ERR " .. tostring(problem)
  end
  return "Error registering functions: " .. tostring(problem)
end
