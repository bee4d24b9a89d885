/* domain/job_id.h - the name of a job.
 *
 * Opaque to clients. To us it says where the entry lies (lane, partition, entry id of
 * the stream), so that a waiting job needs no record of its own, and it carries 64
 * random bits that are stored in the entry and compared at look-up, so that ids can
 * neither be guessed nor walked.
 *
 * A job of somebody who is known by name has the mark of that name in the upper half of these
 * bits: whose a job is can be told from its id alone, before anything is looked up, and an id with
 * another mark is the id of no job.
 *
 * As text: 28 characters of base64url over 21 bytes: form and lane, partition,
 * milliseconds, sequence, random bits. One job has exactly one text.
 */
#ifndef PGW_DOMAIN_JOB_ID_H
#define PGW_DOMAIN_JOB_ID_H

#include "domain/lane.h"

#define PGW_JOB_ID_SIZE   28
#define PGW_ENTRY_ID_SIZE 28 /* "ms-seq", not terminated */
#define PGW_NONCE_SIZE    16 /* the random bits in hexadecimal, as the entry has them */

struct pgw_entry_id {
        uint64_t ms;
        uint64_t seq;
};

struct pgw_job_id {
        enum pgw_lane lane;
        uint16_t partition;
        struct pgw_entry_id entry;
        uint64_t nonce;
};

/* The partition of jobs that were put off: where their entry lies is not known when they are named,
 * and is kept beside the queue (domain/later.h). Their `entry` is when they were accepted, and a
 * number. */
#define PGW_PARTITION_LATER 0xffff

static inline bool pgw_job_id_is_later(const struct pgw_job_id *id)
{
        return id->partition == PGW_PARTITION_LATER;
}

/* Write the text, not terminated. The milliseconds must fit 48 bits and the sequence 32,
 * as pgw_entry_id_parse() makes sure. */
void pgw_job_id_text(const struct pgw_job_id *, char out[PGW_JOB_ID_SIZE]);

/* PGW_E_NO_JOB for anything that pgw_job_id_text() does not write. */
enum pgw_err pgw_job_id_parse(struct pgw_str text, struct pgw_job_id *ret) PGW_MUSTUSE;

/* Read "ms-seq" as Redis sends it. PGW_E_CODEC for anything else. */
enum pgw_err pgw_entry_id_parse(struct pgw_str text, struct pgw_entry_id *ret) PGW_MUSTUSE;
size_t pgw_entry_id_text(struct pgw_entry_id, char out[PGW_ENTRY_ID_SIZE]);

/* The bits for a new job, of nobody or of who has this mark. */
uint64_t pgw_nonce_make(const uint32_t *mark);
static inline uint32_t pgw_nonce_mark(uint64_t nonce)
{
        return (uint32_t)(nonce >> 32);
}

void pgw_nonce_text(uint64_t nonce, char out[PGW_NONCE_SIZE]);
enum pgw_err pgw_nonce_parse(struct pgw_str text, uint64_t *ret) PGW_MUSTUSE;

#endif
