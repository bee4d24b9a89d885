-- beat.lua - a worker says that it still works on what it holds.
--
-- Resets the idle time of the entries that this consumer owns. An entry that somebody
-- else took over meanwhile is left alone and reported: claiming it back blindly would
-- steal it from the successor.
--
-- KEYS  1 stream
-- ARGV  1 group   2 consumer   3.. entry ids
-- returns  the entry ids that this consumer does not own any more
-- keeps    an entry changes hands only by takeover of an idle one
-- cost     O(log n) for each id
local lost = {}
for i = 3, #ARGV do
  local mine = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])
  if #mine == 0 then
    lost[#lost + 1] = ARGV[i]
  else
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
  end
end
return lost
