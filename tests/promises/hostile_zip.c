/* SPDX-License-Identifier: MIT */
/* Archives that were not made by an honest tool: bombs, absurd sizes, names that lead out, links,
 * every truncation and random flips of a bit. */
#include "../data/files.h"
#include "../data/read.h"
#include "../data/store.h"
#include "hostile.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>

enum { FLIPS = 500, ALL_FLIPS = 10000, MEMBER = 1 << 20 };

static struct folder folder;
static char path[PATH_MAX];

static int begin(void **state) {
    folder_new(&folder);
    snprintf(path, sizeof path, "%s", folder_path(&folder, "set.zip"));
    return 0;
}

static int end(void **state) {
    folder_remove(&folder);
    return 0;
}

/* Read the archive at `path`; 1 = it was accepted. A refusal names it. */
static int accepted(char *message, size_t size) {
    struct store s;
    struct source source;
    store_init(&s);
    const int status = read_source(&s.mock.ctx, path, &source);
    assert_int_equal(status, s.mock.status);
    snprintf(message, size, "%s", s.mock.message);
    store_close(&s);
    assert_true(status == MN_OK || (status == MN_IO && strstr(message, path) == message));
    return status == MN_OK;
}

static void must_refuse(const char *text) {
    char message[1024];
    if (accepted(message, sizeof message)) {
        fail_msg("accepted; expected '%s'", text);
    }
    if (strstr(message, text) == NULL) {
        fail_msg("the message '%s' lacks '%s'", message, text);
    }
}

/* ---- bombs -------------------------------------------------------------------------------- */

/* Each member is allowed; together they are a thousand times the archive. */
static void test_bomb(void **state) {
    struct files files = {0};
    for (int i = 0; i < 66; i++) {
        char name[32];
        const struct blob zeroes = {calloc(MEMBER, 1), MEMBER};
        assert_non_null(zeroes.at);
        snprintf(name, sizeof name, "a/%d.png", i);
        files_add(&files, name, zeroes);
    }
    files_zip(&files, path, "", "zip:compression=deflate");
    must_refuse("which image files do not pack to");
    files_zip(&files, path, "", "zip:compression=store"); /* as large as it says */
    char message[1024];
    assert_true(accepted(message, sizeof message));
    files_free(&files);
}

/* An archive in an archive is never opened. */
static void test_nested(void **state) {
    struct files inner = {0}, outer = {0};
    size_t n;
    files_add(&inner, "a.png", blob_text("x"));
    files_zip(&inner, path, "", NULL);
    uint8_t *bytes = file_get(path, &n);
    files_add(&outer, "b.zip", (struct blob){bytes, n});
    files_zip(&outer, path, "", NULL);
    must_refuse("no image file (.png, .jpg, .jpeg, .webp) in this archive");
    files_free(&inner);
    files_free(&outer);
}

/* ---- what the directory claims ------------------------------------------------------------ */

/* Two members of 16 bytes each. */
static uint8_t *honest(size_t *n) {
    struct files files = {0};
    files_add(&files, "a.png", blob_text("0123456789abcdef"));
    files_add(&files, "b.png", blob_text("fedcba9876543210"));
    files_zip(&files, path, "", "zip:compression=store");
    files_free(&files);
    return file_get(path, n);
}

/* The first entry of the central directory. */
static uint8_t *entry_of(uint8_t *bytes, size_t n) {
    uint8_t *entry = memmem(bytes, n, "PK\1\2", 4);
    assert_non_null(entry);
    return entry;
}

/* What is accepted has the bytes of the files that were packed: each has a checksum. */
static void check_bytes(void) {
    struct store s;
    struct source source;
    store_init(&s);
    if (read_source(&s.mock.ctx, path, &source) == MN_OK) {
        for (int64_t i = 0; i < source.n; i++) {
            const struct source_file *file = &source.files[i];
            assert_int_equal(file->size, 16);
            assert_true(memcmp(file->bytes, "0123456789abcdef", 16) == 0 ||
                        memcmp(file->bytes, "fedcba9876543210", 16) == 0);
        }
    }
    store_close(&s);
}

/* Sizes stand at 20 (packed) and 24 (whole) of an entry, the length of its name at 28, the place of
 * the data at 42. Some contradict what stands beside the data, which libarchive then takes. */
static void test_absurd_sizes(void **state) {
    static const struct {
        size_t at;
        uint32_t value;
    } cases[] = {{24, 0xFFFFFFFE}, {24, 0x7FFFFFFF}, {24, 1 << 30}, {20, 0xFFFFFFFE}, {20, 0},
                 {24, 17},         {24, 15},         {42, 1 << 30}, {42, 0xFFFFFFFE}, {28, 0xFFFF}};
    char message[1024];
    size_t refused = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n;
        uint8_t *bytes = honest(&n);
        uint8_t *field = entry_of(bytes, n) + cases[i].at;
        for (int k = 0; k < (cases[i].at == 28 ? 2 : 4); k++) {
            field[k] = (uint8_t)(cases[i].value >> (8 * k));
        }
        file_put(path, bytes, n);
        refused += !accepted(message, sizeof message);
        check_bytes();
        free(bytes);
    }
    printf("%zu refused\n", refused);
    assert_true(refused >= 3);
}

/* Both entries share the same data: the way to the densest bombs, whose size test_bomb limits. */
static void test_overlapping(void **state) {
    size_t n;
    uint8_t *bytes = honest(&n);
    uint8_t *first = entry_of(bytes, n);
    uint8_t *second = entry_of(first + 4, n - (size_t)(first + 4 - bytes));
    memcpy(second + 42, first + 42, 4);
    file_put(path, bytes, n);
    check_bytes();
    free(bytes);
}

/* ---- names and kinds ---------------------------------------------------------------------- */

/* An archive of one member of that kind. */
static void put_entry(const char *name, mode_t type, const char *link) {
    struct archive *a = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    assert_int_equal(archive_write_set_format_zip(a), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, link != NULL ? 0 : 1);
    if (link != NULL) {
        archive_entry_set_symlink(entry, link);
    }
    assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
    if (link == NULL) {
        assert_int_equal(archive_write_data(a, "x", 1), 1);
    }
    archive_entry_free(entry);
    assert_int_equal(archive_write_free(a), ARCHIVE_OK);
}

static void test_names(void **state) {
    static const struct {
        const char *name, *text;
    } cases[] = {{"../a.png", "leads out of the archive"},
                 {"a/../../../etc/b.png", "leads out of the archive"},
                 {"./../a.png", "leads out of the archive"},
                 {"/etc/a.png", "the name is absolute"},
                 {".//etc/a.png", "the name is absolute"},
                 {"a/..\\..\\b.png", "a backslash"},
                 {"a\\..\\..\\b.png", "leads out of the archive"}, /* libarchive turns them */
                 {"a\x1b[2J.png", "a control character"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_entry(cases[i].name, AE_IFREG, NULL);
        must_refuse(cases[i].text);
    }
}

/* A name of 60,000 characters ends in a message, not in a cut name. */
static void test_long_name(void **state) {
    char name[60000], message[1024];
    memset(name, 'a', sizeof name);
    memcpy(name + sizeof name - 5, ".png", 5);
    put_entry(name, AE_IFREG, NULL);
    struct store s;
    struct source source;
    store_init(&s);
    assert_int_equal(read_source(&s.mock.ctx, path, &source), MN_OK);
    assert_string_equal(source.files[0].name, name);
    store_close(&s);
    name[0] = '/';
    put_entry(name, AE_IFREG, NULL);
    assert_false(accepted(message, sizeof message));
}

static void test_links(void **state) {
    put_entry("a.png", AE_IFLNK, "/etc/passwd");
    must_refuse("a.png: not a regular file");
    put_entry("a.png", AE_IFLNK, "../../b.png");
    must_refuse("a.png: not a regular file");
}

/* ---- damage ------------------------------------------------------------------------------- */

static void test_truncated(void **state) {
    size_t n;
    char message[1024];
    uint8_t *bytes = honest(&n);
    for (size_t cut = 0; cut < n; cut++) {
        file_put(path, bytes, cut);
        assert_false(accepted(message, sizeof message));
    }
    free(bytes);
}

static void test_flipped(void **state) {
    size_t n;
    uint8_t *bytes = honest(&n);
    struct mn_rng rng = mn_rng_make(8, MN_RNG_PLUGIN, 0, 0, 0, 0);
    const int flips = hostile_count(FLIPS, ALL_FLIPS);
    for (int i = 0; i < flips; i++) {
        const size_t at = mn_rng_below(&rng, (uint32_t)n);
        const uint8_t bit = (uint8_t)(1u << mn_rng_below(&rng, 8));
        bytes[at] ^= bit;
        file_put(path, bytes, n);
        bytes[at] ^= bit;
        check_bytes();
    }
    free(bytes);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bomb),         cmocka_unit_test(test_nested),
        cmocka_unit_test(test_absurd_sizes), cmocka_unit_test(test_overlapping),
        cmocka_unit_test(test_names),        cmocka_unit_test(test_long_name),
        cmocka_unit_test(test_links),        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_flipped),
    };
    return cmocka_run_group_tests_name("hostile zip", tests, begin, end);
}
