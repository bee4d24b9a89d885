-- peek.lua - what the queue itself knows of a job.
--
-- A job without a result is told from its stream entry: not delivered yet is queued,
-- delivered and not acknowledged is running. An entry that was acknowledged stays in
-- the stream until the next trim; it says nothing any more. Whoever waits for a job asks again and
-- again, so of its fields only those are told that are short: n and e, and p and g without what is in
-- them.
--
-- KEYS  1 stream
-- ARGV  1 group   2 entry id
-- returns  {0} unknown or ended, {1, 0, fields} queued, {2, attempt, fields} running
-- keeps    reads only
-- cost     O(log n + bytes of the entry)
local entry = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])
if #entry == 0 then
  return { 0 }
end
local fields = {}
for i = 1, #entry[1][2], 2 do
  local name, value = entry[1][2][i], entry[1][2][i + 1]
  if name == 'n' or name == 'e' then
    fields[#fields + 1] = name
    fields[#fields + 1] = string.sub(value, 1, 32)
  elseif name == 'p' or name == 'g' then
    fields[#fields + 1] = name
    fields[#fields + 1] = ''
  end
end
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local groups = redis.call('XINFO', 'GROUPS', KEYS[1])
for _, row in ipairs(groups) do
  local group = {}
  for i = 1, #row, 2 do
    group[row[i]] = row[i + 1]
  end
  if group['name'] == ARGV[1] then
    local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)
    if #pending > 0 then
      return { 2, pending[1][4], fields }
    end
    local ms, seq = parts(ARGV[2])
    local last_ms, last_seq = parts(group['last-delivered-id'])
    if ms < last_ms or (ms == last_ms and seq <= last_seq) then
      return { 0 }
    end
  end
end
return { 1, 0, fields }
