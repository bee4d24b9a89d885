-- cancel.lua - a job is not to be done.
--
-- What waits, for its time or in its lane, leaves the queue for good. What a worker has in hand is
-- its to stop: the job is written where workers look for such. With an audit the record of the
-- job's end must be there to let it go, so that it is asked twice: what there is to be recorded, and
-- then in earnest.
--
-- KEYS  1 sorted set of what is put off   2 hash of its records and places   3 sorted set of
--       cancelled jobs   4 audit   5.. the lanes' streams
-- ARGV  1 group   2 id of the job   3 wall ms now   4 lane, 5 entry id where it lies if nothing else
--       is written down, or '' and ''   6 records that the audit keeps, 7 the record of the cancel;
--       '' when none is to be written   8 the record of the end, '' to ask what it is about
-- returns  {1, record} or {1, entry as XRANGE gives it} it left the queue, {2} a worker has it,
--          {0} it is not there, {3, record or entry} it would leave, and nothing was done
-- keeps    a job that was delivered is never taken out of the queue; none leaves without its record
-- cost     O(log n)
local lane, entry = ARGV[4], ARGV[5]
local only_asks = ARGV[6] ~= '' and ARGV[8] == ''

local function write_down(record)
  if ARGV[6] ~= '' then
    redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[6], '*', 'd', record)
  end
end

local kept = redis.call('HGET', KEYS[2], ARGV[2])
if kept then
  local waits = redis.call('ZSCORE', KEYS[1], '@' .. ARGV[2])
  local record = waits and string.sub(kept, string.find(kept, ' ', 1, true) + 1)
  if waits and only_asks then
    return { 3, record }
  end
  if waits then
    redis.call('ZREM', KEYS[1], '@' .. ARGV[2])
    redis.call('HDEL', KEYS[2], ARGV[2])
    write_down(ARGV[7])
    write_down(ARGV[8])
    return { 1, record }
  end
  lane, entry = string.match(kept, '^=(%d+) (.+)$')
end
if not lane or lane == '' then
  return { 0 }
end
local stream = KEYS[5 + tonumber(lane)]
local found = redis.call('XRANGE', stream, entry, entry)
if #found == 0 then
  return { 0 }
end

local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
for _, row in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local group = {}
  for i = 1, #row, 2 do
    group[row[i]] = row[i + 1]
  end
  if group['name'] == ARGV[1] then
    local ms, seq = parts(entry)
    local last_ms, last_seq = parts(group['last-delivered-id'])
    if ms < last_ms or (ms == last_ms and seq <= last_seq) then
      local pending = redis.call('XPENDING', stream, ARGV[1], entry, entry, 1)
      if #pending == 0 then
        return { 0 }
      end
      redis.call('ZADD', KEYS[3], ARGV[3], ARGV[2])
      write_down(ARGV[7])
      return { 2 }
    end
  end
end
if only_asks then
  return { 3, found[1] }
end
redis.call('XDEL', stream, entry)
redis.call('HDEL', KEYS[2], ARGV[2])
write_down(ARGV[7])
write_down(ARGV[8])
return { 1, found[1] }
