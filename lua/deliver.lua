-- deliver.lua - a line about a delivery goes into the log of its hook.
--
-- KEYS  1 stream
-- ARGV  1 most entries   2 how long they are kept, ms   then the fields of the entry
-- returns  the id of the entry
-- keeps    as many entries as may be, none older than that once another comes
-- cost     O(1), and O(1) for each entry that goes
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id = redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[1], '*', unpack(ARGV, 3))
redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f', now - ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return id
