-- Reads everything a run needs in one step, so that it is one moment's view.
--
-- KEYS: plain keys, then the regions' latest pointers.
-- ARGV: 1 how many plain keys there are, 2 the prefix of snapshot bodies.
-- Reply: per plain key its string, nil, or {error}; per pointer {id, body}, nil, or {error}.
--
-- A snapshot's body lies under a key that only its pointer names, so that key is not in KEYS.

local plain = tonumber(ARGV[1])
local reply = {}

local function get(key)
  local value = redis.pcall('GET', key)
  if type(value) == 'table' and value.err then
    return nil, key .. ': ' .. value.err
  end
  return value
end

for i = 1, plain do
  local value, err = get(KEYS[i])
  reply[i] = err and {err} or value
end

for i = plain + 1, #KEYS do
  local id, err = get(KEYS[i])
  if err then
    reply[i] = {err}
  elseif not id then
    reply[i] = false
  else
    local body
    body, err = get(ARGV[2] .. id)
    if err then
      reply[i] = {err}
    elseif not body then
      reply[i] = {KEYS[i] .. ' names ' .. id .. ', but ' .. ARGV[2] .. id .. ' is gone'}
    else
      reply[i] = {id, body}
    end
  end
end

return reply
