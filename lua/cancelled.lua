-- cancelled.lua - the result of a job that left the queue without having been done.
--
-- KEYS  1 result hash
-- ARGV  1 selectors that it named   2 time to live, seconds
-- returns  1 written, 0 it has ended already
-- keeps    a job that ended stays as it ended; what earlier attempts removed stays counted
-- cost     O(1)
local terminal = { succeeded = true, failed = true, dead = true, cancelled = true }
if terminal[redis.call('HGET', KEYS[1], 's')] then
  return 0
end
local time = redis.call('TIME')
local now_ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], 's', 'cancelled', 'f', now_ms, 'n', ARGV[1])
redis.call('HDEL', KEYS[1], 'e', 'u')
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
