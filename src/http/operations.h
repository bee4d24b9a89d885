/* http/operations.h - the act (and understand) rooms of the contract's operations. */
#ifndef PGW_HTTP_OPERATIONS_H
#define PGW_HTTP_OPERATIONS_H

#include "http/exchange.h"

pgw_operation_f pgw_op_invalidate_understand, pgw_op_invalidate;
pgw_operation_f pgw_op_job_understand, pgw_op_job;
pgw_operation_f pgw_op_queues;
pgw_operation_f pgw_op_tagging_understand, pgw_op_tagging, pgw_op_untagging;
pgw_operation_f pgw_op_batch_understand, pgw_op_batch, pgw_op_group, pgw_op_event_understand;
pgw_operation_f pgw_op_cancel_rebounds;
pgw_operation_f pgw_op_tag_understand, pgw_op_tag, pgw_op_tag_members;
pgw_operation_f pgw_op_letter_understand, pgw_op_letter, pgw_op_letters;
pgw_operation_f pgw_op_redrive_one, pgw_op_drop_one, pgw_op_redrive, pgw_op_drop;
pgw_operation_f pgw_op_cancel_understand, pgw_op_cancel;
pgw_operation_f pgw_op_queue_understand, pgw_op_pause, pgw_op_resume, pgw_op_purge_queue;
pgw_operation_f pgw_op_workers;
pgw_operation_f pgw_op_audit, pgw_op_audit_export;
pgw_operation_f pgw_op_livez, pgw_op_readyz;
pgw_operation_f pgw_op_metrics;
pgw_operation_f pgw_op_openapi_yaml, pgw_op_openapi_json, pgw_op_docs;

#endif
