/* SPDX-License-Identifier: MIT */
#include "network/latency.h"

#include "network/builder.h"

#include <string.h>

int nas_latency_same(const struct nas_latency *a, const struct nas_latency *b) {
    return strcmp(a->operation, b->operation) == 0 && a->stride == b->stride &&
           a->channels == b->channels && a->height == b->height && a->width == b->width;
}

static struct nas_latency site_of(const struct mn_model *m, const struct nas_edge *edge,
                                  const struct nas_path *path) {
    const struct nas_size *size = &m->sizes[m->states[edge->from].size];
    return (struct nas_latency){.operation = path->name,
                                .stride = edge->stride,
                                .channels = path->channels,
                                .height = size->height,
                                .width = size->width};
}

static struct nas_latency *find(const struct nas_latencies *all, const struct nas_latency *site) {
    for (int64_t i = 0; i < all->n; i++) {
        if (nas_latency_same(&all->at[i], site)) {
            return &all->at[i];
        }
    }
    return NULL;
}

int nas_latency_bind(struct mn_builder *b, const struct nas_edge *edge, struct nas_path *path) {
    const struct nas_latencies *all = b->model->units.latencies;
    if (all == NULL || path->none) {
        return MN_OK;
    }
    const struct nas_latency site = site_of(b->model, edge, path), *found = find(all, &site);
    if (found == NULL) {
        return mn_fail(b->ctx, MN_CONFIG,
                       "%s has no %s of stride %d with %d channels of %dx%d: 'metanas bench-ops' "
                       "with this configuration measures all that it needs",
                       all->file, site.operation, (int)site.stride, (int)site.channels,
                       (int)site.height, (int)site.width);
    }
    path->ns = found->ns;
    return MN_OK;
}

int nas_latency_sites(struct mn_ctx *ctx, const struct mn_model *m, struct nas_arena *arena,
                      struct nas_latencies *out) {
    *out =
        (struct nas_latencies){.at = nas_arena_array(arena, (size_t)m->n_paths, sizeof *out->at)};
    if (out->at == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for the operations of the network");
    }
    for (int i = 0; i < m->n_layers; i++) {
        for (int e = 0; e < m->layers[i].n_edges; e++) {
            const struct nas_edge *edge = &m->layers[i].edges[e];
            for (int p = 0; p < edge->n_ops; p++) {
                const struct nas_latency site = site_of(m, edge, &edge->paths[p]);
                if (edge->paths[p].op != NULL && !edge->paths[p].none && find(out, &site) == NULL) {
                    out->at[out->n++] = site;
                }
            }
        }
    }
    return MN_OK;
}
