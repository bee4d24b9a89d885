-- take_over.lua - a worker takes what went quiet.
--
-- Claims entries that nobody has beaten for the idle limit, and says which attempt
-- each of them now is (the delivery count of the group). Entries whose body is gone
-- are dropped from the pending list by Redis; they are reported, never silent.
-- One by one, and only as long as the answer is not full: what was claimed with an answer that is
-- too long to be heard would count as delivered, and as often as anybody tried.
-- Consumers that hold nothing and have been away for an hour are forgotten: a worker
-- that was killed never comes back under its old name.
--
-- KEYS  1 stream
-- ARGV  1 group   2 consumer   3 idle limit, ms   4 at most so many   5 where to go on
--       6 bytes of entries after which there is an end
-- returns  {where to go on next, {entries as XRANGE gives them}, {attempt of each},
--           {ids whose body is gone}}
-- keeps    one owner for each pending entry
-- cost     O(n) in the number claimed, O(consumers)
local forget_ms = 3600000
local cursor, bytes, most = ARGV[5], 0, tonumber(ARGV[6])
local entries, attempts, gone = {}, {}, {}
for _ = 1, tonumber(ARGV[4]) do
  local found = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], cursor, 'COUNT', 1)
  cursor = found[1]
  for _, entry in ipairs(found[2]) do
    local row = redis.call('XPENDING', KEYS[1], ARGV[1], entry[1], entry[1], 1)
    entries[#entries + 1] = entry
    attempts[#attempts + 1] = row[1][4]
    for _, text in ipairs(entry[2]) do
      bytes = bytes + #text
    end
  end
  for _, id in ipairs(found[3] or {}) do
    gone[#gone + 1] = id
  end
  if cursor == '0-0' or bytes >= most then
    break
  end
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
return { cursor, entries, attempts, gone }
