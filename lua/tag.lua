-- tag.lua - keys come under a tag.
--
-- The set lives as long as the longest-lived of its keys may: with a time to live given, a
-- new set gets it and an older one is only ever lengthened; without one the set stays. A
-- set that stays because of some key is never given an end by another.
--
-- KEYS  1 the tag's set
-- ARGV  1 time to live of the set, ms, '' for none   2.. the keys, at most a thousand
-- returns  how many of them were new under the tag
-- keeps    a set never ends before it was promised to
-- cost     O(n)
local ttl = ARGV[1]
local is_new = redis.call('EXISTS', KEYS[1]) == 0
local added = redis.call('SADD', KEYS[1], unpack(ARGV, 2))
if ttl == '' then
  redis.call('PERSIST', KEYS[1])
elseif is_new then
  redis.call('PEXPIRE', KEYS[1], ttl)
else
  redis.call('PEXPIRE', KEYS[1], ttl, 'GT')
end
return added
