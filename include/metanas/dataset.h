/* SPDX-License-Identifier: MIT */
#ifndef METANAS_DATASET_H
#define METANAS_DATASET_H

/* dataset: where tasks come from. */

#include "ctx.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mn_dataset_info {
    uint32_t size;
    int32_t channels, height, width; /* each 1 to 100000, their product at most 2^30 */
    int64_t n_classes[3];            /* by enum mn_split; 0 to 2^30 */
    int64_t min_samples[3]; /* images of the smallest class of the split; 0 for a split without */
    int64_t n_images[3];    /* images in all; -1 = unlimited */
};

/* What a task should hold. */
struct mn_episode_spec {
    uint32_t size;
    int32_t split;   /* enum mn_split */
    int32_t ways;    /* classes */
    int32_t support; /* support images a class */
    int32_t query;   /* query images a class */
    int32_t reserved;
};

/* Host buffers to fill; images are [n][channels][height][width], class by class. */
struct mn_episode {
    uint32_t size;
    uint32_t reserved;
    mn_real *support;        /* ways * spec.support images */
    int32_t *support_labels; /* 0..ways-1 */
    mn_real *query;          /* ways * spec.query images */
    int32_t *query_labels;
    int64_t *classes; /* [ways] the split's class behind each label */
    int64_t *samples; /* [ways][support + query] which images of the class, support before query;
                         NULL = not wanted. A dataset without `image` leaves it alone. */
};

/* An image file of a user's own, to be made like the images of the data set. */
struct mn_picture {
    uint32_t size;
    int32_t channels, height, width; /* of the images that the network takes */
    const char *name;                /* for messages */
    const uint8_t *bytes;            /* the whole file */
    int64_t n_bytes;
};

struct mn_dataset {
    uint32_t size;
    uint32_t reserved;

    /* Optional. Rules across options; use mn_bad_option. [setup] */
    int (*check)(const void *self, struct mn_ctx *ctx);
    /* Read or prepare the data; memory from mn_keep. [setup] MN_IO, MN_CONFIG. */
    int (*start)(void *self, struct mn_ctx *ctx);
    /* Optional. Release what is not host memory. Not called after a `start` that failed, which
     * cleans up itself. [setup] */
    void (*stop)(void *self);
    /* Shape and counts, constant after start. [setup] */
    int (*describe)(const void *self, struct mn_ctx *ctx, struct mn_dataset_info *out);
    /* Draw one task, using only the streams of ctx; no class is in two splits. Support and query
     * images of a class are different drawings. The host has checked ways and images a class
     * against describe. [worker]
     */
    int (*sample)(const void *self, struct mn_ctx *ctx, const struct mn_episode_spec *spec,
                  struct mn_episode *out);

    /* The last three make frozen lists of episodes (metanas episodes) possible. A dataset has all
     * of them or none. */

    /* Optional. Images of a class of a split, 1 or more. [worker] */
    int64_t (*n_samples)(const void *self, int32_t split, int64_t which);
    /* Optional. What people call a class: printable, in one line, unique in its split. Writes at
     * most `size` bytes with the final zero, as snprintf does, and returns the length of the whole
     * name. [worker] */
    int64_t (*class_name)(const void *self, int32_t split, int64_t which, char *out, size_t size);
    /* Optional. Image `sample` (0..n_samples-1) of a class as `sample` above would give it, but for
     * what MN_UNIT_AUGMENTS stands for, to out[channels][height][width]. [worker] MN_IO, MN_NOMEM.
     */
    int (*image)(const void *self, struct mn_ctx *ctx, int32_t split, int64_t which, int64_t sample,
                 mn_real *out);

    /* Optional. A user's own image, decoded and prepared as those of the data set, to
     * out[channels][height][width]; options alone decide how, since it may be called without start.
     * [setup] MN_IO with picture->name, MN_NOMEM. */
    int (*picture)(const void *self, struct mn_ctx *ctx, const struct mn_picture *picture,
                   mn_real *out);
};

#ifdef __cplusplus
}
#endif

#endif
