/* SPDX-License-Identifier: MIT */
#include "files.h"
#include "read.h"
#include "store.h"

#include <stdlib.h>
#include <sys/stat.h>
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
    struct mn_ctx *ctx = &s.mock.ctx;
    assert_int_equal(read_source(ctx, folder_path(&folder, "tree"), &source), MN_OK);
    check_files(&source, "");
    assert_int_equal(read_source(ctx, folder_path(&folder, "plain.zip"), &source), MN_OK);
    check_files(&source, "top/");
    assert_int_equal(read_source(ctx, folder_path(&folder, "packed.zip"), &source), MN_OK);
    check_files(&source, "");
    store_close(&s);
    files_free(&files);
}

static void refused(const char *path, const char *text) {
    struct store s;
    struct source source;
    store_init(&s);
    if (read_source(&s.mock.ctx, path, &source) == MN_OK) {
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
    refused(folder_path(&folder, "texts.zip"),
            "no image file (.png, .jpg, .jpeg, .webp) in this archive");
    files_tree(&files, folder.path, "texts");
    refused(folder_path(&folder, "texts"),
            "no image file (.png, .jpg, .jpeg, .webp) in this folder");
    files_free(&files);
}

static void tricky_names(void **state) {
    static const struct {
        const char *name, *text;
    } cases[] = {{"../a.png", "../a.png: the name leads out of the archive"},
                 {"a/../../b.png", "the name leads out of the archive"},
                 {"/etc/a.png", "/etc/a.png: the name is absolute"},
                 {"a/b\\c.png", "the name holds a backslash or a control character"},
                 {"a\n.png", "a%0A.png: the name holds a backslash or a control character"}};
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
    assert_int_equal(read_source(&s.mock.ctx, folder_path(&folder, "dots.zip"), &source), MN_OK);
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

/* What is too long is left out. */
static void too_long(void **state) {
    struct files files = {0};
    struct store s;
    struct source source;
    files_add(&files, "a.png", blob_text("x"));
    files_add(&files, "long.png", blob_text("x"));
    files_tree(&files, folder.path, "long");
    assert_int_equal(truncate(folder_path(&folder, "long/long.png"), SOURCE_FILE_MOST + 1L), 0);
    store_init(&s);
    assert_int_equal(read_source(&s.mock.ctx, folder_path(&folder, "long"), &source), MN_OK);
    assert_int_equal(source.n, 1);
    assert_int_equal(source.unreadable.n, 1);
    assert_string_equal(source.unreadable.names,
                        "long.png (268435457 bytes; the most is 268435456)");
    store_close(&s);
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
            if (read_source(&s.mock.ctx, path, &source) != MN_OK) {
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

/* A link to nowhere is left out, and so is a pipe; a link to a folder is followed. */
static void links(void **state) {
    struct files files = {0};
    struct store s;
    struct source source;
    files_add(&files, "a/x.png", blob_text("x"));
    files_tree(&files, folder.path, "links");
    assert_int_equal(symlink("nowhere", folder_path(&folder, "links/a/y.png")), 0);
    assert_int_equal(symlink("a", folder_path(&folder, "links/b")), 0);
    assert_int_equal(mkfifo(folder_path(&folder, "links/pipe.png"), 0644), 0);
    store_init(&s);
    assert_int_equal(read_source(&s.mock.ctx, folder_path(&folder, "links"), &source), MN_OK);
    assert_int_equal(source.n, 2);
    assert_string_equal(source.files[1].name, "b/x.png");
    assert_int_equal(source.unreadable.n, 3);
    assert_non_null(strstr(source.unreadable.names, "a/y.png (No such file or directory)"));
    assert_non_null(strstr(source.unreadable.names, "pipe.png (not a regular file)"));
    store_close(&s);
    files_free(&files);
}

/* Six folders of thirty links each to the next: 30^6 ways through them. */
static void tree_of_links(void **state) {
    struct files files = {0};
    files_add(&files, "0/x.png", blob_text("x"));
    files_tree(&files, folder.path, "dag");
    for (int level = 1; level <= 6; level++) {
        char name[64], to[64];
        snprintf(name, sizeof name, "dag/%d", level);
        assert_int_equal(mkdir(folder_path(&folder, name), 0755), 0);
        snprintf(to, sizeof to, "../%d", level - 1);
        for (int i = 0; i < 30; i++) {
            snprintf(name, sizeof name, "dag/%d/%d", level, i);
            assert_int_equal(symlink(to, folder_path(&folder, name)), 0);
        }
    }
    refused(folder_path(&folder, "dag"), "symbolic links lead to the same folders again and again");
    files_free(&files);
}

static void cancelled(void **state) {
    static const char *const places[] = {"cancel", "cancel.zip"};
    struct files files = {0};
    files_add(&files, "x.png", blob_text("x"));
    files_tree(&files, folder.path, "cancel");
    files_zip(&files, folder_path(&folder, "cancel.zip"), "", NULL);
    for (int i = 0; i < 4; i++) {
        struct store s;
        struct source source;
        const char *path = folder_path(&folder, places[i % 2]);
        store_init(&s);
        s.mock.cancelled = i < 2;
        int status = source_list(&s.mock.ctx, path, mn_scratch, &source);
        if (i >= 2) {
            assert_int_equal(status, MN_OK);
            s.mock.cancelled = 1;
            status = source_each(&s.mock.ctx, &source, read_take, &source);
        }
        assert_int_equal(status, MN_CANCELLED);
        mock_expect(&s.mock, MN_CANCELLED, NULL, "stopped while reading ");
        store_close(&s);
    }
    files_free(&files);
}

/* ---- what is left out --------------------------------------------------------------------- */

static void left_out_is_said(void **state) {
    static const char *const junk[] = {"__MACOSX/a/._1.png", "a/.DS_Store", "a/Thumbs.db",
                                       "a/._1.png",          "Desktop.ini", "a/@eaDir/1.png/x.jpg"};
    struct files files = {0};
    files_add(&files, "a/1.png", blob_text("x"));
    files_add(&files, "a/2.WebP", blob_text("x"));
    files_add(&files, "b/1.gif", blob_text("x"));
    for (int i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "c/%d.heic", i);
        files_add(&files, name, blob_text("x"));
    }
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++) {
        files_add(&files, junk[i], blob_text("x"));
    }
    files_tree(&files, folder.path, "left");
    mkdir(folder_path(&folder, "left/none"), 0755);
    mkdir(folder_path(&folder, "left/nest"), 0755);
    mkdir(folder_path(&folder, "left/nest/none"), 0755);
    files_add(&files, "none/", blob_text(""));
    files_add(&files, "nest/", blob_text(""));
    files_add(&files, "nest/none/", blob_text(""));
    files_add(&files, "a/", blob_text(""));
    files_zip(&files, folder_path(&folder, "left.zip"), "", NULL);
    for (int zip = 0; zip < 2; zip++) {
        struct store s;
        struct source source;
        store_init(&s);
        assert_int_equal(
            read_source(&s.mock.ctx, folder_path(&folder, zip ? "left.zip" : "left"), &source),
            MN_OK);
        assert_int_equal(source.n, 2);
        assert_int_equal(source.other_endings.n, 5);
        /* An archive need not tell of its folders: b and c are seen in those of a tree alone. */
        assert_int_equal(source.empty_folders.n, zip ? 2 : 4);
        source_say(&s.mock.ctx, &source);
        assert_int_equal(s.log_lines, 2);
        assert_non_null(strstr(s.log, ": 5 files are left out, their names do not end in .png, "
                                      ".jpg, .jpeg, .webp: "));
        assert_non_null(strstr(s.log, zip ? ": 2 folders without an image are left out: "
                                            "nest/none, none"
                                          : ": 4 folders without an image are left out: "));
        store_close(&s);
    }
    files_free(&files);
}

/* ---- names -------------------------------------------------------------------------------- */

static void replace(uint8_t *at, size_t n, const char *from, const char *to) {
    const size_t length = strlen(from);
    int found = 0;
    for (size_t i = 0; i + length <= n; i++) {
        if (memcmp(at + i, from, length) == 0) {
            memcpy(at + i, to, length);
            found++;
        }
    }
    assert_int_equal(found, 2); /* beside the data and in the directory */
}

/* The test runs in the locale C. A name says in a flag that it is UTF-8, or not; old tools wrote
 * others. */
static void zip_names(void **state) {
    static const struct {
        const char *bytes, *name;
        int flag;
    } cases[] = {{"\xC3\xA4\xE9\x9B\xAA", "\xC3\xA4\xE9\x9B\xAA", 1},
                 {"\xC3\xA4\xE9\x9B\xAA", "\xC3\xA4\xE9\x9B\xAA", 0},
                 {"\x84"
                  "vwxy",
                  "%84vwxy", 0},
                 {"\xFF\xFE\xC3(x", "%FF%FE%C3(x", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct files files = {0};
        struct store s;
        struct source source;
        size_t n;
        char name[64];
        const char *path = folder_path(&folder, "names.zip");
        files_add(&files, "a/12345.png", blob_text("x"));
        files_add(&files, "a/67890.txt", blob_text("x")); /* a bad name that nobody wants */
        files_zip(&files, path, "", "zip:compression=store");
        uint8_t *bytes = file_get(path, &n);
        replace(bytes, n, "12345", cases[i].bytes);
        replace(bytes, n, "67890", "\xFF\\\x1B[2");
        for (size_t k = 0; cases[i].flag && k + 10 < n; k++) {
            bytes[k + 7] |= memcmp(bytes + k, "PK\3\4", 4) == 0 ? 8 : 0;
            bytes[k + 9] |= memcmp(bytes + k, "PK\1\2", 4) == 0 ? 8 : 0;
        }
        file_put(path, bytes, n);
        free(bytes);
        store_init(&s);
        if (read_source(&s.mock.ctx, path, &source) != MN_OK) {
            fail_msg("%s", s.mock.message);
        }
        snprintf(name, sizeof name, "a/%s.png", cases[i].name);
        assert_int_equal(source.n, 1);
        assert_string_equal(source.files[0].name, name);
        assert_int_equal(source.other_endings.n, 1);
        store_close(&s);
        files_free(&files);
    }
}

/* A comment may have 65,535 bytes, and look like the record before it. */
static void zip_comment(void **state) {
    static const size_t lengths[] = {1, 22, 16362, 16363, 30000, 65535};
    struct files files = {0};
    size_t n;
    fill(&files);
    const char *path = folder_path(&folder, "comment.zip");
    files_zip(&files, path, "", NULL);
    uint8_t *bytes = file_get(path, &n);
    bytes = realloc(bytes, n + 65535);
    assert_non_null(bytes);
    for (size_t i = 0; i < 2 * sizeof lengths / sizeof lengths[0]; i++) {
        const size_t length = lengths[i / 2];
        struct store s;
        struct source source;
        memset(bytes + n, 'c', length);
        if (i % 2 == 1 &&
            length >= 8) { /* as if a record began in the comment, but none that ends it */
            memcpy(bytes + n + length / 2, "PK\5\6", 4);
        }
        bytes[n - 2] = (uint8_t)length;
        bytes[n - 1] = (uint8_t)(length >> 8);
        file_put(path, bytes, n + length);
        store_init(&s);
        if (read_source(&s.mock.ctx, path, &source) != MN_OK) {
            fail_msg("%s", s.mock.message);
        }
        check_files(&source, "");
        store_close(&s);
    }
    free(bytes);
    files_free(&files);
}

static void printable(void **state) {
    static const struct {
        const char *name, *text;
    } cases[] = {
        {"a b/c.png", "a b/c.png"},
        {"\xC3\xA4 \xE9\x9B\xAA \xF0\x9F\x98\x80", "\xC3\xA4 \xE9\x9B\xAA \xF0\x9F\x98\x80"},
        {"\x1B[31m\n\x7F", "%1B[31m%0A%7F"},
        {"\xC2\x9B"
         "2J",
         "%C2%9B2J"},                                  /* a control character of ISO 6429 */
        {"\xC0\xAF \xED\xA0\x80", "%C0%AF %ED%A0%80"}, /* too long; a surrogate */
        {"\xE9\x9B", "%E9%9B"},
        {"", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[64], cut[6];
        const size_t n = strlen(cases[i].name);
        assert_int_equal(source_printable(cases[i].name, n, out, sizeof out),
                         strlen(cases[i].text));
        assert_string_equal(out, cases[i].text);
        source_printable(cases[i].name, n, cut, sizeof cut);
        assert_true(strlen(cut) < sizeof cut && strncmp(cut, cases[i].text, strlen(cut)) == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tree_and_zip),
        cmocka_unit_test(no_sources),
        cmocka_unit_test(tricky_names),
        cmocka_unit_test(twice),
        cmocka_unit_test(too_long),
        cmocka_unit_test(truncated),
        cmocka_unit_test(flipped),
        cmocka_unit_test(ring),
        cmocka_unit_test(links),
        cmocka_unit_test(tree_of_links),
        cmocka_unit_test(left_out_is_said),
        cmocka_unit_test(zip_names),
        cmocka_unit_test(zip_comment),
        cmocka_unit_test(printable),
        cmocka_unit_test(cancelled),
    };
    return cmocka_run_group_tests_name("source", tests, set_up, tear_down);
}
