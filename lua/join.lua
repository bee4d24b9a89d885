-- join.lua - jobs are written down as those of a batch.
--
-- A batch that is sent again may find less of its jobs than before, or more: whoever asks after it
-- wants to hear of all that were ever acknowledged.
--
-- KEYS  1 ids of the group's jobs, one behind the other
-- ARGV  1 such ids   2 bytes of one   3 at most so many   4 time to live, seconds
-- returns  how many there are
-- keeps    a job that is in the group stays there
-- cost     O(n), n at most a few hundred
local size, ids = tonumber(ARGV[2]), redis.call('GET', KEYS[1]) or ''
local there = {}
for at = 1, #ids, size do
  there[string.sub(ids, at, at + size - 1)] = true
end
for at = 1, #ARGV[1], size do
  local id = string.sub(ARGV[1], at, at + size - 1)
  if not there[id] and #ids < size * tonumber(ARGV[3]) then
    ids = ids .. id
  end
end
redis.call('SET', KEYS[1], ids, 'EX', ARGV[4])
return #ids / size
