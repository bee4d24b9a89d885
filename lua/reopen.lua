-- reopen.lua - a job that was dead is brought back: its result promises an end no more.
--
-- Called when the letter has become an entry again (redrive.lua): the result of a letter that stays
-- one must go on saying so. What the job has come to since is not written over.
--
-- KEYS  1 result hash
-- ARGV  1 attempts that were over when it was buried   2 time to live, seconds
-- returns  1 reopened, 0 it had not ended, or a later attempt ended it
-- keeps    attempts only grow
-- cost     O(1)
local now = redis.call('HMGET', KEYS[1], 'a', 's')
if (now[2] ~= 'dead' and now[2] ~= 'failed') or tonumber(now[1] or 0) > tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[1], 's', 'queued')
redis.call('HDEL', KEYS[1], 'f', 'e', 'c', 'd', 'x', 'y', 'u', 'g')
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
