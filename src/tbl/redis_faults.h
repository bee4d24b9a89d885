/* tbl/redis_faults.h - the first word of every error that Redis sends, and what it means.
 *
 * X(prefix, error name of tbl/errors.h). An error that is not listed is REDIS_ERROR,
 * which is permanent: trying again what was refused for an unknown reason helps nobody.
 *
 * No include guard: whoever includes this defines X first.
 */
X("LOADING", REDIS_LOADING)
X("BUSY", REDIS_BUSY)
X("READONLY", REDIS_READONLY)
X("MASTERDOWN", REDIS_MASTERDOWN)
X("CLUSTERDOWN", REDIS_CLUSTERDOWN)
X("TRYAGAIN", REDIS_TRYAGAIN)
X("MOVED", REDIS_MOVED)
X("ASK", REDIS_MOVED)
X("UNBLOCKED", REDIS_TRYAGAIN)
X("OOM", REDIS_OOM)
X("MISCONF", REDIS_MISCONF)
X("NOREPLICAS", REDIS_NOREPLICAS)
X("NOSCRIPT", REDIS_NOSCRIPT)
X("NOGROUP", REDIS_NOGROUP)
X("NOAUTH", REDIS_AUTH)
X("WRONGPASS", REDIS_AUTH)
X("NOPERM", REDIS_NOPERM)
X("WRONGTYPE", REDIS_WRONGTYPE)
