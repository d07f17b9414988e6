/* SPDX-License-Identifier: MIT */
/* When each tensor is held. The steps of a pass: the images; every edge of every layer; the head
 * forward and back; then for the layers in reverse, folding the gradients of the output together,
 * and every edge. This follows what node_forward.c, node_backward.c, source.c and head.c do. */
#include "backend/cpu/stage.h"

static int number_steps(struct mn_model *m) {
    int step = 1;
    for (int i = 0; i < m->n_layers; i++) {
        m->layers[i].forward = step;
        step += m->layers[i].n_edges > 0 ? m->layers[i].n_edges : 1;
    }
    m->head.forward = step++;
    m->head.back = step++;
    for (int i = m->n_layers - 1; i >= 0; i--) {
        m->layers[i].fold = step;
        m->layers[i].back = step + 1;
        step += 1 + m->layers[i].n_edges;
    }
    return step;
}

static void use(struct mn_model *m, int slot, int step) {
    if (slot != NAS_NOWHERE) {
        nas_slot_hold(&m->slots[slot], NAS_PLAN_FORWARD, NAS_HOLD_KEPT, step);
        nas_slot_hold(&m->slots[slot], NAS_PLAN_FULL, NAS_HOLD_KEPT, step);
    }
}

static void use_back(struct mn_model *m, int slot, enum nas_hold_of which, int step) {
    if (slot != NAS_NOWHERE) {
        nas_slot_hold(&m->slots[slot], NAS_PLAN_FULL, which, step);
    }
}

/* ---- sources ------------------------------------------------------------------------------ */

/* How what a source is read through is held on the way back. */
static enum nas_hold_of made(const struct mn_model *m) {
    return m->again ? NAS_HOLD_AGAIN : NAS_HOLD_KEPT;
}

static enum nas_hold_of kept(const struct nas_act *act) {
    return act->again == NAS_NOWHERE ? NAS_HOLD_KEPT : NAS_HOLD_AGAIN;
}

/* A layer prepares the sources of all its edges before the first one. */
static void use_source(struct mn_model *m, const struct nas_layer *layer, int e,
                       const struct nas_path *path) {
    const struct nas_cell_state *s = &m->states[path->source];
    const struct nas_act *act = &m->acts[s->act];
    const int phases = path->relu ? s->rp : s->xp, whole = path->relu ? act->r : act->x;
    const int read = path->strided ? phases : whole;
    const int steps[][2] = {{layer->forward, layer->back}, {layer->forward + e, layer->back + e}};
    use(m, act->x, steps[0][0]);
    use_back(m, act->x, kept(act), steps[0][1]);
    if (path->strided && path->relu) {
        use(m, s->xp, steps[0][0]); /* from which the other phases are made */
        use_back(m, s->xp, made(m), steps[0][1]);
    }
    for (int i = 0; i < 2; i++) {
        use(m, read, steps[i][0]);
        use_back(m, read, read == act->x ? kept(act) : made(m), steps[i][1]);
    }
}

static void use_source_gradient(struct mn_model *m, const struct nas_layer *layer, int e,
                                const struct nas_path *path) {
    const struct nas_cell_state *s = &m->states[path->source];
    const int whole = path->relu ? m->acts[s->act].dr : m->acts[s->act].dx;
    if (s->act == 0) {
        return; /* the images */
    }
    if (!path->strided) {
        use_back(m, whole, NAS_HOLD_KEPT, layer->back + e);
        return;
    }
    const int phases = path->relu ? s->drp : s->dxp, fold = m->layers[s->layer].fold;
    use_back(m, phases, NAS_HOLD_KEPT, layer->back + e);
    use_back(m, phases, NAS_HOLD_KEPT, fold);
    use_back(m, whole, NAS_HOLD_KEPT, fold);
}

/* ---- layers ------------------------------------------------------------------------------- */

static void use_stages(struct mn_model *m, const struct nas_layer *layer, int e,
                       const struct nas_path *path) {
    const enum nas_hold_of which = path->again ? NAS_HOLD_AGAIN : NAS_HOLD_KEPT;
    const int forward = layer->forward + e, back = layer->back + e;
    for (int i = 0; i < path->n_stages; i++) {
        const struct nas_stage *stage = &path->stage[i];
        const struct nas_foreign *foreign = stage->linear[0].foreign;
        const int saved = foreign != NULL ? foreign->saved : NAS_NOWHERE;
        use(m, stage->u, forward);
        use(m, stage->y, forward);
        use(m, stage->which, forward);
        use(m, saved, forward);
        use_back(m, saved, NAS_HOLD_KEPT, back);
        use_back(m, stage->u, which, back);
        use_back(m, nas_sums_wanted(layer, path) ? stage->y : NAS_NOWHERE, which, back);
        use_back(m, stage->which, which, back);
    }
}

static void use_output(struct mn_model *m, const struct nas_layer *layer) {
    const struct nas_act *act = &m->acts[m->states[layer->state].act];
    use(m, act->x, layer->forward);
    use(m, act->x, layer->forward + layer->n_edges - 1);
    if (act->dr != NAS_NOWHERE) {
        use_back(m, act->x, kept(act), layer->fold);
        use_back(m, act->dr, NAS_HOLD_KEPT, layer->fold);
    }
    use_back(m, act->dx, NAS_HOLD_KEPT, layer->fold);
    use_back(m, act->dx, NAS_HOLD_KEPT, layer->back + layer->n_edges - 1);
}

static void use_layer(struct mn_model *m, const struct nas_layer *layer) {
    if (layer->kind != NAS_LAYER_NODE) {
        return;
    }
    use_output(m, layer);
    for (int e = 0; e < layer->n_edges; e++) {
        for (int p = 0; p < layer->edges[e].n_paths; p++) {
            const struct nas_path *path = &layer->edges[e].paths[p];
            if (!path->none) {
                use_source(m, layer, e, path);
                use_source_gradient(m, layer, e, path);
                use_stages(m, layer, e, path);
            }
        }
    }
}

static void use_head(struct mn_model *m) {
    const struct nas_head *h = &m->head;
    const struct nas_cell_state *s = &m->states[h->from];
    const struct nas_act *act = &m->acts[s->act];
    use(m, act->x, h->forward);
    use(m, s->relu ? act->r : NAS_NOWHERE, h->forward);
    use_back(m, s->relu ? act->dr : act->dx, NAS_HOLD_KEPT, h->back);
}

int nas_holds_plan(struct mn_model *m) {
    struct nas_slot **order = nas_arena_array(&m->arena, (size_t)m->n_slots, sizeof *order);
    if (order == NULL) {
        return MN_NOMEM;
    }
    m->n_steps = number_steps(m);
    use(m, m->acts[0].x, 0);
    for (int i = 0; i < m->n_layers; i++) {
        use_layer(m, &m->layers[i]);
    }
    use_head(m);
    m->n_reals = m->n_fixed;
    for (int plan = 0; plan < NAS_N_PLANS; plan++) {
        const size_t end =
            nas_slots_place(m->slots, m->n_slots, (enum nas_plan)plan, m->n_fixed, order);
        m->n_reals = end > m->n_reals ? end : m->n_reals;
    }
    return MN_OK;
}
