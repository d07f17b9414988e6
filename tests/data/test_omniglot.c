/* SPDX-License-Identifier: MIT */
#include "files.h"
#include "store.h"

#include <png.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A small Omniglot: 5 background and 3 evaluation characters, 4 drawings each, every drawing a
 * random pattern by which it is known again. */

enum { SIDE = 12, BACKGROUND = 5, CHARACTERS = 8, DRAWINGS = 4 };
static const char *const names[CHARACTERS] = {
    "Aaa/character01", "Aaa/character02", "Aaa/character03", "Bbb/character01",
    "Bbb/character02", "Ccc/character01", "Ccc/character02", "Ccc_d/character01"};

static struct folder folder;

/* 1 where there is ink. */
static int ink(int character, int drawing, int y, int x) {
    uint32_t h = (uint32_t)(((character * 8 + drawing) * SIDE + y) * SIDE + x + 1) * 2654435761u;
    h = (h ^ (h >> 15)) * 2246822519u;
    return (h >> 16 & 3) == 0;
}

/* 1-bit gray, ink black, as in the published files. */
static struct blob drawing_file(int character, int drawing, int width, int height) {
    uint8_t rows[SIDE * 2] = {0};
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            rows[2 * y + x / 8] |= (uint8_t)(!ink(character, drawing, y, x) << (7 - x % 8));
        }
    }
    return blob_png(width, height, PNG_COLOR_TYPE_GRAY, 1, 0, rows);
}

static void make_files(struct files *background, struct files *evaluation) {
    for (int c = 0; c < CHARACTERS; c++) {
        for (int d = DRAWINGS - 1; d >= 0; d--) {
            char name[128];
            snprintf(name, sizeof name, "%s/%04d_%02d.png", names[c], c + 1, d + 1);
            files_add(c < BACKGROUND ? background : evaluation, name,
                      drawing_file(c, d, SIDE, SIDE));
        }
    }
}

/* folder/NAME with both parts, as archives or as trees. */
static void put_parts(const char *name, int zip, const struct files *background,
                      const struct files *evaluation) {
    const char *root = folder_path(&folder, name);
    char path[2 * PATH_MAX];
    assert_int_equal(mkdir(root, 0755), 0);
    if (!zip) {
        files_tree(background, root, "images_background");
        files_tree(evaluation, root, "images_evaluation");
        return;
    }
    snprintf(path, sizeof path, "%s/images_background.zip", root);
    files_zip(background, path, "images_background/", "zip:compression=deflate");
    snprintf(path, sizeof path, "%s/images_evaluation.zip", root);
    files_zip(evaluation, path, "images_evaluation/", "zip:compression=store");
}

static void put_text(const char *name, const char *text) {
    file_put(folder_path(&folder, name), text, strlen(text));
}

static int set_up(void **state) {
    struct files background = {0}, evaluation = {0};
    folder_new(&folder);
    make_files(&background, &evaluation);
    put_parts("zips", 1, &background, &evaluation);
    put_parts("trees", 0, &background, &evaluation);
    files_free(&background);
    files_free(&evaluation);
    mkdir(folder_path(&folder, "zips/splits_vinyals"), 0755);
    put_text("zips/splits_vinyals/train.txt",
             "Bbb/character02/rot000\nBbb/character02/rot090\r\n\nCcc_d/character01/rot270\n"
             "Aaa/character01/rot000");
    put_text("zips/splits_vinyals/val.txt", "Aaa/character02/rot000\nAaa/character02/rot180\n");
    put_text("zips/splits_vinyals/test.txt",
             "Ccc/character01/rot000\nCcc/character01/rot270\nAaa/character03/rot000\n");
    return 0;
}

static int tear_down(void **state) {
    folder_remove(&folder);
    return 0;
}

static void open_omniglot(struct store *s, const char *name) {
    store_open(s, "omniglot");
    unit_path(&s->unit, "path", folder_path(&folder, name));
    unit_int(&s->unit, "size", SIDE);
    unit_int(&s->unit, "validation", 2);
}

/* ---- what stays in memory ----------------------------------------------------------------- */

static void open_zips(struct store *s) {
    open_omniglot(s, "zips");
}

static void kept_as_bytes(void **state) {
    store_expect_bytes(open_zips, CHARACTERS * DRAWINGS, 1, 16, 40);
}

static void decoded_once(void **state) {
    struct store s;
    open_omniglot(&s, "trees");
    store_ready(&s);
    store_expect_decoded(&s, MN_TRAIN, 1);
    store_close(&s);
}

/* ---- recognising drawings ----------------------------------------------------------------- */

struct origin {
    int character, drawing, turns;
};

/* Ink of a drawing turned counter-clockwise: the place is turned back about the centre. */
static int turned_ink(const struct origin *o, int y, int x) {
    const double angle = o->turns * acos(-1.0) / 2, middle = (SIDE - 1) / 2.0;
    const double dx = x - middle, up = middle - y;
    const double fx = cos(angle) * dx + sin(angle) * up, fup = cos(angle) * up - sin(angle) * dx;
    return ink(o->character, o->drawing, (int)lround(middle - fup), (int)lround(middle + fx));
}

static struct origin recognise(const mn_real *image) {
    for (int i = 0; i < CHARACTERS * DRAWINGS * 4; i++) {
        const struct origin o = {i / (4 * DRAWINGS), i / 4 % DRAWINGS, i % 4};
        int wrong = 0;
        for (int p = 0; p < SIDE * SIDE; p++) {
            wrong += (double)image[p] != turned_ink(&o, p / SIDE, p % SIDE);
        }
        if (wrong == 0) {
            return o;
        }
    }
    fail_msg("an image is none of the drawings");
    return (struct origin){0};
}

/* Draws tasks of all classes of a split and checks that class i is the expected one. */
static void expect_classes(struct store *s, int split, int n, const struct origin *expected) {
    assert_int_equal(s->info.n_classes[split], n);
    assert_int_equal(s->info.n_images[split], n * DRAWINGS);
    assert_int_equal(s->info.min_samples[split], n > 0 ? DRAWINGS : 0);
    if (n == 0) {
        return;
    }
    struct drawn d = store_draw(s, split, 0, 0, n, 1, DRAWINGS - 1);
    drawn_check(&d, n);
    for (int i = 0; i < n; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/rot%03d", names[expected[i].character],
                 90 * expected[i].turns);
        store_expect_name(s, split, i, name);
    }
    for (int way = 0; way < n; way++) {
        const struct origin *e = &expected[d.episode.classes[way]];
        unsigned seen = 0;
        for (int i = 0; i < DRAWINGS; i++) {
            const mn_real *image = i == 0
                                       ? d.episode.support + way * d.reals
                                       : d.episode.query + (way * (DRAWINGS - 1) + i - 1) * d.reals;
            const struct origin o = recognise(image);
            assert_int_equal(o.character, e->character);
            assert_int_equal(o.turns, e->turns);
            seen |= 1u << o.drawing;
        }
        assert_int_equal(seen, (1u << DRAWINGS) - 1);
    }
    drawn_free(&d);
}

/* `n` characters, each upright or in all four turns. */
static void expect_characters(struct store *s, int split, int n, const int *characters, int turns) {
    struct origin expected[CHARACTERS * 4];
    for (int i = 0; i < n * turns; i++) {
        expected[i] = (struct origin){characters[i / turns], 0, i % turns};
    }
    expect_classes(s, split, n * turns, expected);
}

/* ---- background and evaluation ------------------------------------------------------------ */

/* 2 of 5 held out: the middles of the halves, characters 1 and 3. */
static const int train[] = {0, 2, 4}, val[] = {1, 3}, test_set[] = {5, 6, 7};

static void default_split(void **state) {
    static const char *const places[] = {"zips", "trees"};
    for (int i = 0; i < 2; i++) {
        struct store s;
        open_omniglot(&s, places[i]);
        store_ready(&s);
        assert_int_equal(s.info.channels, 1);
        assert_int_equal(s.info.height, SIDE);
        assert_int_equal(s.info.width, SIDE);
        expect_characters(&s, MN_TRAIN, 3, train, 4);
        expect_characters(&s, MN_VAL, 2, val, 1);
        expect_characters(&s, MN_TEST, 3, test_set, 1);
        store_close(&s);
    }
}

static void rotations(void **state) {
    static const char *const modes[] = {"all", "none"};
    for (int i = 0; i < 2; i++) {
        struct store s;
        open_omniglot(&s, "zips");
        unit_choice(&s.unit, "rotations", modes[i]);
        store_ready(&s);
        expect_characters(&s, MN_TRAIN, 3, train, i == 0 ? 4 : 1);
        expect_characters(&s, MN_VAL, 2, val, i == 0 ? 4 : 1);
        expect_characters(&s, MN_TEST, 3, test_set, i == 0 ? 4 : 1);
        store_close(&s);
    }
}

/* Whatever their number, held-out characters are as many as asked for, and the rest trains. */
static void validation(void **state) {
    for (int held = 0; held < BACKGROUND; held++) {
        struct store s;
        open_omniglot(&s, "zips");
        unit_int(&s.unit, "validation", held);
        store_ready(&s);
        assert_int_equal(s.info.n_classes[MN_VAL], held);
        assert_int_equal(s.info.n_classes[MN_TRAIN], 4 * (BACKGROUND - held));
        store_close(&s);
    }
}

/* ---- tasks -------------------------------------------------------------------------------- */

/* A task is a function of seed, split, meta-epoch and number, and of nothing drawn before. */
static void deterministic(void **state) {
    struct store a, b;
    open_omniglot(&a, "zips");
    open_omniglot(&b, "trees");
    store_ready(&a);
    store_ready(&b);
    int differ = 0;
    struct drawn first = store_draw(&a, MN_TRAIN, 0, 0, 3, 1, 2);
    for (int task = 20; task >= 0; task--) {
        struct drawn x = store_draw(&a, MN_TRAIN, 5, task, 3, 1, 2);
        struct drawn y = store_draw(&b, MN_TRAIN, 5, task, 3, 1, 2);
        assert_true(drawn_equal(&x, &y));
        drawn_check(&x, a.info.n_classes[MN_TRAIN]);
        differ += !drawn_equal(&x, &first);
        b.mock.ctx.where.seed = 2;
        struct drawn z = store_draw(&b, MN_TRAIN, 5, task, 3, 1, 2);
        differ += !drawn_equal(&x, &z);
        b.mock.ctx.where.seed = 1;
        drawn_free(&x);
        drawn_free(&y);
        drawn_free(&z);
    }
    assert_int_equal(differ, 42);
    drawn_free(&first);
    store_close(&a);
    store_close(&b);
}

/* All classes turn up equally often, and each drawing of a class in the support set. */
static void uniform(void **state) {
    enum { TASKS = 3000 };
    struct store s;
    int classes[3] = {0}, drawings[DRAWINGS] = {0};
    open_omniglot(&s, "zips");
    store_ready(&s);
    for (int task = 0; task < TASKS; task++) {
        struct drawn d = store_draw(&s, MN_TEST, 0, task, 1, 1, 1);
        classes[d.episode.classes[0]]++;
        drawings[recognise(d.episode.support).drawing]++;
        drawn_free(&d);
    }
    for (int i = 0; i < 3; i++) {
        assert_true(abs(classes[i] - TASKS / 3) < 130); /* five standard deviations */
    }
    for (int i = 0; i < DRAWINGS; i++) {
        assert_true(abs(drawings[i] - TASKS / DRAWINGS) < 120);
    }
    store_close(&s);
}

static void other_size(void **state) {
    struct store s;
    double sum = 0, expected = 0;
    open_omniglot(&s, "zips");
    unit_int(&s.unit, "size", 8);
    store_ready(&s);
    assert_int_equal(s.info.height, 8);
    struct drawn d = store_draw(&s, MN_TEST, 0, 0, 3, 2, 2);
    for (int i = 0; i < 3 * 2 * 64; i++) {
        assert_true(d.episode.support[i] >= 0 && d.episode.support[i] <= 1);
        sum += (double)(d.episode.support[i] + d.episode.query[i]) / (3 * 4 * 64);
    }
    for (int i = 0; i < 3 * DRAWINGS * SIDE * SIDE; i++) {
        expected += ink(BACKGROUND + i / (DRAWINGS * SIDE * SIDE), i / (SIDE * SIDE) % DRAWINGS,
                        i / SIDE % SIDE, i % SIDE) /
                    (double)(3 * DRAWINGS * SIDE * SIDE);
    }
    assert_true(fabs(sum - expected) < 0.02); /* the mean of ink survives */
    drawn_free(&d);
    store_close(&s);
}

/* ---- the lists of Vinyals et al. ---------------------------------------------------------- */

static void vinyals(void **state) {
    static const struct origin all_train[] = {{4, 0, 0}, {4, 0, 1}, {7, 0, 3}, {0, 0, 0}},
                               all_val[] = {{1, 0, 0}, {1, 0, 2}},
                               all_test[] = {{5, 0, 0}, {5, 0, 3}, {2, 0, 0}},
                               upright_train[] = {{4, 0, 0}, {0, 0, 0}},
                               upright_test[] = {{5, 0, 0}, {2, 0, 0}};
    static const char *const modes[] = {"train", "all", "none"};
    for (int i = 0; i < 3; i++) {
        struct store s;
        open_omniglot(&s, "zips");
        unit_choice(&s.unit, "split", "vinyals");
        unit_choice(&s.unit, "rotations", modes[i]);
        store_ready(&s);
        expect_classes(&s, MN_TRAIN, i == 2 ? 2 : 4, i == 2 ? upright_train : all_train);
        expect_classes(&s, MN_VAL, i == 1 ? 2 : 1, all_val);
        expect_classes(&s, MN_TEST, i == 1 ? 3 : 2, i == 1 ? all_test : upright_test);
        store_close(&s);
    }
}

/* As an editor on Windows saves them. */
static void byte_order_mark_and_crlf(void **state) {
    static const struct origin train_classes[] = {{4, 0, 0}, {0, 0, 0}};
    struct store s;
    assert_int_equal(mkdir(folder_path(&folder, "windows"), 0755), 0);
    put_text("windows/train.txt", "\xEF\xBB\xBF"
                                  "Bbb/character02/rot000\r\n\r\nAaa/character01/rot000\r\n");
    put_text("windows/val.txt", "\xEF\xBB\xBF");
    put_text("windows/test.txt", "");
    open_omniglot(&s, "zips");
    unit_choice(&s.unit, "split", "vinyals");
    unit_choice(&s.unit, "rotations", "none");
    unit_path(&s.unit, "splits", folder_path(&folder, "windows"));
    store_ready(&s);
    expect_classes(&s, MN_TRAIN, 2, train_classes);
    assert_int_equal(s.info.n_classes[MN_VAL] + s.info.n_classes[MN_TEST], 0);
    store_close(&s);
}

static void bad_lists(void **state) {
    static const struct {
        const char *train, *val, *text;
    } cases[] = {
        {"Aaa/character01/rot000\nDdd/character01/rot000\n", "",
         "train.txt:2: there is no character 'Ddd/character01' in "},
        {"Aaa/character01\n", "",
         "train.txt:1: 'Aaa/character01': expected ALPHABET/CHARACTER/rot"},
        {"Aaa/character01/rot045\n", "", "expected ALPHABET/CHARACTER/rotRRR with RRR one of"},
        {"Aaa/character01/rot000\n", "\n\nAaa/character01/rot000\n",
         "val.txt:3: class Aaa/character01/rot000 was listed before, in train.txt"}};
    struct store s;
    assert_int_equal(mkdir(folder_path(&folder, "lists"), 0755), 0);
    put_text("lists/test.txt", "");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_text("lists/train.txt", cases[i].train);
        put_text("lists/val.txt", cases[i].val);
        open_omniglot(&s, "zips");
        unit_choice(&s.unit, "split", "vinyals");
        unit_path(&s.unit, "splits", folder_path(&folder, "lists"));
        assert_int_equal(store_start(&s), MN_IO);
        mock_expect(&s.mock, MN_IO, NULL, cases[i].text);
        store_close(&s);
    }
    /* A pipe is not waited for. */
    assert_int_equal(unlink(folder_path(&folder, "lists/train.txt")), 0);
    assert_int_equal(mkfifo(folder_path(&folder, "lists/train.txt"), 0644), 0);
    open_omniglot(&s, "zips");
    unit_choice(&s.unit, "split", "vinyals");
    unit_path(&s.unit, "splits", folder_path(&folder, "lists"));
    assert_int_equal(store_start(&s), MN_CONFIG);
    mock_expect(&s.mock, MN_CONFIG, "splits", "lists/train.txt: No such device or address");
    store_close(&s);
    open_omniglot(&s, "trees");
    unit_choice(&s.unit, "split", "vinyals");
    assert_int_equal(store_start(&s), MN_CONFIG);
    mock_expect(&s.mock, MN_CONFIG, "split",
                "trees/splits_vinyals/train.txt: No such file or directory");
    store_close(&s);
    open_omniglot(&s, "zips");
    unit_choice(&s.unit, "split", "vinyals");
    unit_path(&s.unit, "splits", folder_path(&folder, "nowhere"));
    assert_int_equal(store_start(&s), MN_CONFIG);
    mock_expect(&s.mock, MN_CONFIG, "splits", "nowhere/train.txt: No such file or directory");
    store_close(&s);
}

/* ---- faults ------------------------------------------------------------------------------- */

static void refused(const char *place, int status, const char *key, const char *text) {
    struct store s;
    open_omniglot(&s, place);
    assert_int_equal(store_start(&s), status);
    mock_expect(&s.mock, status, key, text);
    store_close(&s);
}

static void wrong_paths(void **state) {
    struct store s;
    put_text("file", "x");
    assert_int_equal(mkdir(folder_path(&folder, "bare"), 0755), 0);
    refused("none", MN_CONFIG, "path", "none: No such file or directory; it should be the folder");
    refused("file", MN_CONFIG, "path", "file is no folder");
    refused("bare", MN_CONFIG, "path",
            "bare holds neither a folder images_background nor images_background.zip");
    open_omniglot(&s, "zips");
    unit_int(&s.unit, "validation", BACKGROUND);
    assert_int_equal(store_start(&s), MN_CONFIG);
    mock_expect(&s.mock, MN_CONFIG, "validation",
                "5 characters are to be held out, but the background set has only 5");
    store_close(&s);
}

/* The small set with one file more in the background archive. */
static void refused_with(const char *place, const char *name, struct blob blob, const char *text) {
    struct files background = {0}, evaluation = {0};
    make_files(&background, &evaluation);
    files_add(&background, name, blob);
    put_parts(place, 1, &background, &evaluation);
    refused(place, MN_IO, NULL, text);
    files_free(&background);
    files_free(&evaluation);
}

static void wrong_images(void **state) {
    refused_with("oblong", "Aaa/character01/x.png", drawing_file(0, 0, SIDE, SIDE - 1),
                 "images_background/Aaa/character01/x.png: the image has 12x11 pixels; a square");
    refused_with("few", "Ddd/character09/x.png", drawing_file(0, 0, SIDE, SIDE),
                 "images_background/Ddd/character09 has too few images (1)");
    refused_with("lost", "Ddd/x.png", drawing_file(0, 0, SIDE, SIDE),
                 "images_background/Ddd/x.png: expected images_background/ALPHABET/CHARACTER/");
}

/* What cannot be read is left out. */
static void unreadable_files(void **state) {
    struct files background = {0}, evaluation = {0};
    struct store s;
    make_files(&background, &evaluation);
    files_add(&background, "Aaa/character01/x.png", blob_text("\x89PNG\r\n\x1a\n"));
    files_add(&evaluation, "Ccc/character01/0.png", blob_text(""));
    put_parts("broken", 1, &background, &evaluation);
    files_free(&background);
    files_free(&evaluation);
    open_omniglot(&s, "broken");
    store_ready(&s);
    assert_non_null(strstr(s.log, "images_background.zip: 1 file is left out, it cannot be read: "
                                  "images_background/Aaa/character01/x.png (broken PNG file: it "
                                  "ends too early: truncated)"));
    assert_non_null(strstr(s.log, "images_evaluation/Ccc/character01/0.png (the file is empty)"));
    expect_characters(&s, MN_TRAIN, 3, train, 4);
    expect_characters(&s, MN_VAL, 2, val, 1);
    expect_characters(&s, MN_TEST, 3, test_set, 1);
    store_close(&s);
}

/* A folder that was not unpacked to its end hides the archive beside it. */
static void partial_folder(void **state) {
    struct files background = {0}, evaluation = {0};
    struct store s;
    make_files(&background, &evaluation);
    put_parts("partial", 1, &background, &evaluation);
    background.n -= DRAWINGS; /* the last character is missing */
    files_tree(&background, folder_path(&folder, "partial"), "images_background");
    background.n += DRAWINGS;
    files_free(&background);
    files_free(&evaluation);
    open_omniglot(&s, "partial");
    store_ready(&s);
    assert_int_equal(s.log_lines, 2);
    assert_non_null(strstr(s.log,
                           "partial/images_background: 4 characters with 16 images; the "
                           "published set has 964 with 19280; while this folder is there, "));
    assert_non_null(strstr(s.log, "partial/images_background.zip is not read"));
    assert_non_null(strstr(s.log, "partial/images_evaluation.zip: 3 characters with 12 images; the "
                                  "published set has 659 with 13180"));
    store_close(&s);
}

static void same_set_twice(void **state) {
    struct files background = {0}, evaluation = {0};
    make_files(&background, &evaluation);
    put_parts("same", 0, &background, &background);
    files_free(&background);
    files_free(&evaluation);
    refused("same", MN_IO, NULL, "lies in both the background and the evaluation set");
}

static void broken_archive(void **state) {
    size_t n;
    struct files background = {0}, evaluation = {0};
    make_files(&background, &evaluation);
    put_parts("cut", 1, &background, &evaluation);
    uint8_t *data = file_get(folder_path(&folder, "cut/images_evaluation.zip"), &n);
    file_put(folder_path(&folder, "cut/images_evaluation.zip"), data, n / 2);
    refused("cut", MN_IO, NULL, "images_evaluation.zip: the zip archive is truncated or damaged");
    file_put(folder_path(&folder, "cut/images_evaluation.zip"), data, 0);
    refused("cut", MN_IO, NULL, "images_evaluation.zip: the file is empty");
    free(data);
    files_free(&background);
    files_free(&evaluation);
}

/* Scratch that runs out at any call of start is reported. */
static void no_memory(void **state) {
    int64_t calls = 0;
    for (int status = MN_NOMEM; status != MN_OK; calls += 7) {
        struct store s;
        open_omniglot(&s, "zips");
        s.mock.memory_left = calls;
        status = store_start(&s);
        assert_true(status == MN_OK || status == MN_NOMEM);
        store_close(&s);
    }
    assert_true(calls > 10);
}

static void cancelled(void **state) {
    struct store s;
    open_omniglot(&s, "zips");
    s.mock.cancelled = 1;
    assert_int_equal(store_start(&s), MN_CANCELLED);
    store_close(&s);
}

/* Ink counts, as in the images of the set. */
static void own_picture(void **state) {
    mn_real image[SIDE * SIDE];
    struct store s;
    store_open(&s, "omniglot");
    struct blob blob = drawing_file(2, 1, SIDE, SIDE);
    assert_int_equal(store_picture(&s, blob.at, blob.n, 1, SIDE, SIDE, image), MN_OK);
    const struct origin o = recognise(image);
    assert_int_equal(o.character, 2);
    assert_int_equal(o.drawing, 1);
    assert_int_equal(o.turns, 0);
    blob_free(&blob);
    blob = drawing_file(2, 1, SIDE, SIDE - 1);
    assert_int_equal(store_picture(&s, blob.at, blob.n, 1, SIDE, SIDE, image), MN_IO);
    assert_string_equal(s.mock.message,
                        "mine/1.png: the image has 12x11 pixels; a square one is needed");
    blob_free(&blob);
    store_close(&s);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_as_bytes),
        cmocka_unit_test(decoded_once),
        cmocka_unit_test(default_split),
        cmocka_unit_test(rotations),
        cmocka_unit_test(validation),
        cmocka_unit_test(deterministic),
        cmocka_unit_test(uniform),
        cmocka_unit_test(other_size),
        cmocka_unit_test(vinyals),
        cmocka_unit_test(bad_lists),
        cmocka_unit_test(byte_order_mark_and_crlf),
        cmocka_unit_test(wrong_paths),
        cmocka_unit_test(wrong_images),
        cmocka_unit_test(same_set_twice),
        cmocka_unit_test(unreadable_files),
        cmocka_unit_test(partial_folder),
        cmocka_unit_test(broken_archive),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(cancelled),
        cmocka_unit_test(own_picture),
    };
    unit_arguments(argc, argv);
    return cmocka_run_group_tests_name("omniglot", tests, set_up, tear_down);
}
