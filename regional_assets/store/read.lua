-- Reads what a run needs beside the values of plain keys, which an MGET brings just before: an
-- input can be many MB, and a script would copy it while nobody else is served.
--
-- KEYS: plain keys, then observations, then the regions' latest pointers.
-- ARGV: 1 how many plain keys there are, 2 how many observations, 3 the prefix of snapshot bodies.
-- Reply: per plain key nil, or {error} when it holds no string; per observations {nil, members} or
-- {error}; per pointer nil, {error}, {id, body} (body nil when it is gone) or {id, nil, error}.
--
-- A snapshot's body lies under a key that only its pointer names, so that key is not in KEYS.

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
  -- For MGET a key that holds something else is one that holds nothing.
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

for i = observations + 1, #KEYS do
  local id, err = call('GET', KEYS[i])
  if err then
    reply[i] = {err}
  elseif not id then
    reply[i] = false
  else
    local body
    body, err = call('GET', ARGV[3] .. id)
    reply[i] = {id, body or false, err}
  end
end

return reply
