/* tbl/hook_verdicts.h - what can become of a delivery, once.
 *
 * X(NAME, word)
 *
 * Each has a counter HOOK_<NAME> in tbl/metrics.h; the contract and docs/webhooks.md have the same
 * list.
 *
 * No include guard: whoever includes this defines X first.
 */
X(ACCEPTED, "accepted")
X(DUPLICATE, "duplicate")
X(FILTERED, "filtered")
X(EMPTY, "empty")
X(PING, "ping")
X(UNSIGNED, "unsigned")
X(BAD_SIGNATURE, "bad_signature")
X(OUT_OF_TIME, "out_of_time")
X(MALFORMED, "malformed")
X(UNFIT, "unfit")
X(NOT_ALLOWED, "not_allowed")
X(UNAVAILABLE, "unavailable")
