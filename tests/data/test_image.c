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
    struct image image = {.channels = channels};
    const struct source_file file = file_of(blob);
    int32_t width, height;
    if (image_read(&s->mock.ctx, &work, &file, &image) != MN_OK) {
        fail_msg("%s", work.fault);
    }
    assert_int_equal(work.unended, 0);
    assert_int_equal(image.channels, channels);
    assert_int_equal(image_shape(&s->mock.ctx, &work, &file, &width, &height), MN_OK);
    assert_true(width == image.width && height == image.height);
    return image;
}

static int try_decode(struct store *s, struct image_work *work, const uint8_t *at, size_t n) {
    struct image image = {.channels = 3};
    const struct source_file file = {"cat.png", "set.zip", 1, at, n};
    *work = (struct image_work){0};
    const int status = image_read(&s->mock.ctx, work, &file, &image);
    assert_int_equal(s->mock.status, MN_OK); /* the caller decides whether it is a failure */
    return status;
}

static void expect_failure(struct store *s, const uint8_t *at, size_t n, const char *text) {
    struct image_work work;
    if (try_decode(s, &work, at, n) != IMAGE_UNREADABLE) {
        fail_msg("decoded what should have failed with '%s'", text);
    }
    if (strstr(work.fault, text) == NULL) {
        fail_msg("'%s' lacks '%s'", work.fault, text);
    }
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
                       : n < 8 ? "neither a PNG, nor a JPEG, nor a WebP file"
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

/* There is no limit for a side. */
static void wide(void **state) {
    enum { W = 70000 };
    struct store s;
    uint8_t *row = malloc(W);
    assert_non_null(row);
    fill_noise(row, W);
    store_init(&s);
    struct blob blob = blob_image(W, 1, 1, row);
    const struct image image = decode(&s, &blob, 1);
    assert_true(image.width == W && image.height == 1);
    bytes_equal(&image, row);
    blob_free(&blob);
    free(row);
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
    struct image_work work;
    fill_noise(pixels, sizeof pixels);
    for (int progressive = 0; progressive < 2; progressive++) {
        struct blob blob = blob_jpeg(16, 16, 3, progressive, pixels);
        for (size_t n = 3; n < blob.n - 2; n++) {
            struct store s;
            store_init(&s);
            expect_failure(&s, blob.at, n, "broken JPEG file: ");
            store_close(&s);
        }
        for (size_t bit = 24; bit < 8 * blob.n; bit += 3) {
            struct store s;
            store_init(&s);
            blob.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_true(try_decode(&s, &work, blob.at, blob.n) >= MN_OK);
            blob.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
            store_close(&s);
        }
        blob_free(&blob);
    }
}

/* The two bytes of the end are missing, and no pixel is. */
static void jpeg_without_end(void **state) {
    uint8_t pixels[16 * 16 * 3];
    fill_noise(pixels, sizeof pixels);
    for (int progressive = 0; progressive < 2; progressive++) {
        struct blob blob = blob_jpeg(16, 16, 3, progressive, pixels);
        for (size_t missing = 1; missing <= 2; missing++) {
            struct store s;
            struct image_work work = {0};
            struct image image = {.channels = 3};
            struct source_file file = file_of(&blob);
            store_init(&s);
            file.size -= missing;
            assert_int_equal(image_read(&s.mock.ctx, &work, &file, &image), MN_OK);
            assert_int_equal(work.unended, 1);
            const struct image whole = decode(&s, &blob, 3);
            bytes_equal(&whole, image.pixels);
            store_close(&s);
        }
        blob_free(&blob);
    }
}

/* Inks as they print on white; as Adobe's programs store them 255 is no ink. */
static void jpeg_cmyk(void **state) {
    enum { SIDE = 8 };
    static const uint8_t inks[][4] = {{0, 0, 0, 0},       {255, 255, 255, 255}, {255, 0, 0, 255},
                                      {0, 200, 100, 255}, {40, 80, 120, 200},   {0, 0, 0, 255},
                                      {255, 255, 0, 0},   {10, 250, 130, 60}};
    for (size_t i = 0; i < sizeof inks / sizeof inks[0]; i++) {
        for (int form = 0; form < 4; form++) {
            const int ycck = form / 2, adobe = form % 2 || ycck; /* YCCK is known by its mark */
            struct store s;
            uint8_t pixels[SIDE * SIDE * 4];
            for (int p = 0; p < SIDE * SIDE; p++) {
                memcpy(pixels + 4 * p, inks[i], 4);
            }
            store_init(&s);
            struct blob blob = blob_cmyk(SIDE, SIDE, ycck, adobe, pixels);
            const struct image image = decode(&s, &blob, 3);
            for (int p = 0; p < SIDE * SIDE * 3; p++) {
                const int ink = inks[i][p % 3], black = inks[i][3];
                const double light =
                    adobe ? ink * black / 255.0 : (255 - ink) * (255 - black) / 255.0;
                assert_true(fabs(image.pixels[p] - light) <= 4);
            }
            blob_free(&blob);
            store_close(&s);
        }
    }
}

/* What is far larger than wanted is decoded at a fraction of its size, and looks the same; what is
 * not is decoded as it is, to the bit. */
static void jpeg_scaled(void **state) {
    static const struct {
        int width, height, to_width, to_height, part;
    } cases[] = {{640, 480, 10, 7, 8},  {640, 480, 20, 14, 4}, {640, 480, 40, 28, 2},
                 {640, 480, 41, 28, 1}, {84, 84, 84, 84, 1},   {640, 16, 10, 2, 1},
                 {65, 67, 1, 1, 8},     {335, 67, 2, 2, 4}};
    uint8_t *pixels = malloc(640 * 480 * 3);
    assert_non_null(pixels);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const int w = cases[i].width, h = cases[i].height;
        struct store s;
        struct image_work work = {0}, other = {0};
        struct image got = {cases[i].to_width, cases[i].to_height, 3, NULL}, full;
        for (int p = 0; p < w * h * 3; p++) {
            const double x = p / 3 % w / (double)w, y = (double)(p / 3 / w) / h;
            pixels[p] = (uint8_t)(128 + 100 * sin(7 * x + p % 3) * cos(5 * y));
        }
        store_init(&s);
        struct blob blob = blob_jpeg(w, h, 3, 0, pixels);
        const struct source_file file = file_of(&blob);
        assert_int_equal(image_read(&s.mock.ctx, &work, &file, &got), MN_OK);
        assert_true(got.width == cases[i].to_width && got.height == cases[i].to_height);
        const int part = cases[i].part;
        assert_int_equal(work.decoded.bytes, (w + part - 1) / part * ((h + part - 1) / part) * 3);
        const struct image whole = decode(&s, &blob, 3);
        assert_int_equal(image_resize(&s.mock.ctx, &other, &whole, got.width, got.height, &full),
                         MN_OK);
        for (int p = 0; p < got.width * got.height * 3; p++) {
            /* A block that goes beyond the border counts whole. */
            const int most = part == 1 ? 0 : w % 8 == 0 && h % 8 == 0 ? 3 : 10;
            assert_true(abs(got.pixels[p] - full.pixels[p]) <= most);
        }
        blob_free(&blob);
        store_close(&s);
    }
    free(pixels);
}

/* ---- WebP --------------------------------------------------------------------------------- */

static void webp(void **state) {
    enum { W = 21, H = 10 };
    for (int channels = 3; channels <= 4; channels++) {
        for (int quality = 0; quality <= 100; quality += 100) {
            struct store s;
            uint8_t pixels[W * H * 4], expected[W * H * 3];
            for (int i = 0; i < W * H; i++) {
                const int alpha = channels == 4 ? 255 * (i % W) / (W - 1) : 255;
                for (int c = 0; c < 3; c++) { /* smooth, and gray: colour is stored at half size */
                    pixels[i * channels + c] = (uint8_t)(40 + 6 * (i % W) + 5 * (i / W));
                    expected[3 * i + c] = (uint8_t)on_white(pixels[i * channels + c], alpha);
                }
                if (channels == 4) {
                    pixels[4 * i + 3] = (uint8_t)alpha;
                }
            }
            store_init(&s);
            struct blob blob = blob_webp(W, H, channels, quality, pixels);
            const struct image image = decode(&s, &blob, 3);
            assert_true(image.width == W && image.height == H);
            for (int i = 0; i < W * H * 3; i++) {
                /* What is nearly transparent need not keep its colour. */
                assert_true(abs(image.pixels[i] - expected[i]) <= (quality > 0 ? 6 : 1));
            }
            const struct image gray = decode(&s, &blob, 1);
            for (int i = 0; i < W * H; i++) {
                assert_true(abs(gray.pixels[i] - expected[3 * i]) <= (quality > 0 ? 6 : 1));
            }
            for (size_t n = 12; n < blob.n; n += 5) {
                expect_failure(&s, blob.at, n, "broken WebP file: ");
            }
            blob_free(&blob);
            store_close(&s);
        }
    }
}

static void webp_animation(void **state) {
    static const uint8_t head[] = "RIFF\x16\0\0\0WEBPVP8X\x0A\0\0\0\x02\0\0\0\x04\0\0\x04\0";
    struct store s;
    store_init(&s);
    expect_failure(&s, head, sizeof head,
                   "broken WebP file: it is an animation; only still images are read");
    store_close(&s);
}

/* ---- orientation -------------------------------------------------------------------------- */

/* Where the first row and the first column of the file lie in the picture (Exif 2.3, 4.6.4). */
enum side { TOP, BOTTOM, LEFT, RIGHT };
static const enum side sides[9][2] = {
    [1] = {TOP, LEFT}, [2] = {TOP, RIGHT}, [3] = {BOTTOM, RIGHT}, [4] = {BOTTOM, LEFT},
    [5] = {LEFT, TOP}, [6] = {RIGHT, TOP}, [7] = {RIGHT, BOTTOM}, [8] = {LEFT, BOTTOM}};

static void place(enum side side, int number, int width, int height, int *x, int *y) {
    *y = side == TOP ? number : side == BOTTOM ? height - 1 - number : *y;
    *x = side == LEFT ? number : side == RIGHT ? width - 1 - number : *x;
}

static void orientations(void **state) {
    enum { W = 24, H = 16, PNG = 0, JPEG = 1, WEBP = 2, FORMS = 3 };
    uint8_t upright[W * H * 3], stored[W * H * 3];
    for (int p = 0; p < W * H * 3; p++) { /* whole blocks, so that JPEG keeps them */
        upright[p] = (uint8_t)(30 + 60 * (p / 3 % W / 8) + 25 * (p / 3 / W / 8) + 15 * (p % 3));
    }
    for (int i = 0; i < 8 * FORMS * 2; i++) {
        const int o = 1 + i / 2 % 8, form = i / 16, w = o < 5 ? W : H, h = o < 5 ? H : W;
        for (int row = 0; row < h; row++) {
            for (int column = 0; column < w; column++) {
                int x = 0, y = 0;
                place(sides[o][0], row, W, H, &x, &y);
                place(sides[o][1], column, W, H, &x, &y);
                memcpy(stored + 3 * (row * w + column), upright + 3 * (y * W + x), 3);
            }
        }
        struct store s;
        struct blob blob = form == PNG    ? blob_image(w, h, 3, stored)
                           : form == JPEG ? blob_jpeg(w, h, 3, 0, stored)
                                          : blob_webp(w, h, 3, 0, stored);
        store_init(&s);
        blob = blob_turned(blob, o, i % 2);
        const struct image image = decode(&s, &blob, 3);
        assert_true(image.width == W && image.height == H);
        for (int p = 0; p < W * H * 3; p++) {
            assert_true(abs(image.pixels[p] - upright[p]) <= (form == JPEG ? 3 : 0));
        }
        blob_free(&blob);
        store_close(&s);
    }
}

/* An orientation that there is not, and EXIF data cut at each byte. */
static void odd_exif(void **state) {
    static const uint8_t exif[] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0,
                                   3,   0,   0, 0,  1, 0, 6, 0, 0, 0, 0,    0,    0};
    assert_int_equal(exif_orientation(exif, sizeof exif), 6);
    for (size_t n = 0; n < 20; n++) {
        uint8_t *cut = malloc(n + 1); /* of its very size, for the address sanitizer */
        assert_non_null(cut);
        memcpy(cut, exif, n);
        cut = realloc(cut, n > 0 ? n : 1);
        assert_int_equal(exif_orientation(cut, n), 1);
        free(cut);
    }
    for (int value = 0; value < 256; value++) {
        uint8_t other[sizeof exif];
        memcpy(other, exif, sizeof exif);
        other[19] = (uint8_t)value;
        assert_int_equal(exif_orientation(other, sizeof other),
                         value >= 1 && value <= 8 ? value : 1);
    }
}

/* ---- others ------------------------------------------------------------------------------- */

static void other_formats_are_named(void **state) {
    static const struct {
        const char *bytes;
        size_t n;
        const char *text;
    } cases[] = {{"GIF89a..........", 16, "a GIF file; PNG, JPEG and WebP are read"},
                 {"BM..............", 16, "a BMP file"},
                 {"\0\0\0\x18"
                  "ftypheic....",
                  16, "a HEIC file"},
                 {"\0\0\0\x18"
                  "ftypmif1....",
                  16, "a HEIF file"},
                 {"\0\0\0\x18"
                  "ftypavif....",
                  16, "an AVIF file"},
                 {"II*\0............", 16, "a TIFF file"},
                 {"MM\0*............", 16, "a TIFF file"},
                 {"<!DOCTYPE html>.", 16, "a web page"},
                 {"version https://git-lfs.github.com/spec/v1", 42, "a pointer of Git LFS"},
                 {"no image at all.", 16, "neither a PNG, nor a JPEG, nor a WebP file"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct store s;
        store_init(&s);
        expect_failure(&s, (const uint8_t *)cases[i].bytes, cases[i].n, cases[i].text);
        store_close(&s);
    }
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
            assert_int_equal(image_resize(&s.mock.ctx, &work, &in, width, height, &out), MN_OK);
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
            assert_int_equal(image_resize(&s.mock.ctx, &work, &in, wanted, wanted, &out), MN_OK);
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
    struct blob blob = blob_turned(blob_image(9, 9, 1, rows), 6, 0);
    const struct source_file file = file_of(&blob);
    int64_t calls = 0;
    for (int status = MN_NOMEM; status != MN_OK; calls++) {
        struct store s;
        struct image_work work = {0};
        struct image image = {4, 4, 3, NULL};
        store_init(&s);
        s.mock.memory_left = calls;
        status = image_read(&s.mock.ctx, &work, &file, &image);
        assert_int_equal(status, s.mock.status);
        assert_true(status == MN_OK || status == MN_NOMEM);
        store_close(&s);
    }
    assert_true(calls > 5);
    blob_free(&blob);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_gray),
        cmocka_unit_test(png_colour),
        cmocka_unit_test(colour_to_gray),
        cmocka_unit_test(png_damage),
        cmocka_unit_test(wide),
        cmocka_unit_test(jpeg_forms),
        cmocka_unit_test(jpeg_damage),
        cmocka_unit_test(jpeg_cmyk),
        cmocka_unit_test(jpeg_without_end),
        cmocka_unit_test(jpeg_scaled),
        cmocka_unit_test(webp),
        cmocka_unit_test(webp_animation),
        cmocka_unit_test(orientations),
        cmocka_unit_test(odd_exif),
        cmocka_unit_test(other_formats_are_named),
        cmocka_unit_test(resize_reference),
        cmocka_unit_test(work_again),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
