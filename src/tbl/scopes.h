/* tbl/scopes.h - what an identity may be allowed to do, once.
 *
 * X(NAME, word, what it opens)
 *
 * The contract says which operations a scope opens (x-purgeway-scopes); what a request names is
 * held against the scopes of purging too (http/cover.h). docs/identities.md has the same list.
 *
 * No include guard: whoever includes this defines X first.
 */
X(PURGE_KEYS, "purge:keys", "remove keys by their names")
X(PURGE_PATTERNS, "purge:patterns", "remove the keys that match a pattern")
X(PURGE_TAGS, "purge:tags", "remove the keys under a tag")
X(PURGE_UNBOUNDED, "purge:unbounded", "patterns that begin with fewer bytes than patterns.prefix")
X(TAGS_READ, "tags:read", "see tags and the keys under them")
X(TAGS_WRITE, "tags:write", "put keys under tags, and take them away")
X(JOBS_READ, "jobs:read", "see the jobs of others")
X(JOBS_CANCEL, "jobs:cancel", "cancel jobs that one may see, and their repetitions")
X(QUEUES_READ, "queues:read", "see what waits")
X(QUEUES_CONTROL, "queues:control", "pause and resume queues, drop what waits in them")
X(WORKERS_READ, "workers:read", "see who works")
X(DEAD_READ, "dead:read", "see dead letters")
X(DEAD_CONTROL, "dead:control", "bring dead letters back, or drop them")
X(AUDIT_READ, "audit:read", "see who purged what")
X(METRICS_READ, "metrics:read", "/metrics")
