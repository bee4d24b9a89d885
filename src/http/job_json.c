/* Members are added in the order of the contract; what is not known yet is left out, so
 * that a client never takes a zero for an answer. */
#include "http/job_json.h"

#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "http/json_out.h"

static enum pgw_err add_sample(struct pgw_buf *out, struct pgw_str keys)
{
        enum pgw_err err = pgw_json_z(out, ",\"sample\":{\"keys\":[");

        if (!err)
                err = pgw_json_keys(out, keys, true, SIZE_MAX);
        if (!err)
                err = pgw_json_z(out, "],\"keys_base64\":[");
        if (!err)
                err = pgw_json_keys(out, keys, false, SIZE_MAX);
        return err ? err : pgw_json_z(out, "]}");
}

static enum pgw_err add_target(struct pgw_buf *out, const struct pgw_job *job,
                               const struct pgw_job_target *target, enum pgw_job_state state)
{
        enum pgw_err err = pgw_json_z(out, "{\"target\":");

        if (!err)
                err = pgw_json_escape(out, target->name);
        if (!err)
                err = pgw_buf_printf(out, ",\"status\":\"%s\"", pgw_job_state_word(state));
        if (!err)
                err = pgw_json_u64(out, ",\"requested\":", job->requested);
        if (!err)
                err = pgw_json_u64(out, ",\"removed\":", target->removed);
        if (!err)
                err = pgw_json_u64(out, ",\"missing\":", target->missing);
        if (!err && target->error)
                err = pgw_json_code(out, ",\"code\":", target->error);
        return err ? err : pgw_json_z(out, "}");
}

static enum pgw_err add_targets(struct pgw_buf *out, const struct pgw_job *job,
                                const char *target_name)
{
        struct pgw_job_target target = {pgw_str_z(target_name), job->removed, job->missing,
                                        job->error};
        struct pgw_str rest = job->targets;
        const char *comma = "";
        enum pgw_err err = PGW_OK;

        if (rest.n == 0)
                return add_target(out, job, &target, job->state);
        while (!err && pgw_job_next_target(&rest, &target) == PGW_OK) {
                err = pgw_json_z(out, comma);
                comma = ",";
                if (!err)
                        err = add_target(out, job, &target,
                                         target.error ? PGW_JOB_FAILED : PGW_JOB_SUCCEEDED);
        }
        return err;
}

static enum pgw_err add_result(struct pgw_buf *out, const struct pgw_job *job,
                               const char *target_name)
{
        enum pgw_err err = pgw_json_u64(out, ",\"result\":{\"requested\":", job->requested);

        if (!err)
                err = pgw_json_u64(out, ",\"matched\":", job->matched);
        if (!err)
                err = pgw_json_u64(out, ",\"removed\":", job->removed);
        if (!err)
                err = pgw_json_u64(out, ",\"missing\":", job->missing);
        if (!err)
                err = pgw_json_z(out, ",\"targets\":[");
        if (!err)
                err = add_targets(out, job, target_name);
        return err ? err : pgw_json_z(out, "]}");
}

/* When the passes behind the first are due, give or take a tenth. */
static enum pgw_err add_rebounds(struct pgw_buf *out, const struct pgw_job *job)
{
        enum pgw_err err = pgw_json_z(out, ",\"rebounds_at\":[");

        for (size_t i = 0; i < job->rebounds.count && !err; i++)
                err =
                    pgw_json_time(out, i ? ",\"" : "\"", job->finished_ms + job->rebounds.at_ms[i]);
        return err ? err : pgw_json_z(out, "]");
}

static enum pgw_err add_error(struct pgw_buf *out, enum pgw_err error)
{
        enum pgw_err err = pgw_json_code(out, ",\"error\":{\"code\":", error);

        return err ? err : pgw_buf_printf(out, ",\"detail\":\"%s\"}", pgw_err_title(error));
}

enum pgw_err pgw_job_json_end(struct pgw_buf *out, const struct pgw_job *job,
                              const char *target_name)
{
        enum pgw_err err = add_result(out, job, target_name);

        return err || !job->error ? err : add_error(out, job->error);
}

static enum pgw_err add_progress(struct pgw_buf *out, const struct pgw_progress *p)
{
        enum pgw_err err = pgw_json_u64(out, ",\"progress\":{\"percent\":", p->percent);

        if (!err)
                err = pgw_json_u64(out, ",\"matched\":", p->matched);
        if (!err)
                err = pgw_json_u64(out, ",\"removed\":", p->removed);
        return err ? err : pgw_json_z(out, "}");
}

enum pgw_err pgw_job_json(struct pgw_buf *out, const struct pgw_job *job, const char *target_name)
{
        char id[PGW_JOB_ID_SIZE];
        enum pgw_err err = pgw_json_z(out, "{\"job_id\":\"");

        pgw_job_id_text(&job->id, id);
        if (!err)
                err = pgw_buf_add(out, id, sizeof id);
        if (!err)
                err = pgw_json_z(out, "\",\"status\":\"");
        if (!err)
                err = pgw_json_z(out, pgw_job_state_word(job->state));
        if (!err)
                err = pgw_json_z(out, "\",\"priority\":\"");
        if (!err)
                err = pgw_json_z(out, pgw_lane_name(job->id.lane));
        if (!err)
                err = pgw_json_time(out, "\",\"accepted_at\":\"", job->id.entry.ms);
        if (!err && job->state == PGW_JOB_SCHEDULED && job->due_ms)
                err = pgw_json_time(out, ",\"scheduled_for\":\"", job->due_ms);
        if (!err && job->state == PGW_JOB_RETRYING && job->due_ms)
                err = pgw_json_time(out, ",\"next_attempt_at\":\"", job->due_ms);
        if (!err && job->started_ms)
                err = pgw_json_time(out, ",\"started_at\":\"", job->started_ms);
        if (!err && job->finished_ms)
                err = pgw_json_time(out, ",\"finished_at\":\"", job->finished_ms);
        if (!err)
                err = pgw_json_u64(out, ",\"attempts\":", job->attempts);
        if (!err && job->sweeps)
                err = add_progress(out, &job->progress);
        if (!err && pgw_job_state_is_terminal(job->state))
                err = add_result(out, job, target_name);
        if (!err && job->sample.n)
                err = add_sample(out, job->sample);
        if (!err && job->rebounds.count && job->finished_ms)
                err = add_rebounds(out, job);
        if (!err && job->error)
                err = add_error(out, job->error);
        return err ? err : pgw_json_z(out, "}\n");
}

/* Where a walk stands, as one number. */
static uint64_t digest(const struct pgw_progress *p)
{
        const uint64_t parts[] = {p->percent, p->matched, p->removed};
        uint64_t sum = 0;

        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
                sum = (sum ^ parts[i]) * 1099511628211u;
        return sum;
}

void pgw_job_etag(const struct pgw_job *job, char out[PGW_ETAG_SIZE])
{
        const uint64_t moves = job->finished_ms + job->due_ms + job->rebounds.count +
                               (job->sweeps ? digest(&job->progress) : 0);

        snprintf(out, PGW_ETAG_SIZE, "\"%s-%llu-%llx\"", pgw_job_state_word(job->state),
                 (unsigned long long)job->attempts, (unsigned long long)moves);
}
