-- Records what became of regions at their last attempt.
--
-- KEYS: 1 the hash of last runs, 2 the count of commits; then per region its snapshot by the id of
--       this attempt, and its confirmation.
-- ARGV: 1 when the attempt was (ms), 2 the run's id; then per region its id, and the reason of its
--       failure ("" for: as this store shows, which is nothing where it was not committed).
-- Reply: how many regions were recorded.

local LAST, COMMITS = KEYS[1], KEYS[2]
local at, run_id = tonumber(ARGV[1]), ARGV[2]
local server_time = tonumber(redis.call('TIME')[1]) * 1000
local held = redis.call('TYPE', LAST).ok
if held ~= 'none' and held ~= 'hash' then
  return redis.error_reply('WRONGTYPE ' .. LAST .. ' holds a ' .. held .. ' where a hash belongs; '
    .. 'nothing was written')
end

local function outcome(by_id, confirmed)
  if redis.call('EXISTS', by_id) == 1 then
    return 'written'
  end
  local found = redis.call('TYPE', confirmed).ok == 'string' and redis.call('GET', confirmed)
  return tonumber(found or 0) == at and 'duplicate'
end

local recorded, written = 0, 0
for i = 1, #KEYS / 2 - 1 do
  local region, reason = unpack(ARGV, 2 * i + 1, 2 * i + 2)
  local readable, before = pcall(cjson.decode, redis.call('HGET', LAST, region) or '{}')
  if not readable or type(before) ~= 'table' then
    before = {}
  end
  local became = reason ~= '' and 'failed' or outcome(KEYS[2 * i + 1], KEYS[2 * i + 2])
  -- An older attempt says nothing over a newer one, except over one whose clock ran ahead.
  local known = tonumber(before.at) or 0
  if became and (at >= known or known > server_time) then
    local found = {at = at, run_id = run_id, outcome = became}
    if became == 'failed' then
      found.reason = reason
      found.succeeded_at = before.succeeded_at
      found.failing_since = before.failing_since or at
    else
      found.succeeded_at = at
    end
    redis.call('HSET', LAST, region, cjson.encode(found))
    recorded = recorded + 1
    written = written + (became == 'written' and 1 or 0)
  end
end
if written > 0 and redis.call('TYPE', COMMITS).ok ~= 'string' then
  redis.call('DEL', COMMITS)
end
if written > 0 then
  redis.call('SET', COMMITS, (tonumber(redis.call('GET', COMMITS) or 0) or 0) + written)
end
return recorded
