/* http/cloud_event.h - what a delivery says: JSON, or CloudEvents 1.0 in any of their three forms.
 *
 *      binary      ce-specversion is there: the attributes are headers, the body is the data
 *      structured  application/cloudevents+json: the body has the attributes, and the data in
 * `data` batched     application/cloudevents-batch+json: many of these neither     the body is the
 * payload
 *
 * In all of them the data is the payload and attributes are asked for by name, so a hook need not
 * know in which form its events come.
 *
 * Pure.
 */
#ifndef PGW_HTTP_CLOUD_EVENT_H
#define PGW_HTTP_CLOUD_EVENT_H

#include <jansson.h>

#include "base/buf.h"
#include "http/hook_signature.h"

#define PGW_CLOUD_EVENTS_MAX    100 /* of a batch */
#define PGW_CLOUD_ATTRIBUTE_MAX 1024
#define PGW_CLOUD_EVENTS_ID_MAX (PGW_CLOUD_EVENTS_MAX * 2 * (PGW_CLOUD_ATTRIBUTE_MAX + 1))

enum pgw_cloud_form { PGW_CLOUD_NONE, PGW_CLOUD_BINARY, PGW_CLOUD_STRUCTURED };

/* One event; all is borrowed. */
struct pgw_cloud_event {
        const json_t *payload; /* NULL: none */
        enum pgw_cloud_form form;
        const json_t *attributes;  /* of a structured one */
        pgw_hook_header_f *header; /* of the delivery */
        void *ctx;
};

struct pgw_cloud_events {
        struct pgw_cloud_event items[PGW_CLOUD_EVENTS_MAX];
        size_t count;
        json_t *_document;
        json_t *_decoded; /* what came in data_base64 */
};

/* PGW_E_JSON, PGW_E_MEDIA_TYPE or PGW_E_EVENT (no CloudEvent) with the reason. */
enum pgw_err pgw_cloud_events_read(const struct pgw_hook_message *, struct pgw_fault *reterr_fault,
                                   struct pgw_cloud_events *ret) PGW_MUSTUSE;
void pgw_cloud_events_fini(struct pgw_cloud_events *);

/* The text of an attribute, decoded; false when there is none. `room` holds it if need be. */
bool pgw_cloud_attribute(const struct pgw_cloud_event *, struct pgw_str name,
                         char room[PGW_CLOUD_ATTRIBUTE_MAX], struct pgw_str *ret);

/* Source and id of each, which together are an event's own; nothing for what is no CloudEvent. */
enum pgw_err pgw_cloud_events_id(const struct pgw_cloud_events *, struct pgw_buf *out) PGW_MUSTUSE;

#endif
