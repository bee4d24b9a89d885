-- wake.lua - what was put off and is due now becomes entries of its lanes.
--
-- A member is a list of texts, each a length (unsigned LEB128) and its bytes: the number
-- of a lane from 0, then fields and values. Or it is '@' and the id of a job whose such list is in
-- a hash, behind the time and a space; there the place of its entry is then written down.
--
-- A member is taken out before it is added: on a full server that is allowed and lets the writes
-- behind it pass. Else what waits here would keep the server full, and the full server keep it here.
--
-- KEYS  1 sorted set, score is the wall ms when it is due   2 hash   3.. the lanes' streams
-- ARGV  1 at most so many   2 bytes of records after which there is an end
-- returns  how many; when that is 0 nothing is due
-- keeps    what is due is in the set or in its lane, never in none
-- cost     O(log n + bytes moved)
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))

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

local function add(record)
  local fields = texts(record)
  return fields[1], redis.pcall('XADD', KEYS[3 + tonumber(fields[1])], '*', unpack(fields, 2))
end

local count, bytes = 0, 0
while count < tonumber(ARGV[1]) and bytes < tonumber(ARGV[2]) do
  local member = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1)[1]
  if not member then
    break
  end
  redis.call('ZREM', KEYS[1], member)
  local id = string.sub(member, 1, 1) == '@' and string.sub(member, 2)
  local kept = id and redis.call('HGET', KEYS[2], id)
  local lane, entry
  if kept then
    lane, entry = add(string.sub(kept, string.find(kept, ' ', 1, true) + 1))
  elseif not id then
    lane, entry = add(member)
  end
  if type(entry) == 'table' then
    redis.call('ZADD', KEYS[1], now, member)
    return entry
  end
  if kept then
    redis.call('HSET', KEYS[2], id, '=' .. lane .. ' ' .. entry)
  end
  count = count + 1
  bytes = bytes + #(kept or member)
end
return count
