-- begin.lua - a worker that took over a job announces its attempt.
--
-- From here on the writes of every earlier attempt are refused. Only takeovers and further tries
-- call it: a first attempt has nobody to fence off and writes nothing before its result.
-- A full server must let it pass, else a job whose worker died would stay there and keep
-- it full: PERSIST is allowed, and what it does to the expiry is undone right after.
--
-- KEYS  1 result hash
-- ARGV  1 attempt   2 started_ms   3 time to live, seconds   4 attempts that were over when the
--       entry was made: an end that one of those wrote was taken back (redrive.lua)   5 how often
--       it may be begun as a suspect, '' when it is none (work/suspect.c)
-- returns  1 go on, 0 a later attempt owns the job, 2 it has ended already, 3 it was begun too often
-- keeps    attempts only grow, a status never goes back; works on a full server
-- cost     O(1)
local terminal = { succeeded = true, failed = true, dead = true, cancelled = true }
local now = redis.call('HMGET', KEYS[1], 'a', 's')
if now[1] and tonumber(now[1]) > tonumber(ARGV[1]) then
  return 0
end
if terminal[now[2]] and tonumber(now[1] or 0) > tonumber(ARGV[4] or 0) then
  return 2
end
redis.call('PERSIST', KEYS[1])
if terminal[now[2]] then
  redis.call('HDEL', KEYS[1], 'g')
end
local turns = tonumber(ARGV[5])
if turns and redis.call('HINCRBY', KEYS[1], 'g', 1) > turns then
  redis.call('EXPIRE', KEYS[1], ARGV[3])
  return 3
end
redis.call('HSET', KEYS[1], 's', 'running', 'a', ARGV[1], 'b', ARGV[2])
redis.call('HDEL', KEYS[1], 'f', 'e', 'c', 'd', 'x', 'y', 'u')
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
