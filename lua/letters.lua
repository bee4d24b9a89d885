-- letters.lua - a page of what waits among the dead letters, the oldest first.
--
-- KEYS  1 sorted set of ids by when they were buried   2 hash of records
-- ARGV  1 and 2 the time and the id of the letter behind which the page begins, 0 and '' for the
--       first page   3 at most so many   4 bytes of records after which there is an end
-- returns  {1 when there may be more, {id, time, record, ...}}
-- keeps    reads only
-- cost     O(log n + letters of the same millisecond + bytes of the page)
local from, id, count, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

-- As the set orders them: Lua's own comparison goes by the locale of the server.
local function is_behind(a, b)
  for i = 1, math.min(#a, #b) do
    local one, other = string.byte(a, i), string.byte(b, i)
    if one ~= other then
      return one > other
    end
  end
  return #a > #b
end

local page, bytes, offset = {}, 0, 0
while true do
  local some = redis.call('ZRANGEBYSCORE', KEYS[1], from, '+inf', 'WITHSCORES', 'LIMIT', offset, count)
  for i = 1, #some, 2 do
    if tonumber(some[i + 1]) > tonumber(from) or is_behind(some[i], id) then
      local record = redis.call('HGET', KEYS[2], some[i]) or ''
      page[#page + 1] = some[i]
      page[#page + 1] = some[i + 1]
      page[#page + 1] = record
      bytes = bytes + #record
      if #page == 3 * count or bytes >= most then
        return { 1, page }
      end
    end
  end
  if #some < 2 * count then
    return { 0, page }
  end
  offset = offset + count
end
