/* role/privileges.h - from root to a user who may do nothing but serve.
 *
 * In two steps, because some of what a start needs is root's: ports below 1024, and keys that
 * only root can read. pgw_privileges_lower() becomes the user and keeps just the two
 * capabilities for that; pgw_privileges_drop() takes them away as well, and tries whether there
 * is a way back. What lies between belongs to the user already: the data directory, the
 * embedded Redis.
 *
 * Both are for the main thread while there is no other: capabilities are a thread's own.
 */
#ifndef PGW_ROLE_PRIVILEGES_H
#define PGW_ROLE_PRIVILEGES_H

#include "base/err.h"

/* Become `user` ("": stay who we are) and `group` ("": the user's), with the user's further
 * groups. Whoever we are then, no program that we run gets more (PR_SET_NO_NEW_PRIVS). PGW_E_CONFIG
 * when there is no such user, when it is root, or when we are neither root nor that user. */
enum pgw_err pgw_privileges_lower(const char *user, const char *group,
                                  struct pgw_fault *reterr_fault) PGW_MUSTUSE;

/* Whether there are such a user and group, and it is not root. PGW_E_CONFIG. */
enum pgw_err pgw_privileges_check(const char *user, const char *group,
                                  struct pgw_fault *reterr_fault) PGW_MUSTUSE;

/* No capability any more; root, which was not told to be less, keeps its own. PGW_E_SYSTEM when
 * something is left. */
enum pgw_err pgw_privileges_drop(struct pgw_fault *reterr_fault) PGW_MUSTUSE;

#endif
