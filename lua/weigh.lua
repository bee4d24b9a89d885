-- weigh.lua - how much the queue takes of the broker.
--
-- The bytes are an estimate by samples: exact ones would cost a walk over the whole queue. A server
-- that forbids MEMORY USAGE says nothing about bytes, and the rest is measured all the same.
--
-- Of the jobs that were put off the hash has records of those that wait and places of those in their
-- lanes, which are counted there; the sorted set has those that wait, and later passes, which are no
-- jobs. The lesser number is right where there are no places or no passes, and never too small.
--
-- KEYS  1 sorted set of the dead letters, which are counted and not weighed: no job makes room by
--       being done there   2 hash of the jobs that were put off   3 sorted set of what is due
--       later   4.. what else is the queue's: streams
-- ARGV  1 samples of each key
-- returns  {jobs that were put off, bytes of the keys or nil, dead letters}
-- keeps    everything as it is
-- cost     O(samples and consumers), whatever waits
local bytes = 0
for i = 2, #KEYS do
  local size = redis.pcall('MEMORY', 'USAGE', KEYS[i], 'SAMPLES', ARGV[1])
  if type(size) == 'table' then
    bytes = nil
    break
  end
  bytes = bytes + (size or 0)
end
local put_off = math.min(redis.call('HLEN', KEYS[2]), redis.call('ZCARD', KEYS[3]))
return { put_off, bytes or false, redis.call('ZCARD', KEYS[1]) }
