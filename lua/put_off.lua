-- put_off.lua - a job is accepted that is not to be done yet.
--
-- Its record waits in a hash by its id, where it can be asked for, and its id in the set of what
-- is put off, behind an '@'. On a full server the first write is refused and nothing has
-- happened.
--
-- KEYS  1 sorted set, score is the wall ms when it is due   2 hash of records
-- ARGV  1 when it is due   2 its id   3 its record (see wake.lua)
-- returns  1
-- keeps    what is in the one is in the other
-- cost     O(log n)
redis.call('HSET', KEYS[2], ARGV[2], ARGV[1] .. ' ' .. ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[1], '@' .. ARGV[2])
return 1
