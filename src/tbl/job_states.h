/* tbl/job_states.h - what a job can be, in the words of the interface.
 *
 * X(NAME, word, terminal): a terminal state never changes again.
 *
 * No include guard: whoever includes this defines X first.
 */
X(SCHEDULED, "scheduled", false)
X(QUEUED, "queued", false)
X(RUNNING, "running", false)
X(RETRYING, "retrying", false)
X(SUCCEEDED, "succeeded", true)
X(FAILED, "failed", true)
X(DEAD, "dead", true)
X(CANCELLED, "cancelled", true)
