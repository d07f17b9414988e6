/* SPDX-License-Identifier: MIT */
/* pictures DIR: a small image folder and a small Omniglot of noise, for the data set plugins. */

#include <png.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SIDE = 12, IMAGES = 6, CLASSES = 5 };

static void make(const char *path) {
    char part[4096];
    for (const char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(at - path), path);
        mkdir(part, 0755);
    }
}

static void picture(const char *path, uint32_t number) {
    uint8_t pixels[SIDE * SIDE];
    png_image image = {.version = PNG_IMAGE_VERSION, .width = SIDE, .height = SIDE};
    image.format = PNG_FORMAT_GRAY;
    for (uint32_t i = 0; i < SIDE * SIDE; i++) {
        uint32_t h = (number * 1000 + i + 1) * 2654435761u;
        h ^= h >> 15;
        pixels[i] = (h * 2246822519u) >> 31 ? 255 : 0;
    }
    make(path);
    if (!png_image_write_to_file(&image, path, 0, pixels, 0, NULL)) {
        fprintf(stderr, "%s: %s\n", path, image.message);
        exit(1);
    }
}

/* ROOT/PART/CLASS/IMAGE.png */
static void tree(const char *root, const char *part, const char *class, uint32_t *number) {
    for (int c = 1; c <= CLASSES; c++) {
        for (int i = 1; i <= IMAGES; i++) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s/%s%02d/%02d.png", root, part, class, c, i);
            picture(path, (*number)++);
        }
    }
}

int main(int argc, char **argv) {
    static const char *const splits[] = {"folder/train", "folder/val", "folder/test"};
    static const char *const sets[] = {"omniglot/images_background/Aaa",
                                       "omniglot/images_evaluation/Bbb"};
    uint32_t number = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: %s DIR\n", argv[0]);
        return 2;
    }
    for (size_t i = 0; i < sizeof splits / sizeof splits[0]; i++) {
        tree(argv[1], splits[i], "class", &number);
    }
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        tree(argv[1], sets[i], "character", &number);
    }
    return 0;
}
