-- kept.lua - a few fields of a job that waits beside the queue: for its time, or for a person.
--
-- Its record is as long as the job is, and whoever asks how it is doing may ask again and again: the
-- answer has none of what is to be removed.
--
-- KEYS  1 hash of records (see wake.lua)
-- ARGV  1 id of the job   2.. names of fields
-- returns  nil; {'=<lane> <entry id>'} where the job is in the queue; {time, {name, value, ...}} with
--          those of the fields that there are
-- keeps    reads only
-- cost     O(bytes of the record)
local kept = redis.call('HGET', KEYS[1], ARGV[1])
local time = kept and string.match(kept, '^(%d+) ')
if not time then
  return kept and { kept }
end

local wanted = {}
for i = 2, #ARGV do
  wanted[ARGV[i]] = true
end
local told, at, name = {}, #time + 2, ''
while at <= #kept do
  local length, scale, byte = 0, 1
  repeat
    byte = string.byte(kept, at) or 0
    length = length + (byte % 128) * scale
    scale = scale * 128
    at = at + 1
  until byte < 128
  if not name then
    name = string.sub(kept, at, at + length - 1)
  else
    if wanted[name] then
      told[#told + 1] = name
      told[#told + 1] = string.sub(kept, at, at + length - 1)
    end
    name = nil
  end
  at = at + length
end
return { time, told }
