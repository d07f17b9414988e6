/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_LINES_H
#define MN__RUN_LINES_H

/* Files of a JSON object in each line: metrics.jsonl and timing.jsonl, read back. */

#include "base/cx.h"

#include <jansson.h>

/* Takes a line; the object is given back after the call unless it is kept by json_incref. Another
 * status than MN_OK ends the reading. */
typedef int (*mn__line_fn)(void *data, struct mn_cx *cx, json_t *object);

/* Every line of a file to `each`. A last line without its line feed was not written whole and is
 * passed over. MN_IO with file and line where one is not JSON; MN_CANCELLED. */
int mn__lines_read(struct mn_cx *cx, const char *path, mn__line_fn each, void *data);
/* The same of bytes in memory; `name` is that of messages. */
int mn__lines_parse(struct mn_cx *cx, const char *name, const char *text, size_t length,
                    mn__line_fn each, void *data);

#endif
