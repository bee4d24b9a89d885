-- look.lua - what others have set aside of a tag and not walked through yet.
--
-- KEYS  1 hash of what is set aside of the tag (claim.lua)
-- ARGV  1 only what was set aside until then, us, '0' for all   2 for how long somebody can be at
--       a set, ms
-- returns  {what, name, when the last of them was set aside, when members were given back last};
--          what is 0 there is nothing, 1 nobody is at the set of this name, 2 somebody is at each
-- keeps    nothing is changed
-- cost     O(sets that are set aside)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit, lease = tonumber(ARGV[1]), tonumber(ARGV[2])
local has_some, name, first, last, given = false, '', nil, 0, 0

local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if all[i] == '~' then
    given = tonumber(all[i + 1])
  else
    local since, until_ms = string.match(all[i + 1], '^(%d+) (%d+)')
    since, until_ms = tonumber(since), tonumber(until_ms)
    last = math.max(last, since)
    if limit == 0 or since <= limit then
      has_some = true
      local is_busy = until_ms > now and until_ms <= now + lease
      if not is_busy and (not first or since < first) then
        first, name = since, all[i]
      end
    end
  end
end
return { first and 1 or has_some and 2 or 0, name, last, given }
