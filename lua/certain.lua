-- certain.lua - of the members that were set aside in doubt (doubt.lua) those that are there are
-- under the tag again, and the others go for good.
--
-- KEYS  1 the tag's set   2 hash of what is set aside of it   3 the set of them
-- ARGV  1 that set's name   2.. the members that are there
-- returns  how many came back; -1 somebody else sees to them by now
-- keeps    whoever purges the tag meanwhile learns that some came back
-- cost     O(n)
local line = redis.call('HGET', KEYS[2], ARGV[1])
local ends, owner = string.match(line or '', '^%d+ %d+ (%d+) (.*)$')
if owner ~= ARGV[1] then
  return -1
end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('UNLINK', KEYS[3])
local given = redis.call('HGET', KEYS[2], '~')
if #ARGV > 1 then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local is_new = redis.call('EXISTS', KEYS[1]) == 0
  redis.call('SADD', KEYS[1], unpack(ARGV, 2))
  if is_new and ends ~= '0' then
    redis.call('PEXPIRE', KEYS[1], math.max(1, tonumber(ends) - now))
  end
  given = string.format('%.0f', math.max(now, tonumber(given or 0) + 1))
  redis.call('HSET', KEYS[2], '~', given)
end
if given and redis.call('HLEN', KEYS[2]) == 1 then
  redis.call('PEXPIRE', KEYS[2], 86400000)
end
return #ARGV - 1
