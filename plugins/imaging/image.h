/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_IMAGING_IMAGE_H
#define PLUGINS_IMAGING_IMAGE_H

/* Pixels from image files: decoded, converted to gray or colour, resized. */

#include "source.h"

enum { IMAGE_SIDE_MOST = 4096 };

struct image {
    int32_t width, height, channels; /* channels 1 (gray) or 3 (RGB) */
    uint8_t *pixels;                 /* [height][width][channels], in an image_work */
};

/* Scratch memory that grows with need and serves image after image of one callback. */
struct image_room {
    void *at;
    size_t bytes;
};
struct image_work {
    struct image_room state, decoded, resized, taps, rows;
};
void *image_need(struct mn_cx *cx, struct image_room *room, size_t bytes);

/* Width and height from the header of a file. MN_IO where it is no PNG or JPEG or too large. */
int image_shape(struct mn_cx *cx, struct image_work *work, const struct source_file *file,
                int32_t *width, int32_t *height);

/* Decode a file as gray (channels = 1: ITU-R 601 luma of a colour image) or RGB (3). Transparency
 * is ignored. Valid until the next call with `work`. MN_IO. */
int image_decode(struct mn_cx *cx, struct image_work *work, const struct source_file *file,
                 int32_t channels, struct image *out);

/* Resize by a triangle filter: bilinear; its support grows with the factor when shrinking, against
 * aliasing. Valid until the next call with `work`. Fails only for memory. */
int image_resize(struct mn_cx *cx, struct image_work *work, const struct image *in, int32_t width,
                 int32_t height, struct image *out);

/* ---- for png.c and jpeg.c ----------------------------------------------------------------- */

struct image_decoder {
    const uint8_t *bytes;
    size_t size;
    struct image image; /* `begin` sets the shape, `pixels` fills the pixels */
    void *state;
    char fault[200]; /* why begin or pixels failed */
};

/* begin, then pixels if wanted, then end whatever they returned (0 = failed). */
struct image_format {
    const char *name;
    size_t state_bytes;
    int (*begin)(struct image_decoder *decoder);
    int (*pixels)(struct image_decoder *decoder);
    void (*end)(struct image_decoder *decoder);
};
extern const struct image_format image_png, image_jpeg;

#endif
