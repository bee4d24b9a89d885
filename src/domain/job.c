/* Results are read by whoever asks, in any version: a number that is missing is zero. */
#include "domain/job.h"

static const struct {
        const char *word;
        bool terminal;
} states[PGW_JOB_STATE_COUNT] = {
#define X(upper, word, terminal) {word, terminal},
#include "tbl/job_states.h"
#undef X
};

const char *pgw_job_state_word(enum pgw_job_state state)
{
        PGW_ASSERT((unsigned)state < PGW_JOB_STATE_COUNT);
        return states[state].word;
}

bool pgw_job_state_is_terminal(enum pgw_job_state state)
{
        PGW_ASSERT((unsigned)state < PGW_JOB_STATE_COUNT);
        return states[state].terminal;
}

enum pgw_err pgw_job_state_of(struct pgw_str word, enum pgw_job_state *ret)
{
        for (unsigned i = 0; i < PGW_JOB_STATE_COUNT; i++) {
                if (!pgw_str_eq_z(word, states[i].word))
                        continue;
                *ret = (enum pgw_job_state)i;
                return PGW_OK;
        }
        return PGW_E_CODEC;
}

static uint64_t number_at(const struct pgw_reply *reply, size_t index)
{
        const int64_t number = pgw_reply_int(pgw_reply_at(reply, index), 0);

        return number < 0 ? 0 : (uint64_t)number;
}

static enum pgw_err error_of(struct pgw_str slug)
{
        return pgw_err_of_slug(slug.p, slug.n);
}

enum pgw_err pgw_job_read(const struct pgw_reply *reply, struct pgw_job *ret)
{
        const struct pgw_reply *word = pgw_reply_at(reply, 0);
        struct pgw_job job = {.id = ret->id};

        if (!reply || reply->count != PGW_JOB_FIELD_COUNT || !word)
                return PGW_E_CODEC;
        if (word->type == PGW_REPLY_NIL)
                return PGW_E_NO_JOB;
        enum pgw_err err = pgw_job_state_of(pgw_reply_str(word), &job.state);
        if (err)
                return err;
        job.attempts = number_at(reply, 1);
        job.started_ms = number_at(reply, 2);
        job.finished_ms = number_at(reply, 3);
        job.requested = number_at(reply, 4);
        job.removed = number_at(reply, 5);
        job.missing = number_at(reply, 6);
        const struct pgw_reply *matched = pgw_reply_at(reply, 8);
        job.matched = matched->type == PGW_REPLY_NIL ? job.removed : number_at(reply, 8);
        job.sample = pgw_reply_str(pgw_reply_at(reply, 10));
        job.targets = pgw_reply_str(pgw_reply_at(reply, 11));
        if (pgw_rebounds_parse(pgw_reply_str(pgw_reply_at(reply, 9)), &job.rebounds))
                job.rebounds.count = 0;
        job.due_ms = number_at(reply, 12);
        job.error = error_of(pgw_reply_str(pgw_reply_at(reply, 7)));
        *ret = job;
        return PGW_OK;
}

enum pgw_err pgw_job_next_target(struct pgw_str *rest, struct pgw_job_target *ret)
{
        struct pgw_str one = *rest, tail = {NULL, 0}, word;
        struct pgw_job_target target;

        if (rest->n == 0)
                return PGW_E_NO_JOB;
        if (!pgw_str_cut(*rest, ',', &one, &tail)) {
                one = *rest;
                tail = (struct pgw_str){NULL, 0};
        }
        *rest = tail;
        if (!pgw_str_cut(one, ' ', &target.name, &one) || target.name.n == 0 ||
            !pgw_str_cut(one, ' ', &word, &one) ||
            pgw_str_to_u64(word, PGW_JSON_INTEGER_MAX, &target.removed) ||
            !pgw_str_cut(one, ' ', &word, &one) ||
            pgw_str_to_u64(word, PGW_JSON_INTEGER_MAX, &target.missing) || one.n == 0)
                return PGW_E_CODEC;
        target.error = pgw_str_eq_z(one, "-") ? PGW_OK : error_of(one);
        *ret = target;
        return PGW_OK;
}
