-- ack.lua - jobs whose results live elsewhere leave the queue, each with its record in the audit.
--
-- KEYS  1 stream   2 audit
-- ARGV  1 group   2 records that the audit keeps   3.. for each job: entry id, record
-- returns  how many were acknowledged
-- keeps    an entry leaves the pending list together with its record, and has one only
-- cost     O(n), n at most a few hundred
local count = 0
for i = 3, #ARGV, 2 do
  if redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) == 1 then
    redis.call('XADD', KEYS[2], '*', 'd', ARGV[i + 1])
    count = count + 1
  end
end
redis.call('XTRIM', KEYS[2], 'MAXLEN', '~', ARGV[2])
return count
