/* SPDX-License-Identifier: MIT */
/* A PNG, JPEG or WebP file, with EXIF data or without: its shape, its pixels in gray and in colour,
 * as they are and resized, which decodes a JPEG at a fraction of its size. And the same bytes as
 * EXIF data alone. */
#include "fuzz.h"

#include "../../plugins/imaging/image.h"

#include <stdlib.h>

/* Larger ones are only slower. */
enum { MOST_PIXELS = 1 << 14 };

/* A status of the reading of a file: a failure without a message in ctx says what is wrong. */
static void check_status(const struct mn_ctx *ctx, const struct image_work *work, int status) {
    fuzz_must(status == MN_OK || status == IMAGE_UNREADABLE);
    fuzz_must(nas_ctx_message(ctx)[0] == '\0');
    fuzz_must(status == MN_OK || work->fault[0] != '\0');
}

static int decode(struct mn_ctx *ctx, const struct source_file *file, const struct image *wanted,
                  int32_t width, int32_t height) {
    struct image_work work = {0};
    struct image image = *wanted;
    unsigned sum = 0;
    const int status = image_read(ctx, &work, file, &image);
    check_status(ctx, &work, status);
    if (status != MN_OK) {
        return 0;
    }
    fuzz_must(image.width == (wanted->width > 0 ? wanted->width : width));
    fuzz_must(image.height == (wanted->height > 0 ? wanted->height : height));
    fuzz_must(image.channels == wanted->channels);
    const int32_t n = image.width * image.height * image.channels;
    for (int32_t i = 0; i < n; i++) {
        sum += image.pixels[i];
    }
    fuzz_must(sum <= 255u * (unsigned)n);
    return 1;
}

FUZZ_TARGET(image) {
    static const struct image wanted[] = {
        {0, 0, 1, NULL}, {0, 0, 3, NULL}, {7, 9, 3, NULL}, {1, 1, 1, NULL}, {2, 1, 3, NULL}};
    struct nas_ctx context;
    struct mn_ctx *ctx = fuzz_begin(&context);
    const struct source_file file = {"a.png", "", 0, data, size};
    struct image_work work = {0};
    int32_t width = 0, height = 0;
    const int orientation = exif_orientation(data, size);
    fuzz_must(orientation >= 1 && orientation <= 8);
    const int status = image_shape(ctx, &work, &file, &width, &height);
    check_status(ctx, &work, status);
    if (status == MN_OK) {
        fuzz_must(width >= 1 && height >= 1 && (int64_t)width * height <= IMAGE_PIXELS_MOST);
    }
    if (status == MN_OK && (int64_t)width * height <= MOST_PIXELS) {
        int accepted = 0;
        for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
            accepted |= decode(ctx, &file, &wanted[i], width, height);
        }
        fuzz_accepted += accepted;
    }
    fuzz_end(&context);
    return 0;
}
