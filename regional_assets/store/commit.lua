-- Commits one region's snapshot: all of it, or nothing.
--
-- The server does not undo what a script wrote before it failed. So this script plans all its
-- writes, checks that each is possible (type of the key, rights of the user), and only then
-- writes, `latest` last. Any other cause of failure (no memory, a read-only server, a full disk)
-- makes the server refuse the first write, when nothing is written yet.
--
-- KEYS: 1 dedup, 2 snapshot at its time, 3 snapshot by id, 4 latest, 5 index, 6 live, 7 confirmed,
--       8 copy of the latest snapshot, 9 the snapshot it was compared with (3 for none); then one
--       per observation; then, only if written: the regime history, the alert queue and one guard
--       per alert.
-- ARGV: 1 snapshot id, 2 generated_at, 3 body, 4 id of the snapshot it was compared with, 5 "1" to
--       write a duplicate, too ("2": also because nothing of that snapshot could be read), 6 expiry
--       of body and confirmation, 7 dedup expiry, 8 oldest score the index keeps, 9 guard expiry, 10 history length, 11 history entry ("" for none), 12 the
--       number of observations, 13 their expiry, 14 oldest score they keep, 15 and 16 the scores
--       between which no other may lie; then the observations, then the alerts.
-- Reply: {"written", alerts queued (-1 when an earlier attempt wrote it), "late", "repaired"
--        (readers could not read the snapshot before) or ""},
--        {"duplicate", id}, {"superseded"} (the region's latest is not the one it was compared
--        with: compare again), or an error.

local DEDUP, AT_ITS_TIME, BY_ID, LATEST, INDEX, LIVE, CONFIRMED, COPY, PREVIOUS = unpack(KEYS, 1, 9)
local id, generated_at, body, compared_with = unpack(ARGV, 1, 4)
local entry = ARGV[11]
local observations = tonumber(ARGV[12])
local first_alert = 17 + observations
local alerts = #ARGV - first_alert + 1

local needed = {
  [DEDUP] = 'string', [AT_ITS_TIME] = 'string', [BY_ID] = 'string', [LATEST] = 'string',
  [INDEX] = 'zset', [CONFIRMED] = 'string', [COPY] = 'string',
}
local next_key = 10
for _ = 1, observations do
  needed[KEYS[next_key]] = 'zset'
  next_key = next_key + 1
end
local history, queue
if entry ~= '' then
  history = KEYS[next_key]
  needed[history] = 'list'
  next_key = next_key + 1
end
if alerts > 0 then
  queue = KEYS[next_key]
  needed[queue] = 'list'
end
local guards = next_key
for i = 1, alerts do
  needed[KEYS[guards + i]] = 'string'
end
for i = 1, #KEYS do
  local need = needed[KEYS[i]]
  local held = redis.call('TYPE', KEYS[i]).ok
  if need and held ~= 'none' and held ~= need then
    return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' holds a ' .. held .. ' where a ' .. need
      .. ' belongs; nothing was written')
  end
end

local latest = redis.call('GET', LATEST) or ''

-- Whether the region's latest is newer: by the index, or if the index lacks it, by its body. Where
-- neither key holds that body, it is not known, and the run has to compare with it first.
local function latest_is_newer()
  if latest == '' then
    return false
  end
  local at = redis.call('ZSCORE', INDEX, latest)
  if not at then
    local held = redis.call('GET', COPY) or ''
    if not string.find(held, '"snapshot_id":"' .. latest .. '"', 1, true) then
      held = latest == compared_with and redis.call('GETRANGE', PREVIOUS, 0, 199) or ''
    end
    at = string.match(held, '"generated_at": ?(%d+)')
  end
  return at and tonumber(at) > tonumber(generated_at)
end
local late = latest_is_newer()

local server_time = tonumber(redis.call('TIME')[1]) * 1000

-- Adds the time at which the region was confirmed. It never moves back, except from the future,
-- where a clock that ran ahead has left it. A late run, which is older than the latest, confirms
-- nothing.
local function confirm(writes)
  local before = tonumber(string.match(redis.call('GET', CONFIRMED) or '', '^%d+$') or 0)
  if not late and (tonumber(generated_at) > before or before > server_time) then
    writes[#writes + 1] = {'SET', CONFIRMED, generated_at, 'EX', ARGV[6]}
  end
  return writes
end

-- Does all of `writes`, or none of them where the user may not do one.
local function carry_out(writes, reply)
  -- Redis 7.0 and later let a script check rights.
  if redis.acl_check_cmd then
    for _, write in ipairs(writes) do
      if not redis.acl_check_cmd(unpack(write)) then
        return redis.error_reply('NOPERM this user may not ' .. write[1] .. ' ' .. write[2]
          .. '; nothing was written')
      end
    end
  end
  for _, write in ipairs(writes) do
    redis.call(unpack(write))
  end
  return reply
end

-- An attempt whose reply was lost is sent again, and then finds its own snapshot. It writes all the
-- same: WAIT covers what its own connection wrote, and is true at once on one that wrote nothing.
if redis.call('EXISTS', BY_ID) == 1 then
  local again = {{'SET', BY_ID, redis.call('GET', BY_ID), 'KEEPTTL'}}
  return carry_out(again, {'written', -1, late and 'late' or ''})
end

-- What readers find under the pointer's id, and the copy of it. Where that is not the body that the
-- run compared with, or not indexed, the region is written anew, and what the copy proves put back.
local held = latest ~= '' and latest == compared_with
local found, copy = false, false
if held then
  found = redis.call('TYPE', PREVIOUS).ok == 'string' and redis.call('GET', PREVIOUS)
  copy = redis.call('GET', COPY)
  copy = copy and string.find(copy, '"snapshot_id":"' .. latest .. '"', 1, true) and copy
end
local unreadable = ARGV[5] == '2'
local differs = copy and found ~= copy
local repaired = held
  and (unreadable or differs or not found or not redis.call('ZSCORE', INDEX, latest))

local same = redis.call('GET', DEDUP)
if same and same == latest and ARGV[5] == '0' and not repaired then
  -- A write, too, where the region was confirmed at that time or later.
  return carry_out(confirm({{'SET', DEDUP, same, 'KEEPTTL'}}), {'duplicate', same})
end
if not late and latest ~= compared_with then
  return {'superseded'}
end

-- A clock that runs ahead would drop entries too early: all else expires by the server's clock.
local ahead = math.max(0, tonumber(generated_at) - server_time)
local function older_than(score)
  return string.format('(%.0f', tonumber(score) - ahead)
end

local writes = {
  {'SET', BY_ID, body, 'EX', ARGV[6]},
  -- With its expiry. A copy on the server sends the body to its log and replicas only once.
  {'COPY', BY_ID, AT_ITS_TIME, 'REPLACE'},
  {'ZADD', INDEX, generated_at, id},
  {'ZREMRANGEBYSCORE', INDEX, '-inf', older_than(ARGV[8])},
  {'DEL', LIVE},
}
if late then
  repaired = false
elseif repaired and unreadable then
  writes[#writes + 1] = {'ZREM', INDEX, latest}
elseif repaired then
  if differs then
    writes[#writes + 1] = {'SET', PREVIOUS, copy, 'EX', ARGV[6]}
  end
  local at = string.match(copy or found or '', '"generated_at": ?(%d+)')
  if at then
    writes[#writes + 1] = {'ZADD', INDEX, at, latest}
  end
end
confirm(writes)
local future = string.format('(%.0f', math.max(tonumber(generated_at), server_time))
for i = 1, observations do
  local key = KEYS[9 + i]
  if not late then
    -- What a clock that ran ahead has left would count in a baseline one day.
    writes[#writes + 1] = {'ZREMRANGEBYSCORE', key, future, '+inf'}
  end
  if redis.call('ZCOUNT', key, ARGV[15], ARGV[16]) == 0 then
    writes[#writes + 1] = {'ZADD', key, generated_at, ARGV[16 + i]}
    writes[#writes + 1] = {'ZREMRANGEBYSCORE', key, '-inf', older_than(ARGV[14])}
    writes[#writes + 1] = {'EXPIRE', key, ARGV[13]}
  end
end
local queued = 0
-- A late snapshot changes nothing that readers have seen since.
if not late then
  writes[#writes + 1] = {'SET', DEDUP, id, 'EX', ARGV[7]}
  if history then
    writes[#writes + 1] = {'LPUSH', history, entry}
    writes[#writes + 1] = {'LTRIM', history, 0, tonumber(ARGV[10]) - 1}
  end
  for i = 1, alerts do
    local guard = KEYS[guards + i]
    if redis.call('EXISTS', guard) == 0 then
      writes[#writes + 1] = {'SET', guard, '1', 'EX', ARGV[9]}
      writes[#writes + 1] = {'LPUSH', queue, ARGV[first_alert - 1 + i]}
      queued = queued + 1
    end
  end
  writes[#writes + 1] = {'COPY', BY_ID, COPY, 'REPLACE'}
  writes[#writes + 1] = {'SET', LATEST, id, 'EX', ARGV[6]}
end
return carry_out(writes, {'written', queued, late and 'late' or repaired and 'repaired' or ''})
