/* SPDX-License-Identifier: MIT */
#ifndef TESTS_DATA_STORE_H
#define TESTS_DATA_STORE_H

/* A dataset unit in a host that serves any number of blocks, and tasks drawn from it. */

#include "../../tools/kit/mock.h"
#include "../units/check.h"
#include "../units/unit.h"

struct store_block;

struct store {
    struct mock mock;
    struct unit unit;
    const struct mn_dataset *table;
    struct mn_dataset_info info; /* after store_start */
    struct store_block *blocks;
    int log_lines;
    char log[4096];     /* their text */
    size_t kept, taken; /* bytes that mn_keep and mn_scratch gave */
};

struct drawn {
    struct mn_episode_spec spec;
    struct mn_episode episode;
    int64_t reals; /* of an image */
};

/* Only the host, for tests of plain functions; then store_close. */
void store_init(struct store *store);
/* A unit with its options at their defaults. */
void store_open(struct store *store, const char *plugin);
void store_close(struct store *store);

/* check, start and describe; the status of the first that fails. */
int store_start(struct store *store);
/* store_start, which must succeed. */
void store_ready(struct store *store);

/* The task at `meta_epoch`, `task`, which the caller frees. Buffers are filled with not-a-numbers
 * before, labels with -1, and all must be written. Each image must be the one that its number
 * leads to. */
struct drawn store_draw(struct store *store, int split, int64_t meta_epoch, int64_t task,
                        int32_t ways, int32_t support, int32_t query);
void drawn_free(struct drawn *drawn);
/* Whether two tasks are the same to the bit. */
int drawn_equal(const struct drawn *a, const struct drawn *b);
/* Labels are balanced and in order, classes different and in range, images of a class different. */
void drawn_check(const struct drawn *drawn, int64_t n_classes);
/* Images are kept as one byte a pixel and channel, and little else: what is kept at side `a` and at
 * side `b` differs by the pixels alone. `open` opens the unit, all but its option `size`. */
void store_expect_bytes(void (*open)(struct store *store), int64_t images, int64_t channels,
                        int64_t a, int64_t b);
/* An image is read without the scratch that its decoder would need. */
void store_expect_decoded(struct store *store, int split, int decoded);
/* A user's own picture, prepared before `start`; the status, with a message for a failure. Shape is
 * that of the network's images; out[channels][height][width]. */
int store_picture(struct store *store, const void *bytes, size_t n, int channels, int height,
                  int width, mn_real *out);
/* What the data set calls a class, whole and cut off. */
void store_expect_name(struct store *store, int split, int64_t which, const char *expected);

#endif
