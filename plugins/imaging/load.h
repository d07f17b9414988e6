/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_IMAGING_LOAD_H
#define PLUGINS_IMAGING_LOAD_H

/* All images of a data set, read while their folder or archive is. */

#include "image.h"

/* What is made of file i of a source: `bytes` in `out`. IMAGE_UNREADABLE leaves it out. */
struct loader {
    int (*read)(void *self, struct mn_ctx *ctx, struct image_work *work,
                const struct source_file *file, int64_t i, uint8_t *out);
    void *self;
    size_t bytes; /* 0 = nothing: *out is NULL */
};

/* Read the files of the sources into *out[files that were left][bytes], one source after the other,
 * in memory of mn_keep_shared. Files that cannot be read leave the lists, and are noted; it is an
 * error where a source has no others. [setup] MN_IO, MN_NOMEM, MN_CANCELLED. */
int load_images(struct mn_ctx *ctx, struct source *sources, int n, const struct loader *loader,
                uint8_t **out);

#endif
