/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <string.h>

void *image_need(struct mn_cx *cx, struct image_room *room, size_t bytes) {
    if (bytes > room->bytes || room->at == NULL) {
        room->at = mn_scratch(cx, bytes);
        room->bytes = room->at != NULL ? bytes : 0;
    }
    return room->at;
}

/* By content: names are often wrong. */
static const struct image_format *format_of(const struct source_file *file) {
    static const uint8_t png[] = {0x89, 'P', 'N', 'G', 13, 10, 26, 10};
    static const uint8_t jpeg[] = {0xFF, 0xD8, 0xFF};
    if (file->size >= sizeof png && memcmp(file->bytes, png, sizeof png) == 0) {
        return &image_png;
    }
    if (file->size >= sizeof jpeg && memcmp(file->bytes, jpeg, sizeof jpeg) == 0) {
        return &image_jpeg;
    }
    return NULL;
}

static int check_shape(struct mn_cx *cx, const struct source_file *file,
                       const struct image *image) {
    if (image->width > IMAGE_SIDE_MOST || image->height > IMAGE_SIDE_MOST) {
        return source_fail(cx, file, "the image has %dx%d pixels; the most is %d a side",
                           (int)image->width, (int)image->height, (int)IMAGE_SIDE_MOST);
    }
    return MN_OK;
}

/* The order of pixels allows one buffer: the narrower form never overtakes the wider. */
static void convert(struct image *image, int32_t channels) {
    const int64_t n = (int64_t)image->width * image->height;
    uint8_t *p = image->pixels;
    if (image->channels == 3 && channels == 1) {
        for (int64_t i = 0; i < n; i++) {
            p[i] =
                (uint8_t)((19595 * p[3 * i] + 38470 * p[3 * i + 1] + 7471 * p[3 * i + 2] + 32768) >>
                          16);
        }
    } else if (image->channels == 1 && channels == 3) {
        for (int64_t i = n - 1; i >= 0; i--) {
            p[3 * i + 2] = p[3 * i + 1] = p[3 * i] = p[i];
        }
    }
    image->channels = channels;
}

/* channels = 0: only the shape. */
static int run(struct mn_cx *cx, struct image_work *work, const struct source_file *file,
               const struct image_format *format, struct image_decoder *d, int32_t channels) {
    if (!format->begin(d)) {
        return source_fail(cx, file, "broken %s file: %s", format->name, d->fault);
    }
    const int status = check_shape(cx, file, &d->image);
    if (status != MN_OK || channels == 0) {
        return status;
    }
    d->image.pixels =
        image_need(cx, &work->decoded, (size_t)d->image.width * (size_t)d->image.height * 3);
    if (d->image.pixels == NULL) {
        return MN_NOMEM;
    }
    return format->pixels(d) ? MN_OK
                             : source_fail(cx, file, "broken %s file: %s", format->name, d->fault);
}

static int decode(struct mn_cx *cx, struct image_work *work, const struct source_file *file,
                  int32_t channels, struct image *out) {
    const struct image_format *format = format_of(file);
    if (format == NULL) {
        return source_fail(cx, file, "%s",
                           file->size == 0 ? "the file is empty" : "neither a PNG nor a JPEG file");
    }
    struct image_decoder d = {.bytes = file->bytes, .size = file->size};
    d.state = image_need(cx, &work->state, format->state_bytes);
    if (d.state == NULL) {
        return MN_NOMEM;
    }
    memset(d.state, 0, format->state_bytes);
    const int status = run(cx, work, file, format, &d, channels);
    format->end(&d);
    *out = d.image;
    return status;
}

int image_shape(struct mn_cx *cx, struct image_work *work, const struct source_file *file,
                int32_t *width, int32_t *height) {
    struct image image;
    const int status = decode(cx, work, file, 0, &image);
    if (status == MN_OK) {
        *width = image.width;
        *height = image.height;
    }
    return status;
}

int image_decode(struct mn_cx *cx, struct image_work *work, const struct source_file *file,
                 int32_t channels, struct image *out) {
    const int status = decode(cx, work, file, channels, out);
    if (status == MN_OK) {
        convert(out, channels);
    }
    return status;
}
