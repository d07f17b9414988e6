/* SPDX-License-Identifier: MIT */
#include "store/jsonl.h"

#include "base/file.h"
#include "base/text.h"

#include <inttypes.h>

enum { MOST_BYTES = 1 << 30 };

/* ---- writing ------------------------------------------------------------------------------ */

/* jansson writes reals with 17 digits, or with as many as it is told: numbers here have the fewest
 * that read back as they are, so they are written one by one. */

static void put_text(struct nas_append_log *log, const char *text) {
    json_t *value = json_string(text);
    if (log->line.out != NULL) {
        json_dumpf(value, log->line.out, JSON_ENCODE_ANY);
    }
    json_decref(value);
}

void nas_jsonl_begin(struct nas_append_log *log, const char *kind) {
    nas_append_log_start(log);
    nas_append_log_put(log, "{\"kind\":");
    put_text(log, kind);
}

void nas_jsonl_int(struct nas_append_log *log, const char *key, int64_t value) {
    nas_append_log_put(log, ",\"%s\":%" PRId64, key, value);
}

void nas_jsonl_real(struct nas_append_log *log, const char *key, double value) {
    char text[40];
    nas_append_log_put(log, ",\"%s\":%s", key, nas_text_finite(value, "null", text, sizeof text));
}

void nas_jsonl_text(struct nas_append_log *log, const char *key, const char *value) {
    nas_append_log_put(log, ",\"%s\":", key);
    put_text(log, value);
}

int nas_jsonl_end(struct nas_append_log *log, struct mn_ctx *ctx) {
    nas_append_log_put(log, "}");
    return nas_append_log_write(log, ctx);
}

/* ---- reading ------------------------------------------------------------------------------ */

int nas_jsonl_parse(struct mn_ctx *ctx, const char *name, const char *text, size_t length,
                    nas_jsonl_fn each, void *data) {
    const char *at = text, *end;
    for (size_t line = 1; (end = memchr(at, '\n', length - (size_t)(at - text))) != NULL; line++) {
        json_error_t error;
        json_t *object = json_loadb(at, (size_t)(end - at), 0, &error);
        if (object == NULL) {
            return mn_fail(ctx, MN_IO, "%s:%zu:%d: not valid JSON: %s", name, line, error.column,
                           error.text);
        }
        const int status = mn_cancelled(ctx)
                               ? mn_fail(ctx, MN_CANCELLED, "%s: stopped on request", name)
                               : each(data, ctx, object);
        json_decref(object);
        TRY(status);
        at = end + 1;
    }
    return MN_OK;
}

int nas_jsonl_read(struct mn_ctx *ctx, const char *path, nas_jsonl_fn each, void *data) {
    CLEANUP(nas_free) uint8_t *bytes = NULL;
    size_t length;
    TRY(nas_file_read(ctx, path, MOST_BYTES, &bytes, &length));
    return nas_jsonl_parse(ctx, path, (const char *)bytes, length, each, data);
}

/* ---- cutting back ------------------------------------------------------------------------- */

int64_t nas_jsonl_fitting(const char *text, size_t length, int64_t meta_epoch, int64_t evaluated) {
    const char *at = text, *end;
    int fits = 1;
    while (fits && (end = memchr(at, '\n', length - (size_t)(at - text))) != NULL) {
        json_t *object = json_loadb(at, (size_t)(end - at), 0, NULL);
        const char *kind = json_string_value(json_object_get(object, "kind"));
        const json_t *epoch = json_object_get(object, "meta_epoch");
        const int is_validation = kind != NULL && strcmp(kind, "validation") == 0;
        fits = json_is_integer(epoch) &&
               json_integer_value(epoch) <= (is_validation ? evaluated : meta_epoch);
        at = fits ? end + 1 : at;
        json_decref(object);
    }
    return at - text;
}

int nas_jsonl_until(struct mn_ctx *ctx, const char *path, int64_t meta_epoch, int64_t evaluated,
                    int64_t *length) {
    CLEANUP(nas_free) uint8_t *text = NULL;
    size_t bytes;
    *length = 0;
    if (!nas_file_exists(ctx, path)) {
        return MN_OK;
    }
    TRY(nas_file_read(ctx, path, SIZE_MAX / 2, &text, &bytes));
    *length = nas_jsonl_fitting((const char *)text, bytes, meta_epoch, evaluated);
    return MN_OK;
}
