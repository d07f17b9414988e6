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

/* Add a mixture, of which name, group, items, choices and logits are given. */
static int mixture_add(struct mn_builder *b, const struct nas_instance *mixer,
                       struct nas_mixture x) {
    struct mn_model *m = b->model;
    const struct mn_mixer *table = &mixer->table.mixer;
    const size_t n_items = (size_t)x.n_items;
    uint8_t *holds = nas_arena_array(&m->arena, (size_t)x.n_choices, n_items);
    for (int of = 0; of < NAS_COSTS; of++) {
        x.cost[of] = nas_arena_zeroed(&m->arena, n_items * sizeof(double));
    }
    m->mixtures = nas_arena_append(&m->arena, m->mixtures, m->n_mixtures, sizeof *m->mixtures);
    x.group = nas_arena_text(&m->arena, x.group);
    if (m->arena.failed) {
        return nas_builder_no_memory(b);
    }
    for (int64_t c = 0; c < x.n_choices; c++) {
        for (int i = 0; i < x.n_items; i++) {
            holds[c * x.n_items + i] = (uint8_t)(table->holds(mixer->self, x.n_items, c, i) != 0);
        }
    }
    const int64_t n_saved = table->n_saved != NULL ? table->n_saved(mixer->self, x.n_choices) : 0;
    if (n_saved < 0 || n_saved > NAS_MOST_REALS) {
        return nas_instance_wrong(
            b->ctx, mixer, "n_saved is %" PRId64 " for %" PRId64 " choices, which is no size",
            n_saved, x.n_choices);
    }
    x.holds = holds;
    x.choice0 = m->dims.n_choices;
    x.saved0 = m->n_saved;
    x.item0 = m->n_items;
    x.about.size = sizeof x.about;
    x.about.kind = x.is_input ? MN_INPUT_MIXER : MN_OP_MIXER;
    x.about.stride = 1;
    x.about.name = x.name;
    x.about.n_items = x.n_items;
    x.about.parameters = x.cost[MN_COST_PARAMETERS];
    x.about.macs = x.cost[MN_COST_MACS];
    x.about.latency = m->units.latencies != NULL ? x.cost[MN_COST_LATENCY] : NULL;
    x.about.n_choices = x.n_choices;
    x.about.holds = holds;
    x.about.first_choice = x.choice0;
    x.about.first_logit = x.logit0;
    m->mixtures[m->n_mixtures++] = x;
    m->dims.n_choices += x.n_choices;
    m->n_items += x.n_items;
    m->n_saved += n_saved;
    return MN_OK;
}

/* The mixture of a group's inputs, or one of the candidates of each of its edges. */
static int mixtures_add(struct mn_builder *b, const struct mn_node_spec *spec,
                        const struct nas_layer *layer, int is_input) {
    struct mn_model *m = b->model;
    const struct nas_instance *mixer = is_input ? m->units.input_mixer : m->units.op_mixer;
    const int n_items = is_input ? spec->n_edges : layer->edges[0].n_ops;
    const struct mn_mixer *table = &mixer->table.mixer;
    const int64_t choices = table->n_choices(mixer->self, n_items);
    const int64_t logits = table->n_logits(mixer->self, n_items);
    int64_t offset = -1;
    if (choices < 1 || choices > MOST_CHOICES) {
        return mn_fail(b->ctx, choices < 1 ? MN_INTERNAL : MN_UNSUPPORTED,
                       "%s: %" PRId64 " choices over %d items; 1 to %d are possible", mixer->label,
                       choices, n_items, MOST_CHOICES);
    }
    if (logits != 0 && table->backward == NULL) {
        return mn_fail(b->ctx, MN_INTERNAL, "%s: has logits, so it must have the function backward",
                       mixer->label);
    }
    if (logits != 0 && logits != choices) {
        return mn_fail(b->ctx, MN_INTERNAL,
                       "%s: n_logits is %" PRId64 "; it must be 0 or n_choices (%" PRId64 ")",
                       mixer->label, logits, choices);
    }
    if (logits > 0) {
        char name[128];
        const int64_t dims[2] = {spec->n_edges, logits};
        snprintf(name, sizeof name, "alpha.%s.%s", spec->group, is_input ? "in" : "op");
        TRY(nas_segment_add(b, 1, name, is_input ? 1 : 2, dims + is_input, 0, &offset));
    }
    for (int e = 0; e < (is_input ? 1 : spec->n_edges); e++) {
        struct nas_mixture x = {.group = spec->group,
                                .is_input = is_input,
                                .edge = is_input ? -1 : e,
                                .n_items = n_items,
                                .n_choices = choices,
                                .logit0 = offset < 0 ? -1 : offset + e * logits};
        const char **items = nas_arena_array(&m->arena, (size_t)n_items, sizeof *items);
        for (int i = 0; items != NULL && i < n_items; i++) {
            items[i] =
                is_input ? nas_arena_format(&m->arena, "%d", i) : layer->edges[e].paths[i].name;
        }
        x.about.items = items;
        x.name = is_input ? nas_arena_format(&m->arena, "%s.in", spec->group)
                          : nas_arena_format(&m->arena, "%s.op.%d", spec->group, e);
        TRY(mixture_add(b, mixer, x));
    }
    return MN_OK;
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
            same = strcmp(x->about.items[o], layer->edges[e].paths[o].name) == 0;
        }
        if (!same) {
            return mn_fail(b->ctx, MN_CONFIG,
                           "node %s, edge %d: other candidates than its group %s began with",
                           spec->name, e, spec->group);
        }
    }
    return MN_OK;
}

/* What the mixtures of a node say of themselves counts this node, too. */
static void add_costs(struct mn_model *m, const struct nas_layer *layer) {
    struct nas_mixture *input = &m->mixtures[layer->mixture];
    for (int e = 0; e < layer->n_edges; e++) {
        const struct nas_edge *edge = &layer->edges[e];
        struct nas_mixture *op = &m->mixtures[edge->mixture];
        for (int p = 0; p < edge->n_ops; p++) {
            const struct nas_path *path = &edge->paths[p];
            for (int of = 0; of < NAS_COSTS; of++) {
                op->cost[of][p] += nas_path_cost(path, of);
                input->cost[of][e] += nas_path_cost(path, of);
            }
            op->about.stride = edge->stride > op->about.stride ? edge->stride : op->about.stride;
        }
    }
}

int nas_groups_finish(struct mn_builder *b) {
    struct mn_model *m = b->model;
    int32_t n[2] = {0, 0};
    for (int i = 0; i < m->n_mixtures; i++) {
        n[m->mixtures[i].is_input]++;
    }
    m->dims.n_mixtures = m->n_mixtures;
    for (int i = 0; i < m->n_mixtures; i++) {
        struct nas_mixture *x = &m->mixtures[i];
        const struct nas_instance *mixer = nas_mixer_of(m, x);
        const struct mn_mixer *table = &mixer->table.mixer;
        x->about.n_mixtures = n[x->is_input];
        if (table->accept != NULL) {
            struct nas_call call = nas_call_begin(b->ctx, mixer);
            TRY(nas_call_end(&call, table->accept(mixer->self, b->ctx, &x->about)));
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
    layer->mixture = mixture_named(m, spec->group, 1, -1);
    if (layer->mixture >= 0) {
        TRY(check_same(b, spec, layer, layer->mixture));
    } else {
        TRY(mixtures_add(b, spec, layer, 0));
        TRY(mixtures_add(b, spec, layer, 1));
        layer->mixture = mixture_named(m, spec->group, 1, -1);
    }
    for (int e = 0; e < layer->n_edges; e++) {
        layer->edges[e].mixture = mixture_named(m, spec->group, 0, e);
    }
    add_costs(m, layer);
    return MN_OK;
}
