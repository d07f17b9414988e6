/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_OMNIGLOT_OMNIGLOT_H
#define PLUGINS_OMNIGLOT_OMNIGLOT_H

/* Omniglot (Lake et al., Science 2015): 1623 characters of 50 alphabets, 20 drawings each. */

#include <metanas/plugin.h>

enum { SPLIT_BACKGROUND_EVALUATION = 0, SPLIT_VINYALS = 1 };
enum { ROTATE_TRAIN = 0, ROTATE_ALL = 1, ROTATE_NONE = 2 };
enum { TURNS = 4 };

struct character {
    const char *name; /* ALPHABET/characterNN */
    int64_t first, n; /* its images */
};

/* A class is a character, turned counter-clockwise by quarters. */
struct turned {
    int32_t character;
    int32_t turns;
};

struct omniglot {
    const char *path, *splits;
    int64_t size, validation;
    int32_t split, rotations;

    struct character *characters; /* those of the background set, then of the evaluation set */
    int64_t n_characters, n_background;
    uint8_t *images; /* [n_images][size][size], ink = 255 */
    int64_t n_images;
    struct turned *classes[3]; /* by enum mn_split */
    int64_t n_classes[3];
};

/* Read all characters and images. [setup] */
int omniglot_read(struct omniglot *o, struct mn_ctx *ctx);

/* Fill the classes of the splits. [setup] */
int omniglot_divide(struct omniglot *o, struct mn_ctx *ctx);

#endif
