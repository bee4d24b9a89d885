-- purge.lua - jobs that wait in a lane leave the queue for good.
--
-- Only what no worker was given yet, the oldest first. With an audit the records of the jobs' ends
-- must be there to let them go, so that it is asked twice: what there is to be recorded, and then in
-- earnest, for those that are still there.
--
-- KEYS  1 stream   2 hash of places of jobs that were put off   3 audit
-- ARGV  1 group   2 at most so many   3 records that the audit keeps, 4 the record of the purge; ''
--       when there is none   5.. entry id and record of each job, '' for one that has no end; none
--       with an audit to ask what they are about
-- returns  the entries, as XRANGE gives them, that left; or would leave, when nothing was done
-- keeps    a job that was delivered is never taken out of the queue; none leaves without its record
-- cost     O(n + bytes of what leaves)
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {}
end
local last = '0-0'
for _, row in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for i = 1, #row, 2 do
    group[row[i]] = row[i + 1]
  end
  if group['name'] == ARGV[1] then
    last = group['last-delivered-id']
  end
end
local found = redis.call('XRANGE', KEYS[1], '(' .. last, '+', 'COUNT', ARGV[2])
if ARGV[3] ~= '' and #ARGV == 4 then
  return found
end

local function write_down(record)
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*', 'd', record)
end

local records = {}
for i = 5, #ARGV, 2 do
  records[ARGV[i]] = ARGV[i + 1]
end
local left = {}
for _, entry in ipairs(found) do
  local record = records[entry[1]]
  if ARGV[3] == '' or record then
    redis.call('XDEL', KEYS[1], entry[1])
    for i = 1, #entry[2], 2 do
      if entry[2][i] == 'j' then
        redis.call('HDEL', KEYS[2], entry[2][i + 1])
      end
    end
    if record and record ~= '' then
      write_down(record)
    end
    left[#left + 1] = entry
  end
end
if ARGV[4] ~= '' then
  write_down(ARGV[4])
end
return left
