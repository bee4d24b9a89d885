-- group.lua - a lane has its consumer group.
--
-- From 0, never from the end: what is in the stream already was acknowledged to somebody. A full
-- server refuses to make a group, and without one nobody could drain it; PERSIST changes nothing,
-- is allowed, and lets the write behind it pass.
--
-- KEYS  1 stream
-- ARGV  1 group
-- returns  1 made, 0 it was there
-- keeps    a group that is there stays as it is
-- cost     O(1)
redis.call('PERSIST', KEYS[1])
local said = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if not said.err then
  return 1
end
if string.find(said.err, 'BUSYGROUP', 1, true) then
  return 0
end
return said
