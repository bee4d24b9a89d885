/* tbl/audit_actions.h - what the audit has records of, in the words of the interface.
 *
 * X(NAME, word)
 *
 * No include guard: whoever includes this defines X first.
 */
X(PURGE, "purge")
X(CANCEL, "cancel")
X(CANCEL_REBOUNDS, "cancel_rebounds")
X(PAUSE, "pause")
X(RESUME, "resume")
X(PURGE_QUEUE, "purge_queue")
X(REDRIVE, "redrive")
X(DROP, "drop")
X(REFUSE, "refuse")
