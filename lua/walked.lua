-- walked.lua - what was set aside of a tag is walked through: all of its members are gone.
--
-- KEYS  1 hash of what is set aside of the tag (claim.lua)   2 the set
-- ARGV  1 that set's name   2 when it was set aside   3 for how long it is kept to be walked through
--       again, ms, '' to drop it
-- returns  {how many are set aside still, when members were given back last}
-- keeps    a set that was given back since, or set aside anew, is left alone; what is kept has an
--          end
-- cost     O(1)
local line = redis.call('HGET', KEYS[1], ARGV[1])
if line and string.match(line, '^%d+') == ARGV[2] then
  redis.call('HDEL', KEYS[1], ARGV[1])
  if ARGV[3] == '' then
    redis.call('UNLINK', KEYS[2])
  else
    redis.call('PEXPIRE', KEYS[2], ARGV[3])
  end
end
local given = redis.call('HGET', KEYS[1], '~')
local others = redis.call('HLEN', KEYS[1]) - (given and 1 or 0)
if given and others == 0 then
  redis.call('PEXPIRE', KEYS[1], 86400000)
end
return { others, tonumber(given or 0) }
