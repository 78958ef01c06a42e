-- Runs in llmspell before the first cell, behind a line `local id = ...`. Each cell is then a call of
-- `__jupyter_fleet.run`, which collects what the cell prints and returns one result.
--
-- Everything is kept in locals: a cell may change every global.
local load, xpcall, error, type, tostring, next, rawget, select =
  load, xpcall, error, type, tostring, next, rawget, select
local getmetatable, print, io, utf8, debug = getmetatable, print, io, utf8, debug
local concat, sort = table.concat, table.sort
local find, format, gsub, sub = string.find, string.format, string.gsub, string.sub
local math_type, write, output, stdout = math.type, io.write, io.output, io.stdout

-- What a cell prints is sent in one message.
local LONGEST_OUTPUT = 16 * 1024 * 1024
local MOST_FIELDS, DEEPEST, LONGEST_STRING = 100, 4, 10000
local MOST_NAMES, MOST_SCANNED, MOST_INHERITED = 500, 10000, 20

local function as_utf8(bytes)
  local texts, from = {}, 1
  while true do
    local length, wrong = utf8.len(bytes, from)
    if length then
      texts[#texts + 1] = sub(bytes, from)
      return concat(texts)
    end
    texts[#texts + 1] = sub(bytes, from, wrong - 1)
    texts[#texts + 1] = "\u{FFFD}"
    from = wrong + 1
  end
end

-- The output of the running cell: its texts, their length, and whether some was dropped.
local printed

local function collect(text)
  local length = printed.length + #text
  if length > LONGEST_OUTPUT then
    printed.dropped = printed.dropped + #text
    return
  end
  printed.length = length
  printed[#printed + 1] = text
end

local function collected()
  if printed.dropped > 0 then
    printed[#printed + 1] = format("\n[%d bytes of output beyond %d were dropped]\n", printed.dropped, LONGEST_OUTPUT)
  end
  return as_utf8(concat(printed))
end

function _G.print(...)
  if not printed then
    return print(...)
  end
  local texts = {}
  for index = 1, select("#", ...) do
    texts[index] = tostring((select(index, ...)))
  end
  collect(concat(texts, "\t") .. "\n")
end

function io.write(...)
  if not printed or output() ~= stdout then
    return write(...)
  end
  for index = 1, select("#", ...) do
    local text = select(index, ...)
    if type(text) ~= "string" and type(text) ~= "number" then
      error(format("bad argument #%d to 'write' (string expected, got %s)", index, type(text)), 2)
    end
    collect(tostring(text))
  end
  return stdout
end

local function is_name(key)
  return type(key) == "string" and find(key, "^[%a_][%w_]*$") ~= nil
end

local render

local function render_table(value, depth, seen)
  if seen[value] or depth > DEEPEST then
    return "{...}"
  end
  seen[value] = true
  local texts, length = {}, 0
  while rawget(value, length + 1) ~= nil and length < MOST_FIELDS do
    length = length + 1
    texts[length] = render(rawget(value, length), depth + 1, seen)
  end
  local keyed = {}
  for key, field in next, value do
    if not (math_type(key) == "integer" and key >= 1 and key <= length) then
      if length + #keyed >= MOST_FIELDS then
        keyed[#keyed + 1] = "..."
        break
      end
      local shown = is_name(key) and key or "[" .. render(key, depth + 1, seen) .. "]"
      keyed[#keyed + 1] = shown .. " = " .. render(field, depth + 1, seen)
    end
  end
  sort(keyed)
  for _, text in next, keyed do
    texts[#texts + 1] = text
  end
  seen[value] = nil
  return "{" .. concat(texts, ", ") .. "}"
end

function render(value, depth, seen)
  local kind = type(value)
  local meta = getmetatable(value)
  if kind == "string" then
    local shown = #value > LONGEST_STRING and sub(value, 1, LONGEST_STRING) .. "..." or value
    return (gsub(format("%q", shown), "\\\n", "\\n"))
  elseif kind == "table" and not (type(meta) == "table" and (rawget(meta, "__tostring") or rawget(meta, "__name"))) then
    return render_table(value, depth, seen)
  end
  return tostring(value)
end

-- Values side by side; nothing for none, and for nil alone.
local function rendered(first, last, values)
  if last < first or (last == first and values[first] == nil) then
    return nil
  end
  local texts = {}
  for index = first, last do
    texts[#texts + 1] = render(values[index], 1, {})
  end
  return as_utf8(concat(texts, "\t"))
end

local function message_of(problem)
  if type(problem) == "string" then
    return problem
  end
  return render(problem, 1, {})
end

local fleet = {}

-- Runs a cell. An expression's function returns a nil before its values.
function fleet.run(id, source, name, is_expression)
  local trace
  local function handler(problem)
    trace = debug and debug.traceback and debug.traceback(nil, 2)
    return problem
  end
  printed = { length = 0, dropped = 0 }
  local answer = { id = id }
  local cell, problem = load(source, "=" .. name, "t")
  if not cell then
    answer.ename, answer.error = "SyntaxError", as_utf8(problem)
  else
    local function pack(...)
      return { n = select("#", ...), ... }
    end
    local results = pack(xpcall(cell, handler))
    local first = is_expression and 3 or 2
    local shown, value
    if results[1] then
      -- A __tostring is code of the cell as well.
      shown, value = xpcall(rendered, handler, first, results.n, results)
      problem = value
    else
      problem = results[2]
    end
    if shown then
      answer.value = value
    else
      local told, text = xpcall(message_of, tostring, problem)
      answer.ename, answer.error = "LuaError", as_utf8(told and text or tostring(text))
      answer.trace = trace and as_utf8(trace)
    end
  end
  answer.out = collected()
  printed = nil
  return answer
end

-- The names that can follow a path of names: nothing that a cell defined is called.
function fleet.names(id, path, only_functions)
  local value = _G
  local function tables_of(owner)
    if type(owner) == "string" then
      owner = rawget(getmetatable(""), "__index")
    end
    local tables = {}
    while type(owner) == "table" and #tables < MOST_INHERITED do
      tables[#tables + 1] = owner
      local meta = debug and debug.getmetatable and debug.getmetatable(owner) or getmetatable(owner)
      owner = type(meta) == "table" and rawget(meta, "__index") or nil
    end
    return tables
  end
  for _, name in next, path do
    local found
    for _, fields in next, tables_of(value) do
      found = rawget(fields, name)
      if found ~= nil then
        break
      end
    end
    value = found
  end
  local names, scanned = {}, 0
  for _, fields in next, tables_of(value) do
    for key, field in next, fields do
      scanned = scanned + 1
      if scanned > MOST_SCANNED or #names >= MOST_NAMES then
        break
      end
      if is_name(key) and key ~= "__jupyter_fleet" and (not only_functions or type(field) == "function") then
        names[#names + 1] = key
      end
    end
  end
  return { id = id, names = concat(names, " ") }
end

__jupyter_fleet = fleet
return { id = id, ready = load ~= nil and xpcall ~= nil and utf8 ~= nil }
