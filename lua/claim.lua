-- claim.lua - a job sets the members of a tag aside, or goes on with what is set aside.
--
-- From here on new tagging goes to a fresh set, so what the job walks through cannot
-- change under it and can be dropped as a whole when it is done. Nothing is popped: a
-- worker that dies leaves all members where its successor finds them.
--
-- What is set aside and not walked through yet is written down beside the tag, because whoever
-- purges the tag meanwhile must not say that all is gone before that is. The line of a set is when
-- it was set aside (us, growing), until when somebody is at it, when the tag was to end (0 for
-- never), both ms, and who is at it. The line `~` says when members were given back last.
--
-- KEYS  1 the tag's set   2 hash of what is set aside of it   3 the set to walk through
-- ARGV  1 that set's name   2 the job   3 for how long it is at it, ms   4 '1' to set aside what is
--       under the tag now, if that set is not there   5 '1' when the job will be repeated
-- returns  {what, members, when it was set aside, when the last one was, when members were given
--          back last, how many are set aside, 1 if this was set aside now}; what is 1 to walk
--          through it, 0 there is nothing, 2 the name is used up, 3 somebody else is at it
-- keeps    what is in the hash has no end; a key that is no set stays where it is
-- cost     O(sets that are set aside)
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now, lease = math.floor(now_us / 1000), tonumber(ARGV[3])
local last, given, others, line = 0, 0, 0, nil

local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  if all[i] == '~' then
    given = tonumber(all[i + 1])
  else
    others = others + 1
    last = math.max(last, tonumber(string.match(all[i + 1], '^%d+')))
    line = all[i] == ARGV[1] and all[i + 1] or line
  end
end
local left = redis.call('PTTL', KEYS[3])
if line and left == -2 then
  redis.call('HDEL', KEYS[2], ARGV[1])
  line, others = nil, others - 1
end

local function answer(what, members, since, is_new)
  return { what, members, since, last, given, others, is_new }
end

local since, ends, is_new = now_us, '0', 0
if line then
  local until_ms, owner
  since, until_ms, ends, owner = string.match(line, '^(%d+) (%d+) (%d+) (.*)$')
  since, until_ms = tonumber(since), tonumber(until_ms)
  local is_own = string.sub(ARGV[1], 1, #ARGV[2]) == ARGV[2]
  if not is_own and owner ~= ARGV[2] and until_ms > now and until_ms <= now + lease then
    return answer(3, 0, 0, 0)
  end
else
  if left >= 0 and ARGV[5] == '' then
    redis.call('UNLINK', KEYS[3])
    left = -2
  end
  if left ~= -1 and (ARGV[4] == '' or redis.call('SCARD', KEYS[1]) == 0) then
    return answer(0, 0, 0, 0)
  end
  if left >= 0 then
    return answer(2, 0, 0, 0)
  end
  if left == -2 then
    local ttl = redis.call('PTTL', KEYS[1])
    ends = ttl >= 0 and string.format('%.0f', now + ttl) or ends
    redis.call('RENAME', KEYS[1], KEYS[3])
    is_new = 1
  end
  since = math.max(now_us, last + 1)
  last, others = since, others + 1
end
local members = redis.call('SCARD', KEYS[3])
redis.call('PERSIST', KEYS[3])
redis.call('HSET', KEYS[2], ARGV[1],
  string.format('%.0f %.0f %s %s', since, now + lease, ends, ARGV[2]))
redis.call('PERSIST', KEYS[2])
return answer(1, members, since, is_new)
