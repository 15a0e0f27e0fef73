-- Reads when inputs were last seen, and the last words of those that are absent.
--
-- KEYS: 1 the hash of when each input was last seen; then per input its key and that of its words.
-- Reply: the fields and values of the hash; then per input its words, nil where the input is there.

local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'hash' and kind ~= 'none' then
  return redis.error_reply('WRONGTYPE ' .. KEYS[1] .. ' holds a ' .. kind .. ' where a hash belongs')
end
local reply = {redis.call('HGETALL', KEYS[1])}
for i = 2, #KEYS, 2 do
  local there = redis.call('TYPE', KEYS[i]).ok == 'string'
  local kept = not there and redis.call('TYPE', KEYS[i + 1]).ok == 'string'
  reply[#reply + 1] = kept and redis.call('GET', KEYS[i + 1]) or false
end
return reply
