/* What a job has set aside of tags and will not walk through (again) is let go of: what is not
 * through is under its tag once more, what was kept for repetitions is dropped (lua/give_back.lua).
 *
 * It goes on by itself when the job has left the hand, and promises nothing: where it breaks,
 * the next purge of the tag walks through what is left, the pruner gives it back
 * (work/prune.c), and what is kept for repetitions has an end.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/metric.h"
#include "domain/script.h"
#include "work/tag_sweep.h"

enum { LET_GO_ARGS = 11 };

struct letting {
        struct pgw_link link; /* of the target */
        struct pgw_target *target;
        struct pgw_job_id job;
        struct pgw_str tag, tags; /* under way; behind it */
        unsigned number;
        uint64_t cursor;
        struct pgw_call call;
        struct pgw_str argv[LET_GO_ARGS];
        char keys[3][PGW_TAG_KEY_MAX];
        char name[PGW_ASIDE_MAX], owner[PGW_JOB_ID_SIZE], numbers[2][20];
        char bytes[]; /* of the tags */
};

static void letting_free(struct letting *l)
{
        pgw_list_remove(&l->target->tags.lettings, &l->link);
        pgw_free(l);
}

static void next_tag(struct letting *l)
{
        l->number = 0;
        l->cursor = 0;
        if (l->tags.n == 0 || pgw_keys_next(&l->tags, &l->tag) || l->tag.n > PGW_TAG_MAX)
                l->tag.p = NULL;
}

static void on_given_back(struct pgw_call *, enum pgw_err, const struct pgw_reply *);

static void go_on(struct letting *l)
{
        struct pgw_str *argv = l->argv;
        enum pgw_err err = PGW_OK;

        if (l->tag.p) {
                const struct pgw_str name = pgw_aside_name(&l->job, l->number, l->name);
                *argv++ = PGW_STR("EVAL");
                *argv++ = pgw_script_text(PGW_SCRIPT_GIVE_BACK);
                *argv++ = PGW_STR("3");
                *argv++ = pgw_tag_key(l->tag, l->keys[0]);
                *argv++ = pgw_tag_asides_key(l->tag, l->keys[1]);
                *argv++ = pgw_tag_aside_key(l->tag, name, l->keys[2]);
                *argv++ = name;
                *argv++ = pgw_tags_number(l->numbers[0], l->cursor);
                *argv++ = pgw_tags_number(l->numbers[1], PGW_TAG_GIVEN);
                *argv++ = pgw_str_of(l->owner, sizeof l->owner);
                *argv++ = PGW_STR("0");
                l->call = (struct pgw_call){
                    .argv = l->argv, .argc = LET_GO_ARGS, .key = 3, .reply = on_given_back};
                err = pgw_deployment_call(l->target->conf.sweeps, &l->call);
        }
        if (err)
                PGW_LOG(PGW_LOG_WARN, "tags.not_given_back",
                        PGW_L_STR("target", l->target->conf.name),
                        PGW_L_STR("error", pgw_err_slug(err)));
        if (err || !l->tag.p)
                letting_free(l);
}

static void on_given_back(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct letting *l = PGW_CONTAINER(call, struct letting, call);
        const int64_t what = err ? 3 : pgw_reply_int(pgw_reply_at(reply, 0), 3);

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (what == 2 && pgw_str_to_u64(pgw_reply_str(pgw_reply_at(reply, 1)), UINT64_MAX,
                                        &l->cursor) == PGW_OK) {
                go_on(l);
                return;
        }
        l->cursor = 0;
        if (what != 1 || ++l->number == PGW_ASIDES_OF_JOB)
                next_tag(l);
        go_on(l);
}

void pgw_tags_let_go(const struct pgw_part *part)
{
        const struct pgw_run *run = part->run;

        if (run->tags.n == 0 || pgw_tags_stay(run))
                return;
        struct letting *l = pgw_alloc(sizeof *l + run->tags.n);
        memcpy(l->bytes, run->tags.p, run->tags.n);
        l->target = part->target;
        l->job = run->job;
        l->tags = pgw_str_of(l->bytes, run->tags.n);
        pgw_job_id_text(&run->job, l->owner);
        pgw_list_append(&part->target->tags.lettings, &l->link);
        next_tag(l);
        go_on(l);
}

void pgw_tags_let_all_go(const struct pgw_run *run)
{
        for (size_t i = 0; i < run->part_count; i++)
                if (!run->has_begun || run->parts[i].error || run->parts[i].stopped)
                        pgw_tags_let_go(&run->parts[i]);
}

void pgw_lettings_free(struct pgw_target *t)
{
        struct pgw_link *link;

        while ((link = pgw_list_first(&t->tags.lettings)))
                letting_free(PGW_CONTAINER(link, struct letting, link));
}
