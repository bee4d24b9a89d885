-- redrive.lua - dead letters become jobs of their lanes again.
--
-- They keep their ids and their history; the tries that they may use are counted anew, and the
-- attempts go on being numbered where they were, so that a late worker of an earlier life is still
-- refused. Whoever cancelled it, or its later passes, did so before: that mark goes, or a worker
-- would stop at it. Where the entry lies is written down, as for a job that was put off. On a full
-- server the first XADD is refused and nothing has happened to that letter and those behind it.
--
-- KEYS  1 sorted set of the dead   2 hash of their records   3 hash of places   4 audit
--       5 sorted set of cancelled jobs   6.. the lanes' streams
-- ARGV  1 records that the audit keeps, 2 what it is to say of each; '' when nothing   3 bytes of
--       records after which there is an end   4.. ids of jobs
-- returns  for each, as far as it came, whether it was there (0, 1)
-- keeps    a letter is among the dead or in its lane, never in both or none; none goes back without
--          its record
-- cost     O(bytes moved)
local fresh = { u = true, z = true, f = true }
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

local moved, bytes = {}, 0
for i = 1, #ARGV - 3 do
  local id = ARGV[i + 3]
  local kept = redis.call('HGET', KEYS[2], id)
  moved[i] = 0
  if kept then
    local old, fields = texts(string.sub(kept, string.find(kept, ' ', 1, true) + 1)), { 'f', now }
    for k = 2, #old - 1, 2 do
      if not fresh[old[k]] then
        fields[#fields + 1] = old[k]
        fields[#fields + 1] = old[k + 1]
      end
    end
    local entry = redis.call('XADD', KEYS[6 + tonumber(old[1])], '*', unpack(fields))
    redis.call('HSET', KEYS[3], id, '=' .. old[1] .. ' ' .. entry)
    redis.call('HDEL', KEYS[2], id)
    redis.call('ZREM', KEYS[1], id)
    redis.call('ZREM', KEYS[5], id)
    if ARGV[1] ~= '' then
      redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[1], '*', 'd', ARGV[2], 'j', id)
    end
    moved[i] = 1
    bytes = bytes + #kept
    if bytes >= tonumber(ARGV[3]) then
      break
    end
  end
end
return moved
