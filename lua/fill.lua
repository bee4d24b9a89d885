-- fill.lua - an application fills its cache, unless what it read may be old.
--
-- Between reading a row and storing it the row may have been changed and the key purged. A purge
-- with `mode: tombstone` or `mode: versioned` leaves a marker beside the key; this asks for it
-- and stores the value in one step. The marker of a key K is purgeway:hold:K when K has a hash tag
-- (something between its first '{' and the next '}'), else purgeway:hold:{K}.
--
-- KEYS  1 the key   2 its marker
-- ARGV  1 the value   2 its time to live, ms   3 the version of the row, a decimal number of up to
--       20 digits, '' when it has none   4 for how long a value that is refused may stand all
--       the same, ms, so that the database is not asked by everybody; '' or 0: not at all
-- returns  1 stored   2 stored for as long as argument 4 says   0 refused
-- keeps    while a tombstone stands, and for a version older than the marker's, nothing stays
-- cost     O(1)
local function is_older(a, b)
  a, b = string.gsub(a, '^0+', ''), string.gsub(b, '^0+', '')
  if #a ~= #b then
    return #a < #b
  end
  return a < b
end

local marker = redis.call('GET', KEYS[2])
if not marker or (marker ~= '' and ARGV[3] ~= '' and not is_older(ARGV[3], marker)) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
local interim = tonumber(ARGV[4]) or 0
if interim > 0 and redis.call('SET', KEYS[1], ARGV[1], 'PX', string.format('%.0f', interim), 'NX') then
  return 2
end
return 0
