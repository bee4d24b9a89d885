-- weigh.lua - how much the queue takes of the broker.
--
-- The bytes are an estimate by samples: exact ones would cost a walk over the whole queue. A server
-- that forbids MEMORY USAGE says nothing about bytes, and the rest is measured all the same.
--
-- KEYS  1 hash of the jobs that were put off   2.. what else is the queue's: streams, what is due later
-- ARGV  1 samples of each key
-- returns  {jobs that were put off, bytes of all keys or nil}
-- keeps    everything as it is
-- cost     O(samples and consumers), whatever waits
local bytes = 0
for _, key in ipairs(KEYS) do
  local size = redis.pcall('MEMORY', 'USAGE', key, 'SAMPLES', ARGV[1])
  if type(size) == 'table' then
    bytes = nil
    break
  end
  bytes = bytes + (size or 0)
end
return { redis.call('HLEN', KEYS[1]), bytes or false }
