-- give_back.lua - what was set aside of a tag, and will not be walked through, is under it again.
--
-- The smaller of the two sets is copied to the other, or, while both are large, a slice of what was
-- set aside is copied to the tag in each call; it is dropped when all of it is. Until then it can
-- still be walked through, and whoever does that learns by the line `~` that it was given back.
--
-- KEYS  1 the tag's set   2 hash of what is set aside of it (claim.lua)   3 the set
-- ARGV  1 that set's name   2 cursor in it, '0' to begin   3 members of a slice   4 whose it must
--       be, '' for anybody's that nobody was at for   5 so many ms
-- returns  {what, cursor}: what is 0 there was nothing, 1 it is done, 2 it goes on at that cursor,
--          3 it is not to be touched
-- keeps    a member is in the tag's set or in one that the hash names, never in none; what was
--          walked through and is kept is dropped with its owner and left alone otherwise
-- cost     O(slice)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local line = redis.call('HGET', KEYS[2], ARGV[1])
local left = redis.call('PTTL', KEYS[3])

if not line then
  if left == -2 then
    return { 0, '0' }
  elseif ARGV[4] ~= '' then
    redis.call('UNLINK', KEYS[3])
    return { 1, '0' }
  elseif left == -1 then
    -- Of an older version, perhaps at work on it.
    redis.call('HSET', KEYS[2], ARGV[1], string.format('%.0f000 %.0f 0 -', now, now))
  end
  return { 3, '0' }
end
local until_ms, ends, owner = string.match(line, '^%d+ (%d+) (%d+) (.*)$')
until_ms, ends = tonumber(until_ms), tonumber(ends)
if ARGV[4] ~= '' and owner ~= ARGV[4] or
    ARGV[4] == '' and until_ms + tonumber(ARGV[5]) > now and until_ms <= now + 3600000 then
  return { 3, '0' }
end

local function let_end(since)
  if ends == 0 then
    redis.call('PERSIST', KEYS[1])
  else
    redis.call('PEXPIRE', KEYS[1], math.max(1, ends - now), unpack(since))
  end
end

redis.call('PERSIST', KEYS[2]) -- a full server lets the writes behind it pass
if left == -2 then
  redis.call('HDEL', KEYS[2], ARGV[1])
  return { 1, '0' }
end
local size = redis.call('SCARD', KEYS[1])
if size <= tonumber(ARGV[3]) then
  if size > 0 then
    local ttl = redis.call('PTTL', KEYS[1])
    ends = ttl >= 0 and ends > 0 and math.max(ends, now + ttl) or 0
    redis.call('SADD', KEYS[3], unpack(redis.call('SMEMBERS', KEYS[1])))
  end
  redis.call('RENAME', KEYS[3], KEYS[1])
  let_end({})
else
  local slice = redis.call('SSCAN', KEYS[3], ARGV[2], 'COUNT', ARGV[3])
  for i = 1, #slice[2], 1000 do
    redis.call('SADD', KEYS[1], unpack(slice[2], i, math.min(i + 999, #slice[2])))
  end
  if slice[1] ~= '0' then
    return { 2, slice[1] }
  end
  let_end({ 'GT' })
  redis.call('UNLINK', KEYS[3])
end
redis.call('HDEL', KEYS[2], ARGV[1])
local given = math.max(now, tonumber(redis.call('HGET', KEYS[2], '~') or 0) + 1)
redis.call('HSET', KEYS[2], '~', string.format('%.0f', given))
if redis.call('HLEN', KEYS[2]) == 1 then
  redis.call('PEXPIRE', KEYS[2], 86400000)
end
return { 1, '0' }
