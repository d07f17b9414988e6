/* SPDX-License-Identifier: MIT */
#include "tensors.h"

#include "model/graph.h"

#include <string.h>

static int path_tensors(const struct mn__workspace *ws, const struct mn__path *path,
                        void (*visit)(mn_real *at, size_t reals)) {
    const struct mn__grid *grid = &ws->model->sizes[path->grid].grid;
    for (int s = 0; s < path->n_stages; s++) {
        visit(ws->reals + path->stage[s].y, (size_t)(path->channels * grid->channel));
    }
    return path->n_stages;
}

int tensors_each(const struct mn__workspace *ws, const char *op,
                 void (*visit)(mn_real *at, size_t reals)) {
    const struct mn_model *m = ws->model;
    int n = 0;
    for (int l = 0; l < m->n_layers; l++) {
        for (int e = 0; e < m->layers[l].n_edges; e++) {
            const struct mn__edge *edge = &m->layers[l].edges[e];
            for (int p = 0; p < edge->n_ops; p++) {
                const struct mn__op *is = edge->paths[p].op;
                n += is != NULL && strcmp(is->name, op) == 0
                         ? path_tensors(ws, &edge->paths[p], visit)
                         : 0;
            }
        }
    }
    return n;
}
