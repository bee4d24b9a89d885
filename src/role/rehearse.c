#include "role/rehearse.h"

#include "role/contract_file.h"
#include "role/privileges.h"
#include "role/tls_file.h"

/* Where the embedded Redis would be; nobody goes there. */
#define PGW_REHEARSED_SOCKET "/redis.sock"

static enum pgw_err plan(const struct pgw_settings *s, enum pgw_role role, struct pgw_fault *fault)
{
        struct pgw_plan plan;

        enum pgw_err err = pgw_plan_make(
            &plan, s, role, pgw_plan_needs_embedded(s) ? PGW_REHEARSED_SOCKET : NULL, fault);
        pgw_plan_end(&plan);
        return err;
}

static enum pgw_err gateway(const struct pgw_settings *s, struct pgw_fault *fault)
{
        struct pgw_contract *contract = NULL;
        struct pgw_tls_server *tls = NULL;

        enum pgw_err err = pgw_contract_file_read(s, fault, &contract);
        if (!err)
                err = pgw_tls_file_read(s, fault, &tls);
        pgw_tls_server_drop(tls);
        pgw_contract_free(contract);
        return err;
}

enum pgw_err pgw_rehearse(const struct pgw_settings *s, enum pgw_role role, struct pgw_fault *fault)
{
        enum pgw_err err = pgw_plan_check(s, role, fault);

        if (!err)
                err = pgw_privileges_check(s->user, s->group, fault);
        if (!err)
                err = plan(s, role, fault);
        return err || role == PGW_ROLE_WORKER ? err : gateway(s, fault);
}
