/* SPDX-License-Identifier: MIT */
#include "ink.h"

int ink_read(struct mn_ctx *ctx, struct image_work *work, const struct source_file *file,
             int32_t size, uint8_t *out) {
    struct image image = {size, size, 1, NULL};
    int32_t width, height;
    int status = image_shape(ctx, work, file, &width, &height);
    if (status == MN_OK && width != height) {
        return source_fail(ctx, file, "the image has %dx%d pixels; a square one is needed",
                           (int)width, (int)height);
    }
    status = status == MN_OK ? image_read(ctx, work, file, &image) : status;
    for (int64_t i = 0; status == MN_OK && i < (int64_t)size * size; i++) {
        out[i] = (uint8_t)(255 - image.pixels[i]);
    }
    return status;
}

int ink_picture(const void *self, struct mn_ctx *ctx, const struct mn_picture *picture,
                mn_real *out) {
    struct image_work work = {0};
    const struct source_file file = source_picture(picture);
    const int64_t n = (int64_t)picture->height * picture->width;
    uint8_t *ink = mn_scratch(ctx, (size_t)n);
    const int status = ink != NULL ? ink_read(ctx, &work, &file, picture->height, ink) : MN_NOMEM;
    for (int64_t i = 0; status == MN_OK && i < n; i++) {
        out[i] = (mn_real)ink[i] / 255;
    }
    return image_of_user(ctx, &work, &file, status);
}
