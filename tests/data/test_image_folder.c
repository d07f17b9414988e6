/* SPDX-License-Identifier: MIT */
#include "files.h"
#include "store.h"

#include <stdlib.h>

/* A small set of colour images, every one a gradient by which it is known again. */

enum { WIDTH = 12, HEIGHT = 10, IMAGES = 5, CLASSES = 6 };
static const char *const classes[CLASSES] = {"test/owl",  "test/newt", "train/cat",
                                             "train/dog", "train/elk", "val/fox"};
/* The classes of a split, in order of their names. */
static const int of_split[3][3] = {{2, 3, 4}, {5}, {1, 0}};
static const int n_of_split[3] = {3, 1, 2};

static struct folder folder;

static int value(int class, int image, int y, int x, int c) {
    return (31 * class + 7 * image + 3 * y + 5 * x + 80 * c) % 256;
}

static struct blob image_file(int class, int image, int width, int height, int jpeg) {
    uint8_t pixels[WIDTH * HEIGHT * 3];
    for (int i = 0; i < width * height * 3; i++) {
        pixels[i] = (uint8_t)value(class, image, i / 3 / width, i / 3 % width, i % 3);
    }
    return jpeg ? blob_jpeg(width, height, 3, 0, pixels) : blob_image(width, height, 3, pixels);
}

static void make_files(struct files *files) {
    for (int i = 0; i < CLASSES * IMAGES; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s/%d.%s", classes[i / IMAGES], i % IMAGES,
                 i % IMAGES % 2 == 0 ? "png" : "JPG"); /* a PNG all the same */
        files_add(files, name, image_file(i / IMAGES, i % IMAGES, WIDTH, HEIGHT, 0));
    }
}

static int set_up(void **state) {
    struct files files = {0};
    folder_new(&folder);
    make_files(&files);
    files_tree(&files, folder.path, "tree");
    files_tree(&files, folder.path, "deep/set");
    files_zip(&files, folder_path(&folder, "set.zip"), "", "zip:compression=deflate");
    files_zip(&files, folder_path(&folder, "deep.zip"), "set/", "zip:compression=store");
    files_free(&files);
    return 0;
}

static int tear_down(void **state) {
    folder_remove(&folder);
    return 0;
}

static void open_set(struct store *s, const char *name) {
    store_open(s, "image_folder");
    unit_path(&s->unit, "path", folder_path(&folder, name));
    unit_int(&s->unit, "size", 0);
}

/* ---- what tasks hold ---------------------------------------------------------------------- */

/* Which image of a class this is; colour planes follow each other. */
static int recognise(const mn_real *image, int class) {
    for (int i = 0; i < IMAGES; i++) {
        int wrong = 0;
        for (int p = 0; p < 3 * HEIGHT * WIDTH; p++) {
            const int c = p / (HEIGHT * WIDTH), y = p / WIDTH % HEIGHT, x = p % WIDTH;
            wrong += fabs((double)image[p] * 255 - value(class, i, y, x, c)) > 1e-3;
        }
        if (wrong == 0) {
            return i;
        }
    }
    fail_msg("an image is none of its class");
    return -1;
}

static void expect_split(struct store *s, int split) {
    const int n = n_of_split[split];
    assert_int_equal(s->info.n_classes[split], n);
    assert_int_equal(s->info.n_images[split], n * IMAGES);
    assert_int_equal(s->info.min_samples[split], IMAGES);
    struct drawn d = store_draw(s, split, 3, 1, n, 2, 3);
    drawn_check(&d, n);
    for (int i = 0; i < n; i++) {
        store_expect_name(s, split, i, strchr(classes[of_split[split][i]], '/') + 1);
    }
    for (int way = 0; way < n; way++) {
        unsigned seen = 0;
        for (int i = 0; i < IMAGES; i++) {
            const mn_real *image = i < 2 ? d.episode.support + (way * 2 + i) * d.reals
                                         : d.episode.query + (way * 3 + i - 2) * d.reals;
            seen |= 1u << recognise(image, of_split[split][d.episode.classes[way]]);
        }
        assert_int_equal(seen, (1u << IMAGES) - 1);
    }
    drawn_free(&d);
}

static void sources(void **state) {
    static const char *const places[] = {"tree", "deep", "set.zip", "deep.zip"};
    static const char *const caches[] = {"files", "pixels"};
    for (int i = 0; i < 8; i++) {
        struct store s;
        open_set(&s, places[i / 2]);
        unit_choice(&s.unit, "cache", caches[i % 2]);
        store_ready(&s);
        assert_int_equal(s.info.channels, 3);
        assert_int_equal(s.info.height, HEIGHT);
        assert_int_equal(s.info.width, WIDTH);
        for (int split = MN_TRAIN; split <= MN_TEST; split++) {
            expect_split(&s, split);
        }
        store_close(&s);
    }
}

static void deterministic(void **state) {
    struct store a, b;
    int differ = 0;
    open_set(&a, "tree");
    open_set(&b, "deep.zip");
    unit_choice(&a.unit, "cache", "files");
    unit_int(&a.unit, "size", 16);
    unit_int(&b.unit, "size", 16);
    store_ready(&a);
    store_ready(&b);
    assert_int_equal(a.info.height, 16);
    assert_int_equal(a.info.width, 16);
    for (int task = 9; task >= 0; task--) {
        struct drawn x = store_draw(&a, MN_TRAIN, 4, task, 3, 1, 2);
        struct drawn y = store_draw(&b, MN_TRAIN, 4, task, 3, 1, 2);
        struct drawn z = store_draw(&b, MN_TRAIN, 5, task, 3, 1, 2);
        assert_true(drawn_equal(&x, &y));
        differ += !drawn_equal(&x, &z);
        drawn_free(&x);
        drawn_free(&y);
        drawn_free(&z);
    }
    assert_int_equal(differ, 10);
    store_close(&a);
    store_close(&b);
}

static void open_colour(struct store *s) {
    open_set(s, "set.zip");
}

static void open_gray(struct store *s) {
    open_set(s, "set.zip");
    unit_int(&s->unit, "channels", 1);
}

static void kept_as_bytes(void **state) {
    store_expect_bytes(open_colour, CLASSES * IMAGES, 3, 16, 40);
    store_expect_bytes(open_gray, CLASSES * IMAGES, 1, 16, 40);
}

static void decoded_once(void **state) {
    struct store s;
    open_set(&s, "tree");
    store_ready(&s);
    store_expect_decoded(&s, MN_TRAIN, 1);
    store_close(&s);
    open_set(&s, "tree");
    unit_choice(&s.unit, "cache", "files");
    store_ready(&s);
    store_expect_decoded(&s, MN_TRAIN, 0);
    store_close(&s);
}

/* (v - mean) / std by channel; gray is the luma. */
static void normalised(void **state) {
    static const double mean[] = {0.25, 0.5, 0.125}, std[] = {0.5, 2, 0.25};
    struct store plain, scaled, gray;
    open_set(&plain, "tree");
    open_set(&scaled, "tree");
    open_set(&gray, "tree");
    unit_reals(&scaled.unit, "mean", mean, 3);
    unit_reals(&scaled.unit, "std", std, 3);
    unit_reals(&gray.unit, "std", std + 1, 1);
    unit_int(&gray.unit, "channels", 1);
    store_ready(&plain);
    store_ready(&scaled);
    store_ready(&gray);
    assert_int_equal(gray.info.channels, 1);
    struct drawn p = store_draw(&plain, MN_TEST, 0, 0, 2, 1, 1);
    struct drawn q = store_draw(&scaled, MN_TEST, 0, 0, 2, 1, 1);
    struct drawn g = store_draw(&gray, MN_TEST, 0, 0, 2, 1, 1);
    const int plane = HEIGHT * WIDTH;
    for (int i = 0; i < 2 * plane; i++) {
        const mn_real *from = p.episode.query + i / plane * 3 * plane + i % plane;
        const mn_real *to = q.episode.query + i / plane * 3 * plane + i % plane;
        for (int c = 0; c < 3; c++) {
            assert_close(to[c * plane], ((double)from[c * plane] - mean[c]) / std[c], 1e-5);
        }
        const double luma =
            0.299 * (double)from[0] + 0.587 * (double)from[plane] + 0.114 * (double)from[2 * plane];
        assert_close(g.episode.query[i], luma / 2, 0.51 / 255 / 2);
    }
    drawn_free(&p);
    drawn_free(&q);
    drawn_free(&g);
    store_close(&plain);
    store_close(&scaled);
    store_close(&gray);
}

/* A split without a folder has no classes; JPEG and PNG may be mixed. */
static void splits_left_out(void **state) {
    struct files files = {0};
    struct store s;
    for (int i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "train/%c/%d.jpeg", 'a' + i / 2, i);
        files_add(&files, name, image_file(i / 2, i, WIDTH, HEIGHT, i % 2));
    }
    files_tree(&files, folder.path, "alone");
    files_free(&files);
    open_set(&s, "alone");
    store_ready(&s);
    assert_int_equal(s.info.n_classes[MN_TRAIN], 2);
    assert_int_equal(s.info.n_classes[MN_VAL] + s.info.n_classes[MN_TEST], 0);
    assert_int_equal(s.info.min_samples[MN_TEST], 0);
    struct drawn d = store_draw(&s, MN_TRAIN, 0, 0, 2, 1, 1);
    drawn_check(&d, 2);
    drawn_free(&d);
    store_close(&s);
}

/* ---- faults ------------------------------------------------------------------------------- */

static void start_fails(struct store *s, int status, const char *key, const char *text) {
    assert_int_equal(store_start(s), status);
    mock_expect(&s->mock, status, key, text);
    store_close(s);
}

static void wrong_options(void **state) {
    static const double ones[] = {1, 1};
    struct store s;
    open_set(&s, "nowhere");
    start_fails(&s, MN_CONFIG, "path", "nowhere: No such file or directory");
    open_set(&s, "tree");
    unit_int(&s.unit, "channels", 2);
    start_fails(&s, MN_CONFIG, "channels", "2 is neither 3 (colour) nor 1 (gray)");
    open_set(&s, "tree");
    unit_reals(&s.unit, "mean", ones, 2);
    start_fails(&s, MN_CONFIG, "mean", "2 numbers for 3 channels");
    open_set(&s, "tree");
    unit_reals(&s.unit, "std", ones, 1);
    start_fails(&s, MN_CONFIG, "std", "1 numbers for 3 channels");
}

/* The small set with one file more. */
static void refused_with(const char *name, struct blob blob, const char *text) {
    struct files files = {0};
    struct store s;
    make_files(&files);
    files_add(&files, name, blob);
    files_zip(&files, folder_path(&folder, "more.zip"), "", NULL);
    files_free(&files);
    open_set(&s, "more.zip");
    start_fails(&s, MN_IO, NULL, text);
}

static struct blob fine(void) {
    return image_file(0, 0, WIDTH, HEIGHT, 0);
}

static void wrong_files(void **state) {
    refused_with("train/cat/x.png", image_file(0, 0, WIDTH, HEIGHT - 1, 0),
                 "more.zip: train/cat/x.png: the image has 12x9 pixels, but test/newt/0.png has "
                 "12x10: with size 0 all must have one shape");
    refused_with("train/gnu/x.png", fine(), "train/gnu/x.png: the only image of its class");
    refused_with("x.png", fine(), "more.zip: x.png: expected SPLIT/CLASS/IMAGE");
    refused_with("extra/cat/x.png", fine(), "extra/cat/x.png: expected SPLIT/CLASS/IMAGE");
    refused_with("trai/cat/x.png", fine(), "trai/cat/x.png: expected SPLIT/CLASS/IMAGE");
    refused_with("a/b/train/cat/x.png", fine(), "x.png: expected SPLIT/CLASS/IMAGE");
    refused_with("old/train/cat/x.png", fine(), "splits lie in two folders");
}

/* What cannot be read is left out, and that is said; the rest is as if it had never been there. */
static void unreadable_files(void **state) {
    static const char *const caches[] = {"pixels", "files"};
    struct files files = {0};
    make_files(&files);
    files_add(&files, "train/cat/0a.png", blob_text("no image"));
    files_add(&files, "train/cat/9.jpg", blob_text("\xFF\xD8\xFF\xE0 cut"));
    files_add(&files, "train/gif/0.png", blob_text("GIF89a"));
    files_add(&files, "val/fox/0a.webp", blob_text("RIFF    WEBPVP8 "));
    files_zip(&files, folder_path(&folder, "bad.zip"), "", NULL);
    files_free(&files);
    for (int i = 0; i < 4; i++) {
        struct store s;
        open_set(&s, "bad.zip");
        unit_choice(&s.unit, "cache", caches[i % 2]);
        unit_int(&s.unit, "size", i / 2 == 0 ? 0 : WIDTH);
        store_ready(&s);
        assert_int_equal(s.log_lines, 1);
        assert_non_null(strstr(s.log, "bad.zip: 4 files are left out, they cannot be read: "));
        assert_non_null(strstr(s.log, "train/cat/0a.png (neither a PNG, nor a JPEG, nor a WebP"));
        if (i / 2 == 0) {
            for (int split = MN_TRAIN; split <= MN_TEST; split++) {
                expect_split(&s, split);
            }
        }
        store_close(&s);
    }
}

/* Memory of mn_keep_shared that a second process finds filled. */
static struct {
    uint8_t *at;
    size_t bytes;
} common;

static void *keep_common(struct mn_ctx *ctx, size_t bytes, int *filled) {
    *filled = common.at != NULL;
    if (!*filled) {
        common.at = calloc(bytes, 1);
        common.bytes = bytes;
    }
    assert_non_null(common.at);
    assert_int_equal(bytes, common.bytes);
    return common.at;
}

/* A process that finds the pixels filled leaves out the same files without reading them. */
static void unreadable_files_and_shared_memory(void **state) {
    struct files files = {0};
    struct store s[2];
    make_files(&files);
    files_add(&files, "test/owl/0a.png", blob_text("no image"));
    files_add(&files, "train/cat/0a.png", blob_text("no image"));
    files_tree(&files, folder.path, "shared");
    files_free(&files);
    for (int i = 0; i < 2; i++) {
        open_set(&s[i], "shared");
        unit_int(&s[i].unit, "size", 16);
        s[i].mock.host.keep_shared = keep_common;
        store_ready(&s[i]);
        assert_int_equal(s[i].log_lines, 1 - i);
        assert_int_equal(s[i].info.n_images[MN_TRAIN], 3 * IMAGES);
    }
    for (int split = MN_TRAIN; split <= MN_TEST; split++) {
        const int n = n_of_split[split];
        struct drawn a = store_draw(&s[0], split, 1, 2, n, 1, IMAGES - 1);
        struct drawn b = store_draw(&s[1], split, 1, 2, n, 1, IMAGES - 1);
        assert_true(drawn_equal(&a, &b));
        drawn_check(&b, n);
        drawn_free(&a);
        drawn_free(&b);
    }
    store_close(&s[0]);
    store_close(&s[1]);
    free(common.at);
}

static void none_readable(void **state) {
    struct files files = {0};
    struct store s;
    files_add(&files, "train/cat/0.png", blob_text("no image"));
    files_add(&files, "train/cat/1.png", blob_text(""));
    files_tree(&files, folder.path, "nothing");
    files_free(&files);
    open_set(&s, "nothing");
    unit_int(&s.unit, "size", 8);
    start_fails(&s, MN_IO, NULL, "nothing: none of the image files can be read: train/cat/0.png (");
}

/* Class folders without an image, and files of other kinds. */
static void left_out_is_said(void **state) {
    struct files files = {0};
    struct store s;
    make_files(&files);
    files_add(&files, "train/gnu/1.heic", blob_text("x"));
    files_add(&files, "readme.txt", blob_text("x"));
    files_tree(&files, folder.path, "partly");
    files_free(&files);
    open_set(&s, "partly");
    store_ready(&s);
    assert_int_equal(s.log_lines, 2);
    assert_non_null(strstr(s.log, "partly: 2 files are left out, their names do not end in "));
    assert_non_null(strstr(s.log, "train/gnu/1.heic"));
    assert_non_null(strstr(s.log, "partly: 1 folder without an image is left out: train/gnu"));
    store_close(&s);
}

/* Said once: at the start, or by the first task that reads it. */
static void jpeg_without_end(void **state) {
    struct files files = {0};
    make_files(&files);
    struct blob blob = image_file(2, 0, WIDTH, HEIGHT, 1);
    blob.n -= 2;
    files_add(&files, "train/cat/9.jpg", blob);
    files_tree(&files, folder.path, "unended");
    files_free(&files);
    for (int cache = 0; cache < 2; cache++) {
        struct store s;
        mn_real image[3 * WIDTH * HEIGHT];
        open_set(&s, "unended");
        unit_choice(&s.unit, "cache", cache ? "files" : "pixels");
        store_ready(&s);
        assert_int_equal(s.info.n_images[MN_TRAIN], 3 * IMAGES + 1);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(s.table->image(s.unit.self, &s.mock.ctx, MN_TRAIN, 0, IMAGES, image),
                             MN_OK);
        }
        assert_int_equal(s.log_lines, 1);
        assert_non_null(strstr(s.log, "train/cat/9.jpg"));
        assert_non_null(
            strstr(s.log, cache ? "the JPEG file lacks its end" : "1 JPEG file lacks its end"));
        store_close(&s);
    }
}

/* A photo is seen as a viewer shows it, in the data set and as a picture of one's own. */
static void turned(void **state) {
    struct files files = {0};
    struct store plain, other;
    uint8_t stored[WIDTH * HEIGHT * 3];
    mn_real a[3 * WIDTH * HEIGHT], b[3 * WIDTH * HEIGHT];
    for (int i = 0; i < CLASSES * IMAGES; i++) {
        char name[128];
        for (int p = 0; p < WIDTH * HEIGHT; p++) { /* 6: the first row is the right column */
            for (int c = 0; c < 3; c++) {
                stored[3 * p + c] =
                    (uint8_t)value(i / IMAGES, i % IMAGES, p % HEIGHT, WIDTH - 1 - p / HEIGHT, c);
            }
        }
        snprintf(name, sizeof name, "%s/%d.png", classes[i / IMAGES], i % IMAGES);
        files_add(&files, name, blob_turned(blob_image(HEIGHT, WIDTH, 3, stored), 6, i % 2));
    }
    files_tree(&files, folder.path, "turned");
    open_set(&plain, "tree");
    open_set(&other, "turned");
    store_ready(&plain);
    store_ready(&other);
    for (int split = MN_TRAIN; split <= MN_TEST; split++) {
        expect_split(&other, split);
    }
    /* Resized, it is the same to the bit. */
    struct blob upright = image_file(5, 4, WIDTH, HEIGHT, 0);
    const struct blob *mine = &files.at[CLASSES * IMAGES - 1].blob;
    assert_int_equal(store_picture(&plain, upright.at, upright.n, 3, 5, 7, a), MN_OK);
    assert_int_equal(store_picture(&other, mine->at, mine->n, 3, 5, 7, b), MN_OK);
    assert_memory_equal(a, b, 3 * 5 * 7 * sizeof *a);
    blob_free(&upright);
    files_free(&files);
    store_close(&plain);
    store_close(&other);
}

/* Files are read one after the other: never do all of them lie in memory. */
static void one_file_at_a_time(void **state) {
    enum { MORE = 200000 };
    struct files files = {0};
    make_files(&files);
    for (int i = 0; i < files.n; i++) { /* bytes behind the end, as cameras leave them */
        struct blob *blob = &files.at[i].blob;
        blob->at = realloc(blob->at, blob->n + MORE);
        assert_non_null(blob->at);
        memset(blob->at + blob->n, 0, MORE);
        blob->n += MORE;
    }
    files_tree(&files, folder.path, "large");
    files_zip(&files, folder_path(&folder, "large.zip"), "", "zip:compression=store");
    files_free(&files);
    for (int zip = 0; zip < 2; zip++) {
        struct store s;
        open_set(&s, zip ? "large.zip" : "large");
        unit_int(&s.unit, "size", 8);
        store_ready(&s);
        assert_in_range(s.taken, MORE, 4 * MORE);
        assert_true(s.kept < MORE);
        store_close(&s);
    }
}

/* A file whose header is whole: found at the start with cache pixels, at its task without. */
static void broken_later(void **state) {
    struct files files = {0};
    struct store s;
    make_files(&files);
    files.at[5].blob.n -= 20;
    files_zip(&files, folder_path(&folder, "late.zip"), "", NULL);
    open_set(&s, "late.zip");
    unit_choice(&s.unit, "cache", "pixels");
    store_ready(&s);
    assert_non_null(strstr(s.log, "late.zip: 1 file is left out, it cannot be read: "
                                  "test/newt/0.png (broken PNG file: it ends too early"));
    store_close(&s);
    open_set(&s, "late.zip");
    unit_choice(&s.unit, "cache", "files");
    store_ready(&s);
    mn_real image[WIDTH * HEIGHT * 3];
    assert_int_equal(s.table->image(s.unit.self, &s.mock.ctx, MN_TEST, 0, 0, image), MN_IO);
    mock_expect(&s.mock, MN_IO, NULL, "late.zip: test/newt/0.png: broken PNG file: it ends");
    store_close(&s);
    files_free(&files);
}

/* Scratch that runs out at any call of start or sample is reported. */
static void no_memory(void **state) {
    int64_t calls = 0;
    for (int status = MN_NOMEM; status != MN_OK; calls++) {
        struct store s;
        mn_real images[8 * 8 * 3 * 4];
        int32_t labels[4];
        int64_t chosen[2];
        struct mn_episode_spec spec = {sizeof spec, MN_TEST, 2, 1, 1, 0};
        struct mn_episode episode = {.size = sizeof episode,
                                     .support = images,
                                     .support_labels = labels,
                                     .query = images + 8 * 8 * 3 * 2,
                                     .query_labels = labels,
                                     .classes = chosen};
        open_set(&s, "tree");
        unit_int(&s.unit, "size", 8);
        s.mock.memory_left = calls;
        status = store_start(&s);
        if (status == MN_OK) {
            status = s.table->sample(s.unit.self, &s.mock.ctx, &spec, &episode);
            assert_int_equal(status, s.mock.status);
        }
        assert_true(status == MN_OK || status == MN_NOMEM);
        store_close(&s);
    }
    assert_true(calls > 12);
}

/* A picture of another shape is prepared by the options alone. */
static void own_picture(void **state) {
    static const double mean[] = {0.25, 0.5, 0.125}, std[] = {0.5, 2, 0.25};
    mn_real same[3 * HEIGHT * WIDTH], half[3];
    const uint8_t two[] = {10, 20, 30, 50, 100, 90};
    struct store s;
    open_set(&s, "nowhere");
    unit_reals(&s.unit, "mean", mean, 3);
    unit_reals(&s.unit, "std", std, 3);
    struct blob blob = image_file(1, 2, WIDTH, HEIGHT, 0);
    assert_int_equal(store_picture(&s, blob.at, blob.n, 3, HEIGHT, WIDTH, same), MN_OK);
    for (int p = 0; p < 3 * HEIGHT * WIDTH; p++) {
        const int c = p / (HEIGHT * WIDTH), y = p / WIDTH % HEIGHT, x = p % WIDTH;
        assert_close(same[p], (value(1, 2, y, x, c) / 255.0 - mean[c]) / std[c], 1e-5);
    }
    blob_free(&blob);
    blob = blob_image(2, 1, 3, two);
    assert_int_equal(store_picture(&s, blob.at, blob.n, 3, 1, 1, half), MN_OK);
    for (int c = 0; c < 3; c++) { /* the mean of two equal halves */
        assert_close(half[c], ((two[c] + two[3 + c]) / 2.0 / 255 - mean[c]) / std[c],
                     0.51 / 255 / std[c]);
    }
    assert_int_equal(store_picture(&s, "GIF89a", 6, 3, 1, 1, half), MN_IO);
    assert_string_equal(s.mock.message, "mine/1.png: a GIF file; PNG, JPEG and WebP are read");
    blob_free(&blob);
    store_close(&s);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources),          cmocka_unit_test(deterministic),
        cmocka_unit_test(normalised),       cmocka_unit_test(splits_left_out),
        cmocka_unit_test(wrong_options),    cmocka_unit_test(wrong_files),
        cmocka_unit_test(broken_later),     cmocka_unit_test(unreadable_files),
        cmocka_unit_test(none_readable),    cmocka_unit_test(unreadable_files_and_shared_memory),
        cmocka_unit_test(left_out_is_said), cmocka_unit_test(jpeg_without_end),
        cmocka_unit_test(turned),           cmocka_unit_test(one_file_at_a_time),
        cmocka_unit_test(no_memory),        cmocka_unit_test(kept_as_bytes),
        cmocka_unit_test(decoded_once),     cmocka_unit_test(own_picture),
    };
    unit_arguments(argc, argv);
    return cmocka_run_group_tests_name("image_folder", tests, set_up, tear_down);
}
