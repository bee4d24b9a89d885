/* What anybody may have written where jobs wait: records of dead letters and of retries, the
 * outcomes and the histories in them, and lines of workers. Whatever is read is shown as JSON in
 * UTF-8. */
#include <stdio.h>

#include <jansson.h>

#include "base/panic.h"
#include "domain/letter.h"
#include "domain/roster.h"
#include "http/letter_json.h"

#define OUT_MAX (4u << 20)

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void show(const struct pgw_letter *letter)
{
        struct pgw_buf out;

        pgw_buf_init(&out, OUT_MAX);
        if (pgw_letter_json(&out, letter, 1000) == PGW_OK) {
                json_t *read = json_loadb(out.p, out.n, JSON_ALLOW_NUL, NULL);
                PGW_ASSERT(read);
                json_decref(read);
        }
        pgw_buf_fini(&out);
}

static void read_letter(struct pgw_str text)
{
        const struct pgw_reply reply = {.type = PGW_REPLY_STRING, .str = text};
        const struct pgw_job_id id = {.lane = PGW_LANE_HIGH, .nonce = 1};
        struct pgw_letter letter;

        if (pgw_letter_read(&id, &reply, &letter) == PGW_OK)
                show(&letter);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        const struct pgw_str text = pgw_str_of((const char *)data, size);
        struct pgw_str rest = text;
        struct pgw_job_target target;
        struct pgw_worker_line line;
        struct pgw_failure failure;

        read_letter(text);
        for (size_t i = 0; i <= size && pgw_job_next_target(&rest, &target) == PGW_OK; i++)
                PGW_ASSERT(target.name.n <= size);
        rest = text;
        for (size_t i = 0; i <= size && pgw_history_next(&rest, &failure) == PGW_OK; i++)
                PGW_ASSERT(failure.target.n <= size);
        if (pgw_roster_read(PGW_STR("name"), text, &line) == PGW_OK)
                PGW_ASSERT(line.host.n <= size);
        return 0;
}
