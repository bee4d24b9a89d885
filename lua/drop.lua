-- drop.lua - jobs leave a set where they wait, for good.
--
-- KEYS  1 sorted set   2 hash of records   3 audit
-- ARGV  1 what stands before an id in the set   2 records that the audit keeps, 3 what it is to say
--       of each; '' when nothing   4.. ids of jobs
-- returns  for each whether it was there and waited (0, 1); a place of an entry is no waiting
-- keeps    what is in the one is in the other; none goes without its record
-- cost     O(log n) for each
local dropped = {}
for i = 4, #ARGV do
  dropped[i - 3] = 0
  if redis.call('ZREM', KEYS[1], ARGV[1] .. ARGV[i]) == 1 then
    redis.call('HDEL', KEYS[2], ARGV[i])
    dropped[i - 3] = 1
    if ARGV[2] ~= '' then
      redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[2], '*', 'd', ARGV[3], 'j', ARGV[i])
    end
  end
end
return dropped
