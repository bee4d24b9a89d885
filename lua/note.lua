-- note.lua - a job that could not be done yet says when it will be tried again.
--
-- KEYS  1 result hash
-- ARGV  1 attempt that ended   2 when it began, wall ms   3 when the next one is due, wall ms
--       4 error code   5 requested   6 removed   7 missing so far   8 time to live, seconds
-- returns  1 noted, 0 a later attempt owns the job or it has ended
-- keeps    attempts only grow, a job that ended stays as it ended
-- cost     O(1)
local terminal = { succeeded = true, failed = true, dead = true, cancelled = true }
local now = redis.call('HMGET', KEYS[1], 'a', 's')
if (now[1] and tonumber(now[1]) > tonumber(ARGV[1])) or terminal[now[2]] then
  return 0
end
redis.call('HSET', KEYS[1], 's', 'retrying', 'a', ARGV[1], 'b', ARGV[2], 'u', ARGV[3], 'e', ARGV[4],
  'n', ARGV[5], 'r', ARGV[6], 'm', ARGV[7])
redis.call('EXPIRE', KEYS[1], ARGV[8])
return 1
