/* The names of lua/ beside the text that the build compiled in. */
#include "domain/script.h"

#include "embed.h"

struct pgw_str pgw_script_text(enum pgw_script script)
{
        switch (script) {
        case PGW_SCRIPT_SETTLE:
                return pgw_str_of(pgw_embed_lua_settle, pgw_embed_lua_settle_len);
        case PGW_SCRIPT_BEGIN:
                return pgw_str_of(pgw_embed_lua_begin, pgw_embed_lua_begin_len);
        case PGW_SCRIPT_BEAT:
                return pgw_str_of(pgw_embed_lua_beat, pgw_embed_lua_beat_len);
        case PGW_SCRIPT_TAKE_OVER:
                return pgw_str_of(pgw_embed_lua_take_over, pgw_embed_lua_take_over_len);
        case PGW_SCRIPT_PEEK:
                return pgw_str_of(pgw_embed_lua_peek, pgw_embed_lua_peek_len);
        case PGW_SCRIPT_SURVEY:
                return pgw_str_of(pgw_embed_lua_survey, pgw_embed_lua_survey_len);
        case PGW_SCRIPT_GROUP:
                return pgw_str_of(pgw_embed_lua_group, pgw_embed_lua_group_len);
        case PGW_SCRIPT_WEIGH:
                return pgw_str_of(pgw_embed_lua_weigh, pgw_embed_lua_weigh_len);
        case PGW_SCRIPT_CLAIM:
                return pgw_str_of(pgw_embed_lua_claim, pgw_embed_lua_claim_len);
        case PGW_SCRIPT_WAKE:
                return pgw_str_of(pgw_embed_lua_wake, pgw_embed_lua_wake_len);
        case PGW_SCRIPT_HOLD:
                return pgw_str_of(pgw_embed_lua_hold, pgw_embed_lua_hold_len);
        case PGW_SCRIPT_PUT_OFF:
                return pgw_str_of(pgw_embed_lua_put_off, pgw_embed_lua_put_off_len);
        case PGW_SCRIPT_TAG:
                return pgw_str_of(pgw_embed_lua_tag, pgw_embed_lua_tag_len);
        }
        pgw_panic("no such script: %d", (int)script);
}

void pgw_script_begin(struct pgw_redis *redis, enum pgw_script script, size_t keys, size_t args)
{
        pgw_redis_begin(redis, 3 + keys + args);
        pgw_redis_arg(redis, PGW_STR("EVAL"));
        pgw_redis_arg(redis, pgw_script_text(script));
        pgw_redis_arg_u64(redis, keys);
}
