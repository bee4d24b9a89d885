/* tbl/broker_alarms.h - what can be wrong with a broker, once.
 *
 * A(NAME, check, breaks)
 *
 * `check` names it in /readyz, in the log and in metrics (G(ALARM_<NAME>, ...) in tbl/metrics.h
 * must stand for it). `breaks` says that what is promised to clients is not kept: then nothing is
 * accepted and /readyz is not ready; the others are warnings.
 *
 * No include guard: whoever includes this defines A first.
 */
A(POLICY, "eviction_policy", true)
A(DURABILITY, "durability_settings", true)
A(AOF_WRITE, "aof_write", true)
A(AOF_REWRITE, "aof_rewrite", false)
A(RDB_SAVE, "rdb_save", false)
A(EVICTED, "evicted_keys", false)
A(REJECTED, "rejected_connections", false)
A(BLOCKED, "blocked_clients", false)
A(FRAGMENTED, "fragmentation", false)
A(QUEUE_LOST, "queue_lost", false)
