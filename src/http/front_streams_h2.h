/* http/front_streams_h2.h - what the library holds of the streams of a connection.
 *
 * The guard sees frames come. What became of them only the library knows, and this reads it there,
 * in the structures of <h2o/http2_internal.h>, which the package installs. All of it is for
 * connections that the library has, and has not let go of.
 */
#ifndef PGW_HTTP_FRONT_STREAMS_H2_H
#define PGW_HTTP_FRONT_STREAMS_H2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct st_h2o_req_t;
struct st_h2o_socket_t;

/* These frames are not for the library's eyes before it has written what is under way. */
bool pgw_streams_await_write(const struct st_h2o_socket_t *, struct pgw_str frames);

/* How many requests arrive. Of a body that is longer than `body_max` bytes by then only one more is
 * kept, and it may have any length. */
size_t pgw_streams_hold_bodies(const struct st_h2o_socket_t *, size_t body_max);

/* This one arrives. */
bool pgw_streams_is_arriving(const struct st_h2o_socket_t *, uint32_t stream);

/* How many header fields this one has, whose body arrives; of another SIZE_MAX. */
size_t pgw_streams_fields(const struct st_h2o_socket_t *, uint32_t stream);

/* Which stream it came on. */
uint32_t pgw_streams_of(const struct st_h2o_req_t *);

/* It has seen a connection error, and only waits for its last write. */
bool pgw_streams_is_ending(const struct st_h2o_socket_t *);

#endif
