/* domain/script.h - the Lua scripts of lua/, compiled into the program.
 *
 * Sent whole (EVAL) each time: they are called once for a batch, so their few hundred
 * bytes do not show, and a server that forgot its scripts after a failover cannot
 * answer NOSCRIPT.
 */
#ifndef PGW_DOMAIN_SCRIPT_H
#define PGW_DOMAIN_SCRIPT_H

#include "redis/client.h"

enum pgw_script {
        PGW_SCRIPT_SETTLE,
        PGW_SCRIPT_BEGIN,
        PGW_SCRIPT_BEAT,
        PGW_SCRIPT_TAKE_OVER,
        PGW_SCRIPT_PEEK,
        PGW_SCRIPT_KEPT,
        PGW_SCRIPT_GROUP,
        PGW_SCRIPT_JOIN,
        PGW_SCRIPT_SURVEY,
        PGW_SCRIPT_WEIGH,
        PGW_SCRIPT_CLAIM,
        PGW_SCRIPT_WALKED,
        PGW_SCRIPT_LOOK,
        PGW_SCRIPT_GIVE_BACK,
        PGW_SCRIPT_DOUBT,
        PGW_SCRIPT_CERTAIN,
        PGW_SCRIPT_TAG,
        PGW_SCRIPT_WAKE,
        PGW_SCRIPT_REPEAT,
        PGW_SCRIPT_HOLD,
        PGW_SCRIPT_PUT_OFF,
        PGW_SCRIPT_RELEASE,
        PGW_SCRIPT_NOTE,
        PGW_SCRIPT_REDRIVE,
        PGW_SCRIPT_DROP,
        PGW_SCRIPT_LETTERS,
        PGW_SCRIPT_REOPEN,
        PGW_SCRIPT_CANCEL,
        PGW_SCRIPT_CANCELLED,
        PGW_SCRIPT_PURGE,
        PGW_SCRIPT_ONCE,
        PGW_SCRIPT_ACK,
        PGW_SCRIPT_ACT,
        PGW_SCRIPT_FORGET,
        PGW_SCRIPT_DELIVER
};

/* Its text, for who writes an EVAL himself. */
struct pgw_str pgw_script_text(enum pgw_script);

/* Begin an EVAL; `keys` key arguments and then `args` others follow by pgw_redis_arg(). */
void pgw_script_begin(struct pgw_redis *, enum pgw_script, size_t keys, size_t args);

#endif
