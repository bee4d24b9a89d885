-- act.lua - somebody does something that is one command, and it is written down who.
--
-- KEYS  1 what the command is about   2 audit
-- ARGV  1 records that the audit keeps, '' when it keeps none   2 the record   3 the command
--       4.. its arguments behind the key
-- returns  what the command says
-- keeps    nothing is done without its record
-- cost     that of the command
local said = redis.call(ARGV[3], KEYS[1], unpack(ARGV, 4))
if ARGV[1] ~= '' then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], '*', 'd', ARGV[2])
end
return said
