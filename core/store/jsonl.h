/* SPDX-License-Identifier: MIT */
#ifndef NAS_STORE_JSONL_H
#define NAS_STORE_JSONL_H

/* Files of a JSON object in each line: metrics.jsonl and timing.jsonl, read back. */

#include "base/ctx.h"

#include <jansson.h>

/* Takes a line; the object is given back after the call unless it is kept by json_incref. Another
 * status than MN_OK ends the reading. */
typedef int (*nas_jsonl_fn)(void *data, struct mn_ctx *ctx, json_t *object);

/* Every line of a file to `each`. A last line without its line feed was not written whole and is
 * passed over. MN_IO with file and line where one is not JSON; MN_CANCELLED. */
int nas_jsonl_read(struct mn_ctx *ctx, const char *path, nas_jsonl_fn each, void *data);
/* The same of bytes in memory; `name` is that of messages. */
int nas_jsonl_parse(struct mn_ctx *ctx, const char *name, const char *text, size_t length,
                    nas_jsonl_fn each, void *data);

#endif
