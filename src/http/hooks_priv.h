/* http/hooks_priv.h - what hooks_read.c makes and hooks.c uses. */
#ifndef PGW_HTTP_HOOKS_PRIV_H
#define PGW_HTTP_HOOKS_PRIV_H

#include "http/hooks.h"

struct pgw_hooks {
        unsigned holders; /* atomic */
        size_t count;
        struct pgw_hook *all;
};

#endif
