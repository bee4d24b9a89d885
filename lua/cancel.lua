-- cancel.lua - a job is not to be done.
--
-- What waits, for its time or in its lane, leaves the queue for good, and its result is written
-- with that, beside the queue: whoever dies next, and wherever results lie else, the job is known.
-- So it is asked twice: what there is to be said of it, and then in earnest. What a worker has in
-- hand is its to stop: the job is written where workers look for such, and marks that are too old
-- go. All that comes out comes first: a full server allows that and lets the writes behind it pass.
--
-- KEYS  1 sorted set of what is put off   2 hash of its records and places   3 sorted set of
--       cancelled jobs   4 audit   5 result hash, beside the queue   6.. the lanes' streams
-- ARGV  1 group   2 id of the job   3 wall ms now, 4 and of the oldest mark that is kept   5 lane, 6
--       entry id where it lies if nothing else is written down, or '' and ''   7 records that the
--       audit keeps, 8 the record of the cancel; '' when none is to be written   9 selectors that the
--       job named, '' to ask what it is about   10 record of its end   11 time to live of its result,
--       seconds; 10 and 11 only in earnest
-- returns  {1, selectors} it left the queue, now or before, {2} a worker has it, {0} it is not there,
--          {3, record or entry as XRANGE gives it} it would leave, and nothing was done
-- keeps    a job that was delivered is never taken out of the queue; none leaves without its result
--          and its record
-- cost     O(log n)
local lane, entry = ARGV[5], ARGV[6]
local only_asks = ARGV[9] == ''
local terminal = { succeeded = true, failed = true, dead = true, cancelled = true }

-- Who looks for what was cancelled: workers that have it in hand, and repetitions of what an earlier
-- attempt has done.
local function mark()
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', '(' .. ARGV[4])
  redis.call('ZADD', KEYS[3], ARGV[3], ARGV[2])
end

local function write_down(record)
  if ARGV[7] ~= '' then
    redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[7], '*', 'd', record)
  end
end

local function finish()
  mark()
  if not terminal[redis.call('HGET', KEYS[5], 's')] then
    redis.call('HSET', KEYS[5], 's', 'cancelled', 'f', ARGV[3], 'n', ARGV[9])
    redis.call('HDEL', KEYS[5], 'e', 'u')
    redis.call('EXPIRE', KEYS[5], ARGV[11])
  end
  write_down(ARGV[8])
  write_down(ARGV[10])
  return { 1, tonumber(ARGV[9]) }
end

local function not_there()
  local result = redis.call('HMGET', KEYS[5], 's', 'n')
  return result[1] == 'cancelled' and { 1, tonumber(result[2] or 0) } or { 0 }
end

local kept = redis.call('HGET', KEYS[2], ARGV[2])
if kept then
  local waits = redis.call('ZSCORE', KEYS[1], '@' .. ARGV[2])
  if waits and only_asks then
    return { 3, string.sub(kept, string.find(kept, ' ', 1, true) + 1) }
  end
  if waits then
    redis.call('ZREM', KEYS[1], '@' .. ARGV[2])
    redis.call('HDEL', KEYS[2], ARGV[2])
    return finish()
  end
  lane, entry = string.match(kept, '^=(%d+) (.+)$')
end
if not lane or lane == '' then
  return not_there()
end
local stream = KEYS[6 + tonumber(lane)]
local found = redis.call('XRANGE', stream, entry, entry)
if #found == 0 then
  return not_there()
end

local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local function named(row)
  local fields = {}
  for i = 1, #row, 2 do
    fields[row[i]] = row[i + 1]
  end
  return fields
end
local group
for _, row in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local one = named(row)
  group = one['name'] == ARGV[1] and one or group
end
local ms, seq = parts(entry)
local last_ms, last_seq = parts(group and group['last-delivered-id'] or '0-0')
if ms < last_ms or (ms == last_ms and seq <= last_seq) then
  local pending = redis.call('XPENDING', stream, ARGV[1], entry, entry, 1)
  if #pending == 0 then
    return not_there()
  end
  mark()
  write_down(ARGV[8])
  return { 2 }
end
if only_asks then
  return { 3, found[1] }
end

-- An entry that goes from among those that wait leaves a gap behind which the server loses count of
-- what was given and of what waits. So the group is told that it was given what went, and the stream
-- that there is no gap. Last, and where it is not permitted not at all: a count that is wrong for a
-- while does less harm than a job that is gone without a word.
local function close_gap(stream, before, group, count)
  local read = group['entries-read'] or
    (group['last-delivered-id'] == '0-0' and before['entries-added'] - before['length'])
  if read then
    local gap = before['max-deleted-entry-id']
    local told = redis.pcall('XGROUP', 'SETID', stream, group['name'], group['last-delivered-id'], 'ENTRIESREAD',
      read + count)
    if not told.err then
      redis.pcall('XSETID', stream, before['last-generated-id'], 'ENTRIESADDED', before['entries-added'],
        'MAXDELETEDID', gap == '0-0' and '0-1' or gap)
    end
  end
end

local before = named(redis.call('XINFO', 'STREAM', stream))
redis.call('XDEL', stream, entry)
redis.call('HDEL', KEYS[2], ARGV[2])
local answer = finish()
if group then
  close_gap(stream, before, group, 1)
end
return answer
