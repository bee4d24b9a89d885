/* role/build.h - what is unusual about how this program was built. */
#ifndef PGW_ROLE_BUILD_H
#define PGW_ROLE_BUILD_H

#ifdef PGW_UNGUARDED
#define PGW_BUILD_GUARD " (UNGUARDED: open to every attack, for tests alone)"
#else
#define PGW_BUILD_GUARD ""
#endif

#ifdef PGW_HTTP2
#define PGW_BUILD_HTTP2 ""
#else
#define PGW_BUILD_HTTP2 " (without HTTP/2)"
#endif

/* Behind the version. */
#define PGW_BUILD_NOTE PGW_BUILD_HTTP2 PGW_BUILD_GUARD

#endif
