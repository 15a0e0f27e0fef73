-- Reads what a run needs besides the values of plain keys, which an MGET fetches just before: an
-- input can be many MB, and copying it in a script would keep other clients waiting.
--
-- KEYS: plain keys, then observations, then per region its latest pointer and its confirmation.
-- ARGV: 1 the number of plain keys, 2 the number of observations.
-- Reply: per plain key nil, or {error} when it holds no string; per observations {nil, members} or
-- {error}; per region nil, {error}, or {id, confirmed}, nil for what is absent.

local plain = tonumber(ARGV[1])
local observations = plain + tonumber(ARGV[2])
local reply = {}

local function call(command, key, ...)
  local value = redis.pcall(command, key, ...)
  if type(value) == 'table' and value.err then
    return nil, key .. ': ' .. value.err
  end
  return value
end

for i = 1, plain do
  -- MGET treats a key of another type as absent.
  local kind, err = call('TYPE', KEYS[i])
  if kind and kind.ok ~= 'string' and kind.ok ~= 'none' then
    err = 'WRONGTYPE ' .. KEYS[i] .. ' holds a ' .. kind.ok .. ' where a string belongs'
  end
  reply[i] = err and {err} or false
end

for i = plain + 1, observations do
  local members, err = call('ZRANGE', KEYS[i], 0, -1)
  reply[i] = err and {err} or {false, members}
end

for i = observations + 1, #KEYS, 2 do
  local found = false
  local id, err = call('GET', KEYS[i])
  if id then
    local confirmed
    confirmed, err = call('GET', KEYS[i + 1])
    found = {id, confirmed}
  end
  reply[#reply + 1] = err and {err} or found
end

return reply
