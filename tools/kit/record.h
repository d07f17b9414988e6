/* SPDX-License-Identifier: MIT */
#ifndef KIT_RECORD_H
#define KIT_RECORD_H

/* A builder that writes one line for every call:
 *   drop_path RATE RAMP
 *   conv NAME FROM: channels C, kernel K, stride S, FLAGS -> STATE
 *   reduce NAME FROM: channels C, FLAGS -> STATE
 *   max_pool|avg_pool NAME FROM: WINDOW, STRIDE -> STATE
 *   sum NAME: STATE STATE .. -> STATE
 *   node NAME [GROUP]: channels C, FLAGS: FROM/STRIDE OP,OP.. | .. -> STATE
 *   concat NAME: STATE STATE .. -> STATE
 *   head NAME FROM: average|flatten
 * FLAGS are letters: r ReLU before, R ReLU after, b bias, a affine, - none. */

#include "mock.h"

struct mn_builder {
    struct mock *mock;
    char text[65536]; /* the beginning, if there is more */
    size_t length;
    uint64_t digest; /* of all lines */
    int heads;
    int32_t states;  /* next one */
    int calls;       /* so far */
    int fail_at;     /* number of the call that fails with MN_CONFIG; -1 = none */
    int32_t h, w, c; /* of the newest state of a network without branches; for counting weights */
    int64_t n_w;     /* weights of conv and head */
    int32_t ways;
};

void record_install(struct mock *mock, struct mn_builder *builder, const struct mn_dims *dims);

#endif
