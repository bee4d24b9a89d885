-- begin.lua - a worker that took over a job announces its attempt.
--
-- From here on the writes of every earlier attempt are refused. Only takeovers call
-- it: a first attempt has nobody to fence off and writes nothing before its result.
--
-- KEYS  1 result hash
-- ARGV  1 attempt   2 started_ms   3 time to live, seconds
-- returns  1 go on, 0 a later attempt owns the job, 2 it has ended already
-- keeps    attempts only grow, a status never goes back; works on a full server
-- cost     O(1)
local terminal = { succeeded = true, failed = true, dead = true, cancelled = true }
local now = redis.call('HMGET', KEYS[1], 'a', 's')
if now[1] and tonumber(now[1]) > tonumber(ARGV[1]) then
  return 0
end
if terminal[now[2]] then
  return 2
end
-- A full server lets writes pass behind one that takes no memory; without it nobody could take
-- over what a dead worker left there.
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('HSET', KEYS[1], 's', 'running', 'a', ARGV[1], 'b', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
