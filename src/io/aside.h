/* io/aside.h - work that takes long is done beside its loop.
 *
 * While a loop computes, everybody else on it waits. What takes milliseconds and needs nothing of
 * the loop goes to a thread of its own. Pieces begin one after another in the order in which they
 * came, and end in it as long as the machine has time for them:
 *
 *      begin   on the loop, when its turn has come: take along what is needed, or say that
 *              nothing is to be done any more
 *      run     on the other thread, which shares nothing with the loop but the piece of work
 *      end     on the loop: always, and once
 *
 * So at most two pieces have taken anything along, however many wait. Such threads give way to
 * everybody: where there are fewer processors than threads that want one, what takes long waits.
 */
#ifndef PGW_IO_ASIDE_H
#define PGW_IO_ASIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "io/loop.h"

struct pgw_aside;
struct pgw_aside_work;

struct pgw_aside_kind {
        bool (*begin)(struct pgw_aside_work *); /* false: it ends without having been run */
        void (*run)(struct pgw_aside_work *);
        void (*end)(struct pgw_aside_work *); /* which may free it */
};

/* Bytes, about a fiftieth of a second's work: more is not left to idle time. */
#define PGW_ASIDE_LONG (2u << 20)

/* A field of whatever is to be done. */
struct pgw_aside_work {
        struct pgw_link _link;
        uint64_t _bytes;
        const struct pgw_aside_kind *_kind;
};

/* On the loop's thread, from which the new one has its rights and its signals. */
struct pgw_aside *pgw_aside_new(struct pgw_loop *);

/* End what is under way or waits, from inside this call; what has not begun is not run. What is
 * added later ends in its turn without having been run. Not from a posted call of the loop. */
void pgw_aside_stop(struct pgw_aside *);
bool pgw_aside_is_stopped(const struct pgw_aside *);

/* All work must have ended. */
void pgw_aside_free(struct pgw_aside *);

/* What has about so many bytes to read. Nothing is called before this returns. */
void pgw_aside_add(struct pgw_aside *, struct pgw_aside_work *, const struct pgw_aside_kind *,
                   uint64_t bytes);

#endif
