/* What is set aside of tags, and by whom.
 *
 * A job says that all is gone when what it has set aside is walked through and what others had set
 * aside before it as well. It waits for those; a set whose owner gave no sign of life for a while
 * it walks through itself. Which sets those are is fixed when the job claims, so that nobody who
 * comes later keeps it. When members were given back meanwhile, because a job was cancelled or
 * failed, it claims once more.
 */
#include <string.h>

#include "base/failpoint.h"
#include "base/metric.h"
#include "domain/script.h"
#include "work/tag_sweep.h"

#define PGW_TAG_WAIT_MIN_MS 20
#define PGW_TAG_WAIT_MAX_MS 500

static struct pgw_target *target_of(struct pgw_call *call)
{
        return PGW_CONTAINER(call, struct pgw_asking, call)->target;
}

static uint64_t number_at(const struct pgw_reply *reply, size_t index)
{
        const int64_t value = pgw_reply_int(pgw_reply_at(reply, index), 0);

        return value > 0 ? (uint64_t)value : 0;
}

static struct pgw_tag_view *view_of(const struct pgw_part *part)
{
        return &part->tagging->views[part->progress.tags_done];
}

static bool is_repeated(const struct pgw_part *part)
{
        return pgw_run_next_pass(part->run, pgw_part_rebounds(part)) > 0;
}

static void start_over(struct pgw_tag_stand *stand)
{
        stand->stage = PGW_TAG_CLAIMING;
        stand->other_size = 0;
        stand->cursor = stand->claimed_ms = 0;
}

/* An EVAL about the tag's set, what is set aside of it, and one of those; returns how many
 * arguments that are. */
static size_t begin_script(struct pgw_asking *a, enum pgw_script script, struct pgw_str tag,
                           struct pgw_str name)
{
        a->argv[0] = PGW_STR("EVAL");
        a->argv[1] = pgw_script_text(script);
        a->argv[2] = PGW_STR("3");
        a->argv[3] = pgw_tag_key(tag, a->keys[0]);
        a->argv[4] = pgw_tag_asides_key(tag, a->keys[1]);
        a->argv[5] = pgw_tag_aside_key(tag, name, a->keys[2]);
        a->argv[6] = name;
        return 7;
}

/* ---- claiming ---- */

static void walk(struct pgw_target *t, const struct pgw_reply *reply)
{
        struct pgw_part *part = t->tags.part;
        struct pgw_tag_stand *stand = part->tagging;

        if (number_at(reply, 6))
                stand->cursor = 0;
        stand->since = number_at(reply, 2);
        stand->claimed_ms = pgw_loop_now_ms(t->worker->loop);
        if (stand->stage == PGW_TAG_CLAIMING)
                part->progress.members = part->progress.members_seen + number_at(reply, 1);
        stand->stage = PGW_TAG_WALKING;
        PGW_FAILPOINT("tags.claimed");
        pgw_tags_scan(t);
}

static void take_claim(struct pgw_target *t, const struct pgw_reply *reply)
{
        struct pgw_part *part = t->tags.part;
        struct pgw_tag_stand *stand = part->tagging;
        struct pgw_tag_view *view = view_of(part);
        const bool is_own = stand->other_size == 0;

        if (is_own && view->limit == 0) {
                view->limit = number_at(reply, 3);
                view->given = number_at(reply, 4);
        }
        switch (pgw_reply_int(pgw_reply_at(reply, 0), -1)) {
        case 1:
                walk(t, reply);
                return;
        case 2:
                stand->number = (stand->number + 1) % PGW_ASIDES_OF_JOB;
                start_over(stand);
                view->limit = 0;
                if (stand->number == 0)
                        pgw_tags_note(t, PGW_E_REDIS_TRYAGAIN);
                break;
        default:
                stand->other_size = 0;
                if (is_own && number_at(reply, 5) == 0)
                        pgw_tags_pass(part);
                else
                        stand->stage = PGW_TAG_LOOKING;
        }
        pgw_tags_end_turn(t);
}

static void on_claimed(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_target *t = target_of(call);

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (!err && (reply->type != PGW_REPLY_ARRAY || reply->count != 7))
                err = PGW_E_REDIS_PROTOCOL;
        if (pgw_tags_answered(t, err))
                take_claim(t, reply);
        else
                pgw_tags_end_turn(t);
}

void pgw_tags_claim(struct pgw_target *t)
{
        struct pgw_part *part = t->tags.part;
        const struct pgw_tag_stand *stand = part->tagging;
        struct pgw_asking *a = &t->tags.askings[0];
        const bool takes = stand->other_size == 0 && view_of(part)->limit == 0;
        size_t n =
            begin_script(a, PGW_SCRIPT_CLAIM, pgw_tags_now(part), pgw_tags_aside(part, a->name));

        pgw_job_id_text(&part->run->job, a->job);
        a->argv[n++] = pgw_str_of(a->job, sizeof a->job);
        a->argv[n++] = pgw_tags_number(a->numbers[0], PGW_TAG_LEASE_MS);
        a->argv[n++] = takes ? PGW_STR("1") : PGW_STR("");
        a->argv[n++] = stand->other_size || is_repeated(part) ? PGW_STR("1") : PGW_STR("");
        if (!pgw_tags_ask(t, 0, n, 3, on_claimed))
                pgw_tags_end_turn(t);
}

/* ---- walked through ---- */

static void on_walked(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_target *t = target_of(call);
        struct pgw_part *part = t->tags.part;
        struct pgw_tag_stand *stand = part->tagging;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (pgw_tags_answered(t, err)) {
                const struct pgw_tag_view *view = view_of(part);
                const bool is_last = stand->other_size == 0 && number_at(reply, 0) == 0 &&
                                     number_at(reply, 1) == view->given;
                PGW_FAILPOINT("tags.walked");
                stand->other_size = 0;
                stand->cursor = 0;
                if (is_last)
                        pgw_tags_pass(part);
                else
                        stand->stage = PGW_TAG_LOOKING;
        }
        pgw_tags_end_turn(t);
}

/* What it does not own may be walked through again by its owner. */
void pgw_tags_walked(struct pgw_target *t)
{
        struct pgw_part *part = t->tags.part;
        const struct pgw_tag_stand *stand = part->tagging;
        struct pgw_asking *a = &t->tags.askings[0];
        const struct pgw_str tag = pgw_tags_now(part), name = pgw_tags_aside(part, a->name);
        const bool is_kept =
            stand->other_size ? !pgw_str_eq_z(name, PGW_ASIDE_IN_DOUBT) : is_repeated(part);

        a->argv[0] = PGW_STR("EVAL");
        a->argv[1] = pgw_script_text(PGW_SCRIPT_WALKED);
        a->argv[2] = PGW_STR("2");
        a->argv[3] = pgw_tag_asides_key(tag, a->keys[0]);
        a->argv[4] = pgw_tag_aside_key(tag, name, a->keys[1]);
        a->argv[5] = name;
        a->argv[6] = pgw_tags_number(a->numbers[0], stand->since);
        a->argv[7] = is_kept ? pgw_tags_number(a->numbers[1], PGW_TAG_KEPT_MS) : PGW_STR("");
        if (!pgw_tags_ask(t, 0, 8, 3, on_walked))
                pgw_tags_end_turn(t);
}

/* ---- looking ---- */

static void wait(struct pgw_target *t)
{
        struct pgw_part *part = t->tags.part;
        struct pgw_tag_stand *stand = part->tagging;
        uint64_t pause_ms = PGW_TAG_WAIT_MIN_MS;

        for (unsigned i = 0; i < stand->waits && pause_ms < PGW_TAG_WAIT_MAX_MS; i++)
                pause_ms *= 2;
        stand->waits++;
        stand->wait_until_ms = pgw_loop_now_ms(t->worker->loop) + pause_ms;
        /* Somebody else removes what this job was to leave a marker for. */
        if (part->run->hold_ms && !part->has_unheld) {
                part->has_unheld = true;
                pgw_metric_add(PGW_M_HOLDS_LOST, 1);
        }
}

/* Nothing of others is in the way. */
static void go_on_clear(struct pgw_target *t)
{
        struct pgw_part *part = t->tags.part;
        struct pgw_tag_stand *stand = part->tagging;
        struct pgw_progress *p = &part->progress;
        const uint64_t given = t->tags.look_given;

        stand->waits = 0;
        if (!pgw_tags_stay(part->run)) {
                if (given == view_of(part)->given) {
                        pgw_tags_pass(part);
                } else {
                        start_over(stand);
                        view_of(part)->limit = 0;
                }
        } else if (stand->has_walked && given == p->tags_given) {
                pgw_tags_pass(part);
        } else {
                p->tags_given = given;
                stand->has_walked = false;
                stand->cursor = p->tag_cursor = 0;
                stand->stage = PGW_TAG_WALKING;
        }
}

static void on_given_back(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_target *t = target_of(call);
        struct pgw_tag_stand *stand = t->tags.part->tagging;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        stand->back_cursor = 0;
        if (pgw_tags_answered(t, err) && pgw_reply_int(pgw_reply_at(reply, 0), 0) == 2 &&
            pgw_str_to_u64(pgw_reply_str(pgw_reply_at(reply, 1)), UINT64_MAX, &stand->back_cursor))
                stand->back_cursor = 0;
        pgw_tags_end_turn(t);
}

/* Its members are not all this job's. */
static void give_back(struct pgw_target *t, size_t index)
{
        struct pgw_part *part = t->tags.part;
        struct pgw_asking *a = &t->tags.askings[index];
        const size_t size = a->argv[6].n;
        size_t n =
            begin_script(a, PGW_SCRIPT_GIVE_BACK,
                         part->run->all_tags ? pgw_tags_at(part->run, index) : pgw_tags_now(part),
                         pgw_str_of(a->name, size));

        a->argv[n++] = pgw_tags_number(a->numbers[0], part->tagging->back_cursor);
        a->argv[n++] = pgw_tags_number(a->numbers[1], PGW_TAG_GIVEN);
        a->argv[n++] = PGW_STR("");
        a->argv[n++] = pgw_tags_number(a->numbers[2], PGW_TAG_LEASE_MS);
        if (!pgw_tags_ask(t, index, n, 3, on_given_back))
                pgw_tags_end_turn(t);
}

static void take_looks(struct pgw_target *t)
{
        struct pgw_tag_pass *pass = &t->tags;
        struct pgw_tag_stand *stand = pass->part->tagging;

        if (!pgw_tags_is_off(t) && pass->look_left != SIZE_MAX) {
                const struct pgw_asking *a = &pass->askings[pass->look_left];
                if (pgw_tags_stay(pass->part->run)) {
                        give_back(t, pass->look_left);
                        return;
                }
                start_over(stand);
                memcpy(stand->other, a->name, a->argv[6].n);
                stand->other_size = a->argv[6].n;
        } else if (!pgw_tags_is_off(t) && pass->look_busy) {
                wait(t);
        } else if (!pgw_tags_is_off(t)) {
                go_on_clear(t);
        }
        pgw_tags_end_turn(t);
}

static void on_looked(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_asking *a = PGW_CONTAINER(call, struct pgw_asking, call);
        struct pgw_target *t = a->target;
        struct pgw_tag_pass *pass = &t->tags;
        const size_t index = (size_t)(a - pass->askings);

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        const struct pgw_str name = pgw_reply_str(pgw_reply_at(reply, 1));
        if (!err && name.n > PGW_ASIDE_MAX)
                err = PGW_E_REDIS_PROTOCOL;
        if (pgw_tags_answered(t, err)) {
                struct pgw_part *part = pass->part;
                struct pgw_tag_view *view =
                    part->run->all_tags ? &part->tagging->views[index] : view_of(part);
                const int64_t what = pgw_reply_int(pgw_reply_at(reply, 0), 0);
                if (view->limit == 0)
                        view->limit = number_at(reply, 2);
                pass->look_given += number_at(reply, 3);
                pass->look_busy = pass->look_busy || what == 2;
                /* Nothing of ours is without a name, and what is could not be walked through. */
                if (what == 1 && name.n) {
                        memcpy(a->name, name.p, name.n);
                        a->argv[6] = pgw_str_of(a->name, name.n);
                        pass->look_left = index;
                }
        }
        if (pass->awaited == 0)
                take_looks(t);
}

void pgw_tags_look(struct pgw_target *t)
{
        struct pgw_tag_pass *pass = &t->tags;
        const struct pgw_part *part = pass->part;
        const bool all = part->run->all_tags;

        pass->look_left = SIZE_MAX;
        pass->look_busy = false;
        pass->look_given = 0;
        for (size_t i = 0; i < (all ? part->run->tag_count : 1) && !pgw_tags_is_off(t); i++) {
                struct pgw_asking *a = &pass->askings[i];
                const struct pgw_str tag = all ? pgw_tags_at(part->run, i) : pgw_tags_now(part);
                const struct pgw_tag_view *view = all ? &part->tagging->views[i] : view_of(part);
                a->argv[0] = PGW_STR("EVAL");
                a->argv[1] = pgw_script_text(PGW_SCRIPT_LOOK);
                a->argv[2] = PGW_STR("1");
                a->argv[3] = pgw_tag_asides_key(tag, a->keys[0]);
                a->argv[4] = pgw_tags_number(a->numbers[0], view->limit);
                a->argv[5] = pgw_tags_number(a->numbers[1], PGW_TAG_LEASE_MS);
                (void)pgw_tags_ask(t, i, 6, 3, on_looked);
        }
        if (pass->awaited == 0)
                pgw_tags_end_turn(t);
}
