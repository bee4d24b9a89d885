-- weigh.lua - how much the queue takes of the broker.
--
-- The bytes are an estimate by samples: exact ones would cost a walk over the whole queue. A server
-- that forbids MEMORY USAGE says nothing about bytes, and the rest is measured all the same.
--
-- KEYS  1 sorted set of the dead letters, which are counted and not weighed: no job makes room by
--       being done there   2 hash of the jobs that were put off   3.. what else is the queue's:
--       streams, what is due later
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
return { redis.call('HLEN', KEYS[2]), bytes or false, redis.call('ZCARD', KEYS[1]) }
