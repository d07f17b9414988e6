/* SPDX-License-Identifier: MIT */
#include "../../plugins/imaging/image.h"
#include "files.h"
#include "store.h"

#include <png.h>
#include <stdlib.h>

/* ---- help --------------------------------------------------------------------------------- */

static uint32_t noise_state;

static uint8_t noise(void) {
    noise_state = noise_state * 1664525u + 1013904223u;
    return (uint8_t)(noise_state >> 24);
}

static void fill_noise(uint8_t *at, size_t n) {
    for (size_t i = 0; i < n; i++) {
        at[i] = noise();
    }
}

static struct source_file file_of(const struct blob *blob) {
    return (struct source_file){"cat.png", "set.zip", 1, blob->at, blob->n};
}

/* Decodes, which must work; the pixels live until the store is closed. */
static struct image decode(struct store *s, const struct blob *blob, int32_t channels) {
    struct image_work work = {0};
    struct image image;
    const struct source_file file = file_of(blob);
    int32_t width, height;
    if (image_decode(&s->mock.cx, &work, &file, channels, &image) != MN_OK) {
        fail_msg("%s", s->mock.message);
    }
    assert_int_equal(image.channels, channels);
    assert_int_equal(image_shape(&s->mock.cx, &work, &file, &width, &height), MN_OK);
    assert_true(width == image.width && height == image.height);
    return image;
}

static int try_decode(struct store *s, const uint8_t *at, size_t n) {
    struct image_work work = {0};
    struct image image;
    const struct source_file file = {"cat.png", "set.zip", 1, at, n};
    return image_decode(&s->mock.cx, &work, &file, 3, &image);
}

static void expect_failure(struct store *s, const uint8_t *at, size_t n, const char *text) {
    if (try_decode(s, at, n) == MN_OK) {
        fail_msg("decoded what should have failed with '%s'", text);
    }
    assert_non_null(strstr(s->mock.message, "set.zip: cat.png: "));
    mock_expect(&s->mock, MN_IO, NULL, text);
}

static void bytes_equal(const struct image *image, const uint8_t *expected) {
    assert_memory_equal(image->pixels, expected,
                        (size_t)(image->width * image->height * image->channels));
}

/* ---- PNG ---------------------------------------------------------------------------------- */

/* Gray of every depth: v of the greatest value m is 255 v / m. */
static void png_gray(void **state) {
    static const int depths[] = {1, 2, 4, 8, 16};
    enum { W = 13, H = 7 };
    for (size_t d = 0; d < 5; d++) {
        struct store s;
        uint8_t rows[H * W * 2], expected[H * W];
        const int depth = depths[d], stride = (W * depth + 7) / 8;
        fill_noise(rows, sizeof rows);
        for (int y = 0; y < H; y++) {
            for (int x = 0; x < W; x++) {
                const int bit = x * depth, byte = rows[y * stride + bit / 8];
                const int value = depth == 16 ? byte * 256 + rows[y * stride + bit / 8 + 1]
                                              : byte >> (8 - depth - bit % 8) & ((1 << depth) - 1);
                expected[y * W + x] = (uint8_t)lround(255.0 * value / ((1 << depth) - 1));
            }
        }
        for (int interlaced = 0; interlaced < 2; interlaced++) {
            store_init(&s);
            struct blob blob = blob_png(W, H, PNG_COLOR_TYPE_GRAY, depth, interlaced, rows);
            const struct image image = decode(&s, &blob, 1);
            assert_true(image.width == W && image.height == H);
            bytes_equal(&image, expected);
            blob_free(&blob);
            store_close(&s);
        }
    }
}

/* A sample on white. */
static int on_white(int sample, int alpha) {
    return (int)lround((sample * alpha + 255.0 * (255 - alpha)) / 255);
}

/* Colours by palette, with and without alpha, and gray with alpha: alpha is that of paint on white.
 */
static void png_colour(void **state) {
    enum { N = 6 };
    static const struct {
        int type, channels;
    } forms[] = {{PNG_COLOR_TYPE_RGB, 3},
                 {PNG_COLOR_TYPE_RGB_ALPHA, 4},
                 {PNG_COLOR_TYPE_GRAY_ALPHA, 2},
                 {PNG_COLOR_TYPE_PALETTE, 1}};
    for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
        struct store s;
        uint8_t rows[N * N * 4], expected[N * N * 3];
        fill_noise(rows, sizeof rows);
        for (int i = 0; i < N * N; i++) {
            const uint8_t *from = rows + i * forms[f].channels;
            for (int c = 0; c < 3; c++) {
                const int index = from[0];
                const int palette[3] = {3 * index, 255 - index, 7 * index};
                expected[3 * i + c] =
                    (uint8_t)(forms[f].channels == 4   ? on_white(from[c], from[3])
                              : forms[f].channels == 3 ? from[c]
                              : forms[f].channels == 2 ? on_white(from[0], from[1])
                                                       : palette[c]);
            }
        }
        store_init(&s);
        struct blob blob = blob_png(N, N, forms[f].type, 8, 0, rows);
        const struct image image = decode(&s, &blob, 3);
        bytes_equal(&image, expected);
        blob_free(&blob);
        store_close(&s);
    }
}

/* Luma of ITU-R 601. */
static void colour_to_gray(void **state) {
    enum { N = 40 };
    struct store s;
    uint8_t rows[N * N * 3];
    store_init(&s);
    fill_noise(rows, sizeof rows);
    struct blob blob = blob_image(N, N, 3, rows);
    const struct image image = decode(&s, &blob, 1);
    for (int i = 0; i < N * N; i++) {
        const double luma = 0.299 * rows[3 * i] + 0.587 * rows[3 * i + 1] + 0.114 * rows[3 * i + 2];
        assert_true(fabs(image.pixels[i] - luma) <= 0.51);
    }
    blob_free(&blob);
    store_close(&s);
}

/* Every cut and every changed bit is found: all chunks have checksums. */
static void png_damage(void **state) {
    uint8_t rows[5 * 5 * 3];
    fill_noise(rows, sizeof rows);
    struct blob blob = blob_image(5, 5, 3, rows);
    for (size_t n = 0; n < blob.n; n++) {
        struct store s;
        store_init(&s);
        expect_failure(&s, blob.at, n,
                       n == 0  ? "the file is empty"
                       : n < 8 ? "neither a PNG nor a JPEG file"
                               : "broken PNG file: it ends too early: truncated");
        store_close(&s);
    }
    for (size_t bit = 0; bit < 8 * blob.n; bit++) {
        struct store s;
        store_init(&s);
        blob.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        expect_failure(&s, blob.at, blob.n, bit < 64 ? "neither" : "broken PNG file: ");
        blob.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        store_close(&s);
    }
    blob_free(&blob);
}

static void too_large(void **state) {
    struct store s;
    store_init(&s);
    uint8_t *rows = calloc(IMAGE_SIDE_MOST + 1, 1);
    assert_non_null(rows);
    struct blob blob = blob_image(IMAGE_SIDE_MOST + 1, 1, 1, rows);
    expect_failure(&s, blob.at, blob.n, "the image has 4097x1 pixels; the most is 4096 a side");
    blob_free(&blob);
    free(rows);
    store_close(&s);
}

/* ---- JPEG --------------------------------------------------------------------------------- */

/* At quality 100, smooth images come back almost as they were. */
static void jpeg_forms(void **state) {
    enum { W = 24, H = 17 };
    for (int channels = 1; channels <= 3; channels += 2) {
        for (int progressive = 0; progressive < 2; progressive++) {
            struct store s;
            uint8_t pixels[W * H * 3];
            for (int i = 0; i < W * H * channels; i++) {
                const int place = i / channels;
                pixels[i] = (uint8_t)(20 + 5 * (place % W) + 4 * (place / W) + 20 * (i % channels));
            }
            store_init(&s);
            struct blob blob = blob_jpeg(W, H, channels, progressive, pixels);
            const struct image image = decode(&s, &blob, channels);
            assert_true(image.width == W && image.height == H);
            for (int i = 0; i < W * H * channels; i++) {
                assert_true(abs(image.pixels[i] - pixels[i]) <= 3);
            }
            blob_free(&blob);
            store_close(&s);
        }
    }
}

/* A cut JPEG is never filled up in silence; changed bits never do worse than a wrong image. */
static void jpeg_damage(void **state) {
    uint8_t pixels[16 * 16 * 3];
    fill_noise(pixels, sizeof pixels);
    for (int progressive = 0; progressive < 2; progressive++) {
        struct blob blob = blob_jpeg(16, 16, 3, progressive, pixels);
        for (size_t n = 3; n < blob.n; n++) {
            struct store s;
            store_init(&s);
            expect_failure(&s, blob.at, n, "broken JPEG file: ");
            store_close(&s);
        }
        for (size_t bit = 24; bit < 8 * blob.n; bit += 3) {
            struct store s;
            store_init(&s);
            blob.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (try_decode(&s, blob.at, blob.n) != MN_OK) {
                mock_expect(&s.mock, MN_IO, NULL, "set.zip: cat.png: ");
            }
            blob.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
            store_close(&s);
        }
        blob_free(&blob);
    }
}

static void jpeg_cmyk(void **state) {
    struct store s;
    uint8_t pixels[8 * 8 * 4] = {0};
    store_init(&s);
    struct blob blob = blob_jpeg(8, 8, 4, 0, pixels);
    expect_failure(&s, blob.at, blob.n, "only gray and RGB images are read");
    blob_free(&blob);
    store_close(&s);
}

/* ---- resizing ----------------------------------------------------------------------------- */

static double triangle(double x) {
    return fabs(x) < 1 ? 1 - fabs(x) : 0;
}

/* The definition, one output pixel at a time: a normalised triangle round its centre. */
static double resized_at(const struct image *in, int width, int height, int x, int y, int c) {
    const double sx = (double)in->width / width, sy = (double)in->height / height;
    const double rx = sx > 1 ? sx : 1, ry = sy > 1 ? sy : 1;
    double sum = 0, total = 0;
    for (int v = 0; v < in->height; v++) {
        for (int u = 0; u < in->width; u++) {
            const double w = triangle((u + 0.5 - (x + 0.5) * sx) / rx) *
                             triangle((v + 0.5 - (y + 0.5) * sy) / ry);
            sum += w * in->pixels[(v * in->width + u) * in->channels + c];
            total += w;
        }
    }
    return sum / total;
}

static void resize_reference(void **state) {
    static const int shapes[][4] = {{30, 20, 7, 9},   {105, 105, 28, 28}, {9, 9, 20, 31},
                                    {12, 40, 13, 10}, {1, 1, 5, 5},       {17, 1, 3, 2},
                                    {50, 3, 1, 1},    {16, 16, 8, 8}};
    uint8_t *pixels = malloc(105 * 105 * 3);
    assert_non_null(pixels);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (int channels = 1; channels <= 3; channels += 2) {
            struct store s;
            struct image_work work = {0};
            const struct image in = {shapes[i][0], shapes[i][1], channels, pixels};
            const int width = shapes[i][2], height = shapes[i][3];
            struct image out;
            store_init(&s);
            fill_noise(pixels, (size_t)(in.width * in.height * channels));
            assert_int_equal(image_resize(&s.mock.cx, &work, &in, width, height, &out), MN_OK);
            assert_true(out.width == width && out.height == height && out.channels == channels);
            for (int p = 0; p < width * height * channels; p++) {
                const int at = p / channels;
                const double value =
                    resized_at(&in, width, height, at % width, at / width, p % channels);
                assert_true(fabs(out.pixels[p] - value) <= 0.5 + 1e-3);
            }
            store_close(&s);
        }
    }
    free(pixels);
}

/* One work area serves images of growing and shrinking size. */
static void work_again(void **state) {
    struct store s;
    struct image_work work = {0};
    uint8_t pixels[64 * 64];
    store_init(&s);
    for (int size = 1; size <= 64; size = size < 32 ? 3 * size + 1 : size + 8) {
        for (int wanted = 40; wanted >= 2; wanted /= 2) {
            const struct image in = {size, size, 1, pixels};
            struct image out;
            memset(pixels, size + wanted, sizeof pixels);
            assert_int_equal(image_resize(&s.mock.cx, &work, &in, wanted, wanted, &out), MN_OK);
            for (int p = 0; p < wanted * wanted; p++) {
                assert_int_equal(out.pixels[p], size + wanted);
            }
        }
    }
    store_close(&s);
}

/* Memory that runs out at any place is reported, never used. */
static void no_memory(void **state) {
    uint8_t rows[9 * 9] = {0};
    struct blob blob = blob_image(9, 9, 1, rows);
    const struct source_file file = file_of(&blob);
    int64_t calls = 0;
    for (int status = MN_NOMEM; status != MN_OK; calls++) {
        struct store s;
        struct image_work work = {0};
        struct image image, out;
        store_init(&s);
        s.mock.memory_left = calls;
        status = image_decode(&s.mock.cx, &work, &file, 3, &image);
        status = status == MN_OK ? image_resize(&s.mock.cx, &work, &image, 4, 4, &out) : status;
        assert_int_equal(status, s.mock.status);
        assert_true(status == MN_OK || status == MN_NOMEM);
        store_close(&s);
    }
    assert_true(calls > 4);
    blob_free(&blob);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_gray),         cmocka_unit_test(png_colour),
        cmocka_unit_test(colour_to_gray),   cmocka_unit_test(png_damage),
        cmocka_unit_test(too_large),        cmocka_unit_test(jpeg_forms),
        cmocka_unit_test(jpeg_damage),      cmocka_unit_test(jpeg_cmyk),
        cmocka_unit_test(resize_reference), cmocka_unit_test(work_again),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
