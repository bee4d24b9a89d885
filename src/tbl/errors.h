/* tbl/errors.h - every way a call can fail, once.
 *
 * X(NAME, http status, class, slug, title)
 *
 * The class says what may be done about it, and what it costs a job (domain/retry.h):
 *
 *      INPUT       the caller's mistake: asked again it fails again
 *      CONNECTION  no way to the server, or it was lost: tried again, an attempt is used up
 *      TIMEOUT     no answer in time: the same, at longer intervals
 *      SERVER      it is there and says that it cannot just now (LOADING, BUSY, TRYAGAIN,
 *                  CLUSTERDOWN, MASTERDOWN, READONLY): waited for, no attempt is used up
 *      REFUSED     it is there and takes nothing until somebody mends it (OOM, MISCONF,
 *                  NOREPLICAS, credentials that are wrong): waited for as well
 *      PERMANENT   it will fail the same way for ever: ends the job
 *
 * The slug ends the problem type's address and, with '_' for '-', is the `code` of
 * an answer; the title is what a person reads first (RFC 9457).
 *
 * No include guard: whoever includes this defines X first.
 */
/* What clients send. */
X(JSON, 400, INPUT, "malformed-json", "The body is not valid JSON.")
X(FORM, 400, INPUT, "malformed-form", "The body is not a valid form.")
X(EVENT, 400, INPUT, "malformed-event", "The body is not a CloudEvent.")
X(ORIGIN, 403, INPUT, "forms-of-pages-refused", "Requests of web pages are not taken.")
X(HTTP, 400, INPUT, "malformed-http", "The request is not valid HTTP.")
X(CREDENTIALS, 401, INPUT, "credentials-required",
  "This needs a credential that the service knows.")
X(SIGNATURE, 401, INPUT, "signature-refused",
  "The delivery is not signed by who may send it, or not now.")
X(SCOPE, 403, INPUT, "scope-missing", "This credential does not allow that.")
X(COVER, 403, INPUT, "not-covered", "This credential does not cover all that is named.")
X(HOST, 403, INPUT, "unknown-host", "This service is not called by that name.")
X(PATTERNS, 403, INPUT, "patterns-refused", "This service takes no patterns.")
X(TAGS, 403, INPUT, "tags-refused", "The target cannot keep tags.")
X(NO_ROUTE, 404, INPUT, "not-found", "There is nothing at this address.")
X(NO_JOB, 404, INPUT, "no-such-job", "There is no such job.")
X(NO_HOOK, 404, INPUT, "no-such-hook", "There is no such webhook.")
X(METHOD, 405, INPUT, "method-not-allowed", "This address does not take that method.")
X(LATE, 408, INPUT, "request-timeout", "The request did not arrive in time.")
X(CANCELLED, 409, INPUT, "job-cancelled", "The job was cancelled.")
X(TOO_LATE, 409, INPUT, "too-late", "The job cannot be stopped any more.")
X(COUNT, 409, INPUT, "count-differs", "There are more or fewer than was said.")
X(NOT_ENDED, 409, INPUT, "job-not-ended", "The job has not ended yet.")
X(BODY_SIZE, 413, INPUT, "body-too-large", "The body is larger than this service accepts.")
X(MEDIA_TYPE, 415, INPUT, "unsupported-media-type", "The body is of a type not accepted here.")
X(SCHEMA, 422, INPUT, "invalid-request", "The request does not fit the contract.")
X(KEY_REUSED, 422, INPUT, "idempotency-key-reused",
  "The Idempotency-Key was given to another request.")
X(BURST, 422, INPUT, "exceeds-burst", "This is more than its limit ever lets in at once.")
X(RATE, 429, INPUT, "rate-limited", "A limit on requests or keys a second is reached.")
X(HEAD_SIZE, 431, INPUT, "header-too-large",
  "The header block is larger than this service accepts.")
/* What Redis and the way to it do. */
X(REDIS_CONNECT, 503, CONNECTION, "store-unreachable", "The store cannot be reached.")
X(REDIS_CLOSED, 503, CONNECTION, "store-connection-lost", "The connection to the store was lost.")
X(REDIS_TIMEOUT, 503, TIMEOUT, "store-timeout", "The store did not answer in time.")
X(REDIS_PROTOCOL, 503, CONNECTION, "store-protocol",
  "The store sent something that is not its protocol.")
X(REDIS_TLS, 503, CONNECTION, "store-tls", "No trusted connection to the store could be made.")
X(REDIS_LOADING, 503, SERVER, "store-loading", "The store is still loading its data.")
X(REDIS_BUSY, 503, SERVER, "store-busy", "The store is busy with a script.")
X(REDIS_READONLY, 503, SERVER, "store-read-only", "The store is a read-only replica.")
X(REDIS_MASTERDOWN, 503, SERVER, "store-master-down", "The store lost its master.")
X(REDIS_CLUSTERDOWN, 503, SERVER, "store-cluster-down", "The store's cluster is down.")
X(REDIS_TRYAGAIN, 503, SERVER, "store-try-again", "The store is moving the key.")
X(REDIS_MOVED, 503, SERVER, "store-moved", "The store keeps the key elsewhere.")
X(REDIS_OOM, 503, REFUSED, "store-out-of-memory", "The store is out of memory.")
X(REDIS_MISCONF, 503, REFUSED, "store-cannot-persist", "The store cannot write to its disk.")
X(REDIS_NOREPLICAS, 503, REFUSED, "store-too-few-replicas", "Too few replicas confirmed the write.")
X(REDIS_NOSCRIPT, 503, SERVER, "store-no-script", "The store has forgotten a script.")
X(REDIS_NOGROUP, 503, SERVER, "store-no-group", "The queue's consumer group is missing.")
X(REDIS_AUTH, 503, REFUSED, "store-credentials", "The store refused our credentials.")
X(REDIS_NOPERM, 503, PERMANENT, "store-permission", "The store does not permit the command.")
X(REDIS_WRONGTYPE, 503, PERMANENT, "store-wrong-type", "A key in the store has an unexpected type.")
X(REDIS_ERROR, 503, PERMANENT, "store-error", "The store answered with an error.")
X(REDIS_FULL, 503, SERVER, "too-many-in-flight", "Too many commands are waiting for the store.")
X(REDIS_CANCELLED, 503, SERVER, "cancelled", "The command was given up.")
/* What we decide about the queue. */
X(DURABILITY, 503, REFUSED, "durability-not-met",
  "The store does not keep what the settings promise.")
X(EVICTION, 503, REFUSED, "store-evicts", "The store is configured to evict keys.")
X(QUEUE_FULL, 503, REFUSED, "queue-full", "The queue is at its limit.")
X(KEYS_FULL, 503, REFUSED, "idempotency-keys-full", "No more Idempotency-Keys can be kept now.")
X(ANSWERS_FULL, 503, REFUSED, "answers-full",
  "Too much of what was asked for waits to be taken by its clients.")
X(BODIES_FULL, 503, REFUSED, "bodies-full",
  "Too many bodies were arriving for this one to be read.")
X(DRAINING, 503, REFUSED, "shutting-down", "This server is shutting down.")
/* Everything else. */
X(TOO_LARGE, 500, PERMANENT, "too-large", "A bound was reached.")
X(INVALID, 500, PERMANENT, "invalid", "A value is not valid.")
X(SYSTEM, 500, PERMANENT, "system", "The operating system refused.")
X(CONFIG, 500, PERMANENT, "configuration", "The configuration is not valid.")
X(CONTRACT, 500, PERMANENT, "contract", "The contract is not valid.")
X(CODEC, 500, PERMANENT, "unreadable-job", "The stored job cannot be read.")
X(URI_TYPE, 501, PERMANENT, "unsupported-type", "This service cannot do that type of event.")
X(POISON, 500, PERMANENT, "poison", "The job was begun too often and never ended.")
X(TIME_LIMIT, 500, PERMANENT, "time-limit", "The job was not done in the time it may take.")
X(YIELDED, 503, SERVER, "gave-way", "The job took longer than it may at a time.")
X(TARGET, 500, PERMANENT, "unknown-target", "The worker has no target of this name.")
X(INTERNAL, 500, PERMANENT, "internal-error", "The server failed to answer.")
