-- repeat.lua - a job is to be repeated after a while.
--
-- How long is said, not when: the worker's clock need not be the server's, and it is the server's
-- that wake.lua goes by.
--
-- KEYS  1 sorted set, score is the wall ms when it is due
-- ARGV  1 after so many ms   2 the record (see wake.lua)
-- returns  1
-- cost     O(log n)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[1])), ARGV[2])
return 1
