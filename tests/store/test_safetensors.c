/* SPDX-License-Identifier: MIT */
#include "store/safetensors.h"

#include "../support/check.h"
#include "../support/folder.h"

#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* One context, one folder and one path for the tests of this file. */
static struct nas_ctx context;
static struct mn_ctx *const ctx = &context.pub;
static struct folder folder;
static char path[PATH_MAX];

static int begin(void **state) {
    nas_ctx_init(&context, NULL);
    folder_new(&folder);
    snprintf(path, sizeof path, "%s", folder_path(&folder, "tensors.safetensors"));
    return 0;
}

static int end(void **state) {
    folder_remove(&folder);
    nas_ctx_fini(&context);
    return 0;
}

/* ---- round trip --------------------------------------------------------------------------- */

static const float f32[6] = {0, -0.0F, 1.5F, -3.25e-30F, 3e38F, 1e-45F};
static const double f64[2] = {0.1, -1e300};
static const int32_t i32[3] = {INT32_MIN, 0, INT32_MAX};
static const int64_t i64[2] = {INT64_MIN, 5000000000};
static const uint8_t u8[5] = {0, 1, 127, 128, 255};

static const struct nas_safetensor sample[] = {
    {"w", NAS_F32, 2, {2, 3}, f32},
    {"d", NAS_F64, 1, {2}, f64},
    {"empty", NAS_F32, 3, {2, 0, 7}, ""},
    {"scalar", NAS_I32, 0, {0}, i32},
    {"i", NAS_I32, 1, {3}, i32},
    {"long", NAS_I64, 3, {1, 2, 1}, i64},
    {"quote\" \\ \xc3\xa4", NAS_U8, 1, {5}, u8},
};
enum { SAMPLES = sizeof sample / sizeof sample[0] };
static const size_t sample_bytes[SAMPLES] = {24, 16, 0, 4, 12, 16, 5};

static const struct nas_metadata meta[] = {
    {"config", "run:\n  name: \"crc32\":\"00000000\"\n"}, {"empty", ""}, {"note", "\xe2\x82\xac"}};

static void write_sample(void) {
    assert_ok(ctx, nas_safetensors_write(ctx, path, SAMPLES, sample, 3, meta));
}

static void check_sample(const struct nas_safetensors *file) {
    assert_int_equal(file->n, SAMPLES);
    for (int i = 0; i < SAMPLES; i++) {
        const struct nas_safetensor *t = nas_safetensors_find(file, sample[i].name);
        assert_non_null(t);
        assert_int_equal(t->dtype, sample[i].dtype);
        assert_int_equal(t->n_dims, sample[i].n_dims);
        assert_memory_equal(t->dims, sample[i].dims, sizeof t->dims);
        assert_int_equal((uintptr_t)t->data % 8, 0);
        assert_memory_equal(t->data, sample[i].data, sample_bytes[i]);
    }
    for (int i = 0; i < 3; i++) {
        assert_string_equal(nas_safetensors_meta(file, meta[i].key), meta[i].value);
    }
    assert_int_equal(strlen(nas_safetensors_meta(file, "crc32")), 8);
    assert_null(nas_safetensors_meta(file, "none"));
    assert_null(nas_safetensors_find(file, "none"));
}

static void test_round_trip(void **state) {
    struct nas_safetensors file;
    write_sample();
    assert_int_equal(folder_count(&folder), 1);
    assert_ok(ctx, nas_safetensors_read(ctx, path, &file));
    check_sample(&file);
    nas_safetensors_fini(&file);
    assert_int_equal(file.n, 0);
}

static void test_nothing_at_all(void **state) {
    struct nas_safetensors file;
    assert_ok(ctx, nas_safetensors_write(ctx, path, 0, NULL, 0, NULL));
    assert_ok(ctx, nas_safetensors_read(ctx, path, &file));
    assert_int_equal(file.n, 0);
    assert_int_equal(file.n_meta, 1);
    nas_safetensors_fini(&file);
}

/* The layout as the format's description has it, taken apart by hand. */
static void test_layout(void **state) {
    size_t length;
    write_sample();
    uint8_t *bytes = file_get(path, &length);
    const size_t header = bytes[0] + 256u * bytes[1];
    assert_true(bytes[2] == 0 && bytes[3] == 0 && bytes[4] == 0 && bytes[7] == 0);
    assert_int_equal(header % 8, 0);
    assert_int_equal(bytes[8], '{');
    assert_int_equal(length, 8 + header + 77);
    assert_memory_equal(bytes + 8 + header, f32, 24);
    assert_memory_equal(bytes + 8 + header + 24, f64, 16);
    bytes[8 + header] = '\0';
    assert_non_null(strstr((char *)bytes + 8,
                           "\"d\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[24,40]}"));
    free(bytes);
}

static void test_conversions(void **state) {
    struct nas_safetensors file;
    mn_real reals[6];
    int32_t ints[3];
    write_sample();
    assert_ok(ctx, nas_safetensors_read(ctx, path, &file));
    assert_ok(ctx, nas_safetensor_reals(ctx, nas_safetensors_find(&file, "w"), reals));
    assert_true(reals[2] == (mn_real)1.5F && reals[3] == (mn_real)-3.25e-30F);
    assert_ok(ctx, nas_safetensor_reals(ctx, nas_safetensors_find(&file, "d"), reals));
    assert_true(reals[0] == (mn_real)0.1);
    assert_ok(ctx, nas_safetensor_ints(ctx, nas_safetensors_find(&file, "i"), ints));
    assert_memory_equal(ints, i32, sizeof ints);
    assert_failed(ctx, nas_safetensor_reals(ctx, nas_safetensors_find(&file, "i"), reals), MN_IO,
                  "tensor i has dtype I32", "F32, F64, F16 or BF16");
    assert_failed(ctx, nas_safetensor_ints(ctx, nas_safetensors_find(&file, "w"), ints), MN_IO,
                  "tensor w has dtype F32");
    assert_failed(ctx, nas_safetensor_ints(ctx, nas_safetensors_find(&file, "long"), ints), MN_IO,
                  "tensor long: element 0 is -9223372036854775808");
    nas_safetensors_fini(&file);
}

/* Half precision is read: 1, -2.5, 65504, the least normal and subnormal numbers, -0, infinity. */
static void test_half_precision_is_read(void **state) {
    static const uint16_t f16[8] = {0x3C00, 0xC100, 0x7BFF, 0x0400, 0x0001, 0x8000, 0x7C00, 0x3555};
    static const double want16[7] = {1, -2.5, 65504, 0x1p-14, 0x1p-24, -0.0, INFINITY};
    static const uint16_t bf16[4] = {0x3F80, 0xC020, 0x7F7F, 0x0001};
    static const double want_bf16[4] = {1, -2.5, 0x1.FEp127, 0x1p-133};
    const struct nas_safetensor halves[] = {{"h", NAS_FLOAT16, 1, {8}, f16},
                                            {"b", NAS_BFLOAT16, 2, {2, 2}, bf16}};
    struct nas_safetensors file;
    mn_real got[8];
    assert_ok(ctx, nas_safetensors_write(ctx, path, 2, halves, 0, NULL));
    assert_ok(ctx, nas_safetensors_read(ctx, path, &file));
    assert_ok(ctx, nas_safetensor_reals(ctx, nas_safetensors_find(&file, "h"), got));
    for (int i = 0; i < 7; i++) {
        assert_true((double)got[i] == want16[i]);
        assert_int_equal(signbit(got[i]) != 0, signbit(want16[i]) != 0);
    }
    assert_true((double)got[7] == 1365.0 / 4096);
    assert_ok(ctx, nas_safetensor_reals(ctx, nas_safetensors_find(&file, "b"), got));
    for (int i = 0; i < 4; i++) {
        assert_true((double)got[i] == want_bf16[i]);
    }
    nas_safetensors_fini(&file);
}

/* A file with this header and `data` bytes of zeros. */
static int read_made(const char *header, size_t length, size_t data, struct nas_safetensors *file) {
    uint8_t *bytes = calloc(1, 8 + length + data);
    assert_non_null(bytes);
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)((uint64_t)length >> (8 * i));
    }
    memcpy(bytes + 8, header, length);
    file_put(path, bytes, 8 + length + data);
    free(bytes);
    return nas_safetensors_read(ctx, path, file);
}

/* A sound file of a type that is not read is not called damaged. */
static void test_other_types_are_named(void **state) {
    static const char header[] =
        "{\"t\":{\"dtype\":\"F8_E4M3\",\"shape\":[8],\"data_offsets\":[0,8]}}";
    struct nas_safetensors file;
    assert_failed(ctx, read_made(header, strlen(header), 8, &file), MN_IO,
                  "tensor t has dtype F8_E4M3; F64, F32, F16, BF16");
    assert_null(strstr(nas_ctx_message(ctx), "damaged"));
}

/* What a header of nothing but brackets takes is in proportion to its length: it is refused without
 * a tree of it. */
static void test_headers_take_memory_in_proportion(void **state) {
    enum { MANY = 1 << 20 };
    struct nas_safetensors file;
    char *header = malloc(3 * MANY + 16);
    assert_non_null(header);
    size_t n = (size_t)sprintf(header, "{\"t\":[");
    for (int i = 0; i < MANY; i++) {
        memcpy(header + n, "{},", 3);
        n += 3;
    }
    memcpy(header + n - 1, "]}", 2);
    struct rusage before, after;
    assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
    assert_failed(ctx, read_made(header, n + 1, 0, &file), MN_IO, "brackets in");
    assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
    assert_true((size_t)(after.ru_maxrss - before.ru_maxrss) * 1024 < 12 * n);
    free(header);
}

/* ---- damage ------------------------------------------------------------------------------- */

static void test_truncated_at_every_byte(void **state) {
    struct nas_safetensors file;
    size_t length;
    write_sample();
    uint8_t *bytes = file_get(path, &length);
    for (size_t n = 0; n < length; n++) {
        file_put(path, bytes, n);
        assert_failed(ctx, nas_safetensors_read(ctx, path, &file), MN_IO, path, "damaged at byte ");
        assert_int_equal(file.n, 0);
    }
    bytes[length] = 0;
    file_put(path, bytes, length + 1);
    assert_failed(ctx, nas_safetensors_read(ctx, path, &file), MN_IO,
                  "1 bytes follow the last tensor");
    free(bytes);
}

/* A flip anywhere is found, but for one in the word crc32 itself: then there is none, and a state
 * is not loaded without. */
static void test_bit_flips(void **state) {
    struct nas_safetensors file;
    size_t length;
    int refused = 0, without = 0;
    struct mn_rng rng = mn_rng_make(1, MN_RNG_PLUGIN, 0, 0, 0, 0);
    write_sample();
    uint8_t *bytes = file_get(path, &length);
    for (int i = 0; i < 2000; i++) {
        const size_t at = mn_rng_below(&rng, (uint32_t)length);
        const uint8_t bit = (uint8_t)(1u << mn_rng_below(&rng, 8));
        bytes[at] ^= bit;
        file_put(path, bytes, length);
        bytes[at] ^= bit;
        if (nas_safetensors_read(ctx, path, &file) == MN_OK) {
            assert_null(nas_safetensors_meta(&file, "crc32"));
            nas_safetensors_fini(&file);
            without++;
        } else {
            refused++;
            nas_ctx_clear(ctx);
        }
    }
    assert_true(refused > 1900);
    assert_true(without < 60);
    free(bytes);
}

/* ---- files made by hand ------------------------------------------------------------------- */

#define ONE(dtype, shape, offsets)                                                                 \
    "{\"t\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define TWO(first, second)                                                                         \
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" first "},"                          \
    "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" second "}}"

static void test_made_and_fine(void **state) {
    static const struct {
        const char *header;
        size_t data;
    } cases[] = {
        {ONE("F32", "[2]", "[0,8]"), 8},
        {ONE("F32", "[2]", "[0,8]") "   ", 8},
        {TWO("[4,8]", "[0,4]"), 8},
        {ONE("U8", "[9223372036854775807,9223372036854775807,0]", "[0,0]"), 0},
        {"{}", 0},
    };
    struct nas_safetensors file;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *header = cases[i].header;
        assert_ok(ctx, read_made(header, strlen(header), cases[i].data, &file));
        nas_safetensors_fini(&file);
    }
}

static void test_made_and_refused(void **state) {
    static const struct {
        const char *header;
        size_t data;
        const char *why;
    } cases[] = {
        {TWO("[0,4]", "[2,6]"), 6, "overlap or leave a gap"},
        {TWO("[0,4]", "[0,4]"), 4, "overlap or leave a gap"},
        {TWO("[0,4]", "[5,9]"), 9, "overlap or leave a gap"},
        {TWO("[1,5]", "[5,9]"), 9, "overlap or leave a gap"},
        {ONE("F32", "[2]", "[0,8]"), 9, "1 bytes follow"},
        {ONE("F32", "[2]", "[0,8]"), 7, "the file is truncated"},
        {ONE("F32", "[3]", "[0,8]"), 8, "8 bytes, its shape needs 12"},
        {ONE("F32", "[2]", "[8,0]"), 8, "data_offsets"},
        {ONE("F32", "[2]", "[0]"), 8, "data_offsets"},
        {ONE("F32", "[2]", "[0,8,9]"), 8, "data_offsets"},
        {ONE("F32", "[2]", "[-8,0]"), 8, "data_offsets"},
        {ONE("F32", "[2]", "[0,\"8\"]"), 8, "data_offsets"},
        {ONE("F32", "[2]", "[0,9223372036854775807]"), 8, "truncated"},
        {ONE("F17", "[4]", "[0,8]"), 8, "unknown dtype"},
        {"{\"__metadata__\":", 0, "not a JSON object"},
        {"{\"__metadata__\":{\"k\":", 0, "not a JSON object"},
        {"{\"__metadata__\":{\"k\":\"v\",\"k\":\"w\"}}", 0, "not a JSON object"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "not a JSON object"},
        {"{\"t\" {}}", 0, "not a JSON object"},
        {"{\"t\":{]}", 0, "not a JSON object"},
        {"{\"t\":{}", 0, "not a JSON object"},
        {"{7:7}", 0, "not a JSON object"},
        {ONE("F32", "[2.0]", "[0,8]"), 8, "not a count"},
        {ONE("F32", "[-2]", "[0,8]"), 8, "not a count"},
        {ONE("F32", "2", "[0,8]"), 8, "not a list"},
        {ONE("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), 8, "at most 8 sizes"},
        {ONE("F32", "[4294967296,4294967296]", "[0,0]"), 0, "more than the whole file"},
        {ONE("F32", "[9223372036854775807,2]", "[0,8]"), 8, "more than the whole file"},
        {"{\"t\":{}}", 0, "tensor t"},
        {"{\"t\":7}", 0, "tensor t"},
        {"{\"__metadata__\":{\"k\":7}}", 0, "metadata k is not text"},
        {"{\"__metadata__\":[]}", 0, "not an object"},
        {"{\"__metadata__\":{\"crc32\":\"12345678\"}}", 0, "checksum"},
        {"{\"__metadata__\":{\"crc32\": \"00000000\"}}", 0, "checksum"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
         "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
         2, "not a JSON object"},
        {"[1,2]", 0, "not a JSON object"},
        {"{\"t\":", 0, "not a JSON object"},
        {"{} x", 0, "not a JSON object"},
        {"", 0, "not a JSON object"},
        {"\"\xff\xff\"", 0, "not a JSON object"},
    };
    struct nas_safetensors file;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *header = cases[i].header;
        assert_failed(ctx, read_made(header, strlen(header), cases[i].data, &file), MN_IO, path,
                      "damaged at byte", cases[i].why);
    }
}

/* A small file that claims much must not make the reader take much memory. */
static void test_giant_claims(void **state) {
    struct nas_safetensors file;
    uint8_t bytes[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, '{', '}'};
    file_put(path, bytes, sizeof bytes);
    assert_failed(ctx, nas_safetensors_read(ctx, path, &file), MN_IO,
                  "a header of 18446744073709551615 bytes does not fit the file's 16");
    memset(bytes, 0, 8);
    bytes[0] = 9;
    file_put(path, bytes, sizeof bytes);
    assert_failed(ctx, nas_safetensors_read(ctx, path, &file), MN_IO, "a header of 9 bytes");
    enum { DEEP = 100000 };
    char *deep = malloc(DEEP);
    assert_non_null(deep);
    memset(deep, '[', DEEP);
    assert_failed(ctx, read_made(deep, DEEP, 0, &file), MN_IO, "not a JSON object");
    free(deep);
}

static void test_not_a_file(void **state) {
    struct nas_safetensors file;
    assert_failed(ctx, nas_safetensors_read(ctx, folder.path, &file), MN_IO, folder.path,
                  "it is a folder");
    assert_failed(ctx, nas_safetensors_read(ctx, folder_path(&folder, "none"), &file), MN_IO,
                  "none", "No such file or directory");
}

/* ---- writing ------------------------------------------------------------------------------ */

static void test_text_that_json_cannot_hold(void **state) {
    const struct nas_metadata bad = {"k", "\xff"};
    assert_failed(ctx, nas_safetensors_write(ctx, path, 0, NULL, 1, &bad), MN_NOMEM, "UTF-8");
    assert_int_equal(folder_count(&folder), 0);
}

static void test_same_bytes_again(void **state) {
    size_t n, m;
    write_sample();
    uint8_t *first = file_get(path, &n);
    write_sample();
    uint8_t *second = file_get(path, &m);
    assert_int_equal(n, m);
    assert_memory_equal(first, second, n);
    free(first);
    free(second);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, begin, end),
        cmocka_unit_test_setup_teardown(test_nothing_at_all, begin, end),
        cmocka_unit_test_setup_teardown(test_layout, begin, end),
        cmocka_unit_test_setup_teardown(test_conversions, begin, end),
        cmocka_unit_test_setup_teardown(test_half_precision_is_read, begin, end),
        cmocka_unit_test_setup_teardown(test_other_types_are_named, begin, end),
        cmocka_unit_test_setup_teardown(test_headers_take_memory_in_proportion, begin, end),
        cmocka_unit_test_setup_teardown(test_truncated_at_every_byte, begin, end),
        cmocka_unit_test_setup_teardown(test_bit_flips, begin, end),
        cmocka_unit_test_setup_teardown(test_made_and_fine, begin, end),
        cmocka_unit_test_setup_teardown(test_made_and_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_giant_claims, begin, end),
        cmocka_unit_test_setup_teardown(test_not_a_file, begin, end),
        cmocka_unit_test_setup_teardown(test_text_that_json_cannot_hold, begin, end),
        cmocka_unit_test_setup_teardown(test_same_bytes_again, begin, end),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
