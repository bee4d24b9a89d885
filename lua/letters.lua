-- letters.lua - a page of what waits among the dead letters, the oldest first.
--
-- KEYS  1 sorted set of ids by when they were buried   2 hash of records
-- ARGV  1 and 2 the time and the id of the letter behind which the page begins, 0 and '' for the
--       first page   3 at most so many
-- returns  {id, time, record, ...}
-- keeps    reads only
-- cost     O(log n + letters of the same millisecond + bytes of the page)
local from, id, count = ARGV[1], ARGV[2], tonumber(ARGV[3])
local page, offset = {}, 0
while #page < 3 * count do
  local some = redis.call('ZRANGEBYSCORE', KEYS[1], from, '+inf', 'WITHSCORES', 'LIMIT', offset, count)
  for i = 1, #some, 2 do
    local is_behind = tonumber(some[i + 1]) > tonumber(from) or some[i] > id
    if is_behind and #page < 3 * count then
      page[#page + 1] = some[i]
      page[#page + 1] = some[i + 1]
      page[#page + 1] = redis.call('HGET', KEYS[2], some[i]) or ''
    end
  end
  if #some < 2 * count then
    break
  end
  offset = offset + count
end
return page
