-- release.lua - a worker lets go of a job that it could not do.
--
-- The entry becomes a record that waits: for its next try, or among the dead letters for a
-- person. Nobody but its owner may do that, and of the owner's attempts only the last one: a worker
-- that stood still takes over what lies in its own hands. What was changed meanwhile (the keys that
-- are left, how often it was tried, why it failed) replaces what the entry said. The entry is
-- acknowledged first: a full server allows that and lets the writes behind it pass, so that what
-- cannot be done there does not stay in hands that are needed to drain it. A job that ends here
-- gets its record in the audit with that. One that was cancelled meanwhile has no next try: whoever
-- was told that its worker is to stop would find that it was done after all.
--
-- KEYS  1 stream   2 sorted set   3 hash of records   4 audit   5 hash of places, which may be the 3rd
--       6 sorted set of cancelled jobs
-- ARGV  1 group   2 entry id   3 consumer   4 how often the entry was delivered, with this attempt
--       5 number of the lane it goes back to   6 id of the job, '' when it has none: then the
--       record itself is the member (see wake.lua)   7 what the set calls the job   8 after how
--       many ms it is due, by the server's clock   9 most that the set may hold, '' for any number
--       10 records that the audit keeps, 11 the record; '' when none is to be written   12.. names
--       and values of fields; without a value the field is left out
-- returns  1 done, or done before and the answer was lost   0 it is not ours any more   2 the set
--          is full   3 the entry's body is gone, and nothing was done   4 it was cancelled, and
--          nothing was done
-- keeps    the job is in the stream's pending list or in the set, never in none
-- cost     O(log n + bytes of the job)
local mine = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1, ARGV[3])
if #mine == 0 then
  return ARGV[6] ~= '' and redis.call('HEXISTS', KEYS[3], ARGV[6]) or 0
end
if mine[1][4] ~= tonumber(ARGV[4]) then
  return 0
end
local is_buried = ARGV[9] ~= ''
if is_buried and redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[9]) then
  return 2
end
if not is_buried and ARGV[6] ~= '' and redis.call('ZMSCORE', KEYS[6], ARGV[6])[1] then
  return 4
end
local entry = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])
if #entry == 0 then
  return 3
end

local function text(bytes)
  local left, length = #bytes, ''
  repeat
    local low = left % 128
    left = math.floor(left / 128)
    length = length .. string.char(left > 0 and low + 128 or low)
  until left == 0
  return length .. bytes
end

local changed, parts = {}, { text(ARGV[5]) }
for i = 12, #ARGV, 2 do
  changed[ARGV[i]] = true
end
local fields = entry[1][2]
for i = 1, #fields - 1, 2 do
  if not changed[fields[i]] then
    parts[#parts + 1] = text(fields[i])
    parts[#parts + 1] = text(fields[i + 1])
  end
end
for i = 12, #ARGV - 1, 2 do
  if ARGV[i + 1] ~= '' then
    parts[#parts + 1] = text(ARGV[i])
    parts[#parts + 1] = text(ARGV[i + 1])
  end
end
local record = table.concat(parts)
local time = redis.call('TIME')
local due = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[8]))

redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
if ARGV[6] == '' then
  redis.call('ZADD', KEYS[2], due, record)
else
  redis.call('HDEL', KEYS[5], ARGV[6])
  redis.call('HSET', KEYS[3], ARGV[6], due .. ' ' .. record)
  redis.call('ZADD', KEYS[2], due, ARGV[7])
end
if ARGV[10] ~= '' then
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[10], '*', 'd', ARGV[11])
end
return 1
