/* SPDX-License-Identifier: MIT */
#ifndef METANAS_PROBE_H
#define METANAS_PROBE_H

/* metanas probe: tensors in, tensors out (docs/state-names.md, probe). */

#include "command.h"

#include "learn/state.h"

/* The number of leading dimensions of `images` before [C, H, W]. */
enum probe_mode { PROBE_PASS = 1, PROBE_LEARN = 2, PROBE_META = 3 };

struct probe_flags {
    const char *state, *out, *init, *shape;
    double progress;
    bool learn, meta, training;
    int32_t split;      /* enum mn_split, -1 = not given */
    int64_t meta_epoch; /* -1 = not given */
};

struct probe {
    struct mn_ctx *ctx;
    const struct arguments *arguments;
    const struct probe_flags *flags;
    enum probe_mode mode;
    struct nas_experiment experiment;
    struct nas_arena arena;
    int64_t tasks, steps; /* 1 where the mode has none */
    int32_t n, n_query;   /* images of a mini-batch, of a query set */
    struct nas_state state;
    mn_real *images, *query_images; /* [tasks][steps][n][C][H][W], [tasks][n_query][C][H][W] */
    int32_t *labels, *query_labels;
    struct outputs {
        struct nas_safetensor *at;
        int n, room;
    } out;
};

/* probe_input.c: read and check the file of --state, open the experiment with its image shape.
 * Every tensor that does not fit is printed; the message counts them. */
int probe_read(struct probe *probe);

/* probe_learn.c: the task learner over the mini-batches; for PROBE_META the meta learner as well.
 * Leaves the result in probe->state and adds `losses`. */
int probe_learn(struct probe *probe);

/* probe.c: add a tensor to the output. `data` is borrowed. */
int probe_put(struct probe *probe, const char *name, enum nas_dtype dtype, int n_dims,
              const int64_t *dims, const void *data);
/* Memory that lives as long as the probe, zeroed; NULL with a message recorded. */
void *probe_array(struct probe *probe, int64_t count, size_t size);
static inline enum nas_dtype probe_real(void) {
    return sizeof(mn_real) == 8 ? NAS_F64 : NAS_F32;
}

#endif
