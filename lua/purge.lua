-- purge.lua - jobs that wait in a lane leave the queue for good.
--
-- Only what no worker was given yet, the oldest first.
--
-- KEYS  1 stream   2 hash of places of jobs that were put off
-- ARGV  1 group   2 at most so many
-- returns  the entries, as XRANGE gives them
-- keeps    a job that was delivered is never taken out of the queue
-- cost     O(n + bytes of what leaves)
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {}
end
local last = '0-0'
for _, row in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for i = 1, #row, 2 do
    group[row[i]] = row[i + 1]
  end
  if group['name'] == ARGV[1] then
    last = group['last-delivered-id']
  end
end
local found = redis.call('XRANGE', KEYS[1], '(' .. last, '+', 'COUNT', ARGV[2])
for _, entry in ipairs(found) do
  redis.call('XDEL', KEYS[1], entry[1])
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'j' then
      redis.call('HDEL', KEYS[2], entry[2][i + 1])
    end
  end
end
return found
