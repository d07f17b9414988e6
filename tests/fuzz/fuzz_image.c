/* SPDX-License-Identifier: MIT */
/* A PNG or JPEG file: its shape, its pixels in gray and in colour, resized. */
#include "fuzz.h"

#include "../../plugins/imaging/image.h"

#include <stdlib.h>

/* Larger ones are only slower. */
enum { MOST_PIXELS = 1 << 14 };

static int decode(struct mn_cx *cx, const struct source_file *file, int32_t channels, int32_t width,
                  int32_t height) {
    struct image_work work = {0};
    struct image decoded, resized;
    unsigned sum = 0;
    const int status = image_decode(cx, &work, file, channels, &decoded);
    fuzz_must_explain(cx, status);
    if (status == MN_OK) {
        fuzz_must(decoded.width == width && decoded.height == height);
        fuzz_must(decoded.channels == channels);
        fuzz_must(image_resize(cx, &work, &decoded, 7, 9, &resized) == MN_OK);
        for (int32_t i = 0; i < 7 * 9 * channels; i++) {
            sum += resized.pixels[i];
        }
        fuzz_must(sum <= 255u * 7 * 9 * 3);
    }
    mn__cx_clear(cx);
    return status == MN_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mn__cx context;
    struct mn_cx *cx = fuzz_begin(&context);
    const struct source_file file = {"a.png", "", 0, data, size};
    struct image_work work = {0};
    int32_t width = 0, height = 0;
    const int status = image_shape(cx, &work, &file, &width, &height);
    fuzz_must_explain(cx, status);
    if (status == MN_OK) {
        fuzz_must(width >= 1 && width <= IMAGE_SIDE_MOST);
        fuzz_must(height >= 1 && height <= IMAGE_SIDE_MOST);
    }
    if (status == MN_OK && (int64_t)width * height <= MOST_PIXELS) {
        const int gray = decode(cx, &file, 1, width, height);
        fuzz_must(decode(cx, &file, 3, width, height) == gray);
        fuzz_accepted += gray;
    }
    fuzz_end(&context);
    return 0;
}
