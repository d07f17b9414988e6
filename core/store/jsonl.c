/* SPDX-License-Identifier: MIT */
#include "store/jsonl.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 30 };

int nas_jsonl_parse(struct mn_ctx *ctx, const char *name, const char *text, size_t length,
                    nas_jsonl_fn each, void *data) {
    int status = MN_OK;
    const char *at = text, *end;
    for (size_t line = 1;
         status == MN_OK && (end = memchr(at, '\n', length - (size_t)(at - text))) != NULL;
         line++) {
        json_error_t error;
        json_t *object = json_loadb(at, (size_t)(end - at), 0, &error);
        if (object == NULL) {
            return mn_fail(ctx, MN_IO, "%s:%zu:%d: not valid JSON: %s", name, line, error.column,
                           error.text);
        }
        status = mn_cancelled(ctx) ? mn_fail(ctx, MN_CANCELLED, "%s: stopped on request", name)
                                   : each(data, ctx, object);
        json_decref(object);
        at = end + 1;
    }
    return status;
}

int nas_jsonl_read(struct mn_ctx *ctx, const char *path, nas_jsonl_fn each, void *data) {
    uint8_t *bytes;
    size_t length;
    int status = nas_file_read(ctx, path, MOST_BYTES, &bytes, &length);
    if (status == MN_OK) {
        status = nas_jsonl_parse(ctx, path, (const char *)bytes, length, each, data);
        free(bytes);
    }
    return status;
}
