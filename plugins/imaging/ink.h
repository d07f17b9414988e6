/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_IMAGING_INK_H
#define PLUGINS_IMAGING_INK_H

/* Characters: dark ink on white paper in the files, numbers that count ink in the network. */

#include "image.h"

/* A square file as gray, resized, inverted: out[size][size], paper is 0, ink 255. IMAGE_UNREADABLE;
 * MN_IO for another shape. */
int ink_read(struct mn_ctx *ctx, struct image_work *work, const struct source_file *file,
             int32_t size, uint8_t *out);

/* `picture` of a data set whose images are ink / 255 in one channel (struct mn_dataset). */
int ink_picture(const void *self, struct mn_ctx *ctx, const struct mn_picture *picture,
                mn_real *out);

#endif
