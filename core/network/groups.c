/* SPDX-License-Identifier: MIT */
#include "network/builder.h"

#include <inttypes.h>
#include <string.h>

enum { MOST_CHOICES = 1 << 16 };

static int mixture_named(const struct mn_model *m, const char *group, int is_input, int edge) {
    for (int i = 0; i < m->n_mixtures; i++) {
        const struct nas_mixture *x = &m->mixtures[i];
        if (x->is_input == is_input && x->edge == edge && strcmp(x->group, group) == 0) {
            return i;
        }
    }
    return -1;
}

static int grow_tables(struct mn_builder *b) {
    struct mn_model *m = b->model;
    const int n = m->n_mixtures;
    m->mixtures = nas_append(&m->arena, m->mixtures, n, sizeof *m->mixtures);
    m->saved0 = nas_append(&m->arena, m->saved0, n, sizeof *m->saved0);
    m->item0 = nas_append(&m->arena, m->item0, n, sizeof *m->item0);
    m->holds = nas_append(&m->arena, m->holds, n, sizeof *m->holds);
    if (!m->mixtures || !m->saved0 || !m->item0 || !m->holds) {
        return nas_builder_no_memory(b);
    }
    return MN_OK;
}

/* Which items each choice of an input mixture holds, asked once. */
static int tabulate(struct mn_builder *b, const struct nas_instance *mixer, int64_t n_choices,
                    int n_items, uint8_t **out) {
    uint8_t *holds =
        nas_arena_array(&b->model->arena, (size_t)n_choices, (size_t)(n_items > 0 ? n_items : 1));
    if (holds == NULL) {
        return nas_builder_no_memory(b);
    }
    for (int64_t c = 0; c < n_choices; c++) {
        for (int i = 0; i < n_items; i++) {
            holds[c * n_items + i] =
                (uint8_t)(mixer->table.mixer.holds(mixer->self, n_items, c, i) != 0);
        }
    }
    *out = holds;
    return MN_OK;
}

static int check_choices(struct mn_builder *b, const struct nas_instance *mixer, int n_items,
                         int64_t choices, int64_t logits) {
    if (choices < 1 || choices > MOST_CHOICES) {
        return mn_fail(b->ctx, choices < 1 ? MN_INTERNAL : MN_UNSUPPORTED,
                       "%s: %" PRId64 " choices over %d items; 1 to %d are possible", mixer->label,
                       choices, n_items, MOST_CHOICES);
    }
    if (logits != 0 && mixer->table.mixer.backward == NULL) {
        return mn_fail(b->ctx, MN_INTERNAL, "%s: has logits, so it must have the function backward",
                       mixer->label);
    }
    if (logits != 0 && logits != choices) {
        return mn_fail(b->ctx, MN_INTERNAL,
                       "%s: n_logits is %" PRId64 "; it must be 0 or n_choices (%" PRId64 ")",
                       mixer->label, logits, choices);
    }
    return MN_OK;
}

/* Add one mixture over n_items items; its logits start at logit0 (-1 = none). */
static int mixture_add(struct mn_builder *b, const struct nas_instance *mixer,
                       const struct nas_mixture *proto, int64_t choices) {
    struct mn_model *m = b->model;
    uint8_t *holds = NULL;
    int status = grow_tables(b);
    if (status == MN_OK) {
        status = tabulate(b, mixer, choices, proto->n_items, &holds);
    }
    if (status != MN_OK) {
        return status;
    }
    const struct mn_mixer *table = &mixer->table.mixer;
    const int64_t n_saved = table->n_saved != NULL ? table->n_saved(mixer->self, choices) : 0;
    if (n_saved < 0 || n_saved > NAS_MOST_REALS) {
        return nas_instance_wrong(
            b->ctx, mixer, "n_saved is %" PRId64 " for %" PRId64 " choices, which is no size",
            n_saved, choices);
    }
    const int i = m->n_mixtures++;
    m->mixtures[i] = *proto;
    m->mixtures[i].n_choices = choices;
    m->mixtures[i].choice0 = m->dims.n_choices;
    m->holds[i] = holds;
    m->saved0[i] = m->n_saved;
    m->item0[i] = m->n_items;
    m->dims.n_choices += choices;
    m->n_items += proto->n_items;
    m->n_saved += n_saved;
    m->most_choices = choices > m->most_choices ? choices : m->most_choices;
    return MN_OK;
}

static int op_mixtures_add(struct mn_builder *b, const struct mn_node_spec *spec,
                           const struct nas_layer *layer) {
    struct mn_model *m = b->model;
    const struct nas_instance *mixer = m->op_mixer;
    const int n_ops = layer->edges[0].n_ops;
    const int64_t choices = mixer->table.mixer.n_choices(mixer->self, n_ops);
    const int64_t logits = mixer->table.mixer.n_logits(mixer->self, n_ops);
    int status = check_choices(b, mixer, n_ops, choices, logits);
    int64_t offset = -1;
    if (status == MN_OK && logits > 0) {
        char name[128];
        const int64_t dims[2] = {spec->n_edges, logits};
        snprintf(name, sizeof name, "alpha.%s.op", spec->group);
        status = nas_segment_add(b, 1, name, 2, dims, 0, &offset);
    }
    for (int e = 0; status == MN_OK && e < spec->n_edges; e++) {
        const char **ops = nas_arena_array(&m->arena, (size_t)n_ops, sizeof *ops);
        struct nas_mixture x = {
            .name = nas_arena_format(&m->arena, "%s.op.%d", spec->group, e),
            .group = nas_arena_text(&m->arena, spec->group),
            .edge = e,
            .n_items = n_ops,
            .ops = ops,
            .logit0 = offset < 0 ? -1 : offset + e * logits,
        };
        if (ops == NULL || x.name == NULL || x.group == NULL) {
            return nas_builder_no_memory(b);
        }
        for (int o = 0; o < n_ops; o++) {
            ops[o] = layer->edges[e].paths[o].name;
        }
        status = mixture_add(b, mixer, &x, choices);
    }
    return status;
}

static int input_mixture_add(struct mn_builder *b, const struct mn_node_spec *spec) {
    struct mn_model *m = b->model;
    const struct nas_instance *mixer = m->input_mixer;
    const int64_t choices = mixer->table.mixer.n_choices(mixer->self, spec->n_edges);
    const int64_t logits = mixer->table.mixer.n_logits(mixer->self, spec->n_edges);
    int status = check_choices(b, mixer, spec->n_edges, choices, logits);
    int64_t offset = -1;
    if (status == MN_OK && logits > 0) {
        char name[128];
        snprintf(name, sizeof name, "alpha.%s.in", spec->group);
        status = nas_segment_add(b, 1, name, 1, &logits, 0, &offset);
    }
    if (status != MN_OK) {
        return status;
    }
    struct nas_mixture x = {.name = nas_arena_format(&m->arena, "%s.in", spec->group),
                            .group = nas_arena_text(&m->arena, spec->group),
                            .is_input = 1,
                            .edge = -1,
                            .n_items = spec->n_edges,
                            .logit0 = offset};
    if (x.name == NULL || x.group == NULL) {
        return nas_builder_no_memory(b);
    }
    return mixture_add(b, mixer, &x, choices);
}

/* Nodes of one group must offer the same candidates, or their logits would mean different things.
 */
static int check_same(struct mn_builder *b, const struct mn_node_spec *spec,
                      const struct nas_layer *layer, int input) {
    const struct mn_model *m = b->model;
    if (m->mixtures[input].n_items != spec->n_edges) {
        return mn_fail(b->ctx, MN_CONFIG, "node %s has %d edges; its group %s began with %d",
                       spec->name, spec->n_edges, spec->group, m->mixtures[input].n_items);
    }
    for (int e = 0; e < spec->n_edges; e++) {
        const struct nas_mixture *x = &m->mixtures[mixture_named(m, spec->group, 0, e)];
        int same = x->n_items == layer->edges[e].n_ops;
        for (int o = 0; same && o < x->n_items; o++) {
            same = strcmp(x->ops[o], layer->edges[e].paths[o].name) == 0;
        }
        if (!same) {
            return mn_fail(b->ctx, MN_CONFIG,
                           "node %s, edge %d: other candidates than its group %s began with",
                           spec->name, e, spec->group);
        }
    }
    return MN_OK;
}

int nas_group_bind(struct mn_builder *b, const struct mn_node_spec *spec, struct nas_layer *layer) {
    struct mn_model *m = b->model;
    for (int e = 1; e < layer->n_edges; e++) {
        if (layer->edges[e].n_ops != layer->edges[0].n_ops) {
            return mn_fail(b->ctx, MN_UNSUPPORTED,
                           "node %s: edge %d has %d candidates, edge 0 has %d; the edges of a "
                           "searched node must offer equally many",
                           spec->name, e, layer->edges[e].n_ops, layer->edges[0].n_ops);
        }
    }
    int input = mixture_named(m, spec->group, 1, -1);
    int status;
    if (input < 0) {
        status = op_mixtures_add(b, spec, layer);
        if (status == MN_OK) {
            status = input_mixture_add(b, spec);
        }
        input = mixture_named(m, spec->group, 1, -1);
    } else {
        status = check_same(b, spec, layer, input);
    }
    for (int e = 0; status == MN_OK && e < layer->n_edges; e++) {
        layer->edges[e].mixture = mixture_named(m, spec->group, 0, e);
    }
    layer->mixture = input;
    return status;
}
