-- settle.lua - a worker says how jobs ended.
--
-- Writes the results of a batch, each fenced by the number of its attempt: a worker
-- that was thought dead and wakes late must not write over what its successor said.
-- When the results live beside the queue, the entries are acknowledged here too, and
-- before the results are written: on a full server the acknowledgement is allowed and
-- lets the writes behind it pass, so the backlog of a full server still drains. Whatever is
-- acknowledged gets its record in the audit with it. That it gets one only is made sure of where
-- the batch may have been settled before, its answer lost: there each entry is asked for by itself,
-- which costs as much as the record. A worker that stood still for longer than results are kept,
-- while somebody else did its job, is the one that can write a second record.
--
-- The place of a job that was put off goes with its entry, unless it is that of a later entry.
--
-- KEYS  1..n result hashes; and only when the results live beside the queue n+1 the stream, n+2 the
--       audit, n+3 the hash of places
-- ARGV  1 n   2 time to live of a result, seconds   3 consumer group, '' when not beside
--       4 records that the audit keeps, '' when none is to be written   5 '1' when some of the
--       jobs may have been settled before, else ''
--       then thirteen for each job: entry id, attempt, status, started_ms, requested,
--       removed, missing, error code ('' for none), matched by patterns ('' for none),
--       when it is repeated ('' for never), some keys of a dry run ('' for none), what
--       became of each target ('' when there is one), its id if it has a place ('' for none);
--       and, when there is an audit, its record
-- returns  n integers: 1 settled, 0 refused because a later attempt owns the job
-- keeps    a status never goes back, a finished result never changes; an entry leaves the pending
--          list together with its record
-- cost     O(n), n at most a few hundred
local n, ttl, group, audit = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local size = audit == '' and 13 or 14
local terminal = { succeeded = true, failed = true, dead = true, cancelled = true }
local settled, write, acks, records = {}, {}, {}, {}

for i = 1, n do
  local at = 5 + (i - 1) * size
  local now = redis.call('HMGET', KEYS[i], 'a', 's')
  if now[1] and tonumber(now[1]) > tonumber(ARGV[at + 2]) then
    settled[i] = 0
  else
    settled[i] = 1
    acks[#acks + 1] = ARGV[at + 1]
    records[#acks] = audit ~= '' and ARGV[at + 14]
    if not terminal[now[2]] then
      write[#write + 1] = i
    end
  end
end

if ARGV[5] == '1' then
  for i, id in ipairs(acks) do
    if redis.call('XACK', KEYS[n + 1], group, id) == 0 then
      records[i] = nil
    end
  end
elseif group ~= '' and #acks > 0 and redis.call('XACK', KEYS[n + 1], group, unpack(acks)) == 0 then
  records = {}
end
if audit ~= '' then
  for i = 1, #acks do
    if records[i] then
      redis.call('XADD', KEYS[n + 2], '*', 'd', records[i])
    end
  end
  redis.call('XTRIM', KEYS[n + 2], 'MAXLEN', '~', audit)
end

for i = 1, group ~= '' and n or 0 do
  local at = 5 + (i - 1) * size
  local id, suffix = ARGV[at + 13], ' ' .. ARGV[at + 1]
  local place = settled[i] == 1 and id ~= '' and redis.call('HGET', KEYS[n + 3], id)
  if place and string.sub(place, 1, 1) == '=' and string.sub(place, -#suffix) == suffix then
    redis.call('HDEL', KEYS[n + 3], id)
  end
end

local time = redis.call('TIME')
local now_ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
for _, i in ipairs(write) do
  local at = 5 + (i - 1) * size
  redis.call('HSET', KEYS[i], 's', ARGV[at + 3], 'a', ARGV[at + 2], 'b', ARGV[at + 4], 'f', now_ms,
    'n', ARGV[at + 5], 'r', ARGV[at + 6], 'm', ARGV[at + 7])
  if ARGV[at + 8] ~= '' then
    redis.call('HSET', KEYS[i], 'e', ARGV[at + 8])
  end
  if ARGV[at + 9] ~= '' then
    redis.call('HSET', KEYS[i], 'c', ARGV[at + 9])
  end
  if ARGV[at + 10] ~= '' then
    redis.call('HSET', KEYS[i], 'd', ARGV[at + 10])
  end
  if ARGV[at + 11] ~= '' then
    redis.call('HSET', KEYS[i], 'x', ARGV[at + 11])
  end
  if ARGV[at + 12] ~= '' then
    redis.call('HSET', KEYS[i], 'y', ARGV[at + 12])
  end
  redis.call('EXPIRE', KEYS[i], ttl)
end
return settled
