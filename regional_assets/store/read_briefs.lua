-- Reads the sources of weekly briefs but for the snapshots, and the stored briefs, in one step.
--
-- KEYS: per region its latest pointer, its confirmation, its regime history, its brief.
-- ARGV: 1 the number of history entries, newest first.
-- Reply: per region {snapshot id, confirmed, brief, entries...}, '' for what is absent, or {error}.

local function read(pointer, confirmed, history, brief)
  local found = {}
  local function call(command, key, ...)
    local value = redis.pcall(command, key, ...)
    if type(value) == 'table' and value.err then
      error({key .. ': ' .. value.err})
    end
    return value or ''
  end
  found[1] = call('GET', pointer)
  found[2] = call('GET', confirmed)
  found[3] = call('GET', brief)
  for _, entry in ipairs(call('LRANGE', history, 0, ARGV[1] - 1)) do
    found[#found + 1] = entry
  end
  return found
end

local reply = {}
for i = 1, #KEYS, 4 do
  local _, found = pcall(read, KEYS[i], KEYS[i + 1], KEYS[i + 2], KEYS[i + 3])
  reply[#reply + 1] = found
end
return reply
