/* work/twins.h - equal work that waits is done once.
 *
 * Many services tell the same hot key at the same moment. While a list of keys waits to be sent,
 * others with the same list join it: it is sent once, after all of them were accepted, so it
 * serves all of them. Once the first of its commands has left nobody joins any more, because
 * what was stored since may have been read before; the next one waits until the first has ended,
 * and others join that one. So of a hot key one removal is under way, one waits, and
 * everybody else is with the one that waits.
 *
 * Pure: this knows nothing of jobs or Redis. A twin is a field of whatever waits.
 */
#ifndef PGW_WORK_TWINS_H
#define PGW_WORK_TWINS_H

#include "base/list.h"
#include "base/str.h"

struct pgw_twins;

struct pgw_twin {
        struct pgw_link _link; /* among those of its leader */
        struct pgw_list _joined;
        struct pgw_twin_kind *_kind; /* NULL: it is in no set */
};

/* All of one target. Twins that are still there when it is freed must not be used again. */
struct pgw_twins *pgw_twins_new(void);
void pgw_twins_free(struct pgw_twins *);

enum pgw_twin_verdict {
        PGW_TWIN_GO,    /* nobody else: send it */
        PGW_TWIN_HOLD,  /* an equal one is under way: wait until it leaves */
        PGW_TWIN_JOINED /* an equal one waits: this one ends with it */
};

/* The twin comes with its keys, which stay where they are until it leaves. */
enum pgw_twin_verdict pgw_twins_enter(struct pgw_twins *, struct pgw_twin *, struct pgw_str keys);

/* The first command of it has left. Only for one that was told to go; again is no mistake. */
void pgw_twins_sent(struct pgw_twin *);

/* It has ended, or gives up. Returns the one that was held for it and goes now, or NULL. Take those
 * that joined it with pgw_twins_next() first. Not for one that joined. */
struct pgw_twin *pgw_twins_leave(struct pgw_twins *, struct pgw_twin *);

/* One of those that joined, which is in no set any more; NULL when there is none. */
struct pgw_twin *pgw_twins_next(struct pgw_twin *leader);

#endif
