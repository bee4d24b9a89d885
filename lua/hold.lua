-- hold.lua - a key goes, and is not filled again with what was read before.
--
-- Beside the key stands a marker for a while. Who fills the cache through fill.lua is refused
-- while a tombstone stands there, and with a versioned marker unless his row is new enough.
--
-- KEYS  1 the key   2 its marker, of the same slot
-- ARGV  1 how long the marker stands, ms   2 the oldest version that may come back, a decimal
--       number of up to 20 digits; '' for a tombstone
-- returns  whether the key was there (0, 1), whether the marker stands (0, 1)
-- keeps    a marker is never made weaker, and never ends earlier than it would have. On a server
--          without memory the key goes all the same: UNLINK needs none, and comes first
-- cost     O(1)
local function is_newer(a, b)
  a, b = string.gsub(a, '^0+', ''), string.gsub(b, '^0+', '')
  if #a ~= #b then
    return #a > #b
  end
  return a > b
end

local removed = redis.call('UNLINK', KEYS[1])
local there = redis.call('GET', KEYS[2])
local version = ARGV[2]
if there and (there == '' or version ~= '' and not is_newer(version, there)) then
  version = there
end
local left = there and redis.call('PTTL', KEYS[2]) or 0
local time = math.max(tonumber(ARGV[1]), left)
local said = redis.pcall('SET', KEYS[2], version, 'PX', string.format('%.0f', time))
return { removed, said.ok and 1 or 0 }
