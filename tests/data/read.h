/* SPDX-License-Identifier: MIT */
#ifndef TESTS_DATA_READ_H
#define TESTS_DATA_READ_H

/* All files of a folder or an archive at once. */

#include "../../plugins/imaging/source.h"

#include <string.h>

static int read_take(void *data, struct mn_ctx *ctx, int64_t i, const struct source_file *file,
                     const char *fault) {
    struct source *source = data;
    if (fault != NULL) {
        return source_fail(ctx, file, "%s", fault);
    }
    uint8_t *bytes = mn_scratch(ctx, file->size);
    if (bytes == NULL) {
        return MN_NOMEM;
    }
    memcpy(bytes, file->bytes, file->size);
    source->files[i].bytes = bytes;
    source->files[i].size = file->size;
    return MN_OK;
}

static inline int read_source(struct mn_ctx *ctx, const char *path, struct source *out) {
    const int status = source_list(ctx, path, mn_scratch, out);
    return status == MN_OK ? source_each(ctx, out, read_take, out) : status;
}

#endif
