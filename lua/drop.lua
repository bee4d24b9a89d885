-- drop.lua - jobs leave a set where they wait, for good.
--
-- KEYS  1 sorted set   2 hash of records
-- ARGV  1 what stands before an id in the set   2.. ids of jobs
-- returns  for each whether it was there and waited (0, 1); a place of an entry is no waiting
-- keeps    what is in the one is in the other
-- cost     O(log n) for each
local dropped = {}
for i = 2, #ARGV do
  dropped[i - 1] = 0
  if redis.call('ZREM', KEYS[1], ARGV[1] .. ARGV[i]) == 1 then
    redis.call('HDEL', KEYS[2], ARGV[i])
    dropped[i - 1] = 1
  end
end
return dropped
