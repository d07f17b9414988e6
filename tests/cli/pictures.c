/* SPDX-License-Identifier: MIT */

/* Square pictures of simple patterns, for the command-line tests:
 *   pictures write FILE SIZE PATTERN SHIFT   FILE.png or FILE.jpg: black on white
 *   pictures tensor IN OUT SIZE PATTERN:SHIFT...
 *                          tensors of IN, and `images` of the patterns as ink: black is 1, white 0;
 *                          `labels` all 0
 * Patterns are 0 to 4. */

#include "../data/files.h"

#include "store/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 512, SIDE = 256 };

static void stop(const char *why) {
    fprintf(stderr, "pictures: %s\n", why);
    exit(1);
}

/* 1 where there is ink. */
static int ink(int pattern, int shift, int size, int x, int y) {
    const int middle = size / 2 + shift;
    switch (pattern) {
    case 0:
        return abs(y - middle) < 2;
    case 1:
        return abs(x - middle) < 2;
    case 2:
        return abs(x - y + shift) < 2;
    case 3:
        return abs(x + y - size - shift) < 2;
    default:
        return abs(x - middle) < size / 4 && abs(y - middle) < size / 4;
    }
}

static int side(const char *text) {
    const int size = atoi(text);
    if (size < 1 || size > SIDE) {
        stop("wrong size");
    }
    return size;
}

static void write_picture(const char *path, int size, int pattern, int shift) {
    static uint8_t pixels[SIDE * SIDE];
    for (int i = 0; i < size * size; i++) {
        pixels[i] = ink(pattern, shift, size, i % size, i / size) ? 0 : 255;
    }
    const char *dot = strrchr(path, '.');
    struct blob blob = dot != NULL && strcmp(dot, ".jpg") == 0 ? blob_jpeg(size, size, 1, 0, pixels)
                                                               : blob_image(size, size, 1, pixels);
    FILE *out = fopen(path, "wb");
    if (out == NULL || fwrite(blob.at, 1, blob.n, out) != blob.n || fclose(out) != 0) {
        stop("cannot write");
    }
    blob_free(&blob);
}

static void write_tensor(const char *in, const char *out, int size, int n, char **patterns) {
    static struct nas_safetensor tensors[MOST];
    static struct nas_ctx ctx;
    static int64_t labels[MOST];
    struct nas_safetensors file;
    nas_ctx_init(&ctx, NULL);
    float *images = calloc((size_t)n * (size_t)size * (size_t)size, sizeof *images);
    if (images == NULL || nas_safetensors_read(&ctx.pub, in, &file) != MN_OK || file.n + 2 > MOST) {
        stop(nas_ctx_message(&ctx.pub));
    }
    for (int i = 0; i < n; i++) {
        int pattern, shift;
        if (sscanf(patterns[i], "%d:%d", &pattern, &shift) != 2) {
            stop("expected PATTERN:SHIFT");
        }
        for (int p = 0; p < size * size; p++) {
            images[i * size * size + p] =
                ink(pattern, shift, size, p % size, p / size) ? 1.0F : 0.0F;
        }
    }
    memcpy(tensors, file.tensors, (size_t)file.n * sizeof *tensors);
    tensors[file.n] = (struct nas_safetensor){"images", NAS_F32, 4, {n, 1, size, size}, images};
    tensors[file.n + 1] = (struct nas_safetensor){"labels", NAS_I64, 1, {n}, labels};
    if (nas_safetensors_write(&ctx.pub, out, file.n + 2, tensors, 0, NULL) != MN_OK) {
        stop(nas_ctx_message(&ctx.pub));
    }
    nas_safetensors_fini(&file);
    nas_ctx_fini(&ctx);
    free(images);
}

int main(int argc, char **argv) {
    if (argc == 6 && strcmp(argv[1], "write") == 0) {
        write_picture(argv[2], side(argv[3]), atoi(argv[4]), atoi(argv[5]));
    } else if (argc > 5 && strcmp(argv[1], "tensor") == 0) {
        write_tensor(argv[2], argv[3], side(argv[4]), argc - 5, argv + 5);
    } else {
        stop("usage: see the head of tests/cli/pictures.c");
    }
    return 0;
}
