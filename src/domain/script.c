/* The names of lua/ beside the text that the build compiled in. */
#include "domain/script.h"

#include "embed.h"

static const struct {
        const char *text;
        const size_t *size;
} scripts[] = {
    [PGW_SCRIPT_SETTLE] = {pgw_embed_lua_settle, &pgw_embed_lua_settle_len},
    [PGW_SCRIPT_BEGIN] = {pgw_embed_lua_begin, &pgw_embed_lua_begin_len},
    [PGW_SCRIPT_BEAT] = {pgw_embed_lua_beat, &pgw_embed_lua_beat_len},
    [PGW_SCRIPT_TAKE_OVER] = {pgw_embed_lua_take_over, &pgw_embed_lua_take_over_len},
    [PGW_SCRIPT_KEPT] = {pgw_embed_lua_kept, &pgw_embed_lua_kept_len},
    [PGW_SCRIPT_PEEK] = {pgw_embed_lua_peek, &pgw_embed_lua_peek_len},
    [PGW_SCRIPT_SURVEY] = {pgw_embed_lua_survey, &pgw_embed_lua_survey_len},
    [PGW_SCRIPT_CLAIM] = {pgw_embed_lua_claim, &pgw_embed_lua_claim_len},
    [PGW_SCRIPT_WALKED] = {pgw_embed_lua_walked, &pgw_embed_lua_walked_len},
    [PGW_SCRIPT_LOOK] = {pgw_embed_lua_look, &pgw_embed_lua_look_len},
    [PGW_SCRIPT_GIVE_BACK] = {pgw_embed_lua_give_back, &pgw_embed_lua_give_back_len},
    [PGW_SCRIPT_DOUBT] = {pgw_embed_lua_doubt, &pgw_embed_lua_doubt_len},
    [PGW_SCRIPT_CERTAIN] = {pgw_embed_lua_certain, &pgw_embed_lua_certain_len},
    [PGW_SCRIPT_WAKE] = {pgw_embed_lua_wake, &pgw_embed_lua_wake_len},
    [PGW_SCRIPT_REPEAT] = {pgw_embed_lua_repeat, &pgw_embed_lua_repeat_len},
    [PGW_SCRIPT_HOLD] = {pgw_embed_lua_hold, &pgw_embed_lua_hold_len},
    [PGW_SCRIPT_PUT_OFF] = {pgw_embed_lua_put_off, &pgw_embed_lua_put_off_len},
    [PGW_SCRIPT_RELEASE] = {pgw_embed_lua_release, &pgw_embed_lua_release_len},
    [PGW_SCRIPT_NOTE] = {pgw_embed_lua_note, &pgw_embed_lua_note_len},
    [PGW_SCRIPT_REDRIVE] = {pgw_embed_lua_redrive, &pgw_embed_lua_redrive_len},
    [PGW_SCRIPT_DROP] = {pgw_embed_lua_drop, &pgw_embed_lua_drop_len},
    [PGW_SCRIPT_LETTERS] = {pgw_embed_lua_letters, &pgw_embed_lua_letters_len},
    [PGW_SCRIPT_REOPEN] = {pgw_embed_lua_reopen, &pgw_embed_lua_reopen_len},
    [PGW_SCRIPT_TAG] = {pgw_embed_lua_tag, &pgw_embed_lua_tag_len},
    [PGW_SCRIPT_CANCEL] = {pgw_embed_lua_cancel, &pgw_embed_lua_cancel_len},
    [PGW_SCRIPT_CANCELLED] = {pgw_embed_lua_cancelled, &pgw_embed_lua_cancelled_len},
    [PGW_SCRIPT_PURGE] = {pgw_embed_lua_purge, &pgw_embed_lua_purge_len},
    [PGW_SCRIPT_JOIN] = {pgw_embed_lua_join, &pgw_embed_lua_join_len},
    [PGW_SCRIPT_GROUP] = {pgw_embed_lua_group, &pgw_embed_lua_group_len},
    [PGW_SCRIPT_WEIGH] = {pgw_embed_lua_weigh, &pgw_embed_lua_weigh_len},
    [PGW_SCRIPT_DELIVER] = {pgw_embed_lua_deliver, &pgw_embed_lua_deliver_len},
    [PGW_SCRIPT_ONCE] = {pgw_embed_lua_once, &pgw_embed_lua_once_len},
    [PGW_SCRIPT_ACK] = {pgw_embed_lua_ack, &pgw_embed_lua_ack_len},
    [PGW_SCRIPT_ACT] = {pgw_embed_lua_act, &pgw_embed_lua_act_len},
    [PGW_SCRIPT_FORGET] = {pgw_embed_lua_forget, &pgw_embed_lua_forget_len},
};

struct pgw_str pgw_script_text(enum pgw_script script)
{
        PGW_ASSERT((size_t)script < sizeof scripts / sizeof scripts[0]);
        return pgw_str_of(scripts[script].text, *scripts[script].size);
}

void pgw_script_begin(struct pgw_redis *redis, enum pgw_script script, size_t keys, size_t args)
{
        pgw_redis_begin(redis, 3 + keys + args);
        pgw_redis_arg(redis, PGW_STR("EVAL"));
        pgw_redis_arg(redis, pgw_script_text(script));
        pgw_redis_arg_u64(redis, keys);
}
