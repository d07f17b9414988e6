/* SPDX-License-Identifier: MIT */
#include "run/lines.h"

#include "run/file.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 30 };

int mn__lines_parse(struct mn_cx *cx, const char *name, const char *text, size_t length,
                    mn__line_fn each, void *data) {
    int status = MN_OK;
    const char *at = text, *end;
    for (size_t line = 1;
         status == MN_OK && (end = memchr(at, '\n', length - (size_t)(at - text))) != NULL;
         line++) {
        json_error_t error;
        json_t *object = json_loadb(at, (size_t)(end - at), 0, &error);
        if (object == NULL) {
            return mn_fail(cx, MN_IO, "%s:%zu:%d: not valid JSON: %s", name, line, error.column,
                           error.text);
        }
        status = mn_cancelled(cx) ? mn_fail(cx, MN_CANCELLED, "%s: stopped on request", name)
                                  : each(data, cx, object);
        json_decref(object);
        at = end + 1;
    }
    return status;
}

int mn__lines_read(struct mn_cx *cx, const char *path, mn__line_fn each, void *data) {
    uint8_t *bytes;
    size_t length;
    int status = mn__file_read(cx, path, MOST_BYTES, &bytes, &length);
    if (status == MN_OK) {
        status = mn__lines_parse(cx, path, (const char *)bytes, length, each, data);
        free(bytes);
    }
    return status;
}
