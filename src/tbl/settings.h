/* tbl/settings.h - every setting, once.
 *
 * S(field, name, default, reload, help)                 text
 * K(field, name, help)                                  secret; also read from a file
 * N(field, name, unit, default, min, max, reload, help) number in COUNT, MS, SECONDS or BYTES
 * B(field, name, default, reload, help)                 true or false
 * L(field, name, default, help)                         list of texts; default is one text or ""
 * E(field, name, choices, default, reload, help)        one of choices; default is an index
 *
 * From this table come the parser, --help, --print-config and docs/configuration.md.
 * `reload` says whether SIGHUP may change it.
 *
 * No include guard: whoever includes this defines the six macros first.
 */
L(listen, "listen", "127.0.0.1:7780",
  "Addresses to answer HTTP on (HTTP/1.1, and HTTP/2 by prior knowledge).")
B(listen_anywhere, "listen_anywhere", false, false,
  "Allow addresses that are not loopback. Without identities.file nobody is asked for credentials, "
  "so whoever reaches the address may purge; with it credentials cross the network as they are. "
  "tls.listen with identities.file or tls.client_required needs no leave.")
L(listen_names, "listen_names", "",
  "Names by which browsers may call listen on loopback without identities.file, beside addresses, "
  "localhost and names without a dot. Others are refused to them: a web page could have a name of "
  "its own lead here (DNS rebinding).")
L(tls_listen, "tls.listen", "",
  "Addresses to answer HTTPS on (TLS 1.2 or later, ALPN h2 and http/1.1).")
S(tls_certificate, "tls.certificate", "", true, "File with the certificate chain, PEM.")
S(tls_key, "tls.key", "", true, "File with the private key, PEM.")
S(tls_client_ca, "tls.client_ca", "", true,
  "File with the authorities of clients' certificates, PEM; empty is: clients are not asked for "
  "one. "
  "Names in certificates are credentials (docs/identities.md).")
B(tls_client_required, "tls.client_required", false, true,
  "Refuse the connections of clients without a certificate.")
S(identities_file, "identities.file", "", false,
  "File that says who may do what, by which credential (docs/identities.md); empty is: whoever can "
  "ask may. The file is read again when it changes.")
S(hooks_file, "hooks.file", "", false,
  "File that says which webhooks there are, and what their deliveries remove (docs/webhooks.md). "
  "It is read again when it changes.")
N(hooks_log, "hooks.log", COUNT, 1000, 0, 10000, false,
  "Deliveries of each webhook whose verdict is kept; 0 is none.")
N(hooks_log_s, "hooks.log_s", SECONDS, 604800, 60, 31536000, false, "How long it is kept.")
K(identities_pepper, "identities.pepper",
  "Secret of 32 characters or more; with it identities.file may hold keyed hashes (hmac-sha256:), "
  "which "
  "tell nothing without it. `purgeway key` takes it from the same variables.")
N(threads, "threads", COUNT, 0, 0, 128, false,
  "Event loops, each with its own listeners and worker; 0 is one for each core.")
S(data_dir, "data_dir", "/var/lib/purgeway", false, "Directory of the embedded Redis.")
S(user, "user", "", false,
  "User to become when started as root, once the addresses and keys are open that only root may; "
  "data_dir must be that user's. Empty is to stay root, with a warning.")
S(group, "group", "", false, "Group to become; empty is the user's own.")
E(seccomp, "seccomp", "off|log|on", 2, false,
  "Allow the system calls that are needed and no others; log allows them all and has the kernel "
  "log "
  "the others.")
S(contract, "contract", "", false,
  "OpenAPI file that requests are checked against; empty is the one built in.")
#ifdef PGW_HTTP2
B(http2, "http2", true, false, "Speak HTTP/2.")
#else
B(http2, "http2", false, false, "Speak HTTP/2, which this build cannot.")
#endif
N(limits_body_bytes, "limits.body_bytes", BYTES, 1048576, 1024, 67108864, false,
  "Largest request body.")
N(limits_bodies_bytes, "limits.bodies_bytes", BYTES, 16777216, 1024, 1073741824, false,
  "Bodies of requests at a time on one HTTP/2 connection; never less than two of the largest.")
N(limits_bodies_total_bytes, "limits.bodies_total_bytes", BYTES, 268435456, 1048576, 1099511627776,
  false,
  "Bodies of requests at a time on all connections together; more wait to be read. Never less for "
  "each thread than twice limits.bodies_bytes.")
N(limits_answers_bytes, "limits.answers_bytes", BYTES, 67108864, 65536, 1099511627776, false,
  "Large answers at a time that their clients have not taken yet, on all connections together; who "
  "asks for more gets 503.")
N(limits_connection_bytes_per_s, "limits.connection_bytes_per_s", BYTES, 33554432, 65536,
  17179869184, false,
  "Bytes a second that one connection brings at the most, the largest body at once; one that "
  "would bring more is not read for a while. Never so few that the largest body takes more than "
  "half of limits.request_ms.")
N(limits_header_bytes, "limits.header_bytes", BYTES, 16384, 1024, 262144, false,
  "Largest header block of a request.")
N(limits_connections, "limits.connections", COUNT, 10000, 1, 1000000, false,
  "Connections at a time; for more, idle ones are ended.")
N(limits_streams, "limits.streams", COUNT, 100, 1, 1000, false,
  "Requests at a time on one HTTP/2 connection.")
N(limits_waits, "limits.waits", COUNT, 4096, 0, 1000000, false,
  "Requests at a time that wait for a job's end; more are answered at once, with the job as it is.")
N(limits_request_ms, "limits.request_ms", MS, 10000, 100, 600000, false,
  "Time for a whole request to arrive, and for its answer to be taken.")
N(limits_idle_ms, "limits.idle_ms", MS, 60000, 100, 3600000, false,
  "Time a connection may stay without a request.")
N(limits_handshake_ms, "limits.handshake_ms", MS, 5000, 100, 60000, false,
  "Time for a TLS handshake.")
N(limits_identity_per_s, "limits.identity_per_s", COUNT, 0, 0, 10000000, false,
  "Requests a second of an identity whose entry has no `rate`; 0 is any number.")
N(limits_identity_burst, "limits.identity_burst", COUNT, 0, 0, 100000000, false,
  "How many of them may come at once; 0 is as many as a second has.")
N(limits_identity_keys_per_s, "limits.identity_keys_per_s", COUNT, 0, 0, 10000000, false,
  "Keys a second that an identity whose entry has no `key_rate` may remove; 0 is any number.")
N(limits_identity_keys_burst, "limits.identity_keys_burst", COUNT, 0, 0, 100000000, false,
  "How many of them at once; 0 is as many as a second has.")
N(limits_gateway_keys_per_s, "limits.gateway_keys_per_s", COUNT, 0, 0, 10000000, false,
  "Keys a second that all together may remove through this gateway; 0 is any number.")
N(limits_gateway_keys_burst, "limits.gateway_keys_burst", COUNT, 0, 0, 100000000, false,
  "How many of them at once; 0 is as many as a second has.")
N(limits_tag_keys, "limits.tag_keys", COUNT, 10, 0, 1000000, false,
  "How many keys a tag counts as.")
N(limits_pattern_keys, "limits.pattern_keys", COUNT, 100, 0, 1000000, false,
  "How many keys a pattern counts as.")
N(limits_address_per_s, "limits.address_per_s", COUNT, 1000, 0, 10000000, false,
  "Requests a second of an address without a known credential, one with an unknown credential "
  "counting as ten; 0 is any number. Without identities.file nobody is counted.")
N(limits_address_burst, "limits.address_burst", COUNT, 10000, 0, 100000000, false,
  "How many of them may come at once; 0 is as many as a second has.")
B(limits_address_first, "limits.address_first", false, false,
  "Refuse an address that has used this up before its credential is looked at, so that secrets are "
  "guessed no faster; one client can then keep out all others behind the same proxy.")
N(limits_addresses, "limits.addresses", COUNT, 65536, 64, 16777216, false,
  "Addresses that are told apart, 16 bytes each; more share what there is.")
S(broker_url, "broker.url", "", false,
  "Redis that keeps the queue: redis://[user@]host[:port][/db], unix:///path[?db=N], "
  "redis-sentinel://host,.../master or redis-cluster://host,...; empty is the embedded one.")
K(broker_password, "broker.password", "Password of the broker.")
E(broker_durability, "broker.durability", "memory|fsync|replicated", 1, false,
  "What must be true before a job is acknowledged: in memory, synced to disk, or confirmed by "
  "replicas.")
N(broker_replicas, "broker.replicas", COUNT, 1, 1, 16, false,
  "Replicas that must confirm under `replicated`.")
N(broker_replica_wait_ms, "broker.replica_wait_ms", MS, 1000, 1, 60000, false,
  "How long to wait for them.")
N(broker_timeout_ms, "broker.timeout_ms", MS, 2000, 50, 60000, false,
  "Time for an answer of the broker or the result backend.")
N(broker_in_flight, "broker.in_flight", COUNT, 8192, 16, 1048576, false,
  "Commands that may wait for the broker, for each thread; more are refused with 503.")
N(broker_in_flight_bytes, "broker.in_flight_bytes", BYTES, 67108864, 1048576, 1073741824, false,
  "Bytes that may wait to be sent to the broker, for each thread.")
B(broker_allow_eviction, "broker.allow_eviction", false, false,
  "Accept a broker whose maxmemory-policy may evict the queue. Jobs can be lost.")
N(broker_blocked_share, "broker.blocked_share", COUNT, 15, 0, 100, false,
  "Warn when more of the broker's clients are blocked, in percent; waiting workers are not "
  "counted; "
  "0 is never.")
N(broker_fragmentation, "broker.fragmentation", COUNT, 150, 0, 100000, false,
  "Warn when the broker occupies more of the memory that it uses, in percent; 0 is never.")
S(results_url, "results.url", "", false, "Redis that keeps results; empty is the broker.")
K(results_password, "results.password", "Password of the result backend.")
N(results_ttl_s, "results.ttl_s", SECONDS, 300, 1, 2592000, false,
  "How long a result can be asked for.")
S(target_url, "target.url", "", false,
  "Redis cache to remove keys from, by the name `default`; empty is the broker's.")
K(target_password, "target.password", "Password of the target.")
L(targets, "targets", "",
  "Caches beside target.url, each NAME=URL; jobs go to all of them unless they name some.")
N(target_timeout_ms, "target.timeout_ms", MS, 2000, 50, 60000, false,
  "Time for an answer of the target.")
S(queue_name, "queue.name", "main", false, "Name of the queue: letters, digits, '-', '_', '.'.")
N(queue_depth, "queue.depth", COUNT, 1000000, 1, 1000000000, false,
  "Jobs that may wait; more are refused with 503. Of this limit and the next three, patterns are "
  "taken below three quarters and tags below seven eighths.")
N(queue_bytes, "queue.bytes", BYTES, 268435456, 0, 1099511627776, false,
  "Memory of the broker that the queue may take, estimated by samples; 0 is no limit.")
N(queue_age_s, "queue.age_s", SECONDS, 0, 0, 2592000, false,
  "Age of the oldest waiting job from which on jobs are refused; 0 is no limit.")
N(queue_memory_share, "queue.memory_share", COUNT, 80, 0, 100, false,
  "How full the broker may be, in percent of its maxmemory; 0 is no limit but the broker's own.")
N(idempotency_ttl_s, "idempotency.ttl_s", SECONDS, 86400, 1, 2592000, false,
  "How long a request with an Idempotency-Key can be repeated.")
N(idempotency_keys, "idempotency.keys", COUNT, 10000000, 1, 1000000000, false,
  "Idempotency-Keys that may be kept, about 230 bytes of the broker each; more are refused with "
  "503.")
B(patterns_allowed, "patterns.allowed", true, false, "Take patterns.")
N(patterns_stars, "patterns.stars", COUNT, 8, 1, 64, false, "Most `*` of a pattern.")
N(patterns_prefix, "patterns.prefix", BYTES, 3, 0, 256, false,
  "Bytes before the first wildcard that a pattern must have.")
S(uri_key, "uri.key", "{uri}", false,
  "How the key of a URI is made, for POST /v1/events: of {uri}, {origin}, {scheme}, {host}, "
  "{port}, "
  "{path}, {path_query} and {query}.")
S(uri_tag, "uri.tag", "{group}", false,
  "How the tag of a group of URIs is made: of the same, and {group}.")
N(sweep_share, "sweep.share", COUNT, 10, 1, 100, false,
  "Most that the sweeps of a process take of a target's time, in percent.")
N(tags_prune_s, "tags.prune_s", SECONDS, 3600, 0, 2592000, false,
  "How often the references of tags to keys that are gone are taken out; 0 is never.")
N(journal_ms, "journal.ms", MS, 30000, 0, 3600000, false,
  "How long what was removed is remembered, to remove it again when a target fails over; 0 is not "
  "at "
  "all.")
N(journal_bytes, "journal.bytes", BYTES, 33554432, 4096, 4294967296, false,
  "Memory for that, for each thread.")
S(rebounds, "rebounds", "1000,3000,11000", false,
  "When jobs are repeated, ms after they have ended, ascending, at most 5; - is never.")
N(worker_batch, "worker.batch", COUNT, 100, 1, 1000, false, "Jobs of one read.")
N(worker_in_hand, "worker.in_hand", COUNT, 400, 1, 100000, false,
  "Jobs that a worker holds at a time.")
N(worker_idle_ms, "worker.idle_ms", MS, 30000, 100, 3600000, false,
  "A job whose worker has not been heard for so long is taken over.")
N(worker_beat_ms, "worker.beat_ms", MS, 0, 0, 1800000, false,
  "How often a worker is heard; 0 is a third of worker.idle_ms.")
N(retry_base_ms, "retry.base_ms", MS, 100, 1, 60000, false,
  "Longest pause before the first further try of a job; it doubles with each try, and grows "
  "fourfold "
  "after timeouts.")
N(retry_cap_ms, "retry.cap_ms", MS, 30000, 1, 3600000, false, "Longest pause before any try.")
N(retry_tries, "retry.tries", COUNT, 50, 0, 1000000, false,
  "Tries that may fail for want of a connection or of an answer; then the job is dead. 0 is any "
  "number.")
N(retry_deliveries, "retry.deliveries", COUNT, 5, 3, 1000, false,
  "Workers that may be lost over one job; then it is dead. From the third try on it is done by "
  "itself, and only that is held against it.")
N(dead_max, "dead.max", COUNT, 100000, 1, 100000000, false,
  "Dead letters that are kept. When there are so many, jobs go on being tried.")
N(audit_max, "audit.max", COUNT, 100000, 0, 1000000000, false,
  "Records that the audit keeps, about (docs/audit.md); 0 is no audit.")
N(audit_keep_s, "audit.keep_s", SECONDS, 2592000, 0, 315360000, false,
  "How long records of the audit are kept; 0 is until there are too many.")
N(limits_keys_turn_s, "limits.keys_turn_s", SECONDS, 0, 0, 604800, false,
  "Longest that a try of a job of keys takes; then it gives way and is tried again later. 0 is any "
  "time.")
N(limits_tags_turn_s, "limits.tags_turn_s", SECONDS, 0, 0, 604800, false, "The same for tags.")
N(limits_patterns_turn_s, "limits.patterns_turn_s", SECONDS, 0, 0, 604800, false,
  "The same for patterns.")
N(limits_keys_s, "limits.keys_s", SECONDS, 86400, 0, 2592000, false,
  "Longest from the acceptance of a job of keys to its end, with all its tries; then it is dead. 0 "
  "is any time.")
N(limits_tags_s, "limits.tags_s", SECONDS, 86400, 0, 2592000, false, "The same for tags.")
N(limits_patterns_s, "limits.patterns_s", SECONDS, 86400, 0, 2592000, false,
  "The same for patterns.")
E(log_level, "log.level", "debug|info|warn|error", 1, true, "What is logged.")
B(log_access, "log.access", false, false, "Log every request.")
N(drain_ms, "drain_ms", MS, 10000, 0, 600000, true, "Time to finish what is under way at SIGTERM.")
