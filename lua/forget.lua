-- forget.lua - records of the audit that are too old go.
--
-- Whole nodes of the stream first, a bounded number at a time; when none is left that is old as a
-- whole, the old records of the first node.
--
-- KEYS  1 audit
-- ARGV  1 how long records are kept, seconds; 0 is for ever
-- returns  how many there are
-- keeps    no record goes before its time
-- cost     O(removed)
local kept = tonumber(ARGV[1])
if kept > 0 then
  local time = redis.call('TIME')
  local oldest = string.format('%.0f', (time[1] - kept) * 1000 + math.floor(time[2] / 1000))
  if redis.call('XTRIM', KEYS[1], 'MINID', '~', oldest) == 0 then
    redis.call('XTRIM', KEYS[1], 'MINID', oldest)
  end
end
return redis.call('XLEN', KEYS[1])
