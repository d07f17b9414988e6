/* SPDX-License-Identifier: MIT */
/* Images that claim absurd sizes, hold bombs, are cut at each byte or have a changed bit. */
#include "../../plugins/imaging/image.h"
#include "../data/files.h"
#include "../data/store.h"
#include "hostile.h"

#include <png.h>
#include <stdlib.h>
#include <zlib.h>

enum { FLIPS = 500, ALL_FLIPS = 10000, SIDE = 12 };

/* 1 = decoded; a refusal names the file. */
static int decoded(const uint8_t *bytes, size_t n, char *message, size_t size) {
    struct store s;
    struct image_work work = {0};
    struct image image = {.channels = 3};
    /* Of its very size, so that a sanitizer sees a read beyond. */
    uint8_t *copy = malloc(n > 0 ? n : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, n);
    const struct source_file file = {"a.png", "", 0, copy, n};
    store_init(&s);
    const int status = image_read(&s.mock.ctx, &work, &file, &image);
    assert_int_equal(s.mock.status, MN_OK); /* a fault of the file is told beside */
    assert_true(status == MN_OK || status == IMAGE_UNREADABLE);
    if (status == MN_OK) {
        assert_true(image.width >= 1 && image.height >= 1);
        assert_true((int64_t)image.width * image.height <= IMAGE_PIXELS_MOST);
    }
    snprintf(message, size, "%s", work.fault);
    assert_true((status == MN_OK) == (message[0] == '\0'));
    store_close(&s);
    free(copy);
    return status == MN_OK;
}

static void must_refuse(const uint8_t *bytes, size_t n, const char *text) {
    char message[1024];
    if (decoded(bytes, n, message, sizeof message)) {
        fail_msg("decoded; expected '%s'", text);
    }
    if (strstr(message, text) == NULL) {
        fail_msg("the message '%s' lacks '%s'", message, text);
    }
}

static struct blob small_png(void) {
    uint8_t pixels[SIDE * SIDE * 3];
    for (size_t i = 0; i < sizeof pixels; i++) {
        pixels[i] = (uint8_t)(91 * i);
    }
    return blob_image(SIDE, SIDE, 3, pixels);
}

/* ---- absurd sizes ------------------------------------------------------------------------- */

static void put_be(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

/* Width and height stand at 16 and 20, behind the chunk's type at 12; its checksum at 29. */
static void test_png_sizes(void **state) {
    static const struct {
        uint32_t width, height;
        const char *text;
    } cases[] = {{0, 1, "broken PNG file"},
                 {1, 0, "broken PNG file"},
                 {0x7FFFFFFF, 0x7FFFFFFF, "broken PNG file"},
                 {0xFFFFFFFF, 1, "broken PNG file"},
                 {1, 1000000, "broken PNG file"}, /* allowed, but the pixels are not there */
                 {10000, 10001, "the image has 10000x10001 pixels; the most is 100 million"},
                 {1000000, 1000000, "the image has 1000000x1000000 pixels"},
                 {4096, 4096, "broken PNG file"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct blob blob = small_png();
        put_be(blob.at + 16, cases[i].width);
        put_be(blob.at + 20, cases[i].height);
        put_be(blob.at + 29, (uint32_t)crc32_z(0, blob.at + 12, 17));
        must_refuse(blob.at, blob.n, cases[i].text);
        blob_free(&blob);
    }
}

/* Height and width stand 5 and 7 bytes behind the marker FF C0. */
static void test_jpeg_sizes(void **state) {
    static const uint8_t marker[2] = {0xFF, 0xC0};
    uint8_t pixels[8 * 8] = {0};
    struct blob blob = blob_jpeg(8, 8, 1, 0, pixels);
    uint8_t *frame = memmem(blob.at, blob.n, marker, sizeof marker);
    assert_non_null(frame);
    memset(frame + 5, 0xFF, 4);
    must_refuse(blob.at, blob.n, "broken JPEG file"); /* beyond libjpeg's own limit */
    put_be(frame + 5, 10000u << 16 | 10001);
    must_refuse(blob.at, blob.n, "the image has 10001x10000 pixels; the most is 100 million");
    put_be(frame + 5, 4096u << 16 | 4096);
    must_refuse(blob.at, blob.n, "broken JPEG file");
    memset(frame + 5, 0, 4);
    must_refuse(blob.at, blob.n, "broken JPEG file");
    blob_free(&blob);
}

/* ---- bombs -------------------------------------------------------------------------------- */

/* A chunk behind the header: length, type, data, checksum. */
static struct blob with_chunk(const char *type, const uint8_t *data, size_t n) {
    struct blob png = small_png();
    struct blob out = {malloc(png.n + n + 12), png.n + n + 12};
    assert_non_null(out.at);
    memcpy(out.at, png.at, 33);
    put_be(out.at + 33, (uint32_t)n);
    memcpy(out.at + 37, type, 4);
    memcpy(out.at + 41, data, n);
    put_be(out.at + 41 + n, (uint32_t)crc32_z(0, out.at + 37, n + 4));
    memcpy(out.at + 45 + n, png.at + 33, png.n - 33);
    blob_free(&png);
    return out;
}

/* A packed comment of 64 MiB: it is no pixel, and no reason to take that memory. */
static void test_png_comment_bomb(void **state) {
    const uLong size = 64 << 20;
    uLong packed = compressBound(size);
    uint8_t *zeroes = calloc(size, 1), *data = malloc(packed + 3);
    char message[1024];
    assert_true(zeroes != NULL && data != NULL);
    memcpy(data, "k\0\0", 3);
    assert_int_equal(compress(data + 3, &packed, zeroes, size), Z_OK);
    free(zeroes);
    struct blob blob = with_chunk("zTXt", data, packed + 3);
    free(data);
    assert_true(blob.n < 100000);
    decoded(blob.at, blob.n, message, sizeof message); /* either way */
    blob_free(&blob);
}

/* Pixel data that unpacks to other than the rows. */
static void test_png_other_pixels(void **state) {
    uint8_t other[32];
    memset(other, 0xAA, sizeof other);
    struct blob blob = with_chunk("IDAT", other, sizeof other);
    must_refuse(blob.at, blob.n, "broken PNG file");
    blob_free(&blob);
}

/* ---- damage ------------------------------------------------------------------------------- */

/* A JPEG or WebP file may lack its last `spare` bytes. */
static void damage(const struct blob *blob, size_t spare) {
    struct mn_rng rng = mn_rng_make(9, MN_RNG_PLUGIN, 0, 0, 0, 0);
    char message[1024];
    for (size_t cut = 0; cut < blob->n - spare; cut++) {
        if (decoded(blob->at, cut, message, sizeof message)) {
            fail_msg("cut at byte %zu, it was decoded", cut);
        }
    }
    const int flips = hostile_count(FLIPS, ALL_FLIPS);
    for (int i = 0; i < flips; i++) {
        const size_t at = mn_rng_below(&rng, (uint32_t)blob->n);
        const uint8_t bit = (uint8_t)(1u << mn_rng_below(&rng, 8));
        blob->at[at] ^= bit;
        decoded(blob->at, blob->n, message, sizeof message);
        blob->at[at] ^= bit;
    }
}

static void test_png_damage(void **state) {
    struct blob blob = small_png();
    damage(&blob, 0);
    blob_free(&blob);
}

static void test_jpeg_damage(void **state) {
    uint8_t pixels[SIDE * SIDE * 3];
    for (size_t i = 0; i < sizeof pixels; i++) {
        pixels[i] = (uint8_t)(57 * i);
    }
    for (int progressive = 0; progressive < 2; progressive++) {
        struct blob blob = blob_jpeg(SIDE, SIDE, 3, progressive, pixels);
        damage(&blob, 2);
        blob = blob_turned(blob, 5 + progressive, 1);
        damage(&blob, 2);
        blob_free(&blob);
    }
}

static void test_webp_damage(void **state) {
    uint8_t pixels[SIDE * SIDE * 4];
    for (size_t i = 0; i < sizeof pixels; i++) {
        pixels[i] = (uint8_t)(57 * i);
    }
    for (int form = 0; form < 4; form++) {
        struct blob blob = blob_webp(SIDE, SIDE, 3 + form % 2, form / 2 * 70, pixels);
        damage(&blob, 1); /* chunks have an even length */
        blob_free(&blob);
    }
    struct blob blob = blob_turned(blob_webp(SIDE, SIDE, 3, 0, pixels), 6, 0);
    char message[1024];
    for (size_t cut = 0; cut < blob.n; cut++) { /* behind the pixels there is only EXIF */
        decoded(blob.at, cut, message, sizeof message);
    }
    blob_free(&blob);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_png_sizes),        cmocka_unit_test(test_jpeg_sizes),
        cmocka_unit_test(test_png_comment_bomb), cmocka_unit_test(test_png_other_pixels),
        cmocka_unit_test(test_png_damage),       cmocka_unit_test(test_jpeg_damage),
        cmocka_unit_test(test_webp_damage),
    };
    return cmocka_run_group_tests_name("hostile image", tests, NULL, NULL);
}
