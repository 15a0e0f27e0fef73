-- Keeps the last words of inputs: of all of them, or of none.
--
-- KEYS: 1 the hash of when each input was last seen; then per input the key of its words.
-- ARGV: 1 when they were seen (ms), 2 their expiry (s); then per input its name in the hash, the
--       digest of its words ("" where they are too long to keep), and the words ("" where they are
--       those that are stored).
-- Reply: how many inputs were seen.

local SEEN = KEYS[1]
local at, expiry = tonumber(ARGV[1]), ARGV[2]
local server_time = tonumber(redis.call('TIME')[1]) * 1000

for i = 1, #KEYS do
  local need = i == 1 and 'hash' or 'string'
  local held = redis.call('TYPE', KEYS[i]).ok
  if held ~= 'none' and held ~= need then
    return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' holds a ' .. held .. ' where a ' .. need
      .. ' belongs; nothing was written')
  end
end

local seen = 0
for i = 2, #KEYS do
  local name, digest, words = unpack(ARGV, 3 * i - 3, 3 * i - 1)
  local before = string.match(redis.call('HGET', SEEN, name) or '', '^%d+')
  before = tonumber(before or 0)
  -- An older run says nothing over a newer one, except over one whose clock ran ahead.
  if at >= before or before > server_time then
    local held = string.match(redis.call('HGET', SEEN, name) or '', ':(.*)$')
    if words ~= '' then
      redis.call('SET', KEYS[i], words, 'EX', expiry)
    elseif digest == '' then
      redis.call('DEL', KEYS[i])
    end
    -- Words that another run has replaced meanwhile are not those that this one means.
    if words ~= '' or (held == digest and redis.call('EXPIRE', KEYS[i], expiry) == 1) then
      redis.call('HSET', SEEN, name, ARGV[1] .. ':' .. digest)
      seen = seen + 1
    else
      -- They are gone: the next run writes them whole.
      redis.call('HDEL', SEEN, name)
    end
  end
end
redis.call('EXPIRE', SEEN, expiry)
return seen
