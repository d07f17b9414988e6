/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_IMAGING_IMAGE_H
#define PLUGINS_IMAGING_IMAGE_H

/* Pixels from image files: decoded, turned upright, converted to gray or colour, resized. */

#include "source.h"

enum { IMAGE_PIXELS_MOST = 100000000 };

struct image {
    int32_t width, height, channels; /* channels 1 (gray) or 3 (RGB) */
    uint8_t *pixels;                 /* [height][width][channels], in an image_work */
};

/* Scratch memory that serves image after image of one callback, and what was said of the last. */
struct image_work {
    struct room state, decoded, turned, resized, taps, rows;
    char fault[300]; /* why it cannot be read */
    int unended;     /* it is a JPEG file without its end, but with all rows */
};

/* Status beside those of mn_fail, without a message in ctx: work->fault says what is wrong with the
 * file. */
enum { IMAGE_UNREADABLE = 1 };

/* Width and height from the header of a file, as it is seen: turned by its EXIF orientation. */
int image_shape(struct mn_ctx *ctx, struct image_work *work, const struct source_file *file,
                int32_t *width, int32_t *height);

/* Read a file as gray (out->channels = 1: ITU-R 601 luma of a colour image) or RGB (3), upright,
 * and resized to out->width x out->height; 0 = as it is. What is transparent is on white. Valid
 * until the next call with `work`. A JPEG file many times larger than wanted is decoded at a
 * fraction of its size. IMAGE_UNREADABLE, MN_NOMEM, MN_CANCELLED. */
int image_read(struct mn_ctx *ctx, struct image_work *work, const struct source_file *file,
               struct image *out);

/* The status for the reading of a single image, from that of image_read: a message where it is
 * unreadable, a warning where it lacks its end. */
int image_of_user(struct mn_ctx *ctx, const struct image_work *work, const struct source_file *file,
                  int status);

/* Resize by a triangle filter: bilinear; its support grows with the factor when shrinking, against
 * aliasing. Valid until the next call with `work`. Fails only for memory. */
int image_resize(struct mn_ctx *ctx, struct image_work *work, const struct image *in, int32_t width,
                 int32_t height, struct image *out);

/* ---- for the formats ---------------------------------------------------------------------- */

struct image_decoder {
    struct mn_ctx *ctx;
    const uint8_t *bytes;
    size_t size;
    int32_t wanted_width, wanted_height; /* upright; 0 = all pixels */
    int32_t width, height;               /* of the file */
    int32_t depth;                       /* bytes a pixel that `pixels` may use */
    int orientation;                     /* 1..8 as in EXIF */
    int unended;
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
extern const struct image_format image_png, image_jpeg, image_webp;

/* The orientation in EXIF data, 1 where it says none. */
int exif_orientation(const uint8_t *bytes, size_t size);

#endif
