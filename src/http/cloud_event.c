/* Attributes in headers are percent-encoded (CloudEvents HTTP binding, 3.1.3.2) and must be UTF-8
 * when they are decoded. What a batch or a structured event is made of is checked before anything
 * comes of it: specversion, id, source and type are what makes it an event. */
#include "http/cloud_event.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/codec.h"
#include "base/json.h"

#define PGW_CLOUD_HEADER_MAX 64

static struct pgw_str text_of(const json_t *value)
{
        return pgw_str_of(json_string_value(value), json_string_length(value));
}

/* ---- attributes ---- */

static bool of_header(const struct pgw_cloud_event *event, struct pgw_str name,
                      char room[PGW_CLOUD_ATTRIBUTE_MAX], struct pgw_str *ret)
{
        char header[PGW_CLOUD_HEADER_MAX] = "ce-";
        struct pgw_str value;
        size_t size;

        if (name.n > sizeof header - 3)
                return false;
        memcpy(header + 3, name.p, name.n);
        if (event->header(event->ctx, pgw_str_of(header, 3 + name.n), &value) != 1 ||
            value.n > PGW_CLOUD_ATTRIBUTE_MAX || pgw_url_decode(value, room, &size))
                return false;
        *ret = pgw_str_of(room, size);
        return pgw_utf8_is_valid(*ret);
}

/* An attribute may be a number or a truth as well. */
static bool of_member(const struct pgw_cloud_event *event, struct pgw_str name,
                      char room[PGW_CLOUD_ATTRIBUTE_MAX], struct pgw_str *ret)
{
        const json_t *value = json_object_getn(event->attributes, name.p, name.n);

        *ret = text_of(value);
        if (json_is_integer(value)) {
                const int n = snprintf(room, PGW_CLOUD_ATTRIBUTE_MAX, "%" JSON_INTEGER_FORMAT,
                                       json_integer_value(value));
                *ret = pgw_str_of(room, (size_t)n);
        } else if (json_is_boolean(value)) {
                *ret = json_is_true(value) ? PGW_STR("true") : PGW_STR("false");
        }
        return ret->n <= PGW_CLOUD_ATTRIBUTE_MAX;
}

bool pgw_cloud_attribute(const struct pgw_cloud_event *event, struct pgw_str name,
                         char room[PGW_CLOUD_ATTRIBUTE_MAX], struct pgw_str *ret)
{
        bool is_there = false;

        if (event->form == PGW_CLOUD_BINARY)
                is_there = of_header(event, name, room, ret);
        else if (event->form == PGW_CLOUD_STRUCTURED)
                is_there = of_member(event, name, room, ret);
        return is_there && ret->n > 0;
}

static enum pgw_err check_event(const struct pgw_cloud_event *event, struct pgw_fault *fault)
{
        static const char *const needed[] = {"id", "source", "type"};
        char room[PGW_CLOUD_ATTRIBUTE_MAX];
        struct pgw_str value;

        if (!pgw_cloud_attribute(event, PGW_STR("specversion"), room, &value) ||
            !pgw_str_eq_z(value, "1.0")) {
                pgw_fault_set(fault, "", "A CloudEvent needs the specversion 1.0.");
                return PGW_E_EVENT;
        }
        for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
                if (!pgw_cloud_attribute(event, pgw_str_z(needed[i]), room, &value)) {
                        pgw_fault_set(fault, "", "A CloudEvent needs the attribute %s.", needed[i]);
                        return PGW_E_EVENT;
                }
        return PGW_OK;
}

/* ---- the three forms ---- */

/* JSON that came as base64, because its producer did not look at it. */
static enum pgw_err decode_data(struct pgw_cloud_events *events, struct pgw_str text,
                                struct pgw_fault *fault, const json_t **ret)
{
        char *bytes = pgw_alloc(text.n / 4 * 3 + 3);
        size_t size = 0;
        json_t *data = NULL;
        enum pgw_err err = pgw_unbase64(text, bytes, &size);

        if (err) {
                pgw_fault_set(fault, "", "`data_base64` of a CloudEvent is not base64.");
                err = PGW_E_EVENT;
        } else {
                err = pgw_json_parse(bytes, size, fault, &data);
        }
        pgw_free(bytes);
        if (err)
                return err;
        if (!events->_decoded)
                events->_decoded = json_array();
        json_array_append_new(events->_decoded, data);
        *ret = data;
        return PGW_OK;
}

static enum pgw_err add_structured(struct pgw_cloud_events *events,
                                   const struct pgw_hook_message *m, const json_t *value,
                                   struct pgw_fault *fault)
{
        struct pgw_cloud_event *event = &events->items[events->count++];
        const json_t *encoded = json_object_get(value, "data_base64");

        *event = (struct pgw_cloud_event){.payload = json_object_get(value, "data"),
                                          .form = PGW_CLOUD_STRUCTURED,
                                          .attributes = value,
                                          .header = m->header,
                                          .ctx = m->ctx};
        enum pgw_err err = check_event(event, fault);
        if (!err && !event->payload && encoded)
                err = decode_data(events, text_of(encoded), fault, &event->payload);
        return err;
}

static enum pgw_err add_batch(struct pgw_cloud_events *events, const struct pgw_hook_message *m,
                              struct pgw_fault *fault)
{
        const size_t count = json_array_size(events->_document);
        enum pgw_err err = PGW_OK;

        if (!json_is_array(events->_document) || count > PGW_CLOUD_EVENTS_MAX) {
                pgw_fault_set(fault, "", "A batch is a list of at most %d CloudEvents.",
                              PGW_CLOUD_EVENTS_MAX);
                return PGW_E_EVENT;
        }
        for (size_t i = 0; i < count && !err; i++)
                err = add_structured(events, m, json_array_get(events->_document, i), fault);
        return err;
}

/* "Application/JSON; charset=utf-8" is application/json. */
static struct pgw_str type_of(const struct pgw_hook_message *m)
{
        struct pgw_str value, type, parameters;

        switch (m->header(m->ctx, PGW_STR("content-type"), &value)) {
        case 0:
                return PGW_STR("");
        case 1:
                break;
        default:
                return PGW_STR("several");
        }
        type = value;
        (void)pgw_str_cut(value, ';', &type, &parameters);
        return pgw_str_trim(type);
}

static bool ends_with(struct pgw_str text, struct pgw_str end)
{
        return text.n >= end.n &&
               pgw_str_eq_nocase(pgw_str_of(text.p + text.n - end.n, end.n), end);
}

/* What says nothing of itself may be JSON. */
static bool is_json(struct pgw_str type)
{
        return type.n == 0 || pgw_str_eq_nocase(type, PGW_STR("application/json")) ||
               pgw_str_eq_nocase(type, PGW_STR("text/json")) || ends_with(type, PGW_STR("+json"));
}

/* Structured or batched, by the type of the body. */
static bool is_structured(struct pgw_str type, bool *ret_is_batch)
{
        *ret_is_batch = pgw_str_eq_nocase(type, PGW_STR("application/cloudevents-batch+json"));
        return *ret_is_batch || pgw_str_eq_nocase(type, PGW_STR("application/cloudevents+json"));
}

static enum pgw_err read_document(const struct pgw_hook_message *m, struct pgw_fault *fault,
                                  struct pgw_cloud_events *events)
{
        const struct pgw_str type = type_of(m);
        struct pgw_str version;
        bool is_batch;

        if (!is_json(type)) {
                pgw_fault_set(fault, "", "send the body as Content-Type: application/json");
                return PGW_E_MEDIA_TYPE;
        }
        const bool is_whole = is_structured(type, &is_batch);
        const bool is_binary =
            !is_whole && m->header(m->ctx, PGW_STR("ce-specversion"), &version) > 0;
        enum pgw_err err = PGW_OK;
        if (m->body.n > 0 || !is_binary)
                err = pgw_json_parse(m->body.p, m->body.n, fault, &events->_document);
        if (err)
                return err;
        if (is_batch)
                return add_batch(events, m, fault);
        if (is_whole)
                return add_structured(events, m, events->_document, fault);
        events->items[events->count++] =
            (struct pgw_cloud_event){.payload = events->_document,
                                     .form = is_binary ? PGW_CLOUD_BINARY : PGW_CLOUD_NONE,
                                     .header = m->header,
                                     .ctx = m->ctx};
        return is_binary ? check_event(&events->items[0], fault) : PGW_OK;
}

enum pgw_err pgw_cloud_events_read(const struct pgw_hook_message *m, struct pgw_fault *fault,
                                   struct pgw_cloud_events *ret)
{
        ret->count = 0;
        ret->_document = ret->_decoded = NULL;
        const enum pgw_err err = read_document(m, fault, ret);
        if (err)
                pgw_cloud_events_fini(ret);
        return err;
}

void pgw_cloud_events_fini(struct pgw_cloud_events *events)
{
        json_decref(events->_document);
        json_decref(events->_decoded);
        events->_document = events->_decoded = NULL;
        events->count = 0;
}

static enum pgw_err add_attribute(const struct pgw_cloud_event *event, const char *head,
                                  struct pgw_str name, struct pgw_buf *out)
{
        char room[PGW_CLOUD_ATTRIBUTE_MAX];
        struct pgw_str value;

        if (!pgw_cloud_attribute(event, name, room, &value))
                return PGW_E_EVENT;
        enum pgw_err err = pgw_buf_add_str(out, pgw_str_z(head));
        return err ? err : pgw_buf_add_str(out, value);
}

enum pgw_err pgw_cloud_events_id(const struct pgw_cloud_events *events, struct pgw_buf *out)
{
        enum pgw_err err = PGW_OK;

        for (size_t i = 0; i < events->count && !err; i++) {
                const struct pgw_cloud_event *event = &events->items[i];
                if (event->form == PGW_CLOUD_NONE)
                        return PGW_OK;
                err = add_attribute(event, i ? " " : "", PGW_STR("source"), out);
                if (!err)
                        err = add_attribute(event, " ", PGW_STR("id"), out);
        }
        return err;
}
