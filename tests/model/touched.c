/* SPDX-License-Identifier: MIT */
#include "touched.h"

#include "model/graph.h"

size_t touched(const struct mn__workspace *ws) {
    size_t n = 0;
    for (size_t i = 0; i < ws->model->n_reals; i++) {
        n += ws->reals[i] != 0;
    }
    return n;
}
