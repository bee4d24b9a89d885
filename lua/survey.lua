-- survey.lua - measure a lane, and let go of what is done with.
--
-- Trims the stream up to the oldest entry that is still pending, or past the last one
-- delivered when nothing is pending; never by length, which would take entries that
-- nobody has seen. Whoever runs it, however often, the result is the same.
--
-- KEYS  1 stream
-- ARGV  1 group
-- returns  {waiting, pending, wall ms of the oldest unfinished entry or 0, trimmed, wall ms of the
--          oldest waiting entry or 0, entries that the group was ever given or nil when the server
--          has lost count, -1 without a group; entries that were ever added, -2 when it does not say}
--          Without a group nothing was ever delivered, so everything waits.
-- keeps    no entry that is waiting or pending is ever trimmed
-- cost     O(trimmed)
if redis.call('EXISTS', KEYS[1]) == 0 then
  return { 0, 0, 0, 0, 0, -1, 0 }
end
local added, info = -2, redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #info, 2 do
  if info[i] == 'entries-added' then
    added = info[i + 1]
  end
end
local function ms_of(id)
  return id and tonumber(string.match(id, '^(%d+)')) or 0
end
local group
for _, row in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local fields = {}
  for i = 1, #row, 2 do
    fields[row[i]] = row[i + 1]
  end
  if fields['name'] == ARGV[1] then
    group = fields
  end
end
if not group then
  local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
  local oldest = ms_of(#first > 0 and first[1][1])
  return { redis.call('XLEN', KEYS[1]), 0, oldest, 0, oldest, -1, added }
end

local pending = redis.call('XPENDING', KEYS[1], ARGV[1])
local last = group['last-delivered-id']
local first_kept, oldest = pending[2], pending[2]
if pending[1] == 0 then
  local ms, seq = string.match(last, '^(%d+)-(%d+)$')
  first_kept = ms .. '-' .. string.format('%.0f', tonumber(seq) + 1)
  oldest = nil
end
local trimmed = redis.call('XTRIM', KEYS[1], 'MINID', first_kept)

local next_entry = redis.call('XRANGE', KEYS[1], '(' .. last, '+', 'COUNT', 1)
local next_id = #next_entry > 0 and next_entry[1][1]
local waiting = group['lag']
if not waiting then
  waiting = redis.call('XLEN', KEYS[1]) - pending[1]
end
if not next_id then
  waiting = 0
end
return { waiting, pending[1], ms_of(oldest or next_id), trimmed, ms_of(next_id),
  group['entries-read'] or (last == '0-0' and 0 or false), added }
