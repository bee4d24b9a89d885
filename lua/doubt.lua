-- doubt.lua - members of a tag that seem to be gone are set aside until that is certain.
--
-- A purge of the tag that comes meanwhile waits for the answer; when none comes they are given
-- back, or walked through like whatever was set aside (claim.lua).
--
-- KEYS  1 the tag's set   2 hash of what is set aside of it   3 the set for them
-- ARGV  1 that set's name   2 for how long somebody is at it, ms   3.. the members
-- returns  how many were set aside; -1 those of an earlier time still are
-- keeps    a member is in the tag's set or in one that the hash names, never in none
-- cost     O(n)
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 or redis.call('EXISTS', KEYS[3]) == 1 then
  return -1
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ttl, count, last = redis.call('PTTL', KEYS[1]), 0, 0
for i = 3, #ARGV do
  count = count + redis.call('SMOVE', KEYS[1], KEYS[3], ARGV[i])
end
if count > 0 then
  local all = redis.call('HGETALL', KEYS[2])
  for i = 1, #all, 2 do
    last = math.max(last, all[i] == '~' and 0 or tonumber(string.match(all[i + 1], '^%d+')))
  end
  redis.call('HSET', KEYS[2], ARGV[1],
    string.format('%.0f %.0f %.0f %s', math.max(time[1] * 1000000 + time[2], last + 1),
      now + tonumber(ARGV[2]), ttl >= 0 and now + ttl or 0, ARGV[1]))
  redis.call('PERSIST', KEYS[2])
end
return count
