/* SPDX-License-Identifier: MIT */
#include "../../plugins/imaging/source.h"
#include "files.h"
#include "store.h"

#include <stdlib.h>
#include <unistd.h>

static struct folder folder;

static int set_up(void **state) {
    folder_new(&folder);
    return 0;
}

static int tear_down(void **state) {
    folder_remove(&folder);
    return 0;
}

/* What is read, and what is passed over. */
static void fill(struct files *files) {
    files_add(files, "b/two.PNG", blob_text("second"));
    files_add(files, "a/one.png", blob_text("first"));
    files_add(files, "a/notes.txt", blob_text("no image"));
    files_add(files, "a/.hidden.png", blob_text("hidden"));
    files_add(files, ".git/x.png", blob_text("hidden"));
    files_add(files, "__MACOSX/a/one.png", blob_text("not ours"));
    files_add(files, "b/c/d/three.jpeg", blob_text(""));
    files_add(files, "b/c.jpg", blob_text("fourth"));
}

static void check_files(const struct source *source, const char *prefix) {
    static const struct {
        const char *name, *text;
    } expected[] = {{"a/one.png", "first"},
                    {"b/c.jpg", "fourth"},
                    {"b/c/d/three.jpeg", ""},
                    {"b/two.PNG", "second"}};
    assert_int_equal(source->n, 4);
    for (int i = 0; i < 4; i++) {
        const struct source_file *file = &source->files[i];
        char name[64];
        snprintf(name, sizeof name, "%s%s", prefix, expected[i].name);
        assert_string_equal(file->name, name);
        assert_int_equal(file->size, strlen(expected[i].text));
        assert_memory_equal(file->bytes, expected[i].text, file->size);
    }
}

static void tree_and_zip(void **state) {
    struct files files = {0};
    struct store s;
    struct source source;
    fill(&files);
    files_tree(&files, folder.path, "tree");
    files_zip(&files, folder_path(&folder, "plain.zip"), "./top/", "zip:compression=store");
    files_zip(&files, folder_path(&folder, "packed.zip"), "", "zip:compression=deflate");
    store_init(&s);
    struct mn_cx *cx = &s.mock.cx;
    assert_int_equal(source_read(cx, folder_path(&folder, "tree"), mn_keep, &source), MN_OK);
    check_files(&source, "");
    assert_int_equal(source_read(cx, folder_path(&folder, "plain.zip"), mn_scratch, &source),
                     MN_OK);
    check_files(&source, "top/");
    assert_int_equal(source_read(cx, folder_path(&folder, "packed.zip"), mn_keep, &source), MN_OK);
    check_files(&source, "");
    store_close(&s);
    files_free(&files);
}

static void refused(const char *path, const char *text) {
    struct store s;
    struct source source;
    store_init(&s);
    if (source_read(&s.mock.cx, path, mn_scratch, &source) == MN_OK) {
        fail_msg("%s was read; expected '%s'", path, text);
    }
    assert_memory_equal(s.mock.message, path, strlen(path));
    mock_expect(&s.mock, MN_IO, NULL, text);
    store_close(&s);
}

static void put(const char *name, const char *data, size_t n) {
    file_put(folder_path(&folder, name), data, n);
}

static void no_sources(void **state) {
    struct files files = {0};
    refused(folder_path(&folder, "none"), "No such file or directory");
    put("empty.zip", "", 0);
    refused(folder_path(&folder, "empty.zip"), "the file is empty");
    put("text.zip", "this is no archive at all", 25);
    refused(folder_path(&folder, "text.zip"), "not a zip archive");
    files_zip(&files, folder_path(&folder, "void.zip"), "", NULL);
    refused(folder_path(&folder, "void.zip"), "the zip archive is empty");
    files_add(&files, "a.txt", blob_text("x"));
    files_zip(&files, folder_path(&folder, "texts.zip"), "", NULL);
    refused(folder_path(&folder, "texts.zip"), "no image file (.png, .jpg, .jpeg) in this archive");
    files_tree(&files, folder.path, "texts");
    refused(folder_path(&folder, "texts"), "no image file (.png, .jpg, .jpeg) in this folder");
    files_free(&files);
}

static void tricky_names(void **state) {
    static const struct {
        const char *name, *text;
    } cases[] = {{"../a.png", "../a.png: the name leads out of the archive"},
                 {"a/../../b.png", "the name leads out of the archive"},
                 {"a/..", "a/..: the name leads out of the archive"},
                 {"/etc/a.png", "/etc/a.png: the name is absolute"},
                 {"a/b\\c.png", "the name holds a backslash or a control character"},
                 {"a\n.png", "a?.png: the name holds a backslash or a control character"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct files files = {0};
        files_add(&files, "fine.png", blob_text("x"));
        files_add(&files, cases[i].name, blob_text("x"));
        files_zip(&files, folder_path(&folder, "tricky.zip"), "", NULL);
        refused(folder_path(&folder, "tricky.zip"), cases[i].text);
        files_free(&files);
    }
    struct files files = {0};
    files_add(&files, "a..b/...c/d..png", blob_text("x")); /* dots that lead nowhere */
    files_add(&files, "e/f.png", blob_text("x"));
    files_zip(&files, folder_path(&folder, "dots.zip"), "", NULL);
    struct store s;
    struct source source;
    store_init(&s);
    assert_int_equal(source_read(&s.mock.cx, folder_path(&folder, "dots.zip"), mn_scratch, &source),
                     MN_OK);
    store_close(&s);
    files_free(&files);
}

static void twice(void **state) {
    struct files files = {0};
    files_add(&files, "a.png", blob_text("x"));
    files_add(&files, "a.png", blob_text("y"));
    files_zip(&files, folder_path(&folder, "twice.zip"), "", NULL);
    refused(folder_path(&folder, "twice.zip"), "a.png: the archive holds two files of this name");
    files_free(&files);
}

/* A small archive that unpacks to much. */
static void too_long(void **state) {
    struct files files = {0};
    struct blob zeroes = {calloc(SOURCE_FILE_MOST + 1, 1), SOURCE_FILE_MOST + 1};
    assert_non_null(zeroes.at);
    files_add(&files, "long.png", zeroes);
    files_zip(&files, folder_path(&folder, "long.zip"), "", "zip:compression=deflate");
    refused(folder_path(&folder, "long.zip"),
            "long.png: the file has 16777217 bytes; the most is 16777216");
    files_tree(&files, folder.path, "long");
    refused(folder_path(&folder, "long"), "the most is 16777216");
    files_free(&files);
}

/* Cut anywhere, an archive is never taken for a whole one. */
static void truncated(void **state) {
    struct files files = {0};
    size_t n;
    files_add(&files, "a.png", blob_text("0123456789abcdef"));
    files_add(&files, "b.png", blob_text("0123456789abcdef"));
    const char *path = folder_path(&folder, "cut.zip");
    files_zip(&files, path, "", "zip:compression=store");
    uint8_t *data = file_get(path, &n);
    for (size_t cut = 0; cut < n; cut++) {
        file_put(path, data, cut);
        refused(path, cut == 0 ? "the file is empty" : cut == 1 ? "" : "truncated or damaged");
    }
    free(data);
    files_free(&files);
}

/* A changed bit of the data breaks the checksum; elsewhere it may be harmless, but no more. */
static void flipped(void **state) {
    struct files files = {0};
    size_t n;
    files_add(&files, "a.png", blob_text("0123456789abcdef"));
    files_add(&files, "b.png", blob_text("0123456789abcdef"));
    const char *path = folder_path(&folder, "flip.zip");
    files_zip(&files, path, "", "zip:compression=store");
    uint8_t *data = file_get(path, &n);
    const uint8_t *first = memmem(data, n, "0123456789abcdef", 16);
    assert_non_null(first);
    const size_t from = (size_t)(first - data);
    for (size_t i = 0; i < n; i++) {
        data[i] ^= 4;
        file_put(path, data, n);
        if (i >= from && i < from + 16) {
            refused(path, "a.png: ZIP bad CRC");
        } else {
            struct store s;
            struct source source;
            store_init(&s);
            if (source_read(&s.mock.cx, path, mn_scratch, &source) != MN_OK) {
                mock_expect(&s.mock, MN_IO, NULL, path);
            }
            store_close(&s);
        }
        data[i] ^= 4;
    }
    free(data);
    files_free(&files);
}

static void ring(void **state) {
    struct files files = {0};
    files_add(&files, "a/x.png", blob_text("x"));
    files_tree(&files, folder.path, "ring");
    assert_int_equal(symlink("..", folder_path(&folder, "ring/a/back")), 0);
    refused(folder_path(&folder, "ring"), "a symbolic link may form a ring");
    files_free(&files);
}

static void dangling(void **state) {
    struct files files = {0};
    files_add(&files, "a/x.png", blob_text("x"));
    files_tree(&files, folder.path, "dangling");
    assert_int_equal(symlink("nowhere", folder_path(&folder, "dangling/a/y.png")), 0);
    refused(folder_path(&folder, "dangling"), "a/y.png: No such file or directory");
    files_free(&files);
}

static void cancelled(void **state) {
    struct files files = {0};
    struct store s;
    struct source source;
    files_add(&files, "x.png", blob_text("x"));
    files_tree(&files, folder.path, "cancel");
    store_init(&s);
    s.mock.cancelled = 1;
    assert_int_equal(source_read(&s.mock.cx, folder_path(&folder, "cancel"), mn_scratch, &source),
                     MN_CANCELLED);
    store_close(&s);
    files_free(&files);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tree_and_zip), cmocka_unit_test(no_sources),
        cmocka_unit_test(tricky_names), cmocka_unit_test(twice),
        cmocka_unit_test(too_long),     cmocka_unit_test(truncated),
        cmocka_unit_test(flipped),      cmocka_unit_test(ring),
        cmocka_unit_test(dangling),     cmocka_unit_test(cancelled),
    };
    return cmocka_run_group_tests_name("source", tests, set_up, tear_down);
}
