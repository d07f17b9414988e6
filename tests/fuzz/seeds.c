/* SPDX-License-Identifier: MIT */
/* Write the binary first inputs of the targets into FOLDER/TARGET/NAME: small files as the program
 * and its libraries write them. Only for making the kept ones anew. */
#include "fuzz.h"
#include "state.h"

#include "../data/files.h"
#include "../units/check.h"
#include "base/folder.h"
#include "learn/episode_list.h"
#include "learn/state.h"

#include <stdlib.h>
#include <string.h>

#include <png.h>

static struct nas_ctx context;
static struct mn_ctx *ctx;
static const char *root;

static void must(int status) {
    if (status != MN_OK) {
        fprintf(stderr, "seeds: %s\n", nas_ctx_message(ctx));
        exit(1);
    }
}

static const char *place(const char *target, const char *name) {
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", root, target);
    must(nas_folder_make(ctx, path));
    snprintf(path, sizeof path, "%s/%s/%s", root, target, name);
    return path;
}

static void put_blob(const char *target, const char *name, struct blob blob) {
    file_put(place(target, name), blob.at, blob.n);
    blob_free(&blob);
}

/* ---- images ------------------------------------------------------------------------------- */

enum { SIDE = 9 };

static const uint8_t *pixels(void) {
    static uint8_t at[SIDE * SIDE * 4];
    for (size_t i = 0; i < sizeof at; i++) {
        at[i] = (uint8_t)(37 * i);
    }
    return at;
}

static void images(void) {
    const uint8_t *p = pixels();
    put_blob("image", "gray.png", blob_image(SIDE, SIDE, 1, p));
    put_blob("image", "colour.png", blob_image(SIDE, SIDE, 3, p));
    put_blob("image", "bits.png", blob_png(SIDE, SIDE, PNG_COLOR_TYPE_GRAY, 1, 0, p));
    put_blob("image", "palette.png", blob_png(SIDE, SIDE, PNG_COLOR_TYPE_PALETTE, 8, 0, p));
    put_blob("image", "alpha.png", blob_png(SIDE, SIDE, PNG_COLOR_TYPE_RGB_ALPHA, 8, 0, p));
    put_blob("image", "interlaced.png", blob_png(SIDE, SIDE, PNG_COLOR_TYPE_GRAY, 8, 1, p));
    put_blob("image", "wide.png", blob_png(SIDE, 2, PNG_COLOR_TYPE_GRAY, 16, 0, p));
    put_blob("image", "gray.jpg", blob_jpeg(SIDE, SIDE, 1, 0, p));
    put_blob("image", "colour.jpg", blob_jpeg(SIDE, SIDE, 3, 0, p));
    put_blob("image", "progressive.jpg", blob_jpeg(SIDE, SIDE, 3, 1, p));
    put_blob("image", "cmyk.jpg", blob_jpeg(SIDE, SIDE, 4, 0, p));
    put_blob("image", "ycck.jpg", blob_cmyk(SIDE, SIDE, 1, 1, p));
    put_blob("image", "plain-cmyk.jpg", blob_cmyk(SIDE, SIDE, 0, 0, p));
    put_blob("image", "turned.jpg", blob_turned(blob_jpeg(SIDE, 3, 3, 0, p), 6, 0));
    put_blob("image", "turned.png", blob_turned(blob_image(SIDE, 3, 3, p), 5, 1));
    put_blob("image", "turned.webp", blob_turned(blob_webp(SIDE, 3, 3, 0, p), 8, 1));
    put_blob("image", "lossless.webp", blob_webp(SIDE, SIDE, 3, 0, p));
    put_blob("image", "lossy.webp", blob_webp(SIDE, SIDE, 3, 50, p));
    put_blob("image", "alpha.webp", blob_webp(SIDE, SIDE, 4, 0, p));
    put_blob("image", "lossy-alpha.webp", blob_webp(SIDE, SIDE, 4, 50, p));
    struct blob unended = blob_jpeg(SIDE, SIDE, 3, 0, p);
    unended.n -= 2;
    put_blob("image", "unended.jpg", unended);
    uint8_t large[64 * 64];
    memset(large, 99, sizeof large);
    put_blob("image", "large.jpg", blob_jpeg(64, 64, 1, 0, large)); /* for a decoder's fraction */
    put_blob("image", "other.gif", blob_text("GIF89a"));
}

/* ---- archives ----------------------------------------------------------------------------- */

static void put_zip(const char *name, const char *member, const char *options) {
    struct files files = {0};
    files_add(&files, "a/1.png", blob_text("first first first first"));
    files_add(&files, "a/notes.txt", blob_text("no image"));
    files_add(&files, member, blob_text("second"));
    files_zip(&files, place("zip", name), "", options);
    files_free(&files);
}

static void archives(void) {
    struct files none = {0};
    put_zip("stored.zip", "b/2.jpg", "zip:compression=store");
    put_zip("deflated.zip", "b/2.JPEG", "zip:compression=deflate");
    put_zip("large.zip", "b/2.jpg", "zip:zip64");
    put_zip("outside.zip", "../2.jpg", NULL);
    put_zip("absolute.zip", "/2.jpg", NULL);
    put_zip("twice.zip", "a/1.png", NULL);
    files_zip(&none, place("zip", "empty.zip"), "", NULL);
}

/* ---- tensors and states ------------------------------------------------------------------- */

static void tensors(void) {
    static const float f32[6] = {0, -1, 2, 0.5F, 1e30F, -0.0F};
    static const double f64[2] = {0.1, 1e-300};
    static const int64_t i64[2] = {3, -5000000000};
    static const int32_t i32[1] = {7};
    static const uint8_t u8[3] = {1, 2, 255};
    const struct nas_safetensor all[] = {
        {"w", NAS_F32, 2, {2, 3}, f32},     {"d", NAS_F64, 1, {2}, f64},
        {"l", NAS_I64, 2, {1, 2}, i64},     {"i", NAS_I32, 0, {0}, i32},
        {"empty", NAS_F32, 2, {0, 4}, f32}, {"b\" \\", NAS_U8, 1, {3}, u8},
    };
    const struct nas_metadata meta = {"note", "a: \"b\"\n"};
    must(nas_safetensors_write(ctx, place("tensors", "all"), 6, all, 1, &meta));
    must(nas_safetensors_write(ctx, place("tensors", "none"), 0, NULL, 0, NULL));
}

static void checkpoints(void) {
    struct nas_experiment e;
    struct nas_state state;
    must(fuzz_experiment(&e, ctx));
    must(nas_state_new(&e, ctx, &state));
    must(nas_state_save(&e, ctx, place("checkpoint", "new"), &state, 0, NULL));
    state.meta_epoch = 4;
    state.evaluated = state.best_epoch = 2;
    state.best = 0.75;
    must(nas_state_save(&e, ctx, place("checkpoint", "later"), &state, 0, NULL));
    nas_state_fini(&state);
    nas_experiment_close(&e);
}

/* ---- lists of episodes -------------------------------------------------------------------- */

static void episodes(void) {
    struct nas_episodes list = {
        .spec = {.size = sizeof list.spec, .split = MN_TEST, .ways = 2, .support = 1, .query = 2},
        .seed = 5,
        .dataset = "glyphs",
        .data = 0x0123456789abcdef,
        .tasks = 2};
    must(nas_episodes_room(&list, ctx));
    for (int64_t i = 0; i < 4; i++) {
        list.classes[i] = 7 * i;
        list.names[i] = i % 2 ? "Latin/character01/rot090" : "glyph 3";
        list.hashes[i / 2] = (uint64_t)(i + 1) * 0x9e3779b97f4a7c15;
        for (int64_t k = 0; k < 3; k++) {
            list.samples[3 * i + k] = 3 * k;
        }
    }
    must(nas_episodes_write(&list, ctx, place("episodes", "two-tasks")));
    nas_episodes_fini(&list);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    root = argv[1];
    ctx = fuzz_begin(&context);
    images();
    archives();
    tensors();
    checkpoints();
    episodes();
    fuzz_end(&context);
    return 0;
}
