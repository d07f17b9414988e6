/* SPDX-License-Identifier: MIT */
#ifndef NAS_STORE_JSONL_H
#define NAS_STORE_JSONL_H

/* Files of a JSON object in each line: metrics.jsonl and timing.jsonl. */

#include "store/append_log.h"

#include <jansson.h>

/* For CLEANUP. */
static inline void nas_json_free(json_t **value) {
    json_decref(*value);
}

/* Write one line: {"kind":"train", ...}; numbers read back exactly, NaN is null. */
void nas_jsonl_begin(struct nas_append_log *log, const char *kind);
void nas_jsonl_int(struct nas_append_log *log, const char *key, int64_t value);
void nas_jsonl_real(struct nas_append_log *log, const char *key, double value);
void nas_jsonl_text(struct nas_append_log *log, const char *key, const char *value);
int nas_jsonl_end(struct nas_append_log *log, struct mn_ctx *ctx);

/* Takes a line; the object is given back after the call unless it is kept by json_incref. Another
 * status than MN_OK ends the reading. */
typedef int (*nas_jsonl_fn)(void *data, struct mn_ctx *ctx, json_t *object);

/* Every line of a file to `each`. A last line without its line feed was not written whole and is
 * passed over. MN_IO with file and line where one is not JSON; MN_CANCELLED. */
int nas_jsonl_read(struct mn_ctx *ctx, const char *path, nas_jsonl_fn each, void *data);
/* The same of bytes in memory; `name` is that of messages. */
int nas_jsonl_parse(struct mn_ctx *ctx, const char *name, const char *text, size_t length,
                    nas_jsonl_fn each, void *data);

/* Bytes of a file up to the first line that is not JSON or tells of more than these meta-epochs (a
 * line of validation, than `evaluated`); 0 where there is no file. MN_IO. */
int nas_jsonl_until(struct mn_ctx *ctx, const char *path, int64_t meta_epoch, int64_t evaluated,
                    int64_t *length);
/* The same of such lines in memory. */
int64_t nas_jsonl_fitting(const char *text, size_t length, int64_t meta_epoch, int64_t evaluated);

#endif
