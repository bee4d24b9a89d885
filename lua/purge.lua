-- purge.lua - jobs that wait in a lane leave the queue for good.
--
-- Only what no worker was given yet, the oldest first. It is asked twice: what there is, as much as
-- one answer may have, and then in earnest, with what there is to be said of each, for those that
-- are still there. Their results are written with that, beside the queue: whoever dies next, and
-- wherever results lie else, the jobs are known. Of what has left the answer says the ids only:
-- whatever is large was told while nothing was lost by it. On a full server what comes out lets the
-- writes behind it pass.
--
-- KEYS  1 stream   2 hash of places of jobs that were put off   3 audit   4 sorted set of cancelled
--       jobs   5.. result hashes of those jobs that have one
-- ARGV  1 group   2 at most so many   3 bytes of entries after which there is an end   4 records
--       that the audit keeps, 5 the record of the purge, to which it is added how many left (field N,
--       see domain/audit.h); '' when none is to be written   6 time to
--       live of a result, seconds   7.. of each job its entry id, its record, '' for none, and how
--       many selectors it named, '' when it has no result; neither 6 nor 7 to ask what there is
-- returns  asked: {1 when there may be more, {entries as XRANGE gives them}}; else {ids that left}
-- keeps    a job that was delivered is never taken out of the queue; none leaves without its result
--          and its record
-- cost     O(n + bytes of what leaves)
local only_asks = #ARGV == 5
local function named(row)
  local fields = {}
  for i = 1, #row, 2 do
    fields[row[i]] = row[i + 1]
  end
  return fields
end

local last, group = '0-0', nil
if redis.call('EXISTS', KEYS[1]) == 1 then
  for _, row in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local one = named(row)
    if one['name'] == ARGV[1] then
      group, last = one, one['last-delivered-id']
    end
  end
end

if only_asks then
  local entries, bytes = {}, 0
  while #entries < tonumber(ARGV[2]) and bytes < tonumber(ARGV[3]) do
    local entry = redis.call('XRANGE', KEYS[1], '(' .. last, '+', 'COUNT', 1)[1]
    if not entry then
      return { 0, entries }
    end
    entries[#entries + 1] = entry
    last = entry[1]
    for _, text in ipairs(entry[2]) do
      bytes = bytes + #text
    end
  end
  return { 1, entries }
end

local function write_down(record)
  if ARGV[4] ~= '' and record ~= '' then
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[4], '*', 'd', record)
  end
end

local terminal = { succeeded = true, failed = true, dead = true, cancelled = true }
local time = redis.call('TIME')
local now_ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local function finish(result, selectors)
  if not terminal[redis.call('HGET', result, 's')] then
    redis.call('HSET', result, 's', 'cancelled', 'f', now_ms, 'n', selectors)
    redis.call('HDEL', result, 'e', 'u')
    redis.call('EXPIRE', result, ARGV[6])
  end
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

local before = group and named(redis.call('XINFO', 'STREAM', KEYS[1]))
local left, result = {}, 4
for i = 7, #ARGV, 3 do
  local selectors = ARGV[i + 2]
  if selectors ~= '' then
    result = result + 1
  end
  local entry = redis.call('XREVRANGE', KEYS[1], ARGV[i], '(' .. last, 'COUNT', 1)[1]
  if entry and entry[1] == ARGV[i] then
    redis.call('XDEL', KEYS[1], ARGV[i])
    for k = 1, #entry[2], 2 do
      if entry[2][k] == 'j' then
        redis.call('HDEL', KEYS[2], entry[2][k + 1])
        -- Repetitions of what an earlier attempt has done look there.
        if selectors ~= '' then
          redis.call('ZADD', KEYS[4], now_ms, entry[2][k + 1])
        end
      end
    end
    if selectors ~= '' then
      finish(KEYS[result], selectors)
    end
    write_down(ARGV[i + 1])
    left[#left + 1] = ARGV[i]
  end
end
if #left > 0 and ARGV[5] ~= '' then
  local count = tostring(#left)
  write_down(ARGV[5] .. '\1N' .. string.char(#count) .. count)
end
if group and #left > 0 then
  close_gap(KEYS[1], before, group, #left)
end
return left
