-- once.lua - a request with an Idempotency-Key becomes a job, at most once.
--
-- What came of the first such request stands in a record under a hash of its key, written together
-- with the job. A repeat is answered from there, and it writes as well, the expiry that is there
-- already: so a server that takes no writes refuses it, and a WAIT behind it covers what the first
-- request wrote, whoever sent that.
--
-- What is known by another name, too, has a second record, for a time of its own. Whoever is known by
-- the first name is known by the other one from then on; not the other way round, because the first
-- name may be one that anybody could choose.
--
-- On a full server the first write is refused and nothing has happened; those after it cannot be.
-- How many records there are is counted by when they expire, in 24 steps of their time, so records
-- are counted up to a 24th too long.
--
-- KEYS  1 record   2 hash of how many records expire until when
--       then  3 stream (a job), or  3 sorted set   4 hash (one that is put off, see put_off.lua),
--       or no more (a batch, whose jobs have records of their own)
--       then the record of the other name, if there is one
-- ARGV  1 how long records are kept, ms   2 most records   3 fingerprint of the request
--       4 the rest of the record, to which the entry's id is added
--       5 how long the record of the other name is kept, ms; 0: there is none
--       then the fields of the entry, or  6 due   7 id   8 record of the job
-- returns  {1, record} it is new, {0, record} it is a repeat, {-1} the key was another request's,
--          {-2} there are too many records
-- keeps    a record for each job, a job for each record
-- cost     O(log n)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local keys, other = #KEYS, nil
if ARGV[5] ~= '0' then
  other = KEYS[keys]
  keys = keys - 1
end

local function keep(key, record, ttl)
  local step = math.max(1, math.floor(ttl / 24))
  local expires = math.ceil((now + ttl) / step) * step
  redis.call('HINCRBY', KEYS[2], string.format('%.0f', expires), 1)
  redis.call('SET', key, record, 'PX', ttl)
end

local had = redis.call('GET', KEYS[1])
if had and string.sub(had, 1, #ARGV[3]) ~= ARGV[3] then
  return { -1 }
end
local known = other and redis.call('GET', other)
if had or known then
  local key = had and KEYS[1] or other
  redis.call('PEXPIRE', key, redis.call('PTTL', key))
  if other and not known then
    keep(other, had, ARGV[5])
  end
  return { 0, known or had }
end

local kept, over = 0, {}
local counts = redis.call('HGETALL', KEYS[2])
for i = 1, #counts, 2 do
  if tonumber(counts[i]) <= now then
    over[#over + 1] = counts[i]
  else
    kept = kept + tonumber(counts[i + 1])
  end
end
if kept >= tonumber(ARGV[2]) then
  return { -2 }
end

local record = ARGV[3] .. ' ' .. ARGV[4]
if keys == 3 then
  record = record .. ' ' .. redis.call('XADD', KEYS[3], '*', unpack(ARGV, 6))
elseif keys == 4 then
  redis.call('HSET', KEYS[4], ARGV[7], ARGV[6] .. ' ' .. ARGV[8])
  redis.call('ZADD', KEYS[3], ARGV[6], '@' .. ARGV[7])
end
keep(KEYS[1], record, ARGV[1])
if other then
  keep(other, record, ARGV[5])
end
for _, field in ipairs(over) do
  redis.call('HDEL', KEYS[2], field)
end
return { 1, record }
