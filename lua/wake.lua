-- wake.lua - what was put off and is due now becomes entries of its lanes.
--
-- A member is a list of texts, each a length (unsigned LEB128) and its bytes: the number
-- of a lane from 0, then fields and values. On a full server the first XADD is refused and
-- nothing has happened.
--
-- KEYS  1 sorted set, score is the wall ms when it is due   2.. the lanes' streams
-- ARGV  1 at most so many
-- returns  how many
-- keeps    what is due is in the set or in its lane, never in none
-- cost     O(log n + bytes moved)
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])

local function texts(record)
  local found, at = {}, 1
  while at <= #record do
    local length, scale, byte = 0, 1
    repeat
      byte = string.byte(record, at)
      length = length + (byte % 128) * scale
      scale = scale * 128
      at = at + 1
    until byte < 128
    found[#found + 1] = string.sub(record, at, at + length - 1)
    at = at + length
  end
  return found
end

for _, record in ipairs(due) do
  local fields = texts(record)
  redis.call('XADD', KEYS[2 + tonumber(fields[1])], '*', unpack(fields, 2))
  redis.call('ZREM', KEYS[1], record)
end
return #due
