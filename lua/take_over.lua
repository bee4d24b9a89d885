-- take_over.lua - a worker takes what went quiet.
--
-- Claims entries that nobody has beaten for the idle limit, and says which attempt
-- each of them now is (the delivery count of the group). Entries whose body is gone
-- are dropped from the pending list by Redis; they are reported, never silent.
-- Consumers that hold nothing and have been away for an hour are forgotten: a worker
-- that was killed never comes back under its old name.
--
-- KEYS  1 stream
-- ARGV  1 group   2 consumer   3 idle limit, ms   4 at most so many   5 where to go on
-- returns  {where to go on next, {entries as XRANGE gives them}, {attempt of each},
--           {ids whose body is gone}}
-- keeps    one owner for each pending entry
-- cost     O(n) in the number claimed, O(consumers)
local forget_ms = 3600000
local found = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[5], 'COUNT', ARGV[4])
local attempts = {}
for i, entry in ipairs(found[2]) do
  local row = redis.call('XPENDING', KEYS[1], ARGV[1], entry[1], entry[1], 1)
  attempts[i] = row[1][4]
end
for _, row in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for i = 1, #row, 2 do
    consumer[row[i]] = row[i + 1]
  end
  if consumer['pending'] == 0 and consumer['idle'] > forget_ms and consumer['name'] ~= ARGV[2] then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer['name'])
  end
end
return { found[1], found[2], attempts, found[3] or {} }
