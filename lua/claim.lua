-- claim.lua - a job sets the members of a tag aside.
--
-- From here on new tagging goes to a fresh set, so what the job walks through cannot
-- change under it and can be dropped as a whole when it is done. Nothing is popped: a
-- worker that dies leaves all members where its successor finds them.
--
-- KEYS  1 the tag's set   2 what this job sets aside of it
-- ARGV  1 '' to take no more than what was set aside before (a later pass of the job)
-- returns  how many members are set aside; 0: the tag is empty
-- keeps    asked again, it finds what was set aside before and takes no more; a key that
--          is no set stays where it is
-- cost     O(1)
local aside = redis.call('SCARD', KEYS[2])
if aside > 0 or ARGV[1] == '' then
  return aside
end
local members = redis.call('SCARD', KEYS[1])
if members > 0 then
  redis.call('RENAME', KEYS[1], KEYS[2])
  redis.call('PERSIST', KEYS[2])
end
return members
