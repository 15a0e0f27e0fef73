-- Commits one region's snapshot: all of it, or nothing.
--
-- The server does not undo what a script wrote before it failed. So this script first looks at
-- everything that could make a write fail (its own type checks; the server refuses the first
-- write when it is out of memory, read-only or cannot persist), then writes, and moves `latest`
-- last.
--
-- KEYS: 1 dedup, 2 snapshot at its time, 3 snapshot by id, 4 latest, 5 index, 6 live; then, only
--       where they are written: the regime history, the alert queue and one guard per alert.
-- ARGV: 1 snapshot id, 2 generated_at, 3 body, 4 id of the snapshot it was compared with, 5 "1" to
--       write a duplicate, too, 6 body expiry, 7 dedup expiry, 8 oldest score the index keeps,
--       9 guard expiry, 10 history length, 11 history entry ("" for none), 12.. alerts.
-- Reply: {"written", alerts queued, "late" or ""}, {"duplicate", id}, {"superseded"} (the region's
--        latest is not the one it was compared with: compare again), or an error.

local id, generated_at, body, compared_with = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local entry = ARGV[11]
local alerts = #ARGV - 11

local needed = {'string', 'string', 'string', 'string', 'zset', 'any'}
local history, queue, guards = nil, nil, #KEYS - alerts
if entry ~= '' then
  needed[#needed + 1] = 'list'
  history = KEYS[#needed]
end
if alerts > 0 then
  needed[#needed + 1] = 'list'
  queue = KEYS[#needed]
end
for i = 1, #KEYS do
  local need = needed[i] or 'string'
  local held = redis.call('TYPE', KEYS[i]).ok
  if held ~= 'none' and need ~= 'any' and held ~= need then
    return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' holds a ' .. held .. ' where a ' .. need
      .. ' belongs; nothing was written')
  end
end

-- An attempt whose reply was lost is sent again: it finds its own snapshot.
if redis.call('EXISTS', KEYS[3]) == 1 then
  return {'written', 0, ''}
end

local latest = redis.call('GET', KEYS[4]) or ''
local same = redis.call('GET', KEYS[1])
if same and same == latest and ARGV[5] ~= '1' then
  return {'duplicate', same}
end

local latest_at = latest ~= '' and redis.call('ZSCORE', KEYS[5], latest)
local late = latest_at and tonumber(latest_at) > tonumber(generated_at)
if not late and latest ~= compared_with then
  return {'superseded'}
end

redis.call('SET', KEYS[3], body, 'EX', ARGV[6])
redis.call('SET', KEYS[2], body, 'EX', ARGV[6])
redis.call('SET', KEYS[1], id, 'EX', ARGV[7])
redis.call('ZADD', KEYS[5], generated_at, id)
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', '(' .. ARGV[8])
redis.call('DEL', KEYS[6])
-- A snapshot that comes after a newer one changes nothing that readers were told since.
if late then
  return {'written', 0, 'late'}
end

if history then
  redis.call('LPUSH', history, entry)
  redis.call('LTRIM', history, 0, tonumber(ARGV[10]) - 1)
end
local queued = 0
for i = 1, alerts do
  if redis.call('SET', KEYS[guards + i], '1', 'EX', ARGV[9], 'NX') then
    redis.call('LPUSH', queue, ARGV[11 + i])
    queued = queued + 1
  end
end
redis.call('SET', KEYS[4], id, 'EX', ARGV[6])
return {'written', queued, ''}
