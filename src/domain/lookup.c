/* A search walks result -> entry -> where it waits -> dead letter -> result: the job may have moved
 * on behind each question, but never back past the first. `asked_queue` tells the two visits to
 * the results apart. At last it asks the queue's own Redis, which has the results of what was
 * cancelled (domain/cancel.h), should they have got no further. */
#include "domain/lookup.h"

#include "base/alloc.h"
#include "domain/entry.h"
#include "domain/later.h"
#include "domain/letter.h"
#include "domain/script.h"

struct pgw_jobs {
        struct pgw_redis *broker;
        struct pgw_redis *results;
        const struct pgw_keyspace *keyspace;
};

struct search {
        struct pgw_jobs *jobs;
        struct pgw_job job;
        bool asked_queue;
        bool asked_later;
        bool asked_beside;
        bool has_result; /* which says that it has not ended */
        pgw_lookup_f *done;
        void *ctx;
};

struct pgw_jobs *pgw_jobs_new(struct pgw_redis *broker, struct pgw_redis *results,
                              const struct pgw_keyspace *keyspace)
{
        struct pgw_jobs *jobs = pgw_alloc(sizeof *jobs);

        jobs->broker = broker;
        jobs->results = results;
        jobs->keyspace = keyspace;
        return jobs;
}

void pgw_jobs_free(struct pgw_jobs *jobs)
{
        pgw_free(jobs);
}

static void finish(struct search *s, enum pgw_err err)
{
        s->done(s->ctx, err, err ? NULL : &s->job);
        pgw_free(s);
}

static pgw_redis_reply_f on_result;
static enum pgw_err ask_results(struct search *, struct pgw_redis *results,
                                pgw_redis_reply_f *then);

static void on_progress(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct search *s = ctx;

        /* A job's progress is an extra: without it the job is still known. */
        s->job.sweeps = !err && pgw_progress_sum(reply, &s->job.progress) == PGW_OK;
        finish(s, PGW_OK);
}

/* A job that runs, and may be sweeping. */
static void finish_with_progress(struct search *s)
{
        if (pgw_progress_ask(s->jobs->broker, s->jobs->keyspace, &s->job.id, on_progress, s))
                finish(s, PGW_OK);
}

static void finish_by_result(struct search *s)
{
        if (s->job.state == PGW_JOB_RUNNING)
                finish_with_progress(s);
        else
                finish(s, PGW_OK);
}

/* What was taken out of the queue has its end there, when the other results could not take it. */
static void on_beside(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct search *s = ctx;
        struct pgw_job beside = {.id = s->job.id};

        if (err || pgw_job_read(reply, &beside) || !pgw_job_state_is_terminal(beside.state)) {
                finish_by_result(s);
                return;
        }
        s->job = beside;
        finish(s, PGW_OK);
}

/* What it came to at its targets, as far as a letter keeps that. */
static void take_outcomes(struct pgw_job *job, struct pgw_str outcomes)
{
        struct pgw_str rest = outcomes;
        struct pgw_job_target t;
        size_t count = 0;

        job->removed = job->missing = 0;
        while (pgw_job_next_target(&rest, &t) == PGW_OK) {
                job->removed += t.removed;
                job->missing += t.missing;
                count++;
        }
        job->matched = job->removed;
        /* As in a result: of a single target nothing more is to be said. */
        job->targets = count > 1 ? outcomes : PGW_STR("");
}

/* A job that nobody could do: its result expires, its letter does not. Nor may the result be there
 * yet, which is written behind it. */
static void on_letter(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct search *s = ctx;
        struct pgw_letter letter;

        if (!err)
                err = pgw_letter_peek_read(&s->job.id, reply, &letter);
        if (err && s->has_result) {
                if (ask_results(s, s->jobs->broker, on_beside))
                        finish_by_result(s);
                return;
        }
        if (err == PGW_E_NO_JOB)
                err = ask_results(s, s->jobs->results, on_result); /* it may have ended since */
        else if (!err) {
                s->job.state = letter.state;
                s->job.error = letter.error;
                s->job.attempts = letter.entry.attempts;
                s->job.finished_ms = letter.buried_ms;
                s->job.requested = letter.entry.requested;
                take_outcomes(&s->job, letter.entry.outcomes);
                finish(s, PGW_OK);
                return;
        }
        if (err)
                finish(s, err);
}

static enum pgw_err ask_dead(struct search *s)
{
        return pgw_letter_peek(s->jobs->broker, s->jobs->keyspace, &s->job.id, on_letter, s);
}

static enum pgw_err ask_later(struct search *);

static void on_entry(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct search *s = ctx;
        uint64_t nonce;

        if (err) {
                finish(s, err);
                return;
        }
        const int64_t found = pgw_reply_int(pgw_reply_at(reply, 0), 0);
        if (found == 0) {
                err = s->asked_later ? ask_dead(s) : ask_later(s);
                if (err)
                        finish(s, err);
                return;
        }
        if (pgw_entry_nonce(pgw_reply_at(reply, 2), &nonce) || nonce != s->job.id.nonce) {
                finish(s, PGW_E_NO_JOB);
                return;
        }
        /* A further attempt counts once it is announced, and then there is a result hash: until
         * then the first worker may still be the one that ends the job. What was tried before, and
         * could not say so, waits for its next try. */
        s->job.attempts = pgw_entry_attempts(pgw_reply_at(reply, 2)) + (found == 1 ? 0 : 1);
        s->job.state = found != 1        ? PGW_JOB_RUNNING
                       : s->job.attempts ? PGW_JOB_RETRYING
                                         : PGW_JOB_QUEUED;
        if (found != 1 && pgw_entry_takes_long(pgw_reply_at(reply, 2)))
                finish_with_progress(s);
        else
                finish(s, PGW_OK);
}

static enum pgw_err peek(struct search *s, enum pgw_lane lane, struct pgw_entry_id entry)
{
        struct pgw_redis *broker = s->jobs->broker;
        char id[PGW_ENTRY_ID_SIZE];

        pgw_script_begin(broker, PGW_SCRIPT_PEEK, 1, 2);
        pgw_redis_arg(broker, pgw_keyspace_stream(s->jobs->keyspace, lane));
        pgw_redis_arg(broker, PGW_STR(PGW_GROUP));
        pgw_redis_arg(broker, pgw_str_of(id, pgw_entry_id_text(entry, id)));
        return pgw_redis_end(broker, on_entry, s);
}

/* A job that was put off: it waits for its time, or it is known where its entry lies. */
static void on_later(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct search *s = ctx;
        struct pgw_later later;

        if (!err)
                err = pgw_later_read(reply, &later);
        if (!err && later.due_ms) {
                s->job.state = later.attempts ? PGW_JOB_RETRYING : PGW_JOB_SCHEDULED;
                s->job.attempts = later.attempts;
                s->job.due_ms = later.due_ms;
                finish(s, PGW_OK);
                return;
        }
        if (!err)
                err = peek(s, later.lane, later.entry);
        else if (err == PGW_E_NO_JOB)
                err = ask_dead(s);
        if (err)
                finish(s, err);
}

static enum pgw_err ask_later(struct search *s)
{
        s->asked_later = true;
        return pgw_later_ask(s->jobs->broker, s->jobs->keyspace, &s->job.id, on_later, s);
}

static enum pgw_err ask_queue(struct search *s)
{
        const struct pgw_job_id *id = &s->job.id;

        s->asked_queue = true;
        if (pgw_job_id_is_later(id))
                return ask_later(s);
        return peek(s, id->lane, id->entry);
}

static void on_result(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct search *s = ctx;

        if (!err)
                err = pgw_job_read(reply, &s->job);
        if (err == PGW_E_NO_JOB && !s->asked_queue) {
                err = ask_queue(s);
                if (!err)
                        return;
        } else if (err == PGW_E_NO_JOB && !s->asked_beside) {
                s->asked_beside = true;
                err = ask_results(s, s->jobs->broker, on_result);
                if (!err)
                        return;
        }
        /* Its end may be written among the dead letters, and nowhere else: a worker that dies
         * between the two leaves it so. */
        s->has_result =
            !err && (s->job.state == PGW_JOB_RUNNING || s->job.state == PGW_JOB_RETRYING);
        if (!s->has_result)
                finish(s, err);
        else if (ask_dead(s))
                finish_by_result(s);
}

static enum pgw_err ask_results(struct search *s, struct pgw_redis *results,
                                pgw_redis_reply_f *then)
{
        static const char *const fields[PGW_JOB_FIELD_COUNT] = PGW_JOB_FIELDS;
        char key[PGW_RESULT_KEY_MAX];

        pgw_redis_begin(results, 2 + PGW_JOB_FIELD_COUNT);
        pgw_redis_arg(results, PGW_STR("HMGET"));
        pgw_redis_arg(results, pgw_keyspace_result(s->jobs->keyspace, &s->job.id, key));
        for (size_t i = 0; i < PGW_JOB_FIELD_COUNT; i++)
                pgw_redis_arg(results, pgw_str_z(fields[i]));
        return pgw_redis_end(results, then, s);
}

enum pgw_err pgw_jobs_find(struct pgw_jobs *jobs, const struct pgw_job_id *id, pgw_lookup_f *done,
                           void *ctx)
{
        if (id->partition >= PGW_PARTITIONS && !pgw_job_id_is_later(id))
                return PGW_E_NO_JOB;
        struct search *s = pgw_alloc(sizeof *s);
        *s = (struct search){.jobs = jobs, .job = {.id = *id}, .done = done, .ctx = ctx};
        enum pgw_err err = ask_results(s, jobs->results, on_result);
        if (err)
                pgw_free(s);
        return err;
}
