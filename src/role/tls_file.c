#include "role/tls_file.h"

#include "http/front.h"

enum pgw_err pgw_tls_file_read(const struct pgw_settings *s, struct pgw_fault *fault,
                               struct pgw_tls_server **ret)
{
        struct pgw_fault cause = {"", ""};
        const struct pgw_tls_server_conf conf = {.http2 = s->http2,
                                                 .on_close_notify = pgw_front_on_close_notify,
                                                 .authority_path =
                                                     s->tls_client_ca[0] ? s->tls_client_ca : NULL,
                                                 .needs_certificate = s->tls_client_required,
                                                 .on_peer_name = pgw_front_on_peer_name};

        *ret = NULL;
        if (s->tls_listen_count == 0)
                return PGW_OK;
        enum pgw_err err = pgw_tls_server_new(s->tls_certificate, s->tls_key, &conf, &cause, ret);
        if (err)
                pgw_fault_set(fault, "tls.certificate, tls.key, tls.client_ca", "%s: %s",
                              cause.pointer, cause.detail);
        return err;
}
