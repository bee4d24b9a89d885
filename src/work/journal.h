/* work/journal.h - what was removed lately, for when a cache forgets it.
 *
 * A cache that fails over takes a replica for its master, and what the replica had not heard of is
 * undone: a key that was removed, and acknowledged as removed, is there again, with a value that
 * nobody will ever purge. So the keys that were removed are remembered for a while, and when the
 * data of a node may be another's, or slots have a new owner, those that belong there are removed
 * once more. That costs nothing where they are still gone.
 *
 * It is kept in memory, by the thread that removed them: a worker that dies takes its journal
 * with it, and then the later passes of its jobs (domain/rebound.h) are what is left.
 */
#ifndef PGW_WORK_JOURNAL_H
#define PGW_WORK_JOURNAL_H

#include "work/worker_priv.h"

struct pgw_journal;

/* Of one target. `keep_ms` and `bytes_max` are above 0. */
struct pgw_journal *pgw_journal_new(struct pgw_target *, uint64_t keep_ms, size_t bytes_max);
void pgw_journal_free(struct pgw_journal *); /* NULL is allowed */

/* The key was removed, or was not there. */
void pgw_journal_add(struct pgw_journal *, struct pgw_str key);

/* The deployment has changed; call it for every change. */
void pgw_journal_on_change(struct pgw_journal *, enum pgw_change, unsigned first, unsigned last);

/* The links are there again. */
void pgw_journal_go_on(struct pgw_journal *);

#endif
