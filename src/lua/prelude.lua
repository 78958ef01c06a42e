-- The notebook side of the standard library. `kernel` holds what leaves the Lua state.
local kernel = ...

-- Cells may replace any global: what is needed below is kept from the start.
local error, getmetatable, next, select, tonumber, tostring, type =
  error, getmetatable, next, select, tonumber, tostring, type
local concat, pack, unpack = table.concat, table.pack, table.unpack
local match, format = string.match, string.format
local popen, open, io_type, io_lines, system_execute = io.popen, io.open, io.type, io.lines, os.execute
local plain_xpcall = xpcall

local function fail(message)
  error(kernel.position() .. message, 0)
end

local function bad_argument(position, name, expected, value)
  fail(format("bad argument #%d to '%s' (%s expected, got %s)", position, name, expected, type(value)))
end

-- Output

function print(...)
  local texts = pack(...)
  for i = 1, texts.n do texts[i] = tostring(texts[i]) end
  texts[texts.n + 1] = ""
  kernel.stdout(concat(texts, "\t", 1, texts.n) .. "\n")
end

local function write(stream, ...)
  for i = 1, select("#", ...) do
    local value = (select(i, ...))
    local kind = type(value)
    if kind == "number" then value = tostring(value)
    elseif kind ~= "string" then bad_argument(i, "write", "string", value) end
    stream(value)
  end
end

function display(value)
  local problem = kernel.display(value)
  if problem then fail("display: " .. problem) end
end

-- Input: lines that were asked for, and not yet read

local typed = ""

-- One more line. False at the end of the input.
local function ask()
  local line, problem = kernel.read_line("", false)
  if problem then fail(problem) end
  if not line then return false end
  typed = typed .. line .. "\n"
  return true
end

local function take(bytes)
  local text = typed:sub(1, bytes)
  typed = typed:sub(bytes + 1)
  return text
end

local read = {}

function read.L()
  if typed == "" and not ask() then return nil end
  return take(typed:find("\n", 1, true) or #typed)
end

function read.l()
  local line = read.L()
  return line and (line:gsub("\n$", ""))
end

-- A notebook's input has no end to wait for: this is what is left of the line, else one line.
function read.a()
  if typed == "" then ask() end
  return take(#typed)
end

function read.n()
  while match(typed, "^%s*$") do
    typed = ""
    if not ask() then return nil end
  end
  typed = typed:gsub("^%s+", "")
  local mantissa = match(typed, "^[+-]?0[xX]%x*%.?%x*")
  local exponent = "^[pP][+-]?%d+"
  if not mantissa then
    mantissa = match(typed, "^[+-]?%d*%.?%d*")
    exponent = "^[eE][+-]?%d+"
  end
  local numeral = mantissa .. (match(typed:sub(#mantissa + 1), exponent) or "")
  local number = tonumber(numeral)
  -- What is no number would be found again by each further try: the line is given up.
  take(number and #numeral or #typed)
  return number
end

local function read_bytes(count)
  if typed == "" and not ask() then return nil end
  return take(count)
end

local function read_format(position, wanted)
  if type(wanted) == "number" then return read_bytes(wanted) end
  local reader = type(wanted) == "string" and read[match(wanted, "^%*?(.)")]
  if not reader then fail(format("bad argument #%d to 'read' (invalid format)", position)) end
  return (reader())
end

local function read_formats(...)
  local count = select("#", ...)
  if count == 0 then return read.l() end
  local values = {}
  for i = 1, count do
    values[i] = read_format(i, (select(i, ...)))
    if values[i] == nil then return unpack(values, 1, i) end
  end
  return unpack(values, 1, count)
end

function input(prompt)
  local line, problem = kernel.read_line(prompt == nil and "" or tostring(prompt), false)
  if problem then fail(problem) end
  return line
end

function getpass(prompt)
  local line, problem = kernel.read_line(prompt == nil and "Password: " or tostring(prompt), true)
  if problem then fail(problem) end
  return line
end

-- The three standard files

local names = setmetatable({}, { __mode = "k" })
local file = {}

local function standard(name)
  local metatable = { __index = file, __name = "FILE*" }
  function metatable.__tostring() return "file (" .. name .. ")" end
  local object = setmetatable({}, metatable)
  names[object] = name
  return object
end

local function name_of(object, method)
  local name = names[object]
  if not name then bad_argument(1, method, "FILE*", object) end
  return name
end

function file:write(...)
  local name = name_of(self, "write")
  if name == "stdin" then return nil, "standard input cannot be written", 9 end
  write(kernel[name], ...)
  return self
end

function file:read(...)
  if name_of(self, "read") ~= "stdin" then return nil, "standard output cannot be read", 9 end
  return read_formats(...)
end

function file:lines(...)
  name_of(self, "lines")
  local formats = pack(...)
  return function() return self:read(unpack(formats, 1, formats.n)) end
end

function file:flush()
  name_of(self, "flush")
  kernel.flush()
  return self
end

function file:setvbuf() return true end
function file:seek() return nil, "Illegal seek", 29 end
function file:close() return nil, "the standard files stay open", 9 end

io.stdin, io.stdout, io.stderr = standard("stdin"), standard("stdout"), standard("stderr")
local current = { input = io.stdin, output = io.stdout }

local function default_file(which, mode)
  return function(target)
    if type(target) == "string" then
      local opened, problem = open(target, mode)
      if not opened then fail(problem) end
      current[which] = opened
    elseif target ~= nil then
      if not io.type(target) then bad_argument(1, which, "FILE*", target) end
      current[which] = target
    end
    return current[which]
  end
end

io.input, io.output = default_file("input", "r"), default_file("output", "w")

function io.type(object)
  if names[object] then return "file" end
  return io_type(object)
end

function io.write(...)
  local output = current.output
  if names[output] ~= "stdout" then return output:write(...) end
  write(kernel.stdout, ...)
  return output
end

function io.flush() return current.output:flush() end

function io.read(...) return current.input:read(...) end

function io.lines(name, ...)
  if name == nil then return current.input:lines(...) end
  return io_lines(name, ...)
end

function io.close(object) return (object or current.output):close() end

-- The process

function os.exit()
  fail("os.exit would end the kernel: shut it down or restart it from the frontend instead")
end

-- What a command prints belongs into the cell.
function os.execute(command)
  if command == nil then return system_execute() end
  local pipe, problem, code = popen("{ " .. command .. "\n} 2>&1 </dev/null", "r")
  if not pipe then return nil, problem, code end
  for line in pipe:lines("L") do kernel.stdout(line) kernel.flush() end
  return pipe:close()
end

-- Hooks sleep while the handler of a hook's error runs, so an interrupt must not enter a handler that may never return.
function xpcall(f, handler, ...)
  if type(handler) ~= "function" then bad_argument(2, "xpcall", "function", handler) end
  return plain_xpcall(f, function(problem)
    if kernel.interrupted() then return problem end
    return handler(problem)
  end, ...)
end

-- A coroutine begins with its hook at rest: code that starts new ones faster than an interrupt ends them must not go on.
for _, name in ipairs({ "create", "wrap" }) do
  local plain = coroutine[name]
  coroutine[name] = function(f)
    if type(f) ~= "function" then bad_argument(1, name, "function", f) end
    kernel.stop_if_interrupted()
    return plain(f)
  end
end

debug = {}

function debug.traceback(message)
  if message ~= nil and type(message) ~= "string" and type(message) ~= "number" then return message end
  return (message and message .. "\n" or "") .. "stack traceback:\n\t" .. kernel.frames()
end

package.loaded.debug = debug

-- Called before each cell: what was typed into an earlier one is no answer to this one.
return function() typed = "" end
