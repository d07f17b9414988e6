/* SPDX-License-Identifier: MIT */
#include "ink.h"

int ink_read(struct mn_cx *cx, struct image_work *work, const struct source_file *file,
             int32_t size, uint8_t *out) {
    struct image image, resized;
    int status = image_decode(cx, work, file, 1, &image);
    if (status != MN_OK) {
        return status;
    }
    if (image.width != image.height) {
        return source_fail(cx, file, "the image has %dx%d pixels; a square one is needed",
                           (int)image.width, (int)image.height);
    }
    status = image_resize(cx, work, &image, size, size, &resized);
    for (int64_t i = 0; status == MN_OK && i < (int64_t)size * size; i++) {
        out[i] = (uint8_t)(255 - resized.pixels[i]);
    }
    return status;
}

int ink_picture(const void *self, struct mn_cx *cx, const struct mn_picture *picture,
                mn_real *out) {
    struct image_work work = {0};
    const struct source_file file = source_picture(picture);
    const int64_t n = (int64_t)picture->height * picture->width;
    uint8_t *ink = mn_scratch(cx, (size_t)n);
    const int status = ink != NULL ? ink_read(cx, &work, &file, picture->height, ink) : MN_NOMEM;
    for (int64_t i = 0; status == MN_OK && i < n; i++) {
        out[i] = (mn_real)ink[i] / 255;
    }
    return status;
}
