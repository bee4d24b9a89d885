/* tbl/metrics.h - everything that is measured, once.
 *
 * C(NAME, family, labels, help)  a counter; rows of one family stand together
 * G(NAME, family, labels, help)  a gauge
 * M(NAME, family, labels, help)  a gauge set in thousandths
 * H(NAME, family, labels, help)  a histogram of microseconds, shown in seconds
 *
 * Labels are finite and written out here; no value ever comes from a caller.
 *
 * No include guard: whoever includes this defines C, G, M and H first.
 */
C(ACCEPTED, "purgeway_jobs_accepted_total", "", "Jobs acknowledged to a client.")
C(REPEATED, "purgeway_jobs_repeated_total", "",
  "Requests that were answered with the job of an earlier one, by their Idempotency-Key.")
C(WAITS_REFUSED, "purgeway_waits_refused_total", "",
  "Requests that were not let wait for a job's end, because limits.waits did.")
C(REFUSED_QUEUE_FULL, "purgeway_jobs_refused_total", "reason=\"queue_full\"",
  "Jobs refused with 503, by reason.")
C(REFUSED_BROKER_DOWN, "purgeway_jobs_refused_total", "reason=\"broker_down\"", "")
C(REFUSED_BROKER_TIMEOUT, "purgeway_jobs_refused_total", "reason=\"broker_timeout\"", "")
C(REFUSED_BROKER_OOM, "purgeway_jobs_refused_total", "reason=\"broker_out_of_memory\"", "")
C(REFUSED_DURABILITY, "purgeway_jobs_refused_total", "reason=\"durability\"", "")
C(REFUSED_KEYS_FULL, "purgeway_jobs_refused_total", "reason=\"idempotency_keys_full\"", "")
C(FULL_JOBS, "purgeway_queue_full_total", "limit=\"jobs\"",
  "Jobs refused for want of room in the queue, by the limit that was reached.")
C(FULL_BYTES, "purgeway_queue_full_total", "limit=\"bytes\"", "")
C(FULL_AGE, "purgeway_queue_full_total", "limit=\"age\"", "")
C(FULL_MEMORY, "purgeway_queue_full_total", "limit=\"memory\"", "")
C(SWEEPS_SHED, "purgeway_sweeps_shed_total", "",
  "Of these, jobs of patterns or tags that were refused while keys were still taken.")
C(HTTP_2XX, "purgeway_http_responses_total", "class=\"2xx\"", "HTTP responses by class.")
C(HTTP_3XX, "purgeway_http_responses_total", "class=\"3xx\"", "")
C(HTTP_4XX, "purgeway_http_responses_total", "class=\"4xx\"", "")
C(HTTP_5XX, "purgeway_http_responses_total", "class=\"5xx\"", "")
C(UNKNOWN_CREDENTIALS, "purgeway_requests_not_allowed_total", "reason=\"credentials\"",
  "Requests refused for who asked: 401, or 403 for want of a scope or of cover.")
C(MISSING_SCOPES, "purgeway_requests_not_allowed_total", "reason=\"scope\"", "")
C(NOT_COVERED, "purgeway_requests_not_allowed_total", "reason=\"cover\"", "")
C(LIMITED_IDENTITY, "purgeway_rate_limited_total", "limit=\"identity\"",
  "Requests refused for being too many, by the limit that was reached.")
C(LIMITED_ADDRESS, "purgeway_rate_limited_total", "limit=\"address\"", "")
C(LIMITED_KEYS, "purgeway_rate_limited_total", "limit=\"keys\"", "")
C(LIMITED_GATEWAY, "purgeway_rate_limited_total", "limit=\"gateway\"", "")
C(HOOK_ACCEPTED, "purgeway_hook_deliveries_total", "verdict=\"accepted\"",
  "Deliveries of webhooks, by what became of them.")
C(HOOK_DUPLICATE, "purgeway_hook_deliveries_total", "verdict=\"duplicate\"", "")
C(HOOK_FILTERED, "purgeway_hook_deliveries_total", "verdict=\"filtered\"", "")
C(HOOK_EMPTY, "purgeway_hook_deliveries_total", "verdict=\"empty\"", "")
C(HOOK_PING, "purgeway_hook_deliveries_total", "verdict=\"ping\"", "")
C(HOOK_UNSIGNED, "purgeway_hook_deliveries_total", "verdict=\"unsigned\"", "")
C(HOOK_BAD_SIGNATURE, "purgeway_hook_deliveries_total", "verdict=\"bad_signature\"", "")
C(HOOK_OUT_OF_TIME, "purgeway_hook_deliveries_total", "verdict=\"out_of_time\"", "")
C(HOOK_MALFORMED, "purgeway_hook_deliveries_total", "verdict=\"malformed\"", "")
C(HOOK_UNFIT, "purgeway_hook_deliveries_total", "verdict=\"unfit\"", "")
C(HOOK_NOT_ALLOWED, "purgeway_hook_deliveries_total", "verdict=\"not_allowed\"", "")
C(HOOK_UNAVAILABLE, "purgeway_hook_deliveries_total", "verdict=\"unavailable\"", "")
C(HOOK_LINES_LOST, "purgeway_hook_log_lines_lost_total", "",
  "Lines about deliveries that could not be written to the log of their webhook.")
C(JOBS_TAKEN, "purgeway_jobs_taken_total", "",
  "Jobs that workers took in hand, every attempt counted.")
C(JOBS_TAKEN_OVER, "purgeway_jobs_taken_over_total", "",
  "Jobs taken over from a worker that went quiet.")
C(JOBS_SUCCEEDED, "purgeway_jobs_finished_total", "status=\"succeeded\"",
  "Jobs that ended, by status.")
C(JOBS_FAILED, "purgeway_jobs_finished_total", "status=\"failed\"", "")
C(JOBS_DEAD, "purgeway_jobs_finished_total", "status=\"dead\"", "")
C(JOBS_CANCELLED, "purgeway_jobs_finished_total", "status=\"cancelled\"", "")
C(JOBS_RETRIED, "purgeway_jobs_retried_total", "",
  "Times that a job could not be done and was put off to be tried again.")
C(DEAD_REFUSED, "purgeway_dead_letters_refused_total", "",
  "Jobs that found no room among the dead letters.")
C(KEYS_REMOVED, "purgeway_keys_total", "result=\"removed\"",
  "Keys named by jobs, by what became of them.")
C(KEYS_MISSING, "purgeway_keys_total", "result=\"missing\"", "")
C(JOBS_COALESCED, "purgeway_jobs_coalesced_total", "",
  "Jobs whose keys were removed together with those of an equal job that waited.")
C(TAGS_PRUNED, "purgeway_tag_references_pruned_total", "",
  "References of tags to keys that were gone, and were taken out.")
C(HOLDS_LOST, "purgeway_holds_lost_total", "",
  "Keys that were removed without the marker that was asked for.")
C(JOURNAL_REPLAYS, "purgeway_journal_replays_total", "",
  "Times that removals were repeated because a target's data may have gone back.")
C(RESURRECTIONS, "purgeway_resurrections_prevented_total", "",
  "Keys that had come back with a failover of a target and were removed again.")
C(JOURNAL_DROPPED, "purgeway_journal_dropped_keys_total", "",
  "Removed keys forgotten before their time for want of room.")
C(LATE_WRITES_REFUSED, "purgeway_late_writes_refused_total", "",
  "Results of workers that had lost their job.")
C(ENTRIES_VANISHED, "purgeway_entries_vanished_total", "",
  "Pending jobs whose stream entry somebody deleted.")
C(QUEUE_LOST, "purgeway_broker_queue_lost_total", "",
  "Times that a lane or its group was deleted while jobs were in it.")
C(GROUPS_MISSED, "purgeway_broker_groups_missed_total", "",
  "Times that a worker with jobs in hand found their group deleted, and made it again.")
C(SETTLE_ERRORS, "purgeway_settle_errors_total", "",
  "Results, acknowledgements and beats that had to be repeated.")
C(RESULTS_LOST, "purgeway_results_lost_total", "",
  "Results given up because the result backend had no room.")
C(ERRORS_CONNECTION, "purgeway_target_errors_total", "class=\"connection\"",
  "Errors of cache targets, by class.")
C(ERRORS_TIMEOUT, "purgeway_target_errors_total", "class=\"timeout\"", "")
C(ERRORS_SERVER, "purgeway_target_errors_total", "class=\"server\"", "")
C(ERRORS_REFUSED, "purgeway_target_errors_total", "class=\"refused\"", "")
C(ERRORS_PERMANENT, "purgeway_target_errors_total", "class=\"permanent\"", "")
C(CONNECTIONS_ACCEPTED, "purgeway_connections_accepted_total", "", "Connections accepted.")
C(KILLED_FLOOD, "purgeway_connections_killed_total", "reason=\"flood\"",
  "Connections ended for breaking a limit.")
C(KILLED_HEADERS, "purgeway_connections_killed_total", "reason=\"headers\"", "")
C(KILLED_RESETS, "purgeway_connections_killed_total", "reason=\"resets\"", "")
C(KILLED_BACKLOG, "purgeway_connections_killed_total", "reason=\"backlog\"", "")
C(KILLED_SLOW, "purgeway_connections_killed_total", "reason=\"slow\"", "")
C(KILLED_BODIES, "purgeway_connections_killed_total", "reason=\"bodies\"", "")
C(KILLED_FRAMING, "purgeway_connections_killed_total", "reason=\"framing\"", "")
C(FULL_ENDED, "purgeway_connections_full_total", "then=\"ended\"",
  "Newcomers at limits.connections: a connection that did nothing was ended for one, or all wait.")
C(FULL_WAITS, "purgeway_connections_full_total", "then=\"waits\"", "")
C(BODIES_ASIDE, "purgeway_bodies_read_aside_total", "",
  "Bodies that were read beside the loop, because they were large or of many values.")
C(PAUSES, "purgeway_connections_pauses_total", "",
  "Times a connection was not read for a while, since it brought more than "
  "limits.connection_bytes_per_s.")
C(REBOUNDS, "purgeway_rebounds_total", "", "Later passes of jobs that became due.")
C(REBOUNDS_LOST, "purgeway_rebounds_lost_total", "",
  "Later passes that could not be scheduled for want of room.")
C(REBOUNDS_CANCELLED, "purgeway_rebounds_cancelled_total", "",
  "Jobs left out of a later pass because they were cancelled.")
C(REBOUND_KEYS, "purgeway_rebound_keys_removed_total", "",
  "Keys that were there again and were removed by a later pass.")
C(SWEEP_SLICES, "purgeway_sweep_slices_total", "", "Slices of a target's keys looked through.")
G(SWEEPS, "purgeway_sweeps", "", "Jobs that sweep a target now.")
G(CONNECTIONS_OPEN, "purgeway_connections_open", "", "Connections open now.")
G(WORKERS_ALIVE, "purgeway_workers_alive", "", "Worker threads of this process.")
G(DEAD_LETTERS, "purgeway_dead_letters", "", "Jobs that wait for a person.")
G(AUDIT_RECORDS, "purgeway_audit_records", "", "Records that the audit keeps now.")
G(JOBS_IN_HAND, "purgeway_jobs_in_hand", "", "Jobs that the workers of this process hold.")
G(QUEUE_WAITING_HIGH, "purgeway_queue_waiting_jobs", "lane=\"high\"",
  "Jobs that no worker has taken yet.")
G(QUEUE_WAITING_NORMAL, "purgeway_queue_waiting_jobs", "lane=\"normal\"", "")
G(QUEUE_WAITING_LOW, "purgeway_queue_waiting_jobs", "lane=\"low\"", "")
G(QUEUE_SCHEDULED, "purgeway_queue_scheduled_jobs", "", "Jobs that were put off.")
G(QUEUE_RUNNING_HIGH, "purgeway_queue_running_jobs", "lane=\"high\"",
  "Jobs taken and not acknowledged.")
G(QUEUE_RUNNING_NORMAL, "purgeway_queue_running_jobs", "lane=\"normal\"", "")
G(QUEUE_RUNNING_LOW, "purgeway_queue_running_jobs", "lane=\"low\"", "")
G(QUEUE_OLDEST_HIGH, "purgeway_queue_oldest_age_seconds", "lane=\"high\"",
  "Age of the oldest job that has not ended.")
G(QUEUE_OLDEST_NORMAL, "purgeway_queue_oldest_age_seconds", "lane=\"normal\"", "")
G(QUEUE_OLDEST_LOW, "purgeway_queue_oldest_age_seconds", "lane=\"low\"", "")
G(QUEUE_BYTES, "purgeway_queue_bytes", "",
  "Memory that the queue takes of the broker, estimated; 0 when the broker does not say.")
M(QUEUE_DRAIN, "purgeway_queue_ended_jobs_per_second", "",
  "How fast jobs of the queue end lately; what Retry-After is worked out of.")
G(BROKER_USED_BYTES, "purgeway_broker_used_bytes", "", "Memory used by the broker.")
G(BROKER_MAX_BYTES, "purgeway_broker_max_bytes", "", "The broker's maxmemory; 0 without a limit.")
G(BROKER_CLIENTS, "purgeway_broker_clients", "", "Clients connected to the broker.")
G(BROKER_BLOCKED, "purgeway_broker_blocked_clients", "", "Clients blocked on the broker.")
G(BROKER_OWN_BLOCKED, "purgeway_broker_own_blocked_clients", "",
  "Of these, workers of Purgeway that wait for jobs.")
G(BROKER_REJECTED, "purgeway_broker_rejected_connections", "",
  "Connections the broker has turned away since it started.")
G(BROKER_EVICTED, "purgeway_broker_evicted_keys", "",
  "Keys the broker has evicted since it started.")
G(ALARM_POLICY, "purgeway_broker_alarm", "check=\"eviction_policy\"",
  "1 while a check of the broker finds something wrong.")
G(ALARM_DURABILITY, "purgeway_broker_alarm", "check=\"durability_settings\"", "")
G(ALARM_AOF_WRITE, "purgeway_broker_alarm", "check=\"aof_write\"", "")
G(ALARM_AOF_REWRITE, "purgeway_broker_alarm", "check=\"aof_rewrite\"", "")
G(ALARM_RDB_SAVE, "purgeway_broker_alarm", "check=\"rdb_save\"", "")
G(ALARM_EVICTED, "purgeway_broker_alarm", "check=\"evicted_keys\"", "")
G(ALARM_REJECTED, "purgeway_broker_alarm", "check=\"rejected_connections\"", "")
G(ALARM_BLOCKED, "purgeway_broker_alarm", "check=\"blocked_clients\"", "")
G(ALARM_FRAGMENTED, "purgeway_broker_alarm", "check=\"fragmentation\"", "")
G(ALARM_QUEUE_LOST, "purgeway_broker_alarm", "check=\"queue_lost\"", "")
M(BROKER_FRAGMENTATION, "redis_mem_fragmentation_ratio", "",
  "Memory that the broker occupies by memory that it uses, as it says itself.")
H(HTTP_REQUEST, "purgeway_http_request_duration_seconds", "", "From a whole request to its answer.")
H(ACCEPT, "purgeway_accept_duration_seconds", "",
  "From a whole request to the broker's confirmation.")
H(ACCEPT_TO_START, "purgeway_accept_to_start_seconds", "",
  "From acceptance to the start of execution.")
H(EXECUTION, "purgeway_execution_duration_seconds", "", "From the start of a job to its end.")
H(BATCH, "invalidation_batch_duration_seconds", "",
  "Writing and acknowledging the results of a batch.")
H(LOOP_LAG, "purgeway_loop_lag_seconds", "", "How late the event loops' timers fire.")
H(REDIS_BROKER, "purgeway_redis_round_trip_seconds", "role=\"broker\"",
  "From a command to its answer.")
H(REDIS_RESULTS, "purgeway_redis_round_trip_seconds", "role=\"results\"", "")
H(REDIS_TARGET, "purgeway_redis_round_trip_seconds", "role=\"target\"", "")
